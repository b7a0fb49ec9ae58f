/* How fast a room carries messages of 256 bytes from one publisher to one subscriber, through a
 * real server: two peers of the library beside the same two peers over bare nats.c, and beside the
 * cryptography of a frame on its own. A round runs every side once; ratios are taken in a round,
 * so that what else the machine does meets both sides alike. */
#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "core/frame.h"
#include "core/key.h"
#include "core/nkey.h"
#include "tests/bench/bench.h"
#include "tests/harness/libpeer.h"

#define BODY 256
#define ROUNDS 11 /* after one that warms up */
#define MANY 40000
#define FEW 5000 /* of what takes an Ed25519 verification */
#define WAIT_S 30
#define LOGIN_TRIES 4 /* nats.c before 3.8 cannot log in with a signature that begins with zero */

struct ear {
	atomic_size_t n, want;
	pthread_mutex_t lock;
	pthread_cond_t full;
};

struct side {
	const char *name;
	size_t n; /* messages, or operations, of a slice */
	void (*run)(struct side *s);
	/* A message's way: one of the two. */
	unibus_room *from, *to;
	natsConnection *out, *in;
	unibus_sub *sub;
	natsSubscription *nsub;
	const char *subject;
	struct ear ear;
	/* A second's worth, and the processor's time of one: this process and the server. */
	double rate[ROUNDS], own_us[ROUNDS], server_us[ROUNDS];
};

enum { BARE, PLAIN, ENCRYPTED, SIGNED, SEAL, OPEN, VERIFY, SIDES };

struct bench {
	struct stack stack;
	struct actor root, alice_is, bob_is;
	struct libpeer alice, bob;
	struct side side[SIDES];
};

static uint8_t body[BODY];

/* ---- a message's way ---- */

static void hear(struct ear *e)
{
	if (atomic_fetch_add(&e->n, 1) + 1 != atomic_load(&e->want))
		return;
	pthread_mutex_lock(&e->lock);
	pthread_cond_signal(&e->full);
	pthread_mutex_unlock(&e->lock);
}

static void ear_wait(struct ear *e)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&e->lock);
	while (rc == 0 && atomic_load(&e->n) < atomic_load(&e->want))
		rc = pthread_cond_timedwait(&e->full, &e->lock, &until);
	pthread_mutex_unlock(&e->lock);
	/* All of them: a bus that loses some is not fast. */
	ub_assert(rc == 0);
}

static void on_bare(natsConnection *nc, natsSubscription *ns, natsMsg *m, void *arg)
{
	(void)nc;
	(void)ns;
	ub_assert(natsMsg_GetDataLength(m) == BODY);
	natsMsg_Destroy(m);
	hear(arg);
}

static void on_room(void *arg, const struct unibus_msg *m)
{
	ub_assert(m->len == BODY);
	hear(arg);
}

static void ear_open(struct ear *e, size_t want)
{
	atomic_store(&e->n, 0);
	atomic_store(&e->want, want);
}

static void say_bare(struct side *s)
{
	ear_open(&s->ear, s->n);
	for (size_t i = 0; i < s->n; i++)
		ub_assert(natsConnection_Publish(s->out, s->subject, body, BODY) == NATS_OK);
	ub_assert(natsConnection_Flush(s->out) == NATS_OK);
	ear_wait(&s->ear);
}

static void say_room(struct side *s)
{
	const struct unibus_publish p = {.data = body, .len = BODY};

	ear_open(&s->ear, s->n);
	for (size_t i = 0; i < s->n; i++)
		ub_assert(unibus_publish(s->from, &p, NULL) == UNIBUS_OK);
	ear_wait(&s->ear);
}

/* ---- the cryptography on its own ---- */

struct frames {
	struct ub_signkey key;
	struct ub_pubkey pub;
	struct ub_room_id room;
	struct ub_symkey sender_key;
	struct ub_frame_header h;
	struct ub_buf frame, plain;
	uint8_t sig[64];
};
static struct frames f = {.h = {.kind = UB_KIND_MESSAGE, .epoch = 1, .session = 1},
	.frame = {.max = UB_FRAME_MAX},
	.plain = {.max = UB_FRAME_MAX}};

static void run_seal(struct side *s)
{
	struct ub_frame_sealer sealer = {.room = f.room, .sender_key = &f.sender_key};
	struct ub_payload payload = {.body = {body, BODY}};

	for (size_t i = 0; i < s->n; i++) {
		f.h.seq++;
		randombytes_buf(sealer.nonce, sizeof(sealer.nonce));
		ub_buf_reset(&f.frame);
		ub_assert(ub_frame_seal(&sealer, &f.h, &payload, &f.frame) == UB_OK);
	}
}

