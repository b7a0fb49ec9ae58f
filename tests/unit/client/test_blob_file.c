/* The part of a download on disk: gone on from, locked, and never a way to another file. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/blob_file.h"
#include "core/key.h"

#define TEXT "sixteen bytes it"

struct fixture {
	char dir[64], target[96], part[128];
	struct ub_blob_ref ref;
};

static const struct ub_room_id room = {{1}};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char hex[17];

	assert_int_equal(ub_core_init(), UB_OK);
	snprintf(f->dir, sizeof(f->dir), "/tmp/unibus-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->ref.size = strlen(TEXT);
	ub_sha256(TEXT, strlen(TEXT), f->ref.sha256.b);
	for (size_t i = 0; i < 8; i++)
		snprintf(hex + 2 * i, 3, "%02x", f->ref.sha256.b[i]);
	snprintf(f->target, sizeof(f->target), "%s/file", f->dir);
	snprintf(f->part, sizeof(f->part), "%s.%s.part", f->target, hex);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	(void)unlink(f->target);
	(void)unlink(f->part);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static struct ub_bytes bytes(const char *z)
{
	return (struct ub_bytes){(const uint8_t *)z, strlen(z)};
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *path, const char *text)
{
	char got[64] = "";
	FILE *f = fopen(path, "r");

	if (!text) {
		assert_null(f);
		return;
	}
	assert_non_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(got, text);
}

static void it_goes_on_where_it_ended(void **state)
{
	struct fixture *f = *state;
	struct ub_part p;

	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UB_OK);
	assert_int_equal(p.have, 0);
	assert_int_equal(ub_part_add(&p, bytes("sixteen ")), UB_OK);
	assert_false(ub_part_whole(&p, &f->ref));
	ub_part_close(&p);
	assert_file(f->part, "sixteen ");
	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UB_OK);
	assert_int_equal(p.have, 8);
	assert_int_equal(ub_part_add(&p, bytes("bytes it")), UB_OK);
	assert_true(ub_part_whole(&p, &f->ref));
	assert_int_equal(ub_part_finish(&p, &f->ref, &room), UB_OK);
	ub_part_close(&p);
	assert_file(f->target, TEXT);
	assert_file(f->part, NULL);
}

static void more_than_there_can_be_is_refused_or_thrown_away(void **state)
{
	struct fixture *f = *state;
	struct ub_part p;

	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UB_OK);
	assert_int_equal(ub_part_add(&p, bytes(TEXT "!")), UNIBUS_ERR_CORRUPT);
	assert_int_equal(p.have, 0);
	assert_int_equal(ub_part_add(&p, bytes(TEXT)), UB_OK);
	assert_int_equal(ub_part_add(&p, bytes("!")), UNIBUS_ERR_CORRUPT);
	ub_part_close(&p);
	put_file(f->part, TEXT " and more");
	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UB_OK);
	assert_int_equal(p.have, 0);
	ub_part_close(&p);
	assert_file(f->part, "");
}

static void two_do_not_write_one_part(void **state)
{
	struct fixture *f = *state;
	struct ub_part p, q;

	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UB_OK);
	assert_int_equal(ub_part_open(f->target, &f->ref, &q), UNIBUS_ERR_LOCKED);
	ub_part_close(&p);
	assert_int_equal(ub_part_open(f->target, &f->ref, &q), UB_OK);
	ub_part_close(&q);
}

static void what_is_there_is_never_replaced(void **state)
{
	struct fixture *f = *state;
	struct ub_part p;

	put_file(f->target, "mine");
	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UNIBUS_ERR_EXISTS);
	assert_int_equal(unlink(f->target), 0);
	/* It appears while the part is filled. */
	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UB_OK);
	assert_int_equal(ub_part_add(&p, bytes(TEXT)), UB_OK);
	put_file(f->target, "mine");
	assert_int_equal(ub_part_finish(&p, &f->ref, &room), UNIBUS_ERR_EXISTS);
	ub_part_close(&p);
	assert_file(f->target, "mine");
	assert_file(f->part, TEXT); /* to go on from, under another name */
}

static void a_link_in_the_parts_place_leads_nowhere(void **state)
{
	struct fixture *f = *state;
	struct ub_part p;
	char victim[96];

	snprintf(victim, sizeof(victim), "%s/victim", f->dir);
	put_file(victim, "do not touch");
	assert_int_equal(symlink(victim, f->part), 0);
	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UNIBUS_ERR_BAD_FILE);
	assert_int_equal(unlink(f->part), 0);
	assert_int_equal(mkfifo(f->part, 0600), 0);
	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UNIBUS_ERR_BAD_FILE);
	assert_file(victim, "do not touch");
	assert_int_equal(unlink(victim), 0);
}

static void a_full_disk_is_an_error_and_what_came_stays(void **state)
{
	struct fixture *f = *state;
	struct rlimit was, tight = {.rlim_cur = 8};
	struct ub_part p;
	ub_err err;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	tight.rlim_max = was.rlim_max;
	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UB_OK);
	assert_int_equal(ub_part_add(&p, bytes("sixteen ")), UB_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	err = ub_part_add(&p, bytes("bytes it"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(err, UNIBUS_ERR_IO);
	ub_part_close(&p);
	assert_int_equal(ub_part_open(f->target, &f->ref, &p), UB_OK);
	assert_int_equal(p.have, 8);
	ub_part_close(&p);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct ub_part p;
	char path[128];

	snprintf(path, sizeof(path), "%s/nowhere/file", f->dir);
	assert_int_equal(ub_part_open(path, &f->ref, &p), UNIBUS_ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
		T(it_goes_on_where_it_ended),
		T(more_than_there_can_be_is_refused_or_thrown_away),
		T(two_do_not_write_one_part),
		T(what_is_there_is_never_replaced),
		T(a_link_in_the_parts_place_leads_nowhere),
		T(a_full_disk_is_an_error_and_what_came_stays),
		T(a_folder_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
