/* Keys: which are acceptable, what they sign and what they never sign. */
#include "tests/unit/core/vectors.h"

#include "core/key.h"
#include "core/limits.h"

#define FILE_NAME "tests/vectors/keys.json"

static json_t *member(json_t *v, const char *outer, const char *inner)
{
	json_t *m = json_object_get(json_object_get(v, outer), inner);

	assert_true(json_array_size(m) > 0);
	return m;
}

static void a_list_of_keys_is_judged(
	const char *outer, const char *inner, ub_err (*judge)(const char *hex), ub_err want)
{
	json_t *v = vec_load(FILE_NAME), *row;
	size_t i;

	json_array_foreach (member(v, outer, inner), i, row) {
		const char *hex =
			json_is_string(row) ? json_string_value(row) : vec_text(row, "key");

		if (judge(hex) != want)
			fail_msg("%s key %s", outer, hex);
	}
	json_decref(v);
}

static void unhex(const char *hex, uint8_t to[32])
{
	size_t len;

	assert_int_equal(sodium_hex2bin(to, 32, hex, strlen(hex), NULL, &len, NULL), 0);
	assert_int_equal(len, 32);
}

static ub_err judge_sign(const char *hex)
{
	struct ub_pubkey k;

	unhex(hex, k.b);
	return ub_pubkey_check(&k);
}

static ub_err judge_kex(const char *hex)
{
	struct ub_kexpub k;

	unhex(hex, k.b);
	return ub_kexpub_check(&k);
}

static void honest_signing_keys_are_accepted(void **state)
{
	(void)state;
	a_list_of_keys_is_judged("sign", "good", judge_sign, UB_OK);
}

/* Small order, non-canonical, off the curve, and honest keys with a torsion component. */
static void bad_signing_keys_are_refused(void **state)
{
	(void)state;
	a_list_of_keys_is_judged("sign", "bad", judge_sign, UNIBUS_ERR_INVALID);
}

static void honest_exchange_keys_are_accepted(void **state)
{
	(void)state;
	a_list_of_keys_is_judged("kex", "good", judge_kex, UB_OK);
}

/* Low order, not below p, high bit set. */
static void bad_exchange_keys_are_refused(void **state)
{
	(void)state;
	a_list_of_keys_is_judged("kex", "bad", judge_kex, UNIBUS_ERR_INVALID);
}

static void a_key_of_low_order_would_give_a_known_secret(void **state)
{
	json_t *v = vec_load(FILE_NAME), *row;
	const uint8_t secret[32] = {0x55};
	size_t i, low = 0;

	(void)state;
	json_array_foreach (member(v, "kex", "bad"), i, row) {
		uint8_t k[32], shared[32];

		if (strncmp(vec_text(row, "why"), "low order", 9) != 0)
			continue;
		unhex(vec_text(row, "key"), k);
		low += crypto_scalarmult(shared, secret, k) != 0;
	}
	assert_int_equal(low, 10);
	json_decref(v);
}

static void random_keys_are_accepted_and_derived_from_secrets(void **state)
{
	uint8_t seed[32] = {0};

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct ub_signkey k;
		struct ub_pubkey pub, other;
		struct ub_kexsec sec;
		struct ub_kexpub kex, want;

		seed[i % 32] = (uint8_t)(seed[i % 32] + i + 1);
		ub_signkey_from_seed(seed, &k);
		ub_signkey_pub(&k, &pub);
		assert_memory_equal(k.b, seed, 32);
		assert_int_equal(ub_pubkey_check(&pub), UB_OK);
		other = pub;
		assert_true(ub_pubkey_eq(&pub, &other));
		other.b[i % 32] ^= 1;
		assert_false(ub_pubkey_eq(&pub, &other));
		memcpy(sec.b, seed, 32);
		ub_kexsec_pub(&sec, &kex);
		crypto_scalarmult_base(want.b, seed);
		assert_memory_equal(kex.b, want.b, 32);
		assert_int_equal(ub_kexpub_check(&kex), UB_OK);
	}
}

static void tagged_signatures_are_those_of_the_vectors(void **state)
{
	json_t *v = vec_load(FILE_NAME), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "ph"), i, row) {
		size_t len;
		uint8_t seed[32], *message = vec_bytes(row, "message", &len);
		struct ub_signkey k;
		struct ub_pubkey pub;
		struct ub_sig sig, want;
		struct ub_ph ph;

		assert_true(vec_hex(row, "seed", seed, 32) && vec_hex(row, "sig", want.b, 64));
		ub_signkey_from_seed(seed, &k);
		ub_signkey_pub(&k, &pub);
		ub_ph_init(&ph, UB_TAG_FRAME);
		/* In two pieces: where they are cut must not matter. */
		ub_ph_update(&ph, message, len / 3);
		ub_ph_update(&ph, message + len / 3, len - len / 3);
		ub_ph_sign(&ph, &k, &sig);
		assert_memory_equal(sig.b, want.b, 64);
		ub_ph_init(&ph, UB_TAG_FRAME);
		ub_ph_update(&ph, message, len);
		assert_int_equal(ub_ph_verify(&ph, &pub, &want), UB_OK);
		free(message);
	}
	assert_true(i > 0);
	json_decref(v);
}

