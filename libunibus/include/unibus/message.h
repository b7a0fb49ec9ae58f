/* unibus/message.h: publish and subscribe.
 *
 * Threads: publishing from any thread. A subscription's callback comes on a library thread, one
 * message at a time per client; what it points to is valid during the call only. */
#ifndef UNIBUS_MESSAGE_H
#define UNIBUS_MESSAGE_H

#include <unibus/room.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct unibus_sub unibus_sub;

enum unibus_kind {
	UNIBUS_MESSAGE = 1,
	UNIBUS_REACT,
	UNIBUS_EDIT,
	UNIBUS_REDACT,
	UNIBUS_REQUEST,
	UNIBUS_RESPONSE,
	UNIBUS_TYPING,
	UNIBUS_RECEIPT,
	UNIBUS_BEACON,
};

/* Names a message in its room: 22 characters, from room, sender and id. */
#define UNIBUS_REF_TEXT 22
typedef char unibus_ref[UNIBUS_REF_TEXT + 1];

struct unibus_msg {
	unibus_room *room;
	enum unibus_kind kind;
	const char *ref;        /* NULL in plain rooms */
	const char *id;         /* ULID text; NULL in plain rooms */
	const char *thread;     /* ref of the thread's first message, or NULL */
	const char *reply;      /* ref of what it answers, changes or reacts to, or NULL */
	const char *sender;     /* endpoint; NULL in plain rooms */
	const char *handle;     /* the sender's, "" when unknown */
	const char *media_type; /* "" is UTF-8 text */
	const void *data;
	size_t len;
	uint64_t ts_ms; /* the sender's clock, from the id; in plain rooms ours */
	uint64_t session, seq;
	uint64_t room_seq; /* the log entry the sender went by */
	uint64_t position; /* in the room's history; 0 when it is not kept */
	bool repeated;     /* see struct unibus_subscription */
	uint32_t epoch;
	bool encrypted;
	bool verified; /* signed, and the signature verified; false: the broker's word only */
	/* The sender's when he sent it; of a live message the lower of then and now. 0 in plain
	 * rooms. */
	enum unibus_role role;
	/* An edit is for the sender of its target, a redaction for him and the room's admins; those
	 * of others are dropped (POLICY_VIOLATION). False: this client has not seen the target (or
	 * no longer remembers it); compare its sender with this one before heeding it. */
	bool permitted;
};
typedef void (*unibus_msg_fn)(void *arg, const struct unibus_msg *msg);

struct unibus_publish {
	enum unibus_kind kind;  /* 0: UNIBUS_MESSAGE */
	const char *media_type; /* NULL or "": UTF-8 text */
	const void *data;
	size_t len;         /* at most 64 KiB */
	const char *thread; /* ref or NULL */
	const char *reply;  /* ref or NULL */
};
/* Sends one message to the room. Returns when it is handed to the connection (see unibus_flush);
 * `ref` may be NULL. UNIBUS_ERR_NO_RIGHT (a reader), UNIBUS_ERR_NOT_JOINED, UNIBUS_ERR_TOO_LARGE,
 * UNIBUS_ERR_ROTATION_DUE, UNIBUS_ERR_ROOM_CLOSED, UNIBUS_ERR_NETWORK (no connection within the
 * timeout), UNIBUS_ERR_REVOKED, UNIBUS_ERR_CLOSED. Plain rooms take kind 0 without thread, reply
 * and media type only (UNIBUS_ERR_INVALID). */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_publish(
	unibus_room *room, const struct unibus_publish *p, unibus_ref ref);
