#include "membershipd/store/store_sqlite.h"

#include <stdatomic.h>

static const char *const stmt_sql[SQ_COUNT] = {
	[SQ_BEGIN] = "BEGIN IMMEDIATE",
	[SQ_COMMIT] = "COMMIT",
	[SQ_ROLLBACK] = "ROLLBACK",
	[SQ_GET] = "SELECT rev, value FROM records WHERE key = ?1",
	[SQ_INSERT] = "INSERT INTO records (rev, key, value) VALUES (?1, ?2, ?3)",
	[SQ_DELETE] = "DELETE FROM records WHERE rev = ?1",
	[SQ_LAST_REV] = "SELECT rev FROM meta",
	[SQ_SET_LAST_REV] = "UPDATE meta SET rev = ?1",
	[SQ_BY_REV] = "SELECT rev, key, value FROM records WHERE rev > ?1 ORDER BY rev",
	[SQ_BY_KEY] = "SELECT rev, key, value FROM records WHERE key >= ?1 ORDER BY key",
};

static ub_err step_to_end(struct sq_store *s, enum sq_stmt which)
{
	UB_CLEANUP(sq_release) sqlite3_stmt *st = s->stmt[which];
	int rc = sqlite3_step(st);

	return rc == SQLITE_ROW ? UNIBUS_ERR_IO : sq_outcome(rc);
}

/* 0: absent. */
static ub_err current_rev(struct sq_store *s, const char *key, uint64_t *ret)
{
	UB_CLEANUP(sq_release) sqlite3_stmt *st = s->stmt[SQ_GET];
	ub_err e = sq_bind_key(st, 1, key);

	if (e)
		return e;
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(st, 0);
	else if (rc == SQLITE_DONE)
		*ret = 0;
	return sq_outcome(rc);
}

static ub_err last_rev(struct sq_store *s, uint64_t *ret)
{
	UB_CLEANUP(sq_release) sqlite3_stmt *st = s->stmt[SQ_LAST_REV];
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(st, 0);
	return rc == SQLITE_DONE ? UNIBUS_ERR_IO : sq_outcome(rc);
}

static ub_err write_rev(struct sq_store *s, enum sq_stmt which, uint64_t rev)
{
	ub_err e = sq_bind_u64(s->stmt[which], 1, rev);

	return e ? e : step_to_end(s, which);
}

static ub_err insert(struct sq_store *s, const struct md_op *op, uint64_t rev)
{
	sqlite3_stmt *st = s->stmt[SQ_INSERT];
	const void *value = op->value.len > 0 ? (const void *)op->value.p : "";
	ub_err e = sq_bind_u64(st, 1, rev);

	if (!e)
		e = sq_bind_key(st, 2, op->key);
	if (!e)
		e = sq_outcome(sqlite3_bind_blob64(st, 3, value, op->value.len, SQLITE_STATIC));
	return e ? e : step_to_end(s, SQ_INSERT);
}

/* Inside a transaction; an error leaves it to be rolled back. */
static ub_err apply(struct sq_store *s, const struct md_op *ops, size_t n, uint64_t *ret_rev)
{
	uint64_t rev = 0, current = 0;
	ub_err e = last_rev(s, &rev);

	for (size_t i = 0; i < n && !e; i++) {
		e = current_rev(s, ops[i].key, &current);
		if (!e && current != ops[i].expect)
			e = UNIBUS_ERR_CONFLICT;
	}
	for (size_t i = 0; i < n && !e; i++) {
		rev++;
		if (ops[i].expect > 0)
			e = write_rev(s, SQ_DELETE, ops[i].expect);
		if (!e && ops[i].kind == MD_PUT)
			e = insert(s, &ops[i], rev);
	}
	if (!e)
		e = write_rev(s, SQ_SET_LAST_REV, rev);
	if (!e)
		*ret_rev = rev;
	return e;
}

/* A write that fails leaves no complete commit in the log. Anything else that fails (above all
 * fsync) may leave one, which a later start would find and play. */
