/* The rules of apply for encrypted rooms: who brings a new key, when one must come, what it says.
 */
#include "tests/unit/core/room_judge.h"

enum who { OWNER, ADMIN, MEMBER, READER, OUTSIDER, NEWCOMER, PEERS };

struct world {
	struct kit_peer p[PEERS];
	struct ub_room clear; /* history all, epoch 0 */
	struct ub_room all;   /* history all, epoch 1 */
	struct ub_room since; /* history since_join, epoch 2 */
};

static void populate(struct world *w, struct ub_room *room, struct ub_policy policy)
{
	struct ub_op ops[5] = {
		op_genesis(policy), op_add(&w->p[OWNER], UB_ROLE_OWNER), op_epoch(1, false)};

	assert_int_equal(kit_apply(room, &w->p[OWNER], ops, policy.encrypt ? 3 : 2), UB_OK);
	ops[0] = op_add(&w->p[ADMIN], UB_ROLE_ADMIN);
	ops[1] = op_add(&w->p[MEMBER], UB_ROLE_MEMBER);
	ops[2] = op_add(&w->p[READER], UB_ROLE_READER);
	ops[3] = op_epoch(2, false);
	assert_int_equal(kit_apply(room, &w->p[OWNER], ops, policy.since_join ? 4 : 3), UB_OK);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(ub_core_init(), UB_OK);
	for (uint32_t i = 0; i < PEERS; i++)
		w->p[i] = kit_peer(i);
	populate(w, &w->clear, (struct ub_policy){0});
	populate(w, &w->all, (struct ub_policy){.encrypt = true});
	populate(w, &w->since, (struct ub_policy){.encrypt = true, .since_join = true});
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ub_room_deinit(&w->clear);
	ub_room_deinit(&w->all);
	ub_room_deinit(&w->since);
	free(w);
	return 0;
}

/* The next entry of `room` by `actor`, on a copy of it. */
static void judge(const struct ub_room *room, const struct kit_peer *actor, ub_err want,
	struct ub_op *ops, size_t n)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	struct ub_entry e = kit_entry(room, actor, ops, n);
	struct ub_room copy = {0};

	assert_int_equal(ub_room_clone(room, &copy), UB_OK);
	judge_ctx(&copy, &e, &lenient, want);
	ub_room_deinit(&copy);
}

static void who_is_shut_out_gets_no_further_key(void **state)
{
	struct world *w = *state;
	const struct kit_peer *admin = &w->p[ADMIN];
	const struct ub_op remove = op_remove(&w->p[MEMBER]), take = op_bare(UB_OP_TAKEOVER);

	judge(&w->all, admin, UNIBUS_ERR_NEEDS_EPOCH, OPS(remove));
	judge(&w->all, admin, UB_OK, OPS(remove, op_epoch(2, true)));
	judge(&w->since, admin, UNIBUS_ERR_NEEDS_EPOCH, OPS(remove));
	judge(&w->since, admin, UB_OK, OPS(remove, op_epoch(3, false)));
	judge(&w->all, admin, UNIBUS_ERR_NEEDS_EPOCH, OPS(take));
	judge(&w->all, admin, UB_OK, OPS(take, op_epoch(2, true)));
	/* nothing to keep from anybody in a clear room */
	judge(&w->clear, admin, UB_OK, OPS(remove));
	judge(&w->clear, admin, UB_OK, OPS(take));
}

static void who_comes_later_reads_what_the_history_says(void **state)
{
	struct world *w = *state;
	const struct kit_peer *admin = &w->p[ADMIN];
	const struct ub_op add = op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER);
	struct ub_room clear_since = {0};

	judge(&w->all, admin, UB_OK, OPS(add));
	judge(&w->since, admin, UNIBUS_ERR_NEEDS_EPOCH, OPS(add));
	judge(&w->since, admin, UB_OK, OPS(add, op_epoch(3, false)));
	judge(&w->since, admin, UNIBUS_ERR_BAD_EPOCH, OPS(add, op_epoch(3, true)));
	populate(w, &clear_since, (struct ub_policy){0});
	clear_since.policy.since_join = true;
	judge(&clear_since, admin, UB_OK, OPS(add));
	ub_room_deinit(&clear_since);
}

