/* Changes that others overtake between the decision and the commit, commits whose outcome nobody
 * learns, and a store that cannot vouch. */
#include "membershipd/domain/records.h"
#include "tests/unit/domain/race_kit.h"

struct race {
	struct world *w, hand;
	struct race_store *r;
	struct ub_room room, theirs;
	struct kit_text text;
};

static struct race *race_new(struct ub_policy policy)
{
	struct race *x = calloc(1, sizeof(*x));

	x->w = race_world(&x->r, &x->hand);
	assert_int_equal(kit_create(x->w, 0, "team.ops", policy, &x->room), UB_OK);
	assert_int_equal(kit_invite(x->w, &x->room, 0, 1, UB_ROLE_ADMIN), UB_OK);
	assert_int_equal(ub_room_clone(&x->room, &x->theirs), UB_OK);
	x->r->arg = x;
	x->r->times = 1;
	return x;
}

static void race_end(struct race *x)
{
	kit_text_deinit(&x->text);
	ub_room_deinit(&x->room);
	ub_room_deinit(&x->theirs);
	race_free(x->w, &x->hand);
	free(x);
}

static ub_err count_one(void *arg, const struct md_record *r)
{
	(void)r;
	++*(size_t *)arg;
	return UB_OK;
}

static size_t n_sets(struct race *x)
{
	size_t n = 0;

	assert_int_equal(md_store_each(x->r->inner, MD_KEY_SEALED, count_one, &n), UB_OK);
	return n;
}

/* ---- rooms ---- */

static void they_invite(void *arg)
{
	struct race *x = arg;

	assert_int_equal(kit_invite(&x->hand, &x->theirs, 1, 4, UB_ROLE_MEMBER), UB_OK);
}

static void an_entry_overtaken_is_told_the_new_head(void **state)
{
	struct race *x = race_new(PLAIN);
	struct md_room_result r = {0};

	(void)state;
	x->text = kit_make(&x->room, &x->w->p[0], OPS(op_add(&x->w->p[5], UB_ROLE_MEMBER)));
	x->r->before = they_invite;
	assert_int_equal(
		kit_send(x->w, 0, MD_ROOM_INVITE, &x->room, &x->text, &r), UNIBUS_ERR_STALE_HEAD);
	assert_int_equal(r.seq, x->theirs.seq);
	assert_memory_equal(&r.head, &x->theirs.head, 32);
	race_end(x);
}

static void the_keys_of_an_entry_overtaken_are_removed(void **state)
{
	struct race *x = race_new(ENCRYPTED);
	struct md_room_result r;
	size_t sets = n_sets(x);

	(void)state;
	x->text = kit_make(&x->room, &x->w->p[0], OPS(op_epoch(2, true)));
	x->r->before = they_invite; /* before our set; the entry itself comes too late */
	assert_int_equal(
		kit_send(x->w, 0, MD_ROOM_REKEY, &x->room, &x->text, &r), UNIBUS_ERR_STALE_HEAD);
	assert_int_equal(n_sets(x), sets + 1); /* theirs */
	race_end(x);
}

static void they_send_the_same(void *arg)
{
	struct race *x = arg;
	struct md_room_result r;

	assert_int_equal(kit_send(&x->hand, 0, MD_ROOM_INVITE, &x->room, &x->text, &r), UB_OK);
}

static void an_entry_overtaken_by_itself_succeeds(void **state)
{
	struct race *x = race_new(PLAIN);
	struct md_room_result r;

	(void)state;
	x->text = kit_make(&x->room, &x->w->p[0], OPS(op_add(&x->w->p[5], UB_ROLE_MEMBER)));
	x->r->before = they_send_the_same;
	assert_int_equal(kit_send(x->w, 0, MD_ROOM_INVITE, &x->room, &x->text, &r), UB_OK);
	assert_int_equal(r.seq, x->room.seq + 1);
	race_end(x);
}

static void they_create(void *arg)
{
	struct race *x = arg;

	ub_room_deinit(&x->theirs);
	assert_int_equal(kit_create(&x->hand, 2, "new", PLAIN, &x->theirs), UB_OK);
}

