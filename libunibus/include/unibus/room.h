/* unibus/room.h: create, open, join, change and look at rooms.
 *
 * What a room handle says (members, policy, epoch) comes from the room's signed log, verified here
 * and kept on disk, never from the server's word. Changes are entries signed by this peer; when
 * another entry wins, the call rebases and tries again.
 *
 * A peer is named by handle or endpoint id, a room by subject or room id.
 *
 * Errors common to all: UNIBUS_ERR_DENIED and UNIBUS_ERR_NO_RIGHT (not yours to do),
 * UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_KEY_CHANGED, UNIBUS_ERR_ROLLBACK and UNIBUS_ERR_FORK (the
 * server contradicts what was seen), UNIBUS_ERR_NETWORK, UNIBUS_ERR_TIMEOUT, UNIBUS_ERR_REVOKED.
 *
 * Threads: any. */
#ifndef UNIBUS_ROOM_H
#define UNIBUS_ROOM_H

#include <unibus/client.h>

#ifdef __cplusplus
extern "C" {
#endif

enum unibus_role {
	UNIBUS_READER = 1,
	UNIBUS_MEMBER,
	UNIBUS_ADMIN,
	UNIBUS_OWNER,
};
enum unibus_history {
	UNIBUS_HISTORY_ALL = 0,
	UNIBUS_HISTORY_SINCE_JOIN,
};
struct unibus_policy {
	bool encrypt, persist, sign;
	enum unibus_history history;
	uint64_t retain_messages, retain_bytes, retain_seconds; /* 0: no limit of the room's own */
};

/* Creates a room owned by this peer and opens it. UNIBUS_ERR_SUBJECT_TAKEN,
 * UNIBUS_ERR_CLEARTEXT_REFUSED, UNIBUS_ERR_NOT_AVAILABLE, UNIBUS_ERR_LIMIT, UNIBUS_ERR_INVALID. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_create(unibus_client *client,
	const char *subject, const struct unibus_policy *policy, unibus_room **ret);
/* Opens a room that this peer was added to; joins it when it has not (the caller asked for it by
 * name). The first time, subject and room id are pinned together. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_open(
	unibus_client *client, const char *room, unibus_room **ret);
/* Gives the handle back; the room itself stays. Its subscriptions must be gone. */
UNIBUS_API void unibus_room_free(unibus_room *room);

/* Adds a peer. His key record is pinned at first sight; a different one later is
 * UNIBUS_ERR_KEY_CHANGED. `fingerprint` NULL, or what the peer himself told: any other key is then
 * refused. In an encrypted room he gets the key; he can read once his library has joined. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_invite(
	unibus_room *room, const char *peer, enum unibus_role role, const char *fingerprint);
/* Removes a peer; in an encrypted room the key is rotated in the same entry. `peer` revoked
 * already: the same. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_remove(
	unibus_room *room, const char *peer);
/* Leaves for good, as this peer's own entry in the log; the handle is still to be freed. The owner
 * hands the room over first (UNIBUS_ERR_NO_RIGHT). */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_leave(unibus_room *room);
/* UNIBUS_OWNER hands the room over; this peer becomes an admin. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_set_role(
	unibus_room *room, const char *peer, enum unibus_role role);
/* A new key for everybody who is in the room. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_rekey(unibus_room *room);
/* encrypt and sign may be switched on, never off; persist and history are not read. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_tighten(
	unibus_room *room, const struct unibus_policy *policy);
/* For good. The subject stays taken. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_close(unibus_room *room);

struct unibus_room_info {
	char id[44];
	char subject[129];
	struct unibus_policy policy;
	enum unibus_role role; /* this peer's; 0 when no longer in it */
	uint32_t epoch;        /* 0: not encrypted */
	uint64_t seq;          /* of the newest verified entry */
	size_t members;
	bool joined, closed, rotation_due;
};
/* From memory. */
UNIBUS_API void unibus_room_get_info(unibus_room *room, struct unibus_room_info *ret);
/* Fetches and verifies what the log has new. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_sync(unibus_room *room);

struct unibus_member {
	char endpoint[44];
	char handle[33]; /* pinned or looked up; "" when unknown */
	char fingerprint[50];
	char sign_pub[65];
	enum unibus_role role;
	uint64_t added_seq;
};
/* Calls fn for each member, by endpoint, from memory; stops when it returns false. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_members(
	unibus_room *room, bool (*fn)(void *arg, const struct unibus_member *member), void *arg);
struct unibus_log_line {
	uint64_t seq, ts_ms;
	char actor[44];
	const char *text;  /* a sentence */
	const char *entry; /* as signed */
};
/* Calls fn for each verified entry from `from` on, in words ("alice added bob as member"); stops
 * when it returns false. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_room_log(unibus_room *room, uint64_t from,
	bool (*fn)(void *arg, const struct unibus_log_line *line), void *arg);

/* Calls fn for each room this peer is in, as the server lists them (a hint: opening verifies). */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_rooms(unibus_client *client,
	bool (*fn)(void *arg, const struct unibus_room_info *room), void *arg);

/* After a person has compared: trust the key that `peer` has now. Without a fingerprint it is an
 * explicit acceptance of whatever the server shows. UNIBUS_ERR_KEY_CHANGED when it differs from
 * the fingerprint given. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_trust(
	unibus_client *client, const char *peer, const char *fingerprint);

#ifdef __cplusplus
}
#endif
#endif
