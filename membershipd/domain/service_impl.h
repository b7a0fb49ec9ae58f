/* service_impl.h: what md_service is made of, and how its functions change the store.
 *
 * Threads: `write` serializes mutations, `dir` has its own lock, `queue`, `barrier` and `uploads`
 * theirs; they are taken in this order and none is held while events are told. Internal to domain/.
 */
#ifndef MD_SERVICE_IMPL_H
#define MD_SERVICE_IMPL_H

#include <pthread.h>

#include "core/b64url.h"
#include "membershipd/domain/barrier.h"
#include "membershipd/domain/directory.h"
#include "membershipd/domain/ratelimit.h"
#include "membershipd/domain/records.h"

#define MD_BARRIER_MS 10000 /* the kick's grace, the callout's timeout and a sweep fit twice */
#define MD_REACH_MS 10000   /* until a commit of ours must have come back by the follow */
#define MD_TRIES 5          /* of a change that others' commits overtake */

struct md_owed { /* kicks for one revision */
	struct md_owed *next;
	unsigned owed;
	uint64_t settled_ms;
	struct md_taken taken;
};
struct md_barrier { /* in revision order */
	pthread_mutex_t lock;
	pthread_cond_t settled;
	struct md_owed *first, *last;
	size_t n;
};
void md_barrier_init(struct md_barrier *b);
void md_barrier_deinit(struct md_barrier *b);
/* One more kick is owed at `rev`: before anybody is told to do it. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_barrier_owe(struct md_barrier *b, uint64_t rev);

struct md_queue { /* events not yet told */
	pthread_mutex_t lock;
	struct md_outbox box;
	bool telling; /* some thread is at it: order is kept by there being one */
	bool writing; /* `writer` is inside a mutation and tells them at its end */
	pthread_t writer;
};

struct md_reach { /* how far the directory is, to wait for */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	uint64_t rev;
	bool caught_up;
	ub_err broken;
};

struct md_blob_dir;
struct md_blob_upload;
struct md_uploads { /* under way: bytes promised that no record tells of yet */
	pthread_mutex_t lock;
	struct md_blob_upload *first;
	size_t n;
};

struct md_service {
	struct md_store *store;
	const struct md_history_port *history; /* NULL: none */
	struct md_blob_dir *blobs;             /* NULL: none */
	struct md_uploads uploads;
	struct md_env env;
	struct md_events events;
	struct md_limits limits; /* none is zero */
	bool refuse_cleartext;
	struct ub_server_id id;
	char store_id[UB_B64URL_LEN(16) + 1];
	unsigned shards;
	pthread_mutex_t write;
	struct md_directory dir;
	struct md_queue queue;
	struct md_barrier barrier;
	struct md_reach reach;
	struct md_ratelimit *changes; /* adds and removes, by actor */
};

/* ---- follow.c ---- */

void md_follow_init(struct md_service *s);
void md_follow_deinit(struct md_service *s);
/* Follows the store and waits until caught up. */
UB_MUST_CHECK
ub_err md_follow_start(struct md_service *s);
/* UNIBUS_ERR_UNAVAILABLE. */
UB_MUST_CHECK
ub_err md_reach_wait(struct md_service *s, uint64_t rev, unsigned timeout_ms);
/* Tells queued events, unless another thread is at it or this one is inside a mutation. */
void md_queue_tell(struct md_service *s);

/* ---- write.c: mutations ----
 *
 * for (try ...) { UB_CLEANUP(md_write_end) struct md_write w = md_write_begin(s);
 *	e = decide and md_write_commit(&w, ...); if (!w.raced) return e; } */

struct md_write {
	struct md_service *s;
	bool raced;        /* others' commit came first: decide anew */
	uint64_t since_ms; /* on the boot clock: when it began, or committed last */
};
struct md_write md_write_begin(struct md_service *s);
void md_write_end(struct md_write *w);
/* Is the caller still what it was taken for? NULL is the trusted host. UNIBUS_ERR_DENIED,
 * UNIBUS_ERR_UNAVAILABLE. */
UB_MUST_CHECK
ub_err md_write_may(const struct md_write *w, const struct md_caller *by, bool admin);
/* Commits and waits for the directory. UNIBUS_ERR_UNAVAILABLE with w->raced on a conflict. */
UB_MUST_CHECK
ub_err md_write_commit(struct md_write *w, const struct md_op *ops, size_t n, uint64_t *ret_rev);
/* A put of what *b holds. */
struct md_op md_op_put(const struct md_key *key, const struct ub_buf *b, uint64_t expect);

#endif
