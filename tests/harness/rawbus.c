#include "tests/harness/rawbus.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/b64url.h"
#include "core/buf.h"
#include "core/key.h"
#include "core/nkey.h"
#include "core/num.h"

#define QUIET_MS 10000

static long now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Reads what is there, or waits for it. False: nothing until `end`, or closed. */
static bool fill(struct rawbus *b, long end)
{
	struct pollfd p = {.fd = b->fd, .events = POLLIN};
	long left = end - now_ms();
	ssize_t n;

	if (b->closed || b->n_in == sizeof(b->in) || poll(&p, 1, left > 0 ? (int)left : 0) <= 0)
		return false;
	n = recv(b->fd, b->in + b->n_in, sizeof(b->in) - b->n_in, 0);
	if (n <= 0) {
		b->closed = true;
		return false;
	}
	b->n_in += (size_t)n;
	return true;
}

static void drop(struct rawbus *b, size_t n)
{
	memmove(b->in, b->in + n, b->n_in - n);
	b->n_in -= n;
}

/* Length of the first line with its CRLF; 0: none in time. */
static size_t line_len(struct rawbus *b, long end)
{
	char *at;

	while (!(at = memmem(b->in, b->n_in, "\r\n", 2)))
		if (!fill(b, end))
			return 0;
	return (size_t)(at - b->in) + 2;
}

static void copy_member(const char *line, const char *key, char *to, size_t size)
{
	const char *at = strstr(line, key), *end;

	to[0] = '\0';
	if (!at)
		return;
	at += strlen(key);
	end = strchr(at, '"');
	if (end && (size_t)(end - at) < size) {
		memcpy(to, at, (size_t)(end - at));
		to[end - at] = '\0';
	}
}

