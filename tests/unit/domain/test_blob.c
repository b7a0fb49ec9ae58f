/* Blobs: who may bring and read them, how much, and that nobody sees half of one. Peer 1 owns the
 * room, 2 is a member, 3 a reader, 4 in another room, 5 in none. */
#include "membershipd/domain/directory_blob.h"
#include "membershipd/domain/service_impl.h"
#include "tests/unit/domain/blob_kit.h"
#include "tests/unit/domain/race_kit.h"

#define TEXT "the minutes of the meeting"

struct scene {
	struct world *w;
	struct kit_blobs k;
	struct ub_room room, other;
	struct md_service *old[2]; /* of before restarts: the memory store still tells them */
};

static struct scene *scene_limited(struct ub_policy policy, struct md_limits limits)
{
	struct scene *x = calloc(1, sizeof(*x));
	struct md_service_config c;

	x->w = world_bare();
	c = kit_config(x->w);
	c.limits = limits;
	world_open(x->w, &c);
	for (unsigned i = 0; i < KIT_PEERS - 1; i++)
		assert_int_equal(kit_register(x->w, i, i == 0), UB_OK);
	kit_blobs_open(&x->k);
	assert_int_equal(md_blob_attach(x->w->s, x->k.dir), UB_OK);
	assert_int_equal(kit_create(x->w, 1, "room.one", policy, &x->room), UB_OK);
	assert_int_equal(kit_invite(x->w, &x->room, 1, 2, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(kit_invite(x->w, &x->room, 1, 3, UB_ROLE_READER), UB_OK);
	assert_int_equal(kit_create(x->w, 4, "room.other", policy, &x->other), UB_OK);
	return x;
}

static struct scene *scene_new(void)
{
	return scene_limited(PLAIN, (struct md_limits){0});
}

static void scene_free(struct scene *x)
{
	ub_room_deinit(&x->room);
	ub_room_deinit(&x->other);
	for (size_t i = 0; i < UB_ARRAY_LEN(x->old); i++)
		md_service_free(x->old[i]);
	world_free(x->w);
	kit_blobs_close(&x->k);
	free(x);
}

static ub_err put(struct scene *x, unsigned n, const char *text)
{
	bool created;

	return kit_blob_put(x->w, n, &x->room, text, &created);
}

static void close_room(struct scene *x, struct ub_room *room, unsigned owner)
{
	assert_int_equal(
		kit_append(x->w, owner, MD_ROOM_CLOSE, room, OPS(op_bare(UB_OP_CLOSE))), UB_OK);
}

static size_t records(struct scene *x)
{
	UB_CLEANUP(md_directory_done)
	const struct md_directory *d = md_directory_read(&x->w->s->dir);
	const struct md_dir_room *room;
	size_t n = 0;

	for (room = d->rooms; room; room = room->hh.next)
		n += HASH_COUNT(room->blobs);
	return n;
}

static uint64_t charged(struct scene *x, unsigned n)
{
	UB_CLEANUP(md_directory_done)
	const struct md_directory *d = md_directory_read(&x->w->s->dir);

	return md_dir_user_find(d, &x->w->p[n].id)->blob_bytes;
}

/* ---- who ---- */

static void who_writes_in_the_room_may_bring_one(void **state)
{
	static const ub_err expect[] = {UNIBUS_ERR_DENIED, UB_OK, UB_OK, UNIBUS_ERR_DENIED,
		UNIBUS_ERR_DENIED, UNIBUS_ERR_DENIED};

	(void)state;
	for (unsigned i = 0; i < UB_ARRAY_LEN(expect); i++) {
		struct scene *x = scene_new();

		assert_int_equal(put(x, i, TEXT), expect[i]);
		assert_int_equal(records(x), !expect[i]);
		assert_int_equal(kit_blobs_count(&x->k), !expect[i]);
		assert_int_equal(charged(x, i), expect[i] ? 0 : UB_BLOB_CHARGE_MIN);
		scene_free(x);
	}
}

static void who_is_in_the_room_may_read_it(void **state)
{
	static const ub_err expect[] = {UNIBUS_ERR_NOT_FOUND, UB_OK, UB_OK, UB_OK,
		UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_NOT_FOUND};
	struct scene *x = scene_new();

	(void)state;
	assert_int_equal(put(x, 2, TEXT), UB_OK);
	for (unsigned i = 0; i < UB_ARRAY_LEN(expect); i++)
		assert_int_equal(kit_blob_get(x->w, i, TEXT), expect[i]);
	assert_int_equal(kit_blob_get(x->w, 1, "another text"), UNIBUS_ERR_NOT_FOUND);
	scene_free(x);
}

static void who_was_removed_or_revoked_reads_nothing_more(void **state)
{
	struct scene *x = scene_new();

	(void)state;
	assert_int_equal(put(x, 1, TEXT), UB_OK);
	assert_int_equal(kit_remove(x->w, &x->room, 1, 2), UB_OK);
	assert_int_equal(kit_blob_get(x->w, 2, TEXT), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(put(x, 2, "more"), UNIBUS_ERR_DENIED);
	assert_int_equal(kit_blob_get(x->w, 3, TEXT), UB_OK);
	assert_int_equal(kit_revoke(x->w, 3), UB_OK);
	assert_int_equal(kit_blob_get(x->w, 3, TEXT), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(kit_invite(x->w, &x->room, 1, 2, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(kit_blob_get(x->w, 2, TEXT), UB_OK);
	scene_free(x);
}

static void who_came_later_sees_nothing_older_where_the_policy_says_so(void **state)
{
	struct scene *x =
		scene_limited((struct ub_policy){.since_join = true}, (struct md_limits){0});
	bool created;

	(void)state;
	assert_int_equal(put(x, 1, TEXT), UB_OK);
	assert_int_equal(kit_blob_get(x->w, 2, TEXT), UB_OK);
	assert_int_equal(kit_invite(x->w, &x->room, 1, 5, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(kit_blob_get(x->w, 5, TEXT), UNIBUS_ERR_NOT_FOUND);
	/* Brought again, it is news. */
	assert_int_equal(kit_blob_put(x->w, 2, &x->room, TEXT, &created), UB_OK);
	assert_false(created);
	assert_int_equal(kit_blob_get(x->w, 5, TEXT), UB_OK);
	assert_int_equal(charged(x, 1), UB_BLOB_CHARGE_MIN);
	assert_int_equal(charged(x, 2), 0);
	assert_int_equal(kit_blobs_count(&x->k), 1);
	scene_free(x);
}

/* ---- what ---- */

static void only_the_announced_bytes_are_taken(void **state)
{
	static const struct {
		const char *announced, *sent[3];
		ub_err write, finish;
	} cases[] = {
		{"abcdef", {"abcdef"}, UB_OK, UB_OK},
		{"abcdef", {"abc", "de", "f"}, UB_OK, UB_OK},
		{"", {NULL}, UB_OK, UB_OK},
		{"abcdef", {"abcdeF"}, UB_OK, UNIBUS_ERR_INVALID},
		{"abcdef", {"def", "abc"}, UB_OK, UNIBUS_ERR_INVALID},
		{"abcdef", {"abcde"}, UB_OK, UNIBUS_ERR_INVALID},
		{"abcdef", {NULL}, UB_OK, UNIBUS_ERR_INVALID},
		{"abcdef", {"abcdefg"}, UNIBUS_ERR_INVALID, UNIBUS_ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct scene *x = scene_new();
		struct md_blob_upload *u;
		ub_err e = UB_OK;
		bool created;
		uint64_t rev;

		assert_int_equal(kit_blob_begin(x->w, 1, &x->room, cases[i].announced, &u), UB_OK);
		for (size_t k = 0; !e && k < 3 && cases[i].sent[k]; k++)
			e = md_blob_write(u, kit_bytes(cases[i].sent[k]));
		assert_int_equal(e, cases[i].write);
		assert_int_equal(md_blob_finish(u, &created, &rev), cases[i].finish);
		md_blob_end(u);
		assert_int_equal(records(x), !cases[i].finish);
		assert_int_equal(kit_blobs_count(&x->k), !cases[i].finish);
		scene_free(x);
	}
}

static void the_same_again_is_there_already_and_costs_nobody(void **state)
{
	struct scene *x = scene_new();
	uint64_t before;
	bool created;

	(void)state;
	assert_int_equal(kit_blob_put(x->w, 1, &x->room, TEXT, &created), UB_OK);
	assert_true(created);
	before = md_store_revision(x->w->store);
	assert_int_equal(kit_blob_put(x->w, 2, &x->room, TEXT, &created), UB_OK);
	assert_false(created);
	assert_int_equal(md_store_revision(x->w->store), before);
	assert_int_equal(charged(x, 2), 0);
	assert_int_equal(kit_blobs_count(&x->k), 1);
	scene_free(x);
}

static void two_rooms_keep_their_own_copy(void **state)
{
	struct scene *x = scene_new();
	bool created;
	size_t n;

	(void)state;
	assert_int_equal(put(x, 1, TEXT), UB_OK);
	assert_int_equal(kit_blob_put(x->w, 4, &x->other, TEXT, &created), UB_OK);
	assert_true(created);
	assert_int_equal(kit_blobs_count(&x->k), 2);
	close_room(x, &x->room, 1);
	assert_int_equal(md_blob_tidy(x->w->s, 100, &n), UB_OK);
	assert_int_equal(n, 1);
	assert_int_equal(kit_blob_get(x->w, 4, TEXT), UB_OK);
	assert_int_equal(kit_blob_get(x->w, 1, TEXT), UNIBUS_ERR_NOT_FOUND);
	scene_free(x);
}

static void one_larger_than_allowed_is_refused_before_it_comes(void **state)
{
	struct scene *x = scene_limited(PLAIN, (struct md_limits){.blob_max = 5});

	(void)state;
	assert_int_equal(put(x, 1, "123456"), UNIBUS_ERR_TOO_LARGE);
	assert_int_equal(put(x, 1, "12345"), UB_OK);
	scene_free(x);
}

/* ---- how much ---- */

static void a_user_has_a_share_over_all_rooms(void **state)
{
	struct scene *x = scene_limited(
		PLAIN, (struct md_limits){.blob_user_max = (uint64_t)2 * UB_BLOB_CHARGE_MIN});
	bool created;

	(void)state;
	assert_int_equal(kit_invite(x->w, &x->other, 4, 1, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(put(x, 1, "a"), UB_OK);
	assert_int_equal(kit_blob_put(x->w, 1, &x->other, "b", &created), UB_OK);
	assert_int_equal(put(x, 1, "c"), UNIBUS_ERR_LIMIT);
	assert_int_equal(put(x, 1, "a"), UB_OK); /* what is there costs nothing */
	assert_int_equal(put(x, 2, "c"), UB_OK);
	/* What a closed room had is free again. */
	close_room(x, &x->other, 4);
	assert_int_equal(charged(x, 1), UB_BLOB_CHARGE_MIN);
	assert_int_equal(put(x, 1, "d"), UB_OK);
	scene_free(x);
}

static void a_room_has_a_share_over_all_users(void **state)
{
	struct scene *x = scene_limited(
		PLAIN, (struct md_limits){.blob_room_max = (uint64_t)2 * UB_BLOB_CHARGE_MIN});
	bool created;

	(void)state;
	assert_int_equal(put(x, 1, "a"), UB_OK);
	assert_int_equal(put(x, 2, "b"), UB_OK);
	assert_int_equal(put(x, 1, "c"), UNIBUS_ERR_LIMIT);
	assert_int_equal(put(x, 2, "c"), UNIBUS_ERR_LIMIT);
	assert_int_equal(kit_blob_put(x->w, 4, &x->other, "c", &created), UB_OK);
	scene_free(x);
}

static void what_is_under_way_counts(void **state)
{
	struct scene *x = scene_limited(
		PLAIN, (struct md_limits){.blob_room_max = (uint64_t)2 * UB_BLOB_CHARGE_MIN});
	struct md_blob_upload *a, *b, *c;

	(void)state;
	assert_int_equal(kit_blob_begin(x->w, 1, &x->room, "a", &a), UB_OK);
	assert_int_equal(kit_blob_begin(x->w, 2, &x->room, "b", &b), UB_OK);
	assert_int_equal(kit_blob_begin(x->w, 2, &x->room, "c", &c), UNIBUS_ERR_LIMIT);
	md_blob_end(a);
	assert_int_equal(kit_blob_begin(x->w, 2, &x->room, "c", &c), UB_OK);
	md_blob_end(b);
	md_blob_end(c);
	assert_int_equal(kit_blobs_count(&x->k), 0);
	scene_free(x);
}

static void so_many_come_at_once_from_one_user(void **state)
{
	struct md_blob_upload *u[UB_BLOB_UPLOADS_USER_MAX], *more;
	struct scene *x = scene_new();
	char text[2] = "a";

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(u); i++, text[0]++)
		assert_int_equal(kit_blob_begin(x->w, 1, &x->room, text, &u[i]), UB_OK);
	assert_int_equal(kit_blob_begin(x->w, 1, &x->room, text, &more), UNIBUS_ERR_SLOW_DOWN);
	assert_int_equal(put(x, 2, text), UB_OK);
	md_blob_end(u[1]);
	assert_int_equal(kit_blob_begin(x->w, 1, &x->room, text, &u[1]), UB_OK);
	for (size_t i = 0; i < UB_ARRAY_LEN(u); i++)
		md_blob_end(u[i]);
	scene_free(x);
}

/* ---- meanwhile ---- */

static void who_loses_the_right_on_the_way_brings_nothing(void **state)
{
	struct scene *x = scene_new();
	struct md_blob_upload *a, *b;
	bool created;
	uint64_t rev;

	(void)state;
	assert_int_equal(kit_blob_begin(x->w, 2, &x->room, "a", &a), UB_OK);
	assert_int_equal(kit_blob_begin(x->w, 1, &x->room, "b", &b), UB_OK);
	assert_int_equal(md_blob_write(a, kit_bytes("a")), UB_OK);
	assert_int_equal(md_blob_write(b, kit_bytes("b")), UB_OK);
	assert_int_equal(kit_remove(x->w, &x->room, 1, 2), UB_OK);
	assert_int_equal(md_blob_finish(a, &created, &rev), UNIBUS_ERR_DENIED);
	close_room(x, &x->room, 1);
	assert_int_equal(md_blob_finish(b, &created, &rev), UNIBUS_ERR_ROOM_CLOSED);
	md_blob_end(a);
	md_blob_end(b);
	assert_int_equal(records(x), 0);
	assert_int_equal(kit_blobs_count(&x->k), 0);
	scene_free(x);
}

static void a_closed_room_has_none_and_tidying_removes_them(void **state)
{
	struct scene *x = scene_new();
	char text[3] = "aa";
	size_t n;

	(void)state;
	for (size_t i = 0; i < 20; i++, text[0]++)
		assert_int_equal(put(x, 1, text), UB_OK);
	assert_int_equal(md_blob_tidy(x->w->s, 100, &n), UB_OK);
	assert_int_equal(n, 0);
	close_room(x, &x->room, 1);
	assert_int_equal(kit_blob_get(x->w, 1, "aa"), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(put(x, 1, "aa"), UNIBUS_ERR_ROOM_CLOSED);
	assert_int_equal(charged(x, 1), 0);
	assert_int_equal(records(x), 20);
	assert_int_equal(md_blob_tidy(x->w->s, 18, &n), UB_OK);
	assert_int_equal(n, 18);
	assert_int_equal(records(x), 2);
	assert_int_equal(kit_blobs_count(&x->k), 2);
	assert_int_equal(md_blob_tidy(x->w->s, 100, &n), UB_OK);
	assert_int_equal(n, 2);
	assert_int_equal(kit_blobs_count(&x->k), 0);
	assert_int_equal(md_blob_tidy(x->w->s, 100, &n), UB_OK);
	assert_int_equal(n, 0);
	scene_free(x);
}

/* ---- over a restart ---- */

static void restart(struct scene *x)
{
	struct md_service_config c = kit_config(x->w);

	x->old[x->old[0] != NULL] = x->w->s;
	world_open(x->w, &c);
}

static void leave_garbage(struct scene *x)
{
	struct md_blob_name name = {{7}};
	struct md_blob_tmp *t;

	assert_int_equal(md_blob_tmp_new(x->k.dir, &t), UB_OK);
	assert_int_equal(md_blob_tmp_keep(t, &name), UB_OK);
	md_blob_tmp_free(t);
}

static void a_restart_keeps_what_is_recorded_and_removes_the_rest(void **state)
{
	struct scene *x = scene_new();
	size_t n;

	(void)state;
	assert_int_equal(put(x, 2, TEXT), UB_OK);
	assert_int_equal(kit_invite(x->w, &x->other, 4, 2, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(put(x, 1, "second"), UB_OK);
	leave_garbage(x);
	assert_int_equal(kit_blobs_count(&x->k), 3);
	restart(x);
	assert_int_equal(kit_blob_get(x->w, 1, TEXT), UNIBUS_ERR_NOT_AVAILABLE);
	assert_int_equal(put(x, 1, "third"), UNIBUS_ERR_NOT_AVAILABLE);
	assert_int_equal(md_blob_attach(x->w->s, x->k.dir), UB_OK);
	assert_int_equal(kit_blobs_count(&x->k), 2);
	assert_int_equal(kit_blob_get(x->w, 1, TEXT), UB_OK);
	assert_int_equal(charged(x, 2), UB_BLOB_CHARGE_MIN);
	close_room(x, &x->room, 1);
	restart(x);
	assert_int_equal(md_blob_attach(x->w->s, x->k.dir), UB_OK);
	assert_int_equal(charged(x, 2), 0);
	assert_int_equal(md_blob_tidy(x->w->s, 100, &n), UB_OK);
	assert_int_equal(n, 2);
	assert_int_equal(kit_blobs_count(&x->k), 0);
	scene_free(x);
}

static void another_store_s_folder_is_refused(void **state)
{
	struct scene *x = scene_new(), *y = scene_new();

	(void)state;
	x->w->random = 90;
	assert_int_equal(put(x, 1, TEXT), UB_OK);
	memcpy(y->w->s->store_id, "another", 8);
	assert_int_equal(md_blob_attach(y->w->s, x->k.dir), UNIBUS_ERR_BAD_FILE);
	assert_int_equal(kit_blob_get(x->w, 1, TEXT), UB_OK);
	scene_free(x);
	scene_free(y);
}

static void a_file_that_is_not_here_may_be_elsewhere(void **state)
{
	struct scene *x = scene_new();

	(void)state;
	assert_int_equal(put(x, 1, TEXT), UB_OK);
	assert_int_equal(kit_blobs_each(&x->k, kit_unlink), 1);
	assert_int_equal(kit_blob_get(x->w, 1, TEXT), UNIBUS_ERR_UNAVAILABLE);
	scene_free(x);
}

/* ---- a store that fails ---- */

struct race {
	struct world *w, hand;
	struct race_store *store;
	struct kit_blobs k;
	struct ub_room room;
};

static struct race race_new(void)
{
	struct race r;

	r.w = race_world(&r.store, &r.hand);
	kit_blobs_open(&r.k);
	assert_int_equal(md_blob_attach(r.w->s, r.k.dir), UB_OK);
	assert_int_equal(kit_create(r.w, 1, "room.one", PLAIN, &r.room), UB_OK);
	assert_int_equal(kit_invite(r.w, &r.room, 1, 2, UB_ROLE_MEMBER), UB_OK);
	return r;
}

static void race_end(struct race *r)
{
	ub_room_deinit(&r->room);
	race_free(r->w, &r->hand);
	kit_blobs_close(&r->k);
}

static void a_store_that_fails_leaves_no_file_and_one_that_may_not_have_does(void **state)
{
	struct race r = race_new();
	bool created;

	(void)state;
	r.store->fail = UNIBUS_ERR_IO;
	assert_int_equal(kit_blob_put(r.w, 1, &r.room, TEXT, &created), UNIBUS_ERR_IO);
	assert_int_equal(kit_blobs_count(&r.k), 0);
	assert_int_equal(kit_blob_get(r.w, 1, TEXT), UNIBUS_ERR_NOT_FOUND);
	r.store->unknown = true;
	assert_int_equal(kit_blob_put(r.w, 1, &r.room, TEXT, &created), UNIBUS_ERR_OUTCOME_UNKNOWN);
	assert_int_equal(kit_blobs_count(&r.k), 1);
	assert_int_equal(kit_blob_put(r.w, 1, &r.room, TEXT, &created), UB_OK);
	assert_int_equal(kit_blob_get(r.w, 2, TEXT), UB_OK);
	race_end(&r);
}

static void other_node_brings_it(void *arg)
{
	struct race *r = arg;
	bool created;

	assert_int_equal(kit_blob_put(&r->hand, 1, &r->room, TEXT, &created), UB_OK);
}

static void of_two_nodes_with_the_same_bytes_one_makes_it(void **state)
{
	struct race r = race_new();
	bool created;

	(void)state;
	/* A folder that both nodes reach. */
	assert_int_equal(md_blob_attach(r.hand.s, r.k.dir), UB_OK);
	r.store->before = other_node_brings_it;
	r.store->arg = &r;
	r.store->times = 1;
	assert_int_equal(kit_blob_put(r.w, 2, &r.room, TEXT, &created), UB_OK);
	assert_false(created);
	assert_int_equal(kit_blobs_count(&r.k), 1);
	assert_int_equal(kit_blob_get(r.w, 2, TEXT), UB_OK);
	race_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_writes_in_the_room_may_bring_one),
		cmocka_unit_test(who_is_in_the_room_may_read_it),
		cmocka_unit_test(who_was_removed_or_revoked_reads_nothing_more),
		cmocka_unit_test(who_came_later_sees_nothing_older_where_the_policy_says_so),
		cmocka_unit_test(only_the_announced_bytes_are_taken),
		cmocka_unit_test(the_same_again_is_there_already_and_costs_nobody),
		cmocka_unit_test(two_rooms_keep_their_own_copy),
		cmocka_unit_test(one_larger_than_allowed_is_refused_before_it_comes),
		cmocka_unit_test(a_user_has_a_share_over_all_rooms),
		cmocka_unit_test(a_room_has_a_share_over_all_users),
		cmocka_unit_test(what_is_under_way_counts),
		cmocka_unit_test(so_many_come_at_once_from_one_user),
		cmocka_unit_test(who_loses_the_right_on_the_way_brings_nothing),
		cmocka_unit_test(a_closed_room_has_none_and_tidying_removes_them),
		cmocka_unit_test(a_restart_keeps_what_is_recorded_and_removes_the_rest),
		cmocka_unit_test(another_store_s_folder_is_refused),
		cmocka_unit_test(a_file_that_is_not_here_may_be_elsewhere),
		cmocka_unit_test(a_store_that_fails_leaves_no_file_and_one_that_may_not_have_does),
		cmocka_unit_test(of_two_nodes_with_the_same_bytes_one_makes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
