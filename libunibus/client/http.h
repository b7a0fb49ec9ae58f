/* http.h: one HTTP exchange with one server, over libcurl, with a deadline and cancellable.
 *
 * Threads: any number of exchanges at once; each has a libcurl handle of its own, kept with its
 * connection for the next one. */
#ifndef UB_CLIENT_HTTP_H
#define UB_CLIENT_HTTP_H

#include "core/base.h"
#include "core/buf.h"

struct ub_http;

/* `ca_file` NULL: the system's trust roots; else the only one. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_http_new(const char *ca_file, struct ub_http **ret);
/* No exchange may be running. */
void ub_http_free(struct ub_http *h);
/* Ends what is running, and whatever is begun, with UNIBUS_ERR_CANCELLED, until called with
 * false. */
void ub_http_cancel(struct ub_http *h, bool on);

/* For what is too large, or takes too long, to wait for as a whole. */
struct ub_http_stream {
	/* Takes the body of an answer of status 200 or 206 piece by piece, instead of the answer's
	 * body; NULL: the body does. An error ends the exchange with it. */
	ub_err (*take)(void *arg, int status, struct ub_bytes piece);
	/* How many bytes of the request's body are sent and of the answer's have come; may be NULL.
	 * An error ends the exchange with it. */
	ub_err (*progress)(void *arg, uint64_t sent, uint64_t received);
	void *arg;
	unsigned idle_ms; /* the deadline moves: this long after the last byte */
	bool started;     /* set: `take` was called */
};

#define UB_HTTP_HEADERS_MAX 9
struct ub_http_request {
	const char *method, *url;
	const char *headers[UB_HTTP_HEADERS_MAX]; /* "Name: value"; NULL ends */
	struct ub_str body;                       /* p NULL: none */
	uint64_t deadline;                        /* ub_mono_ms */
	struct ub_http_stream *stream;            /* NULL: none */
};
struct ub_http_answer {
	int status;
	struct ub_buf body; /* owned by the caller, who sets its maximum */
};
/* UB_OK: there is an answer, of whatever status. UNIBUS_ERR_NETWORK, UNIBUS_ERR_TIMEOUT,
 * UNIBUS_ERR_TLS, UNIBUS_ERR_CANCELLED, UNIBUS_ERR_TOO_LARGE, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_http_do(
	struct ub_http *h, const struct ub_http_request *req, struct ub_http_answer *answer);

#endif
