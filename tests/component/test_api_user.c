/* /users over REST: adding, listing, revoking; what is malformed, and what contradicts. */
#include "core/num.h"
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

static const char *hex_of(struct rest *t, int who, char to[65])
{
	ub_hex_encode(t->w->p[who].sign.b, 32, to);
	return to;
}

static void add(struct rest *t, int by, int who, const char *rest, struct rest_reply *ret)
{
	char hex[65], body[512];

	snprintf(body, sizeof(body), "{\"sign_pub\":\"%s\",%s}", hex_of(t, who, hex), rest);
	rest_do(t, by, "POST", "/users", body, ret);
}

static void expect_add(struct rest *t, int who, const char *rest, unsigned status, const char *code)
{
	uint64_t before = md_store_revision(t->w->store);
	struct rest_reply r;

	add(t, ADMIN, who, rest, &r);
	if (r.status != status || strcmp(r.code, code) != 0)
		fail_msg("%s: %u %s: %s", rest, r.status, r.code, r.raw.body);
	if (status != 201)
		assert_int_equal(md_store_revision(t->w->store), before);
	rest_reply_deinit(&r);
}

static const char *text(const struct rest_reply *r, const char *key)
{
	const char *z = json_string_value(json_object_get(r->json, key));

	return z ? z : "(none)";
}

static void an_added_user_is_answered_and_may_act(void **state)
{
	struct rest *t = *state;
	struct rest_reply r;
	char hex[65];

	add(t, ADMIN, STRANGER, "\"handle\":\"newcomer\"", &r);
	assert_int_equal(r.status, 201);
	assert_string_equal(text(&r, "sign_pub"), hex_of(t, STRANGER, hex));
	assert_string_equal(text(&r, "handle"), "newcomer");
	assert_string_equal(text(&r, "role"), "member");
	assert_string_equal(text(&r, "status"), "active");
	assert_null(json_object_get(r.json, "revoked_at"));
	assert_non_null(strchr(text(&r, "revision"), ':'));
	rest_reply_deinit(&r);
	rest_do(t, STRANGER, "GET", "/peers?handle=p1", NULL, &r);
	assert_int_equal(r.status, 200);
	rest_reply_deinit(&r);
}

static void the_same_request_again_is_200_and_writes_nothing(void **state)
{
	struct rest *t = *state;

	expect_add(t, STRANGER, "\"handle\":\"newcomer\",\"role\":\"admin\"", 201, "");
	expect_add(t, STRANGER, "\"handle\":\"newcomer\",\"role\":\"admin\"", 200, "");
	expect_add(t, STRANGER, "\"handle\":\"newcomer\"", 409, "key_taken");
	expect_add(t, STRANGER, "\"handle\":\"other\",\"role\":\"admin\"", 409, "key_taken");
	expect_add(t, OWNER, "\"handle\":\"p1\"", 200, "");
}

static void handles_belong_to_one_key(void **state)
{
	struct rest *t = *state;

	expect_add(t, STRANGER, "\"handle\":\"p1\"", 409, "handle_taken");
	expect_add(t, STRANGER, "\"handle\":\"p4\"", 409, "handle_taken"); /* a revoked one's */
	expect_add(t, STRANGER, "\"handle\":\"p9\"", 201, "");
}

