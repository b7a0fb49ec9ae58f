/* CRC-16/XMODEM. */
#include "tests/unit/core/vectors.h"

#include "core/crc16.h"

static void the_published_check_value_comes_out(void **state)
{
	json_t *v = vec_load("tests/vectors/codecs.json");
	json_t *check = json_object_get(v, "crc16_check");
	const char *text = vec_text(check, "text");

	(void)state;
	assert_int_equal(ub_crc16(text, strlen(text)), vec_u64(check, "crc16"));
	json_decref(v);
}

static void the_vectors_come_out(void **state)
{
	json_t *v = vec_load("tests/vectors/codecs.json"), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "bytes"), i, row) {
		size_t len;
		uint8_t *raw = vec_bytes(row, "hex", &len);

		assert_int_equal(ub_crc16(raw, len), vec_u64(row, "crc16"));
		free(raw);
	}
	json_decref(v);
}

static void every_single_bit_counts(void **state)
{
	uint8_t raw[35] = {0};
	uint16_t zero = ub_crc16(raw, sizeof(raw));

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(raw); bit++) {
		raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(ub_crc16(raw, sizeof(raw)), zero);
		raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_check_value_comes_out),
		cmocka_unit_test(the_vectors_come_out),
		cmocka_unit_test(every_single_bit_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
