#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "core/b64url.h"
#include "core/json.h"
#include "core/key.h"
#include "core/num.h"
#include "membershipd/domain/barrier.h"
#include "membershipd/nats/kicks_impl.h"

uint64_t md_kicks_boot_ms(void)
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
	k->own = c->own;
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

void md_kicks_enqueue(struct md_kicks *k, struct job *j)
{
	j->id = ++k->last_id;
	j->due_boot_ms = md_kicks_boot_ms();
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
		md_kicks_enqueue(k, j);
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
		md_kicks_enqueue(k, j);
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
	unsigned before;
	char kind;

	if (!parse_reply(k, m->subject, &id, &kind, &no))
		return;
	(void)pthread_mutex_lock(&k->mu);
	j = find_job(k, id);
	if (j && kind == 'k' && no < j->n_targets) {
		a.gone = is_gone(k, j->targets[no]->conn.server);
		before = j->kicked;
		job_kick_answered(j, (size_t)no, &a);
		k->kicked += j->kicked - before;
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

/* What an earlier process let in is looked at once the bus is there. With mu held. */
static ub_err inherit(struct md_kicks *k)
{
	struct job *j = job_new(&(struct md_event){.rev = 0});

	if (!j)
		return UNIBUS_ERR_NOMEM;
	j->inherited = k->svc;
	j->own = k->own;
	md_kicks_enqueue(k, j);
	return UB_OK;
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
	err = inherit(k);
	(void)pthread_mutex_unlock(&k->mu);
	if (err)
		return err;
	if (pthread_create(&k->thread, NULL, md_kicks_work, k))
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
