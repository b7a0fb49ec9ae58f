/* frame.h: what travels in every room that is not plain NATS.
 *
 *   "UB" version=1 kind flags epoch:u32 room_seq:u64 room_head[16] sender[32] session:u64 seq:u64
 *   id[16] [thread[16]] [reply[16]] len:u32
 *   encrypted: nonce[24] commit[32] ciphertext[len] tag[16]     else: payload[len]
 *   signed: signature[64]
 *
 * Payload = u8 length of a media type, media type, body. Opening checks bytes and keys only; who
 * may send what, when, is judged by the caller with core/roomhist.h and core/replay.h.
 *
 * Threads: pure. Source: PROTOCOL.md section 5. */
#ifndef UB_FRAME_H
#define UB_FRAME_H

#include "core/base.h"
#include "core/buf.h"
#include "core/limits.h"

enum ub_kind {
	UB_KIND_MESSAGE = 1,
	UB_KIND_REACT,
	UB_KIND_EDIT,
	UB_KIND_REDACT,
	UB_KIND_REQUEST,
	UB_KIND_RESPONSE,
	UB_KIND_TYPING,
	UB_KIND_RECEIPT,
	UB_KIND_BEACON,
};
/* Does a room that keeps a history keep this kind? The others are of the moment. */
static inline bool ub_kind_kept(uint8_t kind)
{
	return kind < UB_KIND_TYPING;
}
#define UB_FLAG_ENCRYPTED 1
#define UB_FLAG_SIGNED 2
#define UB_FLAG_THREAD 4
#define UB_FLAG_REPLY 8

/* Names a frame: first 16 bytes of BLAKE2b-256("unibus/ref/v1\0" ‖ room_id ‖ sender ‖ id). An id
 * alone would not do: another member can use the same id. */
struct ub_ref {
	uint8_t b[16];
};

struct ub_frame_header {
	uint8_t kind, flags;
	uint32_t epoch;
	uint64_t room_seq;
	uint8_t room_head[16];
	struct ub_endpoint sender;
	uint64_t session, seq;
	struct ub_ulid id;
	struct ub_ref thread, reply; /* present when flagged */
	uint32_t len;                /* of the payload, before encryption */
};

/* A received frame taken apart; all pointers borrow from the received bytes. */
struct ub_frame {
	struct ub_frame_header h;
	struct ub_bytes header; /* as sent */
	struct ub_bytes whole;
	const uint8_t *nonce, *commit; /* NULL when not encrypted */
	struct ub_bytes body;          /* ciphertext with tag, or payload */
	const uint8_t *sig;            /* NULL when not signed */
};

struct ub_payload {               /* views into the opened payload */
	struct ub_str media_type; /* empty: UTF-8 text */
	struct ub_bytes body;
};

void ub_frame_ref(const struct ub_room_id *room, const struct ub_endpoint *sender,
	const struct ub_ulid *id, struct ub_ref *ret);

/* Ks = BLAKE2b-256(key = K, "unibus/sender/v1\0" ‖ room_id ‖ epoch ‖ sender): worth caching. */
void ub_frame_sender_key(const struct ub_symkey *k, const struct ub_room_id *room, uint32_t epoch,
	const struct ub_endpoint *sender, struct ub_symkey *ret);

struct ub_frame_sealer {
	struct ub_room_id room;
	const struct ub_symkey *sender_key; /* NULL: not encrypted */
	const struct ub_signkey *sign_key;  /* NULL: not signed */
	uint8_t nonce[24];                  /* fresh random bytes when encrypted */
};
/* Appends the frame to *out. h->flags bits 1 and 2 and h->len are set here; thread and reply bits
 * are the caller's. Kind, seq and an epoch that fits the key are asserted. UNIBUS_ERR_TOO_LARGE,
 * UNIBUS_ERR_INVALID (media type; no reply in a kind that names a target), UNIBUS_ERR_NOMEM. On an
 * error *out is as long as before, unless the error is latched in it. */
UB_MUST_CHECK
ub_err ub_frame_seal(const struct ub_frame_sealer *s, struct ub_frame_header *h,
	const struct ub_payload *payload, struct ub_buf *out);

/* Takes received bytes apart. UNIBUS_ERR_CORRUPT for anything but exactly one frame: magic,
 * version, kind, unknown flags, zero seq, lengths, an epoch that contradicts the encrypted flag, a
 * react, edit, redact, response or receipt without reply. */
UB_MUST_CHECK
ub_err ub_frame_parse(struct ub_bytes bytes, struct ub_frame *ret);
/* UNIBUS_ERR_BAD_SIGNATURE; UNIBUS_ERR_POLICY_VIOLATION when it carries none. */
UB_MUST_CHECK
ub_err ub_frame_verify(
	const struct ub_frame *f, const struct ub_room_id *room, const struct ub_pubkey *sender);
/* Compares the commitment in constant time, decrypts into *plain (appended), splits the payload.
 * For a clear frame the payload is copied. UNIBUS_ERR_BAD_COMMIT, UNIBUS_ERR_CORRUPT,
 * UNIBUS_ERR_NO_KEY_EPOCH (encrypted, no key given), UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_frame_open(const struct ub_frame *f, const struct ub_room_id *room,
	const struct ub_symkey *sender_key, struct ub_buf *plain, struct ub_payload *ret);

#endif
