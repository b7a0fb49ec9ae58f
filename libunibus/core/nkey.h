/* nkey.h: the text form of keys that NATS uses.
 *
 * base32(prefix byte ‖ 32 bytes ‖ crc16 little-endian), 56 characters; seeds have two prefix bytes
 * and 58 characters.
 *
 * Threads: pure. Secrets: seed texts are wiped by their owner. */
#ifndef UB_NKEY_H
#define UB_NKEY_H

#include "core/base.h"

enum ub_nkey_type {
	UB_NKEY_USER = 20 << 3,   /* U */
	UB_NKEY_ACCOUNT = 0,      /* A */
	UB_NKEY_SERVER = 13 << 3, /* N */
	UB_NKEY_CURVE = 23 << 3,  /* X */
};
#define UB_NKEY_TEXT 56
#define UB_NKEY_SEED_TEXT 58

void ub_nkey_encode(enum ub_nkey_type type, const uint8_t key[32], char to[UB_NKEY_TEXT + 1]);
/* UNIBUS_ERR_INVALID: length, alphabet, check sum, or another type than asked for. */
UB_MUST_CHECK
ub_err ub_nkey_decode(struct ub_str s, enum ub_nkey_type type, uint8_t ret[32]);

void ub_nkey_seed_encode(
	enum ub_nkey_type type, const uint8_t seed[32], char to[UB_NKEY_SEED_TEXT + 1]);
UB_MUST_CHECK
ub_err ub_nkey_seed_decode(struct ub_str s, enum ub_nkey_type type, uint8_t ret[32]);

#endif
