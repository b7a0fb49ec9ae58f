/* targets.h: who sent the newest messages of a room, so that an edit or a redaction can be judged.
 *
 * Threads: under the room's lock. */
#ifndef UB_CLIENT_TARGETS_H
#define UB_CLIENT_TARGETS_H

#include "client/hash.h"
#include "core/base.h"
#include "core/frame.h"

#define UB_TARGETS_MAX 4096 /* about half a MiB; hours of a busy room */

struct ub_target {
	UT_hash_handle hh;
	struct ub_ref ref;
	struct ub_endpoint sender;
};
struct ub_targets {
	struct ub_target *head; /* the oldest first */
};
void ub_targets_deinit(struct ub_targets *t);
/* Remembers it, forgetting the oldest when there are too many. Known already: nothing. Without
 * memory it is not remembered. */
void ub_targets_note(
	struct ub_targets *t, const struct ub_ref *ref, const struct ub_endpoint *sender);

/* May `sender`, who has `role`, send this kind about `target`? Edits are for the target's sender,
 * redactions for him and the room's admins; all else is for everybody. */
enum ub_permit {
	UB_PERMIT_NO,
	UB_PERMIT_UNKNOWN, /* the target is not remembered */
	UB_PERMIT_YES,
};
enum ub_permit ub_targets_judge(const struct ub_targets *t, const struct ub_frame_header *h,
	const struct ub_endpoint *sender, enum ub_role role);

#endif
