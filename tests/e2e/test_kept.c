/* Persisted rooms over the shared library, on a real bus: everything once, in order, whatever
 * breaks meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <time.h>

#include "core/json.h"
#include "core/num.h"
#include "tests/harness/ledger.h"
#include "tests/harness/pair.h"
#include "tests/harness/tap.h"

static const struct unibus_policy kept = {.encrypt = true, .persist = true, .sign = true};
static const struct unibus_policy kept_since_join = {
	.encrypt = true, .persist = true, .sign = true, .history = UNIBUS_HISTORY_SINCE_JOIN};

static struct stack stack;

static int group_setup(void **state)
{
	*state = NULL;
	return stack_start(&stack, NULL);
}

static int group_teardown(void **state)
{
	(void)state;
	return stack_stop(&stack);
}

/* Alice owns a persisted room that Bob is in; neither listens. Either may be behind a tap. */
struct two {
	struct person *alice, *bob;
	unibus_room *a, *b;
	char subject[64];
};

static void two_start(struct two *t, const char *name, const struct unibus_policy *policy,
	uint16_t a_port, uint16_t b_port)
{
	char a[33], b[33];

	(void)snprintf(a, sizeof(a), "a.%s", name);
	(void)snprintf(b, sizeof(b), "b.%s", name);
	(void)snprintf(t->subject, sizeof(t->subject), "kept.%s", name);
	t->alice = person_new(&stack, a);
	t->bob = person_new(&stack, b);
	t->alice->nats_port = a_port;
	t->bob->nats_port = b_port;
	person_connect(t->alice);
	person_connect(t->bob);
	assert_int_equal(UNIBUS_OK, unibus_room_create(t->alice->c, t->subject, policy, &t->a));
	assert_int_equal(UNIBUS_OK, unibus_room_invite(t->a, b, UNIBUS_MEMBER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(t->bob->c, t->subject, &t->b));
}

static void two_stop(struct two *t)
{
	unibus_room_free(t->a);
	if (t->b)
		unibus_room_free(t->b);
	person_free(t->alice);
	person_free(t->bob);
}

/* Says the numbers from..to, each kept before the next; the position of the last. */
static uint64_t say(unibus_room *room, unsigned from, unsigned to)
{
	struct unibus_ack ack = {0};

	for (unsigned i = from; i <= to; i++) {
		char text[16];
		struct unibus_publish p = {.data = text};
		uint64_t before = ack.position;

		p.len = (size_t)snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(UNIBUS_OK, unibus_publish_wait(room, &p, 20000, &ack));
		assert_true(ack.position > before);
	}
	return ack.position;
}

static struct ledger *listen(unibus_room *room, const struct unibus_subscription *from)
{
	return ledger_open(room, from);
}

static void what_is_said_is_kept_and_heard_once(void **state)
{
	struct two t;
	struct ledger *a, *b;
	uint64_t last;

	(void)state;
	two_start(&t, "said", &kept, 0, 0);
	a = listen(t.a, &(struct unibus_subscription){.start = UNIBUS_LIVE});
	b = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_LIVE});
	last = say(t.a, 1, 5);
	last = say(t.b, 6, 10);
	ledger_wait(a, 10);
	ledger_wait(b, 10);
	ledger_is(a, 1, 10);
	ledger_is(b, 1, 10);
	assert_int_equal(last, b->rows[9].position);
	ledger_close(a);
	ledger_close(b);
	assert_int_equal(0, person_count_told(t.bob, UNIBUS_EVENT_BAD_FRAME));
	assert_int_equal(0, person_count_told(t.bob, UNIBUS_EVENT_MISSING));
	two_stop(&t);
}

