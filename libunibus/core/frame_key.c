#include "core/frame_key.h"

#include <sodium.h>

#include "core/frame.h"
#include "core/num.h"

#define REF_TAG "unibus/ref/v1"
#define SENDER_TAG "unibus/sender/v1"

void ub_frame_ref(const struct ub_room_id *room, const struct ub_endpoint *sender,
	const struct ub_ulid *id, struct ub_ref *ret)
{
	uint8_t in[sizeof(REF_TAG) + sizeof(room->b) + sizeof(sender->b) + sizeof(id->b)];
	uint8_t digest[32];
	uint8_t *p = in;

	memcpy(p, REF_TAG, sizeof(REF_TAG));
	p += sizeof(REF_TAG);
	memcpy(p, room->b, sizeof(room->b));
	p += sizeof(room->b);
	memcpy(p, sender->b, sizeof(sender->b));
	p += sizeof(sender->b);
	memcpy(p, id->b, sizeof(id->b));
	(void)crypto_generichash(digest, sizeof(digest), in, sizeof(in), NULL, 0);
	memcpy(ret->b, digest, sizeof(ret->b));
}

void ub_frame_sender_key(const struct ub_symkey *k, const struct ub_room_id *room, uint32_t epoch,
	const struct ub_endpoint *sender, struct ub_symkey *ret)
{
	uint8_t in[sizeof(SENDER_TAG) + sizeof(room->b) + 4 + sizeof(sender->b)];
	uint8_t *p = in;

	memcpy(p, SENDER_TAG, sizeof(SENDER_TAG));
	p += sizeof(SENDER_TAG);
	memcpy(p, room->b, sizeof(room->b));
	p += sizeof(room->b);
	ub_put_u32(p, epoch);
	p += 4;
	memcpy(p, sender->b, sizeof(sender->b));
	(void)crypto_generichash(ret->b, sizeof(ret->b), in, sizeof(in), k->b, sizeof(k->b));
}

void ub_frame_key(const struct ub_symkey *sender_key, const struct ub_room_id *room,
	struct ub_bytes header, const uint8_t nonce[UB_FRAME_NONCE_LEN], struct ub_frame_key *ret)
{
	uint8_t okm[sizeof(ret->key) + sizeof(ret->commit)];
	uint8_t *p = ret->input;

	ub_assert(header.len <= UB_FRAME_HEADER_MAX);
	memcpy(p, UB_FRAME_KEY_TAG, sizeof(UB_FRAME_KEY_TAG));
	p += sizeof(UB_FRAME_KEY_TAG);
	memcpy(p, room->b, sizeof(room->b));
	p += sizeof(room->b);
	memcpy(p, header.p, header.len);
	p += header.len;
	memcpy(p, nonce, UB_FRAME_NONCE_LEN);
	p += UB_FRAME_NONCE_LEN;
	ret->aad_len = sizeof(room->b) + header.len;
	(void)crypto_generichash(okm, sizeof(okm), ret->input, (size_t)(p - ret->input),
		sender_key->b, sizeof(sender_key->b));
	memcpy(ret->key, okm, sizeof(ret->key));
	memcpy(ret->commit, okm + sizeof(ret->key), sizeof(ret->commit));
	sodium_memzero(okm, sizeof(okm));
}

struct ub_bytes ub_frame_key_aad(const struct ub_frame_key *k)
{
	return (struct ub_bytes){k->input + sizeof(UB_FRAME_KEY_TAG), k->aad_len};
}

void ub_frame_key_wipe(struct ub_frame_key *k)
{
	sodium_memzero(k->key, sizeof(k->key));
}

bool ub_kind_needs_reply(unsigned kind)
{
	return kind == UB_KIND_REACT || kind == UB_KIND_EDIT || kind == UB_KIND_REDACT ||
	       kind == UB_KIND_RESPONSE || kind == UB_KIND_RECEIPT;
}
