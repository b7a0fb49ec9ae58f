/* url.h: which server addresses are acceptable.
 *
 * Threads: pure. */
#ifndef UB_CLIENT_URL_H
#define UB_CLIENT_URL_H

#include "core/base.h"

/* "http(s)://host[:port]" without user, path, query or fragment; a trailing slash is dropped.
 * *ret is to be freed. UNIBUS_ERR_INVALID, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_url_ctrl(struct ub_str url, char **ret);
/* The same for "nats://" and "tls://". */
UB_MUST_CHECK
ub_err ub_url_nats(struct ub_str url, char **ret);
/* Does it say that the connection is encrypted? */
bool ub_url_secure(const char *url);

#endif
