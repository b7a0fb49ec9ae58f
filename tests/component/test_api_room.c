/* Changes of rooms over REST: one signed entry each, what is answered and what is refused. */
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

static const char *text(const json_t *v, const char *key)
{
	const char *z = json_string_value(json_object_get(v, key));

	return z ? z : "(none)";
}

static char *genesis(struct rest *t, int who, const char *subject, struct ub_policy policy)
{
	struct kit_text g = kit_genesis(&t->w->p[who], subject, policy);
	char *z = rest_change(&g);

	kit_text_deinit(&g);
	return z;
}

/* POSTs `body` to the room's path. On a refusal nothing may have changed. */
static void post(struct rest *t, int who, const char *tail, const char *body, unsigned status,
	const char *code)
{
	struct rest_call c = {
		.method = "POST", .target = rest_room(&t->room, tail), .body = body, .by = who};
	uint64_t before = md_store_revision(t->w->store);

	rest_expect(t, &c, status, code);
	if (status >= 400)
		assert_int_equal(md_store_revision(t->w->store), before);
}

/* The next entry of the room, by who. */
static void change(struct rest *t, int who, const char *tail, const struct ub_op *ops, size_t n,
	unsigned status, const char *code)
{
	struct kit_text e = kit_make(&t->room, &t->w->p[who], ops, n);
	char *body = rest_change(&e);

	post(t, who, tail, body, status, code);
	if (status == 200)
		kit_follow(&t->room, &e);
	kit_text_deinit(&e);
	free(body);
}

static void a_new_room_answers_with_its_wire_subjects(void **state)
{
	struct rest *t = *state;
	char *body = genesis(t, USER, "room.new", ENCRYPTED);
	struct rest_reply r, again;
	json_t *wire;

	rest_do(t, USER, "POST", "/rooms", body, &r);
	assert_int_equal(r.status, 201);
	assert_int_equal(json_integer_value(json_object_get(r.json, "seq")), 0);
	assert_int_equal(strlen(text(r.json, "room_id")), 43);
	assert_int_equal(strlen(text(r.json, "head")), 43);
	assert_non_null(strchr(text(r.json, "revision"), ':'));
	wire = json_object_get(r.json, "wire");
	assert_int_equal(json_array_size(json_object_get(wire, "publish")), 1);
	assert_int_equal(json_array_size(json_object_get(wire, "subscribe")), 1);
	assert_memory_equal(json_string_value(json_array_get(json_object_get(wire, "publish"), 0)),
		"unibus.room.", 12);
	assert_null(json_object_get(r.json, "kicked"));
	/* Of an unknown outcome: the identical request finds its own effect. */
	rest_do(t, USER, "POST", "/rooms", body, &again);
	assert_int_equal(again.status, 201);
	assert_string_equal(text(again.json, "room_id"), text(r.json, "room_id"));
	rest_reply_deinit(&again);
	rest_reply_deinit(&r);
	free(body);
}

static void a_subject_belongs_to_one_room(void **state)
{
	struct rest *t = *state;
	char *taken = genesis(t, USER, "room.one", ENCRYPTED);
	char *freed = genesis(t, USER, "room.two", ENCRYPTED);
	struct rest_call c = {.method = "POST", .target = "/rooms", .body = taken, .by = USER};

	rest_expect(t, &c, 409, "subject_taken");
	c.body = freed;
	rest_expect(t, &c, 201, NULL);
	free(taken);
	free(freed);
}

static void cleartext_is_refused_where_it_is_refused(void **state)
{
	struct rest_options o = {.bare = true, .refuse_cleartext = true};

	(void)state;
	for (unsigned refuse = 0; refuse < 2; refuse++) {
		struct rest *t;
		char *plain, *encrypted;
		struct rest_call c = {.method = "POST", .target = "/rooms", .by = USER};

		o.refuse_cleartext = refuse;
		t = rest_new(&o);
		plain = genesis(t, USER, "room.plain", PLAIN);
		encrypted = genesis(t, USER, "room.dark", ENCRYPTED);
		c.body = plain;
		rest_expect(t, &c, refuse ? 403 : 201, refuse ? "cleartext_refused" : NULL);
		c.body = encrypted;
		rest_expect(t, &c, 201, NULL);
		free(plain);
		free(encrypted);
		rest_free(t);
	}
}

