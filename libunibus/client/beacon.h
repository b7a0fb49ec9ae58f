/* beacon.h: when to let the room know how far its log goes, and when too little was heard of it.
 *
 * An admin's client sends a beacon when nothing signed went out for a while. Whoever sends in a
 * room with other admins is warned when nothing signed came from any of them for an hour: the
 * server may be keeping something back.
 *
 * Threads: the times under the room's lock; the two functions with a client: any, no lock held. */
#ifndef UB_CLIENT_BEACON_H
#define UB_CLIENT_BEACON_H

#include <unibus/client.h>

#include "core/base.h"

#define UB_BEACON_FIRST_MS (5 * 1000)
#define UB_BEACON_EVERY_MS (10 * 60 * 1000)
#define UB_BEACON_STALE_MS (60 * 60 * 1000)

struct ub_croom;

struct ub_beacon {      /* moments: ub_mono_ms; 0: never */
	uint64_t heard; /* something signed by another admin; at first, when we began to listen */
	uint64_t told;  /* that nothing was */
	uint64_t next;  /* when ours is due */
};
/* A subscription of the room begins: the first one counts. */
void ub_beacon_listen(struct ub_beacon *b, uint64_t now);
void ub_beacon_heard(struct ub_beacon *b, uint64_t now);
/* Something signed of ours went out; `jitter` below a tenth of UB_BEACON_EVERY_MS. */
void ub_beacon_sent(struct ub_beacon *b, uint64_t now, uint64_t jitter);
/* Is it time to warn? Once an hour at most: asking takes the warning. */
bool ub_beacon_stale(struct ub_beacon *b, uint64_t now);

/* This peer is about to send: warns him if need be. */
void ub_beacon_check(unibus_client *c, struct ub_croom *r);
/* For the chores: sends ours when it is due. *inout_next: lowered to when to look again. */
void ub_beacon_run(unibus_client *c, struct ub_croom *r, uint64_t now, uint64_t *inout_next);

#endif
