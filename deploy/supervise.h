/* supervise.h: a few programs started in order, watched, stopped in reverse order.
 *
 * Threads: one; children die with it. */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILDREN_MAX 8
#define NAME_MAX_LEN 32

enum ready_kind {
	READY_FD = 1, /* writes a line to descriptor 3 */
	READY_TCP,    /* accepts connections on 127.0.0.1 */
	READY_EXIT,   /* a task: has ended with 0 */
};
struct child {
	const char *name;
	enum ready_kind ready;
	uint16_t port;
	char *const *argv; /* NULL-terminated */
	pid_t pid;         /* 0: not running */
	int pidfd, ready_fd;
};

struct plan {
	struct child v[CHILDREN_MAX];
	size_t n;
	const char *say;  /* printed when all are ready; NULL: nothing */
	const char *logs; /* folder for NAME.log; NULL: ours */
};
/* Runs it; gives the exit code. Ends when a signal comes (0; 130 when not all were ready yet), when
 * a child dies (1), or after a task that stands last (its exit code). */
int supervise(struct plan *p);

/* Who listens on 127.0.0.1:port or on every address? False: nobody. `who` gets "process 12 (name)",
 * or a sentence that it cannot be seen. */
bool port_taken(uint16_t port, char *who, size_t size);

#endif
