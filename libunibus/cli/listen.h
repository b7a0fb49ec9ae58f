/* listen.h: what commands share that send messages and listen to them.
 *
 * Threads: the two callbacks come on the library's thread; the rest is for any. */
#ifndef CLI_LISTEN_H
#define CLI_LISTEN_H

#include "cli/cli.h"

/* "message", "react" and so on. */
const char *cli_kind_name(enum unibus_kind kind);
/* The body: "text" when it is UTF-8, else "data" in base64. */
void cli_set_body(json_t *v, const void *data, size_t len);
json_t *cli_message_json(const struct unibus_msg *m); /* NULL without memory */
/* The arguments from the second on, joined by blanks, or standard input for "-"; to be freed. NULL
 * when it is larger than a message may be. */
char *cli_message_text(struct cli *c, size_t *ret_len);
/* What ends a command that listens: no more rights, no more room. For c->on_state, c->on_event. */
void cli_on_state_end(
	void *arg, unibus_client *client, enum unibus_state state, enum unibus_err why);
void cli_on_event_end(void *arg, unibus_client *client, const struct unibus_event *ev);
/* Why it ended: CLI_OK, or CLI_FAILED after saying that this peer is revoked or out of the room. */
int cli_listen_end(struct cli *c);
#endif
