/* Members whose user was revoked, or registered anew: their memberships count nowhere; and what
 * the bus is told when rights go. */
#include "tests/unit/domain/rooms_kit.h"

/* Number 0 owns it, 1 is admin, 2 member, 3 reader; all joined. */
static struct world *world_with(struct ub_room *room, struct ub_policy policy)
{
	struct world *w = world_new();

	assert_int_equal(kit_create(w, 0, "team.ops", policy, room), UB_OK);
	assert_int_equal(kit_invite(w, room, 0, 1, UB_ROLE_ADMIN), UB_OK);
	assert_int_equal(kit_invite(w, room, 0, 2, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(kit_invite(w, room, 0, 3, UB_ROLE_READER), UB_OK);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(kit_join(w, room, i), UB_OK);
	w->n_told = 0;
	return w;
}

static void done(struct world *w, struct ub_room *room)
{
	ub_room_deinit(room);
	world_free(w);
}

static void assert_due(
	struct world *w, const struct ub_room *room, unsigned by, bool rotation, bool removal)
{
	struct md_room_info i;

	assert_int_equal(kit_info(w, room, by, &i), UB_OK);
	assert_int_equal(i.rotation_due, rotation);
	assert_int_equal(i.removal_due, removal);
}

static void a_revoked_member_makes_removal_and_rotation_due(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, ENCRYPTED);
	struct told told;
	size_t n;

	(void)state;
	assert_due(w, &room, 1, false, false);
	assert_int_equal(kit_revoke(w, 2), UB_OK);
	assert_due(w, &room, 1, true, true);
	assert_false(md_room_joined(w->s, &room.id, &w->p[2].id));
	/* The room's admins are told, nobody else. */
	told = kit_told(w, MD_EVENT_ROOM, &n);
	assert_int_equal(n, 1);
	assert_int_equal(told.seq, room.seq);
	assert_int_equal(told.n_who, 2);
	/* A rotation alone is no answer: he is in the new roster. */
	assert_int_equal(kit_append(w, 1, MD_ROOM_REKEY, &room, OPS(op_epoch(2, true))), UB_OK);
	assert_due(w, &room, 1, false, true);
	assert_int_equal(kit_remove(w, &room, 1, 2), UB_OK);
	assert_due(w, &room, 1, false, false);
	done(w, &room);
}

static void in_a_clear_room_only_the_removal_is_due(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);

	(void)state;
	assert_int_equal(kit_revoke(w, 2), UB_OK);
	assert_due(w, &room, 1, false, true);
	assert_int_equal(kit_remove(w, &room, 1, 2), UB_OK);
	assert_due(w, &room, 1, false, false);
	done(w, &room);
}

static void who_leaves_makes_a_rotation_due(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, ENCRYPTED);

	(void)state;
	assert_int_equal(kit_append(w, 2, MD_ROOM_LEAVE, &room, OPS(op_bare(UB_OP_LEAVE))), UB_OK);
	assert_due(w, &room, 1, true, false);
	assert_int_equal(kit_append(w, 0, MD_ROOM_REKEY, &room, OPS(op_epoch(2, true))), UB_OK);
	assert_due(w, &room, 1, false, false);
	done(w, &room);
}

