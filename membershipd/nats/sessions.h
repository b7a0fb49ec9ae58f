/* sessions.h: who is connected where, as far as this node's answers to logins tell.
 *
 * A row is put in before the login is judged, so that a revocation that happens meanwhile finds
 * either the row or a judgement that already knows of it. Rows leave when the connection ends or
 * the login expires.
 *
 * Threads: any. */
#ifndef MD_SESSIONS_H
#define MD_SESSIONS_H

#include "core/base.h"
#include "membershipd/domain/grant.h"

#define MD_SESSIONS_MAX 200000 /* about 100 bytes each, and 8 for every room of it */

/* A connection: a client id is unique on its server only. The bytes are a hash key: without gaps,
 * unused ones zero. */
struct md_conn {
	char server[64];
	uint64_t cid;
};
struct md_conn md_conn_of(const char *server, uint64_t cid);

struct md_sessions;
/* max 0: MD_SESSIONS_MAX. */
UB_MUST_CHECK
ub_err md_sessions_new(size_t max, struct md_sessions **ret);
void md_sessions_free(struct md_sessions *s); /* NULL is nothing */
UB_DEFINE_CLEANUP(struct md_sessions *, md_sessions_free)

/* A login is being judged; from now on the connection is held to have every right. A second login
 * on the same connection replaces the first. UNIBUS_ERR_LIMIT, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_sessions_begin(struct md_sessions *s, const struct md_conn *c,
	const struct ub_endpoint *who, uint64_t expires_boot_ms);
/* It was granted: takes g's list of rooms over. */
void md_sessions_grant(struct md_sessions *s, const struct md_conn *c, struct md_grant *g);
/* It was refused, or the connection ended. Unknown: nothing. */
void md_sessions_end(struct md_sessions *s, const struct md_conn *c);
void md_sessions_expire(struct md_sessions *s, uint64_t boot_ms);

/* Rights that were taken away. A login granted at `rev` or later was granted without them: it is
 * the one that an honest client has moved to. */
struct md_loss {
	const struct ub_room_id *room; /* NULL: everything, of whatever login */
	uint64_t rev;
};
enum md_holds {
	MD_HOLDS_UNKNOWN = 0, /* not in the table */
	MD_HOLDS_NOT,
	MD_HOLDS, /* or pending */
};
/* Does that connection hold rights of `who` that were lost? */
enum md_holds md_sessions_holds(struct md_sessions *s, const struct md_conn *c,
	const struct ub_endpoint *who, const struct md_loss *loss);
/* Calls fn for each connection of `who` that holds them. fn must not call back in here. Stops at
 * fn's first error and returns it. */
UB_MUST_CHECK
ub_err md_sessions_each(struct md_sessions *s, const struct ub_endpoint *who,
	const struct md_loss *loss, ub_err (*fn)(void *arg, const struct md_conn *c), void *arg);
/* Calls fn for every connection and the revision it was granted at (0: pending). */
UB_MUST_CHECK
ub_err md_sessions_all(struct md_sessions *s,
	ub_err (*fn)(
		void *arg, const struct md_conn *c, const struct ub_endpoint *who, uint64_t rev),
	void *arg);
size_t md_sessions_count(struct md_sessions *s);

#endif
