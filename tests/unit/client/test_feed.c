/* Which frames of a history a subscription had, in every order in which they can come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/feed.h"

static const struct ub_str A = {"aaaaaaaaaaaaaaaaaaaaaa", UB_WIRE_TOKEN};
static const struct ub_str B = {"bbbbbbbbbbbbbbbbbbbbbb", UB_WIRE_TOKEN};

/* A live copy over connection 1; it is noted when it is to be delivered, as a client does. */
static bool live(struct ub_feed *f, struct ub_str token, uint64_t pos, uint64_t last)
{
	bool yes = ub_feed_live(
		f, &(struct ub_live){.token = token, .pos = pos, .last = last, .conn = 1});

	if (yes)
		ub_feed_note(f, token, pos);
	return yes;
}

/* Begins after `after`, and has caught up there. */
static struct ub_feed level(uint64_t after)
{
	struct ub_feed f;

	ub_feed_start(&f, after);
	f.conn = 1;
	assert_true(f.lags);
	assert_true(ub_feed_page(&f, after, false, 1000));
	assert_false(f.lags);
	return f;
}

static void what_follows_is_delivered_once(void **state)
{
	struct ub_feed f = level(10);

	(void)state;
	assert_false(live(&f, A, 9, 0));
	assert_false(live(&f, A, 10, 9));
	assert_true(live(&f, A, 11, 10));
	assert_false(live(&f, A, 11, 10));
	assert_true(live(&f, B, 15, 3)); /* other rooms' frames are in between */
	assert_true(live(&f, A, 16, 11));
	assert_false(live(&f, B, 15, 3));
	assert_false(f.lags);
	assert_int_equal(16, ub_feed_safe(&f));
	ub_feed_deinit(&f);
}

static void a_frame_that_names_one_that_was_not_had_waits_for_the_pages(void **state)
{
	struct ub_feed f = level(10);

	(void)state;
	assert_true(live(&f, A, 11, 10));
	assert_true(live(&f, B, 14, 2));
	/* A's 12 is missing: pages from 11 on, where B's 14 was had. */
	assert_false(live(&f, A, 15, 12));
	assert_true(f.lags);
	assert_int_equal(11, f.at);
	assert_int_equal(11, ub_feed_safe(&f));
	assert_false(live(&f, B, 16, 14)); /* nothing later comes first */
	assert_false(ub_feed_had(&f, A, 12));
	assert_true(ub_feed_had(&f, B, 14));
	assert_false(ub_feed_had(&f, B, 16));
	ub_feed_note(&f, A, 12);
	ub_feed_note(&f, A, 15);
	ub_feed_note(&f, B, 16);
	assert_true(ub_feed_page(&f, 16, false, 1000));
	assert_int_equal(16, ub_feed_safe(&f));
	assert_true(live(&f, A, 17, 15));
	ub_feed_deinit(&f);
}

static void pages_that_end_too_early_are_asked_for_again(void **state)
{
	struct ub_feed f = level(10);

	(void)state;
	ub_feed_lag(&f, 10);
	assert_false(live(&f, A, 20, 10));
	assert_false(ub_feed_page(&f, 15, true, 1000));
	assert_false(ub_feed_page(&f, 18, false, 1000)); /* 20 was live already */
	assert_true(f.next_ms > 1000);
	assert_true(f.lags);
	assert_true(ub_feed_page(&f, 20, false, 2000));
	/* What never turns up in the history has left it: not for ever. */
	ub_feed_lag(&f, 20);
	assert_false(live(&f, A, 30, 20));
	assert_false(ub_feed_page(&f, 25, false, 10000));
	assert_false(ub_feed_page(&f, 25, false, 14000));
	assert_true(ub_feed_page(&f, 25, false, 20000));
	assert_true(live(&f, A, 31, 30));
	ub_feed_deinit(&f);
}

static void a_page_asked_for_before_the_connection_changed_is_not_the_last(void **state)
{
	struct ub_feed f = level(10);

	(void)state;
	ub_feed_lag(&f, 10);
	f.asked = true;
	ub_feed_lag(&f, 10);
	assert_false(ub_feed_page(&f, 12, false, 1000));
	f.asked = false;
	assert_true(ub_feed_page(&f, 12, false, 1000));
	ub_feed_deinit(&f);
}

static void only_the_newest_connection_counts(void **state)
{
	struct ub_feed f = level(10);
	struct ub_live l = {.token = A, .pos = 11, .last = 10, .conn = 2};

	(void)state;
	assert_false(ub_feed_live(&f, &l)); /* something may have been said between the two */
	assert_true(f.lags);
	assert_true(ub_feed_page(&f, 11, false, 1000));
	l = (struct ub_live){.token = A, .pos = 12, .last = 11, .conn = 1};
	assert_false(ub_feed_live(&f, &l));
	assert_false(f.lags);
	l.conn = 2;
	assert_true(ub_feed_live(&f, &l));
	ub_feed_deinit(&f);
}

static void memory_for_senders_has_an_end(void **state)
{
	struct ub_feed f = level(10);
	char token[UB_WIRE_TOKEN + 1];
	uint64_t pos = 10;

	(void)state;
	for (unsigned i = 0; i < UB_FEED_SENDERS_MAX + 10; i++) {
		(void)snprintf(token, sizeof(token), "%022u", i);
		pos++;
		assert_true(live(&f, (struct ub_str){token, UB_WIRE_TOKEN}, pos, 1));
		assert_false(live(&f, (struct ub_str){token, UB_WIRE_TOKEN}, pos, 1));
	}
	assert_true(HASH_COUNT(f.heard) <= UB_FEED_SENDERS_MAX);
	assert_int_equal(pos, ub_feed_safe(&f));
	ub_feed_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_follows_is_delivered_once),
		cmocka_unit_test(a_frame_that_names_one_that_was_not_had_waits_for_the_pages),
		cmocka_unit_test(pages_that_end_too_early_are_asked_for_again),
		cmocka_unit_test(a_page_asked_for_before_the_connection_changed_is_not_the_last),
		cmocka_unit_test(only_the_newest_connection_counts),
		cmocka_unit_test(memory_for_senders_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
