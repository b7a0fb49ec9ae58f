/* The message that names a blob. */
#include <inttypes.h>
#include <string.h>

#include "core/b64url.h"
#include "core/blob.h"
#include "core/json.h"
#include "core/num.h"

void ub_blob_ref_wipe(struct ub_blob_ref *r)
{
	sodium_memzero(r, sizeof(*r));
}

static bool is_utf8(struct ub_str s)
{
	json_t *v = json_stringn(s.p, s.len);

	json_decref(v);
	return v != NULL;
}

/* One byte of valid UTF-8 and the next: U+0000 to U+001F, U+007F to U+009F. */
static bool is_control(unsigned char c, unsigned char next)
{
	return c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0);
}

/* U+202A to U+202E, U+2066 to U+2069: they turn "gpj.exe" around. */
static bool is_turning(const unsigned char *c)
{
	if (c[0] != 0xe2)
		return false;
	return (c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) ||
	       (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
}

ub_err ub_blob_name_check(struct ub_str name)
{
	unsigned char at[UB_BLOB_NAME_MAX + 3] = {0};

	if (!name.len || name.len > UB_BLOB_NAME_MAX || !is_utf8(name))
		return UNIBUS_ERR_INVALID;
	if (ub_str_eqz(name, ".") || ub_str_eqz(name, ".."))
		return UNIBUS_ERR_INVALID;
	memcpy(at, name.p, name.len);
	for (size_t i = 0; i < name.len; i++) {
		if (at[i] == '/' || at[i] == '\\' || is_control(at[i], at[i + 1]) ||
			is_turning(at + i))
			return UNIBUS_ERR_INVALID;
	}
	return UB_OK;
}

ub_err ub_blob_type_check(struct ub_str type)
{
	if (!type.len || type.len > UB_MEDIA_TYPE_MAX)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < type.len; i++)
		if (type.p[i] < 0x20 || type.p[i] > 0x7e)
			return UNIBUS_ERR_INVALID;
	return UB_OK;
}

/* A JSON string; what is in it was checked. */
static void put_string(struct ub_buf *out, const char *z)
{
	ub_buf_u8(out, '"');
	for (; *z; z++) {
		if (*z == '"' || *z == '\\')
			ub_buf_u8(out, '\\');
		ub_buf_u8(out, (uint8_t)*z);
	}
	ub_buf_u8(out, '"');
}

void ub_blob_ref_put(const struct ub_blob_ref *r, struct ub_buf *out)
{
	ub_buf_z(out, "{\"hash\":\"");
	ub_buf_hex(out, r->sha256.b, sizeof(r->sha256.b));
	ub_buf_printf(out, "\",\"size\":%" PRIu64 ",\"name\":", r->size);
	put_string(out, r->name);
	ub_buf_z(out, ",\"type\":");
	put_string(out, r->type);
	if (r->sealed) {
		ub_buf_z(out, ",\"key\":\"");
		ub_buf_b64url(out, r->key.b, sizeof(r->key.b));
		ub_buf_u8(out, '"');
	}
	ub_buf_u8(out, '}');
}

static ub_err read_texts(struct ub_obj *o, struct ub_blob_ref *r)
{
	struct ub_str name = ub_obj_text(o, "name", 1, UB_BLOB_NAME_MAX);
	struct ub_str type = ub_obj_text(o, "type", 1, UB_MEDIA_TYPE_MAX);

	if (o->err || ub_blob_name_check(name) || ub_blob_type_check(type))
		return UNIBUS_ERR_CORRUPT;
	memcpy(r->name, name.p, name.len);
	memcpy(r->type, type.p, type.len);
	return UB_OK;
}

ub_err ub_blob_ref_get(struct ub_str text, struct ub_blob_ref *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	UB_CLEANUP(ub_blob_ref_wipe) struct ub_blob_ref r = {0};
	uint64_t content;
	struct ub_obj o;
	ub_err err = ub_json_parse(text, &v);

	if (err)
		return err == UNIBUS_ERR_NOMEM ? err : UNIBUS_ERR_CORRUPT;
	o = ub_obj(v);
	ub_obj_hex(&o, "hash", r.sha256.b, sizeof(r.sha256.b));
	r.size = ub_obj_u64(&o, "size", 0, UB_BLOB_MAX);
	r.sealed = ub_obj_has(&o, "key");
	if (r.sealed)
		ub_obj_b64url(&o, "key", r.key.b, sizeof(r.key.b));
	err = read_texts(&o, &r);
	if (err)
		return err;
	if (ub_obj_end(&o) || (r.sealed && ub_blob_content_len(r.size, &content)))
		return UNIBUS_ERR_CORRUPT;
	*ret = r;
	return UB_OK;
}
