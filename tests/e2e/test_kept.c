/* Persisted rooms over the shared library, on a real bus: everything once, in order, whatever
 * breaks meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/harness/pair.h"
#include "tests/harness/two.h"

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

static void what_is_said_is_kept_and_heard_once(void **state)
{
	struct two t;
	struct ledger *a, *b;
	uint64_t last;

	(void)state;
	two_start(&t, &stack, "said", &two_kept, (struct two_at){0});
	a = two_listen(t.a, UNIBUS_LIVE);
	b = two_listen(t.b, UNIBUS_LIVE);
	last = two_say(t.a, 1, 5);
	last = two_say(t.b, 6, 10);
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
	two_start(&t, &stack, "start", &two_kept, (struct two_at){0});
	fifth = two_say(t.a, 1, 5);
	(void)two_say(t.b, 6, 9);
	l = two_listen(t.b, UNIBUS_ALL);
	ledger_wait_caught_up(l);
	ledger_is(l, 1, 9);
	ledger_close(l);
	l = ledger_open(t.b, &(struct unibus_subscription){.start = UNIBUS_LAST, .last = 3});
	ledger_wait_caught_up(l);
	ledger_is(l, 7, 9);
	ledger_close(l);
	l = ledger_open(t.b, &(struct unibus_subscription){.start = UNIBUS_LAST, .last = 100000});
	ledger_wait_caught_up(l);
	ledger_is(l, 1, 9);
	ledger_close(l);
	l = ledger_open(t.b, &(struct unibus_subscription){.start = UNIBUS_AFTER, .after = fifth});
	ledger_wait_caught_up(l);
	ledger_is(l, 6, 9);
	(void)two_say(t.a, 10, 12);
	ledger_wait(l, 7);
	ledger_is(l, 6, 12);
	ledger_close(l);
	l = two_listen(t.b, UNIBUS_LIVE);
	ledger_wait_caught_up(l);
	(void)two_say(t.a, 13, 13);
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
	l = two_listen(p.b, UNIBUS_LIVE);
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
	two_start(&t, &stack, "join", &two_kept, (struct two_at){0});
	(void)two_say(t.a, 1, 4);
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(t.a));
	(void)two_say(t.b, 5, 8);
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(t.a));
	(void)two_say(t.a, 9, 12);
	carol = person_new(&stack, "c.join");
	person_connect(carol);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(t.a, "c.join", UNIBUS_READER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(carol->c, t.subject, &c));
	/* Bob is out of the room, what he said is not. */
	unibus_room_free(t.b);
	t.b = NULL;
	assert_int_equal(UNIBUS_OK, unibus_room_remove(t.a, "b.join"));
	(void)two_say(t.a, 13, 14);
	l = two_listen(c, UNIBUS_ALL);
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
	two_start(&t, &stack, "since", &kept_since_join, (struct two_at){0});
	(void)two_say(t.a, 1, 4);
	carol = person_new(&stack, "c.since");
	person_connect(carol);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(t.a, "c.since", UNIBUS_MEMBER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(carol->c, t.subject, &c));
	(void)two_say(t.a, 5, 7);
	l = two_listen(c, UNIBUS_ALL);
	ledger_wait_caught_up(l);
	ledger_is(l, 5, 7);
	ledger_close(l);
	/* The twin: who was there has it all. */
	l = two_listen(t.b, UNIBUS_ALL);
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
	two_start(&t, &stack, "pages", &two_kept, (struct two_at){0});
	(void)two_say(t.a, 1, 10);
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

/* ---- durable ---- */

