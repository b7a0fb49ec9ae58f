/* unibus chat on a terminal: what arrives never garbles what is being typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/harness/actor.h"
#include "tests/harness/person.h"

#define COLUMNS 60
#define ROOM "room.pty"
#define PROMPT ROOM "> "

/* Alice sits at a terminal; Bob uses the library. */
struct desk {
	struct stack stack;
	struct actor root, alice;
	struct person *bob;
	unibus_room *room;
	unibus_sub *sub;
	int tty;
	pid_t pid;
	char seen[65536]; /* what the terminal was sent since the last clear */
	size_t n;
};

static uint64_t mono_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Waits until the terminal was sent this; what was sent before and including it is then forgotten.
 */
static void sees(struct desk *d, const char *text)
{
	uint64_t until = mono_ms() + PERSON_WAIT_MS;
	char *at;

	while ((at = strstr(d->seen, text)) == NULL) {
		struct pollfd p = {.fd = d->tty, .events = POLLIN};
		ssize_t n = 0;

		if (mono_ms() >= until || d->n + 1 >= sizeof(d->seen))
			fail_msg("not seen: '%s', but '%s'", text, d->seen);
		if (poll(&p, 1, 100) > 0)
			n = read(d->tty, d->seen + d->n, sizeof(d->seen) - d->n - 1);
		if (n < 0)
			fail_msg("ended: '%s', but '%s'", text, d->seen);
		d->n += (size_t)n;
		d->seen[d->n] = '\0';
	}
	at += strlen(text);
	d->n -= (size_t)(at - d->seen);
	memmove(d->seen, at, d->n + 1);
}

static void types(struct desk *d, const char *text)
{
	assert_int_equal((ssize_t)strlen(text), write(d->tty, text, strlen(text)));
}

static void run_chat(const struct desk *d)
{
	char program[PROC_PATH], id[PROC_PATH + 16], state[PROC_PATH + 16];

	proc_program("unibus", program);
	(void)snprintf(id, sizeof(id), "%s/alice.id", d->stack.dir);
	(void)snprintf(state, sizeof(state), "%s/alice.state", d->stack.dir);
	(void)setenv("TERM", "xterm", 1);
	(void)setenv("LC_ALL", "C.UTF-8", 1);
	(void)execl(program, program, "chat", ROOM, "--identity", id, "--state-dir", state,
		"--ctrl", d->stack.http_url, "--nats", d->stack.nats_url, (char *)NULL);
	_exit(127);
}

static int sit_down(void **state)
{
	static const struct unibus_policy sealed = {.encrypt = true, .sign = true};
	struct winsize w = {.ws_row = 24, .ws_col = COLUMNS};
	struct desk *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	assert_int_equal(0, stack_start(&d->stack, NULL));
	actor_of(&d->root, "root", &d->stack.admin);
	actor_new(&d->alice, "alice");
	actor_register(&d->stack, &d->root, &d->alice);
	actor_publish(&d->stack, &d->alice);
	unibus_identity_free(actor_identity(&d->alice, d->stack.dir));
	d->bob = person_new(&d->stack, "bob");
	person_connect(d->bob);
	assert_int_equal(UNIBUS_OK, unibus_room_create(d->bob->c, ROOM, &sealed, &d->room));
	assert_int_equal(UNIBUS_OK, unibus_room_invite(d->room, "alice", UNIBUS_MEMBER, NULL));
	d->sub = person_listen(d->bob, d->room);
	d->pid = forkpty(&d->tty, NULL, NULL, &w);
	assert_true(d->pid >= 0);
	if (d->pid == 0)
		run_chat(d);
	sees(d, "in it, encrypted; /help lists commands, Ctrl-D ends\r\n" PROMPT);
	*state = d;
	return 0;
}

static int get_up(void **state)
{
	struct desk *d = *state;
	int status;

	types(d, "\025\004"); /* clears the line, and ends the input */
	assert_int_equal(d->pid, waitpid(d->pid, &status, 0));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(0, close(d->tty));
	unibus_unsubscribe(d->sub);
	unibus_room_free(d->room);
	person_free(d->bob);
	assert_int_equal(0, stack_stop(&d->stack));
	free(d);
	return 0;
}

static void what_arrives_stands_above_what_is_being_typed(void **state)
{
	struct desk *d = *state;

	types(d, "h\303\244l");
	sees(d, "h\303\244l");
	person_say(d->room, "not so fast");
	sees(d, "\r\033[J[1] ");
	sees(d, " bob: not so fast\r\n" PROMPT "h\303\244l");
	/* And it goes on where it was. */
	types(d, "lo\r");
	person_wait(d->bob, "h\303\244llo", 1);
	sees(d, " alice: h\303\244llo\r\n" PROMPT);
}

static void a_line_longer_than_the_screen_is_wide_is_taken_away_whole(void **state)
{
	struct desk *d = *state;
	char line[COLUMNS + 31];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 2] = 'z';
	line[sizeof(line) - 1] = '\0';
	types(d, line);
	sees(d, "xz");
	person_say(d->room, "excuse me");
	sees(d, "\r\033[1A\033[J[");
	sees(d, " bob: excuse me\r\n" PROMPT "xxx");
	sees(d, "xz");
	types(d, "\r");
	person_wait(d->bob, line, 1);
}

static void who_is_writing_stands_in_front(void **state)
{
	struct desk *d = *state;

	assert_int_equal(UNIBUS_OK, unibus_typing(d->room));
	sees(d, "\r\033[J(bob is writing) " PROMPT);
	person_say(d->room, "here it is");
	sees(d, " bob: here it is\r\n" PROMPT);
}

static bool heard_typing(void *arg)
{
	struct person *p = arg;
	bool heard = false;

	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n_heard; i++)
		heard = heard || p->heard[i].kind == UNIBUS_TYPING;
	(void)pthread_mutex_unlock(&p->lock);
	return heard;
}

static void the_others_are_told_that_somebody_writes(void **state)
{
	struct desk *d = *state;

	unibus_sub_signals(d->sub, true);
	types(d, "/help me");
	sees(d, "/help me");
	assert_false(heard_typing(d->bob));
	types(d, "\025dear bob");
	person_until(d->bob, heard_typing, d->bob);
	unibus_sub_signals(d->sub, false);
}

static void commands_are_completed(void **state)
{
	struct desk *d = *state;

	types(d, "\025/he\t");
	sees(d, "/he");
	sees(d, "lp");
	types(d, "\r");
	sees(d, "-- /quit");
	sees(d, "begins with //\r\n" PROMPT);
}

static void a_message_cannot_drive_the_terminal(void **state)
{
	struct desk *d = *state;

	person_say(d->room, "\033[2J\nbob: forged");
	sees(d, " bob: \\x1b[2J\r\n    bob: forged\r\n" PROMPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_arrives_stands_above_what_is_being_typed),
		cmocka_unit_test(a_line_longer_than_the_screen_is_wide_is_taken_away_whole),
		cmocka_unit_test(who_is_writing_stands_in_front),
		cmocka_unit_test(the_others_are_told_that_somebody_writes),
		cmocka_unit_test(commands_are_completed),
		cmocka_unit_test(a_message_cannot_drive_the_terminal),
	};

	return cmocka_run_group_tests(tests, sit_down, get_up);
}
