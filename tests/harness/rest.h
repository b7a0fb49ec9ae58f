/* rest.h: the real REST server over a memory store, and requests to it, well or badly signed.
 *
 * The cast (users_kit.h): p0 administrator, p1 owner of the room, p2 a member of it, p3 owner of
 * another room, p4 revoked, p5 a user in no room, p6 a reader of the room, p7 never registered.
 * The room is encrypted, "room.one", all have joined; p1 and p2 have published key records. It has
 * one blob, REST_BLOB.
 *
 * Threads: one a fixture. Failures fail the running test. */
#ifndef HARNESS_REST_H
#define HARNESS_REST_H

#include <jansson.h>
#include <stdatomic.h>

#include "core/reqsig.h"
#include "membershipd/http/http.h"
#include "tests/harness/raw.h"
#include "tests/unit/domain/blob_kit.h"

#define REST_BLOB "minutes of the meeting"

enum rest_who {
	ADMIN,
	OWNER,
	MEMBER,
	OTHER,
	REVOKED,
	USER,
	READER,
	STRANGER,
	NOBODY = -1,
};

#define REST_SESSION_TTL_MS 900000 /* announced */

struct rest {
	struct world *w;
	struct md_http *http;
	uint16_t port;
	struct ub_room room, other;
	struct kit_blobs blobs;
	struct md_health health;    /* what GET /healthz is told */
	_Atomic uint64_t now, boot; /* the server's clocks */
};

struct rest_options {
	enum md_bus_auth mode; /* 0: enforce */
	struct md_http_limits limits;
	struct md_limits domain;
	bool refuse_cleartext;
	bool bare; /* users, but no rooms, no records, nobody revoked */
};
struct rest *rest_new(const struct rest_options *o);
void rest_free(struct rest *t);

/* A signed request; what is not zero or NULL makes it differ from what is sent. */
struct rest_call {
	const char *method, *target, *body;                /* body NULL: none */
	int by;                                            /* enum rest_who; NOBODY: unsigned */
	int64_t ts_off;                                    /* ms off the server's clock */
	const char *audience;                              /* another server's */
	const uint8_t *nonce;                              /* this one instead of a fresh one */
	const char *sign_method, *sign_target, *sign_body; /* what the signature covers */
	int sign_by;                                       /* the key that signs, + 1 */
	const char *announce; /* X-Unibus-Body is the hash of this, and what the signature covers */
	const char *extra;    /* header lines, each with its CR LF */
	const char *drop;     /* header that is left out */
	const char *spell;    /* header whose value is `spelling` */
	const char *spelling;
};
struct rest_reply {
	struct raw_reply raw;
	unsigned status;
	json_t *json;
	char code[48];
};
void rest_reply_deinit(struct rest_reply *r);
/* The request as text, to be freed. */
char *rest_text(struct rest *t, const struct rest_call *c);
void rest_send(struct rest *t, const struct rest_call *c, struct rest_reply *ret);
/* The common case; `body` NULL: none. */
void rest_do(struct rest *t, int by, const char *method, const char *target, const char *body,
	struct rest_reply *ret);
/* The same, and fails the test unless that is the answer (code NULL: a success). */
void rest_expect(struct rest *t, const struct rest_call *c, unsigned status, const char *code);

/* {"entry":...,"sealed":...}, to be freed. */
char *rest_change(const struct kit_text *text);
/* The body for the next entry of `room` by `who`, to be freed. */
char *rest_entry(
	struct rest *t, const struct ub_room *room, int who, const struct ub_op *ops, size_t n);
/* A key record of `who` with that seq, as a body, to be freed. */
char *rest_keyrec(struct rest *t, int who, uint64_t seq);
/* "/rooms/<id><tail>" in one of the last 32 places. */
const char *rest_room(const struct ub_room *room, const char *tail);
/* head, then the hash of the text. */
const char *rest_blob(const char *head, const char *text);
const char *rest_peer(struct rest *t, const char *head, int who, const char *tail);

#endif