static void malformed_users_are_refused_field_by_field(void **state)
{
	static const char *const keys[] = {"", "00",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ABCDEF0000000000000000000000000000000000000000000000000000000000",
		"zz00000000000000000000000000000000000000000000000000000000000000"};
	static const char *const rest[] = {
		"\"handle\":\"\"",
		"\"handle\":\"-x\"",
		"\"handle\":\"Alice\"",
		"\"handle\":\"a b\"",
		"\"handle\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
		"\"handle\":7",
		"\"handle\":null",
		"\"handle\":\"ok\",\"role\":\"owner\"",
		"\"handle\":\"ok\",\"role\":\"\"",
		"\"handle\":\"ok\",\"role\":1",
		"\"handle\":\"ok\",\"more\":1",
		"\"handle\":\"ok\",\"handle\":\"ok\"",
		"\"role\":\"member\"",
	};
	static const char *const bodies[] = {
		"", "null", "[]", "7", "\"x\"", "{", "{}", "{\"sign_pub\":1}", "{}x", "\xff"};
	struct rest *t = *state;
	uint64_t before = md_store_revision(t->w->store);
	struct rest_reply r;
	char body[512];

	for (size_t i = 0; i < UB_ARRAY_LEN(rest); i++)
		expect_add(t, STRANGER, rest[i], 400, "invalid");
	for (size_t i = 0; i < UB_ARRAY_LEN(keys); i++) {
		snprintf(body, sizeof(body), "{\"sign_pub\":\"%s\",\"handle\":\"ok\"}", keys[i]);
		rest_do(t, ADMIN, "POST", "/users", body, &r);
		assert_int_equal(r.status, 400);
		rest_reply_deinit(&r);
	}
	for (size_t i = 0; i < UB_ARRAY_LEN(bodies); i++) {
		rest_do(t, ADMIN, "POST", "/users", bodies[i], &r);
		assert_int_equal(r.status, 400);
		rest_reply_deinit(&r);
	}
	assert_int_equal(md_store_revision(t->w->store), before);
	expect_add(t, STRANGER, "\"handle\":\"ok\"", 201, "");
}

static void a_body_has_its_maximum(void **state)
{
	struct rest *t = *state;
	char *body = malloc(5000);

	for (size_t over = 0; over < 2; over++) {
		struct rest_call c = {
			.method = "POST", .target = "/users", .body = body, .by = ADMIN};

		memset(body, ' ', 4096 + over);
		body[4096 + over] = 0;
		rest_expect(t, &c, over ? 413 : 400, over ? "too_large" : "invalid");
	}
	free(body);
}

static void send_revoke(struct rest *t, int by, int who, struct rest_reply *ret)
{
	char hex[65], target[128];

	snprintf(target, sizeof(target), "/users/%s/revoke", hex_of(t, who, hex));
	rest_do(t, by, "POST", target, NULL, ret);
}

static void a_revoked_user_is_out_at_once_and_the_answer_says_how(void **state)
{
	struct rest *t = *state;
	struct rest_reply r;

	for (unsigned i = 0; i < 2; i++) { /* repeated: 200, and the kick again */
		size_t n_before, n_after;

		kit_told(t->w, MD_EVENT_REVOKED, &n_before);
		send_revoke(t, ADMIN, MEMBER, &r);
		kit_told(t->w, MD_EVENT_REVOKED, &n_after);
		assert_int_equal(r.status, 200);
		assert_int_equal(n_after, n_before + 1);
		assert_int_equal(json_integer_value(json_object_get(r.json, "kicked")), 1);
		assert_true(json_is_array(json_object_get(r.json, "unconfirmed")));
		assert_true(json_is_integer(json_object_get(r.json, "ms")));
		assert_non_null(strchr(text(&r, "revision"), ':'));
		rest_reply_deinit(&r);
		rest_do(t, MEMBER, "GET", "/server", NULL, &r);
		assert_int_equal(r.status, 401);
		assert_string_equal(r.code, "revoked");
		rest_reply_deinit(&r);
	}
}

static void revoking_has_its_refusals(void **state)
{
	static const char *const bad[] = {"/users/00/revoke", "/users/ABCDEF/revoke",
		"/users/zz00000000000000000000000000000000000000000000000000000000000000/revoke"};
	struct rest *t = *state;
	uint64_t before = md_store_revision(t->w->store);
	struct rest_reply r;

	send_revoke(t, ADMIN, ADMIN, &r);
	assert_int_equal(r.status, 409);
	assert_string_equal(r.code, "last_admin");
	rest_reply_deinit(&r);
	send_revoke(t, ADMIN, STRANGER, &r);
	assert_int_equal(r.status, 404);
	rest_reply_deinit(&r);
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++) {
		struct rest_call c = {.method = "POST", .target = bad[i], .by = ADMIN};

		rest_expect(t, &c, 400, "invalid");
	}
	assert_int_equal(md_store_revision(t->w->store), before);
}

