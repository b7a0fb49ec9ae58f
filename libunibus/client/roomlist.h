/* roomlist.h: the rooms of this peer as the server lists them.
 *
 * Threads: any. */
#ifndef UB_CLIENT_ROOMLIST_H
#define UB_CLIENT_ROOMLIST_H

#include "client/roomsync.h"

/* Calls fn for each until it returns false. What a call can fail of. */
UB_MUST_CHECK
ub_err ub_rooms_list(
	unibus_client *c, bool (*fn)(void *arg, const struct ub_room_hint *hint), void *arg);
/* UNIBUS_ERR_NOT_FOUND when this peer is in no such room. */
UB_MUST_CHECK
ub_err ub_rooms_find_subject(unibus_client *c, const char *subject, struct ub_room_hint *ret);

#endif
