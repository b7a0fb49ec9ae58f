/* blob.h: files too large for a message: how their bytes are sealed, and the message that names
 * one.
 *
 *   stored = header[24] ‖ chunk ... ‖ chunk        each chunk: content of at most 64 KiB + 17 bytes
 *
 * Every chunk but the last has exactly 64 KiB of content; the last one is marked as such and has at
 * least a byte, unless the whole is empty. So any content has one length stored, and a blob that
 * was cut, prolonged or put in another order does not open.
 *
 * Threads: pure. Source: PROTOCOL.md section 5.3. */
#ifndef UB_BLOB_H
#define UB_BLOB_H

#include <sodium.h>

#include "core/base.h"
#include "core/buf.h"
#include "core/limits.h"

#define UB_BLOB_HEADER 24
#define UB_BLOB_CHUNK (64 * 1024)
#define UB_BLOB_OVER 17 /* what a chunk has beside its content */

/* Bytes stored for `len` of content. */
uint64_t ub_blob_stored_len(uint64_t len);
/* The other way round. UNIBUS_ERR_CORRUPT when no content gives that many. */
UB_MUST_CHECK
ub_err ub_blob_content_len(uint64_t stored, uint64_t *ret);

/* Sealing and opening, chunk by chunk from the first to the last. */
struct ub_blob_stream {
	crypto_secretstream_xchacha20poly1305_state st;
	struct ub_room_id room;
	bool ended; /* the last chunk went through, or one that was wrong */
};
/* Sealing takes 24 fresh random bytes as the header; opening those stored. */
void ub_blob_stream_init(struct ub_blob_stream *s, const struct ub_symkey *key,
	const struct ub_room_id *room, const uint8_t header[UB_BLOB_HEADER]);
void ub_blob_stream_wipe(struct ub_blob_stream *s);
/* Writes content.len + UB_BLOB_OVER bytes. */
void ub_blob_seal_chunk(struct ub_blob_stream *s, struct ub_bytes content, bool last, uint8_t *to);
/* Writes sealed.len - UB_BLOB_OVER bytes. UNIBUS_ERR_CORRUPT: not the next chunk, or not the last
 * one where that is expected; `to` then holds nothing of use, and nothing more is opened. */
UB_MUST_CHECK
ub_err ub_blob_open_chunk(struct ub_blob_stream *s, struct ub_bytes sealed, bool last, uint8_t *to);

/* The message: {"hash":hex,"size":n,"name":text,"type":text[,"key":b64u]}. */
struct ub_blob_ref {
	struct ub_hash sha256; /* of the bytes stored */
	uint64_t size;         /* of them */
	char name[UB_BLOB_NAME_MAX + 1];
	char type[UB_MEDIA_TYPE_MAX + 1];
	bool sealed; /* there is a key; else what is stored is the content */
	struct ub_symkey key;
};
void ub_blob_ref_wipe(struct ub_blob_ref *r);
/* A name as a person may be shown it: no path ("/", "\\", ".", ".."), no control characters, valid
 * UTF-8, 1 to UB_BLOB_NAME_MAX bytes. UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err ub_blob_name_check(struct ub_str name);
/* UNIBUS_ERR_INVALID. Like a frame's media type, and not empty. */
UB_MUST_CHECK
ub_err ub_blob_type_check(struct ub_str type);
/* Name and type were checked. UNIBUS_ERR_NOMEM is latched. */
void ub_blob_ref_put(const struct ub_blob_ref *r, struct ub_buf *out);
/* What others wrote: UNIBUS_ERR_CORRUPT for anything but exactly that; UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_blob_ref_get(struct ub_str text, struct ub_blob_ref *ret);

#endif
