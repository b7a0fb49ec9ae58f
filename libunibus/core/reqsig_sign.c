#include "core/b64url.h"
#include "core/key.h"
#include "core/num.h"
#include "core/reqsig.h"

void ub_server_id_make(const uint8_t random[16], struct ub_server_id *ret)
{
	ub_b64url_encode(random, 16, ret->z);
}

void ub_reqsig_format(const struct ub_reqsig *rs, struct ub_reqsig_headers *ret)
{
	ub_hex_encode(rs->pub.b, sizeof(rs->pub.b), ret->pub);
	snprintf(ret->ts, sizeof(ret->ts), "%llu", (unsigned long long)rs->ts_ms);
	ub_b64url_encode(rs->nonce, sizeof(rs->nonce), ret->nonce);
	memcpy(ret->audience, rs->audience.z, sizeof(ret->audience));
	ub_b64url_encode(rs->sig.b, sizeof(rs->sig.b), ret->sig);
}

static void put_line(struct ub_ph *ph, const void *p, size_t len)
{
	ub_ph_update(ph, p, len);
	ub_ph_update(ph, "\n", 1);
}

void ub_reqsig_content(struct ub_ph *ph, const struct ub_reqsig *rs, const struct ub_request *req)
{
	struct ub_reqsig_headers h;
	char body[2 * sizeof(req->body_sha256) + 1];

	ub_reqsig_format(rs, &h);
	ub_hex_encode(req->body_sha256, sizeof(req->body_sha256), body);
	ub_ph_init(ph, UB_TAG_REQUEST);
	put_line(ph, req->method.p, req->method.len);
	put_line(ph, req->target.p, req->target.len);
	put_line(ph, h.ts, strlen(h.ts));
	put_line(ph, h.nonce, strlen(h.nonce));
	put_line(ph, h.audience, strlen(h.audience));
	ub_ph_update(ph, body, strlen(body));
}

void ub_reqsig_sign(const struct ub_signkey *k, const struct ub_request *req, struct ub_reqsig *rs)
{
	struct ub_ph ph;

	ub_signkey_pub(k, &rs->pub);
	ub_reqsig_content(&ph, rs, req);
	ub_ph_sign(&ph, k, &rs->sig);
}
