#include "membershipd/nats/js.h"

#include <nats/nats.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/b64url.h"
#include "core/json.h"
#include "core/key.h"
#include "core/limits.h"
#include "core/num.h"
#include "membershipd/nats/servers.h"

/* What comes for one question; under js->mu. */
struct call {
	struct call *next;
	uint64_t id;
	bool batch, done;
	ub_err err;
	struct ub_buf in;
	struct md_js_batch got; /* without the records, which are in `in` */
	uint64_t before;        /* the message before, as far as known; 0: not known */
};

struct md_js {
	struct md_link *link;
	enum md_plane plane;
	struct md_listener *listener;
	char inbox[48];
	pthread_mutex_t mu;
	pthread_cond_t cond;
	struct call *calls;
	uint64_t next_id;
	bool stop;
};

/* ---- what the server says ---- */

/* The last value is the server's; NULL when absent. *ret_bad: the headers cannot be read. */
static const char *header(const struct md_message *m, const char *name, bool *ret_bad)
{
	const char **values = NULL, *last = NULL;
	int n = 0;
	natsStatus st = natsMsgHeader_Values(m->raw, name, &values, &n);

	if (st == NATS_OK && n > 0)
		last = values[n - 1];
	else if (st != NATS_NOT_FOUND)
		*ret_bad = true;
	free(values);
	return last;
}

static bool number(const struct md_message *m, const char *name, bool *ret_bad, uint64_t *ret)
{
	const char *z = header(m, name, ret_bad);

	return z && ub_num_u64(ub_str(z), 0, UB_JSON_INT_MAX, ret) == UB_OK;
}

struct record {
	uint64_t seq, time_ms;
	uint32_t subject_len, data_len;
};

static void keep(struct call *c, const struct md_js_stored *s)
{
	struct record r = {s->seq, s->time_ms, (uint32_t)s->subject.len, (uint32_t)s->data.len};

	ub_buf_put(&c->in, &r, sizeof(r));
	ub_buf_str(&c->in, s->subject);
	ub_buf_put(&c->in, s->data.p, s->data.len);
	c->err = ub_buf_err(&c->in);
	c->done = c->err != UB_OK;
	c->got.n++;
}

/* A stored message. Each names the one before it, so that none is lost between us unnoticed. */
static void take_message(struct call *c, const struct md_message *m, const char *subject)
{
	bool bad = false;
	uint64_t before;
	const char *when;
	struct md_js_stored s = {.subject = ub_str(subject), .data = m->data};

	if (!number(m, "Nats-Sequence", &bad, &s.seq) ||
		!number(m, "Nats-Last-Sequence", &bad, &before)) {
		c->before = 0;
		return;
	}
	if (c->before && c->before != before) {
		c->err = UNIBUS_ERR_UNAVAILABLE;
		c->done = true;
		return;
	}
	c->before = s.seq;
	when = header(m, "Nats-Time-Stamp", &bad);
	if (when && !md_server_time(ub_str(when), &s.time_ms))
		keep(c, &s);
}

/* "204": that was all; "404": there is none. Anything else means another time. */
static void take_end(struct call *c, const struct md_message *m)
{
	bool bad = false;
	const char *status = header(m, "Status", &bad);

	c->done = true;
	if (status && strcmp(status, "404") == 0)
		return;
	if (!status || strcmp(status, "204") != 0 ||
		!number(m, "Nats-Last-Sequence", &bad, &c->got.last) ||
		!number(m, "Nats-Num-Pending", &bad, &c->got.pending) ||
		(c->before && c->before != c->got.last))
		c->err = UNIBUS_ERR_UNAVAILABLE;
}

static void take(struct call *c, const struct md_message *m)
{
	bool bad = false;
	const char *subject;

	if (!c->batch) {
		c->done = true;
		c->err = m->no_responders ? UNIBUS_ERR_UNAVAILABLE : UB_OK;
		ub_buf_put(&c->in, m->data.p, m->data.len);
		if (!c->err)
			c->err = ub_buf_err(&c->in);
		return;
	}
	subject = header(m, "Nats-Subject", &bad);
	c->got.total += bad || subject;
	if (bad)
		c->before = 0;
	else if (subject)
		take_message(c, m, subject);
	else
		take_end(c, m);
}

