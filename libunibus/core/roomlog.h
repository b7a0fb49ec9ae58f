/* roomlog.h: a room as its log says, and `apply`, the one pure function that both the server (to
 * accept) and every client (to verify) use.
 *
 * Threads: a room is used by one thread at a time; reading concurrently is fine.
 * Source: PROTOCOL.md section 4. */
#ifndef UB_ROOMLOG_H
#define UB_ROOMLOG_H

#include "core/base.h"
#include "core/entry.h"
#include "core/limits.h"

struct ub_member {
	struct ub_endpoint id;
	struct ub_pubkey sign;
	struct ub_kexpub kex;
	enum ub_role role;
	uint64_t added_seq; /* the latest add: what since_join counts from */
	uint64_t keyrec_seq;
	uint64_t keyrec_expires_ms;
};

struct ub_room {
	struct ub_room_id id;
	char subject[UB_SUBJECT_MAX + 1];
	struct ub_policy policy;
	bool closed;
	bool started;        /* false before the genesis entry */
	bool rotation_due;   /* somebody left, replaced a key or was taken over since the epoch */
	uint64_t seq;        /* of the newest entry */
	struct ub_hash head; /* of the newest entry's text */
	uint32_t epoch;      /* 0: not encrypted */
	uint64_t epoch_seq;  /* the entry that brought it */
	struct ub_hash commit;
	struct ub_endpoint owner;
	struct ub_member *members; /* sorted by endpoint */
	size_t n_members, cap_members;
};

struct ub_apply {
	uint64_t now_ms;    /* server: refuses an expired key record in add, key. 0: not judged */
	bool owner_revoked; /* takeover is allowed only then; clients pass true and show the event
			     */
	size_t members_max; /* 0: UB_ROOM_MEMBERS_MAX */
};

/* Continues the room by one opened entry; a zero room takes a genesis entry. On any error the
 * room is unchanged. UNIBUS_ERR_BAD_CHAIN (room, seq or prev), _NO_RIGHT, _NOT_FOUND (endpoint
 * not in the room), _CONFLICT (in the room already; a key record that is not newer), _NEEDS_EPOCH,
 * _BAD_EPOCH, _BAD_ROSTER (the epoch's roster hash), _BAD_ENTRY, _ROOM_CLOSED, _EXPIRED, _LIMIT,
 * _NOMEM. */
UB_MUST_CHECK
ub_err ub_room_apply(struct ub_room *room, const struct ub_entry *e, const struct ub_apply *ctx);
/* For an author who is to add the epoch: the state after `e` so far, to take id, roster hash and
 * recipients from. Judges like apply, but does not ask for the epoch that `e` may still need.
 * e->hash need not be set (it becomes ret->head). *ret is to be deinited. Errors as apply. */
UB_MUST_CHECK
ub_err ub_room_preview(const struct ub_room *room, const struct ub_entry *e,
	const struct ub_apply *ctx, struct ub_room *ret);
void ub_room_deinit(struct ub_room *room);
UB_MUST_CHECK
ub_err ub_room_clone(const struct ub_room *room, struct ub_room *ret);

/* NULL when not in the room. */
const struct ub_member *ub_room_member(const struct ub_room *room, const struct ub_endpoint *e);
enum ub_role ub_room_role(const struct ub_room *room, const struct ub_endpoint *e);

/* roster = H(list of endpoint ‖ kex ‖ role:u8) of the current members. */
void ub_room_roster_hash(const struct ub_room *room, struct ub_hash *ret);

/* Does the sealed set fit: every member once, nobody else, and the root the epoch op signed?
 * `room` is the state after the entry. Sorts `list`. UNIBUS_ERR_BAD_ROSTER. */
UB_MUST_CHECK
ub_err ub_room_sealed_check(const struct ub_room *room, const struct ub_epoch_op *epoch,
	struct ub_sealed *list, size_t n);

/* What changed for whom between two states of one room: does `e` lose wire subjects (removed,
 * left, turned reader, room closed, wire subjects moved)? */
bool ub_room_narrows(
	const struct ub_room *before, const struct ub_room *after, const struct ub_endpoint *e);

#endif
