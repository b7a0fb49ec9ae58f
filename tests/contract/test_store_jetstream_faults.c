/* The store on servers while these die, hang and come back: nothing acknowledged is lost, nothing
 * is seen by halves, every outcome that is named is true.
 *
 * UNIBUS_SOAK_SECONDS makes the tests of dying servers go on for that long each. */
#include "membershipd/store/store_jetstream.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>

#include <cmocka.h>

#include "core/num.h"
#include "tests/harness/kv_cluster.h"
#include "tests/harness/store_fixture.h"

#define WRITERS 3

static struct kv_cluster one, three;

static int set_up(void **state)
{
	(void)state;
	return kv_cluster_start(&one, 1, false) || kv_cluster_start(&three, 3, false);
}

static int tear_down(void **state)
{
	(void)state;
	kv_cluster_stop(&three);
	kv_cluster_stop(&one);
	return 0;
}

/* Whatever a failed test has left behind. */
static int revive(void **state)
{
	struct kv_cluster *const all[] = {&one, &three};
	int rc = 0;

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < all[k]->n; i++) {
			struct proc *p = &all[k]->server[i];

			rc |= p->pid ? proc_signal(p, SIGCONT) : kv_cluster_start_one(all[k], i);
		}
	}
	return rc;
}

static struct md_store *open_store(const struct kv_cluster *c, unsigned call_ms)
{
	struct md_jetstream_options o = kv_cluster_options(c);
	struct md_store *s = NULL;

	o.call_ms = call_ms;
	assert_int_equal(md_store_jetstream_open(&o, &s), UB_OK);
	return s;
}

static struct md_store *make_store(struct kv_cluster *c, unsigned replicas, unsigned call_ms)
{
	struct md_jetstream_options o = kv_cluster_options(c);

	o.replicas = replicas;
	assert_int_equal(kv_cluster_wipe(c), 0);
	assert_int_equal(md_store_jetstream_create(&o), UB_OK);
	return open_store(c, call_ms);
}

static long now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Writes 1, 2, 3 ... to a pair of keys of its own in one commit each; whatever the outcome, it
 * must be what the records then say. */
struct writer {
	struct md_store *s;
	pthread_t thread;
	char keys[2][16];
	uint64_t revs[2];
	unsigned value; /* that stands */
	bool pending;   /* value + 1 may have happened */
	_Atomic bool stop;
	_Atomic size_t acked, unknown, unavailable;
	const char *fault;
};

/* Reads until both keys say what must have happened. */
static void adopt(struct writer *w)
{
	long end = now_ms() + 20000;
	char want[16];

	(void)snprintf(want, sizeof(want), "%u", w->value + 1);
	for (size_t i = 0; i < 2;) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(16);
		ub_err e = md_store_get(w->s, w->keys[i], &b, &w->revs[i]);

		/* A leader of the past answers until it knows that it is one. */
		if (!e && ub_str_eqz(ub_buf_text(&b), want))
			i++;
		else if (now_ms() > end)
			break;
	}
	if (now_ms() > end)
		w->fault = "a conflict without a rival";
	if (w->revs[1] != w->revs[0] + 1)
		w->fault = "a pair of two commits";
	w->value++;
	w->pending = false;
}

static void write_next(struct writer *w)
{
	uint64_t rev = 0;
	char v[16];

	(void)snprintf(v, sizeof(v), "%u", w->value + 1);
	const struct md_op ops[] = {
		put_op(w->keys[0], v, w->revs[0]), put_op(w->keys[1], v, w->revs[1])};
	ub_err e = md_store_commit(w->s, ops, 2, &rev);
	if (!e) {
		if (rev < w->revs[1] + 2)
			w->fault = "a revision of the past";
		w->revs[0] = rev - 1;
		w->revs[1] = rev;
		w->value++;
		w->pending = false;
		atomic_fetch_add(&w->acked, 1);
	} else if (e == UNIBUS_ERR_OUTCOME_UNKNOWN) {
		w->pending = true;
		atomic_fetch_add(&w->unknown, 1);
	} else if (e == UNIBUS_ERR_UNAVAILABLE) {
		atomic_fetch_add(&w->unavailable, 1);
	} else if (e == UNIBUS_ERR_CONFLICT && w->pending) {
		adopt(w);
	} else {
		w->fault = unibus_err_word(e);
	}
}

