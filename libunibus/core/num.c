#include "core/num.h"

#include <sodium.h>

#include "core/ct.h"

#define DURATION_MAX_MS (366ULL * 24 * 3600 * 1000)

ub_err ub_num_u64(struct ub_str s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!s.len || (s.len > 1 && s.p[0] == '0'))
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return UNIBUS_ERR_INVALID;
		v = v * 10 + digit;
	}
	if (v < min || v > max)
		return UNIBUS_ERR_INVALID;
	*ret = v;
	return UB_OK;
}

ub_err ub_num_duration_ms(struct ub_str s, uint64_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000},
		{"d", 24 * 3600 * 1000}};
	size_t digits = 0;
	struct ub_str unit;
	uint64_t v;

	while (digits < s.len && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	if (!digits)
		return UNIBUS_ERR_INVALID;
	unit = (struct ub_str){s.p + digits, s.len - digits};
	for (size_t i = 0; i < UB_ARRAY_LEN(units); i++) {
		if (!ub_str_eqz(unit, units[i].unit))
			continue;
		if (ub_num_u64((struct ub_str){s.p, digits}, 0, DURATION_MAX_MS / units[i].ms, &v))
			return UNIBUS_ERR_INVALID;
		*ret = v * units[i].ms;
		return UB_OK;
	}
	return UNIBUS_ERR_INVALID;
}

/* 0 to 15, or 16 for what is no lower-case digit; keys in files pass here. */
static unsigned hex_value(char ch)
{
	unsigned c = (unsigned char)ch;
	unsigned digit = ub_ct_in_range(c, '0', '9');
	unsigned letter = ub_ct_in_range(c, 'a', 'f');

	return (digit & (c - '0')) | (letter & (c - 'a' + 10)) | (~(digit | letter) & 16);
}

ub_err ub_hex_decode(struct ub_str s, void *to, size_t len)
{
	uint8_t *out = to;
	unsigned seen = 0;

	if (len > SIZE_MAX / 2 || s.len != len * 2)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < s.len; i++)
		seen |= hex_value(s.p[i]);
	if (seen & 16)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(hex_value(s.p[2 * i]) << 4 | hex_value(s.p[2 * i + 1]));
	return UB_OK;
}

void ub_hex_encode(const void *p, size_t len, char *to)
{
	sodium_bin2hex(to, len * 2 + 1, p, len);
}

void ub_put_u32(uint8_t to[4], uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		to[i] = (uint8_t)v;
}

void ub_put_u64(uint8_t to[8], uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		to[i] = (uint8_t)v;
}

uint32_t ub_get_u32(const uint8_t p[4])
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t ub_get_u64(const uint8_t p[8])
{
	return (uint64_t)ub_get_u32(p) << 32 | ub_get_u32(p + 4);
}
