#include <sodium.h>

#include "core/endpoint.h"
#include "core/epochkey.h"
#include "core/key.h"
#include "core/num.h"

#define LABEL_COMMIT "unibus/kc/v1"
#define LABEL_BACKLINK "unibus/backlink/v1"

/* What is inside a sealed blob. */
#define INNER_LEN (32 + 32 + 4 + 32)
/* room_id ‖ n: the additional data of a back link. */
#define SCOPE_LEN (32 + 4)

_Static_assert(UB_SEALED_LEN == INNER_LEN + crypto_box_SEALBYTES, "crypto_box_seal's overhead");
_Static_assert(UB_BACKLINK_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES + 32 +
					  crypto_aead_xchacha20poly1305_ietf_ABYTES,
	"nonce, key, tag");

static void scope_of(const struct ub_room_id *room, uint32_t n, uint8_t ret[SCOPE_LEN])
{
	memcpy(ret, room->b, 32);
	ub_put_u32(ret + 32, n);
}

/* BLAKE2b-256(key = K, label ‖ room_id ‖ n); the label's NUL is counted in label_len. */
static void derive(const struct ub_symkey *k, const char *label, size_t label_len,
	const uint8_t scope[SCOPE_LEN], uint8_t ret[32])
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, k->b, sizeof(k->b), 32);
	crypto_generichash_update(&st, (const uint8_t *)label, label_len);
	crypto_generichash_update(&st, scope, SCOPE_LEN);
	crypto_generichash_final(&st, ret, 32);
	sodium_memzero(&st, sizeof(st));
}

void ub_epoch_commit(
	const struct ub_symkey *k, const struct ub_room_id *room, uint32_t n, struct ub_hash *ret)
{
	uint8_t scope[SCOPE_LEN];

	scope_of(room, n, scope);
	derive(k, LABEL_COMMIT, sizeof(LABEL_COMMIT), scope, ret->b);
}

ub_err ub_epoch_seal(const struct ub_symkey *k, const struct ub_room_id *room, uint32_t n,
	const struct ub_kexpub *kex, struct ub_sealed *inout)
{
	uint8_t inner[INNER_LEN], blob[UB_SEALED_LEN];
	int failed;

	if (ub_kexpub_check(kex))
		return UNIBUS_ERR_INVALID;
	memcpy(inner, k->b, 32);
	scope_of(room, n, inner + 32);
	memcpy(inner + 32 + SCOPE_LEN, inout->to.b, 32);
	failed = crypto_box_seal(blob, inner, sizeof(inner), kex->b);
	sodium_memzero(inner, sizeof(inner));
	if (failed)
		return UNIBUS_ERR_INVALID;
	memcpy(inout->b, blob, sizeof(blob));
	return UB_OK;
}

static ub_err commit_check(const struct ub_symkey *k, const struct ub_room_id *room, uint32_t n,
	const struct ub_hash *commit)
{
	struct ub_hash is;

	ub_epoch_commit(k, room, n, &is);
	return sodium_memcmp(is.b, commit->b, 32) ? UNIBUS_ERR_BAD_COMMIT : UB_OK;
}

ub_err ub_epoch_open(
	const struct ub_epoch_opener *o, const uint8_t sealed[UB_SEALED_LEN], struct ub_symkey *ret)
{
	uint8_t in[INNER_LEN];
	uint8_t want[SCOPE_LEN + 32];
	UB_CLEANUP(ub_symkey_wipe) struct ub_symkey k = {0};
	bool fits;
	ub_err e;

	if (crypto_box_seal_open(in, sealed, UB_SEALED_LEN, o->kex.b, o->sec->b))
		return UNIBUS_ERR_NO_KEY_EPOCH;
	scope_of(&o->room, o->n, want);
	memcpy(want + SCOPE_LEN, o->self.b, 32);
	fits = sodium_memcmp(in + 32, want, sizeof(want)) == 0;
	memcpy(k.b, in, 32);
	sodium_memzero(in, sizeof(in));
	if (!fits)
		return UNIBUS_ERR_NO_KEY_EPOCH;
	e = commit_check(&k, &o->room, o->n, &o->commit);
	if (!e)
		*ret = k;
	return e;
}

static int by_endpoint(const void *a, const void *b)
{
	const struct ub_sealed *x = a, *y = b;

	return ub_endpoint_cmp(&x->to, &y->to);
}

void ub_sealed_root(struct ub_sealed *list, size_t n, struct ub_hash *ret)
{
	crypto_generichash_state st;
	struct ub_hash h;

	if (n)
		qsort(list, n, sizeof(*list), by_endpoint);
	crypto_generichash_init(&st, NULL, 0, 32);
	for (size_t i = 0; i < n; i++) {
		ub_hash(list[i].b, sizeof(list[i].b), &h);
		crypto_generichash_update(&st, list[i].to.b, 32);
		crypto_generichash_update(&st, h.b, 32);
	}
	crypto_generichash_final(&st, ret->b, 32);
}

void ub_backlink_make(const struct ub_symkey *k_n, const struct ub_symkey *k_prev,
	const struct ub_room_id *room, uint32_t n, const uint8_t nonce[24],
	uint8_t ret[UB_BACKLINK_LEN])
{
	UB_CLEANUP(ub_symkey_wipe) struct ub_symkey key = {0};
	uint8_t scope[SCOPE_LEN];

	scope_of(room, n, scope);
	derive(k_n, LABEL_BACKLINK, sizeof(LABEL_BACKLINK), scope, key.b);
	memcpy(ret, nonce, 24);
	crypto_aead_xchacha20poly1305_ietf_encrypt(ret + 24, NULL, k_prev->b, sizeof(k_prev->b),
		scope, sizeof(scope), NULL, nonce, key.b);
}

ub_err ub_backlink_open(const struct ub_symkey *k_n, const struct ub_room_id *room, uint32_t n,
	const uint8_t link[UB_BACKLINK_LEN], const struct ub_hash *commit_prev,
	struct ub_symkey *ret)
{
	UB_CLEANUP(ub_symkey_wipe) struct ub_symkey key = {0};
	UB_CLEANUP(ub_symkey_wipe) struct ub_symkey prev = {0};
	uint8_t scope[SCOPE_LEN];
	ub_err e;

	/* Epoch 1 and what is before it have nothing behind them. */
	if (n < 2)
		return UNIBUS_ERR_NO_KEY_EPOCH;
	scope_of(room, n, scope);
	derive(k_n, LABEL_BACKLINK, sizeof(LABEL_BACKLINK), scope, key.b);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(prev.b, NULL, NULL, link + 24,
		    UB_BACKLINK_LEN - 24, scope, sizeof(scope), link, key.b))
		return UNIBUS_ERR_NO_KEY_EPOCH;
	e = commit_check(&prev, room, n - 1, commit_prev);
	if (!e)
		*ret = prev;
	return e;
}
