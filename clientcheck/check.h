/* check.h: what the checks of clientcheck share.
 *
 * A check drives a live deployment through the public API as an ordinary peer and says what it
 * found. Exit codes: 0 the deployment passes, 1 it does not, 2 usage.
 *
 * Threads: checks run on the main thread; message callbacks on the library's. */
#ifndef CHECK_H
#define CHECK_H

#include <jansson.h>
#include <unibus/unibus.h>

#include "support/options.h"

struct check {
	const char *ca, *identity, *subject, *state_dir;
	struct opt_list nats, ctrl;
	uint64_t messages, duration_ms, interval_ms, timeout_ms;
	int mode;
	bool json;

	unibus_client *client;
};

/* A mode: NAME for the verdict line, the function that finds out. 0 or 1. */
struct check_mode {
	const char *name, *help;
	int (*run)(struct check *c);
};
extern const struct check_mode check_modes[]; /* ended by a row without a name */

int check_golden(struct check *c);

/* The verdict: "GOLDEN OK: ..." on stdout, or "GOLDEN FAILED: ..." on stderr; as JSON when asked
 * for. Gives the exit code. */
int check_ok(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int check_failed(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with an outcome: its sentence, the client's detail. */
int check_failed_err(struct check *c, const char *what, enum unibus_err err);

#endif
