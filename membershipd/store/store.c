#include "membershipd/store/store.h"

static const struct md_store_ops *ops_of(const struct md_store *s)
{
	/* Every engine's struct begins with its base: the promise of store.h. */
	const void *p = s;
	const struct md_store_base *base = p;

	return base->ops;
}

static bool chars_ok(const char *z, size_t max)
{
	size_t n = 0;

	for (; z[n]; n++) {
		char c = z[n];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';

		if (!ok || n == max)
			return false;
	}
	return true;
}

bool md_key_ok(const char *key)
{
	return key && *key && chars_ok(key, MD_KEY_MAX);
}

static bool op_ok(const struct md_op *op)
{
	if (!md_key_ok(op->key) || (op->value.len > 0 && !op->value.p))
		return false;
	switch (op->kind) {
	case MD_PUT:
		return op->value.len <= MD_VALUE_MAX;
	case MD_DELETE:
		return op->value.len == 0 && op->expect > 0;
	}
	return false;
}

ub_err md_ops_check(const struct md_op *ops, size_t n)
{
	if (n < 1 || n > MD_COMMIT_OPS_MAX)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < n; i++) {
		if (!op_ok(&ops[i]))
			return UNIBUS_ERR_INVALID;
		for (size_t k = 0; k < i; k++) {
			if (!strcmp(ops[i].key, ops[k].key))
				return UNIBUS_ERR_INVALID;
		}
	}
	return UB_OK;
}

ub_err md_store_get(struct md_store *s, const char *key, struct ub_buf *value, uint64_t *ret_rev)
{
	if (!md_key_ok(key))
		return UNIBUS_ERR_INVALID;
	return ops_of(s)->get(s, key, value, ret_rev);
}

ub_err md_store_commit(struct md_store *s, const struct md_op *ops, size_t n, uint64_t *ret_rev)
{
	ub_err e = md_ops_check(ops, n);

	return e ? e : ops_of(s)->commit(s, ops, n, ret_rev);
}

ub_err md_store_follow(struct md_store *s, const struct md_follower *f)
{
	if (!f->prefix || !chars_ok(f->prefix, MD_KEY_MAX))
		return UNIBUS_ERR_INVALID;
	return ops_of(s)->follow(s, f);
}

ub_err md_store_each(struct md_store *s, const char *prefix,
	ub_err (*fn)(void *arg, const struct md_record *r), void *arg)
{
	if (!prefix || !chars_ok(prefix, MD_KEY_MAX))
		return UNIBUS_ERR_INVALID;
	return ops_of(s)->each(s, prefix, fn, arg);
}

uint64_t md_store_revision(struct md_store *s)
{
	return ops_of(s)->revision(s);
}

const char *md_store_name(const struct md_store *s)
{
	return ops_of(s)->name;
}

void md_store_close(struct md_store *s)
{
	if (s)
		ops_of(s)->close(s);
}
