#include "cli/cli.h"
#include "core/num.h"

static const struct opt_row list_rows[] = {CLI_ROW_CONNECT, {0}};
static const struct opt_row add_rows[] = {
	{.name = "role",
		.value = "admin|member",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, role),
		.dflt = "member",
		.help = "admins manage users"},
	CLI_ROW_CONNECT,
	{0},
};

/* Far above a million users; a server that pages for ever is not followed. */
#define PAGES_MAX 4096

/* Calls fn for every user until it returns false. 0 or an exit code. */
static int each_user(struct cli *c, bool (*fn)(void *arg, json_t *user), void *arg)
{
	char target[128] = "/users?limit=1000";

	for (unsigned at = 0; at < PAGES_MAX; at++) {
		UB_CLEANUP(json_decrefp) json_t *page = NULL;
		const char *next;
		json_t *user;
		size_t i;
		int rc = cli_call(c, "GET", target, NULL, &page);

		if (rc)
			return rc;
		json_array_foreach (json_object_get(page, "users"), i, user) {
			if (!fn(arg, user))
				return CLI_OK;
		}
		next = json_string_value(json_object_get(page, "next"));
		if (!next || !json_array_size(json_object_get(page, "users")))
			return CLI_OK;
		snprintf(target, sizeof(target), "/users?limit=1000&after=%s", next);
	}
	return cli_fail_text("the server's list of users does not end");
}

static bool print_user(void *arg, json_t *user)
{
	char handle[CLI_FIELD_MAX], role[CLI_FIELD_MAX], status[CLI_FIELD_MAX], key[CLI_FIELD_MAX];
	struct cli *c = arg;

	if (c->json)
		cli_put_json(json_incref(user));
	else
		printf("%-32s %-7s %-8s %s\n", cli_field(user, "handle", handle),
			cli_field(user, "role", role), cli_field(user, "status", status),
			cli_field(user, "sign_pub", key));
	return true;
}

static int users_list(struct cli *c)
{
	int rc = cli_connect(c, true);

	return rc ? rc : each_user(c, print_user, c);
}

static int users_add(struct cli *c)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	int rc;

	if (strcmp(c->role, "member") != 0 && strcmp(c->role, "admin") != 0) {
		fputs("unibus users add: --role is member or admin\n", stderr);
		return CLI_USAGE;
	}
	rc = cli_connect(c, true);
	if (!rc)
		rc = cli_call(c, "POST", "/users",
			json_pack("{s:s, s:s, s:s}", "sign_pub", c->args[1], "handle", c->args[0],
				"role", c->role),
			&v);
	if (rc)
		return rc;
	if (c->json)
		cli_put_json(json_incref(v));
	else
		printf("%s may use the bus as %s\n", c->args[0], c->role);
	return CLI_OK;
}

struct lookup {
	const char *handle;
	char sign_pub[65];
};

static bool match_handle(void *arg, json_t *user)
{
	char text[CLI_FIELD_MAX];
	struct lookup *l = arg;

	if (strcmp(cli_field(user, "handle", text), l->handle) != 0)
		return true;
	snprintf(l->sign_pub, sizeof(l->sign_pub), "%.64s", cli_field(user, "sign_pub", text));
	return false;
}

static int users_revoke(struct cli *c)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct lookup l = {.handle = c->args[0]};
	uint8_t key[32];
	char target[128];
	int rc = cli_connect(c, true);

	if (rc)
		return rc;
	if (!ub_hex_decode(ub_str(c->args[0]), key, sizeof(key)))
		snprintf(l.sign_pub, sizeof(l.sign_pub), "%s", c->args[0]);
	else
		rc = each_user(c, match_handle, &l);
	if (rc)
		return rc;
	if (!l.sign_pub[0])
		return cli_fail_text("there is no user '%s' (see unibus users list)", c->args[0]);
	snprintf(target, sizeof(target), "/users/%s/revoke", l.sign_pub);
	rc = cli_call(c, "POST", target, json_object(), &v);
	if (rc)
		return rc;
	if (c->json) {
		cli_put_json(json_incref(v));
		return CLI_OK;
	}
	printf("%s is revoked: %lld connection%s closed in %lld ms\n", c->args[0],
		(long long)json_integer_value(json_object_get(v, "kicked")),
		json_integer_value(json_object_get(v, "kicked")) == 1 ? "" : "s",
		(long long)json_integer_value(json_object_get(v, "ms")));
	if (json_array_size(json_object_get(v, "unconfirmed")))
		printf("not confirmed by every message server yet; it is being retried\n");
	return CLI_OK;
}

const struct cli_command cli_users_commands[] = {
	{"users", "list", "", "all users (admins)", list_rows, 0, 0, users_list},
	{"users", "add", "HANDLE SIGN_PUB", "let a key use the bus (admins)", add_rows, 2, 2,
		users_add},
	{"users", "revoke", "HANDLE|SIGN_PUB", "end a key's access at once (admins)", list_rows, 1,
		1, users_revoke},
	{0},
};