static void run_open(struct side *s)
{
	struct ub_payload payload;
	struct ub_frame parsed;

	for (size_t i = 0; i < s->n; i++) {
		ub_buf_reset(&f.plain);
		ub_assert(ub_frame_parse((struct ub_bytes){f.frame.p, f.frame.len}, &parsed) ==
			  UB_OK);
		ub_assert(ub_frame_open(&parsed, &f.room, &f.sender_key, &f.plain, &payload) ==
			  UB_OK);
	}
}

static void run_verify(struct side *s)
{
	crypto_sign_state st;

	crypto_sign_init(&st);
	crypto_sign_update(&st, f.frame.p, f.frame.len);
	crypto_sign_final_create(&st, f.sig, NULL, f.key.b);
	for (size_t i = 0; i < s->n; i++) {
		crypto_sign_init(&st);
		crypto_sign_update(&st, f.frame.p, f.frame.len);
		ub_assert(crypto_sign_final_verify(&st, f.sig, f.pub.b) == 0);
	}
}

/* ---- setting up ---- */

static natsStatus sign(
	char **error, unsigned char **signature, int *len, const char *nonce, void *arg)
{
	const struct actor *a = arg;
	struct ub_sig sig;

	(void)error;
	*signature = malloc(sizeof(sig.b));
	if (!*signature || ub_login_sign(&a->sk, ub_str(nonce), &sig) != UB_OK)
		return NATS_ERR;
	memcpy(*signature, sig.b, sizeof(sig.b));
	*len = sizeof(sig.b);
	return NATS_OK;
}

/* Logs in as the peer does, and has its permissions. */
static natsConnection *bare_connect(const struct stack *s, struct actor *a)
{
	natsConnection *nc = NULL;
	natsOptions *o = NULL;
	char nkey[UB_NKEY_TEXT + 1];
	natsStatus st = NATS_ERR;

	ub_nkey_encode(UB_NKEY_USER, a->sign.b, nkey);
	ub_assert(natsOptions_Create(&o) == NATS_OK);
	ub_assert(natsOptions_SetURL(o, s->nats_url) == NATS_OK);
	ub_assert(natsOptions_SetAllowReconnect(o, false) == NATS_OK);
	ub_assert(natsOptions_SetNKey(o, nkey, sign, a) == NATS_OK);
	for (unsigned i = 0; i < LOGIN_TRIES && st != NATS_OK; i++)
		st = natsConnection_Connect(&nc, o);
	ub_assert(st == NATS_OK);
	natsOptions_Destroy(o);
	return nc;
}

static void room_make(struct bench *b, const char *subject, const struct unibus_policy *policy,
	unibus_room **from, unibus_room **to)
{
	ub_assert(unibus_room_create(b->alice.client, subject, policy, from) == UNIBUS_OK);
	ub_assert(unibus_room_invite(*from, "bob", UNIBUS_MEMBER, NULL) == UNIBUS_OK);
	ub_assert(unibus_room_open(b->bob.client, subject, to) == UNIBUS_OK);
}

static void rooms_make(struct bench *b)
{
	static const struct unibus_policy policy[] = {
		[PLAIN] = {0}, [ENCRYPTED] = {.encrypt = true}, [SIGNED] = {true, false, true}};
	static const char *const name[] = {[PLAIN] = "bench.plain",
		[ENCRYPTED] = "bench.encrypted",
		[SIGNED] = "bench.signed"};
	struct side *bare = &b->side[BARE];

	for (size_t i = PLAIN; i <= SIGNED; i++) {
		struct side *s = &b->side[i];

		room_make(b, name[i], &policy[i], &s->from, &s->to);
		ub_assert(unibus_subscribe(s->to, on_room, &s->ear, &s->sub) == UNIBUS_OK);
	}
	/* A plain room of its own, in which the library's peers are silent. */
	bare->subject = "bench.bare";
	room_make(b, bare->subject, &policy[PLAIN], &bare->from, &bare->to);
	bare->out = bare_connect(&b->stack, &b->alice_is);
	bare->in = bare_connect(&b->stack, &b->bob_is);
	ub_assert(natsConnection_Subscribe(
			  &bare->nsub, bare->in, bare->subject, on_bare, &bare->ear) == NATS_OK);
	ub_assert(natsConnection_Flush(bare->in) == NATS_OK);
}

