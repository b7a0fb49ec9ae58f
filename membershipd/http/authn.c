/* From a signed request to its caller, in the order of PROTOCOL.md section 2: syntax, window,
 * audience, key, nonce; then the body; then signature, nonce again, revocation, the row. */
#include <sodium.h>

#include "core/b64url.h"
#include "core/endpoint.h"
#include "core/key.h"
#include "core/num.h"
#include "membershipd/domain/blob.h"
#include "membershipd/http/api.h"
#include "support/log.h"

#define HDR_PREFIX "X-Unibus-"
#define HDR_MIN_REVISION "X-Unibus-Min-Revision"
#define HDR_BODY "X-Unibus-Body"

static const char no_revision[] = HDR_MIN_REVISION " is no revision of this server's";

static uint64_t boot_ms(const struct md_call *c)
{
	return md_service_boot_ms(c->svc);
}

ub_err md_authn_admit(void *app, struct ub_bytes peer, uint64_t *ret_wait_ms)
{
	struct md_http *h = app;

	return md_ratelimit_take(h->per_ip, peer, 1, md_service_boot_ms(h->c.svc), ret_wait_ms);
}

/* ---- the headers ---- */

struct seen {
	struct ub_reqsig_text text;
	const char *min_revision, *body, *range;
	const char *repeated, *unknown; /* a name */
};

/* Values are NUL-terminated and live as long as the request. */
static void see(void *arg, struct ub_str name, struct ub_str value)
{
	struct seen *s = arg;
	const struct {
		const char *name;
		const char **to;
	} known[] = {
		{UB_HDR_PUB, &s->text.pub},
		{UB_HDR_TS, &s->text.ts},
		{UB_HDR_NONCE, &s->text.nonce},
		{UB_HDR_AUDIENCE, &s->text.audience},
		{UB_HDR_SIG, &s->text.sig},
		{HDR_MIN_REVISION, &s->min_revision},
		{HDR_BODY, &s->body},
		{"Range", &s->range},
	};

	for (size_t i = 0; i < UB_ARRAY_LEN(known); i++) {
		if (strcasecmp(name.p, known[i].name) != 0)
			continue;
		if (*known[i].to)
			s->repeated = known[i].name;
		*known[i].to = value.p;
		return;
	}
	if (name.len >= sizeof(HDR_PREFIX) - 1 &&
		strncasecmp(name.p, HDR_PREFIX, sizeof(HDR_PREFIX) - 1) == 0)
		s->unknown = name.p;
}

static bool any_signature(const struct ub_reqsig_text *t)
{
	return t->pub || t->ts || t->nonce || t->audience || t->sig;
}

static void refuse_misspelled(struct md_call *c, const struct ub_reqsig_text *t)
{
	struct ub_pubkey pub;
	struct ub_server_id id;
	uint8_t nonce[16];
	uint64_t ts;
	const char *which = UB_HDR_SIG ": base64url of 64 bytes";

	if (ub_hex_decode(ub_str(t->pub), pub.b, sizeof(pub.b)))
		which = UB_HDR_PUB ": 64 lower-case hexadecimal digits";
	else if (ub_num_u64(ub_str(t->ts), 0, UB_JSON_INT_MAX, &ts))
		which = UB_HDR_TS ": unix time in milliseconds";
	else if (ub_b64url_decode(ub_str(t->nonce), nonce, sizeof(nonce)))
		which = UB_HDR_NONCE ": base64url of 16 bytes";
	else if (ub_server_id_parse(ub_str(t->audience), &id))
		which = UB_HDR_AUDIENCE ": the server id that GET /server tells";
	md_fail(c, UNIBUS_ERR_INVALID, "a header is misspelled; expected %s", which);
}

/* ---- the checks before the body; each gives the error it replied with ---- */

static void with_server(struct md_call *c, ub_err err, const char *sentence)
{
	md_fail_json(c, err, sentence,
		json_pack("{ss,sI}", "server_id", md_service_id(c->svc)->z, "time",
			(json_int_t)md_service_now_ms(c->svc)));
}

static ub_err check_window(struct md_call *c)
{
	uint64_t now = md_service_now_ms(c->svc), ts = c->sig.ts_ms;
	uint64_t off = now > ts ? now - ts : ts - now;

	return off <= UB_REQUEST_WINDOW_MS ? UB_OK : UNIBUS_ERR_CLOCK_SKEW;
}

