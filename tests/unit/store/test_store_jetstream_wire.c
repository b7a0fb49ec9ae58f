/* The bytes between the store and JetStream. */
#include "membershipd/store/store_jetstream_wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/b64url.h"

#define ID "0123456789abcdefghijkl"

static void keys_and_subjects_are_one_to_one(void **state)
{
	static const struct {
		const char *key, *subject;
	} cases[] = {
		{"a", "$KV.UNIBUS.a"},
		{"d.user.Ab-_9", "$KV.UNIBUS.d.user.Ab-_9"},
		{".", "$KV.UNIBUS.=.="},
		{"..", "$KV.UNIBUS.=.=.="},
		{".a", "$KV.UNIBUS.=.a"},
		{"a.", "$KV.UNIBUS.a.="},
		{"a..b", "$KV.UNIBUS.a.=.b"},
	};
	char dots[MD_KEY_MAX + 1], key[MD_KEY_MAX + 1];
	struct kv_subject subject;

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		kv_subject_of(cases[i].key, &subject);
		assert_string_equal(subject.z, cases[i].subject);
		assert_int_equal(kv_key_of(cases[i].subject, key), UB_OK);
		assert_string_equal(key, cases[i].key);
	}
	memset(dots, '.', MD_KEY_MAX);
	dots[MD_KEY_MAX] = '\0';
	kv_subject_of(dots, &subject);
	assert_int_equal(kv_key_of(subject.z, key), UB_OK);
	assert_string_equal(key, dots);
}

static void subjects_of_no_key_are_refused(void **state)
{
	static const char *const cases[] = {"", "a", "$KV.UNIBUS.", "$KV.UNIBUS", "$KV.OTHER.a",
		"$KV.UNIBUS.=a",
		"$KV.UNIBUS.a=", "$KV.UNIBUS.a.==", "$KV.UNIBUS.=", "$KV.UNIBUS.a/b",
		"$KV.UNIBUS.a..b", "$KV.UNIBUS..a", "$KV.UNIBUS.a.", "$KV.UNIBUS.a b",
		"$KV.UNIBUS.\xc3\xa4"};
	char key[MD_KEY_MAX + 1] = "unchanged", longer[sizeof(KV_SUBJECT_PREFIX) + MD_KEY_MAX + 1];

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++)
		assert_int_equal(kv_key_of(cases[i], key), UNIBUS_ERR_INVALID);
	(void)snprintf(longer, sizeof(longer), "%s", KV_SUBJECT_PREFIX);
	memset(longer + sizeof(KV_SUBJECT_PREFIX) - 1, 'k', MD_KEY_MAX + 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(kv_key_of(longer, key), UNIBUS_ERR_INVALID);
	assert_string_equal(key, "unchanged");
	longer[sizeof(longer) - 2] = '\0';
	assert_int_equal(kv_key_of(longer, key), UB_OK);
}

static void a_filter_lets_a_prefix_through(void **state)
{
	static const struct {
		const char *prefix, *filter, *in, *out;
	} cases[] = {
		{"", "$KV.UNIBUS.>", "$KV.UNIBUS.a", "$KV.UNIBU"},
		{"d", "$KV.UNIBUS.>", "$KV.UNIBUS.x", "$KV.OTHER.d"},
		{"d.", "$KV.UNIBUS.d.>", "$KV.UNIBUS.d.=", "$KV.UNIBUS.d"},
		{"d.us", "$KV.UNIBUS.d.>", "$KV.UNIBUS.d.a.b", "$KV.UNIBUS.dd.a"},
		{"d.a.", "$KV.UNIBUS.d.a.>", "$KV.UNIBUS.d.a.b", "$KV.UNIBUS.d.a"},
		{".", "$KV.UNIBUS.=.>", "$KV.UNIBUS.=.a", "$KV.UNIBUS.a.="},
		{"a..", "$KV.UNIBUS.a.=.>", "$KV.UNIBUS.a.=.=", "$KV.UNIBUS.a.="},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct kv_subject filter;

		kv_filter_of(cases[i].prefix, &filter);
		assert_string_equal(filter.z, cases[i].filter);
		assert_true(kv_filter_takes(&filter, cases[i].in));
		assert_false(kv_filter_takes(&filter, cases[i].out));
	}
}

