#include <stdatomic.h>

#include "cli/listen.h"
#include "core/b64url.h"
#include "core/buf.h"
#include "core/limits.h"
#include "core/num.h"
#include "support/process.h"

/* Index plus 1 is the kind. What is left out is not for people to send. */
static const char *const kinds[] = {
	"message", "react", "edit", "redact", "request", "response", NULL};

static const struct opt_row send_rows[] = {
	{.name = "kind",
		.value = "KIND",
		.type = OPT_CHOICE,
		.offset = offsetof(struct cli, kind),
		.choices = kinds,
		.dflt = "message",
		.help = "message, react, edit, redact, request or response"},
	{.name = "thread",
		.value = "REF",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, thread),
		.help = "the thread's first message"},
	{.name = "reply",
		.value = "REF",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, reply),
		.help = "the message answered, changed or reacted to"},
	{.name = "type",
		.value = "MEDIA_TYPE",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, type),
		.help = "what the body is (default: text)"},
	{.name = "wait",
		.type = OPT_FLAG,
		.offset = offsetof(struct cli, wait),
		.help = "until it is kept; prints its position, too"},
	CLI_ROW_CONNECT,
	{0},
};
static const struct opt_row tail_rows[] = {
	{.name = "count",
		.value = "N",
		.type = OPT_NUMBER,
		.offset = offsetof(struct cli, count),
		.help = "end after N messages"},
	{.name = "for",
		.value = "TIME",
		.type = OPT_DURATION_MS,
		.offset = offsetof(struct cli, for_ms),
		.help = "end after this time"},
	{.name = "since",
		.value = "WHEN",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, since),
		.help = "begin in the history: all, last:N, or what follows a position"},
	{.name = "durable",
		.value = "NAME",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, durable),
		.help = "go on where the last tail under this name ended, also a killed one"},
	CLI_ROW_CONNECT,
	{0},
};

char *cli_message_text(struct cli *c, size_t *ret_len)
{
	struct ub_buf b = UB_BUF(UB_PAYLOAD_MAX + 1);

	if (c->n_args == 2 && strcmp(c->args[1], "-") == 0) {
		char part[4096];
		size_t n;

		while ((n = fread(part, 1, sizeof(part), stdin)) > 0)
			ub_buf_put(&b, part, n);
		if (ferror(stdin)) {
			ub_buf_deinit(&b);
			return NULL;
		}
	}
	for (size_t i = 1; i < c->n_args && !(c->n_args == 2 && strcmp(c->args[1], "-") == 0);
		i++) {
		if (i > 1)
			ub_buf_u8(&b, ' ');
		ub_buf_z(&b, c->args[i]);
	}
	*ret_len = b.len;
	return ub_buf_take(&b);
}

static int send_wait(
	struct cli *c, const struct unibus_publish *p, const struct unibus_room_info *info)
{
	struct unibus_ack ack;
	enum unibus_err err = unibus_publish_wait(c->room, p, (unsigned)c->timeout_ms, &ack);

	if (err == UNIBUS_ERR_OUTCOME_UNKNOWN)
		return cli_fail_text("it is not known whether the message was kept");
	if (err)
		return cli_fail(c, "the message was not sent", err);
	if (c->json)
		cli_put_json(json_pack("{s:s, s:s, s:I}", "room_id", info->id, "ref", ack.ref,
			"position", (json_int_t)ack.position));
	else
		printf("%s %llu\n", ack.ref, (unsigned long long)ack.position);
	return CLI_OK;
}

static int check_kind(const struct cli *c, enum unibus_kind kind)
{
	bool about = kind != UNIBUS_MESSAGE && kind != UNIBUS_REQUEST;

	if (about && !c->reply) {
		fprintf(stderr, "unibus send: --kind %s needs --reply REF\n", cli_kind_name(kind));
		return CLI_USAGE;
	}
	if ((kind == UNIBUS_REDACT) != (c->n_args == 1)) {
		fprintf(stderr, "unibus send: %s\n",
			kind == UNIBUS_REDACT ? "a redaction has no text"
					      : "something is missing: what is to be sent?");
		return CLI_USAGE;
	}
	return CLI_OK;
}

static int cmd_send(struct cli *c)
{
	UB_CLEANUP(ub_freep) char *text = NULL;
	struct unibus_room_info info;
	struct unibus_publish p = {0};
	enum unibus_err err;
	unibus_ref ref = "";
	int rc;

	p.kind = (enum unibus_kind)(c->kind + 1);
	rc = check_kind(c, p.kind);
	if (rc)
		return rc;
	text = cli_message_text(c, &p.len);
	if (!text)
		return cli_fail_text(
			"the message cannot be read, or is larger than %d bytes", UB_PAYLOAD_MAX);
	rc = cli_open_room(c);
	if (rc)
		return rc;
	unibus_room_get_info(c->room, &info);
	if (info.closed)
		return cli_fail(c, c->args[0], UNIBUS_ERR_ROOM_CLOSED);
	p.data = text;
	p.thread = c->thread;
	p.reply = c->reply;
	p.media_type = c->type;
	if (c->wait)
		return send_wait(c, &p, &info);
	err = unibus_publish(c->room, &p, ref);
	if (!err)
		err = unibus_flush(c->client, (unsigned)c->timeout_ms);
	if (err)
		return cli_fail(c, "the message was not sent", err);
	if (c->json)
		cli_put_json(json_pack("{s:s, s:s}", "room_id", info.id, "ref", ref));
	else if (ref[0])
		puts(ref);
	return CLI_OK;
}

