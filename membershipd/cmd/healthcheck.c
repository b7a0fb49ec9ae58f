#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/buf.h"
#include "membershipd/cmd/cmd.h"

#define ANSWER_MAX (16 * 1024)

static const char ABOUT[] =
	"usage: membershipd healthcheck [options]\n"
	"\n"
	"Asks a running membershipd for /healthz. Exit code 0 when it serves requests, 1 when not.";

struct health_options {
	const char *host, *ca;
	uint64_t port, timeout_ms;
};

#define FIELD(name) offsetof(struct health_options, name)

static const struct opt_row ROWS[] = {
	{"host", "ADDRESS", OPT_TEXT, FIELD(host), "UNIBUS_MEMBERSHIPD_BIND", "127.0.0.1", 0, 0,
		NULL, "where it listens"},
	{"port", "PORT", OPT_NUMBER, FIELD(port), "UNIBUS_MEMBERSHIPD_PORT", "8470", 1, 65535, NULL,
		"its port"},
	{"ca", "FILE", OPT_TEXT, FIELD(ca), "UNIBUS_MEMBERSHIPD_CA", NULL, 0, 0, NULL,
		"certificate authority: ask over TLS"},
	{"timeout", "TIME", OPT_DURATION_MS, FIELD(timeout_ms), NULL, "3s", 100, 60000, NULL,
		"how long to wait"},
	{.name = NULL},
};

static int fail(const char *what)
{
	(void)fprintf(stderr, "membershipd healthcheck: %s\n", what);
	return MD_EXIT_FAILED;
}

static int dial(const struct health_options *o)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	struct timeval tv = {.tv_sec = (time_t)(o->timeout_ms / 1000),
		.tv_usec = (suseconds_t)(o->timeout_ms % 1000) * 1000};
	char port[8];
	int fd = -1;

	(void)snprintf(port, sizeof(port), "%u", (unsigned)o->port);
	if (getaddrinfo(o->host, port, &hints, &list) != 0)
		return -1;
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0 ||
			connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
			(void)close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

/* A stream, with or without TLS. */
struct stream {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
};

static void stream_deinit(struct stream *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	if (s->fd >= 0)
		(void)close(s->fd);
}

/* The macro of OpenSSL casts const away. */
static bool set_server_name(SSL *ssl, const char *host)
{
	return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		       (void *)(uintptr_t)host) == 1;
}

static bool start_tls(struct stream *s, const struct health_options *o)
{
	X509_VERIFY_PARAM *param;

	s->ctx = SSL_CTX_new(TLS_client_method());
	if (!s->ctx || !SSL_CTX_set_min_proto_version(s->ctx, TLS1_2_VERSION) ||
		SSL_CTX_load_verify_locations(s->ctx, o->ca, NULL) != 1)
		return false;
	SSL_CTX_set_verify(s->ctx, SSL_VERIFY_PEER, NULL);
	s->ssl = SSL_new(s->ctx);
	if (!s->ssl)
		return false;
	param = SSL_get0_param(s->ssl);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, o->host) != 1 &&
		(X509_VERIFY_PARAM_set1_host(param, o->host, 0) != 1 ||
			!set_server_name(s->ssl, o->host)))
		return false;
	return SSL_set_fd(s->ssl, s->fd) == 1 && SSL_connect(s->ssl) == 1;
}

static bool send_all(struct stream *s, struct ub_str text)
{
	if (s->ssl)
		return SSL_write(s->ssl, text.p, (int)text.len) == (int)text.len;
	return send(s->fd, text.p, text.len, MSG_NOSIGNAL) == (ssize_t)text.len;
}

static bool receive_all(struct stream *s, struct ub_buf *out)
{
	char buf[2048];

	for (;;) {
		ssize_t n = s->ssl ? SSL_read(s->ssl, buf, sizeof(buf))
				   : recv(s->fd, buf, sizeof(buf), 0);

		if (n <= 0)
			return n == 0 || s->ssl ? ub_buf_err(out) == UB_OK : false;
		ub_buf_put(out, buf, (size_t)n);
	}
}

static int judge(const char *text)
{
	const char *body = strstr(text, "\r\n\r\n");

	if (strncmp(text, "HTTP/1.1 ", 9) != 0 || !body)
		return fail("the answer is not HTTP");
	(void)printf("%s\n", body + 4);
	return strncmp(text + 9, "200 ", 4) == 0 ? MD_EXIT_OK : MD_EXIT_FAILED;
}

int md_cmd_healthcheck(const struct opt_args *a)
{
	struct health_options o = {.host = NULL};
	UB_CLEANUP(stream_deinit) struct stream s = {.fd = -1};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(ANSWER_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf request = UB_BUF(1024);
	size_t n;
	int rc;

	if (!md_cmd_parse(&(struct md_cmd_parse){.rows = ROWS, .args = a, .about = ABOUT, .to = &o},
		    &n, &rc))
		return rc;
	s.fd = dial(&o);
	if (s.fd < 0)
		return fail("nobody answers there");
	if (o.ca && !start_tls(&s, &o))
		return fail("it could not prove who it is (TLS)");
	ub_buf_printf(
		&request, "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", o.host);
	if (ub_buf_err(&request) || !send_all(&s, ub_buf_text(&request)) ||
		!receive_all(&s, &text) || !ub_buf_cstr(&text))
		return fail("no answer in time");
	return judge(ub_buf_cstr(&text));
}
