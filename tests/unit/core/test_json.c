/* Strict JSON: what is refused, and reading an object key by key. */
#include "tests/unit/core/vectors.h"

#include "core/buf.h"
#include "core/json.h"
#include "core/key.h"
#include "core/limits.h"

/* From an allocation of just that size, so that a sanitizer sees every byte read beyond it. */
static ub_err parse(ub_err (*parser)(struct ub_str, json_t **), struct ub_str s, json_t **ret)
{
	char *exact = malloc(s.len ? s.len : 1);
	ub_err err;

	assert_non_null(exact);
	memcpy(exact, s.p ? s.p : "", s.len);
	err = parser((struct ub_str){exact, s.len}, ret);
	free(exact);
	return err;
}

/* Ours and foreign: what each says about the text. */
static void judge(struct ub_str s, ub_err ours, ub_err foreign)
{
	json_t untouched, *v = &untouched;

	assert_int_equal(parse(ub_json_parse, s, &v), ours);
	if (ours)
		assert_ptr_equal(v, &untouched);
	else
		json_decref(v);
	v = &untouched;
	assert_int_equal(parse(ub_json_parse_foreign, s, &v), foreign);
	if (foreign)
		assert_ptr_equal(v, &untouched);
	else
		json_decref(v);
}

#define BAD UNIBUS_ERR_INVALID

struct verdict {
	const char *text;
	ub_err ours, foreign;
};

static void judge_all(const struct verdict *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		judge(ub_str(cases[i].text), cases[i].ours, cases[i].foreign);
}

static void what_is_not_one_plain_value_is_refused(void **state)
{
	static const struct verdict cases[] = {
		{"{}", UB_OK, UB_OK},
		{"[]", UB_OK, UB_OK},
		{"null", UB_OK, UB_OK},
		{"\"x\"", UB_OK, UB_OK},
		{"7", UB_OK, UB_OK},
		{" \n{\"a\" : [ 1 , true ] }\t", UB_OK, UB_OK}, /* white space is JSON's own */
		{"", BAD, BAD},
		{" ", BAD, BAD},
		{"{", BAD, BAD},
		{"{}x", BAD, BAD},
		{"{}{}", BAD, BAD},
		{"{} 1", BAD, BAD},
		{"1 2", BAD, BAD},
		{"{\"a\":1,}", BAD, BAD},
		{"[1,]", BAD, BAD},
		{"{a:1}", BAD, BAD},
		{"{'a':1}", BAD, BAD},
		{"{\"a\":1}//", BAD, BAD},
		{"nul", BAD, BAD},
		{"True", BAD, BAD},
		{"NaN", BAD, BAD},
		{"\xef\xbb\xbf{}", BAD, BAD}, /* byte order mark */
		/* duplicates */
		{"{\"a\":1,\"b\":1}", UB_OK, UB_OK},
		{"{\"a\":1,\"a\":1}", BAD, BAD},
		{"{\"a\":1,\"\\u0061\":1}", BAD, BAD},
		{"[{\"b\":{\"a\":1,\"a\":2}}]", BAD, BAD},
	};

	(void)state;
	judge_all(cases, UB_ARRAY_LEN(cases));
	judge(ub_str(NULL), BAD, BAD);
}

static void numbers_are_integers_that_everybody_can_hold(void **state)
{
	static const struct verdict cases[] = {
		{"9007199254740992", UB_OK, UB_OK},
		{"-9007199254740992", UB_OK, UB_OK},
		{"9007199254740993", BAD, UB_OK},
		{"-9007199254740993", BAD, UB_OK},
		{"[[{\"a\":9007199254740993}]]", BAD, UB_OK},
		{"9223372036854775807", BAD, UB_OK},
		{"9223372036854775808", BAD, BAD},
		{"1.0", BAD, UB_OK},
		{"1e3", BAD, UB_OK},
		{"[{\"a\":-0.5}]", BAD, UB_OK},
		{"1e999", BAD, BAD},
		{"01", BAD, BAD},
		{"+1", BAD, BAD},
		{"0x1", BAD, BAD},
		{"1.", BAD, BAD},
		{".5", BAD, BAD},
	};

	(void)state;
	judge_all(cases, UB_ARRAY_LEN(cases));
}

