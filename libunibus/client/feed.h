/* feed.h: which frames of a persisted room one subscription has had.
 *
 * The live copies of a room's frames come in the order of its history, but nothing says what was
 * between two of them, but this: each names the one before it of the same sender. So a feed knows
 * up to where it has had everything (`base`), and the newest of each sender beyond. When a frame
 * names one that was not had, or the connection changed, the feed lags: it takes no live frames,
 * and pages of the history instead, until those have caught up.
 *
 * Threads: one at a time; in a client under its lock, but for `past`: the dispatcher's. */
#ifndef UB_CLIENT_FEED_H
#define UB_CLIENT_FEED_H

#include "client/hash.h"
#include "core/base.h"
#include "core/subject.h"

/* Senders remembered beyond base; with more the feed lags once, and they are forgotten. */
#define UB_FEED_SENDERS_MAX 8192

struct ub_heard {
	UT_hash_handle hh;
	char token[UB_WIRE_TOKEN]; /* of the sender */
	uint64_t pos;              /* his newest frame that was had */
};

/* By the order of the history: the newest epoch and policy seen there, and since when. */
struct ub_past {
	uint32_t epoch;
	uint64_t epoch_ms;
	bool sign;
	uint64_t sign_ms;
};

struct ub_feed {
	uint64_t base;          /* everything up to here was had */
	uint64_t newest;        /* the newest that was had */
	struct ub_heard *heard; /* newer than base */
	uint64_t conn;          /* the connection that live frames are taken from */
	bool lags;
	bool asked;     /* a page is on its way, or being delivered */
	bool again;     /* it lags anew since: that page is not the last */
	uint64_t at;    /* while it lags: everything up to here was had, by the pages */
	uint64_t upto;  /* the newest live frame that was left to the pages */
	uint64_t tried; /* ub_mono_ms, when the pages ended short of that first; 0: they did not */
	uint64_t next_ms; /* ub_mono_ms, not before which to ask for a page */
	struct ub_past past;
};
/* Everything up to `after` counts as had; lags. */
void ub_feed_start(struct ub_feed *f, uint64_t after);
void ub_feed_deinit(struct ub_feed *f);

/* Was this frame had? */
bool ub_feed_had(const struct ub_feed *f, struct ub_str token, uint64_t pos);
/* It is had now. UNIBUS_ERR_NOMEM: then it lags. */
void ub_feed_note(struct ub_feed *f, struct ub_str token, uint64_t pos);

struct ub_live { /* what the server says of a live copy */
	struct ub_str token;
	uint64_t pos, last; /* the sender's frame before it; 0: none */
	uint64_t conn;
};
/* Is it to be delivered? False: it was had, or is left to the pages. */
bool ub_feed_live(struct ub_feed *f, const struct ub_live *l);
/* From now on pages: what follows `at`. */
void ub_feed_lag(struct ub_feed *f, uint64_t at);
/* A page ended at `last`. Returns true when the feed has caught up. */
bool ub_feed_page(struct ub_feed *f, uint64_t last, bool more, uint64_t now_ms);
/* What may be kept on disk: everything up to here was had. */
uint64_t ub_feed_safe(const struct ub_feed *f);

#endif
