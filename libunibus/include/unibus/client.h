/* unibus/client.h: options, connection, state, events, statistics.
 *
 * Threads: options are used by one thread at a time. A client may be used by any number of threads;
 * callbacks come on a library thread (or in unibus_process: see own_loop), one at a time per
 * client, and must not block for long nor call unibus_close. After fork() the child must not use a
 * client: every call is UNIBUS_ERR_FORKED_PROCESS (those without an error do nothing), and so is
 * unibus_connect when the parent had a client: nats.c's process-wide threads, opened once at the
 * first unibus_connect, stayed with the parent. The child may exec or exit. */
#ifndef UNIBUS_CLIENT_H
#define UNIBUS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <unibus/error.h>
#include <unibus/identity.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct unibus_options unibus_options;
typedef struct unibus_client unibus_client;
typedef struct unibus_room unibus_room;

enum unibus_state {
	UNIBUS_CONNECTING = 1, /* first connection under way, or the last one ended */
	UNIBUS_CONNECTED,
	UNIBUS_REVOKED, /* for good: the control plane said that this key is revoked */
	UNIBUS_STOPPED, /* for good: unibus_close, or the key is not registered */
};
/* `why` is UNIBUS_OK or the reason of a disconnect: UNIBUS_ERR_DISCONNECTED (the server closed it),
 * UNIBUS_ERR_EXPIRED, UNIBUS_ERR_NETWORK, UNIBUS_ERR_REVOKED, UNIBUS_ERR_UNKNOWN_KEY. */
typedef void (*unibus_state_fn)(
	void *arg, unibus_client *client, enum unibus_state state, enum unibus_err why);

enum unibus_event_kind {
	UNIBUS_EVENT_ROOM = 1,    /* the verified log of `room` grew; detail says by what */
	UNIBUS_EVENT_INVITED,     /* added to `room` by `peer`; joined already when he is pinned */
	UNIBUS_EVENT_REMOVED,     /* no longer in `room` */
	UNIBUS_EVENT_KEY_CHANGED, /* a pinned key of `peer` differs: a person must decide */
	UNIBUS_EVENT_ROLLBACK,    /* the server shows less of `room` than it did */
	UNIBUS_EVENT_FORK,        /* another member saw another history of `room` (named: `peer`) */
	UNIBUS_EVENT_EQUIVOCATION, /* `peer` sent two different frames under one number */
	UNIBUS_EVENT_MISSING,      /* `count` frames of `peer` did not arrive */
	UNIBUS_EVENT_ROTATION_DUE, /* the key of `room` should be rotated; an admin's client does it
				    */
	UNIBUS_EVENT_BAD_FRAME,    /* a frame was dropped; `err` says why */
	UNIBUS_EVENT_STALE,        /* sending, with no sign of an admin of `room` for an hour */
	UNIBUS_EVENT_UNANSWERED,   /* an answer to a request could not be sent; `err` says why */
};
struct unibus_event {
	enum unibus_event_kind kind;
	enum unibus_err err;
	const char *room_id; /* 43 characters, NULL when of no room */
	const char *subject; /* the room's, or NULL */
	const char *peer;    /* endpoint, or NULL */
	const char *detail;  /* a sentence; never NULL */
	uint64_t count;
};
typedef void (*unibus_event_fn)(void *arg, unibus_client *client, const struct unibus_event *event);

/* Zeroed defaults: control http://127.0.0.1:8470, NATS nats://127.0.0.1:4250, 10 s timeouts. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_options_new(unibus_options **ret);
/* Clients made with them keep their own copy. */
UNIBUS_API void unibus_options_free(unibus_options *o);
/* Takes UNIBUS_IDENTITY, UNIBUS_CTRL_URLS, UNIBUS_NATS_URLS, UNIBUS_CA, UNIBUS_STATE_DIR where set
 * and not empty. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_options_from_env(unibus_options *o);
/* Who connects; copied. There is no client without one. UNIBUS_ERR_NOMEM. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_options_set_identity(
	unibus_options *o, const unibus_identity *id);
/* One URL or several with commas; the first call replaces the default, later ones add. At most 16.
 * UNIBUS_ERR_INVALID when it is no http(s) or nats/tls URL. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_options_add_ctrl(
	unibus_options *o, const char *urls);
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_options_add_nats(
	unibus_options *o, const char *urls);
/* PEM file of the bus CA: the only trust root on both planes. With it http:// and plain nats://
 * are refused (UNIBUS_ERR_TLS at connect). */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_options_set_ca(
	unibus_options *o, const char *file);
