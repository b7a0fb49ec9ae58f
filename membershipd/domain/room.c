#include "membershipd/domain/room.h"

#include "core/endpoint.h"
#include "membershipd/domain/room_impl.h"

void md_wire_of(const struct ub_room *room, const struct ub_endpoint *id, unsigned shards,
	struct md_wire *ret)
{
	enum ub_role role = ub_room_role(room, id);
	struct md_wire w = {0};

	if (role != UB_ROLE_NONE && !room->closed) {
		bool plain = ub_policy_plain(&room->policy);

		w.n_subscribe = 1;
		if (plain)
			memcpy(w.subscribe[0].z, room->subject, sizeof room->subject);
		else
			ub_wire_subscribe(&room->id, &w.subscribe[0]);
		if (role >= UB_ROLE_MEMBER && plain)
			w.publish[w.n_publish++] = w.subscribe[0];
		if (role >= UB_ROLE_MEMBER && !plain)
			ub_wire_publish(&room->id, id, &w.publish[w.n_publish++]);
		if (role >= UB_ROLE_MEMBER && room->policy.persist)
			ub_wire_publish_log(ub_wire_shard(&room->id, shards), &room->id, id,
				&w.publish[w.n_publish++]);
	}
	*ret = w;
}

ub_err md_room_enter(const struct md_directory *d, const struct ub_room_id *id,
	const struct ub_endpoint *who, struct md_link **ret)
{
	const struct md_dir_room *room;
	struct md_link *l;

	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	room = md_dir_room_find(d, id);
	if (!room)
		return UNIBUS_ERR_NOT_FOUND;
	l = md_dir_link(room, who);
	if (!l || !md_link_counts(l))
		return UNIBUS_ERR_DENIED;
	*ret = l;
	return UB_OK;
}

void md_room_wire_now(struct md_service *s, const struct ub_room_id *id,
	const struct ub_endpoint *who, struct md_wire *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	struct md_link *l;

	*ret = (struct md_wire){0};
	if (!md_room_enter(d, id, who, &l) && md_link_joined(l))
		md_wire_of(&l->room->st, who, s->shards, ret);
}

static void info_of(const struct md_link *l, struct md_room_info *ret)
{
	const struct md_dir_room *room = l->room;
	const struct ub_room *st = &room->st;

	*ret = (struct md_room_info){
		.id = st->id,
		.policy = st->policy,
		.epoch = st->epoch,
		.seq = st->seq,
		.head = st->head,
		.role = md_link_member(l)->role,
		.joined = md_link_joined(l),
		.closed = st->closed,
		.removal_due = !st->closed && room->n_void > 0,
		.n_members = st->n_members,
		.owner = st->owner,
	};
	ret->rotation_due = !st->closed && st->policy.encrypt &&
			    (st->rotation_due || room->void_rev > room->epoch_rev);
	memcpy(ret->subject, st->subject, sizeof ret->subject);
}

ub_err md_room_get(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	struct md_room_info *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	struct md_link *l;
	ub_err e = md_room_enter(d, id, &by->id, &l);

	if (!e)
		info_of(l, ret);
	return e;
}

ub_err md_room_state(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	struct ub_room *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	struct md_link *l;
	ub_err e = md_room_enter(d, id, &by->id, &l);

	return e ? e : ub_room_clone(&l->room->st, ret);
}

bool md_room_counts(
	struct md_service *s, const struct ub_room_id *id, const struct ub_endpoint *who)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	struct md_link *l;

	return !md_room_enter(d, id, who, &l);
}

bool md_room_joined(
	struct md_service *s, const struct ub_room_id *id, const struct ub_endpoint *who)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	struct md_link *l;

	return !md_room_enter(d, id, who, &l) && md_link_joined(l);
}

ub_err md_room_of(struct md_service *s, const struct md_caller *by, const struct ub_endpoint *who,
	const struct ub_room_id *after, struct md_room_info *to, size_t max, size_t *ret_n)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_user *u;
	size_t n = 0;

	if (!by->admin && !ub_endpoint_eq(&by->id, who))
		return UNIBUS_ERR_DENIED;
	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	u = md_dir_user_find(d, who);
	for (size_t i = 0; u && i < u->n_links && n < max; i++) {
		const struct md_link *l = u->links[i];

		if (after && memcmp(l->room->st.id.b, after->b, sizeof after->b) <= 0)
			continue;
		if (md_link_counts(l))
			info_of(l, &to[n++]);
	}
	*ret_n = n;
	return UB_OK;
}
