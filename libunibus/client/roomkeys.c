#include "client/roomkeys.h"

#include <sodium.h>

#include "client/clock.h"
#include "client/roomcache.h"
#include "core/b64url.h"
#include "core/epochkey.h"
#include "core/json.h"

/* A key that the server did not give is not asked for again at once. */
#define KEY_RETRY_MS 1000

struct ub_epoch_key {
	uint32_t n;
	struct ub_symkey k;
};

void ub_epoch_keys_deinit(struct ub_epoch_keys *keys)
{
	sodium_free(keys->k);
	*keys = (struct ub_epoch_keys){0};
}

const struct ub_symkey *ub_epoch_keys_find(const struct ub_epoch_keys *keys, uint32_t n)
{
	for (size_t i = 0; i < keys->n; i++)
		if (keys->k[i].n == n)
			return &keys->k[i].k;
	return NULL;
}

ub_err ub_epoch_keys_add(struct ub_epoch_keys *keys, uint32_t n, const struct ub_symkey *k)
{
	if (ub_epoch_keys_find(keys, n))
		return UB_OK;
	if (keys->n == keys->cap) {
		size_t cap = keys->cap ? keys->cap * 2 : 8;
		struct ub_epoch_key *more = sodium_allocarray(cap, sizeof(*more));

		if (!more)
			return UNIBUS_ERR_NOMEM;
		if (keys->n > 0)
			memcpy(more, keys->k, keys->n * sizeof(*more));
		sodium_free(keys->k);
		keys->k = more;
		keys->cap = cap;
	}
	keys->k[keys->n].n = n;
	keys->k[keys->n].k = *k;
	keys->n++;
	return UB_OK;
}

static bool key_held(struct ub_croom *r, uint32_t n, struct ub_symkey *ret)
{
	const struct ub_symkey *k;

	pthread_mutex_lock(&r->lock);
	k = ub_epoch_keys_find(&r->keys, n);
	if (k)
		*ret = *k;
	pthread_mutex_unlock(&r->lock);
	return k != NULL;
}

static ub_err key_keep(struct ub_croom *r, uint32_t n, const struct ub_symkey *k)
{
	ub_err err;

	pthread_mutex_lock(&r->lock);
	err = ub_epoch_keys_add(&r->keys, n, k);
	pthread_mutex_unlock(&r->lock);
	return err;
}

static ub_err fetch_sealed(
	unibus_client *c, struct ub_croom *r, uint32_t n, uint8_t ret[UB_SEALED_LEN])
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	char target[128];
	struct ub_obj o;
	ub_err err;

	snprintf(target, sizeof(target), "/rooms/%s/key?epoch=%u", r->id_text, n);
	err = ub_client_json(c, "GET", target, (struct ub_str){0}, &v);
	if (err != UB_OK)
		return err == UNIBUS_ERR_NO_KEY ? UNIBUS_ERR_NO_KEY_EPOCH : err;
	o = ub_obj(v);
	ub_obj_b64url(&o, "sealed", ret, UB_SEALED_LEN);
	return o.err == UB_OK ? UB_OK : UNIBUS_ERR_INTERNAL;
}

/* The commitment that the log has for epoch n. */
static ub_err commit_of(struct ub_croom *r, uint32_t n, struct ub_hash *ret)
{
	const struct ub_hist_state *s;

	pthread_mutex_lock(&r->lock);
	s = ub_roomhist_epoch(&r->hist, n);
	if (s)
		*ret = s->commit;
	pthread_mutex_unlock(&r->lock);
	return s ? UB_OK : UNIBUS_ERR_NO_KEY_EPOCH;
}

static ub_err fetch_key(unibus_client *c, struct ub_croom *r, uint32_t n, struct ub_symkey *ret)
{
	uint8_t sealed[UB_SEALED_LEN];
	struct ub_epoch_opener opener = {
		.kex = c->o->id->kex_pub,
		.sec = &c->o->id->keys->kex,
		.self = c->o->id->endpoint,
		.room = r->id,
		.n = n,
	};
	ub_err err = commit_of(r, n, &opener.commit);

	if (err == UB_OK)
		err = fetch_sealed(c, r, n, sealed);
	if (err == UB_OK)
		err = ub_epoch_open(&opener, sealed, ret);
	if (err == UB_OK)
		err = key_keep(r, n, ret);
	return err;
}

/* One step down: from K_n to K_{n-1}. */
static ub_err walk_back(struct ub_croom *r, uint32_t n, struct ub_symkey *inout)
{
	const struct ub_hist_state *s;
	struct ub_hash before;
	struct ub_symkey prev = {0};
	uint8_t link[UB_BACKLINK_LEN];
	bool has;
	ub_err err = commit_of(r, n - 1, &before);

	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&r->lock);
	s = ub_roomhist_epoch(&r->hist, n);
	has = s && s->has_backlink;
	if (has)
		memcpy(link, s->backlink, sizeof(link));
	pthread_mutex_unlock(&r->lock);
	if (!has)
		return UNIBUS_ERR_NO_KEY_EPOCH;
	err = ub_backlink_open(inout, &r->id, n, link, &before, &prev);
	if (err == UB_OK) {
		*inout = prev;
		err = key_keep(r, n - 1, &prev);
	}
	ub_symkey_wipe(&prev);
	return err;
}

static ub_err walk_to(unibus_client *c, struct ub_croom *r, uint32_t n, struct ub_symkey *ret)
{
	UB_CLEANUP(ub_symkey_wipe) struct ub_symkey k = {0};
	uint32_t at;
	ub_err err = UB_OK;

	pthread_mutex_lock(&r->lock);
	at = r->state.epoch;
	pthread_mutex_unlock(&r->lock);
	if (at <= n)
		return UNIBUS_ERR_NO_KEY_EPOCH;
	if (!key_held(r, at, &k))
		err = fetch_key(c, r, at, &k);
	for (; err == UB_OK && at > n; at--)
		err = walk_back(r, at, &k);
	if (err == UB_OK)
		*ret = k;
	return err;
}

static bool may_ask(struct ub_croom *r)
{
	uint64_t now = ub_mono_ms();
	bool may;

	pthread_mutex_lock(&r->lock);
	may = r->key_at == 0 || now - r->key_at >= KEY_RETRY_MS;
	pthread_mutex_unlock(&r->lock);
	return may;
}

ub_err ub_croom_key(unibus_client *c, struct ub_croom *r, uint32_t n, struct ub_symkey *ret)
{
	ub_err err;

	if (key_held(r, n, ret))
		return UB_OK;
	if (!may_ask(r))
		return UNIBUS_ERR_SLOW_DOWN;
	err = fetch_key(c, r, n, ret);
	if (err == UNIBUS_ERR_NO_KEY_EPOCH)
		err = walk_to(c, r, n, ret);
	pthread_mutex_lock(&r->lock);
	r->key_at = err == UB_OK ? 0 : ub_mono_ms();
	pthread_mutex_unlock(&r->lock);
	return err;
}
