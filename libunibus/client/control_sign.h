/* control_sign.h: one signed exchange with one node, audience and clock included.
 *
 * Threads: any; the node's fields are guarded by its lock. */
#ifndef UB_CLIENT_CONTROL_SIGN_H
#define UB_CLIENT_CONTROL_SIGN_H

#include <pthread.h>

#include "client/control.h"
#include "client/http.h"
#include "core/reqsig.h"

#define UB_REVISION_MAX 48

struct ub_node {
	const char *url;              /* borrowed */
	struct ub_server_id audience; /* guarded by lock */
	bool known;                   /* likewise: is the audience? */
};

struct ub_signer {
	struct ub_http *http;
	const unibus_identity *id;
	pthread_mutex_t lock;
	int64_t skew_ms;                /* guarded: added to our clock */
	char revision[UB_REVISION_MAX]; /* guarded: for X-Unibus-Min-Revision; "" none */
	uint64_t requests;              /* guarded */
};

/* One call at one node until `deadline`: asks for its audience when that is unknown, at most twice
 * again when it has changed, and once again after a clock_skew. As ub_control_call. */
UB_MUST_CHECK
ub_err ub_node_call(struct ub_signer *s, struct ub_node *node, const struct ub_call *call,
	uint64_t deadline, struct unibus_reply *ret);

/* Unix time by the signer's corrected clock. */
uint64_t ub_signer_now_ms(struct ub_signer *s);

#endif