static void a_subject_taken_meanwhile_is_taken(void **state)
{
	struct race *x = race_new(PLAIN);
	struct ub_room room;
	size_t sets = n_sets(x);

	(void)state;
	x->r->before = they_create;
	assert_int_equal(kit_create(x->w, 0, "new", ENCRYPTED, &room), UNIBUS_ERR_SUBJECT_TAKEN);
	assert_int_equal(n_sets(x), sets);
	race_end(x);
}

static void they_remove_1(void *arg)
{
	struct race *x = arg;

	assert_int_equal(kit_remove(&x->hand, &x->theirs, 0, 1), UB_OK);
}

static void a_join_after_the_removal_is_void(void **state)
{
	struct race *x = race_new(PLAIN);
	struct md_caller by = kit_caller(x->w, 1);
	struct md_room_result r;

	(void)state;
	x->r->before = they_remove_1;
	assert_int_equal(md_room_join(x->w->s, &by, &x->room.id, &r), UB_OK);
	assert_int_equal(r.wire.n_subscribe, 0);
	assert_false(md_room_joined(x->w->s, &x->room.id, &by.id));
	/* Nor does it count when he is added again; a new join replaces it. */
	assert_int_equal(kit_invite(x->w, &x->theirs, 0, 1, UB_ROLE_MEMBER), UB_OK);
	assert_false(md_room_joined(x->w->s, &x->room.id, &by.id));
	assert_int_equal(kit_join(x->w, &x->theirs, 1), UB_OK);
	assert_true(md_room_joined(x->w->s, &x->room.id, &by.id));
	race_end(x);
}

/* ---- users ---- */

static void they_register_7(void *arg)
{
	struct race *x = arg;

	assert_int_equal(kit_register(&x->hand, 7, false), UB_OK);
}

static void a_registration_overtaken_is_decided_anew(void **state)
{
	struct race *x = race_new(PLAIN);
	struct md_user_add u = {.sign = x->w->p[7].sign, .handle = UB_STR("p7")};
	struct kit_peer stranger = kit_peer(99);
	bool created = true;
	uint64_t rev;

	(void)state;
	x->r->before = they_register_7;
	assert_int_equal(md_user_add(x->w->s, NULL, &u, &created, &rev), UB_OK);
	assert_false(created);
	x->r->times = 0;
	u.sign = stranger.sign;
	assert_int_equal(md_user_add(x->w->s, NULL, &u, &created, &rev), UNIBUS_ERR_HANDLE_TAKEN);
	race_end(x);
}

static void they_revoke_0(void *arg)
{
	struct race *x = arg;

	assert_int_equal(kit_register(&x->hand, 6, false), UB_OK); /* known: nothing */
	assert_int_equal(kit_register(&x->hand, 7, true), UB_OK);
	assert_int_equal(kit_revoke(&x->hand, 0), UB_OK);
}

static void a_write_of_an_admin_revoked_meanwhile_dies(void **state)
{
	struct race *x = race_new(PLAIN);
	struct md_caller by = kit_caller(x->w, 0);
	struct md_taken t;
	struct md_user u;

	(void)state;
	x->r->before = they_revoke_0;
	assert_int_equal(md_user_revoke(x->w->s, &by, &x->w->p[2].sign, &t), UNIBUS_ERR_DENIED);
	assert_int_equal(md_user_get(x->w->s, &x->w->p[2].id, &u), UB_OK);
	assert_true(u.active);
	race_end(x);
}

static void they_revoke_3(void *arg)
{
	struct race *x = arg;

	assert_int_equal(kit_revoke(&x->hand, 3), UB_OK);
}

static void who_is_always_overtaken_is_told_to_try_later(void **state)
{
	struct race *x = race_new(PLAIN);
	struct md_caller by = kit_caller(x->w, 0);
	struct md_taken t;

	(void)state;
	x->r->before = they_revoke_3;
	x->r->times = 1000;
	assert_int_equal(
		md_user_revoke(x->w->s, &by, &x->w->p[2].sign, &t), UNIBUS_ERR_UNAVAILABLE);
	assert_true(x->r->times > 900);
	x->r->times = 1;
	assert_int_equal(md_user_revoke(x->w->s, &by, &x->w->p[2].sign, &t), UB_OK);
	race_end(x);
}

/* ---- the store ---- */

