/* supervise: starts programs in order, each when the one before is ready; stops them in reverse. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/num.h"
#include "deploy/supervise.h"

static int usage(void)
{
	(void)fprintf(stderr, "usage: supervise [--logs DIR] [--say TEXT] CHILD [:: CHILD]...\n"
			      "       supervise --free NAME:PORT:VARIABLE...\n"
			      "\n"
			      "CHILD is: NAME READY PROGRAM ARGUMENT..., where READY is\n"
			      "  fd         it writes a line to descriptor 3\n"
			      "  tcp:PORT   it accepts connections on 127.0.0.1\n"
			      "  exit       it is a task: goes on when it has ended with 0; "
			      "standing last, ends all\n"
			      "\n"
			      "--free says who holds the ports, exit code 1 when anybody does.\n");
	return 2;
}

static bool parse_port(const char *s, size_t len, uint16_t *ret)
{
	uint64_t port;

	if (ub_num_u64((struct ub_str){s, len}, 1, 65535, &port))
		return false;
	*ret = (uint16_t)port;
	return true;
}

static bool parse_ready(const char *s, struct child *c)
{
	if (strcmp(s, "fd") == 0)
		c->ready = READY_FD;
	else if (strcmp(s, "exit") == 0)
		c->ready = READY_EXIT;
	else if (strncmp(s, "tcp:", 4) == 0 && parse_port(s + 4, strlen(s + 4), &c->port))
		c->ready = READY_TCP;
	return c->ready != 0;
}

/* Cuts argv at each "::". */
static bool parse_children(char **argv, struct plan *p)
{
	while (*argv) {
		struct child *c = &p->v[p->n];
		char **end = argv;

		while (*end && strcmp(*end, "::") != 0)
			end++;
		if (p->n == CHILDREN_MAX || end - argv < 3 || strlen(argv[0]) > NAME_MAX_LEN)
			return false;
		*c = (struct child){.name = argv[0], .argv = argv + 2, .pidfd = -1, .ready_fd = -1};
		if (!parse_ready(argv[1], c))
			return false;
		p->n++;
		argv = *end ? end + 1 : end;
		*end = NULL;
	}
	return p->n > 0;
}

/* "NAME:PORT:VARIABLE" */
static int check_free(const char *spec)
{
	const char *colon = strchr(spec, ':'), *second = colon ? strchr(colon + 1, ':') : NULL;
	char who[128];
	uint16_t port;

	if (!second || !parse_port(colon + 1, (size_t)(second - colon - 1), &port)) {
		(void)fprintf(stderr, "supervise: %s is no NAME:PORT:VARIABLE\n", spec);
		return 2;
	}
	if (!port_taken(port, who, sizeof(who)))
		return 0;
	(void)fprintf(stderr,
		"port %u, which %.*s needs, is taken by %s: stop that, or choose another port with "
		"%s\n",
		port, (int)(colon - spec), spec, who, second + 1);
	return 1;
}

int main(int argc, char **argv)
{
	struct plan p = {.n = 0};
	int rc = 0;

	argv++;
	if (argc > 2 && strcmp(argv[0], "--free") == 0) {
		for (argv++; *argv; argv++) {
			int one = check_free(*argv);

			rc = one > rc ? one : rc;
		}
		return rc;
	}
	for (; *argv && strncmp(*argv, "--", 2) == 0 && argv[1]; argv += 2) {
		if (strcmp(*argv, "--logs") == 0)
			p.logs = argv[1];
		else if (strcmp(*argv, "--say") == 0)
			p.say = argv[1];
		else
			return usage();
	}
	return parse_children(argv, &p) ? supervise(&p) : usage();
}
