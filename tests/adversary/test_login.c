/* A message server that is false, and logins that are meant to hurt. What proof of an honest login
 * there must be is tests/e2e/test_callout.c. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/b64url.h"
#include "core/json.h"
#include "core/key.h"
#include "core/nkey.h"
#include "tests/harness/libpeer.h"
#include "tests/harness/rawbus.h"
#include "tests/harness/shadow.h"
#include "tests/harness/sock.h"

#define WAIT_MS 10000
#define SAID_MAX (256 * 1024)
#define NONCE "AAAAAAAAAAAAAAA" /* as nats-server makes them */

struct bus {
	struct stack s;
	struct actor root, alice_is;
	unsigned n;
};

/* nats.c before 3.8 leaves out a signature that begins with a zero byte, which the library gets
 * around with the next nonce; the false server has but one. */
static void new_alice(struct actor *a)
{
	struct ub_sig s;

	do {
		actor_new(a, "alice");
		assert_int_equal(UB_OK, ub_login_sign(&a->sk, UB_STR(NONCE), &s));
	} while (s.b[0] == 0);
}

static int start(void **state)
{
	struct bus *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(0, stack_start(&b->s, NULL));
	actor_of(&b->root, "root", &b->s.admin);
	new_alice(&b->alice_is);
	actor_register(&b->s, &b->root, &b->alice_is);
	*state = b;
	return 0;
}

static int stop(void **state)
{
	struct bus *b = *state;

	stack_stop(&b->s);
	free(b);
	return 0;
}

/* ---- the false server ---- */

/* Says INFO with a nonce of its choice to whoever connects, and keeps what they say. */
struct falsehood {
	int listen, stop[2];
	uint16_t port;
	pthread_t thread;
	const char *nonce;  /* as JSON text with its quotes; NULL: none */
	struct ub_buf said; /* by clients; read after false_stop */
	unsigned clients;
};

static void hear(struct falsehood *f, int fd)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf info = UB_BUF(16 * 1024);

	ub_buf_z(&info, "INFO {\"server_id\":\"N\",\"server_name\":\"n\",\"version\":\"2.15.1\","
			"\"proto\":1,\"headers\":true,\"max_payload\":1048576,"
			"\"auth_required\":true");
	if (f->nonce)
		ub_buf_printf(&info, ",\"nonce\":%s", f->nonce);
	ub_buf_z(&info, "}\r\n");
	ub_assert(ub_buf_err(&info) == UB_OK);
	f->clients++;
	if (sock_send(fd, info.p, info.len) < 0)
		return;
	/* Whatever the client has to say, up to its first PING or its end. */
	while (!(f->said.len && memmem(f->said.p, f->said.len, "PING\r\n", 6)))
		if (sock_read(fd, &f->said, 1000) <= 0)
			return;
	(void)sock_send(fd, "-ERR 'Authorization Violation'\r\n", 32);
}

static void *be_false(void *arg)
{
	struct falsehood *f = arg;

	for (;;) {
		struct pollfd p[2] = {
			{.fd = f->listen, .events = POLLIN}, {.fd = f->stop[0], .events = POLLIN}};
		int fd;

		if (poll(p, 2, -1) < 0 || p[1].revents)
			return NULL;
		fd = accept(f->listen, NULL, NULL);
		if (fd < 0)
			continue;
		hear(f, fd);
		(void)close(fd);
	}
}

static void false_start(struct falsehood *f, const char *nonce)
{
	*f = (struct falsehood){.nonce = nonce, .said = UB_BUF(SAID_MAX)};
	f->listen = sock_listen(&f->port);
	assert_true(f->listen >= 0);
	assert_int_equal(0, pipe(f->stop));
	assert_int_equal(0, pthread_create(&f->thread, NULL, be_false, f));
}

static void false_stop(struct falsehood *f)
{
	(void)close(f->stop[1]);
	(void)pthread_join(f->thread, NULL);
	(void)close(f->stop[0]);
	(void)close(f->listen);
}

