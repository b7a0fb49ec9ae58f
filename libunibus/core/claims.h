/* claims.h: the auth callout's request and answer, and the box around them.
 *
 * Threads: pure. Source: PROTOCOL.md section 6. */
#ifndef UB_CLAIMS_H
#define UB_CLAIMS_H

#include "core/base.h"
#include "core/buf.h"
#include "core/nkey.h"

/* What the server says about one CONNECT. */
struct ub_auth_request {
	char server_id[UB_NKEY_TEXT + 1]; /* N...: also the audience of the answer */
	struct ub_pubkey server_key;
	char server_name[64];             /* cut when longer */
	char user_nkey[UB_NKEY_TEXT + 1]; /* throw-away U...: subject of both answers */
	uint64_t cid;
	char host[64]; /* of the client; this and the next two: cut when longer, "" when absent */
	char conn_type[16]; /* "nats", "websocket", "mqtt" */
	char conn_kind[16]; /* "Client" */
	bool has_nkey, has_sig, has_nonce;
	struct ub_pubkey nkey; /* connect_opts.nkey */
	struct ub_sig sig;
	char nonce[65];
	uint64_t exp_s;
};

/* Verifies the token and reads it: signature, iss = server_id.id, aud = nats-authorization-request,
 * sub = `issuer_nkey` (our account key's text), exp > now_s, type and version. A misspelled nkey,
 * sig or nonce counts as absent. UNIBUS_ERR_INVALID, UNIBUS_ERR_BAD_SIGNATURE, UNIBUS_ERR_EXPIRED,
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_auth_request_open(
	struct ub_str token, const char *issuer_nkey, uint64_t now_s, struct ub_auth_request *ret);

/* Subjects a user may use; never empty lists: an empty list means *everything* to the server, so
 * "nothing" is written as deny [">"]. */
struct ub_permissions {
	const char *const *pub;
	size_t n_pub;
	const char *const *sub;
	size_t n_sub;
};
struct ub_auth_answer {
	const struct ub_auth_request *req;
	const struct ub_signkey *issuer; /* account key */
	const char *account;             /* "BUS" */
	const struct ub_permissions *perms;
	uint64_t now_s, user_exp_s, envelope_exp_s;
};
/* Appends the response token that grants. Subjects and account are text without spaces, quotes and
 * backslashes (asserted). UNIBUS_ERR_TOO_LARGE when the permissions' JSON is longer than
 * UB_PERMISSIONS_BYTES_MAX, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_auth_grant(const struct ub_auth_answer *a, struct ub_buf *out);
/* Appends the response token that refuses with `reason` (goes to the server's log only): UTF-8, not
 * empty. `account`, `perms` and `user_exp_s` are not read. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_auth_refuse(const struct ub_auth_answer *a, const char *reason, struct ub_buf *out);

/* xkey boxes: "xkv1" ‖ nonce[24] ‖ crypto_box_easy. The shared key is worth caching per server. */
struct ub_xbox_key {
	uint8_t b[32];
};
void ub_xbox_key_wipe(struct ub_xbox_key *k);
/* UNIBUS_ERR_INVALID for a low-order server key. */
UB_MUST_CHECK
ub_err ub_xbox_key(
	const struct ub_kexsec *mine, const struct ub_kexpub *theirs, struct ub_xbox_key *ret);
void ub_xbox_seal(const struct ub_xbox_key *k, struct ub_bytes msg, const uint8_t nonce[24],
	struct ub_buf *out);
/* Appends the opened message. UNIBUS_ERR_INVALID, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_xbox_open(const struct ub_xbox_key *k, struct ub_bytes box, struct ub_buf *out);

#endif
