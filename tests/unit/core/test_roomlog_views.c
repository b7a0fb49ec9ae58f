/* What is read from a room's state: who loses what between two states, whether a sealed set fits.
 */
#include "tests/unit/core/room_kit.h"

enum who { OWNER, ADMIN, MEMBER, READER, OUTSIDER, NEWCOMER, PEERS };

struct world {
	struct kit_peer p[PEERS];
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(ub_core_init(), UB_OK);
	for (uint32_t i = 0; i < PEERS; i++)
		w->p[i] = kit_peer(i);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static struct ub_room room_of(struct world *w, struct ub_policy policy)
{
	struct ub_op gen[] = {
		op_genesis(policy), op_add(&w->p[OWNER], UB_ROLE_OWNER), op_epoch(1, false)};
	struct ub_room room = {0};

	assert_int_equal(kit_apply(&room, &w->p[OWNER], gen, policy.encrypt ? 3 : 2), UB_OK);
	assert_int_equal(kit_apply(&room, &w->p[OWNER],
				 OPS(op_add(&w->p[ADMIN], UB_ROLE_ADMIN),
					 op_add(&w->p[MEMBER], UB_ROLE_MEMBER),
					 op_add(&w->p[READER], UB_ROLE_READER))),
		UB_OK);
	return room;
}

/* Who loses by the entry: a letter for each of owner, admin, member, reader, outsider, newcomer. */
static void losers(struct world *w, struct ub_policy policy, const char *want, enum who actor,
	struct ub_op *ops, size_t n)
{
	struct ub_room before = room_of(w, policy), after = {0};
	char is[PEERS + 1] = {0};

	assert_int_equal(ub_room_clone(&before, &after), UB_OK);
	assert_int_equal(kit_apply(&after, &w->p[actor], ops, n), UB_OK);
	for (unsigned i = 0; i < PEERS; i++)
		is[i] = ub_room_narrows(&before, &after, &w->p[i].id) ? "oamrxn"[i] : '-';
	assert_string_equal(is, want);
	ub_room_deinit(&before);
	ub_room_deinit(&after);
}

static void who_goes_or_stops_writing_loses_subjects(void **state)
{
	struct world *w = *state;
	const struct ub_policy plain = {0}, framed = {.persist = true};

	losers(w, plain, "--m---", ADMIN, OPS(op_remove(&w->p[MEMBER])));
	losers(w, framed, "---r--", ADMIN, OPS(op_remove(&w->p[READER])));
	losers(w, plain, "---r--", READER, OPS(op_bare(UB_OP_LEAVE)));
	losers(w, plain, "o-----", ADMIN, OPS(op_bare(UB_OP_TAKEOVER)));
	losers(w, plain, "--m---", ADMIN, OPS(op_role(&w->p[MEMBER], UB_ROLE_READER)));
	losers(w, plain, "-a----", OWNER, OPS(op_role(&w->p[ADMIN], UB_ROLE_READER)));
	losers(w, plain, "oamr--", OWNER, OPS(op_bare(UB_OP_CLOSE)));
}

static void who_gains_or_stays_loses_nothing(void **state)
{
	struct world *w = *state;
	const struct ub_policy plain = {0};

	losers(w, plain, "------", ADMIN, OPS(op_add(&w->p[NEWCOMER], UB_ROLE_READER)));
	losers(w, plain, "------", ADMIN, OPS(op_role(&w->p[READER], UB_ROLE_MEMBER)));
	losers(w, plain, "------", ADMIN, OPS(op_role(&w->p[MEMBER], UB_ROLE_ADMIN)));
	losers(w, plain, "------", OWNER, OPS(op_role(&w->p[ADMIN], UB_ROLE_MEMBER)));
	losers(w, plain, "------", OWNER, OPS(op_role(&w->p[ADMIN], UB_ROLE_OWNER)));
	losers(w, plain, "------", MEMBER, OPS(op_key(&w->p[MEMBER], 6)));
	losers(w, plain, "------", ADMIN,
		OPS(op_remove(&w->p[READER]), op_add(&w->p[READER], UB_ROLE_READER)));
}

static void a_policy_that_moves_subjects_takes_the_old_ones(void **state)
{
	struct world *w = *state;
	const struct ub_policy plain = {0}, persist = {.persist = true};
	const struct ub_policy secret = {.encrypt = true};

	losers(w, plain, "oamr--", ADMIN, OPS(op_policy(false, true)));
	losers(w, plain, "oamr--", ADMIN, OPS(op_policy(true, false), op_epoch(1, false)));
	losers(w, plain, "------", ADMIN, OPS(op_policy(false, false)));
	losers(w, persist, "------", ADMIN, OPS(op_policy(false, true)));
	losers(w, persist, "------", ADMIN, OPS(op_policy(true, true), op_epoch(1, false)));
	losers(w, secret, "------", ADMIN, OPS(op_policy(true, true)));
}

static void a_closed_room_has_nothing_to_lose(void **state)
{
	struct world *w = *state;
	struct ub_room before = room_of(w, (struct ub_policy){0}), after = {0};

	before.closed = true;
	assert_int_equal(ub_room_clone(&before, &after), UB_OK);
	assert_false(ub_room_narrows(&before, &after, &w->p[MEMBER].id));
	after.n_members = 0;
	assert_false(ub_room_narrows(&before, &after, &w->p[MEMBER].id));
	before.closed = false;
	assert_true(ub_room_narrows(&before, &after, &w->p[MEMBER].id));
	ub_room_deinit(&before);
	ub_room_deinit(&after);
}

struct set {
	struct ub_room room;
	struct ub_epoch_op op;
	struct ub_sealed list[5];
};

/* A room of four with the set that fits, not in order. */
static struct set set_of(struct world *w)
{
	const struct ub_symkey k = {{3}};
	struct set s = {.room = room_of(w, (struct ub_policy){.encrypt = true})};

