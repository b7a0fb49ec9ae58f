#include "client/chores.h"
#include "client/clock.h"
#include "client/history.h"
#include "client/kept.h"
#include "client/link.h"
#include "client/message.h"
#include "client/store.h"
#include "core/b64url.h"

#define LAST_MAX 100000

void ub_ref_encode(const struct ub_ref *ref, unibus_ref to)
{
	ub_b64url_encode(ref->b, sizeof(ref->b), to);
}

ub_err ub_ref_decode(const char *text, struct ub_ref *ret)
{
	return ub_b64url_decode(ub_str(text), ret->b, sizeof(ret->b));
}

/* Under the client's lock. */
static void unlink_sub(struct ub_croom *r, unibus_sub *sub)
{
	for (struct unibus_sub **p = &r->subs; *p; p = &(*p)->next) {
		if (*p == sub) {
			*p = sub->next;
			return;
		}
	}
}

static ub_err link_sub(unibus_client *c, struct ub_croom *r, unibus_sub *sub)
{
	ub_err err;

	pthread_mutex_lock(&c->lock);
	err = ub_client_alive(c);
	if (err == UB_OK && (!r->joined || r->out))
		err = UNIBUS_ERR_NOT_JOINED;
	if (err == UB_OK) {
		if (!r->subs)
			r->listen_ms = ub_wall_ms();
		sub->next = r->subs;
		r->subs = sub;
	}
	pthread_mutex_unlock(&c->lock);
	return err;
}

/* What it means for beacons. */
static void listen_begins(unibus_client *c, struct ub_croom *r)
{
	uint64_t now = ub_mono_ms();

	pthread_mutex_lock(&r->lock);
	ub_beacon_listen(&r->beacon, now);
	pthread_mutex_unlock(&r->lock);
	ub_chores_wake(c, now + UB_BEACON_FIRST_MS);
}

void ub_sub_unref(unibus_client *c, struct unibus_sub *sub)
{
	bool last;

	pthread_mutex_lock(&c->lock);
	last = --sub->refs == 0;
	pthread_mutex_unlock(&c->lock);
	if (!last)
		return;
	ub_feed_deinit(&sub->feed);
	ub_position_close(&sub->position);
	free(sub);
}

static bool is_kept(struct ub_croom *r)
{
	bool persist;

	pthread_mutex_lock(&r->lock);
	persist = r->state.policy.persist;
	pthread_mutex_unlock(&r->lock);
	return persist;
}

static ub_err check_start(const struct unibus_subscription *s, bool kept)
{
	if (!s->fn || (s->start != UNIBUS_LIVE && !kept))
		return UNIBUS_ERR_INVALID;
	switch (s->start) {
	case UNIBUS_LIVE:
	case UNIBUS_ALL:
		return UB_OK;
	case UNIBUS_LAST:
		return s->last >= 1 && s->last <= LAST_MAX ? UB_OK : UNIBUS_ERR_INVALID;
	case UNIBUS_AFTER:
		return s->after < UB_JSON_INT_MAX ? UB_OK : UNIBUS_ERR_INVALID;
	case UNIBUS_DURABLE:
		return ub_position_name_ok(s->durable) ? UB_OK : UNIBUS_ERR_INVALID;
	}
	return UNIBUS_ERR_INVALID;
}

/* The position after which it begins. Asked for before the bus is listened to: then there is
 * nothing between the two that was not had. */
static ub_err begin(unibus_room *room, const struct unibus_subscription *s, unibus_sub *sub)
{
	uint64_t at = 0;
	ub_err err = UB_OK;

	if (s->start == UNIBUS_LIVE)
		err = ub_history_end(room->c, room->r, &at);
	else if (s->start == UNIBUS_LAST)
		err = ub_history_before(room->c, room->r, s->last, &at);
	else if (s->start == UNIBUS_DURABLE)
		err = ub_position_open(
			ub_store_dir(room->c), room->r->id_text, s->durable, &sub->position);
	if (err != UB_OK)
		return err;
	if (s->start == UNIBUS_AFTER)
		at = s->after;
	if (s->start == UNIBUS_DURABLE) {
		at = sub->position.had;
		sub->repeated = sub->position.delivering;
	}
	ub_feed_start(&sub->feed, at);
	return UB_OK;
}

static void run_caught_up(void *arg, bool run)
{
	struct unibus_sub *sub = arg;
	unibus_client *c = sub->c;
	void (*fn)(void *arg) = NULL;

	pthread_mutex_lock(&c->lock);
	if (run && !sub->ended)
		fn = UB_TAKE(sub->caught_up);
	pthread_mutex_unlock(&c->lock);
	if (fn)
		fn(sub->arg);
	ub_sub_unref(c, sub);
}

