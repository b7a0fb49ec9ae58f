/* json.h: strict JSON over jansson.
 *
 * Owned values: UB_CLEANUP(json_decrefp) json_t *v = NULL; (jansson has the helper)
 *
 * Parsing refuses: duplicate keys, real numbers, integers beyond +-2^53, NUL in text, invalid
 * UTF-8, trailing bytes, nesting deeper than UB_JSON_DEPTH_MAX. `ub_obj` reads an object key by
 * key with a latched error and refuses unknown keys at the end.
 *
 * Threads: pure on distinct values. */
#ifndef UB_JSON_H
#define UB_JSON_H

#include <jansson.h>

#include "core/base.h"

/* A value of any kind; the caller owns *ret. UNIBUS_ERR_INVALID, UNIBUS_ERR_NOMEM (some failed
 * allocations look like bad text to jansson; none gives another value). */
UB_MUST_CHECK
ub_err ub_json_parse(struct ub_str text, json_t **ret);

/* The same for JSON that is not ours (NATS): unknown keys will be ignored, reals are allowed,
 * depth up to 32; duplicates and bad UTF-8 still refused. */
UB_MUST_CHECK
ub_err ub_json_parse_foreign(struct ub_str text, json_t **ret);

/* Compact text of a value, to be freed; NULL when out of memory. */
char *ub_json_text(const json_t *v);

struct ub_obj {
	json_t *o;    /* borrowed */
	size_t taken; /* keys asked for and found */
	ub_err err;   /* latched: UNIBUS_ERR_INVALID */
};
/* Not an object: latched error. */
struct ub_obj ub_obj(json_t *v);
bool ub_obj_has(const struct ub_obj *o, const char *key);

/* Required members. On a missing key, another type or a value out of range the error is latched
 * and a zero value returned. Text is borrowed from the JSON value, NUL-terminated. */
uint64_t ub_obj_u64(struct ub_obj *o, const char *key, uint64_t min, uint64_t max);
bool ub_obj_bool(struct ub_obj *o, const char *key);
struct ub_str ub_obj_text(struct ub_obj *o, const char *key, size_t min_len, size_t max_len);
void ub_obj_hex(struct ub_obj *o, const char *key, void *to, size_t len);    /* lower case */
void ub_obj_b64url(struct ub_obj *o, const char *key, void *to, size_t len); /* exact length */
json_t *ub_obj_object(struct ub_obj *o, const char *key); /* borrowed, NULL on error */
json_t *ub_obj_array(struct ub_obj *o, const char *key, size_t max);

/* UNIBUS_ERR_INVALID when anything was latched or a key was not asked for. */
UB_MUST_CHECK
ub_err ub_obj_end(const struct ub_obj *o);

#endif
