/* blob.h: uploaded files: in a room by the SHA-256 of their bytes, as long as the room is open.
 *
 * The bytes are in a folder (md_blob_attach), one file for each room and hash; who brought them
 * there and how many they are is a record, and so in the directory: quotas and who may read are
 * answered from memory. A blob exists with its record. The file is whole and durable before the
 * record is committed, and removed after it: what a crash leaves is a file without a record, which
 * the next md_blob_attach removes. When the room is closed its blobs exist no more at that
 * revision; records and files are removed by md_blob_tidy.
 *
 * Each counts its size, at least UB_BLOB_CHARGE_MIN, for the user who uploaded it and for the room.
 * Uploads under way count as if they were there.
 *
 * Threads: any; an upload is one thread's at a time. */
#ifndef MD_BLOB_H
#define MD_BLOB_H

#include "membershipd/domain/service.h"

struct md_blob_dir;

/* From now on blobs are taken and given, in this folder, borrowed until the service is freed. It
 * becomes this store's for good, and files without a record are removed. Before other threads use
 * the service. UNIBUS_ERR_BAD_FILE when the folder is another store's, UNIBUS_ERR_IO,
 * UNIBUS_ERR_NOMEM, UNIBUS_ERR_UNAVAILABLE. */
UB_MUST_CHECK
ub_err md_blob_attach(struct md_service *s, struct md_blob_dir *dir);

struct md_blob_want {
	struct ub_room_id room;
	struct ub_hash sha256;
	uint64_t size;
};
struct md_blob_upload;

/* May the caller bring this now? Takes its share and a file for it. UNIBUS_ERR_NOT_FOUND (no such
 * room), UNIBUS_ERR_DENIED (not in it, or a reader), UNIBUS_ERR_ROOM_CLOSED, UNIBUS_ERR_TOO_LARGE,
 * UNIBUS_ERR_LIMIT (the user's or the room's share is used up), UNIBUS_ERR_SLOW_DOWN (too many
 * uploads at once), UNIBUS_ERR_NOT_AVAILABLE (no folder), UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_IO,
 * UNIBUS_ERR_NOMEM. Does not wait for a lock held across I/O. */
UB_MUST_CHECK
ub_err md_blob_begin(struct md_service *s, const struct md_caller *by,
	const struct md_blob_want *want, struct md_blob_upload **ret);
/* The next bytes. UNIBUS_ERR_INVALID when they are more than were announced, UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err md_blob_write(struct md_blob_upload *u, struct ub_bytes piece);
/* All bytes are there: from now on the blob is in the room. *ret_created is false when it was
 * before; then nobody is charged, and it counts as brought anew in a room whose new members see
 * nothing older. Judges everything again, beside md_blob_begin's: UNIBUS_ERR_INVALID (these are not
 * the bytes of that hash, or too few), the store's errors. */
UB_MUST_CHECK
ub_err md_blob_finish(struct md_blob_upload *u, bool *ret_created, uint64_t *ret_rev);
/* Gives the share back, and removes what was written unless it was finished. NULL is nothing. */
void md_blob_end(struct md_blob_upload *u);
UB_DEFINE_CLEANUP(struct md_blob_upload *, md_blob_end)

struct md_blob_file {
	int fd; /* the caller's to close */
	uint64_t size;
};
/* A blob of some open room that the caller is in; in a since_join room one brought since he was
 * added. UNIBUS_ERR_NOT_FOUND for all others, whether they exist or not; UNIBUS_ERR_UNAVAILABLE
 * (also when the file is not in this node's folder), UNIBUS_ERR_NOT_AVAILABLE, UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err md_blob_open(struct md_service *s, const struct md_caller *by, const struct ub_hash *sha256,
	struct md_blob_file *ret);

/* Removes up to `max` blobs of closed rooms. Costs nothing when there is none. Store's errors. */
UB_MUST_CHECK
ub_err md_blob_tidy(struct md_service *s, size_t max, size_t *ret_removed);

#endif
