/* store_sqlite.h: what the parts of the SQLite engine share: opening (store_sqlite_open.c), reading
 * and following (store_sqlite_read.c), writing (store_sqlite.c).
 *
 * Threads: the port's functions as store.h says; the rest while holding `data`, or pure. */
#ifndef MD_STORE_SQLITE_H
#define MD_STORE_SQLITE_H

#include <sqlite3.h>

#include "membershipd/store/store_follow.h"

enum sq_stmt {
	SQ_BEGIN,
	SQ_COMMIT,
	SQ_ROLLBACK,
	SQ_GET,
	SQ_INSERT,
	SQ_DELETE,
	SQ_LAST_REV,
	SQ_SET_LAST_REV,
	SQ_BY_REV,
	SQ_BY_KEY,
	SQ_COUNT,
};

struct sq_store {
	struct md_store_base base;
	pthread_mutex_t order;
	struct md_fanout fanout;
	pthread_mutex_t data; /* guards all below but `rev` */
	sqlite3 *db;
	sqlite3_stmt *stmt[SQ_COUNT];
	bool failed; /* nobody knows what the disk holds: until it is opened again, nothing more */
	_Atomic uint64_t rev;
};

struct sq_store *sq_of(struct md_store *s);

/* The outcome of a call outside COMMIT: nothing happened, or it will be rolled back.
 * UNIBUS_ERR_BAD_FILE: the file contradicts itself. */
UB_MUST_CHECK
ub_err sq_err(int rc);
/* The same in the words of store.h, for a database that is open. */
UB_MUST_CHECK
ub_err sq_outcome(int rc);

/* For UB_CLEANUP: the statement can run again. */
void sq_release(sqlite3_stmt **st);
UB_MUST_CHECK
ub_err sq_bind_u64(sqlite3_stmt *st, int at, uint64_t v);
/* `key` is borrowed until sq_release. */
UB_MUST_CHECK
ub_err sq_bind_key(sqlite3_stmt *st, int at, const char *key);

/* A checked connection to our database, made if need be, and its last revision. Errors as
 * md_store_sqlite_open's. */
UB_MUST_CHECK
ub_err sq_open(const struct md_sqlite_options *o, sqlite3 **ret, uint64_t *ret_rev);

void sq_close(sqlite3 *db);
UB_DEFINE_CLEANUP(sqlite3 *, sq_close)

/* Of the port. */
UB_MUST_CHECK
ub_err sq_get(struct md_store *base, const char *key, struct ub_buf *value, uint64_t *ret_rev);
UB_MUST_CHECK
ub_err sq_follow(struct md_store *base, const struct md_follower *f);
UB_MUST_CHECK
ub_err sq_each(struct md_store *base, const char *prefix,
	ub_err (*fn)(void *arg, const struct md_record *r), void *arg);

#endif
