#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/endpoint.h"
#include "core/json.h"
#include "core/key.h"
#include "core/num.h"
#include "core/subject.h"
#include "membershipd/cmd/cmd.h"
#include "membershipd/domain/user.h"

#define PAGE 256

static const char ABOUT[] =
	"usage: membershipd user add --sign-pub HEX --handle NAME [--role admin|member]\n"
	"       membershipd user list [--json]\n"
	"       membershipd user revoke --sign-pub HEX\n"
	"\n"
	"Changes who may use the bus, on this host and while membershipd does not run: the first\n"
	"administrator is made like this. While it runs, use REST: unibus users ...";

static const char *const STORES[] = {"sqlite", NULL};
static const char *const ROLES[] = {"member", "admin", NULL};

struct user_options {
	int store, role;
	const char *db, *sign_pub, *handle;
	bool json;
};

#define FIELD(name) offsetof(struct user_options, name)

static const struct opt_row ROWS[] = {
	{"store", "KIND", OPT_CHOICE, FIELD(store), "UNIBUS_MEMBERSHIPD_STORE", "sqlite", 0, 0,
		STORES, "where the control state lives"},
	{"db", "FILE", OPT_TEXT, FIELD(db), "UNIBUS_MEMBERSHIPD_DB", "./local_files/unibus.db", 0,
		0, NULL, "the SQLite file; add makes it when it is missing"},
	{"sign-pub", "HEX", OPT_TEXT, FIELD(sign_pub), NULL, NULL, 0, 0, NULL,
		"the peer's signing key, 64 hexadecimal digits (unibus id show)"},
	{"handle", "NAME", OPT_TEXT, FIELD(handle), NULL, NULL, 0, 0, NULL, "the name to give"},
	{"role", "ROLE", OPT_CHOICE, FIELD(role), NULL, "member", 0, 0, ROLES, "member or admin"},
	{"json", NULL, OPT_FLAG, FIELD(json), NULL, NULL, 0, 0, NULL, "list as JSON"},
	{.name = NULL},
};

static int refuse(const char *verb, const char *text)
{
	(void)fprintf(stderr, "membershipd user %s: %s\n", verb, text);
	return MD_EXIT_FAILED;
}

static int usage(const char *verb, const char *text)
{
	(void)refuse(verb, text);
	return MD_EXIT_USAGE;
}

static int read_key(const char *verb, const struct user_options *o, struct ub_pubkey *ret)
{
	if (!o->sign_pub)
		return usage(verb, "--sign-pub HEX is required (try --help)");
	if (ub_hex_decode(ub_str(o->sign_pub), ret->b, sizeof(ret->b)) || ub_pubkey_check(ret))
		return refuse(
			verb, "--sign-pub must be a signing key, 64 lower-case hexadecimal digits");
	return MD_EXIT_OK;
}

static int cmd_add(struct md_service *s, const struct user_options *o)
{
	struct md_user_add u = {.handle = ub_str(o->handle), .admin = o->role == 1};
	bool created;
	uint64_t rev;
	ub_err err;

	if (read_key("add", o, &u.sign))
		return MD_EXIT_FAILED;
	err = md_user_add(s, NULL, &u, &created, &rev);
	if (err)
		return refuse("add", md_user_add_says(err));
	(void)printf("%s %s %s (%s)\n", created ? "added" : "known already:", o->handle,
		o->sign_pub, ROLES[o->role]);
	return MD_EXIT_OK;
}

/* Arguments that would leave an empty database behind are refused before it is opened. */
static int check_add(const struct user_options *o)
{
	struct ub_pubkey key;
	int rc = read_key("add", o, &key);

	if (rc)
		return rc;
	if (!o->handle)
		return usage("add", "--handle NAME is required (try --help)");
	return ub_handle_check(ub_str(o->handle))
		       ? refuse("add", md_user_add_says(UNIBUS_ERR_INVALID))
		       : MD_EXIT_OK;
}

static int check_revoke(const struct user_options *o)
{
	struct ub_pubkey key;

	return read_key("revoke", o, &key);
}

static int cmd_revoke(struct md_service *s, const struct user_options *o)
{
	struct ub_pubkey key;
	struct md_taken taken;
	ub_err err;

	if (read_key("revoke", o, &key))
		return MD_EXIT_FAILED;
	err = md_user_revoke(s, NULL, &key, &taken);
	if (err)
		return refuse("revoke", md_user_revoke_says(err));
	(void)printf(
		"revoked %s; connections that are open end when membershipd is there again, or "
		"when their login expires\n",
		o->sign_pub);
	return MD_EXIT_OK;
}

