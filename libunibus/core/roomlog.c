#include <sodium.h>

#include "core/endpoint.h"
#include "core/roomlog.h"
#include "core/roomlog_members.h"

bool ub_members_find(const struct ub_room *room, const struct ub_endpoint *e, size_t *ret_at)
{
	size_t lo = 0, hi = room->n_members;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = ub_endpoint_cmp(&room->members[mid].id, e);

		if (c == 0) {
			*ret_at = mid;
			return true;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_at = lo;
	return false;
}

ub_err ub_members_copy(const struct ub_room *room, size_t spare, struct ub_room *ret)
{
	struct ub_room copy = *room;

	copy.cap_members = room->n_members + spare;
	copy.members = calloc(copy.cap_members + 1, sizeof(*copy.members));
	if (!copy.members)
		return UNIBUS_ERR_NOMEM;
	if (room->n_members)
		memcpy(copy.members, room->members, room->n_members * sizeof(*copy.members));
	*ret = copy;
	return UB_OK;
}

void ub_members_insert(struct ub_room *room, size_t at, const struct ub_member *m)
{
	ub_assert(room->n_members < room->cap_members && at <= room->n_members);
	memmove(room->members + at + 1, room->members + at,
		(room->n_members - at) * sizeof(*room->members));
	room->members[at] = *m;
	room->n_members++;
}

void ub_members_drop(struct ub_room *room, size_t at)
{
	ub_assert(at < room->n_members);
	room->n_members--;
	memmove(room->members + at, room->members + at + 1,
		(room->n_members - at) * sizeof(*room->members));
}

void ub_room_deinit(struct ub_room *room)
{
	free(room->members);
	*room = (struct ub_room){0};
}

ub_err ub_room_clone(const struct ub_room *room, struct ub_room *ret)
{
	return ub_members_copy(room, 0, ret);
}

const struct ub_member *ub_room_member(const struct ub_room *room, const struct ub_endpoint *e)
{
	size_t at;

	return ub_members_find(room, e, &at) ? &room->members[at] : NULL;
}

enum ub_role ub_room_role(const struct ub_room *room, const struct ub_endpoint *e)
{
	const struct ub_member *m = ub_room_member(room, e);

	return m ? m->role : UB_ROLE_NONE;
}

void ub_room_roster_hash(const struct ub_room *room, struct ub_hash *ret)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, sizeof(ret->b));
	for (size_t i = 0; i < room->n_members; i++) {
		const struct ub_member *m = &room->members[i];
		const uint8_t role = (uint8_t)m->role;

		crypto_generichash_update(&st, m->id.b, sizeof(m->id.b));
		crypto_generichash_update(&st, m->kex.b, sizeof(m->kex.b));
		crypto_generichash_update(&st, &role, 1);
	}
	crypto_generichash_final(&st, ret->b, sizeof(ret->b));
}

ub_err ub_room_sealed_check(const struct ub_room *room, const struct ub_epoch_op *epoch,
	struct ub_sealed *list, size_t n)
{
	struct ub_hash root;

	if (n != room->n_members)
		return UNIBUS_ERR_BAD_ROSTER;
	ub_sealed_root(list, n, &root);
	/* Both sides are sorted and the members are distinct: equal in each place is once each. */
	for (size_t i = 0; i < n; i++) {
		if (!ub_endpoint_eq(&list[i].to, &room->members[i].id))
			return UNIBUS_ERR_BAD_ROSTER;
	}
	return memcmp(root.b, epoch->sealed.b, sizeof(root.b)) ? UNIBUS_ERR_BAD_ROSTER : UB_OK;
}

bool ub_room_narrows(
	const struct ub_room *before, const struct ub_room *after, const struct ub_endpoint *e)
{
	enum ub_role was = ub_room_role(before, e), is = ub_room_role(after, e);

	if (was == UB_ROLE_NONE || before->closed)
		return false; /* had nothing to lose */
	if (is == UB_ROLE_NONE || after->closed)
		return true;
	if (was >= UB_ROLE_MEMBER && is < UB_ROLE_MEMBER)
		return true;
	/* Only this moves subjects: persist never changes, and framed rooms all look alike. */
	return ub_policy_plain(&before->policy) && !ub_policy_plain(&after->policy);
}
