/* Using whatever connection there is: subscribe, publish, flush. */
#include "client/clock.h"
#include "client/link_impl.h"

/* The bus' own wait for the server cannot be given up: so it is taken in pieces. A whole one must
 * do for a slow line. */
#define FLUSH_FIRST_MS 250
#define FLUSH_PIECE_MS 1000

void ub_link_renew(unibus_client *c, struct ub_croom *r)
{
	pthread_mutex_lock(&c->lock);
	r->grant = ++c->link->want;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void ub_link_move(unibus_client *c, struct ub_croom *r, bool await)
{
	pthread_mutex_lock(&c->lock);
	r->narrowed_at = ub_mono_ms();
	r->moving = true;
	r->narrowed_known = !await;
	r->grant = ++c->link->want;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

/* Under the lock: waits for a connection that has the rights (`r` NULL: any), and keeps it from
 * being freed until conn_release. */
static ub_err conn_acquire(
	unibus_client *c, const struct ub_croom *r, uint64_t deadline, struct ub_conn **ret)
{
	for (;;) {
		struct ub_conn *conn = c->link->current;
		ub_err err = ub_client_alive(c);

		if (err != UB_OK)
			return err;
		if (conn && !conn->closed && !c->link->switching && (!r || conn->gen >= r->grant)) {
			conn->users++;
			*ret = conn;
			return UB_OK;
		}
		if (ub_mono_ms() >= deadline)
			return UNIBUS_ERR_NETWORK;
		(void)ub_cond_wait_until(&c->changed, &c->lock, deadline); /* a loop */
	}
}

static void conn_release(struct ub_conn *conn)
{
	/* Nobody waits for the end of one that is in use: its threads would wake for each message.
	 */
	if (--conn->users == 0 && conn != conn->c->link->current)
		pthread_cond_broadcast(&conn->c->changed);
}

static unsigned left_ms(uint64_t deadline)
{
	uint64_t now = ub_mono_ms();

	return now < deadline ? (unsigned)(deadline - now) : 1;
}

static ub_err check_alive(unibus_client *c)
{
	ub_err err;

	pthread_mutex_lock(&c->lock);
	err = ub_client_alive(c);
	pthread_mutex_unlock(&c->lock);
	return err;
}

/* Without the lock. */
static ub_err flush_until(struct ub_conn *conn, uint64_t deadline)
{
	unsigned piece = FLUSH_FIRST_MS;
	ub_err err, alive;

	do {
		unsigned left = left_ms(deadline);

		err = conn->c->link->ops->flush(conn->bus, left < piece ? left : piece);
		alive = check_alive(conn->c);
		piece = piece * 2 < FLUSH_PIECE_MS ? piece * 2 : FLUSH_PIECE_MS;
	} while (err == UNIBUS_ERR_TIMEOUT && alive == UB_OK && ub_mono_ms() < deadline);
	return err == UNIBUS_ERR_TIMEOUT && alive != UB_OK ? alive : err;
}

/* One try on one connection, which the lock is given up for. */
static ub_err attach_on(
	unibus_client *c, struct ub_conn *conn, struct ub_croom *r, uint64_t deadline)
{
	struct ub_wire_sub *w;
	ub_err err = ub_conn_subscribe(conn, r, &r->wire);

	if (err != UB_OK)
		return err;
	w = ub_conn_find(conn, r);
	pthread_mutex_unlock(&c->lock);
	err = flush_until(conn, deadline);
	if (err == UB_OK && c->link->ops->denied(w->sub))
		err = UNIBUS_ERR_DENIED;
	pthread_mutex_lock(&c->lock);
	return err;
}

ub_err ub_link_attach(unibus_client *c, struct ub_croom *r)
{
	uint64_t deadline = ub_mono_ms() + c->o->timeout_ms;
	ub_err err;

	pthread_mutex_lock(&c->lock);
	do {
		struct ub_conn *conn = NULL;

		err = conn_acquire(c, r, deadline, &conn);
		if (err != UB_OK)
			break;
		err = attach_on(c, conn, r, deadline);
		/* The connection may have been replaced meanwhile by one without the room. */
		if (err == UB_OK && c->link->current != conn)
			err = UNIBUS_ERR_NETWORK;
		conn_release(conn);
	} while (err == UNIBUS_ERR_NETWORK && ub_mono_ms() < deadline);
	pthread_mutex_unlock(&c->lock);
	return err;
}

void ub_link_detach(unibus_client *c, struct ub_croom *r)
{
	struct ub_conn *conn;
	struct ub_wire_sub *w;

	pthread_mutex_lock(&c->lock);
	conn = c->link->current;
	w = conn && !ub_croom_listens(r) ? ub_conn_find(conn, r) : NULL;
	if (w) {
		w->ended = true;
		c->link->ops->unsubscribe(w->sub);
	}
	pthread_mutex_unlock(&c->lock);
}

static ub_err publish_on(struct ub_conn *conn, const struct ub_outgoing *o)
{
	const struct bus_ops *ops = conn->c->link->ops;

	return o->msg_id[0] ? ops->publish_kept(conn->bus, o->wire.z, o->msg_id, o->data)
			    : ops->publish(conn->bus, o->wire.z, o->data);
}

ub_err ub_link_publish(unibus_client *c, struct ub_croom *r, const struct ub_outgoing *o)
{
	uint64_t deadline = ub_mono_ms() + c->o->timeout_ms;
	ub_err err;

	pthread_mutex_lock(&c->lock);
	do {
		struct ub_conn *conn = NULL;

		err = conn_acquire(c, r, deadline, &conn);
		if (err != UB_OK)
			break;
		conn->published++;
		conn->publishing++;
		pthread_mutex_unlock(&c->lock);
		err = publish_on(conn, o);
		pthread_mutex_lock(&c->lock);
		if (--conn->publishing == 0 && c->link->switching)
			pthread_cond_broadcast(&c->changed);
		if (err != UB_OK)
			conn->published--;
		else
			c->stats.sent++;
		conn_release(conn);
	} while (err == UNIBUS_ERR_NETWORK && ub_mono_ms() < deadline);
	pthread_mutex_unlock(&c->lock);
	return err;
}

ub_err ub_link_flush(unibus_client *c, unsigned timeout_ms)
{
	uint64_t deadline = ub_mono_ms() + timeout_ms;
	struct ub_conn *conn = NULL;
	uint64_t published;
	ub_err err;

	pthread_mutex_lock(&c->lock);
	err = conn_acquire(c, NULL, deadline, &conn);
	if (err == UB_OK) {
		published = conn->published;
		pthread_mutex_unlock(&c->lock);
		err = flush_until(conn, deadline);
		pthread_mutex_lock(&c->lock);
		if (err == UB_OK)
			conn->confirmed = published;
		conn_release(conn);
	}
	if (err == UB_OK && c->link->unconfirmed) {
		c->link->unconfirmed = false;
		err = UNIBUS_ERR_NETWORK;
	}
	pthread_mutex_unlock(&c->lock);
	return err;
}

bool ub_link_up(unibus_client *c)
{
	return c->link && c->link->current && !c->link->current->closed;
}

void ub_link_server(unibus_client *c, char *to, size_t len)
{
	to[0] = '\0';
	pthread_mutex_lock(&c->lock);
	if (c->link->current && !c->link->current->closed)
		c->link->ops->server(c->link->current->bus, to, len);
	pthread_mutex_unlock(&c->lock);
}
