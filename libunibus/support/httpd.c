/* The server: start, the life of a request, stop. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "support/httpd_impl.h"

/* ---- the life of a request: target seen, headers judged, body read, handler, reply sent ---- */

static void *target_seen(void *cls, const char *uri, struct MHD_Connection *con)
{
	struct httpd *h = cls;
	struct httpd_conn *conn = httpd_conn_of(con);
	struct httpd_req *r;
	uint64_t now = httpd_now_ms();

	if (!conn)
		return NULL;
	/* On a kept connection the time for headers starts now; on a new one it is running. */
	if (atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed) > now + h->c.header_ms)
		httpd_conn_expect(conn, h->c.header_ms);
	r = calloc(1, sizeof(*r) + h->c.ctx_size);
	if (!r)
		return NULL;
	r->h = h;
	r->con = con;
	r->conn = conn;
	r->target_len = strlen(uri);
	r->target = ub_str_dup((struct ub_str){uri, r->target_len});
	if (!r->target) {
		free(r);
		return NULL;
	}
	return r;
}

static void count(struct httpd_req *r, bool in)
{
	struct httpd *h = r->h;

	pthread_mutex_lock(&h->lock);
	r->counted = in;
	h->active += in ? 1 : (size_t)-1;
	/* While stopping, a connection serves the request it has and no more. */
	r->close = r->close || h->stopping;
	if (!h->active)
		pthread_cond_broadcast(&h->idle);
	pthread_mutex_unlock(&h->lock);
}

static void completed(
	void *cls, struct MHD_Connection *con, void **con_cls, enum MHD_RequestTerminationCode why)
{
	struct httpd_req *r = *con_cls;

	(void)cls, (void)con, (void)why;
	if (!r)
		return;
	*con_cls = NULL;
	httpd_conn_expect(r->conn, r->h->c.idle_ms);
	atomic_store_explicit(&r->conn->reading, false, memory_order_relaxed);
	if (r->headed && r->h->c.hooks.end)
		r->h->c.hooks.end(r->h->c.app, r);
	if (r->body.max)
		httpd_conn_let_go(r->conn);
	ub_buf_deinit(&r->body);
	if (r->response)
		MHD_destroy_response(r->response);
	if (r->counted)
		count(r, false);
	free(r->target);
	free(r);
}

static enum MHD_Result answer(struct httpd_req *r)
{
	struct httpd *h = r->h;

	r->phase = HTTPD_ANSWERED;
	httpd_conn_expect(r->conn, h->c.idle_ms + r->reply_len / HTTPD_BODY_BYTES_PER_MS);
	return r->response ? MHD_queue_response(r->con, r->status, r->response) : MHD_NO;
}

static void admit(struct httpd_req *r)
{
	const struct httpd_config *c = &r->h->c;
	uint64_t wait_ms = 0;
	char text[24];

	if (!c->hooks.admit ||
		!c->hooks.admit(
			c->app, (struct ub_bytes){r->conn->peer, r->conn->peer_len}, &wait_ms))
		return;
	r->close = true;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(wait_ms + 999) / 1000);
	httpd_header(r, "Retry-After", text);
	httpd_fail(r, UNIBUS_ERR_SLOW_DOWN,
		"too many requests from your address; wait as long as Retry-After says");
}

static void check_length(struct httpd_req *r)
{
	if (r->length <= r->route->body_max)
		return;
	r->close = true;
	httpd_fail(r, UNIBUS_ERR_TOO_LARGE, "the body is larger than this path takes");
}

static void judge_head(struct httpd_req *r)
{
	const struct httpd_config *c = &r->h->c;

	if (!c->hooks.head)
		return;
	r->headed = true;
	c->hooks.head(c->app, r);
}

/* Memory for the body is taken before it comes, and given back in completed. */
static void reserve(struct httpd_req *r)
{
	if (!r->length || r->sink)
		return;
	r->body.max = r->length;
	if (!httpd_conn_hold(r->conn, r->length)) {
		r->close = true;
		httpd_fail(r, UNIBUS_ERR_UNAVAILABLE,
			"too much is being uploaded at once; try again shortly");
	}
}

static enum MHD_Result head_complete(struct httpd_req *r, const char *method, const char *version)
{
	const struct httpd_config *c = &r->h->c;

	r->method = method;
	r->phase = HTTPD_BODY;
	count(r, true);
	admit(r);
	if (!r->replied)
		httpd_screen(r, version);
	if (!r->replied)
		httpd_find_route(r);
	if (!r->replied)
		check_length(r);
	if (!r->replied)
		judge_head(r);
	if (!r->replied)
		reserve(r);
	/* What is answered before its end was read costs the connection: right when a body is
	 * still to come, a pity when there is none. */
	if (r->replied && (r->close || r->length))
		return answer(r);
	httpd_conn_expect(r->conn, c->header_ms + r->length / HTTPD_BODY_BYTES_PER_MS);
	atomic_store_explicit(&r->conn->reading, r->length > 0, memory_order_relaxed);
	return MHD_YES;
}

