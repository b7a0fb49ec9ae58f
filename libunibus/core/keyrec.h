/* keyrec.h: key records: a signing key's own statement of its key-exchange key.
 *
 * Payload {"v":1,"sign":hex,"kex":hex,"label":text,"seq":n,"created":ms,"expires":ms}. The server
 * stores key records, it cannot make them. A higher seq replaces a lower one.
 *
 * Threads: pure. Source: PROTOCOL.md section 1. */
#ifndef UB_KEYREC_H
#define UB_KEYREC_H

#include "core/base.h"
#include "core/buf.h"
#include "core/limits.h"

struct ub_keyrec {
	struct ub_pubkey sign;
	struct ub_kexpub kex;
	char label[UB_LABEL_MAX + 1]; /* UTF-8, no control characters; may be empty */
	uint64_t seq;                 /* from 1 */
	uint64_t created_ms, expires_ms;
};

/* Appends the signed text to *out. `r->sign` must be the key's public half (asserted). A
 * record that ub_keyrec_open would refuse is not signed: UNIBUS_ERR_INVALID is latched in *out. */
void ub_keyrec_sign(const struct ub_signkey *k, const struct ub_keyrec *r, struct ub_buf *out);
/* Parses and verifies. UNIBUS_ERR_INVALID (form, or a key that key.h refuses),
 * UNIBUS_ERR_BAD_SIGNATURE, UNIBUS_ERR_NOMEM. Expiry is not judged here. */
UB_MUST_CHECK
ub_err ub_keyrec_open(struct ub_str text, struct ub_keyrec *ret);

#endif
