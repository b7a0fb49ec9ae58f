/* kicks.h: what a change of rights does on the bus: notes to peers, connections closed.
 *
 * Takes the directory's events. REVOKED closes everything of a peer at once, logins pending
 * included. NARROWED sends a note and 250 ms later closes the connections whose login held the
 * room, so that an honest client has moved its other rooms. Connections are known from the logins
 * this node answered; a sweep over every server's CONNZ finds the others. When all have answered,
 * or after a deadline, md_barrier_done is told; what is unconfirmed is tried again every second
 * until it is confirmed or its login has expired. GRANTED and ROOM send notes only.
 *
 * A start begins with what an earlier process let in: whoever is not active any more, or ever lost
 * a right, may have done so while nobody could close anything, and is closed.
 *
 * One thread does all this; nothing in the queue waits for another's deadline.
 *
 * Threads: any, except start, stop and free. */
#ifndef MD_KICKS_H
#define MD_KICKS_H

#include "membershipd/domain/service.h"
#include "membershipd/nats/link.h"
#include "membershipd/nats/sessions.h"

struct md_kicks;

struct md_kicks_config {
	struct md_link *link;         /* borrowed, outlives it */
	struct md_sessions *sessions; /* borrowed, outlives it */
	uint64_t session_max_ms;      /* no login lasts longer */
	const char *own;              /* our own login to BUS (nkey), borrowed */
};
UB_MUST_CHECK
ub_err md_kicks_new(const struct md_kicks_config *c, struct md_kicks **ret);
/* For md_service_config.events: may be called from then on; events wait for start. */
struct md_events md_kicks_events(struct md_kicks *k);
/* Before md_link_start, or right after it. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_kicks_start(struct md_kicks *k, struct md_service *svc);
/* Ends the thread; whatever is still owed is reported as unconfirmed. The service may be freed
 * afterwards. Idempotent. */
void md_kicks_stop(struct md_kicks *k);
/* After md_link_free. NULL is nothing. */
void md_kicks_free(struct md_kicks *k);
UB_DEFINE_CLEANUP(struct md_kicks *, md_kicks_free)

/* Closes one connection: its login was answered with rights that were lost meanwhile. */
void md_kicks_one(struct md_kicks *k, const struct md_conn *c);

struct md_kicks_stats {
	uint64_t kicked, unconfirmed; /* connections; jobs that had to be retried */
	uint64_t notes, notes_lost;
};
void md_kicks_stats(struct md_kicks *k, struct md_kicks_stats *ret);

#endif
