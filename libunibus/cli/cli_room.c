#include "cli/cli.h"

static const char *const histories[] = {"all", "since_join", NULL};

static const struct opt_row create_rows[] = {
	{.name = "plain",
		.type = OPT_FLAG,
		.offset = offsetof(struct cli, plain),
		.help = "plain NATS: neither encrypted nor signed; any NATS client can take part"},
	{.name = "no-encrypt",
		.type = OPT_FLAG,
		.offset = offsetof(struct cli, no_encrypt),
		.help = "signed but readable by the message servers"},
	{.name = "no-sign",
		.type = OPT_FLAG,
		.offset = offsetof(struct cli, no_sign),
		.help = "encrypted, without a signature on each message"},
	{.name = "persist",
		.type = OPT_FLAG,
		.offset = offsetof(struct cli, persist),
		.help = "keep a history"},
	{.name = "retain-messages",
		.value = "N",
		.type = OPT_NUMBER,
		.offset = offsetof(struct cli, retain_messages),
		.help = "of which the newest N messages"},
	{.name = "retain-bytes",
		.value = "N",
		.type = OPT_NUMBER,
		.offset = offsetof(struct cli, retain_bytes),
		.help = "of which the newest N bytes"},
	{.name = "retain-age",
		.value = "TIME",
		.type = OPT_DURATION_MS,
		.offset = offsetof(struct cli, retain_age_ms),
		.help = "of which what is not older"},
	{.name = "history",
		.value = "WHICH",
		.type = OPT_CHOICE,
		.offset = offsetof(struct cli, history),
		.choices = histories,
		.dflt = "all",
		.help = "what those who join later may read: all or since_join"},
	CLI_ROW_CONNECT,
	{0},
};
static const struct opt_row plain_rows[] = {CLI_ROW_CONNECT, {0}};
static const struct opt_row invite_rows[] = {
	{.name = "role",
		.value = "reader|member|admin",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, role),
		.dflt = "member",
		.help = "what the peer may do"},
	{.name = "fingerprint",
		.value = "FP",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, fingerprint),
		.help = "what the peer told you; any other key is refused"},
	CLI_ROW_CONNECT,
	{0},
};
static const struct opt_row tighten_rows[] = {
	{.name = "encrypt",
		.type = OPT_FLAG,
		.offset = offsetof(struct cli, encrypt),
		.help = "encrypt from now on"},
	{.name = "sign",
		.type = OPT_FLAG,
		.offset = offsetof(struct cli, sign),
		.help = "sign every message from now on"},
	CLI_ROW_CONNECT,
	{0},
};
static const struct opt_row log_rows[] = {
	{.name = "from",
		.value = "SEQ",
		.type = OPT_NUMBER,
		.offset = offsetof(struct cli, from),
		.help = "first entry to show"},
	CLI_ROW_CONNECT,
	{0},
};

static json_t *info_json(const struct unibus_room_info *i)
{
	return json_pack("{s:s, s:s, s:{s:b, s:b, s:b, s:s}, s:s, s:I, s:I, s:I, s:b, s:b, s:b}",
		"room_id", i->id, "subject", i->subject, "policy", "encrypt", i->policy.encrypt,
		"persist", i->policy.persist, "sign", i->policy.sign, "history",
		histories[i->policy.history == UNIBUS_HISTORY_SINCE_JOIN], "role",
		cli_role_name(i->role), "epoch", (json_int_t)i->epoch, "seq", (json_int_t)i->seq,
		"members", (json_int_t)i->members, "joined", i->joined, "closed", i->closed,
		"rotation_due", i->rotation_due);
}

static const char *policy_words(const struct unibus_policy *p)
{
	if (!p->encrypt && !p->persist && !p->sign)
		return "plain";
	if (p->encrypt)
		return p->sign ? "encrypted, signed" : "encrypted";
	return p->sign ? "signed" : "clear, framed";
}

static int show_info(struct cli *c)
{
	struct unibus_room_info i;

	unibus_room_get_info(c->room, &i);
	if (c->json) {
		cli_put_json(info_json(&i));
		return CLI_OK;
	}
	printf("subject   %s\n", i.subject);
	printf("room id   %s\n", i.id);
	printf("policy    %s%s, history %s\n", policy_words(&i.policy),
		i.policy.persist ? ", kept" : "", histories[i.policy.history != 0]);
	printf("my role   %s\n", cli_role_name(i.role));
	printf("members   %zu\n", i.members);
	printf("epoch     %u%s\n", i.epoch, i.rotation_due ? " (rotation due)" : "");
	printf("log       %llu %s%s\n", (unsigned long long)i.seq + 1, i.seq ? "entries" : "entry",
		i.closed ? ", closed" : "");
	return CLI_OK;
}

