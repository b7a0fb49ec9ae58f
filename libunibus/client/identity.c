#include "client/identity.h"

#include "client/identity_file.h"
#include "core/key.h"
#include "core/num.h"

/* From checked keys; wipes nothing of the caller's. */
static ub_err identity_make(const struct ub_identity_keys *keys, unibus_identity **ret)
{
	UB_CLEANUP(unibus_identity_freep) unibus_identity *id = calloc(1, sizeof(*id));

	if (!id)
		return UNIBUS_ERR_NOMEM;
	id->keys = sodium_malloc(sizeof(*id->keys));
	if (!id->keys)
		return UNIBUS_ERR_NOMEM;
	*id->keys = *keys;
	if (sodium_mprotect_readonly(id->keys) != 0)
		return UNIBUS_ERR_NOMEM;
	ub_signkey_pub(&id->keys->sign, &id->sign_pub);
	ub_kexsec_pub(&id->keys->kex, &id->kex_pub);
	ub_endpoint_of(&id->sign_pub, &id->endpoint);
	ub_endpoint_encode(&id->endpoint, id->endpoint_text);
	ub_hex_encode(id->sign_pub.b, sizeof(id->sign_pub.b), id->sign_pub_text);
	ub_nkey_encode(UB_NKEY_USER, id->sign_pub.b, id->nkey_text);
	ub_fingerprint(&id->endpoint, id->fingerprint_text);
	*ret = UB_TAKE(id);
	return UB_OK;
}

static void keys_wipe(struct ub_identity_keys *keys)
{
	sodium_memzero(keys, sizeof(*keys));
}

static void keys_random(struct ub_identity_keys *ret)
{
	struct ub_seed {
		uint8_t b[32];
	} seed;

	randombytes_buf(seed.b, sizeof(seed.b));
	ub_signkey_from_seed(seed.b, &ret->sign);
	sodium_memzero(&seed, sizeof(seed));
	randombytes_buf(ret->kex.b, sizeof(ret->kex.b));
}

ub_err ub_identity_copy(const unibus_identity *id, unibus_identity **ret)
{
	return identity_make(id->keys, ret);
}

enum unibus_err unibus_identity_new(unibus_identity **ret)
{
	UB_CLEANUP(keys_wipe) struct ub_identity_keys keys = {0};
	ub_err err;

	if (!ret)
		return UNIBUS_ERR_INVALID;
	err = ub_core_init();
	if (err != UB_OK)
		return err;
	keys_random(&keys);
	return identity_make(&keys, ret);
}

enum unibus_err unibus_identity_create(const char *path, unibus_identity **ret)
{
	UB_CLEANUP(unibus_identity_freep) unibus_identity *id = NULL;
	ub_err err;

	if (!path || !ret)
		return UNIBUS_ERR_INVALID;
	err = unibus_identity_new(&id);
	if (err == UB_OK)
		err = ub_identity_file_create(path, id);
	if (err != UB_OK)
		return err;
	*ret = UB_TAKE(id);
	return UB_OK;
}

enum unibus_err unibus_identity_load(const char *path, unibus_identity **ret)
{
	UB_CLEANUP(keys_wipe) struct ub_identity_keys keys = {0};
	ub_err err;

	if (!path || !ret)
		return UNIBUS_ERR_INVALID;
	err = ub_core_init();
	if (err == UB_OK)
		err = ub_identity_file_read(path, &keys);
	if (err != UB_OK)
		return err;
	return identity_make(&keys, ret);
}

enum unibus_err unibus_identity_load_or_create(const char *path, unibus_identity **ret)
{
	ub_err err = unibus_identity_load(path, ret);

	if (err == UNIBUS_ERR_NOT_FOUND)
		err = unibus_identity_create(path, ret);
	/* Somebody else made it in between: theirs is the identity. */
	if (err == UNIBUS_ERR_EXISTS)
		err = unibus_identity_load(path, ret);
	return err;
}

void unibus_identity_free(unibus_identity *id)
{
	if (!id)
		return;
	sodium_free(id->keys);
	free(id);
}

const char *unibus_identity_endpoint(const unibus_identity *id)
{
	return id->endpoint_text;
}

const char *unibus_identity_sign_pub(const unibus_identity *id)
{
	return id->sign_pub_text;
}

const char *unibus_identity_nkey(const unibus_identity *id)
{
	return id->nkey_text;
}

const char *unibus_identity_fingerprint(const unibus_identity *id)
{
	return id->fingerprint_text;
}
