/* membershipd as a process: started and stopped in every order with nats-server, with TLS, without
 * enforcement, with sessions that end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/key.h"
#include "tests/harness/peer.h"
#include "tests/harness/rawbus.h"
#include "tests/harness/stack.h"

#define WAIT_MS 15000

static void start(struct stack *s, const struct stack_options *o)
{
	assert_int_equal(0, stack_start(s, o));
}

static void stop(struct stack *s)
{
	assert_int_equal(0, stack_stop(s));
}

static int healthz(const struct stack *s, struct ub_buf *out)
{
	ub_buf_reset(out);
	return call_rest(&(struct call){.stack = s, .method = "GET", .target = "/healthz"}, out);
}

static void expect_health(const struct stack *s, int status, const char *words)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);

	assert_int_equal(status, healthz(s, &out));
	if (!strstr(ub_buf_cstr(&out), words))
		fail_msg("%s lacks %s", ub_buf_cstr(&out), words);
}

/* Starts membershipd up to where REST is served; its log begins anew. */
static void launch(struct stack *s)
{
	char log[PROC_PATH];

	(void)snprintf(log, sizeof(log), "%s", s->md.log);
	assert_int_equal(0, unlink(log));
	assert_int_equal(0, stack_md_launch(s));
	assert_int_equal(0, proc_wait_log(&s->md, "listening", WAIT_MS));
}

static void it_waits_for_a_bus_that_comes_later(void **state)
{
	struct stack s;

	(void)state;
	start(&s, NULL);
	expect_health(&s, 200, "\"status\":\"ok\"");
	assert_int_equal(0, proc_stop(&s.md));
	(void)proc_stop(&s.nats);
	launch(&s);
	/* The REST API answers before the bus is there; it only says that it is not. */
	expect_health(&s, 503, "\"status\":\"no_nats\"");
	assert_int_equal(0, stack_nats_start(&s));
	assert_int_equal(0, stack_md_wait(&s));
	expect_health(&s, 200, "\"acl\":true");
	stop(&s);
}

static void it_can_be_stopped_while_it_waits(void **state)
{
	struct stack s;
	int code;

	(void)state;
	start(&s, NULL);
	assert_int_equal(0, proc_stop(&s.md));
	(void)proc_stop(&s.nats);
	launch(&s);
	assert_int_equal(0, proc_signal(&s.md, SIGTERM));
	assert_int_equal(0, proc_wait(&s.md, WAIT_MS, &code));
	assert_int_equal(0, code);
	stop(&s);
}

static void a_frozen_server_is_named_and_kicked_when_it_thaws(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);
	struct stack s;
	struct rawbus b;
	struct peer p;

	(void)state;
	start(&s, NULL);
	assert_int_equal(201, peer_enrol(&p, &s, "bob"));
	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, s.nats_port, &p.sign));
	assert_int_equal(0, proc_signal(&s.nats, SIGSTOP));
	assert_int_equal(200, call_user_revoke(&s, &p.sign, &out));
	assert_non_null(strstr(ub_buf_cstr(&out), "\"unconfirmed\":[\"n1\"]"));
	assert_non_null(strstr(ub_buf_cstr(&out), "\"kicked\":0"));
	assert_false(rawbus_is_closed(&b));
	assert_int_equal(0, proc_signal(&s.nats, SIGCONT));
	assert_true(rawbus_wait_closed(&b, WAIT_MS));
	rawbus_close(&b);
	stop(&s);
}

static void one_database_serves_one_membershipd(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);
	struct stack s;
	char keys[PROC_PATH + 8];

	(void)state;
	start(&s, NULL);
	(void)snprintf(keys, sizeof(keys), "%s/keys", s.bus);
	assert_int_equal(
		1, proc_run((const char *const[]){s.membershipd, "serve", "--port", "0",
				    "--nats-url", s.nats_url, "--keys", keys, "--db", s.db, NULL},
			   NULL, &out));
	assert_non_null(strstr(ub_buf_cstr(&out), "another process holds"));
	ub_buf_reset(&out);
	assert_int_equal(1,
		proc_run((const char *const[]){s.membershipd, "user", "list", "--db", s.db, NULL},
			NULL, &out));
	assert_non_null(strstr(ub_buf_cstr(&out), "unibus users list"));
	stop(&s);
}

static void a_key_acknowledged_is_there_after_a_kill(void **state)
{
	struct stack s;
	struct rawbus b;
	struct peer p;

	(void)state;
	start(&s, NULL);
	assert_int_equal(201, peer_enrol(&p, &s, "bob"));
	proc_kill(&s.md);
	assert_int_equal(0, stack_md_start(&s));
	assert_int_equal(200, call_user_add(&s, &p.sign, "bob"));
	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, s.nats_port, &p.sign));
	rawbus_close(&b);
	stop(&s);
}

