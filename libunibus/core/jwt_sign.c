#include <sodium.h>

#include "core/b32.h"
#include "core/b64url.h"
#include "core/json.h"
#include "core/jwt.h"
#include "core/key.h"
#include "core/limits.h"

/* {"typ":"JWT","alg":"ed25519-nkey"}, as every token of NATS begins. */
#define HEADER_B64 "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ."

/* The claims with iss and iat, as text; the caller frees *ret. */
static ub_err base_text(const struct ub_signkey *k, enum ub_nkey_type type, const json_t *claims,
	uint64_t now_s, char **ret)
{
	UB_CLEANUP(json_decrefp) json_t *all = NULL;
	struct ub_pubkey pub;
	char iss[UB_NKEY_TEXT + 1];

	ub_signkey_pub(k, &pub);
	ub_nkey_encode(type, pub.b, iss);
	/* json_copy takes no const; it does not write. */
	all = json_copy((json_t *)(uintptr_t)claims);
	if (!all || json_object_set_new(all, "iss", json_string(iss)) ||
		json_object_set_new(all, "iat", json_integer((json_int_t)now_s)))
		return UNIBUS_ERR_NOMEM;
	*ret = ub_json_text(all);
	return *ret ? UB_OK : UNIBUS_ERR_NOMEM;
}

ub_err ub_jwt_sign(const struct ub_signkey *k, enum ub_nkey_type type, const json_t *claims,
	uint64_t now_s, struct ub_buf *out)
{
	UB_CLEANUP(ub_freep) char *text = NULL;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf payload = UB_BUF(UB_JWT_MAX);
	struct ub_hash hash;
	struct ub_sig sig;
	char jti[UB_B32_LEN(32) + 1];
	size_t start = out->len;
	ub_err err;

	ub_assert(json_is_object(claims));
	err = base_text(k, type, claims, now_s, &text);
	if (err)
		return err;
	ub_hash(text, strlen(text), &hash);
	ub_b32_encode(hash.b, sizeof(hash.b), jti);
	/* iss is always there, so something follows the brace. */
	ub_buf_printf(&payload, "{\"jti\":\"%s\",", jti);
	ub_buf_z(&payload, text + 1);
	err = ub_buf_err(&payload);
	if (err)
		return err;

	ub_buf_z(out, HEADER_B64);
	ub_buf_b64url(out, payload.p, payload.len);
	err = ub_buf_err(out);
	if (err)
		return err;
	(void)crypto_sign_detached(sig.b, NULL, out->p + start, out->len - start, k->b);
	ub_buf_z(out, ".");
	ub_buf_b64url(out, sig.b, sizeof(sig.b));
	if (out->len - start > UB_JWT_MAX)
		return UNIBUS_ERR_TOO_LARGE;
	return ub_buf_err(out);
}
