#include "client/dispatch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/options.h"
#include "core/endpoint.h"

/* Together with nats.c's own 65,536 a subscription: seconds of a busy room. */
#define MESSAGES_MAX 65536
#define BYTES_MAX (64 * 1024 * 1024)
#define EVENTS_MAX 4096
/* nats.c frees messages on a thread of its own, which each one given back would wake. */
#define SPENT_MAX 64

enum item_kind { ITEM_MESSAGE = 1, ITEM_EVENT, ITEM_STATE, ITEM_CALL };

struct event_copy {
	enum unibus_event_kind kind;
	ub_err err;
	uint64_t count;
	bool has_room, has_subject, has_peer;
	char room_id[UB_ID_TEXT + 1], subject[UB_SUBJECT_MAX + 1], peer[UB_ID_TEXT + 1];
	char detail[UB_DETAIL_MAX];
};

struct item {
	struct item *next;
	enum item_kind kind;
	struct ub_croom *room;
	struct bus_msg msg;
	enum unibus_state state;
	ub_err why;
	struct event_copy *event; /* owned */
	void (*call)(void *arg, bool run);
	void *call_arg;
};

struct ub_dispatch {
	struct ub_dispatch_config c;
	int fd;             /* with own_loop; -1: there is a thread */
	pthread_t thread;   /* which runs callbacks; with own_loop guarded by lock */
	struct item *batch; /* that thread's own: taken off the queue, not run yet */
	struct item *spent; /* likewise: run, to be freed together */
	size_t n_spent;
	atomic_bool stopping;
	atomic_uint_least64_t begun, done; /* items run; only that thread counts them up */
	atomic_uint waiting;               /* threads in a barrier */

	pthread_mutex_t lock; /* guards: */
	pthread_cond_t filled, emptied;
	struct item *head, **tail;
	size_t messages, bytes, events;
	bool joined;
	bool running;  /* with own_loop: a thread is in ub_dispatch_process */
	bool readable; /* the descriptor is */
};

static void item_free(struct ub_dispatch *d, struct item *it)
{
	if (it->kind == ITEM_MESSAGE)
		d->c.bus->msg_free(&it->msg);
	if (it->kind == ITEM_CALL && it->call)
		it->call(it->call_arg, false);
	free(it->event);
	free(it);
}

static void items_free(struct ub_dispatch *d, struct item *it)
{
	while (it) {
		struct item *next = it->next;

		item_free(d, it);
		it = next;
	}
}

/* Takes over what was run; nothing is kept while the thread waits. */
static void spend(struct ub_dispatch *d, struct item *it)
{
	it->next = d->spent;
	d->spent = it;
	if (++d->n_spent < SPENT_MAX && d->batch)
		return;
	items_free(d, d->spent);
	d->spent = NULL;
	d->n_spent = 0;
}

static void run_event(struct ub_dispatch *d, const struct event_copy *e)
{
	struct unibus_event ev = {
		.kind = e->kind,
		.err = e->err,
		.room_id = e->has_room ? e->room_id : NULL,
		.subject = e->has_subject ? e->subject : NULL,
		.peer = e->has_peer ? e->peer : NULL,
		.detail = e->detail,
		.count = e->count,
	};

	if (d->c.o->on_event)
		d->c.o->on_event(d->c.o->on_event_arg, d->c.client, &ev);
}

static void run_item(struct ub_dispatch *d, struct item *it)
{
	void (*call)(void *arg, bool run) = it->call;

	switch (it->kind) {
	case ITEM_MESSAGE:
		d->c.on_message(d->c.client, it->room, &it->msg);
		break;
	case ITEM_EVENT:
		run_event(d, it->event);
		break;
	case ITEM_STATE:
		if (d->c.o->on_state)
			d->c.o->on_state(d->c.o->on_state_arg, d->c.client, it->state, it->why);
		break;
	case ITEM_CALL:
		it->call = NULL;
		call(it->call_arg, true);
		break;
	}
}

static bool has_thread(const struct ub_dispatch *d)
{
	return d->fd < 0;
}

/* Everything that is queued, at once: the lock is taken once for all of it. A thread waits for it.
 */
static struct item *take_batch(struct ub_dispatch *d)
{
	struct item *it;

