/* b32.h: RFC 4648 base32 without padding, upper case, as nkeys use it.
 *
 * Threads: pure. Secrets: seeds pass through; neither codec branches on the bytes. */
#ifndef UB_B32_H
#define UB_B32_H

#include "core/base.h"

#define UB_B32_LEN(len) (((len)*8 + 4) / 5)

/* Writes UB_B32_LEN(len) characters and a NUL. */
void ub_b32_encode(const void *p, size_t len, char *to);
/* Exactly `len` bytes, one spelling (unused bits zero), or UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err ub_b32_decode(struct ub_str s, void *to, size_t len);

#endif