static void text_is_valid_utf8_without_nul(void **state)
{
	static const struct verdict cases[] = {
		{"\"\\u0001\"", UB_OK, UB_OK},
		{"\"\\u0000\"", BAD, BAD},
		{"{\"a\\u0000\":1}", BAD, BAD},
		{"\"\x01\"", BAD, BAD},
		{"\"a\nb\"", BAD, BAD},
		{"\"\\x41\"", BAD, BAD},
		{"\"\\ud83d\\ude8c\"", UB_OK, UB_OK},
		{"\"\\ud83d\"", BAD, BAD},
		{"\"\\ude8c\\ud83d\"", BAD, BAD},
		{"\"\xc3\xa4\"", UB_OK, UB_OK},
		{"\"\xc3\"", BAD, BAD},
		{"\"\xa4\"", BAD, BAD},
		{"\"\xc0\x80\"", BAD, BAD},         /* overlong NUL */
		{"\"\xe0\x80\xaf\"", BAD, BAD},     /* overlong slash */
		{"\"\xed\xa0\x80\"", BAD, BAD},     /* surrogate */
		{"\"\xf4\x90\x80\x80\"", BAD, BAD}, /* beyond U+10FFFF */
		{"\"\xff\"", BAD, BAD},
		{"{\"\xff\":1}", BAD, BAD},
	};

	(void)state;
	judge_all(cases, UB_ARRAY_LEN(cases));
}

static void a_nul_anywhere_is_refused(void **state)
{
	char text[] = "{\"abc\":[1,\"de\",null]}";
	size_t n = sizeof(text) - 1;

	(void)state;
	judge((struct ub_str){text, n}, UB_OK, UB_OK);
	for (size_t at = 0; at < n; at++) {
		char was = text[at];

		text[at] = '\0';
		judge((struct ub_str){text, n}, BAD, BAD);
		text[at] = was;
	}
	judge((struct ub_str){text, n + 1}, BAD, BAD);
}

/* `depth` values inside each other, arrays or objects or both by turns. */
static void judge_nested(size_t depth, bool arrays, bool objects, ub_err ours, ub_err foreign)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(100000);

	for (size_t i = 0; i < depth; i++)
		ub_buf_z(&b, arrays && (!objects || i % 2) ? "[" : "{\"a\":");
	ub_buf_z(&b, "1");
	for (size_t i = depth; i-- > 0;)
		ub_buf_z(&b, arrays && (!objects || i % 2) ? "]" : "}");
	judge(ub_buf_text(&b), ours, foreign);
}

static void nesting_has_a_limit(void **state)
{
	(void)state;
	for (unsigned kind = 1; kind <= 3; kind++) {
		judge_nested(UB_JSON_DEPTH_MAX, kind & 1, kind & 2, UB_OK, UB_OK);
		judge_nested(UB_JSON_DEPTH_MAX + 1, kind & 1, kind & 2, BAD, UB_OK);
		judge_nested(32, kind & 1, kind & 2, BAD, UB_OK);
		judge_nested(33, kind & 1, kind & 2, BAD, BAD);
		judge_nested(5000, kind & 1, kind & 2, BAD, BAD);
	}
}

static json_t *good_object(void)
{
	static const char text[] =
		"{\"n\":7,\"t\":true,\"f\":false,\"s\":\"text\",\"h\":\"00ff\",\"b\":\"AP8\","
		"\"o\":{\"x\":1},\"a\":[1,2]}";
	json_t *v = NULL;

	assert_int_equal(ub_json_parse(ub_str(text), &v), UB_OK);
	return v;
}

