#include "client/roomsync.h"

#include "client/chores.h"
#include "client/clock.h"
#include "client/link.h"
#include "client/names.h"
#include "client/roomfile.h"
#include "client/rotation.h"
#include "client/store.h"
#include "client/words.h"
#include "core/json.h"
#include "core/num.h"

#define PAGE 1000

struct sync {
	unibus_client *c;
	struct ub_croom *r;
	uint64_t from; /* the entry asked for first */
	uint64_t next; /* the entry expected next */
	size_t had;    /* entries held before */
};

static ub_err alarm_of(struct sync *s, enum unibus_event_kind kind, ub_err err, const char *what)
{
	struct ub_room_event ev = {.kind = kind, .err = err};

	ub_croom_event(s->c, s->r, &ev, "%s", what);
	return ub_client_fail(s->c, err, "%s", what);
}

static ub_err fork_alarm(struct sync *s)
{
	return alarm_of(s, UNIBUS_EVENT_FORK, UNIBUS_ERR_FORK,
		"the server shows another history of the room than before");
}

static ub_err take_new(struct sync *s, struct ub_str text)
{
	ub_err err;

	pthread_mutex_lock(&s->r->lock);
	err = ub_croom_take(s->r, text, ub_wall_ms());
	pthread_mutex_unlock(&s->r->lock);
	if (err == UNIBUS_ERR_BAD_CHAIN)
		return fork_alarm(s);
	if (err != UB_OK && err != UNIBUS_ERR_NOMEM)
		return ub_client_fail(s->c, err, "entry %llu of the room's log is not valid: %s",
			(unsigned long long)s->next, unibus_strerror(err));
	return err;
}

static ub_err take_entry(struct sync *s, json_t *item)
{
	struct ub_obj o = ub_obj(item);
	uint64_t seq = ub_obj_u64(&o, "seq", 0, UB_JSON_INT_MAX);
	struct ub_str text = ub_obj_text(&o, "entry", 1, UB_ENTRY_MAX);
	bool same;

	if (o.err != UB_OK || seq != s->next)
		return ub_client_fail(
			s->c, UNIBUS_ERR_INTERNAL, "the server's answer is no room log");
	s->next++;
	if (seq >= s->had)
		return take_new(s, text);
	pthread_mutex_lock(&s->r->lock);
	same = ub_str_eq(text, (struct ub_str){s->r->entries[seq].z, s->r->entries[seq].len});
	pthread_mutex_unlock(&s->r->lock);
	return same ? UB_OK : fork_alarm(s);
}

static ub_err fetch_page(struct sync *s, bool *ret_more)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	char target[128];
	json_t *list, *item;
	size_t i;
	ub_err err;

	snprintf(target, sizeof(target), "/rooms/%s/log?from=%llu&limit=%d", s->r->id_text,
		(unsigned long long)s->next, PAGE);
	err = ub_client_json(s->c, "GET", target, (struct ub_str){0}, &v);
	if (err != UB_OK)
		return err;
	list = json_object_get(v, "entries");
	/* We asked from our newest entry on: it at least must be there. */
	if (json_array_size(list) == 0 && s->next == s->from && s->had > 0)
		return alarm_of(s, UNIBUS_EVENT_ROLLBACK, UNIBUS_ERR_ROLLBACK,
			"the server shows less of the room than it did before");
	json_array_foreach (list, i, item) {
		err = take_entry(s, item);
		if (err != UB_OK)
			return err;
	}
	*ret_more = json_is_integer(json_object_get(v, "next")) && json_array_size(list) > 0;
	return UB_OK;
}

