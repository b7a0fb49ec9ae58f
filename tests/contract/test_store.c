/* The promises of store.h about records and commits, over every engine. Followers and threads:
 * test_store_follow.c. */
#include "membershipd/store/store.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/harness/store_engines.h"
#include "tests/harness/store_fixture.h"

static void expect_unchanged(struct md_store *s, const char *before)
{
	UB_CLEANUP(ub_freep) char *after = dump(s);

	assert_string_equal(after, before);
}

static void a_new_store_is_empty(void **state)
{
	struct store_fixture *f = *state;
	UB_CLEANUP(ub_freep) char *all = dump(f->s);

	assert_string_equal(md_store_name(f->s), f->engine->name);
	assert_string_equal(all, "revision 0\n");
	assert_absent(f->s, "d.a");
	md_store_close(NULL);
}

static void a_put_is_read_back_with_its_revision(void **state)
{
	struct store_fixture *f = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(100);
	uint64_t a = put(f->s, "d.a", "one", 0), rev = 0;

	assert_record(f->s, "d.a", "one", a);
	assert_int_equal(md_store_revision(f->s), a);
	uint64_t a2 = put(f->s, "d.a", "two", a);
	assert_int_equal(a2, a + 1);
	assert_record(f->s, "d.a", "two", a2);

	ub_buf_z(&b, "before ");
	assert_int_equal(md_store_get(f->s, "d.a", &b, &rev), UB_OK);
	assert_string_equal(ub_buf_cstr(&b), "before two");
}

static void a_value_that_the_buffer_cannot_take_is_too_large(void **state)
{
	struct store_fixture *f = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf small = UB_BUF(2), enough = UB_BUF(3);
	uint64_t a = put(f->s, "d.a", "one", 0), rev = 77;

	assert_int_equal(md_store_get(f->s, "d.a", &small, &rev), UNIBUS_ERR_TOO_LARGE);
	assert_int_equal(rev, 77);
	assert_int_equal(md_store_get(f->s, "d.a", &enough, &rev), UB_OK);
	assert_int_equal(rev, a);
}

static void values_are_any_bytes_of_any_allowed_length(void **state)
{
	static const size_t lens[] = {0, 1, 2, 255, 4096, 65537, MD_VALUE_MAX};
	struct store_fixture *f = *state;
	UB_CLEANUP(ub_freep) void *bytes = malloc(MD_VALUE_MAX + 1);
	uint8_t *p = bytes;
	uint64_t rev = 0;

	assert_non_null(p);
	for (size_t i = 0; i <= MD_VALUE_MAX; i++)
		p[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t i = 0; i < UB_ARRAY_LEN(lens); i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
		struct md_op op = {
			.kind = MD_PUT, .key = "x.v", .value = {p, lens[i]}, .expect = rev};
		uint64_t got = 0;

		assert_int_equal(md_store_commit(f->s, &op, 1, &rev), UB_OK);
		assert_int_equal(md_store_get(f->s, "x.v", &b, &got), UB_OK);
		assert_int_equal(b.len, lens[i]);
		assert_true(lens[i] == 0 || !memcmp(b.p, p, lens[i]));
		assert_int_equal(got, rev);
	}
	struct md_op big = {
		.kind = MD_PUT, .key = "x.v", .value = {p, MD_VALUE_MAX + 1}, .expect = rev};
	uint64_t none = 77;
	assert_int_equal(md_store_commit(f->s, &big, 1, &none), UNIBUS_ERR_INVALID);
	assert_int_equal(none, 77);
	assert_int_equal(md_store_revision(f->s), rev);
}

static void every_op_of_a_commit_takes_one_revision(void **state)
{
	static const size_t sizes[] = {1, 2, 7, MD_COMMIT_OPS_MAX};
	static const char keys[MD_COMMIT_OPS_MAX][4] = {"k00", "k01", "k02", "k03", "k04", "k05",
		"k06", "k07", "k08", "k09", "k10", "k11", "k12", "k13", "k14", "k15"};
	struct store_fixture *f = *state;
	uint64_t at[MD_COMMIT_OPS_MAX] = {0};

	for (size_t i = 0; i < UB_ARRAY_LEN(sizes); i++) {
		struct md_op ops[MD_COMMIT_OPS_MAX];
		uint64_t before = md_store_revision(f->s), rev = 0;
		size_t n = sizes[i];

		for (size_t k = 0; k < n; k++)
			ops[k] = put_op(keys[k], keys[i], at[k]);
		assert_int_equal(md_store_commit(f->s, ops, n, &rev), UB_OK);
		assert_int_equal(rev, before + n);
		assert_int_equal(md_store_revision(f->s), rev);
		for (size_t k = 0; k < n; k++) {
			at[k] = rev - n + 1 + k;
			assert_record(f->s, keys[k], keys[i], at[k]);
		}
	}
}

