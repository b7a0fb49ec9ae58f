/* Sealed blobs: what was sealed opens, whole and in order, and nothing else does; and the message
 * that names one. */
#include "tests/unit/core/blob_kit.h"
#include "tests/unit/core/vectors.h"

static json_t *file;

static int load(void **state)
{
	(void)state;
	assert_int_equal(ub_core_init(), UB_OK);
	file = vec_load("tests/vectors/blob.json");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	json_decref(file);
	return 0;
}

static struct kit_blob blob_of(const json_t *x)
{
	struct kit_blob b = {.p = NULL};

	assert_true(vec_hex(x, "key", b.key.b, sizeof(b.key.b)));
	assert_true(vec_hex(x, "room", b.room.b, sizeof(b.room.b)));
	assert_true(vec_hex(x, "header", b.header, sizeof(b.header)));
	kit_blob_seal(&b, vec_u64(x, "length"));
	return b;
}

static void the_vectors_are_what_sealing_gives_and_open(void **state)
{
	const json_t *x;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(file, "sealed"), i, x) {
		struct kit_blob b = blob_of(x);
		uint8_t h[32], want[32];
		uint64_t len;
		size_t n;
		uint8_t *stored = vec_bytes(x, "stored", &n);

		assert_int_equal(b.len, vec_u64(x, "stored_length"));
		assert_true(vec_hex(x, "stored_sha256", want, 32));
		ub_sha256(b.p, b.len, h);
		assert_memory_equal(h, want, 32);
		if (stored) {
			assert_int_equal(n, b.len);
			assert_memory_equal(stored, b.p, n);
		}
		assert_int_equal(kit_blob_open(&b, &len), UB_OK);
		assert_int_equal(len, vec_u64(x, "length"));
		free(stored);
		free(b.p);
	}
	assert_true(i > 0);
}

static void what_was_changed_on_the_way_does_not_open(void **state)
{
	const json_t *x;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(file, "spoiled"), i, x) {
		struct kit_blob b = blob_of(x);
		uint64_t len;

		assert_int_equal(kit_blob_open(&b, &len), UB_OK);
		kit_blob_spoil(&b, vec_text(x, "op"), vec_u64(x, "at"));
		if (kit_blob_open(&b, &len) != UNIBUS_ERR_CORRUPT)
			fail_msg("%s: it opens", vec_text(x, "why"));
		free(b.p);
	}
	assert_true(i > 0);
}

static void every_changed_byte_of_a_small_one_is_seen(void **state)
{
	(void)state;
	for (size_t at = 0; at < UB_BLOB_HEADER + 10 + UB_BLOB_OVER; at++) {
		struct kit_blob b = {.p = NULL};
		uint64_t len;

		kit_blob_seal(&b, 10);
		kit_blob_spoil(&b, "flip", at);
		assert_int_equal(kit_blob_open(&b, &len), UNIBUS_ERR_CORRUPT);
		free(b.p);
	}
}

static void after_a_wrong_chunk_nothing_more_opens(void **state)
{
	struct kit_blob b = {.p = NULL};
	struct ub_blob_stream s;
	uint8_t to[16];

	(void)state;
	kit_blob_seal(&b, 10);
	ub_blob_stream_init(&s, &b.key, &b.room, b.p);
	assert_int_equal(
		ub_blob_open_chunk(&s, (struct ub_bytes){b.p + UB_BLOB_HEADER, 27}, false, to),
		UNIBUS_ERR_CORRUPT); /* it is the last one */
	assert_int_equal(
		ub_blob_open_chunk(&s, (struct ub_bytes){b.p + UB_BLOB_HEADER, 27}, true, to),
		UNIBUS_ERR_CORRUPT);
	ub_blob_stream_init(&s, &b.key, &b.room, b.p);
	assert_int_equal(
		ub_blob_open_chunk(&s, (struct ub_bytes){b.p + UB_BLOB_HEADER, 27}, true, to),
		UB_OK);
	assert_int_equal(
		ub_blob_open_chunk(&s, (struct ub_bytes){b.p + UB_BLOB_HEADER, 27}, true, to),
		UNIBUS_ERR_CORRUPT);
	ub_blob_stream_wipe(&s);
	free(b.p);
}

