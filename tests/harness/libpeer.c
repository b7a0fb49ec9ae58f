#include "tests/harness/libpeer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/harness/proc.h"
#include "tests/harness/sock.h"

#define LOOK_AGAIN_MS 100

static void copy(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from ? from : "");
}

static void on_state(void *arg, unibus_client *client, enum unibus_state state, enum unibus_err why)
{
	struct libpeer *p = arg;

	(void)client, (void)why;
	pthread_mutex_lock(&p->lock);
	p->state = state;
	if (state == UNIBUS_REVOKED)
		p->revoked_us = sock_mono_us();
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void on_event(void *arg, unibus_client *client, const struct unibus_event *ev)
{
	struct libpeer *p = arg;
	struct libpeer_said said = {.kind = ev->kind, .err = ev->err, .count = ev->count};

	(void)client;
	copy(said.room, sizeof(said.room), ev->room_id);
	copy(said.peer, sizeof(said.peer), ev->peer);
	copy(said.text, sizeof(said.text), ev->detail);
	pthread_mutex_lock(&p->lock);
	if (p->n_events < LIBPEER_KEPT)
		p->events[p->n_events++] = said;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void on_message(void *arg, const struct unibus_msg *msg)
{
	struct libpeer *p = arg;
	struct libpeer_said said = {.encrypted = msg->encrypted, .verified = msg->verified};
	size_t n = msg->len < sizeof(said.text) ? msg->len : sizeof(said.text) - 1;

	copy(said.peer, sizeof(said.peer), msg->sender);
	memcpy(said.text, msg->data, n);
	pthread_mutex_lock(&p->lock);
	if (p->n_msgs < LIBPEER_KEPT)
		p->msgs[p->n_msgs++] = said;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void set_options(unibus_options *o, struct libpeer *p, const struct libpeer_at *at,
	const unibus_identity *id)
{
	char url[64], dir[PROC_PATH];

	assert_int_equal(UNIBUS_OK, unibus_options_set_identity(o, id));
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", at->http_port);
	assert_int_equal(UNIBUS_OK, unibus_options_add_ctrl(o, url));
	(void)snprintf(url, sizeof(url), "nats://127.0.0.1:%u", at->nats_port);
	assert_int_equal(UNIBUS_OK, unibus_options_add_nats(o, url));
	assert_true(snprintf(dir, sizeof(dir), "%s/%s.state", at->dir, p->a->handle) < PROC_PATH);
	(void)mkdir(dir, 0700); /* there is one when the peer comes back */
	assert_int_equal(UNIBUS_OK, unibus_options_set_state_dir(o, dir));
	if (at->timeout_ms)
		assert_int_equal(UNIBUS_OK, unibus_options_set_timeout(o, at->timeout_ms));
	unibus_options_set_auto_join(o, !at->no_auto_join);
	unibus_options_on_state(o, on_state, p);
	unibus_options_on_event(o, on_event, p);
}

static void init(struct libpeer *p, const struct actor *a)
{
	pthread_condattr_t attr;

	*p = (struct libpeer){.a = a};
	assert_int_equal(0, pthread_condattr_init(&attr));
	assert_int_equal(0, pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	assert_int_equal(0, pthread_mutex_init(&p->lock, NULL));
	assert_int_equal(0, pthread_cond_init(&p->changed, &attr));
	(void)pthread_condattr_destroy(&attr);
}

static void destroy(struct libpeer *p)
{
	(void)pthread_cond_destroy(&p->changed);
	(void)pthread_mutex_destroy(&p->lock);
	*p = (struct libpeer){0};
}

enum unibus_err libpeer_try(struct libpeer *p, const struct actor *a, const struct libpeer_at *at)
{
	unibus_identity *id = actor_identity(a, at->dir);
	unibus_options *o = NULL;
	enum unibus_err err;

	init(p, a);
	assert_int_equal(UNIBUS_OK, unibus_options_new(&o));
	set_options(o, p, at, id);
	err = unibus_connect(o, &p->client);
	if (err) {
		(void)fprintf(stderr, "harness: %s: connect: %s (%s)\n", a->handle,
			unibus_err_word(err), unibus_options_detail(o));
		destroy(p);
	}
	unibus_options_free(o);
	unibus_identity_free(id);
	return err;
}

void libpeer_connect(struct libpeer *p, const struct actor *a, const struct libpeer_at *at)
{
	assert_int_equal(UNIBUS_OK, libpeer_try(p, a, at));
}

void libpeer_room_close(struct libpeer *p)
{
	if (p->sub)
		unibus_unsubscribe(p->sub);
	unibus_room_free(p->room);
	p->sub = NULL;
	p->room = NULL;
}

void libpeer_close(struct libpeer *p)
{
	if (!p->client)
		return;
	libpeer_room_close(p);
	unibus_close(p->client);
	destroy(p);
}

/* A failed call, with the library's own sentence. */
static void must(struct libpeer *p, const char *what, enum unibus_err err)
{
	char detail[256];

	if (!err)
		return;
	unibus_client_detail(p->client, detail, sizeof(detail));
	fail_msg("%s: %s: %s (%s)", p->a->handle, what, unibus_err_word(err), detail);
}

void libpeer_room(struct libpeer *p, const char *room)
{
	must(p, "open", unibus_room_open(p->client, room, &p->room));
	must(p, "subscribe", unibus_subscribe(p->room, on_message, p, &p->sub));
}

void libpeer_create(struct libpeer *p, const char *subject, const struct unibus_policy *policy)
{
	must(p, "create", unibus_room_create(p->client, subject, policy, &p->room));
	must(p, "subscribe", unibus_subscribe(p->room, on_message, p, &p->sub));
}

void libpeer_say(struct libpeer *p, const char *text)
{
	must(p, "publish", unibus_publish_text(p->room, text));
	must(p, "flush", unibus_flush(p->client, LIBPEER_TIMEOUT_MS));
}

/* Waits for anything new until `end`; the lock is held. False when the time is over. */
static bool wait_change(struct libpeer *p, uint64_t end)
{
	uint64_t now = sock_mono_ms(), until = now + LOOK_AGAIN_MS;
	struct timespec ts;

	if (now >= end)
		return false;
	until = until < end ? until : end;
	ts = (struct timespec){
		.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};
	(void)pthread_cond_timedwait(&p->changed, &p->lock, &ts);
	return true;
}

bool libpeer_until(struct libpeer *p, bool (*done)(struct libpeer *p, void *arg), void *arg)
{
	uint64_t end = sock_mono_ms() + LIBPEER_TIMEOUT_MS;
	bool ok;

	for (;;) {
		bool again;

		ok = done(p, arg);
		if (ok)
			return true;
		pthread_mutex_lock(&p->lock);
		again = wait_change(p, end);
		pthread_mutex_unlock(&p->lock);
		if (!again)
			return done(p, arg);
	}
}

struct sought {
	const char *text;
	enum unibus_event_kind kind;
	enum unibus_err err;
	enum unibus_state state;
	struct libpeer_said found;
};

static bool has_msg(struct libpeer *p, void *arg)
{
	struct sought *s = arg;
	bool found = false;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n_msgs && !found; i++) {
		found = strcmp(p->msgs[i].text, s->text) == 0;
		if (found)
			s->found = p->msgs[i];
	}
	pthread_mutex_unlock(&p->lock);
	return found;
}

static bool has_event(struct libpeer *p, void *arg)
{
	struct sought *s = arg;
	bool found = false;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n_events && !found; i++) {
		found = p->events[i].kind == s->kind && p->events[i].err == s->err;
		if (found)
			s->found = p->events[i];
	}
	pthread_mutex_unlock(&p->lock);
	return found;
}

static bool has_state(struct libpeer *p, void *arg)
{
	const struct sought *s = arg;

	return unibus_client_state(p->client) == s->state;
}

bool libpeer_hears(struct libpeer *p, const char *text, struct libpeer_said *ret)
{
	struct sought s = {.text = text};

	if (!libpeer_until(p, has_msg, &s))
		return false;
	if (ret)
		*ret = s.found;
	return true;
}

bool libpeer_heard(struct libpeer *p, const char *text)
{
	struct sought s = {.text = text};

	return has_msg(p, &s);
}

bool libpeer_told(struct libpeer *p, enum unibus_event_kind kind, enum unibus_err err,
	struct libpeer_said *ret)
{
	struct sought s = {.kind = kind, .err = err};

	if (!libpeer_until(p, has_event, &s))
		return false;
	if (ret)
		*ret = s.found;
	return true;
}

bool libpeer_state(struct libpeer *p, enum unibus_state state)
{
	struct sought s = {.state = state};

	return libpeer_until(p, has_state, &s);
}

size_t libpeer_events(struct libpeer *p, enum unibus_event_kind kind)
{
	size_t n = 0;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n_events; i++)
		n += p->events[i].kind == kind;
	pthread_mutex_unlock(&p->lock);
	return n;
}

size_t libpeer_msgs(struct libpeer *p)
{
	size_t n;

	pthread_mutex_lock(&p->lock);
	n = p->n_msgs;
	pthread_mutex_unlock(&p->lock);
	return n;
}

void libpeer_forget(struct libpeer *p)
{
	pthread_mutex_lock(&p->lock);
	p->n_events = p->n_msgs = 0;
	pthread_mutex_unlock(&p->lock);
}