static ub_err verify(
	const char *tag, const char *text, const struct ub_pubkey *pub, const struct ub_sig *sig)
{
	struct ub_ph ph;

	ub_ph_init(&ph, tag);
	ub_ph_update(&ph, text, strlen(text));
	return ub_ph_verify(&ph, pub, sig);
}

static void a_signature_is_for_one_tag_key_and_content(void **state)
{
	const char *const tags[] = {UB_TAG_REQUEST, UB_TAG_KEYREC, UB_TAG_ROOM, UB_TAG_FRAME};
	const uint8_t seed[32] = {1}, other_seed[32] = {2};
	struct ub_signkey k;
	struct ub_pubkey pub, other;
	struct ub_sig sig;

	(void)state;
	ub_signkey_from_seed(other_seed, &k);
	ub_signkey_pub(&k, &other);
	ub_signkey_from_seed(seed, &k);
	ub_signkey_pub(&k, &pub);
	for (size_t i = 0; i < UB_ARRAY_LEN(tags); i++) {
		struct ub_ph ph;

		ub_ph_init(&ph, tags[i]);
		ub_ph_update(&ph, "content", 7);
		ub_ph_sign(&ph, &k, &sig);
		for (size_t j = 0; j < UB_ARRAY_LEN(tags); j++)
			assert_int_equal(verify(tags[j], "content", &pub, &sig),
				i == j ? UB_OK : UNIBUS_ERR_BAD_SIGNATURE);
		assert_int_equal(
			verify(tags[i], "content", &other, &sig), UNIBUS_ERR_BAD_SIGNATURE);
		assert_int_equal(verify(tags[i], "conten", &pub, &sig), UNIBUS_ERR_BAD_SIGNATURE);
	}
	/* The tag's NUL keeps a longer tag from being a shorter one with more content. */
	assert_int_equal(
		verify("unibus/frame/v", "1content", &pub, &sig), UNIBUS_ERR_BAD_SIGNATURE);
}