static void malformed_bodies_are_refused_field_by_field(void **state)
{
	static const char *const bodies[] = {
		"",
		"[]",
		"{}",
		"{\"entry\":7}",
		"{\"entry\":\"\"}",
		"{\"entry\":null}",
		"{\"entry\":\"a.b\",\"more\":1}",
		"{\"entry\":\"a.b\",\"sealed\":[]}",
		"{\"entry\":\"a.b\",\"sealed\":null}",
		"{\"entry\":\"a.b\",\"sealed\":{\"x\":\"y\"}}",
		"{\"entry\":\"a.b\",\"sealed\":{\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\":"
		"\"AA"
		"\"}}",
		"{\"entry\":\"a.b\",\"sealed\":{\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\":7}"
		"}",
		"{\"entry\":\"a.b\",\"entry\":\"a.b\"}",
	};
	static const char *const tails[] = {
		"/invite", "/remove", "/leave", "/role", "/rekey", "/policy", "/close"};
	struct rest *t = *state;
	const struct ub_op op = op_add(&t->w->p[USER], UB_ROLE_MEMBER);

	for (size_t i = 0; i < UB_ARRAY_LEN(bodies); i++) {
		struct rest_call c = {
			.method = "POST", .target = "/rooms", .body = bodies[i], .by = OWNER};

		rest_expect(t, &c, 400, "invalid");
		for (size_t k = 0; k < UB_ARRAY_LEN(tails); k++)
			post(t, OWNER, tails[k], bodies[i], 400, "invalid");
	}
	post(t, OWNER, "/invite", "{\"entry\":\"a.b\"}", 400, "bad_entry");
	post(t, OWNER, "/invite?x=1", "{\"entry\":\"a.b\"}", 400, "invalid");
	change(t, OWNER, "/invite", &op, 1, 200, NULL);
}

static void an_entry_goes_to_the_path_that_is_for_it(void **state)
{
	struct rest *t = *state;
	const struct ub_op add = op_add(&t->w->p[USER], UB_ROLE_MEMBER);
	const struct ub_op role = op_role(&t->w->p[READER], UB_ROLE_MEMBER);
	const struct ub_op epoch = op_epoch(2, true);
	static const char *const tails[] = {
		"/invite", "/remove", "/leave", "/role", "/rekey", "/policy", "/close"};

	for (size_t i = 0; i < UB_ARRAY_LEN(tails); i++) {
		if (strcmp(tails[i], "/invite") != 0)
			change(t, OWNER, tails[i], &add, 1, 400, "invalid");
		if (strcmp(tails[i], "/role") != 0)
			change(t, OWNER, tails[i], &role, 1, 400, "invalid");
		if (strcmp(tails[i], "/rekey") != 0)
			change(t, OWNER, tails[i], &epoch, 1, 400, "invalid");
	}
	change(t, OWNER, "/invite", &add, 1, 200, NULL);
	change(t, OWNER, "/role", &role, 1, 200, NULL);
	change(t, OWNER, "/rekey", &epoch, 1, 200, NULL);
}

static void only_the_author_brings_an_entry(void **state)
{
	struct rest *t = *state;
	const struct ub_op op = op_add(&t->w->p[USER], UB_ROLE_MEMBER);
	char *body = rest_entry(t, &t->room, OWNER, &op, 1);

	post(t, MEMBER, "/invite", body, 403, "denied");
	post(t, OWNER, "/invite", body, 200, NULL);
	free(body);
}

static void an_entry_is_for_its_own_room(void **state)
{
	struct rest *t = *state;
	const struct ub_op op = op_add(&t->w->p[USER], UB_ROLE_MEMBER);
	char *body = rest_entry(t, &t->room, OWNER, &op, 1);
	struct rest_call c = {.method = "POST",
		.target = rest_room(&t->other, "/invite"),
		.body = body,
		.by = OWNER};

	rest_expect(t, &c, 400, "invalid");
	post(t, OWNER, "/invite", body, 200, NULL);
	free(body);
}

/* 401 would say that the request is not signed well, and it is. */
static void a_bent_entry_is_400(void **state)
{
	struct rest *t = *state;
	const struct ub_op op = op_add(&t->w->p[USER], UB_ROLE_MEMBER);
	struct kit_text e = kit_make(&t->room, &t->w->p[OWNER], &op, 1);
	char *good = rest_change(&e), *bad;
	uint8_t *last = &e.text.p[e.text.len - 10];

	*last = *last == 'A' ? 'B' : 'A';
	bad = rest_change(&e);
	post(t, OWNER, "/invite", bad, 400, "bad_entry");
	post(t, OWNER, "/invite", good, 200, NULL);
	kit_text_deinit(&e);
	free(good);
	free(bad);
}

