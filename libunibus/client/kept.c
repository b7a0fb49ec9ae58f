#include "client/kept.h"

#include "client/acks.h"
#include "client/clock.h"
#include "client/history.h"
#include "client/link_impl.h"
#include "client/message.h"
#include "core/num.h"

#define RETRY_MS 500
/* The server says that this peer is not in the room: it may be again. */
#define OUT_RETRY_MS 5000
#define SHARD_DIGITS 3

/* ---- headers ---- */

static bool header_u64(unibus_client *c, const struct bus_msg *msg, const char *name, uint64_t *ret)
{
	const char *z = c->link->ops->header(msg, name);

	return z && ub_num_u64(ub_str(z), 0, UB_JSON_INT_MAX, ret) == UB_OK;
}

/* "unibus.live3.R.E" is the copy of "unibus.log3.R.E" in the stream "UNIBUS_LOG_3". */
static bool names_fit(const char *subject, const char *logged, const char *stream)
{
	const char *rest = subject + sizeof(UB_WIRE_LIVE) - 1;
	size_t digits = strcspn(rest, ".");
	char want[sizeof("UNIBUS_LOG_") + SHARD_DIGITS];

	if (strncmp(subject, UB_WIRE_LIVE, sizeof(UB_WIRE_LIVE) - 1) != 0 || !logged || !stream ||
		digits > SHARD_DIGITS)
		return false;
	snprintf(want, sizeof(want), "UNIBUS_LOG_%.*s", (int)digits, rest);
	return strcmp(stream, want) == 0 &&
	       strncmp(logged, UB_WIRE_LOG, sizeof(UB_WIRE_LOG) - 1) == 0 &&
	       strcmp(logged + sizeof(UB_WIRE_LOG) - 1, rest) == 0;
}

ub_err ub_kept_headers(
	unibus_client *c, struct ub_croom *r, const struct bus_msg *msg, struct ub_live *ret)
{
	const struct bus_ops *ops = c->link->ops;
	struct ub_live l = {.conn = msg->conn};

	if (ub_wire_sender(ub_str(msg->subject), &r->id, &l.token) != UB_OK ||
		!names_fit(msg->subject, ops->header(msg, "Nats-Subject"),
			ops->header(msg, "Nats-Stream")) ||
		!header_u64(c, msg, "Nats-Sequence", &l.pos) ||
		!header_u64(c, msg, "Nats-Last-Sequence", &l.last) || l.last >= l.pos)
		return UNIBUS_ERR_CORRUPT;
	*ret = l;
	return UB_OK;
}

/* ---- lagging ---- */

/* Under the client's lock. */
static void lag(unibus_client *c, struct ub_croom *r, uint64_t conn)
{
	for (struct unibus_sub *s = r->subs; s; s = s->next) {
		if (!s->kept)
			continue;
		if (conn > s->feed.conn)
			s->feed.conn = conn;
		ub_feed_lag(&s->feed, s->feed.newest);
		s->feed.next_ms = 0;
	}
	pthread_cond_broadcast(&c->changed);
}

void ub_kept_lag_room(unibus_client *c, struct ub_croom *r, uint64_t conn)
{
	pthread_mutex_lock(&c->lock);
	lag(c, r, conn);
	pthread_mutex_unlock(&c->lock);
}

struct lag {
	unibus_client *c;
	uint64_t conn;
};

static void lag_one(void *arg, struct ub_croom *r)
{
	const struct lag *l = arg;

	lag(l->c, r, l->conn);
}

void ub_kept_lag(unibus_client *c, uint64_t conn)
{
	struct lag l = {c, conn};

	pthread_mutex_lock(&c->lock);
	ub_rooms_each(c->rooms, lag_one, &l);
	if (conn)
		ub_acks_hurry(c);
	pthread_mutex_unlock(&c->lock);
}

/* ---- live ---- */

/* Who wants it? Under the client's lock. */
static bool pick_live(unibus_client *c, struct ub_croom *r, const struct ub_live *l)
{
	bool any = false, lags = false;

	if (l->pos > r->newest)
		r->newest = l->pos;
	for (struct unibus_sub *s = r->subs; s; s = s->next) {
		s->pick = UB_PICK_NONE;
		if (!s->kept || s->ended)
			continue;
		if (ub_feed_live(&s->feed, l))
			s->pick = UB_PICK_WANTS;
		any |= s->pick == UB_PICK_WANTS;
		lags |= s->feed.lags && !s->feed.asked;
	}
	if (lags)
		pthread_cond_broadcast(&c->changed);
	return any;
}

