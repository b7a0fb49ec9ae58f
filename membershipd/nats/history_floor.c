#include <string.h>
#include <time.h>

#include "membershipd/nats/history_impl.h"

/* ---- what is remembered ---- */

static void drop(struct md_history *h, struct floor *f)
{
	HASH_DEL(h->floors, f);
	h->n_floors--;
	free(f);
}

void md_floors_free(struct md_history *h)
{
	while (h->floors)
		drop(h, h->floors);
}

static struct floor_key key_of(const struct log *l, uint64_t min_room_seq)
{
	struct floor_key k;

	memset(&k, 0, sizeof(k));
	memcpy(k.room, l->room->b, sizeof(k.room));
	k.min_room_seq = min_room_seq;
	return k;
}

/* A copy; a new one begins at the start. */
static struct floor recall(struct md_history *h, const struct floor_key *key)
{
	struct floor copy = {.key = *key, .at = 1, .next = 1}, *f;

	(void)pthread_mutex_lock(&h->mu);
	HASH_FIND(hh, h->floors, key, sizeof(*key), f);
	if (f)
		copy = *f;
	(void)pthread_mutex_unlock(&h->mu);
	return copy;
}

static void remember(struct md_history *h, const struct floor *now, bool anew)
{
	struct floor *f;

	(void)pthread_mutex_lock(&h->mu);
	HASH_FIND(hh, h->floors, &now->key, sizeof(now->key), f);
	if (f) {
		/* Another reader may have come further. */
		if (anew || now->next > f->next || now->at > f->at) {
			f->at = now->at;
			f->next = now->next;
			f->bytes = now->bytes;
			f->n = now->n;
		}
		HASH_DEL(h->floors, f);
		h->n_floors--;
	} else {
		if (h->n_floors == FLOORS_MAX)
			drop(h, h->floors);
		f = malloc(sizeof(*f));
		if (f)
			*f = *now;
	}
	if (f) {
		HASH_ADD(hh, h->floors, key, sizeof(f->key), f);
		if (f->hh.tbl)
			h->n_floors++;
		else
			free(f); /* no memory: not remembered */
	}
	(void)pthread_mutex_unlock(&h->mu);
}

/* ---- since_join ---- */

/* The first frame of a batch that counts for the reader; false: none of it. */
static bool first_of(const struct log *l, const struct md_js_batch *b, uint64_t min, uint64_t *ret)
{
	struct md_js_stored m;
	struct ub_frame f;
	size_t at = 0;

	while (md_js_batch_next(b, &at, &m)) {
		if (md_log_frame(l, &m, &f) && f.h.room_seq >= min) {
			*ret = m.seq;
			return true;
		}
	}
	return false;
}

ub_err md_floor_since_join(struct md_history *h, const struct log *l, uint64_t from,
	uint64_t min_room_seq, uint64_t *ret)
{
	struct floor_key key = key_of(l, min_room_seq);
	struct floor f = recall(h, &key);
	bool found = f.at > 1;
	ub_err err = UB_OK;

	/* Everything before the first frame that counts is from before the reader was added. */
	while (!err && !found) {
		UB_CLEANUP(md_js_batch_deinit) struct md_js_batch b = {.n = 0};

		err = md_log_get(l, f.next > from ? f.next : from, BATCH_MESSAGES, &b);
		if (err || !b.last)
			break;
		found = first_of(l, &b, min_room_seq, &f.at);
		f.next = b.last + 1;
		if (!b.pending)
			break;
	}
	remember(h, &f, false);
	if (err)
		return err;
	*ret = found ? f.at : f.next > from ? f.next : from;
	return UB_OK;
}

/* ---- retention ---- */

