#include "tests/harness/actor.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/b64url.h"
#include "core/key.h"
#include "core/num.h"
#include "tests/harness/proc.h"
#include "tests/harness/sock.h"

#define YEAR_MS (365ULL * 24 * 3600 * 1000)

static void sign_record(struct actor *a, uint64_t seq)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_KEYREC_MAX + 1);

	a->rec = (struct ub_keyrec){.sign = a->sign,
		.kex = a->kex,
		.seq = seq,
		.created_ms = sock_wall_ms(),
		.expires_ms = sock_wall_ms() + YEAR_MS};
	ub_keyrec_sign(&a->sk, &a->rec, &text);
	assert_non_null(ub_buf_cstr(&text));
	(void)snprintf(a->rec_text, sizeof(a->rec_text), "%s", ub_buf_cstr(&text));
}

static void fresh_kex(struct actor *a)
{
	randombytes_buf(a->ks.b, sizeof(a->ks.b));
	ub_kexsec_pub(&a->ks, &a->kex);
}

void actor_of(struct actor *a, const char *handle, const struct ub_signkey *sk)
{
	*a = (struct actor){.sk = *sk};
	(void)snprintf(a->handle, sizeof(a->handle), "%s", handle);
	ub_signkey_pub(&a->sk, &a->sign);
	ub_endpoint_of(&a->sign, &a->id);
	ub_endpoint_encode(&a->id, a->idz);
	ub_hex_encode(a->sign.b, sizeof(a->sign.b), a->hex);
	fresh_kex(a);
	sign_record(a, 1);
}

void actor_new(struct actor *a, const char *handle)
{
	struct ub_signkey sk;
	uint8_t seed[32];

	assert_int_equal(UB_OK, ub_core_init());
	randombytes_buf(seed, sizeof(seed));
	ub_signkey_from_seed(seed, &sk);
	actor_of(a, handle, &sk);
}

void actor_renew(struct actor *a, bool rekey)
{
	if (rekey)
		fresh_kex(a);
	sign_record(a, a->rec.seq + 1);
}

void actor_publish(const struct stack *st, const struct actor *a)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(2 * UB_KEYREC_MAX);
	char target[64];

	(void)snprintf(target, sizeof(target), "/peers/%s", a->idz);
	ub_buf_printf(&body, "{\"keyrec\":\"%s\"}", a->rec_text);
	ask_expect(ASK(st, &a->sk, "PUT", target, ub_buf_cstr(&body)), 200, "");
}

void actor_register(const struct stack *st, const struct actor *admin, const struct actor *a)
{
	char body[256];

	(void)snprintf(
		body, sizeof(body), "{\"sign_pub\":\"%s\",\"handle\":\"%s\"}", a->hex, a->handle);
	ask_expect(ASK(st, &admin->sk, "POST", "/users", body), 201, "");
}

static void put_field(struct ub_buf *b, const char *name, const void *p, size_t len)
{
	char text[96];

	ub_b64_encode(p, len, text);
	ub_buf_printf(b, "%s\"%s\":\"%s\"", b->len > 1 ? "," : "", name, text);
}

unibus_identity *actor_identity(const struct actor *a, const char *dir)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(UB_IDENTITY_FILE_MAX);
	unibus_identity *id = NULL;
	char path[PROC_PATH];
	int fd;

	ub_buf_z(&b, "{");
	put_field(&b, "sign_pub", a->sign.b, sizeof(a->sign.b));
	put_field(&b, "sign_priv", a->sk.b, sizeof(a->sk.b));
	put_field(&b, "kex_pub", a->kex.b, sizeof(a->kex.b));
	put_field(&b, "kex_priv", a->ks.b, sizeof(a->ks.b));
	ub_buf_z(&b, "}\n");
	assert_int_equal(UB_OK, ub_buf_err(&b));

	assert_true(snprintf(path, sizeof(path), "%s/%s.id", dir, a->handle) < PROC_PATH);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal((ssize_t)b.len, write(fd, b.p, b.len));
	assert_int_equal(0, close(fd));
	assert_int_equal(UNIBUS_OK, unibus_identity_load(path, &id));
	return id;
}
