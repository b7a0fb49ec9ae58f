#include "membershipd/domain/records.h"

#include <inttypes.h>

#include "core/b64url.h"
#include "core/endpoint.h"
#include "core/json.h"
#include "core/key.h"
#include "core/num.h"
#include "core/subject.h"

/* The longest name that is claimed: a subject. */
#define NAME_MAX_LEN UB_SUBJECT_MAX
#define HASH_TEXT UB_B64URL_LEN(32)

UB_PRINTF(2, 3)
static void key_format(struct md_key *ret, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(ret->z, sizeof ret->z, fmt, ap);
	va_end(ap);
	ub_assert(n > 0 && (size_t)n < sizeof ret->z);
}

static void key_name(const char *kind, struct ub_str name, struct md_key *ret)
{
	char lower[NAME_MAX_LEN], text[HASH_TEXT + 1];
	struct ub_hash h;

	ub_assert(name.len <= sizeof lower);
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	ub_hash(lower, name.len, &h);
	ub_b64url_encode(h.b, sizeof h.b, text);
	key_format(ret, "d.%s.%s", kind, text);
}

void md_key_user(const struct ub_endpoint *id, struct md_key *ret)
{
	char text[UB_ID_TEXT + 1];

	ub_endpoint_encode(id, text);
	key_format(ret, "d.user.%s", text);
}

void md_key_handle(struct ub_str handle, struct md_key *ret)
{
	key_name("handle", handle, ret);
}

void md_key_subject(struct ub_str subject, struct md_key *ret)
{
	key_name("subject", subject, ret);
}

void md_key_entry(const struct ub_room_id *room, uint64_t seq, struct md_key *ret)
{
	char text[UB_ID_TEXT + 1];

	ub_room_id_encode(room, text);
	key_format(ret, "d.entry.%s.%" PRIu64, text, seq);
}

void md_key_join(const struct ub_room_id *room, const struct ub_endpoint *id, struct md_key *ret)
{
	char r[UB_ID_TEXT + 1], e[UB_ID_TEXT + 1];

	ub_room_id_encode(room, r);
	ub_endpoint_encode(id, e);
	key_format(ret, "d.join.%s.%s", r, e);
}

void md_key_blob(const struct ub_room_id *room, const struct ub_hash *sha256, struct md_key *ret)
{
	char r[UB_ID_TEXT + 1], h[HASH_TEXT + 1];

	ub_room_id_encode(room, r);
	ub_b64url_encode(sha256->b, sizeof sha256->b, h);
	key_format(ret, "d.blob.%s.%s", r, h);
}

void md_key_keyrec(const struct ub_endpoint *id, struct md_key *ret)
{
	char text[UB_ID_TEXT + 1];

	ub_endpoint_encode(id, text);
	key_format(ret, "x.keyrec.%s", text);
}

void md_key_sealed(const struct md_set *set, unsigned part, struct md_key *ret)
{
	char r[UB_ID_TEXT + 1], h[HASH_TEXT + 1];

	ub_room_id_encode(&set->room, r);
	ub_b64url_encode(set->entry.b, sizeof set->entry.b, h);
	key_format(ret, MD_KEY_SEALED "%s.%" PRIu64 ".%s.%u", r, set->seq, h, part);
}

/* The key's next token; false when there is none. */
static bool token(struct ub_str *rest, struct ub_str *ret)
{
	const char *dot;

	if (!rest->p)
		return false;
	dot = memchr(rest->p, '.', rest->len);
	*ret = (struct ub_str){rest->p, dot ? (size_t)(dot - rest->p) : rest->len};
	*rest = dot ? (struct ub_str){dot + 1, rest->len - ret->len - 1} : (struct ub_str){0};
	return true;
}

static bool token_room(struct ub_str *rest, struct ub_room_id *ret)
{
	struct ub_str t;

	return token(rest, &t) && !ub_room_id_decode(t, ret);
}

static bool token_endpoint(struct ub_str *rest, struct ub_endpoint *ret)
{
	struct ub_str t;

	return token(rest, &t) && !ub_endpoint_decode(t, ret);
}