static void lengths_go_both_ways(void **state)
{
	static const uint64_t lens[] = {0, 1, 65535, 65536, 65537, 131072, 131073, 1000000};
	static const uint64_t never[] = {
		0, 24, 40, 24 + 65553 + 1, 24 + 65553 + 17, 24 + 2 * 65553 + 5, UB_BLOB_MAX + 1};
	uint64_t got = 77;

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(lens); i++) {
		assert_int_equal(ub_blob_content_len(ub_blob_stored_len(lens[i]), &got), UB_OK);
		assert_int_equal(got, lens[i]);
	}
	got = 77;
	for (size_t i = 0; i < UB_ARRAY_LEN(never); i++) {
		assert_int_equal(ub_blob_content_len(never[i], &got), UNIBUS_ERR_CORRUPT);
		assert_int_equal(got, 77);
	}
}

static void each_message_reads_as_the_vectors_say(void **state)
{
	const json_t *x;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(file, "refs"), i, x) {
		struct ub_blob_ref r = {.size = 77};
		const char *text = vec_text(x, "text");
		ub_err want = unibus_err_from_word(vec_text(x, "opens"));

		if (ub_blob_ref_get(ub_str(text), &r) != want)
			fail_msg("%s: not %s", vec_text(x, "why"), vec_text(x, "opens"));
		if (want)
			assert_int_equal(r.size, 77);
	}
	assert_true(i > 0);
}

static void what_is_written_reads_the_same(void **state)
{
	static const char *const names[] = {
		"a", "a \"quoted\" name", "\xc3\x9c.pdf", "..a", "a..b"};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(names); i++) {
		struct ub_blob_ref r = {.size = 141, .sealed = i % 2}, got = {0};
		struct ub_buf b = UB_BUF(4096);

		memset(r.sha256.b, 7, 32);
		memset(r.key.b, r.sealed ? 9 : 0, 32);
		snprintf(r.name, sizeof(r.name), "%s", names[i]);
		snprintf(r.type, sizeof(r.type), "text/x\"y\\");
		assert_int_equal(ub_blob_name_check(ub_str(r.name)), UB_OK);
		ub_blob_ref_put(&r, &b);
		assert_int_equal(ub_blob_ref_get(ub_buf_text(&b), &got), UB_OK);
		assert_memory_equal(&got, &r, sizeof(r));
		ub_buf_deinit(&b);
	}
}

static void a_name_is_no_path_and_no_trick(void **state)
{
	static const struct {
		const char *name;
		ub_err want;
	} cases[] = {
		{"report.pdf", UB_OK},
		{"a b", UB_OK},
		{".hidden", UB_OK},
		{"\xe2\x80\x94", UB_OK}, /* a dash */
		{"", UNIBUS_ERR_INVALID},
		{".", UNIBUS_ERR_INVALID},
		{"..", UNIBUS_ERR_INVALID},
		{"/etc/passwd", UNIBUS_ERR_INVALID},
		{"a/b", UNIBUS_ERR_INVALID},
		{"a\\b", UNIBUS_ERR_INVALID},
		{"a\nb", UNIBUS_ERR_INVALID},
		{"a\x7f", UNIBUS_ERR_INVALID},
		{"a\xc2\x9b", UNIBUS_ERR_INVALID},
		{"a\xff", UNIBUS_ERR_INVALID},
		{"a\xe2\x80\xae", UNIBUS_ERR_INVALID},
		{"a\xe2\x81\xa6z", UNIBUS_ERR_INVALID},
	};
	char longest[UB_BLOB_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++)
		if (ub_blob_name_check(ub_str(cases[i].name)) != cases[i].want)
			fail_msg("\"%s\"", cases[i].name);
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(ub_blob_name_check((struct ub_str){longest, UB_BLOB_NAME_MAX}), UB_OK);
	assert_int_equal(ub_blob_name_check((struct ub_str){longest, UB_BLOB_NAME_MAX + 1}),
		UNIBUS_ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_are_what_sealing_gives_and_open),
		cmocka_unit_test(what_was_changed_on_the_way_does_not_open),
		cmocka_unit_test(every_changed_byte_of_a_small_one_is_seen),
		cmocka_unit_test(after_a_wrong_chunk_nothing_more_opens),
		cmocka_unit_test(lengths_go_both_ways),
		cmocka_unit_test(each_message_reads_as_the_vectors_say),
		cmocka_unit_test(what_is_written_reads_the_same),
		cmocka_unit_test(a_name_is_no_path_and_no_trick),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
