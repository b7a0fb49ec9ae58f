/* raw.h: HTTP by hand over a socket, for requests that no client library would send.
 *
 * Every wait ends after RAW_TIMEOUT_MS; failures to connect or send fail the running test.
 *
 * Threads: any, one a socket. */
#ifndef HARNESS_RAW_H
#define HARNESS_RAW_H

#include "core/base.h"
#include "core/buf.h"

#define RAW_TIMEOUT_MS 20000

struct raw_reply {
	unsigned status; /* 0: the connection ended without an answer */
	char *text;      /* head and body, NUL-terminated */
	const char *body;
	size_t body_len;
};
void raw_reply_deinit(struct raw_reply *r);
/* The value of a header, copied; false when absent. */
bool raw_header(const struct raw_reply *r, const char *name, char *to, size_t size);
/* The "code" member of an error body; "" when there is none. */
void raw_code(const struct raw_reply *r, char to[48]);

int raw_connect(uint16_t port);
/* From another address of loopback. */
int raw_connect_from(const char *address, uint16_t port);
void raw_send(int fd, const char *p, size_t len);
void raw_sendz(int fd, const char *z);
/* One answer, by its Content-Length. */
void raw_read(int fd, struct raw_reply *ret);
/* Does the peer close (true), with anything it still says thrown away? */
bool raw_closed(int fd);
/* Waits up to `ms` for anything to read or the end; false when there was nothing. */
bool raw_readable(int fd, int ms);
/* Waits for any of up to 8; how many there are. */
int raw_any_readable(const int *fds, size_t n);

/* Connects, sends, reads one answer, closes. */
void raw_exchange(uint16_t port, const char *request, struct raw_reply *ret);

#endif
