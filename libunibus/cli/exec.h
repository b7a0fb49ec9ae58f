/* exec.h: one command run for one request: data on its standard input, its standard output taken.
 *
 * Threads: any number at a time. */
#ifndef CLI_EXEC_H
#define CLI_EXEC_H

#include "core/base.h"
#include "core/buf.h"

#define EXEC_ENV_MAX 4

struct exec_call {
	const char *command; /* for sh -c; what came over the bus is never part of it */
	struct ub_bytes in;
	const char *env[EXEC_ENV_MAX + 1]; /* "NAME=value", besides our own; ended by NULL */
	uint64_t timeout_ms;
	size_t out_max;
};
struct exec_result {
	int exit_code;       /* -1: it ended otherwise */
	int signal;          /* 0: none */
	bool timed_out;      /* and was killed */
	bool too_much;       /* likewise: it wrote more than out_max */
	struct ub_buf out;   /* owned */
	char err_tail[1024]; /* the end of what it said on standard error */
	uint64_t ms;
};
void exec_result_deinit(struct exec_result *r);
/* Runs it to its end. It gets a process group of its own, and nothing of that group outlives it.
 * UNIBUS_ERR_IO: it could not be started; UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err exec_run(const struct exec_call *c, struct exec_result *ret);

#endif
