#include "core/ulid.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void ub_ulid_make(uint64_t ms, const uint8_t random[10], struct ub_ulid *ret)
{
	ub_assert(ms >> 48 == 0);
	for (int i = 5; i >= 0; i--, ms >>= 8)
		ret->b[i] = (uint8_t)ms;
	memcpy(ret->b + 6, random, 10);
}

uint64_t ub_ulid_ms(const struct ub_ulid *u)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < 6; i++)
		ms = ms << 8 | u->b[i];
	return ms;
}

void ub_ulid_encode(const struct ub_ulid *u, char to[UB_ULID_TEXT + 1])
{
	/* 26 characters have two bits more than 16 bytes: those are in front and zero. */
	unsigned acc = 0, bits = 2;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(u->b); i++) {
		acc = (acc << 8 | u->b[i]) & 0xfff;
		for (bits += 8; bits >= 5; bits -= 5)
			to[n++] = alphabet[acc >> (bits - 5) & 31];
	}
	to[n] = '\0';
}

ub_err ub_ulid_decode(struct ub_str s, struct ub_ulid *ret)
{
	struct ub_ulid u;
	unsigned acc = 0, bits = 0;
	size_t n = 0;

	if (s.len != UB_ULID_TEXT || s.p[0] < '0' || s.p[0] > '7')
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < s.len; i++) {
		const char *at = s.p[i] ? strchr(alphabet, s.p[i]) : NULL;

		if (!at)
			return UNIBUS_ERR_INVALID;
		acc = (acc << 5 | (unsigned)(at - alphabet)) & 0xfff;
		bits += i ? 5 : 3;
		if (bits >= 8) {
			bits -= 8;
			u.b[n++] = (uint8_t)(acc >> bits);
		}
	}
	*ret = u;
	return UB_OK;
}
