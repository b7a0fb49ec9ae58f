/* httpd.h: the HTTP server shell of our programs over libmicrohttpd: transport only.
 *
 * What it refuses before anyone else looks: transfer codings (411), repeated, misspelled or
 * missing Content-Length, a body where none belongs, header names that are no tokens, control
 * bytes, repeated Host, more than UB_HEADER_BYTES_MAX of headers (431), targets with bytes outside
 * [A-Za-z0-9_/-] in the path and [A-Za-z0-9._~=&-] in the query, bodies over the row's maximum
 * (413). Headers must be complete in header_ms, a body must flow, a reply must be read: a byte now
 * and then is not progress.
 *
 * Threads: `threads` event loops, `workers` for blocking handlers, one that reaps slow
 * connections. httpd_start, _reload_tls, _stop_accepting, _free: any thread. A request belongs to
 * the hook or handler it was given to; nothing of it may be kept. */
#ifndef UB_HTTPD_H
#define UB_HTTPD_H

#include <jansson.h>

#include "core/base.h"
#include "core/limits.h"

struct httpd;
struct httpd_req;

struct httpd_route {
	const char *method; /* "GET", "POST", "PUT", "DELETE" */
	const char *path;   /* "/rooms/{id}/log": "{...}" takes one segment, at most 4 */
	int access;         /* who may: the program's own enum; httpd_start refuses 0 */
	size_t body_max;    /* 0: no body */
	bool blocking;      /* on a worker, with the connection suspended; else on the event loop */
	void (*handler)(void *app, struct httpd_req *r); /* must reply */
	int arg;                                         /* for the handler */
};

/* Each may be NULL. A reply made in a hook ends the request. All on an event loop: no waiting. */
struct httpd_hooks {
	/* Before anything else. `peer`: 4 bytes, or 8 of an IPv6 address. UB_OK, or
	 * UNIBUS_ERR_SLOW_DOWN with the wait. */
	ub_err (*admit)(void *app, struct ub_bytes peer, uint64_t *ret_wait_ms);
	/* The row is known, the headers are in order, nothing of the body was read. */
	void (*head)(void *app, struct httpd_req *r);
	/* The body is complete; the handler comes next. */
	void (*body)(void *app, struct httpd_req *r);
	/* The request that `head` saw is over, answered or cut off: for what its ctx holds. */
	void (*end)(void *app, struct httpd_req *r);
};

struct httpd_config {
	const char *bind; /* address */
	uint16_t port;    /* 0: any */
	const char *tls_cert, *tls_key;
	const struct httpd_route *routes; /* borrowed, like `app` */
	size_t n_routes;
	struct httpd_hooks hooks;
	void *app;
	size_t ctx_size;        /* zeroed bytes of the program's own in each request */
	const char *path_extra; /* more bytes allowed in paths ("."), NULL: none */
	/* Zero: the default in brackets. */
	unsigned threads;         /* [2] */
	unsigned workers;         /* [8] */
	unsigned queue_max;       /* [256] requests waiting for a worker */
	unsigned connections_max; /* [UB_HTTP_CONNECTIONS_MAX], a quarter of it for one address */
	unsigned header_ms;       /* [UB_HEADER_SECONDS_MAX] until the headers are complete */
	unsigned idle_ms;         /* [60000] between requests; and for a reply to be read */
	size_t bodies_max; /* [256 MiB] of bodies at once, half for one address; past it 503 */
};

/* UNIBUS_ERR_INVALID (address, table, certificate), UNIBUS_ERR_INSECURE_FILE (key file),
 * UNIBUS_ERR_NOT_FOUND (files, the address), UNIBUS_ERR_CONFLICT (the port is taken),
 * UNIBUS_ERR_DENIED (a privileged one), UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err httpd_start(const struct httpd_config *c, struct httpd **ret);
uint16_t httpd_port(const struct httpd *h);
/* On an error the old certificate stays. UB_OK without TLS. */
UB_MUST_CHECK
ub_err httpd_reload_tls(struct httpd *h);
void httpd_stop_accepting(struct httpd *h);
/* Waits for requests under way (at most 15 s), then closes everything. */
void httpd_free(struct httpd *h);
UB_DEFINE_CLEANUP(struct httpd *, httpd_free)

/* The request. */
void *httpd_ctx(struct httpd_req *r);
const struct httpd_route *httpd_route(const struct httpd_req *r);
struct ub_str httpd_method(const struct httpd_req *r);
struct ub_str httpd_target(const struct httpd_req *r);            /* exactly as sent */
struct ub_str httpd_param(const struct httpd_req *r, unsigned i); /* the i-th {...} */
struct ub_str httpd_body(const struct httpd_req *r);
size_t httpd_length(const struct httpd_req *r); /* Content-Length */
/* The peer's address, for logs. */
void httpd_peer(const struct httpd_req *r, char to[64]);
/* Calls fn for each header field. In hooks only. */
void httpd_headers(const struct httpd_req *r,
	void (*fn)(void *arg, struct ub_str name, struct ub_str value), void *arg);
/* A parameter of the query: {NULL, 0} when absent. Repeated ones never get here. */
struct ub_str httpd_query(struct httpd_req *r, const char *name);
/* Was every parameter asked for? If not, *ret_unknown names one. */
bool httpd_query_end(const struct httpd_req *r, struct ub_str *ret_unknown);
/* In the head hook: the body goes to `sink` piece by piece, on an event loop without waiting,
 * instead of being held for httpd_body. Once it has replied or failed the rest is thrown away, and
 * its reply or the error is the answer; body hook and handler are left out. */
typedef ub_err httpd_sink(void *app, struct httpd_req *r, struct ub_bytes piece);
void httpd_stream(struct httpd_req *r, httpd_sink *sink);
/* In the body hook: run the handler on a worker though its row does not say so. */
void httpd_defer(struct httpd_req *r);

/* The reply: one, from a hook or the handler. */
void httpd_header(struct httpd_req *r, const char *name, const char *value); /* before it */
void httpd_reply(
	struct httpd_req *r, unsigned status, const char *type, char *body_owned, size_t len);
void httpd_reply_json(struct httpd_req *r, unsigned status, json_t *body_owned);
/* `len` bytes of a file from `from` on, read while they are sent; the descriptor is closed in any
 * case. The file must have them: cut short meanwhile, the connection ends early. */
struct httpd_file {
	int fd;
	uint64_t from, len;
};
void httpd_reply_file(
	struct httpd_req *r, unsigned status, const char *type, const struct httpd_file *file);
/* {"error": sentence, "code": word of err}, Retry-After with 429 and 503. A NULL sentence: the
 * table's. */
void httpd_fail(struct httpd_req *r, ub_err err, const char *sentence);
/* The same with more members, and a status of its own (0: the error's). */
void httpd_fail_json(
	struct httpd_req *r, ub_err err, unsigned status, const char *sentence, json_t *more_owned);
bool httpd_replied(const struct httpd_req *r);

#endif
