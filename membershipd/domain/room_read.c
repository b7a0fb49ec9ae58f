#include "core/endpoint.h"
#include "core/key.h"
#include "membershipd/domain/room_impl.h"

#define LOG_BYTES_MAX (1024 * 1024)

ub_err md_room_find_entry(struct md_service *s, const struct ub_room_id *id, uint64_t seq,
	struct ub_str text, uint64_t *ret_rev)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	struct md_key key;
	uint64_t rev;
	ub_err e;

	md_key_entry(id, seq, &key);
	e = md_store_get(s->store, key.z, &b, &rev);
	if (e)
		return e;
	if (!ub_str_eq(ub_buf_text(&b), text))
		return UNIBUS_ERR_NOT_FOUND;
	*ret_rev = rev;
	return UB_OK;
}

/* The room's newest seq, for a member. */
static ub_err newest(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	uint64_t *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	struct md_link *l;
	ub_err e = md_room_enter(d, id, &by->id, &l);

	if (!e)
		*ret = l->room->st.seq;
	return e;
}

/* An entry that the directory has is in the store, or the store has lost it. */
static ub_err entry_read(
	struct md_service *s, const struct ub_room_id *id, uint64_t seq, struct ub_buf *to)
{
	struct md_key key;
	uint64_t rev;
	ub_err e;

	md_key_entry(id, seq, &key);
	ub_buf_reset(to);
	e = md_store_get(s->store, key.z, to, &rev);
	return e == UNIBUS_ERR_NOT_FOUND ? UNIBUS_ERR_INTERNAL : e;
}

ub_err md_room_log(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	uint64_t from, size_t max, ub_err (*fn)(void *arg, uint64_t seq, struct ub_str entry),
	void *arg)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	size_t n = 0, bytes = 0;
	uint64_t last;
	ub_err e = newest(s, by, id, &last);

	for (uint64_t seq = from; !e && seq <= last && n < max; seq++, n++) {
		e = entry_read(s, id, seq, &b);
		if (e)
			break;
		bytes += b.len;
		if (n && bytes > LOG_BYTES_MAX)
			break;
		e = fn(arg, seq, ub_buf_text(&b));
	}
	return e;
}

/* Where a member's key of an epoch lies: with the entry that brought the epoch, or with the one
 * that added the member while the epoch was current. */
struct places {
	uint32_t epoch;
	uint64_t seq[2]; /* the later first */
	size_t n;
};

/* UNIBUS_ERR_NO_KEY when there is no such epoch. */
static ub_err places_of(struct md_service *s, const struct md_caller *by,
	const struct ub_room_id *id, uint32_t epoch, struct places *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_room *room;
	struct md_link *l;
	ub_err e = md_room_enter(d, id, &by->id, &l);
	uint32_t n;

	if (e)
		return e;
	room = l->room;
	n = epoch ? epoch : room->st.epoch;
	if (!n || n > room->n_epochs)
		return UNIBUS_ERR_NO_KEY;
	*ret = (struct places){.epoch = n};
	if (l->added_seq > room->epochs[n - 1] &&
		(n == room->n_epochs || l->added_seq < room->epochs[n]))
		ret->seq[ret->n++] = l->added_seq;
	ret->seq[ret->n++] = room->epochs[n - 1];
	return UB_OK;
}

static ub_err key_at(struct md_service *s, const struct ub_room_id *id, uint64_t seq,
	const struct ub_endpoint *to, uint8_t ret[UB_SEALED_LEN])
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	struct md_set set = {.room = *id, .seq = seq};
	ub_err e = entry_read(s, id, seq, &b);

	if (e)
		return e;
	ub_hash(b.p, b.len, &set.entry);
	return md_set_find(s, &set, to, ret);
}

ub_err md_room_key(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	uint32_t epoch, uint32_t *ret_epoch, uint8_t ret[UB_SEALED_LEN])
{
	struct places at;
	ub_err e = places_of(s, by, id, epoch, &at);

	if (e)
		return e;
	e = UNIBUS_ERR_NO_KEY;
	for (size_t i = 0; e == UNIBUS_ERR_NO_KEY && i < at.n; i++)
		e = key_at(s, id, at.seq[i], &by->id, ret);
	if (!e)
		*ret_epoch = at.epoch;
	return e;
}
