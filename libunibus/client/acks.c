#include "client/acks.h"

#include "client/clock.h"
#include "client/history.h"
#include "client/kept.h"
#include "client/message.h"

#define FIRST_MS 1000
#define PAUSE_MAX_MS 5000
/* The server knows a Nats-Msg-Id for two minutes. */
#define AGAIN_MAX_MS (110 * 1000)
/* A frame under a key that ended so long ago would come too late to be taken by anybody. */
#define STALE_EPOCH_MS (UB_EPOCH_GRACE_MS / 2)

/* ---- the list; under the client's lock ---- */

static void unlink_ack(unibus_client *c, struct ub_ack *a)
{
	for (struct ub_ack **p = &c->acks; *p; p = &(*p)->next) {
		if (*p == a) {
			*p = a->next;
			c->n_acks--;
			pthread_cond_broadcast(&c->changed);
			return;
		}
	}
}

static void finish(struct ub_ack *a, ub_err err, uint64_t position)
{
	a->done = true;
	a->err = err;
	a->ack.position = position;
	pthread_cond_broadcast(&a->c->changed);
}

static struct ub_ack *find(unibus_client *c, const struct ub_croom *r, struct ub_bytes frame)
{
	for (struct ub_ack *a = c->acks; a; a = a->next)
		if (a->r == r && a->sent && !a->done && a->frame.len == frame.len &&
			memcmp(a->frame.p, frame.p, frame.len) == 0)
			return a;
	return NULL;
}

static void ack_free(struct ub_ack *a)
{
	ub_buf_deinit(&a->frame);
	free(a);
}

/* ---- callbacks ---- */

static void run_ack(void *arg, bool run)
{
	struct ub_ack *a = arg;

	(void)run; /* it is owed either way */
	a->fn(a->arg, a->err, a->err == UB_OK ? &a->ack : NULL);
	ack_free(a);
}

/* Those that are done, on their way. */
static void call_done(unibus_client *c)
{
	struct ub_ack *a;

	do {
		pthread_mutex_lock(&c->lock);
		for (a = c->acks; a && !(a->done && a->fn); a = a->next)
			continue;
		if (a)
			unlink_ack(c, a);
		pthread_mutex_unlock(&c->lock);
		/* Without memory for the queue: from here. */
		if (a && ub_dispatch_call(c->dispatch, run_ack, a) != UB_OK)
			run_ack(a, true);
	} while (a);
}

/* ---- echoes ---- */

void ub_acks_echo(unibus_client *c, struct ub_croom *r, const struct bus_msg *msg)
{
	struct ub_ack *a;
	struct ub_live l;

	pthread_mutex_lock(&c->lock);
	a = find(c, r, msg->data);
	pthread_mutex_unlock(&c->lock);
	if (!a || ub_kept_headers(c, r, msg, &l) != UB_OK)
		return;
	pthread_mutex_lock(&c->lock);
	a = find(c, r, msg->data);
	if (a)
		finish(a, UB_OK, l.pos);
	pthread_mutex_unlock(&c->lock);
	call_done(c);
}

void ub_ack_sent(struct ub_ack *a, uint32_t epoch)
{
	uint64_t now = ub_mono_ms();

	pthread_mutex_lock(&a->c->lock);
	a->sent = true;
	a->epoch = epoch;
	a->from = a->r->newest;
	a->sent_ms = now;
	a->next_ms = now + FIRST_MS;
	if (a->until_ms == 0)
		a->until_ms = now + AGAIN_MAX_MS;
	pthread_cond_broadcast(&a->c->changed); /* the keeper may sleep for longer */
	pthread_mutex_unlock(&a->c->lock);
}

void ub_acks_hurry(unibus_client *c)
{
	for (struct ub_ack *a = c->acks; a; a = a->next)
		if (a->sent && !a->done)
			a->next_ms = 0;
	pthread_cond_broadcast(&c->changed);
}

/* ---- looking after them ---- */

static bool is_due(const struct ub_ack *a, const struct ub_croom *r, uint64_t now)
{
	return a->sent && !a->done && (!r || a->r == r) &&
	       (a->next_ms <= now || a->until_ms <= now);
}

