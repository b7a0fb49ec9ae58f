#include <ctype.h>

#include "cli/cli.h"

static const struct opt_row rows[] = {CLI_ROW_CONNECT, {0}};

static int whoami(struct cli *c)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	char text[CLI_FIELD_MAX], version[CLI_FIELD_MAX];
	int rc = cli_connect(c, true);

	if (!rc)
		rc = cli_call(c, "GET", "/server", NULL, &v);
	if (rc)
		return rc;
	if (c->json) {
		json_object_set_new(v, "endpoint", json_string(unibus_identity_endpoint(c->id)));
		cli_put_json(json_incref(v));
		return CLI_OK;
	}
	printf("handle       %s\n", cli_field(v, "handle", text));
	printf("role         %s\n", cli_field(v, "role", text));
	printf("endpoint     %s\n", unibus_identity_endpoint(c->id));
	printf("fingerprint  %s\n", unibus_identity_fingerprint(c->id));
	printf("server       %s (version %s)\n", cli_field(v, "server_id", text),
		cli_field(v, "version", version));
	return CLI_OK;
}

static int call(struct cli *c)
{
	struct unibus_reply reply = {0};
	char method[8] = "";
	enum unibus_err err;
	int rc;

	if (c->args[1][0] != '/') {
		fprintf(stderr, "unibus call: a path begins with '/', as /server; not '%s'\n",
			c->args[1]);
		return CLI_USAGE;
	}
	for (size_t i = 0; i + 1 < sizeof(method) && c->args[0][i]; i++)
		method[i] = (char)toupper((unsigned char)c->args[0][i]);
	rc = cli_connect(c, true);
	if (rc)
		return rc;
	err = unibus_call(c->client, method, c->args[1], c->n_args > 2 ? c->args[2] : NULL, &reply);
	if (err)
		return cli_fail(c, c->args[1], err);
	fwrite(reply.body, 1, reply.len, stdout);
	putchar('\n');
	err = unibus_reply_error(&reply);
	if (err)
		fprintf(stderr, "unibus: HTTP %d\n", reply.status);
	unibus_reply_free(&reply);
	return err ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_call_commands[] = {
	{NULL, "whoami", "", "who the control plane says this peer is", rows, 0, 0, whoami},
	{NULL, "call", "METHOD PATH [JSON]", "any signed REST call", rows, 2, 3, call},
	{0},
};
