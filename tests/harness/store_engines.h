/* store_engines.h: the engines behind store.h, and how a test program runs its cases over all.
 *
 * Threads: one thread. */
#ifndef HARNESS_STORE_ENGINES_H
#define HARNESS_STORE_ENGINES_H

#include "membershipd/store/store.h"
#include "tests/harness/proc.h"

struct store_engine;

/* *state of a case: a new, empty, open store in a folder of its own. */
struct store_fixture {
	const struct store_engine *engine;
	char dir[PROC_PATH];
	struct md_store *s;
	bool made; /* by this case: what is there on opening is its own */
};

struct store_engine {
	const char *name;  /* what md_store_name says */
	const char *label; /* of its cases */
	bool persistent;   /* opening again finds what was there */
	bool skips;        /* may leave out for a follower what has been overwritten meanwhile */
	unsigned replicas; /* of a bucket on servers; 0: it lives in this process */
	ub_err (*open)(struct store_fixture *f, struct md_store **ret);
};

/* Closes and opens again; asserts. */
void store_reopen(struct store_fixture *f);

struct store_case {
	const char *name;
	void (*fn)(void **state);
	bool persistent; /* only for engines that are */
};
/* clang-format off */
#define STORE_CASE(fn) {#fn, fn, false}
#define STORE_CASE_PERSISTENT(fn) {#fn, fn, true}
/* clang-format on */

/* Runs every case over every engine that it fits; what main returns. */
int store_run(const struct store_case *cases, size_t n);

#endif