static void a_durable_subscription_goes_on_where_it_was(void **state)
{
	static const struct unibus_subscription from = {
		.start = UNIBUS_DURABLE, .durable = "my_name-1"};
	struct two t;
	struct ledger *l;

	(void)state;
	two_start(&t, &stack, "durable", &two_kept, (struct two_at){0});
	(void)two_say(t.a, 1, 3);
	l = ledger_open(t.b, &from);
	ledger_wait_caught_up(l);
	ledger_is(l, 1, 3);
	assert_int_equal(UNIBUS_ERR_LOCKED, ledger_try(t.b, &from));
	(void)two_say(t.a, 4, 5);
	ledger_wait(l, 5);
	ledger_close(l);
	(void)two_say(t.a, 6, 8);
	/* Over a restart of the client, too. */
	unibus_room_free(t.b);
	person_close(t.bob);
	person_connect(t.bob);
	assert_int_equal(UNIBUS_OK, unibus_room_open(t.bob->c, t.subject, &t.b));
	l = ledger_open(t.b, &from);
	ledger_wait_caught_up(l);
	ledger_is(l, 6, 8);
	ledger_close(l);
	/* Another name is another place. */
	l = ledger_open(
		t.b, &(struct unibus_subscription){.start = UNIBUS_DURABLE, .durable = "other"});
	ledger_wait_caught_up(l);
	ledger_is(l, 1, 8);
	ledger_close(l);
	two_stop(&t);
}

/* ---- the program ---- */

struct cli {
	char program[PROC_PATH], id[PROC_PATH], dir[PROC_PATH + 8], out[4096];
};

/* Runs "unibus ..." as carol; the exit code. */
static int run(struct cli *c, const char *const *words)
{
	const char *argv[24] = {c->program};
	const char *const more[] = {"--identity", c->id, "--state-dir", c->dir, "--ctrl",
		stack.http_url, "--nats", stack.nats_url};
	struct ub_buf out = UB_BUF(sizeof(c->out));
	size_t n = 1;
	int code;

	for (; *words; words++)
		argv[n++] = *words;
	for (size_t i = 0; i < UB_ARRAY_LEN(more); i++)
		argv[n++] = more[i];
	code = proc_run(argv, NULL, &out);
	(void)snprintf(c->out, sizeof(c->out), "%s", ub_buf_cstr(&out) ? ub_buf_cstr(&out) : "");
	ub_buf_deinit(&out);
	return code;
}

#define RUN(c, ...) run(c, (const char *const[]){__VA_ARGS__, NULL})

static void the_program_waits_and_reads_back(void **state)
{
	static const char *const bad[] = {"yesterday", "last:0", "last:100001", "-1", "last:", ""};
	struct cli c;
	struct person *carol = person_new_file(&stack, "c.cli", c.id);

	(void)state;
	proc_program("unibus", c.program);
	(void)snprintf(c.dir, sizeof(c.dir), "%s/state", carol->dir);
	assert_int_equal(0, RUN(&c, "room", "create", "kept.cli", "--persist", "--retain-messages",
				    "10", "--retain-age", "7d"));
	assert_int_equal(2, RUN(&c, "room", "create", "kept.cli2", "--retain-messages", "10"));
	assert_int_equal(0, RUN(&c, "send", "kept.cli", "one", "--wait"));
	assert_int_equal(0, RUN(&c, "send", "kept.cli", "two", "--wait", "--json"));
	assert_non_null(strstr(c.out, "\"position\":"));
	assert_int_equal(0, RUN(&c, "tail", "kept.cli", "--since", "all", "--count", "2"));
	assert_non_null(strstr(c.out, "one"));
	assert_non_null(strstr(c.out, "two"));
	assert_int_equal(0, RUN(&c, "tail", "kept.cli", "--since", "last:1", "--count", "1"));
	assert_null(strstr(c.out, "one"));
	assert_int_equal(0, RUN(&c, "tail", "kept.cli", "--durable", "d", "--count", "1"));
	assert_non_null(strstr(c.out, "one"));
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++)
		assert_int_equal(2, RUN(&c, "tail", "kept.cli", "--since", bad[i]));
	assert_int_equal(2, RUN(&c, "tail", "kept.cli", "--since", "all", "--durable", "d"));
	assert_int_equal(1, RUN(&c, "tail", "kept.cli", "--durable", "no/name"));
	person_free(carol);
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
		cmocka_unit_test(a_durable_subscription_goes_on_where_it_was),
		cmocka_unit_test(the_program_waits_and_reads_back),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
