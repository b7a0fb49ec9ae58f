/* names.h: which handle an endpoint has: pinned, else as the server says; for people to read.
 *
 * Threads: any. */
#ifndef UB_CLIENT_NAMES_H
#define UB_CLIENT_NAMES_H

#include "client/client.h"
#include "core/limits.h"

struct ub_names;
struct ub_croom;

UB_MUST_CHECK
ub_err ub_names_new(struct ub_names **ret);
void ub_names_free(struct ub_names *n);

/* "" when unknown. */
void ub_names_get(unibus_client *c, const struct ub_endpoint *id, char to[UB_HANDLE_MAX + 1]);
/* What a server said. A handle that is pinned to another endpoint is not believed, but told as
 * UNIBUS_EVENT_KEY_CHANGED. */
void ub_names_put(unibus_client *c, const struct ub_endpoint *id, struct ub_str handle);

/* Reads the members' handles from the server, and calls fn (may be NULL) for each member whose user
 * is revoked. What a call can fail of. */
UB_MUST_CHECK
ub_err ub_names_fetch(unibus_client *c, struct ub_croom *r,
	void (*fn)(void *arg, const struct ub_endpoint *revoked), void *arg);

#endif
