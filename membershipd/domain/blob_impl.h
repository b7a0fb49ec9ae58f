/* blob_impl.h: what the halves of blob.h share.
 *
 * Threads: pure. Internal to domain/. */
#ifndef MD_BLOB_IMPL_H
#define MD_BLOB_IMPL_H

#include "membershipd/domain/blob.h"
#include "membershipd/domain/directory_blob.h"
#include "membershipd/domain/room_impl.h"
#include "membershipd/store/blob_dir.h"

/* The file's name in the folder: tells neither content nor room, and no two rooms share one. */
void md_blob_name_of(
	const struct ub_room_id *room, const struct ub_hash *sha256, struct md_blob_name *ret);

#endif
