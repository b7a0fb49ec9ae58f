#include "client/judge.h"

#include "client/clock.h"

void ub_judge_deinit(struct ub_judge *j)
{
	ub_symkey_wipe(&j->key);
}

/* ---- by the log, with room->lock held ---- */

static ub_err check_subject(const struct ub_judge *j)
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
static ub_err check_policy(const struct ub_judge *j, const struct ub_hist_state *then)
{
	const struct ub_policy *now = &j->r->state.policy;

	if ((now->encrypt && !(j->f.h.flags & UB_FLAG_ENCRYPTED)) ||
		(now->sign && !(j->f.h.flags & UB_FLAG_SIGNED)))
		return UNIBUS_ERR_POLICY_VIOLATION;
	/* A key that the room did not have: made up by the sender. */
	return j->f.h.epoch == then->epoch ? UB_OK : UNIBUS_ERR_CORRUPT;
}

static ub_err check_sender(struct ub_judge *j)
{
	const struct ub_member *m = ub_room_member(&j->r->state, &j->f.h.sender);

	j->role = ub_roomhist_role(&j->r->hist, j->f.h.room_seq, &j->f.h.sender);
	if (!m || m->role < UB_ROLE_MEMBER || j->role < UB_ROLE_MEMBER)
		return UNIBUS_ERR_NOT_A_MEMBER;
	if (m->role < j->role)
		j->role = m->role;
	j->sign_pub = m->sign;
	return UB_OK;
}

static ub_err check_epoch(const struct ub_judge *j)
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

static ub_err check_replay(struct ub_judge *j)
{
	static const struct ub_replay never = {0};
	const struct ub_sender *s = ub_senders_find(&j->r->senders, &j->f.h.sender);
	ub_err err = ub_replay_check(s ? &s->replay : &never, j->f.h.session, j->f.h.seq,
		&j->f.h.id, ub_control_now_ms(j->c->ctl));

	if (err != UB_OK && s)
		j->seen = ub_sender_seen(s, &j->f);
	return err;
}

static ub_err judge_state(struct ub_judge *j)
{
	const struct ub_hist_state *then;
	const struct ub_symkey *k;
	ub_err err = check_subject(j);

	j->ahead = false;
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

ub_err ub_judge_log(struct ub_judge *j)
{
	ub_err err;

	pthread_mutex_lock(&j->r->lock);
	err = judge_state(j);
	pthread_mutex_unlock(&j->r->lock);
	return err;
}

/* ---- by its keys ---- */

static ub_err need_key(struct ub_judge *j)
{
	if (j->has_key || !(j->f.h.flags & UB_FLAG_ENCRYPTED))
		return UB_OK;
	j->has_key = ub_croom_key(j->c, j->r, j->f.h.epoch, &j->key) == UB_OK;
	return j->has_key ? UB_OK : UNIBUS_ERR_NO_KEY_EPOCH;
}

ub_err ub_judge_open(struct ub_judge *j, struct ub_buf *plain, struct ub_payload *ret)
{
	UB_CLEANUP(ub_symkey_wipe) struct ub_symkey sender_key = {0};
	ub_err err = need_key(j);

	/* A beacon is signed in every room. */
	if (err == UB_OK && (j->f.h.flags & UB_FLAG_SIGNED || j->f.h.kind == UB_KIND_BEACON))
		err = ub_frame_verify(&j->f, &j->r->id, &j->sign_pub);
	if (err != UB_OK)
		return err;
	if (j->has_key)
		ub_frame_sender_key(&j->key, &j->r->id, j->f.h.epoch, &j->f.h.sender, &sender_key);
	return ub_frame_open(&j->f, &j->r->id, j->has_key ? &sender_key : NULL, plain, ret);
}
