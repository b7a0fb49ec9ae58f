/* The file of who was heard: counts and windows, merged and read back, whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/senders.h"

static const struct ub_endpoint alice = {{1}};

static void save(struct ub_senders *s, struct ub_buf *out)
{
	struct ub_sender *a;
	uint64_t gap;

	assert_int_equal(UB_OK, ub_senders_get(s, &alice, &a));
	ub_replay_note(&a->replay, 77, 1, &gap);
	ub_senders_save(s, out);
	assert_int_equal(UB_OK, ub_buf_err(out));
}

static void of_two_counts_of_an_epoch_the_higher_holds(void **state)
{
	static const struct {
		uint32_t our_epoch;
		uint64_t ours;
		uint32_t their_epoch;
		uint64_t theirs, want;
	} cases[] = {
		{3, 10, 3, 11, 11},
		{3, 10, 3, 9, 10},
		{3, 10, 2, 50, 10},
		{3, 10, 4, 5, 5},
		{0, 0, 3, 7, 7},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct ub_senders ours = {.epoch = cases[i].our_epoch, .frames = cases[i].ours};
		struct ub_senders theirs = {
			.epoch = cases[i].their_epoch, .frames = cases[i].theirs};
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(65536);

		save(&theirs, &b);
		assert_int_equal(UB_OK, ub_senders_merge(&ours, (struct ub_bytes){b.p, b.len}));
		assert_int_equal(cases[i].want, ours.frames);
		assert_non_null(ub_senders_find(&ours, &alice));
		ub_senders_deinit(&ours);
		ub_senders_deinit(&theirs);
	}
}

static void the_first_form_has_no_count(void **state)
{
	struct ub_senders s = {.epoch = 2, .frames = 5}, back = {.epoch = 2, .frames = 1};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(65536);

	(void)state;
	save(&s, &b);
	b.p[6] = '1';
	assert_int_equal(
		UNIBUS_ERR_BAD_FILE, ub_senders_merge(&back, (struct ub_bytes){b.p, b.len}));
	assert_int_equal(UB_OK, ub_senders_merge(&back, (struct ub_bytes){b.p, b.len - 12}));
	assert_int_equal(1, back.frames);
	b.p[6] = '3';
	assert_int_equal(
		UNIBUS_ERR_BAD_FILE, ub_senders_merge(&back, (struct ub_bytes){b.p, b.len}));
	ub_senders_deinit(&s);
	ub_senders_deinit(&back);
}

static void half_a_file_is_none(void **state)
{
	struct ub_senders s = {.epoch = 2, .frames = 5}, back = {0};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(65536);

	(void)state;
	save(&s, &b);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(
			UNIBUS_ERR_BAD_FILE, ub_senders_merge(&back, (struct ub_bytes){b.p, n}));
	ub_buf_u8(&b, 0);
	assert_int_equal(
		UNIBUS_ERR_BAD_FILE, ub_senders_merge(&back, (struct ub_bytes){b.p, b.len}));
	ub_senders_deinit(&s);
	ub_senders_deinit(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_two_counts_of_an_epoch_the_higher_holds),
		cmocka_unit_test(the_first_form_has_no_count),
		cmocka_unit_test(half_a_file_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
