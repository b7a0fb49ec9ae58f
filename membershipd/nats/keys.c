#include "membershipd/nats/keys.h"

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/key.h"
#include "support/process.h"

#define PATH_MAX_LEN 4096
#define ISSUER_FILE "issuer.seed"
#define XKEY_FILE "callout.xkey"

static const struct {
	const char *name, *file;
} PLANES[MD_PLANES] = {
	[MD_PLANE_SYS] = {"SYS", "sys.seed"},
	[MD_PLANE_CTRL] = {"CTRL", "ctrl.seed"},
	[MD_PLANE_LOG] = {"LOG", "log.seed"},
	[MD_PLANE_BUS] = {"BUS", "bus.seed"},
};

const char *md_plane_name(enum md_plane p)
{
	return PLANES[p].name;
}

static void set_user(struct md_keys *k, enum md_plane p, const uint8_t seed[32])
{
	struct ub_pubkey pub;

	ub_signkey_from_seed(seed, &k->user[p]);
	ub_signkey_pub(&k->user[p], &pub);
	ub_nkey_encode(UB_NKEY_USER, pub.b, k->user_nkey[p]);
}

static void set_issuer(struct md_keys *k, const uint8_t seed[32])
{
	struct ub_pubkey pub;

	ub_signkey_from_seed(seed, &k->issuer);
	ub_signkey_pub(&k->issuer, &pub);
	ub_nkey_encode(UB_NKEY_ACCOUNT, pub.b, k->issuer_nkey);
}

static void set_xkey(struct md_keys *k, const uint8_t seed[32])
{
	struct ub_kexpub pub;

	memcpy(k->xkey.b, seed, sizeof(k->xkey.b));
	ub_kexsec_pub(&k->xkey, &pub);
	ub_nkey_encode(UB_NKEY_CURVE, pub.b, k->xkey_nkey);
}

static struct md_keys *keys_alloc(void)
{
	struct md_keys *k = sodium_malloc(sizeof(*k));

	if (k)
		sodium_memzero(k, sizeof(*k));
	return k;
}

static ub_err path_of(char to[PATH_MAX_LEN], const char *dir, const char *file)
{
	int n = snprintf(to, PATH_MAX_LEN, "%s/%s", dir, file);

	return n > 0 && n < PATH_MAX_LEN ? UB_OK : UNIBUS_ERR_IO;
}

static ub_err read_seed(const char *dir, const char *file, enum ub_nkey_type type, uint8_t seed[32])
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(256);
	char path[PATH_MAX_LEN];
	struct ub_str s;
	ub_err err;

	err = path_of(path, dir, file);
	if (!err)
		err = process_read_secret(path, 200, &text);
	if (err == UNIBUS_ERR_TOO_LARGE)
		return UNIBUS_ERR_BAD_FILE;
	if (err)
		return err;
	s = ub_buf_text(&text);
	if (s.len > 0 && s.p[s.len - 1] == '\n')
		s.len--;
	return ub_nkey_seed_decode(s, type, seed) ? UNIBUS_ERR_BAD_FILE : UB_OK;
}

static ub_err load_into(struct md_keys *k, const char *dir, const char **ret_file)
{
	uint8_t seed[32];
	ub_err err = UB_OK;

	for (enum md_plane p = MD_PLANE_SYS; !err && p < MD_PLANES; p++) {
		*ret_file = PLANES[p].file;
		err = read_seed(dir, PLANES[p].file, UB_NKEY_USER, seed);
		if (!err)
			set_user(k, p, seed);
	}
	if (!err) {
		*ret_file = ISSUER_FILE;
		err = read_seed(dir, ISSUER_FILE, UB_NKEY_ACCOUNT, seed);
	}
	if (!err) {
		set_issuer(k, seed);
		*ret_file = XKEY_FILE;
		err = read_seed(dir, XKEY_FILE, UB_NKEY_CURVE, seed);
	}
	if (!err)
		set_xkey(k, seed);
	sodium_memzero(seed, sizeof(seed));
	return err;
}

ub_err md_keys_load(const char *dir, struct md_keys **ret, const char **ret_file)
{
	UB_CLEANUP(md_keys_freep) struct md_keys *k = keys_alloc();
	ub_err err;

	*ret_file = "keys";
	if (!k)
		return UNIBUS_ERR_NOMEM;
	err = load_into(k, dir, ret_file);
	if (err)
		return err;
	*ret = UB_TAKE(k);
	return UB_OK;
}

ub_err md_keys_make(struct md_keys **ret)
{
	UB_CLEANUP(md_keys_freep) struct md_keys *k = keys_alloc();
	uint8_t seed[32];

	if (!k)
		return UNIBUS_ERR_NOMEM;
	for (enum md_plane p = MD_PLANE_SYS; p < MD_PLANES; p++) {
		randombytes_buf(seed, sizeof(seed));
		set_user(k, p, seed);
	}
	randombytes_buf(seed, sizeof(seed));
	set_issuer(k, seed);
	randombytes_buf(seed, sizeof(seed));
	set_xkey(k, seed);
	sodium_memzero(seed, sizeof(seed));
	*ret = UB_TAKE(k);
	return UB_OK;
}

static ub_err write_seed(
	const char *dir, const char *file, enum ub_nkey_type type, const uint8_t seed[32])
{
	char path[PATH_MAX_LEN], text[UB_NKEY_SEED_TEXT + 2];
	ub_err err;

	err = path_of(path, dir, file);
	if (err)
		return err;
	ub_nkey_seed_encode(type, seed, text);
	text[UB_NKEY_SEED_TEXT] = '\n';
	err = process_create_file(path, 0600, (struct ub_str){text, UB_NKEY_SEED_TEXT + 1});
	sodium_memzero(text, sizeof(text));
	return err;
}

ub_err md_keys_write(const struct md_keys *k, const char *dir)
{
	ub_err err = UB_OK;

	/* libsodium's secret key is seed ‖ public key. */
	for (enum md_plane p = MD_PLANE_SYS; !err && p < MD_PLANES; p++)
		err = write_seed(dir, PLANES[p].file, UB_NKEY_USER, k->user[p].b);
	if (!err)
		err = write_seed(dir, ISSUER_FILE, UB_NKEY_ACCOUNT, k->issuer.b);
	if (!err)
		err = write_seed(dir, XKEY_FILE, UB_NKEY_CURVE, k->xkey.b);
	return err;
}

void md_keys_free(struct md_keys *k)
{
	sodium_free(k);
}
