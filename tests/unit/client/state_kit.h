/* state_kit.h: a state directory of a test, and peers to be pinned there.
 *
 * Threads: one. */
#ifndef UB_TEST_STATE_KIT_H
#define UB_TEST_STATE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/statedir.h"
#include "core/endpoint.h"
#include "core/key.h"
#include "core/keyrec.h"

#define TIMEOUT_MS 300
#define NOW_MS 1700000000000ULL
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static char dir[64];

static inline int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/unibus-state-XXXXXX");
	return ub_core_init() == UB_OK && mkdtemp(dir) ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct ub_statedir *open_dir(void)
{
	struct ub_statedir *d = NULL;

	assert_int_equal(UB_OK, ub_statedir_open(dir, TIMEOUT_MS, &d));
	return d;
}

static inline void put_file(const char *name, const void *p, size_t len)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal((ssize_t)len, write(fd, p, len));
	assert_int_equal(0, close(fd));
}

static inline size_t get_file(const char *name, char *to, size_t size)
{
	char path[256];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, to, size - 1);
	assert_true(n >= 0);
	to[n] = '\0';
	assert_int_equal(0, close(fd));
	return (size_t)n;
}

struct peer {
	struct ub_signkey sign;
	struct ub_kexsec kex;
	struct ub_endpoint id;
	char id_text[UB_ID_TEXT + 1];
	char keyrec[UB_KEYREC_MAX + 1];
	struct ub_keyrec rec;
};

static inline void peer_make(struct peer *p, uint8_t n)
{
	struct ub_buf text = UB_BUF(UB_KEYREC_MAX);
	uint8_t seed[32] = {n};

	ub_signkey_from_seed(seed, &p->sign);
	memset(p->kex.b, n, sizeof(p->kex.b));
	p->rec = (struct ub_keyrec){.seq = 1, .created_ms = 1, .expires_ms = NOW_MS};
	ub_signkey_pub(&p->sign, &p->rec.sign);
	ub_kexsec_pub(&p->kex, &p->rec.kex);
	ub_endpoint_of(&p->rec.sign, &p->id);
	ub_endpoint_encode(&p->id, p->id_text);
	ub_keyrec_sign(&p->sign, &p->rec, &text);
	assert_int_equal(UB_OK, ub_buf_err(&text));
	(void)snprintf(p->keyrec, sizeof(p->keyrec), "%s", ub_buf_cstr(&text));
	ub_buf_deinit(&text);
}

#endif
