#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/key.h"
#include "membershipd/nats/link_internal.h"
#include "support/log.h"

#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 2000
#define SAY_EVERY_MS 5000
#define PING_FAST_MS 250 /* until every server has been heard */
#define PING_SLOW_MS 10000

uint64_t md_link_boot_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void md_link_wait_ms(struct md_link *l, uint64_t ms)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(ms / 1000);
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	(void)pthread_cond_timedwait(&l->cond, &l->mu, &ts);
}

/* nats.c: the subscription is gone and none of its callbacks runs any more. */
static void on_complete(void *arg)
{
	struct plane *p = arg;

	(void)pthread_mutex_lock(&p->l->mu);
	p->l->live--;
	(void)pthread_cond_broadcast(&p->l->cond);
	(void)pthread_mutex_unlock(&p->l->mu);
}

static void on_bell(void *arg)
{
	struct plane *p = arg;

	(void)pthread_mutex_lock(&p->l->mu);
	p->lost = true;
	p->bells--;
	(void)pthread_cond_broadcast(&p->l->cond);
	(void)pthread_mutex_unlock(&p->l->mu);
}

/* What a server says to $SYS.REQ.SERVER.PING comes to the SYS plane's inbox. */
static void on_inbox(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
	struct plane *p = arg;
	struct md_link *l = p->l;
	char want[64];

	(void)nc, (void)sub;
	(void)pthread_mutex_lock(&l->mu);
	(void)snprintf(want, sizeof(want), "%s.%llu", l->inbox, (unsigned long long)l->ping_n);
	if (strcmp(natsMsg_GetSubject(msg), want) == 0) {
		struct md_ping_answer a = {
			.json = {(const uint8_t *)natsMsg_GetData(msg),
				(size_t)natsMsg_GetDataLength(msg)},
			.asked_ms = l->ping_asked_ms,
			.now_ms = wall_ms(),
			.boot_ms = md_link_boot_ms(),
		};

		if (md_servers_heard(&l->servers, &a))
			log_warn("bus_ping_unreadable", NULL);
		(void)pthread_cond_broadcast(&l->cond);
	}
	(void)pthread_mutex_unlock(&l->mu);
	natsMsg_Destroy(msg);
}

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
	const struct md_listener *s = arg;
	const char *reply = natsMsg_GetReply(msg);
	struct md_message m = {
		.subject = natsMsg_GetSubject(msg),
		.reply = reply ? reply : "",
		.data = {(const uint8_t *)natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)},
		.no_responders = natsMsg_IsNoResponders(msg),
		.raw = msg,
	};

	(void)nc, (void)sub;
	s->fn(s->arg, &m);
	natsMsg_Destroy(msg);
}

const char *md_message_header(const struct md_message *m, const char *name)
{
	const char *value = NULL;

	return natsMsgHeader_Get(m->raw, name, &value) == NATS_OK ? value : NULL;
}

/* Counts the subscription, so that it is known when its callbacks have ended. */
static bool watch_end(struct plane *p, natsSubscription *sub, natsOnCompleteCB cb, size_t *count)
{
	(void)pthread_mutex_lock(&p->l->mu);
	(*count)++;
	(void)pthread_mutex_unlock(&p->l->mu);
	if (natsSubscription_SetOnCompleteCB(sub, cb, p) == NATS_OK)
		return true;
	/* Closed already: nats.c will not call. */
	(void)pthread_mutex_lock(&p->l->mu);
	(*count)--;
	(void)pthread_mutex_unlock(&p->l->mu);
	return false;
}

