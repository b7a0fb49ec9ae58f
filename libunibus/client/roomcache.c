#include "client/roomcache.h"

#include <stdarg.h>

#include "client/clock.h"
#include "client/link.h"
#include "client/roomfile.h"
#include "client/store.h"

struct ub_rooms {
	pthread_mutex_t lock;
	struct ub_croom *head;
};

static void croom_free(struct ub_croom *r)
{
	for (size_t i = 0; i < r->n_entries; i++)
		free(r->entries[i].z);
	free(r->entries);
	ub_room_deinit(&r->state);
	ub_roomhist_deinit(&r->hist);
	ub_epoch_keys_deinit(&r->keys);
	ub_senders_deinit(&r->senders);
	ub_targets_deinit(&r->targets);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->pub_lock);
	pthread_mutex_destroy(&r->sync_lock);
	pthread_mutex_destroy(&r->change_lock);
	free(r);
}

static struct ub_croom *croom_new(const struct ub_room_id *id)
{
	struct ub_croom *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->id = *id;
	ub_room_id_encode(id, r->id_text);
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->pub_lock, NULL);
	pthread_mutex_init(&r->sync_lock, NULL);
	pthread_mutex_init(&r->change_lock, NULL);
	return r;
}

struct ub_croom *ub_rooms_find(struct ub_rooms *rooms, const struct ub_room_id *id)
{
	struct ub_croom *r;

	pthread_mutex_lock(&rooms->lock);
	HASH_FIND(hh, rooms->head, id->b, sizeof(id->b), r);
	pthread_mutex_unlock(&rooms->lock);
	return r;
}

ub_err ub_rooms_get(struct ub_rooms *rooms, const struct ub_room_id *id, struct ub_croom **ret)
{
	struct ub_croom *r;

	pthread_mutex_lock(&rooms->lock);
	HASH_FIND(hh, rooms->head, id->b, sizeof(id->b), r);
	if (!r) {
		r = croom_new(id);
		if (r)
			HASH_ADD(hh, rooms->head, id.b, sizeof(r->id.b), r);
		if (r && !r->hh.tbl) {
			croom_free(r);
			r = NULL;
		}
	}
	pthread_mutex_unlock(&rooms->lock);
	if (!r)
		return UNIBUS_ERR_NOMEM;
	*ret = r;
	return UB_OK;
}

void ub_rooms_each(struct ub_rooms *rooms, void (*fn)(void *arg, struct ub_croom *r), void *arg)
{
	struct ub_croom *r;

	/* Rooms are never removed and uthash appends, so the list can be walked without its lock
	 * once each step is read under it. */
	pthread_mutex_lock(&rooms->lock);
	r = rooms->head;
	pthread_mutex_unlock(&rooms->lock);
	while (r) {
		fn(arg, r);
		pthread_mutex_lock(&rooms->lock);
		r = r->hh.next;
		pthread_mutex_unlock(&rooms->lock);
	}
}

bool ub_croom_listens(const struct ub_croom *r)
{
	return r->subs || r->echoes;
}

struct load {
	unibus_client *c;
	struct ub_rooms *rooms;
};

static ub_err load_one(void *arg, struct ub_str stem)
{
	struct load *l = arg;
	struct ub_room_id id;
	struct ub_croom *r;
	ub_err err;

	if (ub_room_id_decode(stem, &id) != UB_OK)
		return UNIBUS_ERR_BAD_FILE;
	err = ub_rooms_get(l->rooms, &id, &r);
	if (err == UB_OK)
		err = ub_roomfile_load(ub_store_dir(l->c), r);
	if (err == UNIBUS_ERR_BAD_FILE)
		return ub_client_fail(l->c, err,
			"the saved log of room %s is corrupt; restore it from a backup, or move it "
			"away to fetch the log anew without its protection against rollback",
			r->id_text);
	return err;
}

ub_err ub_rooms_load(unibus_client *c, struct ub_rooms **ret)
{
	struct ub_rooms *rooms = calloc(1, sizeof(*rooms));
	struct load l = {.c = c, .rooms = rooms};
	ub_err err;

	if (!rooms)
		return UNIBUS_ERR_NOMEM;
	pthread_mutex_init(&rooms->lock, NULL);
	err = ub_statedir_each(ub_store_dir(c), "rooms", ".log", load_one, &l);
	if (err != UB_OK) {
		ub_rooms_free(rooms);
		return err;
	}
	*ret = rooms;
	return UB_OK;
}

void ub_rooms_free(struct ub_rooms *rooms)
{
	struct ub_croom *r, *next;

	if (!rooms)
		return;
	HASH_ITER (hh, rooms->head, r, next) {
		HASH_DEL(rooms->head, r);
		croom_free(r);
	}
	pthread_mutex_destroy(&rooms->lock);
	free(rooms);
}

