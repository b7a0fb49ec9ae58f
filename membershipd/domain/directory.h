/* directory.h: all control state derived in memory, fed only by the store's follow.
 *
 * A membership *counts* while its member's user is active and the entry that added it came after
 * the user's registration. Both are told by the revisions of the records: an active user's record
 * is written once, when it is registered, and an entry's never again; so a key registered anew
 * after a revocation is in no room until an entry adds it again. (Hence whoever copies a store must
 * write its records in the order of their revisions.) A join counts while it names the member's
 * latest `add`.
 *
 * Threads: readers hold the lock, taken by md_directory_read, for moments and do no I/O; only the
 * follow callbacks write. Internal to domain/. */
#ifndef MD_DIRECTORY_H
#define MD_DIRECTORY_H

#include <pthread.h>

#include "core/roomlog.h"
#include "membershipd/domain/digest_map.h"
#include "membershipd/domain/outbox.h"
#include "membershipd/store/store.h"

struct md_link { /* one membership */
	struct md_dir_room *room;
	struct md_dir_user *user;
	uint64_t added_seq, added_rev; /* the latest add */
	uint64_t join_rev;             /* of the join record for that add; 0: not joined */
	bool counted;                  /* as md_link_counts said when it was last looked at */
};

struct md_dir_blob; /* directory_blob.h */

struct md_dir_user {
	struct ub_endpoint id;
	struct ub_pubkey sign;
	char handle[UB_HANDLE_MAX + 1];
	bool known; /* false: named by a room only, its record is still to come */
	bool admin, active;
	uint64_t created_ms, revoked_ms;
	uint64_t rev;           /* of the user's record: while active, of its registration */
	uint64_t lost_rev;      /* the latest record that took something away from it */
	uint64_t blob_bytes;    /* charged for what it uploaded to open rooms */
	struct md_link **links; /* sorted by room id */
	size_t n_links, cap_links;
	UT_hash_handle hh;
};

struct md_dir_room {
	struct ub_room st;
	struct md_link **links; /* in step with st.members */
	uint64_t *epochs;       /* [n - 1]: the entry that brought epoch n */
	size_t n_epochs;
	uint64_t epoch_rev; /* of the newest epoch's entry */
	uint64_t void_rev;  /* the newest user record that made a membership here void */
	size_t n_void;      /* memberships that do not count */
	struct md_dir_blob *blobs;
	uint64_t blob_bytes;
	UT_hash_handle hh;
};

struct md_directory {
	pthread_rwlock_t lock;
	struct md_dir_user *users;
	struct md_dir_room *rooms;
	struct md_dir_user **by_handle; /* the known ones, sorted; built once caught up */
	size_t n_handles, cap_handles;
	size_t n_admins;     /* active ones */
	uint64_t admins_rev; /* of d.admins; 0: absent */
	size_t n_dead_blobs; /* in closed rooms: records to be removed */
	uint8_t secret[16];  /* for md_blob_mark */
	uint64_t rev;        /* the store's after what was taken in */
	uint64_t seen;       /* the newest record's: one sent again is nothing new */
	bool live;           /* caught up once: changes are events from now on */
	bool current;        /* the store vouches */
	ub_err broken;       /* a record made no sense, or no memory: nothing is vouched for */
};

void md_directory_init(struct md_directory *d);
void md_directory_deinit(struct md_directory *d);

/* Takes in records (all of whole commits once live) and puts the events they cause into *out. On
 * an error the directory is broken for good. */
void md_directory_feed(struct md_directory *d, const struct md_record *recs, size_t n, uint64_t rev,
	struct md_outbox *out);
void md_directory_caught_up(struct md_directory *d, uint64_t rev);
void md_directory_lost(struct md_directory *d);
/* Something that must not be lost was: nothing is vouched for any more. */
void md_directory_break(struct md_directory *d, ub_err why);

/* Readers look at nothing before they have asked md_directory_vouches, and do not nest.
 * UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir); */
const struct md_directory *md_directory_read(struct md_directory *d);
void md_directory_done(const struct md_directory *const *d);

/* ---- under the lock ---- */

bool md_directory_vouches(const struct md_directory *d);
/* NULL when unknown. */
struct md_dir_user *md_dir_user_find(const struct md_directory *d, const struct ub_endpoint *id);
struct md_dir_room *md_dir_room_find(const struct md_directory *d, const struct ub_room_id *id);
/* The place of the first handle >= `handle`. */
size_t md_dir_handle_place(const struct md_directory *d, struct ub_str handle);
/* The membership, counted or not; NULL when not in the room. */
struct md_link *md_dir_link(const struct md_dir_room *room, const struct ub_endpoint *id);
bool md_link_counts(const struct md_link *l);
bool md_link_joined(const struct md_link *l); /* counts, and has joined an open room */
const struct ub_member *md_link_member(const struct md_link *l);
/* Open rooms that the user has joined, and that it owns; memberships that count. */
size_t md_dir_user_joined(const struct md_dir_user *u);
size_t md_dir_user_owned(const struct md_dir_user *u);

/* ---- the parts of feeding, by record kind: directory_user.c, directory_room.c (and
 * directory_blob.h) ---- */

struct md_rec_user;
struct ub_entry;
/* The user of that id, made when it is not there. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_dir_user_make(
	struct md_directory *d, const struct ub_endpoint *id, struct md_dir_user **ret);
/* A room of that id, not there yet. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_dir_room_make(
	struct md_directory *d, const struct ub_room_id *id, struct md_dir_room **ret);
/* The entry that brought the room's next epoch. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_dir_epoch_push(struct md_dir_room *room, uint64_t seq);
UB_MUST_CHECK
ub_err md_dir_put_user(struct md_directory *d, uint64_t rev, const struct ub_endpoint *id,
	const struct md_rec_user *r, struct md_outbox *out);
UB_MUST_CHECK
ub_err md_dir_put_entry(
	struct md_directory *d, uint64_t rev, const struct ub_entry *e, struct md_outbox *out);
void md_dir_put_join(struct md_dir_room *room, uint64_t rev, const struct ub_endpoint *id,
	const uint64_t *added_seq /* NULL: deleted */, struct md_outbox *out);
/* Looks anew at whether the membership counts. */
void md_link_refresh(struct md_link *l);
UB_MUST_CHECK
ub_err md_dir_handles_build(struct md_directory *d);

#endif
