#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/num.h"
#include "tests/harness/raw.h"

void raw_reply_deinit(struct raw_reply *r)
{
	free(r->text);
	*r = (struct raw_reply){0};
}

bool raw_header(const struct raw_reply *r, const char *name, char *to, size_t size)
{
	const char *end = r->text ? strstr(r->text, "\r\n\r\n") : NULL;
	size_t len = strlen(name);

	for (const char *p = r->text; end && p && p < end;) {
		if (strncasecmp(p, name, len) == 0 && p[len] == ':') {
			const char *v = p + len + 1 + strspn(p + len + 1, " ");

			snprintf(to, size, "%.*s", (int)strcspn(v, "\r"), v);
			return true;
		}
		p = strstr(p, "\r\n");
		p = p ? p + 2 : NULL;
	}
	return false;
}

void raw_code(const struct raw_reply *r, char to[48])
{
	const char *p = r->body ? strstr(r->body, "\"code\":\"") : NULL;

	to[0] = 0;
	if (p)
		snprintf(to, 48, "%.*s", (int)strcspn(p + 8, "\""), p + 8);
}

int raw_connect(uint16_t port)
{
	return raw_connect_from("127.0.0.1", port);
}

int raw_connect_from(const char *address, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	const void *at = &in, *from_at = &from;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, address, &from.sin_addr), 1);
	assert_int_equal(bind(fd, from_at, sizeof(from)), 0);
	assert_int_equal(connect(fd, at, sizeof(in)), 0);
	return fd;
}

void raw_send(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) /* refused meanwhile: the answer tells */
			return;
		p += n;
		len -= (size_t)n;
	}
}

void raw_sendz(int fd, const char *z)
{
	raw_send(fd, z, strlen(z));
}

bool raw_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

int raw_any_readable(const int *fds, size_t n)
{
	struct pollfd p[8];

	assert_true(n <= UB_ARRAY_LEN(p));
	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	return poll(p, n, RAW_TIMEOUT_MS);
}

static bool more(int fd, struct ub_buf *b)
{
	char piece[4096];
	ssize_t n;

	if (!raw_readable(fd, RAW_TIMEOUT_MS))
		return false;
	n = recv(fd, piece, sizeof(piece), 0);
	if (n <= 0)
		return false;
	ub_buf_put(b, piece, (size_t)n);
	return true;
}

/* Reads byte by byte up to the blank line, so that a next answer stays in the socket. */
static bool read_head(int fd, struct ub_buf *b)
{
	char c;

	while (b->len < 4 || memcmp(b->p + b->len - 4, "\r\n\r\n", 4) != 0) {
		if (!raw_readable(fd, RAW_TIMEOUT_MS) || recv(fd, &c, 1, 0) != 1)
			return false;
		ub_buf_put(b, &c, 1);
	}
	return true;
}

void raw_read(int fd, struct raw_reply *ret)
{
	struct ub_buf b = UB_BUF(64 * 1024 * 1024);
	uint64_t status = 0, length = 0;
	char text[32] = "";
	size_t head;

	*ret = (struct raw_reply){0};
	if (!read_head(fd, &b)) {
		ub_buf_deinit(&b);
		return;
	}
	head = b.len;
	ret->text = ub_str_dup(ub_buf_text(&b));
	assert_non_null(ret->text);
	assert_int_equal(ub_num_u64((struct ub_str){ret->text + 9, 3}, 100, 599, &status), UB_OK);
	if (raw_header(ret, "Content-Length", text, sizeof(text)))
		assert_int_equal(ub_num_u64(ub_str(text), 0, 1 << 30, &length), UB_OK);
	while (b.len < head + length) {
		char piece[4096];
		size_t want = head + (size_t)length - b.len;
		ssize_t n;

		if (!raw_readable(fd, RAW_TIMEOUT_MS))
			break;
		n = recv(fd, piece, want < sizeof(piece) ? want : sizeof(piece), 0);
		if (n <= 0)
			break;
		ub_buf_put(&b, piece, (size_t)n);
	}
	assert_int_equal(b.len, head + length);
	free(ret->text);
	ret->text = ub_buf_take(&b);
	assert_non_null(ret->text);
	ret->status = (unsigned)status;
	ret->body = ret->text + head;
	ret->body_len = (size_t)length;
}

bool raw_closed(int fd)
{
	struct ub_buf b = UB_BUF(1024 * 1024);
	bool end;

	while (more(fd, &b))
		ub_buf_reset(&b);
	end = raw_readable(fd, 0);
	ub_buf_deinit(&b);
	return end;
}

void raw_exchange(uint16_t port, const char *request, struct raw_reply *ret)
{
	int fd = raw_connect(port);

	raw_sendz(fd, request);
	raw_read(fd, ret);
	close(fd);
}
