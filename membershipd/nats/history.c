#include "membershipd/nats/history.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "core/endpoint.h"
#include "core/json.h"
#include "core/subject.h"
#include "membershipd/nats/history_impl.h"

static uint64_t boot_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- one room's log ---- */

struct log md_log_of(struct md_history *h, const struct ub_room_id *room, unsigned shard)
{
	char id[UB_ID_TEXT + 1];
	struct log l = {.js = h->js,
		.stream = md_log_name(shard),
		.room = room,
		.end_boot_ms = boot_ms() + READ_MS};

	ub_room_id_encode(room, id);
	(void)snprintf(l.filter, sizeof(l.filter), "unibus.log%u.%.*s.*", shard, UB_WIRE_TOKEN, id);
	return l;
}

ub_err md_log_get(const struct log *l, uint64_t seq, size_t messages, struct md_js_batch *ret)
{
	uint64_t now = boot_ms();

	if (now >= l->end_boot_ms)
		return UNIBUS_ERR_UNAVAILABLE;
	return md_js_get(l->js,
		&(struct md_js_get){.stream = l->stream.z,
			.filter = l->filter,
			.seq = seq,
			.messages = messages < BATCH_MESSAGES ? messages : BATCH_MESSAGES,
			.bytes_max = PAGE_BYTES_MAX,
			.timeout_ms = (unsigned)(l->end_boot_ms - now)},
		ret);
}

bool md_log_frame(const struct log *l, const struct md_js_stored *m, struct ub_frame *ret)
{
	char id[UB_ID_TEXT + 1];
	struct ub_str token;

	if (ub_wire_sender(m->subject, l->room, &token) || ub_frame_parse(m->data, ret))
		return false;
	ub_endpoint_encode(&ret->h.sender, id);
	return ub_str_eq(token, (struct ub_str){id, UB_WIRE_TOKEN});
}

/* ---- pages ---- */

/* What the reader may see of one message; false: nothing. */
static bool visible(const struct log *l, const struct md_history_query *q,
	const struct md_js_stored *m, struct md_frame *ret)
{
	struct ub_frame f;

	if (!md_log_frame(l, m, &f) || f.h.room_seq < q->min_room_seq)
		return false;
	*ret = (struct md_frame){
		.seq = m->seq, .time_ms = m->time_ms, .sender = f.h.sender, .bytes = m->data};
	return true;
}

struct forward {
	const struct log *l;
	const struct md_history_query *q;
	md_frame_fn fn;
	void *arg;
	size_t n, bytes;
	bool full;
	struct md_span span;
};

static ub_err give_batch(struct forward *w, const struct md_js_batch *b)
{
	struct md_js_stored m;
	struct md_frame f;
	size_t at = 0;
	ub_err err = UB_OK;

	while (!err && md_js_batch_next(b, &at, &m)) {
		if (!visible(w->l, w->q, &m, &f))
			continue;
		if (w->n == w->q->limit || (w->n && w->bytes + f.bytes.len > PAGE_BYTES_MAX)) {
			w->full = w->span.more = true;
			w->span.last = m.seq - 1;
			return UB_OK;
		}
		w->n++;
		w->bytes += f.bytes.len;
		err = w->fn(w->arg, &f);
	}
	w->span.last = b->last;
	w->span.more = b->pending > 0;
	return err;
}

static ub_err read_forward(struct forward *w, uint64_t floor, uint64_t newest)
{
	uint64_t from = w->q->from + 1;
	ub_err err = UB_OK;

	w->span = (struct md_span){.first = from, .last = w->q->from, .more = floor <= newest};
	if (floor > from && floor <= newest) {
		from = floor;
		w->span.last = floor - 1;
	}
	while (!err && w->span.more && w->n < w->q->limit && !w->full) {
		UB_CLEANUP(md_js_batch_deinit) struct md_js_batch b = {.n = 0};

		err = md_log_get(w->l, from, w->q->limit - w->n, &b);
		if (!err && !b.last)
			w->span.more = false;
		else if (!err)
			err = give_batch(w, &b);
		from = b.last + 1;
	}
	return err;
}

