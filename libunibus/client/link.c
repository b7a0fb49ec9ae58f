#include "client/link_impl.h"

#include "client/acks.h"
#include "client/chores.h"
#include "client/clock.h"
#include "client/kept.h"
#include "core/endpoint.h"

#define CONNECT_MS 3000
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 5000
#define DRAIN_MS 10000
#define OVERLAP_MS 2000
/* Sessions last 15 minutes give or take a fifth unless the operator says otherwise, which shows
 * when one expires. */
#define SESSION_MS (12ULL * 60 * 1000)

/* ---- what the bus tells ---- */

static void on_message(void *sub_arg, struct bus_msg *msg)
{
	struct ub_wire_sub *w = sub_arg;
	unibus_client *c = w->conn->c;

	msg->conn = w->conn->no;
	/* On its way to the log, and not in it yet: it comes again from there. */
	if (w->room && strncmp(msg->subject, UB_WIRE_LOG, sizeof(UB_WIRE_LOG) - 1) == 0) {
		c->link->ops->msg_free(msg);
		return;
	}
	if (w->room)
		ub_acks_echo(c, w->room, msg);
	ub_dispatch_message(c->dispatch, w->room, msg);
}

static void on_closed(void *arg, ub_err why)
{
	struct ub_conn *conn = arg;

	pthread_mutex_lock(&conn->c->lock);
	conn->closed = true;
	conn->why = why;
	pthread_cond_broadcast(&conn->c->changed);
	pthread_mutex_unlock(&conn->c->lock);
}

static void on_ended(void *arg)
{
	struct ub_conn *conn = arg;

	pthread_mutex_lock(&conn->c->lock);
	conn->ended = true;
	pthread_cond_broadcast(&conn->c->changed);
	pthread_mutex_unlock(&conn->c->lock);
}

static struct ub_croom *room_of_wire(struct ub_conn *conn, const char *subject)
{
	struct ub_croom *room = NULL;

	pthread_mutex_lock(&conn->c->lock);
	for (struct ub_wire_sub *w = conn->wires; w; w = w->next)
		if (w->room && strcmp(w->subject.z, subject) == 0)
			room = w->room;
	pthread_mutex_unlock(&conn->c->lock);
	return room;
}

static void on_denied(void *arg, const char *subject)
{
	struct ub_conn *conn = arg;
	struct ub_croom *room = room_of_wire(conn, subject);
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_ROOM, .err = UNIBUS_ERR_DENIED};

	if (!room)
		return;
	ub_croom_event(conn->c, room, &ev, "the message server refused the subscription");
	/* Our rights are not what we thought: ask what they are. */
	ub_chores_list(conn->c);
}

static void on_overrun(void *arg)
{
	struct ub_conn *conn = arg;
	struct unibus_event ev = {.kind = UNIBUS_EVENT_MISSING,
		.detail = "messages came faster than they were taken; some were dropped"};

	ub_dispatch_event(conn->c->dispatch, &ev);
	ub_kept_lag(conn->c, 0);
}

/* ---- one connection ---- */

struct ub_wire_sub *ub_conn_find(struct ub_conn *conn, const struct ub_croom *room)
{
	for (struct ub_wire_sub *w = conn->wires; w; w = w->next)
		if (w->room == room && !w->ended)
			return w;
	return NULL;
}

ub_err ub_conn_subscribe(struct ub_conn *conn, struct ub_croom *room, const struct ub_wire *subject)
{
	struct ub_wire_sub *w;
	ub_err err;

	if (ub_conn_find(conn, room))
		return UB_OK;
	w = calloc(1, sizeof(*w));
	if (!w)
		return UNIBUS_ERR_NOMEM;
	w->conn = conn;
	w->room = room;
	w->subject = *subject;
	err = conn->c->link->ops->subscribe(conn->bus, subject->z, w, &w->sub);
	w->ended = err != UB_OK;
	/* Kept even so: its address may have reached the bus' threads. */
	w->next = conn->wires;
	conn->wires = w;
	return err;
}

