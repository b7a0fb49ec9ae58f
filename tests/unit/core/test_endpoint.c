/* Endpoint ids, room ids and fingerprints as text. */
#include "tests/unit/core/vectors.h"

#include "core/endpoint.h"
#include "core/key.h"

static void the_vectors_come_out(void **state)
{
	json_t *v = vec_load("tests/vectors/codecs.json"), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "endpoints"), i, row) {
		char text[UB_ID_TEXT + 1], finger[UB_FINGERPRINT_TEXT + 1];
		struct ub_endpoint e, back;
		struct ub_pubkey pub;

		assert_true(vec_hex(row, "sign", pub.b, 32));
		ub_endpoint_of(&pub, &e);
		ub_endpoint_encode(&e, text);
		assert_string_equal(text, vec_text(row, "endpoint"));
		assert_int_equal(ub_endpoint_decode(ub_str(text), &back), UB_OK);
		assert_true(ub_endpoint_eq(&e, &back));
		ub_fingerprint(&e, finger);
		assert_string_equal(finger, vec_text(row, "fingerprint"));
		assert_int_equal(strlen(finger), UB_FINGERPRINT_TEXT);
	}
	assert_true(i > 0);
	json_decref(v);
}

static void an_id_has_one_spelling(void **state)
{
	static const char good[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	static const char *const bad[] = {"", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+A",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA A"};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++) {
		struct ub_endpoint e = {{9}};
		struct ub_room_id r = {{9}};

		assert_int_equal(ub_endpoint_decode(ub_str(bad[i]), &e), UNIBUS_ERR_INVALID);
		assert_int_equal(ub_room_id_decode(ub_str(bad[i]), &r), UNIBUS_ERR_INVALID);
		assert_int_equal(e.b[0], 9);
		assert_int_equal(r.b[0], 9);
		assert_int_equal(ub_endpoint_decode(ub_str(good), &e), UB_OK);
		assert_int_equal(ub_room_id_decode(ub_str(good), &r), UB_OK);
	}
}

static void ids_are_ordered_by_raw_bytes(void **state)
{
	struct ub_endpoint low = {{0x7f}}, high = {{0x80}}, last = {{0x7f}};

	(void)state;
	last.b[31] = 1;
	assert_true(ub_endpoint_cmp(&low, &high) < 0);
	assert_true(ub_endpoint_cmp(&high, &low) > 0);
	assert_true(ub_endpoint_cmp(&low, &last) < 0);
	assert_int_equal(ub_endpoint_cmp(&low, &low), 0);
	assert_false(ub_endpoint_eq(&low, &last));
}

static void room_ids_go_there_and_back(void **state)
{
	struct ub_room_id r, back;
	char text[UB_ID_TEXT + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(r.b); i++)
		r.b[i] = (uint8_t)(251 * i);
	ub_room_id_encode(&r, text);
	assert_int_equal(strlen(text), UB_ID_TEXT);
	assert_int_equal(ub_room_id_decode(ub_str(text), &back), UB_OK);
	assert_true(ub_room_id_eq(&r, &back));
	back.b[31] ^= 1;
	assert_false(ub_room_id_eq(&r, &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_come_out),
		cmocka_unit_test(an_id_has_one_spelling),
		cmocka_unit_test(ids_are_ordered_by_raw_bytes),
		cmocka_unit_test(room_ids_go_there_and_back),
	};

	return ub_core_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