static void sealed_keys_are_exactly_the_members(void **state)
{
	struct rest *t = *state;
	const struct ub_op op = op_epoch(2, true);
	struct kit_text e = kit_make(&t->room, &t->w->p[OWNER], &op, 1);
	char *good = rest_change(&e), *few, *none, *bent;

	assert_int_equal(e.n_sealed, 3);
	e.n_sealed = 2;
	few = rest_change(&e);
	e.n_sealed = 0;
	none = rest_change(&e);
	e.n_sealed = 3;
	e.sealed[1].b[7] ^= 1;
	bent = rest_change(&e);
	post(t, OWNER, "/rekey", few, 400, "bad_roster");
	post(t, OWNER, "/rekey", none, 400, "bad_roster");
	post(t, OWNER, "/rekey", bent, 400, "bad_roster");
	post(t, OWNER, "/rekey", good, 200, NULL);
	kit_text_deinit(&e);
	free(good);
	free(few);
	free(none);
	free(bent);
}

static void who_comes_second_learns_the_head_and_rebases(void **state)
{
	struct rest *t = *state;
	const struct ub_op add = op_add(&t->w->p[USER], UB_ROLE_MEMBER);
	const struct ub_op role = op_role(&t->w->p[READER], UB_ROLE_MEMBER);
	char *late = rest_entry(t, &t->room, OWNER, &role, 1);
	char *first = rest_entry(t, &t->room, OWNER, &add, 1);
	struct rest_call c = {.method = "POST",
		.target = rest_room(&t->room, "/role"),
		.body = late,
		.by = OWNER};
	struct rest_reply r;
	struct md_room_info info;

	change(t, OWNER, "/invite", &add, 1, 200, NULL);
	rest_send(t, &c, &r);
	assert_int_equal(r.status, 409);
	assert_string_equal(r.code, "stale_head");
	assert_int_equal(kit_info(t->w, &t->room, OWNER, &info), UB_OK);
	assert_int_equal(json_integer_value(json_object_get(r.json, "seq")), info.seq);
	assert_int_equal(strlen(text(r.json, "head")), 43);
	rest_reply_deinit(&r);
	post(t, OWNER, "/invite", first, 200, NULL); /* the identical one: its own effect */
	change(t, OWNER, "/role", &role, 1, 200, NULL);
	free(late);
	free(first);
}

static void what_takes_rights_away_says_who_was_kicked(void **state)
{
	struct rest *t = *state;
	const struct ub_op leave = op_bare(UB_OP_LEAVE),
			   role = op_role(&t->w->p[MEMBER], UB_ROLE_READER);
	const struct {
		int who;
		const char *tail;
		const struct ub_op *op;
		int kicked;
	} steps[] = {{OWNER, "/role", &role, 1}, {READER, "/leave", &leave, 1}};

	for (size_t i = 0; i < UB_ARRAY_LEN(steps); i++) {
		struct kit_text e = kit_make(&t->room, &t->w->p[steps[i].who], steps[i].op, 1);
		char *body = rest_change(&e);
		struct rest_reply r;

		rest_do(t, steps[i].who, "POST", rest_room(&t->room, steps[i].tail), body, &r);
		assert_int_equal(r.status, 200);
		assert_int_equal(
			json_integer_value(json_object_get(r.json, "kicked")), steps[i].kicked);
		assert_true(json_is_array(json_object_get(r.json, "unconfirmed")));
		assert_true(json_is_integer(json_object_get(r.json, "ms")));
		rest_reply_deinit(&r);
		kit_follow(&t->room, &e);
		kit_text_deinit(&e);
		free(body);
	}
}

static void an_added_peer_joins(void **state)
{
	struct rest *t = *state;
	const struct ub_op op = op_add(&t->w->p[USER], UB_ROLE_MEMBER);
	struct rest_reply r;

	change(t, OWNER, "/invite", &op, 1, 200, NULL);
	for (unsigned joined = 0; joined < 2; joined++) {
		json_t *wire;

		rest_do(t, USER, "GET", rest_room(&t->room, ""), NULL, &r);
		wire = json_object_get(r.json, "wire");
		assert_int_equal(json_is_true(json_object_get(r.json, "joined")), joined);
		assert_int_equal(json_array_size(json_object_get(wire, "publish")), joined);
		assert_int_equal(json_array_size(json_object_get(wire, "subscribe")), joined);
		rest_reply_deinit(&r);
		post(t, USER, "/join", NULL, 200, NULL); /* the second time, too */
	}
	post(t, USER, "/join", "{}", 200, NULL);
	post(t, USER, "/join", "{\"x\":1}", 400, "invalid");
}

