/* digest_map.h: uthash for keys that are digests already, and for which memory may run out.
 *
 * A key's first four bytes are its hash: endpoint ids, room ids and keyed hashes are uniform, and
 * whoever could choose a key freely (a nonce, an address) is hashed under a secret first. After a
 * HASH_ADD look at hh.tbl: NULL means that there was no memory and nothing was added.
 *
 * Threads: as the table's owner says. Internal to domain/. */
#ifndef MD_DIGEST_MAP_H
#define MD_DIGEST_MAP_H

#include "core/base.h"

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(keyptr, keylen, hashv) memcpy(&(hashv), (keyptr), sizeof(hashv))
#include <uthash.h>

#endif