struct ub_croom *ub_acks_due(unibus_client *c, uint64_t now, uint64_t *inout_until)
{
	for (struct ub_ack *a = c->acks; a; a = a->next) {
		if (is_due(a, NULL, now))
			return a->r;
		if (!a->sent || a->done)
			continue;
		if (a->next_ms < *inout_until)
			*inout_until = a->next_ms;
		if (a->until_ms < *inout_until)
			*inout_until = a->until_ms;
	}
	return NULL;
}

/* Where to begin to look; and gives up those whose time is over. */
static bool begin(unibus_client *c, struct ub_croom *r, uint64_t now, uint64_t *ret_from)
{
	bool any = false;

	pthread_mutex_lock(&c->lock);
	for (struct ub_ack *a = c->acks; a; a = a->next) {
		if (!is_due(a, r, now))
			continue;
		if (a->until_ms <= now) {
			finish(a, UNIBUS_ERR_OUTCOME_UNKNOWN, 0);
			continue;
		}
		*ret_from = any && *ret_from < a->from ? *ret_from : a->from;
		any = true;
	}
	pthread_mutex_unlock(&c->lock);
	return any;
}

static ub_err search(unibus_client *c, struct ub_croom *r, uint64_t from)
{
	struct ub_page_ask ask = {.from = from, .limit = UB_PAGE_MAX};
	bool more = true;
	ub_err err = UB_OK;

	while (err == UB_OK && more) {
		UB_CLEANUP(ub_page_deinit) struct ub_page p = {0};

		err = ub_history_page(c, r, &ask, &p);
		if (err != UB_OK)
			break;
		pthread_mutex_lock(&c->lock);
		for (size_t i = 0; i < p.n; i++) {
			struct ub_ack *a = find(c, r, (struct ub_bytes){p.m[i].p, p.m[i].len});

			if (a)
				finish(a, UB_OK, p.m[i].seq);
		}
		pthread_mutex_unlock(&c->lock);
		more = p.more;
		ask.from = p.last;
	}
	return err;
}

static bool epoch_is_stale(struct ub_croom *r, uint32_t epoch)
{
	const struct ub_hist_state *began;
	bool stale;

	pthread_mutex_lock(&r->lock);
	began = ub_roomhist_at(&r->hist, r->state.epoch_seq);
	stale = epoch != r->state.epoch && began && ub_wall_ms() - began->seen_ms > STALE_EPOCH_MS;
	pthread_mutex_unlock(&r->lock);
	return stale;
}

/* The next that is to be sent again, copied: it may be done before it is sent. */
static bool next_again(unibus_client *c, struct ub_croom *r, uint64_t now, struct ub_outgoing *ret,
	struct ub_buf *copy, uint32_t *ret_epoch)
{
	struct ub_ack *a;
	bool again = false;

	pthread_mutex_lock(&c->lock);
	for (a = c->acks; a && !again; a = a->next) {
		unsigned pause = (unsigned)FIRST_MS << (a->tries < 3 ? a->tries : 3);

		if (!is_due(a, r, now))
			continue;
		a->tries++;
		a->next_ms = now + (pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
		again = ub_link_up(c) && now - a->sent_ms < AGAIN_MAX_MS;
		if (!again)
			continue;
		*ret = a->out;
		*ret_epoch = a->epoch;
		ub_buf_put(copy, a->frame.p, a->frame.len);
	}
	pthread_mutex_unlock(&c->lock);
	ret->data = (struct ub_bytes){copy->p, copy->len};
	return again && ub_buf_err(copy) == UB_OK;
}

static void give_up(unibus_client *c, struct ub_croom *r, struct ub_bytes frame)
{
	struct ub_ack *a;

	pthread_mutex_lock(&c->lock);
	a = find(c, r, frame);
	if (a)
		finish(a, UNIBUS_ERR_OUTCOME_UNKNOWN, 0);
	pthread_mutex_unlock(&c->lock);
}

static void send_again(unibus_client *c, struct ub_croom *r, uint64_t now)
{
	bool more = true;

	while (more) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf copy = UB_BUF(UB_FRAME_MAX);
		struct ub_outgoing out;
		uint32_t epoch = 0;

		more = next_again(c, r, now, &out, &copy, &epoch);
		if (more && epoch_is_stale(r, epoch))
			give_up(c, r, out.data);
		else if (more) /* else the next look shows what came of it */
			more = ub_link_publish(c, r, &out) == UB_OK;
	}
}

