/* conn_map.h: uthash for connections, peers and rooms, for which memory may run out.
 *
 * After a HASH_ADD look at hh.tbl: NULL means that there was no memory and nothing was added.
 *
 * Threads: as the table's owner says. */
#ifndef MD_CONN_MAP_H
#define MD_CONN_MAP_H

#include "core/base.h"

/* FNV-1a: the keys are server ids, client ids that servers number, and digests; nobody can choose
 * many that collide. */
static inline unsigned md_conn_hash(const void *key, size_t len)
{
	const uint8_t *p = key;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = md_conn_hash((keyptr), (keylen)))
#include <uthash.h>

#endif
