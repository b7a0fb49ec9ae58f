/* httpd_impl.h: what the files of httpd share; nobody else includes it.
 *
 * Threads: a request is touched by one thread at a time: its event loop, or the worker it was
 * given to while its connection is suspended. */
#ifndef UB_HTTPD_IMPL_H
#define UB_HTTPD_IMPL_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "core/buf.h"
#include "support/httpd.h"
#include "support/httpd_pool.h"

#define HTTPD_THREADS_MAX 64
#define HTTPD_PARAMS_MAX 4
#define HTTPD_QUERY_MAX 8
#define HTTPD_REPLY_HEADERS_MAX 8
#define HTTPD_HEADERS_MAX 64
#define HTTPD_BODY_BYTES_PER_MS 16 /* slower than 16 kB/s is an attack or a dead line */
#define HTTPD_DRAIN_MS 15000

/* One TCP connection. The list is for the reaper; `deadline_ms` moves with what is awaited. */
struct httpd_conn {
	struct httpd *h;
	int fd;
	_Atomic uint64_t deadline_ms; /* monotonic; 0: not waiting for the peer */
	_Atomic bool reading;         /* in the middle of a body */
	bool gone;                    /* the reaper's: it was, and the peer had left */
	uint8_t peer[8];
	size_t peer_len;
	size_t held; /* of the bodies' memory; under the list's lock */
	struct sockaddr_storage addr;
	struct httpd_conn *prev, *next;
};
struct httpd_conns {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct httpd_conn *head;
	bool stop;
	unsigned tick_ms; /* how late a deadline may be noticed */
	pthread_t reaper;
	bool running;
};

enum httpd_phase {
	HTTPD_HEAD = 0, /* headers not judged yet */
	HTTPD_BODY,     /* reading the body */
	HTTPD_WORKING,  /* with a worker */
	HTTPD_ANSWERED,
};

struct httpd_arg {
	struct ub_str name, value;
	bool taken;
};
struct httpd_reply_header {
	char name[48];
	char value[208];
};

struct httpd_req {
	struct httpd *h;
	struct MHD_Connection *con;
	struct httpd_conn *conn;
	enum httpd_phase phase;
	bool counted, deferred, close;
	bool headed;  /* the head hook saw it: the end hook shall */
	char *target; /* owned copy, as sent */
	size_t target_len, path_len;
	const char *method; /* libmicrohttpd's, as long as the request */
	const struct httpd_route *route;
	struct ub_str params[HTTPD_PARAMS_MAX];
	struct httpd_arg args[HTTPD_QUERY_MAX];
	size_t n_args;
	size_t length;   /* Content-Length */
	size_t received; /* of it */
	struct ub_buf body;
	httpd_sink *sink; /* takes the body instead */
	struct httpd_reply_header headers[HTTPD_REPLY_HEADERS_MAX];
	size_t n_headers;
	struct MHD_Response *response;
	unsigned status;
	uint64_t reply_len;
	bool replied;
	struct httpd_req *next; /* in the pool */
	_Alignas(max_align_t) uint8_t ctx[];
};

struct httpd_tls;

struct httpd_loop {
	struct httpd *h;
	struct MHD_Daemon *daemon;
	/* Who was let in and is not in the list yet; the list's lock. */
	uint8_t peer[8];
	size_t peer_len;
};

struct httpd {
	struct httpd_config c;
	/* One event loop each, over the one listener. Not one daemon with a pool of them: its
	 * MHD_quiesce_daemon aborts when a loop of it is quicker (0.9.75). */
	struct httpd_loop loops[HTTPD_THREADS_MAX];
	unsigned n_loops;
	struct httpd_tls *tls; /* NULL: plain */
	int listener;
	uint16_t port;
	pthread_mutex_t lock; /* stopping, active */
	pthread_cond_t idle;
	bool stopping;
	size_t active; /* requests between complete headers and the end of the reply */
	struct httpd_conns conns;
	struct httpd_pool pool;
};

/* Connections: httpd_conn.c. */
uint64_t httpd_now_ms(void);
ub_err httpd_conns_start(struct httpd_conns *cs, unsigned header_ms);
void httpd_conns_stop(struct httpd_conns *cs);
void httpd_conn_notify(void *cls, struct MHD_Connection *con, void **socket_context,
	enum MHD_ConnectionNotificationCode code);
/* Lets one more in of that address, unless it has its share. */
bool httpd_conn_admit(struct httpd_loop *loop, const struct sockaddr *sa);
struct httpd_conn *httpd_conn_of(struct MHD_Connection *con);     /* NULL: no memory for one */
void httpd_conn_expect(struct httpd_conn *c, uint64_t within_ms); /* 0: nothing */
/* Takes memory for a body: false when all would have too much, or the address more than half. */
bool httpd_conn_hold(struct httpd_conn *c, size_t len);
void httpd_conn_let_go(struct httpd_conn *c); /* of all it holds */

/* Screening and routing: httpd_screen.c, httpd_route.c. A refusal is a reply. */
void httpd_screen(struct httpd_req *r, const char *version);
void httpd_find_route(struct httpd_req *r);
bool httpd_routes_ok(const struct httpd_route *routes, size_t n);

/* Certificates: httpd_tls.c. */
ub_err httpd_tls_new(const char *cert, const char *key, struct httpd_tls **ret);
ub_err httpd_tls_reload(struct httpd_tls *t);
void httpd_tls_free(struct httpd_tls *t);
extern const char httpd_tls_priorities[];
typedef void httpd_fn(void);
httpd_fn *httpd_tls_chooser(void); /* for MHD_OPTION_HTTPS_CERT_CALLBACK */

#endif
