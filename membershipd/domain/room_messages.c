#include "core/subject.h"
#include "membershipd/domain/history.h"
#include "membershipd/domain/room_impl.h"

/* What the caller may see of the room now. */
static ub_err allowed(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	struct md_history_query *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct ub_room *st;
	struct md_link *l;
	ub_err e = md_room_enter(d, id, &by->id, &l);

	if (e)
		return e;
	st = &l->room->st;
	if (!st->policy.persist)
		return UNIBUS_ERR_CONFLICT;
	ret->room = *id;
	ret->shard = ub_wire_shard(id, s->shards);
	ret->retain = st->policy.retain;
	ret->min_room_seq = st->policy.since_join ? l->added_seq : 0;
	return UB_OK;
}

ub_err md_room_messages(struct md_service *s, const struct md_caller *by,
	const struct ub_room_id *id, const struct md_page *page, md_frame_fn fn, void *arg,
	struct md_span *ret)
{
	struct md_history_query q = {
		.backward = page->backward, .from = page->from, .limit = page->limit};
	struct md_history_query now;
	struct md_span span;
	ub_err e = allowed(s, by, id, &q);

	if (e)
		return e;
	if (!s->history)
		return UNIBUS_ERR_NOT_AVAILABLE;
	if (!s->history->ready(s->history->arg))
		return UNIBUS_ERR_UNAVAILABLE;
	e = s->history->read(s->history->arg, &q, fn, arg, &span);
	/* Reading took its time: whoever was removed meanwhile gets nothing, and
	 * whoever was added anew asks anew. */
	if (!e)
		e = allowed(s, by, id, &now);
	if (!e && now.min_room_seq > q.min_room_seq)
		e = UNIBUS_ERR_UNAVAILABLE;
	if (!e)
		*ret = span;
	return e;
}

static bool is_retained(const struct ub_policy *p)
{
	return p->persist && (p->retain.messages || p->retain.bytes || p->retain.age_s);
}

ub_err md_rooms_retained(struct md_service *s, struct md_retained **ret, size_t *ret_n)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_room *room;
	struct md_retained *list;
	size_t n = 0;

	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	for (room = d->rooms; room; room = room->hh.next)
		n += is_retained(&room->st.policy);
	list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return UNIBUS_ERR_NOMEM;
	n = 0;
	for (room = d->rooms; room; room = room->hh.next) {
		if (is_retained(&room->st.policy))
			list[n++] = (struct md_retained){room->st.id, room->st.policy.retain};
	}
	*ret = list;
	*ret_n = n;
	return UB_OK;
}
