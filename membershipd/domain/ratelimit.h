/* ratelimit.h: token buckets by key, in bounded memory.
 *
 * Threads: any. */
#ifndef MD_RATELIMIT_H
#define MD_RATELIMIT_H

#include "core/base.h"

struct md_ratelimit;
struct md_rate {
	double per_second, burst;
	size_t entries_max; /* past it the bucket nearest to full is dropped: it remembers least */
};
UB_MUST_CHECK
ub_err md_ratelimit_new(const struct md_rate *r, struct md_ratelimit **ret);
void md_ratelimit_free(struct md_ratelimit *r);
/* Takes `cost` tokens of the bucket named by the bytes. UNIBUS_ERR_SLOW_DOWN with *ret_wait_ms
 * until it would be there; UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_ratelimit_take(struct md_ratelimit *r, struct ub_bytes who, double cost, uint64_t boot_ms,
	uint64_t *ret_wait_ms);
/* Would `cost` be granted? Takes nothing. */
bool md_ratelimit_has(struct md_ratelimit *r, struct ub_bytes who, double cost, uint64_t boot_ms);

#endif
