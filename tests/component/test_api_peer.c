/* /peers over REST: key records as their owners signed them. */
#include "tests/harness/rest.h"

static int set_up(void **state)
{
	*state = rest_new(NULL);
	return 0;
}

static int tear_down(void **state)
{
	rest_free(*state);
	return 0;
}

static void put(struct rest *t, int who, const char *body, unsigned status, const char *code)
{
	struct rest_call c = {.method = "PUT",
		.target = rest_peer(t, "/peers/", who, ""),
		.body = body,
		.by = who};
	uint64_t before = md_store_revision(t->w->store);

	rest_expect(t, &c, status, code);
	if (status != 200)
		assert_int_equal(md_store_revision(t->w->store), before);
}

static void a_record_comes_back_as_it_was_sent(void **state)
{
	struct rest *t = *state;
	char *body = rest_keyrec(t, USER, 1), want[UB_KEYREC_MAX + 1];
	const char *targets[] = {rest_peer(t, "/peers/", USER, ""), "/peers?handle=p5"};

	snprintf(want, sizeof(want), "%.*s", (int)strlen(body) - 13, body + 11);
	put(t, USER, body, 200, NULL);
	put(t, USER, body, 200, NULL); /* the same again */
	for (size_t i = 0; i < 2; i++) {
		struct rest_reply r;

		rest_do(t, MEMBER, "GET", targets[i], NULL, &r);
		assert_int_equal(r.status, 200);
		assert_string_equal(json_string_value(json_object_get(r.json, "keyrec")), want);
		assert_string_equal(json_string_value(json_object_get(r.json, "handle")), "p5");
		assert_string_equal(json_string_value(json_object_get(r.json, "status")), "active");
		rest_reply_deinit(&r);
	}
	free(body);
}

static void a_higher_seq_replaces_and_nothing_else_does(void **state)
{
	struct rest *t = *state;
	static const struct {
		uint64_t seq;
		unsigned status;
		const char *code;
	} steps[] = {{6, 200, NULL}, {5, 409, "conflict"}, {6, 200, NULL}, {7, 200, NULL},
		{6, 409, "conflict"}};

	for (size_t i = 0; i < UB_ARRAY_LEN(steps); i++) {
		char *body = rest_keyrec(t, OWNER, steps[i].seq);

		put(t, OWNER, body, steps[i].status, steps[i].code);
		free(body);
	}
}

static void only_ones_own_and_only_well_signed(void **state)
{
	static const char *const bodies[] = {"", "{}", "{\"keyrec\":1}", "{\"keyrec\":\"\"}",
		"{\"keyrec\":\"a.b\"}", "{\"keyrec\":\"a\",\"more\":1}", "[]"};
	struct rest *t = *state;
	char *own = rest_keyrec(t, USER, 1), *others = rest_keyrec(t, MEMBER, 1);
	char *bent = rest_keyrec(t, USER, 1);

	for (size_t i = 0; i < UB_ARRAY_LEN(bodies); i++)
		put(t, USER, bodies[i], 400, "invalid");
	put(t, USER, others, 400, "invalid");
	bent[strlen(bent) - 20] = bent[strlen(bent) - 20] == 'A' ? 'B' : 'A';
	put(t, USER, bent, 400, "invalid"); /* not 401: the request itself is well signed */
	put(t, USER, own, 200, NULL);
	free(own);
	free(others);
	free(bent);
}

static void an_expired_record_is_refused(void **state)
{
	struct rest *t = *state;
	char *body = rest_keyrec(t, USER, 1);

	atomic_store(&t->now, KIT_EXPIRES + 1);
	put(t, USER, body, 400, "expired");
	atomic_store(&t->now, KIT_EXPIRES - 1);
	put(t, USER, body, 200, NULL);
	free(body);
}

static void who_is_not_there_is_not_found(void **state)
{
	struct rest *t = *state;
	const struct {
		const char *target;
		unsigned status;
		const char *code;
	} cases[] = {
		{"/peers?handle=p1", 200, NULL},
		{"/peers?handle=p5", 404, "not_found"}, /* has published nothing */
		{"/peers?handle=nobody", 404, "not_found"},
		{"/peers?handle=", 400, "invalid"},
		{"/peers?handle=P1", 400, "invalid"},
		{"/peers", 400, "invalid"},
		{"/peers?handle=p1&x=1", 400, "invalid"},
		{"/peers/AAAA", 400, "invalid"},
		{rest_peer(t, "/peers/", STRANGER, ""), 404, "not_found"},
		{rest_peer(t, "/peers/", OWNER, ""), 200, NULL},
		{rest_peer(t, "/peers/", OWNER, "?x=1"), 400, "invalid"},
	};

	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct rest_call c = {.method = "GET", .target = cases[i].target, .by = USER};

		rest_expect(t, &c, cases[i].status, cases[i].code);
	}
}

static void a_revoked_peers_record_says_so(void **state)
{
	struct rest *t = *state;
	struct rest_reply r;

	assert_int_equal(kit_revoke(t->w, MEMBER), UB_OK);
	rest_do(t, OWNER, "GET", "/peers?handle=p2", NULL, &r);
	assert_int_equal(r.status, 200);
	assert_string_equal(json_string_value(json_object_get(r.json, "status")), "revoked");
	rest_reply_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ONE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		ONE(a_record_comes_back_as_it_was_sent),
		ONE(a_higher_seq_replaces_and_nothing_else_does),
		ONE(only_ones_own_and_only_well_signed),
		ONE(an_expired_record_is_refused),
		ONE(who_is_not_there_is_not_found),
		ONE(a_revoked_peers_record_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
