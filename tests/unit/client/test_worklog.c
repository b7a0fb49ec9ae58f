/* What a worker has executed, over restarts, crashes and years. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/file.h"
#include "client/worklog.h"

#define KEPT 8
#define HEAD 32
#define RECORD 40

static char dir[] = "/tmp/unibus-worklog-XXXXXX";
static char path[64], lock[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/unibus-worklog-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	(void)snprintf(lock, sizeof(lock), "%s/log.lock", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)unlink(lock);
	return rmdir(dir);
}

/* The request that came n-th. */
static struct ub_workitem item(uint32_t n)
{
	struct ub_workitem i = {.ts_ms = 1000 + n, .position = 10 * (uint64_t)n};

	memcpy(i.ref.b, &n, sizeof(n));
	return i;
}

static struct ub_worklog *open_it(void)
{
	struct ub_worklog *l = NULL;

	assert_int_equal(UB_OK, ub_worklog_open(path, KEPT, &l));
	return l;
}

static void add(struct ub_worklog *l, uint32_t n)
{
	struct ub_workitem i = item(n);

	assert_false(ub_worklog_has(l, &i));
	assert_int_equal(UB_OK, ub_worklog_add(l, &i));
	assert_true(ub_worklog_has(l, &i));
}

static bool has(const struct ub_worklog *l, uint32_t n)
{
	struct ub_workitem i = item(n);

	return ub_worklog_has(l, &i);
}

static size_t size(void)
{
	struct stat st;

	assert_int_equal(0, stat(path, &st));
	return (size_t)st.st_size;
}

static void what_was_added_is_there_after_a_restart(void **state)
{
	struct ub_worklog *l = open_it();

	(void)state;
	assert_int_equal(0, ub_worklog_position(l));
	add(l, 1);
	add(l, 2);
	/* It is on disk already. */
	assert_int_equal(HEAD + 2 * RECORD, size());
	ub_worklog_close(l);
	l = open_it();
	assert_true(has(l, 1));
	assert_true(has(l, 2));
	assert_false(has(l, 3));
	assert_int_equal(20, ub_worklog_position(l));
	add(l, 3);
	ub_worklog_close(l);
}

static void two_workers_do_not_share_a_name(void **state)
{
	struct ub_worklog *l = open_it(), *other = NULL;

	(void)state;
	assert_int_equal(UNIBUS_ERR_LOCKED, ub_worklog_open(path, KEPT, &other));
	assert_null(other);
	ub_worklog_close(l);
	other = open_it();
	ub_worklog_close(other);
}

static void the_file_is_bounded_and_what_was_left_out_stays_executed(void **state)
{
	struct ub_worklog *l = open_it();

	(void)state;
	for (uint32_t n = 1; n <= 100; n++) {
		add(l, n);
		assert_true(size() <= HEAD + 2 * KEPT * RECORD);
	}
	for (int round = 0; round < 2; round++) {
		for (uint32_t n = 1; n <= 100; n++)
			assert_true(has(l, n));
		assert_false(has(l, 101));
		assert_int_equal(1000, ub_worklog_position(l));
		ub_worklog_close(l);
		l = open_it();
	}
	ub_worklog_close(l);
}

static void the_newest_are_kept_in_whatever_order_they_came(void **state)
{
	struct ub_worklog *l = open_it();

	(void)state;
	for (uint32_t n = 2 * KEPT; n >= 1; n--)
		add(l, 2 * n);
	/* Left out are the eight oldest: up to 16. */
	add(l, 100);
	assert_true(has(l, 15));
	assert_true(has(l, 3));
	assert_false(has(l, 17));
	assert_true(has(l, 18));
	ub_worklog_close(l);
}

static void put(const struct ub_buf *b, size_t len)
{
	assert_int_equal(UB_OK, ub_file_replace(path, b->p, len));
}

static void half_a_record_at_the_end_was_never_begun(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(4096);
	struct ub_worklog *l = open_it();

	(void)state;
	add(l, 1);
	add(l, 2);
	ub_worklog_close(l);
	assert_int_equal(UB_OK, ub_file_read(path, false, &b));
	for (size_t cut = 1; cut < RECORD; cut++) {
		put(&b, b.len - cut);
		l = open_it();
		assert_true(has(l, 1));
		assert_false(has(l, 2));
		assert_int_equal(10, ub_worklog_position(l));
		/* And the next one is whole. */
		add(l, 3);
		ub_worklog_close(l);
		l = open_it();
		assert_true(has(l, 3));
		ub_worklog_close(l);
	}
	/* All of its place, none of its bytes. */
	memset(b.p + b.len - RECORD, 0, RECORD);
	put(&b, b.len);
	l = open_it();
	assert_true(has(l, 1));
	assert_false(has(l, 2));
	ub_worklog_close(l);
}

static void any_other_damage_is_an_error_and_left_as_it_is(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(4096);
	struct ub_worklog *l = open_it();
	size_t len;

	(void)state;
	add(l, 1);
	add(l, 2);
	ub_worklog_close(l);
	assert_int_equal(UB_OK, ub_file_read(path, false, &b));
	len = b.len;
	l = NULL;
	for (size_t at = 0; at < len - RECORD; at++) {
		b.p[at] ^= 1;
		put(&b, len);
		assert_int_equal(UNIBUS_ERR_BAD_FILE, ub_worklog_open(path, KEPT, &l));
		assert_null(l);
		assert_int_equal(len, size());
		b.p[at] ^= 1;
	}
	for (size_t n = 0; n < HEAD; n++) {
		put(&b, n);
		assert_int_equal(UNIBUS_ERR_BAD_FILE, ub_worklog_open(path, KEPT, &l));
	}
	put(&b, len);
	l = open_it();
	assert_true(has(l, 2));
	ub_worklog_close(l);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_was_added_is_there_after_a_restart),
		TEST(two_workers_do_not_share_a_name),
		TEST(the_file_is_bounded_and_what_was_left_out_stays_executed),
		TEST(the_newest_are_kept_in_whatever_order_they_came),
		TEST(half_a_record_at_the_end_was_never_begun),
		TEST(any_other_damage_is_an_error_and_left_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
