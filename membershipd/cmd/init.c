#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/key.h"
#include "core/limits.h"
#include "membershipd/cmd/cmd.h"
#include "membershipd/cmd/natsconf.h"
#include "membershipd/options.h"
#include "support/process.h"

#define PATH_LEN 4096
#define LOG_SHARDS 4 /* fixed for the life of a bus: d.meta of a new store says the same */

static const char ABOUT[] =
	"usage: membershipd init --dir DIR [options]\n"
	"\n"
	"Makes what a bus node needs, in a new folder DIR: the service's keys (keys/, 0600) and a\n"
	"complete nats-server.conf. Nothing that exists is ever overwritten.";

struct init_options {
	const char *dir, *as, *name, *bind;
	uint64_t port, monitor_port, store_mb;
	const char *tls_cert, *tls_key, *tls_ca;
};

static const struct opt_row ROWS[] = {
	{.name = "dir",
		.value = "DIR",
		.type = OPT_TEXT,
		.offset = offsetof(struct init_options, dir),
		.help = "the folder to make"},
	{.name = "as",
		.value = "PATH",
		.type = OPT_TEXT,
		.offset = offsetof(struct init_options, as),
		.help = "where nats-server will see that folder; DIR itself when not given"},
	{.name = "server-name",
		.value = "NAME",
		.type = OPT_TEXT,
		.offset = offsetof(struct init_options, name),
		.dflt = "n1",
		.help = "of nats-server: unique among the nodes, and never changed"},
	{.name = "nats-bind",
		.value = "ADDRESS",
		.type = OPT_TEXT,
		.offset = offsetof(struct init_options, bind),
		.dflt = "127.0.0.1",
		.help = "where nats-server listens; beyond loopback TLS is required"},
	{.name = "nats-port",
		.value = "PORT",
		.type = OPT_NUMBER,
		.offset = offsetof(struct init_options, port),
		.dflt = "4250",
		.min = 1,
		.max = 65535,
		.help = "its port for clients"},
	{.name = "monitor-port",
		.value = "PORT",
		.type = OPT_NUMBER,
		.offset = offsetof(struct init_options, monitor_port),
		.min = 1,
		.max = 65535,
		.help = "switch nats-server's HTTP monitoring on, on loopback"},
	{.name = "store-mb",
		.value = "N",
		.type = OPT_NUMBER,
		.offset = offsetof(struct init_options, store_mb),
		.dflt = "10240",
		.min = 100,
		.max = 100000000,
		.help = "disk that nats-server may use, in megabytes"},
	{.name = "tls-cert",
		.value = "FILE",
		.type = OPT_TEXT,
		.offset = offsetof(struct init_options, tls_cert),
		.help = "nats-server's certificate (PEM)"},
	{.name = "tls-key",
		.value = "FILE",
		.type = OPT_TEXT,
		.offset = offsetof(struct init_options, tls_key),
		.help = "its private key (PEM)"},
	{.name = "tls-ca",
		.value = "FILE",
		.type = OPT_TEXT,
		.offset = offsetof(struct init_options, tls_ca),
		.help = "the certificate authority (PEM)"},
	{.name = NULL},
};

static int refuse(const char *what, const char *detail)
{
	(void)fprintf(stderr, "membershipd init: %s%s%s\n", what, detail ? ": " : "",
		detail ? detail : "");
	return MD_EXIT_FAILED;
}

static int check(const struct init_options *o)
{
	int tls = (o->tls_cert != NULL) + (o->tls_key != NULL) + (o->tls_ca != NULL);
	const char *texts[] = {o->dir, o->as, o->name, o->bind, o->tls_cert, o->tls_key, o->tls_ca};

	if (!o->dir || !o->dir[0]) {
		(void)fprintf(stderr, "membershipd init: --dir DIR is required (try --help)\n");
		return MD_EXIT_USAGE;
	}
	if (tls != 0 && tls != 3)
		return refuse(
			"--tls-cert, --tls-key and --tls-ca belong together; give all three or "
			"none",
			NULL);
	for (size_t i = 0; i < UB_ARRAY_LEN(texts); i++)
		if (texts[i] && !natsconf_text_ok(texts[i]))
			return refuse("a name or path has control characters in it", NULL);
	if (o->as && o->as[0] != '/')
		return refuse("--as must be an absolute path", o->as);
	if (!tls && !md_is_loopback(o->bind))
		return refuse("nats-server would listen beyond this host without TLS; give "
			      "--tls-cert, --tls-key and --tls-ca, or stay on loopback",
			o->bind);
	return MD_EXIT_OK;
}

/* A path that stays right when nats-server is started elsewhere. */
static ub_err absolute(const char *path, struct ub_buf *out)
{
	char cwd[PATH_LEN];

	if (path[0] != '/') {
		if (!getcwd(cwd, sizeof(cwd)))
			return UNIBUS_ERR_IO;
		ub_buf_z(out, cwd);
		ub_buf_u8(out, '/');
		path += strncmp(path, "./", 2) == 0 ? 2 : 0;
	}
	ub_buf_z(out, path);
	while (out->len > 1 && out->p[out->len - 1] == '/')
		out->len--;
	return ub_buf_cstr(out) ? UB_OK : ub_buf_err(out);
}

