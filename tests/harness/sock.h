/* sock.h: loopback sockets for the tools that talk by hand: every wait has an end.
 *
 * Threads: any, one a socket. */
#ifndef HARNESS_SOCK_H
#define HARNESS_SOCK_H

#include "core/buf.h"

uint64_t sock_mono_ms(void);
uint64_t sock_wall_ms(void);
uint64_t sock_mono_us(void);

/* A connection to 127.0.0.1, or -1. */
int sock_connect(uint16_t port);
/* Listens on 127.0.0.1, port 0; -1 when it cannot. */
int sock_listen(uint16_t *ret_port);
/* 0, or -1 when the peer is gone. */
int sock_send(int fd, const void *p, size_t len);
/* Appends what comes within timeout_ms: the number of bytes, 0 at the end of the stream, -1 on a
 * timeout or error. */
int sock_read(int fd, struct ub_buf *to, int timeout_ms);
/* Appends one HTTP message, by its Content-Length: 0, or -1 when it did not come whole. */
int sock_read_http(int fd, struct ub_buf *to, int timeout_ms);
#endif