/* Where verified logs and pins are kept. Default $XDG_STATE_HOME/unibus/<endpoint>. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_options_set_state_dir(
	unibus_options *o, const char *dir);
/* The longest a blocking call takes, milliseconds, 100 to 600,000. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_options_set_timeout(
	unibus_options *o, unsigned ms);
/* Label of the published key record: a name for people. Up to 64 bytes of UTF-8. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_options_set_label(
	unibus_options *o, const char *label);
/* Signed REST only, no NATS connection: for administration. */
UNIBUS_API void unibus_options_set_control_only(unibus_options *o, bool on);
/* For callers with a loop of their own: no callback comes on a library thread. They wait until
 * unibus_process delivers them; see unibus_client_fd. Default off. */
UNIBUS_API void unibus_options_set_own_loop(unibus_options *o, bool on);
/* Join rooms by itself when the inviter's key is pinned. Default on. */
UNIBUS_API void unibus_options_set_auto_join(unibus_options *o, bool on);
/* Called with every change of state, and with every event, of the client to be. `arg` is passed on;
 * it must live as long as the client. NULL: nobody is told. */
UNIBUS_API void unibus_options_on_state(unibus_options *o, unibus_state_fn fn, void *arg);
UNIBUS_API void unibus_options_on_event(unibus_options *o, unibus_event_fn fn, void *arg);

/* Connects to both planes, publishes the key record when it is missing, loads the state directory
 * (which the processes of one identity share; UNIBUS_ERR_LOCKED when one of them keeps it for too
 * long). Blocks up to the timeout. The options are copied. UNIBUS_ERR_INVALID (no identity),
 * _NETWORK, _TLS, _REVOKED, _UNKNOWN_KEY, _TIMEOUT, _BAD_FILE, ...; unibus_options_detail then has
 * a sentence. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_connect(unibus_options *o, unibus_client **ret);
/* What the last unibus_connect with these options failed of. Never NULL. Owned by the options. */
UNIBUS_API const char *unibus_options_detail(const unibus_options *o);
/* Ends subscriptions, connections and threads; waits for running callbacks. Rooms and subs of the
 * client must be freed before. */
UNIBUS_API void unibus_close(unibus_client *client);

/* The state at this moment. */
UNIBUS_API enum unibus_state unibus_client_state(unibus_client *client);
/* Waits for a state (for instance UNIBUS_CONNECTED). UNIBUS_ERR_TIMEOUT; UNIBUS_ERR_REVOKED or
 * UNIBUS_ERR_CLOSED when it can no longer come. */
UNIBUS_API UNIBUS_MUST_CHECK enum unibus_err unibus_wait_state(
	unibus_client *client, enum unibus_state state, unsigned timeout_ms);
/* Makes every blocking call of this client return UNIBUS_ERR_CANCELLED, from any thread, until
 * called again with false: at once, or within a second when it waits for a server that takes
 * nothing any more. What was sent already may have happened. unibus_connect, which has no client
 * yet, ends at its timeout. */
UNIBUS_API void unibus_cancel(unibus_client *client, bool on);
/* With own_loop: a descriptor to poll for reading, which is readable while callbacks wait; not to
 * be read from or closed. -1 without own_loop. */
UNIBUS_API int unibus_client_fd(unibus_client *client);
/* With own_loop: delivers up to `max` callbacks (0: those that wait by now) on the calling thread,
 * and returns how many. It does not wait for any; a callback may. Returns 0 inside a callback and
 * while another thread is in it. All other calls may be made on the loop's thread, too. */
UNIBUS_API size_t unibus_process(unibus_client *client, size_t max);

/* The sentence behind the last failure of a call on this client, for a person: copied, cut to
 * `len`, always terminated. */
UNIBUS_API void unibus_client_detail(unibus_client *client, char *to, size_t len);
/* The NATS server attached to ("nats://..."), empty when none: copied likewise. */
UNIBUS_API void unibus_connected_server(unibus_client *client, char *to, size_t len);
/* The client's own endpoint id and handle ("" until known); owned by the client. */
UNIBUS_API const char *unibus_client_endpoint(const unibus_client *client);
UNIBUS_API const char *unibus_client_handle(unibus_client *client);

struct unibus_stats {
	uint64_t sent, received, delivered; /* frames or plain messages */
	uint64_t reconnects; /* connections that ended by themselves and were replaced */
	uint64_t kicks;      /* of those: closed by a message server that was still there */
	uint64_t requests;   /* HTTP */
	uint64_t failovers;  /* a server, on either plane, was not there and another one was used */
	uint64_t no_key_epoch, not_a_member, bad_signature, bad_commit, replay, old_epoch,
		policy_violation, corrupt; /* frames dropped, by verdict */
	uint64_t missing;                  /* frames of others known not to have arrived */
};
/* Counts since unibus_connect. */
UNIBUS_API void unibus_get_stats(unibus_client *client, struct unibus_stats *ret);

#ifdef __cplusplus
}
#endif
#endif
