/* statedir.h: the folder in which a peer keeps what it has verified, shared by all processes of
 * one identity.
 *
 *   lock          held for short load-merge-write sections only
 *   session       the last session number given out
 *   pins.json     see pins.h
 *   rooms/ID.log  the verified entries of a room; rooms/ID.seen its replay windows
 *   rooms/ID.NAME.work  what a worker has executed; see worklog.h
 *   positions/    see position.h
 *
 * Every file but those of positions/ is replaced as a whole. A corrupt one is an error
 * (UNIBUS_ERR_BAD_FILE), never reset.
 *
 * Threads: any. */
#ifndef UB_CLIENT_STATEDIR_H
#define UB_CLIENT_STATEDIR_H

#include "core/base.h"
#include "core/buf.h"

struct ub_statedir;

/* Makes the folder where missing. UNIBUS_ERR_IO, UNIBUS_ERR_INSECURE_FILE (others can write to
 * it), UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_statedir_open(const char *dir, unsigned timeout_ms, struct ub_statedir **ret);
void ub_statedir_close(struct ub_statedir *d);
/* $XDG_STATE_HOME/unibus/<endpoint>, else below $HOME/.local/state; to be freed.
 * UNIBUS_ERR_INVALID when neither variable is set. */
UB_MUST_CHECK
ub_err ub_statedir_default(const char *endpoint, char **ret);

/* Keeps the other processes (and threads) out until ub_statedir_unlock. UNIBUS_ERR_LOCKED when it
 * cannot be had within the timeout, UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err ub_statedir_lock(struct ub_statedir *d, int *ret_lock);
void ub_statedir_unlock(int *lock); /* for UB_CLEANUP; -1 is nothing */

/* `name` is relative to the folder. Errors as in file.h. */
UB_MUST_CHECK
ub_err ub_statedir_read(struct ub_statedir *d, const char *name, struct ub_buf *out);
UB_MUST_CHECK
ub_err ub_statedir_write(struct ub_statedir *d, const char *name, const struct ub_buf *data);
/* Where `name` is, to be freed. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_statedir_path(const struct ub_statedir *d, const char *name, char **ret);
/* Opens a file of `folder`, made where missing, for reading and writing, and keeps everybody else
 * from opening it so until it is closed. UNIBUS_ERR_LOCKED, UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_statedir_hold(struct ub_statedir *d, const char *folder, const char *name, int *ret_fd);
/* Calls fn for each name in `folder` that ends in `suffix`, until it fails. */
UB_MUST_CHECK
ub_err ub_statedir_each(struct ub_statedir *d, const char *folder, const char *suffix,
	ub_err (*fn)(void *arg, struct ub_str stem), void *arg);

/* A session number above every one given out before. Errors as above, UNIBUS_ERR_BAD_FILE. */
UB_MUST_CHECK
ub_err ub_statedir_session(struct ub_statedir *d, uint64_t now_ms, uint64_t *ret);

#endif
