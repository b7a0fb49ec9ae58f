/* store_jetstream_link.h: the store's one connection, to whichever server answers, and requests
 * over it that are repeated until one is answered.
 *
 * nats.c's own reconnecting is off: it gives up for good after two refused logins, and holds
 * messages back to send them when they have become wrong. A connection that has ended, or whose
 * server does not even answer a ping, is replaced by one to the next server of the list, by
 * whoever needs it first.
 *
 * Threads: any; kv_link_free once, after all others have left. */
#ifndef MD_STORE_JETSTREAM_LINK_H
#define MD_STORE_JETSTREAM_LINK_H

#include <nats/nats.h>

#include "membershipd/store/store_jetstream_wire.h"

#define KV_ATTEMPT_MS 2000 /* one request: a server that is alone is silent, not negative */

struct kv_link;
struct kv_conn {
	natsConnection *nc;
	unsigned held; /* by whom it is in use; the link's */
};

uint64_t kv_now_ms(void); /* CLOCK_MONOTONIC */

/* How long to go on trying, and whom to tell. */
struct kv_patience {
	uint64_t until_ms;
	bool strict; /* give up when it is certain that no server will ever take us */
	void (*waiting)(void *arg, const char *what); /* may be NULL */
	void *arg;
	uint64_t told_ms;
	unsigned tries;
};

/* Connects nothing yet. The errors of the options in store_jetstream.h. */
UB_MUST_CHECK
ub_err kv_link_new(const struct md_jetstream_options *o, struct kv_link **ret);
void kv_link_free(struct kv_link *l); /* NULL is nothing */
UB_DEFINE_CLEANUP(struct kv_link *, kv_link_free)
/* From now on nobody waits and every call fails. */
void kv_link_stop(struct kv_link *l);
bool kv_link_stopped(struct kv_link *l);

/* A connection in working order. UNIBUS_ERR_UNAVAILABLE; strict ones, too: UNIBUS_ERR_DENIED,
 * UNIBUS_ERR_TLS. */
UB_MUST_CHECK
ub_err kv_link_hold(struct kv_link *l, struct kv_patience *p, struct kv_conn **ret);
void kv_link_release(struct kv_link *l, struct kv_conn *c);
/* Nothing came back over it: closes it unless its server answers a ping. */
void kv_link_doubt(struct kv_link *l, struct kv_conn *c);
/* Waits a little, longer with each try, with jitter. False: there is no time left. */
bool kv_link_pause(struct kv_link *l, struct kv_patience *p, const char *what);

/* One request, at most KV_ATTEMPT_MS. UNIBUS_ERR_UNAVAILABLE: nobody received it.
 * UNIBUS_ERR_TIMEOUT: somebody may have. UNIBUS_ERR_INVALID: the answer is unreadable.
 * UNIBUS_ERR_NOMEM. `m` stays the caller's. */
UB_MUST_CHECK
ub_err kv_ask(struct kv_link *l, struct kv_conn *c, natsMsg *m, struct kv_answer *ret);
/* $JS.API.<what> with a body, once, over this connection. */
UB_MUST_CHECK
ub_err kv_api_once(struct kv_link *l, struct kv_conn *c, const char *what, const char *body,
	struct kv_answer *ret);
/* The same again and again until somebody answers who is able to (no status of 503): only what may
 * happen twice. The errors of kv_link_hold, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err kv_api(struct kv_link *l, const char *what, const char *body, struct kv_patience *p,
	struct kv_answer *ret);

#endif
