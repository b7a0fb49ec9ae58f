/* runtime.h: what is opened once in a process: libsodium, libcurl, nats.c.
 *
 * Threads: any. */
#ifndef UB_CLIENT_RUNTIME_H
#define UB_CLIENT_RUNTIME_H

#include "core/base.h"

/* Idempotent. UNIBUS_ERR_FORKED_PROCESS in a child of a process that opened it; UNIBUS_ERR_INTERNAL
 * when one of them cannot start; it is not tried again. */
UB_MUST_CHECK
ub_err ub_runtime_open(void);

#endif