static void a_subscription_starts_where_it_is_told_to(void **state)
{
	struct two t;
	struct ledger *l;
	uint64_t fifth;
	static const struct unibus_subscription bad[] = {
		{.start = UNIBUS_LAST},
		{.start = UNIBUS_LAST, .last = 100001},
		{.start = UNIBUS_DURABLE},
		{.start = UNIBUS_DURABLE, .durable = ""},
		{.start = UNIBUS_DURABLE, .durable = "a/b"},
		{.start = (enum unibus_start)9},
	};

	(void)state;
	two_start(&t, "start", &kept, 0, 0);
	fifth = say(t.a, 1, 5);
	(void)say(t.b, 6, 9);
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_ALL});
	ledger_wait_caught_up(l);
	ledger_is(l, 1, 9);
	ledger_close(l);
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_LAST, .last = 3});
	ledger_wait_caught_up(l);
	ledger_is(l, 7, 9);
	ledger_close(l);
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_LAST, .last = 100000});
	ledger_wait_caught_up(l);
	ledger_is(l, 1, 9);
	ledger_close(l);
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_AFTER, .after = fifth});
	ledger_wait_caught_up(l);
	ledger_is(l, 6, 9);
	(void)say(t.a, 10, 12);
	ledger_wait(l, 7);
	ledger_is(l, 6, 12);
	ledger_close(l);
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_LIVE});
	ledger_wait_caught_up(l);
	(void)say(t.a, 13, 13);
	ledger_wait(l, 1);
	ledger_is(l, 13, 13);
	ledger_close(l);
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++)
		assert_int_equal(UNIBUS_ERR_INVALID, ledger_try(t.b, &bad[i]));
	two_stop(&t);
}

static void where_nothing_is_kept_there_is_no_history(void **state)
{
	struct pair p;
	struct unibus_ack ack = {.position = 9};
	struct ledger *l;
	static const enum unibus_start starts[] = {
		UNIBUS_LAST, UNIBUS_ALL, UNIBUS_AFTER, UNIBUS_DURABLE};

	(void)state;
	pair_start(&p, &stack, "unkept", &pair_sealed);
	for (size_t i = 0; i < UB_ARRAY_LEN(starts); i++)
		assert_int_equal(UNIBUS_ERR_INVALID,
			ledger_try(p.b, &(struct unibus_subscription){
						.start = starts[i], .last = 1, .durable = "x"}));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_history(p.b, 0, 10, ledger_row, NULL));
	l = listen(p.b, &(struct unibus_subscription){.start = UNIBUS_LIVE});
	ledger_wait_caught_up(l);
	assert_int_equal(
		UNIBUS_OK, unibus_publish_wait(p.a, &(struct unibus_publish){.data = "1", .len = 1},
				   5000, &ack));
	assert_int_equal(0, ack.position);
	assert_int_equal(UNIBUS_REF_TEXT, strlen(ack.ref));
	ledger_wait(l, 1);
	ledger_close(l);
	pair_stop(&p);
}

static void a_joiner_reads_what_was_said_before_over_all_keys(void **state)
{
	struct two t;
	struct person *carol;
	unibus_room *c = NULL;
	struct ledger *l;

	(void)state;
	two_start(&t, "join", &kept, 0, 0);
	(void)say(t.a, 1, 4);
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(t.a));
	(void)say(t.b, 5, 8);
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(t.a));
	(void)say(t.a, 9, 12);
	carol = person_new(&stack, "c.join");
	person_connect(carol);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(t.a, "c.join", UNIBUS_READER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(carol->c, t.subject, &c));
	/* Bob is out of the room, what he said is not. */
	unibus_room_free(t.b);
	t.b = NULL;
	assert_int_equal(UNIBUS_OK, unibus_room_remove(t.a, "b.join"));
	(void)say(t.a, 13, 14);
	l = listen(c, &(struct unibus_subscription){.start = UNIBUS_ALL});
	ledger_wait_caught_up(l);
	ledger_wait(l, 14);
	ledger_is(l, 1, 14);
	for (size_t i = 0; i < 14; i++)
		assert_true(l->rows[i].verified);
	ledger_close(l);
	unibus_room_free(c);
	person_free(carol);
	two_stop(&t);
}

static void under_since_join_he_reads_only_what_came_after(void **state)
{
	struct two t;
	struct person *carol;
	unibus_room *c = NULL;
	struct ledger *l;

	(void)state;
	two_start(&t, "since", &kept_since_join, 0, 0);
	(void)say(t.a, 1, 4);
	carol = person_new(&stack, "c.since");
	person_connect(carol);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(t.a, "c.since", UNIBUS_MEMBER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(carol->c, t.subject, &c));
	(void)say(t.a, 5, 7);
	l = listen(c, &(struct unibus_subscription){.start = UNIBUS_ALL});
	ledger_wait_caught_up(l);
	ledger_is(l, 5, 7);
	ledger_close(l);
	/* The twin: who was there has it all. */
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_ALL});
	ledger_wait_caught_up(l);
	ledger_is(l, 1, 7);
	ledger_close(l);
	unibus_room_free(c);
	person_free(carol);
	two_stop(&t);
}

