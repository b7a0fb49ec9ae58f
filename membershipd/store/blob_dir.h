/* blob_dir.h: uploaded files in a folder of our own, beside the control store and never in it.
 *
 * A file is written under a temporary name, made durable, and only then renamed to the one it is
 * found by; so whatever has a name is whole. Names are 32 bytes of the caller's choice and tell
 * nothing; files are 0600, the folder 0700. Which of them belong to anything is the caller's to
 * know: what it does not know after a crash, it removes (md_blob_dir_each).
 *
 * Threads: any; a md_blob_tmp is one thread's at a time. */
#ifndef MD_BLOB_DIR_H
#define MD_BLOB_DIR_H

#include "core/base.h"

struct md_blob_dir;
struct md_blob_tmp; /* a file being written */

struct md_blob_name {
	uint8_t b[32];
};

/* Makes the folder when it is missing (its parent must be there). UNIBUS_ERR_INSECURE_FILE when
 * group or others may enter it, UNIBUS_ERR_BAD_FILE when it is no folder, UNIBUS_ERR_IO,
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_blob_dir_open(const char *path, struct md_blob_dir **ret);
void md_blob_dir_close(struct md_blob_dir *d); /* NULL is nothing */
UB_DEFINE_CLEANUP(struct md_blob_dir *, md_blob_dir_close)

/* Marks a new folder as that owner's (1 to 64 characters), or checks that it is, and removes
 * temporary files that a crash left. Before anything else is done with it. UNIBUS_ERR_BAD_FILE
 * when it is another's, or has files and no mark; UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err md_blob_dir_claim(struct md_blob_dir *d, const char *owner);

/* Writing. UNIBUS_ERR_IO (a full disk, too), UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_blob_tmp_new(struct md_blob_dir *d, struct md_blob_tmp **ret);
UB_MUST_CHECK
ub_err md_blob_tmp_write(struct md_blob_tmp *t, struct ub_bytes piece);
/* Makes what was written durable. */
UB_MUST_CHECK
ub_err md_blob_tmp_sync(struct md_blob_tmp *t);
/* Gives it its name, durably; a file of that name is replaced. After an error it may have it. */
UB_MUST_CHECK
ub_err md_blob_tmp_keep(struct md_blob_tmp *t, const struct md_blob_name *name);
void md_blob_tmp_free(struct md_blob_tmp *t); /* removes it unless it was kept; NULL is nothing */
UB_DEFINE_CLEANUP(struct md_blob_tmp *, md_blob_tmp_free)

/* A descriptor to read from, the caller's, and the file's size. UNIBUS_ERR_NOT_FOUND,
 * UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err md_blob_dir_find(
	struct md_blob_dir *d, const struct md_blob_name *name, int *ret_fd, uint64_t *ret_size);
/* Removed already: UB_OK. UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err md_blob_dir_remove(struct md_blob_dir *d, const struct md_blob_name *name);
/* Calls fn for every file that has a name, in no order; fn may remove it. Stops at fn's first error
 * and returns it. UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_blob_dir_each(
	struct md_blob_dir *d, ub_err (*fn)(void *arg, const struct md_blob_name *name), void *arg);

#endif