static void print_time(uint64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char text[32];

	if (ms && gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		(void)fputs(text, stdout);
	else
		(void)fputs("-", stdout);
}

static void print_user(const struct md_user *u, bool json, bool first)
{
	char hex[65], id[UB_ID_TEXT + 1];

	ub_hex_encode(u->sign.b, sizeof(u->sign.b), hex);
	ub_endpoint_encode(&u->id, id);
	if (json) {
		(void)printf("%s{\"sign_pub\":\"%s\",\"endpoint\":\"%s\",\"handle\":\"%s\","
			     "\"role\":\"%s\",\"status\":\"%s\",\"created_at\":%llu",
			first ? "" : ",\n", hex, id, u->handle, u->admin ? "admin" : "member",
			u->active ? "active" : "revoked", (unsigned long long)u->created_ms);
		if (u->revoked_ms)
			(void)printf(",\"revoked_at\":%llu", (unsigned long long)u->revoked_ms);
		(void)putchar('}');
		return;
	}
	(void)printf("%-32s %-6s %-7s %s ", u->handle, u->admin ? "admin" : "member",
		u->active ? "active" : "revoked", hex);
	print_time(u->created_ms);
	(void)putchar(' ');
	print_time(u->revoked_ms);
	(void)putchar('\n');
}

static int cmd_list(struct md_service *s, const struct user_options *o)
{
	struct md_user *page = calloc(PAGE, sizeof(*page));
	char after[UB_HANDLE_MAX + 1] = "";
	size_t n = PAGE;
	bool first = true;
	ub_err err = page ? UB_OK : UNIBUS_ERR_NOMEM;

	if (o->json)
		(void)fputs("[", stdout);
	while (!err && n == PAGE) {
		err = md_user_list(s, ub_str(after), page, PAGE, &n);
		for (size_t i = 0; !err && i < n; i++, first = false)
			print_user(&page[i], o->json, first);
		if (!err && n > 0)
			(void)snprintf(after, sizeof(after), "%s", page[n - 1].handle);
	}
	if (o->json)
		(void)fputs("]\n", stdout);
	free(page);
	return err ? refuse("list", unibus_strerror(err)) : MD_EXIT_OK;
}

static int check_none(const struct user_options *o)
{
	(void)o;
	return MD_EXIT_OK;
}

static const struct verb {
	const char *name;
	bool create; /* may make the database */
	int (*check)(const struct user_options *o);
	int (*run)(struct md_service *s, const struct user_options *o);
} VERBS[] = {
	{"add", true, check_add, cmd_add},
	{"list", false, check_none, cmd_list},
	{"revoke", false, check_revoke, cmd_revoke},
};

static int explain_open(const struct verb *v, const char *db, ub_err err)
{
	char text[1024];

	if (err == UNIBUS_ERR_LOCKED)
		(void)snprintf(text, sizeof(text),
			"membershipd is running and holds %s; while it runs, users are managed "
			"over "
			"REST: unibus users %s ... (GET /users, POST /users, POST "
			"/users/{sign_pub}/revoke)",
			db, v->name);
	else if (err == UNIBUS_ERR_NOT_FOUND)
		(void)snprintf(text, sizeof(text), "there is no database %s", db);
	else
		(void)snprintf(text, sizeof(text), "%s: %s", db, unibus_strerror(err));
	return refuse(v->name, text);
}

static int run(const struct verb *v, const struct user_options *o)
{
	UB_CLEANUP(md_store_closep) struct md_store *store = NULL;
	struct md_service *svc;
	ub_err err;
	int rc = v->check(o);

	if (rc)
		return rc;
	err = md_store_sqlite_open(
		&(struct md_sqlite_options){.path = o->db, .create = v->create, .exclusive = true},
		&store);
	if (!err)
		err = md_service_new(
			&(struct md_service_config){.store = store, .env = md_env_real()}, &svc);
	if (err)
		return explain_open(v, o->db, err);
	rc = v->run(svc, o);
	md_service_free(svc);
	return rc;
}

int md_cmd_user(const struct opt_args *a)
{
	struct user_options o = {.db = NULL};
	const char *name = NULL;
	size_t n;
	int rc;

	if (!md_cmd_parse(&(struct md_cmd_parse){.rows = ROWS,
				  .args = a,
				  .about = ABOUT,
				  .to = &o,
				  .operands = &name,
				  .max_operands = 1},
		    &n, &rc))
		return rc;
	if (ub_core_init())
		return refuse("", unibus_strerror(UNIBUS_ERR_INTERNAL));
	for (size_t i = 0; n == 1 && i < UB_ARRAY_LEN(VERBS); i++)
		if (strcmp(name, VERBS[i].name) == 0)
			return run(&VERBS[i], &o);
	(void)fprintf(stderr, "membershipd user: add, list or revoke (try --help)\n");
	return MD_EXIT_USAGE;
}
