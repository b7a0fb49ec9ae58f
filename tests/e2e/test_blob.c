/* Files in rooms: what is put is got, whole, whatever happens on the way. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "core/key.h"
#include "tests/harness/blob_pair.h"

static void a_file_in_an_encrypted_room_is_read_by_its_members_only(void **state)
{
	struct pair *p = pair_new("sealed", &blob_sealed);
	struct meter up = {0}, down = {0};
	struct unibus_blob_info info;
	struct stat st;

	(void)state;
	pair_fill(pair_path(p, MARK_NAME), 3 * MIB + 17);
	assert_int_equal(UNIBUS_OK, pair_put(p->a, pair_path(p, MARK_NAME), &up));
	pair_wait(p, 1);
	assert_string_equal(UNIBUS_BLOB_TYPE, p->media_type);
	assert_int_equal(UNIBUS_OK, unibus_blob_parse(p->payload, p->len, &info));
	assert_string_equal(MARK_NAME, info.name);
	assert_string_equal("text/plain", info.media_type);
	assert_int_equal(3 * MIB + 17, info.size);
	assert_int_equal(ub_blob_stored_len(info.size), info.stored);
	assert_true(info.encrypted);
	assert_int_equal(UNIBUS_OK, pair_get(p, pair_path(p, "got"), &down));
	pair_same(pair_path(p, MARK_NAME), pair_path(p, "got"));
	assert_int_equal(0, stat(pair_path(p, "got"), &st));
	assert_int_equal(0600, st.st_mode & 0777);
	assert_int_equal(2, pair_count(p->dir, "*"));
	assert_false(pair_on_server(MARK));
	assert_false(pair_on_server(MARK_NAME));
	assert_true(up.calls > 1 && !up.fell && up.last == info.stored && up.total == info.stored);
	assert_true(down.calls > 1 && !down.fell && down.last == info.stored);
	pair_free(p);
}

static void the_same_file_twice_shares_nothing(void **state)
{
	struct pair *p = pair_new("twice", &blob_sealed);
	struct unibus_blob_info one, two;

	(void)state;
	pair_share(p, "f", 1000);
	assert_int_equal(UNIBUS_OK, unibus_blob_parse(p->payload, p->len, &one));
	assert_int_equal(UNIBUS_OK, pair_put(p->a, pair_path(p, "f"), NULL));
	pair_wait(p, 2);
	assert_int_equal(UNIBUS_OK, unibus_blob_parse(p->payload, p->len, &two));
	assert_string_not_equal(one.hash, two.hash);
	pair_free(p);
}

static void in_rooms_without_encryption_it_is_stored_as_it_is(void **state)
{
	static const struct {
		const char *name;
		const struct unibus_policy *policy;
		const char *type;
	} cases[] = {{"plain", &blob_plain, ""}, {"signing", &blob_signing, UNIBUS_BLOB_TYPE}};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct pair *p = pair_new(cases[i].name, cases[i].policy);
		struct unibus_blob_info info;

		pair_share(p, "f", 100000);
		assert_string_equal(cases[i].type, p->media_type);
		assert_null(strstr(p->payload, "\"key\""));
		assert_int_equal(UNIBUS_OK, unibus_blob_parse(p->payload, p->len, &info));
		assert_false(info.encrypted);
		assert_int_equal(100000, info.stored);
		assert_int_equal(UNIBUS_OK, pair_get(p, pair_path(p, "got"), NULL));
		pair_same(pair_path(p, "f"), pair_path(p, "got"));
		assert_true(pair_on_server(MARK));
		pair_free(p);
	}
}

/* The largest content whose sealed form is no more than 16 MiB. */
#define LARGEST (UB_BLOB_MAX - UB_BLOB_HEADER - 256 * UB_BLOB_OVER)

static void every_length_comes_through_up_to_the_limit(void **state)
{
	static const size_t lens[] = {0, 1, UB_BLOB_CHUNK - 1, UB_BLOB_CHUNK, UB_BLOB_CHUNK + 1,
		2 * UB_BLOB_CHUNK, LARGEST};
	struct pair *p = pair_new("lengths", &blob_sealed);

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(lens); i++) {
		pair_share(p, "f", lens[i]);
		assert_int_equal(UNIBUS_OK, pair_get(p, pair_path(p, "got"), NULL));
		pair_same(pair_path(p, "f"), pair_path(p, "got"));
		assert_int_equal(0, unlink(pair_path(p, "got")));
	}
	pair_fill(pair_path(p, "f"), LARGEST + 1);
	assert_int_equal(UNIBUS_ERR_TOO_LARGE, pair_put(p->a, pair_path(p, "f"), NULL));
	pair_free(p);
}

