/* b64url.h: base64url without padding, and standard base64 with padding (key files only).
 *
 * Decoders accept the one canonical spelling: no padding (or exact padding), no stray characters,
 * unused bits zero. None of them branches on the bytes.
 *
 * Threads: pure. */
#ifndef UB_B64URL_H
#define UB_B64URL_H

#include "core/base.h"

/* Characters of `len` bytes, without the NUL. */
#define UB_B64URL_LEN(len) (((len)*4 + 2) / 3)

/* Writes UB_B64URL_LEN(len) characters and a NUL. */
void ub_b64url_encode(const void *p, size_t len, char *to);
/* Exactly `len` bytes or UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err ub_b64url_decode(struct ub_str s, void *to, size_t len);
/* Any length up to `max`; *ret_len bytes are written to `to`. */
UB_MUST_CHECK
ub_err ub_b64url_decode_var(struct ub_str s, void *to, size_t max, size_t *ret_len);

/* Standard alphabet with padding. `to` holds 4 * ((len + 2) / 3) characters and a NUL. */
void ub_b64_encode(const void *p, size_t len, char *to);
UB_MUST_CHECK
ub_err ub_b64_decode(struct ub_str s, void *to, size_t len);

#endif
