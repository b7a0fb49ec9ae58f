/* One connection: logging in, what the bus tells of it, the rooms on it. */
#include "client/acks.h"
#include "client/chores.h"
#include "client/clock.h"
#include "client/kept.h"
#include "client/link_impl.h"
#include "core/endpoint.h"

/* What a connection took in while an older one had it too is handed over in moments once the older
 * one has ended. */
#define DOUBLED_MS 2000
/* The server closes connections that have lost rights after 250 ms. */
#define NARROWED_MS 120
/* How long after it a refusal is what was to be expected. */
#define EXPECTED_MS 2000

/* ---- messages, in the order of the connections ---- */

static bool is_older(const struct ub_conn *other, const struct ub_conn *conn)
{
	return other && other->no < conn->no && !other->ended;
}

/* Under the lock. May an older connection still have messages to hand over? */
static bool must_wait(const struct ub_conn *conn)
{
	const struct ub_link *l = conn->c->link;

	if (conn->given_up || ub_link_is_final(conn->c))
		return false;
	if (is_older(l->current, conn))
		return true;
	for (const struct ub_conn *at = l->retired; at; at = at->next)
		if (is_older(at, conn))
			return true;
	return false;
}

/* While rooms move, both connections bring the same messages. The old one's go first: then all are
 * in order, and what the new one brings again is known by its number. */
static bool wait_turn(struct ub_conn *conn, bool *ret_doubled)
{
	unibus_client *c = conn->c;
	bool use;

	if (atomic_load(&conn->alone))
		return true;
	pthread_mutex_lock(&c->lock);
	while (must_wait(conn))
		pthread_cond_wait(&c->changed, &c->lock);
	use = !conn->given_up;
	if (conn->doubled_until == 0)
		conn->doubled_until = ub_mono_ms() + DOUBLED_MS;
	*ret_doubled = ub_mono_ms() < conn->doubled_until;
	if (!*ret_doubled)
		atomic_store(&conn->alone, true);
	pthread_mutex_unlock(&c->lock);
	return use;
}

static bool take_message(struct ub_wire_sub *w, struct bus_msg *msg)
{
	unibus_client *c = w->conn->c;

	msg->conn = w->conn->no;
	ub_acks_echo(c, w->room, msg);
	if (!wait_turn(w->conn, &msg->doubled))
		return false;
	ub_dispatch_message(c->dispatch, w->room, msg);
	return true;
}

static void on_message(void *sub_arg, struct bus_msg *msg)
{
	struct ub_wire_sub *w = sub_arg;
	unibus_client *c = w->conn->c;
	bool used = false;

	/* A hint that rights are about to go must not queue behind messages. */
	if (!w->room)
		ub_notify(c, msg->data);
	/* On its way to the log, and not in it yet: it comes again from there. */
	else if (strncmp(msg->subject, UB_WIRE_LOG, sizeof(UB_WIRE_LOG) - 1) != 0)
		used = take_message(w, msg);
	if (!used)
		c->link->ops->msg_free(msg);
}

/* ---- what else the bus tells ---- */

static void on_closed(void *arg, ub_err why)
{
	struct ub_conn *conn = arg;

	pthread_mutex_lock(&conn->c->lock);
	conn->closed = true;
	conn->why = why;
	pthread_cond_broadcast(&conn->c->changed);
	pthread_mutex_unlock(&conn->c->lock);
}

static void on_ended(void *arg)
{
	struct ub_conn *conn = arg;

	pthread_mutex_lock(&conn->c->lock);
	conn->ended = true;
	pthread_cond_broadcast(&conn->c->changed);
	pthread_mutex_unlock(&conn->c->lock);
}

static struct ub_croom *room_of_wire(struct ub_conn *conn, const char *subject, bool *ret_narrowed)
{
	struct ub_croom *room = NULL;

