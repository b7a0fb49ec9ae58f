/* Changes of a room: what each builds into its entry. */
#include "client/names.h"
#include "client/peers.h"
#include "client/room.h"
#include "client/room_change.h"
#include "client/store.h"

/* ---- invite ---- */

struct invite {
	const struct ub_peer *peer;
	enum ub_role role;
};

static ub_err build_invite(void *arg, const struct ub_room *now, struct ub_entry *e)
{
	const struct invite *in = arg;
	struct ub_op *op;

	if (ub_room_role(now, &in->peer->id) == in->role)
		return UB_OK;
	op = ub_entry_op(e, UB_OP_ADD);
	if (!op)
		return UNIBUS_ERR_NOMEM;
	op->role = in->role;
	op->keyrec = in->peer->keyrec;
	op->keyrec_text = ub_str_dup(ub_str(in->peer->keyrec_text));
	return op->keyrec_text ? UB_OK : UNIBUS_ERR_NOMEM;
}

struct standing {
	const struct ub_endpoint *who;
	bool revoked;
};

static void note_standing(void *arg, const struct ub_endpoint *revoked)
{
	struct standing *s = arg;

	s->revoked |= ub_endpoint_eq(revoked, s->who);
}

/* A membership from before a revocation counts no more, though the key was registered anew; as long
 * as it is in the log, adding the peer would say nothing new. */
static ub_err drop_revoked(unibus_room *room, const struct ub_endpoint *who)
{
	struct standing s = {.who = who};
	uint64_t as_of;
	bool due;
	ub_err err;

	pthread_mutex_lock(&room->r->lock);
	as_of = room->r->state.seq;
	due = room->r->hint_removal && ub_room_role(&room->r->state, who) != UB_ROLE_NONE;
	pthread_mutex_unlock(&room->r->lock);
	if (!due)
		return UB_OK;
	err = ub_names_fetch(room->c, room->r, note_standing, &s);
	return err == UB_OK && s.revoked ? ub_room_drop(room->c, room->r, who, 1, as_of) : err;
}

/* What the log would refuse anyway, said in words. */
static ub_err check_new(unibus_room *room, const struct ub_endpoint *who, enum ub_role role)
{
	enum ub_role has;

	pthread_mutex_lock(&room->r->lock);
	has = ub_room_role(&room->r->state, who);
	pthread_mutex_unlock(&room->r->lock);
	return has == UB_ROLE_NONE || has == role
		       ? UB_OK
		       : ub_client_fail(room->c, UNIBUS_ERR_CONFLICT,
				 "is in the room already, as %s; change the role instead",
				 ub_role_name(has));
}

static bool role_ok(enum unibus_role role, enum unibus_role most)
{
	return role >= UNIBUS_READER && role <= most;
}

enum unibus_err unibus_room_invite(
	unibus_room *room, const char *peer, enum unibus_role role, const char *fingerprint)
{
	struct ub_peer p;
	struct invite in = {.peer = &p, .role = (enum ub_role)role};
	struct ub_change change = {.verb = "invite", .build = build_invite, .arg = &in};
	ub_err err = ub_room_enter(room);

	if (err == UB_OK && (!peer || !role_ok(role, UNIBUS_ADMIN)))
		err = UNIBUS_ERR_INVALID;
	if (err == UB_OK)
		err = ub_peer_find(room->c, peer, fingerprint, false, &p);
	if (err == UB_OK)
		err = drop_revoked(room, &p.id);
	if (err == UB_OK)
		err = check_new(room, &p.id, in.role);
	return err == UB_OK ? ub_room_change(room->c, room->r, &change) : err;
}

/* ---- remove ---- */

struct drop {
	const struct ub_endpoint *who;
	size_t n;
	bool must;      /* who is not in the room is an error */
	uint64_t as_of; /* unless `must`: who was added later stays */
};

static ub_err build_drop(void *arg, const struct ub_room *now, struct ub_entry *e)
{
	const struct drop *d = arg;

	for (size_t i = 0; i < d->n && e->n_ops < UB_ENTRY_OPS_MAX - 1; i++) {
		enum ub_role role = ub_room_role(now, &d->who[i]);
		const struct ub_member *m = ub_room_member(now, &d->who[i]);
		struct ub_op *op;

		if (!d->must && (!m || m->added_seq > d->as_of))
			continue;
		/* An owner goes by being taken over from; whether he may is the server's to say. */
		op = ub_entry_op(e, role == UB_ROLE_OWNER ? UB_OP_TAKEOVER : UB_OP_REMOVE);
		if (!op)
			return UNIBUS_ERR_NOMEM;
		op->endpoint = d->who[i];
	}
	return UB_OK;
}

static ub_err drop(unibus_client *c, struct ub_croom *r, struct drop *d)
{
	struct ub_change change = {.verb = "remove", .build = build_drop, .arg = d};

	return ub_room_change(c, r, &change);
}

ub_err ub_room_drop(unibus_client *c, struct ub_croom *r, const struct ub_endpoint *who, size_t n,
	uint64_t as_of)
{
	struct drop d = {.who = who, .n = n, .as_of = as_of};

	return drop(c, r, &d);
}