static bool token_number(struct ub_str *rest, uint64_t max, uint64_t *ret)
{
	struct ub_str t;

	return token(rest, &t) && !ub_num_u64(t, 0, max, ret);
}

static bool parse_user(struct ub_str *rest, struct md_key_parts *k)
{
	return token_endpoint(rest, &k->id);
}

static bool parse_entry(struct ub_str *rest, struct md_key_parts *k)
{
	return token_room(rest, &k->room) && token_number(rest, UB_JSON_INT_MAX, &k->seq);
}

static bool parse_join(struct ub_str *rest, struct md_key_parts *k)
{
	return token_room(rest, &k->room) && token_endpoint(rest, &k->id);
}

static bool parse_blob(struct ub_str *rest, struct md_key_parts *k)
{
	struct ub_str t;

	return token_room(rest, &k->room) && token(rest, &t) &&
	       !ub_b64url_decode(t, k->blob.b, sizeof k->blob.b);
}

static bool parse_sealed(struct ub_str *rest, struct md_key_parts *k)
{
	struct ub_str t;
	uint64_t part;

	if (!parse_entry(rest, k) || !token(rest, &t) ||
		ub_b64url_decode(t, k->entry.b, sizeof k->entry.b) ||
		!token_number(rest, MD_SEALED_PARTS_MAX - 1, &part))
		return false;
	k->part = (unsigned)part;
	return true;
}

static bool parse_nothing(struct ub_str *rest, struct md_key_parts *k)
{
	(void)k;
	return !rest->p;
}

static bool parse_any(struct ub_str *rest, struct md_key_parts *k)
{
	(void)k;
	*rest = (struct ub_str){0};
	return true;
}

ub_err md_key_parse(const char *key, struct md_key_parts *ret)
{
	static const struct {
		const char *space, *kind;
		enum md_key_kind is;
		bool (*parse)(struct ub_str *rest, struct md_key_parts *k);
	} rows[] = {
		{"d", "meta", MD_KIND_META, parse_nothing},
		{"d", "admins", MD_KIND_ADMINS, parse_nothing},
		{"d", "user", MD_KIND_USER, parse_user},
		{"d", "entry", MD_KIND_ENTRY, parse_entry},
		{"d", "join", MD_KIND_JOIN, parse_join},
		{"d", "blob", MD_KIND_BLOB, parse_blob},
		{"d", "handle", MD_KIND_OTHER, parse_any},
		{"d", "subject", MD_KIND_OTHER, parse_any},
		{"d", "node", MD_KIND_OTHER, parse_any},
		{"x", "sealed", MD_KIND_SEALED, parse_sealed},
	};
	struct ub_str rest = ub_str(key), space, kind;

	if (!token(&rest, &space) || !token(&rest, &kind))
		return UNIBUS_ERR_BAD_FILE;
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		struct md_key_parts k = {.kind = rows[i].is};

		if (!ub_str_eqz(space, rows[i].space) || !ub_str_eqz(kind, rows[i].kind))
			continue;
		if (!rows[i].parse(&rest, &k) || rest.p)
			return UNIBUS_ERR_BAD_FILE;
		*ret = k;
		return UB_OK;
	}
	return UNIBUS_ERR_BAD_FILE;
}

/* What a value reads as: opened, its version checked. */
static ub_err value_open(struct ub_bytes value, json_t **ret, struct ub_obj *ret_obj)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	ub_err e = ub_json_parse((struct ub_str){(const char *)value.p, value.len}, &v);

	if (e)
		return e == UNIBUS_ERR_NOMEM ? e : UNIBUS_ERR_BAD_FILE;
	*ret_obj = ub_obj(v);
	ub_obj_u64(ret_obj, "v", 1, 1);
	*ret = UB_TAKE(v);
	return UB_OK;
}

static ub_err value_end(const struct ub_obj *o)
{
	return ub_obj_end(o) ? UNIBUS_ERR_BAD_FILE : UB_OK;
}

void md_rec_meta_put(const struct md_rec_meta *r, struct ub_buf *out)
{
	ub_buf_z(out, "{\"v\":1,\"store\":\"");
	ub_buf_b64url(out, r->store_id, sizeof r->store_id);
	ub_buf_printf(out, "\",\"log_shards\":%u}", r->log_shards);
}