static void a_delivery_says_where_it_stands(void **state)
{
	static const struct {
		const char *reply;
		ub_err want;
	} cases[] = {
		{"$JS.ACK.KV_UNIBUS.c.1.30.4.1795397456989984241.2", UB_OK},
		{"$JS.ACK._.h.KV_UNIBUS.c.1.30.4.1795397456989984241.2", UB_OK},
		{"$JS.ACK.hub.h.KV_UNIBUS.c.1.30.4.1795397456989984241.2.r", UB_OK},
		{"", UNIBUS_ERR_INVALID},
		{"$JS.ACK", UNIBUS_ERR_INVALID},
		{"$JS.ACK.KV_UNIBUS.c.1.30.4.9", UNIBUS_ERR_INVALID},
		{"$JS.ACK.KV_UNIBUS.c.1.30.4.9.2.x", UNIBUS_ERR_INVALID},
		{"$JS.ACK.hub.h.KV_UNIBUS.c.1.30.4.9.2.r.x", UNIBUS_ERR_INVALID},
		{"$JS.NAK.KV_UNIBUS.c.1.30.4.9.2", UNIBUS_ERR_INVALID},
		{"_INBOX.ACK.KV_UNIBUS.c.1.30.4.9.2", UNIBUS_ERR_INVALID},
		{"$JS.ACK.KV_OTHER.c.1.30.4.9.2", UNIBUS_ERR_INVALID},
		{"$JS.ACK.KV_UNIBUS.c.1.0.4.9.2", UNIBUS_ERR_INVALID},
		{"$JS.ACK.KV_UNIBUS.c.1.030.4.9.2", UNIBUS_ERR_INVALID},
		{"$JS.ACK.KV_UNIBUS.c.1.30.0.9.2", UNIBUS_ERR_INVALID},
		{"$JS.ACK.KV_UNIBUS.c.1.30.-4.9.2", UNIBUS_ERR_INVALID},
		{"$JS.ACK.KV_UNIBUS.c.1.30.4.9.", UNIBUS_ERR_INVALID},
		{"$JS.ACK.KV_UNIBUS.c.1.18446744073709551616.4.9.2", UNIBUS_ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct kv_place p = {7, 7, 7};

		assert_int_equal(kv_place_parse(cases[i].reply, &p), cases[i].want);
		assert_int_equal(p.seq, cases[i].want ? 7 : 30);
		assert_int_equal(p.number, cases[i].want ? 7 : 4);
		assert_int_equal(p.pending, cases[i].want ? 7 : 2);
	}
}

static void an_answer_is_a_result_or_an_error(void **state)
{
	static const struct {
		const char *text;
		ub_err want;
		unsigned code, status;
		uint64_t wrong;
	} cases[] = {
		{"{}", UB_OK, 0, 0, 0},
		{"{\"error\":{\"code\":404,\"err_code\":10059}}", UB_OK, KV_NO_STREAM, 404, 0},
		{"{\"error\":{\"code\":503}}", UB_OK, 503, 503, 0},
		{"{\"error\":{\"code\":400,\"err_code\":10071,"
		 "\"description\":\"wrong last sequence: 31\"}}",
			UB_OK, KV_WRONG_SEQUENCE, 400, 31},
		{"{\"error\":{\"code\":400,\"err_code\":10071,"
		 "\"description\":\"wrong last sequence: x\"}}",
			UB_OK, KV_WRONG_SEQUENCE, 400, 0},
		{"{\"error\":{\"code\":400,\"err_code\":10164,"
		 "\"description\":\"wrong last sequence: 31\"}}",
			UB_OK, 10164, 400, 0},
		{"", UNIBUS_ERR_INVALID, 0, 0, 0},
		{"-ERR", UNIBUS_ERR_INVALID, 0, 0, 0},
		{"[]", UNIBUS_ERR_INVALID, 0, 0, 0},
		{"{} {}", UNIBUS_ERR_INVALID, 0, 0, 0},
		{"{\"error\":{}}", UNIBUS_ERR_INVALID, 0, 0, 0},
		{"{\"error\":\"no\"}", UNIBUS_ERR_INVALID, 0, 0, 0},
		{"{\"error\":null}", UNIBUS_ERR_INVALID, 0, 0, 0},
		{"{\"error\":{\"code\":-1}}", UNIBUS_ERR_INVALID, 0, 0, 0},
		{"{\"error\":{\"code\":4294967696}}", UNIBUS_ERR_INVALID, 0, 0, 0},
		{"{\"error\":{\"code\":400,\"err_code\":4294977367}}", UNIBUS_ERR_INVALID, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		UB_CLEANUP(kv_answer_deinit) struct kv_answer a = {.code = 0};

		assert_int_equal(kv_answer_parse(ub_str(cases[i].text), &a), cases[i].want);
		assert_int_equal(a.code, cases[i].code);
		assert_int_equal(a.status, cases[i].status);
		assert_int_equal(a.wrong, cases[i].wrong);
	}
}

static struct kv_answer answer(const char *text)
{
	struct kv_answer a;

	assert_int_equal(kv_answer_parse(ub_str(text), &a), UB_OK);
	return a;
}

static void an_acknowledgement_is_of_this_batch(void **state)
{
	static const struct {
		const char *text;
		ub_err want;
	} cases[] = {
		{"{\"stream\":\"KV_UNIBUS\",\"seq\":6,\"batch\":\"" ID ".1\",\"count\":2}", UB_OK},
		{"{\"stream\":\"KV_OTHER\",\"seq\":6,\"batch\":\"" ID ".1\",\"count\":2}",
			UNIBUS_ERR_INVALID},
		{"{\"stream\":\"KV_UNIBUS\",\"seq\":6,\"batch\":\"" ID ".2\",\"count\":2}",
			UNIBUS_ERR_INVALID},
		{"{\"stream\":\"KV_UNIBUS\",\"seq\":6,\"batch\":\"" ID ".1\",\"count\":3}",
			UNIBUS_ERR_INVALID},
		{"{\"stream\":\"KV_UNIBUS\",\"seq\":1,\"batch\":\"" ID ".1\",\"count\":2}",
			UNIBUS_ERR_INVALID},
		{"{\"stream\":\"KV_UNIBUS\",\"seq\":\"6\",\"batch\":\"" ID ".1\",\"count\":2}",
			UNIBUS_ERR_INVALID},
		{"{\"stream\":\"KV_UNIBUS\",\"seq\":6}", UNIBUS_ERR_INVALID},
		{"{}", UNIBUS_ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		UB_CLEANUP(kv_answer_deinit) struct kv_answer a = answer(cases[i].text);
		uint64_t seq = 77;

		assert_int_equal(kv_ack_parse(&a, ID ".1", 2, &seq), cases[i].want);
		assert_int_equal(seq, cases[i].want ? 77 : 6);
	}
}

/* An answer to STREAM.MSG.GET. */
static struct kv_answer stored(
	const char *subject, const char *seq, const char *headers, const char *data)
{
	char b64[1024] = "", text[2048], all[512];

	(void)snprintf(all, sizeof(all), "NATS/1.0\r\n%s\r\n", headers ? headers : "");
	if (headers)
		ub_b64_encode(all, strlen(all), b64);
	(void)snprintf(text, sizeof(text),
		"{\"message\":{\"subject\":\"%s\",\"seq\":%s,\"hdrs\":\"%s\",\"data\":\"%s\"}}",
		subject, seq, b64, data);
	return answer(text);
}

#define OURS "Nats-Batch-Id: " ID ".3\r\nNats-Batch-Sequence: 2\r\n"

static void a_stored_message_is_a_record_or_a_marker(void **state)
{
	static const struct {
		const char *headers, *data;
		bool marker;
		const char *commit;
		uint64_t number;
		bool has_expected;
		uint64_t expected;
		const char *value;
	} cases[] = {
		{NULL, "b25l", false, "", 0, false, 0, "one"},
		{NULL, "", false, "", 0, false, 0, ""},
		{OURS, "b24=", false, ID, 2, false, 0, "on"},
		{OURS "Nats-Expected-Last-Subject-Sequence: 7\r\n", "", false, ID, 2, true, 7, ""},
		{"KV-Operation: DEL\r\n", "", true, "", 0, false, 0, ""},
		{"KV-Operation: PURGE\r\n" OURS, "", true, ID, 2, false, 0, ""},
		{"KV-Operation: PUT\r\n", "bw==", false, "", 0, false, 0, "o"},
		{"X-KV-Operation: DEL\r\nKV-Operations: DEL\r\n", "", false, "", 0, false, 0, ""},
		{"Nats-Batch-Id: " ID "\r\nNats-Batch-Sequence: 2\r\n", "", false, "", 2, false, 0,
			""},
		{"Nats-Batch-Id: " ID ".1\r\nNats-Batch-Sequence: 17\r\n", "", false, "", 0, false,
			0, ""},
		{"Nats-Batch-Id: " ID ".1\r\n", "", false, "", 0, false, 0, ""},
		{"Nats-Expected-Last-Subject-Sequence: x\r\n", "", false, "", 0, false, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(100);
		UB_CLEANUP(kv_answer_deinit)
		struct kv_answer a = stored("$KV.UNIBUS.a", "5", cases[i].headers, cases[i].data);
		struct kv_stored s;

		assert_int_equal(kv_stored_parse(&a, &s, &b), UB_OK);
		assert_string_equal(s.subject, "$KV.UNIBUS.a");
		assert_int_equal(s.seq, 5);
		assert_int_equal(s.marker, cases[i].marker);
		assert_string_equal(s.commit, cases[i].commit);
		assert_true(!s.commit[0] || s.number == cases[i].number);
		assert_int_equal(s.has_expected, cases[i].has_expected);
		assert_int_equal(s.expected, cases[i].expected);
		assert_string_equal(ub_buf_cstr(&b), cases[i].value);
	}
}

static void a_malformed_stored_message_is_refused(void **state)
{
	char longest[700];
	memset(longest, 's', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	const struct {
		const char *subject, *seq, *headers, *data;
		size_t max;
		ub_err want;
	} cases[] = {
		{"$KV.UNIBUS.a", "5", "", "b25l", 3, UB_OK},
		{"$KV.UNIBUS.a", "5", "", "b25l", 2, UNIBUS_ERR_TOO_LARGE},
		{"$KV.UNIBUS.a", "0", "", "b25l", 3, UNIBUS_ERR_INVALID},
		{"$KV.UNIBUS.a", "-5", "", "b25l", 3, UNIBUS_ERR_INVALID},
		{"$KV.UNIBUS.a", "\"5\"", "", "b25l", 3, UNIBUS_ERR_INVALID},
		{longest, "5", "", "b25l", 3, UNIBUS_ERR_INVALID},
		{"$KV.UNIBUS.a", "5", "", "b25", 3, UNIBUS_ERR_INVALID},
		{"$KV.UNIBUS.a", "5", "", "b2-l", 3, UNIBUS_ERR_INVALID},
		{"$KV.UNIBUS.a", "5", "", "====", 3, UNIBUS_ERR_INVALID},
		{"$KV.UNIBUS.a", "5", "KV-Operation: EAT\r\n", "b25l", 3, UNIBUS_ERR_INVALID},
		{"$KV.UNIBUS.a", "5", "KV-Operation:\r\n", "b25l", 3, UNIBUS_ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(cases[i].max);
		UB_CLEANUP(kv_answer_deinit)
		struct kv_answer a =
			stored(cases[i].subject, cases[i].seq, cases[i].headers, cases[i].data);
		struct kv_stored s = {.seq = 77};

		assert_int_equal(kv_stored_parse(&a, &s, &b), cases[i].want);
		assert_int_equal(s.seq, cases[i].want ? 77 : 5);
	}
	UB_CLEANUP(kv_answer_deinit) struct kv_answer none = answer("{}");
	struct kv_stored s;
	assert_int_equal(kv_stored_parse(&none, &s, NULL), UNIBUS_ERR_INVALID);
}

/* STREAM.INFO of the bucket that kv_config_text makes, `state` and `more` beside it. */
static struct kv_answer info(const char *state, const char *more)
{
	UB_CLEANUP(ub_freep) char *config = kv_config_text(ID, 3);
	char text[4096];

	assert_non_null(config);
	(void)snprintf(text, sizeof(text), "{\"config\":%s,\"state\":%s%s}", config, state, more);
	return answer(text);
}

static void the_bucket_we_make_is_the_bucket_we_open(void **state)
{
	UB_CLEANUP(kv_answer_deinit)
	struct kv_answer a = info("{\"last_seq\":42}",
		",\"cluster\":{\"leader\":\"n0\",\"replicas\":[{\"name\":\"n1\",\"current\":true},"
		"{\"name\":\"n2\",\"current\":false,\"offline\":true,\"lag\":7}]}");
	UB_CLEANUP(kv_answer_deinit) struct kv_answer alone = info("{\"last_seq\":0}", "");
	struct kv_info i;

	(void)state;
	assert_int_equal(kv_info_parse(&a, &i), UB_OK);
	assert_string_equal(i.id, ID);
	assert_true(i.fits);
	assert_int_equal(i.status.revision, 42);
	assert_int_equal(i.status.replicas, 3);
	assert_string_equal(i.status.leader, "n0");
	assert_int_equal(i.status.n_followers, 2);
	assert_string_equal(i.status.followers[0].name, "n1");
	assert_true(i.status.followers[0].current && !i.status.followers[0].offline);
	assert_string_equal(i.status.followers[1].name, "n2");
	assert_true(!i.status.followers[1].current && i.status.followers[1].offline);
	assert_int_equal(i.status.followers[1].lag, 7);
	assert_int_equal(kv_info_parse(&alone, &i), UB_OK);
	assert_string_equal(i.status.leader, "");
	assert_int_equal(i.status.n_followers, 0);
}

static void more_followers_than_there_can_be_are_left_out(void **state)
{
	UB_CLEANUP(kv_answer_deinit)
	struct kv_answer a = info("{\"last_seq\":1}",
		",\"cluster\":{\"replicas\":[{},{},{},{},{},{\"name\":\"n7\"},7]}");
	struct kv_info i;

	(void)state;
	assert_int_equal(kv_info_parse(&a, &i), UB_OK);
	assert_int_equal(i.status.n_followers, MD_JETSTREAM_REPLICAS_MAX);
}

static void a_malformed_info_is_refused(void **state)
{
	static const char *const cases[] = {
		"{}", "{\"last_seq\":-1}", "{\"last_seq\":\"1\"}", "[]"};
	struct kv_info i = {.id = "unchanged"};

	(void)state;
	for (size_t k = 0; k < UB_ARRAY_LEN(cases); k++) {
		UB_CLEANUP(kv_answer_deinit) struct kv_answer a = info(cases[k], "");

		assert_int_equal(kv_info_parse(&a, &i), UNIBUS_ERR_INVALID);
	}
	UB_CLEANUP(kv_answer_deinit)
	struct kv_answer many =
		answer("{\"config\":{\"num_replicas\":6},\"state\":{\"last_seq\":1}}");
	assert_int_equal(kv_info_parse(&many, &i), UNIBUS_ERR_INVALID);
	assert_string_equal(i.id, "unchanged");
}

static void scaling_changes_nothing_but_the_replicas(void **state)
{
	UB_CLEANUP(kv_answer_deinit) struct kv_answer a = info("{\"last_seq\":1}", "");
	UB_CLEANUP(ub_freep) char *scaled = kv_config_scaled(&a, 5), *made = kv_config_text(ID, 5);
	UB_CLEANUP(json_decrefp) json_t *x = NULL, *y = NULL;

	(void)state;
	assert_int_equal(ub_json_parse(ub_str(scaled), &x), UB_OK);
	assert_int_equal(ub_json_parse(ub_str(made), &y), UB_OK);
	assert_true(json_equal(x, y));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_subjects_are_one_to_one),
		cmocka_unit_test(subjects_of_no_key_are_refused),
		cmocka_unit_test(a_filter_lets_a_prefix_through),
		cmocka_unit_test(a_delivery_says_where_it_stands),
		cmocka_unit_test(an_answer_is_a_result_or_an_error),
		cmocka_unit_test(an_acknowledgement_is_of_this_batch),
		cmocka_unit_test(a_stored_message_is_a_record_or_a_marker),
		cmocka_unit_test(a_malformed_stored_message_is_refused),
		cmocka_unit_test(the_bucket_we_make_is_the_bucket_we_open),
		cmocka_unit_test(more_followers_than_there_can_be_are_left_out),
		cmocka_unit_test(a_malformed_info_is_refused),
		cmocka_unit_test(scaling_changes_nothing_but_the_replicas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
