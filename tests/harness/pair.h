/* pair.h: Alice owns a room that Bob has joined; both listen.
 *
 * Failures fail the running test.
 *
 * Threads: as person.h. */
#ifndef HARNESS_PAIR_H
#define HARNESS_PAIR_H

#include "tests/harness/person.h"

struct pair {
	struct person *alice, *bob;
	unibus_room *a, *b;
	unibus_sub *as, *bs;
};
/* Handles a.NAME and b.NAME, subject room.NAME. */
void pair_start(struct pair *p, const struct stack *s, const char *name,
	const struct unibus_policy *policy);
void pair_stop(struct pair *p);
/* Each says something, and both hear both. */
void pair_both_hear(struct pair *p, const char *from_alice, const char *from_bob);

/* Says it until it is heard: for moments when a room is moving on the bus. */
void pair_reach(unibus_room *from, struct person *to, const char *text);

extern const struct unibus_policy pair_sealed; /* encrypted and signed */

/* For person_until: the log is known up to an entry. */
struct pair_entry {
	unibus_room *room;
	uint64_t seq;
};
bool pair_at_entry(void *arg);

#endif
