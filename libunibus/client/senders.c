#include "client/senders.h"

#include "client/clock.h"
#include "core/cursor.h"
#include "core/key.h"

/* Two connections overlap when rights change: frames then arrive out of order for a moment. */
#define MISSING_PATIENCE_MS 2000

/* The first form had no counter at its end. */
static const char magic_first[8] = "UBSEEN1";
static const char magic[8] = "UBSEEN2";

void ub_senders_deinit(struct ub_senders *s)
{
	struct ub_sender *at, *next;

	HASH_ITER (hh, s->head, at, next) {
		HASH_DEL(s->head, at);
		free(at->digests);
		free(at);
	}
}

struct ub_sender *ub_senders_find(const struct ub_senders *s, const struct ub_endpoint *id)
{
	struct ub_sender *at;

	HASH_FIND(hh, s->head, id->b, sizeof(id->b), at);
	return at;
}

ub_err ub_senders_get(struct ub_senders *s, const struct ub_endpoint *id, struct ub_sender **ret)
{
	struct ub_sender *at = ub_senders_find(s, id);

	if (!at) {
		at = calloc(1, sizeof(*at));
		if (!at)
			return UNIBUS_ERR_NOMEM;
		at->id = *id;
		HASH_ADD(hh, s->head, id.b, sizeof(at->id.b), at);
		if (!at->hh.tbl) {
			free(at);
			return UNIBUS_ERR_NOMEM;
		}
	}
	*ret = at;
	return UB_OK;
}

static uint64_t digest_of(const struct ub_frame *f)
{
	struct ub_hash h;
	uint64_t v;

	ub_hash(f->whole.p, f->whole.len, &h);
	memcpy(&v, h.b, sizeof(v));
	return v;
}

static const struct ub_replay_session *session_find(const struct ub_replay *r, uint64_t session)
{
	for (size_t i = 0; i < UB_REPLAY_SESSIONS; i++)
		if (r->s[i].session == session)
			return &r->s[i];
	return NULL;
}

enum ub_seen ub_sender_seen(const struct ub_sender *s, const struct ub_frame *f)
{
	const struct ub_replay_session *had = session_find(&s->replay, f->h.session);
	uint64_t noted;

	if (!s->digests || s->session != f->h.session || !had || f->h.seq > had->highest ||
		had->highest - f->h.seq >= UB_REPLAY_WINDOW)
		return UB_SEEN_UNKNOWN;
	noted = s->digests[f->h.seq % UB_REPLAY_WINDOW];
	/* 0: seen by an earlier run, which left the window but no digests. */
	if (noted == 0)
		return UB_SEEN_UNKNOWN;
	return noted == digest_of(f) ? UB_SEEN_SAME : UB_SEEN_OTHER;
}

/* Without memory for digests an equivocation is merely a replay. */
static void note_digest(struct ub_sender *s, const struct ub_frame *f)
{
	if (!s->digests)
		s->digests = calloc(UB_REPLAY_WINDOW, sizeof(*s->digests));
	if (f->h.session > s->session) {
		s->session = f->h.session;
		if (s->digests)
			memset(s->digests, 0, UB_REPLAY_WINDOW * sizeof(*s->digests));
	}
	if (s->digests && f->h.session == s->session)
		s->digests[f->h.seq % UB_REPLAY_WINDOW] = digest_of(f);
}

void ub_sender_note(struct ub_sender *s, const struct ub_frame *f, uint64_t since_ms)
{
	const struct ub_replay_session *had = session_find(&s->replay, f->h.session);
	bool late = had && f->h.seq < had->highest;
	/* Numbers from before we listened say nothing of losses; the sender's clock says when a
	 * session began, and may be as wrong as the control plane lets it be. */
	bool tells = had ? s->heard_ms >= since_ms
			 : f->h.session >> 20 > since_ms + UB_REQUEST_WINDOW_MS;
	uint64_t gap = 0;

	ub_replay_note(&s->replay, f->h.session, f->h.seq, &gap);
	s->heard_ms = ub_wall_ms();
	note_digest(s, f);
	if (late && s->missing > 0)
		s->missing--;
	if (gap > 0 && tells) {
		s->missing += gap;
		if (s->missing_at == 0)
			s->missing_at = ub_mono_ms() + MISSING_PATIENCE_MS;
	}
	if (s->missing == 0)
		s->missing_at = 0;
}

