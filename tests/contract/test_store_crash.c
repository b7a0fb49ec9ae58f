/* Processes that die amid commits: killed at random, or exactly before and after a call. */
#include "tests/harness/store_crash.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/harness/proc.h"
#include "tests/harness/store_fixture.h"

/* A commit of the writer: three puts of the same number with a body of its own length, and the
 * delete of an older record from the 8th on. */
#define KEEP 7
#define BODY_MAX ((size_t)60000)

struct fixture {
	char dir[PROC_PATH];
	char db[PROC_PATH + 16], log[PROC_PATH + 16];
	char self[PROC_PATH];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(proc_dir_make(f->dir), 0);
	(void)snprintf(f->db, sizeof(f->db), "%s/unibus.db", f->dir);
	(void)snprintf(f->log, sizeof(f->log), "%s/log", f->dir);
	ssize_t n = readlink("/proc/self/exe", f->self, sizeof(f->self) - 1);
	assert_true(n > 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	proc_dir_remove(f->dir);
	free(f);
	return 0;
}

static ub_err open_db(const char *path, struct md_store **ret)
{
	return md_store_sqlite_open(
		&(struct md_sqlite_options){.path = path, .create = true, .exclusive = true}, ret);
}

static size_t body_len(uint64_t i)
{
	return (size_t)(i * 7919 % BODY_MAX);
}

static ub_err rev_of(struct md_store *s, const char *key, uint64_t *rev, struct ub_buf *value)
{
	ub_err e = md_store_get(s, key, value, rev);

	if (e == UNIBUS_ERR_NOT_FOUND)
		*rev = 0;
	return e == UNIBUS_ERR_NOT_FOUND ? UB_OK : e;
}

/* Which commit was the last one? 0: none. */
static ub_err last_number(struct md_store *s, uint64_t *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(8);
	uint64_t rev = 0;
	ub_err e = rev_of(s, "d.a", &rev, &b);

	*ret = 0;
	for (size_t i = 0; !e && i < b.len; i++)
		*ret = *ret << 8 | b.p[i];
	return e;
}

static ub_err commit_number(struct md_store *s, uint64_t i, const uint8_t *body)
{
	static const char *const keys[] = {"d.a", "d.b"};
	struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	char fresh[32], old[32];
	struct md_op ops[4];
	uint8_t number[8];
	uint64_t rev;
	size_t n = 0;
	ub_err e = UB_OK;

	for (size_t k = 0; k < 8; k++)
		number[k] = (uint8_t)(i >> (56 - 8 * k));
	(void)snprintf(fresh, sizeof(fresh), "x.%llu", (unsigned long long)i);
	ops[n++] = (struct md_op){.kind = MD_PUT, .key = fresh, .value = {body, body_len(i)}};
	for (size_t k = 0; k < 2 && !e; k++) {
		ops[n] = (struct md_op){.kind = MD_PUT, .key = keys[k], .value = {number, 8}};
		e = rev_of(s, keys[k], &ops[n++].expect, &b);
	}
	if (i > KEEP && !e) {
		(void)snprintf(old, sizeof(old), "x.%llu", (unsigned long long)(i - KEEP));
		ops[n] = (struct md_op){.kind = MD_DELETE, .key = old};
		e = rev_of(s, old, &ops[n++].expect, &b);
	}
	ub_buf_deinit(&b);
	return e ? e : md_store_commit(s, ops, n, &rev);
}

/* The writer: commits for ever, and says each number once it is acknowledged. */
static int write_for_ever(const char *path)
{
	static uint8_t body[BODY_MAX];
	struct md_store *s = NULL;
	uint64_t i;

	if (open_db(path, &s) || last_number(s, &i))
		return 2;
	for (;;) {
		i++;
		memset(body, (int)(i & 0xff), sizeof(body));
		ub_err e = commit_number(s, i, body);
		if (e || write(PROC_READY_FD, &i, sizeof(i)) != (ssize_t)sizeof(i))
			return 3;
	}
}

/* Revisions of n commits: three each, four from the one after KEEP on. */
static uint64_t revision_after(uint64_t n)
{
	return 3 * n + (n > KEEP ? n - KEEP : 0);
}

struct count {
	uint64_t last;
	size_t bodies;
	bool right;
};

static ub_err check_body(void *arg, const struct md_record *r)
{
	struct count *c = arg;
	uint64_t i = c->last > KEEP ? c->last - KEEP + 1 : 1;
	char key[32];

	for (; i <= c->last; i++) {
		(void)snprintf(key, sizeof(key), "x.%llu", (unsigned long long)i);
		if (!strcmp(key, r->key))
			break;
	}
	c->right = c->right && i <= c->last && r->value.len == body_len(i);
	for (size_t k = 0; c->right && k < r->value.len; k++)
		c->right = r->value.p[k] == (uint8_t)i;
	c->bodies++;
	return UB_OK;
}

/* All of the last commit is there, nothing of a next one; the number of the last. */
static uint64_t check_whole(struct md_store *s)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf a = UB_BUF(8), b = UB_BUF(8);
	struct count c = {.right = true};
	uint64_t rev_a, rev_b;

