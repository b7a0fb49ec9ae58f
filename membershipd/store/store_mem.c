#include "membershipd/store/store_follow.h"

#include <search.h>
#include <stdatomic.h>

#define BATCH 256

struct mem_rec {
	struct mem_rec *prev, *next; /* in the order of revisions */
	uint8_t *value;
	size_t len;
	uint64_t rev;
	char key[];
};

struct mem_store {
	struct md_store_base base;
	pthread_mutex_t order;
	struct md_fanout fanout;
	pthread_mutex_t data;
	void *tree; /* of struct mem_rec by key, see tsearch(3) */
	struct mem_rec *oldest, *newest;
	_Atomic uint64_t rev;
};

static struct mem_store *mem_of(struct md_store *s)
{
	void *p = s;

	return p;
}

static void rec_free(void *p)
{
	struct mem_rec *r = p;

	if (r)
		free(r->value);
	free(r);
}

static struct mem_rec *rec_new(const char *key, struct ub_bytes value)
{
	size_t key_size = strlen(key) + 1;
	struct mem_rec *r = calloc(1, sizeof(*r) + key_size);

	if (!r)
		return NULL;
	memcpy(r->key, key, key_size);
	r->value = malloc(value.len + 1); /* never NULL for an empty value */
	if (!r->value) {
		free(r);
		return NULL;
	}
	if (value.len > 0)
		memcpy(r->value, value.p, value.len);
	r->len = value.len;
	return r;
}

static int by_key(const void *a, const void *b)
{
	const struct mem_rec *x = a, *y = b;

	return strcmp(x->key, y->key);
}

/* The tree's place for a key: points to the record there. */
static struct mem_rec **place_of(const struct mem_store *m, const char *key)
{
	union {
		struct mem_rec r;
		char room[sizeof(struct mem_rec) + MD_KEY_MAX + 1];
	} probe;

	(void)snprintf(probe.room + offsetof(struct mem_rec, key), MD_KEY_MAX + 1, "%s", key);
	return tfind(&probe, &m->tree, by_key);
}

static void list_append(struct mem_store *m, struct mem_rec *r)
{
	r->prev = m->newest;
	r->next = NULL;
	if (m->newest)
		m->newest->next = r;
	else
		m->oldest = r;
	m->newest = r;
}

static void list_remove(struct mem_store *m, struct mem_rec *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		m->oldest = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		m->newest = r->prev;
}

static ub_err mem_get(struct md_store *s, const char *key, struct ub_buf *value, uint64_t *ret_rev)
{
	struct mem_store *m = mem_of(s);
	MD_HOLD(&m->data);
	struct mem_rec **at = place_of(m, key);

	if (!at)
		return UNIBUS_ERR_NOT_FOUND;
	ub_buf_put(value, (*at)->value, (*at)->len);
	ub_err e = ub_buf_err(value);
	if (!e)
		*ret_rev = (*at)->rev;
	return e;
}

static bool expectations_hold(const struct mem_store *m, const struct md_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct mem_rec **at = place_of(m, ops[i].key);

		if ((at ? (*at)->rev : 0) != ops[i].expect)
			return false;
	}
	return true;
}

/* Everything of a commit that can fail: the new records, and places in the tree for new keys. */
static ub_err reserve(struct mem_store *m, const struct md_op *ops, size_t n, struct mem_rec **recs)
{
	bool placed[MD_COMMIT_OPS_MAX] = {false};
	ub_err e = UB_OK;

	for (size_t i = 0; i < n && !e; i++) {
		recs[i] = ops[i].kind == MD_PUT ? rec_new(ops[i].key, ops[i].value) : NULL;
		if (ops[i].kind == MD_PUT && !recs[i])
			e = UNIBUS_ERR_NOMEM;
		else if (ops[i].expect == 0 && !tsearch(recs[i], &m->tree, by_key))
			e = UNIBUS_ERR_NOMEM;
		else
			placed[i] = ops[i].expect == 0;
	}
	for (size_t i = 0; i < n && e; i++) {
		if (placed[i])
			(void)tdelete(recs[i], &m->tree, by_key);
		rec_free(recs[i]);
	}
	return e;
}