ub_err md_rec_meta_get(struct ub_bytes value, struct md_rec_meta *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct md_rec_meta r = {0};
	struct ub_obj o;
	ub_err e = value_open(value, &v, &o);

	if (e)
		return e;
	ub_obj_b64url(&o, "store", r.store_id, sizeof r.store_id);
	r.log_shards = (unsigned)ub_obj_u64(&o, "log_shards", 1, 256);
	e = value_end(&o);
	if (!e)
		*ret = r;
	return e;
}

void md_rec_admins_put(size_t active, struct ub_buf *out)
{
	ub_buf_printf(out, "{\"v\":1,\"active\":%zu}", active);
}

ub_err md_rec_admins_get(struct ub_bytes value, size_t *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_obj o;
	size_t n;
	ub_err e = value_open(value, &v, &o);

	if (e)
		return e;
	n = (size_t)ub_obj_u64(&o, "active", 0, UB_JSON_INT_MAX);
	e = value_end(&o);
	if (!e)
		*ret = n;
	return e;
}

void md_rec_user_put(const struct md_rec_user *r, struct ub_buf *out)
{
	ub_buf_z(out, "{\"v\":1,\"sign\":\"");
	ub_buf_hex(out, r->sign.b, sizeof r->sign.b);
	ub_buf_printf(out,
		"\",\"handle\":\"%s\",\"role\":\"%s\",\"status\":\"%s\",\"created\":%" PRIu64
		",\"revoked\":%" PRIu64 "}",
		r->handle, r->admin ? "admin" : "member", r->active ? "active" : "revoked",
		r->created_ms, r->revoked_ms);
}

/* One of two words: is it the first? Anything else latches. */
static bool obj_word(struct ub_obj *o, const char *key, const char *yes, const char *no)
{
	struct ub_str t = ub_obj_text(o, key, 1, 16);

	if (ub_str_eqz(t, yes))
		return true;
	if (!ub_str_eqz(t, no))
		o->err = UNIBUS_ERR_INVALID;
	return false;
}

ub_err md_rec_user_get(struct ub_bytes value, struct md_rec_user *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct md_rec_user r = {0};
	struct ub_str handle;
	struct ub_obj o;
	ub_err e = value_open(value, &v, &o);

	if (e)
		return e;
	ub_obj_hex(&o, "sign", r.sign.b, sizeof r.sign.b);
	handle = ub_obj_text(&o, "handle", 1, UB_HANDLE_MAX);
	r.admin = obj_word(&o, "role", "admin", "member");
	r.active = obj_word(&o, "status", "active", "revoked");
	r.created_ms = ub_obj_u64(&o, "created", 0, UB_JSON_INT_MAX);
	r.revoked_ms = ub_obj_u64(&o, "revoked", 0, UB_JSON_INT_MAX);
	if (value_end(&o) || ub_handle_check(handle))
		return UNIBUS_ERR_BAD_FILE;
	memcpy(r.handle, handle.p, handle.len);
	*ret = r;
	return UB_OK;
}

void md_rec_handle_put(const struct ub_endpoint *id, struct ub_buf *out)
{
	ub_buf_z(out, "{\"v\":1,\"endpoint\":\"");
	ub_buf_b64url(out, id->b, sizeof id->b);
	ub_buf_z(out, "\"}");
}

/* {"v":1,KEY:32 bytes} */
static ub_err get_32(struct ub_bytes value, const char *key, uint8_t ret[32])
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	uint8_t b[32] = {0};
	struct ub_obj o;
	ub_err e = value_open(value, &v, &o);

	if (e)
		return e;
	ub_obj_b64url(&o, key, b, sizeof b);
	e = value_end(&o);
	if (!e)
		memcpy(ret, b, sizeof b);
	return e;
}

ub_err md_rec_handle_get(struct ub_bytes value, struct ub_endpoint *ret)
{
	return get_32(value, "endpoint", ret->b);
}