	assert_int_equal(last_number(s, &c.last), UB_OK);
	assert_int_equal(md_store_revision(s), revision_after(c.last));
	assert_int_equal(md_store_each(s, "x.", check_body, &c), UB_OK);
	assert_int_equal(c.bodies, c.last < KEEP ? c.last : KEEP);
	assert_true(c.right);
	assert_int_equal(rev_of(s, "d.a", &rev_a, &a), UB_OK);
	assert_int_equal(rev_of(s, "d.b", &rev_b, &b), UB_OK);
	assert_int_equal(a.len, b.len);
	assert_true(a.len == 0 || !memcmp(a.p, b.p, a.len));
	assert_true(c.last == 0 || rev_a + 1 == rev_b);
	ub_buf_deinit(&b);
	return c.last;
}

/* Reads acknowledgements until there are `n` more or the writer is dead. */
static uint64_t read_acks(const struct proc *p, size_t n, uint64_t last)
{
	uint64_t got;

	for (; n > 0; n--) {
		ssize_t len = read(p->ready_fd, &got, sizeof(got));

		if (len == 0)
			break;
		assert_int_equal(len, sizeof(got));
		assert_int_equal(got, last + 1);
		last = got;
	}
	return last;
}

static void a_killed_writer_leaves_whole_commits_and_all_acknowledged(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = {f->self, "write", f->db, NULL};
	const struct proc_spec spec = {
		.name = "writer", .argv = argv, .log = f->log, .ready = true};
	uint64_t last = 0;

	for (int round = 0; round < 40; round++) {
		struct timespec more = {.tv_nsec = randombytes_uniform(3000000)};
		struct proc p = PROC_NONE;
		struct md_store *s = NULL;

		assert_int_equal(proc_start(&spec, &p), 0);
		uint64_t acked = read_acks(&p, randombytes_uniform(12), last);
		/* Anywhere in what it does next: no condition tells where. */
		(void)nanosleep(&more, NULL);
		assert_int_equal(proc_signal(&p, SIGKILL), 0);
		acked = read_acks(&p, SIZE_MAX, acked);
		int code = 0;
		assert_int_equal(proc_wait(&p, 10000, &code), 0);
		assert_int_equal(code, 128 + SIGKILL);
		proc_kill(&p);

		assert_int_equal(open_db(f->db, &s), UB_OK);
		last = check_whole(s);
		assert_true(last == acked || last == acked + 1);
		md_store_close(s);
	}
	assert_true(last > 100);
}

/* One commit over the store that crashes; 0 when it did not. */
static int commit_once(const char *path, const char *plan_text)
{
	static uint8_t body[BODY_MAX];
	struct store_crash_plan plan;
	struct md_store *inner = NULL, *s = NULL;
	uint64_t i = 0;

	if (store_crash_parse(ub_str(plan_text), &plan) || open_db(path, &inner))
		return 2;
	if (store_crash_open(inner, &plan, &s) || last_number(s, &i))
		return 3;
	memset(body, (int)((i + 1) & 0xff), sizeof(body));
	ub_err e = commit_number(s, i + 1, body);
	md_store_close(s);
	return e ? 4 : 0;
}

/* In a process of its own; its exit code. */
static int commit_in_child(const struct fixture *f, const char *plan)
{
	return proc_run((const char *[]){f->self, "once", f->db, plan, NULL}, NULL, NULL);
}

static uint64_t number_in(const struct fixture *f)
{
	struct md_store *s = NULL;

	assert_int_equal(open_db(f->db, &s), UB_OK);
	uint64_t n = check_whole(s);
	md_store_close(s);
	return n;
}

static void a_crash_is_before_or_after_the_call_it_names(void **state)
{
	static const struct {
		const char *plan;
		int code;
		uint64_t done;
	} cases[] = {
		{"never", 0, 1},
		{"before:commit:1", STORE_CRASH_STATUS, 0},
		{"after:commit:1", STORE_CRASH_STATUS, 1},
		{"before:commit:2", 0, 1},
		{"after:commit:2", 0, 1},
		{"before:get:1", STORE_CRASH_STATUS, 0},
		{"after:get:3", STORE_CRASH_STATUS, 0},
		{"after:get:4", 0, 1},
		{"after:3", STORE_CRASH_STATUS, 0},
		{"before:4", STORE_CRASH_STATUS, 0},
		{"after:4", STORE_CRASH_STATUS, 1},
		{"before:5", 0, 1},
	};
	struct fixture *f = *state;
	uint64_t n = 0;

	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		assert_int_equal(commit_in_child(f, cases[i].plan), cases[i].code);
		n += cases[i].done;
		assert_int_equal(number_in(f), n);
		if (n == KEEP) /* from here on a commit has one call more */
			break;
	}
}

