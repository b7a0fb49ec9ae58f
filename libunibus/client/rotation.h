/* rotation.h: giving a room a new key when somebody left, was revoked or renewed his own, or when
 * the key has been used for long.
 *
 * Threads: any. */
#ifndef UB_CLIENT_ROTATION_H
#define UB_CLIENT_ROTATION_H

#include "client/roomcache.h"

/* Looks whether a rotation is due, tells once, and plans it if this peer may do it. No lock may be
 * held. */
void ub_rotation_note(unibus_client *c, struct ub_croom *r);
/* May be sent now? UNIBUS_ERR_ROTATION_DUE when a rotation has been due for too long. r->lock is
 * held. */
UB_MUST_CHECK
ub_err ub_rotation_check(const struct ub_croom *r);
/* Does what was planned for now; for the chores. */
void ub_rotation_run(unibus_client *c, struct ub_croom *r);

#endif
