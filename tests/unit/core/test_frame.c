/* Frames: what is sealed opens, what was touched does not. */
#include "tests/unit/core/vectors.h"

#include "core/frame.h"
#include "core/key.h"
#include "core/ulid.h"

#define FILE_NAME "tests/vectors/frame.json"

/* One row of the vectors, or one frame of our own. */
struct sample {
	struct ub_room_id room;
	struct ub_frame_header h;
	struct ub_payload payload;
	struct ub_frame_sealer sealer;
	bool encrypted, is_signed;
	struct ub_symkey sender_key;
	struct ub_signkey sign_key;
	struct ub_pubkey pub;
	uint8_t *body;
};

static void sample_deinit(struct sample *s)
{
	free(s->body);
}

/* Everything that a receiver does with the bytes of a frame. */
struct reader {
	struct ub_room_id room;
	const struct ub_symkey *sender_key; /* NULL: none held */
	const struct ub_pubkey *pub;        /* NULL: no signature asked for */
};

static ub_err read_frame(const struct reader *r, struct ub_bytes bytes, struct ub_buf *plain,
	struct ub_payload *payload)
{
	struct ub_frame f;
	ub_err err;

	err = ub_frame_parse(bytes, &f);
	if (err)
		return err;
	if (r->pub) {
		err = ub_frame_verify(&f, &r->room, r->pub);
		if (err)
			return err;
	}
	return ub_frame_open(&f, &r->room, r->sender_key, plain, payload);
}

static ub_err read_only(const struct reader *r, const void *p, size_t len)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	UB_CLEANUP(ub_freep) uint8_t *copy = malloc(len ? len : 1);
	struct ub_payload payload;
	ub_err err;

	assert_non_null(copy);
	memcpy(copy, p, len);
	err = read_frame(r, (struct ub_bytes){copy, len}, &plain, &payload);
	if (err)
		assert_int_equal(plain.len, 0);
	return err;
}

static void sample_load(const json_t *v, struct sample *s)
{
	uint8_t seed[32], epoch_key[32];
	struct ub_symkey k;
	const char *type = vec_text(v, "media_type");

	*s = (struct sample){.h.kind = (uint8_t)vec_u64(v, "kind")};
	vec_hex(v, "room", s->room.b, 32);
	vec_hex(v, "sign_pub", s->pub.b, 32);
	s->is_signed = vec_hex(v, "sign_seed", seed, 32);
	s->encrypted = vec_hex(v, "epoch_key", epoch_key, 32);
	s->h.epoch = (uint32_t)vec_u64(v, "epoch");
	s->h.room_seq = vec_u64(v, "room_seq");
	vec_hex(v, "room_head", s->h.room_head, 16);
	vec_hex(v, "sender", s->h.sender.b, 32);
	s->h.session = vec_u64(v, "session");
	s->h.seq = vec_u64(v, "seq");
	vec_hex(v, "id", s->h.id.b, 16);
	if (vec_hex(v, "thread", s->h.thread.b, 16))
		s->h.flags |= UB_FLAG_THREAD;
	if (vec_hex(v, "reply", s->h.reply.b, 16))
		s->h.flags |= UB_FLAG_REPLY;
	s->payload.media_type = ub_str(type);
	s->body = vec_bytes(v, "body", &s->payload.body.len);
	s->payload.body.p = s->body;
	s->sealer.room = s->room;
	if (s->is_signed)
		ub_signkey_from_seed(seed, &s->sign_key);
	if (s->encrypted) {
		memcpy(k.b, epoch_key, 32);
		ub_frame_sender_key(&k, &s->room, s->h.epoch, &s->h.sender, &s->sender_key);
		vec_hex(v, "nonce", s->sealer.nonce, 24);
	}
}

static void sample_seal(struct sample *s, struct ub_buf *out)
{
	s->sealer.sender_key = s->encrypted ? &s->sender_key : NULL;
	s->sealer.sign_key = s->is_signed ? &s->sign_key : NULL;
	assert_int_equal(ub_frame_seal(&s->sealer, &s->h, &s->payload, out), UB_OK);
}

static struct reader reader_of(const struct sample *s)
{
	return (struct reader){.room = s->room,
		.sender_key = s->encrypted ? &s->sender_key : NULL,
		.pub = s->is_signed ? &s->pub : NULL};
}

