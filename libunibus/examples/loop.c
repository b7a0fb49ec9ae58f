/* A chat in a program with a loop of its own: one thread, one poll(2), no callback anywhere else.
 * Says what is typed, prints what is said, until the end of input.
 *
 *   cc -o loop loop.c $(pkg-config --cflags --libs unibus)
 *   ./loop bob.json room.demo
 *
 * UNIBUS_CTRL_URLS, UNIBUS_NATS_URLS and UNIBUS_CA say where the bus is if not on this machine. */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unibus/unibus.h>
#include <unistd.h>

static void on_message(void *arg, const struct unibus_msg *m)
{
	(void)arg;
	printf("%s: %.*s\n", m->handle, (int)m->len, (const char *)m->data);
	fflush(stdout);
}

static void on_state(void *arg, unibus_client *client, enum unibus_state state, enum unibus_err why)
{
	(void)client;
	if (why)
		fprintf(stderr, "loop: %s\n", unibus_strerror(why));
	if (state == UNIBUS_REVOKED || state == UNIBUS_STOPPED)
		*(bool *)arg = true;
}

/* What is typed until the loop looks again is one message. */
static enum unibus_err say(unibus_room *room, bool *over)
{
	char text[4096];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));
	struct unibus_publish p;

	memset(&p, 0, sizeof(p));
	while (n > 0 && text[n - 1] == '\n')
		n--;
	p.data = text;
	p.len = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		*over = true;
	return n > 0 ? unibus_publish(room, &p, NULL) : UNIBUS_OK;
}

static enum unibus_err run(unibus_client *client, unibus_room *room, bool *over)
{
	enum unibus_err err = UNIBUS_OK;
	struct pollfd fds[2];

	memset(fds, 0, sizeof(fds));
	fds[0].fd = STDIN_FILENO;
	fds[1].fd = unibus_client_fd(client);
	fds[0].events = fds[1].events = POLLIN;
	while (!err && !*over && poll(fds, 2, -1) > 0) {
		if (fds[1].revents)
			unibus_process(client, 0);
		if (fds[0].revents)
			err = say(room, over);
	}
	return err ? err : unibus_flush(client, 5000);
}

int main(int argc, char **argv)
{
	unibus_identity *id = NULL;
	unibus_options *options = NULL;
	unibus_client *client = NULL;
	unibus_room *room = NULL;
	unibus_sub *sub = NULL;
	enum unibus_err err = UNIBUS_ERR_INVALID;
	bool over = false;

	if (argc != 3)
		fprintf(stderr, "usage: loop IDENTITY_FILE ROOM\n");
	else
		err = unibus_identity_load(argv[1], &id);
	if (!err)
		err = unibus_options_new(&options);
	if (!err)
		err = unibus_options_from_env(options);
	if (!err)
		err = unibus_options_set_identity(options, id);
	if (!err) {
		unibus_options_set_own_loop(options, true);
		unibus_options_on_state(options, on_state, &over);
		err = unibus_connect(options, &client);
	}
	if (!err)
		err = unibus_room_open(client, argv[2], &room);
	if (!err)
		err = unibus_subscribe(room, on_message, NULL, &sub);
	if (!err)
		err = run(client, room, &over);
	if (err)
		fprintf(stderr, "loop: %s\n", unibus_strerror(err));
	unibus_unsubscribe(sub);
	unibus_room_free(room);
	unibus_close(client);
	unibus_options_free(options);
	unibus_identity_free(id);
	return err ? 1 : 0;
}
