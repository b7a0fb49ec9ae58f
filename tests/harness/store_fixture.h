/* store_fixture.h: what the tests of stores share: small commits, and a follower that keeps notes.
 *
 * All functions assert; none returns after a failure.
 *
 * Threads: notes are locked; the rest as the store. */
#ifndef HARNESS_STORE_FIXTURE_H
#define HARNESS_STORE_FIXTURE_H

#include <pthread.h>

#include "membershipd/store/store.h"

/* One op. */
struct md_op put_op(const char *key, const char *value, uint64_t expect);
struct md_op delete_op(const char *key, uint64_t expect);

/* Commits one op that must succeed; the record's new revision. */
uint64_t put(struct md_store *s, const char *key, const char *value, uint64_t expect);
uint64_t del(struct md_store *s, const char *key, uint64_t expect);

void assert_record(struct md_store *s, const char *key, const char *value, uint64_t rev);
void assert_absent(struct md_store *s, const char *key);
/* All records as "key=value@rev" in key order, to compare whole states. To be freed. */
char *dump(struct md_store *s);

#define NOTE_KEY_MAX 64
struct note {
	char key[NOTE_KEY_MAX];
	char value[16]; /* cut */
	size_t len;
	uint64_t rev;
	bool deleted;
	size_t batch; /* the number of the batch it came in */
};

struct notes {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct note *v;
	size_t n, cap;
	size_t batches;
	size_t empty_batches;
	uint64_t rev; /* of the last batch or caught_up */
	size_t caught_up, lost;
	uint64_t caught_up_rev;
	size_t at_caught_up; /* notes until then */
};
struct notes *notes_new(void);
void notes_free(struct notes *t);
/* The follower that writes them. */
struct md_follower notes_follower(struct notes *t, const char *prefix);
/* Until revision `rev` has come, at most 20 seconds. */
void notes_wait(struct notes *t, uint64_t rev);

#endif
