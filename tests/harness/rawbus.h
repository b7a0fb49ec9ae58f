/* rawbus.h: a client of nats-server that speaks the protocol by hand, and may lie in every field.
 *
 * Threads: one thread a client. */
#ifndef HARNESS_RAWBUS_H
#define HARNESS_RAWBUS_H

#include <stdint.h>

#include "core/base.h"

struct rawbus {
	int fd;
	char nonce[128], server_id[64];
	char err[256]; /* the newest -ERR; "" none */
	char in[96 * 1024];
	size_t n_in;
	bool closed;
};

/* Connects to 127.0.0.1 and reads INFO. 0, or -1 after a line on stderr. */
int rawbus_open(struct rawbus *b, uint16_t port);
void rawbus_close(struct rawbus *b);

struct rawbus_login {
	const struct ub_signkey *key;  /* whose nkey is named */
	const struct ub_signkey *with; /* who signs; NULL: key */
	const char *nonce;             /* what is signed; NULL: the server's */
	bool no_nkey, no_sig;          /* left out */
	const char *sig;               /* this text as the signature; NULL: a real one */
	const char *more;              /* more members of CONNECT: ",\"user\":\"x\"" */
};
enum rawbus_outcome {
	RAWBUS_IN = 0,
	RAWBUS_REFUSED, /* see err */
	RAWBUS_SILENT,  /* no answer in time */
};
/* CONNECT and PING; waits for PONG, an error or timeout_ms. */
enum rawbus_outcome rawbus_login(struct rawbus *b, const struct rawbus_login *l, int timeout_ms);
/* The same in one: open, log in honestly. */
enum rawbus_outcome rawbus_enter(struct rawbus *b, uint16_t port, const struct ub_signkey *key);

void rawbus_send(struct rawbus *b, const char *fmt, ...) UB_PRINTF(2, 3);
/* PUB; `reply` may be NULL. */
void rawbus_publish(
	struct rawbus *b, const char *subject, const char *reply, struct ub_bytes payload);
/* PING, and everything up to PONG: is the connection alive and without an -ERR since? */
bool rawbus_quiet(struct rawbus *b);
/* Waits until the server has closed the connection. */
bool rawbus_wait_closed(struct rawbus *b, int timeout_ms);
/* Is it closed by now, or just closing (50 ms)? */
bool rawbus_is_closed(struct rawbus *b);

struct rawbus_msg {
	char subject[256];
	char data[64 * 1024];
	size_t len;
};
/* The next message; false: none in time, or closed. */
bool rawbus_message(struct rawbus *b, int timeout_ms, struct rawbus_msg *ret);

#endif
