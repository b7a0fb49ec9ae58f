/* httpd_app.h: a small program behind the HTTP shell, for its tests.
 *
 * Threads: handlers run on the server's. */
#ifndef TEST_HTTPD_APP_H
#define TEST_HTTPD_APP_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#include "support/httpd.h"

#define HOST "Host: x\r\n"

struct app {
	atomic_uint handled, begun, done;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool hold;          /* slow handlers wait */
	atomic_bool refuse; /* admit does */
};

static inline void say(struct httpd_req *r, struct ub_str s)
{
	httpd_reply(r, 200, "text/plain", ub_str_dup(s), s.len);
}

static inline void on_echo(void *arg, struct httpd_req *r)
{
	struct app *app = arg;

	atomic_fetch_add(&app->handled, 1);
	say(r, httpd_body(r).len ? httpd_body(r) : httpd_target(r));
}

static inline void on_part(void *arg, struct httpd_req *r)
{
	char text[200];
	struct ub_str a = httpd_param(r, 0), b = httpd_param(r, 1), q = httpd_query(r, "q");
	struct ub_str unknown;

	atomic_fetch_add(&((struct app *)arg)->handled, 1);
	if (!httpd_query_end(r, &unknown)) {
		httpd_fail(r, UNIBUS_ERR_INVALID, "unknown parameter");
		return;
	}
	snprintf(text, sizeof(text), "%.*s|%.*s|%.*s", (int)a.len, a.p, (int)b.len, b.p, (int)q.len,
		q.p ? q.p : "");
	say(r, ub_str(text));
}

static inline void on_slow(void *arg, struct httpd_req *r)
{
	struct app *app = arg;

	atomic_fetch_add(&app->begun, 1);
	pthread_mutex_lock(&app->lock);
	pthread_cond_broadcast(&app->changed);
	while (app->hold)
		pthread_cond_wait(&app->changed, &app->lock);
	pthread_mutex_unlock(&app->lock);
	atomic_fetch_add(&app->done, 1);
	say(r, UB_STR("slow"));
}

static const struct httpd_route rows[] = {
	{"GET", "/echo", 1, 0, false, on_echo, 0},
	{"POST", "/echo", 1, 1000, false, on_echo, 0},
	{"PUT", "/big", 1, 4 * 1024 * 1024, true, on_echo, 0},
	{"GET", "/things/{id}/parts/{part}", 1, 0, false, on_part, 0},
	{"GET", "/slow", 1, 0, true, on_slow, 0},
};

static inline ub_err admit(void *arg, struct ub_bytes peer, uint64_t *ret_wait_ms)
{
	struct app *app = arg;

	assert_int_equal(peer.len, 4);
	*ret_wait_ms = 1500;
	return app->refuse ? UNIBUS_ERR_SLOW_DOWN : UB_OK;
}

static inline struct httpd_config config(struct app *app)
{
	return (struct httpd_config){
		.bind = "127.0.0.1",
		.routes = rows,
		.n_routes = UB_ARRAY_LEN(rows),
		.hooks = {.admit = admit},
		.app = app,
		.header_ms = 400,
		.idle_ms = 5000,
	};
}

static inline void app_init(struct app *app)
{
	*app = (struct app){0};
	pthread_mutex_init(&app->lock, NULL);
	pthread_cond_init(&app->changed, NULL);
}

static inline void app_hold(struct app *app, bool hold)
{
	pthread_mutex_lock(&app->lock);
	app->hold = hold;
	pthread_cond_broadcast(&app->changed);
	pthread_mutex_unlock(&app->lock);
}

static inline void app_wait_begun(struct app *app, unsigned n)
{
	pthread_mutex_lock(&app->lock);
	while (atomic_load(&app->begun) < n)
		pthread_cond_wait(&app->changed, &app->lock);
	pthread_mutex_unlock(&app->lock);
}

struct fixture {
	struct app app;
	struct httpd *h;
	uint16_t port;
};

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct httpd_config c;

	app_init(&f->app);
	c = config(&f->app);
	assert_int_equal(httpd_start(&c, &f->h), UB_OK);
	f->port = httpd_port(f->h);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	httpd_free(f->h);
	free(f);
	return 0;
}

#endif
