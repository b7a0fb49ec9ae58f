#include "membershipd/domain/ratelimit.h"

#include <math.h>
#include <pthread.h>
#include <sodium.h>

#include "membershipd/domain/digest_map.h"

#define SLACK 1e-6  /* tokens: what rounding may have cost whoever waited as told */
#define NAME_LEN 16 /* of the keyed hash that stands for the caller's bytes */

struct bucket {
	uint8_t name[NAME_LEN];
	double tokens;
	uint64_t at_ms; /* when tokens was true */
	double full_ms; /* when it will be full again: the heap's order */
	size_t heap_pos;
	UT_hash_handle hh;
};

struct md_ratelimit {
	struct md_rate rate;
	uint8_t secret[crypto_generichash_KEYBYTES];
	pthread_mutex_t lock;
	struct bucket *buckets;
	struct bucket **heap; /* entries_max long; the first is the nearest to full */
	size_t n;
};

ub_err md_ratelimit_new(const struct md_rate *r, struct md_ratelimit **ret)
{
	UB_CLEANUP(ub_freep) struct md_ratelimit *l = calloc(1, sizeof *l);

	ub_assert(r->per_second > 0 && r->burst >= 1 && r->entries_max > 0);
	if (!l)
		return UNIBUS_ERR_NOMEM;
	l->heap = calloc(r->entries_max, sizeof *l->heap);
	if (!l->heap)
		return UNIBUS_ERR_NOMEM;
	l->rate = *r;
	randombytes_buf(l->secret, sizeof l->secret);
	ub_assert(!pthread_mutex_init(&l->lock, NULL));
	*ret = UB_TAKE(l);
	return UB_OK;
}

void md_ratelimit_free(struct md_ratelimit *r)
{
	if (!r)
		return;
	HASH_CLEAR(hh, r->buckets);
	for (size_t i = 0; i < r->n; i++)
		free(r->heap[i]);
	free(r->heap);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void heap_set(struct md_ratelimit *r, size_t pos, struct bucket *b)
{
	r->heap[pos] = b;
	b->heap_pos = pos;
}

/* Puts the bucket where its full_ms belongs. */
static void heap_move(struct md_ratelimit *r, struct bucket *b)
{
	size_t pos = b->heap_pos;

	while (pos && r->heap[(pos - 1) / 2]->full_ms > b->full_ms) {
		heap_set(r, pos, r->heap[(pos - 1) / 2]);
		pos = (pos - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * pos + 1;

		if (child + 1 < r->n && r->heap[child + 1]->full_ms < r->heap[child]->full_ms)
			child++;
		if (child >= r->n || r->heap[child]->full_ms >= b->full_ms)
			break;
		heap_set(r, pos, r->heap[child]);
		pos = child;
	}
	heap_set(r, pos, b);
}

static void drop_first(struct md_ratelimit *r)
{
	struct bucket *b = r->heap[0], *last = r->heap[--r->n];

	if (r->n) {
		heap_set(r, 0, last);
		heap_move(r, last);
	}
	HASH_DEL(r->buckets, b);
	free(b);
}

static void name_of(const struct md_ratelimit *r, struct ub_bytes who, uint8_t ret[NAME_LEN])
{
	crypto_generichash(ret, NAME_LEN, who.p, who.len, r->secret, sizeof r->secret);
}

static struct bucket *bucket_find(const struct md_ratelimit *r, const uint8_t name[NAME_LEN])
{
	struct bucket *b;

	HASH_FIND(hh, r->buckets, name, NAME_LEN, b);
	return b;
}

static double tokens_at(const struct md_ratelimit *r, const struct bucket *b, uint64_t boot_ms)
{
	double t;

	if (!b)
		return r->rate.burst;
	t = b->tokens;
	if (boot_ms > b->at_ms)
		t += (double)(boot_ms - b->at_ms) / 1000 * r->rate.per_second;
	return t < r->rate.burst ? t : r->rate.burst;
}

static void bucket_set(struct md_ratelimit *r, struct bucket *b, double tokens, uint64_t boot_ms)
{
	b->tokens = tokens;
	b->at_ms = boot_ms;
	b->full_ms = (double)boot_ms + (r->rate.burst - tokens) / r->rate.per_second * 1000;
	heap_move(r, b);
}

static ub_err bucket_new(struct md_ratelimit *r, const uint8_t name[NAME_LEN], struct bucket **ret)
{
	UB_CLEANUP(ub_freep) struct bucket *b = calloc(1, sizeof *b);

	if (!b)
		return UNIBUS_ERR_NOMEM;
	if (r->n == r->rate.entries_max)
		drop_first(r);
	memcpy(b->name, name, NAME_LEN);
	HASH_ADD(hh, r->buckets, name, NAME_LEN, b);
	if (!b->hh.tbl)
		return UNIBUS_ERR_NOMEM;
	heap_set(r, r->n++, b);
	*ret = UB_TAKE(b);
	return UB_OK;
}

static ub_err take(
	struct md_ratelimit *r, struct ub_bytes who, double cost, uint64_t boot_ms, uint64_t *wait)
{
	uint8_t name[NAME_LEN];
	struct bucket *b;
	double tokens;

	name_of(r, who, name);
	b = bucket_find(r, name);
	tokens = tokens_at(r, b, boot_ms);
	if (tokens + SLACK < cost) {
		*wait = (uint64_t)ceil((cost - tokens - SLACK) / r->rate.per_second * 1000);
		return UNIBUS_ERR_SLOW_DOWN;
	}
	if (!b) {
		ub_err e = bucket_new(r, name, &b);

		if (e)
			return e;
	}
	bucket_set(r, b, tokens - cost, boot_ms);
	return UB_OK;
}

ub_err md_ratelimit_take(struct md_ratelimit *r, struct ub_bytes who, double cost, uint64_t boot_ms,
	uint64_t *ret_wait_ms)
{
	ub_err e;

	pthread_mutex_lock(&r->lock);
	e = take(r, who, cost, boot_ms, ret_wait_ms);
	pthread_mutex_unlock(&r->lock);
	return e;
}

bool md_ratelimit_has(struct md_ratelimit *r, struct ub_bytes who, double cost, uint64_t boot_ms)
{
	uint8_t name[NAME_LEN];
	bool has;

	name_of(r, who, name);
	pthread_mutex_lock(&r->lock);
	has = tokens_at(r, bucket_find(r, name), boot_ms) + SLACK >= cost;
	pthread_mutex_unlock(&r->lock);
	return has;
}
