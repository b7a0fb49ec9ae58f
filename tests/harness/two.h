/* two.h: Alice owns a persisted room that Bob is in; neither listens. They say numbers.
 *
 * Failures fail the running test.
 *
 * Threads: as person.h. */
#ifndef HARNESS_TWO_H
#define HARNESS_TWO_H

#include "tests/harness/ledger.h"
#include "tests/harness/person.h"

struct two {
	struct person *alice, *bob;
	unibus_room *a, *b; /* NULL: given back by the test */
	char subject[64];
};
struct two_at { /* where the message server is for each; 0: the stack's port */
	uint16_t alice, bob;
};
extern const struct unibus_policy two_kept; /* encrypted, signed, persisted */

/* Handles a.NAME and b.NAME, subject kept.NAME. */
void two_start(struct two *t, const struct stack *s, const char *name,
	const struct unibus_policy *policy, struct two_at at);
void two_stop(struct two *t);

/* Says the numbers from..to, each kept before the next; the position of the last. */
uint64_t two_say(unibus_room *room, unsigned from, unsigned to);
/* A ledger from there on. */
struct ledger *two_listen(unibus_room *room, enum unibus_start start);

/* What became of messages that were sent without waiting. */
struct two_acks {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned good, bad, closed; /* guarded by lock, like the next */
	uint64_t highest;           /* position */
};
void two_acks_init(struct two_acks *x);
void two_send(unibus_room *room, unsigned no, struct two_acks *x);
/* Waits until n are kept; none may fail. */
void two_acks_wait(struct two_acks *x, unsigned n);
/* For unibus_publish_async. */
void two_on_ack(void *arg, enum unibus_err err, const struct unibus_ack *ack);

#endif