static void every_bit_of_a_signature_counts(void **state)
{
	const uint8_t seed[32] = {1};
	struct ub_signkey k;
	struct ub_pubkey pub;
	struct ub_sig sig;
	struct ub_ph ph;

	(void)state;
	ub_signkey_from_seed(seed, &k);
	ub_signkey_pub(&k, &pub);
	ub_ph_init(&ph, UB_TAG_ROOM);
	ub_ph_update(&ph, "x", 1);
	ub_ph_sign(&ph, &k, &sig);
	for (size_t bit = 0; bit < 512; bit++) {
		sig.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(verify(UB_TAG_ROOM, "x", &pub, &sig), UNIBUS_ERR_BAD_SIGNATURE);
		sig.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(verify(UB_TAG_ROOM, "x", &pub, &sig), UB_OK);
}

/* s + L verifies the same equation: a second spelling of a good signature. */
static void a_signature_has_one_spelling(void **state)
{
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
		0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
	const uint8_t seed[32] = {1};
	struct ub_signkey k;
	struct ub_pubkey pub;
	struct ub_sig sig;
	unsigned carry = 0;

	(void)state;
	ub_signkey_from_seed(seed, &k);
	ub_signkey_pub(&k, &pub);
	assert_int_equal(ub_login_sign(&k, UB_STR("abcdefghijk"), &sig), UB_OK);
	assert_int_equal(ub_login_verify(&pub, UB_STR("abcdefghijk"), &sig), UB_OK);
	for (size_t i = 0; i < 32; i++) {
		carry += (unsigned)sig.b[32 + i] + order[i];
		sig.b[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_int_equal(carry, 0);
	assert_int_equal(
		ub_login_verify(&pub, UB_STR("abcdefghijk"), &sig), UNIBUS_ERR_BAD_SIGNATURE);
}

static void login_signatures_are_those_of_the_vectors(void **state)
{
	json_t *v = vec_load(FILE_NAME), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "login"), i, row) {
		struct ub_str nonce = ub_str(vec_text(row, "nonce"));
		uint8_t seed[32];
		struct ub_signkey k;
		struct ub_pubkey pub;
		struct ub_sig sig, want;

		assert_true(vec_hex(row, "seed", seed, 32) && vec_hex(row, "sig", want.b, 64));
		ub_signkey_from_seed(seed, &k);
		ub_signkey_pub(&k, &pub);
		assert_int_equal(ub_login_sign(&k, nonce, &sig), UB_OK);
		assert_memory_equal(sig.b, want.b, 64);
		assert_int_equal(ub_login_verify(&pub, nonce, &want), UB_OK);
		want.b[5] ^= 1;
		assert_int_equal(ub_login_verify(&pub, nonce, &want), UNIBUS_ERR_BAD_SIGNATURE);
	}
	assert_true(i > 0);
	json_decref(v);
}

static void only_a_nonce_is_signed_at_a_login(void **state)
{
	static const struct {
		const char *text;
		ub_err err;
	} cases[] = {
		{"abcdefghijk", UB_OK},
		{"ABCXYZ089_-", UB_OK},
		{"abcdefghij", UNIBUS_ERR_INVALID}, /* 10 */
		{"", UNIBUS_ERR_INVALID},
		{"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl", UB_OK},
		{"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklm",
			UNIBUS_ERR_INVALID},
		{"abcdefghij.", UNIBUS_ERR_INVALID},
		{"abcdefghij ", UNIBUS_ERR_INVALID},
		{"abcdefghij\n", UNIBUS_ERR_INVALID},
		{"abcdefghij=", UNIBUS_ERR_INVALID},
		{"abcdefghij+", UNIBUS_ERR_INVALID},
		{"abcdefghij/", UNIBUS_ERR_INVALID},
		{"abcdefghij\xc3\xa4", UNIBUS_ERR_INVALID},
		{"unibus/request/v1", UNIBUS_ERR_INVALID},
		{"GET\n/rooms\n1700000000000", UNIBUS_ERR_INVALID},
	};
	const uint8_t seed[32] = {1};
	struct ub_signkey k;
	struct ub_pubkey pub;

	(void)state;
	ub_signkey_from_seed(seed, &k);
	ub_signkey_pub(&k, &pub);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct ub_str nonce = ub_str(cases[i].text);
		struct ub_sig sig = {{9}};

		assert_int_equal(ub_login_sign(&k, nonce, &sig), cases[i].err);
		if (cases[i].err) {
			assert_int_equal(sig.b[0], 9);
			crypto_sign_detached(sig.b, NULL, (const uint8_t *)nonce.p, nonce.len, k.b);
		}
		assert_int_equal(ub_login_verify(&pub, nonce, &sig), cases[i].err);
	}
	assert_int_equal(
		ub_login_sign(&k, (struct ub_str){"abcdef\0hijkl", 12}, &(struct ub_sig){{0}}),
		UNIBUS_ERR_INVALID);
}

static void hashes_are_the_published_ones(void **state)
{
	/* BLAKE2b-256 and SHA-256 of "abc". */
	static const char blake[] =
		"bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
	json_t *v = vec_load("tests/vectors/codecs.json"), *row;
	uint8_t want[32], sha[32];
	struct ub_hash h;
	size_t i;

	(void)state;
	unhex(blake, want);
	ub_hash("abc", 3, &h);
	assert_memory_equal(h.b, want, 32);
	json_array_foreach (json_object_get(v, "bytes"), i, row) {
		size_t len;
		uint8_t *raw = vec_bytes(row, "hex", &len);

		ub_sha256(raw, len, sha);
		assert_true(vec_hex(row, "sha256", want, 32));
		assert_memory_equal(sha, want, 32);
		free(raw);
	}
	json_decref(v);
}

static void starting_twice_is_harmless(void **state)
{
	(void)state;
	assert_int_equal(ub_core_init(), UB_OK);
	assert_int_equal(ub_core_init(), UB_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starting_twice_is_harmless),
		cmocka_unit_test(honest_signing_keys_are_accepted),
		cmocka_unit_test(bad_signing_keys_are_refused),
		cmocka_unit_test(honest_exchange_keys_are_accepted),
		cmocka_unit_test(bad_exchange_keys_are_refused),
		cmocka_unit_test(a_key_of_low_order_would_give_a_known_secret),
		cmocka_unit_test(random_keys_are_accepted_and_derived_from_secrets),
		cmocka_unit_test(tagged_signatures_are_those_of_the_vectors),
		cmocka_unit_test(a_signature_is_for_one_tag_key_and_content),
		cmocka_unit_test(every_bit_of_a_signature_counts),
		cmocka_unit_test(a_signature_has_one_spelling),
		cmocka_unit_test(login_signatures_are_those_of_the_vectors),
		cmocka_unit_test(only_a_nonce_is_signed_at_a_login),
		cmocka_unit_test(hashes_are_the_published_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
