/* The HTTP shell: slowness, queues, limits, start and stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/httpd_app.h"
#include "tests/harness/raw.h"

/* Sends `piece` again and again, a byte at a time, until the server closes. */
static bool trickle(int fd, const char *piece, unsigned most)
{
	for (unsigned i = 0; i < most; i++) {
		raw_send(fd, &piece[i % strlen(piece)], 1);
		if (raw_readable(fd, 20))
			return true;
	}
	return false;
}

static void bytes_now_and_then_are_no_progress(void **state)
{
	static const char *const starts[] = {
		"",                                                         /* the request line */
		"GET /echo HTTP/1.1\r\nX-Slow: ",                           /* a header */
		"PUT /big HTTP/1.1\r\n" HOST "Content-Length: 500\r\n\r\n", /* a body */
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(starts); i++) {
		int fd = raw_connect(f->port);

		raw_sendz(fd, starts[i]);
		if (!trickle(fd, "aaaaaaa", 400))
			fail_msg("case %zu: still open after eight seconds", i);
		assert_true(raw_closed(fd));
		close(fd);
	}
	assert_int_equal(atomic_load(&f->app.handled), 0);
}

static void a_kept_connection_has_no_more_time_for_its_next_headers(void **state)
{
	struct fixture *f = *state;
	struct raw_reply r;
	int fd = raw_connect(f->port);

	raw_sendz(fd, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
	raw_read(fd, &r);
	assert_int_equal(r.status, 200);
	raw_reply_deinit(&r);
	raw_sendz(fd, "GET /echo HTTP/1.1\r\nX-Slow: ");
	assert_true(trickle(fd, "a", 200)); /* below the 5 s of idleness */
	assert_true(raw_closed(fd));
	close(fd);
}

static void an_address_over_its_share_is_told_when_to_come_back(void **state)
{
	struct fixture *f = *state;
	struct raw_reply r;
	char text[16];

	atomic_store(&f->app.refuse, true);
	raw_exchange(f->port, "GET /echo HTTP/1.1\r\n" HOST "\r\n", &r);
	assert_int_equal(r.status, 429);
	assert_true(raw_header(&r, "Retry-After", text, sizeof(text)));
	assert_string_equal(text, "2");
	raw_reply_deinit(&r);
	assert_int_equal(atomic_load(&f->app.handled), 0);
	atomic_store(&f->app.refuse, false);
	raw_exchange(f->port, "GET /echo HTTP/1.1\r\n" HOST "\r\n", &r);
	assert_int_equal(r.status, 200);
	raw_reply_deinit(&r);
}

static void a_full_queue_is_503_and_what_waits_is_served(void **state)
{
	struct app app;
	struct httpd_config c;
	struct httpd *h;
	struct raw_reply r;
	int fds[3], refused;
	char text[16];

	(void)state;
	app_init(&app);
	app_hold(&app, true);
	c = config(&app);
	c.workers = c.queue_max = 1;
	assert_int_equal(httpd_start(&c, &h), UB_OK);
	for (unsigned i = 0; i < 3; i++) {
		fds[i] = raw_connect(httpd_port(h));
		raw_sendz(fds[i], "GET /slow HTTP/1.1\r\n" HOST "\r\n");
		if (i == 0)
			app_wait_begun(&app, 1);
	}
	/* The first is with the worker; of the other two one waits, whichever came second. */
	assert_true(raw_any_readable(fds, 3) > 0);
	refused = raw_readable(fds[1], 0) ? 1 : 2;
	raw_read(fds[refused], &r);
	assert_int_equal(r.status, 503);
	assert_true(raw_header(&r, "Retry-After", text, sizeof(text)));
	raw_reply_deinit(&r);
	raw_exchange(httpd_port(h), "GET /echo HTTP/1.1\r\n" HOST "\r\n", &r);
	assert_int_equal(r.status, 200); /* what does not wait goes on */
	raw_reply_deinit(&r);
	app_hold(&app, false);
	for (int i = 0; i < 3; i++) {
		if (i != refused) {
			raw_read(fds[i], &r);
			assert_int_equal(r.status, 200);
			raw_reply_deinit(&r);
		}
		close(fds[i]);
	}
	assert_int_equal(atomic_load(&app.done), 2);
	httpd_free(h);
}

/* Loops that are woken by a peer who leaves just when no more are to be accepted. */
static void stopping_while_peers_leave_ends_well(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct app app;
		struct httpd_config c;
		struct httpd *h;
		int fds[4];

		app_init(&app);
		c = config(&app);
		c.threads = 4;
		assert_int_equal(httpd_start(&c, &h), UB_OK);
		for (size_t k = 0; k < UB_ARRAY_LEN(fds); k++)
			fds[k] = raw_connect(httpd_port(h));
		for (size_t k = 0; k < UB_ARRAY_LEN(fds); k++)
			close(fds[k]);
		httpd_free(h);
	}
}

