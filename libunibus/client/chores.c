#include "client/chores.h"

#include "client/clock.h"
#include "client/names.h"
#include "client/peers.h"
#include "client/roomfile.h"
#include "client/roomlist.h"
#include "client/rotation.h"
#include "client/store.h"

#define RETRY_MS 1000
#define HOUR_MS 3600000
#define NAMES_EVERY_MS 1000
#define FOREVER UINT64_MAX

struct ub_chores { /* guarded by the client's lock */
	pthread_t thread;
	bool ask;
	uint64_t list_at; /* ub_mono_ms; FOREVER: not wanted */
	uint64_t sync_at; /* rooms with want_sync; likewise */
	uint64_t wake_at; /* plans and files; likewise */
	uint64_t round;   /* counts the lists */
};

/* ---- wishes ---- */

static void wish(unibus_client *c, uint64_t *at, uint64_t when)
{
	if (when < *at)
		*at = when;
	pthread_cond_broadcast(&c->changed);
}

void ub_chores_list(unibus_client *c)
{
	pthread_mutex_lock(&c->lock);
	if (c->chores)
		wish(c, &c->chores->list_at, ub_mono_ms());
	pthread_mutex_unlock(&c->lock);
}

void ub_chores_sync(unibus_client *c, struct ub_croom *r)
{
	pthread_mutex_lock(&c->lock);
	r->want_sync = true;
	if (c->chores)
		wish(c, &c->chores->sync_at, ub_mono_ms());
	pthread_mutex_unlock(&c->lock);
}

void ub_chores_names(unibus_client *c, struct ub_croom *r)
{
	pthread_mutex_lock(&c->lock);
	r->want_names = true;
	if (c->chores)
		wish(c, &c->chores->sync_at, ub_mono_ms());
	pthread_mutex_unlock(&c->lock);
}

void ub_chores_ask(unibus_client *c)
{
	pthread_mutex_lock(&c->lock);
	if (c->chores)
		c->chores->ask = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void ub_chores_wake(unibus_client *c, uint64_t at)
{
	pthread_mutex_lock(&c->lock);
	if (c->chores)
		wish(c, &c->chores->wake_at, at);
	pthread_mutex_unlock(&c->lock);
}

/* It may well work in a moment. */
static bool is_passing(ub_err err)
{
	return err == UNIBUS_ERR_NETWORK || err == UNIBUS_ERR_TIMEOUT ||
	       err == UNIBUS_ERR_UNAVAILABLE || err == UNIBUS_ERR_CANCELLED;
}

/* ---- the list of rooms ---- */

/* Who added this peer, by the verified log. */
static bool inviter_of(
	unibus_client *c, struct ub_croom *r, uint64_t *ret_seq, struct ub_endpoint *ret)
{
	UB_CLEANUP(ub_entry_deinit) struct ub_entry e = {0};
	const struct ub_member *me;
	bool found;

	pthread_mutex_lock(&r->lock);
	me = ub_room_member(&r->state, &c->o->id->endpoint);
	found = me && me->added_seq < r->n_entries &&
		ub_entry_open(
			(struct ub_str){r->entries[me->added_seq].z, r->entries[me->added_seq].len},
			&e) == UB_OK;
	if (found)
		*ret_seq = me->added_seq;
	pthread_mutex_unlock(&r->lock);
	if (found)
		ub_endpoint_of(&e.actor, ret);
	return found;
}

static bool first_time(unibus_client *c, struct ub_croom *r, uint64_t added_seq)
{
	bool first;

	pthread_mutex_lock(&c->lock);
	first = r->invited_at != added_seq + 1;
	r->invited_at = added_seq + 1;
	pthread_mutex_unlock(&c->lock);
	return first;
}

static ub_err take_invitation(unibus_client *c, struct ub_croom *r)
{
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_INVITED};
	struct ub_endpoint who;
	uint64_t added = 0;
	bool joins;
	ub_err err = ub_croom_sync(c, r);

	if (err != UB_OK)
		return err;
	if (!inviter_of(c, r, &added, &who) || !first_time(c, r, added))
		return UB_OK;
	joins = c->o->auto_join && ub_peer_pinned(c, &who);
	if (joins)
		err = ub_croom_join(c, r);
	ev.peer = &who;
	ev.err = err;
	ub_croom_event(c, r, &ev, "%s",
		joins && err == UB_OK ? "added to a room by a known peer, and joined"
				      : "added to a room; open it to join");
	return UB_OK;
}

struct list {
	unibus_client *c;
	ub_err err;
	uint64_t round, stamp;
};

