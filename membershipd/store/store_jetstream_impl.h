/* store_jetstream_impl.h: what the parts of the JetStream engine share.
 *
 * Threads: any, unless a function says otherwise. */
#ifndef MD_STORE_JETSTREAM_IMPL_H
#define MD_STORE_JETSTREAM_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "membershipd/store/store_jetstream_pile.h"

#define KV_KNOWN 4096

struct kv_follow;

struct kv_store {
	struct md_store_base base;
	struct kv_link *link;
	char id[KV_ID_LEN + 1];
	unsigned open_ms, call_ms;
	_Atomic uint64_t rev; /* the highest that was seen */
	/* Revisions seen to be records, by their last bits: a delete marker has a sequence, too,
	 * and JetStream would take it for what an op expects. */
	_Atomic uint64_t known[KV_KNOWN];
	pthread_mutex_t telling; /* callbacks come one at a time */
	pthread_mutex_t mu;      /* below */
	struct kv_follow *follows[MD_FOLLOWERS_MAX];
	size_t n_follows;
};
struct kv_store *kv_of(struct md_store *s);

void kv_seen(struct kv_store *s, uint64_t rev);
void kv_know(struct kv_store *s, uint64_t rev);
bool kv_knows(struct kv_store *s, uint64_t rev);
struct kv_patience kv_patience(unsigned ms);

/* What the leader says of our bucket. UNIBUS_ERR_NOT_FOUND: it is gone, or another one is there;
 * UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err kv_info(struct kv_store *s, struct kv_patience *p, struct kv_info *ret);
/* The last message of a key, delete marker or record, as the leader has it; `value` may be NULL.
 * UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM,
 * UNIBUS_ERR_TOO_LARGE. */
UB_MUST_CHECK
ub_err kv_last(struct kv_store *s, const char *key, struct kv_patience *p, struct kv_stored *ret,
	struct ub_buf *value);
/* The subject of a message. Errors as above. */
UB_MUST_CHECK
ub_err kv_subject_at(
	struct kv_store *s, uint64_t seq, struct kv_patience *p, struct kv_stored *ret);

ub_err kv_commit(struct md_store *s, const struct md_op *ops, size_t n, uint64_t *ret_rev);
ub_err kv_follow(struct md_store *s, const struct md_follower *f);
/* Ends and frees; the link is stopped. */
void kv_follow_end(struct kv_follow *f);

/* The messages of the bucket from a moment on. */
struct kv_feed {
	struct kv_store *s;
	const char *prefix;
	struct kv_conn *conn;
	struct kv_watch *watch;
	struct kv_pile pile; /* what has not been told */
	uint64_t at;         /* the sequence up to which all is in the pile or told */
	uint64_t goal;       /* not whole before it is reached */
	bool gap;            /* something overwritten was left out; its successor is to come */
	bool within;         /* in the middle of a commit */
};
void kv_feed_deinit(struct kv_feed *f);
/* Fills the pile with all that is current under the prefix, as of one moment: f->at. `live`: go on
 * from there with kv_feed_step. UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err kv_feed_begin(struct kv_feed *f, bool live, struct kv_patience *p);
/* After an interruption: goes on after f->at, whole when it has what the leader has now.
 * UNIBUS_ERR_NOT_FOUND: this is not the bucket that it was; UNIBUS_ERR_UNAVAILABLE,
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err kv_feed_resume(struct kv_feed *f, struct kv_patience *p);
/* Takes in what comes next. UNIBUS_ERR_TIMEOUT: nothing; UNIBUS_ERR_UNAVAILABLE: interrupted;
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err kv_feed_step(struct kv_feed *f, unsigned wait_ms);
/* May the pile be told: is it all there is up to f->at? */
bool kv_feed_whole(const struct kv_feed *f);
/* Ends the watch, keeps pile and place. */
void kv_feed_pause(struct kv_feed *f);

#endif
