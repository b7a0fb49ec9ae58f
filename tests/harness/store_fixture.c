#include "tests/harness/store_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct md_op put_op(const char *key, const char *value, uint64_t expect)
{
	const void *p = value;

	return (struct md_op){
		.kind = MD_PUT, .key = key, .value = {p, strlen(value)}, .expect = expect};
}

struct md_op delete_op(const char *key, uint64_t expect)
{
	return (struct md_op){.kind = MD_DELETE, .key = key, .expect = expect};
}

static uint64_t commit_one(struct md_store *s, struct md_op op)
{
	uint64_t before = md_store_revision(s), rev = 0;

	assert_int_equal(md_store_commit(s, &op, 1, &rev), UB_OK);
	assert_true(rev > before);
	return rev;
}

uint64_t put(struct md_store *s, const char *key, const char *value, uint64_t expect)
{
	return commit_one(s, put_op(key, value, expect));
}

uint64_t del(struct md_store *s, const char *key, uint64_t expect)
{
	return commit_one(s, delete_op(key, expect));
}

void assert_record(struct md_store *s, const char *key, const char *value, uint64_t rev)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX + 1);
	uint64_t got = 0;

	assert_int_equal(md_store_get(s, key, &b, &got), UB_OK);
	assert_string_equal(ub_buf_cstr(&b), value);
	assert_int_equal(b.len, strlen(value));
	assert_int_equal(got, rev);
}

void assert_absent(struct md_store *s, const char *key)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	uint64_t rev = 77;

	assert_int_equal(md_store_get(s, key, &b, &rev), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(rev, 77);
	assert_int_equal(b.len, 0);
}

static ub_err dump_one(void *arg, const struct md_record *r)
{
	struct ub_buf *b = arg;

	assert_false(r->deleted);
	ub_buf_printf(b, "%s=", r->key);
	if (r->value.len > 0)
		ub_buf_put(b, r->value.p, r->value.len);
	ub_buf_printf(b, "@%llu\n", (unsigned long long)r->rev);
	return ub_buf_err(b);
}

char *dump(struct md_store *s)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF((size_t)64 * 1024 * 1024);

	assert_int_equal(md_store_each(s, "", dump_one, &b), UB_OK);
	ub_buf_printf(&b, "revision %llu\n", (unsigned long long)md_store_revision(s));
	char *text = ub_buf_take(&b);
	assert_non_null(text);
	return text;
}

struct notes *notes_new(void)
{
	struct notes *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	assert_int_equal(pthread_mutex_init(&t->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&t->changed, NULL), 0);
	return t;
}

void notes_free(struct notes *t)
{
	assert_int_equal(pthread_cond_destroy(&t->changed), 0);
	assert_int_equal(pthread_mutex_destroy(&t->lock), 0);
	free(t->v);
	free(t);
}

static void note_one(struct notes *t, const struct md_record *r)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->v = realloc(t->v, t->cap * sizeof(*t->v));
		ub_assert(t->v);
	}
	struct note *to = &t->v[t->n++];
	*to = (struct note){
		.len = r->value.len, .rev = r->rev, .deleted = r->deleted, .batch = t->batches};
	(void)snprintf(to->key, sizeof(to->key), "%s", r->key);
	size_t len = r->value.len < sizeof(to->value) ? r->value.len : sizeof(to->value) - 1;
	if (len > 0)
		memcpy(to->value, r->value.p, len);
}

/* Callbacks come on any thread: a failure here is a bug report, not a cmocka jump. */
static void note_batch(void *arg, const struct md_record *recs, size_t n, uint64_t rev)
{
	struct notes *t = arg;

	ub_assert(!pthread_mutex_lock(&t->lock));
	ub_assert(n == 0 || rev >= recs[n - 1].rev);
	ub_assert(rev > t->rev);
	for (size_t i = 0; i < n; i++)
		note_one(t, &recs[i]);
	t->batches++;
	t->empty_batches += n == 0;
	t->rev = rev;
	ub_assert(!pthread_cond_broadcast(&t->changed));
	ub_assert(!pthread_mutex_unlock(&t->lock));
}

static void note_caught_up(void *arg, uint64_t rev)
{
	struct notes *t = arg;

	ub_assert(!pthread_mutex_lock(&t->lock));
	ub_assert(rev >= t->rev);
	t->caught_up++;
	t->caught_up_rev = rev;
	t->at_caught_up = t->n;
	t->rev = rev;
	ub_assert(!pthread_cond_broadcast(&t->changed));
	ub_assert(!pthread_mutex_unlock(&t->lock));
}

static void note_lost(void *arg)
{
	struct notes *t = arg;

	ub_assert(!pthread_mutex_lock(&t->lock));
	t->lost++;
	ub_assert(!pthread_mutex_unlock(&t->lock));
}

struct md_follower notes_follower(struct notes *t, const char *prefix)
{
	return (struct md_follower){
		.prefix = prefix,
		.batch = note_batch,
		.caught_up = note_caught_up,
		.lost = note_lost,
		.arg = t,
	};
}

void notes_wait(struct notes *t, uint64_t rev)
{
	struct timespec end;
	int rc = 0;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &end), 0);
	end.tv_sec += 20;
	assert_int_equal(pthread_mutex_lock(&t->lock), 0);
	while ((t->rev < rev || t->caught_up == 0) && rc == 0)
		rc = pthread_cond_timedwait(&t->changed, &t->lock, &end);
	assert_int_equal(pthread_mutex_unlock(&t->lock), 0);
	assert_int_equal(rc, 0);
}
