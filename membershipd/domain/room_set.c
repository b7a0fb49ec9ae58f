#include "core/endpoint.h"
#include "core/key.h"
#include "membershipd/domain/room_impl.h"

ub_err md_set_write(
	struct md_service *s, const struct md_set *set, const struct ub_sealed *list, size_t n)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_SEALED_PART_MAX);

	for (size_t at = 0, part = 0; at < n; at += MD_SEALED_PER_PART, part++) {
		size_t some = n - at < MD_SEALED_PER_PART ? n - at : MD_SEALED_PER_PART;
		struct md_key key;
		struct md_op op;
		uint64_t rev;
		ub_err e;

		ub_buf_reset(&b);
		md_rec_sealed_put(list + at, some, &b);
		e = ub_buf_err(&b);
		if (e)
			return e;
		md_key_sealed(set, (unsigned)part, &key);
		op = md_op_put(&key, &b, 0);
		e = md_store_commit(s->store, &op, 1, &rev);
		/* The name holds the entry's hash: what is there came with that very entry. */
		if (e && e != UNIBUS_ERR_CONFLICT)
			return e;
	}
	return UB_OK;
}

static ub_err remove_part(struct md_service *s, const struct md_key *key)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	struct md_op op = {.kind = MD_DELETE, .key = key->z};
	uint64_t rev;
	ub_err e = md_store_get(s->store, key->z, &b, &op.expect);

	return e ? e : md_store_commit(s->store, &op, 1, &rev);
}

void md_set_discard(struct md_service *s, const struct md_set *set)
{
	for (unsigned part = 0; part < MD_SEALED_PARTS_MAX; part++) {
		struct md_key key;

		md_key_sealed(set, part, &key);
		if (remove_part(s, &key))
			return;
	}
}

ub_err md_set_find(struct md_service *s, const struct md_set *set, const struct ub_endpoint *to,
	uint8_t ret[UB_SEALED_LEN])
{
	for (unsigned part = 0; part < MD_SEALED_PARTS_MAX; part++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
		struct md_key key;
		uint64_t rev;
		ub_err e;

		md_key_sealed(set, part, &key);
		e = md_store_get(s->store, key.z, &b, &rev);
		if (e == UNIBUS_ERR_NOT_FOUND)
			break;
		if (!e)
			e = md_rec_sealed_get((struct ub_bytes){b.p, b.len}, to, ret);
		if (e != UNIBUS_ERR_NOT_FOUND)
			return e;
	}
	return UNIBUS_ERR_NO_KEY;
}

/* ---- sweep ---- */

struct part { /* a record of some set */
	struct md_set set;
	unsigned part;
};
struct parts {
	struct md_service *s;
	struct part *v;
	size_t n, cap;
};

static void parts_deinit(struct parts *p)
{
	free(p->v);
}

/* Has the room gone past the set's place? */
static bool occupied(struct md_service *s, const struct md_set *set)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_room *room;

	if (!md_directory_vouches(d))
		return false;
	room = md_dir_room_find(d, &set->room);
	return room && room->st.seq >= set->seq;
}

static ub_err collect(void *arg, const struct md_record *r)
{
	struct parts *p = arg;
	struct md_key_parts k;
	ub_err e = md_key_parse(r->key, &k);

	if (e)
		return e;
	if (p->n == p->cap) {
		size_t cap = p->cap * 2 + 64;
		struct part *grown = realloc(p->v, cap * sizeof *grown);

		if (!grown)
			return UNIBUS_ERR_NOMEM;
		p->v = grown;
		p->cap = cap;
	}
	p->v[p->n++] = (struct part){{k.room, k.seq, k.entry}, k.part};
	return UB_OK;
}

/* Is the entry in the set's place another one? */
static ub_err lost(struct md_service *s, const struct md_set *set, bool *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	struct ub_hash h;
	struct md_key key;
	uint64_t rev;
	ub_err e;

	md_key_entry(&set->room, set->seq, &key);
	e = md_store_get(s->store, key.z, &b, &rev);
	if (e)
		return e;
	ub_hash(b.p, b.len, &h);
	*ret = memcmp(h.b, set->entry.b, sizeof h.b) != 0;
	return UB_OK;
}

ub_err md_room_sweep(struct md_service *s, size_t *ret_removed)
{
	UB_CLEANUP(parts_deinit) struct parts p = {.s = s};
	size_t removed = 0;
	ub_err e = md_store_each(s->store, MD_KEY_SEALED, collect, &p);

	for (size_t i = 0; !e && i < p.n; i++) {
		struct md_key key;
		bool gone = false;

		if (!occupied(s, &p.v[i].set))
			continue;
		e = lost(s, &p.v[i].set, &gone);
		if (e || !gone)
			continue;
		md_key_sealed(&p.v[i].set, p.v[i].part, &key);
		e = remove_part(s, &key);
		removed += !e;
	}
	if (!e)
		*ret_removed = removed;
	return e;
}
