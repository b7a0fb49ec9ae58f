#include "client/control_sign.h"

#include <sodium.h>

#include "client/clock.h"
#include "core/json.h"
#include "core/key.h"
#include "core/num.h"

/* Lists come in pages and blobs are not larger; beyond it somebody else is answering. */
#define ANSWER_MAX (UB_BLOB_MAX + 1024 * 1024)
#define AUDIENCE_RETRIES 2

struct server_says {
	struct ub_server_id id;
	uint64_t time_ms;
};

uint64_t ub_signer_now_ms(struct ub_signer *s)
{
	int64_t skew;

	pthread_mutex_lock(&s->lock);
	skew = s->skew_ms;
	pthread_mutex_unlock(&s->lock);
	return (uint64_t)((int64_t)ub_wall_ms() + skew);
}

static ub_err exchange(
	struct ub_signer *s, const struct ub_http_request *req, struct unibus_reply *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(ANSWER_MAX);
	struct ub_http_answer answer = {.body = body};
	ub_err err;

	pthread_mutex_lock(&s->lock);
	s->requests++;
	pthread_mutex_unlock(&s->lock);
	err = ub_http_do(s->http, req, &answer);
	body = answer.body;
	if (err != UB_OK)
		return err;
	ret->status = answer.status;
	ret->len = body.len;
	ret->body = ub_buf_take(&body);
	return ret->body ? UB_OK : UNIBUS_ERR_NOMEM;
}

static ub_err read_server(const struct unibus_reply *reply, struct server_says *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_obj o;
	ub_err err = ub_json_parse_foreign((struct ub_str){reply->body, reply->len}, &v);

	if (err != UB_OK)
		return err == UNIBUS_ERR_NOMEM ? err : UNIBUS_ERR_NETWORK;
	o = ub_obj(v);
	err = ub_server_id_parse(ub_obj_text(&o, "server_id", 1, UB_SERVER_ID_TEXT), &ret->id);
	ret->time_ms = ub_obj_u64(&o, "time", 0, UB_JSON_INT_MAX);
	/* Whoever answers so is no control plane: as good as nobody there. */
	return err == UB_OK && o.err == UB_OK ? UB_OK : UNIBUS_ERR_NETWORK;
}

/* Asks the node who it is and what time it has. */
static ub_err node_learn(
	struct ub_signer *s, struct ub_node *node, bool set_clock, uint64_t deadline)
{
	char url[UB_URL_MAX + 16];
	struct ub_http_request req = {.method = "GET", .url = url, .deadline = deadline};
	struct unibus_reply reply = {0};
	struct server_says says;
	ub_err err;

	snprintf(url, sizeof(url), "%s/server", node->url);
	err = exchange(s, &req, &reply);
	if (err != UB_OK)
		return err;
	if (reply.status == 200)
		err = read_server(&reply, &says);
	else
		err = reply.status == 503 ? UNIBUS_ERR_UNAVAILABLE : UNIBUS_ERR_NETWORK;
	unibus_reply_free(&reply);
	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&s->lock);
	node->audience = says.id;
	node->known = true;
	if (set_clock)
		s->skew_ms = (int64_t)says.time_ms - (int64_t)ub_wall_ms();
	pthread_mutex_unlock(&s->lock);
	return UB_OK;
}

static ub_err node_audience(
	struct ub_signer *s, struct ub_node *node, uint64_t deadline, struct ub_server_id *ret)
{
	bool known;
	ub_err err = UB_OK;

	pthread_mutex_lock(&s->lock);
	known = node->known;
	pthread_mutex_unlock(&s->lock);
	if (!known)
		err = node_learn(s, node, false, deadline);
	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&s->lock);
	*ret = node->audience;
	pthread_mutex_unlock(&s->lock);
	return UB_OK;
}

struct signed_headers {
	char pub[96], ts[48], nonce[48], audience[64], sig[128], revision[80], body[96], range[64];
};

static void headers_format(const struct ub_reqsig *rs, const char *revision,
	struct signed_headers *ret, struct ub_http_request *req)
{
	struct ub_reqsig_headers h;
	size_t n = 0;

