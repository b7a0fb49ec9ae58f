/* chores.h: the thread that looks again by REST at what a notify message, a new connection or the
 * passing of time hints at: rooms, logs, invitations, due rotations, files to be saved.
 *
 * Threads: any. */
#ifndef UB_CLIENT_CHORES_H
#define UB_CLIENT_CHORES_H

#include "client/roomcache.h"

UB_MUST_CHECK
ub_err ub_chores_start(unibus_client *c);
/* Waits for what it is doing. c->closing must be set. */
void ub_chores_stop(unibus_client *c);
void ub_chores_free(struct ub_chores *ch);

/* Reads the list of this peer's rooms soon. Nothing in a control-only client; likewise below. */
void ub_chores_list(unibus_client *c);
/* Reads the room's log soon. */
void ub_chores_sync(unibus_client *c, struct ub_croom *r);
/* Asks soon who is in the room by name. */
void ub_chores_names(unibus_client *c, struct ub_croom *r);
/* Asks soon whether this key is revoked. */
void ub_chores_ask(unibus_client *c);
/* Looks at plans and files by ub_mono_ms `at` at the latest. */
void ub_chores_wake(unibus_client *c, uint64_t at);

/* A notify message, as it came. Does not block. */
void ub_notify(unibus_client *c, struct ub_bytes text);

#endif
