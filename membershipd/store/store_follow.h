/* store_follow.h: followers of the engines that live in this process: in order, on the committing
 * thread.
 *
 * Threads: an engine has two mutexes. `order` is held over a whole commit or follow, callbacks
 * included, and gives all callbacks their order; the fan-out belongs to it. The inner one guards
 * the data and is free during callbacks, so that these may read. */
#ifndef MD_STORE_FOLLOW_H
#define MD_STORE_FOLLOW_H

#include <pthread.h>

#include "membershipd/store/store.h"

struct md_fanout {
	struct md_follower f[MD_FOLLOWERS_MAX];
	char prefix[MD_FOLLOWERS_MAX][MD_KEY_MAX + 1];
	size_t n;
};

/* Adds one that has had all current records. The caller has checked that there is room. */
void md_fanout_add(struct md_fanout *to, const struct md_follower *f);
/* The ops of a commit that gave revision `rev`. */
void md_fanout_commit(const struct md_fanout *to, const struct md_op *ops, size_t n, uint64_t rev);
void md_fanout_lost(const struct md_fanout *to);

bool md_has_prefix(const char *key, const char *prefix);

/* Locks until the end of the scope; a declaration. */
#define MD_HOLD(mutex) \
	UB_CLEANUP(md_unlock) __attribute__((unused)) pthread_mutex_t *md_held_ = md_lock(mutex)
pthread_mutex_t *md_lock(pthread_mutex_t *m);
void md_unlock(pthread_mutex_t **held);

#endif
