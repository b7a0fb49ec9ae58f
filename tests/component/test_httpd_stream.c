/* Bodies that are not held, and replies that are files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "tests/component/httpd_app.h"
#include "tests/harness/raw.h"

#define BIG (1024 * 1024)

struct taker { /* the program */
	struct app app;
	atomic_uint pieces, ended;
	atomic_size_t bytes, most; /* the largest piece */
	atomic_bool refuse_head, reply_in_sink, fail_in_sink;
	struct httpd *h;
};

struct ctx {
	size_t bytes;
};

static ub_err sink(void *arg, struct httpd_req *r, struct ub_bytes piece)
{
	struct taker *t = arg;
	struct ctx *x = httpd_ctx(r);

	atomic_fetch_add(&t->pieces, 1);
	atomic_fetch_add(&t->bytes, piece.len);
	if (piece.len > atomic_load(&t->most))
		atomic_store(&t->most, piece.len);
	x->bytes += piece.len;
	atomic_fetch_add(&t->app.begun, 1);
	pthread_mutex_lock(&t->app.lock);
	pthread_cond_broadcast(&t->app.changed);
	while (t->app.hold)
		pthread_cond_wait(&t->app.changed, &t->app.lock);
	pthread_mutex_unlock(&t->app.lock);
	if (t->reply_in_sink)
		httpd_fail(r, UNIBUS_ERR_CONFLICT, "enough");
	return t->fail_in_sink ? UNIBUS_ERR_IO : UB_OK;
}

static void head(void *arg, struct httpd_req *r)
{
	struct taker *t = arg;

	if (t->refuse_head)
		httpd_fail(r, UNIBUS_ERR_DENIED, NULL);
	else if (strcmp(httpd_route(r)->path, "/stream") == 0)
		httpd_stream(r, sink);
}

static void end(void *arg, struct httpd_req *r)
{
	struct taker *t = arg;

	(void)r;
	pthread_mutex_lock(&t->app.lock);
	atomic_fetch_add(&t->ended, 1);
	pthread_cond_broadcast(&t->app.changed);
	pthread_mutex_unlock(&t->app.lock);
}

static void on_stream(void *arg, struct httpd_req *r)
{
	const struct ctx *x = httpd_ctx(r);
	char text[64];

	(void)arg;
	assert_int_equal(httpd_body(r).len, 0);
	snprintf(text, sizeof(text), "%zu of %zu", x->bytes, httpd_length(r));
	say(r, ub_str(text));
}

static void on_file(void *arg, struct httpd_req *r)
{
	struct httpd_file f = {.fd = open("Makefile", O_RDONLY | O_CLOEXEC)};
	struct ub_str q = httpd_query(r, "q");

	(void)arg;
	assert_true(f.fd >= 0);
	f.from = ub_str_eqz(q, "rest") ? 5 : 0;
	f.len = ub_str_eqz(q, "none") ? 0 : 20;
	httpd_reply_file(r, 200, "text/plain", &f);
}

static const struct httpd_route stream_rows[] = {
	{"POST", "/stream", 1, BIG, true, on_stream, 0},
	{"POST", "/held", 1, BIG, true, on_stream, 0},
	{"GET", "/file", 1, 0, false, on_file, 0},
};

static int begin(void **state)
{
	struct taker *t = calloc(1, sizeof(*t));
	struct httpd_config c;

	app_init(&t->app);
	c = config(&t->app);
	c.routes = stream_rows;
	c.n_routes = UB_ARRAY_LEN(stream_rows);
	c.hooks = (struct httpd_hooks){.head = head, .end = end};
	c.app = t;
	c.ctx_size = sizeof(struct ctx);
	c.bodies_max = 1000; /* what is streamed takes nothing of it */
	assert_int_equal(httpd_start(&c, &t->h), UB_OK);
	*state = t;
	return 0;
}

static int finish(void **state)
{
	struct taker *t = *state;

	httpd_free(t->h);
	free(t);
	return 0;
}

/* Requests whose end the program has been told. */
static void wait_ended(struct taker *t, unsigned n)
{
	pthread_mutex_lock(&t->app.lock);
	while (atomic_load(&t->ended) < n)
		pthread_cond_wait(&t->app.changed, &t->app.lock);
	pthread_mutex_unlock(&t->app.lock);
	assert_int_equal(atomic_load(&t->ended), n);
}

static void send_head(int fd, const char *path, size_t length)
{
	char text[128];

	snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
		path, length);
	raw_sendz(fd, text);
}

static void send_body(int fd, size_t length)
{
	char *p = calloc(1, length);

	memset(p, 'x', length);
	raw_send(fd, p, length);
	free(p);
}

static void a_large_body_comes_in_pieces(void **state)
{
	struct taker *t = *state;
	struct raw_reply r;
	int fd = raw_connect(httpd_port(t->h));

	send_head(fd, "/stream", BIG);
	send_body(fd, BIG);
	raw_read(fd, &r);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.body, "1048576 of 1048576");
	assert_true(atomic_load(&t->pieces) > 10);
	assert_true(atomic_load(&t->most) <= 64 * 1024);
	raw_reply_deinit(&r);
	/* The connection is of use afterwards, also for no body at all. */
	send_head(fd, "/stream", 0);
	raw_read(fd, &r);
	assert_string_equal(r.body, "0 of 0");
	raw_reply_deinit(&r);
	close(fd);
	wait_ended(t, 2);
}