static void assert_same_header(const struct ub_frame_header *a, const struct ub_frame_header *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->epoch, b->epoch);
	assert_true(a->room_seq == b->room_seq);
	assert_memory_equal(a->room_head, b->room_head, 16);
	assert_memory_equal(a->sender.b, b->sender.b, 32);
	assert_true(a->session == b->session);
	assert_true(a->seq == b->seq);
	assert_memory_equal(a->id.b, b->id.b, 16);
	assert_memory_equal(a->thread.b, b->thread.b, 16);
	assert_memory_equal(a->reply.b, b->reply.b, 16);
	assert_int_equal(a->len, b->len);
}

static void check_good(const json_t *v)
{
	UB_CLEANUP(sample_deinit) struct sample s;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_FRAME_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	UB_CLEANUP(ub_freep) uint8_t *frame = NULL;
	struct reader r;
	struct ub_symkey key;
	struct ub_ref ref, want;
	struct ub_frame f;
	struct ub_payload payload;
	size_t len;

	sample_load(v, &s);
	if (vec_hex(v, "sender_key", key.b, 32))
		assert_memory_equal(key.b, s.sender_key.b, 32);
	vec_hex(v, "ref", want.b, 16);
	ub_frame_ref(&s.room, &s.h.sender, &s.h.id, &ref);
	assert_memory_equal(ref.b, want.b, 16);

	frame = vec_bytes(v, "frame", &len);
	sample_seal(&s, &out);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.p, frame, len);

	r = reader_of(&s);
	assert_int_equal(ub_frame_parse((struct ub_bytes){frame, len}, &f), UB_OK);
	assert_same_header(&f.h, &s.h);
	ub_buf_z(&plain, "before");
	assert_int_equal(read_frame(&r, (struct ub_bytes){frame, len}, &plain, &payload), UB_OK);
	assert_memory_equal(plain.p, "before", 6);
	assert_true(ub_str_eq(payload.media_type, s.payload.media_type));
	assert_int_equal(payload.body.len, s.payload.body.len);
	assert_memory_equal(payload.body.p, s.payload.body.p, payload.body.len);
}

static void each_vector_seals_to_its_bytes_and_opens(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(doc, "frames"), i, v) {
		print_message("%s\n", vec_text(v, "name"));
		check_good(v);
	}
	assert_true(i >= 14);
}

static void each_bad_vector_is_refused_by_name(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(doc, "bad"), i, v) {
		UB_CLEANUP(ub_freep) uint8_t *frame = NULL;
		struct reader r = {.pub = NULL};
		struct ub_symkey key;
		struct ub_pubkey pub;
		size_t len;

		print_message("%s\n", vec_text(v, "name"));
		frame = vec_bytes(v, "frame", &len);
		vec_hex(v, "room", r.room.b, 32);
		r.sender_key = vec_hex(v, "sender_key", key.b, 32) ? &key : NULL;
		r.pub = vec_hex(v, "sign_pub", pub.b, 32) ? &pub : NULL;
		assert_string_equal(
			unibus_err_word(read_only(&r, frame, len)), vec_text(v, "error"));
	}
	assert_true(i >= 50);
}

/* Runs `body` on each good vector's frame, sealed anew, with its reader. */
static void for_each_frame(
	void (*body)(const struct sample *, const struct reader *, const struct ub_buf *))
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	json_t *v;
	size_t i;

	json_array_foreach (json_object_get(doc, "frames"), i, v) {
		UB_CLEANUP(sample_deinit) struct sample s;
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_FRAME_MAX);
		struct reader r;

		sample_load(v, &s);
		sample_seal(&s, &out);
		r = reader_of(&s);
		body(&s, &r, &out);
	}
}

static void cut(const struct sample *s, const struct reader *r, const struct ub_buf *out)
{
	(void)s;
	for (size_t len = 0; len < out->len; len++)
		assert_int_equal(read_only(r, out->p, len), UNIBUS_ERR_CORRUPT);
	assert_int_equal(read_only(r, out->p, out->len), UB_OK);
}

static void cut_at_every_length_is_corrupt(void **state)
{
	(void)state;
	for_each_frame(cut);
}

