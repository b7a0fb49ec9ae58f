#include "core/b64url.h"

#include <sodium.h>

#define B64URL sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define B64 sodium_base64_VARIANT_ORIGINAL

/* libsodium 1.0.18 reads every byte from 0x80 on as some digit of base64: its comparisons take a
 * signed char for a small number. Does not branch on the bytes. */
static bool is_ascii(struct ub_str s)
{
	unsigned bits = 0;

	for (size_t i = 0; i < s.len; i++)
		bits |= (unsigned char)s.p[i];
	return bits < 0x80;
}

/* libsodium decodes while it checks; a first pass over a scratch block keeps the promise that
 * nothing is written unless everything is right. Only the last block may be short or padded. */
static bool well_formed(struct ub_str s, int variant, size_t *ret_len)
{
	uint8_t block[48];
	unsigned seen = 0;
	size_t total = 0;
	bool good = is_ascii(s);

	for (size_t at = 0; at < s.len && good; at += 64) {
		size_t n = s.len - at < 64 ? s.len - at : 64;
		size_t got = 0;

		good = sodium_base642bin(
			       block, sizeof(block), s.p + at, n, NULL, &got, NULL, variant) == 0 &&
		       (at + n == s.len || got == sizeof(block));
		total += got;
	}
	sodium_memzero(block, sizeof(block));
	/* libsodium 1.0.18 takes bytes from 0x80 up for characters of the alphabet. */
	for (size_t i = 0; i < s.len; i++)
		seen |= (unsigned char)s.p[i];
	*ret_len = total;
	return good && seen < 0x80;
}

static ub_err decode(
	struct ub_str s, int variant, void *to, size_t min, size_t max, size_t *ret_len)
{
	size_t len;

	if (!well_formed(s, variant, &len) || len < min || len > max)
		return UNIBUS_ERR_INVALID;
	if (len && sodium_base642bin(to, max, s.p, s.len, NULL, NULL, NULL, variant) != 0)
		return UNIBUS_ERR_INVALID;
	*ret_len = len;
	return UB_OK;
}

void ub_b64url_encode(const void *p, size_t len, char *to)
{
	sodium_bin2base64(to, UB_B64URL_LEN(len) + 1, p, len, B64URL);
}

ub_err ub_b64url_decode(struct ub_str s, void *to, size_t len)
{
	size_t got;

	return decode(s, B64URL, to, len, len, &got);
}

ub_err ub_b64url_decode_var(struct ub_str s, void *to, size_t max, size_t *ret_len)
{
	return decode(s, B64URL, to, 0, max, ret_len);
}

void ub_b64_encode(const void *p, size_t len, char *to)
{
	sodium_bin2base64(to, (len + 2) / 3 * 4 + 1, p, len, B64);
}

ub_err ub_b64_decode(struct ub_str s, void *to, size_t len)
{
	size_t got;

	return decode(s, B64, to, len, len, &got);
}
