/* unibus/request.h: request and response, as frames in the room.
 *
 * Everybody in the room sees both. A request is named by its ref; a response names it in `reply`.
 * One that says that it failed has the media type text/vnd.unibus.failed. Not for plain rooms
 * (UNIBUS_ERR_INVALID).
 *
 * Threads: requests from any thread; a worker's function runs on up to `parallel` threads of its
 * own, never on the message threads, so it may block. */
#ifndef UNIBUS_REQUEST_H
#define UNIBUS_REQUEST_H

#include <unibus/message.h>

#ifdef __cplusplus
extern "C" {
#endif

struct unibus_response {
	char sender[44];      /* endpoint */
	char media_type[128]; /* "" is UTF-8 text */
	char *data;           /* NUL-terminated; never NULL */
	size_t len;
	bool failed;    /* the worker says that it failed; data says why */
	unibus_ref ref; /* the request's */
};
/* Sends a request and waits for the first response to it; `p->kind` is 0 or UNIBUS_REQUEST.
 * UNIBUS_ERR_TIMEOUT: none came. Inside a callback of the library: UNIBUS_ERR_INVALID. Other errors
 * as unibus_publish and unibus_subscribe. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_request(unibus_room *room,
	const struct unibus_publish *p, unsigned timeout_ms, struct unibus_response *ret);
/* Frees what it holds. NULL and the zero response are nothing. */
UNIBUS_API void unibus_response_free(struct unibus_response *r);

typedef struct unibus_worker unibus_worker;

/* What a worker's function answers. */
struct unibus_answer {
	const char *media_type; /* NULL: text; not freed, so a literal, mostly */
	char *data;             /* malloc'ed by the function, freed by the library; may be NULL */
	size_t len;
	bool failed;
};
typedef void (*unibus_work_fn)(
	void *arg, const struct unibus_msg *request, struct unibus_answer *answer);

struct unibus_work {
	unibus_work_fn fn;
	void *arg;
	const char *name; /* 1 to 64 of [A-Za-z0-9_-]: what was executed is kept on disk under it */
	unsigned parallel; /* 1 to 64; 0: 1 */
	bool messages;     /* answer others' messages, too: responses in their thread */
};
/* Answers requests in the room until unibus_worker_stop. No request is executed twice under one
 * name, not after a restart either: its ref is on disk before fn is called (so one whose worker
 * died in fn is not tried again by this worker). In a persisted room requests that came while the
 * worker was away are answered when it is back. When 1,024 requests wait, the client's further
 * messages wait, too. An answer that cannot be sent is told as UNIBUS_EVENT_UNANSWERED.
 * UNIBUS_ERR_LOCKED: the name is in use; UNIBUS_ERR_BAD_FILE, UNIBUS_ERR_IO: what is on disk under
 * it cannot be read; UNIBUS_ERR_NO_RIGHT (a reader). */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_worker_start(
	unibus_room *room, const struct unibus_work *w, unibus_worker **ret);
/* Takes no more, waits for those running, and frees it; before the room is freed, and not from
 * `fn`. NULL is nothing. */
UNIBUS_API void unibus_worker_stop(unibus_worker *w);

#ifdef __cplusplus
}
#endif
#endif
