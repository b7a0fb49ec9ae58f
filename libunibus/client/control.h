/* control.h: signed calls to the control plane: audience, failover, clock.
 *
 * Threads: any; no lock is held while a call waits. */
#ifndef UB_CLIENT_CONTROL_H
#define UB_CLIENT_CONTROL_H

#include <unibus/control.h>

#include "client/identity.h"
#include "client/options.h"
#include "core/base.h"

struct ub_control;
struct ub_http_stream;

struct ub_control_config {
	const unibus_identity *id;  /* borrowed, outlives the control */
	const struct ub_urls *urls; /* borrowed likewise */
	const char *ca_file;        /* NULL: the system's trust roots */
	unsigned timeout_ms;
	/* Called (any thread) when a signed call was answered `revoked`. */
	void (*on_revoked)(void *arg);
	void *arg;
};
UB_MUST_CHECK
ub_err ub_control_new(const struct ub_control_config *c, struct ub_control **ret);
void ub_control_free(struct ub_control *ctl); /* no call may be running */
void ub_control_cancel(struct ub_control *ctl, bool on);

struct ub_call {
	const char *method, *target;
	struct ub_str body; /* p NULL: none */
	const char *range;  /* a Range header's value; NULL: none */
	bool blob;          /* the body is no JSON but the bytes of an upload, announced */
	struct ub_http_stream *stream; /* NULL: none. Once it has started no other node is tried */
};
/* Signs and sends, trying the nodes in turn on transport errors. UB_OK: an answer of whatever
 * status; the caller unibus_reply_free()s it. As unibus_call. */
UB_MUST_CHECK
ub_err ub_control_call(
	struct ub_control *ctl, const struct ub_call *call, struct unibus_reply *ret);

/* Later reads must see at least this revision ("<store id>:<n>"). Anything else is ignored: it is
 * a hint. */
void ub_control_note_revision(struct ub_control *ctl, struct ub_str text);

/* Unix time as the control plane sees it: our clock, moved by what a `clock_skew` answer told. */
uint64_t ub_control_now_ms(struct ub_control *ctl);

struct ub_control_stats {
	uint64_t requests, failovers;
};
void ub_control_stats(struct ub_control *ctl, struct ub_control_stats *ret);

/* The sentence of an error answer, cut to fit. */
void ub_reply_sentence(const struct unibus_reply *reply, char *to, size_t len);

#endif