static void history_comes_page_by_page(void **state)
{
	struct two t;
	struct ledger l = {0};

	(void)state;
	two_start(&t, "pages", &kept, 0, 0);
	(void)say(t.a, 1, 10);
	ledger_init(&l);
	assert_int_equal(UNIBUS_OK, unibus_history(t.b, 0, 4, ledger_row, &l));
	ledger_is(&l, 7, 10);
	l.n = 0;
	assert_int_equal(UNIBUS_OK, unibus_history(t.b, l.rows[0].position, 1000, ledger_row, &l));
	ledger_is(&l, 1, 6);
	l.n = 0;
	l.stop_at = 2;
	assert_int_equal(UNIBUS_OK, unibus_history(t.b, 0, 10, ledger_row, &l));
	ledger_is(&l, 1, 2);
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_history(t.b, 0, 0, ledger_row, &l));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_history(t.b, 0, 1001, ledger_row, &l));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_history(t.b, 0, 10, NULL, &l));
	ledger_deinit(&l);
	two_stop(&t);
}

/* ---- losses ---- */

static void messages_lost_on_the_way_come_from_the_history_first(void **state)
{
	struct tap *tap = tap_start(stack.nats_port);
	struct two t;
	struct ledger *l;
	struct unibus_stats stats;

	(void)state;
	assert_non_null(tap);
	tap_lose(tap, true, "HMSG unibus.live", 0);
	two_start(&t, "gap", &kept, 0, tap_port(tap));
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_LIVE});
	ledger_wait_caught_up(l);
	(void)say(t.a, 1, 3);
	ledger_wait(l, 3);
	tap_lose(tap, true, "HMSG unibus.live", 5);
	(void)say(t.a, 4, 8);
	assert_int_equal(3, ledger_count(l));
	(void)say(t.a, 9, 12);
	ledger_wait(l, 12);
	ledger_is(l, 1, 12);
	assert_int_equal(5, tap_lost(tap));
	/* Again, and the last ones: a new connection asks by itself. */
	tap_lose(tap, true, "HMSG unibus.live", 2);
	(void)say(t.a, 13, 14);
	tap_cut(tap);
	ledger_wait(l, 14);
	ledger_is(l, 1, 14);
	assert_int_equal(0, person_count_told(t.bob, UNIBUS_EVENT_BAD_FRAME));
	assert_int_equal(0, person_count_told(t.bob, UNIBUS_EVENT_MISSING));
	ledger_close(l);
	unibus_get_stats(t.bob->c, &stats);
	assert_int_equal(14, stats.delivered);
	two_stop(&t);
	tap_stop(tap);
}

static void a_lost_echo_is_found_and_a_lost_message_sent_again(void **state)
{
	struct tap *tap = tap_start(stack.nats_port);
	struct two t;
	struct ledger *l;

	(void)state;
	assert_non_null(tap);
	tap_lose(tap, true, "HMSG unibus.live", 0);
	tap_lose(tap, false, "HPUB unibus.log", 0);
	two_start(&t, "echo", &kept, tap_port(tap), 0);
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_LIVE});
	(void)say(t.a, 1, 2);
	tap_lose(tap, true, "HMSG unibus.live", 1);
	(void)say(t.a, 3, 3);
	assert_int_equal(1, tap_lost(tap));
	tap_lose(tap, false, "HPUB unibus.log", 2);
	(void)say(t.a, 4, 4);
	assert_int_equal(3, tap_lost(tap));
	(void)say(t.a, 5, 6);
	ledger_wait(l, 6);
	ledger_is(l, 1, 6);
	/* One that never gets through. */
	tap_lose(tap, false, "HPUB unibus.log", 1000);
	assert_int_equal(UNIBUS_ERR_OUTCOME_UNKNOWN,
		unibus_publish_wait(
			t.a, &(struct unibus_publish){.data = "7", .len = 1}, 1500, NULL));
	tap_lose(tap, false, "HPUB unibus.log", 0);
	(void)say(t.a, 7, 7);
	ledger_wait(l, 7);
	ledger_is(l, 1, 7);
	ledger_close(l);
	two_stop(&t);
	tap_stop(tap);
}

