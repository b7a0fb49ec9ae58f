#include "core/b64url.h"
#include "core/claims.h"
#include "core/json.h"
#include "core/jwt.h"
#include "core/limits.h"

#define REQUEST_AUDIENCE "nats-authorization-request"
#define TEXT_MAX 1024 /* of one field of the server's: names, addresses, keys */

/* Text that may be absent, and is cut (between characters) to fit `to`. */
static void copy_text(struct ub_obj *o, const char *key, char *to, size_t size)
{
	struct ub_str s;
	size_t n;

	to[0] = '\0';
	if (!ub_obj_has(o, key))
		return;
	s = ub_obj_text(o, key, 0, TEXT_MAX);
	n = s.len < size ? s.len : size - 1;
	while (n > 0 && n < s.len && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	memcpy(to, s.p ? s.p : "", n);
	to[n] = '\0';
}

static bool is_nonce(const char *z)
{
	size_t len = strspn(z, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

	return z[len] == '\0' && len >= UB_LOGIN_NONCE_MIN && len <= UB_LOGIN_NONCE_MAX;
}

static void read_nonce(struct ub_obj *info, struct ub_auth_request *r)
{
	struct ub_str s = {NULL, 0};

	if (ub_obj_has(info, "nonce"))
		s = ub_obj_text(info, "nonce", 0, TEXT_MAX);
	if (s.len >= sizeof(r->nonce) || !s.p || !is_nonce(s.p))
		return;
	memcpy(r->nonce, s.p, s.len + 1);
	r->has_nonce = true;
}

/* Clients spell the signature in either base64; the server takes both. */
static void read_proof(struct ub_obj *opts, struct ub_auth_request *r)
{
	struct ub_str s;

	if (ub_obj_has(opts, "nkey")) {
		s = ub_obj_text(opts, "nkey", 0, TEXT_MAX);
		r->has_nkey = s.p && ub_nkey_decode(s, UB_NKEY_USER, r->nkey.b) == UB_OK;
	}
	if (ub_obj_has(opts, "sig")) {
		s = ub_obj_text(opts, "sig", 0, TEXT_MAX);
		r->has_sig = s.p && (ub_b64url_decode(s, r->sig.b, sizeof(r->sig.b)) == UB_OK ||
					    ub_b64_decode(s, r->sig.b, sizeof(r->sig.b)) == UB_OK);
	}
}

static ub_err read_server(
	struct ub_obj *nats, const struct ub_pubkey *iss, struct ub_auth_request *r)
{
	struct ub_obj server = ub_obj(ub_obj_object(nats, "server_id"));
	struct ub_str id = ub_obj_text(&server, "id", UB_NKEY_TEXT, UB_NKEY_TEXT);

	copy_text(&server, "name", r->server_name, sizeof(r->server_name));
	if (server.err)
		return UNIBUS_ERR_INVALID;
	ub_nkey_encode(UB_NKEY_SERVER, iss->b, r->server_id);
	r->server_key = *iss;
	return ub_str_eqz(id, r->server_id) ? UB_OK : UNIBUS_ERR_INVALID;
}

static ub_err read_nats(struct ub_obj *nats, struct ub_auth_request *r)
{
	struct ub_str type = ub_obj_text(nats, "type", 1, 64);
	struct ub_str user = ub_obj_text(nats, "user_nkey", UB_NKEY_TEXT, UB_NKEY_TEXT);
	struct ub_obj info = ub_obj(ub_obj_object(nats, "client_info"));
	struct ub_obj opts = ub_obj(ub_obj_object(nats, "connect_opts"));
	struct ub_pubkey key;

	r->cid = ub_obj_u64(&info, "id", 1, UB_JSON_INT_MAX);
	copy_text(&info, "host", r->host, sizeof(r->host));
	copy_text(&info, "type", r->conn_type, sizeof(r->conn_type));
	copy_text(&info, "kind", r->conn_kind, sizeof(r->conn_kind));
	read_nonce(&info, r);
	read_proof(&opts, r);
	if (nats->err || info.err || opts.err || !ub_str_eqz(type, "authorization_request"))
		return UNIBUS_ERR_INVALID;
	memcpy(r->user_nkey, user.p, UB_NKEY_TEXT);
	return ub_nkey_decode(user, UB_NKEY_USER, key.b);
}

ub_err ub_auth_request_open(
	struct ub_str token, const char *issuer_nkey, uint64_t now_s, struct ub_auth_request *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_auth_request r = {.cid = 0};
	struct ub_pubkey iss;
	struct ub_obj o, nats;
	struct ub_str aud, sub;
	ub_err err;

	err = ub_jwt_verify(token, UB_NKEY_SERVER, &iss, &v);
	if (err)
		return err == UNIBUS_ERR_TOO_LARGE ? UNIBUS_ERR_INVALID : err;
	o = ub_obj(v);
	aud = ub_obj_text(&o, "aud", 1, 64);
	sub = ub_obj_text(&o, "sub", 1, 64);
	r.exp_s = ub_obj_u64(&o, "exp", 1, UB_JSON_INT_MAX);
	nats = ub_obj(ub_obj_object(&o, "nats"));
	if (o.err || !ub_str_eqz(aud, REQUEST_AUDIENCE) || !ub_str_eqz(sub, issuer_nkey))
		return UNIBUS_ERR_INVALID;
	err = read_server(&nats, &iss, &r);
	if (err)
		return err;
	err = read_nats(&nats, &r);
	if (err)
		return err;
	if (r.exp_s <= now_s)
		return UNIBUS_ERR_EXPIRED;
	*ret = r;
	return UB_OK;
}
