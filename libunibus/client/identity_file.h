/* identity_file.h: the identity file: a flat JSON object of four base64 texts, mode 0600.
 *
 * Threads: any. */
#ifndef UB_CLIENT_IDENTITY_FILE_H
#define UB_CLIENT_IDENTITY_FILE_H

#include "client/identity.h"

/* Never overwrites: UNIBUS_ERR_EXISTS. The file appears whole or not at all. UNIBUS_ERR_IO,
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_identity_file_create(const char *path, const unibus_identity *id);

/* UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_INSECURE_FILE, UNIBUS_ERR_BAD_FILE (form, or halves that do not
 * belong together), UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. The caller wipes *ret. */
UB_MUST_CHECK
ub_err ub_identity_file_read(const char *path, struct ub_identity_keys *ret);

/* The text of the file, parsed and checked. UNIBUS_ERR_BAD_FILE. */
UB_MUST_CHECK
ub_err ub_identity_parse(struct ub_str text, struct ub_identity_keys *ret);

#endif