/* Takes what was stored since the last look into the count. */
static ub_err count_new(const struct log *l, struct floor *f)
{
	uint64_t pending = 1;
	ub_err err = UB_OK;

	while (!err && pending) {
		UB_CLEANUP(md_js_batch_deinit) struct md_js_batch b = {.n = 0};
		struct md_js_stored m;
		size_t at = 0;

		err = md_log_get(l, f->next, BATCH_MESSAGES, &b);
		if (err || !b.last)
			break;
		while (md_js_batch_next(&b, &at, &m))
			f->bytes += m.data.len;
		f->n += b.total;
		f->next = b.last + 1;
		pending = b.pending;
	}
	return err;
}

/* Moves the floor up until what is left fits. */
static ub_err shrink(const struct log *l, uint64_t max, struct floor *f)
{
	ub_err err = UB_OK;

	while (!err && f->bytes > max && f->at < f->next) {
		UB_CLEANUP(md_js_batch_deinit) struct md_js_batch b = {.n = 0};
		struct md_js_stored m;
		size_t at = 0;
		uint64_t end;

		err = md_log_get(l, f->at, BATCH_MESSAGES, &b);
		if (err)
			break;
		end = b.last && b.last < f->next ? b.last + 1 : f->next;
		while (f->bytes > max && md_js_batch_next(&b, &at, &m) && m.seq < f->next) {
			f->bytes -= m.data.len < f->bytes ? m.data.len : f->bytes;
			f->at = m.seq + 1;
		}
		if (f->bytes > max)
			f->at = end;
	}
	return err;
}

/* How many messages lie between the two ends by now. */
static ub_err there(const struct log *l, const struct floor *f, uint64_t *ret)
{
	struct place from, to;
	ub_err err = md_log_at(l, f->at, &from);

	if (!err)
		err = md_log_at(l, f->next, &to);
	if (!err)
		*ret = from.count > to.count ? from.count - to.count : 0;
	return err;
}

static ub_err by_bytes(struct md_history *h, const struct log *l, uint64_t max, uint64_t *ret)
{
	struct floor_key key = key_of(l, FLOOR_BYTES);
	struct floor f = recall(h, &key);
	uint64_t n = 0;
	bool anew;
	ub_err err = there(l, &f, &n);

	if (err)
		return err;
	/* Limits of the stream, too, remove messages: then the count is void. */
	anew = n != f.n;
	if (anew)
		f = (struct floor){.key = key, .at = f.at, .next = f.at};
	err = count_new(l, &f);
	/* Unfinished is remembered, too: the next call goes on from there. */
	remember(h, &f, anew);
	if (!err && f.bytes > max) {
		err = shrink(l, max, &f);
		if (!err)
			err = there(l, &f, &f.n);
		if (!err)
			remember(h, &f, true);
	}
	if (!err)
		*ret = f.at;
	return err;
}

static uint64_t wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static ub_err by_age(const struct log *l, uint64_t age_s, uint64_t newest, uint64_t *ret)
{
	uint64_t now = wall_ms(), age = age_s < now / 1000 ? age_s * 1000 : now - 1;
	struct place p;
	ub_err err = md_log_since(l, now - age, &p);

	if (!err)
		*ret = p.seq ? p.seq : newest + 1;
	return err;
}

static void raise_to(uint64_t *floor, uint64_t to)
{
	if (to > *floor)
		*floor = to;
}

ub_err md_floor_retain(struct md_history *h, const struct log *l, const struct ub_retain *r,
	uint64_t newest, uint64_t *ret)
{
	uint64_t floor = 1, at = 1;
	bool whole;
	ub_err err = UB_OK;

	if (r->age_s)
		err = by_age(l, r->age_s, newest, &at);
	raise_to(&floor, at);
	if (!err && r->messages && floor <= newest)
		err = md_log_seek(l, &(struct seek){floor, newest + 1, r->messages, r->messages},
			&at, &whole);
	raise_to(&floor, at);
	if (!err && r->bytes && floor <= newest)
		err = by_bytes(h, l, r->bytes, &at);
	raise_to(&floor, at);
	if (!err)
		*ret = floor;
	return err;
}
