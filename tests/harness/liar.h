/* liar.h: a control plane that lies: an HTTP proxy in front of the true one, which lets the test
 * rewrite any answer. Requests are signed, answers are not: this is all that a dishonest operator
 * can do without a peer's key.
 *
 * Threads: any; it has threads of its own, one to accept and one a connection. The lie is called
 * on those, one at a time. */
#ifndef HARNESS_LIAR_H
#define HARNESS_LIAR_H

#include <jansson.h>

#include "core/base.h"

struct liar;

struct liar_call {
	const char *method, *target; /* as asked */
	const char *body;            /* of the request */
	int status;                  /* may be changed */
	json_t *answer;              /* may be changed or replaced; NULL when it was no JSON */
};
/* True: the answer was changed. */
typedef bool (*liar_fn)(void *arg, struct liar_call *call);

/* Listens on a port of its own in front of 127.0.0.1:`to`; honest at first. NULL when it cannot. */
struct liar *liar_start(uint16_t to);
void liar_stop(struct liar *l);
uint16_t liar_port(const struct liar *l);
/* From the next answer on; NULL: honest. */
void liar_set(struct liar *l, liar_fn fn, void *arg);
/* Answers changed since the last liar_set. */
unsigned liar_lies(struct liar *l);

#endif