static void conn_free(struct ub_conn *conn)
{
	if (conn->bus)
		conn->c->link->ops->free(conn->bus);
	while (conn->wires) {
		struct ub_wire_sub *w = conn->wires;

		conn->wires = w->next;
		free(w);
	}
	free(conn);
}

static ub_err conn_open(struct ub_link *l, uint64_t gen, struct ub_conn **ret)
{
	struct ub_urls *urls = &l->c->o->nats;
	struct ub_conn *conn = calloc(1, sizeof(*conn));
	struct bus_config config = {
		.ca_file = l->c->o->ca_file,
		.id = l->c->o->id,
		.timeout_ms = CONNECT_MS,
		.on_message = on_message,
		.on_closed = on_closed,
		.on_ended = on_ended,
		.on_denied = on_denied,
		.on_overrun = on_overrun,
		.arg = conn,
	};
	ub_err err, worst = UNIBUS_ERR_NETWORK;

	if (!conn)
		return UNIBUS_ERR_NOMEM;
	conn->c = l->c;
	conn->gen = gen;
	conn->no = ++l->conns;
	for (size_t i = 0; i < urls->n; i++) {
		bool closing;

		config.url = urls->z[(l->next_url + i) % urls->n];
		err = l->ops->connect(&config, &conn->bus);
		if (err == UB_OK) {
			conn->opened = ub_mono_ms();
			*ret = conn;
			return UB_OK;
		}
		/* A server that refuses us says more than one that is not there. */
		if (worst == UNIBUS_ERR_NETWORK || err == UNIBUS_ERR_DENIED)
			worst = err;
		pthread_mutex_lock(&l->c->lock);
		closing = l->c->closing;
		pthread_mutex_unlock(&l->c->lock);
		if (closing)
			break;
	}
	free(conn);
	return worst;
}

/* ---- the rooms on it ---- */

struct attach {
	struct ub_conn *conn;
	ub_err err;
	bool added;
};

/* Under the client's lock. */
static void attach_room(void *arg, struct ub_croom *r)
{
	struct attach *a = arg;

	if (a->err != UB_OK || !ub_croom_listens(r) || !r->wire_known || !r->joined ||
		ub_conn_find(a->conn, r))
		return;
	a->err = ub_conn_subscribe(a->conn, r, &r->wire);
	a->added = true;
}

static ub_err attach_all(struct ub_conn *conn, bool *ret_added)
{
	struct attach a = {.conn = conn};

	ub_rooms_each(conn->c->rooms, attach_room, &a);
	*ret_added = a.added;
	return a.err;
}

static ub_err attach_notify(struct ub_conn *conn)
{
	struct ub_wire notify;

	ub_wire_notify(&conn->c->o->id->endpoint, &notify);
	return ub_conn_subscribe(conn, NULL, &notify);
}

/* Everything subscribed, and taken by the server, before the old connection is let go. */
static ub_err conn_prepare(struct ub_link *l, struct ub_conn *conn)
{
	bool added;
	ub_err err;

	pthread_mutex_lock(&l->c->lock);
	err = attach_notify(conn);
	if (err == UB_OK)
		err = attach_all(conn, &added);
	pthread_mutex_unlock(&l->c->lock);
	return err == UB_OK ? l->ops->flush(conn->bus, CONNECT_MS) : err;
}

/* ---- making and ending ---- */

static void retire(struct ub_link *l, struct ub_conn *conn)
{
	conn->next = l->retired;
	l->retired = conn;
	l->overlap_until = UINT64_MAX;
}

/* Waits for the calls that use it and for the bus' threads, then frees it. Under the lock. */
static void bury(struct ub_link *l, struct ub_conn *conn)
{
	while (conn->users > 0)
		pthread_cond_wait(&l->c->changed, &l->c->lock);
	pthread_mutex_unlock(&l->c->lock);
	l->ops->wait_ended(conn->bus);
	conn_free(conn);
	pthread_mutex_lock(&l->c->lock);
}

/* Under the lock. Is there one whose time has come? It leaves the list. */
static struct ub_conn *take_ended(struct ub_link *l)
{
	for (struct ub_conn **p = &l->retired; *p; p = &(*p)->next) {
		struct ub_conn *conn = *p;

		if (conn->ended) {
			*p = conn->next;
			if (!l->retired)
				l->overlap_until = ub_mono_ms() + OVERLAP_MS;
			return conn;
		}
	}
	return NULL;
}

