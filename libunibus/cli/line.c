#include "cli/line.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <wchar.h>

#include "core/buf.h"
#include "core/limits.h"

#define HISTORY_LINES 500

struct line {
	struct line_hooks h;
	int wake, signals; /* -1: none */
	atomic_bool ended;
	int news_ms; /* until the news are to be looked at again; -1: not */
	/* A terminal's: */
	EditLine *el;
	History *history;
	/* A pipe's: what was read and is no line yet. */
	struct ub_buf in;
	bool at_end;
};

/* ---- the screen ---- */

static size_t columns(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static size_t width(const char *p, size_t len)
{
	mbstate_t state = {0};
	size_t sum = 0;

	while (len > 0) {
		wchar_t ch;
		size_t n = mbrtowc(&ch, p, len, &state);
		int w;

		if (n == (size_t)-1 || n == (size_t)-2 || n == 0)
			return sum + len;
		w = wcwidth(ch);
		sum += w > 0 ? (size_t)w : 0;
		p += n;
		len -= n;
	}
	return sum;
}

/* Goes up `rows` and clears from there. */
static void clear_up(size_t rows)
{
	fputc('\r', stdout);
	if (rows > 0)
		printf("\033[%zuA", rows);
	fputs("\033[J", stdout);
}

/* Takes the line being typed off the screen. */
static void clear_line(struct line *l)
{
	const LineInfo *li = el_line(l->el);
	const char *prompt = l->h.prompt(l->h.arg);
	size_t before = width(prompt, strlen(prompt)) +
			width(li->buffer, (size_t)(li->cursor - li->buffer));

	clear_up(before / columns());
}

static void show_news(struct line *l)
{
	UB_CLEANUP(ub_freep) char *text = NULL;

	if (l->el)
		clear_line(l);
	text = l->h.news(l->h.arg, &l->news_ms);
	if (text)
		fputs(text, stdout);
	fflush(stdout);
	if (l->el)
		el_set(l->el, EL_REFRESH);
}

/* ---- waiting ---- */

static void take_wake(struct line *l)
{
	eventfd_t n;

	if (eventfd_read(l->wake, &n) == 0)
		show_news(l);
}

static void take_signal(struct line *l)
{
	struct signalfd_siginfo si;

	if (read(l->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGWINCH && l->el)
		el_resize(l->el);
	else if (si.ssi_signo != SIGWINCH)
		atomic_store(&l->ended, true);
}

/* Until there is input; false when it is over. */
static bool wait_input(struct line *l)
{
	while (!atomic_load(&l->ended)) {
		struct pollfd p[] = {
			{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = l->wake, .events = POLLIN},
			{.fd = l->signals, .events = POLLIN},
		};
		int n = poll(p, UB_ARRAY_LEN(p), l->news_ms);

		if (n < 0 && errno != EINTR)
			return false;
		if (n == 0)
			show_news(l);
		if (n <= 0)
			continue;
		if (p[2].revents)
			take_signal(l);
		if (p[1].revents)
			take_wake(l);
		if (p[0].revents)
			return !atomic_load(&l->ended);
	}
	return false;
}

/* ---- a terminal ---- */

/* One character for libedit. 1, 0 at the end, -1 on an error. */
static int get_char(EditLine *el, wchar_t *ret)
{
	struct line *l = NULL;
	mbstate_t state = {0};

	if (el_get(el, EL_CLIENTDATA, &l) != 0 || !l)
		return -1;
	for (;;) {
		char c;
		size_t n;

		if (!wait_input(l) || read(STDIN_FILENO, &c, 1) != 1)
			return 0;
		n = mbrtowc(ret, &c, 1, &state);
		if (n == (size_t)-1) {
			state = (mbstate_t){0};
			continue;
		}
		if (n != (size_t)-2)
			break;
	}
	if (*ret >= L' ' && *ret != 0x7f) {
		const LineInfo *li = el_line(el);

		if (li->lastchar > li->buffer && li->buffer[0] != '/')
			l->h.typing(l->h.arg);
	}
	return 1;
}

static char *prompt_of(EditLine *el)
{
	struct line *l = NULL;

	el_get(el, EL_CLIENTDATA, &l);
	ub_assert(l);
	return (char *)(uintptr_t)l->h.prompt(l->h.arg);
}

/* Completes the word in front of the cursor as far as all that fit agree. */
static unsigned char complete(EditLine *el, int ch)
{
	const LineInfo *li = el_line(el);
	const char *begin = li->cursor, *word, *found = NULL;
	struct line *l = NULL;
	size_t typed, agreed = 0;
	char rest[128];

	(void)ch;
	if (el_get(el, EL_CLIENTDATA, &l) != 0 || !l)
		return CC_ERROR;
	while (begin > li->buffer && begin[-1] != ' ')
		begin--;
	typed = (size_t)(li->cursor - begin);
	for (size_t i = 0; (word = l->h.word(l->h.arg, i)) != NULL; i++) {
		if (strncmp(word, begin, typed) != 0)
			continue;
		if (!found) {
			found = word;
			agreed = strlen(word);
		}
		for (size_t k = typed; k < agreed; k++)
			if (word[k] != found[k])
				agreed = k;
	}
	if (!found || agreed <= typed || agreed - typed >= sizeof(rest))
		return CC_ERROR;
	memcpy(rest, found + typed, agreed - typed);
	rest[agreed - typed] = '\0';
	return el_insertstr(el, rest) == 0 ? CC_REFRESH : CC_ERROR;
}

static ub_err open_terminal(struct line *l)
{
	HistEvent ev;

	l->el = el_init("unibus", stdin, stdout, stderr);
	l->history = history_init();
	if (!l->el || !l->history)
		return UNIBUS_ERR_NOMEM;
	history(l->history, &ev, H_SETSIZE, HISTORY_LINES);
	history(l->history, &ev, H_SETUNIQUE, 1);
	el_set(l->el, EL_CLIENTDATA, l);
	el_set(l->el, EL_PROMPT, prompt_of);
	el_set(l->el, EL_EDITOR, "emacs");
	el_set(l->el, EL_SIGNAL, 0);
	el_set(l->el, EL_HIST, history, l->history);
	el_set(l->el, EL_GETCFN, get_char);
	el_set(l->el, EL_ADDFN, "unibus-complete", "completes a word", complete);
	el_set(l->el, EL_BIND, "^I", "unibus-complete", NULL);
	return UB_OK;
}

static char *next_typed(struct line *l)
{
	UB_CLEANUP(ub_freep) char *text = NULL;
	const char *prompt;
	HistEvent ev;
	int n = 0;
	const char *typed = el_gets(l->el, &n);

	if (!typed || n <= 0 || atomic_load(&l->ended))
		return NULL;
	text = ub_str_dup((struct ub_str){typed, (size_t)n - (typed[n - 1] == '\n')});
	if (!text)
		return NULL;
	/* What was said comes back with the others' lines. */
	prompt = l->h.prompt(l->h.arg);
	clear_up((width(prompt, strlen(prompt)) + width(text, strlen(text))) / columns() + 1);
	fflush(stdout);
	if (text[0])
		history(l->history, &ev, H_ENTER, text);
	return UB_TAKE(text);
}

/* ---- a pipe ---- */

/* The first line of what was read; at the end of the input the rest. */
static char *cut_line(struct line *l)
{
	const char *end = l->in.len > 0 ? memchr(l->in.p, '\n', l->in.len) : NULL;
	size_t len = end ? (size_t)(end - (const char *)l->in.p) : l->in.len;
	char *text;

	if (!end && (!l->at_end || len == 0))
		return NULL;
	text = ub_str_dup((struct ub_str){(const char *)l->in.p, len});
	if (end)
		len++;
	memmove(l->in.p, l->in.p + len, l->in.len - len);
	l->in.len -= len;
	return text;
}

static char *next_piped(struct line *l)
{
	for (;;) {
		char part[4096], *text = cut_line(l);
		ssize_t n;

		if (text || l->at_end || !wait_input(l))
			return text;
		n = read(STDIN_FILENO, part, sizeof(part));
		if (n > 0)
			ub_buf_put(&l->in, part, (size_t)n);
		/* A line that is longer than any message ends it as well. */
		l->at_end = n == 0 || (n < 0 && errno != EINTR) || ub_buf_err(&l->in) != UB_OK;
	}
}

/* ---- both ---- */

static ub_err open_signals(struct line *l)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return UNIBUS_ERR_IO;
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return l->signals >= 0 && l->wake >= 0 ? UB_OK : UNIBUS_ERR_IO;
}

ub_err line_open(const struct line_hooks *hooks, struct line **ret)
{
	struct line *l = calloc(1, sizeof(*l));
	ub_err err;

	if (!l)
		return UNIBUS_ERR_NOMEM;
	l->h = *hooks;
	l->wake = l->signals = l->news_ms = -1;
	l->in = UB_BUF(4 * UB_PAYLOAD_MAX);
	setlocale(LC_CTYPE, "");
	err = open_signals(l);
	if (err == UB_OK && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		err = open_terminal(l);
	if (err != UB_OK) {
		line_close(l);
		return err;
	}
	*ret = l;
	return UB_OK;
}

void line_close(struct line *l)
{
	if (!l)
		return;
	if (l->el)
		el_end(l->el);
	if (l->history)
		history_end(l->history);
	if (l->wake >= 0)
		close(l->wake);
	if (l->signals >= 0)
		close(l->signals);
	ub_buf_deinit(&l->in);
	free(l);
}

bool line_is_terminal(const struct line *l)
{
	return l->el != NULL;
}

char *line_next(struct line *l)
{
	return l->el ? next_typed(l) : next_piped(l);
}

void line_wake(struct line *l)
{
	eventfd_write(l->wake, 1);
}

void line_end(struct line *l)
{
	atomic_store(&l->ended, true);
	line_wake(l);
}
