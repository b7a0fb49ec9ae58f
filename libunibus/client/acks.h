/* acks.h: messages of ours that are to be kept, and wait for the word that they were: the frame
 * itself, coming back live with its position.
 *
 * What does not come back in time is looked for in the history, and sent again when it is not there
 * either, under the same Nats-Msg-Id, for as long as the server knows that (PROTOCOL.md section 6).
 *
 * Threads: any; a struct ub_ack in the client's list is guarded by the client's lock. */
#ifndef UB_CLIENT_ACKS_H
#define UB_CLIENT_ACKS_H

#include <unibus/message.h>

#include "client/link.h"
#include "core/buf.h"
#include "core/frame.h"

struct ub_ack {
	struct ub_ack *next;
	unibus_client *c;
	struct ub_croom *r;
	unibus_ack_fn fn; /* NULL: somebody waits */
	void *arg;
	uint64_t until_ms; /* ub_mono_ms, the end of waiting; 0: as long as it can be sent again */
	/* The rest is set when it is sent. */
	bool sent;
	struct ub_outgoing out; /* data: in frame */
	struct ub_buf frame;
	uint32_t epoch;
	uint64_t from;    /* it is newer than this position */
	uint64_t sent_ms; /* ub_mono_ms, for the first time */
	uint64_t next_ms; /* when to look after it */
	unsigned tries;
	bool done;
	ub_err err;
	struct unibus_ack ack;
};

/* A message of a room came; before it is queued, so that waiting for it is possible anywhere. */
void ub_acks_echo(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg);
/* It is about to be sent for the first time; a->out and a->frame are set. */
void ub_ack_sent(struct ub_ack *a, uint32_t epoch);
/* The connection changed: look after all of them now. The client's lock must be held. */
void ub_acks_hurry(unibus_client *c);

/* A room to look after now, or NULL; *inout_until is lowered to the next moment. Under the client's
 * lock. */
struct ub_croom *ub_acks_due(unibus_client *c, uint64_t now, uint64_t *inout_until);
/* Looks in the history, sends again what is not there. */
void ub_acks_chase(unibus_client *c, struct ub_croom *r);
/* The client ends: every call that is open comes to its end. All threads are stopped. */
void ub_acks_end(unibus_client *c);

#endif
