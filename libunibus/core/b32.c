#include "core/b32.h"

#include "core/ct.h"

static char to_char(unsigned v)
{
	return (char)('A' + v - (ub_ct_in_range(v, 26, 31) & ('A' + 26 - '2')));
}

/* 0 to 31, or 32 for what is not in the alphabet. */
static unsigned to_value(char ch)
{
	unsigned c = (unsigned char)ch;
	unsigned letter = ub_ct_in_range(c, 'A', 'Z');
	unsigned digit = ub_ct_in_range(c, '2', '7');

	return (letter & (c - 'A')) | (digit & (c - '2' + 26)) | (~(letter | digit) & 32);
}

void ub_b32_encode(const void *p, size_t len, char *to)
{
	const uint8_t *in = p;
	unsigned acc = 0, bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		acc = (acc << 8 | in[i]) & 0xfff;
		for (bits += 8; bits >= 5; bits -= 5)
			to[n++] = to_char(acc >> (bits - 5) & 31);
	}
	if (bits)
		to[n++] = to_char(acc << (5 - bits) & 31);
	to[n] = '\0';
}

ub_err ub_b32_decode(struct ub_str s, void *to, size_t len)
{
	uint8_t *out = to;
	unsigned acc = 0, bits = 0, seen = 0;
	size_t n = 0;

	if (len > SIZE_MAX / 16 || s.len != UB_B32_LEN(len))
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < s.len; i++)
		seen |= to_value(s.p[i]);
	if (s.len)
		seen |= (to_value(s.p[s.len - 1]) & ((1u << (s.len * 5 - len * 8)) - 1)) << 5;
	if (seen > 31)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < s.len; i++) {
		acc = (acc << 5 | to_value(s.p[i])) & 0xfff;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(acc >> bits);
		}
	}
	return UB_OK;
}