static bool list_one(void *arg, const struct ub_room_hint *listed)
{
	struct list *l = arg;
	struct ub_room_hint stamped = *listed, *hint = &stamped;
	struct ub_croom *r = NULL;
	bool behind;

	hint->stamp = l->stamp;
	l->err = ub_rooms_get(l->c->rooms, &hint->id, &r);
	if (l->err != UB_OK)
		return false;
	pthread_mutex_lock(&l->c->lock);
	r->listed = l->round;
	pthread_mutex_unlock(&l->c->lock);
	pthread_mutex_lock(&r->lock);
	behind = r->state.started && hint->seq != r->state.seq;
	pthread_mutex_unlock(&r->lock);
	ub_croom_hint(l->c, r, hint);
	if (!hint->joined && !hint->closed && hint->role != UB_ROLE_NONE)
		l->err = take_invitation(l->c, r);
	else if (behind)
		ub_chores_sync(l->c, r);
	/* One room's trouble is not the others': it is told by its events. */
	if (!is_passing(l->err))
		l->err = UB_OK;
	return l->err == UB_OK;
}

static void check_listed(void *arg, struct ub_croom *r)
{
	struct list *l = arg;
	bool gone;

	pthread_mutex_lock(&l->c->lock);
	gone = r->joined && r->listed < l->round && r->stamp <= l->stamp;
	pthread_mutex_unlock(&l->c->lock);
	if (gone)
		ub_croom_out(l->c, r, "the server lists this peer in the room no longer");
}

static ub_err run_list(unibus_client *c, uint64_t round)
{
	struct list l = {.c = c, .round = round, .stamp = ub_client_stamp(c)};
	ub_err err = ub_rooms_list(c, list_one, &l);

	if (err == UB_OK)
		err = l.err;
	if (err == UB_OK)
		ub_rooms_each(c->rooms, check_listed, &l);
	return err;
}

/* ---- logs ---- */

struct run {
	unibus_client *c;
	uint64_t now, next; /* when to look again */
	bool again;
	uint64_t names_at; /* when to look again for names only */
};

/* Takes a wish of the room, or puts it back. */
static bool swap_wish(unibus_client *c, bool *wish_of_room, bool to)
{
	bool was;

	pthread_mutex_lock(&c->lock);
	was = *wish_of_room;
	*wish_of_room = to;
	pthread_mutex_unlock(&c->lock);
	return was;
}

/* Names of those who came, asked for once a second however many come. */
static void name_one(struct run *run, struct ub_croom *r)
{
	uint64_t now = ub_mono_ms(), at;

	if (!swap_wish(run->c, &r->want_names, false))
		return;
	at = r->names_at == 0 ? 0 : r->names_at + NAMES_EVERY_MS;
	if (at <= now) {
		r->names_at = now;
		if (!is_passing(ub_names_fetch(run->c, r, NULL, NULL)))
			return;
		at = now + NAMES_EVERY_MS;
	}
	(void)swap_wish(run->c, &r->want_names, true);
	if (at < run->names_at)
		run->names_at = at;
}

static void sync_one(void *arg, struct ub_croom *r)
{
	struct run *run = arg;

	if (swap_wish(run->c, &r->want_sync, false) && is_passing(ub_croom_sync(run->c, r))) {
		(void)swap_wish(run->c, &r->want_sync, true);
		run->again = true;
	}
	name_one(run, r);
}

/* ---- plans and files ---- */

static uint64_t missing_of(
	struct ub_croom *r, uint64_t now, uint64_t *inout_next, struct ub_endpoint *ret)
{
	struct ub_sender *s, *next;
	uint64_t n = 0;

	pthread_mutex_lock(&r->lock);
	HASH_ITER (hh, r->senders.head, s, next) {
		n = ub_sender_missing(s, now);
		if (n > 0) {
			*ret = s->id;
			break;
		}
		if (s->missing_at != 0 && s->missing_at < *inout_next)
			*inout_next = s->missing_at;
	}
	pthread_mutex_unlock(&r->lock);
	return n;
}

static void tell_missing(struct run *run, struct ub_croom *r)
{
	struct ub_endpoint who;
	uint64_t n;

	while ((n = missing_of(r, run->now, &run->next, &who)) > 0) {
		struct ub_room_event ev = {.kind = UNIBUS_EVENT_MISSING, .peer = &who, .count = n};

		UB_COUNT(run->c, missing, n);
		ub_croom_event(
			run->c, r, &ev, "%llu messages did not arrive", (unsigned long long)n);
	}
}

