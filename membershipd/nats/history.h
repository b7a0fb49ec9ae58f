/* history.h: the frames that persisted rooms have kept, page by page; and what is not kept longer.
 *
 * Pages are read from UNIBUS_LOG_<k> by batched direct gets of the room's subjects. Going backward
 * the start of the page is searched for by how many messages follow a place. What is no frame of
 * the sender that the broker let through, or has headers that cannot be read, is not there.
 *
 * A room's retain policy holds at once when reading; a thread removes what is beyond it, every
 * sweep_ms. Nothing here is lost by a restart but time: what was counted is counted anew.
 *
 * Threads: any, except start, stop and free. */
#ifndef MD_HISTORY_H
#define MD_HISTORY_H

#include "membershipd/domain/history.h"
#include "membershipd/nats/js.h"

struct md_history;

struct md_history_config {
	struct md_js *js;  /* of account LOG; borrowed, outlives it */
	uint64_t sweep_ms; /* 0: 30000 */
};
UB_MUST_CHECK
ub_err md_history_new(const struct md_history_config *c, struct md_history **ret);
void md_history_free(struct md_history *h); /* NULL is nothing; stops it */
UB_DEFINE_CLEANUP(struct md_history *, md_history_free)

/* For md_service_config; lives as long as h. Not ready before md_history_open. */
const struct md_history_port *md_history_port(const struct md_history *h);
/* The streams are there: md_log_bootstrap said so. Starts the thread. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_history_open(struct md_history *h, struct md_service *svc);
/* Ends the thread; the service may be freed afterwards. Idempotent. */
void md_history_stop(struct md_history *h);

/* One sweep, now. *ret_purged: messages removed. UNIBUS_ERR_UNAVAILABLE and others: the rest is
 * left to the next one. */
UB_MUST_CHECK
ub_err md_history_sweep(struct md_history *h, struct md_service *svc, uint64_t *ret_purged);

#endif
