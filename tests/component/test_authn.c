/* Signed requests: each thing that may be wrong with one, alone and together. */
#include <pthread.h>
#include <unistd.h>

#include "core/b64url.h"
#include "core/num.h"
#include "tests/harness/rest.h"

static const uint8_t nonce_a[16] = {1}, nonce_b[16] = {2};
#define OTHER_SERVER "AAAAAAAAAAAAAAAAAAAAAA"
#define GET_ROOMS(t, who) \
	.method = "GET", .target = rest_peer(t, "/members/", who, "/rooms"), .by = (who)

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

static void every_header_is_needed_once_and_spelled_right(void **state)
{
	static const struct {
		const char *name, *bad[4];
	} headers[] = {
		{UB_HDR_PUB, {"", "00", "ABCDEF", "zz"}},
		{UB_HDR_TS, {"", "-1", "1.5", "99999999999999999999"}},
		{UB_HDR_NONCE, {"", "AAAA", "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAB"}},
		{UB_HDR_AUDIENCE, {"", "AAAA", "AAAAAAAAAAAAAAAAAAAAA/", "AAAAAAAAAAAAAAAAAAAAAB"}},
		{UB_HDR_SIG, {"", "AAAA", "not base64!", "===="}},
	};
	struct rest *t = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(headers); i++) {
		struct rest_call c = {GET_ROOMS(t, OWNER)};
		char again[96];

		rest_expect(t, &c, 200, NULL);
		c.drop = headers[i].name;
		rest_expect(t, &c, 401, "missing_headers");
		c.drop = NULL;
		snprintf(again, sizeof(again), "%s: 1\r\n", headers[i].name);
		c.extra = again;
		rest_expect(t, &c, 400, "invalid");
		c.extra = NULL;
		c.spell = headers[i].name;
		for (size_t k = 0; k < 4; k++) {
			c.spelling = headers[i].bad[k];
			rest_expect(t, &c, 400, "invalid");
		}
	}
}

static void headers_of_ours_that_we_do_not_know_are_refused(void **state)
{
	struct rest *t = *state;
	struct rest_call c = {GET_ROOMS(t, OWNER), .extra = "X-Unibus-Version: 2\r\n"};

	rest_expect(t, &c, 400, "invalid");
	c.extra = "x-unibus-pub: 00\r\n"; /* repeated in another case */
	rest_expect(t, &c, 400, "invalid");
	c.extra = "X-Other: 2\r\n";
	rest_expect(t, &c, 200, NULL);
}

static void one_fault_one_refusal(void **state)
{
	struct rest *t = *state;
	const struct {
		const char *name;
		struct rest_call c;
		unsigned status;
		const char *code;
	} cases[] = {
		{"as it should be", {GET_ROOMS(t, OWNER)}, 200, NULL},
		{"almost a minute late", {GET_ROOMS(t, OWNER), .ts_off = -60000}, 200, NULL},
		{"a minute late", {GET_ROOMS(t, OWNER), .ts_off = -60001}, 401, "clock_skew"},
		{"almost a minute early", {GET_ROOMS(t, OWNER), .ts_off = 60000}, 200, NULL},
		{"a minute early", {GET_ROOMS(t, OWNER), .ts_off = 60001}, 401, "clock_skew"},
		{"another server's", {GET_ROOMS(t, OWNER), .audience = OTHER_SERVER}, 421,
			"wrong_audience"},
		{"a stranger's", {GET_ROOMS(t, STRANGER)}, 401, "unknown_key"},
		{"a revoked key's", {GET_ROOMS(t, REVOKED)}, 401, "revoked"},
		{"another method's", {GET_ROOMS(t, OWNER), .sign_method = "POST"}, 401,
			"bad_signature"},
		{"another path's", {GET_ROOMS(t, OWNER), .sign_target = "/users"}, 401,
			"bad_signature"},
		{"another query's",
			{GET_ROOMS(t, OWNER),
				.sign_target = rest_peer(t, "/members/", OWNER, "/rooms?limit=1")},
			401, "bad_signature"},
		{"with another body", {GET_ROOMS(t, OWNER), .sign_body = "{}"}, 401,
			"bad_signature"},
		{"by another key", {GET_ROOMS(t, OWNER), .sign_by = MEMBER + 1}, 401,
			"bad_signature"},
		{"by another key for a revoked one", {GET_ROOMS(t, REVOKED), .sign_by = MEMBER + 1},
			401, "bad_signature"},
	};

	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].name);
		rest_expect(t, &cases[i].c, cases[i].status, cases[i].code);
	}
}

