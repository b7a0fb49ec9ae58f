/* link_dial.h: how one connection to one server is made: nkey, TLS, timings.
 *
 * Threads: read-only after dial_init; any. */
#ifndef MD_LINK_DIAL_H
#define MD_LINK_DIAL_H

#include <nats/nats.h>

#include "membershipd/nats/link.h"

struct dial {
	char **urls; /* owned copies */
	size_t n_urls;
	char *ca; /* path, owned; NULL: no TLS */
	const struct md_keys *keys;
};
/* UNIBUS_ERR_NOMEM; UNIBUS_ERR_TLS when the CA file cannot be used. */
UB_MUST_CHECK
ub_err dial_init(struct dial *d, const struct md_link_config *c);
void dial_deinit(struct dial *d);

/* Connects to server number `at` as the plane's user; blocks for a few seconds at most. */
natsStatus dial_connect(const struct dial *d, size_t at, enum md_plane plane, natsConnection **ret);

#endif
