#include "support/options.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

struct conf {
	bool verbose;
	const char *file;
	uint64_t port;
	uint64_t any;
	uint64_t age;
	int mode;
	struct opt_list peers;
};

enum { MODE_SQLITE, MODE_KV };
static const char *const modes[] = {"sqlite", "kv", NULL};

static const struct opt_row rows[] = {
	{"verbose", NULL, OPT_FLAG, offsetof(struct conf, verbose), "UT_VERBOSE", NULL, 0, 0, NULL,
		"say more"},
	{"file", "FILE", OPT_TEXT, offsetof(struct conf, file), "UT_FILE", "/default", 0, 0, NULL,
		"a file"},
	{"port", "NUMBER", OPT_NUMBER, offsetof(struct conf, port), "UT_PORT", "8470", 1, 65535,
		NULL, "a port"},
	{"any", "NUMBER", OPT_NUMBER, offsetof(struct conf, any), NULL, NULL, 0, 0, NULL,
		"any number"},
	{"age", "TIME", OPT_DURATION_MS, offsetof(struct conf, age), "UT_AGE", "15m", 1000,
		86400000, NULL, "an age"},
	{"mode", NULL, OPT_CHOICE, offsetof(struct conf, mode), "UT_MODE", "kv", 0, 0, modes,
		"a mode"},
	{"peers-with-a-name-longer-than-others", "ADDRESS,...", OPT_LIST,
		offsetof(struct conf, peers), "UT_PEERS", "a,b", 0, 0, NULL, "peers"},
	{0},
};
#define PEERS "--peers-with-a-name-longer-than-others"

/* Everything that goes to descriptor `which` meanwhile. */
struct capture {
	int which, saved, rd;
	char text[16 * 1024];
};

