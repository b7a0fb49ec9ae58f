/* ULIDs: time first, one spelling. */
#include "tests/unit/core/vectors.h"

#include "core/ulid.h"

static void the_vectors_go_there_and_back(void **state)
{
	json_t *v = vec_load("tests/vectors/ulid.json"), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "ulids"), i, row) {
		struct ub_ulid u, back;
		uint8_t random[10];
		char text[UB_ULID_TEXT + 1];

		assert_true(vec_hex(row, "random", random, sizeof(random)));
		ub_ulid_make(vec_u64(row, "ms"), random, &u);
		assert_true(ub_ulid_ms(&u) == vec_u64(row, "ms"));
		ub_ulid_encode(&u, text);
		assert_string_equal(text, vec_text(row, "text"));
		assert_int_equal(ub_ulid_decode(ub_str(text), &back), UB_OK);
		assert_memory_equal(&u, &back, sizeof(u));
	}
	json_decref(v);
}

static void every_other_spelling_is_refused(void **state)
{
	json_t *v = vec_load("tests/vectors/ulid.json"), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "bad"), i, row) {
		struct ub_ulid u, was;

		memset(&u, 0x5a, sizeof(u));
		was = u;
		assert_int_equal(
			ub_ulid_decode(ub_str(vec_text(row, "text")), &u), UNIBUS_ERR_INVALID);
		assert_memory_equal(&u, &was, sizeof(u));
	}
	assert_int_equal(i, json_array_size(json_object_get(v, "bad")));
	json_decref(v);
}

static void each_character_is_one_of_the_alphabet(void **state)
{
	char text[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
	struct ub_ulid want, u;

	(void)state;
	assert_int_equal(ub_ulid_decode(ub_str(text), &want), UB_OK);
	for (size_t at = 0; at < UB_ULID_TEXT; at++) {
		char was = text[at];

		for (unsigned c = 0; c < 256; c++) {
			const char *known = at ? "0123456789ABCDEFGHJKMNPQRSTVWXYZ" : "01234567";
			bool good = c && strchr(known, (int)c);

			text[at] = (char)c;
			assert_int_equal(ub_ulid_decode((struct ub_str){text, UB_ULID_TEXT}, &u),
				good ? UB_OK : UNIBUS_ERR_INVALID);
			if (good && (char)c != was)
				assert_memory_not_equal(&u, &want, sizeof(u));
		}
		text[at] = was;
	}
}

static void text_sorts_as_time(void **state)
{
	const uint8_t low[10] = {0};
	uint8_t high[10];
	char before[UB_ULID_TEXT + 1], after[UB_ULID_TEXT + 1];

	(void)state;
	memset(high, 0xff, sizeof(high));
	for (unsigned bit = 0; bit < 48; bit++) {
		struct ub_ulid a, b;

		ub_ulid_make((1ULL << bit) - 1, high, &a);
		ub_ulid_make(1ULL << bit, low, &b);
		ub_ulid_encode(&a, before);
		ub_ulid_encode(&b, after);
		assert_true(strcmp(before, after) < 0);
		assert_true(memcmp(&a, &b, sizeof(a)) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_go_there_and_back),
		cmocka_unit_test(every_other_spelling_is_refused),
		cmocka_unit_test(each_character_is_one_of_the_alphabet),
		cmocka_unit_test(text_sorts_as_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
