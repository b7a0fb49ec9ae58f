#include "core/claims.h"
#include "core/json.h"
#include "core/jwt.h"
#include "core/limits.h"

/* One list of subjects as the server reads it. An absent or empty list would allow everything. */
static json_t *subject_list(const char *const *list, size_t n)
{
	UB_CLEANUP(json_decrefp) json_t *subjects = json_array();

	if (!subjects)
		return NULL;
	if (n == 0) {
		if (json_array_append_new(subjects, json_string(">")))
			return NULL;
		return json_pack("{s:O}", "deny", subjects);
	}
	for (size_t i = 0; i < n; i++) {
		if (json_array_append_new(subjects, json_string(list[i])))
			return NULL;
	}
	return json_pack("{s:O}", "allow", subjects);
}

/* Bytes of the list in JSON. A subject that the server would skip must not get there: a list of
 * nothing but skipped subjects is an empty one. */
static size_t list_bytes(const char *const *list, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(list[i]);

		ub_assert(len > 0 && strpbrk(list[i], " \t\r\n\"\\") == NULL);
		bytes += len + sizeof("\"\",") - 1;
	}
	return bytes;
}

static json_t *user_claims(const struct ub_auth_answer *a)
{
	const struct ub_permissions *p = a->perms;
	json_t *pub = subject_list(p->pub, p->n_pub);
	json_t *sub = subject_list(p->sub, p->n_sub);

	/* s:o takes the lists over, also when one is NULL and packing fails. -1 is "no limit". */
	return json_pack("{s:s, s:s, s:I, s:{s:s, s:i, s:o, s:o, s:i, s:i, s:i}}", "aud",
		a->account, "sub", a->req->user_nkey, "exp", (json_int_t)a->user_exp_s, "nats",
		"type", "user", "version", 2, "pub", pub, "sub", sub, "subs", -1, "data", -1,
		"payload", -1);
}

/* The envelope around a user token (`key` "jwt") or a reason ("error"). */
static ub_err answer(
	const struct ub_auth_answer *a, const char *key, struct ub_str value, struct ub_buf *out)
{
	UB_CLEANUP(json_decrefp) json_t *claims = NULL;

	claims = json_pack("{s:s, s:s, s:I, s:{s:s, s:i, s:s%}}", "aud", a->req->server_id, "sub",
		a->req->user_nkey, "exp", (json_int_t)a->envelope_exp_s, "nats", "type",
		"authorization_response", "version", 2, key, value.p, value.len);
	if (!claims)
		return UNIBUS_ERR_NOMEM;
	return ub_jwt_sign(a->issuer, UB_NKEY_ACCOUNT, claims, a->now_s, out);
}

ub_err ub_auth_grant(const struct ub_auth_answer *a, struct ub_buf *out)
{
	UB_CLEANUP(json_decrefp) json_t *claims = NULL;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf user = UB_BUF(UB_JWT_MAX);
	size_t bytes = list_bytes(a->perms->pub, a->perms->n_pub) +
		       list_bytes(a->perms->sub, a->perms->n_sub);
	ub_err err;

	ub_assert(a->user_exp_s > 0 && a->envelope_exp_s > 0 && a->account[0] != '\0');
	if (bytes > UB_PERMISSIONS_BYTES_MAX)
		return UNIBUS_ERR_TOO_LARGE;
	claims = user_claims(a);
	if (!claims)
		return UNIBUS_ERR_NOMEM;
	err = ub_jwt_sign(a->issuer, UB_NKEY_ACCOUNT, claims, a->now_s, &user);
	if (err)
		return err;
	return answer(a, "jwt", ub_buf_text(&user), out);
}

ub_err ub_auth_refuse(const struct ub_auth_answer *a, const char *reason, struct ub_buf *out)
{
	ub_assert(reason[0] != '\0' && a->envelope_exp_s > 0);
	return answer(a, "error", ub_str(reason), out);
}
