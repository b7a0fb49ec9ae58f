/* entry_kit.h: signed entries with their sealed keys, as a client makes them; and rooms of them.
 *
 * Threads: one. */
#ifndef MD_TEST_ENTRY_KIT_H
#define MD_TEST_ENTRY_KIT_H

#include "core/entry.h"
#include "membershipd/domain/room.h"
#include "tests/unit/domain/users_kit.h"

struct kit_text { /* an entry as it is sent */
	struct ub_buf text;
	struct ub_sealed *sealed;
	size_t n_sealed;
	struct ub_room after;
};

static inline void kit_text_deinit(struct kit_text *t)
{
	ub_buf_deinit(&t->text);
	free(t->sealed);
	ub_room_deinit(&t->after);
}

/* The key of an epoch: anybody can know it here. */
static inline struct ub_symkey kit_epoch_key(const struct ub_room_id *room, uint32_t n)
{
	uint8_t in[36];
	struct ub_symkey k;
	struct ub_hash h;

	memcpy(in, room->b, 32);
	ub_put_u32(in + 32, n);
	ub_hash(in, sizeof(in), &h);
	memcpy(k.b, h.b, sizeof(k.b));
	return k;
}

/* Seals the epoch to everybody in t->after and fills in what its op says about that. */
static inline void kit_seal(struct kit_text *t, struct ub_epoch_op *ep)
{
	struct ub_symkey k = kit_epoch_key(&t->after.id, ep->n);

	t->n_sealed = t->after.n_members;
	t->sealed = calloc(t->n_sealed, sizeof(*t->sealed));
	for (size_t i = 0; i < t->n_sealed; i++) {
		const struct ub_member *m = &t->after.members[i];

		t->sealed[i].to = m->id;
		assert_int_equal(
			ub_epoch_seal(&k, &t->after.id, ep->n, &m->kex, &t->sealed[i]), UB_OK);
	}
	ub_epoch_commit(&k, &t->after.id, ep->n, &ep->commit);
	ub_room_roster_hash(&t->after, &ep->roster);
	ub_sealed_root(t->sealed, t->n_sealed, &ep->sealed);
}

/* Seals the current epoch to those whom the entry adds. */
static inline void kit_seal_added(struct kit_text *t, const struct ub_entry *e)
{
	struct ub_symkey k = kit_epoch_key(&t->after.id, t->after.epoch);

	t->sealed = calloc(e->n_ops, sizeof(*t->sealed));
	for (size_t i = 0; i < e->n_ops; i++) {
		struct ub_sealed *to = &t->sealed[t->n_sealed];

		if (e->ops[i].type != UB_OP_ADD)
			continue;
		ub_endpoint_of(&e->ops[i].keyrec.sign, &to->to);
		assert_int_equal(
			ub_epoch_seal(&k, &t->after.id, t->after.epoch, &e->ops[i].keyrec.kex, to),
			UB_OK);
		t->n_sealed++;
	}
}

/* The text of the key record that an op carries, by whichever of our peers it belongs to. */
static inline char *kit_keyrec_text(const struct ub_keyrec *r)
{
	struct ub_buf b = UB_BUF(UB_KEYREC_MAX);

	for (uint32_t i = 0; i < KIT_PEERS; i++) {
		struct kit_peer p = kit_peer(i);

		if (ub_pubkey_eq(&p.sign, &r->sign))
			ub_keyrec_sign(&p.sk, r, &b);
	}
	return ub_buf_take(&b);
}

/* Signs the entry as it stands, its epoch (always the last op) completed. */
static inline void kit_sign(struct kit_text *t, const struct ub_room *before, struct ub_entry *e,
	const struct kit_peer *actor)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	bool epoch = e->ops[e->n_ops - 1].type == UB_OP_EPOCH, possible;

	e->n_ops -= epoch;
	/* What the room will refuse anyway has no state after it, and needs no keys. */
	possible = !(e->n_ops ? ub_room_preview(before, e, &lenient, &t->after)
			      : ub_room_clone(before, &t->after));
	e->n_ops += epoch;
	if (epoch && possible)
		kit_seal(t, &e->ops[e->n_ops - 1].epoch);
	else if (possible && t->after.epoch)
		kit_seal_added(t, e);
	for (size_t i = 0; i < e->n_ops; i++) {
		if (e->ops[i].type == UB_OP_ADD || e->ops[i].type == UB_OP_KEY)
			e->ops[i].keyrec_text = kit_keyrec_text(&e->ops[i].keyrec);
	}
	t->text = UB_BUF(UB_ENTRY_MAX);
	ub_entry_sign(&actor->sk, e, &t->text);
	assert_int_equal(ub_buf_err(&t->text), UB_OK);
	for (size_t i = 0; i < e->n_ops; i++)
		free(e->ops[i].keyrec_text);
}

/* What peer `actor` would send on top of `before` (a zero room: a genesis entry). */
static inline struct kit_text kit_make(const struct ub_room *before, const struct kit_peer *actor,
	const struct ub_op *ops, size_t n)
{
	struct kit_text t = {0};
	struct ub_op copy[UB_ENTRY_OPS_MAX];
	struct ub_entry e = {.has_room = before->started,
		.actor = actor->sign,
		.ts_ms = KIT_NOW,
		.ops = copy,
		.n_ops = n};

	memcpy(copy, ops, n * sizeof(*ops));
	if (before->started) {
		e.room = before->id;
		e.seq = before->seq + 1;
		e.prev = before->head;
	}
	kit_sign(&t, before, &e, actor);
	return t;
}

static inline struct md_room_change kit_change(struct kit_text *t)
{
	return (struct md_room_change){ub_buf_text(&t->text), t->sealed, t->n_sealed};
}

#endif