/* The same for UTF-8 text. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_publish_text(
	unibus_room *room, const char *text);
/* A reaction ("+1", an emoji), another text in its place, and taking it back. `target` names the
 * message. UNIBUS_ERR_NO_RIGHT: it is somebody else's (an admin of the room may redact). */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_react(
	unibus_room *room, const char *target, const char *reaction);
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_edit(
	unibus_room *room, const char *target, const char *text);
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_redact(unibus_room *room, const char *target);
/* Says that this peer is writing: again every few seconds while he is. Never kept. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_typing(unibus_room *room);
/* Waits until the server has taken everything published so far. UNIBUS_ERR_NETWORK also when a
 * connection was lost with messages of which that is not known. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_flush(
	unibus_client *client, unsigned timeout_ms);

/* What is known of a message that was kept. */
struct unibus_ack {
	uint64_t position; /* in the room's history */
	unibus_ref ref;    /* "" in plain rooms */
};
/* In a persisted room: sends, and waits until the own frame came back with its place in the
 * history. Not echoed in time it is looked for there, and sent again under the same duplicate id,
 * until `timeout_ms`: UNIBUS_ERR_OUTCOME_UNKNOWN then (it may still have been kept). In other rooms
 * the same as unibus_publish and unibus_flush, with position 0. `ret` may be NULL. Errors as
 * unibus_publish. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_publish_wait(unibus_room *room,
	const struct unibus_publish *p, unsigned timeout_ms, struct unibus_ack *ret);
#define UNIBUS_PUBLISH_WINDOW 256
typedef void (*unibus_ack_fn)(void *arg, enum unibus_err err, const struct unibus_ack *ack);
/* The same without waiting: `fn` comes once, on a library thread, in no promised order; `ack` is
 * NULL unless `err` is UNIBUS_OK. It is sent again for up to 110 s, then
 * UNIBUS_ERR_OUTCOME_UNKNOWN. At most UNIBUS_PUBLISH_WINDOW are under way in a client: then this
 * call blocks up to the client's timeout (back-pressure; UNIBUS_ERR_TIMEOUT, nothing was sent).
 * Inside a callback of the library it never blocks for that: UNIBUS_ERR_SLOW_DOWN. Calls still open
 * at unibus_close end with UNIBUS_ERR_CLOSED, inside it. In other rooms `fn` only says that the
 * connection has taken it. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_publish_async(
	unibus_room *room, const struct unibus_publish *p, unibus_ack_fn fn, void *arg);

/* Where a subscription starts. All but UNIBUS_LIVE need a persisted room (UNIBUS_ERR_INVALID). */
enum unibus_start {
	UNIBUS_LIVE = 0, /* from now on */
	UNIBUS_LAST,     /* the newest `last` messages, then live */
	UNIBUS_ALL,      /* everything this peer may read, then live */
	UNIBUS_AFTER,    /* what follows position `after`, then live */
	UNIBUS_DURABLE,  /* what follows the position kept under the name `durable` on disk */
};
struct unibus_subscription {
	unibus_msg_fn fn;
	void *arg;
	enum unibus_start start;
	uint64_t last;  /* UNIBUS_LAST: 1 to 100,000 */
	uint64_t after; /* UNIBUS_AFTER */
	/* UNIBUS_DURABLE: 1 to 64 of [A-Za-z0-9_-]; a new name starts at the beginning, and one
	 * subscription at a time uses it (UNIBUS_ERR_LOCKED). What comes next is noted before fn is
	 * called and when it has returned: only the message that fn had in hand when the process
	 * was killed comes again, with `repeated` set. Who keeps the positions of messages with
	 * what he does with them knows whether he was through with it. */
	const char *durable;
	/* May be NULL: called once, when what was there at the start has been delivered. */
	void (*caught_up)(void *arg);
};
/* Messages of the room, each once, in the order of its history (persisted rooms) or as they come.
 * Gaps are filled from the history before anything later is delivered. Returns when the server has
 * taken the subscription. Survives reconnects, kicks, rekeys and new grants by itself; ends when
 * this peer leaves, is removed or revoked (events and state tell). Frames that fail a check are
 * dropped, counted and reported as UNIBUS_EVENT_BAD_FRAME. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_subscribe_from(
	unibus_room *room, const struct unibus_subscription *s, unibus_sub **ret);
/* From now on. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_subscribe(
	unibus_room *room, unibus_msg_fn fn, void *arg, unibus_sub **ret);
/* Typing, receipts and the admins' beacons, too; off at first. */
UNIBUS_API void unibus_sub_signals(unibus_sub *sub, bool on);
/* Ends it and frees it; waits for a running callback unless called from it. */
UNIBUS_API void unibus_unsubscribe(unibus_sub *sub);

/* One page of a persisted room's history, for user interfaces: up to `limit` (1 to 1,000) messages
 * before position `before` (0: from the end), oldest first, on the calling thread. fn may return
 * false to stop. UNIBUS_ERR_INVALID (a room that keeps nothing), UNIBUS_ERR_DENIED,
 * UNIBUS_ERR_UNAVAILABLE, UNIBUS_ERR_NETWORK. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_history(unibus_room *room, uint64_t before,
	unsigned limit, bool (*fn)(void *arg, const struct unibus_msg *msg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