/* Where nothing is kept there is nothing to catch up with. */
static void tell_caught_up(unibus_sub *sub)
{
	unibus_client *c = sub->c;

	if (sub->kept || !sub->caught_up)
		return;
	pthread_mutex_lock(&c->lock);
	sub->refs++;
	pthread_mutex_unlock(&c->lock);
	if (ub_dispatch_call(c->dispatch, run_caught_up, sub) != UB_OK)
		ub_sub_unref(c, sub);
}

static ub_err sub_new(
	unibus_room *room, const struct unibus_subscription *s, bool inner, unibus_sub **ret)
{
	unibus_sub *sub = calloc(1, sizeof(*sub));
	ub_err err = UB_OK;

	if (!sub)
		return UNIBUS_ERR_NOMEM;
	sub->c = room->c;
	sub->room = room;
	sub->room_of = room->r;
	sub->refs = 1;
	sub->fn = s->fn;
	sub->arg = s->arg;
	sub->caught_up = s->caught_up;
	sub->inner = inner;
	sub->kept = is_kept(room->r);
	sub->position.fd = -1;
	if (sub->kept)
		err = begin(room, s, sub);
	if (err == UB_OK)
		err = link_sub(room->c, room->r, sub);
	if (err != UB_OK) {
		ub_sub_unref(room->c, sub);
		return err;
	}
	*ret = sub;
	return UB_OK;
}

static ub_err subscribe(
	unibus_room *room, const struct unibus_subscription *s, bool inner, unibus_sub **ret)
{
	ub_err err = ub_room_enter(room);
	unibus_sub *sub = NULL;

	if (err != UB_OK)
		return err;
	if (!s || !ret)
		return UNIBUS_ERR_INVALID;
	if (!room->c->link)
		return ub_client_fail(
			room->c, UNIBUS_ERR_INVALID, "a control-only client has no messages");
	err = check_start(s, is_kept(room->r));
	if (err == UB_OK)
		err = sub_new(room, s, inner, &sub);
	if (err != UB_OK)
		return ub_client_fail(room->c, err, "%s", unibus_strerror(err));
	err = ub_link_attach(room->c, room->r);
	if (err != UB_OK) {
		unibus_unsubscribe(sub);
		return ub_client_fail(room->c, err, "%s", unibus_strerror(err));
	}
	listen_begins(room->c, room->r);
	/* What it came after may have changed while the bus began to be listened to. */
	if (sub->kept)
		ub_kept_lag_room(room->c, room->r, 0);
	tell_caught_up(sub);
	*ret = sub;
	return UB_OK;
}

enum unibus_err unibus_subscribe(unibus_room *room, unibus_msg_fn fn, void *arg, unibus_sub **ret)
{
	struct unibus_subscription s = {.fn = fn, .arg = arg};

	return subscribe(room, &s, false, ret);
}

enum unibus_err unibus_subscribe_from(
	unibus_room *room, const struct unibus_subscription *s, unibus_sub **ret)
{
	return subscribe(room, s, false, ret);
}

ub_err ub_subscribe_inner(unibus_room *room, const struct unibus_subscription *s, unibus_sub **ret)
{
	return subscribe(room, s, true, ret);
}

void unibus_sub_signals(unibus_sub *sub, bool on)
{
	if (!sub || ub_room_enter(sub->room) != UB_OK)
		return;
	pthread_mutex_lock(&sub->c->lock);
	sub->signals = on;
	pthread_mutex_unlock(&sub->c->lock);
}

void unibus_unsubscribe(unibus_sub *sub)
{
	unibus_client *c;
	struct ub_croom *r;
	bool inside;

	if (!sub || ub_room_enter(sub->room) != UB_OK)
		return;
	c = sub->c;
	r = sub->room_of;
	inside = ub_dispatch_here(c->dispatch);
	pthread_mutex_lock(&c->lock);
	unlink_sub(r, sub);
	sub->ended = true;
	if (inside) {
		/* A delivery may be walking over it. */
		sub->next_dead = c->dead_subs;
		c->dead_subs = sub;
	}
	pthread_mutex_unlock(&c->lock);
	ub_link_detach(c, r);
	if (inside)
		return;
	ub_dispatch_barrier(c->dispatch);
	ub_sub_unref(c, sub);
}

static void bury_dead(unibus_client *c)
{
	struct unibus_sub *dead;

	pthread_mutex_lock(&c->lock);
	dead = UB_TAKE(c->dead_subs);
	pthread_mutex_unlock(&c->lock);
	while (dead) {
		struct unibus_sub *next = dead->next_dead;

		ub_sub_unref(c, dead);
		dead = next;
	}
}

