#include "membershipd/domain/directory_blob.h"

#include <sodium.h>

static struct md_blob_mark mark_of(const struct md_directory *d, const struct ub_hash *sha256)
{
	struct md_blob_mark m = {.sha256 = *sha256};

	_Static_assert(sizeof m.keyed == crypto_shorthash_BYTES, "the hash is another");
	_Static_assert(sizeof d->secret == crypto_shorthash_KEYBYTES, "its key is another");
	crypto_shorthash(m.keyed, sha256->b, sizeof sha256->b, d->secret);
	return m;
}

struct md_dir_blob *md_dir_blob_find(
	const struct md_directory *d, const struct md_dir_room *room, const struct ub_hash *sha256)
{
	struct md_blob_mark m = mark_of(d, sha256);
	struct md_dir_blob *b;

	HASH_FIND(hh, room->blobs, &m, sizeof m, b);
	return b;
}

uint64_t md_dir_blob_charge(uint64_t size)
{
	return size > UB_BLOB_CHARGE_MIN ? size : UB_BLOB_CHARGE_MIN;
}

/* ---- who is charged: only for what is in an open room ---- */

static void charge(struct md_directory *d, struct md_dir_room *room, const struct md_dir_blob *b)
{
	if (room->st.closed) {
		d->n_dead_blobs++;
		return;
	}
	b->by->blob_bytes += md_dir_blob_charge(b->size);
	room->blob_bytes += md_dir_blob_charge(b->size);
}

static void discharge(struct md_directory *d, struct md_dir_room *room, const struct md_dir_blob *b)
{
	if (room->st.closed) {
		d->n_dead_blobs--;
		return;
	}
	b->by->blob_bytes -= md_dir_blob_charge(b->size);
	room->blob_bytes -= md_dir_blob_charge(b->size);
}

void md_dir_close_blobs(struct md_directory *d, struct md_dir_room *room)
{
	struct md_dir_blob *b, *next;

	HASH_ITER (hh, room->blobs, b, next) {
		b->by->blob_bytes -= md_dir_blob_charge(b->size);
		d->n_dead_blobs++;
	}
	room->blob_bytes = 0;
}

void md_dir_free_blobs(struct md_dir_room *room)
{
	struct md_dir_blob *b, *next;

	HASH_ITER (hh, room->blobs, b, next) {
		HASH_DEL(room->blobs, b);
		free(b);
	}
}

/* ---- records ---- */

ub_err md_dir_put_blob(struct md_directory *d, struct md_dir_room *room, uint64_t rev,
	const struct ub_hash *sha256, const struct md_rec_blob *r)
{
	struct md_dir_blob *b = md_dir_blob_find(d, room, sha256);
	struct md_dir_user *by;
	ub_err e = md_dir_user_make(d, &r->by, &by);

	if (e)
		return e;
	if (b)
		discharge(d, room, b);
	else {
		struct md_blob_mark m = mark_of(d, sha256);

		e = md_dir_blob_make(room, &m, &b);
	}
	if (e)
		return e;
	b->by = by;
	b->size = r->size;
	b->rev = rev;
	charge(d, room, b);
	return UB_OK;
}

void md_dir_drop_blob(
	struct md_directory *d, struct md_dir_room *room, const struct ub_hash *sha256)
{
	struct md_dir_blob *b = md_dir_blob_find(d, room, sha256);

	if (!b)
		return;
	discharge(d, room, b);
	HASH_DEL(room->blobs, b);
	free(b);
}
