#include "tests/harness/person.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <time.h>

#include "core/num.h"
#include "tests/harness/call.h"

#define LOOK_MS 20

static uint64_t mono_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* False when the moment has come. */
static bool wait_a_little(struct person *p, uint64_t until)
{
	uint64_t now = mono_ms(), at = now + LOOK_MS < until ? now + LOOK_MS : until;
	struct timespec t = {.tv_sec = (time_t)(at / 1000), .tv_nsec = (long)(at % 1000) * 1000000};

	(void)pthread_cond_timedwait(&p->changed, &p->lock, &t);
	return mono_ms() < until;
}

static void copy(char *to, size_t len, const char *z)
{
	(void)snprintf(to, len, "%s", z ? z : "");
}

static void on_message(void *arg, const struct unibus_msg *m)
{
	struct person *p = arg;
	struct heard *h;

	(void)pthread_mutex_lock(&p->lock);
	if (p->n_heard < PERSON_HEARD_MAX) {
		h = &p->heard[p->n_heard++];
		(void)snprintf(
			h->text, sizeof(h->text), "%.*s", (int)m->len, (const char *)m->data);
		copy(h->sender, sizeof(h->sender), m->sender);
		copy(h->handle, sizeof(h->handle), m->handle);
		copy(h->ref, sizeof(h->ref), m->ref);
		copy(h->thread, sizeof(h->thread), m->thread);
		copy(h->reply, sizeof(h->reply), m->reply);
		copy(h->media_type, sizeof(h->media_type), m->media_type);
		h->kind = m->kind;
		h->role = m->role;
		h->permitted = m->permitted;
		h->encrypted = m->encrypted;
		h->verified = m->verified;
		h->framed = m->ref != NULL;
		h->seq = m->seq;
	}
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
}

static void on_event(void *arg, unibus_client *c, const struct unibus_event *ev)
{
	struct person *p = arg;
	struct told *t;

	(void)c;
	(void)pthread_mutex_lock(&p->lock);
	if (p->n_told < PERSON_HEARD_MAX) {
		t = &p->told[p->n_told++];
		t->kind = ev->kind;
		t->err = ev->err;
		t->count = ev->count;
		copy(t->room, sizeof(t->room), ev->room_id);
		copy(t->peer, sizeof(t->peer), ev->peer);
		copy(t->detail, sizeof(t->detail), ev->detail);
	}
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
}

static void on_state(void *arg, unibus_client *c, enum unibus_state state, enum unibus_err why)
{
	struct person *p = arg;

	(void)c;
	(void)why;
	(void)pthread_mutex_lock(&p->lock);
	if (p->n_states < PERSON_HEARD_MAX)
		p->states[p->n_states++] = state;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
}

struct person *person_stranger(const struct stack *s)
{
	struct person *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;

	assert_non_null(p);
	p->stack = s;
	assert_int_equal(0, pthread_mutex_init(&p->lock, NULL));
	assert_int_equal(0, pthread_condattr_init(&attr));
	assert_int_equal(0, pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	assert_int_equal(0, pthread_cond_init(&p->changed, &attr));
	(void)pthread_condattr_destroy(&attr);
	assert_int_equal(0, proc_dir_make(p->dir));
	assert_int_equal(UNIBUS_OK, unibus_identity_new(&p->id));
	return p;
}

struct person *person_twin(const struct person *p)
{
	struct person *twin = person_stranger(p->stack);

	unibus_identity_free(twin->id);
	proc_dir_remove(twin->dir);
	twin->twin = true;
	twin->id = p->id;
	twin->ctrl_urls = p->ctrl_urls;
	twin->nats_urls = p->nats_urls;
	copy(twin->handle, sizeof(twin->handle), p->handle);
	copy(twin->dir, sizeof(twin->dir), p->dir);
	return twin;
}

static int post(struct person *p, const char *target, const char *body)
{
	return call_rest(&(struct call){.stack = p->stack,
				 .key = &p->stack->admin,
				 .method = "POST",
				 .target = target,
				 .body = body},
		NULL);
}

int person_register(struct person *p)
{
	char body[256];

	(void)snprintf(body, sizeof(body), "{\"sign_pub\":\"%s\",\"handle\":\"%s\"}",
		unibus_identity_sign_pub(p->id), p->handle);
	return post(p, "/users", body);
}

static void enrol(struct person *p, const char *handle)
{
	char body[256];

	copy(p->handle, sizeof(p->handle), handle);
	(void)snprintf(body, sizeof(body), "{\"sign_pub\":\"%s\",\"handle\":\"%s\"}",
		unibus_identity_sign_pub(p->id), handle);
	assert_int_equal(201, post(p, "/users", body));
}

struct person *person_new(const struct stack *s, const char *handle)
{
	struct person *p = person_stranger(s);

	enrol(p, handle);
	return p;
}

struct person *person_new_file(const struct stack *s, const char *handle, char ret_path[PROC_PATH])
{
	struct person *p = person_stranger(s);

