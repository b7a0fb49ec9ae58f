/* Key records: a signing key's own statement, and nobody else's. */
#include "tests/unit/core/vectors.h"

#include "core/key.h"
#include "core/keyrec.h"

#define FILE_NAME "tests/vectors/keyrec.json"

static void record_read(const json_t *row, struct ub_keyrec *ret)
{
	const char *label = vec_text(row, "label");

	*ret = (struct ub_keyrec){.seq = vec_u64(row, "seq"),
		.created_ms = vec_u64(row, "created"),
		.expires_ms = vec_u64(row, "expires")};
	assert_true(vec_hex(row, "sign", ret->sign.b, 32));
	assert_true(vec_hex(row, "kex", ret->kex.b, 32));
	assert_true(strlen(label) < sizeof(ret->label));
	memcpy(ret->label, label, strlen(label));
}

static void the_vectors_are_signed_and_opened(void **state)
{
	json_t *v = vec_load(FILE_NAME), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "good"), i, row) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_KEYREC_MAX);
		struct ub_keyrec want, got;
		struct ub_signkey k;
		uint8_t seed[32];

		assert_true(vec_hex(row, "seed", seed, 32));
		ub_signkey_from_seed(seed, &k);
		record_read(row, &want);
		ub_keyrec_sign(&k, &want, &out);
		assert_int_equal(ub_buf_err(&out), UB_OK);
		assert_string_equal(ub_buf_cstr(&out), vec_text(row, "text"));
		assert_int_equal(ub_keyrec_open(ub_buf_text(&out), &got), UB_OK);
		assert_memory_equal(got.sign.b, want.sign.b, 32);
		assert_memory_equal(got.kex.b, want.kex.b, 32);
		assert_string_equal(got.label, want.label);
		assert_true(got.seq == want.seq && got.created_ms == want.created_ms &&
			    got.expires_ms == want.expires_ms);
	}
	assert_true(i > 0);
	json_decref(v);
}

static void refused(const char *list, ub_err want)
{
	json_t *v = vec_load(FILE_NAME), *row;
	size_t i;

	json_array_foreach (json_object_get(v, list), i, row) {
		struct ub_keyrec r = {.seq = 77};

		if (ub_keyrec_open(ub_str(vec_text(row, "text")), &r) != want)
			fail_msg("%s", vec_text(row, "why"));
		assert_int_equal(r.seq, 77);
	}
	assert_true(i > 0);
	json_decref(v);
}

static void a_malformed_record_is_refused_though_truly_signed(void **state)
{
	(void)state;
	refused("bad", UNIBUS_ERR_INVALID);
}

static void a_record_not_signed_by_its_own_key_is_refused(void **state)
{
	(void)state;
	refused("bad_signature", UNIBUS_ERR_BAD_SIGNATURE);
}

static struct ub_keyrec good_record(struct ub_signkey *ret_key)
{
	const uint8_t seed[32] = {7};
	struct ub_keyrec r = {
		.kex = {{9}}, .label = "laptop", .seq = 1, .created_ms = 10, .expires_ms = 20};

	ub_signkey_from_seed(seed, ret_key);
	ub_signkey_pub(ret_key, &r.sign);
	return r;
}

static void what_others_would_refuse_is_not_signed(void **state)
{
	enum { NOTHING, KEX, CONTROL, C1, UTF8, SEQ, SEQ_BIG, TIMES, LABEL_FULL, CASES };

	(void)state;
	for (unsigned i = NOTHING; i < CASES; i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(2 * UB_KEYREC_MAX);
		struct ub_signkey k;
		struct ub_keyrec r = good_record(&k);

		if (i == KEX)
			r.kex.b[31] = 0x80;
		if (i == CONTROL)
			r.label[2] = '\n';
		if (i == C1)
			memcpy(r.label, "\xc2\x85", 3);
		if (i == UTF8)
			memcpy(r.label, "\xc3(", 3);
		if (i == SEQ)
			r.seq = 0;
		if (i == SEQ_BIG)
			r.seq = UB_JSON_INT_MAX + 1ULL;
		if (i == TIMES)
			r.expires_ms = r.created_ms;
		if (i == LABEL_FULL) /* no NUL within the array */
			memset(r.label, 'x', sizeof(r.label));
		ub_keyrec_sign(&k, &r, &out);
		assert_int_equal(ub_buf_err(&out), i == NOTHING ? UB_OK : UNIBUS_ERR_INVALID);
		assert_int_equal(out.len > 0, i == NOTHING);
	}
}

static void a_record_longer_than_allowed_is_refused(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(2 * UB_KEYREC_MAX);
	struct ub_signkey k;
	struct ub_keyrec r = good_record(&k), got = {.seq = 77};

	(void)state;
	ub_keyrec_sign(&k, &r, &out);
	assert_int_equal(ub_keyrec_open(ub_buf_text(&out), &got), UB_OK);
	got.seq = 77;
	while (out.len <= UB_KEYREC_MAX)
		ub_buf_z(&out, "A");
	assert_int_equal(ub_keyrec_open(ub_buf_text(&out), &got), UNIBUS_ERR_INVALID);
	assert_int_equal(got.seq, 77);
}

/* Any other character anywhere: the form or the signature must notice. */
static void every_changed_character_is_noticed(void **state)
{
	json_t *v = vec_load(FILE_NAME);
	const json_t *row = json_array_get(json_object_get(v, "good"), 0);
	const char *text = vec_text(row, "text");
	size_t n = strlen(text);
	char *copy = strdup(text);

	(void)state;
	assert_non_null(copy);
	for (size_t at = 0; at < n; at++)
		for (unsigned c = '-'; c <= 'z'; c += 5) {
			struct ub_keyrec r = {.seq = 77};
			ub_err err;

			if ((char)c == text[at])
				continue;
			copy[at] = (char)c;
			err = ub_keyrec_open((struct ub_str){copy, n}, &r);
			assert_true(err == UNIBUS_ERR_INVALID || err == UNIBUS_ERR_BAD_SIGNATURE);
			assert_int_equal(r.seq, 77);
			copy[at] = text[at];
		}
	free(copy);
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_are_signed_and_opened),
		cmocka_unit_test(a_malformed_record_is_refused_though_truly_signed),
		cmocka_unit_test(a_record_not_signed_by_its_own_key_is_refused),
		cmocka_unit_test(what_others_would_refuse_is_not_signed),
		cmocka_unit_test(a_record_longer_than_allowed_is_refused),
		cmocka_unit_test(every_changed_character_is_noticed),
	};

	return ub_core_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
