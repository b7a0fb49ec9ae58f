/* What nobody may see any more: blobs of closed rooms, and files without a record. */
#include "core/endpoint.h"
#include "membershipd/domain/blob_impl.h"

struct dead {
	struct ub_room_id room;
	struct ub_hash sha256;
	uint64_t rev;
};

/* ---- blobs of closed rooms ---- */

static size_t dead_of(const struct md_dir_room *room, struct dead *to, size_t max)
{
	const struct md_dir_blob *b;
	size_t n = 0;

	for (b = room->blobs; b && n < max; b = b->hh.next)
		to[n++] = (struct dead){room->st.id, b->mark.sha256, b->rev};
	return n;
}

static size_t dead_find(struct md_service *s, struct dead *to, size_t max)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_room *room;
	size_t n = 0;

	if (!d->n_dead_blobs || !md_directory_vouches(d))
		return 0;
	for (room = d->rooms; room && n < max; room = room->hh.next) {
		if (room->st.closed && room->blobs)
			n += dead_of(room, to + n, max - n);
	}
	return n;
}

/* Records first: a file without one is garbage, a record without a file would be a lie. */
static ub_err bury(struct md_write *w, const struct dead *v, size_t n)
{
	struct md_key keys[MD_COMMIT_OPS_MAX];
	struct md_op ops[MD_COMMIT_OPS_MAX];
	uint64_t rev;
	ub_err e;

	for (size_t i = 0; i < n; i++) {
		md_key_blob(&v[i].room, &v[i].sha256, &keys[i]);
		ops[i] = (struct md_op){.kind = MD_DELETE, .key = keys[i].z, .expect = v[i].rev};
	}
	e = md_write_commit(w, ops, n, &rev);
	for (size_t i = 0; !e && i < n; i++) {
		struct md_blob_name name;

		md_blob_name_of(&v[i].room, &v[i].sha256, &name);
		e = w->s->blobs ? md_blob_dir_remove(w->s->blobs, &name) : UB_OK;
	}
	return e;
}

ub_err md_blob_tidy(struct md_service *s, size_t max, size_t *ret_removed)
{
	struct dead v[MD_COMMIT_OPS_MAX];
	size_t removed = 0, n;
	ub_err e = UB_OK;

	while (!e && removed < max) {
		UB_CLEANUP(md_write_end) struct md_write w = md_write_begin(s);
		size_t most = max - removed < UB_ARRAY_LEN(v) ? max - removed : UB_ARRAY_LEN(v);

		n = dead_find(s, v, most);
		if (!n)
			break;
		e = bury(&w, v, n);
		if (!e)
			removed += n;
	}
	if (!e)
		*ret_removed = removed;
	return e;
}

/* ---- files without a record ---- */

struct names {
	struct md_service *s;
	struct md_blob_name *v; /* of all that are recorded, sorted */
	size_t n, cap;
};

static void names_deinit(struct names *x)
{
	free(x->v);
}

static int by_name(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct md_blob_name));
}

static ub_err names_collect(struct names *x)
{
	UB_CLEANUP(md_directory_done)
	const struct md_directory *d = md_directory_read(&x->s->dir);
	const struct md_dir_room *room;
	const struct md_dir_blob *b;

	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	for (room = d->rooms; room; room = room->hh.next)
		x->cap += HASH_COUNT(room->blobs);
	x->v = calloc(x->cap + 1, sizeof *x->v);
	if (!x->v)
		return UNIBUS_ERR_NOMEM;
	for (room = d->rooms; room; room = room->hh.next) {
		for (b = room->blobs; b; b = b->hh.next)
			md_blob_name_of(&room->st.id, &b->mark.sha256, &x->v[x->n++]);
	}
	return UB_OK;
}

static ub_err remove_unknown(void *arg, const struct md_blob_name *name)
{
	const struct names *x = arg;

	if (x->n && bsearch(name, x->v, x->n, sizeof *x->v, by_name))
		return UB_OK;
	return md_blob_dir_remove(x->s->blobs, name);
}

ub_err md_blob_attach(struct md_service *s, struct md_blob_dir *dir)
{
	UB_CLEANUP(names_deinit) struct names x = {.s = s};
	ub_err e = md_blob_dir_claim(dir, s->store_id);

	if (e)
		return e;
	s->blobs = dir;
	e = names_collect(&x);
	if (!e && x.n)
		qsort(x.v, x.n, sizeof *x.v, by_name);
	return e ? e : md_blob_dir_each(dir, remove_unknown, &x);
}
