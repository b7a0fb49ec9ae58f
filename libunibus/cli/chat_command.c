/* What a person types: messages, and lines that begin with a slash. */
#include <time.h>

#include "cli/chat.h"

struct command {
	const char *name, *args, *help;
	bool (*run)(struct chat *ch, char *args); /* false: it is time to end */
};
static const struct command *all_commands(void); /* ended by one without a name */

/* ---- words ---- */

/* The first word; *rest is what follows. NULL when there is none. */
static char *first_word(char *text, char **rest)
{
	char *end;

	text += strspn(text, " ");
	end = text + strcspn(text, " ");
	*rest = end + strspn(end, " ");
	*end = '\0';
	return text[0] ? text : NULL;
}

/* The message that the first word names; says so when there is none. */
static bool target_of(
	struct chat *ch, char *args, char **rest, struct chat_item *ret, uint64_t *ret_n)
{
	char *word = first_word(args, rest);
	uint64_t n;

	if (ch->plain)
		chat_say(ch, "-- a plain room has bare messages only");
	else if (!word)
		chat_say(ch, "-- which message? its number, or ^ for your last one");
	else if (!chat_find(ch, word, ret, &n))
		chat_say(ch, "-- there is no message %.40s", word);
	else {
		if (ret_n)
			*ret_n = n;
		return true;
	}
	return false;
}

static bool said(struct chat *ch, enum unibus_err err)
{
	char detail[512] = "";

	if (err == UNIBUS_OK)
		return true;
	unibus_client_detail(ch->c->client, detail, sizeof(detail));
	chat_say(ch, "-- not sent: %s", detail[0] ? detail : unibus_strerror(err));
	return true;
}

static bool send_text(struct chat *ch, const char *text, const char *thread, const char *reply)
{
	struct unibus_publish p = {
		.data = text, .len = strlen(text), .thread = thread, .reply = reply};

	ch->typing_ms = 0;
	return said(ch, unibus_publish(ch->c->room, &p, NULL));
}

/* ---- commands ---- */

static bool run_help(struct chat *ch, char *args)
{
	(void)args;
	for (const struct command *c = all_commands(); c->name; c++)
		chat_say(ch, "-- %-8s %-12s %s", c->name, c->args, c->help);
	chat_say(ch, "-- N is a message's number, or ^ for your last one; a line that is to begin "
		     "with / begins with //");
	return true;
}

/* The thread that a message is in, or begins. */
static const char *thread_of(const struct chat_item *it)
{
	return it->thread[0] ? it->thread : it->ref;
}

static bool run_thread(struct chat *ch, char *args)
{
	struct chat_item it;
	uint64_t n;
	char *rest;

	if (!args[strspn(args, " ")]) {
		chat_say(ch, ch->thread[0] ? "-- out of the thread" : "-- which thread?");
		ch->thread[0] = '\0';
		return true;
	}
	if (!target_of(ch, args, &rest, &it, &n))
		return true;
	if (rest[0])
		return send_text(ch, rest, thread_of(&it), NULL);
	snprintf(ch->thread, sizeof(ch->thread), "%s", thread_of(&it));
	ch->thread_n = n;
	chat_say(ch, "-- what you say goes to the thread of [%llu]; /thread alone ends that",
		(unsigned long long)n);
	return true;
}

static bool run_reply(struct chat *ch, char *args)
{
	struct chat_item it;
	char *rest;

	if (!target_of(ch, args, &rest, &it, NULL))
		return true;
	if (rest[0])
		return send_text(ch, rest, it.thread[0] ? it.thread : NULL, it.ref);
	chat_say(ch, "-- and what do you reply?");
	return true;
}

static bool run_react(struct chat *ch, char *args)
{
	struct chat_item it;
	char *rest;

	if (!target_of(ch, args, &rest, &it, NULL))
		return true;
	return said(ch, unibus_react(ch->c->room, it.ref, rest[0] ? rest : "+1"));
}

