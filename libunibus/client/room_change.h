/* room_change.h: changing a room: one entry, signed here, judged here first as the server will.
 *
 * Threads: any. */
#ifndef UB_CLIENT_ROOM_CHANGE_H
#define UB_CLIENT_ROOM_CHANGE_H

#include "client/roomcache.h"
#include "core/buf.h"
#include "core/entry.h"

/* An operation more, zeroed; NULL when out of memory. Room for the epoch is kept. */
struct ub_op *ub_entry_op(struct ub_entry *e, enum ub_op_type type);

struct ub_change {
	const char *verb; /* the route: "invite" */
	/* Adds the operations for the room as it is now; called again after another entry won.
	 * UB_OK without an operation: nothing is left to do (unless `rotate`). */
	ub_err (*build)(void *arg, const struct ub_room *now, struct ub_entry *e);
	void *arg;
	bool rotate; /* bring a new epoch in any case */
};
/* Brings the entry, with the next epoch and sealed keys where the rules ask for them; rebases when
 * another entry won; sends it again when the outcome is unknown. The verdicts of ub_room_apply,
 * what build says, UNIBUS_ERR_OUTCOME_UNKNOWN, and what a call can fail of. */
UB_MUST_CHECK
ub_err ub_room_change(unibus_client *c, struct ub_croom *r, const struct ub_change *change);

/* Creates a room: the genesis entry. The room is joined. */
UB_MUST_CHECK
ub_err ub_room_genesis(unibus_client *c, const char *subject, const struct ub_policy *policy,
	struct ub_croom **ret);

/* An entry ready to be sent: made and judged by room_draft.c. */
struct ub_draft {
	struct ub_buf text, body;
	struct ub_room_id room;
	uint64_t seq;
	uint32_t epoch;        /* the one it brings; 0: none */
	struct ub_symkey *key; /* its key, in guarded memory; NULL: none */
};
void ub_draft_deinit(struct ub_draft *d);
/* From the operations in *e, which is completed and signed. `now` is the room before; `current` its
 * epoch's key, NULL when it has none. */
struct ub_draft_input {
	unibus_client *c;
	const struct ub_room *now;
	const struct ub_symkey *current;
	bool rotate;
};
UB_MUST_CHECK
ub_err ub_draft_make(const struct ub_draft_input *in, struct ub_entry *e, struct ub_draft *ret);

#endif
