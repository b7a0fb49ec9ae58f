#include "cli/cli.h"

#include <stdarg.h>

int cli_fail_text(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("unibus: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return CLI_FAILED;
}

/* What to do next, for the outcomes where a person can do something. */
static const char *advice(enum unibus_err err)
{
	static const struct {
		enum unibus_err err;
		const char *text;
	} rows[] = {
		{UNIBUS_ERR_UNKNOWN_KEY, "an admin must add it: unibus users add HANDLE SIGN_PUB"},
		{UNIBUS_ERR_NETWORK, "is the bus running? (make up) see --ctrl and --nats"},
		{UNIBUS_ERR_CLOCK_SKEW, "set this machine's clock"},
		{UNIBUS_ERR_KEY_CHANGED,
			"compare fingerprints with the peer, then: unibus room trust"},
		{UNIBUS_ERR_LOCKED,
			"another program uses this state; give one its own --state-dir"},
		{UNIBUS_ERR_INSECURE_FILE, "chmod 600 the file, and consider its keys known"},
		{UNIBUS_ERR_ROTATION_DUE, "an admin of the room must rotate: unibus room rekey"},
	};

	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++)
		if (rows[i].err == err)
			return rows[i].text;
	return NULL;
}

int cli_fail(struct cli *c, const char *what, enum unibus_err err)
{
	char detail[512] = "";
	const char *next = advice(err);

	if (c->client)
		unibus_client_detail(c->client, detail, sizeof(detail));
	else if (c->options)
		snprintf(detail, sizeof(detail), "%s", unibus_options_detail(c->options));
	if (c->json) {
		cli_put_json(json_pack("{s:s, s:s, s:s}", "code", unibus_err_word(err), "error",
			unibus_strerror(err), "detail", detail));
	}
	/* The detail says the same more precisely, and often what to do. */
	fprintf(stderr, "unibus: %s: %s\n", what, detail[0] ? detail : unibus_strerror(err));
	if (next)
		fprintf(stderr, "unibus: %s\n", next);
	return CLI_FAILED;
}

int cli_identity_path(struct cli *c)
{
	const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
	int n;

	if (c->identity && *c->identity)
		n = snprintf(c->identity_path, sizeof(c->identity_path), "%s", c->identity);
	else if (config && *config)
		n = snprintf(c->identity_path, sizeof(c->identity_path), "%s/unibus/identity.json",
			config);
	else if (home && *home)
		n = snprintf(c->identity_path, sizeof(c->identity_path),
			"%s/.config/unibus/identity.json", home);
	else
		return cli_fail_text("no identity: give --identity FILE or set HOME");
	if (n < 0 || (size_t)n >= sizeof(c->identity_path))
		return cli_fail_text("the identity's path is too long");
	return CLI_OK;
}

int cli_load_identity(struct cli *c)
{
	enum unibus_err err;
	int rc = cli_identity_path(c);

	if (rc)
		return rc;
	err = unibus_identity_load(c->identity_path, &c->id);
	if (err == UNIBUS_ERR_NOT_FOUND)
		return cli_fail_text("there is no identity at %s\n"
				     "unibus: make one with: unibus id new --out %s",
			c->identity_path, c->identity_path);
	if (err == UNIBUS_ERR_BAD_FILE)
		return cli_fail_text(
			"%s is no identity file, or a damaged one\n"
			"unibus: take your copy of it, or name another with --identity",
			c->identity_path);
	if (err)
		return cli_fail(c, c->identity_path, err);
	return CLI_OK;
}

/* Is it about the room that the command names? */
static bool is_meant(const struct cli *c, const struct unibus_event *ev)
{
	return c->n_args > 0 && ((ev->subject && strcmp(ev->subject, c->args[0]) == 0) ||
					(ev->room_id && strcmp(ev->room_id, c->args[0]) == 0));
}

void cli_on_event(void *arg, unibus_client *client, const struct unibus_event *ev)
{
	const struct cli *c = arg;
	const char *room = ev->subject ? ev->subject : "";
	bool meant = is_meant(c, ev);

	(void)client;
	if (ev->kind == UNIBUS_EVENT_ROOM)
		return;
	if (ev->kind == UNIBUS_EVENT_INVITED && ev->subject) {
		/* Naming the room joins it. */
		if (!meant)
			fprintf(stderr,
				"unibus: you were added to %s; take part: unibus room join %s\n",
				room, room);
		return;
	}
	if (ev->kind == UNIBUS_EVENT_ROTATION_DUE) {
		/* Of a room that is not looked at it would be said by every command. */
		if (meant)
			fprintf(stderr,
				"unibus: %s: %s; a peer of it that is running makes one, or an "
				"admin of it: unibus room rekey %s\n",
				room, ev->detail, room);
		return;
	}
	fprintf(stderr, "unibus: %s%s%s\n", room, ev->subject ? ": " : "", ev->detail);
}

/* 0 or CLI_USAGE, after saying which it is that is no URL. */
static int set_urls(struct cli *c)
{
	for (size_t i = 0; i < c->ctrl.n; i++)
		if (unibus_options_add_ctrl(c->options, c->ctrl.v[i])) {
			(void)cli_fail_text("--ctrl takes http://HOST:PORT or https://HOST:PORT, "
					    "not '%s'",
				c->ctrl.v[i]);
			return CLI_USAGE;
		}
	for (size_t i = 0; i < c->nats.n; i++)
		if (unibus_options_add_nats(c->options, c->nats.v[i])) {
			(void)cli_fail_text("--nats takes nats://HOST:PORT or tls://HOST:PORT, "
					    "not '%s'",
				c->nats.v[i]);
			return CLI_USAGE;
		}
	return CLI_OK;
}

