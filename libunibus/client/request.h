/* request.h: what requests and workers share.
 *
 * Threads: any. */
#ifndef UB_CLIENT_REQUEST_H
#define UB_CLIENT_REQUEST_H

#include <unibus/request.h>

#include "client/client.h"

/* The media type of a response that says that it failed. */
#define UB_MEDIA_FAILED "text/vnd.unibus.failed"

/* UNIBUS_ERR_INVALID in a plain room, and for a client without messages. */
UB_MUST_CHECK
ub_err ub_request_check(unibus_room *room);

#endif
