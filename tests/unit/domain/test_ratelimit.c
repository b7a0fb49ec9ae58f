#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/key.h"
#include "membershipd/domain/ratelimit.h"

static struct md_ratelimit *limit(double per_second, double burst, size_t entries)
{
	const struct md_rate r = {per_second, burst, entries};
	struct md_ratelimit *l;

	assert_int_equal(ub_core_init(), UB_OK);
	assert_int_equal(md_ratelimit_new(&r, &l), UB_OK);
	return l;
}

static struct ub_bytes who(const char *z)
{
	return (struct ub_bytes){(const uint8_t *)z, strlen(z)};
}

/* 0: granted; else the wait. */
static uint64_t take(struct md_ratelimit *l, const char *name, double cost, uint64_t at)
{
	uint64_t wait = 0;
	ub_err e = md_ratelimit_take(l, who(name), cost, at, &wait);

	assert_true(e == UB_OK || (e == UNIBUS_ERR_SLOW_DOWN && wait > 0));
	return e ? wait : 0;
}

static void a_bucket_gives_its_burst_then_its_rate(void **state)
{
	struct md_ratelimit *l = limit(10, 3, 100);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(take(l, "a", 1, 1000), 0);
	assert_int_equal(take(l, "a", 1, 1000), 100);
	assert_int_equal(take(l, "a", 2, 1000), 200);
	assert_int_equal(take(l, "a", 1, 1050), 50); /* refusals cost nothing */
	assert_int_equal(take(l, "a", 1, 1100), 0);
	assert_int_equal(take(l, "a", 1, 1100), 100);
	assert_int_equal(take(l, "b", 3, 1100), 0);
	assert_int_equal(take(l, "a", 3, 9000), 0); /* full, and not fuller than full */
	assert_int_equal(take(l, "a", 1, 9000), 100);
	md_ratelimit_free(l);
}

static void looking_takes_nothing(void **state)
{
	struct md_ratelimit *l = limit(1, 2, 100);

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(md_ratelimit_has(l, who("a"), 2, 0));
	assert_false(md_ratelimit_has(l, who("a"), 3, 0));
	assert_int_equal(take(l, "a", 2, 0), 0);
	assert_false(md_ratelimit_has(l, who("a"), 1, 999));
	assert_true(md_ratelimit_has(l, who("a"), 1, 1000));
	md_ratelimit_free(l);
}

static void a_clock_that_stands_or_jumps_back_gives_nothing(void **state)
{
	struct md_ratelimit *l = limit(1, 1, 100);

	(void)state;
	assert_int_equal(take(l, "a", 1, 5000), 0);
	assert_int_equal(take(l, "a", 1, 5000), 1000);
	assert_int_equal(take(l, "a", 1, 100), 1000);
	md_ratelimit_free(l);
}

static void whoever_is_nearest_to_full_is_forgotten_first(void **state)
{
	struct md_ratelimit *l = limit(1, 10, 3);

	(void)state;
	assert_int_equal(take(l, "empty", 10, 0), 0);
	assert_int_equal(take(l, "half", 5, 0), 0);
	assert_int_equal(take(l, "little", 1, 0), 0);
	assert_int_equal(take(l, "new", 2, 0), 0); /* in the place of "little" */
	assert_true(md_ratelimit_has(l, who("little"), 10, 0));
	assert_false(md_ratelimit_has(l, who("half"), 6, 0));
	assert_false(md_ratelimit_has(l, who("new"), 9, 0));
	assert_false(md_ratelimit_has(l, who("empty"), 1, 0)); /* flooding frees nobody */
	md_ratelimit_free(l);
}

static void many_names_stay_within_the_maximum(void **state)
{
	struct md_ratelimit *l = limit(1, 100, 64);
	char name[16];

	(void)state;
	assert_int_equal(take(l, "worst", 100, 0), 0);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "n%u", i);
		assert_int_equal(take(l, name, i % 90 + 1, i), 0);
	}
	assert_false(md_ratelimit_has(l, who("worst"), 6, 5000));
	assert_true(md_ratelimit_has(l, who("worst"), 5, 5000));
	md_ratelimit_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_gives_its_burst_then_its_rate),
		cmocka_unit_test(looking_takes_nothing),
		cmocka_unit_test(a_clock_that_stands_or_jumps_back_gives_nothing),
		cmocka_unit_test(whoever_is_nearest_to_full_is_forgotten_first),
		cmocka_unit_test(many_names_stay_within_the_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