static void capture_begin(struct capture *c, int which)
{
	int fds[2];

	assert_int_equal(fflush(NULL), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	c->which = which;
	c->saved = dup(which);
	assert_true(c->saved >= 0);
	assert_true(dup2(fds[1], which) >= 0);
	assert_int_equal(close(fds[1]), 0);
	c->rd = fds[0];
}

static const char *capture_end(struct capture *c)
{
	size_t n = 0;
	ssize_t got;

	assert_int_equal(fflush(NULL), 0);
	assert_true(dup2(c->saved, c->which) >= 0);
	assert_int_equal(close(c->saved), 0);
	while ((got = read(c->rd, c->text + n, sizeof(c->text) - 1 - n)) > 0)
		n += (size_t)got;
	assert_int_equal(got, 0);
	assert_int_equal(close(c->rd), 0);
	c->text[n] = '\0';
	return c->text;
}

/* Arguments as string literals cannot be `char *const *`; getopt-like interfaces never write. */
#define ARGV_MAX 24
struct args {
	const char *v[ARGV_MAX];
	const char *env[2]; /* name, value */
};

static ub_err parse(
	const struct args *a, struct conf *c, const char **operands, size_t max, size_t *n)
{
	char *argv[ARGV_MAX];
	int argc = 0;
	ub_err e;

	for (; argc < ARGV_MAX && a->v[argc]; argc++) {
		argv[argc] = ub_str_dup(ub_str(a->v[argc]));
		assert_non_null(argv[argc]);
	}
	if (a->env[0])
		assert_int_equal(setenv(a->env[0], a->env[1], 1), 0);
	struct opt_args in = {.argc = argc, .argv = argv, .prog = "prog"};
	e = options_parse(rows, &in, c, operands, max, n);
	if (a->env[0])
		assert_int_equal(unsetenv(a->env[0]), 0);
	/* Texts borrow from argv: keep what the case looks at. */
	if (!e && c->file) {
		for (size_t i = 0; a->v[i]; i++) {
			const char *eq = strchr(a->v[i], '=');

			if (!strcmp(a->v[i], c->file))
				c->file = a->v[i];
			else if (eq && !strcmp(eq + 1, c->file))
				c->file = eq + 1;
		}
	}
	for (size_t i = 0; !e && i < *n; i++) {
		for (size_t k = 0; a->v[k]; k++) {
			if (!strcmp(a->v[k], operands[i])) {
				operands[i] = a->v[k];
				break;
			}
		}
	}
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return e;
}

static void defaults_fill_what_nobody_says(void **state)
{
	struct conf c;
	const char *ops[2];
	size_t n = 9;

	(void)state;
	memset(&c, 0x5a, sizeof(c));
	assert_int_equal(parse(&(struct args){.v = {NULL}}, &c, ops, 2, &n), UB_OK);
	assert_int_equal(n, 0);
	assert_false(c.verbose);
	assert_string_equal(c.file, "/default");
	assert_int_equal(c.port, 8470);
	assert_int_equal(c.any, 0);
	assert_int_equal(c.age, 15 * 60 * 1000);
	assert_int_equal(c.mode, MODE_KV);
	assert_int_equal(c.peers.n, 2);
	assert_string_equal(c.peers.v[0], "a");
	assert_string_equal(c.peers.v[1], "b");
	opt_list_deinit(&c.peers);
	assert_int_equal(c.peers.n, 0);
}

static void both_spellings_set_every_type(void **state)
{
	static const struct args cases[] = {
		{.v = {"--verbose", "--file", "f", "--port", "1", "--any", "18446744073709551615",
			 "--age", "250s", "--mode", "sqlite", PEERS, "x,y", PEERS, "z"}},
		{.v = {"--verbose", "--file=f", "--port=1", "--any=18446744073709551615",
			 "--age=250s", "--mode=sqlite", PEERS "=x,y", PEERS "=z"}},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct conf c;
		const char *ops[1];
		size_t n = 9;

		assert_int_equal(parse(&cases[i], &c, ops, 0, &n), UB_OK);
		assert_int_equal(n, 0);
		assert_true(c.verbose);
		assert_string_equal(c.file, "f");
		assert_int_equal(c.port, 1);
		assert_true(c.any == UINT64_MAX);
		assert_int_equal(c.age, 250000);
		assert_int_equal(c.mode, MODE_SQLITE);
		assert_int_equal(c.peers.n, 3);
		assert_string_equal(c.peers.v[0], "x");
		assert_string_equal(c.peers.v[1], "y");
		assert_string_equal(c.peers.v[2], "z");
		opt_list_deinit(&c.peers);
	}
}

static void flag_beats_environment_beats_default(void **state)
{
	static const struct {
		struct args args;
		uint64_t port;
	} cases[] = {
		{{.v = {NULL}}, 8470},
		{{.v = {NULL}, .env = {"UT_PORT", "2"}}, 2},
		{{.v = {NULL}, .env = {"UT_PORT", ""}}, 8470},
		{{.v = {"--port=3"}, .env = {"UT_PORT", "2"}}, 3},
		{{.v = {"--port=3"}, .env = {"UT_PORT", "nonsense"}}, 3},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct conf c;
		size_t n;

		assert_int_equal(parse(&cases[i].args, &c, NULL, 0, &n), UB_OK);
		assert_int_equal(c.port, cases[i].port);
		opt_list_deinit(&c.peers);
	}
}

static void every_type_reads_its_variable(void **state)
{
	static const struct args flags[] = {
		{.env = {"UT_VERBOSE", "1"}},
		{.env = {"UT_VERBOSE", "true"}},
		{.env = {"UT_VERBOSE", "0"}},
		{.env = {"UT_VERBOSE", "false"}},
	};
	struct conf c;
	size_t n;

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(flags); i++) {
		assert_int_equal(parse(&flags[i], &c, NULL, 0, &n), UB_OK);
		assert_int_equal(c.verbose, i < 2);
		opt_list_deinit(&c.peers);
	}
	assert_int_equal(parse(&(struct args){.env = {"UT_AGE", "2s"}}, &c, NULL, 0, &n), UB_OK);
	assert_int_equal(c.age, 2000);
	opt_list_deinit(&c.peers);
	assert_int_equal(
		parse(&(struct args){.env = {"UT_MODE", "sqlite"}}, &c, NULL, 0, &n), UB_OK);
	assert_int_equal(c.mode, MODE_SQLITE);
	opt_list_deinit(&c.peers);
	assert_int_equal(parse(&(struct args){.env = {"UT_PEERS", "q"}}, &c, NULL, 0, &n), UB_OK);
	assert_int_equal(c.peers.n, 1);
	assert_string_equal(c.peers.v[0], "q");
	opt_list_deinit(&c.peers);
}

