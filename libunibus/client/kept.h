/* kept.h: receiving in persisted rooms: live copies from the log, pages of the history, each frame
 * once for each subscription, in the order of the history.
 *
 * Threads: as each function says. */
#ifndef UB_CLIENT_KEPT_H
#define UB_CLIENT_KEPT_H

#include "client/bus.h"
#include "client/feed.h"
#include "client/roomcache.h"

struct unibus_sub;
struct unibus_msg;

/* What the server's headers and the subject of a live copy say. UNIBUS_ERR_CORRUPT: any of them is
 * missing, twice there, unreadable or at odds with the others: publishers can write any header
 * before the server's. Any thread that has the message. */
UB_MUST_CHECK
ub_err ub_kept_headers(
	unibus_client *c, struct ub_croom *r, const struct bus_msg *msg, struct ub_live *ret);
/* A live copy. The dispatcher. */
void ub_kept_receive(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg);

/* Something may have been missed: every subscription asks for what follows. `conn`: live frames are
 * taken from that connection on; 0: no news of that. Any thread, no lock. */
void ub_kept_lag(unibus_client *c, uint64_t conn);
void ub_kept_lag_room(unibus_client *c, struct ub_croom *r, uint64_t conn);

/* A subscription that wants a page now, referenced, or NULL; *inout_until is lowered to when one
 * will. The keeper, under the client's lock. */
struct unibus_sub *ub_kept_due(unibus_client *c, uint64_t now, uint64_t *inout_until);
/* Gets the page and queues it; gives the reference back. The keeper. */
void ub_kept_fetch(unibus_client *c, struct unibus_sub *sub);

/* Calls it with the message, and keeps its position. The dispatcher. */
void ub_kept_hand(unibus_client *c, struct unibus_sub *sub, struct unibus_msg *msg);

#endif