/* Whoever had it goes on from there; a frame that nobody could judge yet is left to the pages. */
static void end_live(
	unibus_client *c, const struct ub_judge *j, const struct ub_live *l, bool judged)
{
	pthread_mutex_lock(&c->lock);
	for (struct unibus_sub *s = j->r->subs; s; s = s->next) {
		enum ub_pick pick = s->pick;

		s->pick = UB_PICK_NONE;
		if (pick == UB_PICK_HAD)
			ub_past_note(&s->feed.past, j, ub_control_now_ms(c->ctl));
		if (pick == UB_PICK_WANTS && judged)
			ub_feed_note(&s->feed, l->token, l->pos);
		if (pick == UB_PICK_WANTS && !judged) {
			ub_feed_lag(&s->feed, s->feed.newest);
			s->feed.upto = l->pos;
			s->feed.next_ms = ub_mono_ms() + RETRY_MS;
		}
	}
	if (!judged)
		pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void ub_kept_receive(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg)
{
	UB_CLEANUP(ub_judge_deinit) struct ub_judge j = {.c = c, .r = r, .msg = msg};
	struct ub_live l;
	bool wanted, judged = true;

	if (ub_kept_headers(c, r, msg, &l) != UB_OK) {
		ub_receive_bad(&j);
		return;
	}
	pthread_mutex_lock(&c->lock);
	wanted = pick_live(c, r, &l);
	pthread_mutex_unlock(&c->lock);
	if (!wanted)
		return;
	j.position = l.pos;
	if (ub_frame_parse(msg->data, &j.f) != UB_OK)
		ub_receive_bad(&j);
	else
		judged = ub_receive_kept(&j) == UB_OK;
	end_live(c, &j, &l, judged);
}

/* ---- handing over ---- */

static void keep_position(unibus_client *c, struct unibus_sub *s, uint64_t had, uint64_t delivering)
{
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_ROOM, .err = UNIBUS_ERR_IO};

	if (s->position.fd < 0 || ub_position_write(&s->position, had, delivering) == UB_OK)
		return;
	if (!s->io_told)
		ub_croom_event(c, s->room_of, &ev,
			"the position could not be kept on disk; after a restart messages of now "
			"will come again");
	s->io_told = true;
}

void ub_kept_hand(unibus_client *c, struct unibus_sub *s, struct unibus_msg *msg)
{
	struct ub_str token = {msg->sender, UB_WIRE_TOKEN};
	uint64_t safe;

	msg->room = s->room;
	msg->repeated = msg->position == s->repeated;
	keep_position(c, s, s->position.had, msg->position);
	s->fn(s->arg, msg);
	pthread_mutex_lock(&c->lock);
	s->pick = UB_PICK_HAD;
	ub_feed_note(&s->feed, token, msg->position);
	if (s->feed.lags && s->feed.asked && msg->position > s->feed.at)
		s->feed.at = msg->position;
	safe = ub_feed_safe(&s->feed);
	pthread_mutex_unlock(&c->lock);
	keep_position(c, s, safe, 0);
}

/* ---- pages ---- */

struct paper { /* a page on its way to a subscription */
	unibus_client *c;
	struct ub_croom *r;
	struct unibus_sub *sub; /* referenced */
	struct ub_page page;
};

static void paper_free(struct paper *p)
{
	pthread_mutex_lock(&p->c->lock);
	p->sub->feed.asked = false;
	pthread_cond_broadcast(&p->c->changed);
	pthread_mutex_unlock(&p->c->lock);
	ub_sub_unref(p->c, p->sub);
	ub_page_deinit(&p->page);
	free(p);
}

/* Is this one still to be given? */
static bool pick_stored(struct paper *p, const struct ub_stored *m, struct ub_str token)
{
	bool wants;

	pthread_mutex_lock(&p->c->lock);
	wants = !p->sub->ended && !ub_feed_had(&p->sub->feed, token, m->seq);
	p->sub->pick = wants ? UB_PICK_WANTS : UB_PICK_NONE;
	pthread_mutex_unlock(&p->c->lock);
	return wants;
}

static void end_stored(struct paper *p, const struct ub_stored *m, struct ub_str token)
{
	struct unibus_sub *s = p->sub;

	pthread_mutex_lock(&p->c->lock);
	s->pick = UB_PICK_NONE;
	ub_feed_note(&s->feed, token, m->seq);
	if (m->seq > s->feed.at)
		s->feed.at = m->seq;
	pthread_mutex_unlock(&p->c->lock);
}

