/* bus.h: the port to the message servers: one connection, its subscriptions, its end.
 *
 * A connection never reconnects by itself: client/link.c makes a new one, for a lost connection as
 * for new permissions, so that there is one way of getting there.
 *
 * Threads: any; callbacks come on the implementation's threads and must not block, except
 * on_message, which may wait for room in a queue. */
#ifndef UB_CLIENT_BUS_H
#define UB_CLIENT_BUS_H

#include "client/identity.h"
#include "core/base.h"

struct bus;
struct bus_sub;

struct bus_msg {
	const char *subject;
	struct ub_bytes data;
	uint64_t conn; /* the number of the connection it came over; set by client/link.c */
	bool doubled;  /* the link's: it may have come over another connection before */
	void *impl;    /* keeps both alive until bus_ops.msg_free */
};

struct bus_config {
	const char *url;           /* "nats://..." or "tls://..." */
	const char *ca_file;       /* NULL: the system's trust roots */
	const unibus_identity *id; /* borrowed, outlives the connection */
	unsigned timeout_ms;       /* to connect */
	/* A message of a subscription; `msg` is the callee's to free. */
	void (*on_message)(void *sub_arg, struct bus_msg *msg);
	/* The connection is over, whoever ended it; once. `why`: UNIBUS_ERR_EXPIRED when the
	 * server said that the session ended, UNIBUS_ERR_NETWORK when it fell silent, else
	 * UNIBUS_ERR_DISCONNECTED. */
	void (*on_closed)(void *arg, ub_err why);
	/* Nothing runs any more: bus_ops.wait_ended, then free, will not wait long. Once, last. */
	void (*on_ended)(void *arg);
	/* The server refused a subscription. `subject` is valid during the call. */
	void (*on_denied)(void *arg, const char *subject);
	/* Messages arrived faster than they were taken and were dropped. */
	void (*on_overrun)(void *arg);
	void *arg;
};

struct bus_ops {
	/* Blocks up to the timeout. UNIBUS_ERR_DENIED (the server refused the login),
	 * UNIBUS_ERR_NETWORK, UNIBUS_ERR_TLS, UNIBUS_ERR_TIMEOUT, UNIBUS_ERR_INVALID (the server's
	 * nonce is none that may be signed), UNIBUS_ERR_NOMEM. */
	ub_err (*connect)(const struct bus_config *c, struct bus **ret);
	/* Hands over to the connection's buffer; when that is full it waits for the server, a few
	 * seconds at most. UNIBUS_ERR_NETWORK: the connection is of no use any more, or about to
	 * close. UNIBUS_ERR_TOO_LARGE. */
	ub_err (*publish)(struct bus *b, const char *subject, struct ub_bytes data);
	/* The same with a header: Nats-Msg-Id. UNIBUS_ERR_NOMEM, too. */
	ub_err (*publish_kept)(
		struct bus *b, const char *subject, const char *msg_id, struct ub_bytes data);
	/* `arg` must live until bus_ops.free. UNIBUS_ERR_NETWORK, UNIBUS_ERR_NOMEM. */
	ub_err (*subscribe)(struct bus *b, const char *subject, void *arg, struct bus_sub **ret);
	/* Messages already taken over may still arrive. The handle stays valid until free. */
	void (*unsubscribe)(struct bus_sub *s);
	/* Waits until the server has processed everything sent before. UNIBUS_ERR_NETWORK,
	 * UNIBUS_ERR_TIMEOUT. */
	ub_err (*flush)(struct bus *b, unsigned timeout_ms);
	/* Did the server refuse this subscription? Known after a flush. */
	bool (*denied)(const struct bus_sub *s);
	/* The server attached to, "" when none; cut to fit. */
	void (*server)(struct bus *b, char *to, size_t len);
	/* Which process that is: another one after each start of the server. Likewise. */
	void (*server_id)(struct bus *b, char *to, size_t len);
	/* No new messages; what has arrived is still delivered, then the connection closes. */
	void (*drain)(struct bus *b, unsigned timeout_ms);
	/* Closes at once. */
	void (*close)(struct bus *b);
	/* Waits until it is closed and no callback runs nor will run. Then, and only then, free. */
	void (*wait_ended)(struct bus *b);
	void (*free)(struct bus *b);
	/* The value of the header that occurs exactly once under this name, valid as long as the
	 * message; NULL when it does not, or when the headers cannot be read. One thread at a time
	 * a message. */
	const char *(*header)(const struct bus_msg *msg, const char *name);
	void (*msg_free)(struct bus_msg *msg);
};

extern const struct bus_ops bus_nats; /* stock NATS, over nats.c */

#endif