static int room_create(struct cli *c)
{
	struct unibus_policy p = {
		.encrypt = !c->plain && !c->no_encrypt,
		.sign = !c->plain && !c->no_sign,
		.persist = c->persist,
		.history = c->history ? UNIBUS_HISTORY_SINCE_JOIN : UNIBUS_HISTORY_ALL,
		.retain_messages = c->retain_messages,
		.retain_bytes = c->retain_bytes,
		.retain_seconds = (c->retain_age_ms + 999) / 1000,
	};
	enum unibus_err err;
	int rc;

	if (c->plain && (c->no_encrypt || c->no_sign || c->persist)) {
		fputs("unibus room create: --plain goes with no other policy option\n", stderr);
		return CLI_USAGE;
	}
	if (!c->persist && (c->retain_messages || c->retain_bytes || c->retain_age_ms)) {
		fputs("unibus room create: the --retain options go with --persist\n", stderr);
		return CLI_USAGE;
	}
	rc = cli_connect(c, false);
	if (rc)
		return rc;
	err = unibus_room_create(c->client, c->args[0], &p, &c->room);
	return err ? cli_fail(c, c->args[0], err) : show_info(c);
}

static bool print_room(void *arg, const struct unibus_room_info *i)
{
	struct cli *c = arg;

	if (c->json)
		cli_put_json(info_json(i));
	else
		printf("%-40s %-7s %-18s %s\n", i->subject, cli_role_name(i->role),
			policy_words(&i->policy),
			i->closed         ? "closed"
			: !i->joined      ? "not joined yet"
			: i->rotation_due ? "rotation due"
					  : "");
	return true;
}

static int room_list(struct cli *c)
{
	enum unibus_err err;
	int rc = cli_connect(c, true);

	if (rc)
		return rc;
	err = unibus_rooms(c->client, print_room, c);
	return err ? cli_fail(c, "could not list the rooms", err) : CLI_OK;
}

static int room_show(struct cli *c)
{
	int rc = cli_open_room(c);

	return rc ? rc : show_info(c);
}

static bool print_member(void *arg, const struct unibus_member *m)
{
	struct cli *c = arg;

	if (c->json)
		cli_put_json(json_pack("{s:s, s:s, s:s, s:s, s:s}", "endpoint", m->endpoint,
			"handle", m->handle, "role", cli_role_name(m->role), "fingerprint",
			m->fingerprint, "sign_pub", m->sign_pub));
	else
		printf("%-24s %-7s %s\n", m->handle[0] ? m->handle : m->endpoint,
			cli_role_name(m->role), m->fingerprint);
	return true;
}

static int room_members(struct cli *c)
{
	enum unibus_err err;
	int rc = cli_open_room(c);

	if (rc)
		return rc;
	err = unibus_room_members(c->room, print_member, c);
	return err ? cli_fail(c, c->args[0], err) : CLI_OK;
}

static bool print_log(void *arg, const struct unibus_log_line *l)
{
	struct cli *c = arg;
	char when[32];

	cli_time(l->ts_ms, when);
	if (c->json) {
		cli_put_json(json_pack("{s:I, s:I, s:s, s:s, s:s}", "seq", (json_int_t)l->seq, "ts",
			(json_int_t)l->ts_ms, "actor", l->actor, "text", l->text, "entry",
			l->entry));
		return true;
	}
	printf("%4llu  %s  ", (unsigned long long)l->seq, when);
	cli_put_safe(l->text, strlen(l->text));
	putchar('\n');
	return true;
}

static int room_log(struct cli *c)
{
	enum unibus_err err;
	int rc = cli_open_room(c);

	if (rc)
		return rc;
	err = unibus_room_log(c->room, c->from, print_log, c);
	return err ? cli_fail(c, c->args[0], err) : CLI_OK;
}

/* Says what was done, or why not. */
static int done(struct cli *c, enum unibus_err err, const char *what)
{
	if (err)
		return cli_fail(c, c->n_args > 1 ? c->args[1] : c->args[0], err);
	if (c->json)
		return show_info(c);
	puts(what);
	return CLI_OK;
}

static int room_invite(struct cli *c)
{
	enum unibus_role role;
	char text[256];
	int rc;

	if (!cli_role(c->role, &role) || role == UNIBUS_OWNER) {
		fputs("unibus room invite: --role is reader, member or admin\n", stderr);
		return CLI_USAGE;
	}
	rc = cli_open_room(c);
	if (rc)
		return rc;
	snprintf(text, sizeof(text), "%s is in %s as %s", c->args[1], c->args[0], c->role);
	return done(c, unibus_room_invite(c->room, c->args[1], role, c->fingerprint), text);
}