enum unibus_err unibus_room_remove(unibus_room *room, const char *peer)
{
	struct ub_endpoint id;
	struct drop d = {.who = &id, .n = 1, .must = true};
	ub_err err = ub_room_enter(room);

	if (err == UB_OK && !peer)
		err = UNIBUS_ERR_INVALID;
	if (err == UB_OK)
		err = ub_peer_id(room->c, peer, &id);
	if (err == UB_OK && ub_endpoint_eq(&id, &room->c->o->id->endpoint))
		return ub_client_fail(room->c, UNIBUS_ERR_INVALID, "to go yourself, leave");
	return err == UB_OK ? drop(room->c, room->r, &d) : err;
}

/* ---- leave, close ---- */

static bool is_owner(unibus_room *room)
{
	bool owner;

	pthread_mutex_lock(&room->r->lock);
	owner = ub_room_role(&room->r->state, &room->c->o->id->endpoint) == UB_ROLE_OWNER;
	pthread_mutex_unlock(&room->r->lock);
	return owner;
}

static ub_err build_one(void *arg, const struct ub_room *now, struct ub_entry *e)
{
	const enum ub_op_type *type = arg;

	(void)now;
	return ub_entry_op(e, *type) ? UB_OK : UNIBUS_ERR_NOMEM;
}

static ub_err change_by(unibus_room *room, const char *verb, enum ub_op_type type)
{
	struct ub_change change = {.verb = verb, .build = build_one, .arg = &type};
	ub_err err = ub_room_enter(room);

	return err == UB_OK ? ub_room_change(room->c, room->r, &change) : err;
}

enum unibus_err unibus_room_leave(unibus_room *room)
{
	ub_err err = ub_room_enter(room);

	if (err == UB_OK && is_owner(room))
		return ub_client_fail(room->c, UNIBUS_ERR_NO_RIGHT,
			"an owner cannot leave; make another member owner, or close the room");
	return err == UB_OK ? change_by(room, "leave", UB_OP_LEAVE) : err;
}

enum unibus_err unibus_room_close(unibus_room *room)
{
	return change_by(room, "close", UB_OP_CLOSE);
}

/* ---- role ---- */

struct set_role {
	struct ub_endpoint id;
	enum ub_role role;
};

static ub_err build_role(void *arg, const struct ub_room *now, struct ub_entry *e)
{
	const struct set_role *s = arg;
	struct ub_op *op;

	if (ub_room_role(now, &s->id) == s->role)
		return UB_OK;
	op = ub_entry_op(e, UB_OP_ROLE);
	if (!op)
		return UNIBUS_ERR_NOMEM;
	op->endpoint = s->id;
	op->role = s->role;
	return UB_OK;
}

enum unibus_err unibus_room_set_role(unibus_room *room, const char *peer, enum unibus_role role)
{
	struct set_role s = {.role = (enum ub_role)role};
	struct ub_change change = {.verb = "role", .build = build_role, .arg = &s};
	ub_err err = ub_room_enter(room);

	if (err == UB_OK && (!peer || !role_ok(role, UNIBUS_OWNER)))
		err = UNIBUS_ERR_INVALID;
	if (err == UB_OK)
		err = ub_peer_id(room->c, peer, &s.id);
	return err == UB_OK ? ub_room_change(room->c, room->r, &change) : err;
}

/* ---- keys and policy ---- */

ub_err ub_room_rekey_now(unibus_client *c, struct ub_croom *r)
{
	struct ub_change change = {.verb = "rekey", .rotate = true};

	return ub_room_change(c, r, &change);
}

enum unibus_err unibus_room_rekey(unibus_room *room)
{
	bool encrypted;
	ub_err err = ub_room_enter(room);

	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&room->r->lock);
	encrypted = room->r->state.policy.encrypt;
	pthread_mutex_unlock(&room->r->lock);
	if (!encrypted)
		return ub_client_fail(
			room->c, UNIBUS_ERR_INVALID, "the room is not encrypted: it has no key");
	return ub_room_rekey_now(room->c, room->r);
}

static ub_err build_policy(void *arg, const struct ub_room *now, struct ub_entry *e)
{
	const struct unibus_policy *p = arg;
	struct ub_op *op;

	(void)now;
	op = ub_entry_op(e, UB_OP_POLICY);
	if (!op)
		return UNIBUS_ERR_NOMEM;
	op->policy.encrypt = p->encrypt;
	op->policy.sign = p->sign;
	op->has_retain = true;
	op->policy.retain =
		(struct ub_retain){p->retain_messages, p->retain_bytes, p->retain_seconds};
	return UB_OK;
}

enum unibus_err unibus_room_tighten(unibus_room *room, const struct unibus_policy *policy)
{
	struct unibus_policy copy;
	struct ub_change change = {.verb = "policy", .build = build_policy, .arg = &copy};
	ub_err err = ub_room_enter(room);

	if (err != UB_OK)
		return err;
	if (!policy || policy->retain_messages > UB_JSON_INT_MAX ||
		policy->retain_bytes > UB_JSON_INT_MAX || policy->retain_seconds > UB_JSON_INT_MAX)
		return UNIBUS_ERR_INVALID;
	copy = *policy;
	return ub_room_change(room->c, room->r, &change);
}
