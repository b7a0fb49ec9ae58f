#include <sodium.h>

#include "core/b64url.h"
#include "core/json.h"
#include "core/jwt.h"
#include "core/limits.h"

#define HEADER_MAX 256

struct parts {
	struct ub_str header, payload, sig;
	struct ub_str text; /* what is signed: header and payload with their dot */
};

static bool split(struct ub_str token, struct parts *ret)
{
	const char *end = token.p + token.len;
	const char *dot1 = memchr(token.p, '.', token.len);
	const char *dot2 = dot1 ? memchr(dot1 + 1, '.', (size_t)(end - dot1 - 1)) : NULL;

	if (!dot2)
		return false;
	ret->header = (struct ub_str){token.p, (size_t)(dot1 - token.p)};
	ret->payload = (struct ub_str){dot1 + 1, (size_t)(dot2 - dot1 - 1)};
	ret->sig = (struct ub_str){dot2 + 1, (size_t)(end - dot2 - 1)};
	ret->text = (struct ub_str){token.p, (size_t)(dot2 - token.p)};
	return true;
}

static ub_err parse_b64(struct ub_str s, size_t max, json_t **ret)
{
	UB_CLEANUP(ub_freep) uint8_t *raw = NULL;
	size_t cap = s.len / 4 * 3 + 3, len;
	ub_err err;

	if (cap > max)
		return UNIBUS_ERR_INVALID;
	raw = malloc(cap);
	if (!raw)
		return UNIBUS_ERR_NOMEM;
	err = ub_b64url_decode_var(s, raw, cap, &len);
	if (err)
		return err;
	return ub_json_parse_foreign((struct ub_str){(const char *)raw, len}, ret);
}

static ub_err check_header(struct ub_str s)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_obj o;
	struct ub_str typ, alg;
	ub_err err;

	err = parse_b64(s, HEADER_MAX, &v);
	if (err)
		return err;
	o = ub_obj(v);
	typ = ub_obj_text(&o, "typ", 1, 32);
	alg = ub_obj_text(&o, "alg", 1, 32);
	if (o.err || !ub_str_eqz(typ, "JWT") || !ub_str_eqz(alg, "ed25519-nkey"))
		return UNIBUS_ERR_INVALID;
	return UB_OK;
}

/* A token of another version is signed by another rule (over the payload alone). */
static ub_err check_claims(json_t *v, enum ub_nkey_type type, struct ub_pubkey *ret_iss)
{
	struct ub_obj o = ub_obj(v);
	struct ub_str iss = ub_obj_text(&o, "iss", UB_NKEY_TEXT, UB_NKEY_TEXT);
	struct ub_obj nats = ub_obj(ub_obj_object(&o, "nats"));

	(void)ub_obj_u64(&nats, "version", 2, 2);
	if (o.err || nats.err)
		return UNIBUS_ERR_INVALID;
	return ub_nkey_decode(iss, type, ret_iss->b);
}

ub_err ub_jwt_verify(
	struct ub_str token, enum ub_nkey_type type, struct ub_pubkey *ret_iss, json_t **ret)
{
	UB_CLEANUP(json_decrefp) json_t *claims = NULL;
	struct parts p;
	struct ub_pubkey iss;
	struct ub_sig sig;
	ub_err err;

	if (token.len > UB_JWT_MAX)
		return UNIBUS_ERR_TOO_LARGE;
	if (token.len == 0 || !split(token, &p))
		return UNIBUS_ERR_INVALID;
	err = check_header(p.header);
	if (err)
		return err;
	err = ub_b64url_decode(p.sig, sig.b, sizeof(sig.b));
	if (err)
		return err;
	err = parse_b64(p.payload, UB_JWT_MAX, &claims);
	if (err)
		return err;
	err = check_claims(claims, type, &iss);
	if (err)
		return err;
	if (crypto_sign_verify_detached(sig.b, (const uint8_t *)p.text.p, p.text.len, iss.b) != 0)
		return UNIBUS_ERR_BAD_SIGNATURE;
	*ret_iss = iss;
	*ret = UB_TAKE(claims);
	return UB_OK;
}
