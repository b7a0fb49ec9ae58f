#include "membershipd/nats/judge.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/endpoint.h"
#include "core/key.h"
#include "core/limits.h"
#include "membershipd/domain/grant.h"
#include "membershipd/domain/ratelimit.h"

#define ACCOUNT "BUS"
#define ENVELOPE_S 2 /* an answer that arrives later is refused by the server */
#define XKEYS_MAX 32
#define ANSWER_MAX (2 * UB_PERMISSIONS_BYTES_MAX)

/* Far above what an honest library does: it logs in once more for every room that it joins. */
static const struct md_rate KEY_RATE = {.per_second = 5, .burst = 300, .entries_max = 50000};
static const struct md_rate HOST_RATE = {.per_second = 10, .burst = 100, .entries_max = 50000};
/* For all hosts over their limit together: bounds what verifying for them can cost. */
static const struct md_rate RESERVE_RATE = {.per_second = 200, .burst = 400, .entries_max = 1};

static const char *const VERDICTS[] = {
#define MD_VERDICT_ROW(name, text) text,
	MD_VERDICTS(MD_VERDICT_ROW)
#undef MD_VERDICT_ROW
};

/* Keys shared with servers: computing one costs more than the rest of a login. */
struct xkeys {
	struct xkey {
		struct ub_kexpub server;
		struct ub_xbox_key shared;
	} v[XKEYS_MAX];
	size_t n, next;
};

struct md_judge {
	struct md_service *svc;
	const struct md_keys *keys;
	struct md_sessions *sessions;
	struct md_env env;
	uint64_t session_ttl_ms;
	bool enforce;
	struct md_ratelimit *by_key, *by_host, *reserve;
	pthread_mutex_t mu;  /* xkeys */
	struct xkeys *xkeys; /* guarded memory */
};

const char *md_verdict_name(enum md_verdict v)
{
	return VERDICTS[v];
}

ub_err md_judge_new(const struct md_judge_config *c, struct md_judge **ret)
{
	UB_CLEANUP(md_judge_freep) struct md_judge *j = calloc(1, sizeof(*j));
	ub_err err;

	if (!j)
		return UNIBUS_ERR_NOMEM;
	(void)pthread_mutex_init(&j->mu, NULL);
	j->svc = c->svc;
	j->keys = c->keys;
	j->sessions = c->sessions;
	j->env = c->env;
	j->session_ttl_ms = c->session_ttl_ms;
	j->enforce = c->enforce;
	j->xkeys = sodium_malloc(sizeof(*j->xkeys));
	if (!j->xkeys)
		return UNIBUS_ERR_NOMEM;
	sodium_memzero(j->xkeys, sizeof(*j->xkeys));
	err = md_ratelimit_new(&KEY_RATE, &j->by_key);
	if (!err)
		err = md_ratelimit_new(&HOST_RATE, &j->by_host);
	if (!err)
		err = md_ratelimit_new(&RESERVE_RATE, &j->reserve);
	if (err)
		return err;
	*ret = UB_TAKE(j);
	return UB_OK;
}

void md_judge_free(struct md_judge *j)
{
	if (!j)
		return;
	md_ratelimit_free(j->by_key);
	md_ratelimit_free(j->by_host);
	md_ratelimit_free(j->reserve);
	sodium_free(j->xkeys);
	(void)pthread_mutex_destroy(&j->mu);
	free(j);
}

static bool cached(struct md_judge *j, const struct ub_kexpub *server, struct ub_xbox_key *ret)
{
	bool hit = false;

	(void)pthread_mutex_lock(&j->mu);
	for (size_t i = 0; i < j->xkeys->n && !hit; i++) {
		hit = memcmp(&j->xkeys->v[i].server, server, sizeof(*server)) == 0;
		if (hit)
			*ret = j->xkeys->v[i].shared;
	}
	(void)pthread_mutex_unlock(&j->mu);
	return hit;
}

static void remember(
	struct md_judge *j, const struct ub_kexpub *server, const struct ub_xbox_key *shared)
{
	(void)pthread_mutex_lock(&j->mu);
	j->xkeys->v[j->xkeys->next] = (struct xkey){*server, *shared};
	j->xkeys->next = (j->xkeys->next + 1) % XKEYS_MAX;
	if (j->xkeys->n < XKEYS_MAX)
		j->xkeys->n++;
	(void)pthread_mutex_unlock(&j->mu);
}

