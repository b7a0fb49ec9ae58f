/* Base32: one spelling of every value. */
#include "tests/unit/core/vectors.h"

#include "core/b32.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static void the_vectors_go_there_and_back(void **state)
{
	json_t *v = vec_load("tests/vectors/codecs.json"), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "bytes"), i, row) {
		size_t len;
		uint8_t *raw = vec_bytes(row, "hex", &len);
		char text[400];
		uint8_t back[256];

		ub_b32_encode(raw, len, text);
		assert_string_equal(text, vec_text(row, "base32"));
		assert_int_equal(strlen(text), UB_B32_LEN(len));
		assert_int_equal(ub_b32_decode(ub_str(text), back, len), UB_OK);
		assert_memory_equal(back, raw, len);
		free(raw);
	}
	json_decref(v);
}

static void every_other_spelling_is_refused(void **state)
{
	static const struct {
		const char *text, *twin;
		size_t len;
	} cases[] = {
		{"mY", "MY", 1},
		{"My", "MY", 1},
		{"MZ", "MY", 1}, /* unused bits */
		{"MY======", "MY", 1},
		{"M", "MY", 1},
		{"MYA", "MY", 1},
		{"MZXR", "MZXQ", 2},
		{"MZXW7", "MZXW6", 3},
		{"MZXW6YR", "MZXW6YQ", 4},
		{"MZXW0", "MZXW6", 3},
		{"MZXW1", "MZXW6", 3},
		{"MZXW8", "MZXW6", 3},
		{"MZXW ", "MZXW6", 3},
		{"MZXW\n", "MZXW6", 3},
		{"", "MY", 1},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		uint8_t to[4] = {9, 9, 9, 9};

		assert_int_equal(
			ub_b32_decode(ub_str(cases[i].text), to, cases[i].len), UNIBUS_ERR_INVALID);
		assert_memory_equal(to, "\t\t\t\t", 4);
		assert_int_equal(ub_b32_decode(ub_str(cases[i].twin), to, cases[i].len), UB_OK);
	}
	assert_int_equal(ub_b32_decode(UB_STR(""), NULL, 0), UB_OK);
	assert_int_equal(ub_b32_decode(UB_STR("AA"), NULL, SIZE_MAX / 8), UNIBUS_ERR_INVALID);
}

static void no_two_texts_give_the_same_bytes(void **state)
{
	char text[] = "MZXW6YTBOI";
	uint8_t want[6], to[6];

	(void)state;
	assert_int_equal(ub_b32_decode(ub_str(text), want, 6), UB_OK);
	assert_memory_equal(want, "foobar", 6);
	for (size_t at = 0; at < 10; at++) {
		char was = text[at];

		for (unsigned c = 0; c < 256; c++) {
			bool known = memchr(alphabet, (int)c, 32) != NULL;
			ub_err err;

			if ((char)c == was)
				continue;
			text[at] = (char)c;
			err = ub_b32_decode((struct ub_str){text, 10}, to, 6);
			/* Two of the last character's bits are unused. */
			if (!known ||
				(at == 9 && ((unsigned)(strchr(alphabet, (int)c) - alphabet) & 3)))
				assert_int_equal(err, UNIBUS_ERR_INVALID);
			else
				assert_int_equal(err, UB_OK);
			if (!err)
				assert_memory_not_equal(to, want, 6);
		}
		text[at] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_go_there_and_back),
		cmocka_unit_test(every_other_spelling_is_refused),
		cmocka_unit_test(no_two_texts_give_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
