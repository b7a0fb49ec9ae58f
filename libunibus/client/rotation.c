#include "client/rotation.h"

#include "client/chores.h"
#include "client/clock.h"
#include "client/names.h"
#include "client/room.h"
#include "client/roomsync.h"

/* Admins first; members step in when none is there. Spread, so that mostly one does it. */
#define ADMIN_WAIT_MS 100
#define ADMIN_JITTER_MS 1500
#define MEMBER_WAIT_MS 4000
#define MEMBER_JITTER_MS 8000
/* The server goes on hinting at what was just done, or the attempt failed. */
#define AGAIN_WAIT_MS 10000
#define AGAIN_JITTER_MS 20000

struct due {
	bool due;    /* for whatever reason */
	bool by_log; /* the log itself says so: members may act */
	bool remove; /* somebody revoked is still in the room */
	enum ub_role role;
};

/* With room->lock held. */
static struct due due_of(const unibus_client *c, const struct ub_croom *r)
{
	const struct ub_room *s = &r->state;
	const struct ub_hist_state *began;
	struct due d = {0};
	bool old;

	if (!s->started || s->closed || !s->policy.encrypt || s->epoch == 0)
		return d;
	began = ub_roomhist_at(&r->hist, s->epoch_seq);
	old = began && ub_wall_ms() > began->seen_ms + UB_EPOCH_AGE_MAX_MS;
	d.by_log = s->rotation_due;
	d.remove = r->hint_removal;
	d.due = d.by_log || d.remove || r->hint_rotation || old ||
		r->senders.frames >= UB_EPOCH_FRAMES_MAX;
	d.role = ub_room_role(s, &c->o->id->endpoint);
	return d;
}

static bool may_act(const struct due *d)
{
	return d->due && (d->role >= UB_ROLE_ADMIN || (d->role == UB_ROLE_MEMBER && d->by_log));
}

static void plan(unibus_client *c, struct ub_croom *r, uint64_t at)
{
	bool planned;

	pthread_mutex_lock(&c->lock);
	planned = r->rotate_at == 0;
	if (planned)
		r->rotate_at = at;
	pthread_mutex_unlock(&c->lock);
	if (planned)
		ub_chores_wake(c, at);
}

void ub_rotation_note(unibus_client *c, struct ub_croom *r)
{
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_ROTATION_DUE};
	uint64_t now = ub_mono_ms();
	bool tell = false;
	struct due d;

	pthread_mutex_lock(&r->lock);
	d = due_of(c, r);
	if (!d.due) {
		r->due_since = 0;
	} else if (r->due_since == 0) {
		r->due_since = now;
		tell = true;
	}
	pthread_mutex_unlock(&r->lock);
	if (tell)
		ub_croom_event(c, r, &ev,
			d.remove ? "a member was revoked: the room needs a new key"
				 : "the room needs a new key");
	if (!may_act(&d) || !c->chores)
		return;
	plan(c, r,
		now + (d.role >= UB_ROLE_ADMIN ? ADMIN_WAIT_MS + ub_jitter(ADMIN_JITTER_MS)
					       : MEMBER_WAIT_MS + ub_jitter(MEMBER_JITTER_MS)));
}

ub_err ub_rotation_check(const struct ub_croom *r)
{
	return r->due_since != 0 && ub_mono_ms() - r->due_since > UB_ROTATION_GRACE_MS
		       ? UNIBUS_ERR_ROTATION_DUE
		       : UB_OK;
}

struct revoked {
	struct ub_endpoint who[UB_ENTRY_OPS_MAX - 1];
	size_t n;
};

static void collect(void *arg, const struct ub_endpoint *id)
{
	struct revoked *v = arg;

	if (v->n < UB_ARRAY_LEN(v->who))
		v->who[v->n++] = *id;
}

static ub_err act(unibus_client *c, struct ub_croom *r, const struct due *d)
{
	struct revoked v = {0};
	uint64_t as_of;
	ub_err err;

	if (!d->remove)
		return ub_room_rekey_now(c, r);
	pthread_mutex_lock(&r->lock);
	as_of = r->state.seq;
	pthread_mutex_unlock(&r->lock);
	err = ub_names_fetch(c, r, collect, &v);
	if (err != UB_OK)
		return err;
	return v.n > 0 ? ub_room_drop(c, r, v.who, v.n, as_of) : ub_room_rekey_now(c, r);
}

void ub_rotation_run(unibus_client *c, struct ub_croom *r)
{
	struct ub_room_hint hint;
	struct due d;
	ub_err err;

	pthread_mutex_lock(&c->lock);
	r->rotate_at = 0;
	pthread_mutex_unlock(&c->lock);
	/* Somebody else may have done it by now. */
	err = ub_croom_sync(c, r);
	if (err == UB_OK)
		err = ub_croom_ask(c, r, &hint);
	pthread_mutex_lock(&r->lock);
	d = due_of(c, r);
	pthread_mutex_unlock(&r->lock);
	if (err == UB_OK && may_act(&d)) {
		err = act(c, r, &d);
		if (err == UB_OK)
			err = ub_croom_ask(c, r, &hint);
	}
	pthread_mutex_lock(&r->lock);
	d = due_of(c, r);
	pthread_mutex_unlock(&r->lock);
	pthread_mutex_lock(&c->lock);
	r->rotate_at = 0;
	pthread_mutex_unlock(&c->lock);
	if (may_act(&d) && err != UNIBUS_ERR_DENIED && err != UNIBUS_ERR_NOT_FOUND)
		plan(c, r, ub_mono_ms() + AGAIN_WAIT_MS + ub_jitter(AGAIN_JITTER_MS));
}