/* Two faults at once: the one that is checked first is named. */
static void the_checks_have_an_order(void **state)
{
	struct rest *t = *state;
	struct rest_call used = {GET_ROOMS(t, OWNER), .nonce = nonce_a};
	struct rest_call used_by_revoked = {GET_ROOMS(t, REVOKED), .nonce = nonce_a};
	const struct {
		struct rest_call c;
		unsigned status;
		const char *code;
	} cases[] = {
		{{GET_ROOMS(t, OWNER), .ts_off = -70000, .audience = OTHER_SERVER,
			 .spell = UB_HDR_SIG, .spelling = "x"},
			400, "invalid"},
		{{GET_ROOMS(t, OWNER), .ts_off = -70000, .audience = OTHER_SERVER}, 401,
			"clock_skew"},
		{{GET_ROOMS(t, STRANGER), .audience = OTHER_SERVER}, 421, "wrong_audience"},
		{{GET_ROOMS(t, STRANGER), .sign_by = OWNER + 1}, 401, "unknown_key"},
		{{GET_ROOMS(t, OWNER), .nonce = nonce_a, .sign_by = MEMBER + 1}, 401, "replay"},
		{{GET_ROOMS(t, REVOKED), .nonce = nonce_a}, 401, "replay"},
		{{GET_ROOMS(t, REVOKED), .sign_by = MEMBER + 1}, 401, "bad_signature"},
		{{.method = "GET", .target = "/users", .by = REVOKED}, 401, "revoked"},
		{{.method = "GET", .target = "/users", .by = OWNER}, 403, "denied"},
		{{.method = "GET", .target = "/users", .by = OWNER, .sign_by = ADMIN + 1}, 401,
			"bad_signature"},
	};

	rest_expect(t, &used, 200, NULL);
	rest_expect(t, &used_by_revoked, 401, "revoked");
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		print_message("case %zu\n", i);
		rest_expect(t, &cases[i].c, cases[i].status, cases[i].code);
	}
}

static void a_refusal_says_what_the_client_needs(void **state)
{
	struct rest *t = *state;
	struct rest_call late = {GET_ROOMS(t, OWNER), .ts_off = -70000};
	struct rest_call astray = {GET_ROOMS(t, OWNER), .audience = OTHER_SERVER};
	struct rest_reply r;

	rest_send(t, &late, &r);
	assert_int_equal(json_integer_value(json_object_get(r.json, "time")), atomic_load(&t->now));
	rest_reply_deinit(&r);
	rest_send(t, &astray, &r);
	assert_string_equal(
		json_string_value(json_object_get(r.json, "server_id")), md_service_id(t->w->s)->z);
	rest_reply_deinit(&r);
}

static void a_request_is_good_once(void **state)
{
	struct rest *t = *state;
	struct rest_call c = {GET_ROOMS(t, OWNER)};
	char *text = rest_text(t, &c);
	struct raw_reply r;
	char code[48];

	raw_exchange(t->port, text, &r);
	assert_int_equal(r.status, 200);
	raw_reply_deinit(&r);
	for (unsigned i = 0; i < 3; i++) {
		atomic_fetch_add(&t->now, 20000);
		atomic_fetch_add(&t->boot, 20000);
		raw_exchange(t->port, text, &r);
		raw_code(&r, code);
		assert_int_equal(r.status, 401);
		assert_string_equal(code, "replay");
		raw_reply_deinit(&r);
	}
	atomic_fetch_add(&t->now, 1); /* and then it is too old */
	raw_exchange(t->port, text, &r);
	raw_code(&r, code);
	assert_string_equal(code, "clock_skew");
	raw_reply_deinit(&r);
	free(text);
}

