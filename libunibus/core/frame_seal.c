#include <sodium.h>

#include "core/frame.h"
#include "core/frame_key.h"
#include "core/key.h"

static void put_header(const struct ub_frame_header *h, struct ub_buf *out)
{
	ub_buf_put(out, "UB\x01", 3);
	ub_buf_u8(out, h->kind);
	ub_buf_u8(out, h->flags);
	ub_buf_u32(out, h->epoch);
	ub_buf_u64(out, h->room_seq);
	ub_buf_put(out, h->room_head, sizeof(h->room_head));
	ub_buf_put(out, h->sender.b, sizeof(h->sender.b));
	ub_buf_u64(out, h->session);
	ub_buf_u64(out, h->seq);
	ub_buf_put(out, h->id.b, sizeof(h->id.b));
	if (h->flags & UB_FLAG_THREAD)
		ub_buf_put(out, h->thread.b, sizeof(h->thread.b));
	if (h->flags & UB_FLAG_REPLY)
		ub_buf_put(out, h->reply.b, sizeof(h->reply.b));
	ub_buf_u32(out, h->len);
}

static void put_payload(const struct ub_payload *payload, struct ub_buf *out)
{
	ub_buf_u8(out, (uint8_t)payload->media_type.len);
	ub_buf_str(out, payload->media_type);
	ub_buf_put(out, payload->body.p, payload->body.len);
}

/* The payload goes into *out in the clear and is encrypted where it lies: no second buffer. */
static ub_err put_encrypted(const struct ub_frame_sealer *s, const struct ub_payload *payload,
	size_t start, struct ub_buf *out)
{
	static const uint8_t tag_space[UB_FRAME_TAG_LEN];
	UB_CLEANUP(ub_frame_key_wipe) struct ub_frame_key k;
	struct ub_bytes aad;
	size_t at, len;
	ub_err err;

	err = ub_buf_err(out);
	if (err)
		return err;
	ub_frame_key(s->sender_key, &s->room, (struct ub_bytes){out->p + start, out->len - start},
		s->nonce, &k);
	ub_buf_put(out, s->nonce, sizeof(s->nonce));
	ub_buf_put(out, k.commit, sizeof(k.commit));
	at = out->len;
	put_payload(payload, out);
	len = out->len - at;
	ub_buf_put(out, tag_space, sizeof(tag_space));
	err = ub_buf_err(out);
	if (err)
		return err;
	aad = ub_frame_key_aad(&k);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt_detached(out->p + at, out->p + at + len,
		NULL, out->p + at, len, aad.p, aad.len, NULL, s->nonce, k.key);
	return UB_OK;
}

static void put_signature(const struct ub_frame_sealer *s, size_t start, struct ub_buf *out)
{
	struct ub_ph ph;
	struct ub_sig sig;

	ub_ph_init(&ph, UB_TAG_FRAME);
	ub_ph_update(&ph, s->room.b, sizeof(s->room.b));
	ub_ph_update(&ph, out->p + start, out->len - start);
	ub_ph_sign(&ph, s->sign_key, &sig);
	ub_buf_put(out, sig.b, sizeof(sig.b));
}

static bool media_type_ok(struct ub_str s)
{
	if (s.len > UB_MEDIA_TYPE_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	}
	return true;
}

ub_err ub_frame_seal(const struct ub_frame_sealer *s, struct ub_frame_header *h,
	const struct ub_payload *payload, struct ub_buf *out)
{
	size_t start = out->len;
	ub_err err;

	ub_assert(h->kind >= UB_KIND_MESSAGE && h->kind <= UB_KIND_BEACON);
	ub_assert(h->seq > 0 && (h->epoch != 0) == (s->sender_key != NULL));
	if (!media_type_ok(payload->media_type))
		return UNIBUS_ERR_INVALID;
	if (ub_kind_needs_reply(h->kind) && !(h->flags & UB_FLAG_REPLY))
		return UNIBUS_ERR_INVALID;
	if (payload->body.len > UB_PAYLOAD_MAX)
		return UNIBUS_ERR_TOO_LARGE;

	h->flags &= UB_FLAG_THREAD | UB_FLAG_REPLY;
	if (s->sender_key)
		h->flags |= UB_FLAG_ENCRYPTED;
	if (s->sign_key)
		h->flags |= UB_FLAG_SIGNED;
	h->len = (uint32_t)(1 + payload->media_type.len + payload->body.len);
	put_header(h, out);
	if (s->sender_key) {
		err = put_encrypted(s, payload, start, out);
	} else {
		put_payload(payload, out);
		err = ub_buf_err(out);
	}
	if (err)
		return err;
	if (s->sign_key)
		put_signature(s, start, out);
	return ub_buf_err(out);
}
