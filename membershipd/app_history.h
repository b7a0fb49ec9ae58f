/* app_history.h: history in the running service: made, opened once the streams are there, stopped.
 *
 * Threads: the main thread. */
#ifndef MD_APP_HISTORY_H
#define MD_APP_HISTORY_H

#include "membershipd/nats/history.h"
#include "membershipd/options.h"

struct md_app_history {
	struct md_js *js;
	struct md_history *h; /* NULL: there is no bus */
};
/* Before md_link_start. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_app_history_make(struct md_app_history *a, struct md_link *link);
/* Makes or checks the streams. UNIBUS_ERR_UNAVAILABLE: try again; anything else is final and *why
 * says it. */
UB_MUST_CHECK
ub_err md_app_history_open(struct md_app_history *a, struct md_service *svc,
	const struct md_options *o, struct md_refusal *why);
/* Whoever still reads is told that it is over: before waiting for them. */
void md_app_history_cancel(struct md_app_history *a);
/* Before md_service_free. */
void md_app_history_stop(struct md_app_history *a);
/* After md_link_free. */
void md_app_history_deinit(struct md_app_history *a);

#endif
