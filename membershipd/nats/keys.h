/* keys.h: the service's own keys: one nkey user in each account, the issuer of logins, the xkey.
 *
 * Files, each 0600 with one line: sys.seed, ctrl.seed, log.seed, bus.seed (nkey users),
 * issuer.seed (the account key that signs logins), callout.xkey (curve key).
 *
 * Threads: read-only once made; any. Secrets live in guarded memory and are wiped. */
#ifndef MD_KEYS_H
#define MD_KEYS_H

#include "core/base.h"
#include "core/nkey.h"

enum md_plane {
	MD_PLANE_SYS = 0, /* kicks, connections, events */
	MD_PLANE_CTRL,    /* logins are answered here; the replicated store */
	MD_PLANE_LOG,     /* room history */
	MD_PLANE_BUS,     /* notes to peers */
	MD_PLANES,
};
/* "SYS" ... "BUS": the account's name. */
const char *md_plane_name(enum md_plane p);

struct md_keys {
	struct ub_signkey user[MD_PLANES];
	struct ub_signkey issuer;
	struct ub_kexsec xkey;
	char user_nkey[MD_PLANES][UB_NKEY_TEXT + 1]; /* public: U... */
	char issuer_nkey[UB_NKEY_TEXT + 1];          /* public: A... */
	char xkey_nkey[UB_NKEY_TEXT + 1];            /* public: X... */
};

/* Reads the files of `dir`. On an error *ret_file names the file at fault (static text).
 * UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_INSECURE_FILE, UNIBUS_ERR_BAD_FILE, UNIBUS_ERR_IO,
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_keys_load(const char *dir, struct md_keys **ret, const char **ret_file);
/* New random keys, in memory. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_keys_make(struct md_keys **ret);
/* Writes the files into `dir`, which exists. UNIBUS_ERR_EXISTS, UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err md_keys_write(const struct md_keys *k, const char *dir);
void md_keys_free(struct md_keys *k); /* NULL is nothing */
UB_DEFINE_CLEANUP(struct md_keys *, md_keys_free)

#endif