static void *stopper(void *arg)
{
	httpd_free(arg);
	return NULL;
}

static void stopping_answers_what_was_read(void **state)
{
	struct app app;
	struct httpd_config c;
	struct httpd *h;
	struct raw_reply r;
	pthread_t t;
	int fd;

	(void)state;
	app_init(&app);
	app_hold(&app, true);
	c = config(&app);
	assert_int_equal(httpd_start(&c, &h), UB_OK);
	fd = raw_connect(httpd_port(h));
	raw_sendz(fd, "GET /slow HTTP/1.1\r\n" HOST "\r\n");
	app_wait_begun(&app, 1);
	httpd_stop_accepting(h);
	httpd_stop_accepting(h);
	assert_int_equal(pthread_create(&t, NULL, stopper, h), 0);
	app_hold(&app, false);
	raw_read(fd, &r);
	assert_int_equal(r.status, 200);
	raw_reply_deinit(&r);
	assert_true(raw_closed(fd));
	close(fd);
	pthread_join(t, NULL);
}

static void a_client_that_leaves_while_its_request_waits_harms_nobody(void **state)
{
	struct fixture *f = *state;
	struct raw_reply r;
	int fd = raw_connect(f->port);

	app_hold(&f->app, true);
	raw_sendz(fd, "GET /slow HTTP/1.1\r\n" HOST "\r\n");
	app_wait_begun(&f->app, 1);
	close(fd);
	app_hold(&f->app, false);
	raw_exchange(f->port, "GET /slow HTTP/1.1\r\n" HOST "\r\n", &r);
	assert_int_equal(r.status, 200);
	raw_reply_deinit(&r);
}