int rawbus_open(struct rawbus *b, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	size_t n;

	*b = (struct rawbus){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	if (b->fd < 0 || connect(b->fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		(void)fprintf(stderr, "harness: connect: %s\n", strerror(errno));
		rawbus_close(b);
		return -1;
	}
	n = line_len(b, now_ms() + QUIET_MS);
	if (n == 0 || strncmp(b->in, "INFO ", 5) != 0) {
		(void)fprintf(stderr, "harness: no INFO\n");
		rawbus_close(b);
		return -1;
	}
	b->in[n - 2] = '\0';
	copy_member(b->in, "\"nonce\":\"", b->nonce, sizeof(b->nonce));
	copy_member(b->in, "\"server_id\":\"", b->server_id, sizeof(b->server_id));
	drop(b, n);
	return 0;
}

void rawbus_close(struct rawbus *b)
{
	if (b->fd >= 0)
		(void)close(b->fd);
	b->fd = -1;
	b->closed = true;
}

void rawbus_send(struct rawbus *b, const char *fmt, ...)
{
	struct ub_buf text = UB_BUF(256 * 1024);
	char line[8192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	ub_assert(n >= 0 && (size_t)n < sizeof(line));
	ub_buf_put(&text, line, (size_t)n);
	if (send(b->fd, text.p, text.len, MSG_NOSIGNAL) != (ssize_t)text.len)
		b->closed = true;
	ub_buf_deinit(&text);
}

void rawbus_publish(
	struct rawbus *b, const char *subject, const char *reply, struct ub_bytes payload)
{
	rawbus_send(b, "PUB %s %s %zu\r\n", subject, reply ? reply : "", payload.len);
	if (send(b->fd, payload.p, payload.len, MSG_NOSIGNAL) != (ssize_t)payload.len)
		b->closed = true;
	rawbus_send(b, "\r\n");
}

enum line_kind {
	LINE_NONE = 0,
	LINE_PONG,
	LINE_ERR,
	LINE_MSG,
	LINE_OTHER,
};

/* Takes one protocol line; of a message only the line, its length goes to *ret_payload. */
static enum line_kind next_line(struct rawbus *b, long end, char subject[256], size_t *ret_payload)
{
	size_t n = line_len(b, end);
	enum line_kind kind = LINE_OTHER;
	uint64_t len;
	char *space;

	if (n == 0)
		return LINE_NONE;
	b->in[n - 2] = '\0';
	if (strcmp(b->in, "PONG") == 0) {
		kind = LINE_PONG;
	} else if (strcmp(b->in, "PING") == 0) {
		rawbus_send(b, "PONG\r\n");
	} else if (strncmp(b->in, "-ERR", 4) == 0) {
		(void)snprintf(b->err, sizeof(b->err), "%.*s", 250, b->in);
		kind = LINE_ERR;
	} else if (strncmp(b->in, "MSG ", 4) == 0 || strncmp(b->in, "HMSG ", 5) == 0) {
		(void)sscanf(b->in, "%*s %255s", subject);
		space = strrchr(b->in, ' ');
		kind = ub_num_u64(ub_str(space + 1), 0, sizeof(b->in), &len) ? LINE_OTHER
									     : LINE_MSG;
		*ret_payload = (size_t)len;
	}
	drop(b, n);
	return kind;
}

static bool take_payload(struct rawbus *b, long end, size_t len, struct rawbus_msg *m)
{
	while (b->n_in < len + 2)
		if (!fill(b, end))
			return false;
	if (m) {
		m->len = len < sizeof(m->data) ? len : sizeof(m->data) - 1;
		memcpy(m->data, b->in, m->len);
		m->data[m->len] = '\0';
	}
	drop(b, len + 2);
	return true;
}

/* Sends PING and reads up to its PONG, or the first error when `stop`. */
static enum line_kind ping(struct rawbus *b, long end, bool stop)
{
	char subject[256];
	size_t len;
	enum line_kind k;

	rawbus_send(b, "PING\r\n");
	while ((k = next_line(b, end, subject, &len)) != LINE_NONE && k != LINE_PONG) {
		if (k == LINE_MSG && !take_payload(b, end, len, NULL))
			return LINE_NONE;
		if (k == LINE_ERR && stop)
			return LINE_ERR;
	}
	return k;
}

enum rawbus_outcome rawbus_login(struct rawbus *b, const struct rawbus_login *l, int timeout_ms)
{
	const char *nonce = l->nonce ? l->nonce : b->nonce;
	char nkey[UB_NKEY_TEXT + 1], sig[UB_B64URL_LEN(64) + 1];
	struct ub_pubkey pub;
	struct ub_sig s;

	ub_signkey_pub(l->key, &pub);
	ub_nkey_encode(UB_NKEY_USER, pub.b, nkey);
	(void)crypto_sign_detached(
		s.b, NULL, (const uint8_t *)nonce, strlen(nonce), (l->with ? l->with : l->key)->b);
	ub_b64url_encode(s.b, sizeof(s.b), sig);
	rawbus_send(b,
		"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"raw\",\"version\":\"1\","
		"\"protocol\":1,\"headers\":true,\"no_responders\":true%s%s%s%s%s%s%s}\r\n",
		l->no_nkey ? "" : ",\"nkey\":\"", l->no_nkey ? "" : nkey, l->no_nkey ? "" : "\"",
		l->no_sig ? "" : ",\"sig\":\"", l->no_sig ? "" : (l->sig ? l->sig : sig),
		l->no_sig ? "" : "\"", l->more ? l->more : "");
	switch (ping(b, now_ms() + timeout_ms, true)) {
	case LINE_PONG:
		return RAWBUS_IN;
	case LINE_ERR:
		return RAWBUS_REFUSED;
	case LINE_NONE:
	case LINE_MSG:
	case LINE_OTHER:
		break;
	}
	return b->closed ? RAWBUS_REFUSED : RAWBUS_SILENT;
}

enum rawbus_outcome rawbus_enter(struct rawbus *b, uint16_t port, const struct ub_signkey *key)
{
	if (rawbus_open(b, port) < 0)
		return RAWBUS_SILENT;
	return rawbus_login(b, &(struct rawbus_login){.key = key}, QUIET_MS);
}

bool rawbus_quiet(struct rawbus *b)
{
	b->err[0] = '\0';
	return ping(b, now_ms() + QUIET_MS, false) == LINE_PONG && b->err[0] == '\0';
}

bool rawbus_wait_closed(struct rawbus *b, int timeout_ms)
{
	long end = now_ms() + timeout_ms;

	while (fill(b, end))
		b->n_in = 0;
	return b->closed;
}

bool rawbus_is_closed(struct rawbus *b)
{
	/* nats-server answers a KICK when the connection is marked closed; another of its threads
	 * then closes the socket. Nothing is delivered or taken in between. */
	return rawbus_wait_closed(b, 50);
}

bool rawbus_message(struct rawbus *b, int timeout_ms, struct rawbus_msg *ret)
{
	long end = now_ms() + timeout_ms;
	enum line_kind k;
	size_t len;

	while ((k = next_line(b, end, ret->subject, &len)) != LINE_NONE)
		if (k == LINE_MSG)
			return take_payload(b, end, len, ret);
	return false;
}
