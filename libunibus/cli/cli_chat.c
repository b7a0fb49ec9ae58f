/* unibus chat: a room, line by line. */
#include "cli/chat.h"
#include "core/limits.h"

static const struct opt_row chat_rows[] = {CLI_ROW_CONNECT, {0}};

/* Before there is a line to show them above, events and states are said as usual. */
static void on_event(void *arg, unibus_client *client, const struct unibus_event *ev)
{
	struct cli *c = arg;
	struct chat *ch = c->chat;

	if (!ch) {
		cli_on_event(arg, client, ev);
		return;
	}
	if (!c->json)
		chat_say(ch, "-- %s%s%s",
			ev->subject && strcmp(ev->subject, c->args[0]) != 0 ? ev->subject : "",
			ev->subject && strcmp(ev->subject, c->args[0]) != 0 ? ": " : "",
			ev->detail);
	if (ev->kind == UNIBUS_EVENT_REMOVED)
		line_end(ch->line);
}

static void on_state(void *arg, unibus_client *client, enum unibus_state state, enum unibus_err why)
{
	struct cli *c = arg;
	struct chat *ch = c->chat;

	(void)client;
	if (!ch)
		return;
	if (state == UNIBUS_REVOKED || state == UNIBUS_STOPPED)
		line_end(ch->line);
	else if (!c->json && state == UNIBUS_CONNECTING && why)
		chat_say(ch, "-- connection lost (%s), reconnecting", unibus_strerror(why));
	else if (!c->json && state == UNIBUS_CONNECTED && atomic_load(&ch->greeted))
		chat_say(ch, "-- connected again");
}

static void greet(struct chat *ch)
{
	struct unibus_room_info i;

	unibus_room_get_info(ch->c->room, &i);
	atomic_store(&ch->greeted, true);
	ch->plain = !i.policy.encrypt && !i.policy.sign && !i.policy.persist;
	if (!ch->c->json)
		chat_say(ch, "-- %s: %zu in it, %s; /help lists commands, Ctrl-D ends", i.subject,
			i.members,
			i.policy.encrypt ? "encrypted"
			: ch->plain      ? "plain: others on the bus can read it"
					 : "not encrypted");
}

static int talk(struct chat *ch)
{
	struct cli *c = ch->c;
	unibus_sub *sub = NULL;
	char *text;
	bool go_on = true;
	enum unibus_err err = unibus_subscribe(c->room, chat_on_message, ch, &sub);

	if (err)
		return cli_fail(c, c->args[0], err);
	unibus_sub_signals(sub, true);
	greet(ch);
	while (go_on && (text = line_next(ch->line)) != NULL) {
		go_on = chat_line(ch, text);
		free(text);
	}
	err = unibus_client_state(c->client) == UNIBUS_CONNECTED
		      ? unibus_flush(c->client, (unsigned)c->timeout_ms)
		      : UNIBUS_OK;
	unibus_unsubscribe(sub);
	return err ? cli_fail(c, "what was said last may not have been sent", err) : CLI_OK;
}

/* What is left to be shown, once no line is in its way. */
static void show_rest(struct chat *ch)
{
	UB_CLEANUP(ub_freep) char *text = NULL;
	int ms;

	if (line_is_terminal(ch->line))
		putchar('\n');
	text = chat_news(ch, &ms);
	if (text)
		fputs(text, stdout);
}

static void chat_free(struct chat *ch)
{
	line_close(ch->line);
	ub_buf_deinit(&ch->news);
	pthread_mutex_destroy(&ch->lock);
	free(ch);
}

static struct chat *chat_new(struct cli *c)
{
	struct chat *ch = calloc(1, sizeof(*ch));
	struct line_hooks hooks = {.arg = ch,
		.news = chat_news,
		.prompt = chat_prompt,
		.typing = chat_typing,
		.word = chat_word};

	if (!ch)
		return NULL;
	ch->c = c;
	ch->news = UB_BUF(CHAT_ITEMS * UB_PAYLOAD_MAX);
	pthread_mutex_init(&ch->lock, NULL);
	if (line_open(&hooks, &ch->line)) {
		chat_free(ch);
		return NULL;
	}
	return ch;
}

static int cmd_chat(struct cli *c)
{
	struct chat *ch = chat_new(c);
	int rc;

	if (!ch)
		return cli_fail_text("the terminal could not be set up");
	c->on_state = on_state;
	c->on_event = on_event;
	c->chat = ch;
	rc = cli_open_room(c);
	if (!rc)
		rc = talk(ch);
	show_rest(ch);
	if (!rc)
		rc = cli_listen_end(c);
	/* The client may still tell something, until it is closed. */
	unibus_room_free(c->room);
	c->room = NULL;
	unibus_close(c->client);
	c->client = NULL;
	c->chat = NULL;
	chat_free(ch);
	return rc;
}

const struct cli_command cli_chat_commands[] = {
	{NULL, "chat", "ROOM", "take part in a room, line by line", chat_rows, 1, 1, cmd_chat},
	{0},
};
