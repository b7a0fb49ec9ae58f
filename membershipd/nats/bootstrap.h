/* bootstrap.h: the streams that keep rooms' history, made once and looked at on every start.
 *
 * UNIBUS_LOG_<k> in account LOG takes unibus.log<k>.> and says it again on unibus.live<k>.>, with
 * its sequence. Settings on which security rests must be as they are wanted, whoever made the
 * stream; sizes follow the options.
 *
 * Threads: one thread. */
#ifndef MD_BOOTSTRAP_H
#define MD_BOOTSTRAP_H

#include "membershipd/domain/service.h"
#include "membershipd/nats/js.h"

struct md_log_config {
	unsigned replicas;            /* 1 to 5 */
	uint64_t max_age_ms;          /* 0: as long as there is room */
	uint64_t messages_per_sender; /* in one room; older ones of that sender go */
};
struct md_log_fault {
	char text[512]; /* what, why, what to do */
};
/* "UNIBUS_LOG_<shard>" */
struct md_log_name {
	char z[32];
};
struct md_log_name md_log_name(unsigned shard);

/* Makes or checks one stream a shard of the service. UNIBUS_ERR_UNAVAILABLE and
 * UNIBUS_ERR_OUTCOME_UNKNOWN: not now, try again; UNIBUS_ERR_CANCELLED. Anything else is for an
 * operator; *why says it. */
UB_MUST_CHECK
ub_err md_log_bootstrap(struct md_js *js, struct md_service *svc, const struct md_log_config *c,
	struct md_log_fault *why);

#endif
