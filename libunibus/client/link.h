/* link.h: being connected to a message server, over lost connections and changed rights.
 *
 * Permissions are fixed when a connection logs in. A change of rights, or a session about to
 * expire, is a second connection: rooms move over, the old one drains, and what the new one brings
 * waits for that: so messages stay in order, and those that come twice are known by their numbers.
 * A lost connection is replaced for ever, with jitter, unless the control plane says that the key
 * is revoked or unknown.
 *
 * Threads: any. One thread of its own makes and ends connections. */
#ifndef UB_CLIENT_LINK_H
#define UB_CLIENT_LINK_H

#include "client/client.h"
#include "client/roomcache.h"
#include "core/b64url.h"

/* Sets c->link and begins to connect. */
UB_MUST_CHECK
ub_err ub_link_start(unibus_client *c, const struct bus_ops *ops);
/* Waits for the first connection until `deadline` (ub_mono_ms); why there is none otherwise. */
UB_MUST_CHECK
ub_err ub_link_wait_first(unibus_client *c, uint64_t deadline);
/* Ends the thread and all connections; no callback of theirs runs afterwards. c->closing must be
 * set. */
void ub_link_stop(unibus_client *c);
void ub_link_free(struct ub_link *l);

/* The rights in `r` changed: only connections made from now on will do for it. */
void ub_link_renew(unibus_client *c, struct ub_croom *r);
/* Some rights in `r` are gone: the server closes connections from before soon, so rooms move at
 * once. The new connection waits a moment for the room's log to be read (ub_croom_derive), unless
 * there is nothing to `await`. */
void ub_link_move(unibus_client *c, struct ub_croom *r, bool await);
/* Subscribes to the room's messages; returns when the server has taken it. It stays over all
 * connections while r->subs is set. UNIBUS_ERR_DENIED, _TIMEOUT, _NETWORK, _REVOKED, _CLOSED,
 * _CANCELLED. */
UB_MUST_CHECK
ub_err ub_link_attach(unibus_client *c, struct ub_croom *r);
/* After the last subscription of the room is gone. */
void ub_link_detach(unibus_client *c, struct ub_croom *r);
/* A message to be sent; data borrowed. */
struct ub_outgoing {
	struct ub_wire wire;
	char msg_id[UB_B64URL_LEN(16) + 1]; /* "": it is not to be kept */
	struct ub_bytes data;
};
/* Hands a message to the connection, waiting for one that has the rights. Errors as attach. */
UB_MUST_CHECK
ub_err ub_link_publish(unibus_client *c, struct ub_croom *r, const struct ub_outgoing *o);
/* UNIBUS_ERR_NETWORK also when a connection was lost with messages that were not confirmed since
 * the last flush. */
UB_MUST_CHECK
ub_err ub_link_flush(unibus_client *c, unsigned timeout_ms);

/* Is there a connection? The client's lock must be held. */
bool ub_link_up(unibus_client *c);
void ub_link_server(unibus_client *c, char *to, size_t len);

#endif
