/* stack.h: a running bus for a test: nats-server and membershipd with their own folder and ports.
 *
 *   struct stack s;
 *   assert_int_equal(0, stack_start(&s, NULL));
 *   ... s.http_url, s.nats_url, s.admin ...
 *   stack_stop(&s);
 *
 * Functions that give int return 0, or -1 after a line on stderr that says what went wrong.
 *
 * Threads: one thread. */
#ifndef HARNESS_STACK_H
#define HARNESS_STACK_H

#include <stdint.h>

#include "core/base.h"
#include "core/reqsig.h"
#include "tests/harness/proc.h"

struct stack_options {
	const char *const *md_args;   /* more arguments for serve; NULL-terminated or NULL */
	const char *const *init_args; /* more arguments for init */
	const char *membershipd; /* another program to run as membershipd; NULL: the real one */
	bool tls;                /* both planes, certificates made for 127.0.0.1 */
	bool no_start;           /* set up only: see stack_nats_start, stack_md_start */
};

struct stack {
	char dir[PROC_PATH]; /* everything of this stack */
	char bus[PROC_PATH]; /* what `init` made: keys/, nats-server.conf */
	char db[PROC_PATH];
	char ca[PROC_PATH], cert[PROC_PATH], key[PROC_PATH]; /* with tls, else "" */
	char membershipd[PROC_PATH];
	struct proc nats, md;
	uint16_t nats_port, http_port; /* kept over restarts */
	char nats_url[64], http_url[64];
	struct ub_server_id server; /* of the running membershipd */
	struct ub_signkey admin;    /* an active user "root" with role admin */
	const char *const *md_args;
};

/* Sets up and starts both; `o` may be NULL. On failure nothing is left. */
int stack_start(struct stack *s, const struct stack_options *o);
/* -1 when membershipd did not end well (a sanitizer's finding, for one), after showing its log. */
int stack_stop(struct stack *s);

int stack_nats_start(struct stack *s);
int stack_md_start(struct stack *s);
/* The same in two steps: start it, and wait until it serves. */
int stack_md_launch(struct stack *s);
int stack_md_wait(struct stack *s);

/* `membershipd user add`, while membershipd does not run. */
int stack_user_add(struct stack *s, const struct ub_signkey *key, const char *handle, bool admin);

/* A new random key. */
void stack_key(struct ub_signkey *ret);

#endif