static uint64_t backoff(unsigned failures)
{
	uint64_t ms = RETRY_MIN_MS;

	while (failures-- > 0 && ms < RETRY_MAX_MS)
		ms *= 2;
	return RETRY_MIN_MS + ub_jitter(ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS);
}

/* The current connection has closed by itself. Under the lock. */
static void note_loss(struct ub_link *l)
{
	struct ub_conn *conn = l->current;
	uint64_t now = ub_mono_ms();

	l->current = NULL;
	l->lost |= conn->published > conn->confirmed;
	if (conn->why == UNIBUS_ERR_EXPIRED && now - conn->opened < l->session_ms)
		l->session_ms = now - conn->opened;
	retire(l, conn);
	l->retry_at = now + ub_jitter(conn->why == UNIBUS_ERR_EXPIRED ? 20 : 4 * RETRY_MIN_MS);
	l->last_err = conn->why;
}

static void swap_in(struct ub_link *l, struct ub_conn *conn)
{
	struct ub_conn *old;
	bool added, lost, kicked, flushed;

	pthread_mutex_lock(&l->c->lock);
	/* Rooms subscribed meanwhile on the old connection only. */
	(void)attach_all(conn, &added); /* fails when closed again: noticed in the next round */
	old = l->current;
	lost = !old && l->last_err != UB_OK;
	kicked = lost && l->failures == 0 && l->last_err == UNIBUS_ERR_NETWORK;
	l->c->stats.reconnects += lost;
	l->c->stats.kicks += kicked;
	l->current = conn;
	l->failures = 0;
	l->last_err = UB_OK;
	l->retry_at = 0;
	l->switching = old != NULL;
	pthread_cond_broadcast(&l->c->changed);
	pthread_mutex_unlock(&l->c->lock);
	ub_client_set_state(l->c, UNIBUS_CONNECTED, UB_OK);
	ub_chores_list(l->c);
	ub_kept_lag(l->c, conn->no);
	if (!old)
		return;
	flushed = l->ops->flush(old->bus, CONNECT_MS) == UB_OK;
	l->ops->drain(old->bus, DRAIN_MS);
	pthread_mutex_lock(&l->c->lock);
	l->lost |= !flushed && old->published > old->confirmed;
	l->switching = false;
	retire(l, old);
	pthread_cond_broadcast(&l->c->changed);
	pthread_mutex_unlock(&l->c->lock);
}

static void note_failure(struct ub_link *l, ub_err err)
{
	bool alone;

	/* The server only ever says "Authorization Violation"; the control plane knows why. An
	 * answer that is for good sets the state; after any other we come again. */
	if (err == UNIBUS_ERR_DENIED)
		ub_client_ask(l->c);
	pthread_mutex_lock(&l->c->lock);
	l->retry_at = ub_mono_ms() + backoff(l->failures);
	l->failures++;
	alone = l->current == NULL;
	if (alone)
		l->last_err = err;
	l->first_failed = true;
	pthread_cond_broadcast(&l->c->changed);
	pthread_mutex_unlock(&l->c->lock);
}

static void connect_once(struct ub_link *l)
{
	struct ub_conn *conn = NULL;
	uint64_t gen;
	ub_err err;

	pthread_mutex_lock(&l->c->lock);
	gen = l->want;
	pthread_mutex_unlock(&l->c->lock);
	err = conn_open(l, gen, &conn);
	l->next_url++;
	if (err == UB_OK) {
		err = conn_prepare(l, conn);
		if (err == UB_OK) {
			swap_in(l, conn);
			return;
		}
		l->ops->close(conn->bus);
		pthread_mutex_lock(&l->c->lock);
		retire(l, conn);
		pthread_mutex_unlock(&l->c->lock);
	}
	note_failure(l, err);
}

/* ---- the thread ---- */

static uint64_t renew_time(const struct ub_link *l)
{
	/* Early enough although sessions differ in length by half, and not all clients at once. */
	return l->current->opened + l->session_ms / 2 +
	       (l->current->opened * 2654435761U) % (l->session_ms / 8 + 1);
}

