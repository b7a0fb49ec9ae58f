/* senders.h: who was heard in a room: replay windows, what is missing, digests of what came.
 *
 * Threads: under the room's lock. */
#ifndef UB_CLIENT_SENDERS_H
#define UB_CLIENT_SENDERS_H

#include "client/hash.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/frame.h"
#include "core/limits.h"
#include "core/replay.h"

struct ub_sender {
	UT_hash_handle hh;
	struct ub_endpoint id;
	char handle[UB_HANDLE_MAX + 1];
	bool handle_known;
	struct ub_replay replay;
	uint64_t heard_ms;   /* our clock, of the newest frame; 0: not since we run */
	uint64_t missing;    /* not told yet; may still arrive out of order */
	uint64_t missing_at; /* ub_mono_ms when they are told; 0: nothing is missing */
	uint64_t session;    /* that the digests are of: the newest */
	uint64_t *digests;   /* by seq mod UB_REPLAY_WINDOW; owned, NULL until the first frame */
};

struct ub_senders {
	struct ub_sender *head;
	uint32_t epoch;  /* the room's, as far as we know */
	uint64_t frames; /* under that epoch, ours and others' */
};
void ub_senders_deinit(struct ub_senders *s);
/* NULL when never heard. */
struct ub_sender *ub_senders_find(const struct ub_senders *s, const struct ub_endpoint *id);
/* Made when unknown. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_senders_get(struct ub_senders *s, const struct ub_endpoint *id, struct ub_sender **ret);

/* Did a frame with this number come before, and was it another one? */
enum ub_seen { UB_SEEN_UNKNOWN, UB_SEEN_SAME, UB_SEEN_OTHER };
enum ub_seen ub_sender_seen(const struct ub_sender *s, const struct ub_frame *f);
/* Notes a verified frame: window, digest, gap. `since_ms`: we listen since then (unix, our clock):
 * what was sent before is not missing. */
void ub_sender_note(struct ub_sender *s, const struct ub_frame *f, uint64_t since_ms);
/* What is missing for good by now; 0 else. Resets it. */
uint64_t ub_sender_missing(struct ub_sender *s, uint64_t mono_ms);

/* The windows' and the counter's file form. Loading merges: what either has seen was seen, and of
 * two counts of an epoch the higher holds. UNIBUS_ERR_BAD_FILE,
 * UNIBUS_ERR_NOMEM. */
void ub_senders_save(const struct ub_senders *s, struct ub_buf *out);
UB_MUST_CHECK
ub_err ub_senders_merge(struct ub_senders *s, struct ub_bytes file);

#endif
