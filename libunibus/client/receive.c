/* What comes of a message from the bus. All of it runs on the dispatcher. */
#include "client/chores.h"
#include "client/clock.h"
#include "client/judge.h"
#include "client/kept.h"
#include "client/link.h"
#include "client/message.h"
#include "client/names.h"
#include "client/roomsync.h"
#include "core/ulid.h"

/* A frame ahead of our log lets us fetch; one that led to nothing stops that for a while. */
#define AHEAD_PAUSE_MS 1000
#define SAVE_AFTER_MS 5000
/* Later than anything that was sent; far from the end of the numbers. */
#define NEVER_MS (UINT64_MAX / 4)

static bool is_authentic(const struct ub_judge *j)
{
	return (j->f.h.flags & (UB_FLAG_SIGNED | UB_FLAG_ENCRYPTED)) != 0;
}

/* The server shows nothing of an entry that a member goes by, who proves to be one: he invents it,
 * or the server hides it. People must find out which; the frame cannot be judged either way. */
static void tell_withheld(struct ub_judge *j)
{
	struct ub_room_event ev = {
		.kind = UNIBUS_EVENT_ROLLBACK, .err = UNIBUS_ERR_ROLLBACK, .peer = &j->f.h.sender};
	const struct ub_member *m;
	bool signs = (j->f.h.flags & UB_FLAG_SIGNED) != 0;

	pthread_mutex_lock(&j->r->lock);
	m = ub_room_member(&j->r->state, &j->f.h.sender);
	if (m)
		j->sign_pub = m->sign;
	pthread_mutex_unlock(&j->r->lock);
	if (m && signs && ub_frame_verify(&j->f, &j->r->id, &j->sign_pub) == UB_OK)
		ub_croom_event(j->c, j->r, &ev,
			"the sender goes by entry %llu of the room, which the server does not show",
			(unsigned long long)j->f.h.room_seq);
}

/* Fetches the log for a frame that is ahead of it. */
static ub_err catch_up(struct ub_judge *j)
{
	uint64_t now = ub_mono_ms();
	bool may;
	ub_err err, synced;

	pthread_mutex_lock(&j->r->lock);
	may = j->r->ahead_at == 0 || now - j->r->ahead_at >= AHEAD_PAUSE_MS;
	pthread_mutex_unlock(&j->r->lock);
	if (!may)
		return UNIBUS_ERR_CORRUPT;
	/* What it fails of is told as the client's detail and events; what it brought counts. */
	synced = ub_croom_sync(j->c, j->r);
	err = ub_judge_log(j);
	pthread_mutex_lock(&j->r->lock);
	j->r->ahead_at = j->ahead ? ub_mono_ms() : 0;
	pthread_mutex_unlock(&j->r->lock);
	if (j->ahead && synced == UB_OK)
		tell_withheld(j);
	return err;
}

/* ---- what follows ---- */

static void count_drop(unibus_client *c, ub_err err)
{
	struct unibus_stats *s = &c->stats;
	const struct {
		ub_err err;
		uint64_t *count;
	} rows[] = {
		{UNIBUS_ERR_NO_KEY_EPOCH, &s->no_key_epoch},
		{UNIBUS_ERR_NOT_A_MEMBER, &s->not_a_member},
		{UNIBUS_ERR_BAD_SIGNATURE, &s->bad_signature},
		{UNIBUS_ERR_BAD_COMMIT, &s->bad_commit},
		{UNIBUS_ERR_REPLAY, &s->replay},
		{UNIBUS_ERR_OLD_EPOCH, &s->old_epoch},
		{UNIBUS_ERR_POLICY_VIOLATION, &s->policy_violation},
		{UNIBUS_ERR_CORRUPT, &s->corrupt},
	};

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++)
		if (rows[i].err == err)
			(*rows[i].count)++;
	pthread_mutex_unlock(&c->lock);
}

static void drop(struct ub_judge *j, ub_err err, bool parsed)
{
	struct ub_room_event ev = {
		.kind = UNIBUS_EVENT_BAD_FRAME, .err = err, .peer = parsed ? &j->f.h.sender : NULL};

	if (j->again)
		return;
	count_drop(j->c, err);
	ub_croom_event(j->c, j->r, &ev, "a message was dropped: %s", unibus_strerror(err));
}

/* The number came before. Another frame under it is worth telling, once it has proved to be the
 * sender's. */
static void drop_replay(struct ub_judge *j)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	struct ub_payload payload;
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_EQUIVOCATION, .peer = &j->f.h.sender};

	if (j->seen == UB_SEEN_OTHER && is_authentic(j) &&
		ub_judge_open(j, &plain, &payload) == UB_OK)
		ub_croom_event(j->c, j->r, &ev, "two different messages under one number");
	drop(j, UNIBUS_ERR_REPLAY, true);
}

