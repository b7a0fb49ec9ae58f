/* The promises of store.h about followers and threads, over every engine. */
#include "membershipd/store/store.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#include "tests/harness/store_engines.h"
#include "tests/harness/store_fixture.h"

static void follow(struct md_store *s, struct notes *t, const char *prefix)
{
	struct md_follower f = notes_follower(t, prefix);

	assert_int_equal(md_store_follow(s, &f), UB_OK);
	notes_wait(t, md_store_revision(s));
}

/* Followers live until close, so notes are freed after it. */
static void close_store(struct store_fixture *f)
{
	md_store_close(f->s);
	f->s = NULL;
}

static void expect_note(
	const struct note *n, const char *key, const char *value, uint64_t rev, bool deleted)
{
	assert_string_equal(n->key, key);
	assert_string_equal(n->value, value);
	assert_int_equal(n->len, strlen(value));
	assert_int_equal(n->rev, rev);
	assert_int_equal(n->deleted, deleted);
}

static void an_empty_store_is_caught_up_with_at_once(void **state)
{
	struct store_fixture *f = *state;
	struct notes *t = notes_new();

	follow(f->s, t, "");
	assert_int_equal(t->n, 0);
	assert_int_equal(t->caught_up, 1);
	assert_int_equal(t->caught_up_rev, 0);
	close_store(f);
	assert_int_equal(t->lost, 0);
	notes_free(t);
}

static void current_records_come_in_revision_order_then_changes(void **state)
{
	struct store_fixture *f = *state;
	struct notes *t = notes_new();
	uint64_t b = put(f->s, "d.b", "1", 0), a = put(f->s, "d.a", "2", 0);
	uint64_t x = put(f->s, "x.a", "3", 0), gone = put(f->s, "d.gone", "4", 0);

	(void)del(f->s, "d.gone", gone);
	b = put(f->s, "d.b", "5", b);
	x = put(f->s, "x.b", "6", 0);
	follow(f->s, t, "d.");
	assert_int_equal(t->caught_up, 1);
	assert_int_equal(t->caught_up_rev, x);
	assert_int_equal(t->n, 2);
	expect_note(&t->v[0], "d.a", "2", a, false);
	expect_note(&t->v[1], "d.b", "5", b, false);

	uint64_t a2 = put(f->s, "d.a", "7", a);
	notes_wait(t, a2);
	uint64_t a3 = del(f->s, "d.a", a2);
	uint64_t n = put(f->s, "d.new", "", 0);
	notes_wait(t, n);
	assert_int_equal(t->caught_up, 1);
	assert_int_equal(t->n, 5);
	expect_note(&t->v[2], "d.a", "7", a2, false);
	expect_note(&t->v[3], "d.a", "", a3, true);
	expect_note(&t->v[4], "d.new", "", n, false);
	close_store(f);
	notes_free(t);
}

static void records_of_one_commit_come_together(void **state)
{
	struct store_fixture *f = *state;
	struct notes *t = notes_new();
	uint64_t old = put(f->s, "d.old", "o", 0), rev = 0;

	follow(f->s, t, "d.");
	size_t batches = t->batches;
	const struct md_op mixed[] = {put_op("x.1", "a", 0), put_op("d.1", "b", 0),
		delete_op("d.old", old), put_op("x.2", "c", 0), put_op("d.2", "d", 0)};
	assert_int_equal(md_store_commit(f->s, mixed, UB_ARRAY_LEN(mixed), &rev), UB_OK);
	notes_wait(t, rev);
	assert_int_equal(t->batches, batches + 1);
	assert_int_equal(t->rev, rev);
	assert_int_equal(t->n, t->at_caught_up + 3);
	const struct note *v = t->v + t->at_caught_up;
	expect_note(&v[0], "d.1", "b", rev - 3, false);
	expect_note(&v[1], "d.old", "", rev - 2, true);
	expect_note(&v[2], "d.2", "d", rev, false);
	assert_int_equal(v[0].batch, v[2].batch);

	/* Nothing of interest is told as well: the follower's revision advances. */
	uint64_t x = put(f->s, "x.3", "e", 0);
	notes_wait(t, x);
	assert_int_equal(t->rev, x);
	assert_int_equal(t->batches, batches + 2);
	assert_int_equal(t->empty_batches, 1);
	close_store(f);
	notes_free(t);
}

