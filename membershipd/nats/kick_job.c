#include "membershipd/nats/kick_job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/endpoint.h"
#include "core/json.h"
#include "membershipd/domain/user.h"
#include "membershipd/nats/servers.h"

struct job *job_new(const struct md_event *ev)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->ev = *ev;
	if (ev->n_who > 0) {
		j->who = calloc(ev->n_who, sizeof(*j->who));
		if (!j->who) {
			free(j);
			return NULL;
		}
		memcpy(j->who, ev->who, ev->n_who * sizeof(*j->who));
	}
	j->ev.who = j->who;
	return j;
}

void job_free(struct job *j)
{
	struct job_target *t, *next;

	for (t = j->by_conn; t; t = next) {
		next = t->hh.next;
		HASH_DELETE(hh, j->by_conn, t);
		free(t);
	}
	free(j->targets);
	free(j->sweeps);
	free(j->who);
	free(j);
}

ub_err job_target_add(struct job *j, const struct md_conn *c)
{
	struct job_target *t;

	HASH_FIND(hh, j->by_conn, c, sizeof(*c), t);
	if (t)
		return UB_OK;
	if (j->n_targets == JOB_TARGETS_MAX)
		return UNIBUS_ERR_LIMIT;
	if (j->n_targets == j->cap_targets) {
		size_t cap = j->cap_targets ? 2 * j->cap_targets : 8;
		struct job_target **more = realloc(j->targets, cap * sizeof(*more));

		if (!more)
			return UNIBUS_ERR_NOMEM;
		j->targets = more;
		j->cap_targets = cap;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return UNIBUS_ERR_NOMEM;
	t->conn = *c;
	t->no = j->n_targets;
	HASH_ADD(hh, j->by_conn, conn, sizeof(t->conn), t);
	if (!t->hh.tbl) {
		free(t);
		return UNIBUS_ERR_NOMEM;
	}
	j->targets[j->n_targets++] = t;
	return UB_OK;
}

ub_err job_sweeps_plan(
	struct job *j, struct md_service *svc, const struct md_server *servers, size_t n)
{
	bool all = j->inherited || j->ev.n_who > JOB_SWEEP_BY_USER;
	size_t each = all ? 1 : j->ev.n_who;

	if (n == 0)
		return UB_OK;
	j->planned = true;
	if (each == 0)
		return UB_OK;
	j->sweeps = calloc(n * each, sizeof(*j->sweeps));
	if (!j->sweeps)
		return UNIBUS_ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		for (size_t w = 0; w < each; w++) {
			struct job_sweep *s = &j->sweeps[j->n_sweeps];
			struct md_user u;

			*s = (struct job_sweep){.server = servers[i], .all = all};
			if (!all) {
				if (md_user_get(svc, &j->who[w], &u))
					continue; /* never was a user: was never let in */
				s->key = u.sign;
			}
			j->n_sweeps++;
		}
	}
	return UB_OK;
}

static void ask_kick(struct job *j, struct job_target *t, struct job_ask *ret)
{
	t->state = ASK_SENT;
	*ret = (struct job_ask){.no = t->no};
	(void)snprintf(
		ret->subject, sizeof(ret->subject), "$SYS.REQ.SERVER.%s.KICK", t->conn.server);
	(void)snprintf(ret->reply, sizeof(ret->reply), "%" PRIu64 ".k%zu", j->id, t->no);
	(void)snprintf(ret->body, sizeof(ret->body), "{\"cid\":%" PRIu64 "}", t->conn.cid);
}

static void ask_sweep(struct job *j, size_t no, struct job_ask *ret)
{
	struct job_sweep *s = &j->sweeps[no];
	char filter[UB_NKEY_TEXT + 32] = "\"acc\":\"BUS\"", nkey[UB_NKEY_TEXT + 1];

	s->state = ASK_SENT;
	*ret = (struct job_ask){.no = no, .is_sweep = true};
	if (!s->all) {
		ub_nkey_encode(UB_NKEY_USER, s->key.b, nkey);
		(void)snprintf(filter, sizeof(filter), "\"user\":\"%s\"", nkey);
	}
	(void)snprintf(
		ret->subject, sizeof(ret->subject), "$SYS.REQ.SERVER.%s.CONNZ", s->server.id);
	(void)snprintf(ret->reply, sizeof(ret->reply), "%" PRIu64 ".s%zu", j->id, no);
	(void)snprintf(ret->body, sizeof(ret->body),
		"{\"auth\":true,%s,\"limit\":%d,\"offset\":%" PRIu64 "}", filter, CONNZ_PAGE,
		s->offset);
}