static void an_object_is_read_key_by_key(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *v = good_object();
	struct ub_obj o = ub_obj(v), inner;
	uint8_t h[2], b[2];

	(void)state;
	assert_int_equal(ub_obj_u64(&o, "n", 7, 7), 7);
	assert_true(ub_obj_bool(&o, "t"));
	assert_false(ub_obj_bool(&o, "f"));
	assert_true(ub_str_eqz(ub_obj_text(&o, "s", 4, 4), "text"));
	ub_obj_hex(&o, "h", h, 2);
	ub_obj_b64url(&o, "b", b, 2);
	assert_memory_equal(h, "\x00\xff", 2);
	assert_memory_equal(b, "\x00\xff", 2);
	assert_int_equal(ub_obj_end(&o), BAD); /* o and a are not asked for yet */
	inner = ub_obj(ub_obj_object(&o, "o"));
	assert_int_equal(ub_obj_u64(&inner, "x", 0, 9), 1);
	assert_int_equal(ub_obj_end(&inner), UB_OK);
	assert_int_equal(json_array_size(ub_obj_array(&o, "a", 2)), 2);
	assert_int_equal(o.err, UB_OK);
	assert_int_equal(ub_obj_end(&o), UB_OK);
}

enum getter { U64, BOOL, TEXT, HEX, B64URL, OBJECT, ARRAY };

/* Reads one member; true when the value was the zero of its kind. */
static bool zero_from(struct ub_obj *o, enum getter g, const char *key)
{
	uint8_t raw[2] = {9, 9};
	struct ub_str s;

	switch (g) {
	case U64:
		return ub_obj_u64(o, key, 1, 9) == 0;
	case BOOL:
		return !ub_obj_bool(o, key);
	case TEXT:
		s = ub_obj_text(o, key, 4, 4);
		return !s.p && !s.len;
	case HEX:
		ub_obj_hex(o, key, raw, 2);
		return !raw[0] && !raw[1];
	case B64URL:
		ub_obj_b64url(o, key, raw, 2);
		return !raw[0] && !raw[1];
	case OBJECT:
		return !ub_obj_object(o, key);
	case ARRAY:
		return !ub_obj_array(o, key, 2);
	}
	return false;
}

static void what_does_not_fit_latches_and_gives_zero(void **state)
{
	static const struct {
		enum getter getter;
		const char *bad, *good;
	} cases[] = {
		{U64, "{\"k\":0}", "{\"k\":1}"},
		{U64, "{\"k\":10}", "{\"k\":9}"},
		{U64, "{\"k\":-1}", "{\"k\":9}"},
		{U64, "{\"k\":\"9\"}", "{\"k\":9}"},
		{U64, "{\"k\":true}", "{\"k\":9}"},
		{U64, "{\"k\":null}", "{\"k\":9}"},
		{U64, "{\"K\":9}", "{\"k\":9}"},
		{BOOL, "{\"k\":1}", "{\"k\":true}"},
		{BOOL, "{\"k\":\"true\"}", "{\"k\":true}"},
		{BOOL, "{\"k\":null}", "{\"k\":true}"},
		{BOOL, "{}", "{\"k\":true}"},
		{TEXT, "{\"k\":\"abc\"}", "{\"k\":\"abcd\"}"},
		{TEXT, "{\"k\":\"abcde\"}", "{\"k\":\"abcd\"}"},
		{TEXT, "{\"k\":\"abc\xc3\xa4\"}", "{\"k\":\"ab\xc3\xa4\"}"},
		{TEXT, "{\"k\":1234}", "{\"k\":\"abcd\"}"},
		{TEXT, "{\"k\":[\"abcd\"]}", "{\"k\":\"abcd\"}"},
		{HEX, "{\"k\":\"01\"}", "{\"k\":\"0102\"}"},
		{HEX, "{\"k\":\"010203\"}", "{\"k\":\"0102\"}"},
		{HEX, "{\"k\":\"010F\"}", "{\"k\":\"010f\"}"},
		{HEX, "{\"k\":102}", "{\"k\":\"0102\"}"},
		{B64URL, "{\"k\":\"AQ\"}", "{\"k\":\"AQI\"}"},
		{B64URL, "{\"k\":\"AQIA\"}", "{\"k\":\"AQI\"}"},
		{B64URL, "{\"k\":\"AQJ\"}", "{\"k\":\"AQI\"}"},
		{B64URL, "{\"k\":\"AQI=\"}", "{\"k\":\"AQI\"}"},
		{B64URL, "{\"k\":{}}", "{\"k\":\"AQI\"}"},
		{OBJECT, "{\"k\":[]}", "{\"k\":{}}"},
		{OBJECT, "{\"k\":null}", "{\"k\":{}}"},
		{ARRAY, "{\"k\":{}}", "{\"k\":[]}"},
		{ARRAY, "{\"k\":[1,2,3]}", "{\"k\":[1,2]}"},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		UB_CLEANUP(json_decrefp) json_t *bad = NULL;
		UB_CLEANUP(json_decrefp) json_t *good = NULL;
		struct ub_obj o;

		assert_int_equal(ub_json_parse(ub_str(cases[i].bad), &bad), UB_OK);
		o = ub_obj(bad);
		assert_true(zero_from(&o, cases[i].getter, "k"));
		assert_int_equal(ub_obj_end(&o), BAD);
		assert_int_equal(ub_json_parse(ub_str(cases[i].good), &good), UB_OK);
		o = ub_obj(good);
		assert_false(zero_from(&o, cases[i].getter, "k"));
		assert_int_equal(ub_obj_end(&o), UB_OK);
	}
}

