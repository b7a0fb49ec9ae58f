#include "core/b64url.h"
#include "core/key.h"
#include "core/num.h"
#include "core/reqsig.h"

ub_err ub_server_id_parse(struct ub_str s, struct ub_server_id *ret)
{
	uint8_t raw[16];

	if (ub_b64url_decode(s, raw, sizeof(raw)))
		return UNIBUS_ERR_INVALID;
	ub_b64url_encode(raw, sizeof(raw), ret->z);
	return UB_OK;
}

ub_err ub_reqsig_parse(const struct ub_reqsig_text *t, struct ub_reqsig *ret)
{
	struct ub_reqsig rs;

	if (!t->pub || !t->ts || !t->nonce || !t->audience || !t->sig)
		return UNIBUS_ERR_MISSING_HEADERS;
	if (ub_hex_decode(ub_str(t->pub), rs.pub.b, sizeof(rs.pub.b)) ||
		ub_num_u64(ub_str(t->ts), 0, UB_JSON_INT_MAX, &rs.ts_ms) ||
		ub_b64url_decode(ub_str(t->nonce), rs.nonce, sizeof(rs.nonce)) ||
		ub_server_id_parse(ub_str(t->audience), &rs.audience) ||
		ub_b64url_decode(ub_str(t->sig), rs.sig.b, sizeof(rs.sig.b)))
		return UNIBUS_ERR_INVALID;
	*ret = rs;
	return UB_OK;
}

/* Lines are told apart by '\n' alone, so a line that has one inside could be read as two. */
static bool one_line(struct ub_str s)
{
	return s.len && !memchr(s.p, '\n', s.len);
}

ub_err ub_reqsig_verify(const struct ub_reqsig *rs, const struct ub_request *req)
{
	struct ub_ph ph;

	if (!one_line(req->method) || !one_line(req->target))
		return UNIBUS_ERR_BAD_SIGNATURE;
	ub_reqsig_content(&ph, rs, req);
	return ub_ph_verify(&ph, &rs->pub, &rs->sig);
}