static bool is_final(const unibus_client *c)
{
	return c->closing || c->state == UNIBUS_REVOKED || c->state == UNIBUS_STOPPED;
}

enum todo { TODO_END, TODO_CONNECT, TODO_LOST };

/* Under the lock: waits for something to do. */
static enum todo wait_todo(struct ub_link *l)
{
	for (;;) {
		uint64_t now = ub_mono_ms(), until = now + 60000;
		struct ub_conn *ended = take_ended(l);

		if (ended) {
			bury(l, ended);
			continue;
		}
		if (is_final(l->c))
			return TODO_END;
		if (l->current && l->current->closed)
			return TODO_LOST;
		if (!l->current || l->current->gen < l->want || now >= renew_time(l)) {
			if (now >= l->retry_at)
				return TODO_CONNECT;
			until = l->retry_at;
		} else if (renew_time(l) < until) {
			until = renew_time(l);
		}
		(void)ub_cond_wait_until(&l->c->changed, &l->c->lock, until); /* a loop */
	}
}

static void end_all(struct ub_link *l)
{
	struct ub_conn *conn;

	pthread_mutex_lock(&l->c->lock);
	if (l->current) {
		conn = l->current;
		l->current = NULL;
		retire(l, conn);
	}
	pthread_cond_broadcast(&l->c->changed);
	while ((conn = l->retired) != NULL) {
		l->retired = conn->next;
		pthread_mutex_unlock(&l->c->lock);
		l->ops->close(conn->bus);
		pthread_mutex_lock(&l->c->lock);
		bury(l, conn);
	}
	pthread_mutex_unlock(&l->c->lock);
}

static void *link_main(void *arg)
{
	struct ub_link *l = arg;
	enum todo todo;

	do {
		ub_err why = UB_OK;

		pthread_mutex_lock(&l->c->lock);
		todo = wait_todo(l);
		if (todo == TODO_LOST) {
			note_loss(l);
			why = l->last_err;
		}
		pthread_mutex_unlock(&l->c->lock);
		if (todo == TODO_LOST)
			ub_client_set_state(l->c, UNIBUS_CONNECTING, why);
		else if (todo == TODO_CONNECT)
			connect_once(l);
	} while (todo != TODO_END);
	end_all(l);
	return NULL;
}

ub_err ub_link_start(unibus_client *c, const struct bus_ops *ops)
{
	struct ub_link *l = calloc(1, sizeof(*l));

	if (!l)
		return UNIBUS_ERR_NOMEM;
	l->c = c;
	l->ops = ops;
	l->session_ms = SESSION_MS;
	l->next_url = ub_jitter(c->o->nats.n);
	c->link = l;
	if (pthread_create(&l->thread, NULL, link_main, l) != 0) {
		c->link = NULL;
		free(l);
		return UNIBUS_ERR_NOMEM;
	}
	return UB_OK;
}

void ub_link_stop(unibus_client *c)
{
	if (c->link)
		pthread_join(c->link->thread, NULL);
}

void ub_link_free(struct ub_link *l)
{
	free(l);
}

ub_err ub_link_wait_first(unibus_client *c, uint64_t deadline)
{
	struct ub_link *l = c->link;
	bool in_time = true;
	ub_err err = UB_OK;

	pthread_mutex_lock(&c->lock);
	while (!l->current && in_time && (err = ub_client_alive(c)) == UB_OK) {
		/* Nobody there, or not who he should be: that will not mend itself in seconds. A
		 * refusal may: the control plane is perhaps just starting. */
		if (l->first_failed && l->last_err != UNIBUS_ERR_DENIED &&
			l->last_err != UNIBUS_ERR_TIMEOUT)
			break;
		in_time = ub_cond_wait_until(&c->changed, &c->lock, deadline);
	}
	if (err == UB_OK && !l->current)
		err = l->last_err == UB_OK || l->last_err == UNIBUS_ERR_DENIED ? UNIBUS_ERR_TIMEOUT
									       : l->last_err;
	pthread_mutex_unlock(&c->lock);
	return err;
}