bool job_next_ask(struct job *j, struct job_ask *ret)
{
	for (size_t i = 0; i < j->n_targets; i++) {
		if (j->targets[i]->state == ASK_DUE) {
			ask_kick(j, j->targets[i], ret);
			return true;
		}
	}
	for (size_t i = 0; i < j->n_sweeps; i++) {
		if (j->sweeps[i].state == ASK_DUE) {
			ask_sweep(j, i, ret);
			return true;
		}
	}
	return false;
}

void job_ask_failed(struct job *j, const struct job_ask *a)
{
	if (a->is_sweep)
		j->sweeps[a->no].state = ASK_FAILED;
	else
		j->targets[a->no]->state = ASK_FAILED;
}

void job_kick_answered(struct job *j, size_t no, const struct job_answer *a)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct job_target *t = no < j->n_targets ? j->targets[no] : NULL;

	if (!t || t->state == ASK_DONE)
		return;
	if (a->no_responders) {
		t->state = a->gone ? ASK_DONE : ASK_FAILED;
		return;
	}
	if (ub_json_parse_foreign((struct ub_str){(const char *)a->json.p, a->json.len}, &v) ||
		!json_is_object(v))
		return; /* not an answer: the deadline will tell */
	t->state = ASK_DONE;
	/* An error says that there is no such client: it has gone by itself. */
	if (!json_object_get(v, "error")) {
		t->kicked = true;
		j->kicked++;
	}
}

static bool names(const struct job *j, const struct ub_endpoint *id)
{
	for (size_t i = 0; i < j->ev.n_who; i++)
		if (ub_endpoint_eq(&j->who[i], id))
			return true;
	return false;
}

struct md_loss job_loss(const struct job *j)
{
	return (struct md_loss){
		.room = j->ev.kind == MD_EVENT_NARROWED ? &j->ev.room : NULL,
		.rev = j->ev.rev,
	};
}

/* Was it let in before this process began? What cannot be read was. */
static bool is_older(const struct job *j, struct ub_obj *o)
{
	struct ub_str start = ub_obj_text(o, "start", 0, 64);
	uint64_t start_ms;

	return o->err || md_server_time(start, &start_ms) ||
	       start_ms <= j->wall_ms + MD_CLOCK_SKEW_MS;
}

/* One that nobody here let in: it goes unless its peer is active and never lost anything, for what
 * was lost while nobody looked is not known. */
static bool inherited_must_go(
	struct job *j, json_t *v, const struct md_conn *c, struct md_sessions *sessions)
{
	struct ub_obj o = ub_obj(v);
	struct ub_pubkey key;
	struct ub_endpoint id;
	struct ub_str user = {0};

	if (ub_obj_has(&o, "authorized_user"))
		user = ub_obj_text(&o, "authorized_user", 0, 256);
	if (!o.err && ub_str_eqz(user, j->own))
		return false;
	if (!is_older(j, &o))
		return false;
	if (!user.p || ub_nkey_decode(user, UB_NKEY_USER, key.b))
		return true;
	ub_endpoint_of(&key, &id);
	return md_sessions_holds(sessions, c, &id, &(struct md_loss){0}) == MD_HOLDS_UNKNOWN &&
	       md_grant_stale(j->inherited, &id, 0);
}

/* A connection of CONNZ: must it go? One that this node did not let in goes if it may be from
 * before the change. */
static bool must_go(struct job *j, json_t *v, const struct md_conn *c, struct md_sessions *sessions)
{
	struct ub_obj o = ub_obj(v);
	struct ub_str user;
	struct ub_pubkey key;
	struct ub_endpoint id;
	const struct md_loss loss = job_loss(j);

	if (j->inherited)
		return inherited_must_go(j, v, c, sessions);
	if (!ub_obj_has(&o, "authorized_user"))
		return false;
	user = ub_obj_text(&o, "authorized_user", 0, 256);
	if (o.err || ub_nkey_decode(user, UB_NKEY_USER, key.b))
		return false;
	ub_endpoint_of(&key, &id);
	if (!names(j, &id))
		return false;
	switch (md_sessions_holds(sessions, c, &id, &loss)) {
	case MD_HOLDS:
		return true;
	case MD_HOLDS_NOT:
		return false;
	case MD_HOLDS_UNKNOWN:
		break;
	}
	return !loss.room || is_older(j, &o);
}