static void *write_on(void *arg)
{
	struct writer *w = arg;

	while (!w->fault && (!atomic_load(&w->stop) || w->pending))
		write_next(w);
	return NULL;
}

/* Looks at every batch: pairs whole, values growing. */
struct watcher {
	struct writer *w;
	unsigned last[WRITERS];
	_Atomic uint64_t rev;
	_Atomic size_t halves, backwards, lost, caught_up;
};

static unsigned number_in(const struct md_record *r)
{
	uint64_t v = 0;
	struct ub_str s = {(const char *)r->value.p, r->value.len};

	return ub_num_u64(s, 0, UINT32_MAX, &v) ? 0 : (unsigned)v;
}

static void watch_batch(void *arg, const struct md_record *recs, size_t n, uint64_t rev)
{
	struct watcher *t = arg;

	for (size_t i = 0; i < WRITERS; i++) {
		unsigned v[2] = {0, 0};

		for (size_t k = 0; k < n; k++)
			for (size_t side = 0; side < 2; side++)
				if (!strcmp(recs[k].key, t->w[i].keys[side]))
					v[side] = number_in(&recs[k]);
		if (v[0] != v[1])
			atomic_fetch_add(&t->halves, 1);
		if (v[0] && v[0] <= t->last[i])
			atomic_fetch_add(&t->backwards, 1);
		t->last[i] = v[0] ? v[0] : t->last[i];
	}
	if (rev <= atomic_load(&t->rev))
		atomic_fetch_add(&t->backwards, 1);
	atomic_store(&t->rev, rev);
}

static void watch_caught_up(void *arg, uint64_t rev)
{
	struct watcher *t = arg;

	(void)rev;
	atomic_fetch_add(&t->caught_up, 1);
}

static void watch_lost(void *arg)
{
	struct watcher *t = arg;

	atomic_fetch_add(&t->lost, 1);
}

struct load {
	struct md_store *s;
	struct writer w[WRITERS];
	struct watcher t;
	size_t goal;
};

static void load_start(struct load *l, struct md_store *s)
{
	*l = (struct load){.s = s};
	l->t.w = l->w;
	for (size_t i = 0; i < WRITERS; i++) {
		l->w[i].s = s;
		for (size_t k = 0; k < 2; k++)
			(void)snprintf(
				l->w[i].keys[k], sizeof(l->w[i].keys[k]), "d.w%zu.%zu", i, k);
	}
	const struct md_follower f = {.prefix = "d.",
		.batch = watch_batch,
		.caught_up = watch_caught_up,
		.lost = watch_lost,
		.arg = &l->t};
	assert_int_equal(md_store_follow(s, &f), UB_OK);
	for (size_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&l->w[i].thread, NULL, write_on, &l->w[i]), 0);
}

static size_t acked(const struct load *l)
{
	size_t n = 0;

	for (size_t i = 0; i < WRITERS; i++)
		n += atomic_load(&l->w[i].acked);
	return n;
}

static bool enough(void *arg)
{
	const struct load *l = arg;

	return acked(l) >= l->goal;
}

/* Until so many more commits have been acknowledged. */
static void load_go_on(struct load *l, size_t more)
{
	l->goal = acked(l) + more;
	assert_int_equal(kv_cluster_await(enough, l, 45000), 0);
}

static bool told_all(void *arg)
{
	const struct load *l = arg;

	return atomic_load(&l->t.rev) >= md_store_revision(l->s) &&
	       atomic_load(&l->t.caught_up) == atomic_load(&l->t.lost) + 1;
}