/* ---- sources ---- */

struct reader {
	size_t at, len, step;
	enum unibus_err fail;
};

static enum unibus_err on_read(void *arg, void *to, size_t len, size_t *ret_len)
{
	struct reader *r = arg;
	size_t n = r->len - r->at;
	uint8_t *p = to;

	if (r->fail && r->at > 0)
		return r->fail;
	n = n < r->step ? n : r->step;
	n = n < len ? n : len;
	for (size_t i = 0; i < n; i++)
		p[i] = kit_content(r->at + i);
	r->at += n;
	*ret_len = n;
	return UNIBUS_OK;
}

static void it_may_come_from_anywhere(void **state)
{
	struct pair *p = pair_new("reader", &blob_sealed);
	struct reader r = {.len = 200000, .step = 777};
	struct unibus_blob_source src = {.read = on_read, .read_arg = &r, .name = "stream"};
	FILE *f;

	(void)state;
	assert_int_equal(UNIBUS_OK, unibus_blob_put(p->a, &src, NULL));
	pair_wait(p, 1);
	assert_int_equal(UNIBUS_OK, pair_get(p, pair_path(p, "got"), NULL));
	f = fopen(pair_path(p, "got"), "r");
	assert_non_null(f);
	for (size_t k = 0; k < r.len; k++)
		assert_int_equal(kit_content(k), getc(f));
	assert_int_equal(EOF, getc(f));
	fclose(f);
	r = (struct reader){.len = 200000, .step = 777, .fail = UNIBUS_ERR_IO};
	assert_int_equal(UNIBUS_ERR_IO, unibus_blob_put(p->a, &src, NULL));
	pair_free(p);
}

static void what_cannot_be_sent_is_refused_before_anything_is(void **state)
{
	struct pair *p = pair_new("refused", &blob_sealed), *q = pair_new("refplain", &blob_plain);
	const char *file = pair_path(p, "f");
	const struct {
		struct unibus_blob_source src;
		bool plain;
		enum unibus_err want;
	} cases[] = {
		{{.file = NULL}, false, UNIBUS_ERR_INVALID},
		{{.file = "/nowhere/at/all"}, false, UNIBUS_ERR_NOT_FOUND},
		{{.file = p->dir}, false, UNIBUS_ERR_IO},
		{{.file = file, .name = "a/b"}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .name = ""}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .name = ".."}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .media_type = ""}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .media_type = "a\nb"}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .reply = "nonsense"}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .reply = "AAAAAAAAAAAAAAAAAAAAAA"}, true, UNIBUS_ERR_INVALID},
		{{.file = file, .reply = "AAAAAAAAAAAAAAAAAAAAAA"}, false, UNIBUS_OK},
	};
	size_t before = pair_count(pair_blob_dir(), "*");

	(void)state;
	pair_fill(pair_path(p, "f"), 1000);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		enum unibus_err err =
			unibus_blob_put(cases[i].plain ? q->a : p->a, &cases[i].src, NULL);

		if (err != cases[i].want)
			fail_msg("case %zu: %s", i, unibus_strerror(err));
		assert_int_equal(before + (err == UNIBUS_OK), pair_count(pair_blob_dir(), "*"));
	}
	pair_free(p);
	pair_free(q);
}

/* ---- broken off ---- */

static void a_download_goes_on_where_it_was_broken_off(void **state)
{
	struct pair *p = pair_new("resume", &blob_sealed);
	struct meter half = {.stop_at = 2 * MIB}, rest = {0};

	(void)state;
	pair_share(p, "f", 4 * MIB);
	assert_int_equal(UNIBUS_ERR_CANCELLED, pair_get(p, pair_path(p, "got"), &half));
	assert_false(pair_exists(pair_path(p, "got")));
	assert_int_equal(1, pair_count(p->dir, "got.*.part"));
	assert_int_equal(UNIBUS_OK, pair_get(p, pair_path(p, "got"), &rest));
	assert_true(rest.first >= half.last);
	pair_same(pair_path(p, "f"), pair_path(p, "got"));
	assert_int_equal(0, pair_count(p->dir, "got.*"));
	pair_free(p);
}

