/* person.h: a peer of a test over the library's public API: an identity, a client, what it was
 * told and sent, and waiting for that. Links with the shared library.
 *
 * Failures fail the running test.
 *
 * Threads: one thread; the library's callbacks are taken care of inside. */
#ifndef HARNESS_PERSON_H
#define HARNESS_PERSON_H

#include <pthread.h>
#include <unibus/unibus.h>

#include "tests/harness/stack.h"

#define PERSON_HEARD_MAX 4096
#define PERSON_WAIT_MS 20000

struct heard {
	char text[128], sender[44], handle[33], ref[23], thread[23], reply[23], media_type[128];
	enum unibus_kind kind;
	enum unibus_role role;
	bool encrypted, verified, framed, permitted;
	uint64_t seq;
};
struct told {
	enum unibus_event_kind kind;
	enum unibus_err err;
	char room[44], peer[44], detail[256];
	uint64_t count;
};

struct person {
	const struct stack *stack;
	uint16_t nats_port; /* where the message server is for this one; 0: the stack's */
	const char *ctrl_urls, *nats_urls; /* others than the stack's; NULL: those */
	bool twin;                         /* identity and folder are another person's */
	char handle[33], dir[PROC_PATH];
	unibus_identity *id;
	unibus_client *c;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct heard heard[PERSON_HEARD_MAX]; /* guarded by lock, like the rest below */
	size_t n_heard;
	struct told told[PERSON_HEARD_MAX];
	size_t n_told;
	enum unibus_state states[PERSON_HEARD_MAX];
	size_t n_states;
};

/* A new identity in a folder of its own, registered as an active user. */
struct person *person_new(const struct stack *s, const char *handle);
/* The same, its keys in a file in that folder, for programs. */
struct person *person_new_file(const struct stack *s, const char *handle, char ret_path[PROC_PATH]);
/* The same as person_new, but nobody knows of it. */
struct person *person_stranger(const struct stack *s);
/* Another process, as it were, of the same identity and state; to be freed before it. */
struct person *person_twin(const struct person *p);
/* Closes what is open, forgets everything. */
void person_free(struct person *p);

/* Options as they are to be for this person; to be freed by the caller. */
unibus_options *person_options(struct person *p);
void person_connect(struct person *p); /* must succeed */
void person_close(struct person *p);
/* By REST, as the stack's admin; the HTTP status. */
int person_revoke(struct person *p);
int person_register(struct person *p); /* anew, under the same handle */

/* Collects messages of a room in p->heard. */
unibus_sub *person_listen(struct person *p, unibus_room *room);
void person_say(unibus_room *room, const char *text); /* publish and flush; must succeed */
/* Waits until the text was heard `n` times in all, and is then heard no more than that. */
const struct heard *person_wait(struct person *p, const char *text, size_t n);
size_t person_count(struct person *p, const char *text);
/* Waits for an event of a kind. */
const struct told *person_wait_told(struct person *p, enum unibus_event_kind kind);
size_t person_count_told(struct person *p, enum unibus_event_kind kind);
/* Waits until fn is true; it is asked again whenever something was heard or told, and often. */
void person_until(struct person *p, bool (*fn)(void *arg), void *arg);
void person_wait_state(struct person *p, enum unibus_state state);

#endif
