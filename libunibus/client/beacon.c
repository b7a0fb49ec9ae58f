#include "client/beacon.h"

#include "client/clock.h"
#include "client/message.h"

#define RETRY_MS (30 * 1000)

void ub_beacon_listen(struct ub_beacon *b, uint64_t now)
{
	if (b->heard == 0)
		b->heard = now;
	if (b->next == 0)
		b->next = now + UB_BEACON_FIRST_MS;
}

void ub_beacon_heard(struct ub_beacon *b, uint64_t now)
{
	b->heard = now;
	b->told = 0;
}

void ub_beacon_sent(struct ub_beacon *b, uint64_t now, uint64_t jitter)
{
	if (b->next != 0)
		b->next = now + UB_BEACON_EVERY_MS - jitter;
}

bool ub_beacon_stale(struct ub_beacon *b, uint64_t now)
{
	if (b->heard == 0 || now - b->heard < UB_BEACON_STALE_MS)
		return false;
	if (b->told != 0 && now - b->told < UB_BEACON_STALE_MS)
		return false;
	b->told = now;
	return true;
}

/* With room->lock held. */
static bool has_other_admin(const struct ub_room *s, const struct ub_endpoint *me)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i].role >= UB_ROLE_ADMIN && !ub_endpoint_eq(&s->members[i].id, me))
			return true;
	return false;
}

void ub_beacon_check(unibus_client *c, struct ub_croom *r)
{
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_STALE};
	bool tell;

	pthread_mutex_lock(&r->lock);
	tell = !ub_policy_plain(&r->state.policy) &&
	       has_other_admin(&r->state, &c->o->id->endpoint) &&
	       ub_beacon_stale(&r->beacon, ub_mono_ms());
	pthread_mutex_unlock(&r->lock);
	if (tell)
		ub_croom_event(c, r, &ev,
			"no admin of the room was heard for an hour: changes may be kept back");
}

/* With room->lock held. */
static bool sends_beacons(const unibus_client *c, const struct ub_croom *r)
{
	return r->state.started && !r->state.closed && !ub_policy_plain(&r->state.policy) &&
	       ub_room_role(&r->state, &c->o->id->endpoint) >= UB_ROLE_ADMIN;
}

static bool can_send(unibus_client *c)
{
	bool can;

	pthread_mutex_lock(&c->lock);
	can = c->state == UNIBUS_CONNECTED;
	pthread_mutex_unlock(&c->lock);
	return can;
}

static bool takes_part(unibus_client *c, const struct ub_croom *r)
{
	bool does;

	pthread_mutex_lock(&c->lock);
	does = r->subs && r->joined && !r->out;
	pthread_mutex_unlock(&c->lock);
	return does;
}

void ub_beacon_run(unibus_client *c, struct ub_croom *r, uint64_t now, uint64_t *inout_next)
{
	static const struct unibus_publish beacon = {.kind = UNIBUS_BEACON};
	uint64_t next;
	bool ours;

	pthread_mutex_lock(&r->lock);
	ours = sends_beacons(c, r);
	next = r->beacon.next;
	pthread_mutex_unlock(&r->lock);
	if (!ours || next == 0 || !takes_part(c, r))
		return;
	if (next <= now) {
		bool sent = can_send(c) &&
			    ub_publish(c, r, &(struct ub_publication){.p = &beacon}) == UB_OK;

		next = now + RETRY_MS;
		pthread_mutex_lock(&r->lock);
		if (sent)
			next = r->beacon.next;
		pthread_mutex_unlock(&r->lock);
	}
	if (next < *inout_next)
		*inout_next = next;
}
