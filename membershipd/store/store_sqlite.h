/* store_sqlite.h: what the two halves of the SQLite engine share: opening (store_sqlite_open.c)
 * and the port's functions (store_sqlite.c).
 *
 * Threads: pure, or as the connection's owner arranges. */
#ifndef MD_STORE_SQLITE_H
#define MD_STORE_SQLITE_H

#include <sqlite3.h>

#include "membershipd/store/store.h"

/* The outcome of a call outside COMMIT: nothing happened, or it will be rolled back.
 * UNIBUS_ERR_BAD_FILE: the file contradicts itself. */
UB_MUST_CHECK
ub_err sq_err(int rc);

/* A checked connection to our database, made if need be, and its last revision. Errors as
 * md_store_sqlite_open's. */
UB_MUST_CHECK
ub_err sq_open(const struct md_sqlite_options *o, sqlite3 **ret, uint64_t *ret_rev);

void sq_close(sqlite3 *db);
UB_DEFINE_CLEANUP(sqlite3 *, sq_close)

#endif
