/* roomhist.h: who was what at each entry of a room's log.
 *
 * A frame is judged by the room state at its room_seq; this keeps just enough of each state:
 * head, epoch, commitment, policy, and every peer's role over time.
 *
 * Threads: one writer, or many readers. */
#ifndef UB_ROOMHIST_H
#define UB_ROOMHIST_H

#include "core/roomlog.h"

struct ub_hist_state { /* after entry `seq` */
	struct ub_hash head;
	uint32_t epoch;
	uint64_t epoch_seq;
	struct ub_hash commit; /* of that epoch */
	struct ub_policy policy;
	bool has_backlink; /* this entry's epoch op carried one */
	uint8_t backlink[UB_BACKLINK_LEN];
	uint64_t seen_ms; /* when this client took the entry over (its own clock) */
};

struct ub_hist_role { /* `id` had `role` from entry from_seq on */
	struct ub_endpoint id;
	uint64_t from_seq;
	enum ub_role role; /* UB_ROLE_NONE: out */
};

struct ub_roomhist {
	struct ub_hist_state *states; /* index = seq */
	size_t n_states, cap_states;
	struct ub_hist_role *roles; /* sorted by id, then from_seq */
	size_t n_roles, cap_roles;
};

/* Takes over the state after entry `e`; `room` is that state, called once per entry in order.
 * UNIBUS_ERR_NOMEM leaves the history unchanged. */
UB_MUST_CHECK
ub_err ub_roomhist_push(struct ub_roomhist *h, const struct ub_room *room, const struct ub_entry *e,
	uint64_t seen_ms);
/* NULL when seq is beyond what is known. */
const struct ub_hist_state *ub_roomhist_at(const struct ub_roomhist *h, uint64_t seq);
enum ub_role ub_roomhist_role(
	const struct ub_roomhist *h, uint64_t seq, const struct ub_endpoint *e);
/* The first entry of epoch n: where its commit and back link are. NULL when there is none. */
const struct ub_hist_state *ub_roomhist_epoch(const struct ub_roomhist *h, uint32_t n);
void ub_roomhist_deinit(struct ub_roomhist *h);

#endif
