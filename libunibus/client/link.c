#include "client/chores.h"
#include "client/clock.h"
#include "client/kept.h"
#include "client/link_impl.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 5000
/* Connections of other servers of a cluster learn of a new subscription a little later. */
#define LINGER_MS 200
#define DRAIN_MS 30000
/* What operators choose unless they say otherwise: 15 minutes, give or take a fifth. */
#define SESSION_MS (12ULL * 60 * 1000)
#define SESSION_MIN_MS 1000

/* ---- making and ending ---- */

static void retire(struct ub_link *l, struct ub_conn *conn)
{
	conn->next = l->retired;
	l->retired = conn;
}

/* Waits for the calls that use it and for the bus' threads, then frees it. Under the lock. */
static void bury(struct ub_link *l, struct ub_conn *conn)
{
	while (conn->users > 0)
		pthread_cond_wait(&l->c->changed, &l->c->lock);
	pthread_mutex_unlock(&l->c->lock);
	l->ops->wait_ended(conn->bus);
	ub_conn_free(conn);
	pthread_mutex_lock(&l->c->lock);
}

/* Under the lock. Is there one whose time has come? It leaves the list. */
static struct ub_conn *take_ended(struct ub_link *l)
{
	for (struct ub_conn **p = &l->retired; *p; p = &(*p)->next) {
		struct ub_conn *conn = *p;

		if (conn->ended) {
			*p = conn->next;
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

static uint64_t session_ms(const struct ub_link *l)
{
	uint64_t known = l->c->session_ms ? l->c->session_ms : SESSION_MS;

	return known > SESSION_MIN_MS ? known : SESSION_MIN_MS;
}

/* The current connection has closed by itself. Under the lock. */
static void note_loss(struct ub_link *l)
{
	struct ub_conn *conn = l->current;
	uint64_t now = ub_mono_ms(), lived = now - conn->opened;

	l->current = NULL;
	l->unconfirmed |= conn->published > conn->confirmed;
	if (conn->why == UNIBUS_ERR_EXPIRED && lived < session_ms(l))
		l->c->session_ms = lived;
	l->lost.is = true;
	l->lost.why = conn->why;
	memcpy(l->lost.server, conn->server, sizeof(l->lost.server));
	retire(l, conn);
	/* Many may have been sent away at once. */
	l->retry_at = now + ub_jitter(conn->why == UNIBUS_ERR_EXPIRED ? 20 : 4 * RETRY_MIN_MS);
	l->last_err = conn->why;
}

/* A kick is when the server that closed the connection is still there. Under the lock; `server` is
 * where we came in, or were refused. */
static void count_kick(struct ub_link *l, bool still_there)
{
	if (l->lost.is && l->lost.why == UNIBUS_ERR_DISCONNECTED && still_there)
		l->c->stats.kicks++;
	l->lost.why = UB_OK;
}

static void count_new(struct ub_link *l, const struct ub_conn *conn, bool passed)
{
	count_kick(l, !passed && strcmp(l->lost.server, conn->server) == 0);
	l->c->stats.reconnects += l->lost.is;
	l->c->stats.failovers += passed;
	l->lost.is = false;
}

/* Nothing is sent until the server has taken what was handed to the old connection: so messages do
 * not overtake each other. Under the lock, which is given up meanwhile. */
static bool quiet(struct ub_link *l, struct ub_conn *old)
{
	bool flushed;

	l->switching = true;
	while (old->publishing > 0)
		pthread_cond_wait(&l->c->changed, &l->c->lock);
	pthread_mutex_unlock(&l->c->lock);
	flushed = l->ops->flush(old->bus, UB_CONNECT_MS) == UB_OK;
	pthread_mutex_lock(&l->c->lock);
	l->unconfirmed |= !flushed && old->published > old->confirmed;
	return flushed;
}

static void let_go(struct ub_link *l, struct ub_conn *old, bool flushed)
{
	uint64_t until = ub_mono_ms() + LINGER_MS;
	bool linger;

	pthread_mutex_lock(&l->c->lock);
	linger = flushed && strcmp(old->server, l->current->server) != 0;
	while (linger && !old->closed && !ub_link_is_final(l->c))
		linger = ub_cond_wait_until(&l->c->changed, &l->c->lock, until);
	pthread_mutex_unlock(&l->c->lock);
	/* What the new one brings waits for it, and must not wait for a server that is dead. */
	if (flushed)
		l->ops->drain(old->bus, DRAIN_MS);
	else
		l->ops->close(old->bus);
}

/* Under the lock, which it gives up. */
static void swap_in(struct ub_link *l, struct ub_conn *conn, bool passed)
{
	struct ub_conn *old = l->current;
	bool flushed = old && quiet(l, old);

	count_new(l, conn, passed);
	l->current = conn;
	l->url = conn->url;
	l->failures = 0;
	l->last_err = UB_OK;
	l->retry_at = 0;
	l->switching = false;
	if (old)
		retire(l, old);
	pthread_cond_broadcast(&l->c->changed);
	pthread_mutex_unlock(&l->c->lock);
	ub_client_set_state(l->c, UNIBUS_CONNECTED, UB_OK);
	ub_chores_list(l->c);
	ub_kept_lag(l->c, conn->no);
	if (old)
		let_go(l, old, flushed);
}

static void note_failure(struct ub_link *l, ub_err err)
{
	/* The server only ever says "Authorization Violation"; the control plane knows why. An
	 * answer that is for good sets the state; after any other we come again. */
	if (err == UNIBUS_ERR_DENIED)
		ub_client_ask(l->c);
	pthread_mutex_lock(&l->c->lock);
	/* Somebody answers, at the first attempt. */
	if (err == UNIBUS_ERR_DENIED)
		count_kick(l, l->failures == 0);
	l->retry_at = ub_mono_ms() + backoff(l->failures);
	l->failures++;
	if (!l->current)
		l->last_err = err;
	l->first_failed = true;
	pthread_cond_broadcast(&l->c->changed);
	pthread_mutex_unlock(&l->c->lock);
}

static void give_up(struct ub_link *l, struct ub_conn *conn)
{
	pthread_mutex_lock(&l->c->lock);
	conn->given_up = true;
	retire(l, conn);
	pthread_cond_broadcast(&l->c->changed);
	pthread_mutex_unlock(&l->c->lock);
	l->ops->close(conn->bus);
}

static void connect_once(struct ub_link *l)
{
	struct ub_conn *conn = NULL;
	bool passed = false;
	ub_err err = ub_conn_open(l, &conn, &passed);

	if (err == UB_OK) {
		err = ub_conn_prepare(l, conn);
		if (err == UB_OK) {
			swap_in(l, conn, passed);
			return;
		}
		give_up(l, conn);
	}
	note_failure(l, err);
}

/* ---- the thread ---- */

bool ub_link_is_final(const unibus_client *c)
{
	return c->closing || c->state == UNIBUS_REVOKED || c->state == UNIBUS_STOPPED;
}

/* Between half and two thirds of the shortest time that a session lasts: early enough to try a few
 * times, and not all clients at once. */
static uint64_t renew_time(const struct ub_link *l)
{
	uint64_t session = session_ms(l);

	return l->current->opened + session / 2 +
	       (l->current->opened * 2654435761U) % (session / 6 + 1);
}

/* When a connection is to be made, as far as is known; now or before: at once. */
static uint64_t connect_time(const struct ub_link *l, uint64_t now)
{
	uint64_t at;

	if (!l->current || l->current->gen < l->want)
		return l->retry_at;
	at = renew_time(l);
	return at <= now ? l->retry_at : at;
}

enum todo { TODO_END, TODO_CONNECT, TODO_LOST };

/* Under the lock: waits for something to do. */
static enum todo wait_todo(struct ub_link *l)
{
	for (;;) {
		uint64_t now = ub_mono_ms(), at;
		struct ub_conn *ended = take_ended(l);

		if (ended) {
			bury(l, ended);
			continue;
		}
		if (ub_link_is_final(l->c))
			return TODO_END;
		if (l->current && l->current->closed)
			return TODO_LOST;
		at = connect_time(l, now);
		if (at <= now)
			return TODO_CONNECT;
		(void)ub_cond_wait_until(&l->c->changed, &l->c->lock, at); /* a loop */
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

/* Why the connection went, or UB_OK. */
static enum todo next_todo(struct ub_link *l, ub_err *ret_why)
{
	enum todo todo;

	pthread_mutex_lock(&l->c->lock);
	todo = wait_todo(l);
	if (todo == TODO_LOST) {
		note_loss(l);
		*ret_why = l->lost.why;
	}
	pthread_mutex_unlock(&l->c->lock);
	return todo;
}

static void *link_main(void *arg)
{
	struct ub_link *l = arg;
	enum todo todo;

	do {
		ub_err why = UB_OK;

		todo = next_todo(l, &why);
		if (todo == TODO_LOST)
			ub_client_set_state(l->c, UNIBUS_CONNECTING, why);
		/* Whoever runs the servers may have changed how long sessions last. */
		if (why == UNIBUS_ERR_EXPIRED)
			ub_chores_ask(l->c);
		if (todo == TODO_CONNECT)
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
	l->url = ub_jitter(c->o->nats.n);
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
