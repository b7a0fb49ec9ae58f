/* notify.h: short notes to peers on unibus.notify.<E>: hints to re-read by REST, nothing more.
 *
 * {"v":1,"type":"grant|room|tail|revoked","room":ROOM,"seq":n,"revision":text}; a note that is
 * about no room has no room and no seq. "narrows":true says that the peer lost rights in the room:
 * sessions that still have them are closed soon.
 *
 * Threads: any. */
#ifndef MD_NOTIFY_H
#define MD_NOTIFY_H

#include "core/buf.h"
#include "membershipd/domain/service.h"
#include "membershipd/nats/link.h"

/* The note's text for an event. */
UB_MUST_CHECK
ub_err md_notify_text(struct md_service *s, const struct md_event *ev, struct ub_buf *out);
/* Sends it to everyone the event names; gives how many could not be sent to (the bus is down). A
 * note lost costs nothing but time: the list of rooms is re-read after every connect. */
size_t md_notify_send(struct md_link *l, const struct md_event *ev, struct ub_str text);

#endif
