/* blob_pair.h: two peers of a room over the shared library and a real bus, and files between them.
 *
 * Failures fail the running test.
 *
 * Threads: one; messages come on the library's. */
#ifndef HARNESS_BLOB_PAIR_H
#define HARNESS_BLOB_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/harness/person.h"
#include "tests/unit/core/blob_kit.h"

#define MARK "PLAINTEXT-THAT-NOBODY-ELSE-MAY-SEE"
#define MARK_NAME "secret-plans-of-alice.txt"
#define MIB (1024 * 1024)

/* Of the group; a room may have 40 MB of files. */
extern struct stack blob_stack;
int blob_setup(void **state);
int blob_teardown(void **state);

extern const struct unibus_policy blob_sealed, blob_plain, blob_signing;

/* Alice owns a room that Bob is in. */
struct pair {
	struct person *alice, *bob;
	unibus_room *a, *b;
	char dir[PROC_PATH];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char payload[4096]; /* the newest message of a file that Bob heard */
	size_t len, n;
	char media_type[128];
	unibus_sub *sub;
};
/* "a.<test>" and "b.<test>" in "room.<test>". */
struct pair *pair_new(const char *test, const struct unibus_policy *policy);
void pair_free(struct pair *p);
/* Until Bob has heard n messages. */
void pair_wait(struct pair *p, size_t n);

/* Files of the test; one of the last eight places. */
const char *pair_path(const struct pair *p, const char *name);
/* Begins with MARK when it is longer than 100 bytes. */
void pair_fill(const char *path, size_t len);
void pair_same(const char *a, const char *b);
bool pair_exists(const char *path);
size_t pair_count(const char *dir, const char *glob);
/* The server's folder of blobs; and whether it or the database has that text. */
const char *pair_blob_dir(void);
bool pair_on_server(const char *text);

/* What a progress callback was told. */
struct meter {
	uint64_t first, last, total, stop_at; /* 0: never */
	unsigned calls;
	bool fell;
};
bool pair_progress(void *arg, uint64_t done, uint64_t total);

/* With a meter or NULL. */
enum unibus_err pair_put(unibus_room *room, const char *file, struct meter *m);
/* What Bob's newest message names. */
enum unibus_err pair_get(struct pair *p, const char *file, struct meter *m);
/* Alice puts a file of that length; Bob has the message. */
void pair_share(struct pair *p, const char *name, size_t len);

#endif
