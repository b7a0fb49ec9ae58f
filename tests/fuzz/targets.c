#include "tests/fuzz/targets.h"

#include "core/b32.h"
#include "core/b64url.h"
#include "core/blob.h"
#include "core/claims.h"
#include "core/endpoint.h"
#include "core/entry.h"
#include "core/frame.h"
#include "core/json.h"
#include "core/jwt.h"
#include "core/key.h"
#include "core/keyrec.h"
#include "core/nkey.h"
#include "core/num.h"
#include "core/replay.h"
#include "core/reqsig.h"
#include "core/subject.h"
#include "core/ulid.h"
#include "membershipd/store/store_jetstream_wire.h"

static struct ub_str as_text(const uint8_t *data, size_t len)
{
	return (struct ub_str){(const char *)data, len};
}

/* What decodes must encode to the very same text. */
static void one_spelling(struct ub_str given, const char *again)
{
	ub_assert(ub_str_eqz(given, again));
}

static void fuzz_codecs(const uint8_t *data, size_t len)
{
	struct ub_str s = as_text(data, len);
	struct ub_endpoint e;
	struct ub_ulid u;
	uint8_t bytes[96];
	char text[256];
	size_t n;

	if (!ub_endpoint_decode(s, &e)) {
		ub_endpoint_encode(&e, text);
		one_spelling(s, text);
	}
	if (!ub_ulid_decode(s, &u)) {
		ub_ulid_encode(&u, text);
		one_spelling(s, text);
	}
	if (!ub_b64url_decode_var(s, bytes, sizeof(bytes), &n)) {
		ub_b64url_encode(bytes, n, text);
		one_spelling(s, text);
	}
	if (!ub_b32_decode(s, bytes, 35)) {
		ub_b32_encode(bytes, 35, text);
		one_spelling(s, text);
	}
	if (!ub_hex_decode(s, bytes, 32)) {
		ub_hex_encode(bytes, 32, text);
		one_spelling(s, text);
	}
	if (!ub_nkey_decode(s, UB_NKEY_USER, bytes)) {
		ub_nkey_encode(UB_NKEY_USER, bytes, text);
		one_spelling(s, text);
	}
	if (!ub_nkey_seed_decode(s, UB_NKEY_ACCOUNT, bytes)) {
		ub_nkey_seed_encode(UB_NKEY_ACCOUNT, bytes, text);
		one_spelling(s, text);
	}
}

static void fuzz_numbers(const uint8_t *data, size_t len)
{
	struct ub_str s = as_text(data, len);
	uint64_t v;
	char text[32];

	if (!ub_num_u64(s, 0, UINT64_MAX, &v)) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
		one_spelling(s, text);
	}
	if (!ub_num_duration_ms(s, &v))
		ub_assert(v <= 366ULL * 24 * 3600 * 1000);
}

static void fuzz_subject(const uint8_t *data, size_t len)
{
	struct ub_room_id room = {{0}};
	struct ub_str s = as_text(data, len), sender = {0};

	if (!ub_subject_check(s)) {
		ub_assert(len > 0 && len <= UB_SUBJECT_MAX);
		ub_assert(!memchr(data, '*', len) && !memchr(data, '>', len));
		ub_assert(!memchr(data, ' ', len) && data[0] != '$');
	}
	if (!ub_handle_check(s))
		ub_assert(len > 0 && len <= UB_HANDLE_MAX);
	if (!ub_wire_sender(s, &room, &sender))
		ub_assert(sender.len == UB_WIRE_TOKEN);
}

static void fuzz_json(const uint8_t *data, size_t len)
{
	UB_CLEANUP(json_decrefp) json_t *strict = NULL;
	UB_CLEANUP(json_decrefp) json_t *foreign = NULL;

	if (!ub_json_parse(as_text(data, len), &strict)) {
		UB_CLEANUP(ub_freep) char *text = ub_json_text(strict);
		UB_CLEANUP(json_decrefp) json_t *again = NULL;

		ub_assert(text && !ub_json_parse(ub_str(text), &again));
		ub_assert(json_equal(strict, again));
	}
	(void)!ub_json_parse_foreign(as_text(data, len), &foreign);
}

static void fuzz_entry(const uint8_t *data, size_t len)
{
	struct ub_entry e = {0};

	if (!ub_entry_open(as_text(data, len), &e))
		ub_assert(e.n_ops >= 1 && e.n_ops <= UB_ENTRY_OPS_MAX);
	ub_entry_deinit(&e);
}

static void fuzz_keyrec(const uint8_t *data, size_t len)
{
	struct ub_keyrec r;

	if (!ub_keyrec_open(as_text(data, len), &r))
		ub_assert(r.seq >= 1 && !ub_pubkey_check(&r.sign) && !ub_kexpub_check(&r.kex));
}

static void fuzz_frame(const uint8_t *data, size_t len)
{
	struct ub_room_id room = {{1}};
	struct ub_symkey key = {{2}};
	struct ub_pubkey pub = {{3}};
	struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	struct ub_payload payload;
	struct ub_frame f;

	if (!ub_frame_parse((struct ub_bytes){data, len}, &f)) {
		ub_assert(f.h.kind >= 1 && f.h.kind <= 9 && f.h.seq);
		ub_assert(f.h.len <= len && f.header.len < len);
		ub_assert(((f.h.flags & UB_FLAG_ENCRYPTED) != 0) == (f.h.epoch != 0));
		ub_assert(ub_frame_verify(&f, &room, &pub) != UB_OK);
		if (!ub_frame_open(&f, &room, &key, &plain, &payload))
			ub_assert(!f.nonce && payload.body.len < f.h.len);
	}
	ub_buf_deinit(&plain);
}