/* The newest frames seen so far, as many as may be given. */
struct held {
	struct held *prev, *next;
	struct md_frame f;
	uint8_t bytes[];
};
struct backward {
	const struct log *l;
	const struct md_history_query *q;
	struct held *list;
	size_t n, bytes;
	bool dropped;
	uint64_t last; /* nothing is missing up to there */
};

static void drop_oldest(struct backward *w)
{
	struct held *e = w->list;

	DL_DELETE(w->list, e);
	w->n--;
	w->bytes -= e->f.bytes.len;
	w->dropped = true;
	free(e);
}

static void backward_deinit(struct backward *w)
{
	while (w->list)
		drop_oldest(w);
}

static ub_err hold(struct backward *w, const struct md_frame *f)
{
	struct held *e = malloc(sizeof(*e) + f->bytes.len);

	if (!e)
		return UNIBUS_ERR_NOMEM;
	memcpy(e->bytes, f->bytes.p, f->bytes.len);
	e->f = *f;
	e->f.bytes.p = e->bytes;
	DL_APPEND(w->list, e);
	w->n++;
	w->bytes += f->bytes.len;
	while (w->n > w->q->limit || (w->n > 1 && w->bytes > PAGE_BYTES_MAX))
		drop_oldest(w);
	return UB_OK;
}

/* Everything from `from` to the last one before `below`. A copy of the stream may lag behind: only
 * what it shows there, or a later message, says that nothing is missing. */
static ub_err collect(struct backward *w, uint64_t from, uint64_t below)
{
	bool more = from < below;
	ub_err err = UB_OK;

	w->last = from - 1;
	while (!err && more) {
		UB_CLEANUP(md_js_batch_deinit) struct md_js_batch b = {.n = 0};
		struct md_js_stored m;
		struct md_frame f;
		size_t at = 0;

		err = md_log_get(w->l, from, BATCH_MESSAGES, &b);
		while (!err && md_js_batch_next(&b, &at, &m) && m.seq < below)
			if (visible(w->l, w->q, &m, &f))
				err = hold(w, &f);
		if (b.last)
			w->last = b.last < below ? b.last : below - 1;
		from = b.last + 1;
		more = b.last && b.pending && from < below;
	}
	return err;
}

struct bounds {
	uint64_t floor, below; /* floor <= seq < below */
};

static ub_err read_backward(const struct log *l, const struct md_history_query *q,
	const struct bounds *x, md_frame_fn fn, void *arg, struct md_span *ret)
{
	UB_CLEANUP(backward_deinit) struct backward w = {.l = l, .q = q};
	struct md_span span = {.first = x->floor};
	const struct seek s = {x->floor, x->below, q->limit, q->limit + q->limit / 4 + 16};
	uint64_t from = x->floor;
	bool whole = true;
	ub_err err = UB_OK;

	if (x->floor >= x->below) {
		*ret = (struct md_span){.first = x->below, .last = x->below - 1};
		return UB_OK;
	}
	err = md_log_seek(l, &s, &from, &whole);
	if (!err)
		err = collect(&w, from, x->below);
	span.last = w.last;
	span.more = !whole || w.dropped;
	if (w.dropped && w.list)
		span.first = w.list->f.seq;
	else if (!whole)
		span.first = from;
	for (struct held *e = w.list; !err && e; e = e->next)
		err = fn(arg, &e->f);
	if (!err)
		*ret = span;
	return err;
}

