/* message.h: subscriptions, and handing a judged message to them.
 *
 * Threads: the list of a room's subscriptions is guarded by the client's lock; delivery is the
 * dispatcher's. */
#ifndef UB_CLIENT_MESSAGE_H
#define UB_CLIENT_MESSAGE_H

#include <unibus/message.h>

#include "client/feed.h"
#include "client/judge.h"
#include "client/position.h"
#include "client/room.h"
#include "core/frame.h"
#include "core/ulid.h"

enum ub_pick { UB_PICK_NONE, UB_PICK_WANTS, UB_PICK_HAD };

struct unibus_sub {
	struct unibus_sub *next;
	unibus_client *c;
	bool inner;        /* the library's own: called on the dispatcher in every case */
	bool signals;      /* typing, receipts and beacons, too */
	unibus_room *room; /* the caller's handle, not to be touched once `ended` */
	struct ub_croom *room_of;
	unibus_msg_fn fn;
	void *arg;
	bool ended;
	struct unibus_sub *next_dead;
	unsigned refs; /* of the caller, of a page on its way */

	/* Of a persisted room. */
	bool kept;
	struct ub_feed feed;
	enum ub_pick pick;            /* the frame in hand is for this one */
	void (*caught_up)(void *arg); /* NULL: none, or called already */
	struct ub_position position;  /* fd -1: not durable; the dispatcher's once it runs */
	uint64_t repeated;            /* the message that may have been delivered before */
	bool io_told;
};
/* Frees it after the last. No lock. */
void ub_sub_unref(unibus_client *c, struct unibus_sub *sub);

/* Gives the message to every subscription of the room, one that is kept to those that were picked;
 * fills in msg->room. */
void ub_deliver(unibus_client *c, struct ub_croom *r, struct unibus_msg *msg);

/* A message of a room as it came from the bus. Runs on the dispatcher. */
void ub_receive(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg);

/* A frame of the history, live or from a page, parsed: judged and given to the subscriptions that
 * were picked, or dropped and told. UNIBUS_ERR_UNAVAILABLE: it cannot be judged right now, and
 * nothing was done. */
UB_MUST_CHECK
ub_err ub_receive_kept(struct ub_judge *j);

/* It is none: dropped, and told. */
void ub_receive_bad(struct ub_judge *j);

/* What a message looks like to callbacks. The texts are those that it points to. */
struct ub_msg_texts {
	char id[UB_ULID_TEXT + 1], sender[UB_ID_TEXT + 1], handle[UB_HANDLE_MAX + 1];
	char media[UB_MEDIA_TYPE_MAX + 1];
	unibus_ref ref, thread, reply;
};
void ub_msg_fill(const struct ub_judge *j, const struct ub_payload *payload, struct ub_msg_texts *t,
	struct unibus_msg *ret);
/* Judges a frame of the history without giving it to anybody. j->permit is set. As
 * ub_receive_kept, and the verdicts. */
UB_MUST_CHECK
ub_err ub_receive_past(struct ub_judge *j, struct ub_buf *plain, struct ub_payload *ret);

struct ub_ack;
/* What unibus_publish checks first. */
UB_MUST_CHECK
ub_err ub_publish_check(unibus_room *room, const struct unibus_publish *p);
/* What is sent, and how; all but `p` may be NULL. */
struct ub_publication {
	const struct unibus_publish *p;
	const struct ub_ulid *id; /* NULL: a new one */
	char *ref;
	struct ub_ack *ack; /* all that can fail once it is sent is mended later */
};
/* Sends it; the caller has checked what the public function checks. */
UB_MUST_CHECK
ub_err ub_publish(unibus_client *c, struct ub_croom *r, const struct ub_publication *what);
/* unibus_publish with an id of ub_publish_id, for whoever must know the ref before an answer comes.
 */
UB_MUST_CHECK
ub_err ub_publish_as(
	unibus_room *room, const struct unibus_publish *p, const struct ub_ulid *id, char *ref);
void ub_publish_id(unibus_client *c, struct ub_ulid *ret);
/* unibus_subscribe_from for the library itself: callbacks run on the dispatcher in every case. */
UB_MUST_CHECK
ub_err ub_subscribe_inner(unibus_room *room, const struct unibus_subscription *s, unibus_sub **ret);

void ub_ref_encode(const struct ub_ref *ref, unibus_ref to);
/* UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err ub_ref_decode(const char *text, struct ub_ref *ret);

#endif
