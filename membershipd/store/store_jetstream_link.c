#include "membershipd/store/store_jetstream_link.h"

#include <pthread.h>
#include <time.h>

#include "core/key.h"
#include "membershipd/store/store_jetstream_dial.h"

#define PAUSE_FIRST_MS 40
#define PAUSE_MAX_MS 1000
#define TELL_EVERY_MS 3000
#define PING_MS 1000
/* Refusals in a row, for each server: one in 256 signatures is one that nats.c 3.4.1 spells wrong,
 * so a single one proves nothing. */
#define STRIKES 4

struct kv_link {
	struct kv_dial *dial;
	pthread_mutex_t mu; /* all below */
	pthread_cond_t changed;
	struct kv_conn *conn; /* NULL: none; the link holds it, too */
	bool dialing, stopped;
	size_t next;               /* the server to try */
	unsigned denied, unproven; /* in a row */
};

uint64_t kv_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* With mu held; until something changes or then. */
static void wait_until(struct kv_link *l, uint64_t until_ms)
{
	struct timespec ts = {
		.tv_sec = (time_t)(until_ms / 1000),
		.tv_nsec = (long)(until_ms % 1000) * 1000000,
	};

	(void)pthread_cond_timedwait(&l->changed, &l->mu, &ts);
}

ub_err kv_link_new(const struct md_jetstream_options *o, struct kv_link **ret)
{
	UB_CLEANUP(kv_dial_freep) struct kv_dial *dial = NULL;
	pthread_condattr_t attr;
	ub_err e = kv_dial_new(o, &dial);

	if (e)
		return e;
	struct kv_link *l = calloc(1, sizeof(*l));
	if (!l)
		return UNIBUS_ERR_NOMEM;
	l->next = randombytes_uniform((uint32_t)kv_dial_count(dial));
	l->dial = UB_TAKE(dial);
	ub_assert(!pthread_mutex_init(&l->mu, NULL));
	ub_assert(!pthread_condattr_init(&attr));
	ub_assert(!pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	ub_assert(!pthread_cond_init(&l->changed, &attr));
	(void)pthread_condattr_destroy(&attr);
	*ret = l;
	return UB_OK;
}

/* With mu held, and without it while nats.c works. */
static void unhold(struct kv_link *l, struct kv_conn *c)
{
	ub_assert(c->held > 0);
	if (--c->held > 0)
		return;
	(void)pthread_mutex_unlock(&l->mu);
	natsConnection_Destroy(c->nc);
	free(c);
	(void)pthread_mutex_lock(&l->mu);
}

/* With mu held. */
static void drop(struct kv_link *l, struct kv_conn *c)
{
	if (l->conn != c)
		return;
	l->conn = NULL;
	unhold(l, c);
}

void kv_link_free(struct kv_link *l)
{
	if (!l)
		return;
	(void)pthread_mutex_lock(&l->mu);
	if (l->conn)
		drop(l, l->conn);
	(void)pthread_mutex_unlock(&l->mu);
	ub_assert(!pthread_cond_destroy(&l->changed));
	ub_assert(!pthread_mutex_destroy(&l->mu));
	kv_dial_free(l->dial);
	free(l);
}

void kv_link_stop(struct kv_link *l)
{
	(void)pthread_mutex_lock(&l->mu);
	l->stopped = true;
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->mu);
}

bool kv_link_stopped(struct kv_link *l)
{
	bool stopped;

	(void)pthread_mutex_lock(&l->mu);
	stopped = l->stopped;
	(void)pthread_mutex_unlock(&l->mu);
	return stopped;
}

/* With mu held: tries the next server. */
static void dial_next(struct kv_link *l)
{
	size_t at = l->next++ % kv_dial_count(l->dial);
	struct kv_conn *c = calloc(1, sizeof(*c));
	natsStatus st = NATS_NO_MEMORY;

	l->dialing = true;
	(void)pthread_mutex_unlock(&l->mu);
	if (c)
		st = kv_dial_connect(l->dial, at, &c->nc);
	(void)pthread_mutex_lock(&l->mu);
	l->dialing = false;
	l->denied = st == NATS_CONNECTION_AUTH_FAILED ? l->denied + 1 : 0;
	bool unproven = st == NATS_SSL_ERROR || st == NATS_SECURE_CONNECTION_WANTED ||
			st == NATS_SECURE_CONNECTION_REQUIRED;
	l->unproven = unproven ? l->unproven + 1 : 0;
	if (st == NATS_OK) {
		c->held = 1;
		l->conn = c;
	} else {
		free(c);
	}
	(void)pthread_cond_broadcast(&l->changed);
}

/* With mu held. */
static ub_err hopeless(const struct kv_link *l)
{
	size_t strikes = STRIKES * kv_dial_count(l->dial);

	if (l->denied >= strikes)
		return UNIBUS_ERR_DENIED;
	return l->unproven >= strikes ? UNIBUS_ERR_TLS : UB_OK;
}

