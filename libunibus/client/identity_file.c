#include "client/identity_file.h"

#include <sodium.h>

#include "client/file.h"
#include "core/b64url.h"
#include "core/buf.h"
#include "core/key.h"
#include "core/limits.h"

enum { FIELD_SIGN_PUB, FIELD_SIGN_PRIV, FIELD_KEX_PUB, FIELD_KEX_PRIV, FIELDS };

static const struct {
	const char *name;
	size_t len;
} fields[FIELDS] = {
	[FIELD_SIGN_PUB] = {"sign_pub", 32},
	[FIELD_SIGN_PRIV] = {"sign_priv", 64},
	[FIELD_KEX_PUB] = {"kex_pub", 32},
	[FIELD_KEX_PRIV] = {"kex_priv", 32},
};

struct values {
	uint8_t b[FIELDS][64];
	bool seen[FIELDS];
};

static void values_wipe(struct values *v)
{
	sodium_memzero(v, sizeof(*v));
}

/* A reader of this one form instead of jansson, which leaves copies of the secrets in freed
 * memory: a JSON object whose values are texts without escapes. */
struct scan {
	struct ub_str in;
	size_t pos;
};

static void scan_space(struct scan *s)
{
	while (s->pos < s->in.len && strchr(" \t\r\n", s->in.p[s->pos]) && s->in.p[s->pos] != '\0')
		s->pos++;
}

static bool scan_char(struct scan *s, char c)
{
	scan_space(s);
	if (s->pos >= s->in.len || s->in.p[s->pos] != c)
		return false;
	s->pos++;
	return true;
}

static bool scan_text(struct scan *s, struct ub_str *ret)
{
	size_t start;

	if (!scan_char(s, '"'))
		return false;
	start = s->pos;
	while (s->pos < s->in.len && s->in.p[s->pos] != '"') {
		unsigned char c = (unsigned char)s->in.p[s->pos];

		if (c < 0x20 || c > 0x7e || c == '\\')
			return false;
		s->pos++;
	}
	*ret = (struct ub_str){s->in.p + start, s->pos - start};
	return scan_char(s, '"');
}

static bool take_field(struct values *v, struct ub_str name, struct ub_str value)
{
	for (size_t i = 0; i < FIELDS; i++) {
		if (!ub_str_eqz(name, fields[i].name))
			continue;
		if (v->seen[i])
			return false;
		v->seen[i] = true;
		return ub_b64_decode(value, v->b[i], fields[i].len) == UB_OK;
	}
	return false;
}

static bool scan_object(struct scan *s, struct values *v)
{
	if (!scan_char(s, '{'))
		return false;
	for (size_t i = 0; i < FIELDS; i++) {
		struct ub_str name, value;

		if (i > 0 && !scan_char(s, ','))
			return false;
		if (!scan_text(s, &name) || !scan_char(s, ':') || !scan_text(s, &value))
			return false;
		if (!take_field(v, name, value))
			return false;
	}
	if (!scan_char(s, '}'))
		return false;
	scan_space(s);
	return s->pos == s->in.len;
}

/* The public halves are in the file for people and other tools; a file whose halves differ would
 * make a peer that cannot prove who it says it is. */
static bool halves_fit(const struct values *v, const struct ub_identity_keys *keys)
{
	UB_CLEANUP(ub_signkey_wipe) struct ub_signkey again = {0};
	struct ub_pubkey pub;
	struct ub_kexpub kex;

	ub_signkey_from_seed(keys->sign.b, &again);
	if (sodium_memcmp(again.b, keys->sign.b, sizeof(again.b)) != 0)
		return false;
	ub_signkey_pub(&keys->sign, &pub);
	ub_kexsec_pub(&keys->kex, &kex);
	return sodium_memcmp(pub.b, v->b[FIELD_SIGN_PUB], sizeof(pub.b)) == 0 &&
	       sodium_memcmp(kex.b, v->b[FIELD_KEX_PUB], sizeof(kex.b)) == 0 &&
	       ub_pubkey_check(&pub) == UB_OK && ub_kexpub_check(&kex) == UB_OK;
}

ub_err ub_identity_parse(struct ub_str text, struct ub_identity_keys *ret)
{
	UB_CLEANUP(values_wipe) struct values v = {0};
	struct ub_identity_keys keys;
	struct scan s = {.in = text};
	bool fits;

	if (!scan_object(&s, &v))
		return UNIBUS_ERR_BAD_FILE;
	memcpy(keys.sign.b, v.b[FIELD_SIGN_PRIV], sizeof(keys.sign.b));
	memcpy(keys.kex.b, v.b[FIELD_KEX_PRIV], sizeof(keys.kex.b));
	fits = halves_fit(&v, &keys);
	if (fits)
		*ret = keys;
	sodium_memzero(&keys, sizeof(keys));
	return fits ? UB_OK : UNIBUS_ERR_BAD_FILE;
}

ub_err ub_identity_file_read(const char *path, struct ub_identity_keys *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_IDENTITY_FILE_MAX);
	ub_err err = ub_file_read(path, true, &text);

	if (err != UB_OK)
		return err;
	return ub_identity_parse(ub_buf_text(&text), ret);
}

static void put_field(struct ub_buf *out, size_t i, const uint8_t *p, const char *end)
{
	char b64[4 * ((64 + 2) / 3) + 1];

	ub_b64_encode(p, fields[i].len, b64);
	ub_buf_printf(out, "  \"%s\": \"", fields[i].name);
	ub_buf_z(out, b64);
	ub_buf_z(out, end);
	sodium_memzero(b64, sizeof(b64));
}

ub_err ub_identity_file_create(const char *path, const unibus_identity *id)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_IDENTITY_FILE_MAX);
	ub_err err;

	ub_buf_z(&text, "{\n");
	put_field(&text, FIELD_SIGN_PUB, id->sign_pub.b, "\",\n");
	put_field(&text, FIELD_SIGN_PRIV, id->keys->sign.b, "\",\n");
	put_field(&text, FIELD_KEX_PUB, id->kex_pub.b, "\",\n");
	put_field(&text, FIELD_KEX_PRIV, id->keys->kex.b, "\"\n}\n");
	err = ub_buf_err(&text);
	if (err != UB_OK)
		return err;
	return ub_file_create(path, text.p, text.len);
}
