#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/buf.h"
#include "core/limits.h"

#define BAR 30
#define BAR_EVERY_MS 100
#define PAGE 500

static const struct opt_row put_rows[] = {
	{.name = "name",
		.value = "NAME",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, name),
		.help = "what the others see it called (default: the file's own name)"},
	{.name = "type",
		.value = "MEDIA_TYPE",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, type),
		.help = "what it is (default: application/octet-stream)"},
	{.name = "thread",
		.value = "REF",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, thread),
		.help = "the thread's first message"},
	{.name = "reply",
		.value = "REF",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, reply),
		.help = "the message answered"},
	CLI_ROW_CONNECT,
	{0},
};
static const struct opt_row get_rows[] = {
	{.name = "out",
		.value = "FILE",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, out),
		.help = "where to (default: the sender's name for it, in this folder)"},
	CLI_ROW_CONNECT,
	{0},
};

/* ---- the bar ---- */

struct bar {
	bool on;
	uint64_t began_ms, shown_ms;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct bar bar_new(void)
{
	return (struct bar){.on = isatty(STDERR_FILENO), .began_ms = now_ms()};
}

static bool bar_show(void *arg, uint64_t done, uint64_t total)
{
	struct bar *b = arg;
	uint64_t now = now_ms(), ms = now - b->began_ms;
	uint64_t part = total ? done * BAR / total : BAR;
	char line[BAR + 1];

	if (!b->on || (done < total && now - b->shown_ms < BAR_EVERY_MS))
		return true;
	b->shown_ms = now;
	for (uint64_t i = 0; i < BAR; i++)
		line[i] = i < part ? '#' : ' ';
	line[BAR] = '\0';
	fprintf(stderr, "\r[%s] %3u %%  %.1f MiB  %.1f MiB/s ", line,
		(unsigned)(total ? done * 100 / total : 100), (double)done / 1048576,
		ms ? (double)done / 1048.576 / (double)ms : 0.0);
	return true;
}

static void bar_end(const struct bar *b)
{
	if (b->shown_ms)
		fputc('\n', stderr);
}

/* ---- put ---- */

static enum unibus_err read_stdin(void *arg, void *to, size_t len, size_t *ret_len)
{
	(void)arg;
	*ret_len = fread(to, 1, len, stdin);
	return ferror(stdin) ? UNIBUS_ERR_IO : UNIBUS_OK;
}

static int cmd_put(struct cli *c)
{
	struct unibus_room_info info;
	struct bar bar = bar_new();
	struct unibus_blob_source src = {.file = c->args[1],
		.name = c->name,
		.media_type = c->type,
		.thread = c->thread,
		.reply = c->reply,
		.progress = bar_show,
		.progress_arg = &bar};
	enum unibus_err err;
	unibus_ref ref = "";
	int rc;

	if (strcmp(c->args[1], "-") == 0) {
		src.file = NULL;
		src.read = read_stdin;
		if (!c->name)
			return cli_fail_text("standard input has no name: give one with --name");
	}
	rc = cli_open_room(c);
	if (rc)
		return rc;
	unibus_room_get_info(c->room, &info);
	bar = bar_new();
	err = unibus_blob_put(c->room, &src, ref);
	bar_end(&bar);
	if (!err)
		err = unibus_flush(c->client, (unsigned)c->timeout_ms);
	if (err)
		return cli_fail(c, "the file was not sent", err);
	if (c->json)
		cli_put_json(json_pack("{s:s, s:s}", "room_id", info.id, "ref", ref));
	else if (ref[0])
		puts(ref);
	return CLI_OK;
}

/* ---- get ---- */

struct find {
	const char *ref;
	struct ub_buf *to;
	uint64_t first; /* of the page */
	bool found;
};

static bool look(void *arg, const struct unibus_msg *m)
{
	struct find *f = arg;

	if (!f->first)
		f->first = m->position;
	if (!m->ref || strcmp(m->ref, f->ref) != 0)
		return true;
	f->found = true;
	ub_buf_put(f->to, m->data, m->len);
	return false;
}

/* Backwards through what the room keeps. */
static int find_message(struct cli *c, struct ub_buf *to)
{
	struct find f = {.ref = c->args[1], .to = to};
	uint64_t before = 0;

	do {
		enum unibus_err err;

		f.first = 0;
		err = unibus_history(c->room, before, PAGE, look, &f);
		if (err == UNIBUS_ERR_INVALID)
			return cli_fail_text("%s keeps no messages to look among; give the "
					     "message itself on standard input: "
					     "unibus blob get %s - <message",
				c->args[0], c->args[0]);
		if (err)
			return cli_fail(c, "could not look for the message", err);
		before = f.first;
	} while (!f.found && before > 1);
	return f.found ? CLI_OK : cli_fail_text("%s has no message %s", c->args[0], c->args[1]);
}

static int read_message(struct ub_buf *to)
{
	char part[4096];
	size_t n;

	while ((n = fread(part, 1, sizeof(part), stdin)) > 0)
		ub_buf_put(to, part, n);
	while (to->len && strchr(" \t\r\n", to->p[to->len - 1]))
		to->len--;
	return ferror(stdin) ? cli_fail_text("could not read standard input") : CLI_OK;
}

/* A name that others chose, for a file of ours: in this folder, not hidden, no option. */
static void own_name(const struct unibus_blob_info *info, char to[260])
{
	bool odd = info->name[0] == '.' || info->name[0] == '-';

	snprintf(to, 260, "%s%s", odd ? "_" : "", info->name);
}

static int fetch(struct cli *c, const struct ub_buf *message)
{
	struct unibus_blob_info info;
	struct bar bar;
	char name[260];
	struct unibus_blob_target to = {.file = c->out, .progress = bar_show, .progress_arg = &bar};
	enum unibus_err err = unibus_blob_parse(message->p, message->len, &info);

	if (err)
		return cli_fail_text("that message names no file");
	own_name(&info, name);
	if (!to.file)
		to.file = name;
	bar = bar_new();
	err = unibus_blob_get(c->room, message->p, message->len, &to);
	bar_end(&bar);
	if (err)
		return cli_fail(c, to.file, err);
	if (c->json) {
		cli_put_json(json_pack("{s:s, s:s, s:s, s:I, s:s}", "file", to.file, "name",
			info.name, "media_type", info.media_type, "size", (json_int_t)info.size,
			"hash", info.hash));
		return CLI_OK;
	}
	cli_put_safe(to.file, strlen(to.file));
	putchar('\n');
	return CLI_OK;
}

static int cmd_get(struct cli *c)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf message = UB_BUF(UB_PAYLOAD_MAX);
	bool given = strcmp(c->args[1], "-") == 0;
	int rc = given ? read_message(&message) : CLI_OK;

	if (!rc)
		rc = cli_open_room(c);
	if (!rc && !given)
		rc = find_message(c, &message);
	return rc ? rc : fetch(c, &message);
}

const struct cli_command cli_blob_commands[] = {
	{"blob", "put", "ROOM FILE|-", "send a file of up to 16 MiB (- reads standard input)",
		put_rows, 2, 2, cmd_put},
	{"blob", "get", "ROOM REF|-",
		"fetch the file that a message names (- reads the message from standard input)",
		get_rows, 2, 2, cmd_get},
	{0},
};