static enum unibus_err set_options(struct cli *c, bool control_only)
{
	enum unibus_err err = unibus_options_set_identity(c->options, c->id);

	if (!err && c->ca)
		err = unibus_options_set_ca(c->options, c->ca);
	if (!err && c->state_dir)
		err = unibus_options_set_state_dir(c->options, c->state_dir);
	if (!err && c->label)
		err = unibus_options_set_label(c->options, c->label);
	if (!err)
		err = unibus_options_set_timeout(c->options, (unsigned)c->timeout_ms);
	if (err)
		return err;
	unibus_options_set_control_only(c->options, control_only);
	unibus_options_on_state(c->options, c->on_state, c);
	unibus_options_on_event(c->options, c->on_event ? c->on_event : cli_on_event, c);
	return UNIBUS_OK;
}

int cli_connect(struct cli *c, bool control_only)
{
	enum unibus_err err;
	int rc = cli_load_identity(c);

	if (rc)
		return rc;
	err = unibus_options_new(&c->options);
	if (err)
		return cli_fail(c, "could not connect", err);
	rc = set_urls(c);
	if (rc)
		return rc;
	err = set_options(c, control_only);
	if (err)
		return cli_fail(c, "the connection's options are wrong", err);
	err = unibus_connect(c->options, &c->client);
	if (err)
		return cli_fail(c, "could not connect", err);
	return CLI_OK;
}

int cli_open_room(struct cli *c)
{
	enum unibus_err err;
	int rc = cli_connect(c, false);

	if (rc)
		return rc;
	err = unibus_room_open(c->client, c->args[0], &c->room);
	if (err)
		return cli_fail(c, c->args[0], err);
	return CLI_OK;
}

int cli_call(struct cli *c, const char *method, const char *target, json_t *body, json_t **ret)
{
	UB_CLEANUP(ub_freep) char *text = NULL;
	struct unibus_reply reply = {0};
	enum unibus_err err;

	if (body) {
		text = json_dumps(body, JSON_COMPACT);
		json_decref(body);
		if (!text)
			return cli_fail_text("%s", unibus_strerror(UNIBUS_ERR_NOMEM));
	}
	err = unibus_call(c->client, method, target, text, &reply);
	if (err)
		return cli_fail(c, target, err);
	err = unibus_reply_error(&reply);
	*ret = json_loadb(reply.body, reply.len, 0, NULL);
	if (err) {
		char why[CLI_FIELD_MAX];

		fprintf(stderr, "unibus: %s\n",
			json_object_get(*ret, "error") ? cli_field(*ret, "error", why)
						       : unibus_strerror(err));
		if (c->json && *ret)
			cli_put_json(json_incref(*ret));
		json_decref(*ret);
		*ret = NULL;
	}
	unibus_reply_free(&reply);
	if (!err && !*ret)
		return cli_fail_text("the server's answer is not JSON");
	return err ? CLI_FAILED : CLI_OK;
}

/* How many bytes of the character at `p` may be shown; 0: the byte is none of a character, or a
 * control. C1 controls travel as C2 80 .. C2 9F. */
static size_t shown(const unsigned char *p, size_t len)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n > len || p[0] > 0xf4 || p[0] < 0x20 || p[0] == 0x7f)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n == 2 && p[0] == 0xc2 && p[1] < 0xa0 ? 0 : n;
}

void cli_put_safe_to(FILE *to, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0; i < len;) {
		size_t n = shown(p + i, len - i);

		if (n) {
			fwrite(p + i, 1, n, to);
			i += n;
			continue;
		}
		if (p[i] == '\n')
			fputs("\n    ", to);
		else if (p[i] == '\t')
			putc('\t', to);
		else
			fprintf(to, "\\x%02x", p[i]);
		i++;
	}
}

void cli_put_safe(const char *text, size_t len)
{
	cli_put_safe_to(stdout, text, len);
}

const char *cli_field(json_t *v, const char *key, char to[CLI_FIELD_MAX])
{
	const char *text = json_string_value(json_object_get(v, key));
	const unsigned char *p = (const unsigned char *)(text ? text : "-");
	size_t len = strlen((const char *)p), at = 0;

	for (size_t i = 0; i < len;) {
		size_t n = shown(p + i, len - i);

		if (at + (n ? n : 1) >= CLI_FIELD_MAX)
			break;
		if (n)
			memcpy(to + at, p + i, n);
		else
			to[at] = '?';
		at += n ? n : 1;
		i += n ? n : 1;
	}
	to[at] = '\0';
	return to;
}

void cli_put_json(json_t *v)
{
	UB_CLEANUP(ub_freep)
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;

	if (text)
		puts(text);
	fflush(stdout);
	json_decref(v);
}

bool cli_role(const char *s, enum unibus_role *ret)
{
	enum ub_role role;

	if (ub_role_parse(ub_str(s), &role))
		return false;
	*ret = (enum unibus_role)role;
	return true;
}

const char *cli_role_name(enum unibus_role role)
{
	return ub_role_name((enum ub_role)role);
}

void cli_time(uint64_t ms, char to[32])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(to, 32, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(to, 32, "%llu", (unsigned long long)ms);
}
