#include <stdio.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "membershipd/domain/barrier.h"
#include "membershipd/nats/kicks_impl.h"
#include "membershipd/nats/notify.h"
#include "support/log.h"

#define NARROW_DELAY_MS 250
#define ANSWER_MS 1500 /* a server that takes longer is reported as unconfirmed */
#define RETRY_MS 1000
#define LINK_MS 100
#define EXPIRE_EVERY_MS 30000
#define BATCH 64

static void send_notes(struct md_kicks *k, const struct job *j)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(512);
	size_t lost = j->ev.n_who;

	if (!md_notify_text(k->svc, &j->ev, &text))
		lost = md_notify_send(k->link, &j->ev, ub_buf_text(&text));
	k->notes += j->ev.n_who - lost;
	k->notes_lost += lost;
}

static ub_err add_target(void *arg, const struct md_conn *c)
{
	return job_target_add(arg, c);
}

/* Whom to ask for connections that we do not know of. A job about one connection asks nobody. */
static void plan(struct md_kicks *k, struct job *j)
{
	struct md_server servers[MD_SERVERS_MAX];
	size_t n = md_link_servers(k->link, servers);

	if (j->ev.n_who == 0 && !j->inherited)
		j->planned = true;
	else if (job_sweeps_plan(j, k->svc, servers, n))
		k->lost_event = true;
}

/* Who has to go, as far as we know; and who is to be asked for more. With mu held. */
static void begin_round(struct md_kicks *k, struct job *j, uint64_t now)
{
	const struct md_loss loss = job_loss(j);
	ub_err err = UB_OK;

	for (size_t i = 0; !err && i < j->ev.n_who; i++)
		err = md_sessions_each(k->sessions, &j->who[i], &loss, add_target, j);
	if (err)
		k->lost_event = true;
	plan(k, j);
	j->phase = JOB_RUNNING;
	j->deadline_boot_ms = now + ANSWER_MS;
}

/* Sends what is due, in batches, without the lock. Only this thread frees jobs. */
static void send_due(struct md_kicks *k, struct job *j)
{
	struct job_ask asks[BATCH];
	size_t n;

	do {
		(void)pthread_mutex_lock(&k->mu);
		for (n = 0; n < BATCH && job_next_ask(j, &asks[n]); n++)
			;
		(void)pthread_mutex_unlock(&k->mu);
		for (size_t i = 0; i < n; i++) {
			char reply[80];

			(void)snprintf(reply, sizeof(reply), "%s.%s", k->inbox, asks[i].reply);
			if (!md_link_publish(k->link, MD_PLANE_SYS, asks[i].subject, reply,
				    (struct ub_bytes){
					    (const uint8_t *)asks[i].body, strlen(asks[i].body)}))
				continue;
			(void)pthread_mutex_lock(&k->mu);
			job_ask_failed(j, &asks[i]);
			(void)pthread_mutex_unlock(&k->mu);
		}
	} while (n == BATCH);
}

static bool owes(const struct job *j)
{
	return j->ev.kind == MD_EVENT_REVOKED || j->ev.kind == MD_EVENT_NARROWED;
}

/* Tells the barrier, once. */
static void report(struct md_kicks *k, struct job *j)
{
	struct md_server known[MD_SERVERS_MAX];
	const char *names[MD_UNCONFIRMED_MAX];
	size_t n_known = md_link_servers(k->link, known), n;
	unsigned kicked;

	(void)pthread_mutex_lock(&k->mu);
	n = job_unconfirmed(j, known, n_known, names);
	kicked = j->kicked;
	(void)pthread_mutex_unlock(&k->mu);
	/* Nobody to ask is not the same as nobody there. */
	if (!j->planned && n == 0)
		names[n++] = "bus";
	if (n > 0) {
		k->unconfirmed++;
		log_warn("kick_unconfirmed", "server", names[0], "revision", log_num(j->ev.rev),
			"kicked", log_num(kicked), NULL);
	}
	if (owes(j))
		md_barrier_done(k->svc, j->ev.rev, kicked, names, n);
	j->reported = true;
}

/* What comes before the first round: notes, and the delay of a change that only narrows. Gives
 * false when there is no round. */
static bool begin(struct md_kicks *k, struct job *j, uint64_t now)
{
	if (j->phase == JOB_NEW && j->ev.kind)
		send_notes(k, j);
	if (j->ev.kind == MD_EVENT_GRANTED || j->ev.kind == MD_EVENT_ROOM)
		return false;
	if (j->phase == JOB_NEW && j->ev.kind == MD_EVENT_NARROWED) {
		j->phase = JOB_NOTED;
		j->due_boot_ms = now + NARROW_DELAY_MS;
		return true;
	}
	/* Every server is known then. */
	if (j->inherited && md_link_state(k->link) != MD_LINK_UP) {
		j->due_boot_ms = now + LINK_MS;
		return true;
	}
	(void)pthread_mutex_lock(&k->mu);
	begin_round(k, j, now);
	(void)pthread_mutex_unlock(&k->mu);
	return true;
}