struct paths {
	struct ub_buf dir, tmp, root, cert, key, ca;
};
static void paths_deinit(struct paths *p)
{
	ub_buf_deinit(&p->dir);
	ub_buf_deinit(&p->tmp);
	ub_buf_deinit(&p->root);
	ub_buf_deinit(&p->cert);
	ub_buf_deinit(&p->key);
	ub_buf_deinit(&p->ca);
}

static ub_err resolve(const struct init_options *o, struct paths *p)
{
	ub_err err = absolute(o->dir, &p->dir);

	if (!err)
		err = absolute(o->as ? o->as : o->dir, &p->root);
	if (!err && o->tls_cert) {
		err = absolute(o->tls_cert, &p->cert);
		if (!err)
			err = absolute(o->tls_key, &p->key);
		if (!err)
			err = absolute(o->tls_ca, &p->ca);
	}
	if (err)
		return err;
	ub_buf_str(&p->tmp, ub_buf_text(&p->dir));
	ub_buf_z(&p->tmp, ".new-XXXXXX");
	return ub_buf_cstr(&p->tmp) ? UB_OK : ub_buf_err(&p->tmp);
}

static const char *text(struct ub_buf *b)
{
	return b->len ? (const char *)b->p : NULL;
}

static ub_err fill(const struct init_options *o, struct paths *p)
{
	UB_CLEANUP(md_keys_freep) struct md_keys *keys = NULL;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf conf = UB_BUF(64 * 1024);
	char path[PATH_LEN];
	ub_err err;

	err = md_keys_make(&keys);
	if (err)
		return err;
	err = natsconf_write(&(struct natsconf){.keys = keys,
				     .server_name = o->name,
				     .bind = o->bind,
				     .port = (uint16_t)o->port,
				     .monitor_port = (uint16_t)o->monitor_port,
				     .store_mb = o->store_mb,
				     .log_shards = LOG_SHARDS,
				     .root = text(&p->root),
				     .tls_cert = text(&p->cert),
				     .tls_key = text(&p->key),
				     .tls_ca = text(&p->ca)},
		&conf);
	if (err)
		return err;
	(void)snprintf(path, sizeof(path), "%s/keys", text(&p->tmp));
	if (mkdir(path, 0700) < 0)
		return UNIBUS_ERR_IO;
	err = md_keys_write(keys, path);
	if (err)
		return err;
	(void)snprintf(path, sizeof(path), "%s/nats-server.conf", text(&p->tmp));
	return process_create_file(path, 0644, ub_buf_text(&conf));
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static int undo(struct paths *p, const char *what, const char *detail)
{
	(void)nftw(text(&p->tmp), drop, 4, FTW_DEPTH | FTW_PHYS);
	return refuse(what, detail);
}

/* In a folder of its own beside DIR, which gets its name when complete: rename never replaces a
 * folder that holds anything. */
static int make(const struct init_options *o, struct paths *p)
{
	ub_err err;

	if (!mkdtemp((char *)p->tmp.p))
		return refuse(strerror(errno), o->dir);
	err = fill(o, p);
	if (err)
		return undo(p, "cannot write the files", unibus_strerror(err));
	if (rename(text(&p->tmp), text(&p->dir)) < 0)
		return undo(p,
			"the folder exists already and is left as it is; remove it or name another "
			"--dir",
			o->dir);
	(void)printf(
		"made %s: keys/ (0600), nats-server.conf\n"
		"next: nats-server -c %s/nats-server.conf\n"
		"      membershipd user add --db FILE --sign-pub HEX --handle NAME --role admin\n"
		"      membershipd serve --keys %s/keys --db FILE\n",
		o->dir, o->dir, o->dir);
	return MD_EXIT_OK;
}

int md_cmd_init(const struct opt_args *a)
{
	struct init_options o = {.dir = NULL};
	UB_CLEANUP(paths_deinit)
	struct paths p = {UB_BUF(PATH_LEN - 64), UB_BUF(PATH_LEN - 32), UB_BUF(PATH_LEN),
		UB_BUF(PATH_LEN), UB_BUF(PATH_LEN), UB_BUF(PATH_LEN)};
	size_t n;
	int rc;
	ub_err err;

	if (!md_cmd_parse(&(struct md_cmd_parse){.rows = ROWS, .args = a, .about = ABOUT, .to = &o},
		    &n, &rc))
		return rc;
	rc = check(&o);
	if (rc)
		return rc;
	err = ub_core_init();
	if (!err)
		err = resolve(&o, &p);
	if (err)
		return refuse(unibus_strerror(err), o.dir);
	return make(&o, &p);
}
