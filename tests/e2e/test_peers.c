/* Peers over the shared library, on a real bus: rooms, messages, keys, and losing both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/harness/pair.h"

static const struct unibus_policy plain = {0};

static struct stack stack;

static int group_setup(void **state)
{
	*state = NULL;
	return stack_start(&stack, NULL);
}

static int group_teardown(void **state)
{
	(void)state;
	stack_stop(&stack);
	return 0;
}

static void two_peers_read_each_other_in_an_encrypted_room(void **state)
{
	struct pair p;
	const struct heard *h;

	(void)state;
	pair_start(&p, &stack, "encrypted", &pair_sealed);
	pair_both_hear(&p, "hello bob", "hello alice");
	h = person_wait(p.bob, "hello bob", 1);
	assert_true(h->encrypted);
	assert_true(h->verified);
	assert_string_equal("a.encrypted", h->handle);
	assert_string_equal(unibus_identity_endpoint(p.alice->id), h->sender);
	assert_int_equal(0, person_count_told(p.bob, UNIBUS_EVENT_BAD_FRAME));
	assert_int_equal(0, person_count_told(p.alice, UNIBUS_EVENT_BAD_FRAME));
	pair_stop(&p);
}

static void a_plain_room_carries_bare_payloads(void **state)
{
	struct pair p;
	const struct heard *h;

	(void)state;
	pair_start(&p, &stack, "plain", &plain);
	pair_both_hear(&p, "hello bob", "hello alice");
	h = person_wait(p.bob, "hello bob", 1);
	assert_false(h->encrypted);
	assert_false(h->framed);
	assert_string_equal("", h->sender);
	pair_stop(&p);
}

static void a_reply_names_what_it_answers(void **state)
{
	struct pair p;
	struct unibus_publish reply = {.kind = UNIBUS_RESPONSE, .data = "four", .len = 4};
	unibus_ref question, thread;
	const struct heard *h;

	(void)state;
	pair_start(&p, &stack, "reply", &pair_sealed);
	assert_int_equal(UNIBUS_OK,
		unibus_publish(p.a,
			&(struct unibus_publish){
				.kind = UNIBUS_REQUEST, .data = "two and two?", .len = 12},
			question));
	h = person_wait(p.bob, "two and two?", 1);
	assert_string_equal(question, h->ref);
	assert_int_equal(UNIBUS_REQUEST, h->kind);
	/* A response without what it answers is none. */
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_publish(p.b, &reply, NULL));
	reply.reply = h->ref;
	reply.thread = h->ref;
	assert_int_equal(UNIBUS_OK, unibus_publish(p.b, &reply, thread));
	h = person_wait(p.alice, "four", 1);
	assert_string_equal(question, h->reply);
	assert_string_equal(question, h->thread);
	pair_stop(&p);
}

static void who_is_not_in_a_room_gets_nothing_of_it(void **state)
{
	struct pair p;
	struct person *eve;
	char id[44];
	struct unibus_room_info info;
	unibus_room *room = NULL;

	(void)state;
	pair_start(&p, &stack, "eve", &pair_sealed);
	eve = person_new(&stack, "eve");
	person_connect(eve);
	unibus_room_get_info(p.a, &info);
	(void)snprintf(id, sizeof(id), "%s", info.id);
	assert_int_equal(UNIBUS_ERR_NOT_FOUND, unibus_room_open(eve->c, "room.eve", &room));
	assert_int_equal(UNIBUS_ERR_DENIED, unibus_room_open(eve->c, id, &room));
	assert_null(room);
	assert_int_equal(UNIBUS_ERR_SUBJECT_TAKEN,
		unibus_room_create(eve->c, "room.eve", &pair_sealed, &room));
	/* The twin: once invited she is in. */
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p.a, "eve", UNIBUS_READER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(eve->c, "room.eve", &room));
	assert_int_equal(UNIBUS_ERR_NO_RIGHT, unibus_publish_text(room, "a reader only reads"));
	unibus_room_free(room);
	person_free(eve);
	pair_stop(&p);
}

