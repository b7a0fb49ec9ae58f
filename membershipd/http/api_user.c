/* /users: the allowlist. */
#include "core/endpoint.h"
#include "core/json.h"
#include "core/num.h"
#include "core/subject.h"
#include "membershipd/http/api.h"

static json_t *user_json(const struct md_user *u)
{
	json_t *v = json_pack("{so,so,ss,ss,ss,sI}", "sign_pub", md_json_pubkey(&u->sign),
		"endpoint", md_json_endpoint(&u->id), "handle", u->handle, "role",
		u->admin ? "admin" : "member", "status", u->active ? "active" : "revoked",
		"created_at", (json_int_t)u->created_ms);

	if (u->revoked_ms)
		md_json_set(&v, "revoked_at", json_integer((json_int_t)u->revoked_ms));
	return v;
}

void api_users_list(struct md_call *c)
{
	UB_CLEANUP(ub_freep) struct md_user *users = NULL;
	UB_CLEANUP(json_decrefp) json_t *list = NULL;
	struct ub_str after = httpd_query(c->req, "after");
	size_t limit, n = 0;
	ub_err err;

	if (!md_query_limit(c, &limit) || !md_query_end(c))
		return;
	if (after.p && ub_handle_check(after)) {
		md_fail(c, UNIBUS_ERR_INVALID, "after must be a handle: the last answer's next");
		return;
	}
	users = calloc(limit + 1, sizeof(*users));
	if (!users) {
		md_fail(c, UNIBUS_ERR_NOMEM, NULL);
		return;
	}
	err = md_user_list(c->svc, after, users, limit + 1, &n);
	if (err) {
		md_fail(c, err, NULL);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < n && i < limit; i++)
		md_json_push(&list, user_json(&users[i]));
	md_ok(c, 200,
		json_pack("{so,ss?}", "users", UB_TAKE(list), "next",
			n > limit ? users[limit - 1].handle : NULL));
}

static bool decode_add(struct md_call *c, json_t *body, struct md_user_add *ret)
{
	struct ub_obj o = ub_obj(body);
	struct ub_str role = UB_STR("member");

	ub_obj_hex(&o, "sign_pub", ret->sign.b, sizeof(ret->sign.b));
	if (o.err) {
		md_fail(c, UNIBUS_ERR_INVALID, "sign_pub must be 64 lower-case hexadecimal digits");
		return false;
	}
	ret->handle = ub_obj_text(&o, "handle", 1, UB_HANDLE_MAX);
	if (o.err || ub_handle_check(ret->handle)) {
		md_fail(c, UNIBUS_ERR_INVALID,
			"handle must be 1 to 32 of a-z 0-9 . _ - and begin with a letter or digit");
		return false;
	}
	if (ub_obj_has(&o, "role"))
		role = ub_obj_text(&o, "role", 1, 16);
	ret->admin = ub_str_eqz(role, "admin");
	if (o.err || (!ret->admin && !ub_str_eqz(role, "member"))) {
		md_fail(c, UNIBUS_ERR_INVALID, "role must be \"admin\" or \"member\"");
		return false;
	}
	if (ub_obj_end(&o)) {
		md_fail(c, UNIBUS_ERR_INVALID,
			"a user has sign_pub, handle and role, nothing else");
		return false;
	}
	return true;
}

void api_user_add(struct md_call *c)
{
	UB_CLEANUP(json_decrefp) json_t *body = NULL;
	struct md_user_add add = {0};
	struct ub_endpoint id;
	struct md_user u;
	bool created = false;
	uint64_t rev = 0;
	json_t *v;
	ub_err err;

	if (!md_query_end(c) || !md_body_json(c, &body) || !decode_add(c, body, &add))
		return;
	err = md_user_add(c->svc, &c->caller, &add, &created, &rev);
	ub_endpoint_of(&add.sign, &id);
	if (!err)
		err = md_user_get(c->svc, &id, &u);
	if (err) {
		md_fail(c, err, "%s", md_user_add_says(err));
		return;
	}
	v = user_json(&u);
	md_json_set(&v, "revision", md_json_revision(c, rev));
	md_ok_at(c, created ? 201 : 200, rev, v);
}

void api_user_revoke(struct md_call *c)
{
	struct md_taken taken = {0};
	struct ub_pubkey key;
	json_t *v;
	ub_err err;

	if (ub_hex_decode(httpd_param(c->req, 0), key.b, sizeof(key.b))) {
		md_fail(c, UNIBUS_ERR_INVALID,
			"the path names no key (64 lower-case hexadecimal digits)");
		return;
	}
	if (!md_query_end(c) || !md_body_none(c))
		return;
	err = md_user_revoke(c->svc, &c->caller, &key, &taken);
	if (err) {
		md_fail(c, err, "%s", md_user_revoke_says(err));
		return;
	}
	v = json_pack("{so}", "revision", md_json_revision(c, taken.rev));
	md_json_taken(&v, &taken);
	md_ok_at(c, 200, taken.rev, v);
}
