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
	bool inner;        /* the library's own: called on the dispatcher in every case */
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

/* Sends it; the caller has checked what the public function checks. `ref` may be NULL, and so may
 * `id`: a new one. */
UB_MUST_CHECK
ub_err ub_publish(unibus_client *c, struct ub_croom *r, const struct unibus_publish *p,
	const struct ub_ulid *id, char *ref);
/* unibus_publish with an id of ub_publish_id, for whoever must know the ref before an answer comes.
 */
UB_MUST_CHECK
ub_err ub_publish_as(
	unibus_room *room, const struct unibus_publish *p, const struct ub_ulid *id, char *ref);
void ub_publish_id(unibus_client *c, struct ub_ulid *ret);
/* unibus_subscribe for the library itself: `fn` runs on the dispatcher in every case. */
UB_MUST_CHECK
ub_err ub_subscribe_inner(unibus_room *room, unibus_msg_fn fn, void *arg, unibus_sub **ret);

void ub_ref_encode(const struct ub_ref *ref, unibus_ref to);
/* UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err ub_ref_decode(const char *text, struct ub_ref *ret);

#endif
