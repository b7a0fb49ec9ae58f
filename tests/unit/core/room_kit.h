/* room_kit.h: peers, operations and entries for the tests of the room log.
 *
 * Entries are made as ub_entry_open would give them, without a text: apply never sees one.
 *
 * Threads: one. */
#ifndef UB_TEST_ROOM_KIT_H
#define UB_TEST_ROOM_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/endpoint.h"
#include "core/key.h"
#include "core/num.h"
#include "core/roomlog.h"

#define KIT_EXPIRES 2000000

struct kit_peer {
	struct ub_signkey sk;
	struct ub_pubkey sign;
	struct ub_kexsec ks;
	struct ub_kexpub kex;
	struct ub_endpoint id;
};

/* Peer number n: the same keys every time. */
static inline struct kit_peer kit_peer(uint32_t n)
{
	uint8_t in[8] = {'s'};
	struct kit_peer p;
	struct ub_hash h;

	ub_put_u32(in + 4, n);
	ub_hash(in, sizeof(in), &h);
	ub_signkey_from_seed(h.b, &p.sk);
	ub_signkey_pub(&p.sk, &p.sign);
	ub_endpoint_of(&p.sign, &p.id);
	in[0] = 'k';
	ub_hash(in, sizeof(in), &h);
	memcpy(p.ks.b, h.b, sizeof(p.ks.b));
	ub_kexsec_pub(&p.ks, &p.kex);
	return p;
}

static inline struct ub_keyrec kit_keyrec(const struct kit_peer *p, uint64_t seq)
{
	return (struct ub_keyrec){.sign = p->sign,
		.kex = p->kex,
		.seq = seq,
		.created_ms = 1,
		.expires_ms = KIT_EXPIRES};
}

static inline struct ub_op op_add(const struct kit_peer *p, enum ub_role role)
{
	return (struct ub_op){.type = UB_OP_ADD, .keyrec = kit_keyrec(p, 5), .role = role};
}

static inline struct ub_op op_key(const struct kit_peer *p, uint64_t seq)
{
	return (struct ub_op){.type = UB_OP_KEY, .keyrec = kit_keyrec(p, seq)};
}

static inline struct ub_op op_remove(const struct kit_peer *p)
{
	return (struct ub_op){.type = UB_OP_REMOVE, .endpoint = p->id};
}

static inline struct ub_op op_role(const struct kit_peer *p, enum ub_role role)
{
	return (struct ub_op){.type = UB_OP_ROLE, .endpoint = p->id, .role = role};
}

/* leave, takeover, close */
static inline struct ub_op op_bare(enum ub_op_type type)
{
	return (struct ub_op){.type = type};
}

static inline struct ub_op op_policy(bool encrypt, bool sign)
{
	return (struct ub_op){.type = UB_OP_POLICY, .policy = {.encrypt = encrypt, .sign = sign}};
}

static inline struct ub_op op_genesis(struct ub_policy policy)
{
	return (struct ub_op){
		.type = UB_OP_GENESIS, .subject = "team.ops", .policy = policy, .nonce = {7}};
}

/* A zero roster is filled in by kit_entry. */
static inline struct ub_op op_epoch(uint32_t n, bool backlink)
{
	return (struct ub_op){.type = UB_OP_EPOCH,
		.epoch = {.n = n, .commit = {{(uint8_t)n, 1}}, .has_backlink = backlink}};
}

#define OPS(...) \
	(struct ub_op[]){__VA_ARGS__}, sizeof((struct ub_op[]){__VA_ARGS__}) / sizeof(struct ub_op)

/* The next entry by `actor`; `ops` is borrowed. The roster of an epoch at the end is that of
 * preview, as far as what is before it is allowed. */
static inline struct ub_entry kit_entry(
	const struct ub_room *room, const struct kit_peer *actor, struct ub_op *ops, size_t n)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	struct ub_entry e = {.actor = actor->sign, .ops = ops, .n_ops = n};
	struct ub_hash *roster = &ops[n - 1].epoch.roster;
	struct ub_room after = {0};

	e.has_room = room->started;
	if (room->started) {
		e.room = room->id;
		e.prev = room->head;
		e.seq = room->seq + 1;
	}
	ub_hash(&e.seq, sizeof(e.seq), &e.hash);
	if (ops[n - 1].type != UB_OP_EPOCH || !sodium_is_zero(roster->b, 32))
		return e;
	if (n == 1) {
		ub_room_roster_hash(room, roster);
		return e;
	}
	e.n_ops = n - 1;
	if (!ub_room_preview(room, &e, &lenient, &after))
		ub_room_roster_hash(&after, roster);
	ub_room_deinit(&after);
	e.n_ops = n;
	return e;
}

static inline ub_err kit_apply(
	struct ub_room *room, const struct kit_peer *actor, struct ub_op *ops, size_t n)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	struct ub_entry e = kit_entry(room, actor, ops, n);

	return ub_room_apply(room, &e, &lenient);
}

#endif