/* With room->lock held. */
static void note_target(struct ub_judge *j)
{
	const struct ub_frame_header *h = &j->f.h;

	ub_frame_ref(&j->r->id, &h->sender, &h->id, &j->ref);
	j->permit = ub_targets_judge(&j->r->targets, h, &h->sender, j->role);
	if (ub_kind_kept(h->kind))
		ub_targets_note(&j->r->targets, &j->ref, &h->sender);
}

static void note(struct ub_judge *j)
{
	uint64_t missing_at = 0, since;
	struct ub_sender *s;
	bool dirty, worn = false;

	pthread_mutex_lock(&j->c->lock);
	since = j->r->listen_ms;
	pthread_mutex_unlock(&j->c->lock);
	pthread_mutex_lock(&j->r->lock);
	/* Its history fills its gaps: positions tell of them, numbers do not. */
	if (j->r->state.policy.persist)
		since = NEVER_MS;
	dirty = j->r->seen_dirty;
	/* Out of memory: the frame is delivered, and could be once more. */
	if (ub_senders_get(&j->r->senders, &j->f.h.sender, &s) == UB_OK) {
		ub_sender_note(s, &j->f, since);
		missing_at = s->missing_at;
		j->r->seen_dirty = true;
	}
	if (!ub_endpoint_eq(&j->f.h.sender, &j->c->o->id->endpoint)) {
		worn = ++j->r->senders.frames == UB_EPOCH_FRAMES_MAX;
		if ((j->f.h.flags & UB_FLAG_SIGNED) && j->role >= UB_ROLE_ADMIN)
			ub_beacon_heard(&j->r->beacon, ub_mono_ms());
	}
	note_target(j);
	pthread_mutex_unlock(&j->r->lock);
	if (worn)
		ub_chores_wake(j->c, ub_mono_ms());
	if (missing_at != 0)
		ub_chores_wake(j->c, missing_at);
	if (!dirty)
		ub_chores_wake(j->c, ub_mono_ms() + SAVE_AFTER_MS);
}

static void fork_alarm(struct ub_judge *j)
{
	struct ub_room_event ev = {
		.kind = UNIBUS_EVENT_FORK, .err = UNIBUS_ERR_FORK, .peer = &j->f.h.sender};

	ub_croom_event(j->c, j->r, &ev, "the sender was shown another history of the room");
}

void ub_msg_fill(const struct ub_judge *j, const struct ub_payload *payload, struct ub_msg_texts *t,
	struct unibus_msg *ret)
{
	const struct ub_frame_header *h = &j->f.h;

	*ret = (struct unibus_msg){
		.kind = (enum unibus_kind)h->kind,
		.ref = t->ref,
		.id = t->id,
		.thread = h->flags & UB_FLAG_THREAD ? t->thread : NULL,
		.reply = h->flags & UB_FLAG_REPLY ? t->reply : NULL,
		.sender = t->sender,
		.handle = t->handle,
		.media_type = t->media,
		.data = payload->body.p,
		.len = payload->body.len,
		.ts_ms = ub_ulid_ms(&h->id),
		.session = h->session,
		.seq = h->seq,
		.room_seq = h->room_seq,
		.position = j->position,
		.epoch = h->epoch,
		.encrypted = (h->flags & UB_FLAG_ENCRYPTED) != 0,
		.verified = (h->flags & UB_FLAG_SIGNED) != 0,
		.role = (enum unibus_role)j->role,
		.permitted = j->permit == UB_PERMIT_YES,
	};

	ub_ref_encode(&j->ref, t->ref);
	ub_ref_encode(&h->thread, t->thread);
	ub_ref_encode(&h->reply, t->reply);
	ub_ulid_encode(&h->id, t->id);
	ub_endpoint_encode(&h->sender, t->sender);
	ub_names_get(j->c, &h->sender, t->handle);
	snprintf(t->media, sizeof(t->media), "%.*s", (int)payload->media_type.len,
		payload->media_type.p);
}

/* It is good. */
static void accept(struct ub_judge *j, const struct ub_payload *payload)
{
	struct ub_msg_texts t;
	struct unibus_msg m;

	if (j->head_differs && is_authentic(j))
		fork_alarm(j);
	if (j->permit == UB_PERMIT_NO) {
		drop(j, UNIBUS_ERR_POLICY_VIOLATION, true);
		return;
	}
	ub_msg_fill(j, payload, &t, &m);
	ub_deliver(j->c, j->r, &m);
}

/* ---- of the history ---- */

/* What asking again may mend. */
static bool passes(ub_err err)
{
	return err == UNIBUS_ERR_NETWORK || err == UNIBUS_ERR_TIMEOUT ||
	       err == UNIBUS_ERR_UNAVAILABLE || err == UNIBUS_ERR_SLOW_DOWN ||
	       err == UNIBUS_ERR_CANCELLED || err == UNIBUS_ERR_CLOSED || err == UNIBUS_ERR_NOMEM ||
	       err == UNIBUS_ERR_TLS;
}

