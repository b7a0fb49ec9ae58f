/* store.h: the port behind which all control state lives: small records under one revision.
 *
 * Contract (PROTOCOL and tests/contract/test_store.c): a record is key -> value with the revision
 * of its last write; every op of a commit raises the store's revision by one, so the revisions of
 * a commit's n ops are rev - n + 1 ... rev, where rev is what the commit returns. A commit is all
 * or nothing and durable when it returns. Keys: 1 to MD_KEY_MAX bytes of [A-Za-z0-9._-]. Values up
 * to MD_VALUE_MAX bytes. A deleted key is absent. Revisions are never reused, not after a restart.
 *
 * Threads: every function may be called from any thread, except md_store_close. Follow callbacks
 * come one at a time, in revision order, on a thread of the store's choice (for SQLite and memory:
 * the committing thread, before md_store_commit returns). A callback must not call commit, follow
 * or close. */
#ifndef MD_STORE_H
#define MD_STORE_H

#include "core/base.h"
#include "core/buf.h"

#define MD_KEY_MAX 256
#define MD_VALUE_MAX (512 * 1024)
#define MD_COMMIT_OPS_MAX 16
#define MD_FOLLOWERS_MAX 4

struct md_store; /* opaque; the implementation's struct begins with md_store_base */

enum md_op_kind {
	MD_PUT = 1,
	MD_DELETE,
};

struct md_op {
	enum md_op_kind kind;
	const char *key;
	struct ub_bytes value; /* MD_PUT */
	uint64_t expect; /* the record's current revision; 0: must be absent (a DELETE needs > 0) */
};

struct md_record {
	const char *key;
	struct ub_bytes value; /* empty when deleted */
	uint64_t rev;
	bool deleted;
};

struct md_follower {
	const char *prefix; /* "d."; "" is all */
	/* Some records in revision order; the records of one commit that match the prefix come
	 * together. `rev` is the store's revision after them, also when n is 0. At first all
	 * current records come in batches of any size; then `caught_up` once; then each change. An
	 * engine that follows servers may leave out what was overwritten before it could be told,
	 * and then tells all up to a moment in one batch. */
	void (*batch)(void *arg, const struct md_record *recs, size_t n, uint64_t rev);
	void (*caught_up)(void *arg, uint64_t rev);
	/* The store cannot vouch for being current any more; when it can, `caught_up` is called
	 * again. May be NULL. */
	void (*lost)(void *arg);
	void *arg;
};

struct md_store_ops {
	const char *name; /* "memory", "sqlite", "kv" */
	ub_err (*get)(struct md_store *s, const char *key, struct ub_buf *value, uint64_t *ret_rev);
	ub_err (*commit)(struct md_store *s, const struct md_op *ops, size_t n, uint64_t *ret_rev);
	ub_err (*follow)(struct md_store *s, const struct md_follower *f);
	ub_err (*each)(struct md_store *s, const char *prefix,
		ub_err (*fn)(void *arg, const struct md_record *r), void *arg);
	uint64_t (*revision)(struct md_store *s);
	void (*close)(struct md_store *s);
};
struct md_store_base {
	const struct md_store_ops *ops;
};

/* Appends the value to *value. UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_INVALID (not a key),
 * UNIBUS_ERR_TOO_LARGE (past the buffer's maximum), UNIBUS_ERR_NOMEM, UNIBUS_ERR_IO,
 * UNIBUS_ERR_UNAVAILABLE. */
UB_MUST_CHECK
ub_err md_store_get(struct md_store *s, const char *key, struct ub_buf *value, uint64_t *ret_rev);
/* 1 to MD_COMMIT_OPS_MAX ops on distinct keys. UNIBUS_ERR_CONFLICT: an expectation does not hold,
 * nothing happened. UNIBUS_ERR_INVALID: a bad key, value or op. UNIBUS_ERR_UNAVAILABLE,
 * UNIBUS_ERR_IO: nothing happened. UNIBUS_ERR_OUTCOME_UNKNOWN: it may yet happen. */
UB_MUST_CHECK
ub_err md_store_commit(struct md_store *s, const struct md_op *ops, size_t n, uint64_t *ret_rev);
/* Up to MD_FOLLOWERS_MAX followers, until close; the prefix is copied. Returns after caught_up.
 * UNIBUS_ERR_LIMIT, UNIBUS_ERR_INVALID (prefix), UNIBUS_ERR_NOMEM,
 * UNIBUS_ERR_IO, UNIBUS_ERR_UNAVAILABLE: it does not follow, though batches may have come. */
UB_MUST_CHECK
ub_err md_store_follow(struct md_store *s, const struct md_follower *f);
/* Calls fn for every current record under the prefix ("" is all) in key order, as of one moment;
 * stops at fn's first error and returns it. For export and sweeps. fn must not call the store. */
UB_MUST_CHECK
ub_err md_store_each(struct md_store *s, const char *prefix,
	ub_err (*fn)(void *arg, const struct md_record *r), void *arg);
uint64_t md_store_revision(struct md_store *s);
const char *md_store_name(const struct md_store *s);
void md_store_close(struct md_store *s); /* NULL is nothing */
UB_DEFINE_CLEANUP(struct md_store *, md_store_close)

/* What the engines share: is an op list well-formed? UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err md_ops_check(const struct md_op *ops, size_t n);
bool md_key_ok(const char *key);

UB_MUST_CHECK
ub_err md_store_mem_open(struct md_store **ret);

struct md_sqlite_options {
	const char *path;
	bool create;    /* make the file (0600) when it is missing; else UNIBUS_ERR_NOT_FOUND */
	bool exclusive; /* lock it against every other process for as long as it is open */
};
/* WAL, synchronous=FULL, one table. UNIBUS_ERR_LOCKED when another process holds it,
 * UNIBUS_ERR_BAD_FILE when it is not our database or damaged (an empty file and a log without its
 * database are damage, too), UNIBUS_ERR_INSECURE_FILE when it is not private to its owner, who is
 * us or root, UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM.
 *
 * A full disk is UNIBUS_ERR_IO. When the disk fails so that nobody knows what it holds, the commit
 * is UNIBUS_ERR_OUTCOME_UNKNOWN, followers are told `lost`, and every later call is UNIBUS_ERR_IO:
 * opening it again finds out. Not exclusive, revision and followers know the commits made through
 * this handle only. */
UB_MUST_CHECK
ub_err md_store_sqlite_open(const struct md_sqlite_options *o, struct md_store **ret);

#endif