static void joining_has_its_limit(void **state)
{
	struct rest_options o = {.domain = {.joined_max = 1}};
	struct rest *t = rest_new(&o);
	const struct ub_op op = op_add(&t->w->p[OTHER], UB_ROLE_MEMBER);
	const struct ub_op user = op_add(&t->w->p[USER], UB_ROLE_MEMBER);

	(void)state;
	change(t, OWNER, "/invite", &op, 1, 200, NULL);
	change(t, OWNER, "/invite", &user, 1, 200, NULL);
	post(t, OTHER, "/join", NULL, 409, "limit"); /* is in his own room */
	post(t, USER, "/join", NULL, 200, NULL);
	rest_free(t);
}

static void a_closed_room_takes_nothing(void **state)
{
	struct rest *t = *state;
	const struct ub_op close = op_bare(UB_OP_CLOSE),
			   add = op_add(&t->w->p[USER], UB_ROLE_MEMBER);
	struct rest_reply r;

	change(t, OWNER, "/close", &close, 1, 200, NULL);
	change(t, OWNER, "/invite", &add, 1, 409, "room_closed");
	post(t, MEMBER, "/join", NULL, 409, "room_closed");
	rest_do(t, MEMBER, "GET", rest_room(&t->room, ""), NULL, &r);
	assert_int_equal(r.status, 200);
	assert_true(json_is_true(json_object_get(r.json, "closed")));
	rest_reply_deinit(&r);
}

static void rooms_that_are_not_there_are_not_found(void **state)
{
	static const char *const none = "/rooms/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	struct rest *t = *state;
	const struct {
		const char *tail;
		const char *method;
	} cases[] = {{"", "GET"}, {"/members", "GET"}, {"/log", "GET"}, {"/key", "GET"},
		{"/join", "POST"}};

	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		char target[128];
		struct rest_call c = {.method = cases[i].method, .target = target, .by = OWNER};

		snprintf(target, sizeof(target), "%s%s", none, cases[i].tail);
		rest_expect(t, &c, 404, "not_found");
		snprintf(target, sizeof(target), "/rooms/AAAA%s", cases[i].tail);
		rest_expect(t, &c, 400, "invalid");
		c.target = rest_room(&t->room, cases[i].tail);
		rest_expect(t, &c, 200, NULL);
	}
}

static void large_changes_pass_and_larger_ones_do_not(void **state)
{
	struct rest *t = *state;
	const struct ub_op op = op_add(&t->w->p[USER], UB_ROLE_MEMBER);
	char *body = rest_entry(t, &t->room, OWNER, &op, 1), *big = malloc(UB_ENTRY_BODY_MAX + 2);
	size_t len = strlen(body);

	memset(big, ' ', UB_ENTRY_BODY_MAX + 1);
	memcpy(big, body, len);
	big[UB_ENTRY_BODY_MAX + 1] = 0;
	post(t, OWNER, "/invite", big, 413, "too_large");
	big[UB_ENTRY_BODY_MAX] = 0;
	post(t, OWNER, "/invite", big, 200, NULL);
	free(body);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ONE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		ONE(a_new_room_answers_with_its_wire_subjects),
		ONE(a_subject_belongs_to_one_room),
		cmocka_unit_test(cleartext_is_refused_where_it_is_refused),
		ONE(malformed_bodies_are_refused_field_by_field),
		ONE(an_entry_goes_to_the_path_that_is_for_it),
		ONE(only_the_author_brings_an_entry),
		ONE(an_entry_is_for_its_own_room),
		ONE(a_bent_entry_is_400),
		ONE(sealed_keys_are_exactly_the_members),
		ONE(who_comes_second_learns_the_head_and_rebases),
		ONE(what_takes_rights_away_says_who_was_kicked),
		ONE(an_added_peer_joins),
		cmocka_unit_test(joining_has_its_limit),
		ONE(a_closed_room_takes_nothing),
		ONE(rooms_that_are_not_there_are_not_found),
		ONE(large_changes_pass_and_larger_ones_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
