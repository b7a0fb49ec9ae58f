/* Signed text: split strictly, verified as sent. */
#include "tests/unit/core/vectors.h"

#include "core/key.h"
#include "core/signed_text.h"

#define MAX 1000

static struct ub_signkey key(uint8_t n, struct ub_pubkey *pub)
{
	const uint8_t seed[32] = {n};
	struct ub_signkey k;

	ub_signkey_from_seed(seed, &k);
	ub_signkey_pub(&k, pub);
	return k;
}

static void what_is_made_is_split_and_verifies(void **state)
{
	static const struct ub_str payloads[] = {
		{"", 0}, {"x", 1}, {"{\"v\":1}", 7}, {"\xff.\n", 3}};
	struct ub_pubkey pub, other;
	struct ub_signkey k = key(1, &pub);

	(void)state;
	key(2, &other);
	for (size_t i = 0; i < UB_ARRAY_LEN(payloads); i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(MAX);
		UB_CLEANUP(ub_signed_text_deinit) struct ub_signed_text st = {0};

		ub_signed_text_make(UB_TAG_ROOM, &k, payloads[i], &out);
		assert_int_equal(ub_buf_err(&out), UB_OK);
		assert_int_equal(ub_signed_text_split(ub_buf_text(&out), out.len, &st), UB_OK);
		assert_true(ub_str_eq((struct ub_str){st.payload, st.len}, payloads[i]));
		assert_int_equal(st.payload[st.len], 0);
		assert_int_equal(ub_signed_text_verify(UB_TAG_ROOM, &pub, &st), UB_OK);
		assert_int_equal(
			ub_signed_text_verify(UB_TAG_KEYREC, &pub, &st), UNIBUS_ERR_BAD_SIGNATURE);
		assert_int_equal(
			ub_signed_text_verify(UB_TAG_ROOM, &other, &st), UNIBUS_ERR_BAD_SIGNATURE);
	}
}

static void a_text_longer_than_allowed_is_refused(void **state)
{
	struct ub_pubkey pub;
	struct ub_signkey k = key(1, &pub);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(MAX);
	UB_CLEANUP(ub_signed_text_deinit) struct ub_signed_text st = {0};

	(void)state;
	ub_signed_text_make(UB_TAG_ROOM, &k, UB_STR("payload"), &out);
	assert_int_equal(
		ub_signed_text_split(ub_buf_text(&out), out.len - 1, &st), UNIBUS_ERR_TOO_LARGE);
	assert_null(st.payload);
	assert_int_equal(ub_signed_text_split(ub_buf_text(&out), out.len, &st), UB_OK);
}

/* 86 characters of a signature of zeros. */
#define SIG "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void every_other_form_is_refused(void **state)
{
	static const struct {
		const char *text;
		ub_err err;
	} cases[] = {
		{"YQ." SIG, UB_OK},
		{"." SIG, UB_OK}, /* an empty payload is for its reader to refuse */
		{"", UNIBUS_ERR_INVALID},
		{".", UNIBUS_ERR_INVALID},
		{"YQ", UNIBUS_ERR_INVALID},
		{"YQ.", UNIBUS_ERR_INVALID},
		{"YQ" SIG, UNIBUS_ERR_INVALID},
		{"YQ.." SIG, UNIBUS_ERR_INVALID},
		{"YQ." SIG ".", UNIBUS_ERR_INVALID},
		{"YQ." SIG "A", UNIBUS_ERR_INVALID},
		{"YQ." SIG "=", UNIBUS_ERR_INVALID},
		{"YQ. " SIG, UNIBUS_ERR_INVALID},
		{"YQ." SIG "\n", UNIBUS_ERR_INVALID},
		{"YQ==." SIG, UNIBUS_ERR_INVALID},
		{"YR." SIG, UNIBUS_ERR_INVALID},
		{"Y." SIG, UNIBUS_ERR_INVALID},
		{"Y/." SIG, UNIBUS_ERR_INVALID},
		{"AA." SIG, UNIBUS_ERR_INVALID},   /* a NUL */
		{"YQBh." SIG, UNIBUS_ERR_INVALID}, /* a NUL inside */
		{"YWFh." SIG, UB_OK},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct ub_signed_text st = {.len = 77};

		assert_int_equal(
			ub_signed_text_split(ub_str(cases[i].text), MAX, &st), cases[i].err);
		if (cases[i].err) {
			assert_null(st.payload);
			assert_int_equal(st.len, 77);
		}
		ub_signed_text_deinit(&st);
		assert_null(st.payload);
	}
}

/* Any other character anywhere: the form or the signature must notice. */
static void every_changed_character_is_noticed(void **state)
{
	struct ub_pubkey pub;
	struct ub_signkey k = key(1, &pub);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(MAX);

	(void)state;
	ub_signed_text_make(UB_TAG_ROOM, &k, UB_STR("{\"v\":1,\"x\":2}"), &out);
	for (size_t at = 0; at < out.len; at++)
		for (unsigned flip = 1; flip < 256; flip++) {
			UB_CLEANUP(ub_signed_text_deinit) struct ub_signed_text st = {0};
			ub_err err;

			out.p[at] ^= (uint8_t)flip;
			err = ub_signed_text_split(ub_buf_text(&out), MAX, &st);
			if (!err)
				err = ub_signed_text_verify(UB_TAG_ROOM, &pub, &st);
			else
				assert_int_equal(err, UNIBUS_ERR_INVALID);
			assert_int_not_equal(err, UB_OK);
			out.p[at] ^= (uint8_t)flip;
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_is_split_and_verifies),
		cmocka_unit_test(a_text_longer_than_allowed_is_refused),
		cmocka_unit_test(every_other_form_is_refused),
		cmocka_unit_test(every_changed_character_is_noticed),
	};

	return ub_core_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
