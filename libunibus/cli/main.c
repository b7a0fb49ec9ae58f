#include <unistd.h>

#include "cli/cli.h"

const struct cli_command *const cli_tables[] = {cli_id_commands, cli_users_commands,
	cli_room_commands, cli_message_commands, cli_chat_commands, cli_work_commands,
	cli_bench_commands, cli_blob_commands, cli_call_commands, cli_completion_commands, NULL};

static void usage_line(const struct cli_command *cmd, FILE *to)
{
	char name[128];

	snprintf(name, sizeof(name), "unibus %s%s%s %s", cmd->group ? cmd->group : "",
		cmd->group ? " " : "", cmd->name, cmd->args);
	fprintf(to, "  %-52s  %s\n", name, cmd->help);
}

static void help(FILE *to)
{
	fputs("unibus: a command-line peer of the unibus message bus\n\n"
	      "usage: unibus COMMAND [ARGUMENTS] [OPTIONS]\n\n",
		to);
	for (size_t t = 0; cli_tables[t]; t++) {
		for (const struct cli_command *cmd = cli_tables[t]; cmd->name; cmd++)
			usage_line(cmd, to);
		fputc('\n', to);
	}
	fputs("A peer is named by handle or endpoint id, a room by subject or room id.\n"
	      "unibus COMMAND --help shows a command's options; --version the versions.\n"
	      "Environment: UNIBUS_IDENTITY, UNIBUS_CTRL_URLS, UNIBUS_NATS_URLS, UNIBUS_CA,\n"
	      "UNIBUS_STATE_DIR. Exit codes: 0 done, 1 refused or failed, 2 usage.\n",
		to);
}

static const struct cli_command *find(int argc, char *const *argv, int *ret_words)
{
	for (size_t t = 0; cli_tables[t]; t++) {
		for (const struct cli_command *cmd = cli_tables[t]; cmd->name; cmd++) {
			const char *first = cmd->group ? cmd->group : cmd->name;

			if (argc < 2 || strcmp(argv[1], first) != 0)
				continue;
			if (!cmd->group) {
				*ret_words = 2;
				return cmd;
			}
			if (argc > 2 && strcmp(argv[2], cmd->name) == 0) {
				*ret_words = 3;
				return cmd;
			}
		}
	}
	return NULL;
}

static int unknown_command(int argc, char *const *argv)
{
	bool group = false;

	bool asked = argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
	FILE *to = asked ? stdout : stderr;

	for (size_t t = 0; argc > 1 && cli_tables[t]; t++)
		for (const struct cli_command *cmd = cli_tables[t]; cmd->name; cmd++)
			if (cmd->group && strcmp(cmd->group, argv[1]) == 0) {
				if (!group && argc > 2 && !asked)
					fprintf(to, "unibus %s: there is no '%s', only\n", argv[1],
						argv[2]);
				else if (!group)
					fprintf(to, "unibus %s: one of\n", argv[1]);
				usage_line(cmd, to);
				group = true;
			}
	if (group)
		return asked ? CLI_OK : CLI_USAGE;
	if (argc > 1)
		fprintf(stderr, "unibus: there is no command '%s'; see unibus --help\n", argv[1]);
	else
		help(stderr);
	return CLI_USAGE;
}

static void cleanup(struct cli *c)
{
	unibus_room_free(c->room);
	unibus_close(c->client);
	unibus_options_free(c->options);
	unibus_identity_free(c->id);
	opt_list_deinit(&c->ctrl);
	opt_list_deinit(&c->nats);
}

static int run(const struct cli_command *cmd, int words, int argc, char *const *argv)
{
	struct cli c = {.command = cmd};
	char prog[64];
	ub_err err;
	int rc;

	snprintf(prog, sizeof(prog), "unibus %s%s%s", cmd->group ? cmd->group : "",
		cmd->group ? " " : "", cmd->name);
	err = options_parse(cmd->rows,
		&(struct opt_args){.argc = argc - words, .argv = argv + words, .prog = prog}, &c,
		c.args, UB_ARRAY_LEN(c.args), &c.n_args);
	if (err == UNIBUS_ERR_CANCELLED) {
		printf("usage: %s%s%s [OPTIONS]\n%s\n\n", prog, *cmd->args ? " " : "", cmd->args,
			cmd->help);
		options_help(cmd->rows);
		rc = CLI_OK;
	} else if (err) {
		rc = CLI_USAGE;
	} else if (c.n_args < cmd->min_args || c.n_args > cmd->max_args) {
		fprintf(stderr, "%s: %s\nusage: %s%s%s [OPTIONS]; --help lists them\n", prog,
			c.n_args < cmd->min_args ? "something is missing" : "that is too much",
			prog, *cmd->args ? " " : "", cmd->args);
		rc = CLI_USAGE;
	} else {
		rc = cmd->run(&c);
	}
	cleanup(&c);
	if (fflush(stdout) && rc == CLI_OK)
		rc = cli_fail_text("could not write the output");
	return rc;
}

int main(int argc, char **argv)
{
	const struct cli_command *cmd;
	int words = 0;

	bool help_word = argc > 1 && strcmp(argv[1], "help") == 0;

	if (help_word && argc > 2) {
		char *asked[] = {argv[0], argv[2], argc > 3 ? argv[3] : (char[]){"--help"},
			(char[]){"--help"}, NULL};

		cmd = find(argc > 3 ? 4 : 3, asked, &words);
		return cmd ? run(cmd, words, argc > 3 ? 4 : 3, asked) : unknown_command(3, asked);
	}
	if (argc > 1 &&
		(strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || help_word)) {
		help(stdout);
		return CLI_OK;
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("unibus %s\n", unibus_version());
		return CLI_OK;
	}
	cmd = find(argc, argv, &words);
	return cmd ? run(cmd, words, argc, argv) : unknown_command(argc, argv);
}