static void after_an_error_everything_reads_as_zero(void **state)
{
	static const char *const keys[] = {"n", "t", "s", "h", "b", "o", "a"};
	UB_CLEANUP(json_decrefp) json_t *v = good_object();

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(keys); i++) {
		struct ub_obj o = ub_obj(v);

		assert_false(zero_from(&o, (enum getter)i, keys[i]));
		assert_true(zero_from(&o, U64, "absent"));
		assert_true(zero_from(&o, (enum getter)i, keys[i]));
		assert_int_equal(ub_obj_end(&o), BAD);
	}
}

static void what_is_no_object_has_no_members(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *array = json_array();
	struct ub_obj o = ub_obj(array), none = ub_obj(NULL);

	(void)state;
	assert_int_equal(ub_obj_end(&o), BAD);
	assert_int_equal(ub_obj_end(&none), BAD);
	assert_false(ub_obj_has(&o, "k"));
	assert_true(zero_from(&none, U64, "k"));
}

static void an_optional_member_is_asked_for_first(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *v = good_object();
	struct ub_obj o = ub_obj(v);

	(void)state;
	assert_true(ub_obj_has(&o, "n"));
	assert_false(ub_obj_has(&o, "absent"));
	assert_int_equal(o.err, UB_OK);
	assert_int_equal(o.taken, 0);
}

static void a_text_is_compact_and_keeps_its_order(void **state)
{
	static const char *const texts[] = {
		"{\"b\":1,\"a\":[true,null,\"x\"]}", "[]", "\"\xc3\xa4\"", "7", "null"};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(texts); i++) {
		UB_CLEANUP(json_decrefp) json_t *v = NULL;
		UB_CLEANUP(ub_freep) char *text = NULL;

		assert_int_equal(ub_json_parse(ub_str(texts[i]), &v), UB_OK);
		text = ub_json_text(v);
		assert_string_equal(text, texts[i]);
	}
}

/* Text is weighed after parsing; every escape and length of UTF-8 must weigh the same both ways. */
static void escapes_are_resolved(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"\"\\u0041\\u007f\\u0080\\u07fF\"", "A\x7f\xc2\x80\xdf\xbf"},
		{"\"\\u0800\\uFFFF\\ud83d\\uDE8C\"", "\xe0\xa0\x80\xef\xbf\xbf\xf0\x9f\x9a\x8c"},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
		{"\"\\\\\\\"1\\\\\"", "\\\"1\\"},
		{"\"\xf0\x9f\x9a\x8c{[12:,\"", "\xf0\x9f\x9a\x8c{[12:,"},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		UB_CLEANUP(json_decrefp) json_t *v = NULL;
		UB_CLEANUP(json_decrefp) json_t *foreign = NULL;

		assert_int_equal(parse(ub_json_parse, ub_str(cases[i].text), &v), UB_OK);
		assert_string_equal(json_string_value(v), cases[i].want);
		assert_int_equal(
			parse(ub_json_parse_foreign, ub_str(cases[i].text), &foreign), UB_OK);
		assert_true(json_equal(v, foreign));
	}
}