/* Each entry that came in, in words. */
static void tell_entries(struct sync *s)
{
	for (size_t i = s->had; s->had > 0; i++) {
		UB_CLEANUP(ub_entry_deinit) struct ub_entry e = {0};
		struct ub_room_event ev = {.kind = UNIBUS_EVENT_ROOM, .count = i};
		struct ub_endpoint actor;
		char words[UB_DETAIL_MAX];
		bool ok, own;

		pthread_mutex_lock(&s->r->lock);
		ok = i < s->r->n_entries &&
		     ub_entry_open((struct ub_str){s->r->entries[i].z, s->r->entries[i].len}, &e) ==
			     UB_OK;
		own = ok && memcmp(&e.hash, &s->r->own_entry, sizeof(e.hash)) == 0;
		pthread_mutex_unlock(&s->r->lock);
		if (!ok)
			return;
		if (own)
			continue;
		ub_endpoint_of(&e.actor, &actor);
		ev.peer = &actor;
		ub_entry_words(s->c, &e, words, sizeof(words));
		ub_croom_event(s->c, s->r, &ev, "%s", words);
	}
}

static enum ub_role own_role(unibus_client *c, struct ub_croom *r)
{
	enum ub_role role;

	pthread_mutex_lock(&r->lock);
	role = ub_room_role(&r->state, &c->o->id->endpoint);
	pthread_mutex_unlock(&r->lock);
	return role;
}

void ub_croom_out(unibus_client *c, struct ub_croom *r, const char *how)
{
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_REMOVED};
	bool was, joined;

	pthread_mutex_lock(&c->lock);
	was = r->wire_known && (!r->out || r->joined);
	joined = r->joined;
	r->out = true;
	r->joined = false;
	if (was)
		r->stamp = ++c->stamp;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	/* The server ends sessions that hold the room: better to move the others first. */
	if (joined && c->link)
		ub_link_renew(c, r);
	if (was)
		ub_croom_event(c, r, &ev, "%s", how);
}

/* Members whose name this client does not know yet? */
static bool has_nameless(struct sync *s)
{
	bool nameless = false;

	pthread_mutex_lock(&s->r->lock);
	for (size_t i = 0; i < s->r->state.n_members && !nameless; i++) {
		char handle[UB_HANDLE_MAX + 1];

		ub_names_get(s->c, &s->r->state.members[i].id, handle);
		nameless = !handle[0];
	}
	pthread_mutex_unlock(&s->r->lock);
	return nameless;
}

static void finish(struct sync *s, enum ub_role before)
{
	tell_entries(s);
	if (before != UB_ROLE_NONE && own_role(s->c, s->r) == UB_ROLE_NONE)
		ub_croom_out(s->c, s->r, "this peer was removed from the room, or left it");
	ub_croom_derive(s->c, s->r);
	ub_rotation_note(s->c, s->r);
	if (has_nameless(s))
		ub_chores_names(s->c, s->r);
}

static ub_err sync_locked(unibus_client *c, struct ub_croom *r)
{
	struct sync s = {.c = c, .r = r};
	enum ub_role before = own_role(c, r);
	bool more = true, grew;
	ub_err err = UB_OK, saved = UB_OK;

	pthread_mutex_lock(&r->lock);
	s.had = r->n_entries;
	pthread_mutex_unlock(&r->lock);
	s.from = s.next = s.had > 0 ? s.had - 1 : 0;
	while (more && err == UB_OK)
		err = fetch_page(&s, &more);
	pthread_mutex_lock(&r->lock);
	grew = r->n_entries > s.had;
	pthread_mutex_unlock(&r->lock);
	if (grew) {
		/* What was verified before a failure stays. */
		saved = ub_roomfile_save(ub_store_dir(c), r);
		finish(&s, before);
	} else if (s.had > 0 && err == UB_OK) {
		ub_croom_derive(c, r);
	}
	if (saved == UNIBUS_ERR_FORK)
		return fork_alarm(&s);
	if (err == UNIBUS_ERR_DENIED || err == UNIBUS_ERR_NOT_FOUND)
		ub_croom_out(c, r, "the server says that this peer is no longer in the room");
	return err != UB_OK ? err : saved;
}

ub_err ub_croom_sync(unibus_client *c, struct ub_croom *r)
{
	ub_err err;

	pthread_mutex_lock(&r->sync_lock);
	err = sync_locked(c, r);
	pthread_mutex_unlock(&r->sync_lock);
	return err;
}
