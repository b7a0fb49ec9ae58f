/* peer.h: key records: stored as their owners signed them.
 *
 * Threads: any. md_peer_get reads the store. */
#ifndef MD_PEER_H
#define MD_PEER_H

#include "core/buf.h"
#include "membershipd/domain/service.h"

/* The caller's own record. The same text again is UB_OK. UNIBUS_ERR_INVALID (form, or not the
 * caller's key), UNIBUS_ERR_BAD_SIGNATURE, UNIBUS_ERR_EXPIRED, UNIBUS_ERR_CONFLICT (seq not above
 * the stored one), store's errors. */
UB_MUST_CHECK
ub_err md_peer_put(
	struct md_service *s, const struct md_caller *by, struct ub_str text, uint64_t *ret_rev);
/* Appends the signed text. UNIBUS_ERR_NOT_FOUND, store's errors. */
UB_MUST_CHECK
ub_err md_peer_get(struct md_service *s, const struct ub_endpoint *id, struct ub_buf *ret);

#endif
