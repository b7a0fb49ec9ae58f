/* unibus/blob.h: files in a room: up to 16 MiB, beside the messages that name them.
 *
 * A file is stored with the control plane, found by the hash of what is stored, and given to the
 * room's members until the room is closed. In an encrypted room it is encrypted here, under a key
 * of its own that travels inside the message: the control plane has neither the key nor the name.
 * In other rooms it is stored as it is. The hash is checked by whoever gets it.
 *
 * Messages that name a file have the media type UNIBUS_BLOB_TYPE; in a plain room (where messages
 * have no type) the message is the same JSON.
 *
 * Threads: any. A progress callback comes on the thread of the call that it was given to. */
#ifndef UNIBUS_BLOB_H
#define UNIBUS_BLOB_H

#include <unibus/message.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UNIBUS_BLOB_TYPE "application/vnd.unibus.blob+json"

/* Bytes moved so far and in all; false ends the call with UNIBUS_ERR_CANCELLED. Called often. */
typedef bool (*unibus_progress_fn)(void *arg, uint64_t done, uint64_t total);

struct unibus_blob_source {
	const char *file; /* its path; or NULL, and `read`: */
	/* Up to `len` of the next bytes; *ret_len 0 is the end. An error ends the call with it. */
	enum unibus_err (*read)(void *arg, void *to, size_t len, size_t *ret_len);
	void *read_arg;
	/* Shown to people: 1 to 255 bytes of UTF-8, no path, no control characters. NULL: the last
	 * component of `file`. */
	const char *name;
	const char *media_type;      /* NULL: application/octet-stream */
	const char *thread;          /* ref or NULL */
	const char *reply;           /* ref or NULL */
	unibus_progress_fn progress; /* or NULL */
	void *progress_arg;
};
/* Stores a file in the room and publishes the message that names it; `ref` (may be NULL) names the
 * message, as in unibus_publish. The options' timeout is how long it may stand still. Files are
 * held in memory meanwhile.
 *
 * Beside the errors of unibus_publish: UNIBUS_ERR_TOO_LARGE (more than 16 MiB once encrypted, or
 * than the server takes), UNIBUS_ERR_LIMIT (this peer's or the room's share of storage is used up),
 * UNIBUS_ERR_INVALID (name, media type, no source), UNIBUS_ERR_NOT_FOUND and UNIBUS_ERR_IO (the
 * file), UNIBUS_ERR_CANCELLED, UNIBUS_ERR_CONFLICT (the room was switched to encryption meanwhile:
 * send it again). */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_blob_put(
	unibus_room *room, const struct unibus_blob_source *source, unibus_ref ref);

struct unibus_blob_info {
	char hash[65];        /* SHA-256 of what is stored, hexadecimal */
	uint64_t size;        /* of the file, bytes */
	uint64_t stored;      /* of what is stored */
	char name[256];       /* its sender's words: fit to be shown, never a path */
	char media_type[128]; /* likewise */
	bool encrypted;
};
/* Reads the message that names a file: `data` and `len` of a struct unibus_msg. UNIBUS_ERR_CORRUPT
 * for whatever is not exactly one. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_blob_parse(
	const void *data, size_t len, struct unibus_blob_info *ret);

struct unibus_blob_target {
	const char *file; /* the caller's choice; the sender's name for it is not looked at */
	unibus_progress_fn progress; /* or NULL */
	void *progress_arg;
};
/* Fetches the file that the message names, checks it and writes it to target->file, mode 0600,
 * which must not exist (UNIBUS_ERR_EXISTS). It appears whole or not at all: meanwhile what came is
 * in
 * "<file>.<hash>.part", from which the next call goes on; UNIBUS_ERR_LOCKED when another one is at
 * it.
 *
 * UNIBUS_ERR_CORRUPT (the message, or what is stored is not what it names), UNIBUS_ERR_NOT_FOUND
 * (not in the room any more, or this peer is not), UNIBUS_ERR_IO, UNIBUS_ERR_NETWORK,
 * UNIBUS_ERR_TIMEOUT (it stood still for so long), UNIBUS_ERR_TLS, UNIBUS_ERR_CANCELLED,
 * UNIBUS_ERR_REVOKED, UNIBUS_ERR_INVALID. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_blob_get(
	unibus_room *room, const void *data, size_t len, const struct unibus_blob_target *target);

#ifdef __cplusplus
}
#endif
#endif
