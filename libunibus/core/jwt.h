/* jwt.h: NATS JWTs: header {"typ":"JWT","alg":"ed25519-nkey"}, plain Ed25519 by an nkey.
 *
 * Threads: pure. Source: nats-io/jwt v2 as measured; PROTOCOL.md section 6. */
#ifndef UB_JWT_H
#define UB_JWT_H

#include <jansson.h>

#include "core/base.h"
#include "core/buf.h"
#include "core/nkey.h"

/* Appends the token to *out. `claims` lacks iss, iat and jti, which are added here: iss from the
 * key in nkey form of `type`, iat = now_s, jti = base32(SHA-512/256 substitute: BLAKE2b-256) of the
 * claims: nobody verifies it, it only has to be unique. `claims` has at least one member and is not
 * changed. UNIBUS_ERR_TOO_LARGE beyond UB_JWT_MAX or the buffer's maximum, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_jwt_sign(const struct ub_signkey *k, enum ub_nkey_type type, const json_t *claims,
	uint64_t now_s, struct ub_buf *out);

/* The same for claims that are text already: `members` is what stands between the braces of the
 * object, at least one member, valid JSON by the caller's word. */
UB_MUST_CHECK
ub_err ub_jwt_sign_text(const struct ub_signkey *k, enum ub_nkey_type type, struct ub_str members,
	uint64_t now_s, struct ub_buf *out);

/* Splits, checks header and version 2, checks that iss is an nkey of `type` and that its key
 * signed the token. *ret owns the claims. Judges no time and no other claim. UNIBUS_ERR_INVALID,
 * UNIBUS_ERR_BAD_SIGNATURE, UNIBUS_ERR_TOO_LARGE, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_jwt_verify(
	struct ub_str token, enum ub_nkey_type type, struct ub_pubkey *ret_iss, json_t **ret);

#endif
