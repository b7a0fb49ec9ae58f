/* vectors.h: reading tests/vectors/NAME.json (tests run from the top of the tree).
 *
 * Anything unexpected fails the test that asked.
 *
 * Threads: test code, one thread. */
#ifndef VECTORS_H
#define VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>

/* The file as a value, to be released. */
static inline json_t *vec_load(const char *path)
{
	json_error_t e;
	json_t *v = json_load_file(path, JSON_REJECT_DUPLICATES, &e);

	if (!v)
		fail_msg("%s:%d: %s", path, e.line, e.text);
	return v;
}

/* Text, or NULL when the member is null. */
static inline const char *vec_text(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		fail_msg("no member %s", key);
	return json_string_value(v);
}

static inline uint64_t vec_u64(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_string(v))
		return strtoull(json_string_value(v), NULL, 10);
	assert_true(json_is_integer(v));
	return (uint64_t)json_integer_value(v);
}

/* Hex of any length, to be freed; NULL when the member is null. Sized exactly, so that a sanitizer
 * sees every byte read beyond it. */
static inline uint8_t *vec_bytes(const json_t *o, const char *key, size_t *ret_len)
{
	const char *hex = vec_text(o, key);
	size_t len = hex ? strlen(hex) / 2 : 0;
	uint8_t *p;

	*ret_len = len;
	if (!hex)
		return NULL;
	p = malloc(len ? len : 1);
	assert_non_null(p);
	assert_int_equal(sodium_hex2bin(p, len, hex, len * 2, NULL, &len, NULL), 0);
	assert_int_equal(len, *ret_len);
	return p;
}

/* Hex of exactly `len` bytes; false when the member is null. */
static inline bool vec_hex(const json_t *o, const char *key, void *to, size_t len)
{
	size_t n;
	uint8_t *p = vec_bytes(o, key, &n);

	if (!p)
		return false;
	assert_int_equal(n, len);
	memcpy(to, p, len);
	free(p);
	return true;
}

#endif
