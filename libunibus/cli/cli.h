/* cli.h: what the subcommands of the `unibus` tool share.
 *
 * The tool is a peer like any other: it uses the public API only. Exit codes: 0 done, 1 refused or
 * failed, 2 usage.
 *
 * Threads: subcommands run on the main thread; message callbacks on the library's. */
#ifndef CLI_H
#define CLI_H

#include <jansson.h>
#include <unibus/unibus.h>

#include "core/base.h"
#include "support/options.h"

enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
};

struct cli { /* all options of all subcommands; rows say which apply */
	const char *identity, *ca, *state_dir;
	struct opt_list ctrl, nats;
	uint64_t timeout_ms;
	bool json;

	const char *out, *role, *label, *fingerprint, *reply, *thread, *type, *since, *durable;
	bool plain, no_encrypt, no_sign, persist, yes, wait;
	bool encrypt, sign, messages;
	int history, kind;
	uint64_t count, for_ms, limit, from, retain_messages, retain_bytes, retain_age_ms;
	const char *exec, *name;
	uint64_t exec_timeout_ms, parallel, size;

	const char *args[64];
	size_t n_args;
	const struct cli_command *command;
	struct chat *chat;        /* of the subcommand chat */
	unibus_state_fn on_state; /* of commands that go on; NULL: the outcome says enough */
	unibus_event_fn on_event;
	bool was_lost; /* of on_state only */

	char identity_path[4096];
	unibus_identity *id;
	unibus_options *options;
	unibus_client *client;
	unibus_room *room;
};

struct cli_command {
	const char *group, *name; /* "room", "create"; group NULL: a word of its own */
	const char *args;         /* for the usage line */
	const char *help;
	const struct opt_row *rows;
	size_t min_args, max_args;
	int (*run)(struct cli *c);
};

/* The tables, one a file, each ended by a row without a name. */
extern const struct cli_command cli_id_commands[], cli_call_commands[], cli_users_commands[],
	cli_room_commands[], cli_message_commands[], cli_work_commands[], cli_bench_commands[],
	cli_chat_commands[], cli_blob_commands[], cli_completion_commands[];
/* All of them in the order of --help, ended by NULL. */
extern const struct cli_command *const cli_tables[];

/* Options that every subcommand takes; and those that the ones which connect take. */
#define CLI_ROW_COMMON \
	{.name = "identity", \
		.value = "FILE", \
		.type = OPT_TEXT, \
		.offset = offsetof(struct cli, identity), \
		.env = "UNIBUS_IDENTITY", \
		.help = "the peer's key file (default ~/.config/unibus/identity.json)"}, \
	{ \
		.name = "json", .type = OPT_FLAG, .offset = offsetof(struct cli, json), \
		.help = "answer as JSON" \
	}
#define CLI_ROW_CONNECT \
	CLI_ROW_COMMON, \
		{.name = "ctrl", \
			.value = "URLS", \
			.type = OPT_LIST, \
			.offset = offsetof(struct cli, ctrl), \
			.env = "UNIBUS_CTRL_URLS", \
			.dflt = "http://127.0.0.1:8470", \
			.help = "control planes"}, \
		{.name = "nats", \
			.value = "URLS", \
			.type = OPT_LIST, \
			.offset = offsetof(struct cli, nats), \
			.env = "UNIBUS_NATS_URLS", \
			.dflt = "nats://127.0.0.1:4250", \
			.help = "message servers"}, \
		{.name = "ca", \
			.value = "FILE", \
			.type = OPT_TEXT, \
			.offset = offsetof(struct cli, ca), \
			.env = "UNIBUS_CA", \
			.help = "the bus CA; then only TLS is used"}, \
		{.name = "state-dir", \
			.value = "DIR", \
			.type = OPT_TEXT, \
			.offset = offsetof(struct cli, state_dir), \
			.env = "UNIBUS_STATE_DIR", \
			.help = "verified logs and pins (default " \
				"~/.local/state/unibus/<endpoint>)"}, \
	{ \
		.name = "timeout", .value = "TIME", .type = OPT_DURATION_MS, \
		.offset = offsetof(struct cli, timeout_ms), .dflt = "10s", .min = 100, \
		.max = 600000, .help = "the longest a single step may take" \
	}

/* Says why on stderr and gives CLI_FAILED. `what` is a sentence's beginning: "could not ...". */
int cli_fail(struct cli *c, const char *what, enum unibus_err err);
/* The same with a sentence of its own. */
int cli_fail_text(const char *fmt, ...) UB_PRINTF(1, 2);

/* Fills in identity_path: --identity, or the default place. 0 or an exit code. */
int cli_identity_path(struct cli *c);
/* Loads the identity (a missing one is an error that says how to make one). 0 or an exit code. */
int cli_load_identity(struct cli *c);
/* Connects: with control_only to REST alone. Says why not. 0 or an exit code. */
int cli_connect(struct cli *c, bool control_only);
/* Connects to both planes and opens the room named by the first argument. */
int cli_open_room(struct cli *c);

/* Says an event on stderr: what a client without ideas of its own does. */
void cli_on_event(void *arg, unibus_client *client, const struct unibus_event *ev);

/* One signed call; a refusal is said on stderr. *ret is to be json_decref'ed. 0 or an exit code. */
int cli_call(struct cli *c, const char *method, const char *target, json_t *body, json_t **ret);

/* Text that came from others, on stdout: control characters are escaped, so that a message cannot
 * drive the terminal; lines after the first are indented, so that it cannot pass for another. */
void cli_put_safe(const char *text, size_t len);
void cli_put_safe_to(FILE *to, const char *text, size_t len);
#define CLI_FIELD_MAX 512
/* A text of an answer as it may be shown: on one line, cut when longer; "-" when there is none. */
const char *cli_field(json_t *v, const char *key, char to[CLI_FIELD_MAX]);
/* A JSON value on one line of stdout; takes the reference. */
void cli_put_json(json_t *v);
/* "member" and so on; false when it is none of the four. */
bool cli_role(const char *s, enum unibus_role *ret);
const char *cli_role_name(enum unibus_role role);
/* Unix ms as local "2026-11-23 00:17:14". */
void cli_time(uint64_t ms, char to[32]);

#endif
