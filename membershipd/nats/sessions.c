#include "membershipd/nats/sessions.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "membershipd/nats/conn_map.h"

struct row {
	struct md_conn conn;
	struct ub_endpoint who;
	bool pending;
	struct md_grant granted; /* rooms and rev only */
	uint64_t expires_boot_ms;
	struct row *prev, *next; /* of the same peer */
	UT_hash_handle hh;
};
struct peer {
	struct ub_endpoint id;
	struct row *rows;
	UT_hash_handle hh;
};

_Static_assert(sizeof(struct md_conn) == 64 + sizeof(uint64_t), "a hash key without gaps");

struct md_sessions {
	pthread_mutex_t mu;
	size_t max, n;
	struct row *rows;   /* by connection */
	struct peer *peers; /* by endpoint */
};

struct md_conn md_conn_of(const char *server, uint64_t cid)
{
	struct md_conn c = {.cid = cid};

	(void)snprintf(c.server, sizeof(c.server), "%s", server);
	return c;
}

ub_err md_sessions_new(size_t max, struct md_sessions **ret)
{
	struct md_sessions *s = calloc(1, sizeof(*s));

	if (!s)
		return UNIBUS_ERR_NOMEM;
	s->max = max ? max : MD_SESSIONS_MAX;
	(void)pthread_mutex_init(&s->mu, NULL);
	*ret = s;
	return UB_OK;
}

static struct row *find(struct md_sessions *s, const struct md_conn *c)
{
	struct row *r;

	HASH_FIND(hh, s->rows, c, sizeof(*c), r);
	return r;
}

static struct peer *find_peer(struct md_sessions *s, const struct ub_endpoint *who)
{
	struct peer *p;

	HASH_FIND(hh, s->peers, who, sizeof(*who), p);
	return p;
}

static void forget_if_empty(struct md_sessions *s, struct peer *p)
{
	if (p->rows)
		return;
	HASH_DELETE(hh, s->peers, p);
	free(p);
}

static void drop(struct md_sessions *s, struct row *r)
{
	struct peer *p = find_peer(s, &r->who);

	DL_DELETE(p->rows, r);
	forget_if_empty(s, p);
	HASH_DELETE(hh, s->rows, r);
	s->n--;
	md_grant_deinit(&r->granted);
	free(r);
}

void md_sessions_free(struct md_sessions *s)
{
	if (!s)
		return;
	while (s->rows)
		drop(s, s->rows);
	(void)pthread_mutex_destroy(&s->mu);
	free(s);
}

static ub_err insert(struct md_sessions *s, struct row *r)
{
	struct peer *p = find_peer(s, &r->who);

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return UNIBUS_ERR_NOMEM;
		p->id = r->who;
		HASH_ADD(hh, s->peers, id, sizeof(p->id), p);
		if (!p->hh.tbl) {
			free(p);
			return UNIBUS_ERR_NOMEM;
		}
	}
	HASH_ADD(hh, s->rows, conn, sizeof(r->conn), r);
	if (!r->hh.tbl) {
		forget_if_empty(s, p);
		return UNIBUS_ERR_NOMEM;
	}
	DL_APPEND(p->rows, r);
	s->n++;
	return UB_OK;
}

ub_err md_sessions_begin(struct md_sessions *s, const struct md_conn *c,
	const struct ub_endpoint *who, uint64_t expires_boot_ms)
{
	UB_CLEANUP(ub_freep) struct row *r = calloc(1, sizeof(*r));
	struct row *old;
	ub_err err;

	if (!r)
		return UNIBUS_ERR_NOMEM;
	r->conn = *c;
	r->who = *who;
	r->pending = true;
	r->expires_boot_ms = expires_boot_ms;
	(void)pthread_mutex_lock(&s->mu);
	old = find(s, c);
	if (old)
		drop(s, old);
	err = s->n < s->max ? insert(s, r) : UNIBUS_ERR_LIMIT;
	if (!err)
		r = NULL;
	(void)pthread_mutex_unlock(&s->mu);
	return err;
}

void md_sessions_grant(struct md_sessions *s, const struct md_conn *c, struct md_grant *g)
{
	struct row *r;

	(void)pthread_mutex_lock(&s->mu);
	r = find(s, c);
	if (r) {
		md_grant_deinit(&r->granted);
		r->granted = (struct md_grant){.rev = g->rev, .n_rooms = g->n_rooms};
		r->granted.rooms = UB_TAKE(g->rooms);
		g->n_rooms = 0;
		r->pending = false;
	}
	(void)pthread_mutex_unlock(&s->mu);
}

void md_sessions_end(struct md_sessions *s, const struct md_conn *c)
{
	struct row *r;

	(void)pthread_mutex_lock(&s->mu);
	r = find(s, c);
	if (r)
		drop(s, r);
	(void)pthread_mutex_unlock(&s->mu);
}

void md_sessions_expire(struct md_sessions *s, uint64_t boot_ms)
{
	struct row *r, *next;

	(void)pthread_mutex_lock(&s->mu);
	for (r = s->rows; r; r = next) {
		next = r->hh.next;
		if (r->expires_boot_ms <= boot_ms)
			drop(s, r);
	}
	(void)pthread_mutex_unlock(&s->mu);
}

static bool holds(const struct row *r, const struct md_loss *loss)
{
	if (r->pending || !loss->room)
		return true;
	return r->granted.rev < loss->rev && md_grant_has_room(&r->granted, loss->room);
}

enum md_holds md_sessions_holds(struct md_sessions *s, const struct md_conn *c,
	const struct ub_endpoint *who, const struct md_loss *loss)
{
	enum md_holds answer = MD_HOLDS_UNKNOWN;
	const struct row *r;

	(void)pthread_mutex_lock(&s->mu);
	r = find(s, c);
	if (r && memcmp(&r->who, who, sizeof(*who)) == 0)
		answer = holds(r, loss) ? MD_HOLDS : MD_HOLDS_NOT;
	(void)pthread_mutex_unlock(&s->mu);
	return answer;
}

ub_err md_sessions_each(struct md_sessions *s, const struct ub_endpoint *who,
	const struct md_loss *loss, ub_err (*fn)(void *arg, const struct md_conn *c), void *arg)
{
	const struct peer *p;
	ub_err err = UB_OK;

	(void)pthread_mutex_lock(&s->mu);
	p = find_peer(s, who);
	for (const struct row *r = p ? p->rows : NULL; r && !err; r = r->next)
		if (holds(r, loss))
			err = fn(arg, &r->conn);
	(void)pthread_mutex_unlock(&s->mu);
	return err;
}

ub_err md_sessions_all(struct md_sessions *s,
	ub_err (*fn)(
		void *arg, const struct md_conn *c, const struct ub_endpoint *who, uint64_t rev),
	void *arg)
{
	ub_err err = UB_OK;

	(void)pthread_mutex_lock(&s->mu);
	for (const struct row *r = s->rows; r && !err; r = r->hh.next)
		err = fn(arg, &r->conn, &r->who, r->pending ? 0 : r->granted.rev);
	(void)pthread_mutex_unlock(&s->mu);
	return err;
}

size_t md_sessions_count(struct md_sessions *s)
{
	size_t n;

	(void)pthread_mutex_lock(&s->mu);
	n = s->n;
	(void)pthread_mutex_unlock(&s->mu);
	return n;
}
