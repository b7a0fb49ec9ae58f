/* user.h: the allowlist: who may use either plane.
 *
 * Threads: any. */
#ifndef MD_USER_H
#define MD_USER_H

#include "membershipd/domain/service.h"

struct md_user {
	struct ub_pubkey sign;
	struct ub_endpoint id;
	char handle[UB_HANDLE_MAX + 1];
	bool admin, active;
	uint64_t created_ms, revoked_ms; /* revoked_ms 0: never */
};

struct md_user_add {
	struct ub_pubkey sign;
	struct ub_str handle;
	bool admin;
};
/* `by` NULL: the trusted host (CLI). A known active key with the same data: UB_OK, *ret_created
 * false, nothing written. A revoked key is registered anew. UNIBUS_ERR_INVALID (key or handle),
 * UNIBUS_ERR_KEY_TAKEN, UNIBUS_ERR_HANDLE_TAKEN, UNIBUS_ERR_DENIED, and the store's errors. */
UB_MUST_CHECK
ub_err md_user_add(struct md_service *s, const struct md_caller *by, const struct md_user_add *u,
	bool *ret_created, uint64_t *ret_rev);

/* Flips the status, never deletes; repeated on a revoked user it repeats the kick. Returns after
 * the barrier. UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_LAST_ADMIN, UNIBUS_ERR_DENIED, store's errors. */
UB_MUST_CHECK
ub_err md_user_revoke(struct md_service *s, const struct md_caller *by, const struct ub_pubkey *key,
	struct md_taken *ret);

/* Why md_user_add or md_user_revoke refused, a sentence for a person: REST and command line say
 * the same. Static. */
const char *md_user_add_says(ub_err err);
const char *md_user_revoke_says(ub_err err);

/* UNIBUS_ERR_NOT_FOUND; revoked users are found. */
UB_MUST_CHECK
ub_err md_user_get(struct md_service *s, const struct ub_endpoint *id, struct md_user *ret);
UB_MUST_CHECK
ub_err md_user_by_handle(struct md_service *s, struct ub_str handle, struct md_user *ret);

/* Up to `max` users with handle > after (empty: from the start), by handle, revoked included.
 * *ret_n users were written to `to`. */
UB_MUST_CHECK
ub_err md_user_list(
	struct md_service *s, struct ub_str after, struct md_user *to, size_t max, size_t *ret_n);

/* The caller of a signed request: UNIBUS_ERR_UNKNOWN_KEY, UNIBUS_ERR_REVOKED,
 * UNIBUS_ERR_UNAVAILABLE (no lease). No I/O. */
UB_MUST_CHECK
ub_err md_caller_find(struct md_service *s, const struct ub_pubkey *key, struct md_caller *ret);

#endif
