/* ask.h: signed REST calls and what must come of them.
 *
 * Failures fail the running test.
 *
 * Threads: any. */
#ifndef HARNESS_ASK_H
#define HARNESS_ASK_H

#include <jansson.h>

#include "tests/harness/call.h"

struct answer {
	int status;    /* -1: the connection ended without one */
	char code[48]; /* of an error, else "" */
	json_t *json;  /* NULL when the body is none */
	struct ub_buf body;
};
void answer_deinit(struct answer *a);

void ask(const struct call *c, struct answer *ret);
/* Fails the test unless status and code are these; the JSON is the caller's. */
json_t *ask_want(const struct call *c, int status, const char *code);
/* The same, and the body does not matter. */
void ask_expect(const struct call *c, int status, const char *code);

/* A call in one line. */
#define ASK(stack_, key_, method_, target_, body_) \
	(&(struct call){.stack = (stack_), \
		.key = (key_), \
		.method = (method_), \
		.target = (target_), \
		.body = (body_)})

#endif
