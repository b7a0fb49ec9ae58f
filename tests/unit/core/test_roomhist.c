/* Who was what at each entry of a room's log. */
#include "core/roomhist.h"
#include "tests/unit/core/room_kit.h"

enum who { OWNER, ADMIN, MEMBER, READER, PEERS };

struct world {
	struct kit_peer p[PEERS];
	struct ub_room room;
	struct ub_roomhist hist;
};

static void go_on(struct world *w, enum who actor, struct ub_op *ops, size_t n)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	struct ub_entry e = kit_entry(&w->room, &w->p[actor], ops, n);

	assert_int_equal(ub_room_apply(&w->room, &e, &lenient), UB_OK);
	assert_int_equal(ub_roomhist_push(&w->hist, &w->room, &e, 1000 + e.seq), UB_OK);
}

/* 0 genesis; 1 add all; 2 member out; 3 member in as reader; 4 reader leaves; 5 handover;
 * 6 takeover by the former owner, as admin */
static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct ub_op link = op_epoch(2, true);

	assert_int_equal(ub_core_init(), UB_OK);
	for (uint32_t i = 0; i < PEERS; i++)
		w->p[i] = kit_peer(i);
	go_on(w, OWNER,
		OPS(op_genesis((struct ub_policy){.encrypt = true}),
			op_add(&w->p[OWNER], UB_ROLE_OWNER), op_epoch(1, false)));
	go_on(w, OWNER,
		OPS(op_add(&w->p[ADMIN], UB_ROLE_ADMIN), op_add(&w->p[MEMBER], UB_ROLE_MEMBER),
			op_add(&w->p[READER], UB_ROLE_READER)));
	memset(link.epoch.backlink, 0x5a, sizeof(link.epoch.backlink));
	go_on(w, ADMIN, OPS(op_remove(&w->p[MEMBER]), link));
	go_on(w, ADMIN, OPS(op_add(&w->p[MEMBER], UB_ROLE_READER)));
	go_on(w, READER, OPS(op_bare(UB_OP_LEAVE)));
	go_on(w, OWNER, OPS(op_role(&w->p[ADMIN], UB_ROLE_OWNER), op_policy(true, true)));
	go_on(w, OWNER, OPS(op_bare(UB_OP_TAKEOVER), op_epoch(3, true)));
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ub_room_deinit(&w->room);
	ub_roomhist_deinit(&w->hist);
	free(w);
	return 0;
}

static void each_peer_had_its_role_at_each_entry(void **state)
{
	struct world *w = *state;
	const char *const was[PEERS] = {"4444434", "-33334-", "-2-1111", "-111---"};

	for (unsigned p = 0; p < PEERS; p++) {
		for (uint64_t seq = 0; seq < 7; seq++) {
			enum ub_role r = ub_roomhist_role(&w->hist, seq, &w->p[p].id);

			assert_int_equal(r ? '0' + (int)r : '-', was[p][seq]);
		}
	}
}

static void nobody_has_a_role_in_what_is_not_known(void **state)
{
	struct world *w = *state;
	struct kit_peer stranger = kit_peer(99);
	struct ub_roomhist none = {0};

	assert_int_equal(ub_roomhist_role(&w->hist, 7, &w->p[OWNER].id), UB_ROLE_NONE);
	assert_int_equal(ub_roomhist_role(&w->hist, UINT64_MAX, &w->p[OWNER].id), UB_ROLE_NONE);
	assert_int_equal(ub_roomhist_role(&w->hist, 6, &stranger.id), UB_ROLE_NONE);
	assert_null(ub_roomhist_at(&w->hist, 7));
	assert_null(ub_roomhist_at(&w->hist, UINT64_MAX));
	assert_int_equal(ub_roomhist_role(&none, 0, &stranger.id), UB_ROLE_NONE);
	assert_null(ub_roomhist_at(&none, 0));
	assert_null(ub_roomhist_epoch(&none, 1));
	ub_roomhist_deinit(&none);
}

