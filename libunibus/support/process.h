/* process.h: what a daemon needs of its process: signals, readiness, files with secrets.
 *
 * Threads: process_signals_* are for the main thread before others start; the file functions are
 * free for any thread. */
#ifndef UB_PROCESS_H
#define UB_PROCESS_H

#include "core/base.h"
#include "core/buf.h"

/* Blocks INT, TERM, HUP (and ignores PIPE) in this and all later threads, so that process_wait
 * gets them. Resets inherited dispositions first: a background job of a script starts with INT
 * ignored. */
UB_MUST_CHECK
ub_err process_signals_init(void);

enum process_signal {
	PROCESS_STOP = 1, /* INT, TERM, or process_stop */
	PROCESS_RELOAD,   /* HUP */
	PROCESS_TIMEOUT,
};
/* Waits for a signal, at most timeout_ms (negative: for ever). */
enum process_signal process_wait(int timeout_ms);
/* Makes process_wait return PROCESS_STOP; from any thread, after process_signals_init. */
void process_stop(void);

/* Tells whoever started us that we serve: "READY ", `line` ("key=value ...") and a newline to
 * descriptor fd (then closed, also on failure) when fd >= 0, and READY=1 to systemd's notify socket
 * when there is one. UNIBUS_ERR_INVALID: a line break in `line`, or a socket name that is neither a
 * path nor abstract; UNIBUS_ERR_TOO_LARGE, UNIBUS_ERR_NOMEM, UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err process_ready(int fd, const char *line);
/* STOPPING=1, STATUS=..., WATCHDOG=1 to systemd; nothing when there is none. */
void process_notify_systemd(const char *message);

/* Reads a file that holds secrets: refuses (UNIBUS_ERR_INSECURE_FILE) when group or others can
 * read or write it or it is not a regular file of ours or root's; UNIBUS_ERR_NOT_FOUND,
 * UNIBUS_ERR_TOO_LARGE, UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. Appends to *ret. */
UB_MUST_CHECK
ub_err process_read_secret(const char *path, size_t max, struct ub_buf *ret);
/* The same without the check of permissions. */
UB_MUST_CHECK
ub_err process_read_file(const char *path, size_t max, struct ub_buf *ret);
/* Creates `path` with O_EXCL and `mode`, writes, fsyncs it and its folder. UNIBUS_ERR_EXISTS,
 * UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM; nothing is left behind on failure. */
UB_MUST_CHECK
ub_err process_create_file(const char *path, unsigned mode, struct ub_str content);

#endif
