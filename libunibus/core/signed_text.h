/* signed_text.h: "b64u(payload) . b64u(signature)", the form of key records and room log entries.
 *
 * The payload is signed and hashed exactly as sent, never re-serialized.
 *
 * Threads: pure. */
#ifndef UB_SIGNED_TEXT_H
#define UB_SIGNED_TEXT_H

#include "core/base.h"
#include "core/buf.h"

/* Appends payload and signature to *out. */
void ub_signed_text_make(
	const char *tag, const struct ub_signkey *k, struct ub_str payload, struct ub_buf *out);

struct ub_signed_text {
	char *payload; /* owned, NUL-terminated, no NUL inside */
	size_t len;
	struct ub_sig sig;
};
/* Splits and decodes; verifies nothing. UNIBUS_ERR_INVALID, UNIBUS_ERR_NOMEM, and
 * UNIBUS_ERR_TOO_LARGE when the text is longer than `max`. */
UB_MUST_CHECK
ub_err ub_signed_text_split(struct ub_str text, size_t max, struct ub_signed_text *ret);
UB_MUST_CHECK
ub_err ub_signed_text_verify(
	const char *tag, const struct ub_pubkey *pub, const struct ub_signed_text *st);
void ub_signed_text_deinit(struct ub_signed_text *st);

#endif
