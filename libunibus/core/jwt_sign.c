#include <sodium.h>

#include "core/b32.h"
#include "core/json.h"
#include "core/jwt.h"
#include "core/key.h"
#include "core/limits.h"

/* {"typ":"JWT","alg":"ed25519-nkey"}, as every token of NATS begins. */
#define HEADER_B64 "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ."
#define JTI_LEN UB_B32_LEN(32)
#define JTI_OPEN "{\"jti\":\""
#define JTI_CLOSE "\","

/* {"jti":"<hash of the rest>",<rest>}: the place of the hash is kept free until it is known. */
static ub_err put_payload(const char *iss, struct ub_str members, uint64_t now_s, struct ub_buf *b)
{
	static const char space[JTI_LEN];
	const size_t rest = sizeof(JTI_OPEN) - 1 + JTI_LEN + sizeof(JTI_CLOSE) - 1;
	struct ub_hash hash;
	char jti[JTI_LEN + 1];
	ub_err err;

	ub_buf_z(b, JTI_OPEN);
	ub_buf_put(b, space, sizeof(space));
	ub_buf_printf(b, JTI_CLOSE "\"iat\":%llu,\"iss\":\"%s\",", (unsigned long long)now_s, iss);
	ub_buf_str(b, members);
	ub_buf_z(b, "}");
	err = ub_buf_err(b);
	if (err)
		return err;
	ub_hash(b->p + rest, b->len - rest, &hash);
	ub_b32_encode(hash.b, sizeof(hash.b), jti);
	memcpy(b->p + sizeof(JTI_OPEN) - 1, jti, JTI_LEN);
	return UB_OK;
}

ub_err ub_jwt_sign_text(const struct ub_signkey *k, enum ub_nkey_type type, struct ub_str members,
	uint64_t now_s, struct ub_buf *out)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf payload = UB_BUF(UB_JWT_MAX);
	struct ub_pubkey pub;
	struct ub_sig sig;
	char iss[UB_NKEY_TEXT + 1];
	size_t start = out->len;
	ub_err err;

	ub_assert(members.len > 0);
	ub_signkey_pub(k, &pub);
	ub_nkey_encode(type, pub.b, iss);
	err = put_payload(iss, members, now_s, &payload);
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

ub_err ub_jwt_sign(const struct ub_signkey *k, enum ub_nkey_type type, const json_t *claims,
	uint64_t now_s, struct ub_buf *out)
{
	UB_CLEANUP(ub_freep) char *text = NULL;

	ub_assert(json_object_size(claims) > 0);
	text = ub_json_text(claims);
	if (!text)
		return UNIBUS_ERR_NOMEM;
	/* Without its braces. */
	return ub_jwt_sign_text(k, type, (struct ub_str){text + 1, strlen(text) - 2}, now_s, out);
}
