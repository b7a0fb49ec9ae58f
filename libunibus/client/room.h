/* room.h: the handle of a room, and changes of rooms that more than one file makes.
 *
 * Threads: any. */
#ifndef UB_CLIENT_ROOM_H
#define UB_CLIENT_ROOM_H

#include <unibus/room.h>

#include "client/roomcache.h"

struct unibus_room {
	unibus_client *c;
	struct ub_croom *r;
};

/* At the door of every function with a room: as ub_client_enter, and the store opened. */
UB_MUST_CHECK
ub_err ub_room_enter(const unibus_room *room);
UB_MUST_CHECK
ub_err ub_room_handle(unibus_client *c, struct ub_croom *r, unibus_room **ret);

/* Removes up to UB_ENTRY_OPS_MAX - 1 peers in one entry; who is not in the room, or was added after
 * entry `as_of`, is passed over. The owner is taken over from. */
UB_MUST_CHECK
ub_err ub_room_drop(unibus_client *c, struct ub_croom *r, const struct ub_endpoint *who, size_t n,
	uint64_t as_of);
UB_MUST_CHECK
ub_err ub_room_rekey_now(unibus_client *c, struct ub_croom *r);

void ub_policy_public(const struct ub_policy *from, struct unibus_policy *ret);

#endif