static ub_err commit_outcome(int rc)
{
	if (rc == SQLITE_DONE)
		return UB_OK;
	if (rc == SQLITE_FULL || rc == SQLITE_IOERR_WRITE)
		return UNIBUS_ERR_IO;
	return (rc & 0xff) == SQLITE_BUSY ? UNIBUS_ERR_UNAVAILABLE : UNIBUS_ERR_OUTCOME_UNKNOWN;
}

static ub_err end_transaction(struct sq_store *s, ub_err applied)
{
	ub_err e = applied;

	if (!e) {
		UB_CLEANUP(sq_release) sqlite3_stmt *st = s->stmt[SQ_COMMIT];
		e = commit_outcome(sqlite3_step(st));
	}
	/* Some errors have rolled it back already. */
	if (e && !sqlite3_get_autocommit(s->db) && step_to_end(s, SQ_ROLLBACK))
		s->failed = true;
	if (e == UNIBUS_ERR_OUTCOME_UNKNOWN)
		s->failed = true;
	return e;
}

static ub_err commit_data(
	struct sq_store *s, const struct md_op *ops, size_t n, uint64_t *ret_rev, bool *ret_lost)
{
	MD_HOLD(&s->data);
	uint64_t rev = 0;
	ub_err e = s->failed ? UNIBUS_ERR_IO : step_to_end(s, SQ_BEGIN);

	if (e)
		return e;
	e = end_transaction(s, apply(s, ops, n, &rev));
	*ret_lost = s->failed;
	if (e)
		return e;
	atomic_store(&s->rev, rev);
	*ret_rev = rev;
	return UB_OK;
}

static ub_err sq_commit(struct md_store *base, const struct md_op *ops, size_t n, uint64_t *ret_rev)
{
	struct sq_store *s = sq_of(base);
	MD_HOLD(&s->order);
	uint64_t rev = 0;
	bool lost = false;
	ub_err e = commit_data(s, ops, n, &rev, &lost);

	if (lost)
		md_fanout_lost(&s->fanout);
	if (e)
		return e;
	md_fanout_commit(&s->fanout, ops, n, rev);
	*ret_rev = rev;
	return UB_OK;
}

static uint64_t sq_revision(struct md_store *base)
{
	return atomic_load(&sq_of(base)->rev);
}

static void sq_store_free(struct sq_store *s)
{
	for (size_t i = 0; i < SQ_COUNT; i++)
		(void)sqlite3_finalize(s->stmt[i]); /* repeats the error of the last step */
	/* A disk that failed is left for the next start to judge. */
	if (s->db && s->failed)
		(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (s->db)
		sq_close(s->db);
	ub_assert(!pthread_mutex_destroy(&s->data) && !pthread_mutex_destroy(&s->order));
	free(s);
}
UB_DEFINE_CLEANUP(struct sq_store *, sq_store_free)

static void sq_store_close(struct md_store *base)
{
	sq_store_free(sq_of(base));
}

ub_err md_store_sqlite_open(const struct md_sqlite_options *o, struct md_store **ret)
{
	static const struct md_store_ops ops = {
		.name = "sqlite",
		.get = sq_get,
		.commit = sq_commit,
		.follow = sq_follow,
		.each = sq_each,
		.revision = sq_revision,
		.close = sq_store_close,
	};
	UB_CLEANUP(sq_store_freep) struct sq_store *s = calloc(1, sizeof(*s));
	uint64_t rev = 0;
	void *opaque = s;

	if (!s)
		return UNIBUS_ERR_NOMEM;
	ub_assert(!pthread_mutex_init(&s->order, NULL) && !pthread_mutex_init(&s->data, NULL));
	ub_err e = sq_open(o, &s->db, &rev);
	for (size_t i = 0; i < SQ_COUNT && !e; i++)
		e = sq_err(sqlite3_prepare_v3(
			s->db, stmt_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL));
	if (e)
		return e;
	s->base.ops = &ops;
	atomic_store(&s->rev, rev);
	*ret = opaque;
	(void)UB_TAKE(s);
	return UB_OK;
}
