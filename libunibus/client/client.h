/* client.h: one peer's client: its parts, and what they share.
 *
 * Threads: any, under the locks below. A client has four threads of its own: the dispatcher (all
 * callbacks: dispatch.h; with own_loop the caller's), the link (connections: link.h), the chores
 * (chores.h: reading again by REST what notify messages hint at, joining, rotating) and the keeper
 * (keeper.h: history). The last three are missing in a control-only client.
 *
 * Locks, in the order in which they may be taken: ub_croom.change_lock, ub_croom.sync_lock,
 * ub_croom.pub_lock, ub_croom.lock, unibus_client.lock; the parts' own locks are leaves. No lock is
 * held across a callback; only the first three are held across I/O. */
#ifndef UB_CLIENT_CLIENT_H
#define UB_CLIENT_CLIENT_H

#include <jansson.h>
#include <pthread.h>
#include <sys/types.h>
#include <unibus/client.h>

#include "client/bus.h"
#include "client/control.h"
#include "client/dispatch.h"
#include "client/options.h"
#include "core/base.h"
#include "core/limits.h"

struct ub_link;
struct ub_chores;
struct ub_keeper;
struct ub_ack;
struct ub_state;
struct ub_rooms;
struct ub_names;
struct ub_peer;

struct unibus_client {
	pid_t pid;
	unibus_options *o; /* own copy */
	struct ub_control *ctl;
	struct ub_dispatch *dispatch;
	struct ub_link *link;     /* NULL: control only */
	struct ub_chores *chores; /* likewise */
	struct ub_keeper *keeper; /* likewise */

	pthread_mutex_t store_lock; /* guards making the next two */
	struct ub_state *store;     /* state directory, pins; NULL until needed */
	struct ub_rooms *rooms;
	struct ub_names *names;

	pthread_mutex_t self_lock; /* held across the call that gets it */
	struct ub_peer *self;      /* our own key record as published; NULL until needed */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* state, cancelled, link */
	enum unibus_state state;
	ub_err why;
	bool cancelled, closing;
	char detail[UB_DETAIL_MAX];
	char handle[UB_HANDLE_MAX + 1];
	struct unibus_stats stats;
	uint64_t session_ms; /* how long a login on the bus lasts at least */
	uint64_t stamp;      /* counts what we ourselves did to memberships */
	unsigned log_shards; /* as the server said; 0: unknown */
	struct ub_ack *acks; /* what waits for its echo */
	size_t n_acks;
	struct unibus_sub *dead_subs; /* ended inside a callback; freed after it */
};

/* At the door of every public function: UNIBUS_ERR_INVALID (NULL), UNIBUS_ERR_FORKED_PROCESS. */
UB_MUST_CHECK
ub_err ub_client_enter(const unibus_client *c);
/* UB_OK while calls make sense: UNIBUS_ERR_REVOKED, UNIBUS_ERR_CLOSED, UNIBUS_ERR_CANCELLED. The
 * lock must be held. */
UB_MUST_CHECK
ub_err ub_client_alive(const unibus_client *c);

/* Keeps the sentence behind a failure, and hands the error on. */
ub_err ub_client_fail(unibus_client *c, ub_err err, const char *fmt, ...) UB_PRINTF(3, 4);

/* REVOKED and STOPPED stay. Tells the state callback of a change. */
void ub_client_set_state(unibus_client *c, enum unibus_state state, ub_err why);

/* Adds to one of the counters: UB_COUNT(c, kicks, 1). */
#define UB_COUNT(c, field, n) \
	do { \
		pthread_mutex_lock(&(c)->lock); \
		(c)->stats.field += (n); \
		pthread_mutex_unlock(&(c)->lock); \
	} while (0)

/* Asks the control plane, with a signature, whether this key may still come in: UB_OK,
 * UNIBUS_ERR_REVOKED, UNIBUS_ERR_UNKNOWN_KEY, or why there is no answer. Sets the state for the
 * two that are for good, so the answer may be left alone. */
ub_err ub_client_ask(unibus_client *c);

/* A call whose answer must be 2xx and JSON; the server's sentence becomes the client's detail. */
UB_MUST_CHECK
ub_err ub_client_json(
	unibus_client *c, const char *method, const char *target, struct ub_str body, json_t **ret);

#endif
