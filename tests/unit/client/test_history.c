/* Pages of history as a control plane may answer them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/history.h"
#include "core/json.h"

#define ID "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define M(seq) "{\"seq\":" seq ",\"time\":5,\"sender\":\"" ID "\",\"frame\":\"QUJD\"}"
#define PAGE(list, first, last, more) \
	"{\"messages\":[" list "],\"first\":" first ",\"last\":" last ",\"more\":" more "}"

static const struct ub_page_ask forward = {.from = 10, .limit = 3};
static const struct ub_page_ask backward = {.backward = true, .from = 20, .limit = 3};
static const struct ub_page_ask from_the_end = {.backward = true, .limit = 3};

static ub_err parse(const char *text, const struct ub_page_ask *ask, struct ub_page *ret)
{
	json_t *v = NULL;
	ub_err err;

	assert_int_equal(UB_OK, ub_json_parse_foreign(ub_str(text), &v));
	err = ub_page_parse(v, ask, ret);
	json_decref(v);
	return err;
}

static void good_pages_are_taken(void **state)
{
	static const struct {
		const char *text;
		const struct ub_page_ask *ask;
		size_t n;
		uint64_t last;
		bool more;
	} rows[] = {
		{PAGE(M("11") "," M("13"), "11", "14", "false"), &forward, 2, 14, false},
		{PAGE(M("11") "," M("12") "," M("14"), "11", "14", "true"), &forward, 3, 14, true},
		{PAGE("", "11", "10", "false"), &forward, 0, 10, false},
		{PAGE("", "11", "90", "true"), &forward, 0, 90, true},
		{PAGE(M("12"), "12", "19", "true"), &backward, 1, 19, true},
		{PAGE("", "20", "19", "false"), &backward, 0, 19, false},
		{PAGE("", "1", "0", "false"), &from_the_end, 0, 0, false},
		{PAGE(M("7"), "1", "900", "false"), &from_the_end, 1, 900, false},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		struct ub_page p = {0};

		assert_int_equal(UB_OK, parse(rows[i].text, rows[i].ask, &p));
		assert_int_equal(rows[i].n, p.n);
		assert_int_equal(rows[i].last, p.last);
		assert_int_equal(rows[i].more, p.more);
		if (p.n > 0) {
			assert_int_equal(3, p.m[0].len);
			assert_memory_equal("ABC", p.m[0].p, 3);
			assert_int_equal(5, p.m[0].time_ms);
		}
		ub_page_deinit(&p);
	}
}

static void pages_that_contradict_themselves_are_refused(void **state)
{
	static const struct {
		const char *text;
		const struct ub_page_ask *ask;
	} rows[] = {
		{"[]", &forward},
		{"{}", &forward},
		{PAGE("1", "11", "14", "false"), &forward},
		{PAGE(M("11"), "11", "14", "1"), &forward},
		{PAGE(M("-1"), "11", "14", "false"), &forward},
		{PAGE(M("10"), "11", "14", "false"), &forward},             /* before it */
		{PAGE(M("15"), "11", "14", "false"), &forward},             /* after it */
		{PAGE(M("12") "," M("12"), "11", "14", "false"), &forward}, /* twice */
		{PAGE(M("13") "," M("12"), "11", "14", "false"), &forward}, /* no order */
		{PAGE(M("11"), "10", "14", "false"), &forward},             /* goes back */
		{PAGE("", "11", "9", "false"), &forward},                   /* likewise */
		{PAGE("", "11", "10", "true"), &forward},                   /* no progress */
		{PAGE(M("11") "," M("12") "," M("13") "," M("14"), "11", "14", "false"),
			&forward},                              /* too many */
		{PAGE(M("20"), "12", "20", "true"), &backward}, /* not before */
		{PAGE("{\"seq\":11,\"time\":5,\"sender\":\"x\",\"frame\":\"QUJD\"}", "11", "14",
			 "false"),
			&forward},
		{PAGE("{\"seq\":11,\"time\":5,\"sender\":\"" ID "\",\"frame\":\"Q\"}", "11", "14",
			 "false"),
			&forward},
		{PAGE("{\"seq\":11,\"time\":5,\"sender\":\"" ID "\",\"frame\":\"\"}", "11", "14",
			 "false"),
			&forward},
		{PAGE("{\"seq\":11,\"sender\":\"" ID "\",\"frame\":\"QUJD\"}", "11", "14", "false"),
			&forward},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		struct ub_page p = {0};

		assert_int_equal(UNIBUS_ERR_INTERNAL, parse(rows[i].text, rows[i].ask, &p));
		assert_null(p.m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_pages_are_taken),
		cmocka_unit_test(pages_that_contradict_themselves_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
