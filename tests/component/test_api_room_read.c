/* What members read of their rooms over REST: the room, its roster, log and keys; lists of rooms.
 */
#include "core/b64url.h"
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

static json_int_t number(const json_t *v, const char *key)
{
	return json_integer_value(json_object_get(v, key));
}

static bool yes(const json_t *v, const char *key)
{
	return json_is_true(json_object_get(v, key));
}

static void get(struct rest *t, int who, const char *target, struct rest_reply *ret)
{
	rest_do(t, who, "GET", target, NULL, ret);
	if (ret->status != 200)
		fail_msg("GET %s: %u %s", target, ret->status, ret->raw.body);
}

static void a_room_shows_what_its_log_says(void **state)
{
	static const struct {
		int who;
		const char *role;
		size_t publish;
	} members[] = {{OWNER, "owner", 1}, {MEMBER, "member", 1}, {READER, "reader", 0}};
	struct rest *t = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(members); i++) {
		struct rest_reply r;
		json_t *policy, *wire;
		char id[UB_ID_TEXT + 1];

		get(t, members[i].who, rest_room(&t->room, ""), &r);
		ub_room_id_encode(&t->room.id, id);
		assert_string_equal(text(r.json, "room_id"), id);
		assert_string_equal(text(r.json, "subject"), "room.one");
		assert_string_equal(text(r.json, "role"), members[i].role);
		assert_int_equal(number(r.json, "epoch"), 1);
		assert_int_equal(number(r.json, "seq"), 2);
		assert_int_equal(number(r.json, "members"), 3);
		assert_int_equal(strlen(text(r.json, "head")), 43);
		assert_true(yes(r.json, "joined"));
		assert_false(yes(r.json, "closed"));
		assert_false(yes(r.json, "rotation_due"));
		assert_false(yes(r.json, "removal_due"));
		policy = json_object_get(r.json, "policy");
		assert_true(yes(policy, "encrypt"));
		assert_false(yes(policy, "persist"));
		assert_string_equal(text(policy, "history"), "all");
		wire = json_object_get(r.json, "wire");
		assert_int_equal(
			json_array_size(json_object_get(wire, "publish")), members[i].publish);
		assert_int_equal(json_array_size(json_object_get(wire, "subscribe")), 1);
		rest_reply_deinit(&r);
	}
}

static void who_left_and_who_was_revoked_make_work(void **state)
{
	struct rest *t = *state;
	const struct ub_op leave = op_bare(UB_OP_LEAVE);
	struct rest_reply r;

	assert_int_equal(kit_append(t->w, READER, MD_ROOM_LEAVE, &t->room, &leave, 1), UB_OK);
	get(t, OWNER, rest_room(&t->room, ""), &r);
	assert_true(yes(r.json, "rotation_due"));
	assert_false(yes(r.json, "removal_due"));
	rest_reply_deinit(&r);
	assert_int_equal(kit_revoke(t->w, MEMBER), UB_OK);
	get(t, OWNER, rest_room(&t->room, ""), &r);
	assert_true(yes(r.json, "removal_due"));
	rest_reply_deinit(&r);
}

static void the_roster_is_paged_by_endpoint(void **state)
{
	struct rest *t = *state;
	char target[256], last[UB_ID_TEXT + 1] = "";
	unsigned seen = 0;

	assert_int_equal(kit_revoke(t->w, READER), UB_OK);
	snprintf(target, sizeof(target), "%s", rest_room(&t->room, "/members?limit=2"));
	for (;;) {
		struct rest_reply r;
		const char *next;
		json_t *m;
		size_t i;

		get(t, OWNER, target, &r);
		json_array_foreach (json_object_get(r.json, "members"), i, m) {
			bool reader = strcmp(text(m, "role"), "reader") == 0;

			assert_int_equal(strlen(text(m, "endpoint")), 43);
			assert_int_equal(strlen(text(m, "sign_pub")), 64);
			assert_int_equal(strlen(text(m, "kex")), 64);
			assert_int_equal(text(m, "handle")[0], 'p');
			assert_string_equal(text(m, "status"), reader ? "revoked" : "active");
			assert_true(json_is_integer(json_object_get(m, "added_seq")));
			assert_true(json_is_boolean(json_object_get(m, "joined")));
			assert_string_not_equal(text(m, "endpoint"), last);
			snprintf(last, sizeof(last), "%s", text(m, "endpoint"));
			seen++;
		}
		next = json_string_value(json_object_get(r.json, "next"));
		if (next)
			snprintf(target, sizeof(target), "%s%s",
				rest_room(&t->room, "/members?limit=2&after="), next);
		rest_reply_deinit(&r);
		if (!next)
			break;
	}
	assert_int_equal(seen, 3);
}

