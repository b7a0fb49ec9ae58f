/* Connections and the reaper: libmicrohttpd's timeout is for idleness only, and one byte a minute
 * is not idle. */
#include <netinet/in.h>
#include <time.h>

#include "support/httpd_impl.h"

uint64_t httpd_now_ms(void)
{
	struct timespec ts;

	ub_assert(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void httpd_conn_expect(struct httpd_conn *c, uint64_t within_ms)
{
	atomic_store_explicit(
		&c->deadline_ms, within_ms ? httpd_now_ms() + within_ms : 0, memory_order_relaxed);
}

struct httpd_conn *httpd_conn_of(struct MHD_Connection *con)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(con, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* Who is charged: an IPv4 address, or the half of an IPv6 address that a network has. */
static void peer_of(struct httpd_conn *c, const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		memcpy(&c->addr, sa, sizeof(in));
		memcpy(c->peer, &in.sin_addr, 4);
		c->peer_len = 4;
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		memcpy(&c->addr, sa, sizeof(in6));
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
			memcpy(c->peer, in6.sin6_addr.s6_addr + 12, 4);
			c->peer_len = 4;
		} else {
			memcpy(c->peer, in6.sin6_addr.s6_addr, 8);
			c->peer_len = 8;
		}
	}
}

static bool is_peer(const struct httpd_conn *c, const uint8_t *peer, size_t len)
{
	return c->peer_len == len && memcmp(c->peer, peer, len) == 0;
}

bool httpd_conn_admit(struct httpd_loop *loop, const struct sockaddr *sa)
{
	struct httpd *h = loop->h;
	struct httpd_conns *cs = &h->conns;
	struct httpd_conn want = {.h = h};
	unsigned max = h->c.connections_max / 4, n = 0;
	bool ok;

	peer_of(&want, sa);
	pthread_mutex_lock(&cs->lock);
	for (const struct httpd_conn *c = cs->head; c; c = c->next)
		n += is_peer(c, want.peer, want.peer_len);
	for (unsigned i = 0; i < h->c.threads; i++)
		n += &h->loops[i] != loop && is_peer(&want, h->loops[i].peer, h->loops[i].peer_len);
	ok = n < (max ? max : 1);
	loop->peer_len = ok ? want.peer_len : 0;
	memcpy(loop->peer, want.peer, sizeof(loop->peer));
	pthread_mutex_unlock(&cs->lock);
	return ok;
}

static struct httpd_conn *conn_new(struct httpd_loop *loop, struct MHD_Connection *con)
{
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(con, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *addr =
		MHD_get_connection_info(con, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct httpd *h = loop->h;
	struct httpd_conns *cs = &h->conns;
	struct httpd_conn *c;

	if (!fd || !addr)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->h = h;
	c->fd = fd->connect_fd;
	peer_of(c, addr->client_addr);
	httpd_conn_expect(c, h->c.header_ms);
	pthread_mutex_lock(&cs->lock);
	loop->peer_len = 0;
	c->next = cs->head;
	if (cs->head)
		cs->head->prev = c;
	else
		pthread_cond_signal(&cs->changed); /* the reaper sleeps while there is nobody */
	cs->head = c;
	pthread_mutex_unlock(&cs->lock);
	return c;
}

static void conn_free(struct httpd_conn *c)
{
	struct httpd_conns *cs = &c->h->conns;

	pthread_mutex_lock(&cs->lock);
	if (c->prev)
		c->prev->next = c->next;
	else
		cs->head = c->next;
	if (c->next)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&cs->lock);
	free(c);
}

void httpd_conn_notify(void *cls, struct MHD_Connection *con, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*socket_context = conn_new(cls, con);
	else if (*socket_context)
		/* Called before the descriptor is closed, so the reaper never shuts a new owner's.
		 */
		conn_free(*socket_context);
}

bool httpd_conn_hold(struct httpd_conn *c, size_t len)
{
	struct httpd_conns *cs = &c->h->conns;
	size_t max = c->h->c.bodies_max, all = len, address = len;
	bool ok;

	pthread_mutex_lock(&cs->lock);
	for (const struct httpd_conn *o = cs->head; o; o = o->next) {
		all += o->held;
		if (o->peer_len == c->peer_len && memcmp(o->peer, c->peer, c->peer_len) == 0)
			address += o->held;
	}
	ok = all <= max && address <= max / 2;
	if (ok)
		c->held = len;
	pthread_mutex_unlock(&cs->lock);
	return ok;
}

void httpd_conn_let_go(struct httpd_conn *c)
{
	pthread_mutex_lock(&c->h->conns.lock);
	c->held = 0;
	pthread_mutex_unlock(&c->h->conns.lock);
}

/* Has the peer of an unfinished body left? libmicrohttpd takes a short read for the last one and is
 * not told of the end again when it came together with the bytes before it. Seen twice, so that
 * what was read in between has been dealt with. */
static bool left(struct httpd_conn *c)
{
	bool was = c->gone;
	char b;

	c->gone = atomic_load_explicit(&c->reading, memory_order_relaxed) &&
		  recv(c->fd, &b, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
	return was && c->gone;
}

/* Shuts down who is late or has left; *ret_next is when the next one would be. */
static bool reap(struct httpd_conns *cs, uint64_t now, uint64_t *ret_next)
{
	bool any = false;

	*ret_next = now + 60000;
	for (struct httpd_conn *c = cs->head; c; c = c->next) {
		uint64_t d = atomic_load_explicit(&c->deadline_ms, memory_order_relaxed);

		any = true;
		if (!d)
			continue;
		if (d > now && !left(c)) {
			*ret_next = d < *ret_next ? d : *ret_next;
			continue;
		}
		/* The event loop sees the end of the stream and closes. */
		(void)shutdown(c->fd, SHUT_RDWR);
		httpd_conn_expect(c, 60000);
	}
	return any;
}

static void *reaper(void *arg)
{
	struct httpd_conns *cs = arg;

	pthread_mutex_lock(&cs->lock);
	while (!cs->stop) {
		uint64_t now = httpd_now_ms(), next;
		struct timespec ts;

		if (!reap(cs, now, &next)) {
			pthread_cond_wait(&cs->changed, &cs->lock);
			continue;
		}
		/* A deadline may be drawn nearer while we sleep, but not by more than a tick
		 * matters. */
		next = next < now + 10 ? now + 10 : next;
		next = next > now + cs->tick_ms ? now + cs->tick_ms : next;
		ts.tv_sec = (time_t)(next / 1000);
		ts.tv_nsec = (long)(next % 1000) * 1000000;
		(void)pthread_cond_timedwait(&cs->changed, &cs->lock, &ts); /* time is the point */
	}
	pthread_mutex_unlock(&cs->lock);
	return NULL;
}

ub_err httpd_conns_start(struct httpd_conns *cs, unsigned header_ms)
{
	pthread_condattr_t attr;

	cs->tick_ms = header_ms / 4 ? header_ms / 4 : 1;
	pthread_mutex_init(&cs->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&cs->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&cs->reaper, NULL, reaper, cs))
		return UNIBUS_ERR_NOMEM;
	cs->running = true;
	return UB_OK;
}

void httpd_conns_stop(struct httpd_conns *cs)
{
	if (!cs->running)
		return;
	pthread_mutex_lock(&cs->lock);
	cs->stop = true;
	pthread_cond_signal(&cs->changed);
	pthread_mutex_unlock(&cs->lock);
	pthread_join(cs->reaper, NULL);
	pthread_cond_destroy(&cs->changed);
	pthread_mutex_destroy(&cs->lock);
	cs->running = false;
}
