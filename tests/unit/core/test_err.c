/* Outcomes: number, word, sentence and status come from one table. */
#include "tests/unit/core/vectors.h"

#include "core/base.h"

static const struct {
	ub_err err;
	int number, status;
	const char *word;
} rows[] = {
#define ROW(name, number, status, word, text) {UNIBUS_ERR_##name, number, status, word},
	UNIBUS_ERRORS(ROW)
#undef ROW
};

static void every_row_is_found_by_number_and_word(void **state)
{
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		assert_int_equal((int)rows[i].err, rows[i].number);
		assert_string_equal(unibus_err_word(rows[i].err), rows[i].word);
		assert_int_equal(unibus_err_from_word(rows[i].word), rows[i].err);
		assert_true(strlen(unibus_strerror(rows[i].err)) > 3);
		assert_int_equal(ub_err_status(rows[i].err), rows[i].status ? rows[i].status : 500);
	}
}

static void words_and_numbers_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++)
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(rows[i].number, rows[j].number);
			assert_string_not_equal(rows[i].word, rows[j].word);
		}
}

static void an_unknown_number_has_words_too(void **state)
{
	const int numbers[] = {-1, 17, 1000};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(numbers); i++) {
		ub_err err = (ub_err)numbers[i];

		assert_string_equal(unibus_strerror(err), "unknown error");
		assert_string_equal(unibus_err_word(err), "unknown");
		assert_int_equal(ub_err_status(err), 500);
	}
}

static void an_unknown_word_is_an_internal_error(void **state)
{
	const char *const words[] = {NULL, "", "unknown", "Revoked", "revoked ", "revoke"};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(words); i++)
		assert_int_equal(unibus_err_from_word(words[i]), UNIBUS_ERR_INTERNAL);
	assert_int_equal(unibus_err_from_word("revoked"), UNIBUS_ERR_REVOKED);
}

static void the_version_is_that_of_the_headers(void **state)
{
	char text[32];

	(void)state;
	snprintf(text, sizeof(text), "%d.%d.%d", UNIBUS_VERSION_MAJOR, UNIBUS_VERSION_MINOR,
		UNIBUS_VERSION_PATCH);
	assert_string_equal(unibus_version(), text);
	assert_string_equal(UNIBUS_VERSION, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_by_number_and_word),
		cmocka_unit_test(words_and_numbers_are_unique),
		cmocka_unit_test(an_unknown_number_has_words_too),
		cmocka_unit_test(an_unknown_word_is_an_internal_error),
		cmocka_unit_test(the_version_is_that_of_the_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
