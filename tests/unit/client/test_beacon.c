/* When a beacon is due, and when silence is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/beacon.h"

#define START 1000

static void the_first_is_soon_and_the_next_ten_minutes_after_the_last_signed_frame(void **state)
{
	struct ub_beacon b = {0};

	(void)state;
	/* Who does not listen sends none. */
	ub_beacon_sent(&b, START, 0);
	assert_int_equal(0, b.next);
	ub_beacon_listen(&b, START);
	assert_int_equal(START + UB_BEACON_FIRST_MS, b.next);
	ub_beacon_sent(&b, START + 500, 20);
	assert_int_equal(START + 500 + UB_BEACON_EVERY_MS - 20, b.next);
	/* A second subscription changes nothing. */
	ub_beacon_listen(&b, START + 600);
	assert_int_equal(START + 500 + UB_BEACON_EVERY_MS - 20, b.next);
}

static void an_hour_of_silence_is_told_once_an_hour(void **state)
{
	struct ub_beacon b = {0};
	uint64_t hour = START + UB_BEACON_STALE_MS;

	(void)state;
	/* Who does not listen cannot know. */
	assert_false(ub_beacon_stale(&b, hour));
	ub_beacon_listen(&b, START);
	assert_false(ub_beacon_stale(&b, hour - 1));
	assert_true(ub_beacon_stale(&b, hour));
	assert_false(ub_beacon_stale(&b, hour + 1));
	assert_false(ub_beacon_stale(&b, hour + UB_BEACON_STALE_MS - 1));
	assert_true(ub_beacon_stale(&b, hour + UB_BEACON_STALE_MS));
}

static void hearing_an_admin_starts_the_hour_anew(void **state)
{
	struct ub_beacon b = {0};
	uint64_t hour = START + UB_BEACON_STALE_MS;

	(void)state;
	ub_beacon_listen(&b, START);
	assert_true(ub_beacon_stale(&b, hour));
	ub_beacon_heard(&b, hour + 1);
	assert_false(ub_beacon_stale(&b, hour + UB_BEACON_STALE_MS));
	assert_true(ub_beacon_stale(&b, hour + UB_BEACON_STALE_MS + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_first_is_soon_and_the_next_ten_minutes_after_the_last_signed_frame),
		cmocka_unit_test(an_hour_of_silence_is_told_once_an_hour),
		cmocka_unit_test(hearing_an_admin_starts_the_hour_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
