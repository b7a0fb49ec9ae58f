#include "core/json.h"

#include "core/b64url.h"
#include "core/limits.h"
#include "core/num.h"

#define FOREIGN_DEPTH_MAX 32

struct rules {
	size_t depth;
	bool reals, wide; /* real numbers; integers beyond 2^53 */
};

static size_t digits(json_int_t v)
{
	size_t n = 1;

	while (v /= 10)
		n++;
	return n;
}

/* Adds the bytes of all text, and the digits when there are integers only, to *weight. jansson's
 * own limit on nesting is 2,048, so its recursion and this one are bounded. */
static bool acceptable(json_t *v, const struct rules *rules, size_t depth, size_t *weight)
{
	bool good = depth < rules->depth;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		for (void *it = json_object_iter(v); it && good;
			it = json_object_iter_next(v, it)) {
			*weight += strlen(json_object_iter_key(it));
			good = acceptable(json_object_iter_value(it), rules, depth + 1, weight);
		}
		return good;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(v) && good; i++)
			good = acceptable(json_array_get(v, i), rules, depth + 1, weight);
		return good;
	case JSON_INTEGER:
		*weight += rules->reals ? 0 : digits(json_integer_value(v));
		return rules->wide || (json_integer_value(v) <= UB_JSON_INT_MAX &&
					      json_integer_value(v) >= -UB_JSON_INT_MAX);
	case JSON_STRING:
		*weight += json_string_length(v);
		return true;
	case JSON_REAL:
		return rules->reals;
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		return true;
	}
	return false;
}

/* Bytes of UTF-8 of the escape behind s.p[*i], which moves to the escape's last character. */
static size_t escape_weight(struct ub_str s, size_t *i)
{
	unsigned code = 0;

	if (++*i >= s.len || s.p[*i] != 'u')
		return 1;
	for (size_t end = *i + 4; *i < end && *i + 1 < s.len;) {
		unsigned c = (unsigned char)s.p[++*i];

		code = code << 4 | ((c & 15) + (c > '9' ? 9 : 0));
	}
	if (code >= 0xd800 && code < 0xe000)
		return 2; /* half of a pair, which makes four bytes */
	return code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
}

/* What the value of a well-formed text must weigh. */
static size_t text_weight(struct ub_str s, const struct rules *rules)
{
	size_t weight = 0;
	bool inside = false;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '"')
			inside = !inside;
		else if (inside)
			weight += c == '\\' ? escape_weight(s, &i) : 1;
		else
			weight += !rules->reals && c >= '0' && c <= '9';
	}
	return weight;
}

static ub_err parse(struct ub_str text, const struct rules *rules, json_t **ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	json_error_t error = {0};
	size_t weight = 0;

	if (!text.len)
		return UNIBUS_ERR_INVALID;
	v = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!v) {
		/* Every complaint about the text has a code; some failed allocations have none. */
		enum json_error_code code = json_error_code(&error);

		return code == json_error_unknown || code == json_error_out_of_memory
			       ? UNIBUS_ERR_NOMEM
			       : UNIBUS_ERR_INVALID;
	}
	if (!acceptable(v, rules, 0, &weight))
		return UNIBUS_ERR_INVALID;
	/* jansson 2.14 drops a character when its buffer cannot grow, and says nothing. */
	if (weight != text_weight(text, rules))
		return UNIBUS_ERR_NOMEM;
	*ret = UB_TAKE(v);
	return UB_OK;
}

ub_err ub_json_parse(struct ub_str text, json_t **ret)
{
	static const struct rules ours = {.depth = UB_JSON_DEPTH_MAX};

	return parse(text, &ours, ret);
}

ub_err ub_json_parse_foreign(struct ub_str text, json_t **ret)
{
	static const struct rules foreign = {
		.depth = FOREIGN_DEPTH_MAX, .reals = true, .wide = true};

	return parse(text, &foreign, ret);
}

char *ub_json_text(const json_t *v)
{
	return json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
}

struct ub_obj ub_obj(json_t *v)
{
	bool is = json_is_object(v);

	return (struct ub_obj){.o = is ? v : NULL, .err = is ? UB_OK : UNIBUS_ERR_INVALID};
}

bool ub_obj_has(const struct ub_obj *o, const char *key)
{
	return json_object_get(o->o, key) != NULL;
}

/* Latches when there is no such member of that type. */
static json_t *take(struct ub_obj *o, const char *key, json_type type)
{
	json_t *v = o->err ? NULL : json_object_get(o->o, key);

	if (!v || json_typeof(v) != type) {
		o->err = UNIBUS_ERR_INVALID;
		return NULL;
	}
	o->taken++;
	return v;
}

uint64_t ub_obj_u64(struct ub_obj *o, const char *key, uint64_t min, uint64_t max)
{
	json_t *v = take(o, key, JSON_INTEGER);
	json_int_t n = v ? json_integer_value(v) : -1;

	if (n < 0 || (uint64_t)n < min || (uint64_t)n > max) {
		o->err = UNIBUS_ERR_INVALID;
		return 0;
	}
	return (uint64_t)n;
}

bool ub_obj_bool(struct ub_obj *o, const char *key)
{
	json_type type = json_is_true(json_object_get(o->o, key)) ? JSON_TRUE : JSON_FALSE;

	return take(o, key, type) && type == JSON_TRUE;
}

struct ub_str ub_obj_text(struct ub_obj *o, const char *key, size_t min_len, size_t max_len)
{
	json_t *v = take(o, key, JSON_STRING);
	size_t len = v ? json_string_length(v) : 0;

	if (!v || len < min_len || len > max_len) {
		o->err = UNIBUS_ERR_INVALID;
		return (struct ub_str){NULL, 0};
	}
	return (struct ub_str){json_string_value(v), len};
}

void ub_obj_hex(struct ub_obj *o, const char *key, void *to, size_t len)
{
	struct ub_str s = ub_obj_text(o, key, 0, SIZE_MAX);

	if (o->err || ub_hex_decode(s, to, len)) {
		o->err = UNIBUS_ERR_INVALID;
		memset(to, 0, len);
	}
}

void ub_obj_b64url(struct ub_obj *o, const char *key, void *to, size_t len)
{
	struct ub_str s = ub_obj_text(o, key, 0, SIZE_MAX);

	if (o->err || ub_b64url_decode(s, to, len)) {
		o->err = UNIBUS_ERR_INVALID;
		memset(to, 0, len);
	}
}

json_t *ub_obj_object(struct ub_obj *o, const char *key)
{
	return take(o, key, JSON_OBJECT);
}

json_t *ub_obj_array(struct ub_obj *o, const char *key, size_t max)
{
	json_t *v = take(o, key, JSON_ARRAY);

	if (v && json_array_size(v) > max) {
		o->err = UNIBUS_ERR_INVALID;
		return NULL;
	}
	return v;
}

ub_err ub_obj_end(const struct ub_obj *o)
{
	return o->err || o->taken != json_object_size(o->o) ? UNIBUS_ERR_INVALID : UB_OK;
}