static void set_up(struct bench *b)
{
	static const struct side side[SIDES] = {
		[BARE] = {.name = "bare nats.c", .n = MANY, .run = say_bare},
		[PLAIN] = {.name = "plain room", .n = MANY, .run = say_room},
		[ENCRYPTED] = {.name = "encrypted room", .n = MANY, .run = say_room},
		[SIGNED] = {.name = "encrypted, signed room", .n = FEW, .run = say_room},
		[SEAL] = {.name = "seal alone", .n = MANY, .run = run_seal},
		[OPEN] = {.name = "open alone", .n = MANY, .run = run_open},
		[VERIFY] = {.name = "Ed25519ph verification alone", .n = FEW, .run = run_verify},
	};
	struct libpeer_at at;

	ub_assert(stack_start(&b->stack, NULL) == 0);
	at = (struct libpeer_at){b->stack.http_port, b->stack.nats_port, b->stack.dir, false, 0};
	actor_of(&b->root, "root", &b->stack.admin);
	actor_new(&b->alice_is, "alice");
	actor_new(&b->bob_is, "bob");
	actor_register(&b->stack, &b->root, &b->alice_is);
	actor_register(&b->stack, &b->root, &b->bob_is);
	libpeer_connect(&b->alice, &b->alice_is, &at);
	libpeer_connect(&b->bob, &b->bob_is, &at);
	for (size_t i = 0; i < SIDES; i++) {
		b->side[i] = side[i];
		pthread_mutex_init(&b->side[i].ear.lock, NULL);
		pthread_cond_init(&b->side[i].ear.full, NULL);
	}
	rooms_make(b);
	f.key = b->alice_is.sk;
	f.pub = b->alice_is.sign;
}

static int tear_down(struct bench *b)
{
	for (size_t i = 0; i < SIDES; i++) {
		struct side *s = &b->side[i];

		unibus_unsubscribe(s->sub);
		unibus_room_free(s->from);
		unibus_room_free(s->to);
		natsSubscription_Destroy(s->nsub);
		natsConnection_Destroy(s->in);
		natsConnection_Destroy(s->out);
		pthread_cond_destroy(&s->ear.full);
		pthread_mutex_destroy(&s->ear.lock);
	}
	libpeer_close(&b->alice);
	libpeer_close(&b->bob);
	ub_buf_deinit(&f.frame);
	ub_buf_deinit(&f.plain);
	return stack_stop(&b->stack);
}

/* ---- measuring ---- */

static double clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void slice(const struct bench *b, struct side *s, size_t round)
{
	clockid_t server;
	double n = (double)s->n, wall, own, theirs;

	ub_assert(clock_getcpuclockid(b->stack.nats.pid, &server) == 0);
	wall = clock_us(CLOCK_MONOTONIC);
	own = clock_us(CLOCK_PROCESS_CPUTIME_ID);
	theirs = clock_us(server);
	s->run(s);
	s->rate[round] = n / (clock_us(CLOCK_MONOTONIC) - wall) * 1e6;
	s->own_us[round] = (clock_us(CLOCK_PROCESS_CPUTIME_ID) - own) / n;
	s->server_us[round] = (clock_us(server) - theirs) / n;
}

static void measure(struct bench *b)
{
	for (size_t round = 0; round <= ROUNDS; round++) {
		/* Each neighbour comes first as often as the other. The round that warms up is
		 * overwritten by the next. */
		for (size_t i = 0; i < SIDES; i++)
			slice(b, &b->side[round % 2 ? SIDES - 1 - i : i], round ? round - 1 : 0);
	}
}

static void print_side(const struct side *s)
{
	struct bench_spread rate = bench_spread_of(s->rate, ROUNDS);
	struct bench_spread own = bench_spread_of(s->own_us, ROUNDS);
	struct bench_spread server = bench_spread_of(s->server_us, ROUNDS);

	printf("  %-30s %8.0f/s (%.0f .. %.0f); CPU of one: %.2f us here, %.2f us in the server\n",
		s->name, rate.median, rate.min, rate.max, own.median, server.median);
}

/* The room's rate over the slower of the two. */
static void report(const char *name, const struct side *room, const struct side *x,
	const struct side *y, double reach)
{
	double ratio[ROUNDS];
	struct bench_spread r;
	char text[16];

	for (size_t i = 0; i < ROUNDS; i++)
		ratio[i] = room->rate[i] / (x->rate[i] < y->rate[i] ? x->rate[i] : y->rate[i]);
	r = bench_spread_of(ratio, ROUNDS);
	printf("  %s: %.2f .. %.2f in %d rounds\n", name, r.min, r.max, ROUNDS);
	snprintf(text, sizeof(text), ">= %.2f", reach);
	bench_report(name, r.median, "x", text, r.median >= reach);
}

int main(void)
{
	static struct bench b;
	const struct side *s = b.side;
	bool ok;

	if (ub_core_init())
		return 1;
	bench_machine();
	set_up(&b);
	measure(&b);
	for (size_t i = 0; i < SIDES; i++)
		print_side(&s[i]);
	report("plain room over bare nats.c", &s[PLAIN], &s[BARE], &s[BARE], 0.95);
	report("encrypted room over the slower of seal and open", &s[ENCRYPTED], &s[SEAL], &s[OPEN],
		0.80);
	report("signed room over the verifications of one core", &s[SIGNED], &s[VERIFY], &s[VERIFY],
		0.90);
	ok = bench_write();
	return tear_down(&b) || !ok;
}
