/* options.h: what a client is to be, as the rest of the library reads it.
 *
 * Threads: one thread at a time; a client's own copy is immutable. */
#ifndef UB_CLIENT_OPTIONS_H
#define UB_CLIENT_OPTIONS_H

#include <unibus/client.h>

#include "client/identity.h"
#include "core/base.h"
#include "core/limits.h"

#define UB_URLS_MAX 16
#define UB_URL_MAX 512
#define UB_DETAIL_MAX 256

struct ub_urls {
	char *z[UB_URLS_MAX]; /* owned */
	size_t n;
	bool is_default; /* the first one given replaces it */
};

struct unibus_options {
	unibus_identity *id;
	struct ub_urls ctrl, nats;
	char *ca_file, *state_dir; /* NULL: none, default */
	unsigned timeout_ms;
	char label[UB_LABEL_MAX + 1];
	bool control_only, auto_join, own_loop;
	unibus_state_fn on_state;
	void *on_state_arg;
	unibus_event_fn on_event;
	void *on_event_arg;
	char detail[UB_DETAIL_MAX];
};

UB_MUST_CHECK
ub_err ub_options_copy(const unibus_options *o, unibus_options **ret);
/* With a CA nothing may travel in the clear. UNIBUS_ERR_TLS, and a sentence in o->detail. */
UB_MUST_CHECK
ub_err ub_options_check(unibus_options *o);

UB_DEFINE_CLEANUP(unibus_options *, unibus_options_free)

#endif