static void operands_are_what_is_left(void **state)
{
	static const struct {
		struct args args;
		size_t n;
		const char *op[3];
	} cases[] = {
		{{.v = {"one"}}, 1, {"one"}},
		{{.v = {"one", "--verbose", "two"}}, 2, {"one", "two"}},
		{{.v = {"-", "two"}}, 2, {"-", "two"}},
		{{.v = {"--", "--verbose", "-h"}}, 2, {"--verbose", "-h"}},
		{{.v = {"--verbose", "--", "--"}}, 1, {"--"}},
		{{.v = {"a", "b", "c"}}, 3, {"a", "b", "c"}},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct conf c;
		const char *ops[3];
		size_t n = 9;

		assert_int_equal(parse(&cases[i].args, &c, ops, 3, &n), UB_OK);
		assert_int_equal(n, cases[i].n);
		for (size_t k = 0; k < n; k++)
			assert_string_equal(ops[k], cases[i].op[k]);
		opt_list_deinit(&c.peers);
	}
}

static void every_mistake_is_named(void **state)
{
	static const struct {
		struct args args;
		const char *says;
	} cases[] = {
		{{.v = {"--nope"}}, "prog: --nope is not an option; --help lists them\n"},
		{{.v = {"--nope=1"}}, "prog: --nope=1 is not an option; --help lists them\n"},
		{{.v = {"--por", "1"}}, "prog: --por is not an option; --help lists them\n"},
		{{.v = {"--=1"}}, "prog: --=1 is not an option; --help lists them\n"},
		{{.v = {"-v"}}, "prog: -v is not an option; --help lists them\n"},
		{{.v = {"--no\x1bpe"}}, "prog: --no?pe is not an option; --help lists them\n"},
		{{.v = {"--verbose=1"}}, "prog: --verbose takes no value\n"},
		{{.v = {"--verbose", "--verbose"}}, "prog: --verbose is given twice\n"},
		{{.v = {"--port=1", "--port=1"}}, "prog: --port is given twice\n"},
		{{.v = {"--port"}}, "prog: --port needs a value\n"},
		{{.v = {"--file", "--verbose"}}, "prog: --file needs a value\n"},
		{{.v = {"--file="}}, "prog: --file must not be empty\n"},
		{{.v = {"--file", ""}}, "prog: --file must not be empty\n"},
		{{.v = {"--port", "0"}}, "prog: --port takes a number from 1 to 65535, not '0'\n"},
		{{.v = {"--port", "65536"}},
			"prog: --port takes a number from 1 to 65535, not '65536'\n"},
		{{.v = {"--port", "-1"}},
			"prog: --port takes a number from 1 to 65535, not '-1'\n"},
		{{.v = {"--port", "1 "}},
			"prog: --port takes a number from 1 to 65535, not '1 '\n"},
		{{.v = {"--port", "0x1"}},
			"prog: --port takes a number from 1 to 65535, not '0x1'\n"},
		{{.v = {"--any=18446744073709551616"}},
			"prog: --any takes a number from 0 to 18446744073709551615, not "
			"'18446744073709551616'\n"},
		{{.v = {"--age", "soon"}},
			"prog: --age takes a time such as 90s, 15m, 12h or 7d, not 'soon'\n"},
		{{.v = {"--age", "999ms"}},
			"prog: --age takes a time from 1s to 1d, not '999ms'\n"},
		{{.v = {"--age", "2d"}}, "prog: --age takes a time from 1s to 1d, not '2d'\n"},
		{{.v = {"--mode", "Kv"}}, "prog: --mode takes one of sqlite|kv, not 'Kv'\n"},
		{{.v = {PEERS, "a,,b"}}, "prog: " PEERS " has an empty item in its list\n"},
		{{.v = {PEERS, "a,"}}, "prog: " PEERS " has an empty item in its list\n"},
		{{.v = {PEERS, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"}},
			"prog: " PEERS " has too many items in its list\n"},
		{{.v = {"one", "two"}}, "prog: two is one argument too many\n"},
		{{.v = {NULL}, .env = {"UT_VERBOSE", "yes"}},
			"prog: UT_VERBOSE is 1 or 0, not 'yes'\n"},
		{{.v = {NULL}, .env = {"UT_PORT", "x\ny"}},
			"prog: UT_PORT takes a number from 1 to 65535, not 'x?y'\n"},
		{{.v = {NULL}, .env = {"UT_MODE", "none"}},
			"prog: UT_MODE takes one of sqlite|kv, not 'none'\n"},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct conf c, zero = {0};
		struct capture cap;
		const char *op = NULL;
		size_t n = 9;

		memset(&c, 0, sizeof(c));
		capture_begin(&cap, STDERR_FILENO);
		ub_err e = parse(&cases[i].args, &c, &op, 1, &n);
		const char *says = capture_end(&cap);
		assert_string_equal(says, cases[i].says);
		assert_int_equal(e, UNIBUS_ERR_INVALID);
		assert_int_equal(n, 9);
		assert_memory_equal(&c, &zero, sizeof(c));
	}
}

static void what_errors_refuse_has_a_right_twin(void **state)
{
	static const struct args cases[] = {
		{.v = {"--port", "1"}},
		{.v = {"--port", "65535"}},
		{.v = {"--age", "1000ms"}},
		{.v = {"--age", "1d"}},
		{.v = {"--file=--verbose"}},
		{.v = {"--mode", "kv"}},
		{.v = {PEERS, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16"}},
		{.v = {PEERS "=1,2", PEERS "=3"}},
		{.v = {"--any", "18446744073709551615"}},
		{.v = {"one"}},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct conf c;
		const char *op;
		size_t n;

		assert_int_equal(parse(&cases[i], &c, &op, 1, &n), UB_OK);
		opt_list_deinit(&c.peers);
	}
}

static void a_failure_after_a_list_frees_it(void **state)
{
	struct conf c;
	struct capture cap;
	size_t n;

	(void)state;
	capture_begin(&cap, STDERR_FILENO);
	ub_err e = parse(&(struct args){.v = {PEERS "=a,b", "--port=0"}}, &c, NULL, 0, &n);
	(void)capture_end(&cap);
	assert_int_equal(e, UNIBUS_ERR_INVALID);
	assert_int_equal(c.peers.n, 0);
	assert_null(c.peers.owned[0]);
}

static void help_is_asked_for_in_two_ways(void **state)
{
	static const struct args cases[] = {
		{.v = {"-h"}},
		{.v = {"--help"}},
		{.v = {"--verbose", PEERS "=a", "--help", "--nope"}},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct conf c;
		size_t n;

		assert_int_equal(parse(&cases[i], &c, NULL, 0, &n), UNIBUS_ERR_CANCELLED);
		assert_null(c.peers.owned[0]);
	}
}

static void help_is_a_table(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c, STDOUT_FILENO);
	options_help(rows);
	assert_string_equal(capture_end(&c),
		"  --verbose                       say more (UT_VERBOSE)\n"
		"  --file FILE                     a file (default /default; UT_FILE)\n"
		"  --port NUMBER                   a port (default 8470; UT_PORT)\n"
		"  --any NUMBER                    any number\n"
		"  --age TIME                      an age (default 15m; UT_AGE)\n"
		"  --mode sqlite|kv                a mode (default kv; UT_MODE)\n"
		"  " PEERS " ADDRESS,...\n"
		"                                  peers (default a,b; UT_PEERS)\n");
}

static void note_name(void *arg, const char *name)
{
	char *to = arg;
	size_t n = strlen(to);

	(void)snprintf(to + n, 256 - n, "[%s]", name);
}

static void unknown_variables_are_reported(void **state)
{
	static const struct opt_row other[] = {
		{"x", "X", OPT_TEXT, 0, "UT_X", NULL, 0, 0, NULL, "x"},
		{0},
	};
	const struct opt_row *const tables[] = {rows, other};
	char seen[256] = "";

	(void)state;
	assert_int_equal(setenv("UT_PORT", "1", 1), 0);
	assert_int_equal(setenv("UT_X", "1", 1), 0);
	options_unknown_env(tables, 2, "UT_", note_name, seen);
	assert_string_equal(seen, "");
	assert_int_equal(setenv("UT_PORTS", "1", 1), 0);
	options_unknown_env(tables, 2, "UT_", note_name, seen);
	assert_string_equal(seen, "[UT_PORTS]");
	assert_int_equal(unsetenv("UT_PORTS"), 0);
	assert_int_equal(unsetenv("UT_PORT"), 0);
	seen[0] = '\0';
	options_unknown_env(tables, 1, "UT_", note_name, seen);
	assert_string_equal(seen, "[UT_X]");
	assert_int_equal(unsetenv("UT_X"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_fill_what_nobody_says),
		cmocka_unit_test(both_spellings_set_every_type),
		cmocka_unit_test(flag_beats_environment_beats_default),
		cmocka_unit_test(every_type_reads_its_variable),
		cmocka_unit_test(operands_are_what_is_left),
		cmocka_unit_test(every_mistake_is_named),
		cmocka_unit_test(what_errors_refuse_has_a_right_twin),
		cmocka_unit_test(a_failure_after_a_list_frees_it),
		cmocka_unit_test(help_is_asked_for_in_two_ways),
		cmocka_unit_test(help_is_a_table),
		cmocka_unit_test(unknown_variables_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