static void save_seen(struct run *run, struct ub_croom *r)
{
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_ROOM};
	bool dirty;

	pthread_mutex_lock(&r->lock);
	dirty = r->seen_dirty;
	pthread_mutex_unlock(&r->lock);
	if (!dirty)
		return;
	ev.err = ub_roomfile_save_seen(ub_store_dir(run->c), r);
	if (ev.err != UB_OK)
		ub_croom_event(run->c, r, &ev, "what was received could not be noted on disk");
}

static void look_one(void *arg, struct ub_croom *r)
{
	struct run *run = arg;
	uint64_t rotate_at;

	pthread_mutex_lock(&run->c->lock);
	rotate_at = r->rotate_at;
	pthread_mutex_unlock(&run->c->lock);
	ub_rotation_note(run->c, r);
	if (rotate_at != 0 && rotate_at <= run->now)
		ub_rotation_run(run->c, r);
	else if (rotate_at != 0 && rotate_at < run->next)
		run->next = rotate_at;
	ub_beacon_run(run->c, r, run->now, &run->next);
	tell_missing(run, r);
	save_seen(run, r);
}

static void save_one(void *arg, struct ub_croom *r)
{
	save_seen(arg, r);
}

/* ---- the thread ---- */

struct todo {
	bool end, ask, list, sync, look;
	uint64_t round;
};

static bool due(uint64_t *at, uint64_t now)
{
	if (*at > now)
		return false;
	*at = FOREVER;
	return true;
}

/* Under the lock. */
static struct todo wait_todo(unibus_client *c)
{
	struct ub_chores *ch = c->chores;

	for (;;) {
		uint64_t now = ub_mono_ms(), until = now + HOUR_MS;
		struct todo t = {
			.end = c->closing || c->state == UNIBUS_REVOKED ||
			       c->state == UNIBUS_STOPPED,
			.ask = ch->ask,
			.list = due(&ch->list_at, now),
			.sync = due(&ch->sync_at, now),
			.look = due(&ch->wake_at, now),
		};

		ch->ask = false;
		if (t.list)
			t.round = ++ch->round;
		if (t.end || t.ask || t.list || t.sync || t.look)
			return t;
		until = ch->list_at < until ? ch->list_at : until;
		until = ch->sync_at < until ? ch->sync_at : until;
		until = ch->wake_at < until ? ch->wake_at : until;
		(void)ub_cond_wait_until(&c->changed, &c->lock, until); /* a loop */
	}
}

static void do_todo(unibus_client *c, const struct todo *t)
{
	struct run run = {.c = c, .now = ub_mono_ms(), .next = FOREVER, .names_at = FOREVER};
	uint64_t hour = run.now + HOUR_MS;
	bool list_again = false;

	/* Its answer sets the state when it is for good. */
	if (t->ask)
		ub_client_ask(c);
	if (t->list)
		list_again = run_list(c, t->round) != UB_OK;
	if (t->sync)
		ub_rooms_each(c->rooms, sync_one, &run);
	if (t->look)
		ub_rooms_each(c->rooms, look_one, &run);
	pthread_mutex_lock(&c->lock);
	if (list_again)
		wish(c, &c->chores->list_at, run.now + RETRY_MS + ub_jitter(RETRY_MS));
	wish(c, &c->chores->sync_at, run.names_at);
	if (run.again)
		wish(c, &c->chores->sync_at, run.now + RETRY_MS + ub_jitter(RETRY_MS));
	/* Keys grow old without anybody telling. */
	wish(c, &c->chores->wake_at, run.next < hour ? run.next : hour);
	pthread_mutex_unlock(&c->lock);
}

static void *chores_main(void *arg)
{
	unibus_client *c = arg;
	struct run run = {.c = c};

	for (;;) {
		struct todo t;

		pthread_mutex_lock(&c->lock);
		t = wait_todo(c);
		pthread_mutex_unlock(&c->lock);
		if (t.end)
			break;
		do_todo(c, &t);
	}
	ub_rooms_each(c->rooms, save_one, &run);
	return NULL;
}

ub_err ub_chores_start(unibus_client *c)
{
	struct ub_chores *ch = calloc(1, sizeof(*ch));

	if (!ch)
		return UNIBUS_ERR_NOMEM;
	ch->list_at = ch->sync_at = ch->wake_at = FOREVER;
	pthread_mutex_lock(&c->lock);
	c->chores = ch;
	pthread_mutex_unlock(&c->lock);
	if (pthread_create(&ch->thread, NULL, chores_main, c) != 0) {
		c->chores = NULL;
		free(ch);
		return UNIBUS_ERR_NOMEM;
	}
	return UB_OK;
}

void ub_chores_stop(unibus_client *c)
{
	if (c->chores)
		pthread_join(c->chores->thread, NULL);
}

void ub_chores_free(struct ub_chores *ch)
{
	free(ch);
}
