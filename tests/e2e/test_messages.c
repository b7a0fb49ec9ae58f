/* Kinds of messages on a real bus: who may change what, what is of the moment, and keys that have
 * been used for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <time.h>

#include "core/buf.h"
#include "tests/harness/pair.h"

static struct stack stack;

static int group_setup(void **state)
{
	*state = NULL;
	return stack_start(&stack, NULL);
}

static int group_teardown(void **state)
{
	(void)state;
	return stack_stop(&stack);
}

/* Says it in a room; what it is called then. */
static void say(unibus_room *room, const char *text, unibus_ref ret)
{
	struct unibus_publish p = {.data = text, .len = strlen(text)};

	assert_int_equal(UNIBUS_OK, unibus_publish(room, &p, ret));
}

static void reactions_edits_and_redactions_name_their_target(void **state)
{
	struct pair p;
	const struct heard *h;
	unibus_ref hello;

	(void)state;
	pair_start(&p, &stack, "kinds", &pair_sealed);
	say(p.a, "helo", hello);
	person_wait(p.bob, "helo", 1);
	assert_int_equal(UNIBUS_OK, unibus_react(p.b, hello, "+1"));
	h = person_wait(p.alice, "+1", 1);
	assert_int_equal(UNIBUS_REACT, h->kind);
	assert_string_equal(hello, h->reply);
	assert_true(h->permitted);
	assert_int_equal(UNIBUS_MEMBER, h->role);
	assert_int_equal(UNIBUS_OK, unibus_edit(p.a, hello, "hello"));
	h = person_wait(p.bob, "hello", 1);
	assert_int_equal(UNIBUS_EDIT, h->kind);
	assert_string_equal(hello, h->reply);
	assert_true(h->permitted);
	assert_int_equal(UNIBUS_OWNER, h->role);
	assert_int_equal(UNIBUS_OK, unibus_redact(p.a, hello));
	h = person_wait(p.bob, "", 1);
	assert_int_equal(UNIBUS_REDACT, h->kind);
	assert_string_equal(hello, h->reply);
	assert_true(h->permitted);
	pair_stop(&p);
}

static void the_input_of_each_kind_is_judged(void **state)
{
	struct pair p;
	unibus_ref hello;

	(void)state;
	pair_start(&p, &stack, "input", &pair_sealed);
	say(p.a, "hello", hello);
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_react(p.a, NULL, "+1"));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_react(p.a, "no ref", "+1"));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_react(p.a, hello, NULL));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_edit(p.a, hello, NULL));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_redact(p.a, ""));
	/* Beacons are the library's own. */
	assert_int_equal(UNIBUS_ERR_INVALID,
		unibus_publish(p.a, &(struct unibus_publish){.kind = UNIBUS_BEACON}, NULL));
	assert_int_equal(UNIBUS_ERR_INVALID,
		unibus_publish(p.a, &(struct unibus_publish){.kind = UNIBUS_RECEIPT}, NULL));
	assert_int_equal(UNIBUS_OK,
		unibus_publish(p.a,
			&(struct unibus_publish){.kind = UNIBUS_RECEIPT, .reply = hello}, NULL));
	pair_stop(&p);
}

/* Bob's library forgets what it has heard. */
static void bob_restarts(struct pair *p, const char *subject)
{
	unibus_unsubscribe(p->bs);
	unibus_room_free(p->b);
	person_close(p->bob);
	person_connect(p->bob);
	assert_int_equal(UNIBUS_OK, unibus_room_open(p->bob->c, subject, &p->b));
	p->bs = person_listen(p->bob, p->b);
}

