/* dispatch.h: the queue of a client's callbacks: they run one at a time, in the order in which
 * things happened, on a thread of its own or, with own_loop, on the caller's.
 *
 * Threads: any. */
#ifndef UB_CLIENT_DISPATCH_H
#define UB_CLIENT_DISPATCH_H

#include <unibus/client.h>

#include "client/bus.h"
#include "core/base.h"

struct ub_dispatch;
struct ub_croom;

struct ub_dispatch_config {
	unibus_client *client; /* for callbacks */
	const unibus_options *o;
	const struct bus_ops *bus;
	/* Judges and delivers. */
	void (*on_message)(unibus_client *client, struct ub_croom *room, const struct bus_msg *msg);
};
UB_MUST_CHECK
ub_err ub_dispatch_new(const struct ub_dispatch_config *c, struct ub_dispatch **ret);
/* With own_loop: readable while something waits; -1 else. Owned by the dispatcher. */
int ub_dispatch_fd(const struct ub_dispatch *d);
/* With own_loop: runs up to `max` callbacks (0: those that wait by now) and gives how many. 0 when
 * called from a callback, or while another thread is in here. */
size_t ub_dispatch_process(struct ub_dispatch *d, size_t max);
/* Drops what is queued, waits for the running callback, ends the thread. Whoever waits for room in
 * the queue is let go. Idempotent. */
void ub_dispatch_stop(struct ub_dispatch *d);
void ub_dispatch_free(struct ub_dispatch *d); /* stopped before */

/* Takes the message over; waits while the queue is full. */
void ub_dispatch_message(struct ub_dispatch *d, struct ub_croom *room, struct bus_msg *msg);
void ub_dispatch_state(struct ub_dispatch *d, enum unibus_state state, ub_err why);
/* Runs fn(arg, true) in its turn; fn(arg, false), from any thread, when the client is closed first:
 * to give back what arg owns. UNIBUS_ERR_NOMEM: neither. */
UB_MUST_CHECK
ub_err ub_dispatch_call(struct ub_dispatch *d, void (*fn)(void *arg, bool run), void *arg);
/* Copies the event. When thousands wait already, reports of dropped frames are left out: the
 * counters have them. */
void ub_dispatch_event(struct ub_dispatch *d, const struct unibus_event *ev);

/* Is the caller inside a callback? */
bool ub_dispatch_here(struct ub_dispatch *d);
/* Waits until what runs now has returned; nothing when called from a callback. */
void ub_dispatch_barrier(struct ub_dispatch *d);

#endif
