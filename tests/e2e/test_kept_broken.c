/* Persisted rooms while things break: every message once, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "client/identity.h"
#include "core/endpoint.h"
#include "core/json.h"
#include "core/num.h"
#include "core/subject.h"
#include "tests/harness/rawbus.h"
#include "tests/harness/tap.h"
#include "tests/harness/two.h"

#define SHARDS 4

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
	two_start(&t, &stack, "gap", &two_kept, (struct two_at){0, tap_port(tap)});
	l = two_listen(t.b, UNIBUS_LIVE);
	ledger_wait_caught_up(l);
	(void)two_say(t.a, 1, 3);
	ledger_wait(l, 3);
	tap_lose(tap, true, "HMSG unibus.live", 5);
	(void)two_say(t.a, 4, 8);
	assert_int_equal(3, ledger_count(l));
	(void)two_say(t.a, 9, 12);
	ledger_wait(l, 12);
	ledger_is(l, 1, 12);
	assert_int_equal(5, tap_lost(tap));
	/* Again, and the last ones: a new connection asks by itself. */
	tap_lose(tap, true, "HMSG unibus.live", 2);
	(void)two_say(t.a, 13, 14);
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
	two_start(&t, &stack, "echo", &two_kept, (struct two_at){tap_port(tap), 0});
	l = two_listen(t.b, UNIBUS_LIVE);
	(void)two_say(t.a, 1, 2);
	tap_lose(tap, true, "HMSG unibus.live", 1);
	(void)two_say(t.a, 3, 3);
	assert_int_equal(1, tap_lost(tap));
	tap_lose(tap, false, "HPUB unibus.log", 2);
	(void)two_say(t.a, 4, 4);
	assert_int_equal(3, tap_lost(tap));
	(void)two_say(t.a, 5, 6);
	ledger_wait(l, 6);
	ledger_is(l, 1, 6);
	/* One that never gets through. */
	tap_lose(tap, false, "HPUB unibus.log", 1000);
	assert_int_equal(UNIBUS_ERR_OUTCOME_UNKNOWN,
		unibus_publish_wait(
			t.a, &(struct unibus_publish){.data = "7", .len = 1}, 1500, NULL));
	tap_lose(tap, false, "HPUB unibus.log", 0);
	(void)two_say(t.a, 7, 7);
	ledger_wait(l, 7);
	ledger_is(l, 1, 7);
	ledger_close(l);
	two_stop(&t);
	tap_stop(tap);
}

/* ---- many at once ---- */

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
	struct two_acks x;
	double begun, sent, caught;

	(void)state;
	two_start(&t, &stack, "many", &two_kept, (struct two_at){0});
	two_acks_init(&x);
	l = two_listen(t.b, UNIBUS_LIVE);
	begun = seconds();
	for (unsigned i = 1; i <= MANY; i++)
		two_send(t.a, i, &x);
	two_acks_wait(&x, MANY);
	ledger_wait(l, MANY);
	sent = seconds() - begun;
	ledger_is(l, 1, MANY);
	assert_int_equal(x.highest, l->rows[MANY - 1].position);
	ledger_close(l);
	begun = seconds();
	l = two_listen(t.b, UNIBUS_ALL);
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
	struct two_acks x;
	unibus_options *o;

	(void)state;
	assert_non_null(tap);
	tap_lose(tap, false, "HPUB unibus.log", 100000);
	two_start(&t, &stack, "window", &two_kept, (struct two_at){tap_port(tap), 0});
	two_acks_init(&x);
	unibus_room_free(t.a);
	person_close(t.alice);
	o = person_options(t.alice);
	assert_int_equal(UNIBUS_OK, unibus_options_set_timeout(o, 2000));
	assert_int_equal(UNIBUS_OK, unibus_connect(o, &t.alice->c));
	unibus_options_free(o);
	assert_int_equal(UNIBUS_OK, unibus_room_open(t.alice->c, t.subject, &t.a));
	for (unsigned i = 1; i <= UNIBUS_PUBLISH_WINDOW; i++)
		two_send(t.a, i, &x);
	assert_int_equal(UNIBUS_ERR_TIMEOUT,
		unibus_publish_async(
			t.a, &(struct unibus_publish){.data = "n", .len = 1}, two_on_ack, &x));
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
	struct two_acks x;

	(void)state;
	two_start(&t, &stack, "restart", &two_kept, (struct two_at){0});
	two_acks_init(&x);
	l = two_listen(t.b, UNIBUS_LIVE);
	for (unsigned i = 1; i <= 200; i++)
		two_send(t.a, i, &x);
	proc_stop(&stack.nats);
	assert_int_equal(0, stack_nats_start(&stack));
	for (unsigned i = 201; i <= 400; i++)
		two_send(t.a, i, &x);
	two_acks_wait(&x, 400);
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
	struct two_acks x;

	(void)state;
	assert_non_null(tap);
	two_start(&t, &stack, "cuts", &two_kept, (struct two_at){tap_port(tap), tap_port(tap)});
	two_acks_init(&x);
	a = two_listen(t.a, UNIBUS_LIVE);
	b = ledger_open(
		t.b, &(struct unibus_subscription){.start = UNIBUS_DURABLE, .durable = "b"});
	for (unsigned i = 1; i <= 600; i++) {
		two_send(t.a, i, &x);
		if (i % 150 == 0)
			tap_cut(tap);
		if (i == 300)
			assert_int_equal(UNIBUS_OK, unibus_room_rekey(t.a));
	}
	two_acks_wait(&x, 600);
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