static void what_is_somebody_elses_cannot_be_edited(void **state)
{
	struct pair p;
	struct unibus_stats stats;
	const struct told *t;
	const struct heard *h;
	unibus_ref hers, his;

	(void)state;
	pair_start(&p, &stack, "forbidden", &pair_sealed);
	say(p.a, "hers", hers);
	say(p.b, "his", his);
	person_wait(p.bob, "hers", 1);
	person_wait(p.alice, "his", 1);
	/* His own library knows better. */
	assert_int_equal(UNIBUS_ERR_NO_RIGHT, unibus_edit(p.b, hers, "never said"));
	assert_int_equal(UNIBUS_ERR_NO_RIGHT, unibus_redact(p.b, hers));
	assert_int_equal(UNIBUS_ERR_NO_RIGHT, unibus_edit(p.a, his, "an admin edits nothing"));
	/* One that does not is caught by the others'. */
	bob_restarts(&p, "room.forbidden");
	assert_int_equal(UNIBUS_OK, unibus_edit(p.b, hers, "never said"));
	t = person_wait_told(p.alice, UNIBUS_EVENT_BAD_FRAME);
	assert_int_equal(UNIBUS_ERR_POLICY_VIOLATION, t->err);
	assert_string_equal(unibus_identity_endpoint(p.bob->id), t->peer);
	assert_int_equal(UNIBUS_OK, unibus_redact(p.b, hers));
	/* The twins. He does not know what he has just been told, but it is his own. */
	assert_int_equal(UNIBUS_OK, unibus_edit(p.b, his, "his own"));
	assert_true(person_wait(p.alice, "his own", 1)->permitted);
	assert_int_equal(0, person_count(p.alice, "never said"));
	assert_int_equal(0, person_count(p.alice, ""));
	unibus_get_stats(p.alice->c, &stats);
	assert_int_equal(2, stats.policy_violation);
	/* She owns the room. */
	assert_int_equal(UNIBUS_OK, unibus_redact(p.a, his));
	h = person_wait(p.bob, "", 2); /* his own attempt was the first */
	assert_int_equal(UNIBUS_REDACT, h->kind);
	assert_true(h->permitted);
	pair_stop(&p);
}

static void a_target_that_was_never_seen_is_for_the_caller_to_judge(void **state)
{
	struct pair p;
	unibus_ref early, late;

	(void)state;
	pair_start(&p, &stack, "unseen", &pair_sealed);
	say(p.a, "early", early);
	person_wait(p.bob, "early", 1);
	bob_restarts(&p, "room.unseen");
	say(p.a, "late", late);
	assert_int_equal(UNIBUS_OK, unibus_edit(p.a, early, "was early"));
	assert_int_equal(UNIBUS_OK, unibus_edit(p.a, late, "was late"));
	assert_false(person_wait(p.bob, "was early", 1)->permitted);
	assert_true(person_wait(p.bob, "was late", 1)->permitted);
	pair_stop(&p);
}

static void what_is_of_the_moment_comes_only_to_those_who_want_it(void **state)
{
	struct pair p;
	const struct heard *h;
	struct unibus_publish seen = {.kind = UNIBUS_RECEIPT, .data = "seen", .len = 4};
	unibus_ref hello;

	(void)state;
	pair_start(&p, &stack, "moment", &pair_sealed);
	unibus_sub_signals(p.bs, true);
	say(p.a, "hello", hello);
	seen.reply = hello;
	assert_int_equal(UNIBUS_OK, unibus_typing(p.a));
	assert_int_equal(UNIBUS_OK, unibus_publish(p.a, &seen, NULL));
	person_say(p.a, "after");
	h = person_wait(p.bob, "seen", 1);
	assert_int_equal(UNIBUS_RECEIPT, h->kind);
	assert_string_equal(hello, h->reply);
	h = person_wait(p.bob, "", 1);
	assert_int_equal(UNIBUS_TYPING, h->kind);
	person_wait(p.bob, "after", 1);
	person_wait(p.alice, "after", 1);
	assert_int_equal(0, person_count(p.alice, "seen"));
	assert_int_equal(0, person_count(p.alice, ""));
	assert_int_equal(0, person_count_told(p.alice, UNIBUS_EVENT_BAD_FRAME));
	assert_int_equal(0, person_count_told(p.alice, UNIBUS_EVENT_MISSING));
	pair_stop(&p);
}

static void an_admins_client_sends_a_signed_beacon(void **state)
{
	static const struct unibus_policy unsigned_room = {.encrypt = true};
	struct pair p;
	const struct heard *h;

	(void)state;
	pair_start(&p, &stack, "beacon", &unsigned_room);
	unibus_sub_signals(p.bs, true);
	/* Nothing else is said. */
	h = person_wait(p.bob, "", 1);
	assert_int_equal(UNIBUS_BEACON, h->kind);
	assert_true(h->verified);
	assert_true(h->encrypted);
	assert_string_equal(unibus_identity_endpoint(p.alice->id), h->sender);
	/* Messages are as the room's policy says. */
	person_say(p.a, "unsigned");
	assert_false(person_wait(p.bob, "unsigned", 1)->verified);
	assert_int_equal(0, person_count(p.alice, ""));
	pair_stop(&p);
}