static void extend(const struct sample *s, const struct reader *r, const struct ub_buf *out)
{
	UB_CLEANUP(ub_freep) uint8_t *longer = calloc(1, out->len + 64);

	(void)s;
	assert_non_null(longer);
	memcpy(longer, out->p, out->len);
	for (size_t more = 1; more <= 64; more++)
		assert_int_equal(read_only(r, longer, out->len + more), UNIBUS_ERR_CORRUPT);
}

static void trailing_bytes_are_corrupt(void **state)
{
	(void)state;
	for_each_frame(extend);
}

/* A bit of an encrypted or signed frame; of a clear one only the checked fields are sure to fail.
 */
static void flip(const struct sample *s, const struct reader *r, const struct ub_buf *out)
{
	UB_CLEANUP(ub_freep) uint8_t *copy = malloc(out->len);

	assert_non_null(copy);
	memcpy(copy, out->p, out->len);
	for (size_t bit = 0; bit < out->len * 8; bit++) {
		ub_err err;

		copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		err = read_only(r, copy, out->len);
		copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		if (s->encrypted || s->is_signed || bit < 24)
			assert_int_not_equal(err, UB_OK);
		if (s->is_signed && err != UNIBUS_ERR_CORRUPT && err != UNIBUS_ERR_POLICY_VIOLATION)
			assert_int_equal(err, UNIBUS_ERR_BAD_SIGNATURE);
	}
}

static void no_flipped_bit_survives(void **state)
{
	(void)state;
	for_each_frame(flip);
}

