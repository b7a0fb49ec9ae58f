/* A control plane that lies about a room's log: entries that nobody may make, entries left out, two
 * histories. Each ends under its name and leaves the room as it is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/json.h"
#include "tests/harness/lies.h"

#define BODY_MAX (256 * 1024)

/* The entry of a request made by shadow_change, to be freed. */
static char *entry_of(struct ub_buf *body)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;

	assert_int_equal(UB_OK, ub_json_parse(ub_buf_text(body), &v));
	return ub_str_dup(ub_str(json_string_value(json_object_get(v, "entry"))));
}

static char *make_entry(const struct shadow *s, const struct shadow_change *c)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(BODY_MAX);
	struct shadow after;
	char *text;

	shadow_change(s, c, &body, &after);
	text = entry_of(&body);
	shadow_deinit(&after);
	assert_non_null(text);
	return text;
}

/* One entry more than there is. */
static bool append(struct lie *l, json_t *answer)
{
	json_t *item = json_pack("{sI,ss}", "seq", (json_int_t)l->seq, "entry", l->text);

	assert_non_null(item);
	return json_array_append_new(json_object_get(answer, "entries"), item) == 0;
}

static struct shadow_change of_olga(struct ub_op *ops, size_t n)
{
	return (struct shadow_change){.ops = ops, .n = n, .wrong = true};
}

#define OPS(...) \
	of_olga((struct ub_op[]){__VA_ARGS__}, \
		sizeof((struct ub_op[]){__VA_ARGS__}) / sizeof(struct ub_op))

/* Alice's log stays as it is, whatever the server appends to it. */
static void assert_not_taken(struct stage *b, const char *name, char *entry, enum unibus_err want)
{
	struct lie l = {.twist = append, .text = entry, .seq = b->room.room.seq + 1};
	struct unibus_room_info before = stage_info(&b->alice), after;
	enum unibus_err err;

	lie_about_room(&l, b, b->room.idz, "/log");
	err = unibus_room_sync(b->alice.room);
	if (err != want)
		fail_msg("%s: %s instead of %s", name, unibus_err_word(err), unibus_err_word(want));
	lie_ends(b, &l);
	free(entry);
	after = stage_info(&b->alice);
	assert_int_equal(before.seq, after.seq);
	assert_int_equal(before.members, after.members);
	assert_int_equal(before.epoch, after.epoch);
	assert_true(after.policy.encrypt && after.policy.sign);
	assert_int_equal(UNIBUS_OK, unibus_room_sync(b->alice.room));
}

/* "Olga adds the ghost", with what she has signed for another entry. */
static char *spliced(struct stage *b)
{
	struct shadow_change never = OPS(shadow_add(&b->ghost_is, UB_ROLE_MEMBER));
	struct shadow_change once = OPS(shadow_role(&b->carl_is, UB_ROLE_READER));
	UB_CLEANUP(ub_freep) char *words = NULL;
	UB_CLEANUP(ub_freep) char *signed_ = NULL;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(BODY_MAX);

	never.by = once.by = &b->olga_is;
	words = make_entry(&b->room, &never);
	signed_ = make_entry(&b->room, &once);
	ub_buf_printf(&text, "%.*s%s", (int)strcspn(words, "."), words, strchr(signed_, '.'));
	return ub_buf_take(&text);
}

static void an_entry_that_nobody_may_make_is_not_taken(void **state)
{
	struct stage *b = *state;
	struct shadow_change c;
	struct ub_epoch_op epoch = {.n = 2, .has_backlink = true};

	stage_gather(b);
	c = OPS(shadow_add(&b->ghost_is, UB_ROLE_MEMBER));
	c.by = &b->ghost_is;
	assert_not_taken(b, "the ghost adds itself", make_entry(&b->room, &c), UNIBUS_ERR_NO_RIGHT);
	c.by = &b->carl_is;
	assert_not_taken(
		b, "a member adds the ghost", make_entry(&b->room, &c), UNIBUS_ERR_NO_RIGHT);

	assert_not_taken(
		b, "the owner's words without her signature", spliced(b), UNIBUS_ERR_BAD_SIGNATURE);

	c = OPS(shadow_remove(&b->carl_is));
	c.by = &b->olga_is;
	assert_not_taken(
		b, "a removal without a new key", make_entry(&b->room, &c), UNIBUS_ERR_NEEDS_EPOCH);
	c = OPS(shadow_policy(false, false));
	c.by = &b->olga_is;
	assert_not_taken(b, "a looser policy", make_entry(&b->room, &c), UNIBUS_ERR_BAD_ENTRY);

	c = OPS(shadow_bare(UB_OP_EPOCH));
	c.by = &b->olga_is;
	c.epoch = &epoch;
	assert_not_taken(
		b, "an epoch for another roster", make_entry(&b->room, &c), UNIBUS_ERR_BAD_ROSTER);
	ub_room_roster_hash(&b->room.room, &epoch.roster);
	epoch.n = 1;
	assert_not_taken(b, "a lower epoch", make_entry(&b->room, &c), UNIBUS_ERR_BAD_EPOCH);
}

