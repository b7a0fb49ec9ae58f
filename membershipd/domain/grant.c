#include "membershipd/domain/grant.h"

#include "core/endpoint.h"
#include "core/num.h"
#include "core/subject.h"
#include "membershipd/domain/room.h"
#include "membershipd/domain/service_impl.h"

/* Subjects as they are found; pointers once all are there. */
struct draft {
	struct ub_buf text; /* NUL-terminated each */
	size_t *pub, *sub;  /* offsets into text */
	size_t n_pub, n_sub;
	uint64_t *rooms;
	size_t n_rooms;
};

static void draft_deinit(struct draft *dr)
{
	ub_buf_deinit(&dr->text);
	free(dr->pub);
	free(dr->sub);
	free(dr->rooms);
}

static ub_err draft_init(struct draft *dr, size_t rooms)
{
	dr->text.max = UB_PERMISSIONS_BYTES_MAX;
	dr->pub = calloc(2 * rooms + 1, sizeof *dr->pub);
	dr->sub = calloc(rooms + 1, sizeof *dr->sub);
	dr->rooms = calloc(rooms + 1, sizeof *dr->rooms);
	return dr->pub && dr->sub && dr->rooms ? UB_OK : UNIBUS_ERR_NOMEM;
}

static size_t draft_text(struct draft *dr, const struct ub_wire *w)
{
	size_t at = dr->text.len;

	ub_buf_put(&dr->text, w->z, strlen(w->z) + 1);
	return at;
}

static void draft_room(
	struct draft *dr, const struct ub_room *st, const struct ub_endpoint *id, unsigned shards)
{
	struct md_wire w;

	md_wire_of(st, id, shards, &w);
	for (size_t i = 0; i < w.n_publish; i++)
		dr->pub[dr->n_pub++] = draft_text(dr, &w.publish[i]);
	for (size_t i = 0; i < w.n_subscribe; i++)
		dr->sub[dr->n_sub++] = draft_text(dr, &w.subscribe[i]);
	/* In room id order, as the user's links are: sorted already. */
	dr->rooms[dr->n_rooms++] = ub_get_u64(st->id.b);
}

/* What the directory says, under its lock. */
static ub_err draft_fill(
	struct md_service *s, const struct ub_pubkey *key, struct draft *dr, uint64_t *ret_rev)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_user *u;
	struct ub_endpoint id;
	struct ub_wire notify;
	ub_err e;

	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	ub_endpoint_of(key, &id);
	u = md_dir_user_find(d, &id);
	if (!u || !u->known)
		return UNIBUS_ERR_UNKNOWN_KEY;
	if (!u->active)
		return UNIBUS_ERR_REVOKED;
	e = draft_init(dr, md_dir_user_joined(u));
	if (e)
		return e;
	ub_wire_notify(&id, &notify);
	dr->sub[dr->n_sub++] = draft_text(dr, &notify);
	for (size_t i = 0; i < u->n_links; i++) {
		if (md_link_joined(u->links[i]))
			draft_room(dr, &u->links[i]->room->st, &id, s->shards);
	}
	*ret_rev = d->rev;
	return ub_buf_err(&dr->text);
}

ub_err md_grant_for(struct md_service *s, const struct ub_pubkey *key, struct md_grant *ret)
{
	UB_CLEANUP(draft_deinit) struct draft dr = {0};
	struct md_grant g = {0};
	size_t n_ptr;
	ub_err e = draft_fill(s, key, &dr, &g.rev);

	if (e)
		return e;
	/* One block: the pointers and, behind them, what they point to. */
	n_ptr = dr.n_pub + dr.n_sub;
	g.subjects = malloc(n_ptr * sizeof *g.subjects + dr.text.len);
	if (!g.subjects)
		return UNIBUS_ERR_NOMEM;
	g.n_subjects = n_ptr;
	memcpy(g.subjects + n_ptr, dr.text.p, dr.text.len);
	for (size_t i = 0; i < dr.n_pub; i++)
		g.subjects[i] = (char *)(g.subjects + n_ptr) + dr.pub[i];
	for (size_t i = 0; i < dr.n_sub; i++)
		g.subjects[dr.n_pub + i] = (char *)(g.subjects + n_ptr) + dr.sub[i];
	g.perms = (struct ub_permissions){
		.pub = (const char *const *)g.subjects,
		.n_pub = dr.n_pub,
		.sub = (const char *const *)g.subjects + dr.n_pub,
		.n_sub = dr.n_sub,
	};
	g.rooms = UB_TAKE(dr.rooms);
	g.n_rooms = dr.n_rooms;
	*ret = g;
	return UB_OK;
}

void md_grant_deinit(struct md_grant *g)
{
	free(g->subjects);
	free(g->rooms);
	*g = (struct md_grant){0};
}

bool md_grant_has_room(const struct md_grant *g, const struct ub_room_id *room)
{
	uint64_t want = ub_get_u64(room->b);
	size_t lo = 0, hi = g->n_rooms;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (g->rooms[mid] < want)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < g->n_rooms && g->rooms[lo] == want;
}

bool md_grant_stale(struct md_service *s, const struct ub_endpoint *id, uint64_t rev)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_user *u;

	if (!md_directory_vouches(d))
		return true;
	u = md_dir_user_find(d, id);
	return !u || !u->known || !u->active || u->lost_rev > rev;
}
