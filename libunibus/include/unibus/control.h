/* unibus/control.h: signed REST calls, for whatever the other headers do not wrap.
 *
 * Threads: any. */
#ifndef UNIBUS_CONTROL_H
#define UNIBUS_CONTROL_H

#include <unibus/client.h>

#ifdef __cplusplus
extern "C" {
#endif

struct unibus_reply {
	int status; /* HTTP */
	char *body; /* NUL-terminated JSON text; never NULL */
	size_t len;
};
/* Signs and sends METHOD target ("/users?limit=10") with a JSON body (NULL: none), failing over
 * between the control URLs on transport errors only; an HTTP answer from any node is final.
 * UNIBUS_OK means that there is an answer, of whatever status; unibus_reply_error reads it.
 * UNIBUS_ERR_NETWORK, UNIBUS_ERR_TIMEOUT, UNIBUS_ERR_TLS, UNIBUS_ERR_INVALID, UNIBUS_ERR_NOMEM. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_call(unibus_client *client, const char *method,
	const char *target, const char *body, struct unibus_reply *ret);
/* UNIBUS_OK for 2xx; else the outcome its "code" names. */
UNIBUS_API enum unibus_err unibus_reply_error(const struct unibus_reply *reply);
/* Frees the body and zeroes the struct; nothing happens to a zeroed one. */
UNIBUS_API void unibus_reply_free(struct unibus_reply *reply);

#ifdef __cplusplus
}
#endif
#endif
