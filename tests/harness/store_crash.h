/* store_crash.h: a store that ends the process at its k-th call, before or after the call took
 * effect. Tests link the real service over it: k rises until an operation completes, and each time
 * the next start must find the old state or the new one.
 *
 * Threads: as the store below it; arming is safe at any time. */
#ifndef HARNESS_STORE_CRASH_H
#define HARNESS_STORE_CRASH_H

#include "membershipd/store/store.h"

#define STORE_CRASH_STATUS 137 /* what a shell shows for a process that was killed */

enum store_crash_when {
	STORE_CRASH_NEVER, /* counts only */
	STORE_CRASH_BEFORE,
	STORE_CRASH_AFTER, /* durable, yet nobody was told, not even the caller */
};

enum store_crash_calls {
	STORE_CRASH_COMMITS = 1,
	STORE_CRASH_GETS = 2,
	STORE_CRASH_BOTH = 3,
};

struct store_crash_plan {
	enum store_crash_when when;
	enum store_crash_calls calls; /* which calls count */
	uint64_t k;                   /* 1: the first from now on */
};

/* Owns `inner` on success: closing this closes it. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err store_crash_open(
	struct md_store *inner, const struct store_crash_plan *plan, struct md_store **ret);
/* Another plan; counting starts again. `s` is what store_crash_open gave. */
void store_crash_arm(struct md_store *s, const struct store_crash_plan *plan);
/* Calls that counted since the plan was made. */
uint64_t store_crash_count(struct md_store *s);

/* "before:3", "after:commit:3", "never:get": when, then optionally what counts (commit, get; both
 * when not said), then k unless never. For command lines and environments. UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err store_crash_parse(struct ub_str s, struct store_crash_plan *ret);

#endif
