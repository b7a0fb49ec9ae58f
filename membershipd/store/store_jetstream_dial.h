/* store_jetstream_dial.h: how a connection to one server is made: nkey, TLS, timings.
 *
 * Threads: read-only once made; any. The seed lives in guarded memory and is wiped. */
#ifndef MD_STORE_JETSTREAM_DIAL_H
#define MD_STORE_JETSTREAM_DIAL_H

#include <nats/nats.h>

#include "membershipd/store/store_jetstream.h"

struct kv_dial;
/* The errors of the options in store_jetstream.h. */
UB_MUST_CHECK
ub_err kv_dial_new(const struct md_jetstream_options *o, struct kv_dial **ret);
void kv_dial_free(struct kv_dial *d); /* NULL is nothing */
UB_DEFINE_CLEANUP(struct kv_dial *, kv_dial_free)

size_t kv_dial_count(const struct kv_dial *d);
/* Connects to server number `at`; blocks for two seconds at most. */
natsStatus kv_dial_connect(const struct kv_dial *d, size_t at, natsConnection **ret);

#endif