	pthread_mutex_lock(&d->lock);
	while (has_thread(d) && !d->head && !atomic_load(&d->stopping))
		pthread_cond_wait(&d->filled, &d->lock);
	it = d->head;
	d->head = NULL;
	d->tail = &d->head;
	if (d->messages >= MESSAGES_MAX || d->bytes >= BYTES_MAX)
		pthread_cond_broadcast(&d->emptied);
	d->messages = d->bytes = d->events = 0;
	pthread_mutex_unlock(&d->lock);
	return it;
}

/* The next item, or NULL when it is time to end. */
static struct item *take(struct ub_dispatch *d)
{
	struct item *it;

	if (!d->batch)
		d->batch = take_batch(d);
	if (atomic_load(&d->stopping))
		return NULL;
	it = d->batch;
	d->batch = it->next;
	return it;
}

/* Takes it over. */
static void run_one(struct ub_dispatch *d, struct item *it)
{
	atomic_fetch_add(&d->begun, 1);
	run_item(d, it);
	spend(d, it);
	atomic_fetch_add(&d->done, 1);
	if (atomic_load(&d->waiting) == 0)
		return;
	pthread_mutex_lock(&d->lock);
	pthread_cond_broadcast(&d->emptied);
	pthread_mutex_unlock(&d->lock);
}

static void *dispatch_main(void *arg)
{
	struct ub_dispatch *d = arg;
	struct item *it;

	while ((it = take(d)) != NULL)
		run_one(d, it);
	return NULL;
}

/* ---- with the caller's loop ---- */

int ub_dispatch_fd(const struct ub_dispatch *d)
{
	return d->fd;
}

static bool process_begin(struct ub_dispatch *d)
{
	bool ok;

	pthread_mutex_lock(&d->lock);
	ok = !has_thread(d) && !d->running && !atomic_load(&d->stopping);
	if (ok) {
		d->running = true;
		d->thread = pthread_self();
	}
	pthread_mutex_unlock(&d->lock);
	return ok;
}

static void process_end(struct ub_dispatch *d)
{
	eventfd_t n;

	pthread_mutex_lock(&d->lock);
	d->running = false;
	if (!d->batch && !d->head && d->readable) {
		(void)eventfd_read(d->fd, &n); /* readable, and nobody else reads it */
		d->readable = false;
	}
	pthread_cond_broadcast(&d->emptied);
	pthread_mutex_unlock(&d->lock);
}

size_t ub_dispatch_process(struct ub_dispatch *d, size_t max)
{
	bool fetched = false;
	size_t n = 0;

	if (!process_begin(d))
		return 0;
	while ((max == 0 || n < max) && !atomic_load(&d->stopping)) {
		struct item *it;

		/* Without a limit what comes meanwhile is for the next time. */
		if (!d->batch && !(max == 0 && fetched)) {
			d->batch = take_batch(d);
			fetched = true;
		}
		it = d->batch;
		if (!it)
			break;
		d->batch = it->next;
		run_one(d, it);
		n++;
	}
	process_end(d);
	return n;
}

/* ---- its life ---- */

ub_err ub_dispatch_new(const struct ub_dispatch_config *c, struct ub_dispatch **ret)
{
	struct ub_dispatch *d = calloc(1, sizeof(*d));

	if (!d)
		return UNIBUS_ERR_NOMEM;
	d->c = *c;
	d->tail = &d->head;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->filled, NULL);
	pthread_cond_init(&d->emptied, NULL);
	d->fd = c->o->own_loop ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
	if (c->o->own_loop ? d->fd < 0 : pthread_create(&d->thread, NULL, dispatch_main, d) != 0) {
		d->joined = true;
		ub_dispatch_free(d);
		return UNIBUS_ERR_NOMEM;
	}
	*ret = d;
	return UB_OK;
}

void ub_dispatch_stop(struct ub_dispatch *d)
{
	bool join;

	pthread_mutex_lock(&d->lock);
	atomic_store(&d->stopping, true);
	join = has_thread(d) && !d->joined;
	d->joined = true;
	pthread_cond_broadcast(&d->filled);
	pthread_cond_broadcast(&d->emptied);
	while (d->running)
		pthread_cond_wait(&d->emptied, &d->lock);
	pthread_mutex_unlock(&d->lock);
	if (join)
		pthread_join(d->thread, NULL);
}

