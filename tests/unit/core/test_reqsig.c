/* Signed requests: five headers, and a signature over everything that matters. */
#include "tests/unit/core/vectors.h"

#include "core/key.h"
#include "core/reqsig.h"

#define FILE_NAME "tests/vectors/reqsig.json"

struct sample {
	struct ub_signkey key;
	struct ub_request req;
	struct ub_reqsig_text text;
	struct ub_reqsig rs;
};

/* Borrows from `v`. */
static void sample_read(json_t *v, size_t i, struct sample *ret)
{
	json_t *row = json_array_get(json_object_get(v, "requests"), i);
	json_t *h = json_object_get(row, "headers");
	const char *body = vec_text(row, "body");
	uint8_t seed[32];

	assert_true(vec_hex(row, "seed", seed, 32));
	ub_signkey_from_seed(seed, &ret->key);
	ret->req.method = ub_str(vec_text(row, "method"));
	ret->req.target = ub_str(vec_text(row, "target"));
	ub_sha256(body, strlen(body), ret->req.body_sha256);
	ret->text = (struct ub_reqsig_text){vec_text(h, "pub"), vec_text(h, "ts"),
		vec_text(h, "nonce"), vec_text(h, "audience"), vec_text(h, "sig")};
	assert_int_equal(ub_reqsig_parse(&ret->text, &ret->rs), UB_OK);
}

static size_t samples(json_t *v)
{
	return json_array_size(json_object_get(v, "requests"));
}

static void the_vectors_verify_and_are_signed_alike(void **state)
{
	json_t *v = vec_load(FILE_NAME);

	(void)state;
	assert_true(samples(v) > 0);
	for (size_t i = 0; i < samples(v); i++) {
		struct ub_reqsig_headers h;
		struct ub_reqsig own;
		struct sample s;

		sample_read(v, i, &s);
		assert_int_equal(ub_reqsig_verify(&s.rs, &s.req), UB_OK);
		own = s.rs;
		memset(&own.pub, 0, sizeof(own.pub));
		memset(&own.sig, 0, sizeof(own.sig));
		ub_reqsig_sign(&s.key, &s.req, &own);
		ub_reqsig_format(&own, &h);
		assert_string_equal(h.pub, s.text.pub);
		assert_string_equal(h.ts, s.text.ts);
		assert_string_equal(h.nonce, s.text.nonce);
		assert_string_equal(h.audience, s.text.audience);
		assert_string_equal(h.sig, s.text.sig);
	}
	json_decref(v);
}

static void whatever_changes_breaks_the_signature(void **state)
{
	enum { NOTHING, METHOD, TARGET, QUERY, BODY, TS, NONCE, AUDIENCE, PUB, SIG, CASES };
	json_t *v = vec_load(FILE_NAME);

	(void)state;
	for (unsigned i = NOTHING; i < CASES; i++) {
		struct sample s;

		sample_read(v, 2, &s);
		if (i == METHOD)
			s.req.method = UB_STR("POST");
		if (i == TARGET)
			s.req.target = UB_STR("/blobs/b?x=%2F&y");
		if (i == QUERY)
			s.req.target = UB_STR("/blobs/a?x=%2f&y");
		if (i == BODY)
			s.req.body_sha256[31] ^= 1;
		if (i == TS)
			s.rs.ts_ms++;
		if (i == NONCE)
			s.rs.nonce[15] ^= 1;
		if (i == AUDIENCE)
			s.rs.audience.z[0] = s.rs.audience.z[0] == 'A' ? 'B' : 'A';
		if (i == PUB)
			s.rs.pub.b[0] ^= 1;
		if (i == SIG)
			s.rs.sig.b[0] ^= 1;
		assert_int_equal(ub_reqsig_verify(&s.rs, &s.req),
			i == NOTHING ? UB_OK : UNIBUS_ERR_BAD_SIGNATURE);
	}
	json_decref(v);
}

/* Signed content is lines: "GET\n/a" as a method would read like the method GET and target "/a". */
static void a_line_end_cannot_move_a_boundary(void **state)
{
	static const struct {
		const char *method, *target;
		ub_err err;
	} cases[] = {
		{"GET", "/a", UB_OK},
		{"GET\n/a", "/b", UNIBUS_ERR_BAD_SIGNATURE},
		{"GET", "/a\n/b", UNIBUS_ERR_BAD_SIGNATURE},
		{"GET", "/a\n", UNIBUS_ERR_BAD_SIGNATURE},
		{"", "/a", UNIBUS_ERR_BAD_SIGNATURE},
		{"GET", "", UNIBUS_ERR_BAD_SIGNATURE},
	};
	json_t *v = vec_load(FILE_NAME);

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct sample s;

		sample_read(v, 0, &s);
		s.req.method = ub_str(cases[i].method);
		s.req.target = ub_str(cases[i].target);
		ub_reqsig_sign(&s.key, &s.req, &s.rs);
		assert_int_equal(ub_reqsig_verify(&s.rs, &s.req), cases[i].err);
	}
	json_decref(v);
}

