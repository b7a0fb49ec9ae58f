/* unibus/identity.h: who a peer is: an Ed25519 signing key and an X25519 key-exchange key.
 *
 * The file is JSON with sign_pub, sign_priv, kex_pub, kex_priv in base64 (32, 64, 32, 32 bytes),
 * mode 0600. It is created with O_EXCL and never overwritten: an unreadable or corrupt file is an
 * error, not a reason for a new identity.
 *
 * Threads: an identity is immutable; any number of threads may use it. */
#ifndef UNIBUS_IDENTITY_H
#define UNIBUS_IDENTITY_H

#include <unibus/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct unibus_identity unibus_identity;

/* New random keys in memory only. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_identity_new(unibus_identity **ret);
/* New random keys, written to `path`, which must not exist (UNIBUS_ERR_EXISTS). UNIBUS_ERR_IO. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_identity_create(
	const char *path, unibus_identity **ret);
/* UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_INSECURE_FILE (group or others can read it),
 * UNIBUS_ERR_BAD_FILE (not an identity, or its halves do not belong together), UNIBUS_ERR_IO. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_identity_load(
	const char *path, unibus_identity **ret);
/* Loads; creates only when the file is missing. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_identity_load_or_create(
	const char *path, unibus_identity **ret);
/* Wipes the keys. Clients made with it keep their own copy. */
UNIBUS_API void unibus_identity_free(unibus_identity *id);

/* Text forms, owned by the identity. */
UNIBUS_API const char *unibus_identity_endpoint(const unibus_identity *id);    /* 43 characters */
UNIBUS_API const char *unibus_identity_sign_pub(const unibus_identity *id);    /* 64 hex digits */
UNIBUS_API const char *unibus_identity_nkey(const unibus_identity *id);        /* "U..." */
UNIBUS_API const char *unibus_identity_fingerprint(const unibus_identity *id); /* to compare */

#ifdef __cplusplus
}
#endif
#endif
