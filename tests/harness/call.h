/* call.h: one signed REST call, as any peer makes it; every part of it can be chosen.
 *
 * Threads: any. */
#ifndef HARNESS_CALL_H
#define HARNESS_CALL_H

#include "core/buf.h"
#include "tests/harness/stack.h"

struct call {
	const struct stack *stack;
	const struct ub_signkey *key; /* NULL: not signed */
	const char *method, *target;
	const char *body; /* NULL: none */
	bool announce;    /* X-Unibus-Body: an upload */
};
/* The HTTP status, or -1 after a line on stderr; the body is appended to *out (may be NULL). */
int call_rest(const struct call *c, struct ub_buf *out);

/* POST /users and POST /users/{key}/revoke as the stack's admin; the status. */
int call_user_add(const struct stack *s, const struct ub_signkey *key, const char *handle);
int call_user_revoke(const struct stack *s, const struct ub_signkey *key, struct ub_buf *out);

#endif