void ub_dispatch_free(struct ub_dispatch *d)
{
	if (!d)
		return;
	items_free(d, d->spent);
	items_free(d, d->batch);
	items_free(d, d->head);
	if (d->fd >= 0)
		(void)close(d->fd); /* nothing is lost with it */
	pthread_cond_destroy(&d->emptied);
	pthread_cond_destroy(&d->filled);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* Under the lock. */
static void push(struct ub_dispatch *d, struct item *it)
{
	*d->tail = it;
	d->tail = &it->next;
	pthread_cond_signal(&d->filled);
	if (!has_thread(d) && !d->readable)
		d->readable = eventfd_write(d->fd, 1) == 0;
}

void ub_dispatch_message(struct ub_dispatch *d, struct ub_croom *room, struct bus_msg *msg)
{
	struct item *it = calloc(1, sizeof(*it));

	if (!it) {
		d->c.bus->msg_free(msg);
		return;
	}
	it->kind = ITEM_MESSAGE;
	it->room = room;
	it->msg = *msg;
	pthread_mutex_lock(&d->lock);
	while (!atomic_load(&d->stopping) && (d->messages >= MESSAGES_MAX || d->bytes >= BYTES_MAX))
		pthread_cond_wait(&d->emptied, &d->lock);
	if (!atomic_load(&d->stopping)) {
		d->messages++;
		d->bytes += msg->data.len;
		push(d, it);
		it = NULL;
	}
	pthread_mutex_unlock(&d->lock);
	if (it)
		item_free(d, it);
}

/* Takes it over. */
static void push_control(struct ub_dispatch *d, struct item *it, bool may_drop)
{
	pthread_mutex_lock(&d->lock);
	if (!atomic_load(&d->stopping) && !(may_drop && d->events >= EVENTS_MAX)) {
		d->events++;
		push(d, it);
		it = NULL;
	}
	pthread_mutex_unlock(&d->lock);
	if (it)
		item_free(d, it);
}

void ub_dispatch_state(struct ub_dispatch *d, enum unibus_state state, ub_err why)
{
	struct item *it;

	if (!d->c.o->on_state)
		return;
	it = calloc(1, sizeof(*it));
	if (!it)
		return;
	it->kind = ITEM_STATE;
	it->state = state;
	it->why = why;
	push_control(d, it, false);
}

ub_err ub_dispatch_call(struct ub_dispatch *d, void (*fn)(void *arg, bool run), void *arg)
{
	struct item *it = calloc(1, sizeof(*it));

	if (!it)
		return UNIBUS_ERR_NOMEM;
	it->kind = ITEM_CALL;
	it->call = fn;
	it->call_arg = arg;
	push_control(d, it, false);
	return UB_OK;
}

void ub_dispatch_event(struct ub_dispatch *d, const struct unibus_event *ev)
{
	struct item *it;
	struct event_copy *e;

	if (!d->c.o->on_event)
		return;
	it = calloc(1, sizeof(*it));
	e = calloc(1, sizeof(*e));
	if (!it || !e) {
		free(it);
		free(e);
		return;
	}
	it->kind = ITEM_EVENT;
	it->event = e;
	e->kind = ev->kind;
	e->err = ev->err;
	e->count = ev->count;
	e->has_room = ev->room_id != NULL;
	e->has_subject = ev->subject != NULL;
	e->has_peer = ev->peer != NULL;
	snprintf(e->room_id, sizeof(e->room_id), "%s", ev->room_id ? ev->room_id : "");
	snprintf(e->subject, sizeof(e->subject), "%s", ev->subject ? ev->subject : "");
	snprintf(e->peer, sizeof(e->peer), "%s", ev->peer ? ev->peer : "");
	snprintf(e->detail, sizeof(e->detail), "%s", ev->detail ? ev->detail : "");
	push_control(d, it, ev->kind == UNIBUS_EVENT_BAD_FRAME);
}

bool ub_dispatch_here(struct ub_dispatch *d)
{
	bool here;

	if (has_thread(d))
		return pthread_equal(pthread_self(), d->thread) != 0;
	pthread_mutex_lock(&d->lock);
	here = d->running && pthread_equal(pthread_self(), d->thread) != 0;
	pthread_mutex_unlock(&d->lock);
	return here;
}

void ub_dispatch_barrier(struct ub_dispatch *d)
{
	uint64_t begun;

	if (ub_dispatch_here(d))
		return;
	pthread_mutex_lock(&d->lock);
	atomic_fetch_add(&d->waiting, 1);
	begun = atomic_load(&d->begun);
	while (atomic_load(&d->done) < begun)
		pthread_cond_wait(&d->emptied, &d->lock);
	atomic_fetch_sub(&d->waiting, 1);
	pthread_mutex_unlock(&d->lock);
}
