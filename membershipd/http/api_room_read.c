/* /rooms: what members read. */
#include "core/b64url.h"
#include "core/endpoint.h"
#include "core/json.h"
#include "core/num.h"
#include "membershipd/http/api.h"

static const struct md_say says[] = {
	{UNIBUS_ERR_NOT_FOUND, "there is no such room"},
	{UNIBUS_ERR_DENIED, "you are not in this room; ask its owner or an admin of it to add you"},
	{UNIBUS_ERR_NO_KEY, "there is no key of that epoch for you: it was made before you came or "
			    "after you left"},
	{0, NULL},
};

static json_t *info_json(const struct md_room_info *i)
{
	return json_pack("{so,ss,so,sI,sI,so,ss,sb,sb,sb,sb,sI}", "room_id",
		md_json_room_id(&i->id), "subject", i->subject, "policy",
		md_json_policy(&i->policy), "epoch", (json_int_t)i->epoch, "seq",
		(json_int_t)i->seq, "head", md_json_hash(&i->head), "role", ub_role_name(i->role),
		"joined", i->joined, "closed", i->closed, "rotation_due", i->rotation_due,
		"removal_due", i->removal_due, "members", (json_int_t)i->n_members);
}

/* The caller's, from what the look-up told: no copy of the room with all its members. */
static void wire_of(struct md_call *c, const struct md_room_info *i, struct md_wire *ret)
{
	struct ub_member me = {.id = c->caller.id, .role = i->role};
	struct ub_room room = {.id = i->id,
		.policy = i->policy,
		.closed = i->closed,
		.started = true,
		.seq = i->seq,
		.epoch = i->epoch,
		.members = &me,
		.n_members = 1};

	memcpy(room.subject, i->subject, sizeof(room.subject));
	if (i->joined)
		md_wire_of(&room, &me.id, md_service_log_shards(c->svc), ret);
}

void api_room_get(struct md_call *c)
{
	struct md_wire wire = {0};
	struct md_room_info info;
	struct ub_room_id id;
	json_t *v;
	ub_err err;

	if (!md_param_room(c, 0, &id) || !md_query_end(c))
		return;
	err = md_room_get(c->svc, &c->caller, &id, &info);
	if (err) {
		md_fail(c, err, "%s", md_say(says, err));
		return;
	}
	wire_of(c, &info, &wire);
	v = info_json(&info);
	md_json_set(&v, "wire", md_json_wire(&wire));
	md_ok(c, 200, v);
}

static json_t *member_json(
	struct md_call *c, const struct ub_room_id *room, const struct ub_member *m)
{
	char kex[2 * sizeof(m->kex.b) + 1];
	struct md_user u = {0};
	bool known = md_user_get(c->svc, &m->id, &u) == UB_OK;

	ub_hex_encode(m->kex.b, sizeof(m->kex.b), kex);
	return json_pack("{so,so,ss,ss,ss?,ss,sI,sb}", "endpoint", md_json_endpoint(&m->id),
		"sign_pub", md_json_pubkey(&m->sign), "kex", kex, "role", ub_role_name(m->role),
		"handle", known ? u.handle : NULL, "status",
		md_room_counts(c->svc, room, &m->id) ? "active" : "revoked", "added_seq",
		(json_int_t)m->added_seq, "joined", md_room_joined(c->svc, room, &m->id));
}

void api_room_members(struct md_call *c)
{
	UB_CLEANUP(ub_room_deinit) struct ub_room room = {0};
	UB_CLEANUP(json_decrefp) json_t *list = NULL;
	struct ub_str after = httpd_query(c->req, "after");
	struct ub_endpoint from;
	struct ub_room_id id;
	size_t limit, i = 0, n = 0;
	ub_err err;

	if (!md_param_room(c, 0, &id) || !md_query_limit(c, &limit) || !md_query_end(c))
		return;
	if (after.p && ub_endpoint_decode(after, &from)) {
		md_fail(c, UNIBUS_ERR_INVALID,
			"after must be an endpoint id: the last answer's next");
		return;
	}
	err = md_room_state(c->svc, &c->caller, &id, &room);
	if (err) {
		md_fail(c, err, "%s", md_say(says, err));
		return;
	}
	list = json_array();
	while (after.p && i < room.n_members && ub_endpoint_cmp(&room.members[i].id, &from) <= 0)
		i++;
	for (; i < room.n_members && n < limit; i++, n++)
		md_json_push(&list, member_json(c, &id, &room.members[i]));
	md_ok(c, 200,
		json_pack("{so,so}", "members", UB_TAKE(list), "next",
			i < room.n_members && n ? md_json_endpoint(&room.members[i - 1].id)
						: json_null()));
}