static void a_deleted_key_is_absent_and_its_revision_is_spent(void **state)
{
	struct store_fixture *f = *state;
	uint64_t a = put(f->s, "d.a", "one", 0), b = put(f->s, "d.b", "b", 0);
	uint64_t gone = del(f->s, "d.a", a);
	UB_CLEANUP(ub_freep) char *all = dump(f->s);
	char want[80];

	assert_int_equal(gone, b + 1);
	assert_absent(f->s, "d.a");
	(void)snprintf(want, sizeof(want), "d.b=b@%llu\nrevision %llu\n", (unsigned long long)b,
		(unsigned long long)gone);
	assert_string_equal(all, want);
	uint64_t again = put(f->s, "d.a", "two", 0);
	assert_int_equal(again, gone + 1);
	assert_record(f->s, "d.a", "two", again);
}

static void an_expectation_that_does_not_hold_changes_nothing(void **state)
{
	struct store_fixture *f = *state;
	uint64_t old = put(f->s, "d.a", "1", 0), a = put(f->s, "d.a", "2", old);
	uint64_t x = put(f->s, "d.gone", "1", 0), gone = del(f->s, "d.gone", x);
	const struct {
		struct md_op wrong, right;
	} cases[] = {
		{put_op("d.a", "3", 0), put_op("d.a", "3", a)},
		{put_op("d.a", "4", old), put_op("d.a", "4", gone + 1)},
		{put_op("d.a", "5", UINT64_MAX), put_op("d.a", "5", gone + 2)},
		{delete_op("d.a", a), delete_op("d.a", gone + 3)},
		{delete_op("d.a", gone + 3), put_op("d.a", "6", 0)},
		{put_op("d.gone", "2", x), put_op("d.gone", "2", 0)},
		{put_op("d.new", "1", gone), put_op("d.new", "1", 0)},
		{delete_op("d.none", 1), put_op("d.none", "1", 0)},
	};

	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		UB_CLEANUP(ub_freep) char *before = dump(f->s);
		uint64_t rev = 77;

		assert_int_equal(
			md_store_commit(f->s, &cases[i].wrong, 1, &rev), UNIBUS_ERR_CONFLICT);
		assert_int_equal(rev, 77);
		expect_unchanged(f->s, before);
		assert_int_equal(md_store_commit(f->s, &cases[i].right, 1, &rev), UB_OK);
		assert_int_equal(rev, gone + 1 + i);
	}
}

