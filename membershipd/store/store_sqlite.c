#include "membershipd/store/store_sqlite.h"

#include "membershipd/store/store_follow.h"

#include <stdatomic.h>

#define BATCH 256
#define BATCH_BYTES ((size_t)1024 * 1024)

enum stmt {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_ROLLBACK,
	STMT_GET,
	STMT_INSERT,
	STMT_DELETE,
	STMT_LAST_REV,
	STMT_SET_LAST_REV,
	STMT_BY_REV,
	STMT_BY_KEY,
	STMT_COUNT,
};

static const char *const stmt_sql[STMT_COUNT] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",
	[STMT_ROLLBACK] = "ROLLBACK",
	[STMT_GET] = "SELECT rev, value FROM records WHERE key = ?1",
	[STMT_INSERT] = "INSERT INTO records (rev, key, value) VALUES (?1, ?2, ?3)",
	[STMT_DELETE] = "DELETE FROM records WHERE rev = ?1",
	[STMT_LAST_REV] = "SELECT rev FROM meta",
	[STMT_SET_LAST_REV] = "UPDATE meta SET rev = ?1",
	[STMT_BY_REV] = "SELECT rev, key, value FROM records WHERE rev > ?1 ORDER BY rev",
	[STMT_BY_KEY] = "SELECT rev, key, value FROM records WHERE key >= ?1 ORDER BY key",
};

struct sq_store {
	struct md_store_base base;
	pthread_mutex_t order;
	struct md_fanout fanout;
	pthread_mutex_t data; /* guards all below but `rev` */
	sqlite3 *db;
	sqlite3_stmt *stmt[STMT_COUNT];
	bool failed; /* nobody knows what the disk holds: until it is opened again, nothing more */
	_Atomic uint64_t rev;
};

static struct sq_store *sq_of(struct md_store *s)
{
	void *p = s;

	return p;
}

static void stmt_release(sqlite3_stmt **st)
{
	(void)sqlite3_reset(*st); /* repeats the error of the last step */
	(void)sqlite3_clear_bindings(*st);
}

/* The outcomes of store.h for a database that is open. */
static ub_err outcome(int rc)
{
	ub_err e = sq_err(rc);

	if (e == UNIBUS_ERR_LOCKED)
		return UNIBUS_ERR_UNAVAILABLE;
	return e == UNIBUS_ERR_BAD_FILE ? UNIBUS_ERR_IO : e;
}

static ub_err step_to_end(struct sq_store *s, enum stmt which)
{
	UB_CLEANUP(stmt_release) sqlite3_stmt *st = s->stmt[which];
	int rc = sqlite3_step(st);

	return rc == SQLITE_ROW ? UNIBUS_ERR_IO : outcome(rc);
}

static ub_err bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
	return outcome(sqlite3_bind_int64(st, at, (int64_t)v));
}

static ub_err bind_key(sqlite3_stmt *st, int at, const char *key)
{
	return outcome(sqlite3_bind_text(st, at, key, -1, SQLITE_STATIC));
}

/* The BLOB of a row; borrowed until the next step. */
static ub_err column_bytes(sqlite3_stmt *st, int column, struct ub_bytes *ret)
{
	const void *p = sqlite3_column_blob(st, column);
	int len = sqlite3_column_bytes(st, column);

	if (len > MD_VALUE_MAX)
		return UNIBUS_ERR_IO;
	if (len > 0 && !p)
		return UNIBUS_ERR_NOMEM;
	*ret = (struct ub_bytes){p, (size_t)len};
	return UB_OK;
}

/* A row of STMT_BY_REV or STMT_BY_KEY; borrowed. */
static ub_err column_record(sqlite3_stmt *st, struct md_record *ret)
{
	const void *key = sqlite3_column_text(st, 1);
	struct md_record r = {.key = key, .rev = (uint64_t)sqlite3_column_int64(st, 0)};
	ub_err e = column_bytes(st, 2, &r.value);

	if (!e && !key)
		e = UNIBUS_ERR_NOMEM;
	if (!e && !md_key_ok(key))
		e = UNIBUS_ERR_IO;
	if (!e)
		*ret = r;
	return e;
}

static ub_err sq_get(
	struct md_store *base, const char *key, struct ub_buf *value, uint64_t *ret_rev)
{
	struct sq_store *s = sq_of(base);
	MD_HOLD(&s->data);
	UB_CLEANUP(stmt_release) sqlite3_stmt *st = s->stmt[STMT_GET];
	struct ub_bytes v;
	ub_err e = s->failed ? UNIBUS_ERR_IO : bind_key(st, 1, key);

	if (e)
		return e;
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? UNIBUS_ERR_NOT_FOUND : outcome(rc);
	e = column_bytes(st, 1, &v);
	if (e)
		return e;
	if (v.len > 0)
		ub_buf_put(value, v.p, v.len);
	e = ub_buf_err(value);
	if (!e)
		*ret_rev = (uint64_t)sqlite3_column_int64(st, 0);
	return e;
}

/* 0: absent. */
static ub_err current_rev(struct sq_store *s, const char *key, uint64_t *ret)
{
	UB_CLEANUP(stmt_release) sqlite3_stmt *st = s->stmt[STMT_GET];
	ub_err e = bind_key(st, 1, key);

	if (e)
		return e;
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(st, 0);
	else if (rc == SQLITE_DONE)
		*ret = 0;
	return outcome(rc);
}

static ub_err last_rev(struct sq_store *s, uint64_t *ret)
{
	UB_CLEANUP(stmt_release) sqlite3_stmt *st = s->stmt[STMT_LAST_REV];
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(st, 0);
	return rc == SQLITE_DONE ? UNIBUS_ERR_IO : outcome(rc);
}