	assert_true(snprintf(ret_path, PROC_PATH, "%s/id.json", p->dir) < PROC_PATH);
	unibus_identity_free(p->id);
	assert_int_equal(UNIBUS_OK, unibus_identity_create(ret_path, &p->id));
	enrol(p, handle);
	return p;
}

int person_revoke(struct person *p)
{
	char target[128];

	(void)snprintf(target, sizeof(target), "/users/%s/revoke", unibus_identity_sign_pub(p->id));
	return post(p, target, "{}");
}

unibus_options *person_options(struct person *p)
{
	char state[PROC_PATH + 8], nats[64];
	unibus_options *o = NULL;

	(void)snprintf(state, sizeof(state), "%s/state", p->dir);
	assert_int_equal(UNIBUS_OK, unibus_options_new(&o));
	assert_int_equal(UNIBUS_OK, unibus_options_set_identity(o, p->id));
	assert_int_equal(UNIBUS_OK,
		unibus_options_add_ctrl(o, p->ctrl_urls ? p->ctrl_urls : p->stack->http_url));
	(void)snprintf(nats, sizeof(nats), "nats://127.0.0.1:%u", p->nats_port);
	if (p->nats_urls)
		assert_int_equal(UNIBUS_OK, unibus_options_add_nats(o, p->nats_urls));
	else
		assert_int_equal(UNIBUS_OK,
			unibus_options_add_nats(o, p->nats_port ? nats : p->stack->nats_url));
	assert_int_equal(UNIBUS_OK, unibus_options_set_state_dir(o, state));
	if (p->stack->ca[0])
		assert_int_equal(UNIBUS_OK, unibus_options_set_ca(o, p->stack->ca));
	unibus_options_on_state(o, on_state, p);
	unibus_options_on_event(o, on_event, p);
	return o;
}

void person_connect(struct person *p)
{
	unibus_options *o = person_options(p);
	enum unibus_err err = unibus_connect(o, &p->c);

	if (err != UNIBUS_OK)
		print_error("%s: connect: %s: %s\n", p->handle, unibus_err_word(err),
			unibus_options_detail(o));
	unibus_options_free(o);
	assert_int_equal(UNIBUS_OK, err);
}

void person_close(struct person *p)
{
	unibus_close(p->c);
	p->c = NULL;
}

void person_free(struct person *p)
{
	if (!p)
		return;
	if (p->c)
		person_close(p);
	if (!p->twin) {
		unibus_identity_free(p->id);
		proc_dir_remove(p->dir);
	}
	(void)pthread_cond_destroy(&p->changed);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

unibus_sub *person_listen(struct person *p, unibus_room *room)
{
	unibus_sub *sub = NULL;

	assert_int_equal(UNIBUS_OK, unibus_subscribe(room, on_message, p, &sub));
	return sub;
}

void person_say(unibus_room *room, const char *text)
{
	assert_int_equal(UNIBUS_OK, unibus_publish_text(room, text));
}

/* Under the lock. */
static size_t count(struct person *p, const char *text, const struct heard **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_heard; i++) {
		if (strcmp(p->heard[i].text, text) == 0) {
			*ret = &p->heard[i];
			n++;
		}
	}
	return n;
}

size_t person_count(struct person *p, const char *text)
{
	const struct heard *h = NULL;
	size_t n;

	(void)pthread_mutex_lock(&p->lock);
	n = count(p, text, &h);
	(void)pthread_mutex_unlock(&p->lock);
	return n;
}

const struct heard *person_wait(struct person *p, const char *text, size_t n)
{
	uint64_t until = mono_ms() + PERSON_WAIT_MS;
	const struct heard *h = NULL;

	(void)pthread_mutex_lock(&p->lock);
	while (count(p, text, &h) < n && wait_a_little(p, until))
		continue;
	if (count(p, text, &h) != n) {
		print_error("%s heard \"%s\" %zu times instead of %zu; of %zu messages:\n",
			p->handle, text, count(p, text, &h), n, p->n_heard);
		for (size_t i = 0; i < p->n_told; i++)
			print_error("  told %d %s %s\n", p->told[i].kind,
				unibus_err_word(p->told[i].err), p->told[i].detail);
	}
	assert_int_equal(n, count(p, text, &h));
	(void)pthread_mutex_unlock(&p->lock);
	return h;
}

static size_t count_told(struct person *p, enum unibus_event_kind kind, const struct told **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_told; i++) {
		if (p->told[i].kind == kind) {
			*ret = &p->told[i];
			n++;
		}
	}
	return n;
}

size_t person_count_told(struct person *p, enum unibus_event_kind kind)
{
	const struct told *t = NULL;
	size_t n;

	(void)pthread_mutex_lock(&p->lock);
	n = count_told(p, kind, &t);
	(void)pthread_mutex_unlock(&p->lock);
	return n;
}

const struct told *person_wait_told(struct person *p, enum unibus_event_kind kind)
{
	uint64_t until = mono_ms() + PERSON_WAIT_MS;
	const struct told *t = NULL;

	(void)pthread_mutex_lock(&p->lock);
	while (count_told(p, kind, &t) == 0 && wait_a_little(p, until))
		continue;
	(void)pthread_mutex_unlock(&p->lock);
	if (!t)
		print_error("%s was not told event %d\n", p->handle, kind);
	assert_non_null(t);
	return t;
}

void person_until(struct person *p, bool (*fn)(void *arg), void *arg)
{
	uint64_t until = mono_ms() + PERSON_WAIT_MS;
	bool in_time = true;

	while (!fn(arg)) {
		assert_true(in_time);
		(void)pthread_mutex_lock(&p->lock);
		in_time = wait_a_little(p, until);
		(void)pthread_mutex_unlock(&p->lock);
	}
}

void person_wait_state(struct person *p, enum unibus_state state)
{
	assert_int_equal(UNIBUS_OK, unibus_wait_state(p->c, state, PERSON_WAIT_MS));
}
