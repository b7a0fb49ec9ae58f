/* Cursors read what is there, latch what is not, and refuse what is left over. */
#include "tests/unit/core/vectors.h"

#include "core/cursor.h"

static const uint8_t bytes[] = {
	1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 'a', 'b', 'c', 0xff, 0xfe, 0xfd};

/* Reads the form u8 u32 u64 3 bytes 3 bytes from the first `len` bytes. */
static ub_err read_form(size_t len, uint64_t ret[3], char ret_text[3])
{
	uint8_t *exact = malloc(len ? len : 1);
	struct ub_cursor c;
	const uint8_t *tail;
	ub_err err;

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	c = ub_cursor(exact, len);
	ret[0] = ub_cursor_u8(&c);
	ret[1] = ub_cursor_u32(&c);
	ret[2] = ub_cursor_u64(&c);
	ub_cursor_copy(&c, ret_text, 3);
	tail = ub_cursor_skip(&c, 3);
	if (tail)
		assert_memory_equal(tail, "\xff\xfe\xfd", 3);
	assert_int_equal(ub_cursor_left(&c), 0);
	err = ub_cursor_end(&c);
	free(exact);
	return err;
}

static void the_whole_form_is_read(void **state)
{
	uint64_t n[3];
	char text[3];

	(void)state;
	assert_int_equal(read_form(sizeof(bytes), n, text), UB_OK);
	assert_int_equal(n[0], 1);
	assert_int_equal(n[1], 2);
	assert_int_equal(n[2], 3);
	assert_memory_equal(text, "abc", 3);
}

static void every_cut_is_refused_and_reads_zeros(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(bytes); len++) {
		uint64_t n[3];
		char text[3] = "xyz";

		assert_int_equal(read_form(len, n, text), UNIBUS_ERR_INVALID);
		assert_int_equal(n[0], len >= 1 ? 1 : 0);
		assert_int_equal(n[1], len >= 5 ? 2 : 0);
		assert_int_equal(n[2], len >= 13 ? 3 : 0);
		assert_memory_equal(text, len >= 16 ? "abc" : "\0\0\0", 3);
	}
}

static void bytes_left_over_are_refused(void **state)
{
	struct ub_cursor c = ub_cursor(bytes, 2);

	(void)state;
	(void)ub_cursor_u8(&c);
	assert_int_equal(ub_cursor_left(&c), 1);
	assert_int_equal(ub_cursor_end(&c), UNIBUS_ERR_INVALID);
	(void)ub_cursor_u8(&c);
	assert_int_equal(ub_cursor_end(&c), UB_OK);
}

static void an_error_stays(void **state)
{
	struct ub_cursor c = ub_cursor(bytes, 3);
	char to[1] = {'x'};

	(void)state;
	assert_int_equal(ub_cursor_u32(&c), 0);
	assert_int_equal(ub_cursor_u8(&c), 0);
	assert_null(ub_cursor_skip(&c, 0));
	ub_cursor_copy(&c, to, 1);
	assert_int_equal(to[0], 0);
	assert_int_equal(ub_cursor_left(&c), 0);
	assert_int_equal(ub_cursor_end(&c), UNIBUS_ERR_INVALID);
}

static void a_huge_length_does_not_wrap(void **state)
{
	struct ub_cursor c = ub_cursor(bytes, sizeof(bytes));

	(void)state;
	(void)ub_cursor_u8(&c);
	assert_null(ub_cursor_skip(&c, SIZE_MAX));
	assert_int_equal(ub_cursor_end(&c), UNIBUS_ERR_INVALID);
}

static void nothing_is_a_valid_input(void **state)
{
	struct ub_cursor c = ub_cursor(NULL, 0);

	(void)state;
	ub_cursor_copy(&c, NULL, 0);
	assert_int_equal(ub_cursor_left(&c), 0);
	assert_int_equal(ub_cursor_end(&c), UB_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_form_is_read),
		cmocka_unit_test(every_cut_is_refused_and_reads_zeros),
		cmocka_unit_test(bytes_left_over_are_refused),
		cmocka_unit_test(an_error_stays),
		cmocka_unit_test(a_huge_length_does_not_wrap),
		cmocka_unit_test(nothing_is_a_valid_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