/* Ends the writers; everything must be as they left it, here and for whoever opens it anew. */
static void load_end(struct load *l, struct kv_cluster *c)
{
	for (size_t i = 0; i < WRITERS; i++)
		atomic_store(&l->w[i].stop, true);
	for (size_t i = 0; i < WRITERS; i++) {
		assert_int_equal(pthread_join(l->w[i].thread, NULL), 0);
		if (l->w[i].fault)
			fail_msg("writer %zu: %s", i, l->w[i].fault);
	}
	assert_int_equal(kv_cluster_await(told_all, l, 30000), 0);
	UB_CLEANUP(md_store_closep) struct md_store *fresh = open_store(c, 0);
	for (size_t i = 0; i < WRITERS; i++) {
		const struct writer *w = &l->w[i];
		char want[16];

		(void)snprintf(want, sizeof(want), "%u", w->value);
		for (size_t k = 0; k < 2; k++) {
			assert_record(l->s, w->keys[k], want, w->revs[k]);
			assert_record(fresh, w->keys[k], want, w->revs[k]);
		}
		assert_int_equal(l->t.last[i], w->value);
		print_message("writer %zu: %u stand, %zu acknowledged, %zu unknown, %zu "
			      "unavailable\n",
			i, w->value, atomic_load(&w->acked), atomic_load(&w->unknown),
			atomic_load(&w->unavailable));
	}
	assert_int_equal(atomic_load(&l->t.halves), 0);
	assert_int_equal(atomic_load(&l->t.backwards), 0);
	md_store_close(UB_TAKE(l->s));
}

/* Goes on for `times` rounds, or for as long as a soak says. */
static bool another(size_t done, size_t times, long start_ms)
{
	const char *z = getenv("UNIBUS_SOAK_SECONDS");
	uint64_t seconds = 0;

	if (!z || ub_num_u64(ub_str(z), 1, 1000000, &seconds))
		return done < times;
	return now_ms() - start_ms < (long)seconds * 1000;
}

static void a_server_that_is_killed_again_and_again_loses_nothing(void **state)
{
	long start = now_ms();
	struct load l;

	(void)state;
	load_start(&l, make_store(&one, 1, 0));
	for (size_t i = 0; another(i, 4, start); i++) {
		load_go_on(&l, 40);
		proc_kill(&one.server[0]);
		assert_int_equal(kv_cluster_start_one(&one, 0), 0);
	}
	load_go_on(&l, 40);
	load_end(&l, &one);
}

struct cluster_check {
	struct kv_cluster *c;
	struct md_store *s;
	struct md_jetstream_status st;
	unsigned replicas;
};

static bool healthy(void *arg)
{
	struct cluster_check *x = arg;
	struct md_jetstream_status st;
	bool all;

	if (md_store_jetstream_status(x->s, &st))
		return false;
	all = st.leader[0] && st.replicas == x->replicas && st.n_followers == x->replicas - 1;
	for (size_t i = 0; i < st.n_followers; i++)
		all = all && st.followers[i].current && !st.followers[i].offline;
	x->st = st;
	return all;
}

/* Waits until leader and followers are current; gives the leader. */
static size_t wait_healthy(struct kv_cluster *c, struct md_store *s, unsigned replicas)
{
	struct cluster_check x = {.c = c, .s = s, .replicas = replicas};

	assert_int_equal(kv_cluster_await(healthy, &x, 45000), 0);
	size_t leader = kv_cluster_find(c, x.st.leader);
	assert_true(leader < c->n);
	return leader;
}

static void a_leader_that_is_killed_loses_nothing(void **state)
{
	long start = now_ms();
	struct load l;

	(void)state;
	load_start(&l, make_store(&three, 3, 0));
	for (size_t i = 0; another(i, 1, start); i++) {
		size_t leader = wait_healthy(&three, l.s, 3);

		load_go_on(&l, 60);
		proc_kill(&three.server[leader]);
		load_go_on(&l, 20); /* without it */
		assert_int_equal(kv_cluster_start_one(&three, leader), 0);
	}
	(void)wait_healthy(&three, l.s, 3);
	load_go_on(&l, 20);
	load_end(&l, &three);
}

/* One commit on a thread, so that the test can act on servers meanwhile. */
struct one_commit {
	struct md_store *s;
	pthread_t thread;
	struct md_op ops[2];
	uint64_t rev;
	ub_err err;
};

static void *commit_it(void *arg)
{
	struct one_commit *x = arg;

	x->err = md_store_commit(x->s, x->ops, 2, &x->rev);
	return NULL;
}

