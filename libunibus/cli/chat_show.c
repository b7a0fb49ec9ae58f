/* What is shown of what happens in a room. */
#include <stdarg.h>
#include <time.h>

#include "cli/chat.h"
#include "core/limits.h"

#define MEDIA_FAILED "text/vnd.unibus.failed"

static uint64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- who ---- */

/* Under the lock. The one who was silent longest makes place. */
static struct chat_heard *heard_of(struct chat *ch, const struct unibus_msg *m)
{
	struct chat_heard *h = NULL;

	for (size_t i = 0; i < ch->n_heard; i++) {
		if (strcmp(ch->heard[i].endpoint, m->sender) == 0)
			return &ch->heard[i];
		if (!h || ch->heard[i].at_ms < h->at_ms)
			h = &ch->heard[i];
	}
	if (ch->n_heard < CHAT_HEARD)
		h = &ch->heard[ch->n_heard++];
	*h = (struct chat_heard){0};
	snprintf(h->endpoint, sizeof(h->endpoint), "%s", m->sender);
	return h;
}

static bool is_me(const struct chat *ch, const char *endpoint)
{
	return endpoint && strcmp(endpoint, unibus_client_endpoint(ch->c->client)) == 0;
}

static void note_sender(struct chat *ch, const struct unibus_msg *m)
{
	struct chat_heard *h;

	if (!m->sender)
		return;
	pthread_mutex_lock(&ch->lock);
	h = heard_of(ch, m);
	snprintf(h->handle, sizeof(h->handle), "%s", m->handle);
	h->at_ms = wall_ms();
	h->writing_until_ms = m->kind == UNIBUS_TYPING ? h->at_ms + CHAT_WRITING_MS : 0;
	pthread_mutex_unlock(&ch->lock);
}

/* ---- numbers ---- */

static uint64_t number(struct chat *ch, const struct unibus_msg *m)
{
	struct chat_item *it;
	uint64_t n;

	pthread_mutex_lock(&ch->lock);
	n = ++ch->n_items;
	it = &ch->items[n % CHAT_ITEMS];
	*it = (struct chat_item){0};
	if (m->ref)
		snprintf(it->ref, sizeof(it->ref), "%s", m->ref);
	if (m->thread)
		snprintf(it->thread, sizeof(it->thread), "%s", m->thread);
	if (m->sender)
		snprintf(it->sender, sizeof(it->sender), "%s", m->sender);
	pthread_mutex_unlock(&ch->lock);
	return n;
}

/* Under the lock. 0: not here. */
static uint64_t number_of(const struct chat *ch, const char *ref)
{
	for (uint64_t n = ch->n_items; n > 0 && n + CHAT_ITEMS > ch->n_items; n--)
		if (strcmp(ch->items[n % CHAT_ITEMS].ref, ref) == 0)
			return n;
	return 0;
}

static uint64_t find_number(struct chat *ch, const char *ref, struct chat_item *ret)
{
	uint64_t n;

	if (!ref)
		return 0;
	pthread_mutex_lock(&ch->lock);
	n = number_of(ch, ref);
	if (n && ret)
		*ret = ch->items[n % CHAT_ITEMS];
	pthread_mutex_unlock(&ch->lock);
	return n;
}

/* Under the lock. */
static uint64_t number_from(const struct chat *ch, const char *word)
{
	char *end = NULL;
	unsigned long long n;

	if (strcmp(word, "^") == 0) {
		for (n = ch->n_items; n > 0 && n + CHAT_ITEMS > ch->n_items; n--)
			if (is_me(ch, ch->items[n % CHAT_ITEMS].sender))
				return n;
		return 0;
	}
	if (word[0] < '1' || word[0] > '9')
		return number_of(ch, word);
	n = strtoull(word, &end, 10);
	if (*end != '\0')
		return number_of(ch, word);
	return n <= ch->n_items && n + CHAT_ITEMS > ch->n_items ? n : 0;
}