static void on_answer(void *arg, const struct md_message *m)
{
	struct md_js *js = arg;
	const char *dot = strrchr(m->subject, '.');
	uint64_t id;
	struct call *c;

	if (!dot || ub_num_u64(ub_str(dot + 1), 1, UINT64_MAX, &id))
		return;
	(void)pthread_mutex_lock(&js->mu);
	for (c = js->calls; c && c->id != id; c = c->next)
		;
	if (c && !c->done) {
		take(c, m);
		if (c->done)
			(void)pthread_cond_broadcast(&js->cond);
	}
	(void)pthread_mutex_unlock(&js->mu);
}

/* ---- asking ---- */

ub_err md_js_new(struct md_link *l, enum md_plane plane, struct md_js **ret)
{
	struct md_js *js = calloc(1, sizeof(*js));
	char token[UB_B64URL_LEN(16) + 1], subject[64];
	pthread_condattr_t attr;
	uint8_t random[16];
	ub_err err;

	if (!js)
		return UNIBUS_ERR_NOMEM;
	randombytes_buf(random, sizeof(random));
	ub_b64url_encode(random, sizeof(random), token);
	js->link = l;
	js->plane = plane;
	(void)snprintf(js->inbox, sizeof(js->inbox), "_INBOX.%s", token);
	(void)snprintf(subject, sizeof(subject), "%s.*", js->inbox);
	(void)pthread_mutex_init(&js->mu, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&js->cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	err = md_link_listen(l,
		&(struct md_listen){.plane = plane, .subject = subject, .fn = on_answer, .arg = js},
		&js->listener);
	if (err)
		md_js_free(js);
	else
		*ret = js;
	return err;
}

void md_js_stop(struct md_js *js)
{
	(void)pthread_mutex_lock(&js->mu);
	js->stop = true;
	(void)pthread_cond_broadcast(&js->cond);
	(void)pthread_mutex_unlock(&js->mu);
}

void md_js_free(struct md_js *js)
{
	if (!js)
		return;
	ub_assert(!js->calls);
	(void)pthread_cond_destroy(&js->cond);
	(void)pthread_mutex_destroy(&js->mu);
	free(js);
}

static struct timespec deadline(unsigned ms)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

static void enlist(struct md_js *js, struct call *c)
{
	(void)pthread_mutex_lock(&js->mu);
	c->id = ++js->next_id;
	c->next = js->calls;
	js->calls = c;
	(void)pthread_mutex_unlock(&js->mu);
}

/* Waits for the end of it; nobody touches *c afterwards. */
static ub_err await(struct md_js *js, struct call *c, unsigned timeout_ms)
{
	struct timespec end = deadline(timeout_ms);
	struct call **at;
	int rc = 0;
	ub_err err;

	(void)pthread_mutex_lock(&js->mu);
	while (!c->done && !js->stop && rc == 0)
		rc = pthread_cond_timedwait(&js->cond, &js->mu, &end);
	err = c->done ? c->err : js->stop ? UNIBUS_ERR_CANCELLED : UNIBUS_ERR_UNAVAILABLE;
	for (at = &js->calls; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	(void)pthread_mutex_unlock(&js->mu);
	return err;
}

static ub_err ask(struct md_js *js, struct call *c, const struct md_js_ask *a)
{
	char subject[192], reply[80];
	ub_err sent, err;

	enlist(js, c);
	(void)snprintf(subject, sizeof(subject), "$JS.API.%s", a->what);
	(void)snprintf(reply, sizeof(reply), "%s.%llu", js->inbox, (unsigned long long)c->id);
	sent = md_link_publish(js->link, js->plane, subject, reply,
		(struct ub_bytes){(const uint8_t *)a->body.p, a->body.len});
	err = await(js, c, sent ? 0 : a->timeout_ms);
	return sent ? sent : err;
}

/* "error":{"code":..,"err_code":..,"description":..} */
static ub_err refused(json_t *error, struct md_js_refusal *why)
{
	struct ub_obj o = ub_obj(error);
	uint64_t status = ub_obj_u64(&o, "code", 0, 1000);
	struct ub_str text = ub_obj_text(&o, "description", 0, 1024);

	why->code = ub_obj_has(&o, "err_code") ? ub_obj_u64(&o, "err_code", 0, 1000000) : status;
	if (o.err)
		return UNIBUS_ERR_INVALID;
	(void)snprintf(why->text, sizeof(why->text), "%s", text.p);
	if (why->code == MD_JS_NO_STREAM)
		return UNIBUS_ERR_NOT_FOUND;
	return status == 503 ? UNIBUS_ERR_UNAVAILABLE : UNIBUS_ERR_CONFLICT;
}

ub_err md_js_ask(
	struct md_js *js, const struct md_js_ask *a, json_t **ret, struct md_js_refusal *why)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct call c = {.in = UB_BUF(UB_BUS_PAYLOAD_MAX)};
	ub_err err = ask(js, &c, a);

	*why = (struct md_js_refusal){.code = 0};
	if (!err)
		err = ub_json_parse_foreign(ub_buf_text(&c.in), &v);
	ub_buf_deinit(&c.in);
	if (err)
		return err;
	if (!json_is_object(v))
		return UNIBUS_ERR_INVALID;
	if (json_object_get(v, "error"))
		return refused(json_object_get(v, "error"), why);
	*ret = UB_TAKE(v);
	return UB_OK;
}

/* RFC 3339 with milliseconds. */
static void put_time(struct ub_buf *b, uint64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char z[32];

	ub_assert(gmtime_r(&t, &tm) && strftime(z, sizeof(z), "%Y-%m-%dT%H:%M:%S", &tm));
	ub_buf_printf(b, "\"start_time\":\"%s.%03uZ\"", z, (unsigned)(ms % 1000));
}

ub_err md_js_get(struct md_js *js, const struct md_js_get *g, struct md_js_batch *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(1024);
	struct call c = {.batch = true, .in = UB_BUF(MD_JS_BATCH_MAX)};
	char what[128];
	ub_err err;

	(void)snprintf(what, sizeof(what), "DIRECT.GET.%s", g->stream);
	ub_buf_printf(&body, "{\"batch\":%zu,\"max_bytes\":%zu,\"next_by_subj\":\"%s\",",
		g->messages, g->bytes_max, g->filter);
	if (g->since_ms)
		put_time(&body, g->since_ms);
	else
		ub_buf_printf(&body, "\"seq\":%llu", (unsigned long long)g->seq);
	ub_buf_z(&body, "}");
	err = ub_buf_err(&body);
	if (!err)
		err = ask(js, &c, &(struct md_js_ask){what, ub_buf_text(&body), g->timeout_ms});
	if (err) {
		ub_buf_deinit(&c.in);
		return err;
	}
	*ret = c.got;
	ret->records = c.in;
	return UB_OK;
}

bool md_js_batch_next(const struct md_js_batch *b, size_t *at, struct md_js_stored *ret)
{
	const uint8_t *p;
	struct record r;

	if (*at == b->records.len)
		return false;
	p = b->records.p + *at;
	memcpy(&r, p, sizeof(r));
	p += sizeof(r);
	*ret = (struct md_js_stored){
		.seq = r.seq,
		.time_ms = r.time_ms,
		.subject = {(const char *)p, r.subject_len},
		.data = {p + r.subject_len, r.data_len},
	};
	*at += sizeof(r) + r.subject_len + r.data_len;
	return true;
}

void md_js_batch_deinit(struct md_js_batch *b)
{
	ub_buf_deinit(&b->records);
	*b = (struct md_js_batch){.n = 0};
}
