/* link_impl.h: what link.c (making and ending connections), link_conn.c (one of them) and
 * link_use.c (using them) share.
 *
 * Threads: all fields are guarded by the client's lock unless they say otherwise. */
#ifndef UB_CLIENT_LINK_IMPL_H
#define UB_CLIENT_LINK_IMPL_H

#include <stdatomic.h>

#include "client/link.h"

#define UB_CONNECT_MS 3000
#define UB_BUS_SERVER_ID 64

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
	struct bus *bus; /* immutable once made, like the next four */
	uint64_t no;     /* counts the connections: a higher one is newer */
	uint64_t gen;    /* of the rights that it logged in with */
	uint64_t opened; /* ub_mono_ms */
	size_t url;      /* which one */
	char server[UB_BUS_SERVER_ID];
	struct ub_wire_sub *wires;
	unsigned users;      /* calls that are using the bus right now */
	unsigned publishing; /* those of them that publish */
	bool closed, ended, given_up;
	ub_err why;
	uint64_t published, confirmed;
	atomic_bool alone;      /* its messages come once: nobody to wait for, nothing doubled */
	uint64_t doubled_until; /* until then its messages may have come before; 0: not yet known */
};

struct ub_link {
	unibus_client *c;          /* immutable */
	const struct bus_ops *ops; /* immutable */
	pthread_t thread;
	struct ub_conn *current, *retired;
	uint64_t made;     /* connections so far */
	uint64_t want;     /* generation of rights that rooms ask for */
	uint64_t retry_at; /* not before; ub_mono_ms */
	unsigned failures; /* in a row */
	ub_err last_err;   /* of the last attempt */
	struct {           /* the connection that was lost and not replaced yet */
		bool is;
		ub_err why;
		char server[UB_BUS_SERVER_ID];
	} lost;
	bool first_failed; /* the first attempt is over, without success */
	bool unconfirmed;  /* messages went down with a connection */
	bool switching;    /* nobody may use the current connection: it is about to be replaced */
	size_t url;        /* the one that worked last; the thread's own */
};

/* ---- link_conn.c ---- */

/* Logs in at the first server that lets us, the last used one first. Those that could not be
 * reached before it are counted in *ret_passed. The thread's. */
UB_MUST_CHECK
ub_err ub_conn_open(struct ub_link *l, struct ub_conn **ret, bool *ret_passed);
/* After bus_ops.wait_ended, or when it was never made. */
void ub_conn_free(struct ub_conn *conn);
/* Subscribes to notify messages and every room that is wanted, and waits until the server has taken
 * that. With UB_OK the client's lock is held, and nothing was wanted in between. */
UB_MUST_CHECK
ub_err ub_conn_prepare(struct ub_link *l, struct ub_conn *conn);
/* Adds the subscription to a connection, unless it is there. UNIBUS_ERR_NETWORK, _NOMEM. */
UB_MUST_CHECK
ub_err ub_conn_subscribe(
	struct ub_conn *conn, struct ub_croom *room, const struct ub_wire *subject);
struct ub_wire_sub *ub_conn_find(struct ub_conn *conn, const struct ub_croom *room);

bool ub_link_is_final(const unibus_client *c);

#endif
