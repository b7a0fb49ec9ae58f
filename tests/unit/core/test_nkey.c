/* nkeys: the text form of keys that NATS uses. */
#include "tests/unit/core/vectors.h"

#include "core/b32.h"
#include "core/crc16.h"
#include "core/key.h"
#include "core/nkey.h"

#define FILE_NAME "tests/vectors/nkey.json"

static const struct {
	const char *name;
	enum ub_nkey_type type;
	char first;
} types[] = {{"user", UB_NKEY_USER, 'U'}, {"account", UB_NKEY_ACCOUNT, 'A'},
	{"server", UB_NKEY_SERVER, 'N'}, {"curve", UB_NKEY_CURVE, 'X'}};

static void the_pair_in_the_nats_manual_belongs_together(void **state)
{
	json_t *v = vec_load(FILE_NAME);
	json_t *pair = json_object_get(v, "published");
	uint8_t seed[32], key[32];
	struct ub_signkey k;
	struct ub_pubkey pub;

	(void)state;
	assert_int_equal(
		ub_nkey_seed_decode(ub_str(vec_text(pair, "seed_text")), UB_NKEY_USER, seed),
		UB_OK);
	assert_int_equal(ub_nkey_decode(ub_str(vec_text(pair, "text")), UB_NKEY_USER, key), UB_OK);
	ub_signkey_from_seed(seed, &k);
	ub_signkey_pub(&k, &pub);
	assert_memory_equal(pub.b, key, 32);
	json_decref(v);
}

static void one_vector(json_t *row, enum ub_nkey_type type, char first)
{
	char text[UB_NKEY_TEXT + 1], seed_text[UB_NKEY_SEED_TEXT + 1];
	uint8_t key[32], seed[32], back[32];

	assert_true(vec_hex(row, "key", key, 32) && vec_hex(row, "seed", seed, 32));
	ub_nkey_encode(type, key, text);
	assert_string_equal(text, vec_text(row, "text"));
	assert_int_equal(text[0], first);
	ub_nkey_seed_encode(type, seed, seed_text);
	assert_string_equal(seed_text, vec_text(row, "seed_text"));
	assert_int_equal(seed_text[0], 'S');
	assert_int_equal(seed_text[1], first);
	for (size_t t = 0; t < UB_ARRAY_LEN(types); t++) {
		ub_err want = types[t].type == type ? UB_OK : UNIBUS_ERR_INVALID;

		memset(back, 0, sizeof(back));
		assert_int_equal(ub_nkey_decode(ub_str(text), types[t].type, back), want);
		if (!want)
			assert_memory_equal(back, key, 32);
		assert_int_equal(ub_nkey_seed_decode(ub_str(seed_text), types[t].type, back), want);
		if (!want)
			assert_memory_equal(back, seed, 32);
	}
}

static void each_text_is_of_its_own_type_only(void **state)
{
	json_t *v = vec_load(FILE_NAME), *row;
	size_t i, seen = 0;

	(void)state;
	json_array_foreach (json_object_get(v, "keys"), i, row)
		for (size_t t = 0; t < UB_ARRAY_LEN(types); t++)
			if (strcmp(vec_text(row, "type"), types[t].name) == 0) {
				one_vector(row, types[t].type, types[t].first);
				seen++;
			}
	assert_int_equal(seen, json_array_size(json_object_get(v, "keys")));
	json_array_foreach (json_object_get(v, "bad"), i, row)
		for (size_t t = 0; t < UB_ARRAY_LEN(types); t++) {
			struct ub_str text = ub_str(vec_text(row, "text"));
			uint8_t key[32];

			assert_int_equal(
				ub_nkey_decode(text, types[t].type, key), UNIBUS_ERR_INVALID);
		}
	json_decref(v);
}

