#include <sodium.h>

#include "core/cursor.h"
#include "core/frame.h"
#include "core/frame_key.h"
#include "core/key.h"

#define FLAGS_KNOWN (UB_FLAG_ENCRYPTED | UB_FLAG_SIGNED | UB_FLAG_THREAD | UB_FLAG_REPLY)
#define LEN_MAX (1 + UB_MEDIA_TYPE_MAX + UB_PAYLOAD_MAX)

static bool read_header(struct ub_cursor *c, struct ub_frame_header *h)
{
	const uint8_t *magic = ub_cursor_skip(c, 3);

	if (!magic || memcmp(magic, "UB\x01", 3) != 0)
		return false;
	h->kind = ub_cursor_u8(c);
	h->flags = ub_cursor_u8(c);
	h->epoch = ub_cursor_u32(c);
	h->room_seq = ub_cursor_u64(c);
	ub_cursor_copy(c, h->room_head, sizeof(h->room_head));
	ub_cursor_copy(c, h->sender.b, sizeof(h->sender.b));
	h->session = ub_cursor_u64(c);
	h->seq = ub_cursor_u64(c);
	ub_cursor_copy(c, h->id.b, sizeof(h->id.b));
	if (h->flags & UB_FLAG_THREAD)
		ub_cursor_copy(c, h->thread.b, sizeof(h->thread.b));
	if (h->flags & UB_FLAG_REPLY)
		ub_cursor_copy(c, h->reply.b, sizeof(h->reply.b));
	h->len = ub_cursor_u32(c);
	if (h->kind < UB_KIND_MESSAGE || h->kind > UB_KIND_BEACON)
		return false;
	if ((h->flags & ~FLAGS_KNOWN) != 0 || h->seq == 0)
		return false;
	if (ub_kind_needs_reply(h->kind) && !(h->flags & UB_FLAG_REPLY))
		return false;
	if ((h->epoch != 0) != ((h->flags & UB_FLAG_ENCRYPTED) != 0))
		return false;
	return h->len >= 1 && h->len <= LEN_MAX;
}

ub_err ub_frame_parse(struct ub_bytes bytes, struct ub_frame *ret)
{
	struct ub_cursor c = ub_cursor(bytes.p, bytes.len);
	struct ub_frame f = {.whole = bytes};

	if (bytes.len > UB_FRAME_MAX || !read_header(&c, &f.h))
		return UNIBUS_ERR_CORRUPT;
	f.header = (struct ub_bytes){bytes.p, c.pos};
	f.body.len = f.h.len;
	if (f.h.flags & UB_FLAG_ENCRYPTED) {
		f.nonce = ub_cursor_skip(&c, UB_FRAME_NONCE_LEN);
		f.commit = ub_cursor_skip(&c, UB_FRAME_COMMIT_LEN);
		f.body.len += UB_FRAME_TAG_LEN;
	}
	f.body.p = ub_cursor_skip(&c, f.body.len);
	if (f.h.flags & UB_FLAG_SIGNED)
		f.sig = ub_cursor_skip(&c, UB_FRAME_SIG_LEN);
	if (ub_cursor_end(&c))
		return UNIBUS_ERR_CORRUPT;
	*ret = f;
	return UB_OK;
}

ub_err ub_frame_verify(
	const struct ub_frame *f, const struct ub_room_id *room, const struct ub_pubkey *sender)
{
	struct ub_ph ph;
	struct ub_sig sig;

	if (!f->sig)
		return UNIBUS_ERR_POLICY_VIOLATION;
	memcpy(sig.b, f->sig, sizeof(sig.b));
	ub_ph_init(&ph, UB_TAG_FRAME);
	ub_ph_update(&ph, room->b, sizeof(room->b));
	ub_ph_update(&ph, f->whole.p, f->whole.len - UB_FRAME_SIG_LEN);
	return ub_ph_verify(&ph, sender, &sig);
}

static ub_err decrypt(const struct ub_frame *f, const struct ub_room_id *room,
	const struct ub_symkey *sender_key, struct ub_buf *plain)
{
	UB_CLEANUP(ub_frame_key_wipe) struct ub_frame_key k;
	size_t len = f->body.len - UB_FRAME_TAG_LEN, at = plain->len;
	struct ub_bytes aad;
	ub_err err;

	ub_frame_key(sender_key, room, f->header, f->nonce, &k);
	if (sodium_memcmp(k.commit, f->commit, sizeof(k.commit)) != 0)
		return UNIBUS_ERR_BAD_COMMIT;
	ub_buf_put(plain, f->body.p, len);
	err = ub_buf_err(plain);
	if (err)
		return err;
	aad = ub_frame_key_aad(&k);
	/* In place; on failure libsodium has written zeros over it. */
	if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(plain->p + at, NULL, plain->p + at,
		    len, f->body.p + len, aad.p, aad.len, f->nonce, k.key) != 0) {
		plain->len = at;
		return UNIBUS_ERR_CORRUPT;
	}
	return UB_OK;
}

static ub_err split_payload(struct ub_bytes p, struct ub_payload *ret)
{
	size_t type_len = p.p[0];

	if (type_len > UB_MEDIA_TYPE_MAX || type_len > p.len - 1 ||
		p.len - 1 - type_len > UB_PAYLOAD_MAX)
		return UNIBUS_ERR_CORRUPT;
	for (size_t i = 1; i <= type_len; i++) {
		if (p.p[i] < 0x20 || p.p[i] > 0x7e)
			return UNIBUS_ERR_CORRUPT;
	}
	ret->media_type = (struct ub_str){(const char *)p.p + 1, type_len};
	ret->body = (struct ub_bytes){p.p + 1 + type_len, p.len - 1 - type_len};
	return UB_OK;
}

ub_err ub_frame_open(const struct ub_frame *f, const struct ub_room_id *room,
	const struct ub_symkey *sender_key, struct ub_buf *plain, struct ub_payload *ret)
{
	size_t at = plain->len;
	ub_err err;

	if (f->nonce) {
		if (!sender_key)
			return UNIBUS_ERR_NO_KEY_EPOCH;
		err = decrypt(f, room, sender_key, plain);
	} else {
		ub_buf_put(plain, f->body.p, f->body.len);
		err = ub_buf_err(plain);
	}
	if (err)
		return err;
	err = split_payload((struct ub_bytes){plain->p + at, plain->len - at}, ret);
	if (err)
		plain->len = at;
	return err;
}