/* It could not be looked for: not yet, then. */
static void put_off(unibus_client *c, struct ub_croom *r, uint64_t now)
{
	pthread_mutex_lock(&c->lock);
	for (struct ub_ack *a = c->acks; a; a = a->next)
		if (is_due(a, r, now))
			a->next_ms = ub_mono_ms() + FIRST_MS;
	pthread_mutex_unlock(&c->lock);
}

void ub_acks_chase(unibus_client *c, struct ub_croom *r)
{
	uint64_t now = ub_mono_ms(), from = 0;

	if (begin(c, r, now, &from)) {
		if (search(c, r, from) == UB_OK)
			send_again(c, r, now);
		else
			put_off(c, r, now);
	}
	call_done(c);
}

void ub_acks_end(unibus_client *c)
{
	while (c->acks) {
		struct ub_ack *a = c->acks;

		unlink_ack(c, a);
		if (!a->done)
			a->err = UNIBUS_ERR_CLOSED;
		run_ack(a, false);
	}
}

/* ---- publishing ---- */

/* Waits for a place in the window, and takes it. */
static ub_err enter_window(struct ub_ack *a, uint64_t deadline)
{
	unibus_client *c = a->c;
	bool inside = ub_dispatch_here(c->dispatch), in_time = true;
	ub_err err;

	pthread_mutex_lock(&c->lock);
	while ((err = ub_client_alive(c)) == UB_OK && c->n_acks >= UNIBUS_PUBLISH_WINDOW) {
		if (inside)
			err = UNIBUS_ERR_SLOW_DOWN;
		else if (!in_time)
			err = UNIBUS_ERR_TIMEOUT;
		if (err != UB_OK)
			break;
		in_time = ub_cond_wait_until(&c->changed, &c->lock, deadline);
	}
	if (err == UB_OK) {
		a->next = c->acks;
		c->acks = a;
		c->n_acks++;
	}
	pthread_mutex_unlock(&c->lock);
	return err;
}

/* So that the echo comes in, whether or not anybody subscribed; and it is known where to look for
 * what does not. */
static ub_err listen(unibus_client *c, struct ub_croom *r)
{
	uint64_t end = 0;
	bool known, echoes;
	ub_err err = UB_OK;

	pthread_mutex_lock(&c->lock);
	known = r->newest > 0;
	echoes = r->echoes;
	r->echoes = true;
	pthread_mutex_unlock(&c->lock);
	if (!echoes || !known)
		err = ub_link_attach(c, r);
	if (err == UB_OK && !known)
		err = ub_history_end(c, r, &end);
	pthread_mutex_lock(&c->lock);
	if (end > r->newest)
		r->newest = end;
	r->echoes = echoes || err == UB_OK;
	pthread_mutex_unlock(&c->lock);
	return err;
}

static ub_err ack_new(unibus_room *room, const struct ub_ack *from, struct ub_ack **ret)
{
	struct ub_ack *a = calloc(1, sizeof(*a));

	if (!a)
		return UNIBUS_ERR_NOMEM;
	*a = *from;
	a->c = room->c;
	a->r = room->r;
	a->frame = UB_BUF(UB_FRAME_MAX);
	*ret = a;
	return UB_OK;
}

static void leave_window(struct ub_ack *a)
{
	unibus_client *c = a->c;

	pthread_mutex_lock(&c->lock);
	unlink_ack(c, a);
	pthread_mutex_unlock(&c->lock);
	ack_free(a);
}

