#include "tests/harness/two.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <time.h>

const struct unibus_policy two_kept = {.encrypt = true, .persist = true, .sign = true};

void two_start(struct two *t, const struct stack *s, const char *name,
	const struct unibus_policy *policy, struct two_at at)
{
	char a[33], b[33];

	(void)snprintf(a, sizeof(a), "a.%s", name);
	(void)snprintf(b, sizeof(b), "b.%s", name);
	(void)snprintf(t->subject, sizeof(t->subject), "kept.%s", name);
	t->alice = person_new(s, a);
	t->bob = person_new(s, b);
	t->alice->nats_port = at.alice;
	t->bob->nats_port = at.bob;
	person_connect(t->alice);
	person_connect(t->bob);
	assert_int_equal(UNIBUS_OK, unibus_room_create(t->alice->c, t->subject, policy, &t->a));
	assert_int_equal(UNIBUS_OK, unibus_room_invite(t->a, b, UNIBUS_MEMBER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(t->bob->c, t->subject, &t->b));
}

void two_stop(struct two *t)
{
	if (t->a)
		unibus_room_free(t->a);
	if (t->b)
		unibus_room_free(t->b);
	person_free(t->alice);
	person_free(t->bob);
}

uint64_t two_say(unibus_room *room, unsigned from, unsigned to)
{
	struct unibus_ack ack = {0};

	for (unsigned i = from; i <= to; i++) {
		char text[16];
		struct unibus_publish p = {.data = text};
		uint64_t before = ack.position;

		p.len = (size_t)snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(UNIBUS_OK, unibus_publish_wait(room, &p, 20000, &ack));
		assert_true(ack.position > before);
	}
	return ack.position;
}

struct ledger *two_listen(unibus_room *room, enum unibus_start start)
{
	return ledger_open(room, &(struct unibus_subscription){.start = start});
}

void two_on_ack(void *arg, enum unibus_err err, const struct unibus_ack *ack)
{
	struct two_acks *x = arg;

	(void)pthread_mutex_lock(&x->lock);
	x->good += err == UNIBUS_OK;
	x->closed += err == UNIBUS_ERR_CLOSED;
	x->bad += err != UNIBUS_OK && err != UNIBUS_ERR_CLOSED;
	if (ack && ack->position > x->highest)
		x->highest = ack->position;
	(void)pthread_cond_broadcast(&x->changed);
	(void)pthread_mutex_unlock(&x->lock);
}

void two_acks_init(struct two_acks *x)
{
	*x = (struct two_acks){0};
	assert_int_equal(0, pthread_mutex_init(&x->lock, NULL));
	assert_int_equal(0, pthread_cond_init(&x->changed, NULL));
}

void two_acks_wait(struct two_acks *x, unsigned n)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	(void)pthread_mutex_lock(&x->lock);
	while (x->good + x->bad < n)
		assert_int_equal(0, pthread_cond_timedwait(&x->changed, &x->lock, &until));
	assert_int_equal(0, x->bad);
	(void)pthread_mutex_unlock(&x->lock);
}

void two_send(unibus_room *room, unsigned no, struct two_acks *x)
{
	char text[16];
	struct unibus_publish p = {.data = text};

	p.len = (size_t)snprintf(text, sizeof(text), "%u", no);
	assert_int_equal(UNIBUS_OK, unibus_publish_async(room, &p, two_on_ack, x));
}
