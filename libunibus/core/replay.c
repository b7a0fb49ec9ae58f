#include "core/replay.h"

#include "core/ulid.h"

#define WORDS (UB_REPLAY_WINDOW / 64)

/* Sessions in use lie at the front, the newest first: r->s[i].session falls strictly. */

static bool bit_get(const struct ub_replay_session *s, uint64_t seq)
{
	return (s->bits[seq / 64 % WORDS] >> (seq % 64) & 1) != 0;
}

static void bit_set(struct ub_replay_session *s, uint64_t seq)
{
	s->bits[seq / 64 % WORDS] |= (uint64_t)1 << (seq % 64);
}

static void bit_clear(struct ub_replay_session *s, uint64_t seq)
{
	s->bits[seq / 64 % WORDS] &= ~((uint64_t)1 << (seq % 64));
}

/* Where `session` is or belongs; UB_REPLAY_SESSIONS when it is older than all that are kept. */
static size_t place_of(const struct ub_replay *r, uint64_t session)
{
	size_t i = 0;

	while (i < UB_REPLAY_SESSIONS && r->s[i].session > session)
		i++;
	return i;
}

static bool is_new(const struct ub_replay *r, uint64_t session, uint64_t seq)
{
	size_t i = place_of(r, session);
	const struct ub_replay_session *s = &r->s[i];

	if (session <= r->floor || seq == 0 || i == UB_REPLAY_SESSIONS)
		return false;
	if (s->session != session || seq > s->highest)
		return true;
	return s->highest - seq < UB_REPLAY_WINDOW && !bit_get(s, seq);
}

ub_err ub_replay_check(const struct ub_replay *r, uint64_t session, uint64_t seq,
	const struct ub_ulid *id, uint64_t now_ms)
{
	uint64_t ms = ub_ulid_ms(id);
	uint64_t off = ms > now_ms ? ms - now_ms : now_ms - ms;

	if (off > UB_FRAME_AGE_MAX_MS || !is_new(r, session, seq))
		return UNIBUS_ERR_REPLAY;
	return UB_OK;
}

static struct ub_replay_session *session_of(struct ub_replay *r, uint64_t session)
{
	size_t i = place_of(r, session);
	struct ub_replay_session *last = &r->s[UB_REPLAY_SESSIONS - 1];

	if (r->s[i].session == session)
		return &r->s[i];
	if (last->session)
		r->floor = last->session;
	memmove(&r->s[i + 1], &r->s[i], (UB_REPLAY_SESSIONS - 1 - i) * sizeof(r->s[i]));
	r->s[i] = (struct ub_replay_session){.session = session};
	return &r->s[i];
}

/* Moves the window up to `seq`. Each slot that is reused stood for the seq one window below. */
static void advance(struct ub_replay_session *s, uint64_t seq)
{
	uint64_t step = seq - s->highest;
	uint64_t n = step < UB_REPLAY_WINDOW ? step : UB_REPLAY_WINDOW;

	for (uint64_t i = 1; i <= n; i++) {
		uint64_t slot = s->highest + i;

		if (slot > UB_REPLAY_WINDOW && !bit_get(s, slot))
			s->missing++;
		bit_clear(s, slot);
	}
	s->missing += step - n;
	s->highest = seq;
}

void ub_replay_note(struct ub_replay *r, uint64_t session, uint64_t seq, uint64_t *ret_gap)
{
	struct ub_replay_session *s;

	*ret_gap = 0;
	if (!is_new(r, session, seq))
		return;
	s = session_of(r, session);
	if (seq > s->highest) {
		*ret_gap = seq - s->highest - 1;
		advance(s, seq);
	}
	bit_set(s, seq);
}

void ub_replay_save(const struct ub_replay *r, struct ub_buf *out)
{
	uint8_t n = 0;

	while (n < UB_REPLAY_SESSIONS && r->s[n].session)
		n++;
	ub_buf_u64(out, r->floor);
	ub_buf_u8(out, n);
	for (size_t i = 0; i < n; i++) {
		ub_buf_u64(out, r->s[i].session);
		ub_buf_u64(out, r->s[i].highest);
		ub_buf_u64(out, r->s[i].missing);
		for (size_t w = 0; w < WORDS; w++)
			ub_buf_u64(out, r->s[i].bits[w]);
	}
}

/* What note() could have left behind and nothing else: a damaged file must not open a window. */
static bool session_ok(const struct ub_replay_session *s)
{
	uint64_t below = s->highest > UB_REPLAY_WINDOW ? s->highest - UB_REPLAY_WINDOW : 0;

	if (s->highest == 0 || !bit_get(s, s->highest) || s->missing > below)
		return false;
	if (s->highest >= UB_REPLAY_WINDOW)
		return true;
	if (bit_get(s, 0))
		return false;
	for (uint64_t slot = s->highest + 1; slot < UB_REPLAY_WINDOW; slot++) {
		if (bit_get(s, slot))
			return false;
	}
	return true;
}

ub_err ub_replay_load(struct ub_cursor *c, struct ub_replay *ret)
{
	struct ub_replay r = {.floor = ub_cursor_u64(c)};
	size_t n = ub_cursor_u8(c);
	uint64_t newer = UINT64_MAX;

	if (n > UB_REPLAY_SESSIONS)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < n; i++) {
		struct ub_replay_session *s = &r.s[i];

		s->session = ub_cursor_u64(c);
		s->highest = ub_cursor_u64(c);
		s->missing = ub_cursor_u64(c);
		for (size_t w = 0; w < WORDS; w++)
			s->bits[w] = ub_cursor_u64(c);
		if (s->session <= r.floor || (i > 0 && s->session >= newer) || !session_ok(s))
			return UNIBUS_ERR_INVALID;
		newer = s->session;
	}
	if (c->bad)
		return UNIBUS_ERR_INVALID;
	*ret = r;
	return UB_OK;
}
