/* link_impl.h: what link.c (making and ending connections) and link_use.c (using them) share.
 *
 * Threads: all fields are guarded by the client's lock unless they say otherwise. */
#ifndef UB_CLIENT_LINK_IMPL_H
#define UB_CLIENT_LINK_IMPL_H

#include "client/link.h"

struct ub_wire_sub { /* one subscription on one connection */
	struct ub_wire_sub *next;
	struct ub_conn *conn;
	struct ub_croom *room; /* NULL: notify messages */
	struct bus_sub *sub;
	struct ub_wire subject;
	bool ended; /* unsubscribed */
};

struct ub_conn {
	struct ub_conn *next; /* among the retired */
	unibus_client *c;
	struct bus *bus; /* immutable once made */
	uint64_t gen;    /* of the rights that it logged in with; immutable */
	uint64_t no;     /* counts connections, from 1; immutable */
	uint64_t opened; /* ub_mono_ms; immutable */
	struct ub_wire_sub *wires;
	unsigned users; /* calls that are using the bus right now */
	bool closed, ended;
	ub_err why;
	uint64_t published, confirmed;
};

struct ub_link {
	unibus_client *c;          /* immutable */
	const struct bus_ops *ops; /* immutable */
	pthread_t thread;
	struct ub_conn *current, *retired;
	uint64_t want;       /* generation of rights that rooms ask for */
	uint64_t conns;      /* made so far; the link's thread only */
	uint64_t retry_at;   /* not before; ub_mono_ms */
	unsigned failures;   /* in a row */
	ub_err last_err;     /* of the last attempt */
	uint64_t session_ms; /* how long a session lasts at least, as far as known */
	uint64_t overlap_until;
	bool first_failed; /* the first attempt is over, without success */
	bool lost;         /* unconfirmed messages went down with a connection */
	bool switching;
	size_t next_url;
};

/* Adds the subscription to a connection, unless it is there. UNIBUS_ERR_NETWORK, _NOMEM. */
UB_MUST_CHECK
ub_err ub_conn_subscribe(
	struct ub_conn *conn, struct ub_croom *room, const struct ub_wire *subject);
struct ub_wire_sub *ub_conn_find(struct ub_conn *conn, const struct ub_croom *room);

#endif
