#include "tests/harness/tap.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/b64url.h"
#include "core/limits.h"
#include "core/num.h"
#include "tests/harness/sock.h"

#define CONNS_MAX 256
#define CAPTURE_MAX (64 * 1024 * 1024)

struct direction {
	struct tap *t;
	struct conn *c;
	int from, to;
	struct ub_buf bytes; /* guarded by the tap's lock */
	bool sieved;         /* what follows is looked through for messages */
	struct ub_buf in;    /* the thread's own: not passed on yet */
	pthread_t thread;
};

struct conn {
	int client, server;
	bool open; /* guarded by the tap's lock */
	unsigned running;
	struct direction up, down;
};

struct loss {
	char line[64];
	unsigned n;
};

struct tap {
	uint16_t port, to;
	int listen, stop; /* stop: an eventfd */
	pthread_t thread;
	pthread_mutex_t lock;
	bool refuse;
	struct loss loss[2]; /* up, down */
	unsigned lost;
	struct conn *conns[CONNS_MAX];
	unsigned n;
};

/* The length of the first message in the buffer with its payload; 0: it is not all there. */
static size_t message_len(const struct ub_buf *b)
{
	const uint8_t *end = b->len > 0 ? memchr(b->p, '\n', b->len) : NULL;
	size_t line, number;
	uint64_t payload = 0;

	if (!end)
		return 0;
	line = (size_t)(end - b->p) + 1;
	if (memcmp(b->p, "MSG ", 4) != 0 && memcmp(b->p, "HMSG ", 5) != 0 &&
		memcmp(b->p, "PUB ", 4) != 0 && memcmp(b->p, "HPUB ", 5) != 0)
		return line;
	for (number = line - 2; b->p[number - 1] != ' '; number--)
		continue;
	ub_assert(ub_num_u64((struct ub_str){(const char *)b->p + number, line - 2 - number}, 0,
			  UB_BUS_PAYLOAD_MAX * 2, &payload) == UB_OK);
	line += payload + 2;
	return line <= b->len ? line : 0;
}

static bool swallow(struct direction *d)
{
	struct loss *l = &d->t->loss[d == &d->c->down];
	size_t n = strlen(l->line);
	bool yes;

	pthread_mutex_lock(&d->t->lock);
	yes = l->n > 0 && d->in.len >= n && memcmp(d->in.p, l->line, n) == 0;
	l->n -= yes;
	d->t->lost += yes;
	pthread_mutex_unlock(&d->t->lock);
	return yes;
}

/* Passes on all messages that are whole. */
static int sieve(struct direction *d, const uint8_t *p, size_t len)
{
	size_t n;

	ub_buf_put(&d->in, p, len);
	while ((n = message_len(&d->in)) > 0) {
		if (!swallow(d) && sock_send(d->to, d->in.p, n) < 0)
			return -1;
		memmove(d->in.p, d->in.p + n, d->in.len - n);
		d->in.len -= n;
	}
	return 0;
}