static void a_nonce_is_another_keys_own(void **state)
{
	struct rest *t = *state;
	struct rest_call a = {GET_ROOMS(t, OWNER), .nonce = nonce_a};
	struct rest_call b = {GET_ROOMS(t, MEMBER), .nonce = nonce_a};

	rest_expect(t, &a, 200, NULL);
	rest_expect(t, &b, 200, NULL);
	rest_expect(t, &b, 401, "replay");
}

static void only_a_verified_signature_burns_a_nonce(void **state)
{
	struct rest *t = *state;
	struct rest_call c = {GET_ROOMS(t, OWNER), .nonce = nonce_b, .sign_by = MEMBER + 1};

	rest_expect(t, &c, 401, "bad_signature");
	c.sign_by = 0;
	rest_expect(t, &c, 200, NULL);
	c = (struct rest_call){GET_ROOMS(t, OWNER), .nonce = nonce_a, .audience = OTHER_SERVER};
	rest_expect(t, &c, 421, "wrong_audience");
	c.audience = NULL;
	rest_expect(t, &c, 200, NULL);
}

struct racer {
	uint16_t port;
	const char *text;
	unsigned status;
};

static void *race(void *arg)
{
	struct racer *x = arg;
	struct raw_reply r;

	raw_exchange(x->port, x->text, &r);
	x->status = r.status;
	raw_reply_deinit(&r);
	return NULL;
}

static void of_the_same_request_many_times_at_once_one_wins(void **state)
{
	struct rest *t = *state;
	struct rest_call c = {GET_ROOMS(t, OWNER)};
	char *text = rest_text(t, &c);
	struct racer x[8];
	pthread_t threads[8];
	unsigned won = 0;

	for (size_t i = 0; i < 8; i++) {
		x[i] = (struct racer){t->port, text, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, race, &x[i]), 0);
	}
	for (size_t i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		won += x[i].status == 200;
	}
	assert_int_equal(won, 1);
	free(text);
}

/* The caller is looked up again after the body: a revocation while it trickles in counts. */
static void who_is_revoked_while_sending_is_refused(void **state)
{
	struct rest *t = *state;

	for (unsigned revoke = 0; revoke < 2; revoke++) {
		char *body = rest_keyrec(t, USER, 3 + revoke);
		struct rest_call c = {.method = "PUT",
			.target = rest_peer(t, "/peers/", USER, ""),
			.body = body,
			.by = USER};
		char *text = rest_text(t, &c);
		struct raw_reply r;
		int fd = raw_connect(t->port);

		raw_send(fd, text, strlen(text) - 5);
		if (revoke)
			assert_int_equal(kit_revoke(t->w, USER), UB_OK);
		raw_sendz(fd, text + strlen(text) - 5);
		raw_read(fd, &r);
		assert_int_equal(r.status, revoke ? 401 : 200);
		raw_reply_deinit(&r);
		close(fd);
		free(text);
		free(body);
	}
}

/* The cheap checks refuse before a byte of the body is read: the answer comes without it. */
static void strangers_need_not_send_their_bodies(void **state)
{
	static const char *const heads[] = {"", "Expect: 100-continue\r\n"};
	struct rest *t = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(heads); i++) {
		struct rest_call c = {.method = "POST",
			.target = "/rooms",
			.by = STRANGER,
			.body = "0123456789",
			.extra = heads[i]};
		char *text = rest_text(t, &c);
		struct raw_reply r;
		int fd = raw_connect(t->port);

		raw_send(fd, text, strlen(text) - 10);
		raw_read(fd, &r);
		assert_int_equal(r.status, 401);
		raw_reply_deinit(&r);
		assert_true(raw_closed(fd));
		close(fd);
		free(text);
	}
}

