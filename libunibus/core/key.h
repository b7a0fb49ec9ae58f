/* key.h: the keys of peers: what is acceptable, and what they sign.
 *
 * Every unibus signature is Ed25519ph over a tag (its trailing NUL included) and the content, so
 * that a signature made for one purpose is worth nothing for another. Plain Ed25519 signs two
 * things only: a NATS login nonce (ub_login_sign) and a NATS JWT (core/jwt.h).
 *
 * Source of the rules: PROTOCOL.md section 1. Threads: pure; call ub_core_init once first. */
#ifndef UB_KEY_H
#define UB_KEY_H

#include <sodium.h>

#include "core/base.h"

/* Makes libsodium ready. Idempotent, any thread. UNIBUS_ERR_INTERNAL when it cannot be. */
UB_MUST_CHECK
ub_err ub_core_init(void);

void ub_signkey_from_seed(const uint8_t seed[32], struct ub_signkey *ret);
void ub_signkey_pub(const struct ub_signkey *k, struct ub_pubkey *ret);
/* The X25519 public key of a secret. */
void ub_kexsec_pub(const struct ub_kexsec *k, struct ub_kexpub *ret);

/* UNIBUS_ERR_INVALID for a signing key that is non-canonical, of small order or off the main
 * subgroup; for a key-exchange key that is of low order or non-canonical. */
UB_MUST_CHECK
ub_err ub_pubkey_check(const struct ub_pubkey *k);
UB_MUST_CHECK
ub_err ub_kexpub_check(const struct ub_kexpub *k);

bool ub_pubkey_eq(const struct ub_pubkey *a, const struct ub_pubkey *b);

/* Tags: string literals with an explicit trailing NUL, UB_TAG_LEN counts it. */
#define UB_TAG_REQUEST "unibus/request/v1"
#define UB_TAG_KEYREC "unibus/keyrec/v1"
#define UB_TAG_ROOM "unibus/room/v1"
#define UB_TAG_FRAME "unibus/frame/v1"

/* Ed25519ph in pieces: init with a tag (its NUL is added), update, then final or verify. */
struct ub_ph {
	crypto_sign_state st;
};
void ub_ph_init(struct ub_ph *ph, const char *tag);
void ub_ph_update(struct ub_ph *ph, const void *p, size_t len);
void ub_ph_sign(struct ub_ph *ph, const struct ub_signkey *k, struct ub_sig *ret);
/* UNIBUS_ERR_BAD_SIGNATURE. */
UB_MUST_CHECK
ub_err ub_ph_verify(struct ub_ph *ph, const struct ub_pubkey *pub, const struct ub_sig *sig);

/* Plain Ed25519 over a login nonce. Refuses (UNIBUS_ERR_INVALID) whatever does not match
 * [A-Za-z0-9_-]{11,64}: a false server must not get anything else signed. */
UB_MUST_CHECK
ub_err ub_login_sign(const struct ub_signkey *k, struct ub_str nonce, struct ub_sig *ret);
/* UNIBUS_ERR_INVALID for the nonce's form, UNIBUS_ERR_BAD_SIGNATURE. */
UB_MUST_CHECK
ub_err ub_login_verify(const struct ub_pubkey *pub, struct ub_str nonce, const struct ub_sig *sig);

/* H(): BLAKE2b-256, in one call. */
void ub_hash(const void *p, size_t len, struct ub_hash *ret);
/* SHA-256, for request bodies, endpoint ids and blobs. */
void ub_sha256(const void *p, size_t len, uint8_t ret[32]);

#endif