static bool wants(const struct unibus_sub *sub, const struct unibus_msg *msg)
{
	if (sub->ended)
		return false;
	if (msg->position > 0)
		return sub->pick == UB_PICK_WANTS;
	return sub->signals || ub_kind_kept((uint8_t)msg->kind);
}

void ub_deliver(unibus_client *c, struct ub_croom *r, struct unibus_msg *msg)
{
	struct unibus_sub *sub;
	uint64_t n = 0;

	pthread_mutex_lock(&c->lock);
	for (sub = r->subs; sub; sub = sub->next) {
		if (!wants(sub, msg))
			continue;
		pthread_mutex_unlock(&c->lock);
		if (msg->position > 0) {
			ub_kept_hand(c, sub, msg);
		} else {
			msg->room = sub->room;
			sub->fn(sub->arg, msg);
		}
		pthread_mutex_lock(&c->lock);
		n++;
	}
	c->stats.delivered += n > 0;
	pthread_mutex_unlock(&c->lock);
	bury_dead(c);
}

/* ---- pages for user interfaces ---- */

struct pages { /* the newest first */
	struct ub_page *p;
	size_t n, frames;
};

static void pages_deinit(struct pages *all)
{
	for (size_t i = 0; i < all->n; i++)
		ub_page_deinit(&all->p[i]);
	free(all->p);
}

/* Each answer has at least one frame while there are more, so there are at most `limit`. */
static ub_err collect(unibus_room *room, uint64_t before, unsigned limit, struct pages *all)
{
	struct ub_page_ask ask = {.backward = true, .from = before};
	bool more = true;

	all->p = calloc(limit, sizeof(*all->p));
	if (!all->p)
		return UNIBUS_ERR_NOMEM;
	while (more && all->n < limit && all->frames < limit) {
		struct ub_page *p = &all->p[all->n];
		ub_err err;

		ask.limit = limit - (unsigned)all->frames;
		err = ub_history_page(room->c, room->r, &ask, p);
		if (err != UB_OK)
			return err;
		all->n++;
		all->frames += p->n;
		ask.from = p->first;
		more = p->more && p->first > 0;
	}
	return UB_OK;
}

struct reading {
	unibus_room *room;
	struct ub_past past;
	bool (*fn)(void *arg, const struct unibus_msg *msg);
	void *arg;
};

/* *ret_go: fn wants more. What is no good message is left out: it is told when it is received. */
static ub_err read_stored(struct reading *rd, const struct ub_stored *m, bool *ret_go)
{
	UB_CLEANUP(ub_judge_deinit)
	struct ub_judge j = {.c = rd->room->c,
		.r = rd->room->r,
		.past = &rd->past,
		.time_ms = m->time_ms,
		.position = m->seq};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	struct ub_payload payload;
	struct ub_msg_texts texts;
	struct unibus_msg msg;
	ub_err err = ub_frame_parse((struct ub_bytes){m->p, m->len}, &j.f);

	if (err == UB_OK && !ub_endpoint_eq(&j.f.h.sender, &m->sender))
		err = UNIBUS_ERR_CORRUPT;
	if (err == UB_OK)
		err = ub_receive_past(&j, &plain, &payload);
	if (err == UNIBUS_ERR_UNAVAILABLE)
		return err;
	if (err != UB_OK || j.permit == UB_PERMIT_NO)
		return UB_OK;
	ub_msg_fill(&j, &payload, &texts, &msg);
	msg.room = rd->room;
	*ret_go = rd->fn(rd->arg, &msg);
	return UB_OK;
}

enum unibus_err unibus_history(unibus_room *room, uint64_t before, unsigned limit,
	bool (*fn)(void *arg, const struct unibus_msg *msg), void *arg)
{
	UB_CLEANUP(pages_deinit) struct pages all = {0};
	struct reading rd = {.room = room, .fn = fn, .arg = arg};
	ub_err err = ub_room_enter(room);
	bool go = true;

	if (err != UB_OK)
		return err;
	if (!fn || limit < 1 || limit > UB_PAGE_MAX || before > UB_JSON_INT_MAX ||
		!is_kept(room->r))
		return UNIBUS_ERR_INVALID;
	err = collect(room, before, limit, &all);
	for (size_t i = all.n; i-- > 0;)
		for (size_t k = 0; k < all.p[i].n && go && err == UB_OK; k++)
			err = read_stored(&rd, &all.p[i].m[k], &go);
	return err == UB_OK ? UB_OK : ub_client_fail(room->c, err, "%s", unibus_strerror(err));
}
