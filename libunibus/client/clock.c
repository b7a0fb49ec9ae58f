#include "client/clock.h"

#include <errno.h>
#include <sodium.h>
#include <time.h>

static uint64_t read_ms(clockid_t id)
{
	struct timespec t = {0};

	ub_assert(clock_gettime(id, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t ub_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

uint64_t ub_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

ub_err ub_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int err;

	if (pthread_condattr_init(&attr) != 0)
		return UNIBUS_ERR_NOMEM;
	err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (err == 0)
		err = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return err == 0 ? UB_OK : UNIBUS_ERR_NOMEM;
}

bool ub_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t mono_ms)
{
	struct timespec t = {
		.tv_sec = (time_t)(mono_ms / 1000),
		.tv_nsec = (long)(mono_ms % 1000) * 1000000,
	};

	return pthread_cond_timedwait(cond, lock, &t) != ETIMEDOUT;
}

uint64_t ub_jitter(uint64_t max)
{
	uint64_t r;

	if (max == 0)
		return 0;
	randombytes_buf(&r, sizeof(r));
	return r % max;
}