/* ---- keys that have been used for long ---- */

struct epoch {
	unibus_room *room;
	uint32_t epoch;
};

static bool epoch_is(void *arg)
{
	const struct epoch *e = arg;
	struct unibus_room_info info;

	unibus_room_get_info(e->room, &info);
	return info.epoch == e->epoch && !info.rotation_due;
}

static void alice_goes(struct pair *p)
{
	unibus_unsubscribe(p->as);
	unibus_room_free(p->a);
	person_close(p->alice);
}

static void alice_comes(struct pair *p, const char *subject)
{
	person_connect(p->alice);
	assert_int_equal(UNIBUS_OK, unibus_room_open(p->alice->c, subject, &p->a));
	p->as = person_listen(p->alice, p->a);
}

static void file_of(struct pair *p, const char *suffix, char path[PROC_PATH])
{
	struct unibus_room_info info;

	unibus_room_get_info(p->b, &info);
	assert_true(snprintf(path, PROC_PATH, "%s/state/rooms/%s%s", p->alice->dir, info.id,
			    suffix) < PROC_PATH);
}

static void a_key_used_for_a_million_messages_is_replaced(void **state)
{
	struct pair p;
	struct ub_buf b = UB_BUF(64);
	char path[PROC_PATH];
	FILE *f;

	(void)state;
	pair_start(&p, &stack, "volume", &pair_sealed);
	file_of(&p, ".seen", path);
	alice_goes(&p);
	/* Two short of it, as she would have noted. */
	ub_buf_put(&b, "UBSEEN2", 8);
	ub_buf_u32(&b, 0);
	ub_buf_u32(&b, 1);
	ub_buf_u64(&b, UB_EPOCH_FRAMES_MAX - 2);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(b.len, fwrite(b.p, 1, b.len, f));
	assert_int_equal(0, fclose(f));
	ub_buf_deinit(&b);
	alice_comes(&p, "room.volume");
	person_say(p.b, "one short of it");
	person_wait(p.alice, "one short of it", 1);
	assert_true(epoch_is(&(struct epoch){p.a, 1}));
	assert_int_equal(0, person_count_told(p.alice, UNIBUS_EVENT_ROTATION_DUE));
	person_say(p.a, "the last one");
	person_until(p.alice, epoch_is, &(struct epoch){p.a, 2});
	pair_both_hear(&p, "with a new key", "here, too");
	pair_stop(&p);
}

static void a_key_of_a_week_is_replaced(void **state)
{
	struct pair p;
	UB_CLEANUP(ub_freep) char *text = NULL;
	char path[PROC_PATH];
	unsigned long long seen;
	size_t n = 0;
	int at = 0;
	FILE *f;

	(void)state;
	pair_start(&p, &stack, "age", &pair_sealed);
	file_of(&p, ".log", path);
	alice_goes(&p);
	/* As if her clock had said so when the room began. */
	f = fopen(path, "r+b");
	assert_non_null(f);
	assert_true(getdelim(&text, &n, '\0', f) > 0);
	assert_int_equal(1, sscanf(text, "unibus-room 1\n%llu%n", &seen, &at));
	assert_int_equal(0, fseek(f, 14, SEEK_SET));
	assert_true(fprintf(f, "%llu", seen - UB_EPOCH_AGE_MAX_MS - 1) > 0);
	assert_int_equal(at, ftell(f));
	assert_int_equal(0, fclose(f));
	alice_comes(&p, "room.age");
	person_until(p.alice, epoch_is, &(struct epoch){p.a, 2});
	pair_both_hear(&p, "with a new key", "here, too");
	pair_stop(&p);
}

/* ---- what changes under way ---- */