/* One direction until either side ends; then both sides do. */
static void *pump(void *arg)
{
	struct direction *d = arg;
	struct tap *t = d->t;
	uint8_t chunk[16 * 1024];
	ssize_t n;

	while ((n = recv(d->from, chunk, sizeof(chunk), 0)) > 0) {
		pthread_mutex_lock(&t->lock);
		ub_buf_put(&d->bytes, chunk, (size_t)n);
		pthread_mutex_unlock(&t->lock);
		if (d->sieved ? sieve(d, chunk, (size_t)n) < 0
			      : sock_send(d->to, chunk, (size_t)n) < 0)
			break;
	}
	(void)shutdown(d->from, SHUT_RDWR);
	(void)shutdown(d->to, SHUT_RDWR);
	pthread_mutex_lock(&t->lock);
	if (--d->c->running == 0)
		d->c->open = false;
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void start_pumps(struct tap *t, struct conn *c)
{
	c->up = (struct direction){
		.t = t, .c = c, .from = c->client, .to = c->server, .bytes = UB_BUF(CAPTURE_MAX)};
	c->down = (struct direction){
		.t = t, .c = c, .from = c->server, .to = c->client, .bytes = UB_BUF(CAPTURE_MAX)};
	c->up.in = c->down.in = UB_BUF(CAPTURE_MAX);
	c->up.sieved = t->loss[0].line[0] != '\0';
	c->down.sieved = t->loss[1].line[0] != '\0';
	c->running = 2;
	c->open = true;
	if (pthread_create(&c->up.thread, NULL, pump, &c->up) ||
		pthread_create(&c->down.thread, NULL, pump, &c->down))
		ub_assert(false && "no thread for the tap");
}

static void take(struct tap *t, int client)
{
	bool refuse;
	struct conn *c;

	pthread_mutex_lock(&t->lock);
	refuse = t->refuse || t->n == CONNS_MAX;
	pthread_mutex_unlock(&t->lock);
	c = refuse ? NULL : calloc(1, sizeof(*c));
	if (c) {
		c->client = client;
		c->server = sock_connect(t->to);
	}
	if (!c || c->server < 0) {
		free(c);
		(void)close(client);
		return;
	}
	pthread_mutex_lock(&t->lock);
	start_pumps(t, c);
	t->conns[t->n++] = c;
	pthread_mutex_unlock(&t->lock);
}

static void *accept_all(void *arg)
{
	struct tap *t = arg;

	for (;;) {
		struct pollfd p[2] = {
			{.fd = t->listen, .events = POLLIN}, {.fd = t->stop, .events = POLLIN}};
		int fd;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			return NULL;
		fd = accept4(t->listen, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			take(t, fd);
	}
}

struct tap *tap_start(uint16_t to)
{
	struct tap *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->to = to;
	t->listen = sock_listen(&t->port);
	t->stop = eventfd(0, EFD_CLOEXEC);
	if (t->listen >= 0 && t->stop >= 0 && !pthread_mutex_init(&t->lock, NULL) &&
		!pthread_create(&t->thread, NULL, accept_all, t))
		return t;
	(void)fprintf(stderr, "harness: no tap\n");
	free(t);
	return NULL;
}

void tap_cut(struct tap *t)
{
	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->n; i++)
		if (t->conns[i]->open) {
			(void)shutdown(t->conns[i]->client, SHUT_RDWR);
			(void)shutdown(t->conns[i]->server, SHUT_RDWR);
		}
	pthread_mutex_unlock(&t->lock);
}

void tap_stop(struct tap *t)
{
	if (!t)
		return;
	(void)eventfd_write(t->stop, 1);
	(void)pthread_join(t->thread, NULL);
	tap_cut(t);
	for (unsigned i = 0; i < t->n; i++) {
		struct conn *c = t->conns[i];

		(void)pthread_join(c->up.thread, NULL);
		(void)pthread_join(c->down.thread, NULL);
		(void)close(c->client);
		(void)close(c->server);
		ub_buf_deinit(&c->up.in);
		ub_buf_deinit(&c->down.in);
		ub_buf_deinit(&c->up.bytes);
		ub_buf_deinit(&c->down.bytes);
		free(c);
	}
	(void)close(t->listen);
	(void)close(t->stop);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

uint16_t tap_port(const struct tap *t)
{
	return t->port;
}

void tap_lose(struct tap *t, bool down, const char *line, unsigned n)
{
	struct loss *l = &t->loss[down];

	pthread_mutex_lock(&t->lock);
	(void)snprintf(l->line, sizeof(l->line), "%s", line);
	l->n = n;
	pthread_mutex_unlock(&t->lock);
}

unsigned tap_lost(struct tap *t)
{
	unsigned n;

	pthread_mutex_lock(&t->lock);
	n = t->lost;
	pthread_mutex_unlock(&t->lock);
	return n;
}

void tap_refuse(struct tap *t, bool refuse)
{
	pthread_mutex_lock(&t->lock);
	t->refuse = refuse;
	pthread_mutex_unlock(&t->lock);
}

unsigned tap_open(struct tap *t)
{
	unsigned n = 0;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->n; i++)
		n += t->conns[i]->open;
	pthread_mutex_unlock(&t->lock);
	return n;
}

unsigned tap_taken(struct tap *t)
{
	unsigned n;

	pthread_mutex_lock(&t->lock);
	n = t->n;
	pthread_mutex_unlock(&t->lock);
	return n;
}

size_t tap_bytes(struct tap *t)
{
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->n; i++)
		n += t->conns[i]->up.bytes.len + t->conns[i]->down.bytes.len;
	pthread_mutex_unlock(&t->lock);
	return n;
}

static bool in(const struct ub_buf *b, const void *p, size_t len)
{
	return b->len >= len && memmem(b->p, b->len, p, len);
}

bool tap_has(struct tap *t, const void *p, size_t len)
{
	bool found = false;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->n && !found; i++)
		found = in(&t->conns[i]->up.bytes, p, len) || in(&t->conns[i]->down.bytes, p, len);
	pthread_mutex_unlock(&t->lock);
	return found;
}

/* The characters of a base64 text that depend on nothing but these bytes, when `shift` bytes of
 * something else are before them. */
static bool has_base64(struct tap *t, const uint8_t *p, size_t len, size_t shift)
{
	uint8_t padded[2 + 512] = {0};
	char text[UB_B64URL_LEN(sizeof(padded)) + 1];
	size_t first = shift ? shift + 1 : 0, whole = (shift + len) / 3 * 4;

	ub_assert(len <= 512);
	memcpy(padded + shift, p, len);
	ub_b64url_encode(padded, shift + len, text);
	if (tap_has(t, text + first, whole - first))
		return true;
	for (char *c = text; *c; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	return tap_has(t, text + first, whole - first);
}

bool tap_has_secret(struct tap *t, const void *p, size_t len)
{
	char hex[2 * 512 + 1];

	ub_assert(len <= 512);
	ub_hex_encode(p, len, hex);
	if (tap_has(t, p, len) || tap_has(t, hex, 2 * len))
		return true;
	for (char *c = hex; *c; c++)
		*c = (char)(*c >= 'a' && *c <= 'f' ? *c - 'a' + 'A' : *c);
	if (tap_has(t, hex, 2 * len))
		return true;
	for (size_t shift = 0; shift < 3; shift++)
		if (has_base64(t, p, len, shift))
			return true;
	return false;
}
