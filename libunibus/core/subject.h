/* subject.h: which subjects a room may have, and which subjects its traffic uses on NATS.
 *
 * Threads: pure. Source: PROTOCOL.md section 6. */
#ifndef UB_SUBJECT_H
#define UB_SUBJECT_H

#include "core/base.h"
#include "core/limits.h"

/* A room's subject: literal tokens [A-Za-z0-9_-]+ joined by dots, at most UB_SUBJECT_MAX bytes and
 * UB_SUBJECT_TOKENS_MAX tokens, first token not reserved ("unibus", "_INBOX" and what begins with
 * "$" cannot be spelled or are refused). UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err ub_subject_check(struct ub_str s);

/* A handle: [a-z0-9][a-z0-9._-]{0,31}. UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err ub_handle_check(struct ub_str s);

/* Longest wire subject: "unibus.room." + 22 + "." + 22, or a plain room's own subject. */
#define UB_WIRE_MAX UB_SUBJECT_MAX
struct ub_wire {
	char z[UB_WIRE_MAX + 1];
};
#define UB_WIRE_LOG "unibus.log"   /* what begins with it is to be kept */
#define UB_WIRE_LIVE "unibus.live" /* what begins with it is kept */
#define UB_WIRE_TOKEN 22           /* the first characters of an endpoint or room id */

/* "unibus.notify.<E>" */
void ub_wire_notify(const struct ub_endpoint *e, struct ub_wire *ret);
/* "unibus.room.<R>.<E>": where E publishes in any room that is not plain. */
void ub_wire_publish(const struct ub_room_id *r, const struct ub_endpoint *e, struct ub_wire *ret);
/* "unibus.log<shard>.<R>.<E>": where E publishes what is to be kept. */
void ub_wire_publish_log(unsigned shard, const struct ub_room_id *r, const struct ub_endpoint *e,
	struct ub_wire *ret);
/* "unibus.*.<R>.*": what a member of a framed room subscribes. */
void ub_wire_subscribe(const struct ub_room_id *r, struct ub_wire *ret);
/* First byte of the room id modulo the number of shards. */
unsigned ub_wire_shard(const struct ub_room_id *r, unsigned shards);

/* Takes a received framed subject apart: checks that its room token is that of `r` and gives the
 * sender token (borrowed, UB_WIRE_TOKEN characters). UNIBUS_ERR_CORRUPT. */
UB_MUST_CHECK
ub_err ub_wire_sender(struct ub_str subject, const struct ub_room_id *r, struct ub_str *ret);

#endif
