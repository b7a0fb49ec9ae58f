/* The streams of room history: made once, the same on every start, foreign settings refused. */
#include "tests/harness/logbus.h"

static struct logbus *B;

static int set_up(void **state)
{
	(void)state;
	B = logbus_bare();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	logbus_free(B);
	return 0;
}

static json_t *ask(const char *what, const char *body)
{
	struct md_js_refusal no;
	json_t *v = NULL;

	if (md_js_ask(B->js, &(struct md_js_ask){what, ub_str(body), 5000}, &v, &no))
		fail_msg("%s %s: %s", what, body ? body : "", no.text);
	return v;
}

static const struct md_log_config SMALL = {.replicas = 1, .messages_per_sender = 7};

static void expect(const struct md_log_config *c, ub_err want, const char *word)
{
	struct md_log_fault why;

	assert_int_equal(logbus_bootstrap(B, c, &why), want);
	if (want)
		assert_non_null(strstr(why.text, word));
	else
		assert_string_equal(why.text, "");
}

static json_int_t size_of(const char *stream, const char *key)
{
	char what[64];
	json_t *v;
	json_int_t n;

	snprintf(what, sizeof(what), "STREAM.INFO.%s", stream);
	v = ask(what, NULL);
	n = json_integer_value(json_object_get(json_object_get(v, "config"), key));
	json_decref(v);
	return n;
}

static void streams_are_made_once_and_stay(void **state)
{
	json_t *a, *b;

	(void)state;
	expect(&LOGBUS_CONFIG, UB_OK, NULL);
	a = ask("STREAM.INFO.UNIBUS_LOG_3", NULL);
	expect(&LOGBUS_CONFIG, UB_OK, NULL);
	b = ask("STREAM.INFO.UNIBUS_LOG_3", NULL);
	assert_true(json_equal(json_object_get(a, "created"), json_object_get(b, "created")));
	assert_true(json_equal(json_object_get(a, "config"), json_object_get(b, "config")));
	json_decref(a);
	json_decref(b);
}

/* All streams together stay below what the account may hold. */
static void the_quota_is_shared_out(void **state)
{
	json_t *v;
	json_int_t max, each;

	(void)state;
	expect(&LOGBUS_CONFIG, UB_OK, NULL);
	v = ask("INFO", NULL);
	max = json_integer_value(json_object_get(json_object_get(v, "limits"), "max_storage"));
	json_decref(v);
	each = size_of("UNIBUS_LOG_0", "max_bytes");
	assert_true(max > 0 && each > 0 && 4 * each <= max);
}

static void sizes_follow_the_options(void **state)
{
	struct md_log_config c = LOGBUS_CONFIG;

	(void)state;
	expect(&c, UB_OK, NULL);
	assert_int_equal(size_of("UNIBUS_LOG_1", "max_age"), 0);
	c.messages_per_sender = 5;
	c.max_age_ms = 366ULL * 86400 * 1000;
	expect(&c, UB_OK, NULL);
	assert_int_equal(size_of("UNIBUS_LOG_1", "max_msgs_per_subject"), 5);
	assert_true(size_of("UNIBUS_LOG_1", "max_age") == 366LL * 86400 * 1000000000);
	expect(&c, UB_OK, NULL);
}

/* Each setting that security rests on, changed by somebody, is named. */
static void foreign_settings_are_refused(void **state)
{
	static const struct {
		const char *key, *json;
		bool for_good; /* the server lets nobody set it back */
	} ROWS[] = {
		{"no_ack", "false", false},
		{"allow_rollup_hdrs", "true", false},
		{"allow_direct", "false", false},
		{"discard", "\"old\"", false},
		{"duplicate_window", "1000000000", false},
		{"subjects", "[\"unibus.log0.>\",\"more.>\"]", false},
		{"republish", "{\"src\":\"unibus.log0.>\",\"dest\":\"elsewhere.>\"}", false},
		{"allow_atomic", "true", false},
		{"subject_transform", "{\"src\":\"unibus.log0.>\",\"dest\":\"unibus.log0.>\"}",
			false},
		{"max_msgs", "100", false},
		{"allow_msg_ttl", "true", true},
		{"deny_purge", "true", true},
	};

	(void)state;
	expect(&LOGBUS_CONFIG, UB_OK, NULL);
	for (size_t i = 0; i < UB_ARRAY_LEN(ROWS); i++) {
		json_t *info = ask("STREAM.INFO.UNIBUS_LOG_0", NULL), *good, *bad;
		char *text;

		good = json_object_get(info, "config");
		bad = json_deep_copy(good);
		json_object_set_new(
			bad, ROWS[i].key, json_loads(ROWS[i].json, JSON_DECODE_ANY, NULL));
		text = json_dumps(bad, 0);
		/* What the server lets nobody change needs no check of ours. */
		json_decref(ask("STREAM.UPDATE.UNIBUS_LOG_0", text));
		expect(&LOGBUS_CONFIG, UNIBUS_ERR_CONFLICT, ROWS[i].key);
		free(text);
		text = json_dumps(good, 0);
		if (!ROWS[i].for_good)
			json_decref(ask("STREAM.UPDATE.UNIBUS_LOG_0", text));
		free(text);
		json_decref(bad);
		json_decref(info);
		if (!ROWS[i].for_good)
			expect(&LOGBUS_CONFIG, UB_OK, NULL);
	}
}