static ub_err open_box(struct md_judge *j, const struct md_question *q, struct ub_xbox_key *shared,
	struct ub_buf *token)
{
	struct ub_kexpub server;
	ub_err err;
	bool hit;

	/* Only sealed questions are answered: an absent header is no key either. */
	err = ub_nkey_decode(ub_str(q->server_xkey), UB_NKEY_CURVE, server.b);
	if (err)
		return err;
	hit = cached(j, &server, shared);
	if (!hit) {
		err = ub_xbox_key(&j->keys->xkey, &server, shared);
		if (err)
			return err;
	}
	err = ub_xbox_open(shared, q->box, token);
	if (!err && !hit)
		remember(j, &server, shared);
	return err;
}

static struct ub_bytes bytes(const void *p, size_t len)
{
	return (struct ub_bytes){p, len};
}

static uint64_t boot_ms(const struct md_judge *j)
{
	return j->env.boot_ms(j->env.arg);
}

/* May this host have a signature verified? */
static bool host_may_ask(struct md_judge *j, const struct ub_auth_request *r)
{
	uint64_t wait;

	if (md_ratelimit_has(j->by_host, bytes(r->host, strlen(r->host)), 1, boot_ms(j)))
		return true;
	return md_ratelimit_take(j->reserve, bytes("r", 1), 1, boot_ms(j), &wait) == UB_OK;
}

static void charge_host(struct md_judge *j, const struct ub_auth_request *r)
{
	uint64_t wait;

	if (md_ratelimit_take(j->by_host, bytes(r->host, strlen(r->host)), 1, boot_ms(j), &wait))
		return; /* over its limit already: nothing more to take */
}

static bool peers_connect_so(const struct ub_auth_request *r)
{
	return strcmp(r->conn_kind, "Client") == 0 &&
	       (strcmp(r->conn_type, "nats") == 0 || strcmp(r->conn_type, "websocket") == 0);
}

static bool proven(const struct ub_auth_request *r)
{
	return r->has_nkey && r->has_sig && r->has_nonce && !ub_pubkey_check(&r->nkey) &&
	       !ub_login_verify(&r->nkey, ub_str(r->nonce), &r->sig);
}

/* What the login is worth. On GRANTED *ret_grant is the caller's. */
static enum md_verdict weigh(struct md_judge *j, const struct ub_auth_request *r,
	struct md_answer *a, uint64_t expires_boot_ms, struct md_grant *ret_grant)
{
	uint64_t wait;

	if (!host_may_ask(j, r))
		return MD_VERDICT_SILENT_LIMIT;
	if (!peers_connect_so(r)) {
		charge_host(j, r);
		return MD_VERDICT_REFUSED_CONNECTION;
	}
	if (!proven(r)) {
		charge_host(j, r);
		return MD_VERDICT_REFUSED_PROOF;
	}
	ub_endpoint_of(&r->nkey, &a->who);
	a->has_who = true;
	if (md_ratelimit_take(j->by_key, bytes(r->nkey.b, sizeof(r->nkey.b)), 1, boot_ms(j), &wait))
		return MD_VERDICT_SILENT_LIMIT;
	/* Before the look-up: a revocation from now on finds either this row or itself done. */
	if (md_sessions_begin(j->sessions, &a->conn, &a->who, expires_boot_ms))
		return MD_VERDICT_SILENT_UNDECIDED;
	a->in_table = true;
	switch ((int)md_grant_for(j->svc, &r->nkey, ret_grant)) {
	case UB_OK:
		return MD_VERDICT_GRANTED;
	case UNIBUS_ERR_UNKNOWN_KEY:
		charge_host(j, r);
		return MD_VERDICT_REFUSED_UNKNOWN;
	case UNIBUS_ERR_REVOKED:
		return MD_VERDICT_REFUSED_REVOKED;
	default:
		return MD_VERDICT_SILENT_UNDECIDED;
	}
}

static bool is_refusal(enum md_verdict v)
{
	return v == MD_VERDICT_REFUSED_PROOF || v == MD_VERDICT_REFUSED_CONNECTION ||
	       v == MD_VERDICT_REFUSED_UNKNOWN || v == MD_VERDICT_REFUSED_REVOKED;
}

