/* cmd.h: the subcommands of membershipd beside serve.
 *
 * Each takes the arguments after its name and gives the exit code: 0 done, 1 refused or failed
 * (after a sentence on stderr), 2 usage.
 *
 * Threads: the main thread. */
#ifndef MD_CMD_H
#define MD_CMD_H

#include "support/options.h"

enum {
	MD_EXIT_OK = 0,
	MD_EXIT_FAILED = 1,
	MD_EXIT_USAGE = 2,
};

int md_cmd_init(const struct opt_args *a);
int md_cmd_user(const struct opt_args *a);
int md_cmd_healthcheck(const struct opt_args *a);

/* Parses, and answers --help: prints `about`, the rows, and gives false with *ret_exit set. */
struct md_cmd_parse {
	const struct opt_row *rows;
	const struct opt_args *args;
	const char *about;
	void *to;
	const char **operands;
	size_t max_operands;
};
UB_MUST_CHECK
bool md_cmd_parse(const struct md_cmd_parse *p, size_t *ret_operands, int *ret_exit);

#endif
