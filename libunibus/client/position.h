/* position.h: how far a durable subscription has come, in a file: positions/ROOM.NAME of the state
 * directory, locked for as long as it is open.
 *
 * Two records of 64 bytes, written in turn: "UBPOS1\0\0", a counter, the position up to which all
 * was had, the position that is being delivered (0: none), and H of these; the valid one with the
 * higher counter holds. A record is written before each delivery and after it, so that a process
 * killed in between knows of which one message it cannot know. Writing is one pwrite: what the
 * process wrote outlives it. A loss of power may take the newest records (fdatasync comes once a
 * second): messages then come again, none is lost.
 *
 * Threads: one at a time. */
#ifndef UB_CLIENT_POSITION_H
#define UB_CLIENT_POSITION_H

#include "client/statedir.h"

struct ub_position {
	int fd;
	uint64_t count;
	uint64_t had;        /* up to here */
	uint64_t delivering; /* 0: none */
	uint64_t synced_ms;  /* ub_mono_ms */
};

/* [A-Za-z0-9_-], 1 to 64. */
bool ub_position_name_ok(const char *name);
/* A new file begins at 0. UNIBUS_ERR_LOCKED, UNIBUS_ERR_BAD_FILE, UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM.
 */
UB_MUST_CHECK
ub_err ub_position_open(
	struct ub_statedir *d, const char *room, const char *name, struct ub_position *ret);
void ub_position_close(struct ub_position *p);
/* UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err ub_position_write(struct ub_position *p, uint64_t had, uint64_t delivering);

#endif
