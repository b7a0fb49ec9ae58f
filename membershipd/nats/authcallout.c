#include "membershipd/nats/authcallout.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <utlist.h>

#include "core/endpoint.h"
#include "core/limits.h"
#include "support/log.h"

#define THREADS 2
#define THREADS_MAX 16
#define QUEUE_MAX 4096
#define QUESTION_MAX (64 * 1024) /* CONNECT itself is limited to 4 kB by the server */
#define DRAIN_MS 2000
#define XKEY_HEADER "Nats-Server-Xkey"

struct question {
	struct question *next, *prev;
	char *reply, *xkey; /* behind `box` */
	size_t len;
	uint8_t box[];
};

struct md_callout {
	struct md_link *link;
	struct md_judge *judge;
	struct md_kicks *kicks;
	struct md_service *svc;
	struct md_listener *listener;
	pthread_mutex_t mu; /* the queue */
	pthread_cond_t cond;
	struct question *queue;
	size_t n, max;
	bool stop;
	pthread_t threads[THREADS_MAX];
	unsigned n_threads;
	_Atomic uint64_t verdicts[MD_VERDICTS_N], unsent, stale;
};

static void count(struct md_callout *c, enum md_verdict v)
{
	(void)atomic_fetch_add_explicit(&c->verdicts[v], 1, memory_order_relaxed);
}

/* A copy of the message; NULL without memory. */
static struct question *question_new(const struct md_message *m)
{
	const char *xkey = md_message_header(m, XKEY_HEADER);
	size_t reply_len = strlen(m->reply) + 1, xkey_len = xkey ? strlen(xkey) + 1 : 0;
	struct question *q = malloc(sizeof(*q) + m->data.len + reply_len + xkey_len);

	if (!q)
		return NULL;
	q->len = m->data.len;
	memcpy(q->box, m->data.p, m->data.len);
	q->reply = (char *)q->box + m->data.len;
	memcpy(q->reply, m->reply, reply_len);
	q->xkey = xkey ? q->reply + reply_len : NULL;
	if (xkey)
		memcpy(q->xkey, xkey, xkey_len);
	return q;
}

static void on_question(void *arg, const struct md_message *m)
{
	struct md_callout *c = arg;
	struct question *q = NULL;
	bool queued = false;

	if (!m->reply[0] || m->data.len > QUESTION_MAX) {
		count(c, MD_VERDICT_SILENT_MALFORMED);
		return;
	}
	q = question_new(m);
	(void)pthread_mutex_lock(&c->mu);
	if (q && c->n < c->max) {
		DL_APPEND(c->queue, q);
		c->n++;
		queued = true;
		(void)pthread_cond_signal(&c->cond);
	}
	(void)pthread_mutex_unlock(&c->mu);
	if (!queued) {
		free(q);
		count(c, MD_VERDICT_SILENT_OVERLOAD);
	}
}

/* NULL: the queue is empty and no more will come. */
static struct question *next_question(struct md_callout *c)
{
	struct question *q;

	(void)pthread_mutex_lock(&c->mu);
	while (!c->queue && !c->stop)
		(void)pthread_cond_wait(&c->cond, &c->mu);
	q = c->queue;
	if (q) {
		DL_DELETE(c->queue, q);
		c->n--;
	}
	(void)pthread_mutex_unlock(&c->mu);
	return q;
}

static void say(enum md_verdict v, const struct md_answer *a)
{
	char who[UB_ID_TEXT + 1] = "";
	bool usual = v == MD_VERDICT_GRANTED;

	if (a->has_who)
		ub_endpoint_encode(&a->who, who);
	log_line(usual ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "login", "verdict", md_verdict_name(v),
		"peer", a->has_who ? who : NULL, "host", a->host, "cid", log_num(a->conn.cid),
		NULL);
}

static void answer(struct md_callout *c, const struct question *q)
{
	UB_CLEANUP(md_answer_deinit) struct md_answer a = {.rev = 0};
	enum md_verdict v;

	v = md_judge(c->judge, &(struct md_question){{q->box, q->len}, q->xkey}, &a);
	count(c, v);
	say(v, &a);
	if (a.box.len > 0 && md_link_publish(c->link, MD_PLANE_CTRL, q->reply, NULL,
				     (struct ub_bytes){a.box.p, a.box.len})) {
		(void)atomic_fetch_add_explicit(&c->unsent, 1, memory_order_relaxed);
		return;
	}
	/* Rights that went while the answer was on its way: the directory knows by now. */
	if (v == MD_VERDICT_GRANTED && md_grant_stale(c->svc, &a.who, a.rev)) {
		(void)atomic_fetch_add_explicit(&c->stale, 1, memory_order_relaxed);
		md_kicks_one(c->kicks, &a.conn);
	}
}

static void *work(void *arg)
{
	struct md_callout *c = arg;

	for (struct question *q; (q = next_question(c));) {
		answer(c, q);
		free(q);
	}
	return NULL;
}

static ub_err start_threads(struct md_callout *c, unsigned n)
{
	for (; c->n_threads < n; c->n_threads++)
		if (pthread_create(&c->threads[c->n_threads], NULL, work, c))
			return UNIBUS_ERR_NOMEM;
	return UB_OK;
}

ub_err md_callout_start(const struct md_callout_config *cfg, struct md_callout **ret)
{
	UB_CLEANUP(md_callout_freep) struct md_callout *c = calloc(1, sizeof(*c));
	unsigned n = cfg->threads ? cfg->threads : THREADS;
	ub_err err;

	ub_assert(n <= THREADS_MAX);
	if (!c)
		return UNIBUS_ERR_NOMEM;
	c->link = cfg->link;
	c->judge = cfg->judge;
	c->kicks = cfg->kicks;
	c->svc = cfg->svc;
	c->max = cfg->queue_max ? cfg->queue_max : QUEUE_MAX;
	(void)pthread_mutex_init(&c->mu, NULL);
	(void)pthread_cond_init(&c->cond, NULL);
	err = start_threads(c, n);
	if (!err)
		err = md_link_listen(c->link,
			&(struct md_listen){
				.plane = MD_PLANE_CTRL,
				.subject = "$SYS.REQ.USER.AUTH",
				.queue = "membershipd",
				.fn = on_question,
				.arg = c,
			},
			&c->listener);
	if (err)
		return err;
	*ret = UB_TAKE(c);
	return UB_OK;
}

void md_callout_stop(struct md_callout *c)
{
	if (c->listener)
		md_link_quiet(c->listener, DRAIN_MS);
	(void)pthread_mutex_lock(&c->mu);
	c->stop = true;
	(void)pthread_cond_broadcast(&c->cond);
	(void)pthread_mutex_unlock(&c->mu);
	for (; c->n_threads > 0; c->n_threads--)
		(void)pthread_join(c->threads[c->n_threads - 1], NULL);
}

void md_callout_free(struct md_callout *c)
{
	if (!c)
		return;
	c->listener = NULL; /* gone with the link */
	md_callout_stop(c);
	while (c->queue) {
		struct question *q = c->queue;

		DL_DELETE(c->queue, q);
		free(q);
	}
	(void)pthread_cond_destroy(&c->cond);
	(void)pthread_mutex_destroy(&c->mu);
	free(c);
}

void md_callout_stats(const struct md_callout *c, struct md_callout_stats *ret)
{
	for (size_t i = 0; i < MD_VERDICTS_N; i++)
		ret->verdicts[i] = c->verdicts[i];
	ret->unsent = c->unsent;
	ret->stale = c->stale;
}