/* Olga's next entry of another room is in order there, and nowhere else. */
static void an_entry_of_another_room_is_an_alarm(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(BODY_MAX);
	struct shadow other = {0};
	struct stage *b = *state;
	struct shadow_change c = OPS(shadow_role(&b->carl_is, UB_ROLE_READER));

	stage_gather(b);
	shadow_create(&other, &b->olga_is, "room.other",
		(struct ub_policy){.encrypt = true, .sign = true}, &body);
	other.room.seq = b->room.room.seq;
	c.by = &b->olga_is;
	assert_not_taken(b, "an entry of another room", make_entry(&other, &c), UNIBUS_ERR_FORK);
	assert_true(libpeer_told(&b->alice, UNIBUS_EVENT_FORK, UNIBUS_ERR_FORK, NULL));
	shadow_deinit(&other);
}

static bool cut_log(struct lie *l, json_t *answer)
{
	json_t *list = json_object_get(answer, "entries");

	for (size_t i = json_array_size(list); i-- > 0;)
		if (json_integer_value(json_object_get(json_array_get(list, i), "seq")) >=
			(json_int_t)l->seq)
			(void)json_array_remove(list, i);
	return json_object_set_new(answer, "next", json_null()) == 0;
}

static void a_log_that_has_become_shorter_is_an_alarm(void **state)
{
	struct stage *b = *state;
	struct lie l = {.twist = cut_log, .seq = b->room.room.seq};

	stage_gather(b);
	assert_int_equal(0, libpeer_events(&b->alice, UNIBUS_EVENT_ROLLBACK));
	lie_about_room(&l, b, b->room.idz, "/log");
	assert_int_equal(UNIBUS_ERR_ROLLBACK, unibus_room_sync(b->alice.room));
	assert_true(libpeer_told(&b->alice, UNIBUS_EVENT_ROLLBACK, UNIBUS_ERR_ROLLBACK, NULL));
	lie_ends(b, &l);
	assert_int_equal(b->room.room.seq, stage_info(&b->alice).seq);
	assert_int_equal(UNIBUS_OK, unibus_room_sync(b->alice.room));
}

static bool replace_entry(struct lie *l, json_t *answer)
{
	json_t *item;
	size_t i;
	bool done = false;

	json_array_foreach (json_object_get(answer, "entries"), i, item) {
		if (json_integer_value(json_object_get(item, "seq")) != (json_int_t)l->seq)
			continue;
		done |= json_object_set_new(item, "entry", json_string(l->text)) == 0;
	}
	return done;
}

/* Two entries by Olga for one place, both perfectly signed: Bob is shown the first, Alice the
 * second. */
static void two_histories_are_an_alarm_when_somebody_speaks(void **state)
{
	struct stage *b = *state;
	struct shadow_change c = OPS(shadow_role(&b->carl_is, UB_ROLE_READER));
	struct lie l = {.twist = replace_entry, .seq = b->room.room.seq + 1};
	struct libpeer_said said;
	char *second;

	stage_gather(b);
	c.by = &b->olga_is;
	c.wrong = false;
	c.ts_ms = 1;
	second = make_entry(&b->room, &c);
	c.ts_ms = 2;
	l.text = second;
	lie_about_room(&l, b, b->room.idz, "/log");
	shadow_do(&b->room, &b->s, "role", &c);
	assert_int_equal(UNIBUS_OK, unibus_room_sync(b->alice.room));
	assert_int_equal(b->room.room.seq, stage_info(&b->alice).seq);
	assert_int_equal(UNIBUS_OK, unibus_room_sync(b->bob.room));
	assert_int_equal(0, libpeer_events(&b->alice, UNIBUS_EVENT_FORK));

	libpeer_say(&b->bob, "which history is yours?");
	assert_true(libpeer_told(&b->alice, UNIBUS_EVENT_FORK, UNIBUS_ERR_FORK, &said));
	assert_string_equal(b->bob_is.idz, said.peer);
	lie_ends(b, &l);
	free(second);
	/* The true log contradicts what she has: an alarm as well. */
	assert_int_equal(UNIBUS_ERR_FORK, unibus_room_sync(b->alice.room));
}

/* Carl is removed; Alice is not told. Bob, who was, speaks under the new key. */
static void a_hidden_removal_is_noticed_when_somebody_speaks(void **state)
{
	struct stage *b = *state;
	struct lie l = {.twist = cut_log, .seq = b->room.room.seq + 1};
	struct libpeer_said said;

	stage_gather(b);
	lie_about_room(&l, b, b->room.idz, "/log");
	shadow_do(&b->room, &b->s, "remove",
		&(struct shadow_change){.by = &b->olga_is,
			SHADOW_OPS(shadow_remove(&b->carl_is), shadow_bare(UB_OP_EPOCH))});
	assert_int_equal(UNIBUS_OK, unibus_room_sync(b->bob.room));
	libpeer_say(&b->bob, "Carl is gone");
	assert_true(libpeer_told(&b->alice, UNIBUS_EVENT_BAD_FRAME, UNIBUS_ERR_CORRUPT, &said));
	assert_string_equal(b->bob_is.idz, said.peer);
	assert_true(libpeer_told(&b->alice, UNIBUS_EVENT_ROLLBACK, UNIBUS_ERR_ROLLBACK, &said));
	assert_string_equal(b->bob_is.idz, said.peer);
	assert_int_equal(4, stage_info(&b->alice).members);
	assert_false(libpeer_heard(&b->alice, "Carl is gone"));
	lie_ends(b, &l);

	assert_int_equal(UNIBUS_OK, unibus_room_sync(b->alice.room));
	assert_int_equal(3, stage_info(&b->alice).members);
	libpeer_say(&b->bob, "Carl is really gone");
	assert_true(libpeer_hears(&b->alice, "Carl is really gone", NULL));
}

