#include "tests/harness/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_NS 1000000000L

static struct timespec later(struct timespec t, long ns)
{
	t.tv_sec += (t.tv_nsec + ns) / SECOND_NS;
	t.tv_nsec = (t.tv_nsec + ns) % SECOND_NS;
	return t;
}

static void *flow_main(void *arg)
{
	struct flow *f = arg;
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	while (!atomic_load(&f->stop) && !f->err && atomic_load(&f->sent) < FLOW_MAX) {
		char text[16];

		(void)snprintf(text, sizeof(text), "%08u", atomic_load(&f->sent));
		f->err = unibus_publish_text(f->room, text);
		if (!f->err)
			atomic_fetch_add(&f->sent, 1);
		at = later(at, SECOND_NS / (long)f->rate);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
			continue;
	}
	return NULL;
}

void flow_start(struct flow *f, unibus_room *room, unsigned rate)
{
	f->room = room;
	f->rate = rate;
	f->err = UNIBUS_OK;
	atomic_init(&f->sent, 0);
	atomic_init(&f->stop, false);
	assert_int_equal(0, pthread_create(&f->thread, NULL, flow_main, f));
}

void flow_pass(struct flow *f, unsigned more)
{
	unsigned until = atomic_load(&f->sent) + more;
	struct timespec tick = {.tv_nsec = SECOND_NS / 1000}, end, now;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += FLOW_WAIT_MS / 1000;
	do {
		(void)nanosleep(&tick, NULL);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while (atomic_load(&f->sent) < until && now.tv_sec < end.tv_sec);
	assert_true(atomic_load(&f->sent) >= until);
}

unsigned flow_stop(struct flow *f)
{
	atomic_store(&f->stop, true);
	assert_int_equal(0, pthread_join(f->thread, NULL));
	assert_int_equal(UNIBUS_OK, f->err);
	return atomic_load(&f->sent);
}

struct tally *tally_new(void)
{
	struct tally *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;

	assert_non_null(t);
	assert_int_equal(0, pthread_mutex_init(&t->lock, NULL));
	assert_int_equal(0, pthread_condattr_init(&attr));
	assert_int_equal(0, pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	assert_int_equal(0, pthread_cond_init(&t->changed, &attr));
	(void)pthread_condattr_destroy(&attr);
	return t;
}

void tally_free(struct tally *t)
{
	(void)pthread_cond_destroy(&t->changed);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

void tally_on_message(void *arg, const struct unibus_msg *m)
{
	struct tally *t = arg;
	unsigned long n = 0;
	char text[16] = "";

	if (m->len < sizeof(text))
		memcpy(text, m->data, m->len);
	n = strtoul(text, NULL, 10);
	(void)pthread_mutex_lock(&t->lock);
	if (n < FLOW_MAX && t->times[n] < UCHAR_MAX)
		t->times[n]++;
	t->total++;
	if (n + 1 < t->last)
		t->swapped++;
	t->last = (unsigned)n + 1;
	(void)pthread_cond_broadcast(&t->changed);
	(void)pthread_mutex_unlock(&t->lock);
}

unibus_sub *tally_listen(struct tally *t, unibus_room *room)
{
	unibus_sub *sub = NULL;

	assert_int_equal(UNIBUS_OK, unibus_subscribe(room, tally_on_message, t, &sub));
	return sub;
}

unsigned tally_total(struct tally *t)
{
	unsigned n;

	(void)pthread_mutex_lock(&t->lock);
	n = t->total;
	(void)pthread_mutex_unlock(&t->lock);
	return n;
}

/* Under the lock. */
static unsigned missing(const struct tally *t, unsigned from, unsigned to)
{
	unsigned n = 0;

	for (unsigned i = from; i < to; i++)
		n += t->times[i] == 0;
	return n;
}

/* Under the lock. */
static unsigned doubled(const struct tally *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FLOW_MAX; i++)
		n += t->times[i] > 1;
	return n;
}

void tally_check(struct tally *t, unsigned from, unsigned to)
{
	struct timespec end;
	unsigned lost, twice;
	int rc = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += FLOW_WAIT_MS / 1000;
	(void)pthread_mutex_lock(&t->lock);
	while (missing(t, from, to) > 0 && rc == 0)
		rc = pthread_cond_timedwait(&t->changed, &t->lock, &end);
	lost = missing(t, from, to);
	twice = doubled(t);
	if (lost > 0 || twice > 0 || t->total != to - from)
		print_error("of %u to %u: %u lost, %u twice, %u in all\n", from, to, lost, twice,
			t->total);
	(void)pthread_mutex_unlock(&t->lock);
	assert_int_equal(0, lost);
	assert_int_equal(0, twice);
	assert_int_equal(to - from, tally_total(t));
}