static void strangers_do_not_come_in(void **state)
{
	struct person *p = person_stranger(&stack);
	unibus_options *o = person_options(p);

	(void)state;
	assert_int_equal(UNIBUS_ERR_UNKNOWN_KEY, unibus_connect(o, &p->c));
	assert_null(p->c);
	assert_string_not_equal("", unibus_options_detail(o));
	unibus_options_free(o);
	person_free(p);
}

static void removing_a_peer_rotates_the_key_and_silences_him(void **state)
{
	struct pair p;
	struct unibus_room_info info;
	unibus_room *again = NULL;

	(void)state;
	pair_start(&p, &stack, "remove", &pair_sealed);
	pair_both_hear(&p, "before", "me too");
	assert_int_equal(UNIBUS_OK, unibus_room_remove(p.a, "b.remove"));
	unibus_room_get_info(p.a, &info);
	assert_int_equal(2, info.epoch);
	assert_int_equal(1, info.members);
	person_wait_told(p.bob, UNIBUS_EVENT_REMOVED);
	person_say(p.a, "after");
	person_wait(p.alice, "after", 1);
	assert_int_equal(0, person_count(p.bob, "after"));
	assert_int_equal(UNIBUS_ERR_NOT_JOINED, unibus_publish_text(p.b, "still here?"));
	/* The twin: added again, he hears again. */
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p.a, "b.remove", UNIBUS_MEMBER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(p.bob->c, "room.remove", &again));
	unibus_room_free(again);
	pair_both_hear(&p, "back again", "thank you");
	pair_stop(&p);
}

static bool epoch_is_2(void *arg)
{
	struct unibus_room_info info;

	unibus_room_get_info(arg, &info);
	return info.epoch == 2 && !info.rotation_due;
}

static void when_a_member_leaves_the_owner_rotates_by_himself(void **state)
{
	struct pair p;

	(void)state;
	pair_start(&p, &stack, "leave", &pair_sealed);
	pair_both_hear(&p, "stay", "no");
	assert_int_equal(UNIBUS_OK, unibus_room_leave(p.b));
	person_wait_told(p.bob, UNIBUS_EVENT_REMOVED);
	person_until(p.alice, epoch_is_2, p.a);
	assert_true(person_count_told(p.alice, UNIBUS_EVENT_ROTATION_DUE) > 0);
	pair_stop(&p);
}

static void a_revoked_peer_is_told_and_his_rooms_get_a_new_key(void **state)
{
	struct pair p;
	unibus_options *o;
	unibus_client *again = NULL;

	(void)state;
	pair_start(&p, &stack, "revoke", &pair_sealed);
	pair_both_hear(&p, "still friends", "sure");
	assert_int_equal(200, person_revoke(p.bob));
	person_wait_state(p.bob, UNIBUS_REVOKED);
	assert_int_equal(UNIBUS_ERR_REVOKED, unibus_publish_text(p.b, "let me in"));
	person_until(p.alice, epoch_is_2, p.a);
	o = person_options(p.bob);
	assert_int_equal(UNIBUS_ERR_REVOKED, unibus_connect(o, &again));
	unibus_options_free(o);
	pair_stop(&p);
}

static void a_key_registered_anew_is_in_the_room_once_it_is_added_again(void **state)
{
	struct pair p;
	struct unibus_room_info info;

	(void)state;
	pair_start(&p, &stack, "reborn", &pair_sealed);
	pair_both_hear(&p, "still friends", "sure");
	unibus_unsubscribe(p.bs);
	unibus_room_free(p.b);
	p.bs = NULL;
	p.b = NULL;
	/* Nobody is there who would remove him at once. */
	unibus_unsubscribe(p.as);
	unibus_room_free(p.a);
	person_close(p.alice);
	assert_int_equal(200, person_revoke(p.bob));
	person_close(p.bob);
	assert_int_equal(201, person_register(p.bob));
	person_connect(p.bob);
	assert_int_equal(UNIBUS_ERR_DENIED, unibus_room_open(p.bob->c, "room.reborn", &p.b));
	person_connect(p.alice);
	assert_int_equal(UNIBUS_OK, unibus_room_open(p.alice->c, "room.reborn", &p.a));
	p.as = person_listen(p.alice, p.a);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p.a, "b.reborn", UNIBUS_MEMBER, NULL));
	unibus_room_get_info(p.a, &info);
	assert_int_equal(2, info.members);
	assert_true(info.epoch > 1);
	assert_int_equal(UNIBUS_OK, unibus_room_open(p.bob->c, "room.reborn", &p.b));
	p.bs = person_listen(p.bob, p.b);
	pair_both_hear(&p, "back again", "thank you");
	pair_stop(&p);
}

