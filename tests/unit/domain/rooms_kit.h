/* rooms_kit.h: rooms kept in step with the service's, entry by entry.
 *
 * Threads: one. */
#ifndef MD_TEST_ROOMS_KIT_H
#define MD_TEST_ROOMS_KIT_H

#include "tests/unit/domain/entry_kit.h"

#define PLAIN ((struct ub_policy){0})
#define ENCRYPTED ((struct ub_policy){.encrypt = true})

/* Takes an accepted text into our copy of the room. */
static inline void kit_follow(struct ub_room *room, const struct kit_text *t)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	struct ub_entry e;

	assert_int_equal(ub_entry_open(ub_buf_text(&t->text), &e), UB_OK);
	assert_int_equal(ub_room_apply(room, &e, &lenient), UB_OK);
	ub_entry_deinit(&e);
}

static inline struct kit_text kit_genesis(
	const struct kit_peer *owner, const char *subject, struct ub_policy policy)
{
	const struct ub_room none = {0};
	struct ub_op ops[3] = {
		op_genesis(policy), op_add(owner, UB_ROLE_OWNER), op_epoch(1, false)};

	snprintf(ops[0].subject, sizeof(ops[0].subject), "%s", subject);
	return kit_make(&none, owner, ops, policy.encrypt ? 3 : 2);
}

/* Peer n makes a room; ours follows when it is accepted. */
static inline ub_err kit_create(struct world *w, unsigned n, const char *subject,
	struct ub_policy policy, struct ub_room *room)
{
	struct md_caller by = kit_stale_caller(w, n, false);
	struct kit_text t = kit_genesis(&w->p[n], subject, policy);
	struct md_room_change c = kit_change(&t);
	struct md_room_result r;
	ub_err e = md_room_create(w->s, &by, &c, &r);

	*room = (struct ub_room){0};
	if (!e)
		kit_follow(room, &t);
	kit_text_deinit(&t);
	return e;
}

/* Peer n sends a text. */
static inline ub_err kit_send(struct world *w, unsigned n, enum md_room_verb verb,
	const struct ub_room *room, struct kit_text *t, struct md_room_result *ret)
{
	struct md_caller by = kit_stale_caller(w, n, false);
	struct md_room_change c = kit_change(t);

	return md_room_append(w->s, &by, &room->id, verb, &c, ret);
}

/* Peer n sends the room's next entry; ours follows when it is accepted. */
static inline ub_err kit_append(struct world *w, unsigned n, enum md_room_verb verb,
	struct ub_room *room, const struct ub_op *ops, size_t n_ops)
{
	struct kit_text t = kit_make(room, &w->p[n], ops, n_ops);
	struct md_room_result r;
	ub_err e = kit_send(w, n, verb, room, &t, &r);

	if (!e)
		kit_follow(room, &t);
	kit_text_deinit(&t);
	return e;
}

static inline ub_err kit_invite(
	struct world *w, struct ub_room *room, unsigned by, unsigned who, enum ub_role role)
{
	const struct ub_op op = op_add(&w->p[who], role);

	return kit_append(w, by, MD_ROOM_INVITE, room, &op, 1);
}

/* With the next epoch when the room is encrypted. */
static inline ub_err kit_remove(struct world *w, struct ub_room *room, unsigned by, unsigned who)
{
	const struct ub_op ops[2] = {op_remove(&w->p[who]), op_epoch(room->epoch + 1, true)};

	return kit_append(w, by, MD_ROOM_REMOVE, room, ops, room->epoch ? 2 : 1);
}

static inline ub_err kit_join(struct world *w, const struct ub_room *room, unsigned n)
{
	struct md_caller by = kit_stale_caller(w, n, false);
	struct md_room_result r;

	return md_room_join(w->s, &by, &room->id, &r);
}

static inline ub_err kit_info(
	struct world *w, const struct ub_room *room, unsigned n, struct md_room_info *ret)
{
	struct md_caller by = kit_stale_caller(w, n, false);

	return md_room_get(w->s, &by, &room->id, ret);
}

static inline ub_err kit_revoke(struct world *w, unsigned n)
{
	struct md_taken t;

	return md_user_revoke(w->s, NULL, &w->p[n].sign, &t);
}

#endif
