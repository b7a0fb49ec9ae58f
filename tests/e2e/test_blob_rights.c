/* Files in rooms: who may put and get them, how much, and what a member who means ill achieves. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "core/key.h"
#include "tests/harness/blob_pair.h"

/* ---- who ---- */

static void who_was_removed_gets_and_puts_nothing_more(void **state)
{
	struct pair *p = pair_new("removed", &blob_sealed);

	(void)state;
	pair_share(p, "f", 1000);
	assert_int_equal(UNIBUS_OK, pair_get(p, pair_path(p, "before"), NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_remove(p->a, "b.removed"));
	assert_int_equal(UNIBUS_ERR_NOT_FOUND, pair_get(p, pair_path(p, "after"), NULL));
	assert_int_equal(UNIBUS_ERR_DENIED, pair_put(p->b, pair_path(p, "f"), NULL));
	assert_false(pair_exists(pair_path(p, "after")));
	pair_free(p);
}

static void who_is_in_another_room_gets_nothing(void **state)
{
	struct pair *p = pair_new("mine", &blob_sealed), *q = pair_new("theirs", &blob_sealed);
	struct unibus_blob_target to = {.file = pair_path(q, "got")};

	(void)state;
	pair_share(p, "f", 1000);
	assert_int_equal(UNIBUS_ERR_NOT_FOUND, unibus_blob_get(q->b, p->payload, p->len, &to));
	assert_false(pair_exists(pair_path(q, "got")));
	pair_free(p);
	pair_free(q);
}

static void a_reader_puts_nothing_and_gets_what_is_there(void **state)
{
	struct pair *p = pair_new("reads", &blob_sealed);

	(void)state;
	pair_share(p, "f", 1000);
	assert_int_equal(UNIBUS_OK, unibus_room_set_role(p->a, "b.reads", UNIBUS_READER));
	assert_int_equal(UNIBUS_ERR_DENIED, pair_put(p->b, pair_path(p, "f"), NULL));
	assert_int_equal(UNIBUS_OK, pair_get(p, pair_path(p, "got"), NULL));
	pair_free(p);
}

static void the_rooms_share_has_an_end(void **state)
{
	struct pair *p = pair_new("share", &blob_plain);
	enum unibus_err err = UNIBUS_OK;
	char detail[256] = "";
	unsigned n = 0;

	(void)state;
	pair_fill(pair_path(p, "f"), UB_BLOB_MAX);
	for (; err == UNIBUS_OK && n < 9; n++) {
		FILE *f = fopen(pair_path(p, "f"), "r+");

		assert_int_equal('A' + (int)n, putc('A' + (int)n, f)); /* another content */
		assert_int_equal(0, fclose(f));
		err = pair_put(n % 2 ? p->a : p->b, pair_path(p, "f"), NULL);
	}
	assert_int_equal(UNIBUS_ERR_LIMIT, err);
	assert_int_equal(3, n); /* two of 16 MiB fit into 40 MB */
	unibus_client_detail(p->bob->c, detail, sizeof(detail));
	assert_non_null(strstr(detail, "storage"));
	pair_fill(pair_path(p, "f"), 1000);
	assert_int_equal(UNIBUS_OK, pair_put(p->a, pair_path(p, "f"), NULL));
	pair_free(p);
}

static void a_closed_room_has_no_files(void **state)
{
	struct pair *p = pair_new("closed", &blob_sealed);
	size_t before = pair_count(pair_blob_dir(), "*");

	(void)state;
	pair_share(p, "f", 1000);
	assert_int_equal(before + 1, pair_count(pair_blob_dir(), "*"));
	assert_int_equal(UNIBUS_OK, unibus_room_close(p->a));
	assert_int_equal(UNIBUS_ERR_NOT_FOUND, pair_get(p, pair_path(p, "got"), NULL));
	for (unsigned i = 0; i < 20000 && pair_count(pair_blob_dir(), "*") != before; i++)
		usleep(1000);
	assert_int_equal(before, pair_count(pair_blob_dir(), "*"));
	pair_free(p);
}

/* ---- a member who means ill ---- */

/* Bob brings these bytes as they are (the room is not encrypted), and makes a message that names
 * them with the right hash and that key. */
static void bring(struct pair *p, const struct kit_blob *b, struct ub_buf *text)
{
	const struct unibus_blob_source src = {.file = pair_path(p, "raw"), .name = "raw"};
	struct ub_blob_ref ref = {.size = b->len, .sealed = true, .key = b->key};
	FILE *f = fopen(src.file, "w");

	assert_non_null(f);
	assert_int_equal(b->len, fwrite(b->p, 1, b->len, f));
	assert_int_equal(0, fclose(f));
	assert_int_equal(UNIBUS_OK, unibus_blob_put(p->b, &src, NULL));
	ub_sha256(b->p, b->len, ref.sha256.b);
	(void)snprintf(ref.name, sizeof(ref.name), "f");
	(void)snprintf(ref.type, sizeof(ref.type), "text/plain");
	ub_blob_ref_put(&ref, text);
	assert_int_equal(UB_OK, ub_buf_err(text));
}

static void spoiled_chunks_with_the_right_hash_do_not_open(void **state)
{
	static const struct {
		const char *op;
		size_t at;
	} cases[] = {{"", 0}, {"flip", SEALED_CHUNK + 100}, {"swap", 0}, {"drop", 0},
		{"cut", UB_BLOB_HEADER + SEALED_CHUNK}, {"repeat", 0}, {"key", 0}, {"room", 0}};
	struct pair *p = pair_new("spoiled", &blob_signing);
	struct unibus_room_info info;

	(void)state;
	unibus_room_get_info(p->b, &info);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct kit_blob b = {.key = {{(uint8_t)(i + 1)}}};
		UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(4096);
		const struct unibus_blob_target to = {.file = pair_path(p, "got")};
		enum unibus_err want = cases[i].op[0] ? UNIBUS_ERR_CORRUPT : UNIBUS_OK;

		assert_int_equal(UB_OK, ub_room_id_decode(ub_str(info.id), &b.room));
		if (strcmp(cases[i].op, "room") == 0)
			b.room.b[0] ^= 1;
		kit_blob_seal(&b, 2 * UB_BLOB_CHUNK);
		if (cases[i].op[0])
			kit_blob_spoil(&b, cases[i].op, cases[i].at);
		bring(p, &b, &text);
		if (unibus_blob_get(p->a, text.p, text.len, &to) != want)
			fail_msg("%s: not %s", cases[i].op, unibus_strerror(want));
		assert_int_equal(want == UNIBUS_OK, pair_exists(pair_path(p, "got")));
		assert_int_equal(want == UNIBUS_OK, pair_count(p->dir, "got*"));
		(void)unlink(pair_path(p, "got"));
		free(b.p);
	}
	pair_free(p);
}

