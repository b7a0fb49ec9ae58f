/* Numbers have one spelling. */
#include "tests/unit/core/vectors.h"

#include "core/key.h"
#include "core/num.h"

#define UNTOUCHED 4711

static void decimals_have_one_spelling(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		ub_err err;
		uint64_t value;
	} cases[] = {
		{"0", 0, 0, UB_OK, 0},
		{"7", 0, 9, UB_OK, 7},
		{"10", 10, 10, UB_OK, 10},
		{"18446744073709551615", 0, UINT64_MAX, UB_OK, UINT64_MAX},
		{"18446744073709551614", 0, UINT64_MAX - 1, UB_OK, UINT64_MAX - 1},
		{"18446744073709551615", 0, UINT64_MAX - 1, UNIBUS_ERR_INVALID, 0},
		{"18446744073709551616", 0, UINT64_MAX, UNIBUS_ERR_INVALID, 0},
		{"18446744073709551620", 0, UINT64_MAX, UNIBUS_ERR_INVALID, 0},
		{"99999999999999999999", 0, UINT64_MAX, UNIBUS_ERR_INVALID, 0},
		{"184467440737095516150", 0, UINT64_MAX, UNIBUS_ERR_INVALID, 0},
		{"9", 10, 20, UNIBUS_ERR_INVALID, 0},
		{"21", 10, 20, UNIBUS_ERR_INVALID, 0},
		{"", 0, 9, UNIBUS_ERR_INVALID, 0},
		{"00", 0, 9, UNIBUS_ERR_INVALID, 0},
		{"07", 0, 9, UNIBUS_ERR_INVALID, 0},
		{"+7", 0, 9, UNIBUS_ERR_INVALID, 0},
		{"-7", 0, 9, UNIBUS_ERR_INVALID, 0},
		{" 7", 0, 9, UNIBUS_ERR_INVALID, 0},
		{"7 ", 0, 9, UNIBUS_ERR_INVALID, 0},
		{"7.0", 0, 9, UNIBUS_ERR_INVALID, 0},
		{"0x7", 0, 9, UNIBUS_ERR_INVALID, 0},
		{"7a", 0, 9, UNIBUS_ERR_INVALID, 0},
		{"/", 0, 99, UNIBUS_ERR_INVALID, 0},
		{":", 0, 99, UNIBUS_ERR_INVALID, 0},
		{"\xb7", 0, 999, UNIBUS_ERR_INVALID, 0},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		uint64_t v = UNTOUCHED;
		ub_err err = ub_num_u64(ub_str(cases[i].text), cases[i].min, cases[i].max, &v);

		assert_int_equal(err, cases[i].err);
		assert_int_equal(v, err ? UNTOUCHED : cases[i].value);
	}
}

static void spans_of_time_have_units(void **state)
{
	static const struct {
		const char *text;
		ub_err err;
		uint64_t ms;
	} cases[] = {
		{"0", UB_OK, 0},
		{"90", UB_OK, 90000},
		{"90s", UB_OK, 90000},
		{"250ms", UB_OK, 250},
		{"15m", UB_OK, 900000},
		{"12h", UB_OK, 43200000},
		{"7d", UB_OK, 604800000},
		{"366d", UB_OK, 31622400000},
		{"367d", UNIBUS_ERR_INVALID, 0},
		{"31622400000ms", UB_OK, 31622400000},
		{"31622400001ms", UNIBUS_ERR_INVALID, 0},
		{"31622400", UB_OK, 31622400000},
		{"31622401", UNIBUS_ERR_INVALID, 0},
		{"18446744073709551616", UNIBUS_ERR_INVALID, 0},
		{"", UNIBUS_ERR_INVALID, 0},
		{"s", UNIBUS_ERR_INVALID, 0},
		{"ms", UNIBUS_ERR_INVALID, 0},
		{"-1s", UNIBUS_ERR_INVALID, 0},
		{"1 s", UNIBUS_ERR_INVALID, 0},
		{"1S", UNIBUS_ERR_INVALID, 0},
		{"1.5h", UNIBUS_ERR_INVALID, 0},
		{"1h30m", UNIBUS_ERR_INVALID, 0},
		{"01s", UNIBUS_ERR_INVALID, 0},
		{"1w", UNIBUS_ERR_INVALID, 0},
		{"1sec", UNIBUS_ERR_INVALID, 0},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		uint64_t v = UNTOUCHED;
		ub_err err = ub_num_duration_ms(ub_str(cases[i].text), &v);

		assert_int_equal(err, cases[i].err);
		assert_int_equal(v, err ? UNTOUCHED : cases[i].ms);
	}
}

static void hexadecimal_goes_there_and_back(void **state)
{
	uint8_t in[256], out[256];
	char text[513];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	ub_hex_encode(in, sizeof(in), text);
	assert_int_equal(strlen(text), 512);
	assert_memory_equal(text, "000102030405060708090a0b0c0d0e0f10", 34);
	assert_int_equal(ub_hex_decode(ub_str(text), out, sizeof(out)), UB_OK);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(ub_hex_decode(ub_str(""), NULL, 0), UB_OK);
	ub_hex_encode(in, 0, text);
	assert_string_equal(text, "");
}

static void only_lower_case_digits_are_hexadecimal(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 4; at++) {
			bool good = c && strchr("0123456789abcdef", (int)c);
			char text[4] = {'a', '0', '9', 'f'};
			uint8_t to[2] = {0x5a, 0x5a};

			text[at] = (char)c;
			assert_int_equal(ub_hex_decode((struct ub_str){text, 4}, to, 2),
				good ? UB_OK : UNIBUS_ERR_INVALID);
			if (!good)
				assert_memory_equal(to, "\x5a\x5a", 2);
		}
}

static void hexadecimal_has_its_exact_length(void **state)
{
	uint8_t to[2];

	(void)state;
	assert_int_equal(ub_hex_decode(UB_STR("0a0b"), to, 2), UB_OK);
	assert_int_equal(ub_hex_decode(UB_STR("0a0"), to, 2), UNIBUS_ERR_INVALID);
	assert_int_equal(ub_hex_decode(UB_STR("0a0b0"), to, 2), UNIBUS_ERR_INVALID);
	assert_int_equal(ub_hex_decode(UB_STR("0a0b0c"), to, 2), UNIBUS_ERR_INVALID);
	assert_int_equal(ub_hex_decode(UB_STR(""), to, 2), UNIBUS_ERR_INVALID);
	assert_int_equal(ub_hex_decode(UB_STR("00"), to, SIZE_MAX / 2 + 2), UNIBUS_ERR_INVALID);
}

static void integers_are_stored_big_endian(void **state)
{
	uint8_t b[8];

	(void)state;
	ub_put_u32(b, 0x80020304);
	assert_memory_equal(b, "\x80\x02\x03\x04", 4);
	assert_int_equal(ub_get_u32(b), 0x80020304);
	ub_put_u64(b, 0x8002030405060708);
	assert_memory_equal(b, "\x80\x02\x03\x04\x05\x06\x07\x08", 8);
	assert_true(ub_get_u64(b) == 0x8002030405060708);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals_have_one_spelling),
		cmocka_unit_test(spans_of_time_have_units),
		cmocka_unit_test(hexadecimal_goes_there_and_back),
		cmocka_unit_test(only_lower_case_digits_are_hexadecimal),
		cmocka_unit_test(hexadecimal_has_its_exact_length),
		cmocka_unit_test(integers_are_stored_big_endian),
	};

	return ub_core_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