/* What Alice's library says to a server with that nonce. */
static enum unibus_err meet(struct bus *b, struct falsehood *f, const char *nonce)
{
	struct libpeer alice;
	enum unibus_err err;

	false_start(f, nonce);
	err = libpeer_try(&alice, &b->alice_is,
		&(struct libpeer_at){.http_port = b->s.http_port,
			.nats_port = f->port,
			.dir = b->s.dir,
			.timeout_ms = 2000});
	libpeer_close(&alice);
	false_stop(f);
	assert_true(f->clients > 0);
	assert_non_null(ub_buf_cstr(&f->said));
	return err;
}

static bool said_signature(const struct falsehood *f)
{
	return strstr((const char *)f->said.p, "\"sig\":\"") != NULL;
}

/* As JSON text, or NULL for what JSON cannot carry. */
static char *quoted(struct ub_str s)
{
	json_t *v = json_stringn(s.p, s.len);
	char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

	json_decref(v);
	return text;
}

static void assert_unsigned(struct bus *b, const char *what, struct ub_str nonce)
{
	UB_CLEANUP(ub_freep) char *json = quoted(nonce);
	struct falsehood f;
	enum unibus_err err;

	assert_non_null(json);
	err = meet(b, &f, json);
	if (said_signature(&f))
		fail_msg("%s was signed: %s", what, (const char *)f.said.p);
	if (err != UNIBUS_ERR_INVALID)
		fail_msg("%s: %s", what, unibus_err_word(err));
	ub_buf_deinit(&f.said);
}

/* The content of a REST call that would make Mallory an administrator. */
static void request_text(struct bus *b, struct ub_buf *out)
{
	uint8_t body[32];

	ub_sha256("{}", 2, body);
	ub_buf_printf(
		out, "POST\n/users\n1700000000000\nAAAAAAAAAAAAAAAAAAAAAA\n%s\n", b->s.server.z);
	ub_buf_hex(out, body, sizeof(body));
}

/* An entry as it is before its signature. */
static void entry_text(struct bus *b, struct ub_buf *out)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(64 * 1024);
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct shadow s = {0};
	const char *entry;
	uint8_t payload[4096];
	size_t n;

	shadow_create(&s, &b->alice_is, "room.false", (struct ub_policy){0}, &body);
	assert_int_equal(UB_OK, ub_json_parse(ub_buf_text(&body), &v));
	entry = json_string_value(json_object_get(v, "entry"));
	assert_int_equal(UB_OK, ub_b64url_decode_var((struct ub_str){entry, strcspn(entry, ".")},
					payload, sizeof(payload), &n));
	ub_buf_put(out, payload, n);
	shadow_deinit(&s);
}

/* Header and claims of a NATS token: the one thing beside nonces that plain Ed25519 signs. */
static void token_text(struct ub_buf *out)
{
	static const char CLAIMS[] = "{\"iss\":\"A\",\"sub\":\"U\",\"nats\":{}}";

	ub_buf_z(out, "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.");
	ub_buf_b64url(out, CLAIMS, sizeof(CLAIMS) - 1);
}