static void flip_under_encryption(
	const struct sample *s, const struct reader *r, const struct ub_buf *out)
{
	UB_CLEANUP(ub_freep) uint8_t *copy = malloc(out->len);
	struct reader no_sig = *r;
	size_t sig = s->is_signed ? 64 : 0;

	if (!s->encrypted)
		return;
	assert_non_null(copy);
	memcpy(copy, out->p, out->len);
	no_sig.pub = NULL;
	for (size_t bit = 0; bit < (out->len - sig) * 8; bit++) {
		copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_not_equal(read_only(&no_sig, copy, out->len), UB_OK);
		copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_int_equal(read_only(&no_sig, copy, out->len), UB_OK);
}

static void encryption_alone_covers_the_header_and_the_payload(void **state)
{
	(void)state;
	for_each_frame(flip_under_encryption);
}

static struct sample plain_sample(const void *body, size_t len)
{
	struct sample s = {.h = {.kind = UB_KIND_MESSAGE, .session = 1, .seq = 1}};

	s.payload.body = (struct ub_bytes){body, len};
	return s;
}

static void too_large_a_body_is_refused_and_the_largest_travels(void **state)
{
	UB_CLEANUP(ub_freep) uint8_t *body = calloc(1, UB_PAYLOAD_MAX + 1);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_FRAME_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	struct sample s = plain_sample(body, UB_PAYLOAD_MAX + 1);
	char type[UB_MEDIA_TYPE_MAX];
	struct ub_payload payload;
	struct reader r;

	(void)state;
	memset(type, 't', sizeof(type));
	s.payload.media_type = (struct ub_str){type, sizeof(type)};
	s.encrypted = s.is_signed = true;
	s.h.epoch = 1;
	s.h.flags = UB_FLAG_THREAD | UB_FLAG_REPLY;
	ub_signkey_from_seed(s.sender_key.b, &s.sign_key);
	ub_signkey_pub(&s.sign_key, &s.pub);
	s.sealer.sender_key = &s.sender_key;
	s.sealer.sign_key = &s.sign_key;
	assert_int_equal(ub_frame_seal(&s.sealer, &s.h, &s.payload, &out), UNIBUS_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);

	s.payload.body.len = UB_PAYLOAD_MAX;
	sample_seal(&s, &out);
	assert_int_equal(out.len, UB_FRAME_MAX);
	r = reader_of(&s);
	assert_int_equal(
		read_frame(&r, (struct ub_bytes){out.p, out.len}, &plain, &payload), UB_OK);
	assert_int_equal(payload.body.len, UB_PAYLOAD_MAX);
}

static void what_seal_refuses(void **state)
{
	static const char long_type[UB_MEDIA_TYPE_MAX + 1] = {'t'};
	struct {
		const char *name;
		struct ub_str type;
		uint8_t kind, flags;
		ub_err err;
	} rows[] = {
		{"plain type", UB_STR("text/plain"), UB_KIND_MESSAGE, 0, UB_OK},
		{"type of 128 bytes", {long_type, sizeof(long_type)}, UB_KIND_MESSAGE, 0,
			UNIBUS_ERR_INVALID},
		{"newline in the type", UB_STR("text\n"), UB_KIND_MESSAGE, 0, UNIBUS_ERR_INVALID},
		{"DEL in the type", UB_STR("text\x7f"), UB_KIND_MESSAGE, 0, UNIBUS_ERR_INVALID},
		{"type beyond ASCII", UB_STR("\xc3\xa9"), UB_KIND_MESSAGE, 0, UNIBUS_ERR_INVALID},
		{"react with a target", UB_STR(""), UB_KIND_REACT, UB_FLAG_REPLY, UB_OK},
		{"react without", UB_STR(""), UB_KIND_REACT, 0, UNIBUS_ERR_INVALID},
		{"response without", UB_STR(""), UB_KIND_RESPONSE, UB_FLAG_THREAD,
			UNIBUS_ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_FRAME_MAX);
		struct sample s = plain_sample("x", 1);

		print_message("%s\n", rows[i].name);
		s.payload.media_type = rows[i].type;
		s.h.kind = rows[i].kind;
		s.h.flags = rows[i].flags;
		assert_int_equal(ub_frame_seal(&s.sealer, &s.h, &s.payload, &out), rows[i].err);
		assert_true((out.len == 0) == (rows[i].err != UB_OK));
	}
}

static void a_full_buffer_is_reported(void **state)
{
	UB_CLEANUP(sample_deinit) struct sample s = plain_sample("body", 4);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf whole = UB_BUF(UB_FRAME_MAX);
	struct reader r;

	(void)state;
	s.body = NULL;
	s.encrypted = s.is_signed = true;
	s.h.epoch = 1;
	ub_signkey_from_seed(s.sender_key.b, &s.sign_key);
	ub_signkey_pub(&s.sign_key, &s.pub);
	sample_seal(&s, &whole);
	for (size_t max = 0; max < whole.len; max++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(max);

		assert_int_equal(
			ub_frame_seal(&s.sealer, &s.h, &s.payload, &out), UNIBUS_ERR_TOO_LARGE);
	}
	r = reader_of(&s);
	for (size_t max = 0; max < 5; max++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(max);
		struct ub_payload p;

		assert_int_equal(read_frame(&r, (struct ub_bytes){whole.p, whole.len}, &plain, &p),
			UNIBUS_ERR_TOO_LARGE);
	}
}

/* Another room, another sender, another id: another name. */
static void a_ref_depends_on_room_sender_and_id(void **state)
{
	struct ub_room_id room = {{1}};
	struct ub_endpoint sender = {{2}};
	struct ub_ulid id = {{3}};
	struct ub_ref a, b;

	(void)state;
	ub_frame_ref(&room, &sender, &id, &a);
	ub_frame_ref(&room, &sender, &id, &b);
	assert_memory_equal(a.b, b.b, 16);
	room.b[31] ^= 1;
	ub_frame_ref(&room, &sender, &id, &b);
	assert_memory_not_equal(a.b, b.b, 16);
	room.b[31] ^= 1;
	sender.b[31] ^= 1;
	ub_frame_ref(&room, &sender, &id, &b);
	assert_memory_not_equal(a.b, b.b, 16);
	sender.b[31] ^= 1;
	id.b[15] ^= 1;
	ub_frame_ref(&room, &sender, &id, &b);
	assert_memory_not_equal(a.b, b.b, 16);
}

static int setup(void **state)
{
	(void)state;
	return ub_core_init() ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_vector_seals_to_its_bytes_and_opens),
		cmocka_unit_test(each_bad_vector_is_refused_by_name),
		cmocka_unit_test(cut_at_every_length_is_corrupt),
		cmocka_unit_test(trailing_bytes_are_corrupt),
		cmocka_unit_test(no_flipped_bit_survives),
		cmocka_unit_test(encryption_alone_covers_the_header_and_the_payload),
		cmocka_unit_test(too_large_a_body_is_refused_and_the_largest_travels),
		cmocka_unit_test(what_seal_refuses),
		cmocka_unit_test(a_full_buffer_is_reported),
		cmocka_unit_test(a_ref_depends_on_room_sender_and_id),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
