/* NATS tokens: what we sign verifies, what is malformed or forged does not. */
#include "tests/unit/core/vectors.h"

#include "core/json.h"
#include "core/jwt.h"
#include "core/key.h"
#include "core/limits.h"

#define FILE_NAME "tests/vectors/jwt.json"

static enum ub_nkey_type type_of(const json_t *v)
{
	struct ub_str s = ub_str(vec_text(v, "type"));

	if (ub_str_eqz(s, "user"))
		return UB_NKEY_USER;
	if (ub_str_eqz(s, "server"))
		return UB_NKEY_SERVER;
	assert_true(ub_str_eqz(s, "account"));
	return UB_NKEY_ACCOUNT;
}

/* The text in memory of exactly its length, without a NUL. */
static ub_err verify(struct ub_str token, enum ub_nkey_type type, struct ub_pubkey *iss, json_t **v)
{
	UB_CLEANUP(ub_freep) char *copy = malloc(token.len ? token.len : 1);

	assert_non_null(copy);
	if (token.len)
		memcpy(copy, token.p, token.len);
	return ub_jwt_verify((struct ub_str){copy, token.len}, type, iss, v);
}

static ub_err verify_only(struct ub_str token, enum ub_nkey_type type)
{
	struct ub_pubkey iss = {{0}}, zero = {{0}};
	json_t *v = NULL;
	ub_err err = verify(token, type, &iss, &v);

	if (err) {
		assert_null(v);
		assert_memory_equal(iss.b, zero.b, 32);
	}
	json_decref(v);
	return err;
}

static void each_vector_verifies(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(doc, "tokens"), i, v) {
		UB_CLEANUP(json_decrefp) json_t *claims = NULL;
		struct ub_pubkey iss, want;

		print_message("%s\n", vec_text(v, "name"));
		vec_hex(v, "iss", want.b, 32);
		assert_int_equal(
			verify(ub_str(vec_text(v, "token")), type_of(v), &iss, &claims), UB_OK);
		assert_memory_equal(iss.b, want.b, 32);
		assert_true(json_equal(claims, json_object_get(v, "claims")));
	}
	assert_true(i >= 4);
}

static void each_bad_vector_is_refused_by_name(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(doc, "bad"), i, v) {
		print_message("%s\n", vec_text(v, "name"));
		assert_string_equal(
			unibus_err_word(verify_only(ub_str(vec_text(v, "token")), type_of(v))),
			vec_text(v, "error"));
	}
	assert_true(i >= 45);
}

static void no_cut_and_no_changed_character_survives(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	const json_t *v = json_array_get(json_object_get(doc, "tokens"), 0);
	const char *token = vec_text(v, "token");
	UB_CLEANUP(ub_freep) char *copy = ub_str_dup(ub_str(token));
	size_t len = strlen(token);

	(void)state;
	assert_non_null(copy);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(verify_only((struct ub_str){token, i}, UB_NKEY_ACCOUNT),
			UNIBUS_ERR_INVALID);
	for (size_t bit = 0; bit < len * 8; bit++) {
		copy[bit / 8] ^= (char)(1 << (bit % 8));
		assert_int_not_equal(verify_only(ub_str(copy), UB_NKEY_ACCOUNT), UB_OK);
		copy[bit / 8] ^= (char)(1 << (bit % 8));
	}
	assert_int_equal(verify_only(ub_str(copy), UB_NKEY_ACCOUNT), UB_OK);
}

/* Each byte from 0x80 on, in each place of the signature's last group. */
static void bytes_beyond_ascii_are_no_base64(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	const json_t *v = json_array_get(json_object_get(doc, "tokens"), 0);
	UB_CLEANUP(ub_freep) char *copy = ub_str_dup(ub_str(vec_text(v, "token")));
	size_t len;

	(void)state;
	assert_non_null(copy);
	len = strlen(copy);
	for (size_t at = len - 6; at < len; at++) {
		char was = copy[at];

		for (int c = 0x80; c <= 0xff; c++) {
			copy[at] = (char)c;
			assert_int_equal(
				verify_only(ub_str(copy), UB_NKEY_ACCOUNT), UNIBUS_ERR_INVALID);
		}
		copy[at] = was;
	}
	assert_int_equal(verify_only(ub_str(copy), UB_NKEY_ACCOUNT), UB_OK);
}

static const struct ub_signkey *test_key(struct ub_signkey *k)
{
	static const uint8_t seed[32] = {1, 2, 3};

	ub_signkey_from_seed(seed, k);
	return k;
}

