#include <errno.h>
#include <sys/stat.h>

#include "cli/cli.h"

static const struct opt_row new_rows[] = {
	{.name = "out",
		.value = "FILE",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, out),
		.help = "where to write it (default: where --identity points); never overwritten"},
	CLI_ROW_COMMON,
	{0},
};
static const struct opt_row show_rows[] = {CLI_ROW_COMMON, {0}};

static void show(struct cli *c)
{
	if (c->json) {
		cli_put_json(json_pack("{s:s, s:s, s:s, s:s, s:s}", "endpoint",
			unibus_identity_endpoint(c->id), "sign_pub",
			unibus_identity_sign_pub(c->id), "nkey", unibus_identity_nkey(c->id),
			"fingerprint", unibus_identity_fingerprint(c->id), "file",
			c->identity_path));
		return;
	}
	printf("endpoint     %s\n", unibus_identity_endpoint(c->id));
	printf("sign_pub     %s\n", unibus_identity_sign_pub(c->id));
	printf("nkey         %s\n", unibus_identity_nkey(c->id));
	printf("fingerprint  %s\n", unibus_identity_fingerprint(c->id));
	printf("file         %s\n", c->identity_path);
}

/* Makes the folder of the default place; a folder that the user named must exist. */
static int make_default_folder(const struct cli *c)
{
	char dir[sizeof(c->identity_path)];

	if (c->identity && *c->identity)
		return CLI_OK;
	snprintf(dir, sizeof(dir), "%s", c->identity_path);
	for (char *p = dir + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(dir, 0700) && errno != EEXIST)
			return cli_fail_text(
				"could not make the folder %s: %s", dir, strerror(errno));
		*p = '/';
	}
	return CLI_OK;
}

static int id_new(struct cli *c)
{
	enum unibus_err err;
	int rc;

	if (c->out)
		c->identity = c->out;
	rc = cli_identity_path(c);
	if (!rc)
		rc = make_default_folder(c);
	if (rc)
		return rc;
	err = unibus_identity_create(c->identity_path, &c->id);
	if (err == UNIBUS_ERR_EXISTS)
		return cli_fail_text(
			"%s exists; an identity is never overwritten", c->identity_path);
	if (err == UNIBUS_ERR_IO)
		return cli_fail_text("%s could not be written; is its folder there, and yours?",
			c->identity_path);
	if (err)
		return cli_fail(c, c->identity_path, err);
	show(c);
	return CLI_OK;
}

static int id_show(struct cli *c)
{
	int rc = cli_load_identity(c);

	if (!rc)
		show(c);
	return rc;
}

const struct cli_command cli_id_commands[] = {
	{"id", "new", "", "make a new identity", new_rows, 0, 0, id_new},
	{"id", "show", "", "show the identity's public parts", show_rows, 0, 0, id_show},
	{0},
};