bool chat_find(struct chat *ch, const char *word, struct chat_item *ret, uint64_t *ret_n)
{
	uint64_t n;

	pthread_mutex_lock(&ch->lock);
	n = number_from(ch, word);
	if (n)
		*ret = ch->items[n % CHAT_ITEMS];
	pthread_mutex_unlock(&ch->lock);
	*ret_n = n;
	return n && ret->ref[0];
}

/* ---- news ---- */

static void add_news(struct chat *ch, const char *text, size_t len)
{
	pthread_mutex_lock(&ch->lock);
	ub_buf_put(&ch->news, text, len);
	pthread_mutex_unlock(&ch->lock);
	line_wake(ch->line);
}

void chat_say(struct chat *ch, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(text) - 2)
		n = (int)sizeof(text) - 2;
	text[n] = '\n';
	add_news(ch, text, (size_t)n + 1);
}

static void put_time(FILE *to, uint64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char text[16] = "";

	if (localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%H:%M", &tm);
	fprintf(to, "%s ", text);
}

static void put_name(FILE *to, const struct unibus_msg *m)
{
	if (m->handle[0])
		cli_put_safe_to(to, m->handle, strlen(m->handle));
	else
		fprintf(to, "%.8s", m->sender ? m->sender : "somebody");
	if (m->sender && !m->verified)
		fputs(" (not signed)", to);
}

static void put_target(FILE *to, uint64_t n)
{
	if (n)
		fprintf(to, "[%llu]", (unsigned long long)n);
	else
		fputs("an older message", to);
}

static void put_body(FILE *to, const struct unibus_msg *m)
{
	if (m->media_type[0] && strcmp(m->media_type, MEDIA_FAILED) != 0) {
		fputc('<', to);
		cli_put_safe_to(to, m->media_type, strlen(m->media_type));
		fprintf(to, ", %zu bytes>\n", m->len);
		return;
	}
	cli_put_safe_to(to, m->data, m->len);
	fputc('\n', to);
}

static void put_said(struct chat *ch, FILE *to, const struct unibus_msg *m)
{
	uint64_t n = number(ch, m), thread = find_number(ch, m->thread, NULL),
		 reply = find_number(ch, m->reply, NULL);

	if (m->ref)
		fprintf(to, "[%llu] ", (unsigned long long)n);
	put_time(to, m->ts_ms);
	put_name(to, m);
	if (m->kind == UNIBUS_REQUEST)
		fputs(" asks", to);
	if (m->kind == UNIBUS_RESPONSE)
		fputs(strcmp(m->media_type, MEDIA_FAILED) == 0 ? " fails" : " answers", to);
	if (m->reply || m->thread) {
		fputs(m->reply ? " (to " : " (in ", to);
		put_target(to, m->reply ? reply : thread);
		fputc(')', to);
	}
	fputs(": ", to);
	put_body(to, m);
}

/* Reactions, edits, redactions. */
static void put_about(struct chat *ch, FILE *to, const struct unibus_msg *m)
{
	struct chat_item target = {0};
	uint64_t n = find_number(ch, m->reply, &target);

	/* The library does not remember as far back as we may. */
	if (!m->permitted && n && strcmp(target.sender, m->sender) != 0)
		return;
	fputs("    ", to);
	put_name(to, m);
	fputs(m->kind == UNIBUS_REACT    ? " reacts to "
		: m->kind == UNIBUS_EDIT ? " corrects "
					 : " takes back ",
		to);
	put_target(to, n);
	if (!m->permitted && !n)
		fputs(" (whose, nobody here can tell)", to);
	if (m->kind == UNIBUS_REDACT) {
		fputc('\n', to);
		return;
	}
	fputs(": ", to);
	put_body(to, m);
}

static void show(struct chat *ch, FILE *to, const struct unibus_msg *m)
{
	switch (m->kind) {
	case UNIBUS_MESSAGE:
	case UNIBUS_REQUEST:
	case UNIBUS_RESPONSE:
		put_said(ch, to, m);
		break;
	case UNIBUS_REACT:
	case UNIBUS_EDIT:
	case UNIBUS_REDACT:
		put_about(ch, to, m);
		break;
	case UNIBUS_TYPING: /* in the prompt */
	case UNIBUS_RECEIPT:
	case UNIBUS_BEACON:
		break;
	}
}

void chat_on_message(void *arg, const struct unibus_msg *m)
{
	struct chat *ch = arg;
	char *text = NULL;
	size_t len = 0;
	FILE *to;

	note_sender(ch, m);
	if (m->kind >= UNIBUS_TYPING && !ch->c->json) {
		/* It shows in the prompt. */
		if (m->kind == UNIBUS_TYPING && !is_me(ch, m->sender))
			line_wake(ch->line);
		return;
	}
	to = open_memstream(&text, &len);
	if (!to)
		return;
	if (ch->c->json) {
		json_t *v = cli_message_json(m);
		char *json = v ? json_dumps(v, JSON_COMPACT) : NULL;

		if (json)
			fprintf(to, "%s\n", json);
		free(json);
		json_decref(v);
	} else {
		show(ch, to, m);
	}
	fclose(to);
	if (text)
		add_news(ch, text, len);
	free(text);
}

/* ---- the line's hooks ---- */

char *chat_news(void *arg, int *ret_ms)
{
	struct chat *ch = arg;
	uint64_t now = wall_ms(), next = 0;
	char *text = NULL;

	pthread_mutex_lock(&ch->lock);
	if (ch->news.len > 0)
		text = ub_buf_take(&ch->news);
	ch->news = UB_BUF(CHAT_ITEMS * UB_PAYLOAD_MAX);
	for (size_t i = 0; i < ch->n_heard; i++)
		if (ch->heard[i].writing_until_ms > now &&
			(next == 0 || ch->heard[i].writing_until_ms < next))
			next = ch->heard[i].writing_until_ms;
	pthread_mutex_unlock(&ch->lock);
	*ret_ms = next ? (int)(next - now) + 1 : -1;
	return text;
}

/* Under the lock: the one who is writing, of several the first; how many there are. */
static size_t writing(const struct chat *ch, const struct chat_heard **ret)
{
	uint64_t now = wall_ms();
	size_t n = 0;

	for (size_t i = 0; i < ch->n_heard; i++) {
		if (ch->heard[i].writing_until_ms <= now || is_me(ch, ch->heard[i].endpoint))
			continue;
		if (n++ == 0)
			*ret = &ch->heard[i];
	}
	return n;
}

const char *chat_prompt(void *arg)
{
	struct chat *ch = arg;
	const struct chat_heard *who = NULL;
	char note[80] = "", in[32] = "";
	size_t n;

	pthread_mutex_lock(&ch->lock);
	n = writing(ch, &who);
	if (n == 1)
		snprintf(note, sizeof(note), "(%s is writing) ",
			who->handle[0] ? who->handle : who->endpoint);
	else if (n > 1)
		snprintf(note, sizeof(note), "(%zu are writing) ", n);
	pthread_mutex_unlock(&ch->lock);
	if (ch->thread[0])
		snprintf(in, sizeof(in), " [%llu]", (unsigned long long)ch->thread_n);
	snprintf(ch->prompt, sizeof(ch->prompt), "%s%.128s%s> ", note, ch->c->args[0], in);
	return ch->prompt;
}

void chat_typing(void *arg)
{
	struct chat *ch = arg;
	uint64_t now = wall_ms();

	if (ch->plain || now < ch->typing_ms ||
		unibus_client_state(ch->c->client) != UNIBUS_CONNECTED)
		return;
	/* Nobody misses one that fails; a reader tries less often. */
	ch->typing_ms = now + CHAT_WRITING_MS / (unibus_typing(ch->c->room) ? 1U : 2U);
}

const char *chat_word(void *arg, size_t i)
{
	struct chat *ch = arg;
	const char *name = NULL;
	size_t commands = 0;

	while (chat_command_name(commands))
		commands++;
	if (i < commands)
		return chat_command_name(i);
	pthread_mutex_lock(&ch->lock);
	if (i - commands < ch->n_heard) {
		snprintf(ch->word, sizeof(ch->word), "%s", ch->heard[i - commands].handle);
		name = ch->word;
	}
	pthread_mutex_unlock(&ch->lock);
	return name;
}