static ub_err check_audience(struct md_call *c)
{
	return strcmp(c->sig.audience.z, md_service_id(c->svc)->z) == 0 ? UB_OK
									: UNIBUS_ERR_WRONG_AUDIENCE;
}

/* A revoked key goes on: it is told so only once its signature verified. */
static ub_err check_known(struct md_call *c)
{
	ub_err err = md_caller_find(c->svc, &c->sig.pub, &c->caller);

	return err == UNIBUS_ERR_REVOKED ? UB_OK : err;
}

static struct md_nonce nonce_of(const struct md_call *c)
{
	struct md_nonce x = {.key = c->sig.pub, .ts_ms = c->sig.ts_ms};

	memcpy(x.nonce, c->sig.nonce, sizeof(x.nonce));
	return x;
}

static ub_err check_nonce(struct md_call *c)
{
	struct md_nonce x = nonce_of(c);

	return md_nonces_check(c->http->nonces, &x, boot_ms(c));
}

/* ---- and after it ---- */

static ub_err check_signature(struct md_call *c)
{
	struct ub_str body = httpd_body(c->req);
	struct ub_request req = {
		.method = httpd_method(c->req),
		.target = httpd_target(c->req),
	};

	/* What is announced is compared with what comes by whoever takes it in. */
	if (c->row->head)
		memcpy(req.body_sha256, c->body_sha256.b, sizeof(req.body_sha256));
	else
		ub_sha256(body.p, body.len, req.body_sha256);
	return ub_reqsig_verify(&c->sig, &req);
}

static ub_err note_nonce(struct md_call *c)
{
	struct md_nonce x = nonce_of(c);

	return md_nonces_note(c->http->nonces, &x, boot_ms(c));
}

/* Only verified signatures are charged to a key: nobody can use up another's share. */
static ub_err charge(struct md_call *c)
{
	uint64_t wait_ms = 0;
	ub_err err = md_ratelimit_take(c->http->per_key,
		(struct ub_bytes){c->sig.pub.b, sizeof(c->sig.pub.b)}, 1, boot_ms(c), &wait_ms);

	if (err == UNIBUS_ERR_SLOW_DOWN)
		md_retry_after(c, wait_ms);
	return err;
}

static ub_err check_active(struct md_call *c)
{
	return md_caller_find(c->svc, &c->sig.pub, &c->caller);
}

typedef ub_err check_fn(struct md_call *c);
static check_fn *const before_body[] = {check_window, check_audience, check_known, check_nonce};
static check_fn *const after_body[] = {check_signature, note_nonce, charge, check_active};

static ub_err run(struct md_call *c, check_fn *const *checks, size_t n)
{
	ub_err err = UB_OK;

	for (size_t i = 0; i < n && !err; i++)
		err = checks[i](c);
	return err;
}

static const struct md_say says[] = {
	{UNIBUS_ERR_MISSING_HEADERS,
		"this path takes signed requests only: send X-Unibus-Pub, -Ts, -Nonce, -Audience "
		"and -Sig"},
	{UNIBUS_ERR_CLOCK_SKEW,
		"your clock and the server's differ by more than a minute; set it, or use the "
		"server's time, and sign again"},
	{UNIBUS_ERR_WRONG_AUDIENCE,
		"the request was signed for another server process; sign it for the one named "
		"here"},
	{UNIBUS_ERR_UNKNOWN_KEY, "this key is not registered here; ask an administrator to add it"},
	{UNIBUS_ERR_REVOKED, "this key has been revoked; only an administrator can register it "
			     "anew"},
	{UNIBUS_ERR_REPLAY, "this request was seen before; sign each attempt afresh"},
	{UNIBUS_ERR_BAD_SIGNATURE,
		"the signature is not this key's for this method, target and body"},
	{UNIBUS_ERR_SLOW_DOWN, "too many requests with this key; wait as long as Retry-After says"},
	{UNIBUS_ERR_UNAVAILABLE,
		"this node cannot confirm right now who you are; try again or ask another node"},
	{0, NULL},
};