	pthread_mutex_lock(&conn->c->lock);
	for (struct ub_wire_sub *w = conn->wires; w; w = w->next)
		if (w->room && strcmp(w->subject.z, subject) == 0)
			room = w->room;
	*ret_narrowed = room && ub_mono_ms() < room->narrowed_at + EXPECTED_MS;
	pthread_mutex_unlock(&conn->c->lock);
	return room;
}

static void on_denied(void *arg, const char *subject)
{
	struct ub_conn *conn = arg;
	bool narrowed;
	struct ub_croom *room = room_of_wire(conn, subject, &narrowed);
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_ROOM, .err = UNIBUS_ERR_DENIED};

	if (!room)
		return;
	/* Else we were told, and know what it is as soon as the log is read. */
	if (!narrowed)
		ub_croom_event(conn->c, room, &ev, "the message server refused the subscription");
	/* Our rights are not what we thought: ask what they are. */
	ub_chores_list(conn->c);
}

static void on_overrun(void *arg)
{
	struct ub_conn *conn = arg;
	struct unibus_event ev = {.kind = UNIBUS_EVENT_MISSING,
		.detail = "messages came faster than they were taken; some were dropped"};

	ub_dispatch_event(conn->c->dispatch, &ev);
	ub_kept_lag(conn->c, 0);
}

/* ---- making and freeing ---- */

void ub_conn_free(struct ub_conn *conn)
{
	if (conn->bus)
		conn->c->link->ops->free(conn->bus);
	while (conn->wires) {
		struct ub_wire_sub *w = conn->wires;

		conn->wires = w->next;
		free(w);
	}
	free(conn);
}

static struct ub_conn *conn_new(struct ub_link *l)
{
	struct ub_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->c = l->c;
	pthread_mutex_lock(&l->c->lock);
	conn->no = ++l->made;
	conn->gen = l->want;
	atomic_init(&conn->alone, !l->current && !l->retired);
	pthread_mutex_unlock(&l->c->lock);
	return conn;
}

static ub_err connect_url(struct ub_link *l, struct ub_conn *conn, size_t url)
{
	struct bus_config config = {
		.url = l->c->o->nats.z[url],
		.ca_file = l->c->o->ca_file,
		.id = l->c->o->id,
		.timeout_ms = UB_CONNECT_MS,
		.on_message = on_message,
		.on_closed = on_closed,
		.on_ended = on_ended,
		.on_denied = on_denied,
		.on_overrun = on_overrun,
		.arg = conn,
	};
	ub_err err = l->ops->connect(&config, &conn->bus);

	if (err != UB_OK)
		return err;
	conn->url = url;
	conn->opened = ub_mono_ms();
	l->ops->server_id(conn->bus, conn->server, sizeof(conn->server));
	return UB_OK;
}

static bool is_over(struct ub_link *l)
{
	bool over;

	pthread_mutex_lock(&l->c->lock);
	over = ub_link_is_final(l->c);
	pthread_mutex_unlock(&l->c->lock);
	return over;
}

ub_err ub_conn_open(struct ub_link *l, struct ub_conn **ret, bool *ret_passed)
{
	size_t n = l->c->o->nats.n;
	struct ub_conn *conn = conn_new(l);
	ub_err worst = UNIBUS_ERR_NETWORK;
	bool passed = false;

	if (!conn)
		return UNIBUS_ERR_NOMEM;
	for (size_t i = 0; i < n && !is_over(l); i++) {
		ub_err err = connect_url(l, conn, (l->url + i) % n);

		if (err == UB_OK) {
			*ret = conn;
			*ret_passed = passed;
			return UB_OK;
		}
		passed |= err != UNIBUS_ERR_DENIED;
		/* A server that refuses us says more than one that is not there. */
		if (worst == UNIBUS_ERR_NETWORK || err == UNIBUS_ERR_DENIED)
			worst = err;
	}
	free(conn);
	return worst;
}

/* ---- the rooms on it ---- */