/* ---- lies ---- */

/* A member writes headers of his own before the server's. */
static void headers_of_others_making_are_found_out(void **state)
{
	static const char *const ROWS[] = {
		"Nats-Sequence: 1",
		"Nats-Sequence: 99999999",
		"Nats-Last-Sequence: 0",
		"Nats-Subject: unibus.log0.x.y",
		"Nats-Stream: UNIBUS_LOG_9",
		"Nats-Stream: UNIBUS_LOG_9\r\nX", /* a line without an end swallows the next */
		"X: y\r\n\r\nZ: y",
	};
	struct two t;
	struct ledger *l;
	struct rawbus r;
	struct ub_wire subject;
	struct ub_endpoint me;
	struct ub_room_id id;
	struct unibus_room_info info;

	(void)state;
	two_start(&t, &stack, "forged", &two_kept, (struct two_at){0});
	l = two_listen(t.b, UNIBUS_LIVE);
	(void)two_say(t.a, 1, 1);
	ledger_wait(l, 1);
	unibus_room_get_info(t.a, &info);
	assert_int_equal(UB_OK, ub_room_id_decode(ub_str(info.id), &id));
	assert_int_equal(
		UB_OK, ub_endpoint_decode(ub_str(unibus_identity_endpoint(t.alice->id)), &me));
	ub_wire_publish_log(ub_wire_shard(&id, SHARDS), &id, &me, &subject);
	assert_int_equal(RAWBUS_IN, rawbus_enter(&r, stack.nats_port, &t.alice->id->keys->sign));
	for (size_t i = 0; i < UB_ARRAY_LEN(ROWS); i++) {
		size_t n = strlen("NATS/1.0\r\n\r\n\r\n") + strlen(ROWS[i]);

		rawbus_send(&r, "HPUB %s %zu %zu\r\nNATS/1.0\r\n%s\r\n\r\nlies\r\n", subject.z, n,
			n + 4, ROWS[i]);
		assert_true(rawbus_quiet(&r));
		/* What comes next is delivered, once, in its place. */
		(void)two_say(t.a, 2 + (unsigned)i, 2 + (unsigned)i);
		ledger_wait(l, 2 + i);
	}
	ledger_is(l, 1, 1 + UB_ARRAY_LEN(ROWS));
	assert_true(person_count_told(t.bob, UNIBUS_EVENT_BAD_FRAME) >= UB_ARRAY_LEN(ROWS));
	for (size_t i = 0; i < t.bob->n_told; i++)
		if (t.bob->told[i].kind == UNIBUS_EVENT_BAD_FRAME)
			assert_int_equal(UNIBUS_ERR_CORRUPT, t.bob->told[i].err);
	ledger_close(l);
	rawbus_close(&r);
	two_stop(&t);
}