static void one_address_gets_a_quarter_of_the_connections(void **state)
{
	struct app app;
	struct httpd_config c;
	struct httpd *h;
	struct raw_reply r;
	int a, b, d;

	(void)state;
	app_init(&app);
	c = config(&app);
	c.connections_max = 8;
	c.header_ms = 10000;
	assert_int_equal(httpd_start(&c, &h), UB_OK);
	a = raw_connect(httpd_port(h));
	b = raw_connect(httpd_port(h));
	d = raw_connect(httpd_port(h));
	assert_true(raw_closed(d));
	raw_sendz(b, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
	raw_read(b, &r);
	assert_int_equal(r.status, 200);
	raw_reply_deinit(&r);
	close(a);
	close(b);
	close(d);
	httpd_free(h);
}

/* Says that a body of that many bytes will follow; the answer to that. */
static unsigned promise(const struct httpd *h, const char *from, unsigned bytes, int *ret_fd)
{
	struct raw_reply r;
	char text[160];
	unsigned status;

	snprintf(text, sizeof(text),
		"PUT /big HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: %u\r\n\r\n",
		bytes);
	*ret_fd = raw_connect_from(from, httpd_port(h));
	raw_sendz(*ret_fd, text);
	raw_read(*ret_fd, &r); /* 100: its place is taken */
	status = r.status;
	raw_reply_deinit(&r);
	return status;
}

static void bodies_in_flight_are_bounded_together(void **state)
{
	struct app app;
	struct httpd_config c;
	struct httpd *h;
	struct raw_reply r;
	int fd, more, other, third;

	(void)state;
	app_init(&app);
	c = config(&app);
	c.bodies_max = 3000000;
	c.header_ms = 10000;
	assert_int_equal(httpd_start(&c, &h), UB_OK);
	/* One address gets half of it, or whoever promises much would keep all others out. */
	assert_int_equal(promise(h, "127.0.0.2", 1000000, &fd), 100);
	assert_int_equal(promise(h, "127.0.0.2", 600000, &more), 503);
	assert_int_equal(promise(h, "127.0.0.3", 1500000, &other), 100);
	assert_int_equal(promise(h, "127.0.0.4", 600000, &third), 503);
	raw_exchange(httpd_port(h), "PUT /big HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", &r);
	assert_int_equal(r.status, 200);
	raw_reply_deinit(&r);
	close(fd);
	close(more);
	close(other);
	close(third);
	httpd_free(h);
}

static void one_event_loop_is_enough(void **state)
{
	struct app app;
	struct httpd_config c;
	struct httpd *h;
	struct raw_reply r;

	(void)state;
	app_init(&app);
	c = config(&app);
	c.threads = 1;
	assert_int_equal(httpd_start(&c, &h), UB_OK);
	for (unsigned i = 0; i < 2; i++) {
		raw_exchange(httpd_port(h),
			i ? "GET /slow HTTP/1.1\r\n" HOST "\r\n"
			  : "GET /echo HTTP/1.1\r\n" HOST "\r\n",
			&r);
		assert_int_equal(r.status, 200);
		raw_reply_deinit(&r);
	}
	httpd_free(h);
}

static void a_table_without_a_decision_does_not_start(void **state)
{
	struct app app;
	struct httpd_config c;
	struct httpd_route row = {"GET", "/x", 0, 0, false, on_echo, 0};
	struct httpd *h = NULL;

	(void)state;
	app_init(&app);
	c = config(&app);
	c.routes = &row;
	c.n_routes = 1;
	assert_int_equal(httpd_start(&c, &h), UNIBUS_ERR_INVALID);
	assert_null(h);
	row.access = 1;
	assert_int_equal(httpd_start(&c, &h), UB_OK);
	httpd_free(h);
}

static void bad_addresses_and_taken_ports_are_named(void **state)
{
	struct fixture *f = *state;
	struct httpd_config c = config(&f->app);
	struct httpd *h = NULL;

	c.bind = "localhost";
	assert_int_equal(httpd_start(&c, &h), UNIBUS_ERR_INVALID);
	c.bind = "127.0.0.1";
	c.port = f->port;
	assert_int_equal(httpd_start(&c, &h), UNIBUS_ERR_CONFLICT);
	assert_null(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			bytes_now_and_then_are_no_progress, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_kept_connection_has_no_more_time_for_its_next_headers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_address_over_its_share_is_told_when_to_come_back, set_up, tear_down),
		cmocka_unit_test(a_full_queue_is_503_and_what_waits_is_served),
		cmocka_unit_test(stopping_while_peers_leave_ends_well),
		cmocka_unit_test(stopping_answers_what_was_read),
		cmocka_unit_test_setup_teardown(
			a_client_that_leaves_while_its_request_waits_harms_nobody, set_up,
			tear_down),
		cmocka_unit_test(one_address_gets_a_quarter_of_the_connections),
		cmocka_unit_test(bodies_in_flight_are_bounded_together),
		cmocka_unit_test(one_event_loop_is_enough),
		cmocka_unit_test(a_table_without_a_decision_does_not_start),
		cmocka_unit_test_setup_teardown(
			bad_addresses_and_taken_ports_are_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
