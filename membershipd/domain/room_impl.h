/* room_impl.h: what the halves of room.h share.
 *
 * Threads: as room.h. Internal to domain/. */
#ifndef MD_ROOM_IMPL_H
#define MD_ROOM_IMPL_H

#include "membershipd/domain/room.h"
#include "membershipd/domain/service_impl.h"

/* The room and the caller's membership that counts, under the directory's lock.
 * UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_DENIED. */
UB_MUST_CHECK
ub_err md_room_enter(const struct md_directory *d, const struct ub_room_id *id,
	const struct ub_endpoint *who, struct md_link **ret);

/* The caller's wire subjects as they are now, empty when not joined. */
void md_room_wire_now(struct md_service *s, const struct ub_room_id *id,
	const struct ub_endpoint *who, struct md_wire *ret);

/* Is that very text the entry (room, seq)? UNIBUS_ERR_NOT_FOUND when another one is, or none. */
UB_MUST_CHECK
ub_err md_room_find_entry(struct md_service *s, const struct ub_room_id *id, uint64_t seq,
	struct ub_str text, uint64_t *ret_rev);

/* The entry's epoch op; NULL without one. */
const struct ub_epoch_op *md_room_epoch_of(const struct ub_entry *e);
/* Are the sealed keys what the entry needs: of all members for an epoch op, of those whom it adds
 * to an encrypted room without one, else none? UNIBUS_ERR_BAD_ROSTER. */
UB_MUST_CHECK
ub_err md_room_set_check(
	const struct ub_room *after, const struct ub_entry *e, struct md_room_change *c);

/* Takes the entry's adds and removes from the actor's share. UNIBUS_ERR_SLOW_DOWN. */
UB_MUST_CHECK
ub_err md_room_charge(
	struct md_service *s, const struct ub_endpoint *who, const struct ub_entry *e);

/* ---- room_set.c: sealed keys on disk ---- */

/* Writes the set, which is there already when it was written before. */
UB_MUST_CHECK
ub_err md_set_write(
	struct md_service *s, const struct md_set *set, const struct ub_sealed *list, size_t n);
/* Removes what there is of it, of an entry that lost; what stays is left to the sweep. */
void md_set_discard(struct md_service *s, const struct md_set *set);
/* One peer's key. UNIBUS_ERR_NO_KEY. */
UB_MUST_CHECK
ub_err md_set_find(struct md_service *s, const struct md_set *set, const struct ub_endpoint *to,
	uint8_t ret[UB_SEALED_LEN]);

#endif
