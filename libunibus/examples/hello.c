/* Says hello in a room and prints what is said there, until Enter.
 *
 *   cc -o hello hello.c $(pkg-config --cflags --libs unibus)
 *   ./hello bob.json room.demo
 *
 * UNIBUS_CTRL_URLS, UNIBUS_NATS_URLS and UNIBUS_CA say where the bus is if not on this machine. */
#include <stdio.h>
#include <unibus/unibus.h>

static void on_message(void *arg, const struct unibus_msg *m)
{
	(void)arg;
	printf("%s: %.*s\n", m->handle, (int)m->len, (const char *)m->data);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unibus_identity *id = NULL;
	unibus_options *options = NULL;
	unibus_client *client = NULL;
	unibus_room *room = NULL;
	unibus_sub *sub = NULL;
	enum unibus_err err = UNIBUS_ERR_INVALID;

	if (argc != 3)
		fprintf(stderr, "usage: hello IDENTITY_FILE ROOM\n");
	else
		err = unibus_identity_load(argv[1], &id);
	if (!err)
		err = unibus_options_new(&options);
	if (!err)
		err = unibus_options_from_env(options);
	if (!err)
		err = unibus_options_set_identity(options, id);
	if (!err)
		err = unibus_connect(options, &client);
	if (!err)
		err = unibus_room_open(client, argv[2], &room);
	if (!err)
		err = unibus_subscribe(room, on_message, NULL, &sub);
	if (!err)
		err = unibus_publish_text(room, "hello");
	if (err)
		fprintf(stderr, "hello: %s\n", unibus_strerror(err));
	else
		getchar();
	unibus_unsubscribe(sub);
	unibus_room_free(room);
	unibus_close(client);
	unibus_options_free(options);
	unibus_identity_free(id);
	return err ? 1 : 0;
}
