/* ledger.h: what one subscription of a persisted room was given, message by message. The messages
 * are numbers, as text.
 *
 * Failures fail the running test.
 *
 * Threads: one thread; the library's callbacks are taken care of inside. */
#ifndef HARNESS_LEDGER_H
#define HARNESS_LEDGER_H

#include <pthread.h>
#include <unibus/unibus.h>

#define LEDGER_MAX 8192

struct ledger_row {
	unsigned no;
	uint64_t position;
	bool verified, repeated;
};
struct ledger {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unibus_sub *sub;
	struct ledger_row *rows; /* guarded by lock while the subscription runs */
	size_t n, stop_at;       /* stop_at: ledger_row returns false then; 0: never */
	unsigned caught_up;
};
void ledger_init(struct ledger *l);
void ledger_deinit(struct ledger *l);
/* For unibus_history, with a ledger. */
bool ledger_row(void *arg, const struct unibus_msg *msg);

/* Subscribes from there; must succeed. To be closed. */
struct ledger *ledger_open(unibus_room *room, const struct unibus_subscription *from);
void ledger_close(struct ledger *l);
/* What subscribing says; nothing is left of it. */
enum unibus_err ledger_try(unibus_room *room, const struct unibus_subscription *from);

size_t ledger_count(struct ledger *l);
void ledger_wait(struct ledger *l, size_t n); /* for that many */
void ledger_wait_caught_up(struct ledger *l); /* told exactly once */
/* Exactly these numbers, in this order, positions rising. */
void ledger_is(struct ledger *l, unsigned from, unsigned to);
/* Each of 1..n exactly once, positions rising: what is sent again is kept where it then comes. */
void ledger_is_all(struct ledger *l, unsigned n);
/* The same, position by position. */
void ledger_same(struct ledger *a, struct ledger *b);

#endif