struct page {
	json_t *list;
	uint64_t last;
	size_t n;
};

static ub_err add_entry(void *arg, uint64_t seq, struct ub_str entry)
{
	struct page *p = arg;
	json_t *item = json_pack("{sI,ss%}", "seq", (json_int_t)seq, "entry", entry.p, entry.len);

	if (!item || json_array_append_new(p->list, item))
		return UNIBUS_ERR_NOMEM;
	p->last = seq;
	p->n++;
	return UB_OK;
}

void api_room_log(struct md_call *c)
{
	UB_CLEANUP(json_decrefp) json_t *list = json_array();
	struct page page = {.list = list};
	struct md_room_info info;
	struct ub_room_id id;
	uint64_t from;
	size_t limit;
	ub_err err;

	if (!md_param_room(c, 0, &id) || !md_query_u64(c, "from", UB_JSON_INT_MAX, 0, &from) ||
		!md_query_limit(c, &limit) || !md_query_end(c))
		return;
	/* The head first: what comes after it is a next page, not a gap. */
	err = list ? md_room_get(c->svc, &c->caller, &id, &info) : UNIBUS_ERR_NOMEM;
	if (!err)
		err = md_room_log(c->svc, &c->caller, &id, from, limit, add_entry, &page);
	if (err) {
		md_fail(c, err, "%s", md_say(says, err));
		return;
	}
	md_ok(c, 200,
		json_pack("{so,so}", "entries", UB_TAKE(list), "next",
			page.n && page.last < info.seq ? json_integer((json_int_t)page.last + 1)
						       : json_null()));
}

void api_room_key(struct md_call *c)
{
	uint8_t sealed[UB_SEALED_LEN];
	char text[UB_B64URL_LEN(UB_SEALED_LEN) + 1];
	struct ub_room_id id;
	uint64_t epoch;
	uint32_t which = 0;
	ub_err err;

	if (!md_param_room(c, 0, &id) || !md_query_u64(c, "epoch", UINT32_MAX, 0, &epoch) ||
		!md_query_end(c))
		return;
	err = md_room_key(c->svc, &c->caller, &id, (uint32_t)epoch, &which, sealed);
	if (err) {
		md_fail(c, err, "%s", md_say(says, err));
		return;
	}
	ub_b64url_encode(sealed, sizeof(sealed), text);
	md_ok(c, 200, json_pack("{sI,ss}", "epoch", (json_int_t)which, "sealed", text));
}

void api_rooms_of(struct md_call *c)
{
	UB_CLEANUP(ub_freep) struct md_room_info *rooms = NULL;
	UB_CLEANUP(json_decrefp) json_t *list = NULL;
	struct ub_str after = httpd_query(c->req, "after");
	struct ub_room_id from;
	struct ub_endpoint who;
	size_t limit, n = 0;
	ub_err err;

	if (!md_param_endpoint(c, 0, &who) || !md_query_limit(c, &limit) || !md_query_end(c))
		return;
	if (after.p && ub_room_id_decode(after, &from)) {
		md_fail(c, UNIBUS_ERR_INVALID, "after must be a room id: the last answer's next");
		return;
	}
	rooms = calloc(limit + 1, sizeof(*rooms));
	err = rooms ? md_room_of(c->svc, &c->caller, &who, after.p ? &from : NULL, rooms, limit + 1,
			      &n)
		    : UNIBUS_ERR_NOMEM;
	if (err) {
		md_fail(c, err, NULL);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < n && i < limit; i++)
		md_json_push(&list, info_json(&rooms[i]));
	md_ok(c, 200,
		json_pack("{so,so}", "rooms", UB_TAKE(list), "next",
			n > limit ? md_json_room_id(&rooms[limit - 1].id) : json_null()));
}
