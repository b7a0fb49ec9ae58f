/* ulid.h: ULIDs: 48 bits of unix milliseconds, 80 random bits, big-endian.
 *
 * Threads: pure. */
#ifndef UB_ULID_H
#define UB_ULID_H

#include "core/base.h"

#define UB_ULID_TEXT 26

/* `ms` below 2^48. */
void ub_ulid_make(uint64_t ms, const uint8_t random[10], struct ub_ulid *ret);
uint64_t ub_ulid_ms(const struct ub_ulid *u);
/* Crockford base32, upper case, 26 characters and a NUL. */
void ub_ulid_encode(const struct ub_ulid *u, char to[UB_ULID_TEXT + 1]);
/* Upper case, no I L O U, first character 0-7. */
UB_MUST_CHECK
ub_err ub_ulid_decode(struct ub_str s, struct ub_ulid *ret);

#endif
