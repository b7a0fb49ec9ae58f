#include <stdio.h>

#include "core/json.h"
#include "membershipd/nats/history_impl.h"

#define PROBES_MAX 128

/* The first message from a place on and how many there are: the end of a batch of one tells both,
 * and nobody but the server writes that. */
static ub_err probe(const struct log *l, struct md_js_get *g, struct place *ret)
{
	UB_CLEANUP(md_js_batch_deinit) struct md_js_batch b = {.n = 0};
	ub_err err;

	g->stream = l->stream.z;
	g->filter = l->filter;
	g->messages = 1;
	g->bytes_max = 1;
	g->timeout_ms = READ_MS;
	err = md_js_get(l->js, g, &b);
	if (!err)
		*ret = (struct place){.seq = b.last, .count = b.last ? b.pending + 1 : 0};
	return err;
}

ub_err md_log_at(const struct log *l, uint64_t seq, struct place *ret)
{
	return probe(l, &(struct md_js_get){.seq = seq}, ret);
}

ub_err md_log_since(const struct log *l, uint64_t ms, struct place *ret)
{
	return probe(l, &(struct md_js_get){.since_ms = ms}, ret);
}

struct bounds {
	uint64_t a, b;     /* the place is in [a, b) */
	uint64_t n_a, n_b; /* messages from there to the end of what counts */
	uint64_t min, max;
};

/* Where to look next: where the place is if messages lie evenly, every other time in the middle,
 * so that it ends soon however they lie. */
static uint64_t guess(const struct bounds *x, unsigned turn)
{
	uint64_t width = x->b - x->a, want = x->min + (x->max - x->min) / 2, back;

	if (turn % 2 == 1 || x->n_a <= x->n_b)
		return x->a + width / 2;
	back = (uint64_t)((double)width * (double)(want - x->n_b) / (double)(x->n_a - x->n_b));
	if (back == 0)
		back = 1;
	return back < width ? x->b - back : x->a + 1;
}

ub_err md_log_newest(const struct log *l, uint64_t *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct md_js_refusal no;
	struct ub_obj o, state;
	char what[64];
	ub_err err;

	(void)snprintf(what, sizeof(what), "STREAM.INFO.%s", l->stream.z);
	err = md_js_ask(l->js, &(struct md_js_ask){.what = what, .timeout_ms = READ_MS}, &v, &no);
	if (err)
		return err == UNIBUS_ERR_CANCELLED ? err : UNIBUS_ERR_UNAVAILABLE;
	o = ub_obj(v);
	state = ub_obj(ub_obj_object(&o, "state"));
	*ret = ub_obj_u64(&state, "last_seq", 0, SEQ_MAX);
	return o.err || state.err ? UNIBUS_ERR_UNAVAILABLE : UB_OK;
}

ub_err md_log_seek(const struct log *l, const struct seek *s, uint64_t *ret, bool *ret_whole)
{
	struct bounds x = {.a = s->lo, .b = s->below, .min = s->min, .max = s->max};
	struct place p = {0}, tail = {0};
	ub_err err = md_log_at(l, s->below, &tail);

	if (!err)
		err = md_log_at(l, s->lo, &p);
	x.n_a = p.count > tail.count ? p.count - tail.count : 0;
	*ret_whole = x.n_a <= x.max;
	/* More may be stored meanwhile: then a place counts more than it did, and the search ends
	 * somewhat later than it should. Whoever reads from there does so to the end. */
	for (unsigned turn = 0; !err && x.n_a > x.max && x.a + 1 < x.b; turn++) {
		uint64_t at = guess(&x, turn), n;

		if (turn == PROBES_MAX)
			return UNIBUS_ERR_UNAVAILABLE;
		err = md_log_at(l, at, &p);
		if (err)
			break;
		n = p.count > tail.count ? p.count - tail.count : 0;
		if (n < x.min) {
			x.b = at;
			x.n_b = n;
		} else if (n > x.max) {
			x.a = p.seq + 1;
			x.n_a = n - 1;
		} else {
			x.a = p.seq;
			x.n_a = n;
		}
	}
	if (!err)
		*ret = x.a;
	return err;
}