/* Enforce refuses; soft says so in the log and takes the caller's word. True: go on. */
static bool failed(struct md_call *c, ub_err err)
{
	char who[UB_ID_TEXT + 1] = "-";
	struct ub_endpoint id;
	bool cannot_tell = err == UNIBUS_ERR_UNAVAILABLE || err == UNIBUS_ERR_NOMEM;

	if (c->http->c.mode == MD_AUTH_SOFT && !cannot_tell) {
		if (c->has_sig) {
			ub_endpoint_of(&c->key, &id);
			ub_endpoint_encode(&id, who);
		}
		log_warn("auth", "would_refuse", unibus_err_word(err), "peer", who, "path",
			c->row->path, NULL);
		c->has_sig = false;
		c->named = true;
		return true;
	}
	if (err == UNIBUS_ERR_CLOCK_SKEW || err == UNIBUS_ERR_WRONG_AUDIENCE)
		with_server(c, err, md_say(says, err));
	else
		md_fail(c, err, "%s", md_say(says, err));
	return false;
}

/* off, and soft after a failure: whom the header names. */
static void take_word(struct md_call *c, const char *pub)
{
	if (!pub)
		return;
	if (ub_hex_decode(ub_str(pub), c->key.b, sizeof(c->key.b)) || ub_pubkey_check(&c->key)) {
		md_fail(c, UNIBUS_ERR_INVALID, UB_HDR_PUB " is not a signing key in hexadecimal");
		return;
	}
	c->named = true;
}

static void take_signature(struct md_call *c, const struct ub_reqsig_text *t)
{
	ub_err err = ub_reqsig_parse(t, &c->sig);

	if (err == UNIBUS_ERR_INVALID) {
		refuse_misspelled(c, t);
		return;
	}
	if (!err) {
		c->key = c->sig.pub;
		c->has_sig = true;
		err = run(c, before_body, UB_ARRAY_LEN(before_body));
	}
	if (!err || !failed(c, err))
		return;
	c->named = false;
	take_word(c, t->pub);
}

static void take_min_revision(struct md_call *c, const char *text)
{
	if (!text || c->row->access == MD_ACCESS_ANYONE)
		return;
	if (!*text || strlen(text) >= sizeof(c->min_revision)) {
		md_fail(c, UNIBUS_ERR_INVALID, "%s", no_revision);
		return;
	}
	snprintf(c->min_revision, sizeof(c->min_revision), "%s", text);
}

/* ---- who may ---- */

static ub_err find_caller(struct md_call *c)
{
	ub_err err = md_caller_find(c->svc, &c->key, &c->caller);

	c->has_caller = true;
	if (!c->named || !(err == UNIBUS_ERR_UNKNOWN_KEY || err == UNIBUS_ERR_REVOKED)) {
		/* Nobody becomes an administrator by a signature that failed. */
		if (c->named && c->http->c.mode == MD_AUTH_SOFT)
			c->caller.admin = false;
		return err;
	}
	c->caller = (struct md_caller){.key = c->key};
	ub_endpoint_of(&c->key, &c->caller.id);
	return UB_OK;
}

static bool is_self(struct md_call *c)
{
	struct ub_endpoint e;

	return ub_endpoint_decode(httpd_param(c->req, 0), &e) == UB_OK &&
	       ub_endpoint_eq(&e, &c->caller.id);
}

static const char *row_refuses(struct md_call *c)
{
	switch (c->row->access) {
	case MD_ACCESS_ANYONE:
	case MD_ACCESS_OPTIONAL:
	case MD_ACCESS_USER:
	case MD_ACCESS_MEMBER:
		return NULL;
	case MD_ACCESS_SELF:
		return is_self(c) ? NULL : "only that peer itself may do this";
	case MD_ACCESS_SELF_OR_ADMIN:
		return c->caller.admin || is_self(c)
			       ? NULL
			       : "only that peer itself or an administrator may do this";
	case MD_ACCESS_ADMIN:
		return c->caller.admin ? NULL : "only an active administrator may do this";
	case MD_ACCESS_UNSET:
		break;
	}
	return "nobody may do this";
}

