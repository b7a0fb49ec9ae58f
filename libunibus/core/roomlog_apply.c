#include "core/endpoint.h"
#include "core/key.h"
#include "core/roomlog.h"
#include "core/roomlog_members.h"

struct step {
	const struct ub_room *before;
	struct ub_room *next; /* has room for one more member per operation */
	const struct ub_entry *e;
	const struct ub_apply *ctx;
	struct ub_endpoint actor;
	enum ub_role role; /* the actor's, before the entry */
	bool needs_epoch, has_epoch;
};

/* ---- one operation each ---- */

/* Of somebody who is in the room for sure. */
static size_t place_of(const struct ub_room *room, const struct ub_endpoint *e)
{
	size_t at = 0;
	bool found = ub_members_find(room, e, &at);

	ub_assert(found);
	return at;
}

static ub_err check_expiry(const struct step *s, const struct ub_keyrec *r)
{
	bool expired = s->ctx->now_ms != 0 && r->expires_ms <= s->ctx->now_ms;

	return expired ? UNIBUS_ERR_EXPIRED : UB_OK;
}

static ub_err add_member(struct step *s, const struct ub_op *op)
{
	struct ub_member m = {.sign = op->keyrec.sign,
		.kex = op->keyrec.kex,
		.role = op->role,
		.added_seq = s->e->seq,
		.keyrec_seq = op->keyrec.seq,
		.keyrec_expires_ms = op->keyrec.expires_ms};
	size_t at, max = UB_ROOM_MEMBERS_MAX;
	ub_err e;

	if (s->ctx->members_max && s->ctx->members_max < max)
		max = s->ctx->members_max;
	ub_endpoint_of(&m.sign, &m.id);
	if (ub_members_find(s->next, &m.id, &at))
		return UNIBUS_ERR_CONFLICT;
	if (s->next->n_members >= max)
		return UNIBUS_ERR_LIMIT;
	e = check_expiry(s, &op->keyrec);
	if (!e)
		ub_members_insert(s->next, at, &m);
	return e;
}

static ub_err do_add(struct step *s, const struct ub_op *op)
{
	if (op->role < UB_ROLE_READER || op->role > UB_ROLE_ADMIN)
		return UNIBUS_ERR_BAD_ENTRY;
	/* Who comes later must not read what was before: nothing but a new key keeps him out. */
	if (s->next->policy.since_join)
		s->needs_epoch = true;
	return add_member(s, op);
}

static ub_err do_remove(struct step *s, const struct ub_op *op)
{
	size_t at;

	if (!ub_members_find(s->next, &op->endpoint, &at))
		return UNIBUS_ERR_NOT_FOUND;
	if (s->next->members[at].role == UB_ROLE_OWNER)
		return UNIBUS_ERR_NO_RIGHT;
	ub_members_drop(s->next, at);
	s->needs_epoch = true;
	return UB_OK;
}

static ub_err do_leave(struct step *s, const struct ub_op *op)
{
	size_t at = place_of(s->next, &s->actor);

	(void)op;
	if (s->next->members[at].role == UB_ROLE_OWNER)
		return UNIBUS_ERR_NO_RIGHT;
	ub_members_drop(s->next, at);
	s->next->rotation_due = s->next->policy.encrypt;
	return UB_OK;
}

static void hand_over(struct step *s, struct ub_member *to)
{
	s->next->members[place_of(s->next, &s->actor)].role = UB_ROLE_ADMIN;
	to->role = UB_ROLE_OWNER;
	s->next->owner = to->id;
}

static ub_err do_role(struct step *s, const struct ub_op *op)
{
	struct ub_member *m;
	size_t at;

	if (op->role < UB_ROLE_READER || op->role > UB_ROLE_OWNER)
		return UNIBUS_ERR_BAD_ENTRY;
	if (!ub_members_find(s->next, &op->endpoint, &at))
		return UNIBUS_ERR_NOT_FOUND;
	m = &s->next->members[at];
	if (m->role == UB_ROLE_OWNER)
		return UNIBUS_ERR_NO_RIGHT;
	if (op->role != UB_ROLE_OWNER) {
		m->role = op->role;
		return UB_OK;
	}
	/* Once an entry: after it, the actor is owner by right but not in fact. */
	if (s->role != UB_ROLE_OWNER || !ub_endpoint_eq(&s->next->owner, &s->actor))
		return UNIBUS_ERR_NO_RIGHT;
	hand_over(s, m);
	return UB_OK;
}