static void a_refused_commit_is_not_told(void **state)
{
	struct store_fixture *f = *state;
	struct notes *t = notes_new();
	uint64_t a = put(f->s, "d.a", "1", 0), rev = 77;
	struct md_op stale[] = {put_op("d.b", "2", 0), put_op("d.a", "2", a + 1)};

	follow(f->s, t, "");
	assert_int_equal(md_store_commit(f->s, stale, 2, &rev), UNIBUS_ERR_CONFLICT);
	stale[1].key = "";
	assert_int_equal(md_store_commit(f->s, stale, 2, &rev), UNIBUS_ERR_INVALID);
	rev = put(f->s, "d.c", "3", 0);
	notes_wait(t, rev);
	assert_int_equal(t->n, 2);
	expect_note(&t->v[1], "d.c", "3", a + 1, false);
	close_store(f);
	notes_free(t);
}

static void a_long_first_load_is_complete_and_in_order(void **state)
{
	enum { SMALL = 1500, BIG = 24 };
	struct store_fixture *f = *state;
	struct notes *t = notes_new();
	UB_CLEANUP(ub_freep) char *big = malloc(200001);
	struct md_op ops[MD_COMMIT_OPS_MAX];
	char keys[MD_COMMIT_OPS_MAX][24];
	uint64_t rev = 0;

	assert_non_null(big);
	memset(big, 'b', 200000);
	big[200000] = '\0';
	for (size_t i = 0; i < SMALL; i += MD_COMMIT_OPS_MAX) {
		for (size_t k = 0; k < MD_COMMIT_OPS_MAX; k++) {
			(void)snprintf(keys[k], sizeof(keys[k]), "%c.%zu", k % 2 ? 'd' : 'x',
				(i + k) * 7919 % 100003);
			ops[k] = put_op(keys[k], keys[k], 0);
		}
		assert_int_equal(md_store_commit(f->s, ops, MD_COMMIT_OPS_MAX, &rev), UB_OK);
	}
	size_t small = (size_t)rev / 2;
	for (size_t i = 0; i < BIG; i++) {
		(void)snprintf(keys[0], sizeof(keys[0]), "d.big.%zu", i);
		rev = put(f->s, keys[0], big, 0);
	}
	follow(f->s, t, "d.");
	assert_int_equal(t->n, small + BIG);
	for (size_t i = 0; i < t->n; i++) {
		assert_true(i == 0 || t->v[i].rev > t->v[i - 1].rev);
		if (i < small)
			assert_memory_equal(t->v[i].value, t->v[i].key, t->v[i].len);
		else
			assert_int_equal(t->v[i].len, 200000);
	}
	assert_int_equal(t->v[t->n - 1].rev, rev);
	assert_int_equal(t->caught_up_rev, rev);
	close_store(f);
	notes_free(t);
}

static void a_few_may_follow_each_its_prefix(void **state)
{
	static const char *const prefixes[MD_FOLLOWERS_MAX] = {"", "d.", "x.", "d."};
	struct store_fixture *f = *state;
	struct notes *t[MD_FOLLOWERS_MAX + 1];
	uint64_t d = put(f->s, "d.a", "1", 0), x = put(f->s, "x.a", "2", 0), rev;

	for (size_t i = 0; i < MD_FOLLOWERS_MAX; i++) {
		char prefix[8]; /* of this turn only: the store keeps a copy */

		t[i] = notes_new();
		(void)snprintf(prefix, sizeof(prefix), "%s", prefixes[i]);
		follow(f->s, t[i], prefix);
		memset(prefix, '?', sizeof(prefix) - 1);
	}
	t[MD_FOLLOWERS_MAX] = notes_new();
	struct md_follower extra = notes_follower(t[MD_FOLLOWERS_MAX], "");
	assert_int_equal(md_store_follow(f->s, &extra), UNIBUS_ERR_LIMIT);
	extra.prefix = "a b";
	assert_int_equal(md_store_follow(f->s, &extra), UNIBUS_ERR_INVALID);
	extra.prefix = NULL;
	assert_int_equal(md_store_follow(f->s, &extra), UNIBUS_ERR_INVALID);

	const struct md_op both[] = {put_op("d.a", "3", d), put_op("x.a", "4", x)};
	assert_int_equal(md_store_commit(f->s, both, 2, &rev), UB_OK);
	for (size_t i = 0; i < MD_FOLLOWERS_MAX; i++) {
		notes_wait(t[i], rev);
		assert_int_equal(t[i]->n, i == 0 ? 4 : 2);
		assert_int_equal(t[i]->v[t[i]->n - 1].rev, i == 1 || i == 3 ? rev - 1 : rev);
	}
	assert_int_equal(t[MD_FOLLOWERS_MAX]->batches + t[MD_FOLLOWERS_MAX]->caught_up, 0);
	close_store(f);
	for (size_t i = 0; i <= MD_FOLLOWERS_MAX; i++)
		notes_free(t[i]);
}