uint64_t ub_sender_missing(struct ub_sender *s, uint64_t mono_ms)
{
	uint64_t n = s->missing;

	if (s->missing_at == 0 || mono_ms < s->missing_at)
		return 0;
	s->missing = 0;
	s->missing_at = 0;
	return n;
}

void ub_senders_save(const struct ub_senders *s, struct ub_buf *out)
{
	struct ub_sender *at, *next;

	ub_buf_put(out, magic, sizeof(magic));
	ub_buf_u32(out, HASH_COUNT(s->head));
	HASH_ITER (hh, s->head, at, next) {
		ub_buf_put(out, at->id.b, sizeof(at->id.b));
		ub_replay_save(&at->replay, out);
	}
	ub_buf_u32(out, s->epoch);
	ub_buf_u64(out, s->frames);
}

/* Every number that the other's window of one session has seen. */
static void merge_session(struct ub_replay *r, const struct ub_replay_session *other)
{
	uint64_t gap;
	uint64_t low =
		other->highest >= UB_REPLAY_WINDOW ? other->highest - UB_REPLAY_WINDOW + 1 : 1;

	for (uint64_t seq = low; seq <= other->highest; seq++)
		if (other->bits[seq / 64 % (UB_REPLAY_WINDOW / 64)] >> (seq % 64) & 1)
			ub_replay_note(r, other->session, seq, &gap);
}

static void merge_replay(struct ub_replay *r, const struct ub_replay *other)
{
	/* Oldest first: a session is taken in only while it is not older than all that are kept. */
	for (size_t i = UB_REPLAY_SESSIONS; i-- > 0;)
		if (other->s[i].session)
			merge_session(r, &other->s[i]);
	if (other->floor <= r->floor)
		return;
	r->floor = other->floor;
	for (size_t i = 0; i < UB_REPLAY_SESSIONS; i++)
		if (r->s[i].session <= r->floor)
			r->s[i] = (struct ub_replay_session){0};
}

static void merge_count(struct ub_senders *s, struct ub_cursor *c)
{
	uint32_t epoch = ub_cursor_u32(c);
	uint64_t frames = ub_cursor_u64(c);

	if (c->bad)
		return;
	if (epoch > s->epoch) {
		s->epoch = epoch;
		s->frames = frames;
	} else if (epoch == s->epoch && frames > s->frames) {
		s->frames = frames;
	}
}

ub_err ub_senders_merge(struct ub_senders *s, struct ub_bytes file)
{
	struct ub_cursor c = ub_cursor(file.p, file.len);
	char head[sizeof(magic)];
	bool counted;
	uint32_t n;

	ub_cursor_copy(&c, head, sizeof(head));
	n = ub_cursor_u32(&c);
	counted = memcmp(head, magic, sizeof(head)) == 0;
	if (c.bad || (!counted && memcmp(head, magic_first, sizeof(head)) != 0) ||
		n > file.len / sizeof(struct ub_endpoint))
		return UNIBUS_ERR_BAD_FILE;
	for (uint32_t i = 0; i < n; i++) {
		struct ub_replay other = {0};
		struct ub_sender *at;
		struct ub_endpoint id;
		ub_err err;

		ub_cursor_copy(&c, id.b, sizeof(id.b));
		if (ub_replay_load(&c, &other) != UB_OK)
			return UNIBUS_ERR_BAD_FILE;
		err = ub_senders_get(s, &id, &at);
		if (err != UB_OK)
			return err;
		merge_replay(&at->replay, &other);
	}
	if (counted)
		merge_count(s, &c);
	return ub_cursor_end(&c) == UB_OK ? UB_OK : UNIBUS_ERR_BAD_FILE;
}
