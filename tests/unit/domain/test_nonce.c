#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/key.h"
#include "membershipd/domain/nonce.h"

#define T0 1000000 /* wall clock of the first request */
#define KEEP (2 * UB_REQUEST_WINDOW_MS)

static struct md_nonce nonce(uint8_t key, uint8_t n, uint64_t ts_ms)
{
	return (struct md_nonce){.key = {{key}}, .nonce = {n}, .ts_ms = ts_ms};
}

static struct md_nonces *nonces(size_t per_key, size_t total)
{
	const struct md_nonces_limits l = {per_key, total};
	struct md_nonces *n;

	assert_int_equal(ub_core_init(), UB_OK);
	assert_int_equal(md_nonces_new(&l, &n), UB_OK);
	return n;
}

static void noted(struct md_nonces *n, struct md_nonce x, uint64_t boot_ms, ub_err want)
{
	assert_int_equal(md_nonces_note(n, &x, boot_ms), want);
}

static void a_nonce_is_good_once_and_for_its_key(void **state)
{
	struct md_nonces *n = nonces(0, 0);
	struct md_nonce x = nonce(1, 1, T0);

	(void)state;
	assert_int_equal(md_nonces_check(n, &x, 0), UB_OK);
	assert_int_equal(md_nonces_check(n, &x, 0), UB_OK); /* looking burns nothing */
	noted(n, x, 0, UB_OK);
	assert_int_equal(md_nonces_check(n, &x, 0), UNIBUS_ERR_REPLAY);
	noted(n, x, 0, UNIBUS_ERR_REPLAY);
	noted(n, nonce(1, 1, T0 + 5), 0, UNIBUS_ERR_REPLAY); /* another time does not renew it */
	noted(n, nonce(1, 2, T0), 0, UB_OK);
	noted(n, nonce(2, 1, T0), 0, UB_OK);
	md_nonces_free(n);
}

static void nothing_unexpired_is_forgotten(void **state)
{
	struct md_nonces *n = nonces(0, 0);

	(void)state;
	noted(n, nonce(1, 1, T0), 10, UB_OK);
	noted(n, nonce(1, 2, T0 + 1), 10 + KEEP - 1, UB_OK);
	noted(n, nonce(1, 1, T0), 10 + KEEP - 1, UNIBUS_ERR_REPLAY);
	md_nonces_free(n);
}

static void what_was_forgotten_is_a_floor(void **state)
{
	static const struct {
		uint64_t ts;
		ub_err want;
	} cases[] = {
		{T0 - 1, UNIBUS_ERR_REPLAY},
		{T0, UNIBUS_ERR_REPLAY},
		{T0 + 1, UB_OK},
	};
	struct md_nonces *n = nonces(0, 0);

	(void)state;
	noted(n, nonce(1, 1, T0), 0, UB_OK);
	noted(n, nonce(1, 2, T0 + KEEP), KEEP, UB_OK); /* forgets the first */
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct md_nonce x = nonce(7, (uint8_t)i, cases[i].ts);

		assert_int_equal(md_nonces_check(n, &x, KEEP), cases[i].want);
		noted(n, x, KEEP, cases[i].want);
	}
	md_nonces_free(n);
}

static void the_floor_is_the_highest_not_the_latest(void **state)
{
	struct md_nonces *n = nonces(0, 0);

	(void)state;
	noted(n, nonce(1, 1, T0 + 500), 0, UB_OK);
	noted(n, nonce(1, 2, T0), 0, UB_OK);
	noted(n, nonce(1, 3, T0 + 500), KEEP, UNIBUS_ERR_REPLAY);
	noted(n, nonce(1, 4, T0 + 501), KEEP, UB_OK);
	md_nonces_free(n);
}

static void past_its_share_a_key_waits_and_others_do_not(void **state)
{
	struct md_nonces *n = nonces(2, 0);

	(void)state;
	noted(n, nonce(1, 1, T0), 0, UB_OK);
	noted(n, nonce(1, 2, T0), 5, UB_OK);
	noted(n, nonce(1, 3, T0), 5, UNIBUS_ERR_SLOW_DOWN);
	noted(n, nonce(1, 1, T0), 5, UNIBUS_ERR_REPLAY); /* full is no pardon */
	noted(n, nonce(2, 1, T0), 5, UB_OK);
	noted(n, nonce(1, 3, T0 + 1), KEEP, UB_OK); /* the first has aged */
	noted(n, nonce(1, 4, T0 + 1), KEEP, UNIBUS_ERR_SLOW_DOWN);
	md_nonces_free(n);
}

static void the_whole_is_bounded(void **state)
{
	struct md_nonces *n = nonces(0, 2);

	(void)state;
	noted(n, nonce(1, 1, T0), 0, UB_OK);
	noted(n, nonce(2, 1, T0), 0, UB_OK);
	noted(n, nonce(3, 1, T0), 0, UNIBUS_ERR_SLOW_DOWN);
	noted(n, nonce(3, 1, T0 + 1), KEEP, UB_OK);
	md_nonces_free(n);
}

struct race {
	struct md_nonces *n;
	pthread_barrier_t start;
	int wins[4];
};
struct racer {
	struct race *race;
	int *wins;
};

static void *racing(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(&r->race->start);
	for (uint8_t i = 0; i < 200; i++) {
		struct md_nonce x = nonce(1, i, T0);

		*r->wins += md_nonces_note(r->race->n, &x, 0) == UB_OK;
	}
	return NULL;
}

static void of_two_racing_requests_one_wins(void **state)
{
	struct race race = {.n = nonces(0, 0)};
	struct racer r[4];
	pthread_t t[4];
	int wins = 0;

	(void)state;
	pthread_barrier_init(&race.start, NULL, 4);
	for (size_t i = 0; i < 4; i++) {
		r[i] = (struct racer){&race, &race.wins[i]};
		assert_int_equal(pthread_create(&t[i], NULL, racing, &r[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		wins += race.wins[i];
	}
	assert_int_equal(wins, 200);
	pthread_barrier_destroy(&race.start);
	md_nonces_free(race.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_nonce_is_good_once_and_for_its_key),
		cmocka_unit_test(nothing_unexpired_is_forgotten),
		cmocka_unit_test(what_was_forgotten_is_a_floor),
		cmocka_unit_test(the_floor_is_the_highest_not_the_latest),
		cmocka_unit_test(past_its_share_a_key_waits_and_others_do_not),
		cmocka_unit_test(the_whole_is_bounded),
		cmocka_unit_test(of_two_racing_requests_one_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
