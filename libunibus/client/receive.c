/* Judging what came: PROTOCOL.md sections 5.1 and 5.2. All of it runs on the dispatcher. */
#include <sodium.h>

#include "client/chores.h"
#include "client/clock.h"
#include "client/link.h"
#include "client/message.h"
#include "client/names.h"
#include "client/roomsync.h"
#include "core/ulid.h"

/* A frame ahead of our log lets us fetch; one that led to nothing stops that for a while. */
#define AHEAD_PAUSE_MS 1000
#define SAVE_AFTER_MS 5000

struct judge {
	unibus_client *c;
	struct ub_croom *r;
	const struct bus_msg *msg;
	struct ub_frame f;
	struct ub_pubkey sign_pub; /* the sender's */
	struct ub_symkey key;      /* of the epoch */
	bool has_key;
	bool ahead;        /* its room_seq is beyond our log */
	bool head_differs; /* it names another entry there than we have */
	enum ub_seen seen; /* when its number came before */
};

static void judge_deinit(struct judge *j)
{
	ub_symkey_wipe(&j->key);
}

/* ---- by the log, with room->lock held ---- */

static ub_err check_subject(const struct judge *j)
{
	char sender[UB_ID_TEXT + 1];
	struct ub_str token;
	ub_err err = ub_wire_sender(ub_str(j->msg->subject), &j->r->id, &token);

	if (err != UB_OK)
		return err;
	ub_endpoint_encode(&j->f.h.sender, sender);
	/* The broker lets each peer publish under its own token only. */
	return ub_str_eq(token, (struct ub_str){sender, UB_WIRE_TOKEN}) ? UB_OK
									: UNIBUS_ERR_NOT_A_MEMBER;
}

/* By the newest policy, which is never looser than an earlier one: else naming an old entry would
 * be a way around it. */
static ub_err check_policy(const struct judge *j, const struct ub_hist_state *then)
{
	const struct ub_policy *now = &j->r->state.policy;

	if ((now->encrypt && !(j->f.h.flags & UB_FLAG_ENCRYPTED)) ||
		(now->sign && !(j->f.h.flags & UB_FLAG_SIGNED)))
		return UNIBUS_ERR_POLICY_VIOLATION;
	/* A key that the room did not have: made up by the sender. */
	return j->f.h.epoch == then->epoch ? UB_OK : UNIBUS_ERR_CORRUPT;
}

static ub_err check_sender(struct judge *j)
{
	const struct ub_member *m = ub_room_member(&j->r->state, &j->f.h.sender);

	if (ub_roomhist_role(&j->r->hist, j->f.h.room_seq, &j->f.h.sender) < UB_ROLE_MEMBER)
		return UNIBUS_ERR_NOT_A_MEMBER;
	if (!m || m->role < UB_ROLE_MEMBER)
		return UNIBUS_ERR_NOT_A_MEMBER;
	j->sign_pub = m->sign;
	return UB_OK;
}

static ub_err check_epoch(const struct judge *j)
{
	const struct ub_room *now = &j->r->state;
	const struct ub_hist_state *began;

	if (j->f.h.epoch == now->epoch)
		return UB_OK;
	if (j->f.h.epoch > now->epoch || now->epoch - j->f.h.epoch > 1)
		return UNIBUS_ERR_OLD_EPOCH;
	began = ub_roomhist_at(&j->r->hist, now->epoch_seq);
	return began && ub_wall_ms() - began->seen_ms <= UB_EPOCH_GRACE_MS ? UB_OK
									   : UNIBUS_ERR_OLD_EPOCH;
}

static ub_err check_replay(struct judge *j)
{
	static const struct ub_replay never = {0};
	const struct ub_sender *s = ub_senders_find(&j->r->senders, &j->f.h.sender);
	ub_err err = ub_replay_check(s ? &s->replay : &never, j->f.h.session, j->f.h.seq,
		&j->f.h.id, ub_control_now_ms(j->c->ctl));

	if (err != UB_OK && s)
		j->seen = ub_sender_seen(s, &j->f);
	return err;
}

/* REPLAY is the last verdict, so that an equivocation is only one in an otherwise good frame. */
static ub_err judge_state(struct judge *j)
{
	const struct ub_hist_state *then;
	const struct ub_symkey *k;
	ub_err err = check_subject(j);

	if (err != UB_OK)
		return err;
	then = ub_roomhist_at(&j->r->hist, j->f.h.room_seq);
	j->ahead = then == NULL;
	if (!then)
		return UNIBUS_ERR_CORRUPT;
	j->head_differs = memcmp(then->head.b, j->f.h.room_head, sizeof(j->f.h.room_head)) != 0;
	err = check_policy(j, then);
	if (err == UB_OK)
		err = check_sender(j);
	if (err == UB_OK)
		err = check_epoch(j);
	if (err == UB_OK)
		err = check_replay(j);
	k = ub_epoch_keys_find(&j->r->keys, j->f.h.epoch);
	j->has_key = k != NULL;
	if (k)
		j->key = *k;
	return err;
}