static bool subscribe(struct plane *p, struct md_listener *s, natsConnection *nc)
{
	natsSubscription *sub = NULL;
	natsStatus st = s->queue ? natsConnection_QueueSubscribe(
					   &sub, nc, s->subject, s->queue, on_message, s)
				 : natsConnection_Subscribe(&sub, nc, s->subject, on_message, s);

	if (st != NATS_OK)
		return false;
	(void)natsSubscription_SetPendingLimits(sub, -1, -1);
	if (!watch_end(p, sub, on_complete, &p->l->live)) {
		natsSubscription_Destroy(sub);
		return false;
	}
	(void)pthread_mutex_lock(&p->l->mu);
	s->sub = sub;
	(void)pthread_mutex_unlock(&p->l->mu);
	return true;
}

static struct md_listener *next_unsubscribed(struct plane *p)
{
	struct md_listener *s;

	(void)pthread_mutex_lock(&p->l->mu);
	for (s = p->l->listeners; s && (s->p != p || s->sub || s->quiet); s = s->next)
		;
	(void)pthread_mutex_unlock(&p->l->mu);
	return s;
}

static bool subscribe_all(struct plane *p, natsConnection *nc)
{
	for (struct md_listener *s; (s = next_unsubscribed(p));)
		if (!subscribe(p, s, nc))
			return false;
	return natsConnection_FlushTimeout(nc, 2000) == NATS_OK;
}

/* The bell first: from then on the connection's end is noticed. */
static bool furnish(struct plane *p, natsConnection *nc)
{
	char subject[64];

	(void)snprintf(subject, sizeof(subject), "%s.*", p->l->inbox);
	if (natsConnection_Subscribe(&p->bell, nc, subject, on_inbox, p) != NATS_OK)
		return false;
	return watch_end(p, p->bell, on_bell, &p->bells) && subscribe_all(p, nc);
}

static natsSubscription *take_subscription(struct plane *p)
{
	natsSubscription *sub = NULL;

	(void)pthread_mutex_lock(&p->l->mu);
	for (struct md_listener *s = p->l->listeners; s && !sub; s = s->next)
		if (s->p == p)
			sub = UB_TAKE(s->sub);
	(void)pthread_mutex_unlock(&p->l->mu);
	return sub;
}

static void take_down(struct plane *p)
{
	natsConnection *nc;
	natsSubscription *sub;

	(void)pthread_rwlock_wrlock(&p->lock);
	nc = UB_TAKE(p->nc);
	(void)pthread_rwlock_unlock(&p->lock);
	while ((sub = take_subscription(p)))
		natsSubscription_Destroy(sub);
	natsConnection_Destroy(nc);
	natsSubscription_Destroy(UB_TAKE(p->bell));
	/* The old bell has rung before a new one is hung up. */
	(void)pthread_mutex_lock(&p->l->mu);
	while (p->bells > 0)
		(void)pthread_cond_wait(&p->l->cond, &p->l->mu);
	p->lost = p->up = false;
	(void)pthread_mutex_unlock(&p->l->mu);
}

static void say_failure(struct plane *p, const char *url, const char *what)
{
	uint64_t now = md_link_boot_ms();

	if (p->said_ms && now - p->said_ms < SAY_EVERY_MS)
		return;
	p->said_ms = now;
	log_warn("bus_connect", "account", md_plane_name(p->id), "url", url, "error", what,
		"attempt", log_num(p->fails), NULL);
}

static void set_up(struct plane *p, bool up)
{
	(void)pthread_mutex_lock(&p->l->mu);
	p->up = up;
	(void)pthread_cond_broadcast(&p->l->cond);
	(void)pthread_mutex_unlock(&p->l->mu);
}

static void try_connect(struct plane *p)
{
	struct md_link *l = p->l;
	size_t at = p->url++ % l->dial.n_urls;
	natsConnection *nc = NULL;
	natsStatus st = dial_connect(&l->dial, at, p->id, &nc);
	uint64_t wait = (uint64_t)RETRY_FIRST_MS << (p->fails < 6 ? p->fails : 6);

	if (st == NATS_OK) {
		(void)pthread_rwlock_wrlock(&p->lock);
		p->nc = nc;
		(void)pthread_rwlock_unlock(&p->lock);
		if (furnish(p, nc)) {
			set_up(p, true);
			log_info("bus_connected", "account", md_plane_name(p->id), "url",
				l->dial.urls[at], NULL);
			p->fails = 0;
			p->said_ms = 0;
			return;
		}
		take_down(p);
		st = NATS_CONNECTION_CLOSED;
	}
	p->fails++;
	say_failure(p, l->dial.urls[at], natsStatus_GetText(st));
	wait = wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS;
	p->due_ms = md_link_boot_ms() + wait / 2 + randombytes_uniform((uint32_t)wait);
}