/* A follower that looks up in the store what it is told. */
struct reader {
	struct md_store *s;
	struct notes *done; /* noted afterwards, by batches without records */
	_Atomic size_t reads, wrong;
	_Atomic uint64_t rev;
};

static void read_batch(void *arg, const struct md_record *recs, size_t n, uint64_t rev)
{
	struct reader *r = arg;

	for (size_t i = 0; i < n; i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(100);
		uint64_t got = 0;
		ub_err e = md_store_get(r->s, recs[i].key, &b, &got);

		if (recs[i].deleted ? e != UNIBUS_ERR_NOT_FOUND
				    : e || got != recs[i].rev || b.len != recs[i].value.len)
			atomic_fetch_add(&r->wrong, 1);
		atomic_fetch_add(&r->reads, 1);
	}
	if (md_store_revision(r->s) < rev)
		atomic_fetch_add(&r->wrong, 1);
	atomic_store(&r->rev, rev);
	struct md_follower note = notes_follower(r->done, "");
	note.batch(note.arg, NULL, 0, rev);
}

static void read_caught_up(void *arg, uint64_t rev)
{
	struct reader *r = arg;
	struct md_follower note = notes_follower(r->done, "");

	atomic_store(&r->rev, rev);
	note.caught_up(note.arg, rev);
}

static void a_follower_may_read(void **state)
{
	struct store_fixture *f = *state;
	struct reader r = {.s = f->s, .done = notes_new()};
	struct notes *t = notes_new();
	const struct md_follower reader = {
		.prefix = "", .batch = read_batch, .caught_up = read_caught_up, .arg = &r};
	uint64_t a = put(f->s, "d.a", "1", 0), last;

	assert_int_equal(md_store_follow(f->s, &reader), UB_OK);
	follow(f->s, t, "");
	/* One at a time: a store may tell later, when the record is another one. */
	a = put(f->s, "d.a", "22", a);
	notes_wait(r.done, a);
	last = del(f->s, "d.a", a);
	notes_wait(r.done, last);
	last = put(f->s, "d.b", "", 0);
	notes_wait(r.done, last);
	notes_wait(t, last);
	close_store(f); /* whatever thread callbacks run on, it has ended */
	assert_int_equal(atomic_load(&r.rev), last);
	assert_int_equal(atomic_load(&r.wrong), 0);
	assert_int_equal(atomic_load(&r.reads), 4);
	notes_free(r.done);
	notes_free(t);
}

#define THREADS 4
#define WINS 40 /* a thread */

struct racer {
	struct md_store *s;
	size_t won, lost, broken;
	uint64_t revs[WINS];
};

static void *count_up(void *arg)
{
	struct racer *r = arg;

	while (r->won < WINS && !r->broken) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(32);
		uint64_t rev = 0;
		unsigned v = 0;
		char next[16];
		ub_err e = md_store_get(r->s, "counter", &b, &rev);

		for (size_t i = 0; !e && i < b.len; i++)
			v = v * 10 + (unsigned)(b.p[i] - '0');
		(void)snprintf(next, sizeof(next), "%u", v + 1);
		struct md_op op = put_op("counter", next, rev);
		if (!e)
			e = md_store_commit(r->s, &op, 1, &rev);
		if (!e)
			r->revs[r->won++] = rev;
		else if (e == UNIBUS_ERR_CONFLICT)
			r->lost++;
		else
			r->broken++;
	}
	return NULL;
}

