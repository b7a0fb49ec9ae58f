/* proc.h: processes of a test: started in their own folder, waited for by a condition, ended by
 * their pid.
 *
 * Functions that give int return 0, or -1 after a line on stderr that says what went wrong.
 *
 * Threads: one thread a process; the child dies with the thread that started it. */
#ifndef HARNESS_PROC_H
#define HARNESS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/buf.h"

#define PROC_PATH 512
#define PROC_READY_FD 3 /* in the child, when the spec says `ready` */

struct proc {
	pid_t pid;    /* 0: not running */
	int pidfd;    /* -1: none */
	int ready_fd; /* what the child says on PROC_READY_FD; -1: none */
	char name[32];
	char log[PROC_PATH]; /* stdout and stderr of the child */
};
#define PROC_NONE ((struct proc){.pidfd = -1, .ready_fd = -1})

struct proc_spec {
	const char *name;        /* for messages */
	const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
	const char *const *env;  /* "K=V", added to ours; NULL-terminated or NULL */
	const char *log;         /* file to append stdout and stderr to */
	bool ready;              /* give it PROC_READY_FD */
};

int proc_start(const struct proc_spec *s, struct proc *ret);
/* Waits for the line that the child writes on PROC_READY_FD; fails at once when it dies first, and
 * shows its log. `line` (NUL-terminated, cut) may be NULL. */
int proc_wait_ready(struct proc *p, int timeout_ms, char *line, size_t size);
/* Waits until its log holds `text`. */
int proc_wait_log(struct proc *p, const char *text, int timeout_ms);
bool proc_alive(struct proc *p);
int proc_signal(struct proc *p, int sig);
/* Waits for its end. *ret_code: the exit code, or 128 + the signal. */
int proc_wait(struct proc *p, int timeout_ms, int *ret_code);
/* TERM, ten seconds, KILL; gives the exit code as proc_wait does. Nothing, and 0, when it is not
 * running. */
int proc_stop(struct proc *p);
/* KILL and wait. */
void proc_kill(struct proc *p);
void proc_show_log(const struct proc *p);

/* Runs to the end, at most 60 s; stdout and stderr together are appended to *out (may be NULL).
 * Gives the exit code, 128 + signal, or -1. */
int proc_run(const char *const *argv, const char *const *env, struct ub_buf *out);

/* A new folder of the test, 0700, under TMPDIR or /tmp. */
int proc_dir_make(char path[PROC_PATH]);
/* Removes it with everything in it. */
void proc_dir_remove(const char *path);

/* Waits until `dir` has a file whose name ends in `suffix` that is not empty; its path goes to
 * `ret`. */
int proc_wait_file(const char *dir, const char *suffix, int timeout_ms, char ret[PROC_PATH]);

/* Where programs under test are: $UNIBUS_BUILD/NAME, else build/release/NAME; nats-server: from
 * PATH, else build/tools. */
void proc_program(const char *name, char ret[PROC_PATH]);

#endif