static void a_policy_is_tightened_under_way(void **state)
{
	static const struct unibus_policy open = {0}, signs = {.sign = true};
	struct pair p;
	const struct heard *h;

	(void)state;
	pair_start(&p, &stack, "tighten", &open);
	pair_both_hear(&p, "bare", "bare, too");
	assert_false(person_wait(p.bob, "bare", 1)->framed);
	assert_int_equal(UNIBUS_ERR_NO_RIGHT, unibus_room_tighten(p.b, &signs));
	assert_int_equal(UNIBUS_OK, unibus_room_tighten(p.a, &signs));
	person_until(p.bob, pair_at_entry, &(struct pair_entry){p.b, 2});
	pair_reach(p.a, p.bob, "are you there?");
	pair_reach(p.b, p.alice, "are you?");
	pair_both_hear(&p, "signed", "signed, too");
	h = person_wait(p.bob, "signed", 1);
	assert_true(h->verified);
	assert_false(h->encrypted);
	assert_int_equal(UNIBUS_OK, unibus_room_tighten(p.a, &pair_sealed));
	person_until(p.bob, pair_at_entry, &(struct pair_entry){p.b, 3});
	pair_both_hear(&p, "sealed", "sealed, too");
	assert_true(person_wait(p.bob, "sealed", 1)->encrypted);
	/* Never back. */
	assert_int_equal(UNIBUS_ERR_BAD_ENTRY, unibus_room_tighten(p.a, &signs));
	pair_stop(&p);
}

static void a_closed_room_takes_nothing_more(void **state)
{
	struct pair p;
	struct unibus_room_info info;

	(void)state;
	pair_start(&p, &stack, "close", &pair_sealed);
	pair_both_hear(&p, "before", "yes");
	assert_int_equal(UNIBUS_ERR_NO_RIGHT, unibus_room_close(p.b));
	assert_int_equal(UNIBUS_OK, unibus_room_close(p.a));
	person_until(p.bob, pair_at_entry, &(struct pair_entry){p.b, 2});
	unibus_room_get_info(p.b, &info);
	assert_true(info.closed);
	assert_int_not_equal(UNIBUS_OK, unibus_publish_text(p.a, "after"));
	assert_int_not_equal(UNIBUS_OK, unibus_publish_text(p.b, "after"));
	assert_int_equal(UNIBUS_ERR_ROOM_CLOSED, unibus_room_rekey(p.a));
	pair_stop(&p);
}

static void an_owner_hands_over_and_roles_take_effect(void **state)
{
	struct pair p;
	struct unibus_room_info info;

	(void)state;
	pair_start(&p, &stack, "roles", &pair_sealed);
	assert_int_equal(UNIBUS_OK, unibus_room_set_role(p.a, "b.roles", UNIBUS_READER));
	person_until(p.bob, pair_at_entry, &(struct pair_entry){p.b, 2});
	assert_int_equal(UNIBUS_ERR_NO_RIGHT, unibus_publish_text(p.b, "a reader only reads"));
	pair_reach(p.a, p.bob, "but he reads");
	assert_int_equal(UNIBUS_OK, unibus_room_set_role(p.a, "b.roles", UNIBUS_OWNER));
	person_until(p.bob, pair_at_entry, &(struct pair_entry){p.b, 3});
	unibus_room_get_info(p.b, &info);
	assert_int_equal(UNIBUS_OWNER, info.role);
	unibus_room_get_info(p.a, &info);
	assert_int_equal(UNIBUS_ADMIN, info.role);
	assert_int_equal(UNIBUS_ERR_NO_RIGHT, unibus_room_close(p.a));
	pair_reach(p.b, p.alice, "are you there?");
	pair_both_hear(&p, "from an admin", "from the owner");
	assert_int_equal(UNIBUS_OK, unibus_room_remove(p.b, "a.roles"));
	person_wait_told(p.alice, UNIBUS_EVENT_REMOVED);
	pair_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reactions_edits_and_redactions_name_their_target),
		cmocka_unit_test(the_input_of_each_kind_is_judged),
		cmocka_unit_test(what_is_somebody_elses_cannot_be_edited),
		cmocka_unit_test(a_target_that_was_never_seen_is_for_the_caller_to_judge),
		cmocka_unit_test(what_is_of_the_moment_comes_only_to_those_who_want_it),
		cmocka_unit_test(an_admins_client_sends_a_signed_beacon),
		cmocka_unit_test(a_key_used_for_a_million_messages_is_replaced),
		cmocka_unit_test(a_key_of_a_week_is_replaced),
		cmocka_unit_test(a_policy_is_tightened_under_way),
		cmocka_unit_test(a_closed_room_takes_nothing_more),
		cmocka_unit_test(an_owner_hands_over_and_roles_take_effect),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
