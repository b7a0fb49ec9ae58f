/* roomlog_members.h: the sorted list of a room's members, for roomlog*.c only.
 *
 * Threads: like roomlog.h. */
#ifndef UB_ROOMLOG_MEMBERS_H
#define UB_ROOMLOG_MEMBERS_H

#include "core/roomlog.h"

/* Where `e` is, or would be inserted. */
bool ub_members_find(const struct ub_room *room, const struct ub_endpoint *e, size_t *ret_at);
/* A copy of the room with room for `spare` more members; to be deinited. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_members_copy(const struct ub_room *room, size_t spare, struct ub_room *ret);
/* There must be room (asserted). */
void ub_members_insert(struct ub_room *room, size_t at, const struct ub_member *m);
void ub_members_drop(struct ub_room *room, size_t at);

#endif
