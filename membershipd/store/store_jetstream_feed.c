#include "membershipd/store/store_jetstream_impl.h"

#define STEP_MS 100

void kv_feed_pause(struct kv_feed *f)
{
	kv_watch_close(UB_TAKE(f->watch));
	if (f->conn)
		kv_link_release(f->s->link, UB_TAKE(f->conn));
}

void kv_feed_deinit(struct kv_feed *f)
{
	kv_feed_pause(f);
	kv_pile_deinit(&f->pile);
}

bool kv_feed_whole(const struct kv_feed *f)
{
	return !f->gap && !f->within && f->at >= f->goal;
}

/* Takes an item into the pile, wherever it came from. */
static ub_err take(struct kv_feed *f, struct kv_item *item)
{
	if (!item->marker)
		kv_know(f->s, item->seq);
	return kv_pile_add(&f->pile, f->prefix, item);
}

ub_err kv_feed_step(struct kv_feed *f, unsigned wait_ms)
{
	struct kv_item item;
	ub_err e = kv_watch_next(f->watch, wait_ms, &item);

	if (e)
		return e;
	if (item.msg) {
		if (item.seq <= f->at) {
			natsMsg_Destroy(item.msg);
			return UNIBUS_ERR_UNAVAILABLE;
		}
		e = take(f, &item);
		if (e)
			return e;
		/* What is left out has been overwritten by something that this server has by now:
		 * when it has nothing more, that has come. */
		f->gap = f->gap || item.seq != f->at + 1;
		f->at = item.seq;
		f->within = item.within;
	}
	f->gap = f->gap && !item.idle;
	return UB_OK;
}

static ub_err watch(struct kv_feed *f, const struct kv_watch_spec *spec, struct kv_watch **ret)
{
	return kv_watch_open(f->s->link, f->conn, spec, ret);
}

/* Everything after f->at, unfiltered: what is not under the prefix moves the revision, too. */
static ub_err go_live(struct kv_feed *f)
{
	const struct kv_watch_spec spec = {
		.filters = {KV_SUBJECT_PREFIX ">", NULL}, .from = f->at + 1};

	return watch(f, &spec, &f->watch);
}

/* Reads until its server has delivered all it has, `last` included; *ret_top: the highest. */
static ub_err drain(struct kv_feed *f, struct kv_watch *w, uint64_t last, struct kv_patience *p,
	uint64_t *ret_top)
{
	uint64_t top = 0, scanned = 0;
	bool idle = false;

	while (!idle || scanned < last) {
		struct kv_item item;
		ub_err e = kv_watch_next(w, STEP_MS, &item);

		if (e == UNIBUS_ERR_TIMEOUT && !kv_link_stopped(f->s->link) &&
			kv_now_ms() < p->until_ms)
			continue;
		if (e)
			return e == UNIBUS_ERR_TIMEOUT ? UNIBUS_ERR_UNAVAILABLE : e;
		idle = item.idle;
		top = item.seq > top ? item.seq : top;
		scanned = item.scanned > scanned ? item.scanned : scanned;
		scanned = top > scanned ? top : scanned;
		e = item.msg ? take(f, &item) : UB_OK;
		if (e)
			return e;
	}
	*ret_top = top;
	return UB_OK;
}

/* The current records under the prefix, from whichever server the consumer is put on. One that lags
 * behind is noticed by the last message of all, `last`: it comes along, whatever its key is. */
static ub_err load(struct kv_feed *f, uint64_t last, struct kv_patience *p, uint64_t *ret_top)
{
	UB_CLEANUP(kv_watch_closep) struct kv_watch *w = NULL;
	struct kv_subject filter;
	struct kv_stored witness;
	ub_err e = kv_subject_at(f->s, last, p, &witness);

	if (e == UNIBUS_ERR_NOT_FOUND) /* overwritten since */
		return UNIBUS_ERR_UNAVAILABLE;
	if (e)
		return e;
	kv_filter_of(f->prefix, &filter);
	bool covered = kv_filter_takes(&filter, witness.subject);
	const struct kv_watch_spec spec = {.filters = {filter.z, covered ? NULL : witness.subject}};
	e = watch(f, &spec, &w);
	return e ? e : drain(f, w, last, p, ret_top);
}

static ub_err until_whole(struct kv_feed *f, struct kv_patience *p)
{
	while (!kv_feed_whole(f)) {
		ub_err e = kv_feed_step(f, STEP_MS);

		if (e && e != UNIBUS_ERR_TIMEOUT)
			return e;
		if (kv_link_stopped(f->s->link) || kv_now_ms() >= p->until_ms)
			return UNIBUS_ERR_UNAVAILABLE;
	}
	return UB_OK;
}

static ub_err begin_once(struct kv_feed *f, bool live, struct kv_patience *p)
{
	struct kv_info info;
	uint64_t top = 0;
	ub_err e = kv_info(f->s, p, &info);

	if (!e)
		e = kv_link_hold(f->s->link, p, &f->conn);
	if (e)
		return e;
	f->gap = f->within = false;
	f->at = info.status.revision;
	if (f->at > 0) {
		e = load(f, f->at, p, &top);
		/* What was overwritten while we read came under a sequence that `top` or this
		 * covers. */
		if (!e)
			e = kv_info(f->s, p, &info);
		if (e)
			return e;
	}
	f->goal = info.status.revision > top ? info.status.revision : top;
	if (!live && f->goal == f->at)
		return UB_OK;
	e = go_live(f);
	return e ? e : until_whole(f, p);
}

ub_err kv_feed_begin(struct kv_feed *f, bool live, struct kv_patience *p)
{
	ub_err e;

	do {
		kv_pile_clear(&f->pile);
		e = begin_once(f, live, p);
		if (!e) {
			kv_seen(f->s, f->at);
			return UB_OK;
		}
		kv_feed_pause(f);
	} while (e != UNIBUS_ERR_NOMEM && kv_link_pause(f->s->link, p, "the bucket's records"));
	return e == UNIBUS_ERR_NOMEM ? e : UNIBUS_ERR_UNAVAILABLE;
}

ub_err kv_feed_resume(struct kv_feed *f, struct kv_patience *p)
{
	struct kv_info info;
	ub_err e = kv_info(f->s, p, &info);

	/* Fewer revisions than were told: a leader of the past, or a copy of it put back. */
	if (!e && info.status.revision < f->at)
		e = UNIBUS_ERR_UNAVAILABLE;
	if (!e)
		e = kv_link_hold(f->s->link, p, &f->conn);
	if (e)
		return e;
	f->goal = info.status.revision;
	e = go_live(f);
	if (e)
		kv_feed_pause(f);
	return e;
}