static void a_stream_that_vanished_is_not_made_anew(void **state)
{
	(void)state;
	expect(&LOGBUS_CONFIG, UB_OK, NULL);
	json_decref(ask("STREAM.DELETE.UNIBUS_LOG_2", NULL));
	expect(&LOGBUS_CONFIG, UNIBUS_ERR_NOT_FOUND,
		"UNIBUS_LOG_2, which keeps room history, is gone");
	json_decref(ask("STREAM.CREATE.UNIBUS_LOG_2", "{\"name\":\"UNIBUS_LOG_2\",\"subjects\":["
						      "\"unibus.log2.>\"],\"storage\":\"file\"}"));
	expect(&LOGBUS_CONFIG, UNIBUS_ERR_NOT_FOUND, "was replaced by another one");
}

/* A first start that was cut off after the stream was made finds it and goes on. */
static void a_stream_without_a_mark_is_taken(void **state)
{
	json_t *v;

	(void)state;
	expect(&SMALL, UB_OK, NULL);
	v = ask("STREAM.INFO.UNIBUS_LOG_0", NULL);
	world_free(B->w);
	logbus_service(B); /* a new, empty control state */
	expect(&SMALL, UB_OK, NULL);
	expect(&SMALL, UB_OK, NULL);
	json_decref(v);
}

static void replicas_that_cannot_be_had_are_refused(void **state)
{
	struct md_log_config c = LOGBUS_CONFIG;

	(void)state;
	c.replicas = 3;
	expect(&c, UNIBUS_ERR_CONFLICT, "nats-server refuses STREAM.CREATE.UNIBUS_LOG_0");
	c.replicas = 1;
	expect(&c, UB_OK, NULL);
}

static void rooms_cannot_persist_before_the_streams_are_there(void **state)
{
	struct ub_room room;

	(void)state;
	assert_int_equal(kit_create(B->w, 1, "early", (struct ub_policy){.persist = true}, &room),
		UNIBUS_ERR_UNAVAILABLE);
	expect(&LOGBUS_CONFIG, UB_OK, NULL);
	assert_int_equal(md_history_open(B->h, B->w->s), UB_OK);
	assert_int_equal(
		kit_create(B->w, 1, "early", (struct ub_policy){.persist = true}, &room), UB_OK);
	ub_room_deinit(&room);
	md_history_stop(B->h);
	assert_int_equal(kit_create(B->w, 1, "late", (struct ub_policy){.persist = true}, &room),
		UNIBUS_ERR_UNAVAILABLE);
}

/* Takes the limit of account LOG out of the configuration. */
static void an_account_without_limit_is_refused(void **state)
{
	char conf[PROC_PATH + 32];

	(void)state;
	snprintf(conf, sizeof(conf), "%s/nats-server.conf", B->s.bus);
	proc_stop(&B->s.nats);
	assert_int_equal(proc_run((const char *const[]){"sed", "-i",
					  "/LOG {/,/}/s/, max_store: [0-9]*MB//", conf, NULL},
				 NULL, NULL),
		0);
	while (md_link_state(B->link) == MD_LINK_UP)
		(void)md_link_wait(B->link, 10);
	assert_int_equal(stack_nats_start(&B->s), 0);
	assert_int_equal(md_link_wait(B->link, 20000), MD_LINK_UP);
	expect(&LOGBUS_CONFIG, UNIBUS_ERR_CONFLICT, "account LOG has no limit on its storage");
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(streams_are_made_once_and_stay),
		EACH(the_quota_is_shared_out),
		EACH(sizes_follow_the_options),
		EACH(foreign_settings_are_refused),
		EACH(a_stream_that_vanished_is_not_made_anew),
		EACH(a_stream_without_a_mark_is_taken),
		EACH(replicas_that_cannot_be_had_are_refused),
		EACH(rooms_cannot_persist_before_the_streams_are_there),
		EACH(an_account_without_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
