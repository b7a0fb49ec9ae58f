/* store_jetstream.h: the store in a JetStream key-value bucket, replicated over nats-servers.
 *
 * The bucket is the stream KV_UNIBUS in the account of the seed's user: a record is the last
 * message of its subject $KV.UNIBUS.<key>, its revision the sequence in the stream, a commit one
 * atomic batch with an expectation for each element. A delete leaves a marker (KV-Operation: DEL),
 * which is no record.
 *
 * What differs from the engines in this process, within the contract of store.h:
 * - Followers are called on threads of the store, after the commit has been acknowledged; what has
 *   been overwritten before it could be told is left out, and then the records up to a moment that
 *   can be told whole come in one batch. When following has been interrupted for some seconds,
 *   `lost` is called, and `caught_up` once more as soon as nothing is missing again.
 * - get and each are answered by the stream's leader, md_store_follow's start is compared with what
 *   the leader has. A leader that has been cut off from the others can answer from the past for
 *   some seconds: who must not believe that writes first and waits for the write to come back.
 * - While no leader answers, calls go on trying for `call_ms` before they give up. A commit that
 *   nobody acknowledged is sent again with the same expectations, of which at most one can hold,
 *   and looked for among the records before it is called UNIBUS_ERR_OUTCOME_UNKNOWN.
 *
 * Threads: as store.h. */
#ifndef MD_STORE_JETSTREAM_H
#define MD_STORE_JETSTREAM_H

#include "membershipd/store/store.h"

#define MD_JETSTREAM_REPLICAS_MAX 5

struct md_jetstream_options {
	const char *const *urls; /* nats://HOST:PORT or tls://HOST:PORT; copied */
	size_t n_urls;
	const char *ca;        /* PEM file: TLS, and nothing else; NULL: none */
	const char *seed_file; /* the nkey user's seed, private to its owner */
	unsigned replicas;     /* for create and scale: 1, 3 or 5, or what the cluster has */
	unsigned open_ms;      /* how long open, create and the like go on trying; 0: 120 s */
	unsigned call_ms;      /* how long a call on the open store goes on trying; 0: 10 s */
	/* Told every few seconds while open, create and the like wait: what is awaited, a phrase.
	 * May be NULL. */
	void (*waiting)(void *arg, const char *what);
	void *arg;
};
/* What all four below may give: UNIBUS_ERR_UNAVAILABLE: no server, or no leader, in time.
 * UNIBUS_ERR_DENIED: every server refuses the key. UNIBUS_ERR_TLS: the CA file cannot be used, or
 * no server proves who it is. UNIBUS_ERR_INSECURE_FILE, UNIBUS_ERR_BAD_FILE, UNIBUS_ERR_IO: the
 * seed file (UNIBUS_ERR_BAD_FILE, too, when it is missing). UNIBUS_ERR_INVALID: the options.
 * UNIBUS_ERR_NOMEM. */

/* Opens the bucket, which md_store_jetstream_create has made. UNIBUS_ERR_NOT_FOUND: there is no
 * such stream (servers that were given another key for their disks look exactly so) or it does not
 * carry our mark; it is never made here. UNIBUS_ERR_CONFLICT: its configuration breaks the contract
 * (allow_direct, history, atomic batches ...). */
UB_MUST_CHECK
ub_err md_store_jetstream_open(const struct md_jetstream_options *o, struct md_store **ret);

/* Makes the bucket, once in the life of a bus. UNIBUS_ERR_EXISTS: a stream of that name is there.
 * UNIBUS_ERR_LIMIT: the servers refuse, as when there are fewer of them than replicas. */
UB_MUST_CHECK
ub_err md_store_jetstream_create(const struct md_jetstream_options *o);

/* Changes the number of replicas of a bucket in use; the followers become current by themselves.
 * As open, and UNIBUS_ERR_LIMIT. */
UB_MUST_CHECK
ub_err md_store_jetstream_scale(const struct md_jetstream_options *o);

struct md_jetstream_status {
	char leader[64]; /* server names; "" when the server knows no cluster */
	unsigned replicas;
	uint64_t revision;
	size_t n_followers;
	struct md_jetstream_follower {
		char name[64];
		bool current, offline;
		uint64_t lag; /* operations behind the leader */
	} followers[MD_JETSTREAM_REPLICAS_MAX];
};
/* What the leader says of itself and its followers, within call_ms. `s` is a store of this engine.
 * UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_store_jetstream_status(struct md_store *s, struct md_jetstream_status *ret);

#endif