static void a_wrong_beginning_is_found_out_and_fetched_again(void **state)
{
	struct pair *p = pair_new("wrongpart", &blob_sealed);
	struct meter half = {.stop_at = 100000};
	const char *const script[] = {"sh", "-c",
		"printf XXXX | dd of=\"$(ls \"$1\"/got.*.part)\" bs=1 seek=500 conv=notrunc "
		"2>/dev/null",
		"sh", p->dir, NULL};

	(void)state;
	pair_share(p, "f", MIB);
	assert_int_equal(UNIBUS_ERR_CANCELLED, pair_get(p, pair_path(p, "got"), &half));
	assert_int_equal(0, proc_run(script, NULL, NULL));
	assert_int_equal(UNIBUS_OK, pair_get(p, pair_path(p, "got"), NULL));
	pair_same(pair_path(p, "f"), pair_path(p, "got"));
	assert_int_equal(0, pair_count(p->dir, "got.*"));
	pair_free(p);
}

static void a_file_that_is_there_is_left_alone(void **state)
{
	struct pair *p = pair_new("exists", &blob_sealed);

	(void)state;
	pair_share(p, "f", 1000);
	pair_fill(pair_path(p, "got"), 7);
	assert_int_equal(UNIBUS_ERR_EXISTS, pair_get(p, pair_path(p, "got"), NULL));
	assert_int_equal(0, symlink("nowhere", pair_path(p, "link")));
	assert_int_equal(UNIBUS_ERR_EXISTS, pair_get(p, pair_path(p, "link"), NULL));
	pair_fill(pair_path(p, "seven"), 7);
	pair_same(pair_path(p, "seven"), pair_path(p, "got"));
	assert_int_equal(UNIBUS_OK, pair_get(p, pair_path(p, "other"), NULL));
	pair_free(p);
}

static void an_upload_that_is_cancelled_leaves_nothing(void **state)
{
	struct pair *p = pair_new("cancelup", &blob_sealed);
	struct meter half = {.stop_at = MIB};
	size_t before = pair_count(pair_blob_dir(), "*");

	(void)state;
	pair_fill(pair_path(p, "f"), 8 * MIB);
	assert_int_equal(UNIBUS_ERR_CANCELLED, pair_put(p->a, pair_path(p, "f"), &half));
	for (unsigned i = 0; i < 10000 && pair_count(pair_blob_dir(), "*") != before; i++)
		usleep(1000);
	assert_int_equal(before, pair_count(pair_blob_dir(), "*"));
	assert_int_equal(0, p->n);
	pair_free(p);
}

static void a_server_killed_on_the_way_has_all_or_nothing(void **state)
{
	struct pair *p = pair_new("killed", &blob_sealed);
	const char *const tmp[] = {"sh", "-c", ": >\"$1/tmp.left\"", "sh", pair_blob_dir(), NULL};

	(void)state;
	pair_share(p, "f", 100000);
	/* What a crash in the middle of an upload leaves. */
	proc_kill(&blob_stack.md);
	assert_int_equal(0, proc_run(tmp, NULL, NULL));
	assert_int_equal(0, stack_md_start(&blob_stack));
	assert_int_equal(0, pair_count(pair_blob_dir(), "tmp.*"));
	assert_int_equal(UNIBUS_OK, pair_get(p, pair_path(p, "got"), NULL));
	pair_same(pair_path(p, "f"), pair_path(p, "got"));
	assert_int_equal(UNIBUS_OK, pair_put(p->a, pair_path(p, "f"), NULL));
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_in_an_encrypted_room_is_read_by_its_members_only),
		cmocka_unit_test(the_same_file_twice_shares_nothing),
		cmocka_unit_test(in_rooms_without_encryption_it_is_stored_as_it_is),
		cmocka_unit_test(every_length_comes_through_up_to_the_limit),
		cmocka_unit_test(it_may_come_from_anywhere),
		cmocka_unit_test(what_cannot_be_sent_is_refused_before_anything_is),
		cmocka_unit_test(a_download_goes_on_where_it_was_broken_off),
		cmocka_unit_test(a_wrong_beginning_is_found_out_and_fetched_again),
		cmocka_unit_test(a_file_that_is_there_is_left_alone),
		cmocka_unit_test(an_upload_that_is_cancelled_leaves_nothing),
		cmocka_unit_test(a_server_killed_on_the_way_has_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, blob_setup, blob_teardown);
}
