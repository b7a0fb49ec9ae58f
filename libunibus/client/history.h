/* history.h: pages of what a persisted room has kept, as the control plane gives them.
 *
 * Threads: any. */
#ifndef UB_CLIENT_HISTORY_H
#define UB_CLIENT_HISTORY_H

#include "client/roomcache.h"

#define UB_PAGE_MAX 1000

struct ub_stored {
	uint64_t seq;              /* its position */
	uint64_t time_ms;          /* when it was kept, by the server's clock */
	struct ub_endpoint sender; /* the server's word */
	uint8_t *p;                /* the frame; owned */
	size_t len;
};
/* Speaks of every frame with first <= position <= last; `more` in the direction asked for. */
struct ub_page {
	struct ub_stored *m; /* in the order of their positions */
	size_t n;
	uint64_t first, last;
	bool more;
};
void ub_page_deinit(struct ub_page *p);

struct ub_page_ask {
	bool backward;
	uint64_t from;  /* forward: what follows it; backward: what is before it (0: the end) */
	unsigned limit; /* 1 to UB_PAGE_MAX */
};
/* UNIBUS_ERR_INTERNAL: the answer contradicts itself. UNIBUS_ERR_DENIED and UNIBUS_ERR_NOT_FOUND:
 * this peer is not in the room; UNIBUS_ERR_UNAVAILABLE; what a call can fail of. */
UB_MUST_CHECK
ub_err ub_history_page(
	unibus_client *c, struct ub_croom *r, const struct ub_page_ask *ask, struct ub_page *ret);
/* An answer taken apart; apart for tests. UNIBUS_ERR_INTERNAL, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_page_parse(json_t *v, const struct ub_page_ask *ask, struct ub_page *ret);
/* Where the history ends now: the newest position, 0 when there is none. */
UB_MUST_CHECK
ub_err ub_history_end(unibus_client *c, struct ub_croom *r, uint64_t *ret);
/* The position before the newest `n` messages. */
UB_MUST_CHECK
ub_err ub_history_before(unibus_client *c, struct ub_croom *r, uint64_t n, uint64_t *ret);

#endif
