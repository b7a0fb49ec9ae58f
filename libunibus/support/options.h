/* options.h: command lines from a table of rows. Flag beats environment beats default.
 *
 * "--name value", "--name=value", "--flag", "-h"; "--" ends options. An unknown option, a missing
 * or malformed value, or an option given twice (unless it is a list) is an error with a sentence.
 * A flag in the environment is 1, true, 0 or false; an empty variable counts as unset. A value that
 * begins with "--" is written "--name=--value". Secrets are never options: rows name files.
 *
 * Threads: one thread. */
#ifndef UB_OPTIONS_H
#define UB_OPTIONS_H

#include "core/base.h"

enum opt_type {
	OPT_FLAG = 1,    /* bool */
	OPT_TEXT,        /* const char *, borrowed from argv or the environment */
	OPT_NUMBER,      /* uint64_t within min..max */
	OPT_DURATION_MS, /* uint64_t, see ub_num_duration_ms; within min..max */
	OPT_CHOICE,      /* int: the index in `choices` */
	OPT_LIST,        /* struct opt_list: comma-separated, or repeated */
};

#define OPT_LIST_MAX 16
struct opt_list {
	const char *v[OPT_LIST_MAX];
	size_t n;
	char *owned[OPT_LIST_MAX]; /* copies, freed by opt_list_deinit */
};
void opt_list_deinit(struct opt_list *l);

struct opt_row {
	const char *name;  /* without the dashes; NULL ends the table */
	const char *value; /* what --help calls its value: "FILE"; NULL for a flag */
	enum opt_type type;
	size_t offset;              /* of the field in the options struct */
	const char *env;            /* whole name, "UNIBUS_MEMBERSHIPD_PORT"; NULL: none */
	const char *dflt;           /* as text; NULL: zero */
	uint64_t min, max;          /* OPT_NUMBER, OPT_DURATION_MS; max 0: no limit */
	const char *const *choices; /* OPT_CHOICE, NULL-terminated */
	const char *help;
};

struct opt_args {
	int argc; /* after the program or subcommand name */
	char *const *argv;
	const char *prog; /* for messages: "membershipd serve" */
};

/* Fills in *to (a struct of the caller's, at the rows' offsets) and gives the operands left over
 * (borrowed). UNIBUS_ERR_INVALID after a message on stderr; UNIBUS_ERR_CANCELLED when --help was
 * asked for (the caller prints it). After an error the fields are zero and own nothing.
 * At most 64 rows. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err options_parse(const struct opt_row *rows, const struct opt_args *in, void *to,
	const char **operands, size_t max_operands, size_t *ret_n);

/* The rows as an aligned table with defaults and environment names, on stdout. */
void options_help(const struct opt_row *rows);

/* Names in the environment that begin with `prefix` and belong to no row: calls fn for each. */
void options_unknown_env(const struct opt_row *const *tables, size_t n_tables, const char *prefix,
	void (*fn)(void *arg, const char *name), void *arg);

#endif