static ub_err do_key(struct step *s, const struct ub_op *op)
{
	struct ub_member *m = &s->next->members[place_of(s->next, &s->actor)];
	ub_err e;

	if (!ub_pubkey_eq(&op->keyrec.sign, &s->e->actor))
		return UNIBUS_ERR_NO_RIGHT;
	if (op->keyrec.seq <= m->keyrec_seq)
		return UNIBUS_ERR_CONFLICT;
	e = check_expiry(s, &op->keyrec);
	if (e)
		return e;
	m->kex = op->keyrec.kex;
	m->keyrec_seq = op->keyrec.seq;
	m->keyrec_expires_ms = op->keyrec.expires_ms;
	s->next->rotation_due = s->next->policy.encrypt;
	return UB_OK;
}

static ub_err do_policy(struct step *s, const struct ub_op *op)
{
	struct ub_policy *p = &s->next->policy;

	if ((p->encrypt && !op->policy.encrypt) || (p->sign && !op->policy.sign))
		return UNIBUS_ERR_BAD_ENTRY;
	if (op->policy.encrypt && !p->encrypt)
		s->needs_epoch = true;
	p->encrypt = op->policy.encrypt;
	p->sign = op->policy.sign;
	if (op->has_retain)
		p->retain = op->policy.retain;
	return UB_OK;
}

static ub_err do_epoch(struct step *s, const struct ub_op *op)
{
	const struct ub_epoch_op *ep = &op->epoch;
	struct ub_room *r = s->next;
	struct ub_hash roster;

	s->has_epoch = true;
	/* Due before the entry: else a member would make it due himself, with `key`. */
	if (s->role < UB_ROLE_ADMIN && !s->before->rotation_due)
		return UNIBUS_ERR_NO_RIGHT;
	if (!r->policy.encrypt || ep->n != (uint64_t)r->epoch + 1)
		return UNIBUS_ERR_BAD_EPOCH;
	if (ep->has_backlink != (!r->policy.since_join && ep->n > 1))
		return UNIBUS_ERR_BAD_EPOCH;
	ub_room_roster_hash(r, &roster);
	if (memcmp(roster.b, ep->roster.b, sizeof(roster.b)) != 0)
		return UNIBUS_ERR_BAD_ROSTER;
	r->epoch = ep->n;
	r->epoch_seq = s->e->seq;
	r->commit = ep->commit;
	r->rotation_due = false;
	return UB_OK;
}

static ub_err do_takeover(struct step *s, const struct ub_op *op)
{
	(void)op;
	if (!s->ctx->owner_revoked || ub_endpoint_eq(&s->next->owner, &s->actor))
		return UNIBUS_ERR_NO_RIGHT;
	ub_members_drop(s->next, place_of(s->next, &s->next->owner));
	s->next->members[place_of(s->next, &s->actor)].role = UB_ROLE_OWNER;
	s->next->owner = s->actor;
	s->needs_epoch = true;
	return UB_OK;
}

static ub_err do_close(struct step *s, const struct ub_op *op)
{
	(void)op;
	s->next->closed = true;
	return UB_OK;
}

/* Who may, before the entry. No row, or one that nobody may: not an operation of this place. */
static const struct rule {
	enum ub_role least;
	ub_err (*run)(struct step *s, const struct ub_op *op);
} RULES[] = {
	[UB_OP_ADD] = {UB_ROLE_ADMIN, do_add},
	[UB_OP_REMOVE] = {UB_ROLE_ADMIN, do_remove},
	[UB_OP_LEAVE] = {UB_ROLE_READER, do_leave},
	[UB_OP_ROLE] = {UB_ROLE_ADMIN, do_role},
	[UB_OP_KEY] = {UB_ROLE_READER, do_key},
	[UB_OP_POLICY] = {UB_ROLE_ADMIN, do_policy},
	[UB_OP_EPOCH] = {UB_ROLE_MEMBER, do_epoch},
	[UB_OP_TAKEOVER] = {UB_ROLE_ADMIN, do_takeover},
	[UB_OP_CLOSE] = {UB_ROLE_OWNER, do_close},
};

/* ---- entries ---- */

