/* blob_file.h: what has come of a blob, on disk, to go on from.
 *
 * The bytes stored are gathered in "<file>.<16 hex digits of the hash>.part", which one call at a
 * time has locked; the file itself appears whole, under a name that was free.
 *
 * Threads: one thread a part. */
#ifndef UB_CLIENT_BLOB_FILE_H
#define UB_CLIENT_BLOB_FILE_H

#include "core/blob.h"

struct ub_part {
	int fd;
	char *path, *target; /* owned */
	uint64_t size;       /* bytes that it must have in the end */
	uint64_t have;
	crypto_hash_sha256_state hash; /* of those */
};

/* Opens or makes it, and takes in what is there. UNIBUS_ERR_EXISTS (the target is there),
 * UNIBUS_ERR_LOCKED, UNIBUS_ERR_BAD_FILE (no regular file), UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_part_open(const char *target, const struct ub_blob_ref *ref, struct ub_part *ret);
void ub_part_close(struct ub_part *p); /* keeps the file */
void ub_part_drop(struct ub_part *p);  /* removes it: nothing to go on from */
/* Starts over. UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err ub_part_reset(struct ub_part *p);
/* The next bytes. UNIBUS_ERR_CORRUPT when they are too many, UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err ub_part_add(struct ub_part *p, struct ub_bytes piece);
/* Are these the bytes that the hash is of? */
bool ub_part_whole(const struct ub_part *p, const struct ub_blob_ref *ref);
/* With a whole part: opens what is sealed, and makes the target. The part is gone after it, unless
 * only the target could not be made. UNIBUS_ERR_CORRUPT, UNIBUS_ERR_EXISTS, UNIBUS_ERR_IO,
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_part_finish(
	struct ub_part *p, const struct ub_blob_ref *ref, const struct ub_room_id *room);

#endif