/* False: it cannot be judged right now. */
static bool give_stored(struct paper *p, const struct ub_stored *m)
{
	UB_CLEANUP(ub_judge_deinit)
	struct ub_judge j = {.c = p->c,
		.r = p->r,
		.past = &p->sub->feed.past,
		.time_ms = m->time_ms,
		.position = m->seq};
	char sender[UB_ID_TEXT + 1];
	struct ub_str token = {sender, UB_WIRE_TOKEN};

	ub_endpoint_encode(&m->sender, sender);
	if (pick_stored(p, m, token)) {
		if (ub_frame_parse((struct ub_bytes){m->p, m->len}, &j.f) != UB_OK ||
			!ub_endpoint_eq(&j.f.h.sender, &m->sender))
			ub_receive_bad(&j);
		else if (ub_receive_kept(&j) != UB_OK)
			return false;
	}
	end_stored(p, m, token);
	return true;
}

/* True: it has caught up for the first time. */
static bool end_page(struct paper *p, bool whole)
{
	struct ub_feed *f = &p->sub->feed;
	uint64_t now = ub_mono_ms();
	bool level = false;

	pthread_mutex_lock(&p->c->lock);
	if (whole)
		level = ub_feed_page(f, p->page.last, p->page.more, now);
	else
		f->next_ms = now + RETRY_MS;
	if (f->newest > p->r->newest)
		p->r->newest = f->newest;
	now = ub_feed_safe(f);
	pthread_mutex_unlock(&p->c->lock);
	keep_position(p->c, p->sub, now, 0);
	return level;
}

static bool is_over(struct paper *p)
{
	bool over;

	pthread_mutex_lock(&p->c->lock);
	over = p->sub->ended;
	pthread_mutex_unlock(&p->c->lock);
	return over;
}

static void run_page(struct paper *p)
{
	void (*caught_up)(void *arg) = p->sub->caught_up;
	bool whole = true;

	for (size_t i = 0; i < p->page.n && whole && !is_over(p); i++)
		whole = give_stored(p, &p->page.m[i]);
	if (is_over(p) || !end_page(p, whole) || !caught_up)
		return;
	p->sub->caught_up = NULL;
	caught_up(p->sub->arg);
}

static void on_page(void *arg, bool run)
{
	struct paper *p = arg;

	if (run)
		run_page(p);
	paper_free(p);
}

struct due {
	uint64_t now, until;
	struct unibus_sub *sub;
};

static void due_one(void *arg, struct ub_croom *r)
{
	struct due *d = arg;

	for (struct unibus_sub *s = r->subs; s && !d->sub; s = s->next) {
		if (!s->kept || s->ended || !s->feed.lags || s->feed.asked)
			continue;
		if (s->feed.next_ms <= d->now)
			d->sub = s;
		else if (s->feed.next_ms < d->until)
			d->until = s->feed.next_ms;
	}
}

struct unibus_sub *ub_kept_due(unibus_client *c, uint64_t now, uint64_t *inout_until)
{
	struct due d = {.now = now, .until = *inout_until};

	ub_rooms_each(c->rooms, due_one, &d);
	*inout_until = d.until;
	if (d.sub) {
		d.sub->refs++;
		d.sub->feed.asked = true;
	}
	return d.sub;
}

void ub_kept_fetch(unibus_client *c, struct unibus_sub *sub)
{
	struct paper *p = calloc(1, sizeof(*p));
	struct ub_page_ask ask = {.limit = UB_PAGE_MAX};
	ub_err err = UNIBUS_ERR_NOMEM;

	pthread_mutex_lock(&c->lock);
	ask.from = sub->feed.at;
	pthread_mutex_unlock(&c->lock);
	if (p) {
		*p = (struct paper){.c = c, .r = sub->room_of, .sub = sub};
		err = ub_history_page(c, p->r, &ask, &p->page);
	}
	/* From here on it is the dispatcher's. */
	if (err == UB_OK && ub_dispatch_call(c->dispatch, on_page, p) == UB_OK)
		return;
	pthread_mutex_lock(&c->lock);
	sub->feed.asked = false;
	sub->feed.next_ms = ub_mono_ms() + (err == UNIBUS_ERR_DENIED || err == UNIBUS_ERR_NOT_FOUND
							   ? OUT_RETRY_MS
							   : RETRY_MS + ub_jitter(RETRY_MS));
	pthread_mutex_unlock(&c->lock);
	if (p)
		ub_page_deinit(&p->page);
	free(p);
	ub_sub_unref(c, sub);
}