static void an_unknown_outcome_is_safe_to_repeat(void **state)
{
	struct race *x = race_new(PLAIN);
	struct md_user_add u = {.sign = x->w->p[7].sign, .handle = UB_STR("p7")};
	struct md_room_result r;
	bool created;
	uint64_t rev;

	(void)state;
	x->r->unknown = true;
	assert_int_equal(
		md_user_add(x->w->s, NULL, &u, &created, &rev), UNIBUS_ERR_OUTCOME_UNKNOWN);
	assert_int_equal(md_user_add(x->w->s, NULL, &u, &created, &rev), UB_OK);
	x->text = kit_make(&x->room, &x->w->p[0], OPS(op_add(&x->w->p[5], UB_ROLE_MEMBER)));
	x->r->unknown = true;
	assert_int_equal(kit_send(x->w, 0, MD_ROOM_INVITE, &x->room, &x->text, &r),
		UNIBUS_ERR_OUTCOME_UNKNOWN);
	assert_int_equal(kit_send(x->w, 0, MD_ROOM_INVITE, &x->room, &x->text, &r), UB_OK);
	race_end(x);
}

static void the_stores_errors_come_through_and_change_nothing(void **state)
{
	static const ub_err errors[] = {
		UNIBUS_ERR_IO, UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_OUTCOME_UNKNOWN};
	struct race *x = race_new(PLAIN);
	uint64_t rev = md_service_revision(x->w->s);

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(errors); i++) {
		x->r->fail = errors[i];
		assert_int_equal(kit_revoke(x->w, 2), errors[i]);
		x->r->fail = errors[i];
		assert_int_equal(kit_invite(x->w, &x->room, 0, 5, UB_ROLE_MEMBER), errors[i]);
		x->r->fail = errors[i];
		assert_int_equal(kit_join(x->w, &x->room, 1), errors[i]);
		assert_int_equal(md_service_revision(x->w->s), rev);
	}
	assert_int_equal(kit_join(x->w, &x->room, 1), UB_OK);
	race_end(x);
}

static void without_the_stores_word_nobody_is_authorized(void **state)
{
	struct race *x = race_new(PLAIN);
	struct md_caller c;
	struct md_user u;
	size_t n;

	(void)state;
	x->r->front.lost(x->r->front.arg);
	assert_false(md_service_vouches(x->w->s));
	assert_int_equal(md_caller_find(x->w->s, &x->w->p[0].sign, &c), UNIBUS_ERR_UNAVAILABLE);
	assert_int_equal(md_user_get(x->w->s, &x->w->p[0].id, &u), UNIBUS_ERR_UNAVAILABLE);
	assert_int_equal(md_user_by_handle(x->w->s, UB_STR("p0"), &u), UNIBUS_ERR_UNAVAILABLE);
	assert_int_equal(md_user_list(x->w->s, UB_STR(""), &u, 1, &n), UNIBUS_ERR_UNAVAILABLE);
	assert_int_equal(kit_revoke(x->w, 2), UNIBUS_ERR_UNAVAILABLE);
	assert_int_equal(kit_join(x->w, &x->room, 1), UNIBUS_ERR_UNAVAILABLE);
	assert_false(md_room_joined(x->w->s, &x->room.id, &x->w->p[0].id));

	x->r->front.caught_up(x->r->front.arg, md_store_revision(x->r->inner));
	assert_true(md_service_vouches(x->w->s));
	assert_int_equal(md_caller_find(x->w->s, &x->w->p[0].sign, &c), UB_OK);
	assert_int_equal(kit_join(x->w, &x->room, 1), UB_OK);
	race_end(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_overtaken_is_told_the_new_head),
		cmocka_unit_test(the_keys_of_an_entry_overtaken_are_removed),
		cmocka_unit_test(an_entry_overtaken_by_itself_succeeds),
		cmocka_unit_test(a_subject_taken_meanwhile_is_taken),
		cmocka_unit_test(a_join_after_the_removal_is_void),
		cmocka_unit_test(a_registration_overtaken_is_decided_anew),
		cmocka_unit_test(a_write_of_an_admin_revoked_meanwhile_dies),
		cmocka_unit_test(who_is_always_overtaken_is_told_to_try_later),
		cmocka_unit_test(an_unknown_outcome_is_safe_to_repeat),
		cmocka_unit_test(the_stores_errors_come_through_and_change_nothing),
		cmocka_unit_test(without_the_stores_word_nobody_is_authorized),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
