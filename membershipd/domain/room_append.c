#include "core/endpoint.h"
#include "core/key.h"
#include "membershipd/domain/room_impl.h"

#define BIT(op) (1U << (op))

/* What an entry of each route may hold, and what makes it one of that route. */
static const struct shape {
	unsigned needs; /* one of these */
	unsigned may;   /* nothing else than these and the needed */
	bool takes;     /* may take rights away: answers after the barrier */
} SHAPES[] = {
	[MD_ROOM_INVITE] = {BIT(UB_OP_ADD), BIT(UB_OP_EPOCH), false},
	[MD_ROOM_REMOVE] = {BIT(UB_OP_REMOVE) | BIT(UB_OP_TAKEOVER), BIT(UB_OP_EPOCH), true},
	[MD_ROOM_LEAVE] = {BIT(UB_OP_LEAVE), 0, true},
	[MD_ROOM_ROLE] = {BIT(UB_OP_ROLE), 0, true},
	[MD_ROOM_REKEY] = {BIT(UB_OP_EPOCH) | BIT(UB_OP_KEY), 0, false},
	[MD_ROOM_POLICY] = {BIT(UB_OP_POLICY), BIT(UB_OP_EPOCH), true},
	[MD_ROOM_CLOSE] = {BIT(UB_OP_CLOSE), 0, true},
};

struct append {
	const struct md_caller *by;
	const struct ub_room_id *id;
	struct md_room_change *c;
	struct ub_entry entry;
	bool written; /* the set of sealed keys */
	struct md_room_result *ret;
	uint64_t since_ms; /* of the commit */
};

static void append_deinit(struct append *a)
{
	ub_entry_deinit(&a->entry);
}

static ub_err check_shape(const struct ub_entry *e, const struct shape *shape)
{
	unsigned has = 0;

	for (size_t i = 0; i < e->n_ops; i++)
		has |= BIT(e->ops[i].type);
	if (!(has & shape->needs) || (has & ~(shape->needs | shape->may)))
		return UNIBUS_ERR_INVALID;
	return UB_OK;
}

static ub_err open_entry(struct append *a, enum md_room_verb verb)
{
	ub_err e = ub_entry_open(a->c->entry, &a->entry);

	if (e)
		return e;
	if (!a->entry.has_room || !ub_room_id_eq(&a->entry.room, a->id))
		return UNIBUS_ERR_INVALID;
	if (!ub_pubkey_eq(&a->entry.actor, &a->by->key))
		return UNIBUS_ERR_DENIED;
	return check_shape(&a->entry, &SHAPES[verb]);
}

/* ---- judging, under the directory's lock ---- */

/* What the decision stands on, copied out: judging takes longer than the lock is held. */
struct basis {
	struct ub_room room;
	bool owner_void;
	struct join { /* of members who may go */
		struct ub_endpoint id;
		uint64_t rev;
	} joins[MD_COMMIT_OPS_MAX - 1];
	size_t n_joins;
};

static void basis_deinit(struct basis *b)
{
	ub_room_deinit(&b->room);
}

/* Joins of those whom the entry names or who made it: deleted with the membership. Not all need
 * be: a join names its `add`, one that stays behind is void. */
static void note_join(struct basis *b, const struct md_dir_room *room, const struct ub_endpoint *id)
{
	const struct md_link *l = md_dir_link(room, id);

	if (l && l->join_rev && b->n_joins < UB_ARRAY_LEN(b->joins))
		b->joins[b->n_joins++] = (struct join){*id, l->join_rev};
}

static void note_joins(struct basis *b, const struct md_dir_room *room, const struct append *a)
{
	for (size_t i = 0; i < a->entry.n_ops; i++) {
		const struct ub_op *op = &a->entry.ops[i];

		if (op->type == UB_OP_REMOVE)
			note_join(b, room, &op->endpoint);
		else if (op->type == UB_OP_LEAVE)
			note_join(b, room, &a->by->id);
		else if (op->type == UB_OP_TAKEOVER)
			note_join(b, room, &room->st.owner);
	}
}

static ub_err check_added(const struct md_directory *d, const struct ub_entry *e)
{
	for (size_t i = 0; i < e->n_ops; i++) {
		const struct md_dir_user *u;
		struct ub_endpoint id;

		if (e->ops[i].type != UB_OP_ADD)
			continue;
		ub_endpoint_of(&e->ops[i].keyrec.sign, &id);
		u = md_dir_user_find(d, &id);
		if (!u || !u->known || !u->active)
			return UNIBUS_ERR_NOT_FOUND;
	}
	return UB_OK;
}

/* Nobody is made owner of more rooms than allowed, by himself or by others. */
static ub_err check_owned(
	struct md_service *s, const struct md_directory *d, const struct append *a)
{
	for (size_t i = 0; i < a->entry.n_ops; i++) {
		const struct ub_op *op = &a->entry.ops[i];
		const struct md_dir_user *u = NULL;

		if (op->type == UB_OP_ROLE && op->role == UB_ROLE_OWNER)
			u = md_dir_user_find(d, &op->endpoint);
		else if (op->type == UB_OP_TAKEOVER)
			u = md_dir_user_find(d, &a->by->id);
		if (u && md_dir_user_owned(u) >= s->limits.owned_max)
			return UNIBUS_ERR_LIMIT;
	}
	return UB_OK;
}