struct ub_wire_sub *ub_conn_find(struct ub_conn *conn, const struct ub_croom *room)
{
	for (struct ub_wire_sub *w = conn->wires; w; w = w->next)
		if (w->room == room && !w->ended)
			return w;
	return NULL;
}

ub_err ub_conn_subscribe(struct ub_conn *conn, struct ub_croom *room, const struct ub_wire *subject)
{
	struct ub_wire_sub *w;
	ub_err err;

	if (ub_conn_find(conn, room))
		return UB_OK;
	w = calloc(1, sizeof(*w));
	if (!w)
		return UNIBUS_ERR_NOMEM;
	w->conn = conn;
	w->room = room;
	w->subject = *subject;
	err = conn->c->link->ops->subscribe(conn->bus, subject->z, w, &w->sub);
	w->ended = err != UB_OK;
	/* Kept even so: its address may have reached the bus' threads. */
	w->next = conn->wires;
	conn->wires = w;
	return err;
}

struct attach {
	struct ub_conn *conn;
	ub_err err;
	bool added;
};

/* Under the client's lock. */
static void attach_room(void *arg, struct ub_croom *r)
{
	struct attach *a = arg;

	if (a->err != UB_OK || !ub_croom_listens(r) || !r->wire_known || !r->joined ||
		ub_conn_find(a->conn, r))
		return;
	a->err = ub_conn_subscribe(a->conn, r, &r->wire);
	a->added = true;
}

struct narrowed {
	const struct ub_conn *conn;
	uint64_t now, wait; /* until when; 0: for none */
};

/* Under the client's lock. */
static void look_narrowed(void *arg, struct ub_croom *r)
{
	struct narrowed *n = arg;
	uint64_t until = r->narrowed_at + NARROWED_MS;

	if (r->moving && !r->narrowed_known && until > n->now && until > n->wait)
		n->wait = until;
}

static void settle_narrowed(void *arg, struct ub_croom *r)
{
	const struct narrowed *n = arg;

	if (r->grant <= n->conn->gen)
		r->moving = false;
}

/* Under the lock, which is given up meanwhile: until it is known what is left in rooms where rights
 * went, or for as long as there is time. From then on what is learned asks for another connection.
 */
static void await_narrowed(struct ub_conn *conn)
{
	unibus_client *c = conn->c;
	struct narrowed n = {.conn = conn};

	do {
		n.now = ub_mono_ms();
		n.wait = 0;
		ub_rooms_each(c->rooms, look_narrowed, &n);
		if (n.wait != 0)
			(void)ub_cond_wait_until(&c->changed, &c->lock, n.wait); /* a loop */
	} while (n.wait != 0 && !ub_link_is_final(c));
	ub_rooms_each(c->rooms, settle_narrowed, &n);
}

static ub_err attach_notify(struct ub_conn *conn)
{
	struct ub_wire notify;

	ub_wire_notify(&conn->c->o->id->endpoint, &notify);
	return ub_conn_subscribe(conn, NULL, &notify);
}

ub_err ub_conn_prepare(struct ub_link *l, struct ub_conn *conn)
{
	struct attach a = {.conn = conn};

	pthread_mutex_lock(&l->c->lock);
	await_narrowed(conn);
	a.err = attach_notify(conn);
	for (bool flushed = false; a.err == UB_OK; flushed = true) {
		a.added = false;
		ub_rooms_each(l->c->rooms, attach_room, &a);
		if (a.err != UB_OK || (flushed && !a.added))
			break;
		pthread_mutex_unlock(&l->c->lock);
		a.err = l->ops->flush(conn->bus, UB_CONNECT_MS);
		pthread_mutex_lock(&l->c->lock);
	}
	if (a.err == UB_OK && conn->closed)
		a.err = UNIBUS_ERR_NETWORK;
	if (a.err != UB_OK)
		pthread_mutex_unlock(&l->c->lock);
	return a.err;
}