static void the_log_comes_page_by_page_and_verifies(void **state)
{
	struct rest *t = *state;
	struct ub_room room = {0};
	char target[256];
	json_int_t from = 0;

	for (unsigned pages = 1;; pages++) {
		const struct ub_apply lenient = {.owner_revoked = true};
		struct rest_reply r;
		json_t *item, *next;
		size_t i;

		snprintf(target, sizeof(target), "%s%lld",
			rest_room(&t->room, "/log?limit=1&from="), (long long)from);
		get(t, MEMBER, target, &r);
		assert_int_equal(json_array_size(json_object_get(r.json, "entries")), 1);
		json_array_foreach (json_object_get(r.json, "entries"), i, item) {
			struct ub_entry e;

			assert_int_equal(number(item, "seq"), from);
			assert_int_equal(ub_entry_open(ub_str(text(item, "entry")), &e), UB_OK);
			assert_int_equal(ub_room_apply(&room, &e, &lenient), UB_OK);
			ub_entry_deinit(&e);
		}
		next = json_object_get(r.json, "next");
		from = json_integer_value(next);
		i = json_is_null(next);
		rest_reply_deinit(&r);
		if (i) {
			assert_int_equal(pages, 3);
			break;
		}
	}
	assert_memory_equal(room.head.b, t->room.head.b, sizeof(room.head.b));
	ub_room_deinit(&room);
}

static void beyond_the_head_there_is_nothing_yet(void **state)
{
	struct rest *t = *state;
	struct rest_reply r;

	get(t, MEMBER, rest_room(&t->room, "/log?from=3"), &r);
	assert_int_equal(json_array_size(json_object_get(r.json, "entries")), 0);
	assert_true(json_is_null(json_object_get(r.json, "next")));
	rest_reply_deinit(&r);
}

static void ones_own_key_of_each_epoch(void **state)
{
	struct rest *t = *state;
	const struct ub_op epoch = op_epoch(2, true);
	const struct kit_peer *p = &t->w->p[OWNER];
	static const struct {
		const char *tail;
		uint32_t epoch;
	} keys[] = {{"/key", 2}, {"/key?epoch=0", 2}, {"/key?epoch=1", 1}, {"/key?epoch=2", 2}};

	assert_int_equal(kit_append(t->w, OWNER, MD_ROOM_REKEY, &t->room, &epoch, 1), UB_OK);
	for (size_t i = 0; i < UB_ARRAY_LEN(keys); i++) {
		struct ub_symkey want = kit_epoch_key(&t->room.id, keys[i].epoch), got;
		struct ub_epoch_opener o = {.kex = p->kex,
			.sec = &p->ks,
			.self = p->id,
			.room = t->room.id,
			.n = keys[i].epoch};
		uint8_t sealed[UB_SEALED_LEN];
		struct rest_reply r;

		ub_epoch_commit(&want, &t->room.id, keys[i].epoch, &o.commit);
		get(t, OWNER, rest_room(&t->room, keys[i].tail), &r);
		assert_int_equal(number(r.json, "epoch"), keys[i].epoch);
		assert_int_equal(
			ub_b64url_decode(ub_str(text(r.json, "sealed")), sealed, sizeof(sealed)),
			UB_OK);
		assert_int_equal(ub_epoch_open(&o, sealed, &got), UB_OK);
		rest_reply_deinit(&r);
	}
}

static void a_key_that_is_not_there_is_403_with_a_sentence(void **state)
{
	struct rest *t = *state;
	const struct ub_op ops[] = {op_remove(&t->w->p[MEMBER]), op_epoch(2, true)};
	const struct ub_op add = op_add(&t->w->p[USER], UB_ROLE_MEMBER);
	struct rest_call future = {
		.method = "GET", .target = rest_room(&t->room, "/key?epoch=9"), .by = OWNER};
	struct rest_call gone = {
		.method = "GET", .target = rest_room(&t->room, "/key"), .by = MEMBER};
	struct rest_call before = {
		.method = "GET", .target = rest_room(&t->room, "/key?epoch=1"), .by = USER};

	rest_expect(t, &future, 403, "no_key");
	rest_expect(t, &gone, 200, NULL);
	assert_int_equal(kit_append(t->w, OWNER, MD_ROOM_REMOVE, &t->room, ops, 2), UB_OK);
	rest_expect(t, &gone, 403, "denied");
	assert_int_equal(kit_append(t->w, OWNER, MD_ROOM_INVITE, &t->room, &add, 1), UB_OK);
	rest_expect(t, &before, 403, "no_key");
}