static void one_conflict_among_many_ops_stops_all(void **state)
{
	struct store_fixture *f = *state;
	char keys[MD_COMMIT_OPS_MAX][8];
	struct md_op ops[MD_COMMIT_OPS_MAX];
	uint64_t taken = put(f->s, "taken", "t", 0), rev = 77;
	UB_CLEANUP(ub_freep) char *before = dump(f->s);

	for (size_t i = 0; i < MD_COMMIT_OPS_MAX; i++)
		(void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
	for (size_t wrong = 0; wrong <= MD_COMMIT_OPS_MAX; wrong++) {
		ub_err want = wrong < MD_COMMIT_OPS_MAX ? UNIBUS_ERR_CONFLICT : UB_OK;

		for (size_t i = 0; i < MD_COMMIT_OPS_MAX; i++)
			ops[i] = put_op(keys[i], "v", 0);
		if (wrong < MD_COMMIT_OPS_MAX)
			ops[wrong] =
				wrong % 2 ? put_op("taken", "v", 0) : delete_op("taken", taken + 1);
		assert_int_equal(md_store_commit(f->s, ops, MD_COMMIT_OPS_MAX, &rev), want);
		if (want)
			expect_unchanged(f->s, before);
	}
	assert_int_equal(rev, taken + MD_COMMIT_OPS_MAX);
}

static void keys_have_a_grammar_and_a_length(void **state)
{
	struct store_fixture *f = *state;
	char longest[MD_KEY_MAX + 1], longer[MD_KEY_MAX + 2];
	static const char *const bad[] = {"", " ", "a b", "a/b", "a*", "a>", "a\n", "a=b",
		"\xc3\xa4", "a:b", "a%b", "d.user.\x7f"};
	static const char *const good[] = {"a", "Z", "0", ".", "_", "-", "..", "d.user.Ab-_9"};
	UB_CLEANUP(ub_freep) char *before = dump(f->s);

	memset(longest, 'k', MD_KEY_MAX);
	longest[MD_KEY_MAX] = '\0';
	memset(longer, 'k', MD_KEY_MAX + 1);
	longer[MD_KEY_MAX + 1] = '\0';
	assert_false(md_key_ok(NULL));
	for (size_t i = 0; i <= UB_ARRAY_LEN(bad); i++) {
		const char *key = i < UB_ARRAY_LEN(bad) ? bad[i] : longer;
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(10);
		struct md_op p = put_op(key, "v", 0), d = delete_op(key, 1);
		uint64_t rev = 77;

		assert_false(md_key_ok(key));
		assert_int_equal(md_store_get(f->s, key, &b, &rev), UNIBUS_ERR_INVALID);
		assert_int_equal(md_store_commit(f->s, &p, 1, &rev), UNIBUS_ERR_INVALID);
		assert_int_equal(md_store_commit(f->s, &d, 1, &rev), UNIBUS_ERR_INVALID);
		assert_int_equal(rev, 77);
		expect_unchanged(f->s, before);
	}
	for (size_t i = 0; i <= UB_ARRAY_LEN(good); i++) {
		const char *key = i < UB_ARRAY_LEN(good) ? good[i] : longest;

		assert_true(md_key_ok(key));
		assert_record(f->s, key, "v", put(f->s, key, "v", 0));
	}
}

static void a_malformed_commit_is_refused(void **state)
{
	struct store_fixture *f = *state;
	char keys[MD_COMMIT_OPS_MAX + 1][8];
	struct md_op many[MD_COMMIT_OPS_MAX + 1];
	uint64_t a = put(f->s, "a", "1", 0), rev = 77;
	struct md_op no_kind = put_op("b", "1", 0), no_bytes = put_op("b", "1", 0);
	struct md_op valued_delete = put_op("a", "1", a);
	UB_CLEANUP(ub_freep) char *before = dump(f->s);

	no_kind.kind = 0;
	no_bytes.value.p = NULL;
	valued_delete.kind = MD_DELETE;
	for (size_t i = 0; i <= MD_COMMIT_OPS_MAX; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
		many[i] = put_op(keys[i], "v", 0);
	}
	const struct {
		struct md_op ops[2];
		size_t n;
	} cases[] = {
		{{no_kind}, 1},
		{{no_bytes}, 1},
		{{valued_delete}, 1},
		{{delete_op("a", 0)}, 1},
		{{put_op("b", "1", 0), put_op("b", "2", 0)}, 2},
		{{put_op("a", "1", a), delete_op("a", a)}, 2},
		{{put_op("b", "1", 0), put_op("", "2", 0)}, 2},
		{{put_op("b", "1", 0)}, 0},
	};
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		assert_int_equal(md_ops_check(cases[i].ops, cases[i].n), UNIBUS_ERR_INVALID);
		assert_int_equal(
			md_store_commit(f->s, cases[i].ops, cases[i].n, &rev), UNIBUS_ERR_INVALID);
	}
	assert_int_equal(
		md_store_commit(f->s, many, MD_COMMIT_OPS_MAX + 1, &rev), UNIBUS_ERR_INVALID);
	assert_int_equal(rev, 77);
	expect_unchanged(f->s, before);

	const struct md_op right[] = {put_op("b", "1", 0), put_op("c", "2", 0), delete_op("a", a)};
	assert_int_equal(md_store_commit(f->s, right, 3, &rev), UB_OK);
	assert_int_equal(md_store_commit(f->s, many, MD_COMMIT_OPS_MAX, &rev), UB_OK);
}

