/* /peers: key records, as their owners signed them. */
#include "core/endpoint.h"
#include "core/json.h"
#include "core/subject.h"
#include "membershipd/domain/peer.h"
#include "membershipd/http/api.h"

static const struct md_say put_says[] = {
	{UNIBUS_ERR_INVALID, "keyrec is no key record of the calling key"},
	{UNIBUS_ERR_EXPIRED, "the key record has expired; sign a new one"},
	{UNIBUS_ERR_CONFLICT, "a key record with this seq or a higher one is stored; sign one with "
			      "a higher seq"},
	{0, NULL},
};

void api_peer_put(struct md_call *c)
{
	UB_CLEANUP(json_decrefp) json_t *body = NULL;
	struct ub_endpoint id;
	struct ub_str text;
	struct ub_obj o;
	uint64_t rev = 0;
	ub_err err;

	if (!md_param_endpoint(c, 0, &id) || !md_query_end(c) || !md_body_json(c, &body))
		return;
	o = ub_obj(body);
	text = ub_obj_text(&o, "keyrec", 1, UB_KEYREC_MAX);
	if (ub_obj_end(&o)) {
		md_fail(c, UNIBUS_ERR_INVALID, "the body must be {\"keyrec\": signed text}");
		return;
	}
	err = md_peer_put(c->svc, &c->caller, text, &rev);
	if (err == UNIBUS_ERR_BAD_SIGNATURE) {
		/* Of the record: the request's own is good, so this is no 401. */
		md_fail(c, UNIBUS_ERR_INVALID, "the key record's signature does not verify");
	} else if (err) {
		md_fail(c, err, "%s", md_say(put_says, err));
	} else {
		md_ok_at(c, 200, rev,
			json_pack("{so,so}", "endpoint", md_json_endpoint(&id), "revision",
				md_json_revision(c, rev)));
	}
}

static void answer(struct md_call *c, const struct ub_endpoint *id)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_KEYREC_MAX + 1);
	struct md_user u;
	ub_err err = md_user_get(c->svc, id, &u);
	const char *z;

	if (err) {
		md_fail(c, err, "%s",
			err == UNIBUS_ERR_NOT_FOUND ? "no user has this endpoint id"
						    : unibus_strerror(err));
		return;
	}
	err = md_peer_get(c->svc, id, &text);
	if (err) {
		md_fail(c, err, "%s",
			err == UNIBUS_ERR_NOT_FOUND
				? "this peer has not published a key record yet; it does when it "
				  "first connects"
				: unibus_strerror(err));
		return;
	}
	z = ub_buf_cstr(&text);
	md_ok(c, 200,
		z ? json_pack("{so,ss,ss,ss}", "endpoint", md_json_endpoint(id), "handle", u.handle,
			    "status", u.active ? "active" : "revoked", "keyrec", z)
		  : NULL);
}

void api_peer_get(struct md_call *c)
{
	struct ub_endpoint id;

	if (md_param_endpoint(c, 0, &id) && md_query_end(c))
		answer(c, &id);
}

void api_peer_find(struct md_call *c)
{
	struct ub_str handle = httpd_query(c->req, "handle");
	struct md_user u;
	ub_err err;

	if (!md_query_end(c))
		return;
	if (ub_handle_check(handle)) {
		md_fail(c, UNIBUS_ERR_INVALID,
			"ask for ?handle=: 1 to 32 of a-z 0-9 . _ - beginning with a letter or "
			"digit");
		return;
	}
	err = md_user_by_handle(c->svc, handle, &u);
	if (err == UNIBUS_ERR_NOT_FOUND)
		md_fail(c, err, "no user has the handle \"%.*s\"", (int)handle.len, handle.p);
	else if (err)
		md_fail(c, err, NULL);
	else
		answer(c, &u.id);
}