static void a_key_has_its_share_and_bad_signatures_do_not_use_it(void **state)
{
	struct rest_options o = {.limits = {.key_per_s = 0.1, .key_burst = 3}};
	struct rest *t = rest_new(&o);
	struct rest_call good = {GET_ROOMS(t, OWNER)}, other = {GET_ROOMS(t, MEMBER)};
	struct rest_call bad = {GET_ROOMS(t, OWNER), .sign_by = MEMBER + 1};
	struct rest_reply r;
	char after[16];

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		rest_expect(t, &bad, 401, "bad_signature");
	for (unsigned i = 0; i < 3; i++)
		rest_expect(t, &good, 200, NULL);
	rest_send(t, &good, &r);
	assert_int_equal(r.status, 429);
	assert_string_equal(r.code, "slow_down");
	assert_true(raw_header(&r.raw, "Retry-After", after, sizeof(after)));
	assert_string_equal(after, "10");
	rest_reply_deinit(&r);
	rest_expect(t, &other, 200, NULL);
	atomic_fetch_add(&t->now, 10000);
	atomic_fetch_add(&t->boot, 10000);
	rest_expect(t, &good, 200, NULL);
	rest_expect(t, &good, 429, "slow_down");
	rest_free(t);
}

static void an_address_has_its_share_whoever_asks(void **state)
{
	struct rest_options o = {.limits = {.ip_per_s = 1, .ip_burst = 4}};
	struct rest *t = rest_new(&o);
	struct rest_call good = {GET_ROOMS(t, OWNER)};
	struct rest_call unsigned_ = {.method = "GET", .target = "/users", .by = NOBODY};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		rest_expect(t, &unsigned_, 401, "missing_headers");
	rest_expect(t, &unsigned_, 429, "slow_down");
	rest_expect(t, &good, 429, "slow_down");
	atomic_fetch_add(&t->boot, 1000);
	rest_expect(t, &good, 200, NULL);
	rest_free(t);
}

static void without_authentication_the_header_names_the_caller(void **state)
{
	struct rest_options o = {.mode = MD_AUTH_OFF};
	struct rest *t = rest_new(&o);
	struct rest_call c = {GET_ROOMS(t, OWNER), .ts_off = -999999, .sign_by = MEMBER + 1,
		.audience = OTHER_SERVER};
	struct rest_call admin = {.method = "GET", .target = "/users", .by = ADMIN, .sign_by = 3};
	struct rest_call member = {.method = "GET", .target = "/users", .by = MEMBER};
	struct rest_call nobody = {.method = "GET", .target = "/users", .by = NOBODY};
	struct rest_call stranger = {.method = "GET", .target = "/users", .by = STRANGER};
	struct rest_call bad = {GET_ROOMS(t, OWNER), .spell = UB_HDR_PUB, .spelling = "00"};

	(void)state;
	rest_expect(t, &c, 200, NULL);
	rest_expect(t, &admin, 200, NULL);
	rest_expect(t, &member, 403, "denied");
	rest_expect(t, &stranger, 403, "denied");
	rest_expect(t, &nobody, 401, "missing_headers");
	rest_expect(t, &bad, 400, "invalid");
	rest_free(t);
}