static void one_of_two_administrators_may_go(void **state)
{
	struct rest *t = *state;
	struct rest_reply r;

	expect_add(t, STRANGER, "\"handle\":\"second\",\"role\":\"admin\"", 201, "");
	send_revoke(t, STRANGER, ADMIN, &r);
	assert_int_equal(r.status, 200);
	rest_reply_deinit(&r);
	rest_do(t, ADMIN, "GET", "/users", NULL, &r);
	assert_string_equal(r.code, "revoked");
	rest_reply_deinit(&r);
	send_revoke(t, STRANGER, STRANGER, &r);
	assert_string_equal(r.code, "last_admin");
	rest_reply_deinit(&r);
}

static void a_revoked_key_is_registered_anew_and_is_in_no_room(void **state)
{
	struct rest *t = *state;
	struct rest_reply r;

	send_revoke(t, ADMIN, MEMBER, &r);
	rest_reply_deinit(&r);
	expect_add(t, MEMBER, "\"handle\":\"p2\"", 201, "");
	rest_do(t, MEMBER, "GET", rest_room(&t->room, ""), NULL, &r);
	assert_int_equal(r.status, 403);
	rest_reply_deinit(&r);
}

static void the_list_is_paged_and_shows_the_revoked(void **state)
{
	struct rest *t = *state;
	char target[64] = "/users?limit=3", seen[256] = "";
	unsigned revoked = 0, pages = 0;

	for (;;) {
		struct rest_reply r;
		const char *next;
		json_t *u;
		size_t i;

		rest_do(t, ADMIN, "GET", target, NULL, &r);
		assert_int_equal(r.status, 200);
		assert_true(json_array_size(json_object_get(r.json, "users")) <= 3);
		json_array_foreach (json_object_get(r.json, "users"), i, u) {
			size_t used = strlen(seen);

			snprintf(seen + used, sizeof(seen) - used, "%s",
				json_string_value(json_object_get(u, "handle")));
			revoked += json_object_get(u, "revoked_at") != NULL;
		}
		pages++;
		next = json_string_value(json_object_get(r.json, "next"));
		if (next)
			snprintf(target, sizeof(target), "/users?limit=3&after=%s", next);
		rest_reply_deinit(&r);
		if (!next)
			break;
	}
	assert_string_equal(seen, "p0p1p2p3p4p5p6");
	assert_int_equal(revoked, 1);
	assert_int_equal(pages, 3);
}

static void list_parameters_are_checked(void **state)
{
	static const char *const bad[] = {"/users?limit=0", "/users?limit=1001", "/users?limit=x",
		"/users?limit=01", "/users?after=-", "/users?after=", "/users?what=1",
		"/users?limit=1&limit=2"};
	struct rest *t = *state;
	struct rest_call good = {.method = "GET", .target = "/users?limit=1000", .by = ADMIN};

	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++) {
		struct rest_call c = {.method = "GET", .target = bad[i], .by = ADMIN};

		rest_expect(t, &c, 400, "invalid");
	}
	rest_expect(t, &good, 200, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ONE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		ONE(an_added_user_is_answered_and_may_act),
		ONE(the_same_request_again_is_200_and_writes_nothing),
		ONE(handles_belong_to_one_key),
		ONE(malformed_users_are_refused_field_by_field),
		ONE(a_body_has_its_maximum),
		ONE(a_revoked_user_is_out_at_once_and_the_answer_says_how),
		ONE(revoking_has_its_refusals),
		ONE(one_of_two_administrators_may_go),
		ONE(a_revoked_key_is_registered_anew_and_is_in_no_room),
		ONE(the_list_is_paged_and_shows_the_revoked),
		ONE(list_parameters_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