static ub_err stale(struct append *a, const struct ub_room *room)
{
	*a->ret = (struct md_room_result){.id = room->id, .seq = room->seq, .head = room->head};
	return UNIBUS_ERR_STALE_HEAD;
}

static ub_err basis_read(struct md_service *s, struct append *a, struct basis *to)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_link *owner;
	struct md_link *l;
	ub_err e = md_room_enter(d, a->id, &a->by->id, &l);

	if (e)
		return e;
	if (a->entry.seq <= l->room->st.seq)
		return stale(a, &l->room->st);
	e = check_added(d, &a->entry);
	if (!e)
		e = check_owned(s, d, a);
	if (!e)
		e = ub_room_clone(&l->room->st, &to->room);
	if (e)
		return e;
	owner = md_dir_link(l->room, &l->room->st.owner);
	to->owner_void = !owner || !md_link_counts(owner);
	note_joins(to, l->room, a);
	return UB_OK;
}

/* ---- committing ---- */

static ub_err commit(
	struct md_write *w, const struct append *a, const struct basis *b, uint64_t *ret_rev)
{
	const struct ub_str text = a->c->entry;
	struct md_key join_keys[MD_COMMIT_OPS_MAX - 1], key;
	struct md_op ops[MD_COMMIT_OPS_MAX];
	size_t n = 0;
	ub_err e;

	/* First: what it takes away is told, and owed, at its revision, which the joins follow. */
	md_key_entry(a->id, a->entry.seq, &key);
	ops[n++] = (struct md_op){
		.kind = MD_PUT, .key = key.z, .value = {(const uint8_t *)text.p, text.len}};
	for (size_t i = 0; i < b->n_joins; i++) {
		md_key_join(a->id, &b->joins[i].id, &join_keys[i]);
		ops[n++] = (struct md_op){
			.kind = MD_DELETE, .key = join_keys[i].z, .expect = b->joins[i].rev};
	}
	e = md_write_commit(w, ops, n, ret_rev);
	if (!e)
		*ret_rev -= b->n_joins;
	return e;
}

static ub_err judge(struct md_service *s, struct append *a, struct basis *b)
{
	struct ub_apply ctx = {
		.now_ms = md_service_now_ms(s), .members_max = s->limits.members_max};
	ub_err e = basis_read(s, a, b);

	if (e)
		return e;
	ctx.owner_revoked = b->owner_void;
	e = ub_room_apply(&b->room, &a->entry, &ctx);
	if (!e)
		e = md_room_set_check(&b->room, &a->entry, a->c);
	return e ? e : md_room_charge(s, &a->by->id, &a->entry);
}

static ub_err append_once(struct md_write *w, struct append *a, uint64_t *ret_rev)
{
	UB_CLEANUP(basis_deinit) struct basis b = {0};
	const struct md_set set = {*a->id, a->entry.seq, a->entry.hash};
	struct md_service *s = w->s;
	ub_err e = md_write_may(w, a->by, false);

	if (e)
		return e;
	e = md_room_find_entry(s, a->id, a->entry.seq, a->c->entry, ret_rev);
	if (e != UNIBUS_ERR_NOT_FOUND)
		return e; /* the same again, or the store's error */
	e = judge(s, a, &b);
	/* Only once it cannot win any more: an earlier try of it may still be on its way. */
	if (e == UNIBUS_ERR_STALE_HEAD && a->written)
		md_set_discard(s, &set);
	if (e)
		return e;
	if (a->c->n_sealed && !a->written) {
		e = md_set_write(s, &set, a->c->sealed, a->c->n_sealed);
		if (e)
			return e;
		a->written = true;
	}
	return commit(w, a, &b, ret_rev);
}

static ub_err append(struct md_service *s, struct append *a, uint64_t *ret_rev)
{
	for (unsigned i = 0; i < MD_TRIES; i++) {
		UB_CLEANUP(md_write_end) struct md_write w = md_write_begin(s);
		ub_err e = append_once(&w, a, ret_rev);

		a->since_ms = w.since_ms;
		if (!w.raced)
			return e;
	}
	return UNIBUS_ERR_UNAVAILABLE;
}

ub_err md_room_append(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	enum md_room_verb verb, struct md_room_change *c, struct md_room_result *ret)
{
	UB_CLEANUP(append_deinit) struct append a = {.by = by, .id = id, .c = c, .ret = ret};
	struct md_room_result r = {.id = *id};
	ub_err e = open_entry(&a, verb);

	if (!e)
		e = append(s, &a, &r.taken.rev);
	if (e)
		return e;
	r.seq = a.entry.seq;
	r.head = a.entry.hash;
	if (SHAPES[verb].takes)
		md_barrier_wait(s, a.since_ms, MD_BARRIER_MS, &r.taken);
	md_room_wire_now(s, id, &by->id, &r.wire);
	*ret = r;
	return UB_OK;
}