static void a_key_registered_anew_is_in_no_room(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);
	struct md_room_info i, of[2];
	struct md_caller by;
	size_t n;

	(void)state;
	assert_int_equal(kit_revoke(w, 2), UB_OK);
	assert_int_equal(kit_register(w, 2, false), UB_OK);
	by = kit_caller(w, 2); /* welcome again, but: */
	assert_int_equal(kit_info(w, &room, 2, &i), UNIBUS_ERR_DENIED);
	assert_int_equal(kit_join(w, &room, 2), UNIBUS_ERR_DENIED);
	assert_false(md_room_joined(w->s, &room.id, &w->p[2].id));
	assert_int_equal(md_room_of(w->s, &by, &w->p[2].id, NULL, of, 2, &n), UB_OK);
	assert_int_equal(n, 0);
	assert_int_equal(kit_append(w, 2, MD_ROOM_LEAVE, &room, OPS(op_bare(UB_OP_LEAVE))),
		UNIBUS_ERR_DENIED);
	assert_due(w, &room, 1, false, true);

	assert_int_equal(kit_remove(w, &room, 1, 2), UB_OK);
	assert_int_equal(kit_invite(w, &room, 1, 2, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(kit_info(w, &room, 2, &i), UB_OK);
	assert_false(i.joined); /* the old join does not come back */
	assert_int_equal(kit_join(w, &room, 2), UB_OK);
	assert_true(md_room_joined(w->s, &room.id, &w->p[2].id));
	assert_due(w, &room, 1, false, false);
	done(w, &room);
}

static void a_room_is_taken_over_only_from_an_owner_who_is_gone(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, ENCRYPTED);
	const struct ub_op ops[2] = {op_bare(UB_OP_TAKEOVER), op_epoch(2, true)};
	struct md_room_info i;

	(void)state;
	assert_int_equal(kit_append(w, 1, MD_ROOM_REMOVE, &room, ops, 2), UNIBUS_ERR_NO_RIGHT);
	assert_int_equal(kit_register(w, 7, true), UB_OK);
	assert_int_equal(kit_revoke(w, 0), UB_OK);
	assert_int_equal(kit_append(w, 2, MD_ROOM_REMOVE, &room, ops, 2), UNIBUS_ERR_NO_RIGHT);
	assert_int_equal(kit_append(w, 1, MD_ROOM_REMOVE, &room, ops, 1), UNIBUS_ERR_NEEDS_EPOCH);
	assert_int_equal(kit_append(w, 1, MD_ROOM_REMOVE, &room, ops, 2), UB_OK);
	assert_int_equal(kit_info(w, &room, 1, &i), UB_OK);
	assert_int_equal(i.role, UB_ROLE_OWNER);
	assert_false(i.removal_due || i.rotation_due);
	done(w, &room);
}

static void an_owner_registered_anew_can_be_taken_over_from(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);

	(void)state;
	assert_int_equal(kit_register(w, 7, true), UB_OK);
	assert_int_equal(kit_revoke(w, 0), UB_OK);
	assert_int_equal(kit_register(w, 0, true), UB_OK);
	assert_int_equal(kit_append(w, 0, MD_ROOM_CLOSE, &room, OPS(op_bare(UB_OP_CLOSE))),
		UNIBUS_ERR_DENIED);
	assert_int_equal(
		kit_append(w, 1, MD_ROOM_REMOVE, &room, OPS(op_bare(UB_OP_TAKEOVER))), UB_OK);
	done(w, &room);
}

static void an_entry_of_somebody_revoked_meanwhile_dies(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);

	(void)state;
	assert_int_equal(kit_revoke(w, 1), UB_OK);
	assert_int_equal(kit_invite(w, &room, 1, 4, UB_ROLE_MEMBER), UNIBUS_ERR_DENIED);
	assert_int_equal(kit_invite(w, &room, 0, 4, UB_ROLE_MEMBER), UB_OK);
	done(w, &room);
}

/* ---- what is told ---- */

static void assert_narrowed(struct world *w, size_t want, const unsigned *who)
{
	struct told told;
	size_t n;

	told = kit_told(w, MD_EVENT_NARROWED, &n);
	assert_int_equal(n, want ? 1 : 0);
	assert_int_equal(told.n_who, want);
	for (size_t i = 0; i < want; i++) {
		bool found = false;

		for (size_t k = 0; k < want; k++)
			found = found || ub_endpoint_eq(&told.who[k], &w->p[who[i]].id);
		assert_true(found);
	}
}

