/* nonce.h: request nonces seen within the window; nothing unexpired is ever forgotten.
 *
 * Ages run on the boot clock. The highest timestamp forgotten is a floor: anything at or below it
 * is refused, so a clock stepped back reopens nothing.
 *
 * Threads: any. */
#ifndef MD_NONCE_H
#define MD_NONCE_H

#include "core/base.h"
#include "core/limits.h"

struct md_nonces;
struct md_nonces_limits { /* zero: core/limits.h */
	size_t per_key, total;
};
UB_MUST_CHECK
ub_err md_nonces_new(const struct md_nonces_limits *l, struct md_nonces **ret);
void md_nonces_free(struct md_nonces *n);

struct md_nonce {
	struct ub_pubkey key;
	uint8_t nonce[16];
	uint64_t ts_ms; /* the request's own time */
};
/* Syntax and window are checked elsewhere; this says whether ts is above the floor and the nonce
 * unseen. UNIBUS_ERR_REPLAY. Changes nothing: only a verified signature may burn a nonce. */
UB_MUST_CHECK
ub_err md_nonces_check(struct md_nonces *n, const struct md_nonce *x, uint64_t boot_ms);
/* Checks again and remembers, in one step: of two racing requests one wins. UNIBUS_ERR_REPLAY,
 * UNIBUS_ERR_SLOW_DOWN (the key's share or the whole is full), UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_nonces_note(struct md_nonces *n, const struct md_nonce *x, uint64_t boot_ms);

#endif