/* ---- many at once ---- */

struct acked {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned good, bad, closed;
	uint64_t highest;
};

static void on_ack(void *arg, enum unibus_err err, const struct unibus_ack *ack)
{
	struct acked *x = arg;

	(void)pthread_mutex_lock(&x->lock);
	x->good += err == UNIBUS_OK;
	x->closed += err == UNIBUS_ERR_CLOSED;
	x->bad += err != UNIBUS_OK && err != UNIBUS_ERR_CLOSED;
	if (ack && ack->position > x->highest)
		x->highest = ack->position;
	(void)pthread_cond_broadcast(&x->changed);
	(void)pthread_mutex_unlock(&x->lock);
}

static void acked_init(struct acked *x)
{
	*x = (struct acked){0};
	assert_int_equal(0, pthread_mutex_init(&x->lock, NULL));
	assert_int_equal(0, pthread_cond_init(&x->changed, NULL));
}

static void acked_wait(struct acked *x, unsigned n)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	(void)pthread_mutex_lock(&x->lock);
	while (x->good + x->bad < n)
		assert_int_equal(0, pthread_cond_timedwait(&x->changed, &x->lock, &until));
	assert_int_equal(0, x->bad);
	(void)pthread_mutex_unlock(&x->lock);
}

static void send_async(unibus_room *room, unsigned no, struct acked *x)
{
	char text[16];
	struct unibus_publish p = {.data = text};

	p.len = (size_t)snprintf(text, sizeof(text), "%u", no);
	assert_int_equal(UNIBUS_OK, unibus_publish_async(room, &p, on_ack, x));
}

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define MANY 5000

static void thousands_go_through_a_window(void **state)
{
	struct two t;
	struct ledger *l;
	struct acked x;
	double begun, sent, caught;

	(void)state;
	two_start(&t, "many", &kept, 0, 0);
	acked_init(&x);
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_LIVE});
	begun = seconds();
	for (unsigned i = 1; i <= MANY; i++)
		send_async(t.a, i, &x);
	acked_wait(&x, MANY);
	ledger_wait(l, MANY);
	sent = seconds() - begun;
	ledger_is(l, 1, MANY);
	assert_int_equal(x.highest, l->rows[MANY - 1].position);
	ledger_close(l);
	begun = seconds();
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_ALL});
	ledger_wait_caught_up(l);
	caught = seconds() - begun;
	ledger_is(l, 1, MANY);
	ledger_close(l);
	print_message("%u kept and heard in %.2f s, read again in %.2f s\n", MANY, sent, caught);
	two_stop(&t);
}

static void a_full_window_holds_the_sender_up(void **state)
{
	struct tap *tap = tap_start(stack.nats_port);
	struct two t;
	struct acked x;
	unibus_options *o;

	(void)state;
	assert_non_null(tap);
	tap_lose(tap, false, "HPUB unibus.log", 100000);
	two_start(&t, "window", &kept, tap_port(tap), 0);
	acked_init(&x);
	unibus_room_free(t.a);
	person_close(t.alice);
	o = person_options(t.alice);
	assert_int_equal(UNIBUS_OK, unibus_options_set_timeout(o, 2000));
	assert_int_equal(UNIBUS_OK, unibus_connect(o, &t.alice->c));
	unibus_options_free(o);
	assert_int_equal(UNIBUS_OK, unibus_room_open(t.alice->c, t.subject, &t.a));
	for (unsigned i = 1; i <= UNIBUS_PUBLISH_WINDOW; i++)
		send_async(t.a, i, &x);
	assert_int_equal(UNIBUS_ERR_TIMEOUT,
		unibus_publish_async(
			t.a, &(struct unibus_publish){.data = "n", .len = 1}, on_ack, &x));
	unibus_room_free(t.a);
	person_close(t.alice);
	assert_int_equal(UNIBUS_PUBLISH_WINDOW, x.closed);
	assert_int_equal(0, x.good + x.bad);
	t.a = NULL;
	unibus_room_free(t.b);
	person_free(t.alice);
	person_free(t.bob);
	tap_stop(tap);
}

