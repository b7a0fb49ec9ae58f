/* roomfile.h: a room's verified log and replay windows on disk, shared by the processes of one
 * identity.
 *
 * The log: "unibus-room 1", a line "<seen ms> <entry>" each, "end <entries> <head> <epoch>".
 *
 * Threads: any; the caller holds the room's sync_lock. */
#ifndef UB_CLIENT_ROOMFILE_H
#define UB_CLIENT_ROOMFILE_H

#include "client/roomcache.h"
#include "client/statedir.h"

/* Reads and verifies both files into a new room. UNIBUS_ERR_BAD_FILE, UNIBUS_ERR_IO,
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_roomfile_load(struct ub_statedir *d, struct ub_croom *r);
/* Writes the log. When another process has written a longer one that continues ours, it is taken
 * over instead. UNIBUS_ERR_FORK when the two contradict each other; then nothing changes. */
UB_MUST_CHECK
ub_err ub_roomfile_save(struct ub_statedir *d, struct ub_croom *r);
/* Merges the replay windows with those on disk. The windows in memory stay as they are: what
 * another process has received, this one still may. */
UB_MUST_CHECK
ub_err ub_roomfile_save_seen(struct ub_statedir *d, struct ub_croom *r);

#endif