static void everybody_comes_back_after_a_restart_of_the_message_server(void **state)
{
	struct pair p;
	struct unibus_stats stats;

	(void)state;
	pair_start(&p, &stack, "natsrestart", &pair_sealed);
	pair_both_hear(&p, "before", "yes");
	proc_stop(&stack.nats);
	person_wait_state(p.alice, UNIBUS_CONNECTING);
	assert_int_equal(0, stack_nats_start(&stack));
	person_wait_state(p.alice, UNIBUS_CONNECTED);
	person_wait_state(p.bob, UNIBUS_CONNECTED);
	pair_both_hear(&p, "after", "indeed");
	unibus_get_stats(p.alice->c, &stats);
	assert_true(stats.reconnects >= 1);
	pair_stop(&p);
}

static void the_control_plane_may_restart_under_way(void **state)
{
	struct pair p;

	(void)state;
	pair_start(&p, &stack, "mdrestart", &pair_sealed);
	pair_both_hear(&p, "before", "yes");
	proc_stop(&stack.md);
	person_say(p.a, "nobody minds the gap");
	person_wait(p.bob, "nobody minds the gap", 1);
	assert_int_equal(UNIBUS_ERR_NETWORK, unibus_room_sync(p.a));
	assert_int_equal(0, stack_md_start(&stack));
	assert_int_equal(UNIBUS_OK, unibus_room_sync(p.a));
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(p.a));
	pair_both_hear(&p, "after", "indeed");
	pair_stop(&p);
}

static void who_is_away_when_invited_finds_the_room_later(void **state)
{
	struct person *alice = person_new(&stack, "a.away"), *bob = person_new(&stack, "b.away");
	struct pair p = {.alice = alice, .bob = bob};

	(void)state;
	person_connect(alice);
	person_connect(bob); /* once, so that his key record is there */
	person_close(bob);
	assert_int_equal(UNIBUS_OK, unibus_room_create(alice->c, "room.away", &pair_sealed, &p.a));
	p.as = person_listen(alice, p.a);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p.a, "b.away", UNIBUS_MEMBER, NULL));
	person_connect(bob);
	assert_string_equal(unibus_identity_endpoint(alice->id),
		person_wait_told(bob, UNIBUS_EVENT_INVITED)->peer);
	assert_int_equal(UNIBUS_OK, unibus_room_open(bob->c, "room.away", &p.b));
	p.bs = person_listen(bob, p.b);
	pair_both_hear(&p, "there you are", "here I am");
	pair_stop(&p);
}

static bool has_joined(void *arg)
{
	struct person *p = arg;
	struct unibus_stats stats;

	unibus_get_stats(p->c, &stats);
	return person_count_told(p, UNIBUS_EVENT_INVITED) > 0;
}

static void an_invitation_by_somebody_pinned_is_taken_up_by_itself(void **state)
{
	struct person *alice = person_new(&stack, "a.auto"), *bob = person_new(&stack, "b.auto");
	struct pair p = {.alice = alice, .bob = bob};
	const struct told *t;

	(void)state;
	person_connect(alice);
	person_connect(bob);
	assert_int_equal(UNIBUS_OK, unibus_trust(bob->c, "a.auto", NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_create(alice->c, "room.auto", &pair_sealed, &p.a));
	p.as = person_listen(alice, p.a);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p.a, "b.auto", UNIBUS_MEMBER, NULL));
	person_until(bob, has_joined, bob);
	t = person_wait_told(bob, UNIBUS_EVENT_INVITED);
	assert_non_null(strstr(t->detail, "joined"));
	assert_int_equal(UNIBUS_OK, unibus_room_open(bob->c, "room.auto", &p.b));
	p.bs = person_listen(bob, p.b);
	pair_both_hear(&p, "that was quick", "was it");
	pair_stop(&p);
}

