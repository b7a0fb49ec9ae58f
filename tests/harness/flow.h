/* flow.h: numbered messages that a thread sends into a room at a rate, and a tally of who got
 * which.
 *
 * Failures fail the running test.
 *
 * Threads: one thread; the library's callbacks and the sender are taken care of inside. */
#ifndef HARNESS_FLOW_H
#define HARNESS_FLOW_H

#include <pthread.h>
#include <stdatomic.h>
#include <unibus/unibus.h>

#define FLOW_MAX 65536
#define FLOW_WAIT_MS 20000

/* Sanitizers are several times slower: tests that measure nothing do with less then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FLOW_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FLOW_SANITIZED 1
#endif
#endif
#ifndef FLOW_SANITIZED
#define FLOW_SANITIZED 0
#endif
#define FLOW_RATE (FLOW_SANITIZED ? 200 : 1000) /* messages a second */

struct flow {
	unibus_room *room;
	unsigned rate;
	pthread_t thread;
	atomic_uint sent;
	atomic_bool stop;
	enum unibus_err err;
};
/* Begins to send 0, 1, 2 ... */
void flow_start(struct flow *f, unibus_room *room, unsigned rate);
/* Waits until that many more were sent. */
void flow_pass(struct flow *f, unsigned more);
/* Ends and flushes: how many were sent in all. Every publish must have worked. */
unsigned flow_stop(struct flow *f);

struct tally {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned char times[FLOW_MAX]; /* guarded by lock, like the rest */
	unsigned total;
	unsigned last;    /* the newest number, plus 1 */
	unsigned swapped; /* how often a lower number followed a higher one */
};
struct tally *tally_new(void);
void tally_free(struct tally *t);
/* For unibus_subscribe; the argument is the tally. */
void tally_on_message(void *arg, const struct unibus_msg *m);
unibus_sub *tally_listen(struct tally *t, unibus_room *room);
/* Waits until every number in from..to-1 came, and checks that each came once, and nothing else. */
void tally_check(struct tally *t, unsigned from, unsigned to);
unsigned tally_total(struct tally *t);

#endif