/* 15 minutes +-20 %: so that peers who came together do not all come back together. */
static uint64_t session_ms(const struct md_judge *j)
{
	uint32_t random;

	j->env.random(j->env.arg, &random, sizeof(random));
	return j->session_ttl_ms * 4 / 5 + j->session_ttl_ms * 2 / 5 * random / UINT32_MAX;
}

struct reply {
	const struct ub_auth_request *req;
	const struct ub_permissions *perms; /* NULL: refuse */
	const char *reason;
	uint64_t session_ms;
};

static ub_err seal(struct md_judge *j, const struct reply *r, const struct ub_xbox_key *shared,
	struct ub_buf *out)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf token = UB_BUF(ANSWER_MAX);
	uint64_t now_ms = j->env.now_ms(j->env.arg), now_s = now_ms / 1000;
	uint8_t nonce[24];
	struct ub_auth_answer a = {
		.req = r->req,
		.issuer = &j->keys->issuer,
		.account = ACCOUNT,
		.perms = r->perms,
		.now_s = now_s,
		.user_exp_s = (now_ms + r->session_ms + 999) / 1000,
		.envelope_exp_s = now_s + ENVELOPE_S,
	};
	ub_err err = r->perms ? ub_auth_grant(&a, &token) : ub_auth_refuse(&a, r->reason, &token);

	if (err)
		return err;
	j->env.random(j->env.arg, nonce, sizeof(nonce));
	ub_xbox_seal(shared, bytes(token.p, token.len), nonce, out);
	return ub_buf_err(out);
}

/* Turns the verdict into an answer. Whatever goes wrong here leads to silence. */
static enum md_verdict give(struct md_judge *j, enum md_verdict v, struct reply *r,
	const struct ub_xbox_key *shared, struct md_grant *g, struct md_answer *a)
{
	static const char *const EVERYTHING[] = {">"};
	static const struct ub_permissions OPEN = {EVERYTHING, 1, EVERYTHING, 1};

	if (is_refusal(v) && !j->enforce) {
		v = MD_VERDICT_LET_THROUGH;
		r->perms = &OPEN;
	} else if (v == MD_VERDICT_GRANTED) {
		r->perms = &g->perms;
	} else if (!is_refusal(v)) {
		return v;
	}
	r->reason = md_verdict_name(v);
	if (seal(j, r, shared, &a->box)) {
		ub_buf_reset(&a->box);
		return MD_VERDICT_SILENT_UNDECIDED;
	}
	return v;
}

enum md_verdict md_judge(struct md_judge *j, const struct md_question *q, struct md_answer *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf token = UB_BUF(UB_JWT_MAX);
	UB_CLEANUP(ub_xbox_key_wipe) struct ub_xbox_key shared = {{0}};
	UB_CLEANUP(md_grant_deinit) struct md_grant grant = {.rev = 0};
	struct ub_auth_request req;
	struct reply r = {.req = &req, .session_ms = session_ms(j)};
	enum md_verdict v;
	ub_err err;

	*ret = (struct md_answer){.box = UB_BUF(ANSWER_MAX)};
	if (open_box(j, q, &shared, &token))
		return MD_VERDICT_SILENT_MALFORMED;
	err = ub_auth_request_open(
		ub_buf_text(&token), j->keys->issuer_nkey, j->env.now_ms(j->env.arg) / 1000, &req);
	if (err)
		return err == UNIBUS_ERR_EXPIRED ? MD_VERDICT_SILENT_EXPIRED
						 : MD_VERDICT_SILENT_MALFORMED;
	ret->conn = md_conn_of(req.server_id, req.cid);
	(void)snprintf(ret->host, sizeof(ret->host), "%s", req.host);
	v = weigh(j, &req, ret, boot_ms(j) + r.session_ms + 1000, &grant);
	ret->rev = grant.rev;
	v = give(j, v, &r, &shared, &grant, ret);
	if (v == MD_VERDICT_GRANTED)
		md_sessions_grant(j->sessions, &ret->conn, &grant);
	else if (ret->in_table)
		md_sessions_end(j->sessions, &ret->conn);
	return v;
}

void md_answer_deinit(struct md_answer *a)
{
	ub_buf_deinit(&a->box);
}