static void only_those_who_lose_subjects_are_kicked(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);
	const struct {
		enum md_room_verb verb;
		unsigned by;
		struct ub_op op;
		size_t n;
		unsigned who[4];
	} cases[] = {
		{MD_ROOM_INVITE, 0, op_add(&w->p[4], UB_ROLE_MEMBER), 0, {0}},
		{MD_ROOM_INVITE, 0, op_add(&w->p[5], UB_ROLE_MEMBER), 0, {0}},
		{MD_ROOM_REMOVE, 0, op_remove(&w->p[5]), 0, {0}}, /* had not joined */
		{MD_ROOM_ROLE, 0, op_role(&w->p[3], UB_ROLE_MEMBER), 0, {0}},
		{MD_ROOM_ROLE, 0, op_role(&w->p[1], UB_ROLE_MEMBER), 0, {0}},
		{MD_ROOM_ROLE, 0, op_role(&w->p[3], UB_ROLE_READER), 1, {3}},
		{MD_ROOM_POLICY, 0, op_policy(false, true), 4, {0, 1, 2, 3}}, /* moves */
		{MD_ROOM_REMOVE, 0, op_remove(&w->p[1]), 1, {1}},
		{MD_ROOM_LEAVE, 2, op_bare(UB_OP_LEAVE), 1, {2}},
		{MD_ROOM_CLOSE, 0, op_bare(UB_OP_CLOSE), 2, {0, 3}},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		w->n_told = 0;
		assert_int_equal(
			kit_append(w, cases[i].by, cases[i].verb, &room, &cases[i].op, 1), UB_OK);
		assert_narrowed(w, cases[i].n, cases[i].who);
	}
	done(w, &room);
}

static void who_may_write_now_is_told_so(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);
	struct told told;
	size_t n;

	(void)state;
	assert_int_equal(
		kit_append(w, 0, MD_ROOM_ROLE, &room, OPS(op_role(&w->p[3], UB_ROLE_MEMBER))),
		UB_OK);
	told = kit_told(w, MD_EVENT_GRANTED, &n);
	assert_int_equal(n, 1);
	assert_true(told.n_who == 1 && ub_endpoint_eq(&told.who[0], &w->p[3].id));
	done(w, &room);
}

static void an_entry_is_told_to_all_it_may_concern(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);
	struct told told;
	size_t n;

	(void)state;
	assert_int_equal(kit_remove(w, &room, 0, 2), UB_OK);
	told = kit_told(w, MD_EVENT_ROOM, &n);
	assert_int_equal(n, 1);
	assert_int_equal(told.n_who, 4); /* him too */
	assert_int_equal(told.seq, room.seq);
	/* In the order of revisions, the kick first. */
	assert_int_equal(w->told[0].kind, MD_EVENT_NARROWED);
	for (size_t i = 1; i < w->n_told; i++)
		assert_true(w->told[i - 1].rev <= w->told[i].rev);
	done(w, &room);
}

static void a_removal_answers_what_it_took(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);
	struct kit_text t = kit_make(&room, &w->p[0], OPS(op_remove(&w->p[2])));
	struct md_room_result r;

	(void)state;
	assert_int_equal(kit_send(w, 0, MD_ROOM_REMOVE, &room, &t, &r), UB_OK);
	assert_int_equal(r.taken.kicked, 1);
	assert_int_equal(r.taken.n_unconfirmed, 0);
	kit_text_deinit(&t);
	done(w, &room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_revoked_member_makes_removal_and_rotation_due),
		cmocka_unit_test(in_a_clear_room_only_the_removal_is_due),
		cmocka_unit_test(who_leaves_makes_a_rotation_due),
		cmocka_unit_test(a_key_registered_anew_is_in_no_room),
		cmocka_unit_test(a_room_is_taken_over_only_from_an_owner_who_is_gone),
		cmocka_unit_test(an_owner_registered_anew_can_be_taken_over_from),
		cmocka_unit_test(an_entry_of_somebody_revoked_meanwhile_dies),
		cmocka_unit_test(only_those_who_lose_subjects_are_kicked),
		cmocka_unit_test(who_may_write_now_is_told_so),
		cmocka_unit_test(an_entry_is_told_to_all_it_may_concern),
		cmocka_unit_test(a_removal_answers_what_it_took),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