/* ---- killed ---- */

/* What the program printed, as one that keeps positions with what it does would have it: a
 * repeated message that is there already is not taken again. How many. */
static unsigned read_printed(const char *path, bool *seen, size_t n)
{
	FILE *f = fopen(path, "re");
	char line[4096];
	uint64_t last = 0;
	unsigned total = 0;

	memset(seen, 0, n * sizeof(*seen));
	while (f && fgets(line, sizeof(line), f)) {
		json_t *v = json_loads(line, 0, NULL);
		uint64_t pos = (uint64_t)json_integer_value(json_object_get(v, "position")), no;
		const char *text = json_string_value(json_object_get(v, "text"));
		bool again = json_is_true(json_object_get(v, "repeated"));

		if (text && ub_num_u64(ub_str(text), 1, n - 1, &no) == UB_OK) {
			assert_true(pos > last || (pos == last && again));
			if (pos != last) {
				assert_false(seen[no]);
				seen[no] = true;
				total++;
			}
			last = pos;
		}
		json_decref(v);
	}
	if (f)
		(void)fclose(f);
	return total;
}

#define KILLS 8
#define SAID 1600

static void a_subscriber_that_is_killed_goes_on_without_loss_or_doubles(void **state)
{
	struct two t;
	struct person *carol = NULL;
	char id[PROC_PATH], dir[PROC_PATH + 8], log[PROC_PATH + 8], program[PROC_PATH];
	const char *argv[] = {program, "tail", NULL, "--json", "--durable", "w", "--identity", id,
		"--state-dir", dir, "--ctrl", stack.http_url, "--nats", stack.nats_url, NULL};
	struct proc_spec spec = {.name = "unibus", .argv = argv, .log = log};
	struct proc child = PROC_NONE;
	struct two_acks x;
	bool seen[SAID + 1];

	(void)state;
	two_start(&t, &stack, "killed", &two_kept, (struct two_at){0});
	two_acks_init(&x);
	carol = person_new_file(&stack, "c.killed", id);
	(void)snprintf(dir, sizeof(dir), "%s/state", carol->dir);
	(void)snprintf(log, sizeof(log), "%s/log", carol->dir);
	proc_program("unibus", program);
	argv[2] = t.subject;
	/* Her record is published by her first call. */
	assert_int_equal(
		0, proc_run((const char *const[]){program, "room", "list", "--identity", id,
				    "--state-dir", dir, "--ctrl", stack.http_url, NULL},
			   NULL, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_invite(t.a, "c.killed", UNIBUS_READER, NULL));
	for (unsigned kill = 1; kill <= KILLS; kill++) {
		char until[32];

		assert_int_equal(0, proc_start(&spec, &child));
		for (unsigned i = (kill - 1) * SAID / KILLS + 1; i <= kill * SAID / KILLS; i++)
			two_send(t.a, i, &x);
		/* In the middle of what was just said. */
		(void)snprintf(until, sizeof(until), "\"text\":\"%u\"",
			kill * SAID / KILLS - SAID / KILLS / 2);
		assert_int_equal(0, proc_wait_log(&child, until, 30000));
		proc_kill(&child);
	}
	two_acks_wait(&x, SAID);
	assert_int_equal(0, proc_start(&spec, &child));
	assert_int_equal(0, proc_wait_log(&child, "\"text\":\"1600\"", 30000));
	proc_kill(&child);
	assert_int_equal(SAID, read_printed(log, seen, UB_ARRAY_LEN(seen)));
	two_stop(&t);
	person_free(carol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_lost_on_the_way_come_from_the_history_first),
		cmocka_unit_test(a_lost_echo_is_found_and_a_lost_message_sent_again),
		cmocka_unit_test(thousands_go_through_a_window),
		cmocka_unit_test(a_full_window_holds_the_sender_up),
		cmocka_unit_test(a_restart_of_the_message_server_in_the_middle_loses_nothing),
		cmocka_unit_test(cuts_in_the_middle_lose_nothing_and_double_nothing),
		cmocka_unit_test(headers_of_others_making_are_found_out),
		cmocka_unit_test(a_subscriber_that_is_killed_goes_on_without_loss_or_doubles),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