/* Runs the hook and the handler, or hands over to a worker (true). */
static bool handed_over(struct httpd_req *r)
{
	const struct httpd_config *c = &r->h->c;

	if (c->hooks.body)
		c->hooks.body(c->app, r);
	if (r->replied)
		return false;
	if (!r->route->blocking && !r->deferred) {
		r->route->handler(c->app, r);
		return false;
	}
	if (httpd_pool_submit(&r->h->pool, r))
		return true;
	httpd_fail(r, UNIBUS_ERR_UNAVAILABLE,
		"the server is busy with earlier requests; try again shortly");
	return false;
}

static enum MHD_Result body_complete(struct httpd_req *r)
{
	httpd_conn_expect(r->conn, 0);
	atomic_store_explicit(&r->conn->reading, false, memory_order_relaxed);
	if (!r->replied && (r->received != r->length || r->body.err))
		httpd_fail(r, r->body.err ? r->body.err : UNIBUS_ERR_INVALID, NULL);
	if (!r->replied && handed_over(r))
		return MHD_YES;
	ub_assert(r->replied);
	return answer(r);
}

static void take_piece(struct httpd_req *r, struct ub_bytes piece)
{
	ub_err err;

	/* Refused already: only libmicrohttpd must see the rest, or it sends no answer. */
	if (r->replied)
		return;
	r->received += piece.len;
	if (!r->sink) {
		ub_buf_put(&r->body, piece.p, piece.len);
		return;
	}
	err = r->sink(r->h->c.app, r, piece);
	if (!err)
		return;
	r->close = true;
	httpd_fail(r, err, NULL);
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *con, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_len,
	void **con_cls)
{
	struct httpd_req *r = *con_cls;

	(void)cls, (void)con, (void)url;
	if (!r)
		return MHD_NO;
	switch (r->phase) {
	case HTTPD_HEAD:
		return head_complete(r, method, version);
	case HTTPD_BODY:
		if (!*upload_len)
			return body_complete(r);
		take_piece(r, (struct ub_bytes){(const uint8_t *)upload, *upload_len});
		*upload_len = 0;
		return MHD_YES;
	case HTTPD_WORKING:
		ub_assert(r->replied);
		return answer(r);
	case HTTPD_ANSWERED:
		break;
	}
	/* The rest of a body whose sender was refused. */
	*upload_len = 0;
	return MHD_YES;
}

/* ---- start and stop ---- */

static bool resolve(const char *bind, uint16_t port, struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (!bind)
		return false;
	if (inet_pton(AF_INET, bind, &in.sin_addr) == 1) {
		memcpy(ss, &in, sizeof(in));
		*len = sizeof(in);
		return true;
	}
	if (inet_pton(AF_INET6, bind, &in6.sin6_addr) == 1) {
		memcpy(ss, &in6, sizeof(in6));
		*len = sizeof(in6);
		return true;
	}
	return false;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage ss = {0};
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	socklen_t len = sizeof(ss);
	void *at = &ss;

	if (getsockname(fd, at, &len))
		return 0;
	if (ss.ss_family == AF_INET) {
		memcpy(&in, &ss, sizeof(in));
		return ntohs(in.sin_port);
	}
	memcpy(&in6, &ss, sizeof(in6));
	return ntohs(in6.sin6_port);
}

static ub_err bind_error(int error)
{
	switch (error) {
	case EADDRINUSE:
		return UNIBUS_ERR_CONFLICT;
	case EADDRNOTAVAIL:
		return UNIBUS_ERR_NOT_FOUND;
	case EACCES:
		return UNIBUS_ERR_DENIED;
	default:
		return UNIBUS_ERR_IO;
	}
}

