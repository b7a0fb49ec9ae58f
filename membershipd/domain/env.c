#include <sodium.h>

#include "membershipd/domain/service.h"

static uint64_t clock_ms(clockid_t id)
{
	struct timespec ts;

	ub_assert(!clock_gettime(id, &ts));
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t real_now_ms(void *arg)
{
	(void)arg;
	return clock_ms(CLOCK_REALTIME);
}

static uint64_t real_boot_ms(void *arg)
{
	(void)arg;
	return clock_ms(CLOCK_BOOTTIME);
}

static void real_random(void *arg, void *to, size_t len)
{
	(void)arg;
	randombytes_buf(to, len);
}

struct md_env md_env_real(void)
{
	return (struct md_env){
		.now_ms = real_now_ms,
		.boot_ms = real_boot_ms,
		.random = real_random,
	};
}
