/* room.h: rooms: their logs, members, sealed keys; and who has joined.
 *
 * Every change is one signed entry, judged by ub_room_apply. Errors of a change, beside the
 * verdicts of roomlog.h: UNIBUS_ERR_NOT_FOUND (no such room, or the caller is not in it: rooms are
 * not listed to strangers: UNIBUS_ERR_DENIED for an existing room, see each), UNIBUS_ERR_DENIED,
 * UNIBUS_ERR_STALE_HEAD (another entry holds that seq: rebase), UNIBUS_ERR_BAD_ROSTER,
 * UNIBUS_ERR_LIMIT, UNIBUS_ERR_SLOW_DOWN, UNIBUS_ERR_NOT_AVAILABLE (persist), the store's errors.
 * The identical entry sent again finds its own effect and succeeds. Only active users can be added
 * (UNIBUS_ERR_NOT_FOUND). A membership whose user was revoked, or registered anew since it was
 * added, counts nowhere here: the same as not being in the room.
 *
 * Threads: any. md_room_log and md_room_key read the store. */
#ifndef MD_ROOM_H
#define MD_ROOM_H

#include "core/buf.h"
#include "core/subject.h"
#include "membershipd/domain/service.h"

struct md_room_info {
	struct ub_room_id id;
	char subject[UB_SUBJECT_MAX + 1];
	struct ub_policy policy;
	uint32_t epoch;
	uint64_t seq;
	struct ub_hash head;
	enum ub_role role; /* of the peer asked about */
	bool joined, closed;
	bool rotation_due; /* as roomlog.h says, or a member's user was revoked since the epoch */
	bool removal_due;  /* a member's user is revoked */
	size_t n_members;
	struct ub_endpoint owner;
};

/* Subjects a peer in the room may use: at most 2 and 1. */
struct md_wire {
	struct ub_wire publish[2], subscribe[1];
	size_t n_publish, n_subscribe;
};
/* What `id` has in the room by its role there, once it has joined; empty when it is not in it or
 * the room is closed. */
void md_wire_of(const struct ub_room *room, const struct ub_endpoint *id, unsigned shards,
	struct md_wire *ret);

/* Which route asked for a change: the entry may only hold what fits it. */
enum md_room_verb {
	MD_ROOM_INVITE = 1, /* add, with epoch when needed */
	MD_ROOM_REMOVE,     /* remove or takeover, with epoch */
	MD_ROOM_LEAVE,
	MD_ROOM_ROLE,
	MD_ROOM_REKEY,  /* epoch; key */
	MD_ROOM_POLICY, /* policy, with epoch */
	MD_ROOM_CLOSE,
};

struct md_room_change {
	struct ub_str entry;
	/* With an epoch op: every member after the entry. Adding without one in an encrypted room:
	 * exactly the added members, at the current epoch. Otherwise none. Sorted in place. */
	struct ub_sealed *sealed;
	size_t n_sealed;
};
struct md_room_result {
	struct ub_room_id id;
	uint64_t seq; /* on UNIBUS_ERR_STALE_HEAD: the room's, with head */
	struct ub_hash head;
	struct md_wire wire;
	struct md_taken taken; /* rev always; the rest when rights were taken away */
};

/* The creator owns the room and has joined it. UNIBUS_ERR_SUBJECT_TAKEN,
 * UNIBUS_ERR_CLEARTEXT_REFUSED, UNIBUS_ERR_INVALID (not a genesis entry, subject). */
UB_MUST_CHECK
ub_err md_room_create(struct md_service *s, const struct md_caller *by, struct md_room_change *c,
	struct md_room_result *ret);
/* The entry's room must be `id` and its actor the caller. */
UB_MUST_CHECK
ub_err md_room_append(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	enum md_room_verb verb, struct md_room_change *c, struct md_room_result *ret);
/* An added member starts to use the bus there. Joined already: UB_OK. UNIBUS_ERR_DENIED (not a
 * member), UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_LIMIT, UNIBUS_ERR_ROOM_CLOSED. */
UB_MUST_CHECK
ub_err md_room_join(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	struct md_room_result *ret);

/* Members only (UNIBUS_ERR_DENIED). */
UB_MUST_CHECK
ub_err md_room_get(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	struct md_room_info *ret);
/* A copy of the derived state, members included; the caller ub_room_deinit()s it. Members only. */
UB_MUST_CHECK
ub_err md_room_state(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	struct ub_room *ret);
/* Does the membership count? Not when the user is revoked, or was since the `add`. For rosters. */
bool md_room_counts(
	struct md_service *s, const struct ub_room_id *id, const struct ub_endpoint *who);
/* Is the member joined (its grant active)? Pure look-up for rosters. */
bool md_room_joined(
	struct md_service *s, const struct ub_room_id *id, const struct ub_endpoint *who);
/* Entries exactly as signed, from seq on, at most `max` (and at most 1 MiB together, at least
 * one): calls fn for each. Members only. */
UB_MUST_CHECK
ub_err md_room_log(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	uint64_t from, size_t max, ub_err (*fn)(void *arg, uint64_t seq, struct ub_str entry),
	void *arg);
/* The caller's sealed key of an epoch (0: the current one). UNIBUS_ERR_NO_KEY, UNIBUS_ERR_DENIED.
 */
UB_MUST_CHECK
ub_err md_room_key(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	uint32_t epoch, uint32_t *ret_epoch, uint8_t ret[UB_SEALED_LEN]);
/* Rooms that `who` is in, in id order after `after` (NULL: from the start). That peer itself or an
 * admin (UNIBUS_ERR_DENIED). */
UB_MUST_CHECK
ub_err md_room_of(struct md_service *s, const struct md_caller *by, const struct ub_endpoint *who,
	const struct ub_room_id *after, struct md_room_info *to, size_t max, size_t *ret_n);

/* Removes sets of sealed keys whose entry lost its place to another (after a crash between the set
 * and the entry). For the start and now and then; reads the store. Store's errors. */
UB_MUST_CHECK
ub_err md_room_sweep(struct md_service *s, size_t *ret_removed);

#endif