static void repeating_after_any_crash_completes(void **state)
{
	struct fixture *f = *state;
	int code = STORE_CRASH_STATUS;

	for (unsigned k = 1; code != 0; k++) {
		char plan[32];
		uint64_t before = number_in(f);

		assert_true(k < 20);
		(void)snprintf(plan, sizeof(plan), "%s:%u", k % 2 ? "before" : "after", k);
		code = commit_in_child(f, plan);
		assert_true(code == 0 || code == STORE_CRASH_STATUS);
		uint64_t after = number_in(f);
		assert_true(after == before || after == before + 1);
		assert_true(code != 0 || after == before + 1);
		assert_int_equal(commit_in_child(f, "never"), 0);
		assert_int_equal(number_in(f), after + 1);
	}
}

static void calls_are_counted_and_passed_on(void **state)
{
	const struct store_crash_plan both = {.calls = STORE_CRASH_BOTH};
	const struct store_crash_plan commits = {.calls = STORE_CRASH_COMMITS};
	struct md_store *inner = NULL, *s = NULL;
	struct notes *t = notes_new();
	struct md_follower follower = notes_follower(t, "");

	(void)state;
	assert_int_equal(md_store_mem_open(&inner), UB_OK);
	assert_int_equal(store_crash_open(inner, &both, &s), UB_OK);
	assert_string_equal(md_store_name(s), "crash");
	uint64_t a = put(s, "d.a", "1", 0);
	assert_record(s, "d.a", "1", a);
	assert_int_equal(store_crash_count(s), 2);
	assert_int_equal(md_store_follow(s, &follower), UB_OK);
	store_crash_arm(s, &commits);
	a = put(s, "d.a", "2", a);
	assert_record(inner, "d.a", "2", a);
	assert_record(s, "d.a", "2", a);
	assert_int_equal(md_store_revision(s), a);
	assert_int_equal(store_crash_count(s), 1);
	assert_int_equal(t->n, 2);
	UB_CLEANUP(ub_freep) char *all = dump(s);
	assert_string_equal(all, "d.a=2@2\nrevision 2\n");
	md_store_close(s);
	notes_free(t);
}

static void plans_have_one_spelling(void **state)
{
	static const struct {
		const char *text;
		ub_err err;
		struct store_crash_plan plan;
	} cases[] = {
		{"never", UB_OK, {STORE_CRASH_NEVER, STORE_CRASH_BOTH, 0}},
		{"never:get", UB_OK, {STORE_CRASH_NEVER, STORE_CRASH_GETS, 0}},
		{"before:1", UB_OK, {STORE_CRASH_BEFORE, STORE_CRASH_BOTH, 1}},
		{"after:commit:20", UB_OK, {STORE_CRASH_AFTER, STORE_CRASH_COMMITS, 20}},
		{"", UNIBUS_ERR_INVALID, {0}},
		{"before", UNIBUS_ERR_INVALID, {0}},
		{"before:", UNIBUS_ERR_INVALID, {0}},
		{"before:0", UNIBUS_ERR_INVALID, {0}},
		{"before:x", UNIBUS_ERR_INVALID, {0}},
		{"before:commit", UNIBUS_ERR_INVALID, {0}},
		{"before:commit:", UNIBUS_ERR_INVALID, {0}},
		{"beforecommit:1", UNIBUS_ERR_INVALID, {0}},
		{"before:commits:1", UNIBUS_ERR_INVALID, {0}},
		{"never:1", UNIBUS_ERR_INVALID, {0}},
		{"never:", UNIBUS_ERR_INVALID, {0}},
		{"now:1", UNIBUS_ERR_INVALID, {0}},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct store_crash_plan plan = {0};

		assert_int_equal(store_crash_parse(ub_str(cases[i].text), &plan), cases[i].err);
		assert_int_equal(plan.when, cases[i].plan.when);
		assert_int_equal(plan.calls, cases[i].plan.calls);
		assert_int_equal(plan.k, cases[i].plan.k);
	}
}

int main(int argc, char **argv)
{
#define IN_FOLDER(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_killed_writer_leaves_whole_commits_and_all_acknowledged),
		IN_FOLDER(a_crash_is_before_or_after_the_call_it_names),
		IN_FOLDER(repeating_after_any_crash_completes),
		cmocka_unit_test(calls_are_counted_and_passed_on),
		cmocka_unit_test(plans_have_one_spelling),
	};

	if (argc == 3)
		return write_for_ever(argv[2]);
	if (argc == 4)
		return commit_once(argv[2], argv[3]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