struct tail {
	struct cli *c;
	atomic_uint_fast64_t seen;
};

/* A message that names a file: what it is, and by which reference it is fetched. */
static bool put_file(const struct unibus_msg *m)
{
	struct unibus_blob_info info;

	if (strcmp(m->media_type, UNIBUS_BLOB_TYPE) != 0 ||
		unibus_blob_parse(m->data, m->len, &info) != UNIBUS_OK)
		return false;
	printf("<file ");
	cli_put_safe(info.name, strlen(info.name));
	printf(", %llu bytes, %s>", (unsigned long long)info.size, m->ref ? m->ref : "");
	return true;
}

static void put_message(const struct unibus_msg *m)
{
	char when[32];

	cli_time(m->ts_ms, when);
	printf("%s  ", when);
	if (m->handle[0])
		cli_put_safe(m->handle, strlen(m->handle));
	else
		printf("%.8s", m->sender ? m->sender : "(plain)");
	printf("%s  ", m->sender && !m->verified ? " (not signed)" : "");
	if (m->kind != UNIBUS_MESSAGE)
		printf("[%s %s] ", cli_kind_name(m->kind), m->reply ? m->reply : "");
	if (put_file(m)) {
		/* said */
	} else if (m->media_type[0]) {
		putchar('<');
		cli_put_safe(m->media_type, strlen(m->media_type));
		printf(", %zu bytes>", m->len);
	} else {
		cli_put_safe(m->data, m->len);
	}
	putchar('\n');
	fflush(stdout);
}

static void on_message(void *arg, const struct unibus_msg *m)
{
	struct tail *t = arg;

	if (t->c->count && atomic_load(&t->seen) >= t->c->count)
		return;
	if (t->c->json)
		cli_put_json(cli_message_json(m));
	else
		put_message(m);
	if (atomic_fetch_add(&t->seen, 1) + 1 >= t->c->count && t->c->count)
		process_stop();
}

static int tail_end(struct cli *c, const struct tail *t)
{
	int rc = cli_listen_end(c);

	if (rc)
		return rc;
	if (c->count && atomic_load(&t->seen) < c->count)
		return cli_fail_text("%llu of %llu messages came",
			(unsigned long long)atomic_load(&t->seen), (unsigned long long)c->count);
	return CLI_OK;
}

/* "all", "last:N" or a position. False: none of them. */
static bool read_since(const struct cli *c, struct unibus_subscription *s)
{
	const char *last = "last:";

	if (c->durable) {
		s->start = UNIBUS_DURABLE;
		s->durable = c->durable;
		return !c->since;
	}
	if (!c->since)
		return true;
	if (strcmp(c->since, "all") == 0) {
		s->start = UNIBUS_ALL;
		return true;
	}
	if (strncmp(c->since, last, strlen(last)) == 0) {
		s->start = UNIBUS_LAST;
		return ub_num_u64(ub_str(c->since + strlen(last)), 1, 100000, &s->last) == UB_OK;
	}
	s->start = UNIBUS_AFTER;
	return ub_num_u64(ub_str(c->since), 0, UB_JSON_INT_MAX - 1, &s->after) == UB_OK;
}

static int cmd_tail(struct cli *c)
{
	struct tail t = {.c = c};
	struct unibus_room_info info;
	struct unibus_subscription from = {.fn = on_message, .arg = &t};
	unibus_sub *sub = NULL;
	enum unibus_err err;
	int rc;

	if (!read_since(c, &from)) {
		fputs("unibus tail: --since is all, last:N or a position, and goes without "
		      "--durable\n",
			stderr);
		return CLI_USAGE;
	}
	if (process_signals_init())
		return cli_fail_text("could not set up signals");
	c->on_state = cli_on_state_end;
	c->on_event = cli_on_event_end;
	rc = cli_open_room(c);
	if (rc)
		return rc;
	unibus_room_get_info(c->room, &info);
	if (info.closed)
		return cli_fail(c, c->args[0], UNIBUS_ERR_ROOM_CLOSED);
	err = unibus_subscribe_from(c->room, &from, &sub);
	if (err)
		return cli_fail(c, c->args[0], err);
	fprintf(stderr, "listening to %s; Ctrl-C ends\n", c->args[0]);
	process_wait(c->for_ms ? (int)c->for_ms : -1);
	unibus_unsubscribe(sub);
	return tail_end(c, &t);
}

const struct cli_command cli_message_commands[] = {
	{NULL, "send", "ROOM TEXT...|-", "send a message (- reads standard input)", send_rows, 1,
		64, cmd_send},
	{NULL, "tail", "ROOM", "print messages as they come", tail_rows, 1, 1, cmd_tail},
	{0},
};