static ub_err write_rev(struct sq_store *s, enum stmt which, uint64_t rev)
{
	ub_err e = bind_u64(s->stmt[which], 1, rev);

	return e ? e : step_to_end(s, which);
}

static ub_err insert(struct sq_store *s, const struct md_op *op, uint64_t rev)
{
	sqlite3_stmt *st = s->stmt[STMT_INSERT];
	const void *value = op->value.len > 0 ? (const void *)op->value.p : "";
	ub_err e = bind_u64(st, 1, rev);

	if (!e)
		e = bind_key(st, 2, op->key);
	if (!e)
		e = outcome(sqlite3_bind_blob64(st, 3, value, op->value.len, SQLITE_STATIC));
	return e ? e : step_to_end(s, STMT_INSERT);
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
			e = write_rev(s, STMT_DELETE, ops[i].expect);
		if (!e && ops[i].kind == MD_PUT)
			e = insert(s, &ops[i], rev);
	}
	if (!e)
		e = write_rev(s, STMT_SET_LAST_REV, rev);
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
		UB_CLEANUP(stmt_release) sqlite3_stmt *st = s->stmt[STMT_COMMIT];
		e = commit_outcome(sqlite3_step(st));
	}
	/* Some errors have rolled it back already. */
	if (e && !sqlite3_get_autocommit(s->db) && step_to_end(s, STMT_ROLLBACK))
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
	ub_err e = s->failed ? UNIBUS_ERR_IO : step_to_end(s, STMT_BEGIN);

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

/* Copies of some rows: callbacks run without the lock of the data. */
struct load {
	const char *prefix;
	uint64_t after; /* the last revision looked at */
	bool done;
	struct md_record recs[BATCH];
	size_t key_at[BATCH], value_at[BATCH]; /* in `bytes`, which moves as it grows */
	size_t n;
	struct ub_buf bytes;
};

static void load_deinit(struct load *l)
{
	ub_buf_deinit(&l->bytes);
}

static ub_err load_row(struct load *l, sqlite3_stmt *st)
{
	struct md_record *r = &l->recs[l->n];
	const void *key = sqlite3_column_text(st, 1);

	l->after = (uint64_t)sqlite3_column_int64(st, 0);
	/* Before the value is looked at: pages of a long one are not even read. */
	if (key && !md_has_prefix(key, l->prefix))
		return UB_OK;
	ub_err e = column_record(st, r);
	if (e)
		return e;
	l->key_at[l->n] = l->bytes.len;
	ub_buf_put(&l->bytes, r->key, strlen(r->key) + 1);
	l->value_at[l->n] = l->bytes.len;
	if (r->value.len > 0)
		ub_buf_put(&l->bytes, r->value.p, r->value.len);
	l->n++;
	return ub_buf_err(&l->bytes);
}

static ub_err load_batch(struct sq_store *s, struct load *l)
{
	MD_HOLD(&s->data);
	UB_CLEANUP(stmt_release) sqlite3_stmt *st = s->stmt[STMT_BY_REV];
	ub_err e = s->failed ? UNIBUS_ERR_IO : bind_u64(st, 1, l->after);

	l->n = 0;
	ub_buf_reset(&l->bytes);
	while (!e && l->n < BATCH && l->bytes.len < BATCH_BYTES) {
		int rc = sqlite3_step(st);

		l->done = rc == SQLITE_DONE;
		if (l->done)
			break;
		e = rc == SQLITE_ROW ? load_row(l, st) : outcome(rc);
	}
	for (size_t i = 0; i < l->n && !e; i++) {
		const void *key = l->bytes.p + l->key_at[i];

		l->recs[i].key = key;
		l->recs[i].value.p = l->bytes.p + l->value_at[i];
	}
	return e;
}

static ub_err sq_follow(struct md_store *base, const struct md_follower *f)
{
	struct sq_store *s = sq_of(base);
	MD_HOLD(&s->order);
	UB_CLEANUP(load_deinit)
	struct load l = {
		.prefix = f->prefix,
		.bytes = UB_BUF(BATCH_BYTES + MD_KEY_MAX + 1 + MD_VALUE_MAX),
	};

	if (s->fanout.n == MD_FOLLOWERS_MAX)
		return UNIBUS_ERR_LIMIT;
	while (!l.done) {
		ub_err e = load_batch(s, &l);

		if (e)
			return e;
		if (l.n > 0)
			f->batch(f->arg, l.recs, l.n, l.recs[l.n - 1].rev);
	}
	md_fanout_add(&s->fanout, f);
	f->caught_up(f->arg, atomic_load(&s->rev));
	return UB_OK;
}

static ub_err sq_each(struct md_store *base, const char *prefix,
	ub_err (*fn)(void *arg, const struct md_record *r), void *arg)
{
	struct sq_store *s = sq_of(base);
	MD_HOLD(&s->data);
	UB_CLEANUP(stmt_release) sqlite3_stmt *st = s->stmt[STMT_BY_KEY];
	struct md_record r;
	ub_err e = s->failed ? UNIBUS_ERR_IO : bind_key(st, 1, prefix);

	while (!e) {
		int rc = sqlite3_step(st);

		if (rc != SQLITE_ROW)
			return outcome(rc);
		e = column_record(st, &r);
		if (!e && !md_has_prefix(r.key, prefix))
			return UB_OK;
		if (!e)
			e = fn(arg, &r);
	}
	return e;
}

static uint64_t sq_revision(struct md_store *base)
{
	return atomic_load(&sq_of(base)->rev);
}

static void sq_store_free(struct sq_store *s)
{
	for (size_t i = 0; i < STMT_COUNT; i++)
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
	for (size_t i = 0; i < STMT_COUNT && !e; i++)
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
