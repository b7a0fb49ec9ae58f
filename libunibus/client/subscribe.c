#include "client/chores.h"
#include "client/clock.h"
#include "client/link.h"
#include "client/message.h"
#include "core/b64url.h"

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

static ub_err subscribe(unibus_room *room, const struct unibus_sub *what, unibus_sub **ret)
{
	ub_err err = ub_room_enter(room);
	unibus_sub *sub;

	if (err != UB_OK)
		return err;
	if (!what->fn || !ret)
		return UNIBUS_ERR_INVALID;
	if (!room->c->link)
		return ub_client_fail(
			room->c, UNIBUS_ERR_INVALID, "a control-only client has no messages");
	sub = calloc(1, sizeof(*sub));
	if (!sub)
		return UNIBUS_ERR_NOMEM;
	*sub = *what;
	sub->room = room;
	err = link_sub(room->c, room->r, sub);
	if (err != UB_OK) {
		free(sub);
		return ub_client_fail(room->c, err, "%s", unibus_strerror(err));
	}
	err = ub_link_attach(room->c, room->r);
	if (err != UB_OK) {
		unibus_unsubscribe(sub);
		return ub_client_fail(room->c, err, "%s", unibus_strerror(err));
	}
	listen_begins(room->c, room->r);
	*ret = sub;
	return UB_OK;
}

enum unibus_err unibus_subscribe(unibus_room *room, unibus_msg_fn fn, void *arg, unibus_sub **ret)
{
	return subscribe(room, &(struct unibus_sub){.fn = fn, .arg = arg}, ret);
}

ub_err ub_subscribe_inner(unibus_room *room, unibus_msg_fn fn, void *arg, unibus_sub **ret)
{
	return subscribe(room, &(struct unibus_sub){.fn = fn, .arg = arg, .inner = true}, ret);
}

void unibus_sub_signals(unibus_sub *sub, bool on)
{
	if (!sub || ub_room_enter(sub->room) != UB_OK)
		return;
	pthread_mutex_lock(&sub->room->c->lock);
	sub->signals = on;
	pthread_mutex_unlock(&sub->room->c->lock);
}

void unibus_unsubscribe(unibus_sub *sub)
{
	unibus_client *c;
	struct ub_croom *r;
	bool inside;

	if (!sub || ub_room_enter(sub->room) != UB_OK)
		return;
	c = sub->room->c;
	r = sub->room->r;
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
	free(sub);
}

void ub_deliver(unibus_client *c, struct ub_croom *r, struct unibus_msg *msg)
{
	struct unibus_sub *sub, *dead;
	bool signal = !ub_kind_kept((uint8_t)msg->kind);
	uint64_t n = 0;

	pthread_mutex_lock(&c->lock);
	for (sub = r->subs; sub; sub = sub->next) {
		if (sub->ended || (signal && !sub->signals))
			continue;
		pthread_mutex_unlock(&c->lock);
		msg->room = sub->room;
		sub->fn(sub->arg, msg);
		pthread_mutex_lock(&c->lock);
		n++;
	}
	c->stats.delivered += n > 0;
	dead = c->dead_subs;
	c->dead_subs = NULL;
	pthread_mutex_unlock(&c->lock);
	while (dead) {
		struct unibus_sub *next = dead->next_dead;

		free(dead);
		dead = next;
	}
}
