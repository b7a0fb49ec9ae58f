#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/b64url.h"
#include "core/key.h"
#include "core/limits.h"
#include "membershipd/nats/link_internal.h"

ub_err md_link_new(const struct md_link_config *c, struct md_link **ret)
{
	UB_CLEANUP(ub_freep) struct md_link *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;
	uint8_t random[16];
	char token[UB_B64URL_LEN(sizeof(random)) + 1];
	ub_err err;

	if (!l)
		return UNIBUS_ERR_NOMEM;
	err = dial_init(&l->dial, c);
	if (err)
		return err;
	randombytes_buf(random, sizeof(random));
	ub_b64url_encode(random, sizeof(random), token);
	(void)snprintf(l->inbox, sizeof(l->inbox), "_INBOX.%s", token);
	(void)pthread_mutex_init(&l->mu, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&l->cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	for (enum md_plane p = MD_PLANE_SYS; p < MD_PLANES; p++) {
		l->planes[p] = (struct plane){.l = l, .id = p};
		(void)pthread_rwlock_init(&l->planes[p].lock, NULL);
	}
	l->planes[MD_PLANE_SYS].used = true;
	*ret = UB_TAKE(l);
	return UB_OK;
}

static void listener_free(struct md_listener *s)
{
	free(s->subject);
	free(s->queue);
	free(s);
}

static void poke(struct md_link *l)
{
	l->wake = true;
	(void)pthread_cond_broadcast(&l->cond);
}

ub_err md_link_listen(struct md_link *l, const struct md_listen *spec, struct md_listener **ret)
{
	struct md_listener *s = calloc(1, sizeof(*s));

	if (!s)
		return UNIBUS_ERR_NOMEM;
	s->p = &l->planes[spec->plane];
	s->subject = strdup(spec->subject);
	s->queue = spec->queue ? strdup(spec->queue) : NULL;
	s->fn = spec->fn;
	s->arg = spec->arg;
	if (!s->subject || (spec->queue && !s->queue)) {
		listener_free(s);
		return UNIBUS_ERR_NOMEM;
	}
	(void)pthread_mutex_lock(&l->mu);
	s->next = l->listeners;
	l->listeners = s;
	s->p->used = true;
	poke(l);
	(void)pthread_mutex_unlock(&l->mu);
	*ret = s;
	return UB_OK;
}

void md_link_quiet(struct md_listener *s, unsigned timeout_ms)
{
	natsSubscription *sub;

	(void)pthread_mutex_lock(&s->p->l->mu);
	s->quiet = true;
	sub = UB_TAKE(s->sub);
	(void)pthread_mutex_unlock(&s->p->l->mu);
	if (!sub)
		return;
	if (natsSubscription_DrainTimeout(sub, (int64_t)timeout_ms) == NATS_OK)
		(void)natsSubscription_WaitForDrainCompletion(sub, (int64_t)timeout_ms);
	natsSubscription_Destroy(sub);
}

void md_link_use(struct md_link *l, enum md_plane p)
{
	(void)pthread_mutex_lock(&l->mu);
	l->planes[p].used = true;
	poke(l);
	(void)pthread_mutex_unlock(&l->mu);
}

ub_err md_link_start(struct md_link *l)
{
	if (pthread_create(&l->thread, NULL, md_link_keep, l))
		return UNIBUS_ERR_NOMEM;
	l->started = true;
	return UB_OK;
}

void md_link_free(struct md_link *l)
{
	if (!l)
		return;
	(void)pthread_mutex_lock(&l->mu);
	l->stop = true;
	poke(l);
	(void)pthread_mutex_unlock(&l->mu);
	if (l->started)
		(void)pthread_join(l->thread, NULL);
	(void)pthread_mutex_lock(&l->mu);
	while (l->live > 0)
		(void)pthread_cond_wait(&l->cond, &l->mu);
	(void)pthread_mutex_unlock(&l->mu);
	for (struct md_listener *s = l->listeners, *next; s; s = next) {
		next = s->next;
		listener_free(s);
	}
	for (enum md_plane p = MD_PLANE_SYS; p < MD_PLANES; p++)
		(void)pthread_rwlock_destroy(&l->planes[p].lock);
	(void)pthread_cond_destroy(&l->cond);
	(void)pthread_mutex_destroy(&l->mu);
	dial_deinit(&l->dial);
	free(l);
}

/* With mu held. */
static enum md_link_state judge(struct md_link *l, struct md_link_why *why)
{
	const struct md_server_seen *bad = md_servers_unfit(&l->servers);

	if (bad && bad->fault == MD_SERVER_TOO_OLD)
		(void)snprintf(why->text, sizeof(why->text),
			"nats-server %s runs version %s, which has known holes in its access "
			"control; use 2.12.12 or later, and not 2.14.0 to 2.14.2",
			bad->s.name, bad->version);
	else if (bad)
		(void)snprintf(why->text, sizeof(why->text),
			"the clock of nats-server %s is %lld ms off ours; logins expire by the "
			"clock, so both must agree within a second (use NTP)",
			bad->s.name, (long long)bad->skew_ms);
	if (bad)
		return MD_LINK_UNFIT;
	for (enum md_plane p = MD_PLANE_SYS; p < MD_PLANES; p++) {
		const struct plane *x = &l->planes[p];

		if (!x->used || (x->up && !x->lost))
			continue;
		(void)snprintf(why->text, sizeof(why->text), "account %s is not connected",
			md_plane_name(p));
		return MD_LINK_DOWN;
	}
	if (md_servers_complete(&l->servers))
		return MD_LINK_UP;
	(void)snprintf(why->text, sizeof(why->text), "%zu of %zu servers have answered",
		l->servers.n, l->servers.expected);
	return MD_LINK_DOWN;
}

void md_link_why(struct md_link *l, struct md_link_why *ret)
{
	*ret = (struct md_link_why){""};
	(void)pthread_mutex_lock(&l->mu);
	(void)judge(l, ret);
	(void)pthread_mutex_unlock(&l->mu);
}

enum md_link_state md_link_state(struct md_link *l)
{
	return md_link_wait(l, 0);
}

enum md_link_state md_link_wait(struct md_link *l, unsigned timeout_ms)
{
	uint64_t end = md_link_boot_ms() + timeout_ms, now;
	struct md_link_why why;
	enum md_link_state state;

	(void)pthread_mutex_lock(&l->mu);
	while ((state = judge(l, &why)) == MD_LINK_DOWN && (now = md_link_boot_ms()) < end)
		md_link_wait_ms(l, end - now);
	(void)pthread_mutex_unlock(&l->mu);
	return state;
}

ub_err md_link_publish(struct md_link *l, enum md_plane plane, const char *subject,
	const char *reply, struct ub_bytes data)
{
	struct plane *p = &l->planes[plane];
	natsStatus st = NATS_CONNECTION_CLOSED;

	if (data.len > UB_BUS_PAYLOAD_MAX)
		return UNIBUS_ERR_TOO_LARGE;
	(void)pthread_rwlock_rdlock(&p->lock);
	if (p->nc && reply)
		st = natsConnection_PublishRequest(p->nc, subject, reply, data.p, (int)data.len);
	else if (p->nc)
		st = natsConnection_Publish(p->nc, subject, data.p, (int)data.len);
	(void)pthread_rwlock_unlock(&p->lock);
	if (st == NATS_OK)
		return UB_OK;
	return st == NATS_MAX_PAYLOAD ? UNIBUS_ERR_TOO_LARGE : UNIBUS_ERR_UNAVAILABLE;
}

size_t md_link_servers(struct md_link *l, struct md_server to[MD_SERVERS_MAX])
{
	size_t n;

	(void)pthread_mutex_lock(&l->mu);
	n = l->servers.n;
	for (size_t i = 0; i < n; i++)
		to[i] = l->servers.v[i].s;
	(void)pthread_mutex_unlock(&l->mu);
	return n;
}