static void fuzz_replay(const uint8_t *data, size_t len)
{
	struct ub_cursor c = ub_cursor(data, len);
	struct ub_replay r;

	if (!ub_replay_load(&c, &r)) {
		struct ub_buf again = UB_BUF(64 * 1024);

		ub_replay_save(&r, &again);
		ub_assert(!ub_buf_err(&again) && again.len == c.pos);
		ub_assert(memcmp(again.p, data, again.len) == 0);
		ub_buf_deinit(&again);
	}
}

static void fuzz_jwt(const uint8_t *data, size_t len)
{
	UB_CLEANUP(json_decrefp) json_t *claims = NULL;
	struct ub_auth_request req;
	struct ub_pubkey iss;
	static const char issuer[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

	if (!ub_jwt_verify(as_text(data, len), UB_NKEY_SERVER, &iss, &claims))
		ub_assert(json_is_object(claims));
	(void)!ub_auth_request_open(as_text(data, len), issuer, 0, &req);
}

static void fuzz_xbox(const uint8_t *data, size_t len)
{
	struct ub_xbox_key k = {{9}};
	struct ub_buf out = UB_BUF(UB_BUS_PAYLOAD_MAX);

	ub_assert(ub_xbox_open(&k, (struct ub_bytes){data, len}, &out) != UB_OK || len >= 44);
	ub_buf_deinit(&out);
}

/* Five header values, separated by newlines. */
static void fuzz_reqsig(const uint8_t *data, size_t len)
{
	UB_CLEANUP(ub_freep) char *copy = ub_str_dup(as_text(data, len));
	struct ub_reqsig_headers h;
	struct ub_reqsig_text t;
	struct ub_reqsig rs;
	char *v[5] = {NULL}, *p = copy;

	if (!copy || memchr(data, 0, len))
		return;
	for (size_t i = 0; i < 5 && p; i++) {
		v[i] = p;
		p = strchr(p, '\n');
		if (p)
			*p++ = '\0';
	}
	t = (struct ub_reqsig_text){v[0], v[1], v[2], v[3], v[4]};
	if (ub_reqsig_parse(&t, &rs))
		return;
	ub_reqsig_format(&rs, &h);
	one_spelling(ub_str(v[0]), h.pub);
	one_spelling(ub_str(v[1]), h.ts);
	one_spelling(ub_str(v[2]), h.nonce);
	one_spelling(ub_str(v[3]), h.audience);
	one_spelling(ub_str(v[4]), h.sig);
}

/* What JetStream says: an answer, the place of a delivery, a subject. */
static void fuzz_kv(const uint8_t *data, size_t len)
{
	UB_CLEANUP(ub_freep) char *text = ub_str_dup(as_text(data, len));
	UB_CLEANUP(kv_answer_deinit) struct kv_answer a = {.code = KV_FINE};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf value = UB_BUF(MD_VALUE_MAX);
	char key[MD_KEY_MAX + 1];
	struct kv_subject subject;
	struct kv_stored stored;
	struct kv_place place;
	struct kv_info info;
	uint64_t seq;

	if (!text || memchr(data, 0, len))
		return;
	if (!kv_key_of(text, key)) {
		kv_subject_of(key, &subject);
		one_spelling(ub_str(text), subject.z);
	}
	ub_assert(kv_place_parse(text, &place) || (place.seq > 0 && place.number > 0));
	if (kv_answer_parse(as_text(data, len), &a))
		return;
	ub_assert(kv_ack_parse(&a, "0123456789abcdefghijkl.1", 2, &seq) || seq >= 2);
	ub_assert(kv_stored_parse(&a, &stored, &value) || stored.seq > 0);
	ub_assert(kv_info_parse(&a, &info) || info.status.replicas > 0);
}

/* What reads is written again as the same thing; and no bytes are opened as a chunk. */
static void fuzz_blob(const uint8_t *data, size_t len)
{
	static const struct ub_symkey key = {{7}};
	static const struct ub_room_id room = {{9}};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf again = UB_BUF(4096);
	uint8_t content[UB_BLOB_CHUNK];
	struct ub_blob_ref r = {0}, back = {0};
	struct ub_blob_stream s;
	uint64_t n;

	ub_assert(ub_blob_content_len(len, &n) || ub_blob_stored_len(n) == len);
	if (len > UB_BLOB_HEADER && len - UB_BLOB_HEADER <= sizeof(content)) {
		ub_blob_stream_init(&s, &key, &room, data);
		ub_assert(ub_blob_open_chunk(&s,
			(struct ub_bytes){data + UB_BLOB_HEADER, len - UB_BLOB_HEADER}, true,
			content));
	}
	if (ub_blob_ref_get(as_text(data, len), &r))
		return;
	ub_assert(!ub_blob_name_check(ub_str(r.name)) && !ub_blob_type_check(ub_str(r.type)));
	ub_blob_ref_put(&r, &again);
	ub_assert(!ub_blob_ref_get(ub_buf_text(&again), &back));
	ub_assert(!memcmp(&r, &back, sizeof(r)));
}

const struct fuzz_target fuzz_targets[] = {
	{"blob", fuzz_blob},
	{"codecs", fuzz_codecs},
	{"entry", fuzz_entry},
	{"frame", fuzz_frame},
	{"json", fuzz_json},
	{"jwt", fuzz_jwt},
	{"keyrec", fuzz_keyrec},
	{"kv", fuzz_kv},
	{"numbers", fuzz_numbers},
	{"replay", fuzz_replay},
	{"reqsig", fuzz_reqsig},
	{"subject", fuzz_subject},
	{"xbox", fuzz_xbox},
	{0},
};
