/* /rooms/{id}/messages: the frames that a room has kept. */
#include "core/b64url.h"
#include "membershipd/domain/history.h"
#include "membershipd/http/api.h"

static const struct md_say says[] = {
	{UNIBUS_ERR_NOT_FOUND, "there is no such room"},
	{UNIBUS_ERR_DENIED, "you are not in this room; ask its owner or an admin of it to add you"},
	{UNIBUS_ERR_CONFLICT, "this room keeps no messages: it was created without persist"},
	{UNIBUS_ERR_NOT_AVAILABLE, "this server runs without a bus and reaches no history"},
	{UNIBUS_ERR_UNAVAILABLE, "the history cannot be read right now; try again"},
	{0, NULL},
};

static json_t *frame_text(const struct md_frame *f)
{
	size_t len = UB_B64URL_LEN(f->bytes.len);
	char *z = malloc(len + 1);
	json_t *v = NULL;

	if (z) {
		ub_b64url_encode(f->bytes.p, f->bytes.len, z);
		v = json_stringn_nocheck(z, len);
		free(z);
	}
	return v;
}

static ub_err add_frame(void *arg, const struct md_frame *f)
{
	json_t *item = json_pack("{sI,sI,so,so}", "seq", (json_int_t)f->seq, "time",
		(json_int_t)f->time_ms, "sender", md_json_endpoint(&f->sender), "frame",
		frame_text(f));

	return json_array_append_new(arg, item) ? UNIBUS_ERR_NOMEM : UB_OK;
}

/* after: forward from there; before, or nothing: backward from there or the end. */
static bool read_page(struct md_call *c, struct md_page *ret)
{
	uint64_t after, before;

	ret->backward = !httpd_query(c->req, "after").p;
	if (!ret->backward && httpd_query(c->req, "before").p) {
		md_fail(c, UNIBUS_ERR_INVALID, "after and before exclude each other");
		return false;
	}
	if (!md_query_u64(c, "after", UB_JSON_INT_MAX - 1, 0, &after) ||
		!md_query_u64(c, "before", UB_JSON_INT_MAX, UB_JSON_INT_MAX, &before) ||
		!md_query_limit(c, &ret->limit))
		return false;
	ret->from = ret->backward ? before : after;
	return md_query_end(c);
}

void api_room_messages(struct md_call *c)
{
	UB_CLEANUP(json_decrefp) json_t *list = NULL;
	struct md_page page;
	struct ub_room_id id;
	struct md_span span;
	ub_err err;

	if (!md_param_room(c, 0, &id) || !read_page(c, &page))
		return;
	list = json_array();
	err = list ? md_room_messages(c->svc, &c->caller, &id, &page, add_frame, list, &span)
		   : UNIBUS_ERR_NOMEM;
	if (err == UNIBUS_ERR_CANCELLED) /* we are stopping */
		err = UNIBUS_ERR_UNAVAILABLE;
	if (err) {
		if (err == UNIBUS_ERR_UNAVAILABLE)
			md_retry_after(c, 1000);
		md_fail(c, err, "%s", md_say(says, err));
		return;
	}
	md_ok(c, 200,
		json_pack("{so,sI,sI,sb}", "messages", UB_TAKE(list), "first",
			(json_int_t)span.first, "last", (json_int_t)span.last, "more", span.more));
}