static void parameters_are_checked(void **state)
{
	static const char *const bad[] = {"?x=1", "/members?limit=0", "/members?after=x",
		"/members?from=1", "/log?from=-1", "/log?from=x", "/log?limit=1001", "/log?after=1",
		"/key?epoch=x", "/key?epoch=4294967296", "/key?epoch=1&n=1"};
	static const char *const good[] = {
		"", "/members?limit=1000", "/log?from=0&limit=1", "/key?epoch=1"};
	struct rest *t = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(bad) + UB_ARRAY_LEN(good); i++) {
		bool is_bad = i < UB_ARRAY_LEN(bad);
		struct rest_call c = {.method = "GET", .by = OWNER};

		c.target = rest_room(&t->room, is_bad ? bad[i] : good[i - UB_ARRAY_LEN(bad)]);
		rest_expect(t, &c, is_bad ? 400 : 200, is_bad ? "invalid" : NULL);
	}
}

static void the_list_of_rooms_is_for_oneself_and_administrators(void **state)
{
	struct rest *t = *state;
	static const int who[] = {MEMBER, ADMIN};
	const struct ub_op add = op_add(&t->w->p[MEMBER], UB_ROLE_READER);

	assert_int_equal(kit_append(t->w, OTHER, MD_ROOM_INVITE, &t->other, &add, 1), UB_OK);
	for (size_t i = 0; i < UB_ARRAY_LEN(who); i++) {
		struct rest_reply a, b;
		char target[256];
		json_t *room;

		get(t, who[i], rest_peer(t, "/members/", MEMBER, "/rooms?limit=1"), &a);
		snprintf(target, sizeof(target), "%s%s",
			rest_peer(t, "/members/", MEMBER, "/rooms?after="), text(a.json, "next"));
		get(t, who[i], target, &b);
		assert_true(json_is_null(json_object_get(b.json, "next")));
		for (unsigned k = 0; k < 2; k++) {
			json_t *page = json_object_get(k ? b.json : a.json, "rooms");
			bool one;

			assert_int_equal(json_array_size(page), 1);
			room = json_array_get(page, 0);
			one = strcmp(text(room, "subject"), "room.one") == 0;
			assert_string_equal(text(room, "role"), one ? "member" : "reader");
			assert_int_equal(yes(room, "joined"), one);
			assert_int_equal(number(room, "epoch"), 1);
			assert_true(yes(json_object_get(room, "policy"), "encrypt"));
		}
		rest_reply_deinit(&a);
		rest_reply_deinit(&b);
	}
}

static void lists_of_rooms_have_their_refusals(void **state)
{
	struct rest *t = *state;
	const struct {
		const char *target;
		unsigned status;
		const char *code;
	} cases[] = {
		{rest_peer(t, "/members/", OWNER, "/rooms"), 200, NULL},
		{rest_peer(t, "/members/", MEMBER, "/rooms"), 403, "denied"},
		{rest_peer(t, "/members/", OWNER, "/rooms?after=x"), 400, "invalid"},
		{rest_peer(t, "/members/", OWNER, "/rooms?limit=0"), 400, "invalid"},
		{"/members/AAAA/rooms", 403, "denied"},
	};

	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct rest_call c = {.method = "GET", .target = cases[i].target, .by = OWNER};

		rest_expect(t, &c, cases[i].status, cases[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ONE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		ONE(a_room_shows_what_its_log_says),
		ONE(who_left_and_who_was_revoked_make_work),
		ONE(the_roster_is_paged_by_endpoint),
		ONE(the_log_comes_page_by_page_and_verifies),
		ONE(beyond_the_head_there_is_nothing_yet),
		ONE(ones_own_key_of_each_epoch),
		ONE(a_key_that_is_not_there_is_403_with_a_sentence),
		ONE(parameters_are_checked),
		ONE(the_list_of_rooms_is_for_oneself_and_administrators),
		ONE(lists_of_rooms_have_their_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
