/* store.h: what a client has on disk, opened when it is first needed: at unibus_connect, or at the
 * first call about rooms or peers of a control-only client.
 *
 * Threads: any. */
#ifndef UB_CLIENT_STORE_H
#define UB_CLIENT_STORE_H

#include "client/client.h"
#include "client/pins.h"
#include "client/statedir.h"

/* Idempotent. UNIBUS_ERR_BAD_FILE, UNIBUS_ERR_LOCKED, UNIBUS_ERR_IO, UNIBUS_ERR_INSECURE_FILE,
 * UNIBUS_ERR_INVALID (no place for it), UNIBUS_ERR_NOMEM; the client's detail says more. */
UB_MUST_CHECK
ub_err ub_store_need(unibus_client *c);
void ub_store_free(unibus_client *c);

/* Once it is open. */
struct ub_statedir *ub_store_dir(unibus_client *c);
struct ub_pins *ub_store_pins(unibus_client *c); /* NULL before ub_store_need */
uint64_t ub_store_session(unibus_client *c);     /* this client's frame session */

#endif
