#include "tests/harness/store_crash.h"

#include "core/num.h"

#include <pthread.h>
#include <unistd.h>

struct crash_store {
	struct md_store_base base;
	struct md_store *inner;
	pthread_mutex_t lock;
	struct store_crash_plan plan;
	uint64_t count;
};

static struct crash_store *crash_of(struct md_store *s)
{
	void *p = s;

	return p;
}

/* Counts a call; is it the one that ends the process, and when? */
static enum store_crash_when count_call(struct crash_store *c, enum store_crash_calls call)
{
	enum store_crash_when when = STORE_CRASH_NEVER;

	ub_assert(!pthread_mutex_lock(&c->lock));
	if (c->plan.calls & call) {
		c->count++;
		if (c->count == c->plan.k)
			when = c->plan.when;
	}
	ub_assert(!pthread_mutex_unlock(&c->lock));
	if (when == STORE_CRASH_BEFORE)
		_exit(STORE_CRASH_STATUS);
	return when;
}

static ub_err crash_get(
	struct md_store *s, const char *key, struct ub_buf *value, uint64_t *ret_rev)
{
	struct crash_store *c = crash_of(s);
	enum store_crash_when when = count_call(c, STORE_CRASH_GETS);
	ub_err e = md_store_get(c->inner, key, value, ret_rev);

	if (when == STORE_CRASH_AFTER)
		_exit(STORE_CRASH_STATUS);
	return e;
}

static ub_err crash_commit(struct md_store *s, const struct md_op *ops, size_t n, uint64_t *ret_rev)
{
	struct crash_store *c = crash_of(s);
	enum store_crash_when when = count_call(c, STORE_CRASH_COMMITS);
	ub_err e = md_store_commit(c->inner, ops, n, ret_rev);

	if (when == STORE_CRASH_AFTER)
		_exit(STORE_CRASH_STATUS);
	return e;
}

static ub_err crash_follow(struct md_store *s, const struct md_follower *f)
{
	return md_store_follow(crash_of(s)->inner, f);
}

static ub_err crash_each(struct md_store *s, const char *prefix,
	ub_err (*fn)(void *arg, const struct md_record *r), void *arg)
{
	return md_store_each(crash_of(s)->inner, prefix, fn, arg);
}

static uint64_t crash_revision(struct md_store *s)
{
	return md_store_revision(crash_of(s)->inner);
}

static void crash_close(struct md_store *s)
{
	struct crash_store *c = crash_of(s);

	md_store_close(c->inner);
	ub_assert(!pthread_mutex_destroy(&c->lock));
	free(c);
}

static const struct md_store_ops crash_ops = {
	.name = "crash",
	.get = crash_get,
	.commit = crash_commit,
	.follow = crash_follow,
	.each = crash_each,
	.revision = crash_revision,
	.close = crash_close,
};

ub_err store_crash_open(
	struct md_store *inner, const struct store_crash_plan *plan, struct md_store **ret)
{
	struct crash_store *c = calloc(1, sizeof(*c));
	void *opaque = c;

	if (!c)
		return UNIBUS_ERR_NOMEM;
	ub_assert(!pthread_mutex_init(&c->lock, NULL));
	c->base.ops = &crash_ops;
	c->inner = inner;
	c->plan = *plan;
	*ret = opaque;
	return UB_OK;
}

void store_crash_arm(struct md_store *s, const struct store_crash_plan *plan)
{
	struct crash_store *c = crash_of(s);

	ub_assert(c->base.ops == &crash_ops);
	ub_assert(!pthread_mutex_lock(&c->lock));
	c->plan = *plan;
	c->count = 0;
	ub_assert(!pthread_mutex_unlock(&c->lock));
}

uint64_t store_crash_count(struct md_store *s)
{
	struct crash_store *c = crash_of(s);
	uint64_t n;

	ub_assert(c->base.ops == &crash_ops);
	ub_assert(!pthread_mutex_lock(&c->lock));
	n = c->count;
	ub_assert(!pthread_mutex_unlock(&c->lock));
	return n;
}

/* Takes "word" off the front of *s, with the colon after it unless it is the end. */
static bool take_word(struct ub_str *s, const char *word)
{
	size_t len = strlen(word);

	if (s->len < len || memcmp(s->p, word, len) != 0 || (s->len > len && s->p[len] != ':'))
		return false;
	if (s->len > len)
		len++;
	*s = (struct ub_str){s->p + len, s->len - len};
	return true;
}

ub_err store_crash_parse(struct ub_str s, struct store_crash_plan *ret)
{
	struct store_crash_plan plan = {.calls = STORE_CRASH_BOTH};

	if (s.len > 0 && s.p[s.len - 1] == ':')
		return UNIBUS_ERR_INVALID;
	if (take_word(&s, "before"))
		plan.when = STORE_CRASH_BEFORE;
	else if (take_word(&s, "after"))
		plan.when = STORE_CRASH_AFTER;
	else if (!take_word(&s, "never"))
		return UNIBUS_ERR_INVALID;
	if (take_word(&s, "commit"))
		plan.calls = STORE_CRASH_COMMITS;
	else if (take_word(&s, "get"))
		plan.calls = STORE_CRASH_GETS;
	if (plan.when == STORE_CRASH_NEVER ? s.len > 0 : ub_num_u64(s, 1, UINT64_MAX, &plan.k))
		return UNIBUS_ERR_INVALID;
	*ret = plan;
	return UB_OK;
}