bool md_authorize(struct md_call *c)
{
	const char *why;
	ub_err err;

	if (c->has_sig || c->named) {
		err = find_caller(c);
		if (err) {
			c->has_caller = false;
			md_fail(c, err, "%s", md_say(says, err));
			return false;
		}
	} else if (c->row->access != MD_ACCESS_ANYONE && c->row->access != MD_ACCESS_OPTIONAL) {
		md_fail(c, UNIBUS_ERR_MISSING_HEADERS, "%s",
			md_say(says, UNIBUS_ERR_MISSING_HEADERS));
		return false;
	}
	why = row_refuses(c);
	if (why)
		md_fail(c, UNIBUS_ERR_DENIED, "%s", why);
	return !why;
}

/* The checks that need the body, or its hash. False after a refusal. */
static bool signature_holds(struct md_call *c)
{
	ub_err err = UB_OK;

	if (c->has_sig)
		err = run(c, after_body, UB_ARRAY_LEN(after_body));
	return !err || failed(c, err);
}

/* ---- the hooks ---- */

static ub_err announced(struct md_call *c, const char *text)
{
	return text ? ub_hex_decode(ub_str(text), c->body_sha256.b, sizeof(c->body_sha256.b))
		    : UNIBUS_ERR_INVALID;
}

/* Everything that is judged of a row with a head, before anything of the body is read. */
static void judge_whole(struct md_call *c, const char *body_text)
{
	ub_err err = UB_OK;

	/* Who is nobody is told so first. */
	if ((c->has_sig || c->named) && announced(c, body_text)) {
		md_fail(c, UNIBUS_ERR_INVALID,
			"this path needs %s: the SHA-256 of the body, 64 hexadecimal digits",
			HDR_BODY);
		return;
	}
	if (!signature_holds(c))
		return;
	c->later = true;
	if (!md_authorize(c))
		return;
	if (*c->min_revision)
		err = md_service_wait(c->svc, ub_str(c->min_revision), 0);
	if (err == UNIBUS_ERR_INVALID)
		md_fail(c, err, "%s", no_revision);
	else if (err)
		md_fail(c, err,
			"this node has not seen revision %s yet; try again or ask another node",
			c->min_revision);
	else
		c->row->head(c);
}

void md_authn_head(void *app, struct httpd_req *r)
{
	struct md_call *c = httpd_ctx(r);
	struct seen s = {0};

	c->http = app;
	c->svc = c->http->c.svc;
	c->req = r;
	c->row = &md_routes[httpd_route(r)->arg];
	httpd_headers(r, see, &s);
	if (s.repeated)
		md_fail(c, UNIBUS_ERR_INVALID, "%s is there more than once", s.repeated);
	else if (s.unknown)
		md_fail(c, UNIBUS_ERR_INVALID, "%.64s is no header of this version's", s.unknown);
	else if (s.body && !c->row->head)
		md_fail(c, UNIBUS_ERR_INVALID, HDR_BODY " belongs to uploads");
	else
		take_min_revision(c, s.min_revision);
	if (httpd_replied(r) || c->row->access == MD_ACCESS_ANYONE)
		return;
	if (c->row->access == MD_ACCESS_OPTIONAL && !any_signature(&s.text))
		return;
	c->range = s.range;
	if (c->http->c.mode == MD_AUTH_OFF)
		take_word(c, s.text.pub);
	else
		take_signature(c, &s.text);
	if (c->row->head && !httpd_replied(r))
		judge_whole(c, s.body);
}

static void arrange_wait(struct md_call *c)
{
	ub_err err;

	if (!*c->min_revision)
		return;
	err = md_service_wait(c->svc, ub_str(c->min_revision), 0);
	if (err == UNIBUS_ERR_INVALID) {
		md_fail(c, err, "%s", no_revision);
	} else if (err) {
		c->wait = c->later = true;
		httpd_defer(c->req);
	}
}

void md_authn_body(void *app, struct httpd_req *r)
{
	struct md_call *c = httpd_ctx(r);

	(void)app;
	if (c->row->head || !signature_holds(c))
		return;
	c->later = c->row->blocking;
	if (md_authorize(c))
		arrange_wait(c);
}

void md_authn_end(void *app, struct httpd_req *r)
{
	struct md_call *c = httpd_ctx(r);

	(void)app;
	md_blob_end(UB_TAKE(c->upload));
}
