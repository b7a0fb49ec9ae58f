#include "tests/harness/liar.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/json.h"
#include "core/num.h"
#include "tests/harness/sock.h"

#define CONNS_MAX 256
#define MESSAGE_MAX (8 * 1024 * 1024)
#define IDLE_MS 60000

struct conn {
	struct liar *l;
	int client;
	pthread_t thread;
};

struct liar {
	uint16_t port, to;
	int listen, stop;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	liar_fn fn;
	void *arg;
	unsigned lies;
	struct conn conns[CONNS_MAX];
	unsigned n;
};

/* "GET /x HTTP/1.1": the first two words. */
static bool read_request_line(const char *text, char method[16], char target[2048])
{
	return sscanf(text, "%15s %2047s", method, target) == 2;
}

static void put_answer(const struct liar_call *call, struct ub_buf *out)
{
	UB_CLEANUP(ub_freep) char *text = call->answer ? ub_json_text(call->answer) : NULL;
	size_t len = text ? strlen(text) : 0;

	ub_buf_reset(out);
	ub_buf_printf(out,
		"HTTP/1.1 %d Lie\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n",
		call->status, len);
	ub_buf_put(out, text ? text : "", len);
}

/* Shows the exchange to the test, which may change the answer. */
static void lie(struct liar *l, const char *request, struct ub_buf *answer)
{
	char method[16], target[2048];
	const char *text = ub_buf_cstr(answer);
	const char *body = text ? strstr(text, "\r\n\r\n") : NULL;
	const char *sent = strstr(request, "\r\n\r\n");
	struct liar_call call = {.method = method, .target = target, .body = sent ? sent + 4 : ""};
	uint64_t status;

	if (!body || strlen(text) < 12 || !read_request_line(request, method, target) ||
		ub_num_u64((struct ub_str){text + 9, 3}, 100, 599, &status))
		return;
	call.status = (int)status;
	if (ub_json_parse_foreign(ub_str(body + 4), &call.answer) != UB_OK)
		call.answer = NULL;
	pthread_mutex_lock(&l->lock);
	if (l->fn && l->fn(l->arg, &call)) {
		l->lies++;
		put_answer(&call, answer);
	}
	pthread_mutex_unlock(&l->lock);
	json_decref(call.answer);
}

/* One request and its answer; false when the connection is over. */
static bool exchange(struct conn *c)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf req = UB_BUF(MESSAGE_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf answer = UB_BUF(MESSAGE_MAX);
	int server;
	bool ok;

	if (sock_read_http(c->client, &req, IDLE_MS) < 0)
		return false;
	server = sock_connect(c->l->to);
	if (server < 0)
		return false;
	ok = sock_send(server, req.p, req.len) == 0 &&
	     sock_read_http(server, &answer, IDLE_MS) == 0;
	(void)close(server);
	if (!ok)
		return false;
	lie(c->l, ub_buf_cstr(&req), &answer);
	return sock_send(c->client, answer.p, answer.len) == 0;
}

static void *serve(void *arg)
{
	struct conn *c = arg;

	while (exchange(c))
		continue;
	(void)shutdown(c->client, SHUT_RDWR);
	return NULL;
}

static void take(struct liar *l, int fd)
{
	struct conn *c = &l->conns[l->n];

	if (l->n == CONNS_MAX) {
		(void)close(fd);
		return;
	}
	*c = (struct conn){.l = l, .client = fd};
	if (pthread_create(&c->thread, NULL, serve, c))
		(void)close(fd);
	else
		l->n++;
}

static void *accept_all(void *arg)
{
	struct liar *l = arg;

	for (;;) {
		struct pollfd p[2] = {
			{.fd = l->listen, .events = POLLIN}, {.fd = l->stop, .events = POLLIN}};
		int fd;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			return NULL;
		fd = accept4(l->listen, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			take(l, fd);
	}
}

struct liar *liar_start(uint16_t to)
{
	struct liar *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->to = to;
	l->listen = sock_listen(&l->port);
	l->stop = eventfd(0, EFD_CLOEXEC);
	if (l->listen >= 0 && l->stop >= 0 && !pthread_mutex_init(&l->lock, NULL) &&
		!pthread_create(&l->thread, NULL, accept_all, l))
		return l;
	(void)fprintf(stderr, "harness: no proxy\n");
	free(l);
	return NULL;
}

void liar_stop(struct liar *l)
{
	if (!l)
		return;
	(void)eventfd_write(l->stop, 1);
	(void)pthread_join(l->thread, NULL);
	for (unsigned i = 0; i < l->n; i++)
		(void)shutdown(l->conns[i].client, SHUT_RDWR);
	for (unsigned i = 0; i < l->n; i++) {
		(void)pthread_join(l->conns[i].thread, NULL);
		(void)close(l->conns[i].client);
	}
	(void)close(l->listen);
	(void)close(l->stop);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}

uint16_t liar_port(const struct liar *l)
{
	return l->port;
}

void liar_set(struct liar *l, liar_fn fn, void *arg)
{
	pthread_mutex_lock(&l->lock);
	l->fn = fn;
	l->arg = arg;
	l->lies = 0;
	pthread_mutex_unlock(&l->lock);
}

unsigned liar_lies(struct liar *l)
{
	unsigned n;

	pthread_mutex_lock(&l->lock);
	n = l->lies;
	pthread_mutex_unlock(&l->lock);
	return n;
}
