#include "membershipd/domain/room_impl.h"

struct basis {
	uint64_t added_seq, seq, rev;
	struct ub_hash head;
	bool joined, full;
};

static ub_err basis_read(struct md_service *s, const struct md_caller *by,
	const struct ub_room_id *id, struct basis *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	struct md_link *l;
	ub_err e = md_room_enter(d, id, &by->id, &l);

	if (e)
		return e;
	if (l->room->st.closed)
		return UNIBUS_ERR_ROOM_CLOSED;
	*ret = (struct basis){
		.added_seq = l->added_seq,
		.seq = l->room->st.seq,
		.head = l->room->st.head,
		.rev = l->join_rev,
		.joined = l->join_rev != 0,
		.full = md_dir_user_joined(l->user) >= s->limits.joined_max,
	};
	return UB_OK;
}

/* Of the join record that is there, of an earlier membership perhaps; 0: none. */
static ub_err record_rev(struct md_service *s, const struct md_key *key, uint64_t *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	uint64_t rev = 0;
	ub_err e = md_store_get(s->store, key->z, &b, &rev);

	if (e && e != UNIBUS_ERR_NOT_FOUND)
		return e;
	*ret = e ? 0 : rev;
	return UB_OK;
}

static ub_err join_once(struct md_write *w, const struct md_caller *by, const struct ub_room_id *id,
	struct basis *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_RECORD_MAX);
	struct md_key key;
	struct md_op op;
	uint64_t old;
	ub_err e = md_write_may(w, by, false);

	if (!e)
		e = basis_read(w->s, by, id, ret);
	if (e || ret->joined)
		return e;
	if (ret->full)
		return UNIBUS_ERR_LIMIT;
	md_key_join(id, &by->id, &key);
	e = record_rev(w->s, &key, &old);
	if (e)
		return e;
	md_rec_join_put(ret->added_seq, &b);
	e = ub_buf_err(&b);
	if (e)
		return e;
	op = md_op_put(&key, &b, old);
	return md_write_commit(w, &op, 1, &ret->rev);
}

static ub_err join(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	struct basis *ret)
{
	for (unsigned i = 0; i < MD_TRIES; i++) {
		UB_CLEANUP(md_write_end) struct md_write w = md_write_begin(s);
		ub_err e = join_once(&w, by, id, ret);

		if (!w.raced)
			return e;
	}
	return UNIBUS_ERR_UNAVAILABLE;
}

ub_err md_room_join(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	struct md_room_result *ret)
{
	struct md_room_result r = {.id = *id};
	struct basis b;
	ub_err e = join(s, by, id, &b);

	if (e)
		return e;
	r.seq = b.seq;
	r.head = b.head;
	r.taken.rev = b.rev;
	md_room_wire_now(s, id, &by->id, &r.wire);
	*ret = r;
	return UB_OK;
}