/* Whatever the bytes, the answer is a value or INVALID; and a value's text parses to itself. */
static void mutations_are_values_or_refused(void **state)
{
	static const char seed[] = "{\"v\":1,\"ops\":[{\"op\":\"add\",\"n\":-9007199254740992},"
				   "{\"s\":\"\\u00e4\xc3\xa4\\\"\",\"t\":[true,false,null]}]}";
	static const char pool[] = "{}[]:,\"\\u0d19-+.eE tn\x00\x80\xc3\xff";
	uint64_t random = 1;
	size_t good = 0;

	(void)state;
	for (unsigned round = 0; round < 40000; round++) {
		char text[sizeof(seed)];
		struct ub_str s = {text, sizeof(seed) - 1};
		UB_CLEANUP(json_decrefp) json_t *v = NULL;
		UB_CLEANUP(json_decrefp) json_t *again = NULL;
		UB_CLEANUP(ub_freep) char *out = NULL;
		ub_err err;

		memcpy(text, seed, sizeof(seed));
		for (unsigned i = 0; i <= round % 3; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			text[(random >> 33) % s.len] = pool[(random >> 50) % (sizeof(pool) - 1)];
		}
		err = parse(ub_json_parse, s, &v);
		if (err) {
			assert_int_equal(err, BAD);
			continue;
		}
		good++;
		out = ub_json_text(v);
		assert_non_null(out);
		assert_int_equal(ub_json_parse(ub_str(out), &again), UB_OK);
		assert_true(json_equal(v, again));
	}
	assert_true(good > 100);
}

/* jansson's allocator is the process's: set and put back by the one test that needs it. */
static long allocations_left;
static bool only_one_fails;

static void *failing_malloc(size_t n)
{
	long left = allocations_left--;

	return left > 0 || (only_one_fails && left < 0) ? malloc(n) : NULL;
}

/* jansson takes some failures for bad text; what must not happen is another value. */
static void without_memory_there_is_no_wrong_value(void **state)
{
	static const char text[] = "{\"a\":[1,{\"b\":\"a text longer than one small buffer\","
				   "\"a key longer than sixteen\":-9007199254740992}]}";
	unsigned failures = 0, named = 0;

	(void)state;
	for (long n = 0; n < 200; n++) {
		UB_CLEANUP(json_decrefp) json_t *v = NULL;
		UB_CLEANUP(ub_freep) char *out = NULL;
		ub_err err;

		allocations_left = n / 2;
		only_one_fails = n % 2;
		json_set_alloc_funcs(failing_malloc, free);
		err = ub_json_parse(ub_str(text), &v);
		json_set_alloc_funcs(malloc, free);
		failures += err != UB_OK;
		named += err == UNIBUS_ERR_NOMEM;
		out = err ? NULL : ub_json_text(v);
		if (err)
			assert_true(err == UNIBUS_ERR_NOMEM || err == BAD);
		else
			assert_string_equal(out, text);
	}
	assert_in_range(failures, 20, 100);
	assert_true(named > failures / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_one_plain_value_is_refused),
		cmocka_unit_test(numbers_are_integers_that_everybody_can_hold),
		cmocka_unit_test(text_is_valid_utf8_without_nul),
		cmocka_unit_test(a_nul_anywhere_is_refused),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(an_object_is_read_key_by_key),
		cmocka_unit_test(what_does_not_fit_latches_and_gives_zero),
		cmocka_unit_test(after_an_error_everything_reads_as_zero),
		cmocka_unit_test(what_is_no_object_has_no_members),
		cmocka_unit_test(an_optional_member_is_asked_for_first),
		cmocka_unit_test(a_text_is_compact_and_keeps_its_order),
		cmocka_unit_test(escapes_are_resolved),
		cmocka_unit_test(mutations_are_values_or_refused),
		cmocka_unit_test(without_memory_there_is_no_wrong_value),
	};

	return ub_core_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