static void a_back_link_comes_exactly_when_there_is_something_behind(void **state)
{
	struct world *w = *state;
	const struct kit_peer *owner = &w->p[OWNER];

	judge(&w->all, owner, UNIBUS_ERR_BAD_EPOCH, OPS(op_epoch(2, false)));
	judge(&w->all, owner, UB_OK, OPS(op_epoch(2, true)));
	judge(&w->since, owner, UNIBUS_ERR_BAD_EPOCH, OPS(op_epoch(3, true)));
	judge(&w->since, owner, UB_OK, OPS(op_epoch(3, false)));
	judge(&w->clear, owner, UNIBUS_ERR_BAD_EPOCH,
		OPS(op_policy(true, false), op_epoch(1, true)));
	judge(&w->clear, owner, UB_OK, OPS(op_policy(true, false), op_epoch(1, false)));
}

static void epochs_are_counted_without_gaps(void **state)
{
	struct world *w = *state;
	const struct kit_peer *owner = &w->p[OWNER];

	judge(&w->all, owner, UNIBUS_ERR_BAD_EPOCH, OPS(op_epoch(1, false)));
	judge(&w->all, owner, UNIBUS_ERR_BAD_EPOCH, OPS(op_epoch(3, true)));
	judge(&w->all, owner, UNIBUS_ERR_BAD_EPOCH, OPS(op_epoch(0, false)));
	judge(&w->all, owner, UB_OK, OPS(op_epoch(2, true)));
	w->all.epoch = UINT32_MAX;
	judge(&w->all, owner, UNIBUS_ERR_BAD_EPOCH, OPS(op_epoch(0, false)));
}

static void an_epoch_is_the_last_of_its_entry(void **state)
{
	struct world *w = *state;
	const struct kit_peer *admin = &w->p[ADMIN];
	const struct ub_op add = op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER);
	const struct ub_op close = op_bare(UB_OP_CLOSE);
	struct ub_op here = op_epoch(2, true);

	ub_room_roster_hash(&w->all, &here.epoch.roster);
	judge(&w->all, admin, UB_OK, OPS(here));
	judge(&w->all, admin, UB_OK, OPS(add, op_epoch(2, true)));
	judge(&w->all, admin, UNIBUS_ERR_BAD_ENTRY, OPS(here, add));
	judge(&w->all, admin, UNIBUS_ERR_BAD_ENTRY, OPS(here, op_epoch(3, true)));
	judge(&w->all, &w->p[OWNER], UNIBUS_ERR_BAD_ENTRY, OPS(here, close));
	judge(&w->all, &w->p[OWNER], UNIBUS_ERR_ROOM_CLOSED, OPS(close, op_epoch(2, true)));
	judge(&w->all, &w->p[OWNER], UB_OK, OPS(close));
}

static void the_roster_is_that_after_the_entry(void **state)
{
	struct world *w = *state;
	struct ub_op stale[] = {op_remove(&w->p[MEMBER]), op_epoch(2, true)};
	struct ub_op ops[] = {op_remove(&w->p[MEMBER]), op_epoch(2, true)};

	ub_room_roster_hash(&w->all, &stale[1].epoch.roster);
	judge(&w->all, &w->p[ADMIN], UNIBUS_ERR_BAD_ROSTER, stale, 2);
	judge(&w->all, &w->p[ADMIN], UB_OK, ops, 2);
	ops[1].epoch.roster.b[31] ^= 1;
	judge(&w->all, &w->p[ADMIN], UNIBUS_ERR_BAD_ROSTER, ops, 2);
}