static bool run_edit(struct chat *ch, char *args)
{
	struct chat_item it;
	char *rest;

	if (!target_of(ch, args, &rest, &it, NULL))
		return true;
	if (rest[0])
		return said(ch, unibus_edit(ch->c->room, it.ref, rest));
	chat_say(ch, "-- and what is it to say?");
	return true;
}

static bool run_redact(struct chat *ch, char *args)
{
	struct chat_item it;
	char *rest;

	if (!target_of(ch, args, &rest, &it, NULL))
		return true;
	return said(ch, unibus_redact(ch->c->room, it.ref));
}

static void heard_when(struct chat *ch, const char *endpoint, char to[64])
{
	struct timespec t;
	uint64_t at = 0, now;

	clock_gettime(CLOCK_REALTIME, &t);
	now = (uint64_t)t.tv_sec * 1000;
	pthread_mutex_lock(&ch->lock);
	for (size_t i = 0; i < ch->n_heard; i++)
		if (strcmp(ch->heard[i].endpoint, endpoint) == 0)
			at = ch->heard[i].at_ms;
	pthread_mutex_unlock(&ch->lock);
	if (strcmp(endpoint, unibus_client_endpoint(ch->c->client)) == 0)
		snprintf(to, 64, "you");
	else if (at == 0)
		snprintf(to, 64, "not heard");
	else if (now < at + 60000)
		snprintf(to, 64, "here");
	else
		snprintf(to, 64, "heard %llu min ago", (unsigned long long)((now - at) / 60000));
}

static bool show_member(void *arg, const struct unibus_member *m)
{
	struct chat *ch = arg;
	char when[64];

	heard_when(ch, m->endpoint, when);
	chat_say(ch, "-- %-24s %-7s %s", m->handle[0] ? m->handle : m->endpoint,
		cli_role_name(m->role), when);
	return true;
}

static bool run_who(struct chat *ch, char *args)
{
	(void)args;
	return said(ch, unibus_room_members(ch->c->room, show_member, ch));
}

static bool run_ref(struct chat *ch, char *args)
{
	struct chat_item it;
	uint64_t n;
	char *rest;

	if (target_of(ch, args, &rest, &it, &n))
		chat_say(ch, "-- [%llu] is %s", (unsigned long long)n, it.ref);
	return true;
}

static bool run_quit(struct chat *ch, char *args)
{
	(void)ch;
	(void)args;
	return false;
}

static const struct command commands[] = {
	{"/help", "", "this", run_help},
	{"/who", "", "who is in the room, and was heard", run_who},
	{"/reply", "N TEXT", "answer a message", run_reply},
	{"/thread", "N [TEXT]", "say it in a message's thread, or all that follows", run_thread},
	{"/react", "N [TEXT]", "react to a message: +1, an emoji", run_react},
	{"/edit", "N TEXT", "put another text in place of yours", run_edit},
	{"/redact", "N", "take a message back", run_redact},
	{"/ref", "N", "a message's full name", run_ref},
	{"/quit", "", "end", run_quit},
	{0},
};

static const struct command *all_commands(void)
{
	return commands;
}

const char *chat_command_name(size_t i)
{
	return i < UB_ARRAY_LEN(commands) ? commands[i].name : NULL;
}

static bool run_command(struct chat *ch, char *text)
{
	char *rest, *name = first_word(text, &rest);

	for (const struct command *c = commands; c->name; c++)
		if (name && strcmp(c->name, name) == 0)
			return c->run(ch, rest);
	chat_say(ch, "-- there is no %.40s; see /help", name);
	return true;
}

bool chat_line(struct chat *ch, char *text)
{
	if (text[0] == '/' && text[1] != '/')
		return run_command(ch, text);
	if (text[0] == '/')
		text++;
	if (!text[0])
		return true;
	return send_text(ch, text, ch->thread[0] ? ch->thread : NULL, NULL);
}