static ub_err judge_locked(struct judge *j)
{
	ub_err err;

	pthread_mutex_lock(&j->r->lock);
	err = judge_state(j);
	pthread_mutex_unlock(&j->r->lock);
	return err;
}

/* The server shows nothing of an entry that a member goes by, who proves to be one: he invents it,
 * or the server hides it. People must find out which; the frame cannot be judged either way. */
static void tell_withheld(struct judge *j)
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
static ub_err catch_up(struct judge *j)
{
	uint64_t now = ub_mono_ms(), before;
	bool may, grew;
	ub_err err;

	pthread_mutex_lock(&j->r->lock);
	may = j->r->ahead_at == 0 || now - j->r->ahead_at >= AHEAD_PAUSE_MS;
	before = j->r->n_entries;
	pthread_mutex_unlock(&j->r->lock);
	if (!may)
		return UNIBUS_ERR_CORRUPT;
	err = ub_croom_sync(j->c, j->r);
	pthread_mutex_lock(&j->r->lock);
	grew = j->r->n_entries > before;
	j->r->ahead_at = grew ? 0 : ub_mono_ms();
	pthread_mutex_unlock(&j->r->lock);
	/* What the sync itself failed of was told as the client's detail and events. */
	if (err != UB_OK && !grew)
		return UNIBUS_ERR_CORRUPT;
	err = judge_locked(j);
	if (j->ahead && !grew)
		tell_withheld(j);
	return err;
}

/* ---- by its keys ---- */

static ub_err need_key(struct judge *j)
{
	if (j->has_key || !(j->f.h.flags & UB_FLAG_ENCRYPTED))
		return UB_OK;
	j->has_key = ub_croom_key(j->c, j->r, j->f.h.epoch, &j->key) == UB_OK;
	return j->has_key ? UB_OK : UNIBUS_ERR_NO_KEY_EPOCH;
}

static ub_err open_frame(struct judge *j, struct ub_buf *plain, struct ub_payload *ret)
{
	UB_CLEANUP(ub_symkey_wipe) struct ub_symkey sender_key = {0};
	ub_err err = need_key(j);

	if (err == UB_OK && (j->f.h.flags & UB_FLAG_SIGNED))
		err = ub_frame_verify(&j->f, &j->r->id, &j->sign_pub);
	if (err != UB_OK)
		return err;
	if (j->has_key)
		ub_frame_sender_key(&j->key, &j->r->id, j->f.h.epoch, &j->f.h.sender, &sender_key);
	return ub_frame_open(&j->f, &j->r->id, j->has_key ? &sender_key : NULL, plain, ret);
}

static bool is_authentic(const struct judge *j)
{
	return (j->f.h.flags & (UB_FLAG_SIGNED | UB_FLAG_ENCRYPTED)) != 0;
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

static void drop(struct judge *j, ub_err err, bool parsed)
{
	struct ub_room_event ev = {
		.kind = UNIBUS_EVENT_BAD_FRAME, .err = err, .peer = parsed ? &j->f.h.sender : NULL};

	count_drop(j->c, err);
	ub_croom_event(j->c, j->r, &ev, "a message was dropped: %s", unibus_strerror(err));
}

/* The number came before. The same frame over two connections is nothing to tell; another frame
 * under it is, once it has proved to be the sender's. */
static void drop_replay(struct judge *j)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	struct ub_payload payload;
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_EQUIVOCATION, .peer = &j->f.h.sender};

	if (j->seen == UB_SEEN_SAME && ub_link_overlaps(j->c))
		return;
	if (j->seen == UB_SEEN_OTHER && is_authentic(j) && open_frame(j, &plain, &payload) == UB_OK)
		ub_croom_event(j->c, j->r, &ev, "two different messages under one number");
	drop(j, UNIBUS_ERR_REPLAY, true);
}