static bool is_lost(struct plane *p)
{
	bool lost;

	(void)pthread_mutex_lock(&p->l->mu);
	lost = p->lost;
	(void)pthread_mutex_unlock(&p->l->mu);
	return lost;
}

static bool is_used(struct plane *p)
{
	bool used;

	(void)pthread_mutex_lock(&p->l->mu);
	used = p->used;
	(void)pthread_mutex_unlock(&p->l->mu);
	return used;
}

/* Keeps one plane up; gives when it wants to be looked at again. */
static uint64_t tend(struct plane *p, uint64_t now)
{
	if (!is_used(p))
		return UINT64_MAX;
	if (is_lost(p)) {
		log_warn("bus_lost", "account", md_plane_name(p->id), NULL);
		take_down(p);
		p->due_ms = now;
	}
	if (!p->nc) {
		if (p->due_ms <= now)
			try_connect(p);
		return p->nc ? now : p->due_ms;
	}
	if (next_unsubscribed(p) && !subscribe_all(p, p->nc)) {
		take_down(p);
		return now;
	}
	return UINT64_MAX;
}

/* Asks every server who it is, now and then. */
static uint64_t ask_servers(struct md_link *l, uint64_t now)
{
	char reply[64];

	if (!l->planes[MD_PLANE_SYS].nc)
		return UINT64_MAX;
	if (l->ping_due_ms > now)
		return l->ping_due_ms;
	(void)pthread_mutex_lock(&l->mu);
	md_servers_age(&l->servers, now);
	l->ping_n++;
	l->ping_asked_ms = wall_ms();
	(void)snprintf(reply, sizeof(reply), "%s.%llu", l->inbox, (unsigned long long)l->ping_n);
	l->ping_due_ms = now + (md_servers_complete(&l->servers) ? PING_SLOW_MS : PING_FAST_MS);
	(void)pthread_mutex_unlock(&l->mu);
	if (md_link_publish(
		    l, MD_PLANE_SYS, "$SYS.REQ.SERVER.PING", reply, (struct ub_bytes){NULL, 0}))
		log_debug("bus_ping_unsent", NULL);
	return l->ping_due_ms;
}

static bool anything_lost(const struct md_link *l)
{
	for (enum md_plane p = MD_PLANE_SYS; p < MD_PLANES; p++)
		if (l->planes[p].lost)
			return true;
	return false;
}

void *md_link_keep(void *arg)
{
	struct md_link *l = arg;
	bool stop = false;

	while (!stop) {
		uint64_t now = md_link_boot_ms(), next = UINT64_MAX;

		for (enum md_plane p = MD_PLANE_SYS; p < MD_PLANES; p++) {
			uint64_t t = tend(&l->planes[p], now);

			next = t < next ? t : next;
		}
		now = ask_servers(l, md_link_boot_ms());
		next = now < next ? now : next;
		(void)pthread_mutex_lock(&l->mu);
		now = md_link_boot_ms();
		if (!l->stop && !l->wake && !anything_lost(l) && next > now)
			md_link_wait_ms(l, next - now < 60000 ? next - now : 60000);
		l->wake = false;
		stop = l->stop;
		(void)pthread_mutex_unlock(&l->mu);
	}
	for (enum md_plane p = MD_PLANE_SYS; p < MD_PLANES; p++)
		take_down(&l->planes[p]);
	return NULL;
}
