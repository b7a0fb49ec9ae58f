/* js.h: questions to JetStream in one account: raw requests over the link, answers read here.
 *
 * What is stored was sent by peers, headers included, and a peer can write any bytes there: the
 * server puts its own headers behind them. So the last value of a name counts, never the first,
 * and a message whose headers cannot be read is stepped over, not believed.
 *
 * Threads: any; md_js_free once, after md_link_free. */
#ifndef MD_JS_H
#define MD_JS_H

#include <jansson.h>

#include "core/buf.h"
#include "membershipd/nats/link.h"

struct md_js;
/* Before md_link_start. The link is borrowed. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_js_new(struct md_link *l, enum md_plane plane, struct md_js **ret);
/* Calls under way and all later ones end with UNIBUS_ERR_CANCELLED. */
void md_js_stop(struct md_js *js);
void md_js_free(struct md_js *js); /* NULL is nothing */
UB_DEFINE_CLEANUP(struct md_js *, md_js_free)

/* One question of the API ("STREAM.INFO.X"), one answer. */
struct md_js_ask {
	const char *what;
	struct ub_str body; /* empty: none */
	unsigned timeout_ms;
};
struct md_js_refusal {
	uint64_t code; /* JetStream's err_code; 0: it was not refused */
	char text[160];
};
#define MD_JS_NO_STREAM 10059
/* UNIBUS_ERR_UNAVAILABLE (not connected, nobody there, no answer in time, no leader),
 * UNIBUS_ERR_NOT_FOUND (no such stream), UNIBUS_ERR_CONFLICT (refused otherwise, see *why),
 * UNIBUS_ERR_INVALID (not an answer), UNIBUS_ERR_CANCELLED, UNIBUS_ERR_NOMEM. *ret is owned by
 * the caller. */
UB_MUST_CHECK
ub_err md_js_ask(
	struct md_js *js, const struct md_js_ask *a, json_t **ret, struct md_js_refusal *why);

/* Stored messages from `seq` on, or from a moment on. */
struct md_js_get {
	const char *stream;
	const char *filter;         /* subject with wildcards */
	uint64_t seq, since_ms;     /* since_ms 0: seq counts */
	size_t messages, bytes_max; /* at least one message comes whatever its size */
	unsigned timeout_ms;
};
struct md_js_stored {
	uint64_t seq, time_ms; /* the server's */
	struct ub_str subject; /* as the broker let it through */
	struct ub_bytes data;
};
struct md_js_batch {
	struct ub_buf records;
	size_t n, total;  /* readable ones; all */
	uint64_t last;    /* the sequence of the last message, readable or not; 0: none came */
	uint64_t pending; /* how many more follow it */
};
#define MD_JS_BATCH_MAX (2 * 1024 * 1024)
void md_js_batch_deinit(struct md_js_batch *b);
/* *ret is to be deinited. UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_CANCELLED, UNIBUS_ERR_NOMEM,
 * UNIBUS_ERR_TOO_LARGE (more than MD_JS_BATCH_MAX came). */
UB_MUST_CHECK
ub_err md_js_get(struct md_js *js, const struct md_js_get *g, struct md_js_batch *ret);
/* The next message; *at is 0 at first. What it points to lives as long as the batch. */
bool md_js_batch_next(const struct md_js_batch *b, size_t *at, struct md_js_stored *ret);

#endif