void md_rec_subject_put(const struct ub_room_id *room, struct ub_buf *out)
{
	ub_buf_z(out, "{\"v\":1,\"room\":\"");
	ub_buf_b64url(out, room->b, sizeof room->b);
	ub_buf_z(out, "\"}");
}

ub_err md_rec_subject_get(struct ub_bytes value, struct ub_room_id *ret)
{
	return get_32(value, "room", ret->b);
}

void md_rec_join_put(uint64_t added_seq, struct ub_buf *out)
{
	ub_buf_printf(out, "{\"v\":1,\"add\":%" PRIu64 "}", added_seq);
}

ub_err md_rec_join_get(struct ub_bytes value, uint64_t *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_obj o;
	uint64_t seq;
	ub_err e = value_open(value, &v, &o);

	if (e)
		return e;
	seq = ub_obj_u64(&o, "add", 0, UB_JSON_INT_MAX);
	e = value_end(&o);
	if (!e)
		*ret = seq;
	return e;
}

void md_rec_blob_put(const struct md_rec_blob *r, struct ub_buf *out)
{
	ub_buf_z(out, "{\"v\":1,\"by\":\"");
	ub_buf_b64url(out, r->by.b, sizeof r->by.b);
	ub_buf_printf(out, "\",\"size\":%" PRIu64 ",\"at\":%" PRIu64 "}", r->size, r->at_ms);
}

ub_err md_rec_blob_get(struct ub_bytes value, struct md_rec_blob *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct md_rec_blob r = {0};
	struct ub_obj o;
	ub_err e = value_open(value, &v, &o);

	if (e)
		return e;
	ub_obj_b64url(&o, "by", r.by.b, sizeof r.by.b);
	r.size = ub_obj_u64(&o, "size", 0, UB_BLOB_MAX);
	r.at_ms = ub_obj_u64(&o, "at", 0, UB_JSON_INT_MAX);
	e = value_end(&o);
	if (!e)
		*ret = r;
	return e;
}

void md_rec_keyrec_put(struct ub_str text, struct ub_buf *out)
{
	ub_buf_z(out, "{\"v\":1,\"keyrec\":\"");
	ub_buf_str(out, text); /* base64url and a dot: nothing to escape */
	ub_buf_z(out, "\"}");
}

ub_err md_rec_keyrec_get(struct ub_bytes value, struct ub_buf *out)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_str text;
	struct ub_obj o;
	ub_err e = value_open(value, &v, &o);

	if (e)
		return e;
	text = ub_obj_text(&o, "keyrec", 1, UB_KEYREC_MAX);
	e = value_end(&o);
	if (e)
		return e;
	ub_buf_str(out, text);
	return ub_buf_err(out);
}

void md_rec_sealed_put(const struct ub_sealed *list, size_t n, struct ub_buf *out)
{
	ub_buf_z(out, "{\"v\":1,\"keys\":{");
	for (size_t i = 0; i < n; i++) {
		ub_buf_z(out, i ? ",\"" : "\"");
		ub_buf_b64url(out, list[i].to.b, sizeof list[i].to.b);
		ub_buf_z(out, "\":\"");
		ub_buf_b64url(out, list[i].b, sizeof list[i].b);
		ub_buf_z(out, "\"");
	}
	ub_buf_z(out, "}}");
}

ub_err md_rec_sealed_get(
	struct ub_bytes value, const struct ub_endpoint *to, uint8_t ret[UB_SEALED_LEN])
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	char text[UB_ID_TEXT + 1];
	uint8_t b[UB_SEALED_LEN] = {0};
	struct ub_obj o, keys;
	json_t *inner;
	ub_err e = value_open(value, &v, &o);

	if (e)
		return e;
	inner = ub_obj_object(&o, "keys");
	e = value_end(&o);
	if (e)
		return e;
	ub_endpoint_encode(to, text);
	keys = ub_obj(inner);
	if (!ub_obj_has(&keys, text))
		return UNIBUS_ERR_NOT_FOUND;
	ub_obj_b64url(&keys, text, b, sizeof b);
	if (keys.err)
		return UNIBUS_ERR_BAD_FILE;
	memcpy(ret, b, sizeof b);
	return UB_OK;
}
