#include "tests/harness/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/num.h"

#define WAIT_S 60

void ledger_init(struct ledger *l)
{
	pthread_condattr_t attr;

	*l = (struct ledger){.rows = calloc(LEDGER_MAX, sizeof(*l->rows))};
	assert_non_null(l->rows);
	assert_int_equal(0, pthread_mutex_init(&l->lock, NULL));
	assert_int_equal(0, pthread_condattr_init(&attr));
	assert_int_equal(0, pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	assert_int_equal(0, pthread_cond_init(&l->changed, &attr));
	(void)pthread_condattr_destroy(&attr);
}

void ledger_deinit(struct ledger *l)
{
	(void)pthread_cond_destroy(&l->changed);
	(void)pthread_mutex_destroy(&l->lock);
	free(l->rows);
}

bool ledger_row(void *arg, const struct unibus_msg *msg)
{
	struct ledger *l = arg;
	uint64_t no = 0;
	bool go;

	if (ub_num_u64((struct ub_str){msg->data, msg->len}, 0, UINT32_MAX, &no) != 0)
		no = 0; /* no number of ours */
	(void)pthread_mutex_lock(&l->lock);
	if (l->n < LEDGER_MAX)
		l->rows[l->n++] = (struct ledger_row){.no = (unsigned)no,
			.position = msg->position,
			.verified = msg->verified,
			.repeated = msg->repeated};
	go = l->stop_at == 0 || l->n < l->stop_at;
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
	return go;
}

static void on_message(void *arg, const struct unibus_msg *msg)
{
	(void)ledger_row(arg, msg);
}

static void on_caught_up(void *arg)
{
	struct ledger *l = arg;

	(void)pthread_mutex_lock(&l->lock);
	l->caught_up++;
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
}

static enum unibus_err subscribe(
	struct ledger *l, unibus_room *room, const struct unibus_subscription *from)
{
	struct unibus_subscription s = *from;

	s.fn = on_message;
	s.caught_up = on_caught_up;
	s.arg = l;
	return unibus_subscribe_from(room, &s, &l->sub);
}

struct ledger *ledger_open(unibus_room *room, const struct unibus_subscription *from)
{
	struct ledger *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	ledger_init(l);
	assert_int_equal(UNIBUS_OK, subscribe(l, room, from));
	return l;
}

void ledger_close(struct ledger *l)
{
	unibus_unsubscribe(l->sub);
	ledger_deinit(l);
	free(l);
}

enum unibus_err ledger_try(unibus_room *room, const struct unibus_subscription *from)
{
	struct ledger l;
	enum unibus_err err;

	ledger_init(&l);
	err = subscribe(&l, room, from);
	if (err == UNIBUS_OK)
		unibus_unsubscribe(l.sub);
	ledger_deinit(&l);
	return err;
}

size_t ledger_count(struct ledger *l)
{
	size_t n;

	(void)pthread_mutex_lock(&l->lock);
	n = l->n;
	(void)pthread_mutex_unlock(&l->lock);
	return n;
}

/* With the lock held; false when the time is over. */
static bool wait_change(struct ledger *l, const struct timespec *until)
{
	return pthread_cond_timedwait(&l->changed, &l->lock, until) == 0;
}

static struct timespec deadline(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += WAIT_S;
	return t;
}

void ledger_wait(struct ledger *l, size_t n)
{
	struct timespec until = deadline();

	(void)pthread_mutex_lock(&l->lock);
	while (l->n < n && wait_change(l, &until))
		continue;
	(void)pthread_mutex_unlock(&l->lock);
	if (ledger_count(l) < n)
		fail_msg("%zu messages came instead of %zu", ledger_count(l), n);
}

void ledger_wait_caught_up(struct ledger *l)
{
	struct timespec until = deadline();
	unsigned told;

	(void)pthread_mutex_lock(&l->lock);
	while (l->caught_up == 0 && wait_change(l, &until))
		continue;
	told = l->caught_up;
	(void)pthread_mutex_unlock(&l->lock);
	assert_int_equal(1, told);
}

static void show(struct ledger *l)
{
	for (size_t i = 0; i < l->n; i++)
		print_error(" %u@%llu", l->rows[i].no, (unsigned long long)l->rows[i].position);
	print_error("\n");
}

static void rising(struct ledger *l)
{
	for (size_t i = 1; i < l->n; i++)
		assert_true(l->rows[i].position > l->rows[i - 1].position);
}

void ledger_is(struct ledger *l, unsigned from, unsigned to)
{
	bool same;

	(void)pthread_mutex_lock(&l->lock);
	same = l->n == to - from + 1;
	for (size_t i = 0; i < l->n && same; i++)
		same = l->rows[i].no == from + i && !l->rows[i].repeated;
	if (!same)
		show(l);
	assert_true(same);
	rising(l);
	(void)pthread_mutex_unlock(&l->lock);
}

void ledger_is_all(struct ledger *l, unsigned n)
{
	bool *seen = calloc(n + 1, sizeof(*seen));
	bool same;

	assert_non_null(seen);
	(void)pthread_mutex_lock(&l->lock);
	same = l->n == n;
	for (size_t i = 0; i < l->n && same; i++) {
		unsigned no = l->rows[i].no;

		same = no >= 1 && no <= n && !seen[no];
		if (same)
			seen[no] = true;
	}
	if (!same)
		show(l);
	assert_true(same);
	rising(l);
	(void)pthread_mutex_unlock(&l->lock);
	free(seen);
}

void ledger_same(struct ledger *a, struct ledger *b)
{
	assert_int_equal(ledger_count(a), ledger_count(b));
	for (size_t i = 0; i < a->n; i++) {
		assert_int_equal(a->rows[i].position, b->rows[i].position);
		assert_int_equal(a->rows[i].no, b->rows[i].no);
	}
}
