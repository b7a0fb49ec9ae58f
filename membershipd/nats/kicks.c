#include "membershipd/nats/kicks.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "core/b64url.h"
#include "core/json.h"
#include "core/key.h"
#include "core/num.h"
#include "membershipd/domain/barrier.h"
#include "membershipd/nats/kick_job.h"
#include "membershipd/nats/notify.h"
#include "support/log.h"

#define NARROW_DELAY_MS 250
#define ANSWER_MS 1500 /* a server that takes longer is reported as unconfirmed */
#define RETRY_MS 1000
#define EXPIRE_EVERY_MS 30000
#define BATCH 64

struct md_kicks {
	struct md_link *link;
	struct md_sessions *sessions;
	struct md_service *svc;
	uint64_t session_max_ms;
	char inbox[40];
	pthread_mutex_t mu; /* jobs, their contents, flags */
	pthread_cond_t cond;
	pthread_t thread;
	bool started, stop;
	struct job *jobs; /* in the order of their events */
	uint64_t last_id, news;
	bool lost_event; /* no memory for one: every session is judged again */
	_Atomic uint64_t kicked, unconfirmed, notes, notes_lost;
};

static uint64_t boot_ms(void)
{
	const struct md_env env = md_env_real();

	return env.boot_ms(env.arg);
}

static uint64_t wall_ms(void)
{
	const struct md_env env = md_env_real();

	return env.now_ms(env.arg);
}

ub_err md_kicks_new(const struct md_kicks_config *c, struct md_kicks **ret)
{
	struct md_kicks *k = calloc(1, sizeof(*k));
	pthread_condattr_t attr;
	uint8_t random[16];
	char token[UB_B64URL_LEN(sizeof(random)) + 1];

	if (!k)
		return UNIBUS_ERR_NOMEM;
	k->link = c->link;
	k->sessions = c->sessions;
	k->session_max_ms = c->session_max_ms;
	randombytes_buf(random, sizeof(random));
	ub_b64url_encode(random, sizeof(random), token);
	(void)snprintf(k->inbox, sizeof(k->inbox), "_INBOX.kick.%s", token);
	(void)pthread_mutex_init(&k->mu, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&k->cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	*ret = k;
	return UB_OK;
}

/* Wakes the thread. With mu held. */
static void tell(struct md_kicks *k)
{
	k->news++;
	(void)pthread_cond_signal(&k->cond);
}

/* With mu held. */
static void enqueue(struct md_kicks *k, struct job *j)
{
	j->id = ++k->last_id;
	j->due_boot_ms = boot_ms();
	j->expires_boot_ms = j->due_boot_ms + k->session_max_ms;
	j->wall_ms = wall_ms();
	LL_APPEND(k->jobs, j);
	tell(k);
}

/* With mu held. */
static void lose(struct md_kicks *k)
{
	k->lost_event = true;
	tell(k);
}

static void on_event(void *arg, const struct md_event *ev)
{
	struct md_kicks *k = arg;
	struct job *j = job_new(ev);
	bool owes = ev->kind == MD_EVENT_REVOKED || ev->kind == MD_EVENT_NARROWED;

	(void)pthread_mutex_lock(&k->mu);
	if (j)
		enqueue(k, j);
	else if (owes)
		lose(k);
	(void)pthread_mutex_unlock(&k->mu);
	if (!j && owes && k->svc)
		md_barrier_done(k->svc, ev->rev, 0, (const char *const[]){"bus"}, 1);
}

struct md_events md_kicks_events(struct md_kicks *k)
{
	return (struct md_events){.event = on_event, .arg = k};
}

void md_kicks_one(struct md_kicks *k, const struct md_conn *c)
{
	struct job *j = job_new(&(struct md_event){.rev = 0});
	bool queued = j && !job_target_add(j, c);

	(void)pthread_mutex_lock(&k->mu);
	if (queued)
		enqueue(k, j);
	else
		lose(k);
	(void)pthread_mutex_unlock(&k->mu);
	if (!queued && j)
		job_free(j);
}

/* Is the id that of no server the link knows, while it knows them all? */
static bool is_gone(struct md_kicks *k, const char *id)
{
	struct md_server known[MD_SERVERS_MAX];
	size_t n;

	if (md_link_state(k->link) != MD_LINK_UP)
		return false;
	n = md_link_servers(k->link, known);
	for (size_t i = 0; i < n; i++)
		if (strcmp(known[i].id, id) == 0)
			return false;
	return true;
}

static struct job *find_job(struct md_kicks *k, uint64_t id)
{
	struct job *j;

	LL_SEARCH_SCALAR(k->jobs, j, id, id);
	return j;
}

/* "<inbox>.<job>.k<n>" or ".s<n>" */
static bool parse_reply(
	struct md_kicks *k, const char *subject, uint64_t *job, char *kind, uint64_t *no)
{
	size_t skip = strlen(k->inbox) + 1;
	const char *dot;

	if (strlen(subject) <= skip)
		return false;
	subject += skip;
	dot = strchr(subject, '.');
	if (!dot || (dot[1] != 'k' && dot[1] != 's'))
		return false;
	*kind = dot[1];
	return !ub_num_u64((struct ub_str){subject, (size_t)(dot - subject)}, 1, UINT64_MAX, job) &&
	       !ub_num_u64(ub_str(dot + 2), 0, SIZE_MAX, no);
}

static void on_answer(void *arg, const struct md_message *m)
{
	struct md_kicks *k = arg;
	struct job_answer a = {.json = m->data, .no_responders = m->no_responders};
	struct job *j;
	uint64_t id, no;
	char kind;

	if (!parse_reply(k, m->subject, &id, &kind, &no))
		return;
	(void)pthread_mutex_lock(&k->mu);
	j = find_job(k, id);
	if (j && kind == 'k' && no < j->n_targets) {
		a.gone = is_gone(k, j->targets[no]->conn.server);
		job_kick_answered(j, (size_t)no, &a);
		if (j->targets[no]->state == ASK_DONE)
			md_sessions_end(k->sessions, &j->targets[no]->conn);
	} else if (j && kind == 's' && no < j->n_sweeps) {
		a.gone = is_gone(k, j->sweeps[no].server.id);
		job_sweep_answered(j, (size_t)no, &a, k->sessions);
	}
	tell(k);
	(void)pthread_mutex_unlock(&k->mu);
}

/* $SYS.ACCOUNT.BUS.DISCONNECT */
static void on_disconnect(void *arg, const struct md_message *m)
{
	struct md_kicks *k = arg;
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_obj o, server, client;
	struct ub_str id;
	uint64_t cid;

	if (ub_json_parse_foreign((struct ub_str){(const char *)m->data.p, m->data.len}, &v))
		return;
	o = ub_obj(v);
	server = ub_obj(ub_obj_object(&o, "server"));
	client = ub_obj(ub_obj_object(&o, "client"));
	id = ub_obj_text(&server, "id", 1, UB_NKEY_TEXT);
	cid = ub_obj_u64(&client, "id", 1, UB_JSON_INT_MAX);
	if (!o.err && !server.err && !client.err) {
		struct md_conn c = md_conn_of(id.p, cid);

		md_sessions_end(k->sessions, &c);
	}
}

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

	if (j->ev.n_who == 0)
		j->planned = true;
	else if (job_sweeps_plan(j, k->svc, servers, n))
		k->lost_event = true;
}

