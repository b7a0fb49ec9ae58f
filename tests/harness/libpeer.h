/* libpeer.h: a peer of the shared library in a test, with everything that it was told kept to be
 * waited for.
 *
 * Failures fail the running test.
 *
 * Threads: one thread a peer; the library's own threads fill it. */
#ifndef HARNESS_LIBPEER_H
#define HARNESS_LIBPEER_H

#include <pthread.h>
#include <unibus/unibus.h>

#include "tests/harness/actor.h"

#define LIBPEER_KEPT 512
#define LIBPEER_TIMEOUT_MS 15000

struct libpeer_said { /* an event, or a message, copied */
	enum unibus_event_kind kind;
	enum unibus_err err;
	char room[UB_ID_TEXT + 1], peer[UB_ID_TEXT + 1];
	char text[256]; /* the event's detail; the message, cut */
	uint64_t count;
	bool encrypted, verified;
};

struct libpeer {
	const struct actor *a;
	unibus_client *client;
	unibus_room *room; /* of libpeer_room; freed by libpeer_close */
	unibus_sub *sub;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct libpeer_said events[LIBPEER_KEPT],
		msgs[LIBPEER_KEPT]; /* guarded by lock, like the next */
	size_t n_events, n_msgs;
	enum unibus_state state;
	uint64_t revoked_us; /* when the state became REVOKED */
};

struct libpeer_at {
	uint16_t http_port, nats_port;
	const char *dir; /* identity files and state folders go here */
	bool no_auto_join;
	unsigned timeout_ms; /* 0: 10 s */
};
/* What unibus_connect says. UNIBUS_OK: to be libpeer_close()d. The zero peer is valid to close. */
enum unibus_err libpeer_try(struct libpeer *p, const struct actor *a, const struct libpeer_at *at);
/* The same, and it must succeed. */
void libpeer_connect(struct libpeer *p, const struct actor *a, const struct libpeer_at *at);
void libpeer_close(struct libpeer *p);

/* Opens a room by subject or id and subscribes. */
void libpeer_room(struct libpeer *p, const char *room);
/* Creates one and subscribes. */
void libpeer_create(struct libpeer *p, const char *subject, const struct unibus_policy *policy);
/* Ends the subscription and gives the room back. */
void libpeer_room_close(struct libpeer *p);
/* Publishes and flushes. */
void libpeer_say(struct libpeer *p, const char *text);

/* Wait up to LIBPEER_TIMEOUT_MS. */
bool libpeer_hears(struct libpeer *p, const char *text, struct libpeer_said *ret /* or NULL */);
bool libpeer_told(struct libpeer *p, enum unibus_event_kind kind, enum unibus_err err,
	struct libpeer_said *ret /* or NULL */);
bool libpeer_state(struct libpeer *p, enum unibus_state state);
/* From what came so far. */
bool libpeer_heard(struct libpeer *p, const char *text);
size_t libpeer_msgs(struct libpeer *p);
size_t libpeer_events(struct libpeer *p, enum unibus_event_kind kind);
void libpeer_forget(struct libpeer *p);
/* Calls `done` until it is true; false when it never was. It is looked at whenever the library
 * tells something, and a few times a second. */
bool libpeer_until(struct libpeer *p, bool (*done)(struct libpeer *p, void *arg), void *arg);

#endif