static void a_commit_without_an_answer_is_found_among_the_records(void **state)
{
	UB_CLEANUP(md_store_closep) struct md_store *s = make_store(&one, 1, 20000);
	uint64_t a = put(s, "d.a", "1", 0);
	struct one_commit x = {.s = s, .ops = {put_op("d.a", "2", a), put_op("d.b", "3", 0)}};
	struct timespec until;

	(void)state;
	/* The first attempt lies in the server's socket when it is given up: it happens, the
	 * second one is refused, and the commit is found to be its own rival. */
	assert_int_equal(proc_signal(&one.server[0], SIGSTOP), 0);
	assert_int_equal(pthread_create(&x.thread, NULL, commit_it, &x), 0);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 4;
	assert_int_not_equal(pthread_timedjoin_np(x.thread, NULL, &until), 0);
	assert_int_equal(proc_signal(&one.server[0], SIGCONT), 0);
	assert_int_equal(pthread_join(x.thread, NULL), 0);
	assert_int_equal(x.err, UB_OK);
	assert_int_equal(x.rev, a + 2);
	assert_record(s, "d.a", "2", a + 1);
	assert_record(s, "d.b", "3", a + 2);
	assert_int_equal(md_store_revision(s), a + 2);
}

static void without_a_quorum_the_outcome_is_unknown_and_with_no_server_nothing_happens(void **state)
{
	UB_CLEANUP(md_store_closep) struct md_store *s = make_store(&three, 3, 1500);
	size_t leader = wait_healthy(&three, s, 3);
	uint64_t a = put(s, "d.a", "1", 0), rev = 77;
	const struct md_op op = put_op("d.a", "2", a), other = put_op("d.b", "1", 0);
	size_t got = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		if (i != leader)
			proc_kill(&three.server[i]);
	for (int i = 0; i < 20 && got != 1; i++) {
		ub_err e = md_store_commit(s, &op, 1, &rev);

		/* Before anything was sent to a leader, it is certain that nothing happened. */
		assert_true(e == UNIBUS_ERR_OUTCOME_UNKNOWN || e == UNIBUS_ERR_UNAVAILABLE);
		got = e == UNIBUS_ERR_OUTCOME_UNKNOWN;
	}
	assert_int_equal(got, 1);
	assert_int_equal(rev, 77);
	proc_kill(&three.server[leader]);
	/* What is sent before the end of the connection is noticed is unknown once more. */
	for (int i = 0; i < 20 && got != 2; i++) {
		ub_err e = md_store_commit(s, &other, 1, &rev);

		assert_true(e == UNIBUS_ERR_OUTCOME_UNKNOWN || e == UNIBUS_ERR_UNAVAILABLE);
		got += e == UNIBUS_ERR_UNAVAILABLE;
	}
	assert_int_equal(got, 2);
	assert_int_equal(rev, 77);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(kv_cluster_start_one(&three, i), 0);
	(void)wait_healthy(&three, s, 3);
	assert_absent(s, "d.b");
	/* Sent again, it has happened once: now, or before. */
	ub_err e = md_store_commit(s, &op, 1, &rev);
	assert_true(e == UB_OK || e == UNIBUS_ERR_CONFLICT);
	assert_record(s, "d.a", "2", e ? a + 1 : rev);
	assert_true(put(s, "d.b", "1", 0) <= a + 3);
}

struct notes_check {
	struct notes *t;
	size_t lost, caught_up;
};

static bool counted(void *arg)
{
	struct notes_check *x = arg;
	bool good;

	ub_assert(!pthread_mutex_lock(&x->t->lock));
	good = x->t->lost >= x->lost && x->t->caught_up >= x->caught_up;
	ub_assert(!pthread_mutex_unlock(&x->t->lock));
	return good;
}

