/* roomsync.h: fetching what a room's log has new, and verifying it.
 *
 * Threads: any. */
#ifndef UB_CLIENT_ROOMSYNC_H
#define UB_CLIENT_ROOMSYNC_H

#include "client/roomcache.h"

/* Fetches, verifies, saves, tells. The server must show at least what it showed before
 * (UNIBUS_ERR_ROLLBACK) and the same (UNIBUS_ERR_FORK): both are events, too, and leave the room as
 * it was. UNIBUS_ERR_DENIED, UNIBUS_ERR_NOT_FOUND: this peer is not in the room (any more); the
 * verdicts of ub_entry_open and ub_room_apply; what a call or a file can fail of. */
UB_MUST_CHECK
ub_err ub_croom_sync(unibus_client *c, struct ub_croom *r);

/* What the server says of the room, which no signature covers: hints. */
struct ub_room_hint {
	struct ub_room_id id;
	char subject[UB_SUBJECT_MAX + 1];
	struct ub_policy policy;
	uint64_t seq;
	uint32_t epoch;
	enum ub_role role;
	uint64_t members;
	bool joined, closed, rotation_due, removal_due;
	uint64_t stamp; /* client->stamp when it was asked for */
};
/* UNIBUS_ERR_INVALID when it is none; sets no stamp. */
UB_MUST_CHECK
ub_err ub_room_hint_parse(json_t *v, struct ub_room_hint *ret);
/* GET /rooms/{id}, taken over into the room. */
UB_MUST_CHECK
ub_err ub_croom_ask(unibus_client *c, struct ub_croom *r, struct ub_room_hint *ret);
/* Takes over whether it is joined, unless we joined or left since it was asked for, and what is
 * due. */
void ub_croom_hint(unibus_client *c, struct ub_croom *r, const struct ub_room_hint *hint);

/* Begins to use the bus in a room that this peer was added to. Joined already: UB_OK. */
UB_MUST_CHECK
ub_err ub_croom_join(unibus_client *c, struct ub_croom *r);
/* After a change of our own: what follows from it here. */
void ub_croom_changed(unibus_client *c, struct ub_croom *r);
/* We joined, says an answer of revision `rev` (0: unknown). */
void ub_croom_joined(unibus_client *c, struct ub_croom *r, uint64_t rev);
/* The number in "<store id>:<n>"; 0 when it is none. */
uint64_t ub_revision_number(struct ub_str text);
uint64_t ub_client_stamp(unibus_client *c);
/* This peer is out; says so once. */
void ub_croom_out(unibus_client *c, struct ub_croom *r, const char *how);

#endif
