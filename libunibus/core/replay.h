/* replay.h: which live frames of one sender in one room were seen before.
 *
 * The 8 newest sessions with their highest seq and a 1024-bit window, and a floor: the newest
 * session dropped. At or below the floor, older than all eight, or outside a window, is a replay.
 *
 * Threads: one thread at a time. Source: PROTOCOL.md section 5.2. */
#ifndef UB_REPLAY_H
#define UB_REPLAY_H

#include "core/base.h"
#include "core/buf.h"
#include "core/cursor.h"
#include "core/limits.h"

struct ub_replay_session {
	uint64_t session, highest; /* session 0: unused */
	uint64_t missing;          /* seqs below highest never seen and now out of the window */
	uint64_t bits[UB_REPLAY_WINDOW / 64]; /* bit i of the ring is seq mod 1024 */
};
struct ub_replay {
	uint64_t floor;
	struct ub_replay_session s[UB_REPLAY_SESSIONS]; /* the newest first, then unused ones */
};

/* Would (session, seq) be new? UNIBUS_ERR_REPLAY otherwise; also when the ULID's time is more than
 * UB_FRAME_AGE_MAX_MS off now_ms. Changes nothing: a frame is noted only once it verified. */
UB_MUST_CHECK
ub_err ub_replay_check(const struct ub_replay *r, uint64_t session, uint64_t seq,
	const struct ub_ulid *id, uint64_t now_ms);
/* Notes it; what check refuses for its session or seq changes nothing. *ret_gap is how many seqs
 * between the highest so far and this one are missing; for the first frame seen of a session that
 * is seq - 1, which is no loss to a receiver that began to listen after session >> 20 (unix ms). */
void ub_replay_note(struct ub_replay *r, uint64_t session, uint64_t seq, uint64_t *ret_gap);

/* Binary form for disk, and back: UNIBUS_ERR_INVALID for what note() could not have left. What
 * follows in *c stays unread. */
void ub_replay_save(const struct ub_replay *r, struct ub_buf *out);
UB_MUST_CHECK
ub_err ub_replay_load(struct ub_cursor *c, struct ub_replay *ret);

#endif