static ub_err run_op(struct step *s, const struct ub_op *op)
{
	const struct rule *rule;
	size_t at;

	if ((size_t)op->type >= UB_ARRAY_LEN(RULES) || !RULES[op->type].run || s->has_epoch)
		return UNIBUS_ERR_BAD_ENTRY;
	rule = &RULES[op->type];
	if (s->next->closed)
		return UNIBUS_ERR_ROOM_CLOSED;
	/* An actor who has just gone has no more to say, least of all what the next key is. */
	if (s->role < rule->least || !ub_members_find(s->next, &s->actor, &at))
		return UNIBUS_ERR_NO_RIGHT;
	return rule->run(s, op);
}

static ub_err run_ops(struct step *s)
{
	if (s->role == UB_ROLE_NONE)
		return UNIBUS_ERR_NO_RIGHT;
	for (size_t i = 0; i < s->e->n_ops; i++) {
		ub_err e = run_op(s, &s->e->ops[i]);

		if (e)
			return e;
	}
	return UB_OK;
}

static ub_err run_genesis(struct step *s)
{
	const struct ub_entry *e = s->e;
	const struct ub_op *ops = e->ops;
	ub_err err;

	if (e->n_ops < 2 || e->n_ops > 3 || ops[0].type != UB_OP_GENESIS ||
		ops[1].type != UB_OP_ADD || ops[1].role != UB_ROLE_OWNER ||
		!ub_pubkey_eq(&ops[1].keyrec.sign, &e->actor))
		return UNIBUS_ERR_BAD_ENTRY;
	if (e->n_ops == 3 && ops[2].type != UB_OP_EPOCH)
		return UNIBUS_ERR_BAD_ENTRY;
	ub_room_id_of(&e->actor, &ops[0], &s->next->id);
	memcpy(s->next->subject, ops[0].subject, sizeof(s->next->subject));
	s->next->policy = ops[0].policy;
	s->next->owner = s->actor;
	s->next->started = true;
	s->role = UB_ROLE_OWNER;
	s->needs_epoch = s->next->policy.encrypt;
	err = add_member(s, &ops[1]);
	if (err || e->n_ops < 3)
		return err;
	return do_epoch(s, &ops[2]);
}

static ub_err check_chain(const struct ub_room *room, const struct ub_entry *e)
{
	if (!room->started)
		return e->has_room || e->seq != 0 ? UNIBUS_ERR_BAD_CHAIN : UB_OK;
	if (!e->has_room || !ub_room_id_eq(&e->room, &room->id) || e->seq != room->seq + 1 ||
		memcmp(e->prev.b, room->head.b, sizeof(e->prev.b)) != 0)
		return UNIBUS_ERR_BAD_CHAIN;
	return room->closed ? UNIBUS_ERR_ROOM_CLOSED : UB_OK;
}

/* The state after the entry, in a room of its own; *ret_due: an epoch should have come with it. */
static ub_err advance(const struct ub_room *room, const struct ub_entry *e,
	const struct ub_apply *ctx, struct ub_room *ret, bool *ret_due)
{
	UB_CLEANUP(ub_room_deinit) struct ub_room next = {0};
	struct step s = {.before = room, .next = &next, .e = e, .ctx = ctx};
	ub_err err;

	err = check_chain(room, e);
	if (err)
		return err;
	if (e->n_ops == 0 || e->n_ops > UB_ENTRY_OPS_MAX)
		return UNIBUS_ERR_BAD_ENTRY;
	err = ub_members_copy(room, e->n_ops, &next);
	if (err)
		return err;
	ub_endpoint_of(&e->actor, &s.actor);
	s.role = ub_room_role(room, &s.actor);
	err = room->started ? run_ops(&s) : run_genesis(&s);
	if (err)
		return err;
	next.seq = e->seq;
	next.head = e->hash;
	*ret_due = next.policy.encrypt && s.needs_epoch && !s.has_epoch;
	*ret = next;
	next = (struct ub_room){0};
	return UB_OK;
}

ub_err ub_room_preview(const struct ub_room *room, const struct ub_entry *e,
	const struct ub_apply *ctx, struct ub_room *ret)
{
	bool due;

	return advance(room, e, ctx, ret, &due);
}

ub_err ub_room_apply(struct ub_room *room, const struct ub_entry *e, const struct ub_apply *ctx)
{
	UB_CLEANUP(ub_room_deinit) struct ub_room next = {0};
	bool due = false;
	ub_err err;

	err = advance(room, e, ctx, &next, &due);
	if (err)
		return err;
	if (due)
		return UNIBUS_ERR_NEEDS_EPOCH;
	ub_room_deinit(room);
	*room = next;
	next = (struct ub_room){0};
	return UB_OK;
}