/* ---- things break ---- */

static void a_restart_of_the_message_server_in_the_middle_loses_nothing(void **state)
{
	struct two t;
	struct ledger *l;
	struct acked x;

	(void)state;
	two_start(&t, "restart", &kept, 0, 0);
	acked_init(&x);
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_LIVE});
	for (unsigned i = 1; i <= 200; i++)
		send_async(t.a, i, &x);
	proc_stop(&stack.nats);
	assert_int_equal(0, stack_nats_start(&stack));
	for (unsigned i = 201; i <= 400; i++)
		send_async(t.a, i, &x);
	acked_wait(&x, 400);
	ledger_wait(l, 400);
	ledger_is_all(l, 400);
	ledger_close(l);
	two_stop(&t);
}

static void cuts_in_the_middle_lose_nothing_and_double_nothing(void **state)
{
	struct tap *tap = tap_start(stack.nats_port);
	struct two t;
	struct ledger *a, *b;
	struct acked x;

	(void)state;
	assert_non_null(tap);
	two_start(&t, "cuts", &kept, tap_port(tap), tap_port(tap));
	acked_init(&x);
	a = listen(t.a, &(struct unibus_subscription){.start = UNIBUS_LIVE});
	b = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_DURABLE, .durable = "b"});
	for (unsigned i = 1; i <= 600; i++) {
		send_async(t.a, i, &x);
		if (i % 150 == 0)
			tap_cut(tap);
		if (i == 300)
			assert_int_equal(UNIBUS_OK, unibus_room_rekey(t.a));
	}
	acked_wait(&x, 600);
	ledger_wait(a, 600);
	ledger_wait(b, 600);
	ledger_is_all(a, 600);
	ledger_is_all(b, 600);
	ledger_same(a, b);
	ledger_close(a);
	ledger_close(b);
	two_stop(&t);
	tap_stop(tap);
}

/* ---- durable ---- */

static void a_durable_subscription_goes_on_where_it_was(void **state)
{
	static const struct unibus_subscription from = {
		.start = UNIBUS_DURABLE, .durable = "my_name-1"};
	struct two t;
	struct ledger *l;

	(void)state;
	two_start(&t, "durable", &kept, 0, 0);
	(void)say(t.a, 1, 3);
	l = listen(t.b, &from);
	ledger_wait_caught_up(l);
	ledger_is(l, 1, 3);
	assert_int_equal(UNIBUS_ERR_LOCKED, ledger_try(t.b, &from));
	(void)say(t.a, 4, 5);
	ledger_wait(l, 5);
	ledger_close(l);
	(void)say(t.a, 6, 8);
	/* Over a restart of the client, too. */
	unibus_room_free(t.b);
	person_close(t.bob);
	person_connect(t.bob);
	assert_int_equal(UNIBUS_OK, unibus_room_open(t.bob->c, t.subject, &t.b));
	l = listen(t.b, &from);
	ledger_wait_caught_up(l);
	ledger_is(l, 6, 8);
	ledger_close(l);
	/* Another name is another place. */
	l = listen(t.b, &(struct unibus_subscription){.start = UNIBUS_DURABLE, .durable = "other"});
	ledger_wait_caught_up(l);
	ledger_is(l, 1, 8);
	ledger_close(l);
	two_stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_is_kept_and_heard_once),
		cmocka_unit_test(a_subscription_starts_where_it_is_told_to),
		cmocka_unit_test(where_nothing_is_kept_there_is_no_history),
		cmocka_unit_test(a_joiner_reads_what_was_said_before_over_all_keys),
		cmocka_unit_test(under_since_join_he_reads_only_what_came_after),
		cmocka_unit_test(history_comes_page_by_page),
		cmocka_unit_test(messages_lost_on_the_way_come_from_the_history_first),
		cmocka_unit_test(a_lost_echo_is_found_and_a_lost_message_sent_again),
		cmocka_unit_test(thousands_go_through_a_window),
		cmocka_unit_test(a_full_window_holds_the_sender_up),
		cmocka_unit_test(a_restart_of_the_message_server_in_the_middle_loses_nothing),
		cmocka_unit_test(cuts_in_the_middle_lose_nothing_and_double_nothing),
		cmocka_unit_test(a_durable_subscription_goes_on_where_it_was),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
