/* unibus/error.h: the outcomes of every unibus call, one table for all parts.
 *
 * Each row: NAME, number, HTTP status, stable word, sentence for a person. Numbers are public and
 * only ever appended. A status of 0 means that the outcome never leaves a server as a response.
 *
 * Threads: all functions are pure. */
#ifndef UNIBUS_ERROR_H
#define UNIBUS_ERROR_H

#include <unibus/version.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UNIBUS_ERRORS(X) \
	X(OK, 0, 200, "ok", "done") \
	/* what any part may say */ \
	X(INVALID, 1, 400, "invalid", "the input is malformed") \
	X(TOO_LARGE, 2, 413, "too_large", "the input is larger than allowed") \
	X(NOMEM, 3, 503, "no_memory", "out of memory") \
	X(INTERNAL, 4, 500, "internal", "internal error; the server's log has the cause") \
	X(IO, 5, 503, "io", "a file or device could not be read or written") \
	X(NOT_FOUND, 6, 404, "not_found", "there is no such thing") \
	X(DENIED, 7, 403, "denied", "you are not allowed to do this") \
	X(CONFLICT, 8, 409, "conflict", "this contradicts what is already there") \
	X(LIMIT, 9, 409, "limit", "a limit is reached") \
	X(SLOW_DOWN, 10, 429, "slow_down", "too many requests; try again later") \
	X(UNAVAILABLE, 11, 503, "unavailable", "this cannot be confirmed right now; try again") \
	X(OUTCOME_UNKNOWN, 12, 503, "outcome_unknown", "outcome unknown, safe to repeat") \
	X(NOT_AVAILABLE, 13, 501, "not_available", "this version does not offer that") \
	X(METHOD_NOT_ALLOWED, 14, 405, "method_not_allowed", "this path has no such method") \
	X(LENGTH_REQUIRED, 15, 411, "length_required", \
		"send one Content-Length, no transfer coding") \
	X(HEADERS_TOO_LARGE, 16, 431, "headers_too_large", "the request headers are too large") \
	/* signed requests and logins */ \
	X(MISSING_HEADERS, 20, 401, "missing_headers", "the request is not signed") \
	X(BAD_SIGNATURE, 21, 401, "bad_signature", "the signature does not verify") \
	X(CLOCK_SKEW, 22, 401, "clock_skew", "the clocks differ by more than a minute") \
	X(REPLAY, 23, 401, "replay", "this was seen before or is too old") \
	X(UNKNOWN_KEY, 24, 401, "unknown_key", "this key is not registered") \
	X(REVOKED, 25, 401, "revoked", "this key has been revoked") \
	X(WRONG_AUDIENCE, 26, 421, "wrong_audience", "the request was signed for another server") \
	/* users, rooms */ \
	X(HANDLE_TAKEN, 30, 409, "handle_taken", "the handle belongs to another key") \
	X(KEY_TAKEN, 31, 409, "key_taken", "the key is registered with other data") \
	X(LAST_ADMIN, 32, 409, "last_admin", "the last active admin cannot be revoked") \
	X(SUBJECT_TAKEN, 33, 409, "subject_taken", "the subject belongs to another room") \
	X(STALE_HEAD, 34, 409, "stale_head", "another entry won; rebase on the current head") \
	X(NO_KEY, 35, 403, "no_key", "there is no key of that epoch for you") \
	X(ROOM_CLOSED, 36, 409, "room_closed", "the room is closed") \
	X(CLEARTEXT_REFUSED, 37, 403, "cleartext_refused", \
		"this server only takes encrypted rooms") \
	/* verdicts on a room log entry */ \
	X(BAD_ENTRY, 40, 400, "bad_entry", "the entry is malformed or breaks a rule of the log") \
	X(BAD_CHAIN, 41, 409, "bad_chain", "the entry does not continue the chain") \
	X(NO_RIGHT, 42, 403, "no_right", "the role in the room does not allow this") \
	X(NEEDS_EPOCH, 43, 400, "needs_epoch", \
		"this change must bring a new key in the same entry") \
	X(BAD_EPOCH, 44, 400, "bad_epoch", "the new epoch does not fit the room") \
	X(BAD_ROSTER, 45, 400, "bad_roster", "the sealed keys do not match the roster") \
	X(EXPIRED, 46, 400, "expired", "the key record has expired") \
	/* verdicts on a frame */ \
	X(NO_KEY_EPOCH, 50, 0, "NO_KEY_EPOCH", "the key of the message's epoch is not held") \
	X(NOT_A_MEMBER, 51, 0, "NOT_A_MEMBER", "the sender was not a writing member") \
	X(BAD_COMMIT, 52, 0, "BAD_COMMIT", "the key commitment does not match") \
	X(OLD_EPOCH, 53, 0, "OLD_EPOCH", "the message uses an epoch that has ended") \
	X(POLICY_VIOLATION, 54, 0, "POLICY_VIOLATION", "the room's policy forbids such a message") \
	X(CORRUPT, 55, 0, "CORRUPT", "the message is damaged or malformed") \
	/* what only a client says */ \
	X(TIMEOUT, 60, 0, "timeout", "no answer in time") \
	X(NETWORK, 61, 0, "network", "no server could be reached") \
	X(TLS, 62, 0, "tls", "the server could not prove who it is") \
	X(CLOSED, 63, 0, "closed", "the client or subscription is closed") \
	X(CANCELLED, 64, 0, "cancelled", "the call was cancelled") \
	X(INSECURE_FILE, 65, 0, "insecure_file", \
		"group or others can read a file that holds secrets") \
	X(BAD_FILE, 66, 0, "bad_file", "a file is corrupt; it is never replaced by itself") \
	X(EXISTS, 67, 0, "exists", "the file exists already") \
	X(LOCKED, 68, 0, "locked", "another process uses these files") \
	X(KEY_CHANGED, 69, 0, "key_changed", "a pinned key changed; compare fingerprints") \
	X(ROLLBACK, 70, 0, "rollback", "the server shows an older state than it did before") \
	X(FORK, 71, 0, "fork", "the server shows different histories of the same room") \
	X(ROTATION_DUE, 72, 0, "rotation_due", \
		"the room's key must be rotated before more is sent") \
	X(FORKED_PROCESS, 73, 0, "forked_process", "the handle belongs to the parent process") \
	X(NOT_JOINED, 74, 403, "not_joined", "join the room first") \
	X(DISCONNECTED, 75, 0, "disconnected", "the server closed the connection")

/* The number of an outcome. 0 is success; there are no negative numbers. */
enum unibus_err {
#define UNIBUS_ERR_ROW(name, number, status, word, text) UNIBUS_ERR_##name = number,
	UNIBUS_ERRORS(UNIBUS_ERR_ROW)
#undef UNIBUS_ERR_ROW
};
#define UNIBUS_OK UNIBUS_ERR_OK

/* The sentence for a person. Never NULL; an unknown number gives "unknown error". Static. */
UNIBUS_API const char *unibus_strerror(enum unibus_err err);

/* The stable word ("revoked", "NO_KEY_EPOCH"). Never NULL; "unknown" for an unknown number. */
UNIBUS_API const char *unibus_err_word(enum unibus_err err);

/* The outcome that `word` names; UNIBUS_ERR_INTERNAL when no row has that word. `word` may be
 * NULL, which is unknown too. */
UNIBUS_API enum unibus_err unibus_err_from_word(const char *word);

#ifdef __cplusplus
}
#endif
#endif
