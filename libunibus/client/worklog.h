/* worklog.h: what a worker has executed, on disk before it is executed.
 *
 * The file: a header and one record a request, appended and synced. When there are twice as many as
 * are kept, the newest are written anew, and the time of the newest one left out becomes the floor:
 * whatever is not newer counts as executed. Half a record at the end is one whose request was never
 * begun; any other damage is UNIBUS_ERR_BAD_FILE. Beside it a file ".lock" that says that the name
 * is in use.
 *
 * Threads: one at a time. */
#ifndef UB_CLIENT_WORKLOG_H
#define UB_CLIENT_WORKLOG_H

#include "core/base.h"
#include "core/frame.h"

#define UB_WORKLOG_KEPT 65536 /* refs; 5 MiB of file before it is written anew */

struct ub_worklog;

struct ub_workitem {
	struct ub_ref ref;
	uint64_t ts_ms;    /* of the request's id */
	uint64_t position; /* in the room's history; 0 when it is not kept */
};

/* UNIBUS_ERR_LOCKED (another worker has it), UNIBUS_ERR_BAD_FILE, UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM.
 */
UB_MUST_CHECK
ub_err ub_worklog_open(const char *path, size_t kept, struct ub_worklog **ret);
void ub_worklog_close(struct ub_worklog *l); /* NULL is nothing */
bool ub_worklog_has(const struct ub_worklog *l, const struct ub_workitem *item);
/* It is on disk when this returns UB_OK. UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM: it is not executed then,
 * and the log is as it was. */
UB_MUST_CHECK
ub_err ub_worklog_add(struct ub_worklog *l, const struct ub_workitem *item);
/* The highest position that was added. */
uint64_t ub_worklog_position(const struct ub_worklog *l);

#endif