/* A round in progress. Gives false when the job is finished. */
static bool go_on(struct md_kicks *k, struct job *j, uint64_t now, uint64_t *ret_next)
{
	bool settled, confirmed;

	send_due(k, j);
	(void)pthread_mutex_lock(&k->mu);
	settled = job_settled(j);
	confirmed = job_confirmed(j);
	(void)pthread_mutex_unlock(&k->mu);
	if (!settled && now < j->deadline_boot_ms) {
		*ret_next = j->deadline_boot_ms;
		return true;
	}
	if (!j->reported)
		report(k, j);
	else if (confirmed)
		log_info("kick_confirmed", "revision", log_num(j->ev.rev), NULL);
	if (confirmed || now >= j->expires_boot_ms)
		return false;
	(void)pthread_mutex_lock(&k->mu);
	job_retry(j);
	if (!j->planned)
		plan(k, j);
	j->due_boot_ms = now + RETRY_MS;
	j->deadline_boot_ms = j->due_boot_ms + ANSWER_MS;
	(void)pthread_mutex_unlock(&k->mu);
	*ret_next = j->due_boot_ms;
	return true;
}

/* Moves one job on. Gives false when it is finished; *ret_next: when to look again. */
static bool step(struct md_kicks *k, struct job *j, uint64_t now, uint64_t *ret_next)
{
	if (j->due_boot_ms <= now && j->phase != JOB_RUNNING && !begin(k, j, now))
		return false;
	*ret_next = j->due_boot_ms;
	if (j->due_boot_ms > now)
		return true;
	return go_on(k, j, now, ret_next);
}

struct stale {
	struct md_kicks *k;
	struct job *j;
};

static ub_err add_if_stale(
	void *arg, const struct md_conn *c, const struct ub_endpoint *who, uint64_t rev)
{
	struct stale *s = arg;

	return md_grant_stale(s->k->svc, who, rev) ? job_target_add(s->j, c) : UB_OK;
}

/* An event was lost for lack of memory: judges every session again. */
static void judge_all(struct md_kicks *k)
{
	struct stale s = {k, job_new(&(struct md_event){.rev = 0})};
	bool failed = !s.j || md_sessions_all(k->sessions, add_if_stale, &s);

	(void)pthread_mutex_lock(&k->mu);
	if (failed)
		k->lost_event = true; /* again, a little later */
	if (s.j)
		md_kicks_enqueue(k, s.j);
	(void)pthread_mutex_unlock(&k->mu);
}

static void drop_job(struct md_kicks *k, struct job *j)
{
	(void)pthread_mutex_lock(&k->mu);
	LL_DELETE(k->jobs, j);
	(void)pthread_mutex_unlock(&k->mu);
	job_free(j);
}

static struct job *first_job(struct md_kicks *k)
{
	struct job *j;

	(void)pthread_mutex_lock(&k->mu);
	j = k->jobs;
	(void)pthread_mutex_unlock(&k->mu);
	return j;
}

/* One look at every job; gives when the next is due. */
static uint64_t look(struct md_kicks *k, uint64_t now)
{
	uint64_t soonest = UINT64_MAX, next;
	struct job *after;

	for (struct job *j = first_job(k); j; j = after) {
		bool more = step(k, j, now, &next);

		(void)pthread_mutex_lock(&k->mu);
		after = j->next;
		(void)pthread_mutex_unlock(&k->mu);
		if (!more)
			drop_job(k, j);
		else if (next < soonest)
			soonest = next;
	}
	return soonest;
}

/* Waits until `until`, or for news. */
static bool wait_until(struct md_kicks *k, uint64_t seen, uint64_t until)
{
	bool stop;

	(void)pthread_mutex_lock(&k->mu);
	while (!k->stop && k->news == seen) {
		uint64_t now = md_kicks_boot_ms();
		struct timespec ts;

		if (now >= until)
			break;
		(void)clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_nsec += (long)((until - now) % 1000) * 1000000;
		ts.tv_sec += (time_t)((until - now) / 1000) + ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		(void)pthread_cond_timedwait(&k->cond, &k->mu, &ts);
	}
	stop = k->stop;
	(void)pthread_mutex_unlock(&k->mu);
	return !stop;
}

static uint64_t take_news(struct md_kicks *k, bool *ret_lost)
{
	uint64_t seen;

	(void)pthread_mutex_lock(&k->mu);
	seen = k->news;
	*ret_lost = k->lost_event;
	k->lost_event = false;
	(void)pthread_mutex_unlock(&k->mu);
	return seen;
}

void *md_kicks_work(void *arg)
{
	struct md_kicks *k = arg;
	uint64_t expire_ms = md_kicks_boot_ms() + EXPIRE_EVERY_MS, seen, next;
	bool lost;

	do {
		seen = take_news(k, &lost);
		if (lost)
			judge_all(k);
		next = look(k, md_kicks_boot_ms());
		if (md_kicks_boot_ms() >= expire_ms) {
			md_sessions_expire(k->sessions, md_kicks_boot_ms());
			expire_ms = md_kicks_boot_ms() + EXPIRE_EVERY_MS;
		}
		next = next < expire_ms ? next : expire_ms;
	} while (wait_until(k, seen, next));
	for (struct job *j; (j = first_job(k));) {
		if (owes(j) && !j->reported)
			report(k, j);
		drop_job(k, j);
	}
	return NULL;
}