static void of_racing_writers_exactly_one_wins_each_revision(void **state)
{
	struct store_fixture *f = *state;
	struct racer racers[THREADS];
	struct notes *t = notes_new();
	pthread_t threads[THREADS];
	uint64_t first = put(f->s, "counter", "0", 0), last = first + (uint64_t)THREADS * WINS;
	char want[24];
	bool seen[THREADS * WINS] = {false};

	follow(f->s, t, "");
	for (size_t i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){.s = f->s};
		assert_int_equal(pthread_create(&threads[i], NULL, count_up, &racers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(racers[i].broken, 0);
		for (size_t k = 0; k < WINS; k++) {
			size_t at = (size_t)(racers[i].revs[k] - first - 1);

			assert_true(at < UB_ARRAY_LEN(seen) && !seen[at]);
			seen[at] = true;
		}
	}
	(void)snprintf(want, sizeof(want), "%d", THREADS * WINS);
	assert_record(f->s, "counter", want, last);
	notes_wait(t, last);
	assert_true(f->engine->skips || t->n == 1 + THREADS * WINS);
	assert_int_equal(t->v[t->n - 1].rev, last);
	for (size_t i = 0; i < t->n; i++) {
		(void)snprintf(
			want, sizeof(want), "%llu", (unsigned long long)(t->v[i].rev - first));
		assert_true(i == 0 || t->v[i].rev > t->v[i - 1].rev);
		expect_note(&t->v[i], "counter", want, t->v[i].rev, false);
	}
	close_store(f);
	notes_free(t);
}

/* Writes the same number to two keys in one commit, again and again. */
struct pair_writer {
	struct md_store *s;
	const char *keys[2];
	uint64_t revs[2];
	bool broken;
};

static void *write_pairs(void *arg)
{
	struct pair_writer *w = arg;

	for (int i = 0; i < 150 && !w->broken; i++) {
		char v[16];
		uint64_t rev = 0;

		(void)snprintf(v, sizeof(v), "%d", i);
		struct md_op ops[] = {
			put_op(w->keys[0], v, w->revs[0]), put_op(w->keys[1], v, w->revs[1])};
		w->broken = md_store_commit(w->s, ops, 2, &rev) != UB_OK;
		w->revs[0] = rev - 1;
		w->revs[1] = rev;
	}
	return NULL;
}

struct pair_look {
	char values[2][16];
	size_t n;
};

static ub_err look_at_pair(void *arg, const struct md_record *r)
{
	struct pair_look *l = arg;

	if (l->n < 2)
		(void)snprintf(l->values[l->n], sizeof(l->values[0]), "%.*s", (int)r->value.len,
			(const char *)r->value.p);
	l->n++;
	return UB_OK;
}

static void expect_whole_pairs(const struct notes *t)
{
	assert_int_equal(t->n % 2, 0);
	for (size_t i = 0; i < t->n; i += 2) {
		assert_string_equal(t->v[i].key, "a.1");
		assert_string_equal(t->v[i + 1].key, "a.2");
		assert_string_equal(t->v[i].value, t->v[i + 1].value);
		assert_int_equal(t->v[i].batch, t->v[i + 1].batch);
		assert_int_equal(t->v[i].rev + 1, t->v[i + 1].rev);
		assert_true(i == 0 || t->v[i].rev > t->v[i - 1].rev);
	}
}

static void nobody_sees_half_a_commit(void **state)
{
	struct store_fixture *f = *state;
	struct pair_writer w[2] = {
		{.s = f->s, .keys = {"a.1", "a.2"}},
		{.s = f->s, .keys = {"b.1", "b.2"}},
	};
	struct notes *early = notes_new(), *late = notes_new();
	pthread_t threads[2];

	follow(f->s, early, "a.");
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_pairs, &w[i]), 0);
	for (int i = 0; i < 200; i++) {
		struct pair_look look = {.n = 0};

		assert_int_equal(md_store_each(f->s, "a.", look_at_pair, &look), UB_OK);
		assert_true(look.n == 0 || look.n == 2);
		assert_string_equal(look.values[0], look.values[1]);
		if (i == 20) /* amid the writes */
			follow(f->s, late, "a.");
	}
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_false(w[i].broken);
	}
	notes_wait(early, 600);
	notes_wait(late, 600);
	assert_int_equal(md_store_revision(f->s), 600);
	assert_true(f->engine->skips || early->n == 300);
	expect_whole_pairs(early);
	expect_whole_pairs(late);
	/* The late one has what was current, and after that all that the early one had. */
	assert_true(late->at_caught_up <= 2);
	assert_true(late->n >= 2);
	assert_int_equal(late->v[late->n - 1].rev, early->v[early->n - 1].rev);
	for (size_t i = 1; !f->engine->skips && i <= late->n - late->at_caught_up; i++)
		assert_int_equal(late->v[late->n - i].rev, early->v[early->n - i].rev);
	close_store(f);
	notes_free(early);
	notes_free(late);
}

