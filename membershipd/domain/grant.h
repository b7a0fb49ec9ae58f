/* grant.h: membership -> what a peer may do on the bus. Explicit lists, nothing else.
 *
 * Threads: any; from memory alone. */
#ifndef MD_GRANT_H
#define MD_GRANT_H

#include "core/claims.h"
#include "membershipd/domain/service.h"

struct md_grant {
	struct ub_permissions perms; /* points into what follows */
	char **subjects;             /* owned */
	size_t n_subjects;
	uint64_t rev;    /* the directory's when it was made */
	uint64_t *rooms; /* sorted: first 8 bytes of each room id granted, owned */
	size_t n_rooms;
};
/* UNIBUS_ERR_UNKNOWN_KEY, UNIBUS_ERR_REVOKED: definite refusals. UNIBUS_ERR_UNAVAILABLE,
 * UNIBUS_ERR_NOMEM, UNIBUS_ERR_TOO_LARGE: cannot decide, stay silent. */
UB_MUST_CHECK
ub_err md_grant_for(struct md_service *s, const struct ub_pubkey *key, struct md_grant *ret);
void md_grant_deinit(struct md_grant *g);
bool md_grant_has_room(const struct md_grant *g, const struct ub_room_id *room);

/* Has `id` lost anything since revision `rev`? Revoked or unknown, or narrowed in any room. For
 * answers that were given while a change was on its way. */
bool md_grant_stale(struct md_service *s, const struct ub_endpoint *id, uint64_t rev);

#endif
