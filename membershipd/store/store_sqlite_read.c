#include "membershipd/store/store_sqlite.h"

#include <stdatomic.h>

#define BATCH 256
#define BATCH_BYTES ((size_t)1024 * 1024)

struct sq_store *sq_of(struct md_store *s)
{
	void *p = s;

	return p;
}

void sq_release(sqlite3_stmt **st)
{
	(void)sqlite3_reset(*st); /* repeats the error of the last step */
	(void)sqlite3_clear_bindings(*st);
}

ub_err sq_outcome(int rc)
{
	ub_err e = sq_err(rc);

	if (e == UNIBUS_ERR_LOCKED)
		return UNIBUS_ERR_UNAVAILABLE;
	return e == UNIBUS_ERR_BAD_FILE ? UNIBUS_ERR_IO : e;
}

ub_err sq_bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
	return sq_outcome(sqlite3_bind_int64(st, at, (int64_t)v));
}

ub_err sq_bind_key(sqlite3_stmt *st, int at, const char *key)
{
	return sq_outcome(sqlite3_bind_text(st, at, key, -1, SQLITE_STATIC));
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

/* A row of SQ_BY_REV or SQ_BY_KEY; borrowed. */
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

ub_err sq_get(struct md_store *base, const char *key, struct ub_buf *value, uint64_t *ret_rev)
{
	struct sq_store *s = sq_of(base);
	MD_HOLD(&s->data);
	UB_CLEANUP(sq_release) sqlite3_stmt *st = s->stmt[SQ_GET];
	struct ub_bytes v;
	ub_err e = s->failed ? UNIBUS_ERR_IO : sq_bind_key(st, 1, key);

	if (e)
		return e;
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? UNIBUS_ERR_NOT_FOUND : sq_outcome(rc);
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
	UB_CLEANUP(sq_release) sqlite3_stmt *st = s->stmt[SQ_BY_REV];
	ub_err e = s->failed ? UNIBUS_ERR_IO : sq_bind_u64(st, 1, l->after);

	l->n = 0;
	ub_buf_reset(&l->bytes);
	while (!e && l->n < BATCH && l->bytes.len < BATCH_BYTES) {
		int rc = sqlite3_step(st);

		l->done = rc == SQLITE_DONE;
		if (l->done)
			break;
		e = rc == SQLITE_ROW ? load_row(l, st) : sq_outcome(rc);
	}
	for (size_t i = 0; i < l->n && !e; i++) {
		const void *key = l->bytes.p + l->key_at[i];

		l->recs[i].key = key;
		l->recs[i].value.p = l->bytes.p + l->value_at[i];
	}
	return e;
}

ub_err sq_follow(struct md_store *base, const struct md_follower *f)
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

ub_err sq_each(struct md_store *base, const char *prefix,
	ub_err (*fn)(void *arg, const struct md_record *r), void *arg)
{
	struct sq_store *s = sq_of(base);
	MD_HOLD(&s->data);
	UB_CLEANUP(sq_release) sqlite3_stmt *st = s->stmt[SQ_BY_KEY];
	struct md_record r;
	ub_err e = s->failed ? UNIBUS_ERR_IO : sq_bind_key(st, 1, prefix);

	while (!e) {
		int rc = sqlite3_step(st);

		if (rc != SQLITE_ROW)
			return sq_outcome(rc);
		e = column_record(st, &r);
		if (!e && !md_has_prefix(r.key, prefix))
			return UB_OK;
		if (!e)
			e = fn(arg, &r);
	}
	return e;
}
