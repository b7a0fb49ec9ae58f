#include "core/claims.h"
#include "core/json.h"
#include "core/jwt.h"
#include "core/limits.h"

/* Claims are written as text: a grant is on every login's path, and everything in it is of our own
 * making and needs no escaping, which is asserted. */

static bool is_plain(const char *z)
{
	const char *p = z;

	while (*p > 0x20 && *p < 0x7f && *p != '"' && *p != '\\')
		p++;
	return p > z && *p == '\0';
}

/* One list of subjects as the server reads it. An absent or empty list would allow everything, and
 * so would one of nothing but subjects that the server skips. */
static void put_subjects(const char *const *list, size_t n, struct ub_buf *b)
{
	if (n == 0) {
		ub_buf_z(b, "{\"deny\":[\">\"]}");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		ub_assert(is_plain(list[i]));
		ub_buf_z(b, i == 0 ? "{\"allow\":[\"" : "\",\"");
		ub_buf_z(b, list[i]);
	}
	ub_buf_z(b, "\"]}");
}

/* "aud", "sub" and "exp", which every token has, and the beginning of "nats". */
static void put_head(const struct ub_auth_answer *a, const char *aud, uint64_t exp_s,
	const char *type, struct ub_buf *b)
{
	ub_assert(is_plain(aud) && is_plain(a->req->user_nkey) && exp_s > 0);
	ub_buf_printf(b, "\"aud\":\"%s\",\"sub\":\"%s\",\"exp\":%llu,", aud, a->req->user_nkey,
		(unsigned long long)exp_s);
	ub_buf_printf(b, "\"nats\":{\"type\":\"%s\",\"version\":2,", type);
}

static ub_err sign(const struct ub_auth_answer *a, const struct ub_buf *members, struct ub_buf *out)
{
	ub_err err = ub_buf_err(members);

	if (err)
		return err;
	return ub_jwt_sign_text(a->issuer, UB_NKEY_ACCOUNT, ub_buf_text(members), a->now_s, out);
}

static ub_err user_token(const struct ub_auth_answer *a, struct ub_buf *out)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(UB_PERMISSIONS_BYTES_MAX + 1024);
	size_t before;

	put_head(a, a->account, a->user_exp_s, "user", &b);
	before = b.len;
	ub_buf_z(&b, "\"pub\":");
	put_subjects(a->perms->pub, a->perms->n_pub, &b);
	ub_buf_z(&b, ",\"sub\":");
	put_subjects(a->perms->sub, a->perms->n_sub, &b);
	if (b.len - before > UB_PERMISSIONS_BYTES_MAX)
		return UNIBUS_ERR_TOO_LARGE;
	/* -1 is "no limit": the server takes limits from its account, not from here. */
	ub_buf_z(&b, ",\"subs\":-1,\"data\":-1,\"payload\":-1}");
	return sign(a, &b, out);
}

/* The envelope around a user token ("jwt") or a reason ("error"); `value` has its quotes. */
static ub_err envelope(
	const struct ub_auth_answer *a, const char *key, struct ub_str value, struct ub_buf *out)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(UB_JWT_MAX);

	put_head(a, a->req->server_id, a->envelope_exp_s, "authorization_response", &b);
	ub_buf_printf(&b, "\"%s\":", key);
	ub_buf_str(&b, value);
	ub_buf_z(&b, "}");
	return sign(a, &b, out);
}

ub_err ub_auth_grant(const struct ub_auth_answer *a, struct ub_buf *out)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf user = UB_BUF(UB_JWT_MAX);
	ub_err err;

	ub_buf_z(&user, "\"");
	err = user_token(a, &user);
	if (err)
		return err;
	ub_buf_z(&user, "\"");
	err = ub_buf_err(&user);
	if (err)
		return err;
	return envelope(a, "jwt", ub_buf_text(&user), out);
}

ub_err ub_auth_refuse(const struct ub_auth_answer *a, const char *reason, struct ub_buf *out)
{
	UB_CLEANUP(json_decrefp) json_t *v = json_string(reason);
	UB_CLEANUP(ub_freep) char *text = v ? ub_json_text(v) : NULL;

	ub_assert(reason[0] != '\0');
	if (!text)
		return UNIBUS_ERR_NOMEM;
	return envelope(a, "error", ub_str(text), out);
}