static void a_false_server_gets_nothing_else_signed_as_a_nonce(void **state)
{
	static const struct {
		const char *what, *nonce;
	} NONCES[] = {
		{"an empty nonce", ""},
		{"a short nonce", "AAAAAAAAAA"},
		{"a long nonce", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
				 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		{"a nonce with a dot", "AAAAAAA.AAAAAAA"},
		{"a nonce with a line end", "AAAAAAA\nAAAAAAA"},
		{"a nonce with a space", "AAAAAAA AAAAAAA"},
		{"a nonce in standard base64", "AAAAAAA+AAA/AAA"},
		{"a frame's beginning", "UB\x01\x01\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01"},
		{"a tag of ours", "unibus/request/v1"},
	};
	struct bus *b = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf request = UB_BUF(1024);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf entry = UB_BUF(8192);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf token = UB_BUF(1024);

	for (size_t i = 0; i < UB_ARRAY_LEN(NONCES); i++)
		assert_unsigned(b, NONCES[i].what, ub_str(NONCES[i].nonce));
	request_text(b, &request);
	assert_unsigned(b, "a REST request", ub_buf_text(&request));
	entry_text(b, &entry);
	assert_unsigned(b, "a room entry", ub_buf_text(&entry));
	token_text(&token);
	assert_unsigned(b, "a token", ub_buf_text(&token));
}

static void a_server_that_asks_for_no_proof_gets_none(void **state)
{
	struct bus *b = *state;
	struct falsehood f;

	assert_int_equal(UNIBUS_ERR_INVALID, meet(b, &f, NULL));
	assert_false(said_signature(&f));
	ub_buf_deinit(&f.said);
}

/* The member of CONNECT, copied. */
static void member(const struct falsehood *f, const char *key, char *to, size_t size)
{
	char name[32];
	const char *at;

	(void)snprintf(name, sizeof(name), "\"%s\":\"", key);
	at = strstr((const char *)f->said.p, name);
	if (!at)
		fail_msg("no %s in what %u clients said: %s", key, f->clients,
			(const char *)f->said.p);
	at += strlen(name);
	(void)snprintf(to, size, "%.*s", (int)strcspn(at, "\""), at);
}

/* The twin: a nonce as nats-server makes it is signed, with Alice's key, plainly. */
static void a_nonce_that_is_one_is_signed(void **state)
{
	struct bus *b = *state;
	char nkey[128], sig[128], want[UB_NKEY_TEXT + 1];
	struct falsehood f;
	struct ub_sig s;

	(void)meet(b, &f, "\"" NONCE "\"");
	member(&f, "nkey", nkey, sizeof(nkey));
	member(&f, "sig", sig, sizeof(sig));
	ub_nkey_encode(UB_NKEY_USER, b->alice_is.sign.b, want);
	assert_string_equal(want, nkey);
	assert_int_equal(UB_OK, ub_b64url_decode(ub_str(sig), s.b, sizeof(s.b)));
	assert_int_equal(UB_OK, ub_login_verify(&b->alice_is.sign, UB_STR(NONCE), &s));
	/* It is good for that and for nothing else of ours: those are Ed25519ph with a tag. */
	assert_int_equal(UNIBUS_ERR_BAD_SIGNATURE,
		ub_login_verify(&b->alice_is.sign, UB_STR("AAAAAAAAAAAAAAB"), &s));
	ub_buf_deinit(&f.said);
}

/* ---- floods ---- */

static void new_user(struct bus *b, struct actor *a)
{
	char handle[32];

	(void)snprintf(handle, sizeof(handle), "user%u", ++b->n);
	actor_new(a, handle);
	actor_register(&b->s, &b->root, a);
}

static long rss_kib(const struct proc *p)
{
	char path[64];
	long size = 0, resident = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)p->pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(2, fscanf(f, "%ld %ld", &size, &resident));
	(void)fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static uint64_t login_ms(struct bus *b, const struct actor *a)
{
	uint64_t since = sock_mono_ms();
	struct rawbus c;

	if (rawbus_enter(&c, b->s.nats_port, &a->sk) != RAWBUS_IN)
		fail_msg("%s could not log in: %s", a->handle, c.err);
	rawbus_close(&c);
	return sock_mono_ms() - since;
}

/* CONNECT as often as it fits into `bytes`, in one piece, without waiting for anything. */
static void connect_again(
	const struct actor *a, const char *nonce, size_t bytes, struct ub_buf *out)
{
	char nkey[UB_NKEY_TEXT + 1], sig[UB_B64URL_LEN(64) + 1];
	struct ub_sig s;

	assert_int_equal(UB_OK, ub_login_sign(&a->sk, ub_str(nonce), &s));
	ub_b64url_encode(s.b, sizeof(s.b), sig);
	ub_nkey_encode(UB_NKEY_USER, a->sign.b, nkey);
	while (out->len < bytes)
		ub_buf_printf(out,
			"CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1,"
			"\"nkey\":\"%s\",\"sig\":\"%s\"}\r\n",
			nkey, sig);
	assert_int_equal(UB_OK, ub_buf_err(out));
}

#define FLOOD_BYTES (512 * 1024) /* about two thousand logins */
#define GROWN_KIB_MAX (32 * 1024)
#define LOGIN_MS_MAX 5000

static void logging_in_for_ever_on_one_connection_keeps_nobody_out(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf flood = UB_BUF(FLOOD_BYTES + 1024);
	struct bus *b = *state;
	struct actor mallory, bob;
	struct rawbus c;
	long before;
	uint64_t slowest = 0;

	new_user(b, &mallory);
	new_user(b, &bob);
	(void)login_ms(b, &bob);
	before = rss_kib(&b->s.md);
	assert_int_equal(RAWBUS_IN, rawbus_enter(&c, b->s.nats_port, &mallory.sk));
	connect_again(&mallory, c.nonce, FLOOD_BYTES, &flood);
	assert_int_equal(0, sock_send(c.fd, flood.p, flood.len));
	/* While the server works it off, and until it has. */
	for (int i = 0; i < 5; i++) {
		uint64_t ms = login_ms(b, &bob);

		slowest = ms > slowest ? ms : slowest;
	}
	/* Past her share of logins she gets no answer, and the server gives her up. */
	assert_false(rawbus_quiet(&c));
	assert_true(c.closed);
	assert_non_null(strstr(c.err, "Authorization Violation"));
	print_message("slowest login beside the flood: %d ms; membershipd grew by %ld KiB\n",
		(int)slowest, rss_kib(&b->s.md) - before);
	assert_in_range(slowest, 0, LOGIN_MS_MAX);
	assert_true(rss_kib(&b->s.md) - before < GROWN_KIB_MAX);
	(void)login_ms(b, &bob);
	ask_expect(ASK(&b->s, NULL, "GET", "/healthz", NULL), 200, "");
	rawbus_close(&c);
}

#define STRANGERS 200

static void strangers_who_all_come_at_once_keep_nobody_out(void **state)
{
	struct rawbus *c = calloc(STRANGERS, sizeof(*c));
	struct bus *b = *state;
	struct actor stranger, bob;
	uint64_t ms;
	long before;

	assert_non_null(c);
	actor_new(&stranger, "stranger");
	new_user(b, &bob);
	(void)login_ms(b, &bob);
	before = rss_kib(&b->s.md);
	for (size_t i = 0; i < STRANGERS; i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf login = UB_BUF(4096);

		assert_int_equal(0, rawbus_open(&c[i], b->s.nats_port));
		connect_again(&stranger, c[i].nonce, 1, &login);
		assert_int_equal(0, sock_send(c[i].fd, login.p, login.len));
	}
	ms = login_ms(b, &bob);
	print_message("a login behind %d strangers: %d ms\n", STRANGERS, (int)ms);
	assert_in_range(ms, 0, LOGIN_MS_MAX);
	for (size_t i = 0; i < STRANGERS; i++) {
		assert_true(rawbus_wait_closed(&c[i], WAIT_MS));
		rawbus_close(&c[i]);
	}
	assert_true(rss_kib(&b->s.md) - before < GROWN_KIB_MAX);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_false_server_gets_nothing_else_signed_as_a_nonce),
		cmocka_unit_test(a_server_that_asks_for_no_proof_gets_none),
		cmocka_unit_test(a_nonce_that_is_one_is_signed),
		cmocka_unit_test(logging_in_for_ever_on_one_connection_keeps_nobody_out),
		cmocka_unit_test(strangers_who_all_come_at_once_keep_nobody_out),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
