/* roomcache.h: the rooms that a client knows: verified log, keys, who was heard.
 *
 * A struct ub_croom lives as long as its client.
 *
 * Threads: any; each field says which lock guards it. */
#ifndef UB_CLIENT_ROOMCACHE_H
#define UB_CLIENT_ROOMCACHE_H

#include <pthread.h>

#include "client/beacon.h"
#include "client/client.h"
#include "client/hash.h"
#include "client/roomkeys.h"
#include "client/senders.h"
#include "client/targets.h"
#include "core/endpoint.h"
#include "core/roomhist.h"
#include "core/roomlog.h"
#include "core/subject.h"

struct ub_text {
	char *z; /* owned */
	size_t len;
	uint64_t seen_ms; /* our clock, when it was taken over */
};

struct unibus_sub;

struct ub_croom {
	UT_hash_handle hh; /* by id; the table's lock */
	struct ub_room_id id;
	char id_text[UB_ID_TEXT + 1];

	pthread_mutex_t change_lock; /* one change of ours at a time; taken before the others */
	pthread_mutex_t sync_lock;   /* one fetch of the log at a time */
	pthread_mutex_t pub_lock;    /* frames leave in the order of their numbers */

	pthread_mutex_t lock; /* guards: */
	struct ub_room state;
	struct ub_roomhist hist;
	struct ub_text *entries;
	size_t n_entries, cap_entries;
	struct ub_epoch_keys keys;
	struct ub_senders senders;
	struct ub_targets targets;
	struct ub_beacon beacon;
	struct ub_hash own_entry; /* the newest that we ourselves made: nothing to tell */
	uint64_t frame_seq;       /* of our newest frame */
	uint64_t due_since;       /* ub_mono_ms, when a rotation became due; 0: it is not */
	bool due_told;            /* the event was sent */
	bool hint_rotation;       /* the server says: a rotation is due */
	bool hint_removal;        /* likewise: a member's user was revoked */
	uint64_t ahead_at;        /* ub_mono_ms of the last fetch that a frame asked for */
	uint64_t key_at;          /* likewise of the last fetch of a key */
	bool seen_dirty;          /* replay windows are newer than their file */

	/* client->lock guards: */
	struct unibus_sub *subs;
	bool echoes;          /* something of ours waited for its echo: we listen for good */
	uint64_t newest;      /* the newest place of the history that was seen */
	struct ub_wire wire;  /* what a subscription needs */
	bool wire_known;      /* the log is known */
	bool writes;          /* this peer may publish */
	bool joined;          /* as the server said */
	bool out;             /* no longer in the room: left, removed */
	uint64_t grant;       /* links from this generation on have the rights */
	uint64_t grant_rev;   /* the store's revision of the join that grant stands for */
	uint64_t narrowed_at; /* ub_mono_ms when we heard that rights went */
	bool moving;          /* since then no connection was made */
	bool narrowed_known;  /* and what is left is known */
	uint64_t stamp;       /* client->stamp when we last joined or went out */
	uint64_t listen_ms;   /* our clock: there is a subscription since then */
	uint64_t invited_at;  /* the entry, plus 1, of the invitation that was told */
	uint64_t listed;      /* the last list that had it */
	bool want_sync;       /* for the chores */
	bool want_names;      /* likewise: somebody is in it whose name is not known */
	uint64_t names_at;    /* ub_mono_ms when names were last asked for; the chores' own */
	uint64_t rotate_at;   /* ub_mono_ms, for the chores; 0: not planned */
};

struct ub_rooms;

/* Loads every room of the state directory. UNIBUS_ERR_BAD_FILE, UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_rooms_load(unibus_client *c, struct ub_rooms **ret);
void ub_rooms_free(struct ub_rooms *rooms);
/* The room, made when unknown. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_rooms_get(struct ub_rooms *rooms, const struct ub_room_id *id, struct ub_croom **ret);
/* NULL when unknown. */
struct ub_croom *ub_rooms_find(struct ub_rooms *rooms, const struct ub_room_id *id);
/* Calls fn for each. fn may take any lock but must not add rooms. */
void ub_rooms_each(struct ub_rooms *rooms, void (*fn)(void *arg, struct ub_croom *r), void *arg);

/* Does anybody want what comes from the bus? client->lock must be held. */
bool ub_croom_listens(const struct ub_croom *r);

/* Verifies an entry and continues the room by it, in memory. r->lock must be held. Errors of
 * ub_entry_open and ub_room_apply. */
UB_MUST_CHECK
ub_err ub_croom_take(struct ub_croom *r, struct ub_str text, uint64_t seen_ms);

/* Refreshes what is derived from the log and guarded by client->lock: wire subject, membership.
 * A change of our own rights asks for a new link. No lock may be held. */
void ub_croom_derive(unibus_client *c, struct ub_croom *r);

/* Events of a room. */
struct ub_room_event {
	enum unibus_event_kind kind;
	ub_err err;
	const struct ub_endpoint *peer; /* or NULL */
	uint64_t count;
};
void ub_croom_event(unibus_client *c, struct ub_croom *r, const struct ub_room_event *ev,
	const char *fmt, ...) UB_PRINTF(4, 5);

#endif