static void a_follower_is_told_when_it_is_lost_and_when_it_is_found(void **state)
{
	UB_CLEANUP(md_store_closep) struct md_store *s = make_store(&one, 1, 0);
	struct notes *t = notes_new();
	struct md_follower f = notes_follower(t, "d.");
	uint64_t a = put(s, "d.a", "1", 0);
	long start = now_ms();

	(void)state;
	assert_int_equal(md_store_follow(s, &f), UB_OK);
	/* A short interruption is nobody's business. */
	proc_kill(&one.server[0]);
	assert_int_equal(kv_cluster_start_one(&one, 0), 0);
	a = put(s, "d.a", "2", a);
	notes_wait(t, a);
	assert_int_equal(t->lost, 0);
	/* A server that hangs is lost as well as one that is gone. */
	for (size_t i = 1; another(i, 2, start); i++) {
		struct notes_check gone = {t, i, i}, back = {t, i, i + 1};

		if (i % 2)
			assert_int_equal(proc_signal(&one.server[0], SIGSTOP), 0);
		else
			proc_kill(&one.server[0]);
		assert_int_equal(kv_cluster_await(counted, &gone, 15000), 0);
		if (i % 2)
			assert_int_equal(proc_signal(&one.server[0], SIGCONT), 0);
		else
			assert_int_equal(kv_cluster_start_one(&one, 0), 0);
		assert_int_equal(kv_cluster_await(counted, &back, 15000), 0);
		a = put(s, "d.a", "3", a);
		notes_wait(t, a);
	}
	md_store_close(UB_TAKE(s));
	notes_free(t);
}

static void closing_does_not_wait_for_servers(void **state)
{
	struct md_store *s = make_store(&one, 1, 0);
	struct notes *t = notes_new();
	struct md_follower f = notes_follower(t, "");

	(void)state;
	assert_int_equal(md_store_follow(s, &f), UB_OK);
	proc_kill(&one.server[0]);
	long start = now_ms();
	md_store_close(s);
	assert_true(now_ms() - start < 5000);
	notes_free(t);
	assert_int_equal(kv_cluster_start_one(&one, 0), 0);
}

/* Consumers are put on any of the servers, one that has just come back included. */
static void a_start_on_a_server_that_lags_behind_misses_nothing(void **state)
{
	UB_CLEANUP(md_store_closep) struct md_store *s = make_store(&three, 3, 0);
	uint64_t rev = 0;

	(void)state;
	for (size_t round = 0; round < 6; round++) {
		size_t leader = wait_healthy(&three, s, 3), sleeper = (leader + 1) % 3;
		char want[64];

		assert_int_equal(proc_signal(&three.server[sleeper], SIGSTOP), 0);
		for (int i = 0; i < 60; i++)
			rev = put(s, "d.a", "v", rev);
		assert_int_equal(proc_signal(&three.server[sleeper], SIGCONT), 0);
		(void)snprintf(want, sizeof(want), "d.a=v@%llu\nrevision %llu\n",
			(unsigned long long)rev, (unsigned long long)rev);
		for (int i = 0; i < 5; i++) {
			UB_CLEANUP(ub_freep) char *all = dump(s);

			assert_string_equal(all, want);
		}
	}
}

static void replicas_are_added_to_a_bucket_in_use(void **state)
{
	struct md_jetstream_options o = kv_cluster_options(&three);
	struct load l;

	(void)state;
	load_start(&l, make_store(&three, 1, 0));
	load_go_on(&l, 40);
	o.replicas = 9;
	assert_int_equal(md_store_jetstream_scale(&o), UNIBUS_ERR_INVALID);
	o.replicas = 3;
	assert_int_equal(md_store_jetstream_scale(&o), UB_OK);
	(void)wait_healthy(&three, l.s, 3);
	load_go_on(&l, 40);
	load_end(&l, &three);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_server_that_is_killed_again_and_again_loses_nothing, revive),
		cmocka_unit_test_setup(a_leader_that_is_killed_loses_nothing, revive),
		cmocka_unit_test_setup(
			a_commit_without_an_answer_is_found_among_the_records, revive),
		cmocka_unit_test_setup(
			without_a_quorum_the_outcome_is_unknown_and_with_no_server_nothing_happens,
			revive),
		cmocka_unit_test_setup(
			a_follower_is_told_when_it_is_lost_and_when_it_is_found, revive),
		cmocka_unit_test_setup(closing_does_not_wait_for_servers, revive),
		cmocka_unit_test_setup(a_start_on_a_server_that_lags_behind_misses_nothing, revive),
		cmocka_unit_test_setup(replicas_are_added_to_a_bucket_in_use, revive),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
