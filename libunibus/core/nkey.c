#include "core/nkey.h"

#include <sodium.h>

#include "core/b32.h"
#include "core/crc16.h"

#define SEED_PREFIX 0x90 /* 18 << 3: what makes a seed's text start with S */
#define RAW_MAX (2 + 32 + 2)

/* Appends the check sum to raw[0..len) and writes the text. Wipes raw. */
static void seal(uint8_t raw[RAW_MAX], size_t len, char *to)
{
	uint16_t crc = ub_crc16(raw, len);

	raw[len] = (uint8_t)crc;
	raw[len + 1] = (uint8_t)(crc >> 8);
	ub_b32_encode(raw, len + 2, to);
	sodium_memzero(raw, RAW_MAX);
}

static ub_err open(struct ub_str s, uint8_t raw[RAW_MAX], size_t len)
{
	uint16_t crc;

	if (ub_b32_decode(s, raw, len + 2))
		return UNIBUS_ERR_INVALID;
	crc = ub_crc16(raw, len);
	if (raw[len] != (crc & 0xff) || raw[len + 1] != crc >> 8)
		return UNIBUS_ERR_INVALID;
	return UB_OK;
}

void ub_nkey_encode(enum ub_nkey_type type, const uint8_t key[32], char to[UB_NKEY_TEXT + 1])
{
	uint8_t raw[RAW_MAX] = {(uint8_t)type};

	memcpy(raw + 1, key, 32);
	seal(raw, 33, to);
}

ub_err ub_nkey_decode(struct ub_str s, enum ub_nkey_type type, uint8_t ret[32])
{
	uint8_t raw[RAW_MAX];

	if (open(s, raw, 33) || raw[0] != (uint8_t)type)
		return UNIBUS_ERR_INVALID;
	memcpy(ret, raw + 1, 32);
	return UB_OK;
}

void ub_nkey_seed_encode(
	enum ub_nkey_type type, const uint8_t seed[32], char to[UB_NKEY_SEED_TEXT + 1])
{
	uint8_t raw[RAW_MAX] = {(uint8_t)(SEED_PREFIX | (unsigned)type >> 5),
		(uint8_t)(((unsigned)type & 31) << 3)};

	memcpy(raw + 2, seed, 32);
	seal(raw, 34, to);
}

ub_err ub_nkey_seed_decode(struct ub_str s, enum ub_nkey_type type, uint8_t ret[32])
{
	uint8_t raw[RAW_MAX] = {0};
	ub_err err = open(s, raw, 34);

	if (!err && (raw[0] != (SEED_PREFIX | (unsigned)type >> 5) ||
			    raw[1] != (((unsigned)type & 31) << 3)))
		err = UNIBUS_ERR_INVALID;
	if (!err)
		memcpy(ret, raw + 2, 32);
	sodium_memzero(raw, sizeof(raw));
	return err;
}
