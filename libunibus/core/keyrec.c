#include "core/keyrec.h"

#include "core/json.h"
#include "core/key.h"
#include "core/signed_text.h"

/* No control characters: U+0000 to U+001F, U+007F to U+009F. `s` is valid UTF-8. */
static bool printable(struct ub_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			return false;
		if (c == 0xc2 && i + 1 < s.len && (unsigned char)s.p[i + 1] < 0xa0)
			return false;
	}
	return true;
}

static ub_err payload_read(struct ub_str payload, struct ub_keyrec *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_keyrec r = {0};
	struct ub_str label;
	struct ub_obj o;
	ub_err err = ub_json_parse(payload, &v);

	if (err)
		return err;
	o = ub_obj(v);
	ub_obj_u64(&o, "v", 1, 1);
	ub_obj_hex(&o, "sign", r.sign.b, sizeof(r.sign.b));
	ub_obj_hex(&o, "kex", r.kex.b, sizeof(r.kex.b));
	label = ub_obj_text(&o, "label", 0, UB_LABEL_MAX);
	r.seq = ub_obj_u64(&o, "seq", 1, UB_JSON_INT_MAX);
	r.created_ms = ub_obj_u64(&o, "created", 0, UB_JSON_INT_MAX);
	r.expires_ms = ub_obj_u64(&o, "expires", 0, UB_JSON_INT_MAX);
	if (ub_obj_end(&o) || !printable(label) || r.created_ms >= r.expires_ms ||
		ub_pubkey_check(&r.sign) || ub_kexpub_check(&r.kex))
		return UNIBUS_ERR_INVALID;
	memcpy(r.label, label.p, label.len);
	*ret = r;
	return UB_OK;
}

static void payload_write(const struct ub_keyrec *r, struct ub_buf *out)
{
	ub_buf_z(out, "{\"v\":1,\"sign\":\"");
	ub_buf_hex(out, r->sign.b, sizeof(r->sign.b));
	ub_buf_z(out, "\",\"kex\":\"");
	ub_buf_hex(out, r->kex.b, sizeof(r->kex.b));
	ub_buf_z(out, "\",\"label\":\"");
	for (size_t i = 0; i < sizeof(r->label) && r->label[i]; i++) {
		if (r->label[i] == '"' || r->label[i] == '\\')
			ub_buf_u8(out, '\\');
		ub_buf_u8(out, (uint8_t)r->label[i]);
	}
	ub_buf_printf(out, "\",\"seq\":%llu,\"created\":%llu,\"expires\":%llu}",
		(unsigned long long)r->seq, (unsigned long long)r->created_ms,
		(unsigned long long)r->expires_ms);
}

void ub_keyrec_sign(const struct ub_signkey *k, const struct ub_keyrec *r, struct ub_buf *out)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf payload = UB_BUF(UB_KEYREC_MAX);
	struct ub_keyrec read_back;
	struct ub_pubkey pub;
	ub_err err;

	ub_signkey_pub(k, &pub);
	ub_assert(ub_pubkey_eq(&pub, &r->sign));
	payload_write(r, &payload);
	err = ub_buf_err(&payload);
	/* Read back, so that nothing is ever signed that another peer would refuse. */
	if (!err)
		err = payload_read(ub_buf_text(&payload), &read_back);
	if (err)
		ub_buf_fail(out, err);
	else
		ub_signed_text_make(UB_TAG_KEYREC, k, ub_buf_text(&payload), out);
}

ub_err ub_keyrec_open(struct ub_str text, struct ub_keyrec *ret)
{
	UB_CLEANUP(ub_signed_text_deinit) struct ub_signed_text st = {0};
	struct ub_keyrec r;
	ub_err err = ub_signed_text_split(text, UB_KEYREC_MAX, &st);

	if (err)
		return err == UNIBUS_ERR_NOMEM ? err : UNIBUS_ERR_INVALID;
	err = payload_read((struct ub_str){st.payload, st.len}, &r);
	if (!err)
		err = ub_signed_text_verify(UB_TAG_KEYREC, &r.sign, &st);
	if (!err)
		*ret = r;
	return err;
}