/* On success *ret is in the window, and sent. */
static ub_err publish(unibus_room *room, const struct unibus_publish *p, const struct ub_ack *from,
	uint64_t deadline, struct ub_ack **ret)
{
	struct ub_ack *a = NULL;
	ub_err err = listen(room->c, room->r);

	if (err == UB_OK)
		err = ack_new(room, from, &a);
	if (err != UB_OK)
		return err;
	err = enter_window(a, deadline);
	if (err != UB_OK) {
		ack_free(a);
		return err;
	}
	*ret = a;
	/* Once it is sent it is over when its callback is: a may be gone. */
	err = ub_publish(room->c, room->r, &(struct ub_publication){.p = p, .ack = a});
	if (err != UB_OK)
		leave_window(a);
	return err;
}

static ub_err wait_done(struct ub_ack *a, struct unibus_ack *ret)
{
	unibus_client *c = a->c;
	bool in_time = true;
	ub_err err = UB_OK;

	pthread_mutex_lock(&c->lock);
	while (!a->done && in_time && (err = ub_client_alive(c)) == UB_OK)
		in_time = ub_cond_wait_until(&c->changed, &c->lock, a->until_ms);
	if (a->done)
		err = a->err;
	else if (err == UB_OK)
		err = UNIBUS_ERR_OUTCOME_UNKNOWN;
	if (err == UB_OK)
		*ret = a->ack;
	pthread_mutex_unlock(&c->lock);
	leave_window(a);
	return err;
}

/* Of a room that keeps nothing, and of what is never kept. */
static bool is_kept(unibus_room *room, const struct unibus_publish *p)
{
	bool persist;

	pthread_mutex_lock(&room->r->lock);
	persist = room->r->state.policy.persist;
	pthread_mutex_unlock(&room->r->lock);
	return persist && (!p || ub_kind_kept((uint8_t)p->kind));
}

enum unibus_err unibus_publish_wait(unibus_room *room, const struct unibus_publish *p,
	unsigned timeout_ms, struct unibus_ack *ret)
{
	struct ub_ack from = {.until_ms = ub_mono_ms() + timeout_ms}, *a = NULL;
	struct unibus_ack ack = {0};
	ub_err err = ub_room_enter(room);

	if (err == UB_OK)
		err = ub_publish_check(room, p);
	if (err != UB_OK)
		return err;
	if (is_kept(room, p)) {
		err = publish(room, p, &from, from.until_ms, &a);
		if (err == UB_OK)
			err = wait_done(a, &ack);
	} else {
		err = ub_publish(
			room->c, room->r, &(struct ub_publication){.p = p, .ref = ack.ref});
		if (err == UB_OK)
			err = ub_link_flush(room->c, timeout_ms);
	}
	if (err == UB_OK && ret)
		*ret = ack;
	return err == UB_OK ? UB_OK : ub_client_fail(room->c, err, "%s", unibus_strerror(err));
}

/* Nothing is waited for: the callback is all there is to it. */
static ub_err publish_unkept(
	unibus_room *room, const struct unibus_publish *p, const struct ub_ack *from)
{
	struct ub_ack *a = NULL;
	ub_err err = ack_new(room, from, &a);

	if (err != UB_OK)
		return err;
	err = ub_publish(room->c, room->r, &(struct ub_publication){.p = p, .ref = a->ack.ref});
	if (err != UB_OK) {
		ack_free(a);
		return err;
	}
	if (ub_dispatch_call(room->c->dispatch, run_ack, a) != UB_OK)
		run_ack(a, true);
	return UB_OK;
}

enum unibus_err unibus_publish_async(
	unibus_room *room, const struct unibus_publish *p, unibus_ack_fn fn, void *arg)
{
	struct ub_ack from = {.fn = fn, .arg = arg}, *a = NULL;
	ub_err err = ub_room_enter(room);

	if (err == UB_OK && !fn)
		err = UNIBUS_ERR_INVALID;
	if (err == UB_OK)
		err = ub_publish_check(room, p);
	if (err != UB_OK)
		return err;
	if (is_kept(room, p))
		err = publish(room, p, &from, ub_mono_ms() + room->c->o->timeout_ms, &a);
	else
		err = publish_unkept(room, p, &from);
	return err == UB_OK ? UB_OK : ub_client_fail(room->c, err, "%s", unibus_strerror(err));
}
