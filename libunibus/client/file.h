/* file.h: whole files, read with a limit and written so that a crash leaves the old one or the
 * new one, never half of one.
 *
 * Threads: any, on different paths. */
#ifndef UB_CLIENT_FILE_H
#define UB_CLIENT_FILE_H

#include "core/base.h"
#include "core/buf.h"

/* Appends the file to *out. UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_INSECURE_FILE (`secret`, and group or
 * others have any right to it), UNIBUS_ERR_BAD_FILE (no regular file, or more than out->max),
 * UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_file_read(const char *path, bool secret, struct ub_buf *out);

/* Makes the file, mode 0600, unless the path exists (UNIBUS_ERR_EXISTS). UNIBUS_ERR_IO,
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_file_create(const char *path, const void *p, size_t len);

/* Makes or replaces the file, mode 0600: temporary file, fsync, rename, fsync of the folder.
 * UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_file_replace(const char *path, const void *p, size_t len);

/* Makes the folder and its parents, mode 0700, where missing. UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_dir_make(const char *path);

#endif