static ub_err listen_on(struct httpd *h)
{
	struct sockaddr_storage ss = {0};
	const void *at = &ss;
	socklen_t len = 0;
	int on = 1;

	if (!resolve(h->c.bind, h->c.port, &ss, &len))
		return UNIBUS_ERR_INVALID;
	h->listener = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (h->listener < 0)
		return UNIBUS_ERR_IO;
	if (setsockopt(h->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
		bind(h->listener, at, len) || listen(h->listener, SOMAXCONN))
		return bind_error(errno);
	h->port = bound_port(h->listener);
	return h->port ? UB_OK : UNIBUS_ERR_IO;
}

static unsigned or_default(unsigned v, unsigned dflt)
{
	return v ? v : dflt;
}

static void set_defaults(struct httpd_config *c)
{
	c->threads = or_default(c->threads, 2);
	if (c->threads > HTTPD_THREADS_MAX)
		c->threads = HTTPD_THREADS_MAX;
	c->workers = or_default(c->workers, 8);
	c->queue_max = or_default(c->queue_max, 256);
	c->connections_max = or_default(c->connections_max, UB_HTTP_CONNECTIONS_MAX);
	c->header_ms = or_default(c->header_ms, UB_HEADER_SECONDS_MAX * 1000);
	c->idle_ms = or_default(c->idle_ms, 60000);
	if (!c->bodies_max)
		c->bodies_max = 256UL * 1024 * 1024;
}

static enum MHD_Result admits(void *cls, const struct sockaddr *sa, socklen_t len)
{
	(void)len;
	return httpd_conn_admit(cls, sa) ? MHD_YES : MHD_NO;
}

static ub_err loop_start(struct httpd *h)
{
	struct httpd_loop *loop = &h->loops[h->n_loops];
	unsigned share = h->c.connections_max / h->c.threads;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
			 (h->tls ? MHD_USE_TLS : 0U);

	loop->daemon = MHD_start_daemon(flags, 0, admits, loop, handle, h, MHD_OPTION_LISTEN_SOCKET,
		h->listener, MHD_OPTION_URI_LOG_CALLBACK, target_seen, h,
		MHD_OPTION_NOTIFY_COMPLETED, completed, h, MHD_OPTION_NOTIFY_CONNECTION,
		httpd_conn_notify, loop, MHD_OPTION_CONNECTION_LIMIT, share ? share : 1,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(2 * UB_HEADER_BYTES_MAX),
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_HTTPS_PRIORITIES, httpd_tls_priorities,
		MHD_OPTION_HTTPS_CERT_CALLBACK, httpd_tls_chooser(), MHD_OPTION_END);
	if (!loop->daemon)
		return UNIBUS_ERR_NOMEM;
	h->n_loops++;
	return UB_OK;
}

ub_err httpd_start(const struct httpd_config *c, struct httpd **ret)
{
	UB_CLEANUP(httpd_freep) struct httpd *h = NULL;
	ub_err err = UB_OK;

	if (!httpd_routes_ok(c->routes, c->n_routes))
		return UNIBUS_ERR_INVALID;
	h = calloc(1, sizeof(*h));
	if (!h)
		return UNIBUS_ERR_NOMEM;
	h->c = *c;
	set_defaults(&h->c);
	h->listener = -1;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->idle, NULL);
	if (c->tls_cert || c->tls_key)
		err = httpd_tls_new(c->tls_cert, c->tls_key, &h->tls);
	if (!err)
		err = listen_on(h);
	if (!err)
		err = httpd_conns_start(&h->conns, h->c.header_ms);
	if (!err)
		err = httpd_pool_start(&h->pool, h->c.workers, h->c.queue_max);
	for (unsigned i = 0; i < h->c.threads; i++)
		h->loops[i].h = h;
	while (!err && h->n_loops < h->c.threads)
		err = loop_start(h);
	if (err)
		return err;
	*ret = UB_TAKE(h);
	return UB_OK;
}

uint16_t httpd_port(const struct httpd *h)
{
	return h->port;
}

ub_err httpd_reload_tls(struct httpd *h)
{
	return h->tls ? httpd_tls_reload(h->tls) : UB_OK;
}

void httpd_stop_accepting(struct httpd *h)
{
	bool first;

	pthread_mutex_lock(&h->lock);
	first = !h->stopping;
	h->stopping = true;
	pthread_mutex_unlock(&h->lock);
	for (unsigned i = 0; first && i < h->n_loops; i++)
		(void)MHD_quiesce_daemon(h->loops[i].daemon); /* gives our own listener back */
}

static void drain(struct httpd *h)
{
	struct timespec until;

	ub_assert(clock_gettime(CLOCK_REALTIME, &until) == 0);
	until.tv_sec += HTTPD_DRAIN_MS / 1000;
	pthread_mutex_lock(&h->lock);
	while (h->active)
		if (pthread_cond_timedwait(&h->idle, &h->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&h->lock);
}

void httpd_free(struct httpd *h)
{
	if (!h)
		return;
	httpd_stop_accepting(h);
	if (h->n_loops)
		drain(h);
	/* Nothing may be suspended when the daemon stops. */
	httpd_pool_stop(&h->pool);
	for (unsigned i = 0; i < h->n_loops; i++)
		MHD_stop_daemon(h->loops[i].daemon);
	httpd_conns_stop(&h->conns);
	if (h->listener >= 0)
		(void)close(h->listener); /* nothing to lose */
	httpd_tls_free(h->tls);
	pthread_mutex_destroy(&h->pool.lock);
	pthread_cond_destroy(&h->pool.some);
	pthread_cond_destroy(&h->idle);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
