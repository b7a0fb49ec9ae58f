/* authcallout.h: answers the servers' questions who may log in, from one queue group in CTRL.
 *
 * Questions go through a bounded queue to a few threads; what does not fit is left unanswered. An
 * answer whose rights were lost while it was on its way is followed by a kick.
 *
 * Threads: start, stop and free from one thread; stats from any. */
#ifndef MD_AUTHCALLOUT_H
#define MD_AUTHCALLOUT_H

#include "membershipd/nats/judge.h"
#include "membershipd/nats/kicks.h"
#include "membershipd/nats/link.h"

struct md_callout;

struct md_callout_config {
	struct md_link *link;
	struct md_judge *judge;
	struct md_kicks *kicks;
	struct md_service *svc; /* all borrowed, outlive it */
	unsigned threads;       /* 0: 2 */
	size_t queue_max; /* 0: 4096, about what two threads judge before the server gives up */
};
/* Subscribes: the service has caught up by then. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_callout_start(const struct md_callout_config *c, struct md_callout **ret);
/* Takes no more questions, answers those that have come, ends the threads. Idempotent. */
void md_callout_stop(struct md_callout *c);
/* After md_link_free. NULL is nothing. */
void md_callout_free(struct md_callout *c);
UB_DEFINE_CLEANUP(struct md_callout *, md_callout_free)

struct md_callout_stats {
	uint64_t verdicts[MD_VERDICTS_N];
	uint64_t unsent; /* answers that the link did not take */
	uint64_t stale;  /* answers followed by a kick */
};
void md_callout_stats(const struct md_callout *c, struct md_callout_stats *ret);

#endif
