#include "core/endpoint.h"
#include "membershipd/domain/directory.h"
#include "membershipd/domain/records.h"

/* ---- the list by handle ---- */

static int handle_cmp(const char *handle, struct ub_str to)
{
	size_t len = strlen(handle);
	int c = memcmp(handle, to.p, len < to.len ? len : to.len);

	return c ? c : (len > to.len) - (len < to.len);
}

size_t md_dir_handle_place(const struct md_directory *d, struct ub_str handle)
{
	size_t lo = 0, hi = d->n_handles;

	while (handle.len && lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (handle_cmp(d->by_handle[mid]->handle, handle) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int by_handle(const void *a, const void *b)
{
	const struct md_dir_user *const *x = a, *const *y = b;

	return strcmp((*x)->handle, (*y)->handle);
}

static ub_err handles_reserve(struct md_directory *d, size_t n)
{
	struct md_dir_user **grown;

	if (n <= d->cap_handles)
		return UB_OK;
	n += n / 4 + 16;
	grown = realloc(d->by_handle, n * sizeof(*grown));
	if (!grown)
		return UNIBUS_ERR_NOMEM;
	d->by_handle = grown;
	d->cap_handles = n;
	return UB_OK;
}

ub_err md_dir_handles_build(struct md_directory *d)
{
	struct md_dir_user *u, *next;
	ub_err e = handles_reserve(d, HASH_COUNT(d->users));

	if (e)
		return e;
	d->n_handles = 0;
	HASH_ITER (hh, d->users, u, next) {
		if (u->known)
			d->by_handle[d->n_handles++] = u;
	}
	if (d->n_handles)
		qsort(d->by_handle, d->n_handles, sizeof(*d->by_handle), by_handle);
	return UB_OK;
}

static void handle_drop(struct md_directory *d, const struct md_dir_user *u)
{
	size_t at = md_dir_handle_place(d, ub_str(u->handle));

	if (at == d->n_handles || d->by_handle[at] != u)
		return;
	d->n_handles--;
	memmove(d->by_handle + at, d->by_handle + at + 1,
		(d->n_handles - at) * sizeof(*d->by_handle));
}

static ub_err handle_insert(struct md_directory *d, struct md_dir_user *u)
{
	size_t at = md_dir_handle_place(d, ub_str(u->handle));
	ub_err e = handles_reserve(d, d->n_handles + 1);

	if (e)
		return e;
	memmove(d->by_handle + at + 1, d->by_handle + at,
		(d->n_handles - at) * sizeof(*d->by_handle));
	d->by_handle[at] = u;
	d->n_handles++;
	return UB_OK;
}

/* ---- records ---- */

/* The admins of the user's rooms are the ones who have to answer with a removal and a new key. */
static void tell_rooms(const struct md_dir_user *u, uint64_t rev, struct md_outbox *out)
{
	for (size_t i = 0; out->wanted && i < u->n_links; i++) {
		const struct md_dir_room *room = u->links[i]->room;
		const struct md_event ev = {
			MD_EVENT_ROOM, .rev = rev, .room = room->st.id, .seq = room->st.seq};
		struct md_letter *l;

		if (room->st.closed)
			continue;
		l = md_letter_new(out, &ev, room->st.n_members);
		for (size_t k = 0; k < room->st.n_members; k++) {
			if (room->st.members[k].role >= UB_ROLE_ADMIN &&
				md_link_counts(room->links[k]))
				md_letter_name(l, &room->st.members[k].id);
		}
		md_letter_post(out, l);
	}
}

ub_err md_dir_put_user(struct md_directory *d, uint64_t rev, const struct ub_endpoint *id,
	const struct md_rec_user *r, struct md_outbox *out)
{
	const struct md_event ev = {MD_EVENT_REVOKED, .rev = rev};
	struct md_dir_user *u;
	struct md_letter *l;
	bool was_active;
	ub_err e = md_dir_user_make(d, id, &u);

	if (e)
		return e;
	was_active = u->known && u->active;
	if (d->live && u->known)
		handle_drop(d, u);
	d->n_admins -= was_active && u->admin;
	u->known = true;
	u->sign = r->sign;
	memcpy(u->handle, r->handle, sizeof u->handle);
	u->admin = r->admin;
	u->active = r->active;
	u->created_ms = r->created_ms;
	u->revoked_ms = r->revoked_ms;
	u->rev = rev;
	d->n_admins += u->active && u->admin;
	for (size_t i = 0; i < u->n_links; i++)
		md_link_refresh(u->links[i]);
	if (d->live)
		e = handle_insert(d, u);
	/* Active before and again: registered anew behind our back, its old rights are gone too. */
	if (e || (u->active && !was_active))
		return e;
	u->lost_rev = rev;
	l = md_letter_new(out, &ev, 1);
	md_letter_name(l, id);
	md_letter_post(out, l);
	if (was_active)
		tell_rooms(u, rev, out);
	return UB_OK;
}
