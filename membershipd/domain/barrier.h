/* barrier.h: a change that takes rights away answers only when the kicks are done.
 *
 * The directory's events for a revision open it; the bus side closes each with md_barrier_done.
 *
 * Threads: any. */
#ifndef MD_BARRIER_H
#define MD_BARRIER_H

#include "membershipd/domain/service.h"

/* One owed event of `rev` is settled: `kicked` connections closed, `unconfirmed` server names
 * (n of them) did not answer in time and are being retried. */
void md_barrier_done(struct md_service *s, uint64_t rev, unsigned kicked,
	const char *const *unconfirmed, size_t n);

/* Waits until everything owed up to `rev` is settled, at most timeout_ms; fills in *inout (kicked,
 * unconfirmed, ms; rev is read). On a timeout one unconfirmed "bus" is reported: never an error,
 * the change itself stands. */
void md_barrier_wait(
	struct md_service *s, uint64_t since_boot_ms, unsigned timeout_ms, struct md_taken *inout);

#endif
