#include "client/feed.h"

/* A node's history may be a moment behind what it said live. */
#define BEHIND_PAUSE_MS 50
/* What was said live and is not in the history for so long has left it again. */
#define BEHIND_MAX_MS 5000

static void forget(struct ub_feed *f)
{
	struct ub_heard *at, *next;

	HASH_ITER (hh, f->heard, at, next) {
		HASH_DEL(f->heard, at);
		free(at);
	}
}

void ub_feed_start(struct ub_feed *f, uint64_t after)
{
	*f = (struct ub_feed){.base = after, .newest = after};
	ub_feed_lag(f, after);
}

void ub_feed_deinit(struct ub_feed *f)
{
	forget(f);
}

static struct ub_heard *find(const struct ub_feed *f, struct ub_str token)
{
	struct ub_heard *at;

	HASH_FIND(hh, f->heard, token.p, UB_WIRE_TOKEN, at);
	return at;
}

/* His newest frame that was had. */
static uint64_t had_of(const struct ub_feed *f, struct ub_str token)
{
	const struct ub_heard *at = find(f, token);

	return at && at->pos > f->base ? at->pos : f->base;
}

bool ub_feed_had(const struct ub_feed *f, struct ub_str token, uint64_t pos)
{
	return pos <= had_of(f, token);
}

void ub_feed_lag(struct ub_feed *f, uint64_t at)
{
	f->again |= f->asked;
	if (f->lags && at >= f->at)
		return;
	f->lags = true;
	f->at = at;
	f->tried = 0;
	f->next_ms = 0;
}

static struct ub_heard *add(struct ub_feed *f, struct ub_str token)
{
	struct ub_heard *at = NULL;

	if (HASH_COUNT(f->heard) < UB_FEED_SENDERS_MAX)
		at = calloc(1, sizeof(*at));
	if (!at)
		return NULL;
	memcpy(at->token, token.p, sizeof(at->token));
	HASH_ADD(hh, f->heard, token, sizeof(at->token), at);
	if (!at->hh.tbl) {
		free(at);
		return NULL;
	}
	return at;
}

void ub_feed_note(struct ub_feed *f, struct ub_str token, uint64_t pos)
{
	struct ub_heard *at;

	if (pos <= f->base)
		return;
	at = find(f, token);
	if (!at)
		at = add(f, token);
	if (!at && !f->lags) {
		/* It was in order up to here: that is all there is to know. */
		forget(f);
		f->base = pos;
	}
	if (at && at->pos < pos)
		at->pos = pos;
	if (f->newest < pos)
		f->newest = pos;
}

bool ub_feed_live(struct ub_feed *f, const struct ub_live *l)
{
	if (l->conn < f->conn)
		return false; /* the newer connection brings it too */
	if (l->conn > f->conn) {
		f->conn = l->conn;
		ub_feed_lag(f, f->newest);
	}
	if (!f->lags) {
		if (ub_feed_had(f, l->token, l->pos))
			return false;
		if (l->last <= had_of(f, l->token))
			return true;
		ub_feed_lag(f, had_of(f, l->token));
	}
	if (l->pos > f->upto)
		f->upto = l->pos;
	return false;
}

bool ub_feed_page(struct ub_feed *f, uint64_t last, bool more, uint64_t now_ms)
{
	uint64_t goal = f->upto > f->newest ? f->upto : f->newest;
	bool short_of, again = f->again;

	if (last > f->at) {
		f->at = last;
		f->tried = 0;
	}
	f->again = false;
	if (more || again)
		return false;
	short_of = f->at < goal;
	if (short_of && f->tried == 0)
		f->tried = now_ms;
	if (short_of && now_ms - f->tried < BEHIND_MAX_MS) {
		f->next_ms = now_ms + BEHIND_PAUSE_MS;
		return false;
	}
	f->base = f->newest = f->at > goal ? f->at : goal;
	f->lags = false;
	f->tried = 0;
	forget(f);
	return true;
}

uint64_t ub_feed_safe(const struct ub_feed *f)
{
	return f->lags ? f->at : f->newest;
}
