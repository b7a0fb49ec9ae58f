#include "membershipd/app_history.h"

#include <stdio.h>

#include "membershipd/nats/bootstrap.h"

ub_err md_app_history_make(struct md_app_history *a, struct md_link *link)
{
	ub_err err = md_js_new(link, MD_PLANE_LOG, &a->js);

	return err ? err : md_history_new(&(struct md_history_config){.js = a->js}, &a->h);
}

ub_err md_app_history_open(struct md_app_history *a, struct md_service *svc,
	const struct md_options *o, struct md_refusal *why)
{
	const struct md_log_config c = {
		.replicas = (unsigned)o->history_replicas,
		.max_age_ms = o->history_max_age_ms,
		.messages_per_sender = o->history_sender_messages,
	};
	struct md_log_fault fault;
	ub_err err = md_log_bootstrap(a->js, svc, &c, &fault);

	if (!err)
		return md_history_open(a->h, svc);
	(void)snprintf(why->text, sizeof(why->text), "%s", fault.text);
	return err == UNIBUS_ERR_OUTCOME_UNKNOWN ? UNIBUS_ERR_UNAVAILABLE : err;
}

void md_app_history_cancel(struct md_app_history *a)
{
	if (a->js)
		md_js_stop(a->js);
}

void md_app_history_stop(struct md_app_history *a)
{
	if (a->h)
		md_history_stop(a->h);
}

void md_app_history_deinit(struct md_app_history *a)
{
	md_history_free(a->h);
	md_js_free(a->js);
}