	for (size_t i = 0; i < 4; i++) {
		const struct ub_member *m = &s.room.members[3 - i];

		s.list[i].to = m->id;
		assert_int_equal(ub_epoch_seal(&k, &s.room.id, 2, &m->kex, &s.list[i]), UB_OK);
	}
	ub_sealed_root(s.list, 4, &s.op.sealed);
	return s;
}

static void a_sealed_set_holds_every_member_once_and_nobody_else(void **state)
{
	struct world *w = *state;
	struct set s = set_of(w);
	struct ub_sealed kept, swap = s.list[0];
	struct ub_hash root;

	s.list[0] = s.list[3];
	s.list[3] = swap;
	assert_int_equal(ub_room_sealed_check(&s.room, &s.op, s.list, 4), UB_OK);
	/* one too few, one too many */
	assert_int_equal(ub_room_sealed_check(&s.room, &s.op, s.list, 3), UNIBUS_ERR_BAD_ROSTER);
	s.list[4] = s.list[3];
	assert_int_equal(ub_room_sealed_check(&s.room, &s.op, s.list, 5), UNIBUS_ERR_BAD_ROSTER);
	assert_int_equal(ub_room_sealed_check(&s.room, &s.op, NULL, 0), UNIBUS_ERR_BAD_ROSTER);
	/* one twice, another not, also when the root was signed so */
	kept = s.list[1];
	s.list[1] = s.list[0];
	ub_sealed_root(s.list, 4, &root);
	s.op.sealed = root;
	assert_int_equal(ub_room_sealed_check(&s.room, &s.op, s.list, 4), UNIBUS_ERR_BAD_ROSTER);
	/* a stranger in a member's place */
	s.list[1] = kept;
	s.list[1].to = w->p[OUTSIDER].id;
	ub_sealed_root(s.list, 4, &s.op.sealed);
	assert_int_equal(ub_room_sealed_check(&s.room, &s.op, s.list, 4), UNIBUS_ERR_BAD_ROSTER);
	ub_room_deinit(&s.room);
}

static void a_sealed_set_is_the_one_that_was_signed(void **state)
{
	struct world *w = *state;
	struct set s = set_of(w);

	s.list[2].b[UB_SEALED_LEN - 1] ^= 1;
	assert_int_equal(ub_room_sealed_check(&s.room, &s.op, s.list, 4), UNIBUS_ERR_BAD_ROSTER);
	s.list[2].b[UB_SEALED_LEN - 1] ^= 1;
	assert_int_equal(ub_room_sealed_check(&s.room, &s.op, s.list, 4), UB_OK);
	s.op.sealed.b[0] ^= 1;
	assert_int_equal(ub_room_sealed_check(&s.room, &s.op, s.list, 4), UNIBUS_ERR_BAD_ROSTER);
	ub_room_deinit(&s.room);
}

static void a_clone_lives_on_its_own(void **state)
{
	struct world *w = *state;
	struct ub_room room = room_of(w, (struct ub_policy){0}), copy = {0}, none = {0};

	assert_int_equal(ub_room_clone(&room, &copy), UB_OK);
	assert_int_equal(kit_apply(&copy, &w->p[ADMIN], OPS(op_remove(&w->p[MEMBER]))), UB_OK);
	assert_int_equal(ub_room_role(&copy, &w->p[MEMBER].id), UB_ROLE_NONE);
	assert_int_equal(ub_room_role(&room, &w->p[MEMBER].id), UB_ROLE_MEMBER);
	ub_room_deinit(&room);
	assert_int_equal(copy.n_members, 3);
	ub_room_deinit(&copy);
	assert_int_equal(ub_room_clone(&none, &copy), UB_OK);
	assert_int_equal(copy.n_members, 0);
	assert_false(copy.started);
	ub_room_deinit(&copy);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_goes_or_stops_writing_loses_subjects),
		T(who_gains_or_stays_loses_nothing),
		T(a_policy_that_moves_subjects_takes_the_old_ones),
		T(a_closed_room_has_nothing_to_lose),
		T(a_sealed_set_holds_every_member_once_and_nobody_else),
		T(a_sealed_set_is_the_one_that_was_signed),
		T(a_clone_lives_on_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
