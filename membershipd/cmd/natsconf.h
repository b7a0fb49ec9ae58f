/* natsconf.h: the text of a complete nats-server.conf for one bus node.
 *
 * Threads: pure. */
#ifndef MD_NATSCONF_H
#define MD_NATSCONF_H

#include "core/buf.h"
#include "membershipd/nats/keys.h"

struct natsconf {
	const struct md_keys *keys; /* the public halves are read */
	const char *server_name;
	const char *bind;
	uint16_t port;
	uint16_t monitor_port; /* on loopback; 0: no monitoring over HTTP */
	uint64_t store_mb;     /* disk that JetStream may use */
	unsigned log_shards;
	const char *root;                        /* absolute: where jetstream/ will be */
	const char *tls_cert, *tls_key, *tls_ca; /* absolute; NULL: no TLS */
};
/* Appends the text. Names and paths must be free of control characters (natsconf_text_ok). */
UB_MUST_CHECK
ub_err natsconf_write(const struct natsconf *c, struct ub_buf *out);
/* May `z` stand in the file? */
bool natsconf_text_ok(const char *z);

#endif