static bool was_invited_twice(void *arg)
{
	return person_count_told(arg, UNIBUS_EVENT_INVITED) == 2;
}

static void who_was_removed_is_told_of_a_new_invitation_and_takes_it_up(void **state)
{
	struct person *alice = person_new(&stack, "a.anew"), *bob = person_new(&stack, "b.anew");
	struct pair p = {.alice = alice, .bob = bob};

	(void)state;
	person_connect(alice);
	person_connect(bob);
	assert_int_equal(UNIBUS_OK, unibus_trust(bob->c, "a.anew", NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_create(alice->c, "room.anew", &pair_sealed, &p.a));
	p.as = person_listen(alice, p.a);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p.a, "b.anew", UNIBUS_MEMBER, NULL));
	person_wait_told(bob, UNIBUS_EVENT_INVITED);
	assert_int_equal(UNIBUS_OK, unibus_room_remove(p.a, "b.anew"));
	person_wait_told(bob, UNIBUS_EVENT_REMOVED);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p.a, "b.anew", UNIBUS_MEMBER, NULL));
	person_until(bob, was_invited_twice, bob);
	assert_int_equal(UNIBUS_OK, unibus_room_open(bob->c, "room.anew", &p.b));
	p.bs = person_listen(bob, p.b);
	pair_both_hear(&p, "here again", "so I am");
	pair_stop(&p);
}

static void a_fingerprint_that_differs_stops_an_invitation(void **state)
{
	struct pair p;
	struct person *carol = person_new(&stack, "carol");

	(void)state;
	pair_start(&p, &stack, "finger", &pair_sealed);
	person_connect(carol);
	assert_int_equal(UNIBUS_ERR_KEY_CHANGED, unibus_room_invite(p.a, "carol", UNIBUS_MEMBER,
							 unibus_identity_fingerprint(p.bob->id)));
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p.a, "carol", UNIBUS_MEMBER,
					    unibus_identity_fingerprint(carol->id)));
	person_free(carol);
	pair_stop(&p);
}

static void what_was_verified_is_there_after_a_restart_of_the_peer(void **state)
{
	struct pair p;
	struct unibus_room_info info;

	(void)state;
	pair_start(&p, &stack, "again", &pair_sealed);
	pair_both_hear(&p, "one", "two");
	unibus_unsubscribe(p.bs);
	unibus_room_free(p.b);
	person_close(p.bob);
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(p.a));
	person_connect(p.bob);
	assert_int_equal(UNIBUS_OK, unibus_room_open(p.bob->c, "room.again", &p.b));
	unibus_room_get_info(p.b, &info);
	assert_int_equal(2, info.epoch);
	p.bs = person_listen(p.bob, p.b);
	pair_both_hear(&p, "three", "four");
	pair_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_peers_read_each_other_in_an_encrypted_room),
		cmocka_unit_test(a_plain_room_carries_bare_payloads),
		cmocka_unit_test(a_reply_names_what_it_answers),
		cmocka_unit_test(who_is_not_in_a_room_gets_nothing_of_it),
		cmocka_unit_test(strangers_do_not_come_in),
		cmocka_unit_test(removing_a_peer_rotates_the_key_and_silences_him),
		cmocka_unit_test(when_a_member_leaves_the_owner_rotates_by_himself),
		cmocka_unit_test(a_revoked_peer_is_told_and_his_rooms_get_a_new_key),
		cmocka_unit_test(a_key_registered_anew_is_in_the_room_once_it_is_added_again),
		cmocka_unit_test(everybody_comes_back_after_a_restart_of_the_message_server),
		cmocka_unit_test(the_control_plane_may_restart_under_way),
		cmocka_unit_test(who_is_away_when_invited_finds_the_room_later),
		cmocka_unit_test(an_invitation_by_somebody_pinned_is_taken_up_by_itself),
		cmocka_unit_test(who_was_removed_is_told_of_a_new_invitation_and_takes_it_up),
		cmocka_unit_test(a_fingerprint_that_differs_stops_an_invitation),
		cmocka_unit_test(what_was_verified_is_there_after_a_restart_of_the_peer),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
