/* logbus.h: a real nats-server as `membershipd init` sets it up, the link of a membershipd, a
 * service in memory, and the history between them; a hand on the bus that stores frames.
 *
 * Failures fail the running test.
 *
 * Threads: echoes are counted on the link's threads; the rest is for the test's own. */
#ifndef HARNESS_LOGBUS_H
#define HARNESS_LOGBUS_H

#include <pthread.h>

#include "core/frame.h"
#include "membershipd/nats/bootstrap.h"
#include "membershipd/nats/history.h"
#include "tests/harness/stack.h"
#include "tests/unit/domain/rooms_kit.h"

struct logbus {
	struct stack s;
	struct md_keys *keys;
	struct md_link *link;
	struct md_js *js;
	struct md_history *h;
	struct world *w;
	pthread_mutex_t lock;
	pthread_cond_t heard;
	uint64_t echoes, last_seq; /* on unibus.live<k>.> */
	uint64_t acks;             /* on "ack" */
	uint64_t sent;             /* frames made: the number of the newest */
};

#define LOGBUS_CONFIG ((struct md_log_config){.replicas = 1, .messages_per_sender = 100000})

/* With no streams yet. */
struct logbus *logbus_bare(void);
struct logbus *logbus_new(void);
void logbus_free(struct logbus *b);
/* A new, empty control state in the place of the one there was. */
void logbus_service(struct logbus *b);
ub_err logbus_bootstrap(struct logbus *b, const struct md_log_config *c, struct md_log_fault *why);
uint64_t logbus_seen(struct logbus *b, const uint64_t *count);
/* Waits until one of the counters has reached n. */
void logbus_wait(struct logbus *b, const uint64_t *count, uint64_t n);

struct put {
	const struct ub_room_id *room;
	unsigned who;      /* whose subject */
	unsigned sender;   /* whom the frame names, + 1; 0: the same */
	uint64_t room_seq; /* in the frame */
	size_t len;        /* of the body; at least 8 */
};
struct ub_room_id room_of(uint8_t first, uint8_t rest);
/* A frame whose body begins with its number. */
struct ub_buf frame_of(struct logbus *b, const struct put *p);
void subject_of(const struct put *p, struct logbus *b, struct ub_wire *ret);
/* Publishes n frames and waits until all are stored; gives the stream's sequence. */
uint64_t logbus_store(struct logbus *b, const struct put *p, size_t n);

#define GOT_MAX 1024
struct got { /* a page: the frames' numbers */
	struct md_span span;
	size_t n, bytes;
	uint64_t no[GOT_MAX], seq[GOT_MAX];
	struct ub_endpoint sender[GOT_MAX];
};
ub_err on_frame(void *arg_got, const struct md_frame *f);

#define NEWEST UB_JSON_INT_MAX
struct md_history_query query_of(const struct ub_room_id *room);
ub_err ask_page(struct logbus *b, const struct md_history_query *q, struct got *ret);
struct got after(struct logbus *b, struct md_history_query q, uint64_t from);
struct got before(struct logbus *b, struct md_history_query q, uint64_t from);

#endif
