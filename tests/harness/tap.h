/* tap.h: a wire tap: a loopback TCP forwarder that keeps every byte of both directions, and can cut
 * what it forwards.
 *
 * Threads: any; it has threads of its own, one to accept and two a connection. */
#ifndef HARNESS_TAP_H
#define HARNESS_TAP_H

#include "core/buf.h"

struct tap;

/* Listens on a port of its own and forwards to 127.0.0.1:`to`. NULL when it cannot. */
struct tap *tap_start(uint16_t to);
/* Cuts what there is and ends; NULL is nothing. */
void tap_stop(struct tap *t);
uint16_t tap_port(const struct tap *t);
/* Closes every connection there is; new ones are taken as before. */
void tap_cut(struct tap *t);
/* Messages of the NATS protocol that go to (`down`) or come from the client, whose line begins with
 * `line` ("HMSG unibus.live"), are swallowed: the next `n` of them. Of connections that are taken
 * from now on. */
void tap_lose(struct tap *t, bool down, const char *line, unsigned n);
/* How many were. */
unsigned tap_lost(struct tap *t);
/* While `refuse`, new connections are closed at once. */
void tap_refuse(struct tap *t, bool refuse);
/* Connections that are open right now; connections ever taken. */
unsigned tap_open(struct tap *t);
unsigned tap_taken(struct tap *t);

/* Does one direction of any connection so far hold these bytes? */
bool tap_has(struct tap *t, const void *p, size_t len);
/* The same for the bytes, their hex (either case) and their base64 (both alphabets, at each of the
 * three alignments, so that it is found inside a longer text). */
bool tap_has_secret(struct tap *t, const void *p, size_t len);
/* Bytes captured so far, both directions. */
size_t tap_bytes(struct tap *t);

#endif
