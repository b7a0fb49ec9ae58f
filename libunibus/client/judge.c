#include "client/judge.h"

#include "client/clock.h"
#include "core/ulid.h"

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

/* By its number, and not as another frame. */
static bool came_before(const struct ub_judge *j)
{
	const struct ub_sender *s = ub_senders_find(&j->r->senders, &j->f.h.sender);
	const struct ub_frame_header *h = &j->f.h;

	return s &&
	       ub_replay_check(&s->replay, h->session, h->seq, &h->id, ub_ulid_ms(&h->id)) ==
		       UNIBUS_ERR_REPLAY &&
	       ub_sender_seen(s, &j->f) != UB_SEEN_OTHER;
}

static void find_key(struct ub_judge *j)
{
	const struct ub_symkey *k = ub_epoch_keys_find(&j->r->keys, j->f.h.epoch);

	j->has_key = k != NULL;
	if (k)
		j->key = *k;
}

static ub_err judge_state(struct ub_judge *j)
{
	const struct ub_hist_state *then;
	ub_err err = check_subject(j);

	j->ahead = false;
	if (err != UB_OK)
		return err;
	j->again = j->msg->doubled && came_before(j);
	then = ub_roomhist_at(&j->r->hist, j->f.h.room_seq);
	j->ahead = then == NULL;
	if (!then)
		return UNIBUS_ERR_CORRUPT;
	j->signs = then->policy.sign;
	j->head_differs = memcmp(then->head.b, j->f.h.room_head, sizeof(j->f.h.room_head)) != 0;
	err = check_policy(j, then);
	if (err == UB_OK)
		err = check_sender(j);
	if (err == UB_OK)
		err = check_epoch(j);
	if (err == UB_OK)
		err = check_replay(j);
	find_key(j);
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

/* ---- by the log, of the history ---- */

/* The policy of its time, unless a stricter one was already gone by for a while: else naming an old
 * entry would be a way around it. */
static ub_err past_policy(const struct ub_judge *j, const struct ub_hist_state *then)
{
	bool signs = (j->f.h.flags & UB_FLAG_SIGNED) != 0;
	bool seals = (j->f.h.flags & UB_FLAG_ENCRYPTED) != 0;

	if (!ub_kind_kept(j->f.h.kind) || (then->policy.encrypt && !seals) ||
		(then->policy.sign && !signs))
		return UNIBUS_ERR_POLICY_VIOLATION;
	if (j->past->sign && !signs && j->time_ms > j->past->sign_ms + UB_EPOCH_GRACE_MS)
		return UNIBUS_ERR_POLICY_VIOLATION;
	return j->f.h.epoch == then->epoch ? UB_OK : UNIBUS_ERR_CORRUPT;
}

static ub_err past_epoch(const struct ub_judge *j)
{
	uint32_t had = j->past->epoch;

	if (j->f.h.epoch >= had)
		return UB_OK;
	return had - j->f.h.epoch == 1 && j->time_ms <= j->past->epoch_ms + UB_EPOCH_GRACE_MS
		       ? UB_OK
		       : UNIBUS_ERR_OLD_EPOCH;
}

/* The key of somebody who is out by now, from the entry that he came in by. */
static bool former_key(
	const struct ub_croom *r, const struct ub_endpoint *who, struct ub_pubkey *ret)
{
	bool found = false;

	for (size_t i = 0; i < r->hist.n_roles && !found; i++) {
		const struct ub_hist_role *row = &r->hist.roles[i];
		UB_CLEANUP(ub_entry_deinit) struct ub_entry e = {0};
		const struct ub_text *text = &r->entries[row->from_seq];

		if (!ub_endpoint_eq(&row->id, who) || row->role == UB_ROLE_NONE ||
			ub_entry_open((struct ub_str){text->z, text->len}, &e) != UB_OK)
			continue;
		for (size_t k = 0; k < e.n_ops && !found; k++) {
			struct ub_endpoint id;

			if (e.ops[k].type != UB_OP_ADD)
				continue;
			ub_endpoint_of(&e.ops[k].keyrec.sign, &id);
			found = ub_endpoint_eq(&id, who);
			if (found)
				*ret = e.ops[k].keyrec.sign;
		}
	}
	return found;
}

static ub_err past_sender(struct ub_judge *j)
{
	const struct ub_member *m = ub_room_member(&j->r->state, &j->f.h.sender);

	j->role = ub_roomhist_role(&j->r->hist, j->f.h.room_seq, &j->f.h.sender);
	if (j->role < UB_ROLE_MEMBER)
		return UNIBUS_ERR_NOT_A_MEMBER;
	if (m) {
		j->sign_pub = m->sign;
		return UB_OK;
	}
	return former_key(j->r, &j->f.h.sender, &j->sign_pub) ? UB_OK : UNIBUS_ERR_NOT_A_MEMBER;
}

static ub_err past_state(struct ub_judge *j)
{
	const struct ub_hist_state *then = ub_roomhist_at(&j->r->hist, j->f.h.room_seq);
	ub_err err;

	j->ahead = then == NULL;
	if (!then)
		return UNIBUS_ERR_CORRUPT;
	j->signs = then->policy.sign;
	j->head_differs = memcmp(then->head.b, j->f.h.room_head, sizeof(j->f.h.room_head)) != 0;
	err = past_policy(j, then);
	if (err == UB_OK)
		err = past_sender(j);
	if (err == UB_OK)
		err = past_epoch(j);
	find_key(j);
	return err;
}

ub_err ub_judge_past(struct ub_judge *j)
{
	ub_err err;

	pthread_mutex_lock(&j->r->lock);
	err = past_state(j);
	pthread_mutex_unlock(&j->r->lock);
	return err;
}

void ub_past_note(struct ub_past *past, const struct ub_judge *j, uint64_t time_ms)
{
	if (j->f.h.epoch > past->epoch) {
		past->epoch = j->f.h.epoch;
		past->epoch_ms = time_ms;
	}
	if (j->signs && !past->sign) {
		past->sign = true;
		past->sign_ms = time_ms;
	}
}

/* ---- by its keys ---- */

static ub_err need_key(struct ub_judge *j)
{
	if (j->has_key || !(j->f.h.flags & UB_FLAG_ENCRYPTED))
		return UB_OK;
	j->key_err = ub_croom_key(j->c, j->r, j->f.h.epoch, &j->key);
	j->has_key = j->key_err == UB_OK;
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