/* Another room's log, from where it was asked for. */
static bool other_log(struct lie *l, json_t *answer)
{
	UB_CLEANUP(json_decrefp) json_t *log = NULL;
	const char *query = strchr(l->target, '?');
	char target[160];

	(void)snprintf(target, sizeof(target), "/rooms/%s/log%s", l->text, query ? query : "");
	log = ask_want(ASK(&l->b->s, &l->b->olga_is.sk, "GET", target, NULL), 200, "");
	return json_object_update(answer, log) == 0;
}

static void create(struct stage *b, struct shadow *s, const char *prefix, struct ub_buf *body)
{
	char subject[32];

	(void)snprintf(subject, sizeof(subject), "%s%u", prefix, b->n);
	shadow_create(s, &b->olga_is, subject, (struct ub_policy){.encrypt = true}, body);
}

static void add_alice(struct stage *b, struct shadow *s)
{
	shadow_do(s, &b->s, "invite",
		&(struct shadow_change){
			.by = &b->olga_is, SHADOW_OPS(shadow_add(&b->alice_is, UB_ROLE_MEMBER))});
}

/* Another room's whole log under this room's name, from the first look on: nothing of it may stay,
 * in memory or on disk. */
static void another_rooms_log_is_an_alarm_and_leaves_nothing_behind(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf first = UB_BUF(BODY_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf second = UB_BUF(BODY_MAX);
	struct shadow room = {0}, other = {0};
	struct stage *b = *state;
	struct lie l = {.twist = other_log};
	unibus_room *opened = NULL;

	create(b, &room, "room.d", &first);
	create(b, &other, "room.e", &second);
	l.text = other.idz;
	lie_about_room(&l, b, room.idz, "/log");
	ask_expect(ASK(&b->s, &b->olga_is.sk, "POST", "/rooms", ub_buf_cstr(&first)), 201, "");
	ask_expect(ASK(&b->s, &b->olga_is.sk, "POST", "/rooms", ub_buf_cstr(&second)), 201, "");
	add_alice(b, &other);
	add_alice(b, &room);
	assert_int_equal(UNIBUS_ERR_FORK, unibus_room_open(b->alice.client, room.idz, &opened));
	assert_null(opened);
	assert_true(libpeer_told(&b->alice, UNIBUS_EVENT_FORK, UNIBUS_ERR_FORK, NULL));
	lie_ends(b, &l);

	libpeer_close(&b->alice);
	stage_connect_alice(b);
	libpeer_room(&b->alice, room.idz);
	assert_string_equal(room.idz, stage_info(&b->alice).id);
	assert_string_equal(room.room.subject, stage_info(&b->alice).subject);
	libpeer_say(&b->alice, "the right room after all");
	assert_true(libpeer_hears(&b->alice, "the right room after all", NULL));
	shadow_deinit(&room);
	shadow_deinit(&other);
}

static bool rename_room(struct lie *l, json_t *answer)
{
	bool done = false;
	json_t *room;
	size_t i;

	json_array_foreach (json_object_get(answer, "rooms"), i, room) {
		const char *id = json_string_value(json_object_get(room, "room_id"));

		if (strcmp(id, l->b->room.idz) == 0)
			done = json_object_set_new(room, "subject", json_string(l->text)) == 0;
	}
	return done;
}

/* A room of the server's choice under the name that was asked for. */
static void another_room_under_a_name_is_not_opened(void **state)
{
	struct stage *b = *state;
	struct lie l = {.twist = rename_room, .text = "room.treasury"};
	unibus_room *room = NULL;

	lie_about(&l, b, "/members/");
	assert_int_equal(
		UNIBUS_ERR_NOT_FOUND, unibus_room_open(b->alice.client, "room.treasury", &room));
	assert_null(room);
	lie_ends(b, &l);
	stage_gather(b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_entry_that_nobody_may_make_is_not_taken),
		TEST(an_entry_of_another_room_is_an_alarm),
		TEST(a_log_that_has_become_shorter_is_an_alarm),
		TEST(two_histories_are_an_alarm_when_somebody_speaks),
		TEST(a_hidden_removal_is_noticed_when_somebody_speaks),
		TEST(another_rooms_log_is_an_alarm_and_leaves_nothing_behind),
		TEST(another_room_under_a_name_is_not_opened),
	};

	return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