static void soft_lets_through_but_makes_nobody_an_administrator(void **state)
{
	struct rest_options o = {.mode = MD_AUTH_SOFT};
	struct rest *t = rest_new(&o);
	const struct {
		struct rest_call c;
		unsigned status;
		const char *code;
	} cases[] = {
		{{GET_ROOMS(t, OWNER)}, 200, NULL},
		{{GET_ROOMS(t, OWNER), .ts_off = -70000}, 200, NULL},
		{{GET_ROOMS(t, OWNER), .audience = OTHER_SERVER}, 200, NULL},
		{{GET_ROOMS(t, OWNER), .sign_by = MEMBER + 1}, 200, NULL},
		{{GET_ROOMS(t, OWNER), .drop = UB_HDR_SIG}, 200, NULL},
		{{GET_ROOMS(t, STRANGER)}, 200, NULL},
		{{GET_ROOMS(t, REVOKED)}, 200, NULL},
		{{GET_ROOMS(t, OWNER), .spell = UB_HDR_TS, .spelling = "x"}, 400, "invalid"},
		{{.method = "GET", .target = "/users", .by = NOBODY}, 401, "missing_headers"},
		{{.method = "GET", .target = "/users", .by = ADMIN}, 200, NULL},
		{{.method = "GET", .target = "/users", .by = ADMIN, .sign_by = OWNER + 1}, 403,
			"denied"},
		{{.method = "GET", .target = "/users", .by = ADMIN, .ts_off = -70000}, 403,
			"denied"},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		print_message("case %zu\n", i);
		rest_expect(t, &cases[i].c, cases[i].status, cases[i].code);
	}
	rest_free(t);
}

static void a_signed_question_for_the_server_tells_who_one_is(void **state)
{
	struct rest *t = *state;
	struct rest_reply r;
	const char *name;

	rest_do(t, NOBODY, "GET", "/server", NULL, &r);
	assert_int_equal(r.status, 200);
	assert_null(json_object_get(r.json, "handle"));
	assert_string_equal(
		json_string_value(json_object_get(r.json, "server_id")), md_service_id(t->w->s)->z);
	assert_int_equal(json_integer_value(json_object_get(r.json, "time")), atomic_load(&t->now));
	assert_int_equal(json_integer_value(json_object_get(r.json, "log_shards")), 4);
	assert_int_equal(
		json_integer_value(json_object_get(r.json, "session_ttl_ms")), REST_SESSION_TTL_MS);
	rest_reply_deinit(&r);
	rest_do(t, ADMIN, "GET", "/server", NULL, &r);
	name = json_string_value(json_object_get(r.json, "handle"));
	assert_string_equal(name, "p0");
	assert_string_equal(json_string_value(json_object_get(r.json, "role")), "admin");
	rest_reply_deinit(&r);
	rest_do(t, STRANGER, "GET", "/server", NULL, &r);
	assert_string_equal(r.code, "unknown_key");
	rest_reply_deinit(&r);
	rest_do(t, REVOKED, "GET", "/server", NULL, &r);
	assert_string_equal(r.code, "revoked");
	rest_reply_deinit(&r);
}

static void health_is_200_only_when_all_is_well(void **state)
{
	static const struct {
		enum md_health_status status;
		unsigned http;
		const char *word;
	} cases[] = {
		{MD_HEALTH_STARTING, 503, "starting"},
		{MD_HEALTH_NO_LEASE, 503, "no_lease"},
		{MD_HEALTH_NO_NATS, 503, "no_nats"},
		{MD_HEALTH_OK, 200, "ok"},
	};
	struct rest *t = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct rest_reply r;

		t->health = (struct md_health){
			.status = cases[i].status, .store = "kv", .replicas = 3, .at_rest = true};
		rest_do(t, NOBODY, "GET", "/healthz", NULL, &r);
		assert_int_equal(r.status, cases[i].http);
		assert_string_equal(
			json_string_value(json_object_get(r.json, "status")), cases[i].word);
		assert_string_equal(json_string_value(json_object_get(r.json, "store")), "kv");
		assert_string_equal(
			json_string_value(json_object_get(r.json, "bus_auth")), "enforce");
		assert_int_equal(json_integer_value(json_object_get(r.json, "replicas")), 3);
		assert_true(json_is_true(json_object_get(r.json, "at_rest")));
		assert_true(json_is_false(json_object_get(r.json, "tls")));
		assert_int_equal(json_object_size(r.json), 10);
		rest_reply_deinit(&r);
	}
}

/* ---- revisions ---- */