ub_err ub_receive_past(struct ub_judge *j, struct ub_buf *plain, struct ub_payload *ret)
{
	ub_err synced = UB_OK, err = ub_judge_past(j);

	if (j->ahead) {
		synced = ub_croom_sync(j->c, j->r);
		err = ub_judge_past(j);
	}
	if (j->ahead && passes(synced))
		return UNIBUS_ERR_UNAVAILABLE;
	if (err == UB_OK)
		err = ub_judge_open(j, plain, ret);
	if (err == UNIBUS_ERR_NO_KEY_EPOCH && passes(j->key_err))
		return UNIBUS_ERR_UNAVAILABLE;
	if (err != UB_OK)
		return err;
	ub_past_note(j->past, j, j->time_ms);
	pthread_mutex_lock(&j->r->lock);
	note_target(j);
	pthread_mutex_unlock(&j->r->lock);
	return UB_OK;
}

/* What stands in its way is left to the pages, which can wait. */
static ub_err receive_live(struct ub_judge *j, struct ub_buf *plain, struct ub_payload *ret)
{
	ub_err err = ub_kind_kept(j->f.h.kind) ? ub_judge_log(j) : UNIBUS_ERR_POLICY_VIOLATION;

	if (j->ahead)
		err = catch_up(j);
	if (j->ahead)
		return UNIBUS_ERR_UNAVAILABLE;
	if (err == UB_OK)
		err = ub_judge_open(j, plain, ret);
	if (err == UNIBUS_ERR_NO_KEY_EPOCH)
		return UNIBUS_ERR_UNAVAILABLE;
	if (err == UB_OK)
		note(j);
	return err;
}

ub_err ub_receive_kept(struct ub_judge *j)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	struct ub_payload payload;
	ub_err err =
		j->past ? ub_receive_past(j, &plain, &payload) : receive_live(j, &plain, &payload);

	if (err == UNIBUS_ERR_UNAVAILABLE)
		return err;
	if (err == UNIBUS_ERR_REPLAY)
		drop_replay(j);
	else if (err != UB_OK)
		drop(j, err, true);
	else
		accept(j, &payload);
	return UB_OK;
}

void ub_receive_bad(struct ub_judge *j)
{
	drop(j, UNIBUS_ERR_CORRUPT, false);
}

/* ---- of the moment ---- */

static bool keeps(struct ub_croom *r)
{
	bool persist;

	pthread_mutex_lock(&r->lock);
	persist = r->state.policy.persist;
	pthread_mutex_unlock(&r->lock);
	return persist;
}

static void receive_frame(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg)
{
	UB_CLEANUP(ub_judge_deinit) struct ub_judge j = {.c = c, .r = r, .msg = msg};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	struct ub_payload payload;
	ub_err err = ub_frame_parse(msg->data, &j.f);

	if (err != UB_OK) {
		drop(&j, err, false);
		return;
	}
	/* What is to be kept comes from the log. */
	if (keeps(r) && ub_kind_kept(j.f.h.kind))
		err = UNIBUS_ERR_POLICY_VIOLATION;
	if (err == UB_OK)
		err = ub_judge_log(&j);
	if (j.again)
		return;
	if (j.ahead)
		err = catch_up(&j);
	if (err == UNIBUS_ERR_REPLAY) {
		drop_replay(&j);
		return;
	}
	if (err == UB_OK)
		err = ub_judge_open(&j, &plain, &payload);
	if (err != UB_OK) {
		drop(&j, err, true);
		return;
	}
	note(&j);
	accept(&j, &payload);
}

static void receive_plain(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg)
{
	struct unibus_msg m = {
		.kind = UNIBUS_MESSAGE,
		.handle = "",
		.media_type = "",
		.permitted = true,
		.data = msg->data.p,
		.len = msg->data.len,
		.ts_ms = ub_wall_ms(),
	};

	ub_deliver(c, r, &m);
}

void ub_receive(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg)
{
	struct ub_judge j = {.c = c, .r = r, .msg = msg};
	bool wanted, plain, own_subject;

	pthread_mutex_lock(&c->lock);
	c->stats.received++;
	wanted = r->subs != NULL;
	pthread_mutex_unlock(&c->lock);
	if (!wanted)
		return;
	pthread_mutex_lock(&r->lock);
	plain = ub_policy_plain(&r->state.policy);
	own_subject = strcmp(msg->subject, r->state.subject) == 0;
	pthread_mutex_unlock(&r->lock);
	if (own_subject && plain)
		receive_plain(c, r, msg);
	else if (own_subject)
		drop(&j, UNIBUS_ERR_POLICY_VIOLATION, false); /* sent before it was tightened */
	else if (strncmp(msg->subject, UB_WIRE_LIVE, sizeof(UB_WIRE_LIVE) - 1) == 0)
		ub_kept_receive(c, r, msg);
	else
		receive_frame(c, r, msg);
}
