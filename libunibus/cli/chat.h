/* chat.h: a room as a person sees it: numbered messages, who was heard, who is writing.
 *
 * Threads: what came is written by the library's thread and read by the main one, under the lock.
 */
#ifndef CLI_CHAT_H
#define CLI_CHAT_H

#include <pthread.h>
#include <stdatomic.h>

#include "cli/cli.h"
#include "cli/line.h"
#include "cli/listen.h"
#include "core/buf.h"

#define CHAT_ITEMS 1000
#define CHAT_HEARD 256
#define CHAT_WRITING_MS 6000

struct chat_item { /* a message that can be named by its number */
	unibus_ref ref, thread;
	char sender[44];
};
struct chat_heard {
	char endpoint[44], handle[33];
	uint64_t at_ms, writing_until_ms; /* unix time */
};

struct chat {
	struct cli *c;
	struct line *line;
	bool plain;
	atomic_bool greeted;

	pthread_mutex_t lock;               /* guards: */
	struct ub_buf news;                 /* to be shown */
	struct chat_item items[CHAT_ITEMS]; /* number n is at n % CHAT_ITEMS */
	uint64_t n_items;                   /* the newest has this number, from 1 */
	struct chat_heard heard[CHAT_HEARD];
	size_t n_heard;

	/* The main thread's: */
	unibus_ref thread; /* what is said goes there; "" none */
	uint64_t thread_n;
	uint64_t typing_ms; /* when to say next that we write */
	char prompt[256];
	char word[64];
};

/* ---- chat_show.c ---- */

/* Appends a line to the news and wakes the main thread. */
void chat_say(struct chat *ch, const char *fmt, ...) UB_PRINTF(2, 3);
void chat_on_message(void *arg, const struct unibus_msg *m);
/* The hooks of line.h. */
char *chat_news(void *arg, int *ret_ms);
const char *chat_prompt(void *arg);
void chat_typing(void *arg);
const char *chat_word(void *arg, size_t i);
/* The reference of a message: its number, ^ for one's own last, or the reference itself. False
 * when there is none. */
bool chat_find(struct chat *ch, const char *word, struct chat_item *ret, uint64_t *ret_n);

/* ---- chat_command.c ---- */

/* Does what a line says. False: it is time to end. */
bool chat_line(struct chat *ch, char *text);
/* The i-th command, "/help" and so on; NULL at the end. */
const char *chat_command_name(size_t i);

#endif
