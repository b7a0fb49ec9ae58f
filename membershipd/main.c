#include <stdio.h>
#include <string.h>
#include <unibus/version.h>

#include "membershipd/app.h"
#include "membershipd/cmd/cmd.h"
#include "membershipd/nats/link.h"

/* A row is a subcommand; the first is what runs when none is named. */
static const struct command {
	const char *name, *summary;
	int (*run)(const struct opt_args *a);
} COMMANDS[] = {
	{"serve", "serve the REST API and answer logins to the bus (the default)", md_cmd_serve},
	{"check-config", "say whether serve would start like this", md_cmd_check_config},
	{"init", "make service keys and nats-server.conf", md_cmd_init},
	{"user", "add, list or revoke users on the host", md_cmd_user},
	{"healthcheck", "ask a running membershipd whether it serves", md_cmd_healthcheck},
};

static int help(void)
{
	(void)printf("usage: membershipd [COMMAND] [options]\n\n"
		     "The control plane of a unibus: users, rooms, who may do what on the bus.\n\n"
		     "commands:\n");
	for (size_t i = 0; i < UB_ARRAY_LEN(COMMANDS); i++)
		(void)printf("  %-14s%s\n", COMMANDS[i].name, COMMANDS[i].summary);
	(void)printf("\n\"membershipd COMMAND --help\" shows its options.\n");
	return MD_EXIT_OK;
}

static int run(const struct command *c, int argc, char *const *argv)
{
	char prog[64];

	(void)snprintf(prog, sizeof(prog), "membershipd %s", c->name);
	return c->run(&(struct opt_args){.argc = argc, .argv = argv, .prog = prog});
}

int main(int argc, char **argv)
{
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return help();
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		(void)printf("membershipd %s (nats.c %s%s)\n", UNIBUS_VERSION, md_link_library(),
			md_link_tls_races() ? ": before 3.11, its TLS has races" : "");
		return MD_EXIT_OK;
	}
	if (argc < 2 || argv[1][0] == '-')
		return run(&COMMANDS[0], argc - 1, argv + 1);
	for (size_t i = 0; i < UB_ARRAY_LEN(COMMANDS); i++)
		if (strcmp(argv[1], COMMANDS[i].name) == 0)
			return run(&COMMANDS[i], argc - 2, argv + 2);
	(void)fprintf(stderr, "membershipd: there is no command '%s' (try --help)\n", argv[1]);
	return MD_EXIT_USAGE;
}
