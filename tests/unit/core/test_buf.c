/* Buffers grow up to their maximum, latch the first error and give their memory away. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/core/vectors.h"

#include "core/buf.h"

static void pieces_are_put_one_after_the_other(void **state)
{
	static const uint8_t want[] = "\x01\x02\x03\x04\x05\x01\x02\x03\x04\x05\x06\x07\x08"
				      "zeta-00ff7f__v_x7\0y";
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(100);

	(void)state;
	ub_buf_u8(&b, 1);
	ub_buf_u32(&b, 0x02030405);
	ub_buf_u64(&b, 0x0102030405060708);
	ub_buf_z(&b, "zeta");
	ub_buf_z(&b, "");
	ub_buf_str(&b, UB_STR("-"));
	ub_buf_str(&b, ub_str(NULL));
	ub_buf_hex(&b, "\x00\xff\x7f", 3);
	ub_buf_b64url(&b, "\xff\xfb\xff", 3);
	ub_buf_b64url(&b, NULL, 0);
	ub_buf_printf(&b, "%c%u", 'x', 7u);
	ub_buf_put(&b, "\0y", 2);
	assert_int_equal(ub_buf_err(&b), UB_OK);
	assert_int_equal(b.len, sizeof(want) - 1);
	assert_memory_equal(b.p, want, sizeof(want) - 1);
	assert_ptr_equal(ub_buf_text(&b).p, b.p);
	assert_int_equal(ub_buf_text(&b).len, b.len);
}

static void it_takes_its_maximum_and_not_one_byte_more(void **state)
{
	(void)state;
	for (size_t max = 0; max < 600; max += 37) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(max);

		for (size_t i = 0; i < max; i++)
			ub_buf_u8(&b, (uint8_t)i);
		assert_int_equal(ub_buf_err(&b), UB_OK);
		assert_non_null(ub_buf_cstr(&b));
		ub_buf_put(&b, "", 0);
		assert_int_equal(ub_buf_err(&b), UB_OK);
		ub_buf_u8(&b, 1);
		assert_int_equal(ub_buf_err(&b), UNIBUS_ERR_TOO_LARGE);
		assert_int_equal(b.len, max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(b.p[i], (uint8_t)i);
	}
}

static void each_put_is_whole_or_not_at_all(void **state)
{
	static const struct {
		const char *what;
		size_t len;
	} cases[] = {{"u32", 4}, {"u64", 8}, {"hex", 6}, {"b64url", 4}, {"printf", 5}, {"z", 3}};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++)
		for (size_t room = cases[i].len - 1; room <= cases[i].len; room++) {
			UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(room);

			switch (i) {
			case 0:
				ub_buf_u32(&b, 1);
				break;
			case 1:
				ub_buf_u64(&b, 1);
				break;
			case 2:
				ub_buf_hex(&b, "abc", 3);
				break;
			case 3:
				ub_buf_b64url(&b, "abc", 3);
				break;
			case 4:
				ub_buf_printf(&b, "%s", "12345");
				break;
			default:
				ub_buf_z(&b, "abc");
			}
			assert_int_equal(
				ub_buf_err(&b), room < cases[i].len ? UNIBUS_ERR_TOO_LARGE : UB_OK);
			assert_int_equal(b.len, room < cases[i].len ? 0 : cases[i].len);
		}
}

static void the_first_error_stays_until_reset(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(4);

	(void)state;
	ub_buf_z(&b, "ab");
	ub_buf_z(&b, "cde");
	ub_buf_z(&b, "c");
	ub_buf_fail(&b, UNIBUS_ERR_INVALID);
	assert_int_equal(ub_buf_err(&b), UNIBUS_ERR_TOO_LARGE);
	assert_int_equal(b.len, 2);
	assert_null(ub_buf_cstr(&b));
	assert_null(ub_buf_take(&b));
	ub_buf_reset(&b);
	assert_int_equal(ub_buf_err(&b), UB_OK);
	ub_buf_z(&b, "wxyz");
	assert_string_equal(ub_buf_cstr(&b), "wxyz");
	ub_buf_fail(&b, UNIBUS_ERR_INVALID);
	assert_int_equal(ub_buf_err(&b), UNIBUS_ERR_INVALID);
}

/* Lengths that no size_t holds once they are encoded. */
static void a_length_that_overflows_is_too_large(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(SIZE_MAX);

	(void)state;
	ub_buf_z(&b, "kept");
	ub_buf_hex(&b, "", SIZE_MAX / 2 + 1);
	assert_int_equal(ub_buf_err(&b), UNIBUS_ERR_TOO_LARGE);
	ub_buf_reset(&b);
	ub_buf_z(&b, "kept");
	ub_buf_b64url(&b, "", SIZE_MAX / 4 + 2);
	assert_int_equal(ub_buf_err(&b), UNIBUS_ERR_TOO_LARGE);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.p, "kept", 4);
}

/* In a process of its own, whose memory ends below what the buffer may hold. */
static int ran_out_of_memory(void)
{
	const struct rlimit limit = {1, 1};
	static char chunk[1 << 20];
	struct ub_buf b = UB_BUF(SIZE_MAX / 2);
	size_t len;

	ub_buf_z(&b, "kept");
	if (setrlimit(RLIMIT_AS, &limit))
		return 2;
	for (unsigned i = 0; i < 256 && !b.err; i++)
		ub_buf_put(&b, chunk, sizeof(chunk));
	len = b.len;
	ub_buf_put(&b, chunk, 1);
	return b.err == UNIBUS_ERR_NOMEM && b.len == len && memcmp(b.p, "kept", 4) == 0 ? 0 : 1;
}

static void no_memory_is_named_and_loses_nothing(void **state)
{
	int status = 0;
	pid_t child;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* a sanitizer's own memory does not fit such a limit */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
	skip();
#endif
#endif
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(ran_out_of_memory());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void taking_leaves_an_empty_buffer(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(8);
	UB_CLEANUP(ub_freep) char *first = NULL;
	UB_CLEANUP(ub_freep) char *empty = NULL;

	(void)state;
	ub_buf_z(&b, "12345678");
	first = ub_buf_take(&b);
	assert_string_equal(first, "12345678");
	assert_null(b.p);
	assert_int_equal(b.len, 0);
	empty = ub_buf_take(&b);
	assert_string_equal(empty, "");
	ub_buf_z(&b, "again");
	assert_string_equal(ub_buf_cstr(&b), "again");
	ub_buf_deinit(&b);
	ub_buf_deinit(&b);
	assert_int_equal(b.max, 8);
}

static void text_is_printed_at_any_length(void **state)
{
	char *want = malloc(5001);

	(void)state;
	assert_non_null(want);
	memset(want, 'x', 5000);
	for (size_t n = 0; n <= 5000; n += 250) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(5000);

		ub_buf_printf(&b, "%.*s", (int)n, want);
		assert_int_equal(b.len, n);
		assert_int_equal(strlen(ub_buf_cstr(&b)), n);
	}
	free(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_put_one_after_the_other),
		cmocka_unit_test(it_takes_its_maximum_and_not_one_byte_more),
		cmocka_unit_test(each_put_is_whole_or_not_at_all),
		cmocka_unit_test(the_first_error_stays_until_reset),
		cmocka_unit_test(a_length_that_overflows_is_too_large),
		cmocka_unit_test(no_memory_is_named_and_loses_nothing),
		cmocka_unit_test(taking_leaves_an_empty_buffer),
		cmocka_unit_test(text_is_printed_at_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