static void apply(struct mem_store *m, const struct md_op *op, struct mem_rec *fresh, uint64_t rev)
{
	struct mem_rec **at = place_of(m, op->key), *old = *at;

	if (fresh) {
		fresh->rev = rev;
		*at = fresh;
		list_append(m, fresh);
	} else {
		(void)tdelete(old, &m->tree, by_key);
	}
	if (op->expect > 0) {
		list_remove(m, old);
		rec_free(old);
	}
}

static ub_err commit_data(struct mem_store *m, const struct md_op *ops, size_t n, uint64_t *ret_rev)
{
	MD_HOLD(&m->data);
	struct mem_rec *recs[MD_COMMIT_OPS_MAX] = {NULL};
	uint64_t rev = atomic_load(&m->rev);

	if (!expectations_hold(m, ops, n))
		return UNIBUS_ERR_CONFLICT;
	ub_err e = reserve(m, ops, n, recs);
	if (e)
		return e;
	for (size_t i = 0; i < n; i++)
		apply(m, &ops[i], recs[i], ++rev);
	atomic_store(&m->rev, rev);
	*ret_rev = rev;
	return UB_OK;
}

static ub_err mem_commit(struct md_store *s, const struct md_op *ops, size_t n, uint64_t *ret_rev)
{
	struct mem_store *m = mem_of(s);
	MD_HOLD(&m->order);
	uint64_t rev;
	ub_err e = commit_data(m, ops, n, &rev);

	if (e)
		return e;
	md_fanout_commit(&m->fanout, ops, n, rev);
	*ret_rev = rev;
	return UB_OK;
}

static struct md_record record_of(const struct mem_rec *r)
{
	return (struct md_record){.key = r->key, .value = {r->value, r->len}, .rev = r->rev};
}

static ub_err mem_follow(struct md_store *s, const struct md_follower *f)
{
	struct mem_store *m = mem_of(s);
	MD_HOLD(&m->order);
	struct md_record recs[BATCH];
	size_t n = 0;

	if (m->fanout.n == MD_FOLLOWERS_MAX)
		return UNIBUS_ERR_LIMIT;
	/* Only commits change the list, and `order` keeps them out. */
	for (const struct mem_rec *r = m->oldest; r; r = r->next) {
		if (md_has_prefix(r->key, f->prefix))
			recs[n++] = record_of(r);
		if (n == BATCH || (n > 0 && !r->next)) {
			f->batch(f->arg, recs, n, recs[n - 1].rev);
			n = 0;
		}
	}
	md_fanout_add(&m->fanout, f);
	f->caught_up(f->arg, atomic_load(&m->rev));
	return UB_OK;
}

struct walk {
	const char *prefix;
	ub_err (*fn)(void *arg, const struct md_record *r);
	void *arg;
	ub_err err;
};

static void walk_one(const void *place, VISIT visit, void *arg)
{
	struct mem_rec *const *at = place;
	struct walk *w = arg;

	if ((visit != postorder && visit != leaf) || w->err ||
		!md_has_prefix((*at)->key, w->prefix))
		return;
	struct md_record r = record_of(*at);
	w->err = w->fn(w->arg, &r);
}

static ub_err mem_each(struct md_store *s, const char *prefix,
	ub_err (*fn)(void *arg, const struct md_record *r), void *arg)
{
	struct mem_store *m = mem_of(s);
	struct walk w = {.prefix = prefix, .fn = fn, .arg = arg};
	MD_HOLD(&m->data);

	twalk_r(m->tree, walk_one, &w);
	return w.err;
}

static uint64_t mem_revision(struct md_store *s)
{
	return atomic_load(&mem_of(s)->rev);
}

static void mem_close(struct md_store *s)
{
	struct mem_store *m = mem_of(s);

	tdestroy(m->tree, rec_free);
	ub_assert(!pthread_mutex_destroy(&m->data) && !pthread_mutex_destroy(&m->order));
	free(m);
}

ub_err md_store_mem_open(struct md_store **ret)
{
	static const struct md_store_ops ops = {
		.name = "memory",
		.get = mem_get,
		.commit = mem_commit,
		.follow = mem_follow,
		.each = mem_each,
		.revision = mem_revision,
		.close = mem_close,
	};
	struct mem_store *m = calloc(1, sizeof(*m));
	void *opaque = m;

	if (!m)
		return UNIBUS_ERR_NOMEM;
	m->base.ops = &ops;
	ub_assert(!pthread_mutex_init(&m->order, NULL) && !pthread_mutex_init(&m->data, NULL));
	*ret = opaque;
	return UB_OK;
}
