/* message.h: subscriptions, and handing a judged message to them.
 *
 * Threads: the list of a room's subscriptions is guarded by the client's lock; delivery is the
 * dispatcher's. */
#ifndef UB_CLIENT_MESSAGE_H
#define UB_CLIENT_MESSAGE_H

#include <unibus/message.h>

#include "client/room.h"
#include "core/frame.h"

struct unibus_sub {
	struct unibus_sub *next;
	bool signals;      /* typing, receipts and beacons, too */
	unibus_room *room; /* the caller's handle */
	unibus_msg_fn fn;
	void *arg;
	bool ended;
	struct unibus_sub *next_dead;
};

/* Gives the message to every subscription of the room; fills in msg->room. */
void ub_deliver(unibus_client *c, struct ub_croom *r, struct unibus_msg *msg);

/* A message as it came from the bus; `r` NULL: a notify message. Runs on the dispatcher. */
void ub_receive(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg);

/* Sends it; the caller has checked what the public function checks. `ref` may be NULL. */
UB_MUST_CHECK
ub_err ub_publish(unibus_client *c, struct ub_croom *r, const struct unibus_publish *p, char *ref);

void ub_ref_encode(const struct ub_ref *ref, unibus_ref to);
/* UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err ub_ref_decode(const char *text, struct ub_ref *ret);

#endif
