#include "core/signed_text.h"

#include "core/b64url.h"
#include "core/key.h"

void ub_signed_text_make(
	const char *tag, const struct ub_signkey *k, struct ub_str payload, struct ub_buf *out)
{
	struct ub_ph ph;
	struct ub_sig sig;

	ub_ph_init(&ph, tag);
	ub_ph_update(&ph, payload.p, payload.len);
	ub_ph_sign(&ph, k, &sig);
	ub_buf_b64url(out, payload.p, payload.len);
	ub_buf_z(out, ".");
	ub_buf_b64url(out, sig.b, sizeof(sig.b));
}

ub_err ub_signed_text_split(struct ub_str text, size_t max, struct ub_signed_text *ret)
{
	UB_CLEANUP(ub_freep) char *payload = NULL;
	struct ub_str first, second;
	struct ub_signed_text st = {0};
	const char *dot;

	if (text.len > max)
		return UNIBUS_ERR_TOO_LARGE;
	dot = text.len ? memchr(text.p, '.', text.len) : NULL;
	if (!dot)
		return UNIBUS_ERR_INVALID;
	first = (struct ub_str){text.p, (size_t)(dot - text.p)};
	second = (struct ub_str){dot + 1, text.len - first.len - 1};
	payload = malloc(first.len + 1);
	if (!payload)
		return UNIBUS_ERR_NOMEM;
	if (ub_b64url_decode_var(first, payload, first.len, &st.len) ||
		ub_b64url_decode(second, st.sig.b, sizeof(st.sig.b)) ||
		memchr(payload, '\0', st.len))
		return UNIBUS_ERR_INVALID;
	payload[st.len] = '\0';
	st.payload = UB_TAKE(payload);
	*ret = st;
	return UB_OK;
}

ub_err ub_signed_text_verify(
	const char *tag, const struct ub_pubkey *pub, const struct ub_signed_text *st)
{
	struct ub_ph ph;

	ub_ph_init(&ph, tag);
	ub_ph_update(&ph, st->payload, st->len);
	return ub_ph_verify(&ph, pub, &st->sig);
}

void ub_signed_text_deinit(struct ub_signed_text *st)
{
	free(st->payload);
	*st = (struct ub_signed_text){0};
}