/* With mu held. */
static ub_err find_conn(struct kv_link *l, struct kv_patience *p)
{
	if (l->conn && natsConnection_Status(l->conn->nc) != NATS_CONN_STATUS_CONNECTED)
		drop(l, l->conn);
	if (!l->conn && l->dialing)
		wait_until(l, p->until_ms);
	else if (!l->conn)
		dial_next(l);
	return p->strict ? hopeless(l) : UB_OK;
}

ub_err kv_link_hold(struct kv_link *l, struct kv_patience *p, struct kv_conn **ret)
{
	ub_err e = UB_OK;
	bool more = true;

	while (!e && more) {
		(void)pthread_mutex_lock(&l->mu);
		e = l->stopped ? UNIBUS_ERR_UNAVAILABLE : find_conn(l, p);
		struct kv_conn *c = e ? NULL : l->conn;
		if (c)
			c->held++;
		(void)pthread_mutex_unlock(&l->mu);
		if (c) {
			*ret = c;
			return UB_OK;
		}
		more = !e && kv_link_pause(l, p, "a nats-server to answer");
	}
	return e ? e : UNIBUS_ERR_UNAVAILABLE;
}

void kv_link_release(struct kv_link *l, struct kv_conn *c)
{
	(void)pthread_mutex_lock(&l->mu);
	unhold(l, c);
	(void)pthread_mutex_unlock(&l->mu);
}

void kv_link_doubt(struct kv_link *l, struct kv_conn *c)
{
	if (natsConnection_FlushTimeout(c->nc, PING_MS) == NATS_OK)
		return;
	natsConnection_Close(c->nc);
	(void)pthread_mutex_lock(&l->mu);
	drop(l, c);
	(void)pthread_mutex_unlock(&l->mu);
}

bool kv_link_pause(struct kv_link *l, struct kv_patience *p, const char *what)
{
	uint64_t now = kv_now_ms(),
		 most = (uint64_t)PAUSE_FIRST_MS << (p->tries < 5 ? p->tries : 5);
	bool stopped;

	p->tries++;
	most = most < PAUSE_MAX_MS ? most : PAUSE_MAX_MS;
	if (p->waiting && !p->told_ms)
		p->told_ms = now;
	if (p->waiting && now - p->told_ms >= TELL_EVERY_MS) {
		p->told_ms = now;
		p->waiting(p->arg, what);
	}
	if (now >= p->until_ms)
		return false;
	uint64_t end = now + most / 2 + randombytes_uniform((uint32_t)most);
	end = end < p->until_ms ? end : p->until_ms;
	(void)pthread_mutex_lock(&l->mu);
	while (!l->stopped && kv_now_ms() < end)
		wait_until(l, end);
	stopped = l->stopped;
	(void)pthread_mutex_unlock(&l->mu);
	return !stopped;
}

ub_err kv_ask(struct kv_link *l, struct kv_conn *c, natsMsg *m, struct kv_answer *ret)
{
	natsMsg *reply = NULL;
	natsStatus st = natsConnection_RequestMsg(&reply, c->nc, m, KV_ATTEMPT_MS);

	if (st == NATS_NO_RESPONDERS)
		return UNIBUS_ERR_UNAVAILABLE;
	if (st == NATS_NO_MEMORY)
		return UNIBUS_ERR_NOMEM;
	if (st != NATS_OK) {
		kv_link_doubt(l, c);
		return UNIBUS_ERR_TIMEOUT;
	}
	struct ub_str text = {natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply)};
	ub_err e = kv_answer_parse(text, ret);
	natsMsg_Destroy(reply);
	return e;
}

ub_err kv_api_once(struct kv_link *l, struct kv_conn *c, const char *what, const char *body,
	struct kv_answer *ret)
{
	char subject[128];
	natsMsg *m = NULL;
	ub_err e;

	(void)snprintf(subject, sizeof(subject), "$JS.API.%s", what);
	if (natsMsg_Create(&m, subject, NULL, body, (int)strlen(body)) != NATS_OK)
		return UNIBUS_ERR_NOMEM;
	e = kv_ask(l, c, m, ret);
	natsMsg_Destroy(m);
	return e;
}

ub_err kv_api(struct kv_link *l, const char *what, const char *body, struct kv_patience *p,
	struct kv_answer *ret)
{
	do {
		struct kv_conn *c = NULL;
		ub_err e = kv_link_hold(l, p, &c);

		if (e)
			return e;
		e = kv_api_once(l, c, what, body, ret);
		kv_link_release(l, c);
		if (!e && ret->status != 503)
			return UB_OK;
		if (!e)
			kv_answer_deinit(ret);
		if (e == UNIBUS_ERR_NOMEM)
			return e;
	} while (kv_link_pause(l, p, "JetStream to have a leader"));
	return UNIBUS_ERR_UNAVAILABLE;
}
