/* store_jetstream_watch.h: messages of the bucket in order: an ephemeral consumer that pushes, and
 * everything by which one notices that it does not push any more.
 *
 * The consumer numbers its deliveries; a number left out, heartbeats that stay away or speak of
 * deliveries that never came, the end of the connection: each ends the watch. A sequence left out
 * means something else: that message had been overwritten before the consumer reached it.
 *
 * Threads: one thread at a time. */
#ifndef MD_STORE_JETSTREAM_WATCH_H
#define MD_STORE_JETSTREAM_WATCH_H

#include "membershipd/store/store_jetstream_link.h"

struct kv_watch;

struct kv_watch_spec {
	const char *filters[2]; /* the second may be NULL */
	uint64_t from;          /* every message from this sequence; 0: the last of each subject */
};
/* One attempt. UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_NOMEM. `c` is held for as long as it is open. */
UB_MUST_CHECK
ub_err kv_watch_open(struct kv_link *l, struct kv_conn *c, const struct kv_watch_spec *spec,
	struct kv_watch **ret);
void kv_watch_close(struct kv_watch *w); /* NULL is nothing */
UB_DEFINE_CLEANUP(struct kv_watch *, kv_watch_close)

struct kv_item {
	natsMsg *msg; /* NULL: nothing but `idle` */
	uint64_t seq;
	bool idle;        /* the consumer's server has nothing more */
	bool within;      /* more elements of the same commit follow */
	bool marker;      /* of a delete */
	uint64_t scanned; /* without msg: how far the consumer's server has looked */
};
/* The next thing that happens, at most wait_ms. UNIBUS_ERR_TIMEOUT: nothing yet.
 * UNIBUS_ERR_UNAVAILABLE: the watch has ended. ret->msg is the caller's. */
UB_MUST_CHECK
ub_err kv_watch_next(struct kv_watch *w, unsigned wait_ms, struct kv_item *ret);

#endif