static void what_is_signed_verifies_and_carries_iss_iat_and_jti(void **state)
{
	UB_CLEANUP(json_decrefp)
	json_t *claims = json_pack("{s:s, s:{s:i, s:s}}", "sub", "somebody \"quoted\" \xc3\xa9",
		"nats", "version", 2, "type", "user");
	UB_CLEANUP(json_decrefp) json_t *before = json_deep_copy(claims);
	UB_CLEANUP(json_decrefp) json_t *back = NULL;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);
	struct ub_signkey k;
	struct ub_pubkey pub, iss;
	char text[UB_NKEY_TEXT + 1];

	(void)state;
	ub_buf_z(&out, "before ");
	assert_int_equal(
		ub_jwt_sign(test_key(&k), UB_NKEY_ACCOUNT, claims, 1785500000, &out), UB_OK);
	assert_true(json_equal(claims, before));
	assert_memory_equal(out.p, "before eyJ", 10);
	assert_int_equal(verify((struct ub_str){(const char *)out.p + 7, out.len - 7},
				 UB_NKEY_ACCOUNT, &iss, &back),
		UB_OK);
	ub_signkey_pub(&k, &pub);
	assert_memory_equal(iss.b, pub.b, 32);
	ub_nkey_encode(UB_NKEY_ACCOUNT, pub.b, text);
	assert_string_equal(vec_text(back, "iss"), text);
	assert_int_equal(vec_u64(back, "iat"), 1785500000);
	assert_int_equal(strlen(vec_text(back, "jti")), 52);
	assert_int_equal(json_object_del(back, "iss") + json_object_del(back, "iat") +
				 json_object_del(back, "jti"),
		0);
	assert_true(json_equal(back, before));
}

static void jti_differs_when_the_claims_do(void **state)
{
	char jti[2][64];

	(void)state;
	for (int i = 0; i < 2; i++) {
		UB_CLEANUP(json_decrefp)
		json_t *claims = json_pack("{s:{s:i}}", "nats", "version", 2);
		UB_CLEANUP(json_decrefp) json_t *back = NULL;
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);
		struct ub_signkey k;
		struct ub_pubkey iss;

		assert_int_equal(ub_jwt_sign(test_key(&k), UB_NKEY_SERVER, claims,
					 1785500000 + (uint64_t)i, &out),
			UB_OK);
		assert_int_equal(verify(ub_buf_text(&out), UB_NKEY_SERVER, &iss, &back), UB_OK);
		(void)snprintf(jti[i], sizeof(jti[i]), "%s", vec_text(back, "jti"));
	}
	assert_string_not_equal(jti[0], jti[1]);
}

static void a_token_has_a_largest_size(void **state)
{
	static const struct {
		size_t fill;
		ub_err err;
	} rows[] = {
		{700 * 1024, UB_OK},
		{UB_JWT_MAX / 4 * 3, UNIBUS_ERR_TOO_LARGE},
		{UB_JWT_MAX, UNIBUS_ERR_TOO_LARGE},
	};
	UB_CLEANUP(ub_freep) char *fill = malloc(UB_JWT_MAX + 1);

	(void)state;
	assert_non_null(fill);
	memset(fill, 'x', UB_JWT_MAX + 1);
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		UB_CLEANUP(json_decrefp) json_t *claims = NULL;
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4 * UB_JWT_MAX);
		struct ub_signkey k;

		claims = json_pack(
			"{s:s%, s:{s:i}}", "sub", fill, rows[i].fill, "nats", "version", 2);
		assert_int_equal(
			ub_jwt_sign(test_key(&k), UB_NKEY_USER, claims, 1, &out), rows[i].err);
		if (!rows[i].err)
			assert_int_equal(verify_only(ub_buf_text(&out), UB_NKEY_USER), UB_OK);
	}
	assert_int_equal(verify_only((struct ub_str){fill, UB_JWT_MAX + 1}, UB_NKEY_USER),
		UNIBUS_ERR_TOO_LARGE);
	assert_int_equal(
		verify_only((struct ub_str){fill, UB_JWT_MAX}, UB_NKEY_USER), UNIBUS_ERR_INVALID);
}

static void a_full_buffer_is_reported(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *claims = json_pack("{s:{s:i}}", "nats", "version", 2);
	struct ub_signkey k;

	(void)state;
	for (size_t max = 0; max < 300; max++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(max);

		assert_int_equal(ub_jwt_sign(test_key(&k), UB_NKEY_USER, claims, 1, &out),
			UNIBUS_ERR_TOO_LARGE);
	}
}

static int setup(void **state)
{
	(void)state;
	return ub_core_init() ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_vector_verifies),
		cmocka_unit_test(each_bad_vector_is_refused_by_name),
		cmocka_unit_test(no_cut_and_no_changed_character_survives),
		cmocka_unit_test(bytes_beyond_ascii_are_no_base64),
		cmocka_unit_test(what_is_signed_verifies_and_carries_iss_iat_and_jti),
		cmocka_unit_test(jti_differs_when_the_claims_do),
		cmocka_unit_test(a_token_has_a_largest_size),
		cmocka_unit_test(a_full_buffer_is_reported),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