	while (req->headers[n])
		n++;
	ub_reqsig_format(rs, &h);
	snprintf(ret->pub, sizeof(ret->pub), UB_HDR_PUB ": %s", h.pub);
	snprintf(ret->ts, sizeof(ret->ts), UB_HDR_TS ": %s", h.ts);
	snprintf(ret->nonce, sizeof(ret->nonce), UB_HDR_NONCE ": %s", h.nonce);
	snprintf(ret->audience, sizeof(ret->audience), UB_HDR_AUDIENCE ": %s", h.audience);
	snprintf(ret->sig, sizeof(ret->sig), UB_HDR_SIG ": %s", h.sig);
	req->headers[n++] = ret->pub;
	req->headers[n++] = ret->ts;
	req->headers[n++] = ret->nonce;
	req->headers[n++] = ret->audience;
	req->headers[n++] = ret->sig;
	if (*revision) {
		snprintf(ret->revision, sizeof(ret->revision), "X-Unibus-Min-Revision: %s",
			revision);
		req->headers[n++] = ret->revision;
	}
}

/* Those that are not the signature's. */
static void headers_of_call(const struct ub_call *call, const uint8_t body_sha256[32],
	struct signed_headers *ret, struct ub_http_request *req)
{
	char hex[65];
	size_t n = 0;

	if (call->body.p && !call->blob)
		req->headers[n++] = "Content-Type: application/json";
	if (call->blob) {
		ub_hex_encode(body_sha256, 32, hex);
		snprintf(ret->body, sizeof(ret->body), "X-Unibus-Body: %s", hex);
		req->headers[n++] = "Content-Type: application/octet-stream";
		req->headers[n++] = ret->body;
	}
	if (call->range) {
		snprintf(ret->range, sizeof(ret->range), "Range: %s", call->range);
		req->headers[n++] = ret->range;
	}
}

static ub_err send_signed(struct ub_signer *s, struct ub_node *node, const struct ub_call *call,
	uint64_t deadline, struct unibus_reply *ret)
{
	UB_CLEANUP(ub_freep) char *url = NULL;
	struct ub_http_request req = {.method = call->method,
		.body = call->body,
		.deadline = deadline,
		.stream = call->stream};
	struct ub_request signed_part = {
		.method = ub_str(call->method), .target = ub_str(call->target)};
	struct ub_buf b = UB_BUF(UB_URL_MAX + UB_TARGET_MAX + 1);
	struct ub_reqsig rs = {.ts_ms = ub_signer_now_ms(s)};
	char revision[UB_REVISION_MAX];
	struct signed_headers headers;
	ub_err err = node_audience(s, node, deadline, &rs.audience);

	if (err != UB_OK)
		return err;
	ub_buf_z(&b, node->url);
	ub_buf_z(&b, call->target);
	url = ub_buf_take(&b);
	if (!url)
		return UNIBUS_ERR_NOMEM;
	req.url = url;
	pthread_mutex_lock(&s->lock);
	memcpy(revision, s->revision, sizeof(revision));
	pthread_mutex_unlock(&s->lock);
	randombytes_buf(rs.nonce, sizeof(rs.nonce));
	ub_sha256(call->body.p, call->body.len, signed_part.body_sha256);
	ub_reqsig_sign(&s->id->keys->sign, &signed_part, &rs);
	headers_of_call(call, signed_part.body_sha256, &headers, &req);
	headers_format(&rs, revision, &headers, &req);
	return exchange(s, &req, ret);
}

ub_err ub_node_call(struct ub_signer *s, struct ub_node *node, const struct ub_call *call,
	uint64_t deadline, struct unibus_reply *ret)
{
	unsigned audience_tries = 0;
	bool clock_set = false;

	for (;;) {
		struct unibus_reply reply = {0};
		ub_err code, err = send_signed(s, node, call, deadline, &reply);

		if (err != UB_OK)
			return err;
		code = unibus_reply_error(&reply);
		if (code == UNIBUS_ERR_WRONG_AUDIENCE && audience_tries < AUDIENCE_RETRIES)
			audience_tries++;
		else if (code == UNIBUS_ERR_CLOCK_SKEW && !clock_set)
			clock_set = true;
		else {
			*ret = reply;
			return UB_OK;
		}
		unibus_reply_free(&reply);
		err = node_learn(s, node, code == UNIBUS_ERR_CLOCK_SKEW, deadline);
		if (err != UB_OK)
			return err;
	}
}