static void the_roster_covers_endpoint_key_and_role(void **state)
{
	struct world *w = *state;
	uint8_t bytes[4 * 65], *p = bytes;
	struct ub_hash want, is;

	for (size_t i = 0; i < w->all.n_members; i++, p += 65) {
		const struct ub_member *m = &w->all.members[i];

		memcpy(p, m->id.b, 32);
		memcpy(p + 32, m->kex.b, 32);
		p[64] = (uint8_t)m->role;
	}
	assert_ptr_equal(p, bytes + sizeof(bytes));
	ub_hash(bytes, sizeof(bytes), &want);
	ub_room_roster_hash(&w->all, &is);
	assert_memory_equal(&is, &want, sizeof(is));
	w->all.members[3].role = (enum ub_role)(5 - w->all.members[3].role);
	ub_room_roster_hash(&w->all, &is);
	assert_memory_not_equal(&is, &want, sizeof(is));
}

static void a_clear_room_has_no_epoch(void **state)
{
	struct world *w = *state;

	judge(&w->clear, &w->p[OWNER], UNIBUS_ERR_BAD_EPOCH, OPS(op_epoch(1, false)));
	judge(&w->all, &w->p[OWNER], UB_OK, OPS(op_epoch(2, true)));
}

static void encryption_is_turned_on_with_a_key_and_never_off(void **state)
{
	struct world *w = *state;
	const struct kit_peer *admin = &w->p[ADMIN];

	judge(&w->clear, admin, UNIBUS_ERR_NEEDS_EPOCH, OPS(op_policy(true, false)));
	judge(&w->clear, admin, UNIBUS_ERR_BAD_EPOCH,
		OPS(op_policy(true, false), op_epoch(2, false)));
	judge(&w->clear, admin, UNIBUS_ERR_BAD_ENTRY,
		OPS(op_policy(true, false), op_policy(false, false)));
	judge(&w->all, admin, UNIBUS_ERR_BAD_ENTRY, OPS(op_policy(false, false)));
	judge(&w->all, admin, UB_OK, OPS(op_policy(true, false)));

	assert_int_equal(
		kit_apply(&w->clear, admin, OPS(op_policy(true, false), op_epoch(1, false))),
		UB_OK);
	assert_true(w->clear.policy.encrypt);
	assert_int_equal(w->clear.epoch, 1);
	assert_int_equal(w->clear.epoch_seq, 2);
	assert_int_equal(w->clear.commit.b[0], 1);
}

static void leaving_and_changing_a_key_make_a_rotation_due(void **state)
{
	struct world *w = *state;

	assert_false(w->all.rotation_due);
	assert_int_equal(kit_apply(&w->all, &w->p[MEMBER], OPS(op_key(&w->p[MEMBER], 6))), UB_OK);
	assert_true(w->all.rotation_due);
	assert_int_equal(kit_apply(&w->all, &w->p[OWNER], OPS(op_epoch(2, true))), UB_OK);
	assert_false(w->all.rotation_due);
	assert_int_equal(kit_apply(&w->all, &w->p[READER], OPS(op_bare(UB_OP_LEAVE))), UB_OK);
	assert_true(w->all.rotation_due);
	/* what else happens does not clear it */
	assert_int_equal(
		kit_apply(&w->all, &w->p[OWNER], OPS(op_add(&w->p[NEWCOMER], UB_ROLE_READER))),
		UB_OK);
	assert_true(w->all.rotation_due);

	assert_int_equal(kit_apply(&w->clear, &w->p[READER], OPS(op_bare(UB_OP_LEAVE))), UB_OK);
	assert_false(w->clear.rotation_due);
}

