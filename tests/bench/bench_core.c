/* The pure core against its own primitives: what the protocol costs beyond its cryptography. */
#include "core/b64url.h"
#include "core/claims.h"
#include "core/epochkey.h"
#include "core/frame.h"
#include "core/key.h"
#include "core/nkey.h"
#include "tests/bench/bench.h"

#define BODY 256

struct peer {
	struct ub_signkey key;
	struct ub_pubkey pub;
	struct ub_room_id room;
	struct ub_symkey sender_key;
	struct ub_frame_header h;
	uint8_t body[BODY], sig[64];
	struct ub_buf frame, signed_frame, out, plain;
};

static void seal(struct peer *p, const struct ub_signkey *sign, struct ub_buf *to)
{
	struct ub_frame_sealer s = {
		.room = p->room, .sender_key = &p->sender_key, .sign_key = sign, .nonce = {7}};
	struct ub_payload payload = {.body = {p->body, BODY}};

	p->h.seq++;
	ub_buf_reset(to);
	ub_assert(ub_frame_seal(&s, &p->h, &payload, to) == UB_OK);
}

static void open_frame(struct peer *p, const struct ub_buf *from, bool verify)
{
	struct ub_payload payload;
	struct ub_frame f;

	ub_buf_reset(&p->plain);
	ub_assert(ub_frame_parse((struct ub_bytes){from->p, from->len}, &f) == UB_OK);
	if (verify)
		ub_assert(ub_frame_verify(&f, &p->room, &p->pub) == UB_OK);
	ub_assert(ub_frame_open(&f, &p->room, &p->sender_key, &p->plain, &payload) == UB_OK);
}

static void seal_open(void *arg, size_t n)
{
	struct peer *p = arg;

	while (n--) {
		seal(p, NULL, &p->out);
		open_frame(p, &p->out, false);
	}
}

static void seal_open_signed(void *arg, size_t n)
{
	struct peer *p = arg;

	while (n--) {
		seal(p, &p->key, &p->out);
		open_frame(p, &p->out, true);
	}
}

static void primitives(void *arg, size_t n)
{
	struct peer *p = arg;
	uint8_t hash[64] = {0};

	/* What a signed frame needs: Ed25519ph both ways over what is signed. */
	while (n--) {
		crypto_sign_state st;

		crypto_sign_init(&st);
		crypto_sign_update(&st, p->signed_frame.p, p->signed_frame.len - 64);
		crypto_sign_final_create(&st, p->sig, NULL, p->key.b);
		crypto_sign_init(&st);
		crypto_sign_update(&st, p->signed_frame.p, p->signed_frame.len - 64);
		ub_assert(crypto_sign_final_verify(&st, p->sig, p->pub.b) == 0);
		hash[0] ^= p->sig[0];
	}
	p->body[0] ^= hash[0] & 0;
}

static void box_seals(void *arg, size_t n)
{
	struct ub_kexpub *kex = arg;
	uint8_t m[100] = {1}, c[148];

	while (n--)
		ub_assert(crypto_box_seal(c, m, sizeof(m), kex->b) == 0);
}

static void epoch_seals(void *arg, size_t n)
{
	struct ub_kexpub *kex = arg;
	struct ub_symkey k = {{2}};
	struct ub_room_id room = {{3}};
	struct ub_sealed s = {0};

	while (n--)
		ub_assert(ub_epoch_seal(&k, &room, 1, kex, &s) == UB_OK);
}

static void frames(struct peer *p)
{
	const struct bench_side sides[] = {
		{"seal + open, encrypted, 256 B", seal_open, p},
		{"seal + open, encrypted + signed", seal_open_signed, p},
		{"Ed25519ph sign + verify of the same bytes", primitives, p},
	};
	struct bench_result r[3];

	bench_run(sides, 3, r);
	bench_report("frame seal + open, 256 B", r[0].ns / 1000, "us", "<= 4 us", r[0].ns <= 4000);
	bench_report("sign + verify over their primitives", (r[1].ns - r[0].ns) / r[2].ns, "x",
		"<= 1.05 x", r[1].ns - r[0].ns <= 1.05 * r[2].ns);
}

static void seals(void)
{
	struct ub_kexsec sec = {{9}};
	struct ub_kexpub kex;
	struct bench_result r[2];
	const struct bench_side sides[] = {
		{"an epoch's key sealed to a member", epoch_seals, &kex},
		{"crypto_box_seal", box_seals, &kex},
	};

	ub_kexsec_pub(&sec, &kex);
	bench_run(sides, 2, r);
	bench_report("sealing to a member over crypto_box_seal", r[0].ns / r[1].ns, "x", "<= 1.5 x",
		r[0].ns <= 1.5 * r[1].ns);
}

int main(void)
{
	struct peer p = {.h = {.kind = UB_KIND_MESSAGE, .epoch = 1, .session = 1},
		.frame = UB_BUF(UB_FRAME_MAX),
		.signed_frame = UB_BUF(UB_FRAME_MAX),
		.out = UB_BUF(UB_FRAME_MAX),
		.plain = UB_BUF(UB_FRAME_MAX)};
	const uint8_t seed[32] = {5};
	bool ok;

	if (ub_core_init())
		return 1;
	bench_machine();
	ub_signkey_from_seed(seed, &p.key);
	ub_signkey_pub(&p.key, &p.pub);
	seal(&p, &p.key, &p.signed_frame);
	frames(&p);
	seals();
	ok = bench_write();
	ub_buf_deinit(&p.frame);
	ub_buf_deinit(&p.signed_frame);
	ub_buf_deinit(&p.out);
	ub_buf_deinit(&p.plain);
	return ok ? 0 : 1;
}
