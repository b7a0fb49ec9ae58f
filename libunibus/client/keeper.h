/* keeper.h: the thread that gets pages of the history for subscriptions that lag, and looks after
 * messages that wait for their echo.
 *
 * Threads: any. */
#ifndef UB_CLIENT_KEEPER_H
#define UB_CLIENT_KEEPER_H

#include "client/client.h"

UB_MUST_CHECK
ub_err ub_keeper_start(unibus_client *c);
/* Waits for what it is doing. c->closing must be set. */
void ub_keeper_stop(unibus_client *c);
void ub_keeper_free(struct ub_keeper *k);

#endif
