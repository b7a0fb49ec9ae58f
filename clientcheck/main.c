#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "clientcheck/check.h"
#include "core/base.h"

const struct check_mode check_modes[] = {
	{"golden", "a room, N messages, all of them back decrypted", check_golden},
	{0},
};
static const char *const mode_names[] = {"golden", NULL};

static const struct opt_row rows[] = {
	{.name = "mode",
		.value = "MODE",
		.type = OPT_CHOICE,
		.offset = offsetof(struct check, mode),
		.choices = mode_names,
		.dflt = "golden",
		.help = "golden: a room, N messages, all of them back decrypted"},
	{.name = "identity-file",
		.value = "FILE",
		.type = OPT_TEXT,
		.offset = offsetof(struct check, identity),
		.env = "UNIBUS_IDENTITY",
		.help = "the key file of an active user"},
	{.name = "nats-seeds",
		.value = "URLS",
		.type = OPT_LIST,
		.offset = offsetof(struct check, nats),
		.env = "UNIBUS_NATS_URLS",
		.dflt = "nats://127.0.0.1:4250",
		.help = "message servers"},
	{.name = "ctrl-seeds",
		.value = "URLS",
		.type = OPT_LIST,
		.offset = offsetof(struct check, ctrl),
		.env = "UNIBUS_CTRL_URLS",
		.dflt = "http://127.0.0.1:8470",
		.help = "control planes"},
	{.name = "ca",
		.value = "FILE",
		.type = OPT_TEXT,
		.offset = offsetof(struct check, ca),
		.env = "UNIBUS_CA",
		.help = "the bus CA; then only TLS is used"},
	{.name = "state-dir",
		.value = "DIR",
		.type = OPT_TEXT,
		.offset = offsetof(struct check, state_dir),
		.help = "keep verified logs there (default: a temporary folder)"},
	{.name = "subject",
		.value = "SUBJECT",
		.type = OPT_TEXT,
		.offset = offsetof(struct check, subject),
		.dflt = "test.gapcheck",
		.help = "the room's subject; a random token is added"},
	{.name = "messages",
		.value = "N",
		.type = OPT_NUMBER,
		.offset = offsetof(struct check, messages),
		.dflt = "5",
		.min = 1,
		.max = 100000,
		.help = "how many to send"},
	{.name = "timeout",
		.value = "TIME",
		.type = OPT_DURATION_MS,
		.offset = offsetof(struct check, timeout_ms),
		.dflt = "10s",
		.min = 100,
		.max = 600000,
		.help = "the longest a step may take"},
	{.name = "json",
		.type = OPT_FLAG,
		.offset = offsetof(struct check, json),
		.help = "the verdict as JSON"},
	{0},
};

static void verdict(struct check *c, bool ok, const char *text)
{
	const char *name = check_modes[c->mode].name;
	char upper[16] = "";

	for (size_t i = 0; name[i] && i + 1 < sizeof(upper); i++)
		upper[i] = (char)(name[i] - 'a' + 'A');
	if (c->json) {
		json_t *v = json_pack("{s:s, s:b, s:s}", "mode", name, "ok", ok, "text", text);
		char *z = v ? json_dumps(v, JSON_COMPACT) : NULL;

		puts(z ? z : "{}");
		free(z);
		json_decref(v);
	} else {
		fprintf(ok ? stdout : stderr, "%s %s: %s\n", upper, ok ? "OK" : "FAILED", text);
	}
	fflush(stdout);
}

int check_ok(struct check *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	verdict(c, true, text);
	return 0;
}

int check_failed(struct check *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	verdict(c, false, text);
	return 1;
}

int check_failed_err(struct check *c, const char *what, enum unibus_err err)
{
	char detail[512] = "";

	if (c->client)
		unibus_client_detail(c->client, detail, sizeof(detail));
	return check_failed(c, "%s: %s", what, detail[0] ? detail : unibus_strerror(err));
}

static enum unibus_err set_options(
	struct check *c, unibus_options *o, const unibus_identity *id, const char *state_dir)
{
	enum unibus_err err = unibus_options_set_identity(o, id);

	for (size_t i = 0; !err && i < c->ctrl.n; i++)
		err = unibus_options_add_ctrl(o, c->ctrl.v[i]);
	for (size_t i = 0; !err && i < c->nats.n; i++)
		err = unibus_options_add_nats(o, c->nats.v[i]);
	if (!err && c->ca)
		err = unibus_options_set_ca(o, c->ca);
	if (!err)
		err = unibus_options_set_state_dir(o, state_dir);
	if (!err)
		err = unibus_options_set_timeout(o, (unsigned)c->timeout_ms);
	return err;
}

static int connect_and_run(struct check *c, const char *state_dir)
{
	unibus_identity *id = NULL;
	unibus_options *o = NULL;
	enum unibus_err err = unibus_identity_load(c->identity, &id);
	int rc;

	if (err == UNIBUS_ERR_NOT_FOUND)
		return check_failed(c, "there is no identity at %s", c->identity);
	if (err)
		return check_failed(c, "%s: %s", c->identity, unibus_strerror(err));
	err = unibus_options_new(&o);
	if (!err)
		err = set_options(c, o, id, state_dir);
	if (!err)
		err = unibus_connect(o, &c->client);
	if (err)
		rc = check_failed(c, "could not connect: %s",
			o && *unibus_options_detail(o) ? unibus_options_detail(o)
						       : unibus_strerror(err));
	else
		rc = check_modes[c->mode].run(c);
	unibus_close(c->client);
	unibus_options_free(o);
	unibus_identity_free(id);
	return rc;
}

/* Removes what the library left in our temporary folder: files, no deeper than two levels. */
static void remove_tree(const char *dir, int depth)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[PATH_MAX];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (unlink(path) && depth < 2)
			remove_tree(path, depth + 1);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static int run(struct check *c)
{
	const char *tmp = getenv("TMPDIR");
	char dir[PATH_MAX];
	int rc;

	if (c->state_dir)
		return connect_and_run(c, c->state_dir);
	snprintf(dir, sizeof(dir), "%s/clientcheck.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return check_failed(c, "could not make a temporary folder in %s", dir);
	rc = connect_and_run(c, dir);
	remove_tree(dir, 0);
	return rc;
}

int main(int argc, char **argv)
{
	struct check c = {0};
	const char *operands[1];
	size_t n = 0;
	ub_err err;
	int rc;

	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("clientcheck %s\n", unibus_version());
		return 0;
	}
	err = options_parse(rows,
		&(struct opt_args){.argc = argc - 1, .argv = argv + 1, .prog = "clientcheck"}, &c,
		operands, 1, &n);
	if (err == UNIBUS_ERR_CANCELLED) {
		puts("clientcheck: verifies a live unibus deployment, end to end\n\n"
		     "usage: clientcheck --identity-file FILE [OPTIONS]\n");
		options_help(rows);
		puts("\nExit codes: 0 it passes, 1 it does not, 2 usage.");
		return 0;
	}
	if (!err && n) {
		fprintf(stderr, "clientcheck: unexpected argument '%s'\n", operands[0]);
		err = UNIBUS_ERR_INVALID;
	}
	if (!err && !c.identity) {
		fputs("clientcheck: --identity-file FILE is needed (see --help)\n", stderr);
		err = UNIBUS_ERR_INVALID;
	}
	rc = err ? 2 : run(&c);
	opt_list_deinit(&c.nats);
	opt_list_deinit(&c.ctrl);
	return rc;
}
