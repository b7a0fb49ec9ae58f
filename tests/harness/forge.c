#include "tests/harness/forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/key.h"
#include "core/ulid.h"
#include "tests/harness/sock.h"

uint64_t forge_session(void)
{
	return sock_wall_ms() << 20 | randombytes_uniform(1 << 20);
}

struct forge forge_honest(
	const struct shadow *s, const struct actor *by, uint64_t session, uint64_t seq)
{
	struct forge f = {.room = s->room.id,
		.sign_key = s->room.policy.sign ? &by->sk : NULL,
		.key = s->room.epoch ? &s->keys[s->room.epoch] : NULL,
		.h = {.kind = UB_KIND_MESSAGE,
			.epoch = s->room.epoch,
			.room_seq = s->room.seq,
			.sender = by->id,
			.session = session,
			.seq = seq}};
	uint8_t random[10];

	memcpy(f.h.room_head, s->room.head.b, sizeof(f.h.room_head));
	randombytes_buf(random, sizeof(random));
	ub_ulid_make(sock_wall_ms(), random, &f.h.id);
	return f;
}

void forge_make(const struct forge *f, const char *text, struct ub_buf *out)
{
	struct ub_frame_sealer s = {.room = f->room, .sign_key = f->sign_key};
	const struct ub_payload payload = {.body = {(const uint8_t *)text, strlen(text)}};
	struct ub_frame_header h = f->h;
	struct ub_symkey sender_key;

	if (f->key) {
		ub_frame_sender_key(f->key, &f->room, h.epoch, &h.sender, &sender_key);
		s.sender_key = &sender_key;
		randombytes_buf(s.nonce, sizeof(s.nonce));
	}
	*out = UB_BUF(UB_FRAME_MAX);
	assert_int_equal(UB_OK, ub_frame_seal(&s, &h, &payload, out));
	assert_true(f->flip <= out->len && f->flip_from_end <= out->len && f->cut < out->len);
	if (f->flip)
		out->p[f->flip - 1] ^= 1;
	if (f->flip_from_end)
		out->p[out->len - f->flip_from_end] ^= 1;
	out->len -= f->cut;
}

ub_err forge_open(struct ub_bytes bytes, const struct ub_room_id *room, const struct ub_symkey *key,
	struct ub_buf *plain)
{
	struct ub_symkey sender_key;
	struct ub_payload payload;
	struct ub_frame f;
	ub_err err = ub_frame_parse(bytes, &f);

	if (err)
		return err;
	ub_frame_sender_key(key, room, f.h.epoch, &f.h.sender, &sender_key);
	return ub_frame_open(&f, room, &sender_key, plain, &payload);
}