/* One page. False: not an answer. */
static bool read_page(struct job *j, struct job_sweep *s, json_t *v, struct md_sessions *sessions)
{
	struct ub_obj o = ub_obj(v), data = ub_obj(ub_obj_object(&o, "data"));
	json_t *list = ub_obj_array(&data, "connections", CONNZ_PAGE), *row;
	uint64_t total = ub_obj_u64(&data, "total", 0, UB_JSON_INT_MAX);
	size_t i, before = j->n_targets;

	if (o.err || data.err)
		return false;
	json_array_foreach (list, i, row) {
		struct ub_obj c = ub_obj(row);
		struct md_conn conn =
			md_conn_of(s->server.id, ub_obj_u64(&c, "cid", 1, UB_JSON_INT_MAX));

		if (!c.err && must_go(j, row, &conn, sessions) && job_target_add(j, &conn))
			return false;
	}
	s->offset += json_array_size(list);
	s->found = s->found || j->n_targets > before;
	s->state = ASK_DUE;
	if (json_array_size(list) > 0 && s->offset < total)
		return true;
	/* What is closed meanwhile moves the pages: once more, until nothing new turns up. */
	if (s->found && s->offset > CONNZ_PAGE) {
		s->offset = 0;
		s->found = false;
		return true;
	}
	s->state = ASK_DONE;
	return true;
}

void job_sweep_answered(
	struct job *j, size_t no, const struct job_answer *a, struct md_sessions *sessions)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct job_sweep *s = no < j->n_sweeps ? &j->sweeps[no] : NULL;

	if (!s || s->state == ASK_DONE)
		return;
	if (a->no_responders) {
		s->state = a->gone ? ASK_DONE : ASK_FAILED;
		return;
	}
	if (ub_json_parse_foreign((struct ub_str){(const char *)a->json.p, a->json.len}, &v) ||
		!read_page(j, s, v, sessions))
		s->state = ASK_FAILED;
}

bool job_settled(const struct job *j)
{
	for (size_t i = 0; i < j->n_targets; i++)
		if (j->targets[i]->state < ASK_FAILED)
			return false;
	for (size_t i = 0; i < j->n_sweeps; i++)
		if (j->sweeps[i].state < ASK_FAILED)
			return false;
	return true;
}

bool job_confirmed(const struct job *j)
{
	if (!j->planned)
		return false;
	for (size_t i = 0; i < j->n_targets; i++)
		if (j->targets[i]->state != ASK_DONE)
			return false;
	for (size_t i = 0; i < j->n_sweeps; i++)
		if (j->sweeps[i].state != ASK_DONE)
			return false;
	return true;
}

static size_t add_name(const char *name, const char *to[MD_UNCONFIRMED_MAX], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(to[i], name) == 0)
			return n;
	if (n < MD_UNCONFIRMED_MAX)
		to[n++] = name;
	return n;
}

size_t job_unconfirmed(const struct job *j, const struct md_server *known, size_t n_known,
	const char *to[MD_UNCONFIRMED_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < j->n_sweeps; i++)
		if (j->sweeps[i].state != ASK_DONE)
			n = add_name(j->sweeps[i].server.name, to, n);
	for (size_t i = 0; i < j->n_targets; i++) {
		const char *name = j->targets[i]->conn.server;

		if (j->targets[i]->state == ASK_DONE)
			continue;
		for (size_t k = 0; k < n_known; k++)
			if (strcmp(known[k].id, name) == 0)
				name = known[k].name;
		n = add_name(name, to, n);
	}
	return n;
}

void job_retry(struct job *j)
{
	for (size_t i = 0; i < j->n_targets; i++)
		if (j->targets[i]->state != ASK_DONE)
			j->targets[i]->state = ASK_DUE;
	for (size_t i = 0; i < j->n_sweeps; i++) {
		if (j->sweeps[i].state != ASK_DONE) {
			j->sweeps[i].state = ASK_DUE;
			j->sweeps[i].offset = 0;
		}
	}
}
