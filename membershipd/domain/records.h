/* records.h: the names and values of the store's records, one spelling each.
 *
 * Values are {"v":1,...}, read strictly; a room's entries are stored as their text. A value that
 * does not read is UNIBUS_ERR_BAD_FILE: somebody else wrote it.
 *
 * Threads: pure. Internal to domain/. */
#ifndef MD_RECORDS_H
#define MD_RECORDS_H

#include "core/buf.h"
#include "core/epochkey.h"
#include "core/limits.h"
#include "membershipd/store/store.h"

#define MD_KEY_ADMINS "d.admins"
#define MD_KEY_META "d.meta"
#define MD_KEY_SEALED "x.sealed."
#define MD_DIRECTORY_PREFIX "d."
#define MD_RECORD_MAX 1024      /* a value other than entries and sealed keys */
#define MD_SEALED_PER_PART 1000 /* about 250 bytes each: a part stays below 256 KiB */
#define MD_SEALED_PART_MAX (256 * 1024)
#define MD_SEALED_PARTS_MAX 8

struct md_key {
	char z[MD_KEY_MAX + 1];
};
void md_key_user(const struct ub_endpoint *id, struct md_key *ret);
void md_key_handle(struct ub_str handle, struct md_key *ret);   /* by H(lower-cased) */
void md_key_subject(struct ub_str subject, struct md_key *ret); /* by H(lower-cased) */
void md_key_entry(const struct ub_room_id *room, uint64_t seq, struct md_key *ret);
void md_key_join(const struct ub_room_id *room, const struct ub_endpoint *id, struct md_key *ret);
/* A blob is in a room by the SHA-256 of its bytes. */
void md_key_blob(const struct ub_room_id *room, const struct ub_hash *sha256, struct md_key *ret);
void md_key_keyrec(const struct ub_endpoint *id, struct md_key *ret);

/* Where a set of sealed keys lies: only the entry with that hash refers to it. */
struct md_set {
	struct ub_room_id room;
	uint64_t seq;
	struct ub_hash entry;
};
void md_key_sealed(const struct md_set *set, unsigned part, struct md_key *ret);

enum md_key_kind {
	MD_KIND_OTHER = 1, /* belongs to no directory: names claimed, nodes */
	MD_KIND_META,
	MD_KIND_ADMINS,
	MD_KIND_USER,
	MD_KIND_ENTRY,
	MD_KIND_JOIN,
	MD_KIND_BLOB,
	MD_KIND_SEALED,
};
struct md_key_parts {
	enum md_key_kind kind;
	struct ub_room_id room;
	struct ub_endpoint id;
	uint64_t seq;
	struct ub_hash entry;
	struct ub_hash blob; /* SHA-256 */
	unsigned part;
};
/* UNIBUS_ERR_BAD_FILE for a name that nobody of us writes. */
UB_MUST_CHECK
ub_err md_key_parse(const char *key, struct md_key_parts *ret);

struct md_rec_meta {
	uint8_t store_id[16];
	unsigned log_shards;
};
struct md_rec_user {
	struct ub_pubkey sign;
	char handle[UB_HANDLE_MAX + 1];
	bool admin, active;
	uint64_t created_ms, revoked_ms;
};
void md_rec_meta_put(const struct md_rec_meta *r, struct ub_buf *out);
UB_MUST_CHECK
ub_err md_rec_meta_get(struct ub_bytes value, struct md_rec_meta *ret);
void md_rec_admins_put(size_t active, struct ub_buf *out);
UB_MUST_CHECK
ub_err md_rec_admins_get(struct ub_bytes value, size_t *ret);
void md_rec_user_put(const struct md_rec_user *r, struct ub_buf *out);
UB_MUST_CHECK
ub_err md_rec_user_get(struct ub_bytes value, struct md_rec_user *ret);
/* A handle's owner, and a subject's. */
void md_rec_handle_put(const struct ub_endpoint *id, struct ub_buf *out);
UB_MUST_CHECK
ub_err md_rec_handle_get(struct ub_bytes value, struct ub_endpoint *ret);
void md_rec_subject_put(const struct ub_room_id *room, struct ub_buf *out);
UB_MUST_CHECK
ub_err md_rec_subject_get(struct ub_bytes value, struct ub_room_id *ret);
/* A join names the `add` it belongs to: one from before a removal is void by itself. */
void md_rec_join_put(uint64_t added_seq, struct ub_buf *out);
UB_MUST_CHECK
ub_err md_rec_join_get(struct ub_bytes value, uint64_t *ret);
struct md_rec_blob {
	struct ub_endpoint by; /* who uploaded it, and is charged */
	uint64_t size, at_ms;
};
void md_rec_blob_put(const struct md_rec_blob *r, struct ub_buf *out);
UB_MUST_CHECK
ub_err md_rec_blob_get(struct ub_bytes value, struct md_rec_blob *ret);
void md_rec_keyrec_put(struct ub_str text, struct ub_buf *out);
/* Appends the text. */
UB_MUST_CHECK
ub_err md_rec_keyrec_get(struct ub_bytes value, struct ub_buf *out);
/* One part of a set, sorted by endpoint. */
void md_rec_sealed_put(const struct ub_sealed *list, size_t n, struct ub_buf *out);
/* UNIBUS_ERR_NOT_FOUND when the part has none for `to`. */
UB_MUST_CHECK
ub_err md_rec_sealed_get(
	struct ub_bytes value, const struct ub_endpoint *to, uint8_t ret[UB_SEALED_LEN]);

#endif
