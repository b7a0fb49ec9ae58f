/* history.h: what persisted rooms have kept: who may read it, and the port behind which it lies.
 *
 * Threads: any. md_room_messages waits for the port. */
#ifndef MD_HISTORY_PORT_H
#define MD_HISTORY_PORT_H

#include "membershipd/domain/service.h"

struct md_history_query {
	struct ub_room_id room;
	unsigned shard;
	struct ub_retain retain; /* what is beyond it is not there, purged yet or not */
	uint64_t min_room_seq;   /* nor is a frame whose room_seq is lower */
	bool backward;
	uint64_t from; /* forward: the answer begins after it; backward: it ends before it */
	size_t limit;
};
struct md_frame {
	uint64_t seq;              /* the frame's place in the history */
	uint64_t time_ms;          /* when it was stored */
	struct ub_endpoint sender; /* the broker's word, and the frame's */
	struct ub_bytes bytes;
};
/* The answer speaks of every frame with first <= seq <= last; it may be empty: last = first - 1.
 * The next answer begins after `last`, or ends before `first`. Backward `last` may be lower than
 * was asked for: a copy of the stream lagged behind, and what lies between is read forward. */
struct md_span {
	uint64_t first, last;
	bool more; /* there is more in that direction */
};
typedef ub_err (*md_frame_fn)(void *arg, const struct md_frame *f);

struct md_history_port {
	/* Can frames be kept by now? */
	bool (*ready)(void *arg);
	/* Calls fn in the order of seq, for at most limit frames and 1 MiB of them, at least one
	 * when there is one; stops at its first error. UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_NOMEM,
	 * UNIBUS_ERR_CANCELLED. */
	ub_err (*read)(void *arg, const struct md_history_query *q, md_frame_fn fn, void *fn_arg,
		struct md_span *ret);
	void *arg;
};

struct md_page {
	bool backward;
	uint64_t from;
	size_t limit;
};
/* Stored frames of a room, for its members: under since_join those whose room_seq is at least that
 * of the caller's latest add. UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_DENIED (not in the room, or no
 * longer when the answer was there: what fn was given must then be dropped),
 * UNIBUS_ERR_CONFLICT (the room keeps nothing), UNIBUS_ERR_NOT_AVAILABLE (no port), and the port's.
 */
UB_MUST_CHECK
ub_err md_room_messages(struct md_service *s, const struct md_caller *by,
	const struct ub_room_id *id, const struct md_page *page, md_frame_fn fn, void *arg,
	struct md_span *ret);

/* Rooms that keep less than everything. *ret is owned by the caller. UNIBUS_ERR_UNAVAILABLE,
 * UNIBUS_ERR_NOMEM. */
struct md_retained {
	struct ub_room_id room;
	struct ub_retain retain;
};
UB_MUST_CHECK
ub_err md_rooms_retained(struct md_service *s, struct md_retained **ret, size_t *ret_n);

#endif