/* A follower that waits for company, which must not come. */
struct dawdler {
	_Atomic int inside;
	_Atomic size_t calls, overlaps, disorders;
	_Atomic uint64_t rev;
	bool skips; /* the engine may leave out what has been overwritten */
};

static int64_t now_us(void)
{
	struct timespec t;

	ub_assert(!clock_gettime(CLOCK_MONOTONIC, &t));
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void dawdle(void *arg, const struct md_record *recs, size_t n, uint64_t rev)
{
	struct dawdler *d = arg;
	/* Longer than another commit takes, but not for all of them. */
	int64_t end = now_us() + (atomic_fetch_add(&d->calls, 1) < 50 ? 5000 : 0);

	(void)recs;
	atomic_fetch_add(&d->inside, 1);
	while (now_us() < end && atomic_load(&d->inside) == 1)
		(void)sched_yield();
	if (atomic_load(&d->inside) > 1)
		atomic_fetch_add(&d->overlaps, 1);
	uint64_t least = atomic_load(&d->rev) + n;
	if (rev < least || n == 0 || (rev > least && !d->skips))
		atomic_fetch_add(&d->disorders, 1);
	atomic_store(&d->rev, rev);
	atomic_fetch_sub(&d->inside, 1);
}

static void dawdle_caught_up(void *arg, uint64_t rev)
{
	struct dawdler *d = arg;

	atomic_store(&d->rev, rev);
}

static void callbacks_come_one_at_a_time_and_in_order(void **state)
{
	struct store_fixture *f = *state;
	struct pair_writer w[2] = {
		{.s = f->s, .keys = {"a.1", "a.2"}},
		{.s = f->s, .keys = {"b.1", "b.2"}},
	};
	struct dawdler d = {.skips = f->engine->skips};
	const struct md_follower slow = {
		.prefix = "", .batch = dawdle, .caught_up = dawdle_caught_up, .arg = &d};
	pthread_t threads[2];

	assert_int_equal(md_store_follow(f->s, &slow), UB_OK);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_pairs, &w[i]), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_false(w[i].broken);
	}
	close_store(f);
	assert_int_equal(atomic_load(&d.overlaps), 0);
	assert_int_equal(atomic_load(&d.disorders), 0);
}

static void a_reopened_store_tells_what_is_current(void **state)
{
	struct store_fixture *f = *state;
	struct notes *t = notes_new();
	uint64_t a = put(f->s, "d.a", "1", 0), b = put(f->s, "d.b", "2", 0);

	a = put(f->s, "d.a", "3", a);
	uint64_t gone = del(f->s, "d.b", b);
	store_reopen(f);
	follow(f->s, t, "d.");
	assert_int_equal(t->n, 1);
	expect_note(&t->v[0], "d.a", "3", a, false);
	assert_int_equal(t->caught_up_rev, gone);
	close_store(f);
	notes_free(t);
}

int main(void)
{
	const struct store_case cases[] = {
		STORE_CASE(an_empty_store_is_caught_up_with_at_once),
		STORE_CASE(current_records_come_in_revision_order_then_changes),
		STORE_CASE(records_of_one_commit_come_together),
		STORE_CASE(a_refused_commit_is_not_told),
		STORE_CASE(a_long_first_load_is_complete_and_in_order),
		STORE_CASE(a_few_may_follow_each_its_prefix),
		STORE_CASE(a_follower_may_read),
		STORE_CASE(of_racing_writers_exactly_one_wins_each_revision),
		STORE_CASE(nobody_sees_half_a_commit),
		STORE_CASE(callbacks_come_one_at_a_time_and_in_order),
		STORE_CASE_PERSISTENT(a_reopened_store_tells_what_is_current),
	};

	return store_run(cases, UB_ARRAY_LEN(cases));
}