static void all_five_headers_are_needed(void **state)
{
	json_t *v = vec_load(FILE_NAME);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct ub_reqsig rs = {.ts_ms = 77};
		struct sample s;

		sample_read(v, 0, &s);
		*(const char **[]){&s.text.pub, &s.text.ts, &s.text.nonce, &s.text.audience,
			&s.text.sig}[i] = NULL;
		assert_int_equal(ub_reqsig_parse(&s.text, &rs), UNIBUS_ERR_MISSING_HEADERS);
		assert_int_equal(rs.ts_ms, 77);
	}
	json_decref(v);
}

#define ZEROS_64 "0000000000000000000000000000000000000000000000000000000000000000"
#define AS_22 "AAAAAAAAAAAAAAAAAAAAAA"
#define AS_86 AS_22 AS_22 AS_22 "AAAAAAAAAAAAAAAAAAAA"

static void a_header_has_one_spelling(void **state)
{
	static const struct {
		struct ub_reqsig_text text;
		ub_err err;
	} cases[] = {
		{{ZEROS_64, "0", AS_22, AS_22, AS_86}, UB_OK},
		{{ZEROS_64, "9007199254740992", AS_22, AS_22, AS_86}, UB_OK},
		{{"", "0", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64 "0", "0", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64 "00", "0", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{"A" ZEROS_64, "0", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "00", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "-1", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "1.0", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, " 0", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "9007199254740993", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "18446744073709551616", AS_22, AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", "", AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", AS_22 "A", AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", AS_22 "==", AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", "AAAAAAAAAAAAAAAAAAAAAB", AS_22, AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", AS_22, "", AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", AS_22, "AAAAAAAAAAAAAAAAAAAAAB", AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", AS_22, "AAAAAAAAAAAAAAAAAAAAA+", AS_86}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", AS_22, AS_22, ""}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", AS_22, AS_22, AS_86 "A"}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", AS_22, AS_22, AS_86 "=="}, UNIBUS_ERR_INVALID},
		{{ZEROS_64, "0", AS_22, AS_22, AS_22}, UNIBUS_ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct ub_reqsig rs = {.ts_ms = 77};

		assert_int_equal(ub_reqsig_parse(&cases[i].text, &rs), cases[i].err);
		if (cases[i].err)
			assert_int_equal(rs.ts_ms, 77);
	}
}

static void upper_case_hex_is_another_spelling(void **state)
{
	json_t *v = vec_load(FILE_NAME);
	struct ub_reqsig rs = {.ts_ms = 77};
	struct sample s;
	char pub[65];

	(void)state;
	sample_read(v, 0, &s);
	for (size_t i = 0; i < sizeof(pub); i++) {
		char c = s.text.pub[i];

		pub[i] = c >= 'a' && c <= 'f' ? (char)(c - 'a' + 'A') : c;
	}
	assert_string_not_equal(pub, s.text.pub);
	s.text.pub = pub;
	assert_int_equal(ub_reqsig_parse(&s.text, &rs), UNIBUS_ERR_INVALID);
	json_decref(v);
}

static void a_server_id_is_sixteen_random_bytes(void **state)
{
	static const char *const bad[] = {"", AS_22 "A", "AAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAA."};
	const uint8_t random[16] = {0xff, 0xfe, [15] = 0xfb};
	struct ub_server_id id, back = {{'x'}};

	(void)state;
	ub_server_id_make(random, &id);
	assert_int_equal(strlen(id.z), UB_SERVER_ID_TEXT);
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++) {
		assert_int_equal(ub_server_id_parse(ub_str(bad[i]), &back), UNIBUS_ERR_INVALID);
		assert_int_equal(back.z[0], 'x');
	}
	assert_int_equal(ub_server_id_parse(ub_str(id.z), &back), UB_OK);
	assert_string_equal(back.z, id.z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_verify_and_are_signed_alike),
		cmocka_unit_test(whatever_changes_breaks_the_signature),
		cmocka_unit_test(a_line_end_cannot_move_a_boundary),
		cmocka_unit_test(all_five_headers_are_needed),
		cmocka_unit_test(a_header_has_one_spelling),
		cmocka_unit_test(upper_case_hex_is_another_spelling),
		cmocka_unit_test(a_server_id_is_sixteen_random_bytes),
	};

	return ub_core_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