static void a_message_that_lies_about_its_file_is_found_out(void **state)
{
	struct pair *p = pair_new("lies", &blob_plain);
	struct unibus_blob_info info;
	char text[1024];

	(void)state;
	pair_share(p, "f", 1000);
	assert_int_equal(UNIBUS_OK, unibus_blob_parse(p->payload, p->len, &info));
	for (int size = 999; size <= 1001; size++) {
		struct unibus_blob_target to = {.file = pair_path(p, "got")};
		int n = snprintf(text, sizeof(text),
			"{\"hash\":\"%s\",\"size\":%d,\"name\":\"n\",\"type\":\"t\"}", info.hash,
			size);

		assert_int_equal(size == 1000 ? UNIBUS_OK : UNIBUS_ERR_CORRUPT,
			unibus_blob_get(p->b, text, (size_t)n, &to));
		assert_int_equal(size == 1000, pair_exists(pair_path(p, "got")));
		(void)unlink(pair_path(p, "got"));
	}
	assert_int_equal(UNIBUS_ERR_CORRUPT,
		unibus_blob_get(p->b, "hello", 5,
			&(struct unibus_blob_target){.file = pair_path(p, "got")}));
	assert_int_equal(0, pair_count(p->dir, "got*"));
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_was_removed_gets_and_puts_nothing_more),
		cmocka_unit_test(who_is_in_another_room_gets_nothing),
		cmocka_unit_test(a_reader_puts_nothing_and_gets_what_is_there),
		cmocka_unit_test(the_rooms_share_has_an_end),
		cmocka_unit_test(a_closed_room_has_no_files),
		cmocka_unit_test(spoiled_chunks_with_the_right_hash_do_not_open),
		cmocka_unit_test(a_message_that_lies_about_its_file_is_found_out),
	};

	return cmocka_run_group_tests(tests, blob_setup, blob_teardown);
}
