#include "tests/harness/rest.h"

#include <unistd.h>

#include "core/b64url.h"
#include "core/json.h"
#include "membershipd/domain/peer.h"

static void tell_health(void *arg, struct md_health *ret)
{
	*ret = ((struct rest *)arg)->health;
}

static void publish(struct rest *t, unsigned who)
{
	struct md_caller by = kit_caller(t->w, who);
	struct ub_keyrec rec = kit_keyrec(&t->w->p[who], 5);
	struct ub_buf text = UB_BUF(UB_KEYREC_MAX);
	uint64_t rev;

	ub_keyrec_sign(&t->w->p[who].sk, &rec, &text);
	assert_int_equal(md_peer_put(t->w->s, &by, ub_buf_text(&text), &rev), UB_OK);
	ub_buf_deinit(&text);
}

static void people(struct rest *t)
{
	struct world *w = t->w;
	bool created;

	assert_int_equal(kit_create(w, OWNER, "room.one", ENCRYPTED, &t->room), UB_OK);
	assert_int_equal(kit_invite(w, &t->room, OWNER, MEMBER, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(kit_invite(w, &t->room, OWNER, READER, UB_ROLE_READER), UB_OK);
	assert_int_equal(kit_join(w, &t->room, MEMBER), UB_OK);
	assert_int_equal(kit_join(w, &t->room, READER), UB_OK);
	assert_int_equal(kit_create(w, OTHER, "room.other", ENCRYPTED, &t->other), UB_OK);
	assert_int_equal(kit_blob_put(w, OWNER, &t->room, REST_BLOB, &created), UB_OK);
	publish(t, OWNER);
	publish(t, MEMBER);
	assert_int_equal(kit_revoke(w, REVOKED), UB_OK);
}

static uint64_t now_ms(void *arg)
{
	return atomic_load(&((struct rest *)arg)->now);
}

static uint64_t boot_ms(void *arg)
{
	return atomic_load(&((struct rest *)arg)->boot);
}

static void fill_random(void *arg, void *to, size_t len)
{
	(void)arg;
	randombytes_buf(to, len);
}

/* As world_new, with clocks that may be moved while the server runs. */
static void open_world(struct rest *t, const struct rest_options *o)
{
	struct md_service_config c;

	t->w = world_bare();
	atomic_store(&t->now, t->w->now);
	atomic_store(&t->boot, t->w->boot);
	c = kit_config(t->w);
	c.env = (struct md_env){now_ms, boot_ms, fill_random, t};
	if (o) {
		c.limits = o->domain;
		c.refuse_cleartext = o->refuse_cleartext;
	}
	world_open(t->w, &c);
	kit_blobs_open(&t->blobs);
	assert_int_equal(md_blob_attach(t->w->s, t->blobs.dir), UB_OK);
	for (unsigned i = 0; i < KIT_PEERS - 1; i++)
		assert_int_equal(kit_register(t->w, i, i == 0), UB_OK);
}

struct rest *rest_new(const struct rest_options *o)
{
	struct rest *t = calloc(1, sizeof(*t));
	struct md_http_config c = {
		.bind = "127.0.0.1",
		.mode = o && o->mode ? o->mode : MD_AUTH_ENFORCE,
		.session_ttl_ms = REST_SESSION_TTL_MS,
		.health = tell_health,
		.health_arg = t,
	};

	assert_non_null(t);
	if (o)
		c.limits = o->limits;
	open_world(t, o);
	if (!o || !o->bare)
		people(t);
	c.svc = t->w->s;
	assert_int_equal(md_http_start(&c, &t->http), UB_OK);
	t->port = md_http_port(t->http);
	return t;
}

void rest_free(struct rest *t)
{
	md_http_free(t->http);
	ub_room_deinit(&t->room);
	ub_room_deinit(&t->other);
	world_free(t->w);
	kit_blobs_close(&t->blobs);
	free(t);
}

static void header(struct ub_buf *b, const struct rest_call *c, const char *name, const char *value)
{
	if (c->drop && strcmp(c->drop, name) == 0)
		return;
	if (c->spell && strcmp(c->spell, name) == 0)
		value = c->spelling;
	ub_buf_printf(b, "%s: %s\r\n", name, value);
}

static void sign(struct rest *t, const struct rest_call *c, struct ub_buf *b)
{
	const struct kit_peer *p = &t->w->p[c->by];
	struct ub_reqsig rs = {.ts_ms = (uint64_t)((int64_t)atomic_load(&t->now) + c->ts_off)};
	const char *body = c->announce ? c->announce : c->body;
	struct ub_request req = {
		.method = ub_str(c->sign_method ? c->sign_method : c->method),
		.target = ub_str(c->sign_target ? c->sign_target : c->target),
	};
	struct ub_reqsig_headers h;

	body = c->sign_body ? c->sign_body : body;
	if (c->nonce)
		memcpy(rs.nonce, c->nonce, sizeof(rs.nonce));
	else
		randombytes_buf(rs.nonce, sizeof(rs.nonce));
	rs.audience = *md_service_id(t->w->s);
	if (c->audience)
		assert_int_equal(ub_server_id_parse(ub_str(c->audience), &rs.audience), UB_OK);
	ub_sha256(body ? body : "", body ? strlen(body) : 0, req.body_sha256);
	ub_reqsig_sign(c->sign_by ? &t->w->p[c->sign_by - 1].sk : &p->sk, &req, &rs);
	rs.pub = p->sign;
	ub_reqsig_format(&rs, &h);
	header(b, c, UB_HDR_PUB, h.pub);
	header(b, c, UB_HDR_TS, h.ts);
	header(b, c, UB_HDR_NONCE, h.nonce);
	header(b, c, UB_HDR_AUDIENCE, h.audience);
	header(b, c, UB_HDR_SIG, h.sig);
}

static void announce(const struct rest_call *c, struct ub_buf *b)
{
	char hex[65];
	uint8_t h[32];

	ub_sha256(c->announce, strlen(c->announce), h);
	ub_hex_encode(h, sizeof(h), hex);
	header(b, c, "X-Unibus-Body", hex);
}

char *rest_text(struct rest *t, const struct rest_call *c)
{
	struct ub_buf b = UB_BUF(64 * 1024 * 1024);

	ub_buf_printf(&b, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", c->method, c->target);
	if (c->by != NOBODY)
		sign(t, c, &b);
	if (c->announce)
		announce(c, &b);
	if (c->extra)
		ub_buf_z(&b, c->extra);
	if (c->body || strcmp(c->method, "GET") != 0)
		ub_buf_printf(&b, "Content-Length: %zu\r\n", c->body ? strlen(c->body) : 0);
	ub_buf_z(&b, "\r\n");
	if (c->body)
		ub_buf_z(&b, c->body);
	return ub_buf_take(&b);
}

void rest_reply_deinit(struct rest_reply *r)
{
	raw_reply_deinit(&r->raw);
	json_decref(r->json);
	*r = (struct rest_reply){0};
}

void rest_send(struct rest *t, const struct rest_call *c, struct rest_reply *ret)
{
	char *text = rest_text(t, c), type[64] = "";

	*ret = (struct rest_reply){0};
	assert_non_null(text);
	raw_exchange(t->port, text, &ret->raw);
	free(text);
	ret->status = ret->raw.status;
	raw_code(&ret->raw, ret->code);
	(void)raw_header(&ret->raw, "Content-Type", type, sizeof(type));
	if (!ret->raw.body_len || strcmp(type, "application/json") != 0)
		return;
	assert_int_equal(ub_json_parse_foreign(
				 (struct ub_str){ret->raw.body, ret->raw.body_len}, &ret->json),
		UB_OK);
}

void rest_do(struct rest *t, int by, const char *method, const char *target, const char *body,
	struct rest_reply *ret)
{
	struct rest_call c = {.method = method, .target = target, .body = body, .by = by};

	rest_send(t, &c, ret);
}

void rest_expect(struct rest *t, const struct rest_call *c, unsigned status, const char *code)
{
	struct rest_reply r;

	rest_send(t, c, &r);
	if (r.status != status || strcmp(r.code, code ? code : "") != 0)
		fail_msg("%s %s: %u %s instead of %u %s: %s", c->method, c->target, r.status,
			r.code, status, code ? code : "", r.raw.body ? r.raw.body : "");
	rest_reply_deinit(&r);
}

char *rest_change(const struct kit_text *text)
{
	json_t *sealed = json_object(), *v;
	char *z;

	for (size_t i = 0; i < text->n_sealed; i++) {
		char id[UB_ID_TEXT + 1], key[UB_B64URL_LEN(UB_SEALED_LEN) + 1];

		ub_endpoint_encode(&text->sealed[i].to, id);
		ub_b64url_encode(text->sealed[i].b, UB_SEALED_LEN, key);
		assert_int_equal(json_object_set_new(sealed, id, json_string(key)), 0);
	}
	v = json_pack("{ss%,so}", "entry", text->text.p, text->text.len, "sealed", sealed);
	assert_non_null(v);
	if (!text->n_sealed)
		json_object_del(v, "sealed");
	z = ub_json_text(v);
	json_decref(v);
	return z;
}

char *rest_entry(
	struct rest *t, const struct ub_room *room, int who, const struct ub_op *ops, size_t n)
{
	struct kit_text text = kit_make(room, &t->w->p[who], ops, n);
	char *z = rest_change(&text);

	kit_text_deinit(&text);
	return z;
}

char *rest_keyrec(struct rest *t, int who, uint64_t seq)
{
	struct ub_keyrec rec = kit_keyrec(&t->w->p[who], seq);
	struct ub_buf b = UB_BUF(4096);

	ub_buf_z(&b, "{\"keyrec\":\"");
	ub_keyrec_sign(&t->w->p[who].sk, &rec, &b);
	ub_buf_z(&b, "\"}");
	return ub_buf_take(&b);
}

const char *rest_room(const struct ub_room *room, const char *tail)
{
	static _Thread_local char places[32][256];
	static _Thread_local unsigned next;
	char *z = places[next++ % 32], id[UB_ID_TEXT + 1];

	ub_room_id_encode(&room->id, id);
	snprintf(z, sizeof(places[0]), "/rooms/%s%s", id, tail);
	return z;
}

const char *rest_blob(const char *head, const char *text)
{
	static _Thread_local char places[32][256];
	static _Thread_local unsigned next;
	char *z = places[next++ % 32], hex[65];
	uint8_t h[32];

	ub_sha256(text, strlen(text), h);
	ub_hex_encode(h, sizeof(h), hex);
	snprintf(z, sizeof(places[0]), "%s%s", head, hex);
	return z;
}

const char *rest_peer(struct rest *t, const char *head, int who, const char *tail)
{
	static _Thread_local char places[32][256];
	static _Thread_local unsigned next;
	char *z = places[next++ % 32], id[UB_ID_TEXT + 1];

	ub_endpoint_encode(&t->w->p[who].id, id);
	snprintf(z, sizeof(places[0]), "%s%s%s", head, id, tail);
	return z;
}
