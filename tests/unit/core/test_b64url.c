/* Base64: one spelling of every value, and nothing written for what is refused. */
#include "tests/unit/core/vectors.h"

#include "core/b64url.h"
#include "core/key.h"

#define LEN_MAX 256

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void the_vectors_go_there_and_back(void **state)
{
	json_t *v = vec_load("tests/vectors/codecs.json"), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "bytes"), i, row) {
		size_t len, got = 0;
		uint8_t *raw = vec_bytes(row, "hex", &len);
		char text[2 * LEN_MAX];
		uint8_t back[LEN_MAX];

		ub_b64url_encode(raw, len, text);
		assert_string_equal(text, vec_text(row, "base64url"));
		assert_int_equal(strlen(text), UB_B64URL_LEN(len));
		assert_int_equal(ub_b64url_decode(ub_str(text), back, len), UB_OK);
		assert_memory_equal(back, raw, len);
		assert_int_equal(ub_b64url_decode_var(ub_str(text), back, len, &got), UB_OK);
		assert_int_equal(got, len);
		assert_memory_equal(back, raw, len);
		ub_b64_encode(raw, len, text);
		assert_string_equal(text, vec_text(row, "base64"));
		assert_int_equal(ub_b64_decode(ub_str(text), back, len), UB_OK);
		assert_memory_equal(back, raw, len);
		free(raw);
	}
	json_decref(v);
}

/* Decodes with all three, which must refuse and leave `to` and the length alone. */
static void refuse_url(struct ub_str s, size_t len)
{
	uint8_t to[LEN_MAX];
	size_t got = 77;

	memset(to, 0x5a, sizeof(to));
	assert_int_equal(ub_b64url_decode(s, to, len), UNIBUS_ERR_INVALID);
	assert_int_equal(ub_b64url_decode_var(s, to, len, &got), UNIBUS_ERR_INVALID);
	assert_int_equal(got, 77);
	for (size_t i = 0; i < sizeof(to); i++)
		assert_int_equal(to[i], 0x5a);
}

static void base64url_refuses_every_other_spelling(void **state)
{
	static const struct {
		const char *text, *twin;
		size_t len;
	} cases[] = {
		{"Zg==", "Zg", 1},
		{"Zg=", "Zg", 1},
		{"Zh", "Zg", 1}, /* unused bits */
		{"Zm9=", "Zm8", 2},
		{"Zm9", "Zm8", 2}, /* unused bits */
		{"Z", "Zg", 1},
		{"Zm9vY", "Zm9vYg", 4},
		{"+_A_", "-_A_", 3},
		{"-/A_", "-_A_", 3},
		{"Zm9v\n", "Zm9v", 3},
		{" Zm9v", "Zm9v", 3},
		{"Zm 9v", "Zm9v", 3},
		{"Zm.v", "Zm9v", 3},
		{"Zm\xc3v", "Zm9v", 3},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		uint8_t to[8];

		refuse_url(ub_str(cases[i].text), cases[i].len);
		assert_int_equal(ub_b64url_decode(ub_str(cases[i].twin), to, cases[i].len), UB_OK);
	}
	refuse_url((struct ub_str){"Zm\0v", 4}, 3);
}

static void padded_base64_refuses_every_other_spelling(void **state)
{
	static const struct {
		const char *text, *twin;
		size_t len;
	} cases[] = {
		{"Zg", "Zg==", 1},
		{"Zg=", "Zg==", 1},
		{"Zh==", "Zg==", 1},
		{"Zg===", "Zg==", 1},
		{"Zg=A", "Zg==", 1},
		{"Zm9=", "Zm8=", 2},
		{"Zm8", "Zm8=", 2},
		{"Zm9v=", "Zm9v", 3},
		{"Zm9v====", "Zm9v", 3},
		{"-/A/", "+/A/", 3},
		{"+_A/", "+/A/", 3},
		{"Zm9v", "Zm8=", 2},
		{"Zm8=", "Zm9v", 3},
		{"", "Zg==", 1},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		uint8_t to[4] = {9, 9, 9, 9};

		assert_int_equal(
			ub_b64_decode(ub_str(cases[i].text), to, cases[i].len), UNIBUS_ERR_INVALID);
		assert_memory_equal(to, "\t\t\t\t", 4);
		assert_int_equal(ub_b64_decode(ub_str(cases[i].twin), to, cases[i].len), UB_OK);
	}
}

static void padding_inside_long_text_is_refused(void **state)
{
	char text[129];
	uint8_t to[96];

	(void)state;
	memset(text, 'A', sizeof(text));
	for (size_t at = 2; at < 126; at += 4) {
		text[at] = text[at + 1] = '=';
		for (size_t len = 94; len <= 96; len++)
			assert_int_equal(ub_b64_decode((struct ub_str){text, 128}, to, len),
				UNIBUS_ERR_INVALID);
		text[at] = text[at + 1] = 'A';
	}
	assert_int_equal(ub_b64_decode((struct ub_str){text, 128}, to, 96), UB_OK);
}

static void the_length_is_exact_or_at_most(void **state)
{
	uint8_t to[4];
	size_t got = 77;

	(void)state;
	assert_int_equal(ub_b64url_decode(UB_STR("Zm9v"), to, 3), UB_OK);
	assert_int_equal(ub_b64url_decode(UB_STR("Zm9v"), to, 2), UNIBUS_ERR_INVALID);
	assert_int_equal(ub_b64url_decode(UB_STR("Zm9v"), to, 4), UNIBUS_ERR_INVALID);
	assert_int_equal(ub_b64url_decode(UB_STR(""), to, 1), UNIBUS_ERR_INVALID);
	assert_int_equal(ub_b64url_decode_var(UB_STR("Zm9v"), to, 2, &got), UNIBUS_ERR_INVALID);
	assert_int_equal(got, 77);
	assert_int_equal(ub_b64url_decode_var(UB_STR("Zm9v"), to, 4, &got), UB_OK);
	assert_int_equal(got, 3);
	assert_int_equal(ub_b64url_decode_var(UB_STR(""), to, 0, &got), UB_OK);
	assert_int_equal(got, 0);
}

static void no_two_texts_give_the_same_bytes(void **state)
{
	char text[] = "Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYg";
	size_t n = sizeof(text) - 1, len = n * 3 / 4;
	uint8_t want[64], to[64];

	(void)state;
	assert_int_equal(ub_b64url_decode(ub_str(text), want, len), UB_OK);
	for (size_t at = 0; at < n; at++) {
		char was = text[at];

		for (unsigned c = 0; c < 256; c++) {
			if ((char)c == was)
				continue;
			text[at] = (char)c;
			if (ub_b64url_decode((struct ub_str){text, n}, to, len) == UB_OK) {
				assert_non_null(memchr(alphabet, (int)c, sizeof(alphabet) - 1));
				assert_memory_not_equal(to, want, len);
			}
		}
		text[at] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_go_there_and_back),
		cmocka_unit_test(base64url_refuses_every_other_spelling),
		cmocka_unit_test(padded_base64_refuses_every_other_spelling),
		cmocka_unit_test(padding_inside_long_text_is_refused),
		cmocka_unit_test(the_length_is_exact_or_at_most),
		cmocka_unit_test(no_two_texts_give_the_same_bytes),
	};

	return ub_core_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
