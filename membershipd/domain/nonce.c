#include "membershipd/domain/nonce.h"

#include <pthread.h>
#include <sodium.h>

#include "membershipd/domain/digest_map.h"

#define KEEP_MS (2 * UB_REQUEST_WINDOW_MS)

struct sharer { /* a key's share */
	struct ub_pubkey key;
	size_t n;
	UT_hash_handle hh;
};

struct id { /* keyed hash of key and nonce: peers choose their nonces, not their places */
	uint8_t b[16];
};

struct seen {
	struct id id;
	struct sharer *by;
	uint64_t ts_ms, boot_ms;
	UT_hash_handle hh; /* keeps the order of adding: the oldest first */
};

struct md_nonces {
	pthread_mutex_t lock;
	struct md_nonces_limits max;
	uint8_t secret[crypto_generichash_KEYBYTES];
	struct sharer *sharers;
	struct seen *seen;
	uint64_t floor_ms;
};

ub_err md_nonces_new(const struct md_nonces_limits *l, struct md_nonces **ret)
{
	struct md_nonces *n = calloc(1, sizeof *n);

	if (!n)
		return UNIBUS_ERR_NOMEM;
	n->max.per_key = l && l->per_key ? l->per_key : UB_NONCES_PER_KEY_MAX;
	n->max.total = l && l->total ? l->total : UB_NONCES_MAX;
	randombytes_buf(n->secret, sizeof n->secret);
	ub_assert(!pthread_mutex_init(&n->lock, NULL));
	*ret = n;
	return UB_OK;
}

static void forget(struct md_nonces *n, struct seen *x)
{
	struct sharer *by = x->by;

	if (x->ts_ms > n->floor_ms)
		n->floor_ms = x->ts_ms;
	HASH_DEL(n->seen, x);
	free(x);
	if (!--by->n) {
		HASH_DEL(n->sharers, by);
		free(by);
	}
}

void md_nonces_free(struct md_nonces *n)
{
	if (!n)
		return;
	while (n->seen)
		forget(n, n->seen);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

static void id_of(const struct md_nonces *n, const struct md_nonce *x, struct id *ret)
{
	uint8_t m[sizeof x->key.b + sizeof x->nonce];

	memcpy(m, x->key.b, sizeof x->key.b);
	memcpy(m + sizeof x->key.b, x->nonce, sizeof x->nonce);
	crypto_generichash(ret->b, sizeof ret->b, m, sizeof m, n->secret, sizeof n->secret);
}

static ub_err check(const struct md_nonces *n, const struct md_nonce *x, const struct id *id)
{
	struct seen *old;

	if (n->floor_ms && x->ts_ms <= n->floor_ms)
		return UNIBUS_ERR_REPLAY;
	HASH_FIND(hh, n->seen, id, sizeof *id, old);
	return old ? UNIBUS_ERR_REPLAY : UB_OK;
}

ub_err md_nonces_check(struct md_nonces *n, const struct md_nonce *x, uint64_t boot_ms)
{
	struct id id;
	ub_err e;

	(void)boot_ms; /* what has aged but is still here refuses no less than the floor will */
	id_of(n, x, &id);
	pthread_mutex_lock(&n->lock);
	e = check(n, x, &id);
	pthread_mutex_unlock(&n->lock);
	return e;
}

/* The key's share, made when it has none. */
static ub_err sharer_of(struct md_nonces *n, const struct ub_pubkey *key, struct sharer **ret)
{
	UB_CLEANUP(ub_freep) struct sharer *made = NULL;
	struct sharer *by;

	HASH_FIND(hh, n->sharers, key->b, sizeof key->b, by);
	if (by) {
		*ret = by;
		return UB_OK;
	}
	made = calloc(1, sizeof *made);
	if (!made)
		return UNIBUS_ERR_NOMEM;
	made->key = *key;
	HASH_ADD(hh, n->sharers, key, sizeof made->key, made);
	if (!made->hh.tbl)
		return UNIBUS_ERR_NOMEM;
	*ret = UB_TAKE(made);
	return UB_OK;
}

static ub_err remember(struct md_nonces *n, const struct md_nonce *x, const struct id *id,
	struct sharer *by, uint64_t boot_ms)
{
	UB_CLEANUP(ub_freep) struct seen *s = calloc(1, sizeof *s);

	if (!s)
		return UNIBUS_ERR_NOMEM;
	s->id = *id;
	s->by = by;
	s->ts_ms = x->ts_ms;
	s->boot_ms = boot_ms;
	HASH_ADD(hh, n->seen, id, sizeof s->id, s);
	if (!s->hh.tbl)
		return UNIBUS_ERR_NOMEM;
	by->n++;
	(void)UB_TAKE(s);
	return UB_OK;
}

static ub_err note(
	struct md_nonces *n, const struct md_nonce *x, const struct id *id, uint64_t boot_ms)
{
	struct sharer *by;
	ub_err e;

	while (n->seen && boot_ms >= n->seen->boot_ms && boot_ms - n->seen->boot_ms >= KEEP_MS)
		forget(n, n->seen);
	e = check(n, x, id);
	if (e)
		return e;
	if (HASH_COUNT(n->seen) >= n->max.total)
		return UNIBUS_ERR_SLOW_DOWN;
	e = sharer_of(n, &x->key, &by);
	if (e)
		return e;
	e = by->n < n->max.per_key ? remember(n, x, id, by, boot_ms) : UNIBUS_ERR_SLOW_DOWN;
	if (!by->n) {
		HASH_DEL(n->sharers, by);
		free(by);
	}
	return e;
}

ub_err md_nonces_note(struct md_nonces *n, const struct md_nonce *x, uint64_t boot_ms)
{
	struct id id;
	ub_err e;

	id_of(n, x, &id);
	pthread_mutex_lock(&n->lock);
	e = note(n, x, &id, boot_ms);
	pthread_mutex_unlock(&n->lock);
	return e;
}