static void who_may_issue_an_epoch_when(void **state)
{
	struct world *w = *state;
	const struct {
		enum who who;
		ub_err not_due, due;
	} rows[] = {
		{OWNER, UB_OK, UB_OK},
		{ADMIN, UB_OK, UB_OK},
		{MEMBER, UNIBUS_ERR_NO_RIGHT, UB_OK},
		{READER, UNIBUS_ERR_NO_RIGHT, UNIBUS_ERR_NO_RIGHT},
		{OUTSIDER, UNIBUS_ERR_NO_RIGHT, UNIBUS_ERR_NO_RIGHT},
	};

	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++)
		judge(&w->all, &w->p[rows[i].who], rows[i].not_due, OPS(op_epoch(2, true)));
	assert_int_equal(kit_apply(&w->all, &w->p[ADMIN], OPS(op_key(&w->p[ADMIN], 6))), UB_OK);
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++)
		judge(&w->all, &w->p[rows[i].who], rows[i].due, OPS(op_epoch(2, true)));
}

static void nobody_makes_a_rotation_due_to_issue_it_himself(void **state)
{
	struct world *w = *state;

	judge(&w->all, &w->p[MEMBER], UNIBUS_ERR_NO_RIGHT,
		OPS(op_key(&w->p[MEMBER], 6), op_epoch(2, true)));
	judge(&w->all, &w->p[ADMIN], UB_OK, OPS(op_key(&w->p[ADMIN], 6), op_epoch(2, true)));
}

static void who_leaves_does_not_make_the_next_key(void **state)
{
	struct world *w = *state;
	const struct kit_peer *admin = &w->p[ADMIN];

	judge(&w->all, admin, UNIBUS_ERR_NO_RIGHT, OPS(op_bare(UB_OP_LEAVE), op_epoch(2, true)));
	judge(&w->all, admin, UNIBUS_ERR_NO_RIGHT, OPS(op_remove(admin), op_epoch(2, true)));
	judge(&w->all, admin, UNIBUS_ERR_NEEDS_EPOCH, OPS(op_remove(admin)));
	judge(&w->all, admin, UB_OK, OPS(op_bare(UB_OP_LEAVE)));
}

static void preview_shows_what_an_epoch_must_name(void **state)
{
	struct world *w = *state;
	const struct ub_apply ctx = {0};
	struct ub_op ops[] = {op_remove(&w->p[MEMBER]), op_add(&w->p[NEWCOMER], UB_ROLE_READER)};
	struct ub_entry e = kit_entry(&w->all, &w->p[ADMIN], ops, 2);
	struct ub_room after = {0};

	assert_int_equal(ub_room_preview(&w->all, &e, &ctx, &after), UB_OK);
	assert_int_equal(after.n_members, 4);
	assert_int_equal(ub_room_role(&after, &w->p[MEMBER].id), UB_ROLE_NONE);
	assert_int_equal(ub_room_role(&after, &w->p[NEWCOMER].id), UB_ROLE_READER);
	assert_int_equal(ub_room_role(&w->all, &w->p[MEMBER].id), UB_ROLE_MEMBER);
	assert_int_equal(after.epoch, 1);
	judge_ctx(&w->all, &e, &ctx, UNIBUS_ERR_NEEDS_EPOCH);
	ub_room_deinit(&after);

	e = kit_entry(&w->all, &w->p[MEMBER], ops, 2);
	assert_int_equal(ub_room_preview(&w->all, &e, &ctx, &after), UNIBUS_ERR_NO_RIGHT);
	assert_null(after.members);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_is_shut_out_gets_no_further_key),
		T(who_comes_later_reads_what_the_history_says),
		T(a_back_link_comes_exactly_when_there_is_something_behind),
		T(epochs_are_counted_without_gaps),
		T(an_epoch_is_the_last_of_its_entry),
		T(the_roster_is_that_after_the_entry),
		T(the_roster_covers_endpoint_key_and_role),
		T(a_clear_room_has_no_epoch),
		T(encryption_is_turned_on_with_a_key_and_never_off),
		T(leaving_and_changing_a_key_make_a_rotation_due),
		T(who_may_issue_an_epoch_when),
		T(nobody_makes_a_rotation_due_to_issue_it_himself),
		T(who_leaves_does_not_make_the_next_key),
		T(preview_shows_what_an_epoch_must_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