/* Any other byte anywhere: alphabet, case, unused bits or check sum must notice. */
static void every_changed_character_is_noticed(void **state)
{
	const uint8_t key[32] = {1, 2, 3};
	char text[UB_NKEY_TEXT + 1], seed_text[UB_NKEY_SEED_TEXT + 1];
	uint8_t back[32];

	(void)state;
	ub_nkey_encode(UB_NKEY_USER, key, text);
	ub_nkey_seed_encode(UB_NKEY_USER, key, seed_text);
	memset(back, 0x5a, sizeof(back));
	for (size_t at = 0; at < UB_NKEY_SEED_TEXT; at++)
		for (unsigned flip = 1; flip < 256; flip++) {
			if (at < UB_NKEY_TEXT) {
				text[at] ^= (char)flip;
				assert_int_equal(ub_nkey_decode((struct ub_str){text, UB_NKEY_TEXT},
							 UB_NKEY_USER, back),
					UNIBUS_ERR_INVALID);
				text[at] ^= (char)flip;
			}
			seed_text[at] ^= (char)flip;
			assert_int_equal(
				ub_nkey_seed_decode((struct ub_str){seed_text, UB_NKEY_SEED_TEXT},
					UB_NKEY_USER, back),
				UNIBUS_ERR_INVALID);
			seed_text[at] ^= (char)flip;
		}
	for (size_t i = 0; i < sizeof(back); i++)
		assert_int_equal(back[i], 0x5a);
	assert_int_equal(ub_nkey_decode(ub_str(text), UB_NKEY_USER, back), UB_OK);
	assert_int_equal(ub_nkey_seed_decode(ub_str(seed_text), UB_NKEY_USER, back), UB_OK);
}

static void the_length_is_exact(void **state)
{
	const uint8_t key[32] = {1};
	char text[UB_NKEY_TEXT + 3] = {0}, seed_text[UB_NKEY_SEED_TEXT + 3] = {0};
	uint8_t back[32];

	(void)state;
	ub_nkey_encode(UB_NKEY_USER, key, text);
	ub_nkey_seed_encode(UB_NKEY_USER, key, seed_text);
	memcpy(text + UB_NKEY_TEXT, "AA", 2);
	memcpy(seed_text + UB_NKEY_SEED_TEXT, "AA", 2);
	for (size_t n = 0; n <= UB_NKEY_SEED_TEXT + 2; n++) {
		if (n <= UB_NKEY_TEXT + 2)
			assert_int_equal(
				ub_nkey_decode((struct ub_str){text, n}, UB_NKEY_USER, back),
				n == UB_NKEY_TEXT ? UB_OK : UNIBUS_ERR_INVALID);
		assert_int_equal(
			ub_nkey_seed_decode((struct ub_str){seed_text, n}, UB_NKEY_USER, back),
			n == UB_NKEY_SEED_TEXT ? UB_OK : UNIBUS_ERR_INVALID);
	}
}

/* The low bits of a seed's second byte mean nothing and must be zero. */
static void a_seed_has_one_spelling_of_its_type(void **state)
{
	(void)state;
	for (unsigned low = 0; low < 8; low++) {
		uint8_t raw[36] = {
			0x90 | UB_NKEY_USER >> 5, (uint8_t)(((UB_NKEY_USER & 31) << 3) | low)};
		uint8_t back[32];
		char text[UB_NKEY_SEED_TEXT + 1];
		uint16_t crc = ub_crc16(raw, 34);

		raw[34] = (uint8_t)crc;
		raw[35] = (uint8_t)(crc >> 8);
		ub_b32_encode(raw, sizeof(raw), text);
		assert_int_equal(ub_nkey_seed_decode(ub_str(text), UB_NKEY_USER, back),
			low ? UNIBUS_ERR_INVALID : UB_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pair_in_the_nats_manual_belongs_together),
		cmocka_unit_test(each_text_is_of_its_own_type_only),
		cmocka_unit_test(every_changed_character_is_noticed),
		cmocka_unit_test(the_length_is_exact),
		cmocka_unit_test(a_seed_has_one_spelling_of_its_type),
	};

	return ub_core_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