static void *commit_soon(void *arg)
{
	struct rest *t = arg;
	struct rest_reply r;
	char *body = rest_keyrec(t, OWNER, 20);

	rest_do(t, OWNER, "PUT", rest_peer(t, "/peers/", OWNER, ""), body, &r);
	assert_int_equal(r.status, 200);
	rest_reply_deinit(&r);
	free(body);
	return NULL;
}

static void min_header(struct rest *t, uint64_t rev, char to[96])
{
	struct md_revision text;

	md_revision_text(t->w->s, rev, &text);
	snprintf(to, 96, "X-Unibus-Min-Revision: %s\r\n", text.z);
}

static void an_answer_names_its_revision_and_a_request_may_ask_for_one(void **state)
{
	struct rest *t = *state;
	char own[96], seen[64], wanted[96];
	struct rest_call c = {GET_ROOMS(t, OWNER)};
	struct rest_reply r;
	struct md_revision now;
	pthread_t thread;

	md_revision_text(t->w->s, md_service_revision(t->w->s), &now);
	rest_send(t, &c, &r);
	assert_true(raw_header(&r.raw, "X-Unibus-Revision", seen, sizeof(seen)));
	assert_string_equal(seen, now.z);
	rest_reply_deinit(&r);
	min_header(t, md_service_revision(t->w->s), own);
	c.extra = own;
	rest_expect(t, &c, 200, NULL);
	/* One that comes while the request waits. */
	min_header(t, md_service_revision(t->w->s) + 1, wanted);
	c.extra = wanted;
	assert_int_equal(pthread_create(&thread, NULL, commit_soon, t), 0);
	rest_expect(t, &c, 200, NULL);
	pthread_join(thread, NULL);
	c.extra = "X-Unibus-Min-Revision: AAAAAAAAAAAAAAAAAAAAAA:99\r\n";
	rest_expect(t, &c, 200, NULL); /* another store's: nothing to wait for */
}

static void a_revision_that_does_not_come_is_503(void **state)
{
	static const char *const bad[] = {"", "x", "1:2:3", "AAAAAAAAAAAAAAAAAAAAAA:-1",
		"AAAAAAAAAAAAAAAAAAAAAA:1111111111111111111111111111111111111111111"};
	struct rest_options o = {.limits = {.min_revision_ms = 50}};
	struct rest *t = rest_new(&o);
	struct rest_call c = {GET_ROOMS(t, OWNER)};
	char text[128];

	(void)state;
	min_header(t, md_service_revision(t->w->s) + 1, text);
	c.extra = text;
	rest_expect(t, &c, 503, "unavailable");
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), "X-Unibus-Min-Revision: %s\r\n", bad[i]);
		rest_expect(t, &c, 400, "invalid");
	}
	c.extra = NULL;
	rest_expect(t, &c, 200, NULL);
	rest_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ONE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		ONE(every_header_is_needed_once_and_spelled_right),
		ONE(headers_of_ours_that_we_do_not_know_are_refused),
		ONE(one_fault_one_refusal),
		ONE(the_checks_have_an_order),
		ONE(a_refusal_says_what_the_client_needs),
		ONE(a_request_is_good_once),
		ONE(a_nonce_is_another_keys_own),
		ONE(only_a_verified_signature_burns_a_nonce),
		ONE(of_the_same_request_many_times_at_once_one_wins),
		ONE(who_is_revoked_while_sending_is_refused),
		ONE(strangers_need_not_send_their_bodies),
		cmocka_unit_test(a_key_has_its_share_and_bad_signatures_do_not_use_it),
		cmocka_unit_test(an_address_has_its_share_whoever_asks),
		cmocka_unit_test(without_authentication_the_header_names_the_caller),
		cmocka_unit_test(soft_lets_through_but_makes_nobody_an_administrator),
		ONE(a_signed_question_for_the_server_tells_who_one_is),
		ONE(health_is_200_only_when_all_is_well),
		ONE(an_answer_names_its_revision_and_a_request_may_ask_for_one),
		cmocka_unit_test(a_revision_that_does_not_come_is_503),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
