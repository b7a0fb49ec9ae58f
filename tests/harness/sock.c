#include "tests/harness/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/num.h"

static uint64_t us_of(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t sock_mono_us(void)
{
	return us_of(CLOCK_MONOTONIC);
}

uint64_t sock_mono_ms(void)
{
	return us_of(CLOCK_MONOTONIC) / 1000;
}

uint64_t sock_wall_ms(void)
{
	return us_of(CLOCK_REALTIME) / 1000;
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int sock_connect(uint16_t port)
{
	struct sockaddr_in at = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

int sock_listen(uint16_t *ret_port)
{
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 64) < 0 ||
		getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
		(void)close(fd);
		return -1;
	}
	*ret_port = ntohs(at.sin_port);
	return fd;
}

int sock_send(int fd, const void *p, size_t len)
{
	const uint8_t *at = p;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int sock_read(int fd, struct ub_buf *to, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t chunk[16 * 1024];
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return -1;
	n = recv(fd, chunk, sizeof(chunk), 0);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -1;
	ub_buf_put(to, chunk, (size_t)n);
	return ub_buf_err(to) ? -1 : (int)n;
}

/* The length of the body that the head in front of `text` announces; *ret_head is the head's own
 * length. False when the head is not complete. */
static bool http_head(const char *text, size_t *ret_head, size_t *ret_body)
{
	const char *end = strstr(text, "\r\n\r\n");
	uint64_t len = 0;

	if (!end)
		return false;
	for (const char *line = strstr(text, "\r\n"); line && line < end;
		line = strstr(line + 2, "\r\n")) {
		const char *v = line + 2 + sizeof("Content-Length:") - 1;

		if (strncasecmp(line + 2, "Content-Length:", sizeof("Content-Length:") - 1) != 0)
			continue;
		v += strspn(v, " ");
		if (ub_num_u64((struct ub_str){v, strspn(v, "0123456789")}, 0, 1 << 30, &len))
			return false;
	}
	*ret_head = (size_t)(end - text) + 4;
	*ret_body = (size_t)len;
	return true;
}

int sock_read_http(int fd, struct ub_buf *to, int timeout_ms)
{
	uint64_t end = sock_mono_ms() + (uint64_t)timeout_ms;
	size_t head, body;

	for (;;) {
		uint64_t now = sock_mono_ms();
		const char *text = ub_buf_cstr(to);

		if (text && http_head(text, &head, &body) && to->len >= head + body)
			return 0;
		if (now >= end || sock_read(fd, to, (int)(end - now)) <= 0)
			return -1;
	}
}
