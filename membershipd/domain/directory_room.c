#include "core/endpoint.h"
#include "core/entry.h"
#include "membershipd/domain/directory_blob.h"

/* ---- memberships ---- */

void md_link_refresh(struct md_link *l)
{
	bool counts = md_link_counts(l);

	if (counts && !l->counted)
		l->room->n_void--;
	if (!counts && l->counted)
		l->room->n_void++;
	l->counted = counts;
	if (!counts && l->user->rev > l->room->void_rev)
		l->room->void_rev = l->user->rev;
}

static size_t link_place(const struct md_dir_user *u, const struct ub_room_id *room)
{
	size_t lo = 0, hi = u->n_links;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(u->links[mid]->room->st.id.b, room->b, sizeof room->b) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static ub_err link_new(struct md_directory *d, struct md_dir_room *room,
	const struct ub_endpoint *id, struct md_link **ret)
{
	UB_CLEANUP(ub_freep) struct md_link *l = calloc(1, sizeof *l);
	struct md_dir_user *u;
	size_t at;
	ub_err e = l ? md_dir_user_make(d, id, &u) : UNIBUS_ERR_NOMEM;

	if (e)
		return e;
	if (u->n_links == u->cap_links) {
		size_t cap = u->cap_links + u->cap_links / 2 + 4;
		struct md_link **grown = realloc(u->links, cap * sizeof(*grown));

		if (!grown)
			return UNIBUS_ERR_NOMEM;
		u->links = grown;
		u->cap_links = cap;
	}
	*l = (struct md_link){.room = room, .user = u, .counted = true};
	at = link_place(u, &room->st.id);
	memmove(u->links + at + 1, u->links + at, (u->n_links - at) * sizeof(*u->links));
	u->links[at] = l;
	u->n_links++;
	*ret = UB_TAKE(l);
	return UB_OK;
}

static void link_drop(struct md_link *l)
{
	struct md_dir_user *u = l->user;
	size_t at = link_place(u, &l->room->st.id);

	ub_assert(at < u->n_links && u->links[at] == l);
	u->n_links--;
	memmove(u->links + at, u->links + at + 1, (u->n_links - at) * sizeof(*u->links));
	l->room->n_void -= !l->counted;
	free(l);
}

/* Fills in the room's links, empty now, in step with the members after an entry: `old` are those
 * of before. Whoever is in `old` only is dropped; whoever was added by this entry starts anew. */
static ub_err links_step(struct md_directory *d, struct md_dir_room *room, struct md_link **old,
	size_t n_old, uint64_t rev)
{
	struct md_link **now = room->links;
	size_t k = 0;
	ub_err e = UB_OK;

	for (size_t i = 0; !e && i < room->st.n_members; i++) {
		const struct ub_member *m = &room->st.members[i];

		while (k < n_old && ub_endpoint_cmp(&old[k]->user->id, &m->id) < 0)
			link_drop(old[k++]);
		if (k < n_old && ub_endpoint_eq(&old[k]->user->id, &m->id))
			now[i] = old[k++];
		else
			e = link_new(d, room, &m->id, &now[i]);
		if (e)
			break;
		if (now[i]->added_seq != m->added_seq || !now[i]->added_rev) {
			now[i]->added_seq = m->added_seq;
			now[i]->added_rev = rev;
			now[i]->join_rev = 0;
		}
		md_link_refresh(now[i]);
	}
	while (k < n_old)
		link_drop(old[k++]);
	return e;
}

/* ---- events ---- */

static bool loses(const struct md_link *l, const struct ub_room *was, const struct ub_room *is)
{
	const struct ub_member *m = ub_room_member(is, &l->user->id);

	return ub_room_narrows(was, is, &l->user->id) || (m && m->added_seq != l->added_seq);
}

static bool gains(const struct md_link *l, const struct ub_room *was, const struct ub_room *is)
{
	return ub_room_role(was, &l->user->id) == UB_ROLE_READER &&
	       ub_room_role(is, &l->user->id) >= UB_ROLE_MEMBER;
}

/* Who lost and who gained subjects between `was` and the room now; its links are still the old. */
static void tell_rights(
	struct md_dir_room *room, const struct ub_room *was, uint64_t rev, struct md_outbox *out)
{
	struct md_event ev = {MD_EVENT_NARROWED, .rev = rev, .room = was->id, .seq = room->st.seq};
	struct md_letter *narrowed = md_letter_new(out, &ev, was->n_members), *granted;

	ev.kind = MD_EVENT_GRANTED;
	granted = md_letter_new(out, &ev, was->n_members);
	for (size_t i = 0; i < was->n_members; i++) {
		struct md_link *l = room->links[i];

		if (!l->join_rev)
			continue;
		if (loses(l, was, &room->st)) {
			l->user->lost_rev = rev;
			if (md_link_counts(l))
				md_letter_name(narrowed, &l->user->id);
		} else if (md_link_counts(l) && gains(l, was, &room->st)) {
			md_letter_name(granted, &l->user->id);
		}
	}
	md_letter_post(out, narrowed);
	md_letter_post(out, granted);
}

static bool may_narrow(const struct ub_entry *e)
{
	for (size_t i = 0; i < e->n_ops; i++) {
		enum ub_op_type t = e->ops[i].type;

		if (t != UB_OP_GENESIS && t != UB_OP_ADD && t != UB_OP_KEY && t != UB_OP_EPOCH)
			return true;
	}
	return false;
}

/* While the state is read nobody is told, and whoever lost a room has no join in it any more. */
static void note_losses(const struct md_dir_room *room, const struct ub_room *was,
	const struct ub_entry *e, uint64_t rev)
{
	for (size_t i = 0, n = may_narrow(e) ? was->n_members : 0; i < n; i++)
		if (loses(room->links[i], was, &room->st))
			room->links[i]->user->lost_rev = rev;
}

/* Everybody who is or was in it. */
static void tell_room(const struct md_dir_room *room, const struct ub_room *was, uint64_t rev,
	struct md_outbox *out)
{
	const struct md_event ev = {
		MD_EVENT_ROOM, .rev = rev, .room = room->st.id, .seq = room->st.seq};
	struct md_letter *l = md_letter_new(out, &ev, room->st.n_members + was->n_members);

	for (size_t i = 0; l && i < room->st.n_members; i++) {
		if (md_link_counts(room->links[i]))
			md_letter_name(l, &room->st.members[i].id);
	}
	for (size_t i = 0; l && i < was->n_members; i++) {
		if (!ub_room_member(&room->st, &was->members[i].id))
			md_letter_name(l, &was->members[i].id);
	}
	md_letter_post(out, l);
}

/* ---- records ---- */

/* The room that the entry belongs to; a new one for a genesis entry. */
static ub_err room_of(struct md_directory *d, const struct ub_entry *e, struct md_dir_room **ret)
{
	struct ub_room_id id;

	if (e->has_room) {
		*ret = md_dir_room_find(d, &e->room);
		return *ret ? UB_OK : UNIBUS_ERR_BAD_FILE;
	}
	ub_room_id_of(&e->actor, &e->ops[0], &id);
	return md_dir_room_find(d, &id) ? UNIBUS_ERR_BAD_FILE : md_dir_room_make(d, &id, ret);
}

static ub_err epoch_step(struct md_dir_room *room, uint64_t rev)
{
	if (room->n_epochs == room->st.epoch)
		return UB_OK;
	ub_assert(room->st.epoch == room->n_epochs + 1);
	room->epoch_rev = rev;
	return md_dir_epoch_push(room, room->st.epoch_seq);
}

static ub_err apply(struct ub_room *st, const struct ub_entry *e)
{
	/* What was accepted once is not judged by today's clock, users and limits. */
	const struct ub_apply ctx = {.owner_revoked = true};
	ub_err err = ub_room_apply(st, e, &ctx);

	return !err || err == UNIBUS_ERR_NOMEM ? err : UNIBUS_ERR_BAD_FILE;
}

ub_err md_dir_put_entry(
	struct md_directory *d, uint64_t rev, const struct ub_entry *e, struct md_outbox *out)
{
	UB_CLEANUP(ub_room_deinit) struct ub_room was = {0};
	UB_CLEANUP(ub_freep) struct md_link **old = NULL;
	UB_CLEANUP(ub_freep) struct md_link **links = NULL;
	struct md_dir_room *room;
	ub_err err = room_of(d, e, &room);

	if (!err)
		err = ub_room_clone(&room->st, &was);
	if (err)
		return err;
	/* Before the room changes, while nothing can get out of step. */
	links = calloc(was.n_members + e->n_ops + 1, sizeof(*links));
	if (!links)
		return UNIBUS_ERR_NOMEM;
	err = apply(&room->st, e);
	if (err)
		return err;
	if (d->live)
		tell_rights(room, &was, rev, out);
	else
		note_losses(room, &was, e, rev);
	old = room->links;
	room->links = UB_TAKE(links);
	err = links_step(d, room, old, was.n_members, rev);
	if (!was.closed && room->st.closed)
		md_dir_close_blobs(d, room);
	if (!err)
		err = epoch_step(room, rev);
	if (!err)
		tell_room(room, &was, rev, out);
	return err;
}

void md_dir_put_join(struct md_dir_room *room, uint64_t rev, const struct ub_endpoint *id,
	const uint64_t *added_seq, struct md_outbox *out)
{
	const struct md_event ev = {
		MD_EVENT_GRANTED, .rev = rev, .room = room->st.id, .seq = room->st.seq};
	struct md_link *l = md_dir_link(room, id);
	struct md_letter *letter;
	bool was;

	if (!l)
		return; /* of a membership that has ended */
	was = l->join_rev != 0;
	l->join_rev = added_seq && *added_seq == l->added_seq ? rev : 0;
	if (was || !md_link_joined(l))
		return;
	letter = md_letter_new(out, &ev, 1);
	md_letter_name(letter, id);
	md_letter_post(out, letter);
}