static void a_body_that_is_held_counts_where_a_streamed_one_does_not(void **state)
{
	struct taker *t = *state;
	struct raw_reply r;
	int fd = raw_connect(httpd_port(t->h));

	send_head(fd, "/held", 1001);
	raw_read(fd, &r);
	assert_int_equal(r.status, 503);
	raw_reply_deinit(&r);
	close(fd);
	wait_ended(t, 1);
}

static void a_refusal_comes_before_the_body(void **state)
{
	struct taker *t = *state;
	struct raw_reply r;
	int fd = raw_connect(httpd_port(t->h));

	atomic_store(&t->refuse_head, true);
	send_head(fd, "/stream", BIG);
	raw_read(fd, &r); /* nothing of the body was sent */
	assert_int_equal(r.status, 403);
	raw_reply_deinit(&r);
	assert_true(raw_closed(fd));
	close(fd);
	assert_int_equal(atomic_load(&t->pieces), 0);
	wait_ended(t, 1);
}

static void one_over_the_maximum_is_refused_unseen(void **state)
{
	struct taker *t = *state;
	struct raw_reply r;
	int fd = raw_connect(httpd_port(t->h));

	send_head(fd, "/stream", BIG + 1);
	raw_read(fd, &r);
	assert_int_equal(r.status, 413);
	raw_reply_deinit(&r);
	close(fd);
	assert_int_equal(atomic_load(&t->ended), 0);
}

static void a_sink_that_has_enough_gets_no_more(void **state)
{
	static const struct {
		bool reply, fail;
		unsigned status;
		const char *code;
	} cases[] = {{true, false, 409, "conflict"}, {false, true, 503, "io"}};
	struct taker *t = *state;

	for (unsigned i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct raw_reply r;
		char code[48];
		int fd = raw_connect(httpd_port(t->h));

		atomic_store(&t->pieces, 0);
		atomic_store(&t->reply_in_sink, cases[i].reply);
		atomic_store(&t->fail_in_sink, cases[i].fail);
		send_head(fd, "/stream", BIG);
		send_body(fd, BIG);
		raw_read(fd, &r);
		raw_code(&r, code);
		assert_int_equal(r.status, cases[i].status);
		assert_string_equal(code, cases[i].code);
		assert_int_equal(atomic_load(&t->pieces), 1);
		raw_reply_deinit(&r);
		close(fd);
		wait_ended(t, i + 1);
	}
}

static void a_sender_who_leaves_ends_the_request(void **state)
{
	struct taker *t = *state;
	int fd = raw_connect(httpd_port(t->h));

	send_head(fd, "/stream", BIG);
	send_body(fd, 70000);
	close(fd);
	wait_ended(t, 1);
	assert_true(atomic_load(&t->bytes) <= 70000);
}

/* The end comes in one with the bytes before it, while the event loop is at something else. */
static void a_sender_who_leaves_unnoticed_ends_it_too(void **state)
{
	struct taker *t = *state;
	int fd = raw_connect(httpd_port(t->h));

	app_hold(&t->app, true);
	send_head(fd, "/stream", BIG);
	raw_sendz(fd, "half");
	app_wait_begun(&t->app, 1);
	send_body(fd, 500);
	close(fd);
	app_hold(&t->app, false);
	wait_ended(t, 1);
	assert_int_equal(atomic_load(&t->bytes), 504);
}

static void stopping_ends_what_is_under_way(void **state)
{
	void *mine = NULL;
	struct taker *t;
	int fd;

	(void)state;
	assert_int_equal(begin(&mine), 0);
	t = mine;
	fd = raw_connect(httpd_port(t->h));
	send_head(fd, "/stream", 10);
	raw_sendz(fd, "half");
	while (atomic_load(&t->bytes) < 4)
		(void)raw_readable(fd, 1);
	httpd_stop_accepting(t->h);
	close(fd);
	wait_ended(t, 1);
	assert_int_equal(finish(&mine), 0);
}

static void a_file_is_sent_from_where_it_was_asked(void **state)
{
	static const char *const queries[] = {"", "?q=rest", "?q=none"};
	struct taker *t = *state;
	char start[26] = "";
	FILE *f = fopen("Makefile", "r");

	assert_non_null(f);
	assert_int_equal(fread(start, 1, 25, f), 25);
	fclose(f);
	for (size_t i = 0; i < UB_ARRAY_LEN(queries); i++) {
		const char *from = start + (i == 1 ? 5 : 0);
		size_t len = i == 2 ? 0 : 20;
		char request[128], text[32];
		struct raw_reply r;

		snprintf(request, sizeof(request), "GET /file%s HTTP/1.1\r\n" HOST "\r\n",
			queries[i]);
		raw_exchange(httpd_port(t->h), request, &r);
		assert_int_equal(r.status, 200);
		assert_int_equal(r.body_len, len);
		assert_memory_equal(r.body, from, len);
		assert_true(raw_header(&r, "X-Content-Type-Options", text, sizeof(text)));
		raw_reply_deinit(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, finish)
		T(a_large_body_comes_in_pieces),
		T(a_body_that_is_held_counts_where_a_streamed_one_does_not),
		T(a_refusal_comes_before_the_body),
		T(one_over_the_maximum_is_refused_unseen),
		T(a_sink_that_has_enough_gets_no_more),
		T(a_sender_who_leaves_ends_the_request),
		T(a_sender_who_leaves_unnoticed_ends_it_too),
		cmocka_unit_test(stopping_ends_what_is_under_way),
		T(a_file_is_sent_from_where_it_was_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
