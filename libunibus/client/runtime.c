#include "client/runtime.h"

#include <curl/curl.h>
#include <nats/nats.h>
#include <pthread.h>
#include <unistd.h>

#include "core/key.h"

/* The one exception to "no globals": libcurl and nats.c keep process-wide state of their own,
 * which must be made exactly once. */
static pthread_once_t runtime_once = PTHREAD_ONCE_INIT;
static ub_err runtime_err;
static pid_t runtime_pid;

static void runtime_open(void)
{
	runtime_pid = getpid();
	runtime_err = ub_core_init();
	if (runtime_err == UB_OK && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		runtime_err = UNIBUS_ERR_INTERNAL;
	if (runtime_err == UB_OK && nats_Open(-1) != NATS_OK)
		runtime_err = UNIBUS_ERR_INTERNAL;
}

ub_err ub_runtime_open(void)
{
	if (pthread_once(&runtime_once, runtime_open) != 0)
		return UNIBUS_ERR_INTERNAL;
	/* nats.c's threads are the parent's. */
	return runtime_pid == getpid() ? runtime_err : UNIBUS_ERR_FORKED_PROCESS;
}