static ub_err reserve_entry(struct ub_croom *r)
{
	size_t cap = r->cap_entries ? r->cap_entries * 2 : 16;
	struct ub_text *more;

	if (r->n_entries < r->cap_entries)
		return UB_OK;
	more = reallocarray(r->entries, cap, sizeof(*more));
	if (!more)
		return UNIBUS_ERR_NOMEM;
	r->entries = more;
	r->cap_entries = cap;
	return UB_OK;
}

ub_err ub_croom_take(struct ub_croom *r, struct ub_str text, uint64_t seen_ms)
{
	/* A takeover is judged by the server, who knows whose user is revoked. */
	static const struct ub_apply ctx = {.owner_revoked = true};
	UB_CLEANUP(ub_entry_deinit) struct ub_entry e = {0};
	UB_CLEANUP(ub_room_deinit) struct ub_room next = {0};
	UB_CLEANUP(ub_freep) char *copy = NULL;
	uint32_t epoch = r->state.epoch;
	ub_err err = reserve_entry(r);

	if (err == UB_OK)
		err = ub_entry_open(text, &e);
	if (err == UB_OK)
		err = ub_room_clone(&r->state, &next);
	if (err == UB_OK)
		err = ub_room_apply(&next, &e, &ctx);
	/* Another room's log, under this room's name: none of it may stay. */
	if (err == UB_OK && !ub_room_id_eq(&next.id, &r->id))
		err = UNIBUS_ERR_BAD_CHAIN;
	if (err != UB_OK)
		return err;
	copy = ub_str_dup(text);
	if (!copy)
		return UNIBUS_ERR_NOMEM;
	err = ub_roomhist_push(&r->hist, &next, &e, seen_ms);
	if (err != UB_OK)
		return err;
	r->entries[r->n_entries++] =
		(struct ub_text){.z = UB_TAKE(copy), .len = text.len, .seen_ms = seen_ms};
	ub_room_deinit(&r->state);
	r->state = next;
	next = (struct ub_room){0};
	if (r->state.epoch != epoch) {
		r->senders.epoch = r->state.epoch;
		r->senders.frames = 0;
	}
	return UB_OK;
}

struct derived {
	struct ub_wire wire;
	bool started, in, writes, closed;
};

static struct derived derive(unibus_client *c, struct ub_croom *r)
{
	struct derived d = {0};
	enum ub_role role;

	pthread_mutex_lock(&r->lock);
	d.started = r->state.started;
	d.closed = r->state.closed;
	role = ub_room_role(&r->state, &c->o->id->endpoint);
	d.in = role != UB_ROLE_NONE;
	d.writes = role >= UB_ROLE_MEMBER;
	if (ub_policy_plain(&r->state.policy))
		snprintf(d.wire.z, sizeof(d.wire.z), "%s", r->state.subject);
	else
		ub_wire_subscribe(&r->id, &d.wire);
	pthread_mutex_unlock(&r->lock);
	return d;
}

void ub_croom_derive(unibus_client *c, struct ub_croom *r)
{
	struct derived d = derive(c, r);
	bool moved;

	if (!d.started)
		return;
	pthread_mutex_lock(&c->lock);
	moved = r->wire_known && r->joined &&
		(strcmp(r->wire.z, d.wire.z) != 0 || r->writes != d.writes || r->out == d.in ||
			d.closed);
	r->wire = d.wire;
	r->wire_known = true;
	r->writes = d.writes;
	r->out = !d.in;
	if (!d.in || d.closed)
		r->joined = false;
	/* On its way already: it waits for this. */
	if (r->moving) {
		r->narrowed_known = true;
		moved = false;
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	if (moved && c->link)
		ub_link_renew(c, r);
}

void ub_croom_event(
	unibus_client *c, struct ub_croom *r, const struct ub_room_event *ev, const char *fmt, ...)
{
	char detail[UB_DETAIL_MAX], subject[UB_SUBJECT_MAX + 1], peer[UB_ID_TEXT + 1];
	struct unibus_event out = {
		.kind = ev->kind,
		.err = ev->err,
		.room_id = r->id_text,
		.subject = subject,
		.detail = detail,
		.count = ev->count,
	};
	va_list args;

	va_start(args, fmt);
	vsnprintf(detail, sizeof(detail), fmt, args);
	va_end(args);
	pthread_mutex_lock(&r->lock);
	snprintf(subject, sizeof(subject), "%s", r->state.subject);
	pthread_mutex_unlock(&r->lock);
	if (ev->peer) {
		ub_endpoint_encode(ev->peer, peer);
		out.peer = peer;
	}
	ub_dispatch_event(c->dispatch, &out);
}
