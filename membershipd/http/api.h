/* api.h: what the files of the REST API share: a call, its routes, how it answers.
 *
 * Threads: a call is handled by one thread at a time, see support/httpd.h. */
#ifndef MD_API_H
#define MD_API_H

#include <jansson.h>
#include <stdatomic.h>

#include "core/reqsig.h"
#include "membershipd/domain/nonce.h"
#include "membershipd/domain/ratelimit.h"
#include "membershipd/domain/room.h"
#include "membershipd/domain/user.h"
#include "membershipd/http/http.h"
#include "support/httpd.h"

#define MD_BODY_SMALL 4096

/* Who may. Decided before the handler runs; zero is no decision, and no row may have it. */
enum md_access {
	MD_ACCESS_UNSET = 0,
	MD_ACCESS_ANYONE,   /* signatures are not looked at */
	MD_ACCESS_OPTIONAL, /* anyone; headers of a signed request, when there, must verify */
	MD_ACCESS_USER,     /* an active user */
	MD_ACCESS_MEMBER,   /* an active user; domain/room.c asks the room's state about the rest */
	MD_ACCESS_SELF,     /* the peer that the first {...} names */
	MD_ACCESS_SELF_OR_ADMIN,
	MD_ACCESS_ADMIN, /* the directory says active admin, for this very request */
};

struct md_call;
struct md_route {
	const char *method, *path;
	enum md_access access;
	size_t body_max;
	bool blocking; /* commits, reads the store or waits for the barrier */
	void (*handler)(struct md_call *c);
	int arg; /* enum md_room_verb */
	/* Judges what has a body too large to be held, once the caller is authorized and before
	 * any of it is read: replies, or calls httpd_stream. Such requests announce the body's hash
	 * in X-Unibus-Body, so that the signature is verified by then. NULL: none. On an event
	 * loop. */
	void (*head)(struct md_call *c);
};
extern const struct md_route md_routes[];
extern const size_t md_routes_n;

#define MD_ROUTES_MAX 64
struct md_http {
	struct md_http_config c; /* limits filled in; strings are not kept */
	struct md_nonces *nonces;
	struct md_ratelimit *per_ip, *per_key;
	struct httpd_route rows[MD_ROUTES_MAX];
	struct httpd *server;
	_Atomic unsigned waiting; /* calls that wait for a revision on a worker */
};

/* One request on its way through authentication and handler: the httpd request's ctx. */
struct md_call {
	struct md_http *http;
	struct md_service *svc;
	struct httpd_req *req;
	const struct md_route *row;
	bool has_sig;           /* sig is filled in and passed the checks before the body */
	bool named;             /* off, soft: the caller is whom X-Unibus-Pub names */
	bool verified;          /* the signature */
	bool has_caller, later; /* later: the handler runs on a worker */
	bool wait;              /* for min_revision, on the worker */
	struct ub_pubkey key;   /* of the caller */
	struct md_caller caller;
	struct ub_reqsig sig;
	char min_revision[sizeof(struct md_revision)];
	const char *range;          /* header, NULL: none; as long as the request */
	struct ub_hash body_sha256; /* as announced, when the row has a head */
	struct md_blob_upload *upload;
};

/* Authentication: authn.c. The hooks of httpd. A refusal is a reply. */
ub_err md_authn_admit(void *app, struct ub_bytes peer, uint64_t *ret_wait_ms);
void md_authn_head(void *app, struct httpd_req *r);
void md_authn_body(void *app, struct httpd_req *r);
void md_authn_end(void *app, struct httpd_req *r);
/* Finds the caller in the directory as it is now and asks the row; false after a refusal. */
bool md_authorize(struct md_call *c);

/* Answers: codec.c. */
void md_ok(struct md_call *c, unsigned status, json_t *body_owned);
/* The same for a change at revision `rev`. */
void md_ok_at(struct md_call *c, unsigned status, uint64_t rev, json_t *body_owned);
/* A NULL sentence: the table's. Internal errors are logged and not told. */
void md_fail(struct md_call *c, ub_err err, const char *fmt, ...) UB_PRINTF(3, 4);
void md_fail_json(struct md_call *c, ub_err err, const char *sentence, json_t *more_owned);
/* Retry-After, before md_fail. */
void md_retry_after(struct md_call *c, uint64_t wait_ms);
/* What an outcome means on this path; ends with a zero row. */
struct md_say {
	ub_err err;
	const char *sentence;
};
const char *md_say(const struct md_say *says, ub_err err);

/* Requests: codec.c. Each false after a refusal that says what is wrong. */
bool md_param_endpoint(struct md_call *c, unsigned i, struct ub_endpoint *ret);
bool md_param_room(struct md_call *c, unsigned i, struct ub_room_id *ret);
bool md_query_u64(struct md_call *c, const char *name, uint64_t max, uint64_t dflt, uint64_t *ret);
bool md_query_limit(struct md_call *c, size_t *ret);
bool md_query_end(struct md_call *c); /* last: nothing unknown was asked */
bool md_body_json(struct md_call *c, json_t **ret);
bool md_body_none(struct md_call *c); /* absent, or an empty object */

/* Values: codec.c. NULL when out of memory, which json_pack passes on. */
json_t *md_json_endpoint(const struct ub_endpoint *e);
json_t *md_json_room_id(const struct ub_room_id *r);
json_t *md_json_hash(const struct ub_hash *h);
json_t *md_json_pubkey(const struct ub_pubkey *k);
json_t *md_json_policy(const struct ub_policy *p);
json_t *md_json_wire(const struct md_wire *w);
json_t *md_json_revision(const struct md_call *c, uint64_t rev);
/* Add to an object or array; on failure drop it: *to is NULL from then on. */
void md_json_set(json_t **to, const char *key, json_t *value_owned);
void md_json_push(json_t **to, json_t *value_owned);
/* Sets kicked, unconfirmed, ms. */
void md_json_taken(json_t **to, const struct md_taken *t);

/* The handlers: api_user.c, api_peer.c, api_room.c, api_messages.c, api_blob.c, api_server.c. */
void api_users_list(struct md_call *c);
void api_user_add(struct md_call *c);
void api_user_revoke(struct md_call *c);
void api_peer_put(struct md_call *c);
void api_peer_get(struct md_call *c);
void api_peer_find(struct md_call *c);
void api_room_create(struct md_call *c);
void api_room_change(struct md_call *c);
void api_room_join(struct md_call *c);
void api_room_get(struct md_call *c);
void api_room_members(struct md_call *c);
void api_room_log(struct md_call *c);
void api_room_key(struct md_call *c);
void api_room_messages(struct md_call *c);
void api_rooms_of(struct md_call *c);
void api_blob_head(struct md_call *c);
void api_blob_put(struct md_call *c);
void api_blob_get(struct md_call *c);
void api_healthz(struct md_call *c);
void api_server(struct md_call *c);

#endif
