/* line.h: lines typed by a person, or read from a pipe, while text arrives that is to be shown
 * above them.
 *
 * On a terminal lines are edited with libedit, and what arrives never garbles what is being typed.
 * On anything else lines are read as they are, and there is no prompt.
 *
 * Threads: one thread; line_wake from any. */
#ifndef CLI_LINE_H
#define CLI_LINE_H

#include "core/base.h"

struct line;

struct line_hooks {
	void *arg;
	/* What is to be shown now, to be freed; NULL: nothing. After line_wake, and when the time
	 * that it last asked for is over: *ret_ms, -1 for none. */
	char *(*news)(void *arg, int *ret_ms);
	/* What stands in front of the line; valid until called again. */
	const char *(*prompt)(void *arg);
	/* Something was typed; the line is not empty and no command. */
	void (*typing)(void *arg);
	/* Words that complete one which begins at the line's beginning or after a blank: the i-th,
	 * or NULL. */
	const char *(*word)(void *arg, size_t i);
};
/* Takes INT, TERM, HUP and WINCH over, which then end it (or resize it). UNIBUS_ERR_IO,
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err line_open(const struct line_hooks *hooks, struct line **ret);
void line_close(struct line *l); /* NULL is nothing */
bool line_is_terminal(const struct line *l);
/* The next line without its end, to be freed; NULL: the input's end, or a signal. */
char *line_next(struct line *l);
/* Makes line_next look at the news. */
void line_wake(struct line *l);
/* Makes line_next return NULL from now on. From any thread. */
void line_end(struct line *l);

#endif
