/* reqsig.h: signed REST requests: the five headers and what their signature covers.
 *
 * Signed: tag ‖ METHOD \n target exactly as sent \n ts \n nonce \n audience \n hex sha256(body).
 *
 * Threads: pure. Source: PROTOCOL.md section 2. */
#ifndef UB_REQSIG_H
#define UB_REQSIG_H

#include "core/base.h"
#include "core/limits.h"

#define UB_HDR_PUB "X-Unibus-Pub"
#define UB_HDR_TS "X-Unibus-Ts"
#define UB_HDR_NONCE "X-Unibus-Nonce"
#define UB_HDR_AUDIENCE "X-Unibus-Audience"
#define UB_HDR_SIG "X-Unibus-Sig"

/* A server id: base64url of 16 random bytes. */
#define UB_SERVER_ID_TEXT 22
struct ub_server_id {
	char z[UB_SERVER_ID_TEXT + 1];
};
void ub_server_id_make(const uint8_t random[16], struct ub_server_id *ret);
UB_MUST_CHECK
ub_err ub_server_id_parse(struct ub_str s, struct ub_server_id *ret);

struct ub_reqsig {
	struct ub_pubkey pub;
	uint64_t ts_ms; /* unix time */
	uint8_t nonce[16];
	struct ub_server_id audience;
	struct ub_sig sig;
};
/* The request as it is on the wire. */
struct ub_request {
	struct ub_str method;    /* "GET" */
	struct ub_str target;    /* path and query, undecoded */
	uint8_t body_sha256[32]; /* of the empty text when there is no body */
};

/* Fills in sig from the other fields of *rs (pub too, from the key). */
void ub_reqsig_sign(const struct ub_signkey *k, const struct ub_request *req, struct ub_reqsig *rs);
/* UNIBUS_ERR_BAD_SIGNATURE, also for a method or target that is empty or has a line end inside.
 * Checks nothing but the signature. */
UB_MUST_CHECK
ub_err ub_reqsig_verify(const struct ub_reqsig *rs, const struct ub_request *req);

/* What both halves sign: starts `ph` with tag and content. */
struct ub_ph;
void ub_reqsig_content(struct ub_ph *ph, const struct ub_reqsig *rs, const struct ub_request *req);

/* The header values as text; NULL for one that is absent. */
struct ub_reqsig_text {
	const char *pub, *ts, *nonce, *audience, *sig;
};
/* UNIBUS_ERR_MISSING_HEADERS when any is absent, UNIBUS_ERR_INVALID when one is misspelled. */
UB_MUST_CHECK
ub_err ub_reqsig_parse(const struct ub_reqsig_text *t, struct ub_reqsig *ret);

struct ub_reqsig_headers {
	char pub[65], ts[21], nonce[23], audience[UB_SERVER_ID_TEXT + 1], sig[87];
};
void ub_reqsig_format(const struct ub_reqsig *rs, struct ub_reqsig_headers *ret);

#endif
