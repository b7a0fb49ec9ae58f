#include "client/roomlist.h"

#include "client/room.h"
#include "client/store.h"

/* Far above what a peer can be in; a server that pages for ever is not followed. */
#define PAGES_MAX 64

static ub_err list_page(unibus_client *c, char after[UB_ID_TEXT + 1],
	bool (*fn)(void *arg, const struct ub_room_hint *hint), void *arg, bool *ret_more)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	char target[192];
	const char *next;
	json_t *list, *item;
	size_t i;
	ub_err err;

	snprintf(target, sizeof(target), "/members/%s/rooms?limit=%d%s%s", c->o->id->endpoint_text,
		UB_LIST_MAX, after[0] ? "&after=" : "", after);
	err = ub_client_json(c, "GET", target, (struct ub_str){0}, &v);
	if (err != UB_OK)
		return err;
	*ret_more = false;
	list = json_object_get(v, "rooms");
	json_array_foreach (list, i, item) {
		struct ub_room_hint hint;

		if (ub_room_hint_parse(item, &hint) != UB_OK)
			return ub_client_fail(
				c, UNIBUS_ERR_INTERNAL, "the server's answer is no list of rooms");
		if (!fn(arg, &hint))
			return UB_OK;
	}
	next = json_string_value(json_object_get(v, "next"));
	if (next && strlen(next) == UB_ID_TEXT && json_array_size(list) > 0) {
		snprintf(after, UB_ID_TEXT + 1, "%s", next);
		*ret_more = true;
	}
	return UB_OK;
}

ub_err ub_rooms_list(
	unibus_client *c, bool (*fn)(void *arg, const struct ub_room_hint *hint), void *arg)
{
	char after[UB_ID_TEXT + 1] = "";
	bool more = true;
	ub_err err = UB_OK;

	for (unsigned i = 0; err == UB_OK && more && i < PAGES_MAX; i++)
		err = list_page(c, after, fn, arg, &more);
	return err;
}

struct find {
	const char *subject;
	struct ub_room_hint *ret;
	bool found;
};

static bool find_one(void *arg, const struct ub_room_hint *hint)
{
	struct find *f = arg;

	if (strcmp(hint->subject, f->subject) != 0)
		return true;
	*f->ret = *hint;
	f->found = true;
	return false;
}

ub_err ub_rooms_find_subject(unibus_client *c, const char *subject, struct ub_room_hint *ret)
{
	struct find f = {.subject = subject, .ret = ret};
	ub_err err = ub_rooms_list(c, find_one, &f);

	if (err != UB_OK)
		return err;
	return f.found ? UB_OK : UNIBUS_ERR_NOT_FOUND;
}

struct tell {
	bool (*fn)(void *arg, const struct unibus_room_info *room);
	void *arg;
};

static bool tell_one(void *arg, const struct ub_room_hint *hint)
{
	struct tell *t = arg;
	struct unibus_room_info info = {
		.role = (enum unibus_role)hint->role,
		.epoch = hint->epoch,
		.seq = hint->seq,
		.members = hint->members,
		.joined = hint->joined,
		.closed = hint->closed,
		.rotation_due = hint->rotation_due || hint->removal_due,
	};

	ub_room_id_encode(&hint->id, info.id);
	snprintf(info.subject, sizeof(info.subject), "%s", hint->subject);
	ub_policy_public(&hint->policy, &info.policy);
	return t->fn(t->arg, &info);
}

enum unibus_err unibus_rooms(
	unibus_client *c, bool (*fn)(void *arg, const struct unibus_room_info *room), void *arg)
{
	struct tell t = {.fn = fn, .arg = arg};
	ub_err err = ub_client_enter(c);

	if (err == UB_OK && !fn)
		err = UNIBUS_ERR_INVALID;
	return err == UB_OK ? ub_rooms_list(c, tell_one, &t) : err;
}
