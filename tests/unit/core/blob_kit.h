/* blob_kit.h: whole blobs in memory, and what a hostile store could make of one.
 *
 * Threads: test code, one thread. Failures abort. */
#ifndef UB_TEST_BLOB_KIT_H
#define UB_TEST_BLOB_KIT_H

#include <string.h>

#include "core/blob.h"
#include "core/key.h"

#define SEALED_CHUNK (UB_BLOB_CHUNK + UB_BLOB_OVER)

struct kit_blob {
	struct ub_symkey key;
	struct ub_room_id room;
	uint8_t header[UB_BLOB_HEADER];
	uint8_t *p; /* stored; sized exactly */
	size_t len;
};

/* Content that differs from chunk to chunk. */
static inline uint8_t kit_content(size_t i)
{
	return (uint8_t)(i + (i >> 8) + (i >> 16));
}

static inline void kit_blob_fill(struct kit_blob *b, const void *p, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	ub_assert(copy);
	if (len)
		memcpy(copy, p, len);
	free(b->p);
	b->p = copy;
	b->len = len;
}

static inline void kit_blob_seal(struct kit_blob *b, size_t len)
{
	struct ub_blob_stream s;
	uint8_t piece[UB_BLOB_CHUNK];
	size_t at = 0, to = UB_BLOB_HEADER;

	b->len = (size_t)ub_blob_stored_len(len);
	b->p = malloc(b->len);
	ub_assert(b->p);
	memcpy(b->p, b->header, UB_BLOB_HEADER);
	ub_blob_stream_init(&s, &b->key, &b->room, b->header);
	do {
		size_t n = len - at < UB_BLOB_CHUNK ? len - at : UB_BLOB_CHUNK;

		for (size_t i = 0; i < n; i++)
			piece[i] = kit_content(at + i);
		at += n;
		ub_blob_seal_chunk(&s, (struct ub_bytes){piece, n}, at == len, b->p + to);
		to += n + UB_BLOB_OVER;
	} while (at < len);
	ub_assert(to == b->len);
}

/* Opens it as a reader does; content that is not what was sealed aborts. */
static inline ub_err kit_blob_open(const struct kit_blob *b, uint64_t *ret_len)
{
	struct ub_blob_stream s;
	uint8_t *piece = malloc(UB_BLOB_CHUNK);
	size_t at = UB_BLOB_HEADER;
	uint64_t done = 0;
	ub_err e = ub_blob_content_len(b->len, ret_len);

	if (!e)
		ub_blob_stream_init(&s, &b->key, &b->room, b->p);
	while (!e && at < b->len) {
		size_t n = b->len - at < SEALED_CHUNK ? b->len - at : SEALED_CHUNK;

		e = ub_blob_open_chunk(
			&s, (struct ub_bytes){b->p + at, n}, at + n == b->len, piece);
		for (size_t i = 0; !e && i < n - UB_BLOB_OVER; i++)
			ub_assert(piece[i] == kit_content(done + i));
		at += n;
		done += n - UB_BLOB_OVER;
	}
	free(piece);
	return e;
}

static inline uint8_t *kit_chunk(const struct kit_blob *b, size_t i)
{
	return b->p + UB_BLOB_HEADER + i * SEALED_CHUNK;
}

/* {"op":"flip","at":n} | {"op":"cut","at":n} | {"op":"swap"} (chunks 0 and 1) | {"op":"drop"}
 * (chunk 0) | {"op":"repeat"} (the last full chunk, once more at the end) | {"op":"key"} |
 * {"op":"room"} | {"op":"append"} (a byte) */
static inline void kit_blob_spoil(struct kit_blob *b, const char *op, size_t at)
{
	uint8_t *copy = malloc(b->len + SEALED_CHUNK);
	size_t len = b->len;

	memcpy(copy, b->p, len);
	if (strcmp(op, "flip") == 0) {
		copy[at] ^= 1;
	} else if (strcmp(op, "cut") == 0) {
		len = at;
	} else if (strcmp(op, "swap") == 0) {
		memcpy(copy + UB_BLOB_HEADER, kit_chunk(b, 1), SEALED_CHUNK);
		memcpy(copy + UB_BLOB_HEADER + SEALED_CHUNK, kit_chunk(b, 0), SEALED_CHUNK);
	} else if (strcmp(op, "drop") == 0) {
		len -= SEALED_CHUNK;
		memcpy(copy + UB_BLOB_HEADER, kit_chunk(b, 1), len - UB_BLOB_HEADER);
	} else if (strcmp(op, "repeat") == 0) {
		memcpy(copy + len, kit_chunk(b, 0), SEALED_CHUNK);
		len += SEALED_CHUNK;
	} else if (strcmp(op, "append") == 0) {
		copy[len++] = 0;
	} else if (strcmp(op, "key") == 0) {
		b->key.b[0] ^= 1;
	} else {
		ub_assert(strcmp(op, "room") == 0);
		b->room.b[31] ^= 1;
	}
	kit_blob_fill(b, copy, len);
	free(copy);
}

#endif
