/* kv_cluster.h: one nats-server or three, with an account CTRL for the replicated store and nothing
 * else, on ports of their own that they keep over restarts.
 *
 * Functions that give int return 0, or -1 after a line on stderr that says what went wrong.
 *
 * Threads: one thread. */
#ifndef HARNESS_KV_CLUSTER_H
#define HARNESS_KV_CLUSTER_H

#include "membershipd/store/store_jetstream.h"
#include "tests/harness/proc.h"

#define KV_CLUSTER_MAX 3

struct kv_cluster {
	char dir[PROC_PATH];
	size_t n;
	bool tls;
	const char *disk_key; /* what the servers seal their disks with from the next start on */
	struct proc server[KV_CLUSTER_MAX]; /* named n0, n1, n2 */
	unsigned port[KV_CLUSTER_MAX], route[KV_CLUSTER_MAX];
	char url_text[KV_CLUSTER_MAX][64];
	const char *urls[KV_CLUSTER_MAX];
	char seed_file[PROC_PATH], ca[PROC_PATH];
};

/* Starts `n` servers with an empty disk. On failure nothing is left. */
int kv_cluster_start(struct kv_cluster *c, size_t n, bool tls);
void kv_cluster_stop(struct kv_cluster *c);

/* One of them, again, on its disk and ports. */
int kv_cluster_start_one(struct kv_cluster *c, size_t i);
/* The number of the server of that name; n when there is none. */
size_t kv_cluster_find(const struct kv_cluster *c, const char *name);

/* Options that reach it. */
struct md_jetstream_options kv_cluster_options(const struct kv_cluster *c);

/* A request of another user of the account, repeated for ten seconds until somebody answers; the
 * answer is appended to *out (may be NULL). Not with TLS. */
int kv_cluster_ask(struct kv_cluster *c, const char *subject, const char *body, struct ub_buf *out);
/* Runs `cond` every few milliseconds until it is true; fails after timeout_ms. */
int kv_cluster_await(bool (*cond)(void *arg), void *arg, int timeout_ms);
/* Removes the bucket, if there is one. */
int kv_cluster_wipe(struct kv_cluster *c);

#endif