static int room_remove(struct cli *c)
{
	struct unibus_room_info i;
	char text[256];
	int rc = cli_open_room(c);

	if (rc)
		return rc;
	unibus_room_get_info(c->room, &i);
	snprintf(text, sizeof(text), "%s is out of %s%s", c->args[1], c->args[0],
		i.epoch ? "; the room has a new key" : "");
	return done(c, unibus_room_remove(c->room, c->args[1]), text);
}

static int room_role(struct cli *c)
{
	enum unibus_role role;
	char text[256];
	int rc;

	if (!cli_role(c->args[2], &role)) {
		fputs("unibus room role: a role is reader, member, admin or owner\n", stderr);
		return CLI_USAGE;
	}
	rc = cli_open_room(c);
	if (rc)
		return rc;
	snprintf(text, sizeof(text), "%s is %s of %s", c->args[1], c->args[2], c->args[0]);
	return done(c, unibus_room_set_role(c->room, c->args[1], role), text);
}

static int room_leave(struct cli *c)
{
	int rc = cli_open_room(c);

	return rc ? rc : done(c, unibus_room_leave(c->room), "left");
}

static int room_rekey(struct cli *c)
{
	int rc = cli_open_room(c);

	return rc ? rc : done(c, unibus_room_rekey(c->room), "the room has a new key");
}

static int room_tighten(struct cli *c)
{
	struct unibus_room_info i;
	int rc;

	if (!c->encrypt && !c->sign) {
		fputs("unibus room tighten: --encrypt, --sign or both\n", stderr);
		return CLI_USAGE;
	}
	rc = cli_open_room(c);
	if (rc)
		return rc;
	unibus_room_get_info(c->room, &i);
	i.policy.encrypt = i.policy.encrypt || c->encrypt;
	i.policy.sign = i.policy.sign || c->sign;
	return done(c, unibus_room_tighten(c->room, &i.policy), policy_words(&i.policy));
}

static int room_close(struct cli *c)
{
	int rc = cli_open_room(c);

	return rc ? rc : done(c, unibus_room_close(c->room), "closed for good");
}

static int room_trust(struct cli *c)
{
	enum unibus_err err;
	char text[256];
	int rc = cli_connect(c, false);

	if (rc)
		return rc;
	err = unibus_trust(c->client, c->args[0], c->n_args > 1 ? c->args[1] : NULL);
	snprintf(text, sizeof(text), "%s's present key is trusted", c->args[0]);
	if (err)
		return cli_fail(c, c->args[0], err);
	if (c->json)
		cli_put_json(json_pack("{s:s, s:b}", "peer", c->args[0], "trusted", 1));
	else
		puts(text);
	return CLI_OK;
}

const struct cli_command cli_room_commands[] = {
	{"room", "create", "SUBJECT", "a new room, encrypted and signed unless told otherwise",
		create_rows, 1, 1, room_create},
	{"room", "list", "", "the rooms this peer is in", plain_rows, 0, 0, room_list},
	{"room", "join", "ROOM", "take part in a room one was added to", plain_rows, 1, 1,
		room_show},
	{"room", "show", "ROOM", "policy, role, epoch", plain_rows, 1, 1, room_show},
	{"room", "members", "ROOM", "who is in it, with fingerprints", plain_rows, 1, 1,
		room_members},
	{"room", "invite", "ROOM PEER", "add a peer", invite_rows, 2, 2, room_invite},
	{"room", "remove", "ROOM PEER", "remove a peer; an encrypted room gets a new key",
		plain_rows, 2, 2, room_remove},
	{"room", "role", "ROOM PEER reader|member|admin|owner",
		"change a role; owner hands the room over", plain_rows, 3, 3, room_role},
	{"room", "leave", "ROOM", "leave a room", plain_rows, 1, 1, room_leave},
	{"room", "rekey", "ROOM", "a new key for those in it", plain_rows, 1, 1, room_rekey},
	{"room", "tighten", "ROOM", "encrypt or sign from now on; never back", tighten_rows, 1, 1,
		room_tighten},
	{"room", "log", "ROOM", "the room's signed history of changes", log_rows, 1, 1, room_log},
	{"room", "close", "ROOM", "close it for good", plain_rows, 1, 1, room_close},
	{"room", "trust", "PEER [FINGERPRINT]", "accept a peer's changed key after comparing",
		plain_rows, 1, 2, room_trust},
	{0},
};