/* Who has to go, as far as we know; and who is to be asked for more. With mu held. */
static void begin_round(struct md_kicks *k, struct job *j, uint64_t now)
{
	const struct ub_room_id *room = j->ev.kind == MD_EVENT_NARROWED ? &j->ev.room : NULL;
	ub_err err = UB_OK;

	for (size_t i = 0; !err && i < j->ev.n_who; i++)
		err = md_sessions_each(k->sessions, &j->who[i], room, add_target, j);
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
	k->kicked += kicked;
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
		enqueue(k, s.j);
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
		uint64_t now = boot_ms();
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

static void *work(void *arg)
{
	struct md_kicks *k = arg;
	uint64_t expire_ms = boot_ms() + EXPIRE_EVERY_MS, seen, next;
	bool lost;

	do {
		seen = take_news(k, &lost);
		if (lost)
			judge_all(k);
		next = look(k, boot_ms());
		if (boot_ms() >= expire_ms) {
			md_sessions_expire(k->sessions, boot_ms());
			expire_ms = boot_ms() + EXPIRE_EVERY_MS;
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

ub_err md_kicks_start(struct md_kicks *k, struct md_service *svc)
{
	struct md_listener *answers, *disconnects;
	char subject[64];
	ub_err err;

	(void)snprintf(subject, sizeof(subject), "%s.>", k->inbox);
	err = md_link_listen(k->link,
		&(struct md_listen){
			.plane = MD_PLANE_SYS, .subject = subject, .fn = on_answer, .arg = k},
		&answers);
	if (!err)
		err = md_link_listen(k->link,
			&(struct md_listen){.plane = MD_PLANE_SYS,
				.subject = "$SYS.ACCOUNT.BUS.DISCONNECT",
				.fn = on_disconnect,
				.arg = k},
			&disconnects);
	if (err)
		return err;
	md_link_use(k->link, MD_PLANE_BUS);
	(void)pthread_mutex_lock(&k->mu);
	k->svc = svc;
	(void)pthread_mutex_unlock(&k->mu);
	if (pthread_create(&k->thread, NULL, work, k))
		return UNIBUS_ERR_NOMEM;
	k->started = true;
	return UB_OK;
}

void md_kicks_stop(struct md_kicks *k)
{
	if (!k->started)
		return;
	(void)pthread_mutex_lock(&k->mu);
	k->stop = true;
	(void)pthread_cond_signal(&k->cond);
	(void)pthread_mutex_unlock(&k->mu);
	(void)pthread_join(k->thread, NULL);
	k->started = false;
}

void md_kicks_free(struct md_kicks *k)
{
	struct job *j, *next;

	if (!k)
		return;
	md_kicks_stop(k);
	LL_FOREACH_SAFE(k->jobs, j, next)
	job_free(j);
	(void)pthread_cond_destroy(&k->cond);
	(void)pthread_mutex_destroy(&k->mu);
	free(k);
}

void md_kicks_stats(struct md_kicks *k, struct md_kicks_stats *ret)
{
	*ret = (struct md_kicks_stats){
		.kicked = k->kicked,
		.unconfirmed = k->unconfirmed,
		.notes = k->notes,
		.notes_lost = k->notes_lost,
	};
}