static void each_entry_has_its_state(void **state)
{
	struct world *w = *state;
	const uint32_t epochs[] = {1, 1, 2, 2, 2, 2, 3};
	const uint64_t since[] = {0, 0, 2, 2, 2, 2, 6};

	for (uint64_t seq = 0; seq < 7; seq++) {
		const struct ub_hist_state *st = ub_roomhist_at(&w->hist, seq);
		struct ub_hash head;

		ub_hash(&seq, sizeof(seq), &head); /* as kit_entry makes it */
		assert_memory_equal(&st->head, &head, sizeof(head));
		assert_int_equal(st->epoch, epochs[seq]);
		assert_int_equal(st->epoch_seq, since[seq]);
		assert_int_equal(st->commit.b[0], epochs[seq]);
		assert_int_equal(st->has_backlink, seq == 2 || seq == 6);
		assert_int_equal(st->policy.sign, seq >= 5);
		assert_int_equal(st->seen_ms, 1000 + seq);
	}
	assert_int_equal(ub_roomhist_at(&w->hist, 2)->backlink[71], 0x5a);
}

static void an_epoch_is_found_at_its_first_entry(void **state)
{
	struct world *w = *state;

	assert_ptr_equal(ub_roomhist_epoch(&w->hist, 1), ub_roomhist_at(&w->hist, 0));
	assert_ptr_equal(ub_roomhist_epoch(&w->hist, 2), ub_roomhist_at(&w->hist, 2));
	assert_ptr_equal(ub_roomhist_epoch(&w->hist, 3), ub_roomhist_at(&w->hist, 6));
	assert_null(ub_roomhist_epoch(&w->hist, 4));
	assert_null(ub_roomhist_epoch(&w->hist, 0));
}

static void an_entry_that_changes_no_role_adds_no_row(void **state)
{
	struct world *w = *state;
	size_t rows = w->hist.n_roles;

	go_on(w, OWNER, OPS(op_policy(true, true), op_role(&w->p[MEMBER], UB_ROLE_READER)));
	assert_int_equal(w->hist.n_roles, rows);
	go_on(w, OWNER, OPS(op_role(&w->p[MEMBER], UB_ROLE_MEMBER)));
	assert_int_equal(w->hist.n_roles, rows + 1);
	/* there and back within one entry */
	go_on(w, OWNER,
		OPS(op_role(&w->p[MEMBER], UB_ROLE_ADMIN), op_role(&w->p[MEMBER], UB_ROLE_MEMBER)));
	assert_int_equal(w->hist.n_roles, rows + 1);
}

static void a_full_entry_fits(void **state)
{
	struct world *w = *state;
	struct ub_op ops[UB_ENTRY_OPS_MAX];
	struct ub_endpoint last = {{0}};

	for (uint32_t i = 0; i < UB_ENTRY_OPS_MAX; i++) {
		struct kit_peer p = kit_peer(200 + i);

		ops[i] = op_add(&p, UB_ROLE_MEMBER);
		last = p.id;
	}
	go_on(w, OWNER, ops, UB_ENTRY_OPS_MAX);
	assert_int_equal(ub_roomhist_role(&w->hist, 7, &last), UB_ROLE_MEMBER);
	assert_int_equal(ub_roomhist_role(&w->hist, 6, &last), UB_ROLE_NONE);
	for (size_t i = 1; i < w->hist.n_roles; i++) {
		const struct ub_hist_role *a = &w->hist.roles[i - 1], *b = a + 1;
		int c = ub_endpoint_cmp(&a->id, &b->id);

		assert_true(c < 0 || (c == 0 && a->from_seq < b->from_seq));
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_peer_had_its_role_at_each_entry),
		T(nobody_has_a_role_in_what_is_not_known),
		T(each_entry_has_its_state),
		T(an_epoch_is_found_at_its_first_entry),
		T(an_entry_that_changes_no_role_adds_no_row),
		T(a_full_entry_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