static void a_session_ends_with_its_login(void **state)
{
	const char *const args[] = {"--session-ttl", "2s", NULL};
	struct stack s;
	struct rawbus b;
	struct peer p;

	(void)state;
	start(&s, &(struct stack_options){.md_args = args});
	assert_int_equal(201, peer_enrol(&p, &s, "bob"));
	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, s.nats_port, &p.sign));
	assert_true(rawbus_wait_closed(&b, 6000));
	rawbus_close(&b);
	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, s.nats_port, &p.sign));
	rawbus_close(&b);
	stop(&s);
}

static void without_enforcement_strangers_get_in_and_are_logged(void **state)
{
	static const char *const MODES[] = {"soft", "off"};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(MODES); i++) {
		const char *const args[] = {"--bus-auth", MODES[i], NULL};
		UB_CLEANUP(ub_buf_deinit) struct ub_buf log = UB_BUF(1024 * 1024);
		struct stack s;
		struct rawbus b;
		struct peer p;

		start(&s, &(struct stack_options){.md_args = args});
		expect_health(&s, 200, "\"acl\":false");
		peer_make(&p);
		assert_int_equal(RAWBUS_IN, rawbus_enter(&b, s.nats_port, &p.sign));
		rawbus_send(&b, "SUB any.thing 1\r\nPUB any.thing 2\r\nhi\r\n");
		assert_true(rawbus_quiet(&b));
		rawbus_close(&b);
		assert_int_equal(
			0, proc_run((const char *const[]){"grep", "let_through", s.md.log, NULL},
				   NULL, &log));
		stop(&s);
	}
}

static void with_tls_both_planes_are_closed_to_the_clear(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(64 * 1024);
	struct stack s, plain;
	struct peer p;

	(void)state;
	start(&s, &(struct stack_options){.tls = true});
	assert_int_equal(201, peer_enrol(&p, &s, "bob"));
	expect_health(&s, 200, "\"tls\":true");
	plain = s;
	plain.ca[0] = '\0';
	(void)snprintf(plain.http_url, sizeof(plain.http_url), "http://127.0.0.1:%u", s.http_port);
	assert_int_not_equal(200, healthz(&plain, &out));
	/* HUP reads the certificate again; requests go on. */
	assert_int_equal(0, proc_signal(&s.md, SIGHUP));
	expect_health(&s, 200, "\"status\":\"ok\"");
	stop(&s);
}

static void a_server_of_another_authority_is_not_spoken_to(void **state)
{
	struct stack s, other;
	char ca[PROC_PATH];
	int code;

	(void)state;
	start(&s, &(struct stack_options){.tls = true});
	start(&other, &(struct stack_options){.tls = true, .no_start = true});
	assert_int_equal(0, proc_stop(&s.md));
	(void)snprintf(ca, sizeof(ca), "%s", s.ca);
	(void)snprintf(s.ca, sizeof(s.ca), "%s", other.ca);
	launch(&s);
	(void)snprintf(s.ca, sizeof(s.ca), "%s", ca);
	expect_health(&s, 503, "\"status\":\"no_nats\"");
	assert_int_equal(0, proc_signal(&s.md, SIGTERM));
	assert_int_equal(0, proc_wait(&s.md, WAIT_MS, &code));
	/* The right one again. */
	assert_int_equal(0, stack_md_start(&s));
	stop(&other);
	stop(&s);
}

static void the_log_level_is_read_again_on_hup(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(1024 * 1024);
	char file[] = "/tmp/unibus-level-XXXXXX";
	const char *const args[] = {"--log-level-file", file, NULL};
	struct stack s;
	struct rawbus b;
	int fd = mkstemp(file);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(5, write(fd, "warn\n", 5));
	start(&s, &(struct stack_options){.md_args = args});
	assert_int_equal(
		1, proc_run((const char *const[]){"grep", "serving", s.md.log, NULL}, NULL, &out));
	assert_int_equal(0, ftruncate(fd, 0));
	assert_int_equal(6, pwrite(fd, "debug\n", 6, 0));
	assert_int_equal(0, proc_signal(&s.md, SIGHUP));
	/* Usual logins are logged at debug: one turns up once the signal has been taken. */
	for (int i = 0, found = 1; found != 0; i++) {
		assert_true(i < 200);
		assert_int_equal(RAWBUS_IN, rawbus_enter(&b, s.nats_port, &s.admin));
		rawbus_close(&b);
		found = proc_run((const char *const[]){"grep", "verdict=granted", s.md.log, NULL},
			NULL, &out);
	}
	stop(&s);
	(void)close(fd);
	(void)unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_waits_for_a_bus_that_comes_later),
		cmocka_unit_test(it_can_be_stopped_while_it_waits),
		cmocka_unit_test(a_frozen_server_is_named_and_kicked_when_it_thaws),
		cmocka_unit_test(one_database_serves_one_membershipd),
		cmocka_unit_test(a_key_acknowledged_is_there_after_a_kill),
		cmocka_unit_test(a_session_ends_with_its_login),
		cmocka_unit_test(without_enforcement_strangers_get_in_and_are_logged),
		cmocka_unit_test(with_tls_both_planes_are_closed_to_the_clear),
		cmocka_unit_test(a_server_of_another_authority_is_not_spoken_to),
		cmocka_unit_test(the_log_level_is_read_again_on_hup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
