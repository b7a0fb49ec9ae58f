/* frame_key.h: what seal and open share: the key, the commitment and the additional data of one
 * encrypted frame.
 *
 * Threads: pure. Source: PROTOCOL.md section 5. */
#ifndef UB_FRAME_KEY_H
#define UB_FRAME_KEY_H

#include "core/base.h"
#include "core/limits.h"

#define UB_FRAME_NONCE_LEN 24
#define UB_FRAME_COMMIT_LEN 32
#define UB_FRAME_TAG_LEN 16
#define UB_FRAME_SIG_LEN 64
#define UB_FRAME_KEY_TAG "unibus/frame-key/v1"

struct ub_frame_key {
	uint8_t key[32];
	uint8_t commit[UB_FRAME_COMMIT_LEN];
	/* tag ‖ room_id ‖ header ‖ nonce; the additional data is the middle of it. */
	uint8_t input[sizeof(UB_FRAME_KEY_TAG) + 32 + UB_FRAME_HEADER_MAX + UB_FRAME_NONCE_LEN];
	size_t aad_len;
};

/* `header` is everything before the nonce, as sent, at most UB_FRAME_HEADER_MAX bytes. */
void ub_frame_key(const struct ub_symkey *sender_key, const struct ub_room_id *room,
	struct ub_bytes header, const uint8_t nonce[UB_FRAME_NONCE_LEN], struct ub_frame_key *ret);
/* Additional data: room_id ‖ header, borrowed from *k. */
struct ub_bytes ub_frame_key_aad(const struct ub_frame_key *k);
void ub_frame_key_wipe(struct ub_frame_key *k);

/* Must a frame of this kind name another one in `reply`? */
bool ub_kind_needs_reply(unsigned kind);

#endif
