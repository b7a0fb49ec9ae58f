/* clock.h: the two clocks, and waiting on a condition until a moment of the steady one.
 *
 * Threads: any. */
#ifndef UB_CLIENT_CLOCK_H
#define UB_CLIENT_CLOCK_H

#include <pthread.h>

#include "core/base.h"

uint64_t ub_wall_ms(void); /* unix time */
uint64_t ub_mono_ms(void); /* steady: what every deadline below is in */

/* A condition that waits by the steady clock. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_cond_init(pthread_cond_t *cond);
/* Returns false when the moment has passed without a signal. Spurious wake-ups happen: call it in
 * a loop. */
bool ub_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t mono_ms);

/* Uniform in 0..max-1; 0 for max 0. */
uint64_t ub_jitter(uint64_t max);

#endif
