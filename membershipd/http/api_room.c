/* /rooms: changes of rooms: one signed entry each. */
#include "core/b64url.h"
#include "core/endpoint.h"
#include "core/json.h"
#include "membershipd/http/api.h"

static const struct md_say says[] = {
	{UNIBUS_ERR_INVALID, "the entry is not what this path takes: see openapi.yaml for the "
			     "operations of each"},
	{UNIBUS_ERR_NOT_FOUND, "there is no such room, or the peer that the entry names is not in "
			       "it"},
	{UNIBUS_ERR_DENIED, "you are not in this room, or the entry is not yours"},
	{UNIBUS_ERR_NO_RIGHT, "your role in this room does not allow that; ask its owner or an "
			      "admin of it"},
	{UNIBUS_ERR_CONFLICT, "the peer is in the room already, or the key record is not newer"},
	{UNIBUS_ERR_LIMIT, "a limit is reached: members of the room, rooms you own, or rooms you "
			   "have joined"},
	{UNIBUS_ERR_SLOW_DOWN, "too many changes of members by you; wait as long as Retry-After "
			       "says"},
	{UNIBUS_ERR_SUBJECT_TAKEN, "the subject belongs to another room; choose another"},
	{UNIBUS_ERR_CLEARTEXT_REFUSED,
		"this server only takes encrypted rooms (its operator can allow others with "
		"--allow-cleartext-rooms)"},
	{UNIBUS_ERR_BAD_ENTRY, "the entry is malformed, breaks a rule of the log, or its signature "
			       "does not verify"},
	{UNIBUS_ERR_BAD_CHAIN, "the entry does not continue this room's log: fetch the log and "
			       "sign on its head"},
	{UNIBUS_ERR_NEEDS_EPOCH, "who loses the room must lose its key: bring the next epoch in "
				 "the same entry"},
	{UNIBUS_ERR_BAD_ROSTER, "the sealed keys are not exactly those of the room's members, or "
				"not those the entry signed"},
	{UNIBUS_ERR_EXPIRED, "the key record in the entry has expired; its owner must publish a "
			     "new one"},
	{UNIBUS_ERR_NOT_AVAILABLE, "this server does not keep history: create the room without "
				   "persist"},
	{0, NULL},
};

struct change {
	json_t *body; /* what the entry points into */
	struct ub_sealed *sealed;
	struct md_room_change c;
};

static void change_deinit(struct change *ch)
{
	json_decref(ch->body);
	free(ch->sealed);
}

static bool decode_sealed(struct md_call *c, json_t *map, struct change *ret)
{
	size_t n = json_object_size(map);
	const char *key;
	json_t *v;

	if (n > UB_ROOM_MEMBERS_MAX) {
		md_fail(c, UNIBUS_ERR_TOO_LARGE, "sealed has more keys than a room has members");
		return false;
	}
	ret->sealed = calloc(n ? n : 1, sizeof(*ret->sealed));
	if (!ret->sealed) {
		md_fail(c, UNIBUS_ERR_NOMEM, NULL);
		return false;
	}
	json_object_foreach (map, key, v) {
		struct ub_sealed *s = &ret->sealed[ret->c.n_sealed++];
		struct ub_str text = {json_string_value(v), json_string_length(v)};

		if (ub_endpoint_decode(ub_str(key), &s->to) || !text.p ||
			ub_b64url_decode(text, s->b, sizeof(s->b))) {
			md_fail(c, UNIBUS_ERR_INVALID,
				"sealed must map endpoint ids to base64url of %d bytes",
				UB_SEALED_LEN);
			return false;
		}
	}
	ret->c.sealed = ret->sealed;
	return true;
}

static bool decode_change(struct md_call *c, struct change *ret)
{
	struct ub_obj o;
	json_t *map = NULL;

	if (!md_query_end(c) || !md_body_json(c, &ret->body))
		return false;
	o = ub_obj(ret->body);
	ret->c.entry = ub_obj_text(&o, "entry", 1, UB_ENTRY_MAX);
	if (o.err) {
		md_fail(c, UNIBUS_ERR_INVALID, "entry must be a signed text of at most %d bytes",
			UB_ENTRY_MAX);
		return false;
	}
	if (ub_obj_has(&o, "sealed"))
		map = ub_obj_object(&o, "sealed");
	if (ub_obj_end(&o)) {
		md_fail(c, UNIBUS_ERR_INVALID,
			"the body must be {\"entry\": text, \"sealed\": "
			"{endpoint: key}}");
		return false;
	}
	return !map || decode_sealed(c, map, ret);
}

static void refuse(struct md_call *c, ub_err err, const struct md_room_result *res)
{
	if (err == UNIBUS_ERR_STALE_HEAD) {
		md_fail_json(c, err,
			"another entry took this place: fetch the log up to seq, sign anew on head",
			json_pack("{sI,so}", "seq", (json_int_t)res->seq, "head",
				md_json_hash(&res->head)));
		return;
	}
	if (err == UNIBUS_ERR_BAD_SIGNATURE)
		err = UNIBUS_ERR_BAD_ENTRY; /* of the entry: the request's own is good, no 401 */
	if (err == UNIBUS_ERR_SLOW_DOWN)
		md_retry_after(c, 5000);
	md_fail(c, err, "%s", md_say(says, err));
}

static void answer(struct md_call *c, unsigned status, const struct md_room_result *res, bool takes)
{
	UB_CLEANUP(json_decrefp)
	json_t *v = json_pack("{so,sI,so,so,so}", "room_id", md_json_room_id(&res->id), "seq",
		(json_int_t)res->seq, "head", md_json_hash(&res->head), "revision",
		md_json_revision(c, res->taken.rev), "wire", md_json_wire(&res->wire));

	if (takes)
		md_json_taken(&v, &res->taken);
	md_ok_at(c, status, res->taken.rev, UB_TAKE(v));
}

void api_room_create(struct md_call *c)
{
	UB_CLEANUP(change_deinit) struct change ch = {0};
	struct md_room_result res = {0};
	ub_err err;

	if (!decode_change(c, &ch))
		return;
	err = md_room_create(c->svc, &c->caller, &ch.c, &res);
	if (err)
		refuse(c, err, &res);
	else
		answer(c, 201, &res, false);
}

void api_room_change(struct md_call *c)
{
	UB_CLEANUP(change_deinit) struct change ch = {0};
	enum md_room_verb verb = (enum md_room_verb)c->row->arg;
	struct md_room_result res = {0};
	struct ub_room_id id;
	ub_err err;

	if (!md_param_room(c, 0, &id) || !decode_change(c, &ch))
		return;
	err = md_room_append(c->svc, &c->caller, &id, verb, &ch.c, &res);
	if (err)
		refuse(c, err, &res);
	else
		answer(c, 200, &res, verb != MD_ROOM_INVITE && verb != MD_ROOM_REKEY);
}

void api_room_join(struct md_call *c)
{
	struct md_room_result res = {0};
	struct ub_room_id id;
	ub_err err;

	if (!md_param_room(c, 0, &id) || !md_query_end(c) || !md_body_none(c))
		return;
	err = md_room_join(c->svc, &c->caller, &id, &res);
	if (err)
		refuse(c, err, &res);
	else
		answer(c, 200, &res, false);
}
