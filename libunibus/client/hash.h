/* hash.h: uthash, told not to exit() when memory is short (an element that could not be added has
 * hh.tbl NULL), and to use a hash function that clang does not warn about.
 *
 * Threads: as the table's owner says. */
#ifndef UB_CLIENT_HASH_H
#define UB_CLIENT_HASH_H

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>

#endif
