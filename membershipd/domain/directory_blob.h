/* directory_blob.h: the directory's blobs, by room.
 *
 * A blob in an open room is charged to its uploader and to the room. One in a closed room is gone
 * for everybody; its record goes with the next tidying.
 *
 * Threads: as directory.h: under its lock. Internal to domain/. */
#ifndef MD_DIRECTORY_BLOB_H
#define MD_DIRECTORY_BLOB_H

#include "membershipd/domain/directory.h"
#include "membershipd/domain/records.h"

/* The map's key begins with a keyed hash: a blob's name is its uploader's choice. */
struct md_blob_mark {
	uint8_t keyed[8];
	struct ub_hash sha256;
};
struct md_dir_blob {
	struct md_blob_mark mark;
	struct md_dir_user *by;
	uint64_t size, rev;
	UT_hash_handle hh;
};

/* NULL when not there; those of a closed room are there. */
struct md_dir_blob *md_dir_blob_find(
	const struct md_directory *d, const struct md_dir_room *room, const struct ub_hash *sha256);
/* A blob of the room that was not there; the rest of it is for the caller to fill in. */
UB_MUST_CHECK
ub_err md_dir_blob_make(
	struct md_dir_room *room, const struct md_blob_mark *mark, struct md_dir_blob **ret);
/* What a blob of that size counts. */
uint64_t md_dir_blob_charge(uint64_t size);

/* ---- feeding ---- */

/* UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_dir_put_blob(struct md_directory *d, struct md_dir_room *room, uint64_t rev,
	const struct ub_hash *sha256, const struct md_rec_blob *r);
void md_dir_drop_blob(
	struct md_directory *d, struct md_dir_room *room, const struct ub_hash *sha256);
/* The room was closed: nobody is charged for its blobs any more. */
void md_dir_close_blobs(struct md_directory *d, struct md_dir_room *room);
void md_dir_free_blobs(struct md_dir_room *room);

#endif
