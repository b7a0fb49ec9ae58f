/* history_impl.h: what the parts of history.h share: a room's log, places in it, floors.
 *
 * Threads: a log is used by one thread; the floors have a lock. Internal to nats/history*.c. */
#ifndef MD_HISTORY_IMPL_H
#define MD_HISTORY_IMPL_H

#include <pthread.h>

#include "core/frame.h"
#include "membershipd/nats/bootstrap.h"
#include "membershipd/nats/conn_map.h"
#include "membershipd/nats/history.h"

#define PAGE_BYTES_MAX (1024 * 1024)
#define BATCH_MESSAGES 512
#define READ_MS 4000    /* one answer, all its questions together */
#define TROUBLE_MS 1000 /* an answer that failed after so long ... */
#define HOLD_MS 2000    /* ... is the only one to try for so long */
#define SEQ_MAX ((uint64_t)1 << 53)
#define FLOORS_MAX 4096
#define SWEEP_MS 30000
#define SHARDS_MAX 256
#define FULL_PERCENT 80 /* from there on an operator is told, every ten more */

/* What is remembered of a room: below `at` nothing counts. `next` is what was not looked at yet;
 * under a limit of bytes, `n` messages of `bytes` lie between. */
struct floor_key {
	uint8_t room[32];
	uint64_t min_room_seq; /* FLOOR_BYTES: the limit of bytes */
};
#define FLOOR_BYTES UINT64_MAX
struct floor {
	struct floor_key key;
	uint64_t at, next, bytes, n;
	UT_hash_handle hh; /* the one unused for longest first */
};

struct md_history {
	struct md_js *js;
	struct md_history_port port;
	uint64_t sweep_ms;
	pthread_mutex_t mu; /* all below */
	pthread_cond_t cond;
	struct floor *floors;
	size_t n_floors;
	struct md_service *svc;
	pthread_t thread;
	bool open, started, stop;
	uint64_t hold_boot_ms;    /* nobody reads before then */
	uint8_t said[SHARDS_MAX]; /* percent full, as said last; the sweep's own */
};

/* One room's part of its stream, for the time of one answer. */
struct log {
	struct md_js *js;
	struct md_log_name stream;
	char filter[64]; /* unibus.log<k>.<R>.* */
	const struct ub_room_id *room;
	uint64_t end_boot_ms;
};
struct log md_log_of(struct md_history *h, const struct ub_room_id *room, unsigned shard);

/* The frame in a stored message; false when it is none, or not of the sender whom the broker let
 * through. */
bool md_log_frame(const struct log *l, const struct md_js_stored *m, struct ub_frame *ret);

/* Messages from `seq` on. UNIBUS_ERR_UNAVAILABLE when the answer's time is over. */
UB_MUST_CHECK
ub_err md_log_get(const struct log *l, uint64_t seq, size_t messages, struct md_js_batch *ret);

/* ---- history_seek.c: places ---- */

struct place {
	uint64_t seq;   /* of the first message from there on; 0: none */
	uint64_t count; /* how many there are from there on */
};
UB_MUST_CHECK
ub_err md_log_at(const struct log *l, uint64_t seq, struct place *ret);
UB_MUST_CHECK
ub_err md_log_since(const struct log *l, uint64_t ms, struct place *ret);

struct seek {
	uint64_t lo, below; /* lo <= place < below */
	uint64_t min, max;  /* that many messages from the place to `below` */
};
/* The place, or lo when there are not more than `max` from there: *ret_whole. */
UB_MUST_CHECK
ub_err md_log_seek(const struct log *l, const struct seek *s, uint64_t *ret, bool *ret_whole);
/* The newest sequence of the whole stream. */
UB_MUST_CHECK
ub_err md_log_newest(const struct log *l, uint64_t *ret);

/* ---- history_floor.c: what is not there any more, or not for this reader ---- */

/* The lowest seq that counts, when `newest` is the stream's newest; newest + 1: none does.
 * UNIBUS_ERR_UNAVAILABLE also when there is so much to look through that it takes several calls. */
UB_MUST_CHECK
ub_err md_floor_retain(struct md_history *h, const struct log *l, const struct ub_retain *r,
	uint64_t newest, uint64_t *ret);
UB_MUST_CHECK
ub_err md_floor_since_join(struct md_history *h, const struct log *l, uint64_t from,
	uint64_t min_room_seq, uint64_t *ret);
void md_floors_free(struct md_history *h);

/* The thread of history_sweep.c: arg is the history. */
void *md_history_keep(void *arg);

#endif
