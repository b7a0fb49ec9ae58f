/* judge.h: is a frame what it says it is? By the room's log, then by its keys: PROTOCOL.md sections
 * 5.1 and 5.2.
 *
 * Threads: the dispatcher. */
#ifndef UB_CLIENT_JUDGE_H
#define UB_CLIENT_JUDGE_H

#include "client/feed.h"
#include "client/roomcache.h"
#include "core/frame.h"

struct ub_judge {
	unibus_client *c;
	struct ub_croom *r;
	const struct bus_msg *msg; /* NULL: from the history */
	struct ub_past *past;      /* of the history: what was there before it */
	uint64_t time_ms;          /* likewise: when it was kept, by the server's clock */
	uint64_t position;         /* in the room's history; 0: it is not kept */
	struct ub_frame f;
	struct ub_pubkey sign_pub; /* the sender's */
	enum ub_role role;         /* likewise: the lower of then and now */
	struct ub_symkey key;      /* of the epoch */
	bool signs;                /* the policy asked for a signature when it was sent */
	bool has_key;
	ub_err key_err;        /* why there is no key */
	bool ahead;            /* its room_seq is beyond our log */
	bool head_differs;     /* it names another entry there than we have */
	enum ub_seen seen;     /* when its number came before */
	struct ub_ref ref;     /* the receiver's: see receive.c */
	enum ub_permit permit; /* likewise */
	bool again;            /* it came over another connection before: nothing to say of it */
};
void ub_judge_deinit(struct ub_judge *j);

/* By the log as it is held now; j->f was parsed. Sets the fields below f. REPLAY is the last
 * verdict, so that an equivocation is only one in an otherwise good frame. UNIBUS_ERR_CORRUPT,
 * UNIBUS_ERR_NOT_A_MEMBER, UNIBUS_ERR_POLICY_VIOLATION, UNIBUS_ERR_OLD_EPOCH, UNIBUS_ERR_REPLAY. */
UB_MUST_CHECK
ub_err ub_judge_log(struct ub_judge *j);
/* By the log, for a frame of the history: by the state at its room_seq alone, and by what was there
 * before it: j->past. Sets and gives the same. */
UB_MUST_CHECK
ub_err ub_judge_past(struct ub_judge *j);
/* The frame is good: what comes after it is judged by it, too. */
void ub_past_note(struct ub_past *past, const struct ub_judge *j, uint64_t time_ms);
/* By its keys: the epoch's is fetched when it is not held. UNIBUS_ERR_NO_KEY_EPOCH,
 * UNIBUS_ERR_BAD_SIGNATURE, UNIBUS_ERR_BAD_COMMIT, UNIBUS_ERR_CORRUPT, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_judge_open(struct ub_judge *j, struct ub_buf *plain, struct ub_payload *ret);

#endif