struct walk {
	char text[256];
	size_t stop_after;
	ub_err stop_with;
};

static ub_err walk_one(void *arg, const struct md_record *r)
{
	struct walk *w = arg;
	size_t n = strlen(w->text);

	(void)snprintf(w->text + n, sizeof(w->text) - n, "%s ", r->key);
	if (w->stop_after > 0 && --w->stop_after == 0)
		return w->stop_with;
	return UB_OK;
}

static void each_goes_through_a_prefix_in_key_order(void **state)
{
	static const char *const keys[] = {
		"d.b", "d.a", "d", "d.", "e", "d.B", "d.a.x", "d.a-", "d.0", "D.a", "d._", "c.z"};
	static const struct {
		const char *prefix, *want;
	} cases[] = {
		{"", "D.a c.z d d. d.0 d.B d._ d.a d.a- d.a.x d.b e "},
		{"d", "d d. d.0 d.B d._ d.a d.a- d.a.x d.b "},
		{"d.", "d. d.0 d.B d._ d.a d.a- d.a.x d.b "},
		{"d.a", "d.a d.a- d.a.x "},
		{"d.a.x", "d.a.x "},
		{"d.a.x.", ""},
		{"e", "e "},
		{"f", ""},
	};
	struct store_fixture *f = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(keys); i++)
		(void)put(f->s, keys[i], "v", 0);
	(void)del(f->s, "d.gone", put(f->s, "d.gone", "v", 0));
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct walk w = {.stop_after = 0};

		assert_int_equal(md_store_each(f->s, cases[i].prefix, walk_one, &w), UB_OK);
		assert_string_equal(w.text, cases[i].want);
	}
	struct walk w = {.stop_after = 2, .stop_with = UNIBUS_ERR_LIMIT};
	assert_int_equal(md_store_each(f->s, "d.", walk_one, &w), UNIBUS_ERR_LIMIT);
	assert_string_equal(w.text, "d. d.0 ");
	assert_int_equal(md_store_each(f->s, "a b", walk_one, &w), UNIBUS_ERR_INVALID);
	assert_int_equal(md_store_each(f->s, NULL, walk_one, &w), UNIBUS_ERR_INVALID);
}

static void what_was_acknowledged_is_there_after_reopening(void **state)
{
	struct store_fixture *f = *state;

	uint64_t a = put(f->s, "d.a", "one", 0), b = put(f->s, "d.b", "two", 0);
	uint64_t a2 = put(f->s, "d.a", "three", a), gone = del(f->s, "d.b", b);
	UB_CLEANUP(ub_freep) char *before = dump(f->s);

	for (int i = 0; i < 3; i++) {
		store_reopen(f);
		expect_unchanged(f->s, before);
	}
	assert_record(f->s, "d.a", "three", a2);
	/* The last revision belonged to a delete: no record remembers it. */
	assert_int_equal(put(f->s, "d.b", "four", 0), gone + 1);
	uint64_t last = del(f->s, "d.b", gone + 1);
	(void)del(f->s, "d.a", a2);
	store_reopen(f);
	assert_int_equal(md_store_revision(f->s), last + 1);
	assert_int_equal(put(f->s, "d.c", "five", 0), last + 2);
}

int main(void)
{
	const struct store_case cases[] = {
		STORE_CASE(a_new_store_is_empty),
		STORE_CASE(a_put_is_read_back_with_its_revision),
		STORE_CASE(a_value_that_the_buffer_cannot_take_is_too_large),
		STORE_CASE(values_are_any_bytes_of_any_allowed_length),
		STORE_CASE(every_op_of_a_commit_takes_one_revision),
		STORE_CASE(a_deleted_key_is_absent_and_its_revision_is_spent),
		STORE_CASE(an_expectation_that_does_not_hold_changes_nothing),
		STORE_CASE(one_conflict_among_many_ops_stops_all),
		STORE_CASE(keys_have_a_grammar_and_a_length),
		STORE_CASE(a_malformed_commit_is_refused),
		STORE_CASE(each_goes_through_a_prefix_in_key_order),
		STORE_CASE_PERSISTENT(what_was_acknowledged_is_there_after_reopening),
	};

	return store_run(cases, UB_ARRAY_LEN(cases));
}