static ub_err read_page(struct md_history *h, const struct md_history_query *q, md_frame_fn fn,
	void *fn_arg, struct md_span *ret)
{
	struct log l = md_log_of(h, &q->room, q->shard);
	struct forward w = {.l = &l, .q = q, .fn = fn, .arg = fn_arg};
	uint64_t newest, floor = 1, since = 1;
	struct bounds x;
	ub_err err;

	ub_assert(q->limit > 0);
	err = md_log_newest(&l, &newest);
	if (!err)
		err = md_floor_retain(h, &l, &q->retain, newest, &floor);
	if (!err && q->min_room_seq)
		err = md_floor_since_join(h, &l, floor, q->min_room_seq, &since);
	if (err)
		return err;
	floor = since > floor ? since : floor;
	if (!q->backward) {
		err = read_forward(&w, floor, newest);
		if (!err)
			*ret = w.span;
		return err;
	}
	x = (struct bounds){floor, q->from <= newest ? q->from : newest + 1};
	if (x.below == 0)
		x.below = 1;
	return read_backward(&l, q, &x, fn, fn_arg, ret);
}

/* Who waits for streams that do not answer holds a thread that others need: after one has waited
 * in vain the next ones are told so at once, for a while. */
static ub_err history_read(void *arg, const struct md_history_query *q, md_frame_fn fn,
	void *fn_arg, struct md_span *ret)
{
	struct md_history *h = arg;
	uint64_t begun = boot_ms(), now;
	bool held;
	ub_err err;

	(void)pthread_mutex_lock(&h->mu);
	held = begun < h->hold_boot_ms;
	(void)pthread_mutex_unlock(&h->mu);
	if (held)
		return UNIBUS_ERR_UNAVAILABLE;
	err = read_page(h, q, fn, fn_arg, ret);
	now = boot_ms();
	if (err == UNIBUS_ERR_UNAVAILABLE && now - begun >= TROUBLE_MS) {
		(void)pthread_mutex_lock(&h->mu);
		h->hold_boot_ms = now + HOLD_MS;
		(void)pthread_mutex_unlock(&h->mu);
	}
	return err;
}

/* ---- life ---- */

static bool history_ready(void *arg)
{
	struct md_history *h = arg;
	bool open;

	(void)pthread_mutex_lock(&h->mu);
	open = h->open && !h->stop;
	(void)pthread_mutex_unlock(&h->mu);
	return open;
}

ub_err md_history_new(const struct md_history_config *c, struct md_history **ret)
{
	struct md_history *h = calloc(1, sizeof(*h));
	pthread_condattr_t attr;

	if (!h)
		return UNIBUS_ERR_NOMEM;
	h->js = c->js;
	h->sweep_ms = c->sweep_ms ? c->sweep_ms : SWEEP_MS;
	h->port = (struct md_history_port){.ready = history_ready, .read = history_read, .arg = h};
	(void)pthread_mutex_init(&h->mu, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&h->cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	*ret = h;
	return UB_OK;
}

const struct md_history_port *md_history_port(const struct md_history *h)
{
	return &h->port;
}

ub_err md_history_open(struct md_history *h, struct md_service *svc)
{
	h->svc = svc;
	if (pthread_create(&h->thread, NULL, md_history_keep, h))
		return UNIBUS_ERR_NOMEM;
	(void)pthread_mutex_lock(&h->mu);
	h->started = h->open = true;
	(void)pthread_mutex_unlock(&h->mu);
	return UB_OK;
}

void md_history_stop(struct md_history *h)
{
	bool started;

	(void)pthread_mutex_lock(&h->mu);
	h->stop = true;
	started = h->started;
	h->started = false;
	(void)pthread_cond_broadcast(&h->cond);
	(void)pthread_mutex_unlock(&h->mu);
	if (started)
		(void)pthread_join(h->thread, NULL);
}

void md_history_free(struct md_history *h)
{
	if (!h)
		return;
	md_history_stop(h);
	md_floors_free(h);
	(void)pthread_cond_destroy(&h->cond);
	(void)pthread_mutex_destroy(&h->mu);
	free(h);
}
