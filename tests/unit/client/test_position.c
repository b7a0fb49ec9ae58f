/* A durable position over restarts, torn writes, corruption and two at a time. */
#include "client/position.h"
#include "tests/unit/client/state_kit.h"

#define ROOM "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define RECORD 64

static struct ub_position open_position(struct ub_statedir *d)
{
	struct ub_position p = {.fd = -1};

	assert_int_equal(UB_OK, ub_position_open(d, ROOM, "name", &p));
	return p;
}

static void path_of(char to[256])
{
	(void)snprintf(to, 256, "%s/positions/" ROOM ".name", dir);
}

/* Turns one byte of a record. */
static void damage(off_t at)
{
	char path[256];
	uint8_t b;
	int fd;

	path_of(path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(1, pread(fd, &b, 1, at));
	b ^= 1;
	assert_int_equal(1, pwrite(fd, &b, 1, at));
	(void)close(fd);
}

static void names_are_plain(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} rows[] = {
		{"a", true},
		{"Worker_1-b", true},
		{"1234567890123456789012345678901234567890123456789012345678901234", true},
		{"12345678901234567890123456789012345678901234567890123456789012345", false},
		{"", false},
		{NULL, false},
		{".", false},
		{"a/b", false},
		{"a b", false},
		{"\xc3\xa4", false},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++)
		assert_int_equal(rows[i].ok, ub_position_name_ok(rows[i].name));
}

static void it_is_what_was_written_last(void **state)
{
	struct ub_statedir *d = open_dir();
	struct ub_position p = open_position(d), other = {.fd = -1};

	(void)state;
	assert_int_equal(0, p.had);
	assert_int_equal(UNIBUS_ERR_LOCKED, ub_position_open(d, ROOM, "name", &other));
	assert_int_equal(-1, other.fd);
	for (uint64_t at = 1; at <= 5; at++) {
		assert_int_equal(UB_OK, ub_position_write(&p, at - 1, at));
		assert_int_equal(UB_OK, ub_position_write(&p, at, 0));
	}
	assert_int_equal(UB_OK, ub_position_write(&p, 5, 6));
	ub_position_close(&p);
	p = open_position(d);
	assert_int_equal(5, p.had);
	assert_int_equal(6, p.delivering);
	ub_position_close(&p);
	ub_statedir_close(d);
}

static void a_torn_record_leaves_the_one_before(void **state)
{
	struct ub_statedir *d = open_dir();
	struct ub_position p = open_position(d), bad = {.fd = -1};

	(void)state;
	assert_int_equal(UB_OK, ub_position_write(&p, 7, 0)); /* the second place */
	assert_int_equal(UB_OK, ub_position_write(&p, 8, 0)); /* the first */
	ub_position_close(&p);
	damage(20);
	p = open_position(d);
	assert_int_equal(7, p.had);
	ub_position_close(&p);
	/* Nothing left that is true: an error, and the file stays as it is. */
	damage(RECORD + 20);
	assert_int_equal(UNIBUS_ERR_BAD_FILE, ub_position_open(d, ROOM, "name", &bad));
	assert_int_equal(UNIBUS_ERR_BAD_FILE, ub_position_open(d, ROOM, "name", &bad));
	damage(RECORD + 20);
	p = open_position(d);
	assert_int_equal(7, p.had);
	ub_position_close(&p);
	ub_statedir_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_are_plain),
		TEST(it_is_what_was_written_last),
		TEST(a_torn_record_leaves_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