static void note(struct judge *j)
{
	uint64_t missing_at = 0, since;
	struct ub_sender *s;
	bool dirty, worn;

	pthread_mutex_lock(&j->c->lock);
	since = j->r->listen_ms;
	pthread_mutex_unlock(&j->c->lock);
	pthread_mutex_lock(&j->r->lock);
	dirty = j->r->seen_dirty;
	/* Out of memory: the frame is delivered, and could be once more. */
	if (ub_senders_get(&j->r->senders, &j->f.h.sender, &s) == UB_OK) {
		ub_sender_note(s, &j->f, since);
		missing_at = s->missing_at;
		j->r->seen_dirty = true;
	}
	if (!ub_endpoint_eq(&j->f.h.sender, &j->c->o->id->endpoint))
		j->r->epoch_frames++;
	worn = j->r->epoch_frames == UB_EPOCH_FRAMES_MAX;
	pthread_mutex_unlock(&j->r->lock);
	if (worn)
		ub_chores_wake(j->c, ub_mono_ms());
	if (missing_at != 0)
		ub_chores_wake(j->c, missing_at);
	if (!dirty)
		ub_chores_wake(j->c, ub_mono_ms() + SAVE_AFTER_MS);
}

static void fork_alarm(struct judge *j)
{
	struct ub_room_event ev = {
		.kind = UNIBUS_EVENT_FORK, .err = UNIBUS_ERR_FORK, .peer = &j->f.h.sender};

	ub_croom_event(j->c, j->r, &ev, "the sender was shown another history of the room");
}

struct texts {
	char id[UB_ULID_TEXT + 1], sender[UB_ID_TEXT + 1], handle[UB_HANDLE_MAX + 1];
	char media[UB_MEDIA_TYPE_MAX + 1];
	unibus_ref ref, thread, reply;
};

static void deliver(struct judge *j, const struct ub_payload *payload)
{
	const struct ub_frame_header *h = &j->f.h;
	struct texts t;
	struct ub_ref ref;
	struct unibus_msg m = {
		.kind = (enum unibus_kind)h->kind,
		.ref = t.ref,
		.id = t.id,
		.thread = h->flags & UB_FLAG_THREAD ? t.thread : NULL,
		.reply = h->flags & UB_FLAG_REPLY ? t.reply : NULL,
		.sender = t.sender,
		.handle = t.handle,
		.media_type = t.media,
		.data = payload->body.p,
		.len = payload->body.len,
		.ts_ms = ub_ulid_ms(&h->id),
		.session = h->session,
		.seq = h->seq,
		.room_seq = h->room_seq,
		.epoch = h->epoch,
		.encrypted = (h->flags & UB_FLAG_ENCRYPTED) != 0,
		.verified = (h->flags & UB_FLAG_SIGNED) != 0,
	};

	ub_frame_ref(&j->r->id, &h->sender, &h->id, &ref);
	ub_ref_encode(&ref, t.ref);
	ub_ref_encode(&h->thread, t.thread);
	ub_ref_encode(&h->reply, t.reply);
	ub_ulid_encode(&h->id, t.id);
	ub_endpoint_encode(&h->sender, t.sender);
	ub_names_get(j->c, &h->sender, t.handle);
	snprintf(t.media, sizeof(t.media), "%.*s", (int)payload->media_type.len,
		payload->media_type.p);
	ub_deliver(j->c, j->r, &m);
}

static void receive_frame(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg)
{
	UB_CLEANUP(judge_deinit) struct judge j = {.c = c, .r = r, .msg = msg};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	struct ub_payload payload;
	ub_err err = ub_frame_parse(msg->data, &j.f);

	if (err != UB_OK) {
		drop(&j, err, false);
		return;
	}
	err = judge_locked(&j);
	if (j.ahead)
		err = catch_up(&j);
	if (err == UNIBUS_ERR_REPLAY) {
		drop_replay(&j);
		return;
	}
	if (err == UB_OK)
		err = open_frame(&j, &plain, &payload);
	if (err != UB_OK) {
		drop(&j, err, true);
		return;
	}
	note(&j);
	if (j.head_differs && is_authentic(&j))
		fork_alarm(&j);
	deliver(&j, &payload);
}

static void receive_plain(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg)
{
	struct unibus_msg m = {
		.kind = UNIBUS_MESSAGE,
		.handle = "",
		.media_type = "",
		.data = msg->data.p,
		.len = msg->data.len,
		.ts_ms = ub_wall_ms(),
	};

	ub_deliver(c, r, &m);
}

void ub_receive(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg)
{
	struct judge j = {.c = c, .r = r, .msg = msg};
	bool wanted, plain, own_subject;

	if (!r) {
		ub_notify(c, msg->data);
		return;
	}
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
	else
		receive_frame(c, r, msg);
}
