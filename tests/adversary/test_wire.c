/* Taps on every wire of two peers: what the messages say and the keys they are sealed with is not
 * on any of them, in no spelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/harness/libpeer.h"
#include "tests/harness/shadow.h"
#include "tests/harness/tap.h"

struct bus {
	struct stack s;
	struct tap *rest, *nats;
	struct actor root, alice_is, bob_is;
	struct libpeer alice, bob;
};

static int set_up(void **state)
{
	struct bus *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(0, stack_start(&b->s, NULL));
	b->rest = tap_start(b->s.http_port);
	b->nats = tap_start(b->s.nats_port);
	assert_true(b->rest && b->nats);
	actor_of(&b->root, "root", &b->s.admin);
	actor_new(&b->alice_is, "alice");
	actor_new(&b->bob_is, "bob");
	actor_register(&b->s, &b->root, &b->alice_is);
	actor_register(&b->s, &b->root, &b->bob_is);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bus *b = *state;

	libpeer_close(&b->alice);
	libpeer_close(&b->bob);
	tap_stop(b->rest);
	tap_stop(b->nats);
	stack_stop(&b->s);
	free(b);
	return 0;
}

static void connect_both(struct bus *b)
{
	const struct libpeer_at at = {
		.http_port = tap_port(b->rest), .nats_port = tap_port(b->nats), .dir = b->s.dir};

	if (b->alice.client)
		return;
	libpeer_connect(&b->alice, &b->alice_is, &at);
	libpeer_connect(&b->bob, &b->bob_is, &at);
}

/* Alice makes a room and both talk in it. */
static void talk(struct bus *b, const char *subject, const struct unibus_policy *policy,
	const char *hello, const char *answer)
{
	connect_both(b);
	libpeer_create(&b->alice, subject, policy);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(b->alice.room, "bob", UNIBUS_MEMBER, NULL));
	libpeer_room(&b->bob, subject);
	libpeer_say(&b->alice, hello);
	assert_true(libpeer_hears(&b->bob, hello, NULL));
	libpeer_say(&b->bob, answer);
	assert_true(libpeer_hears(&b->alice, answer, NULL));
}

static void end_talk(struct bus *b)
{
	libpeer_room_close(&b->alice);
	libpeer_room_close(&b->bob);
}

static bool either_has(struct bus *b, const char *text)
{
	return tap_has_secret(b->rest, text, strlen(text)) ||
	       tap_has_secret(b->nats, text, strlen(text));
}

static void assert_unseen(struct bus *b, const char *what, const void *p, size_t len)
{
	if (tap_has_secret(b->rest, p, len))
		fail_msg("%s went over the control plane's wire", what);
	if (tap_has_secret(b->nats, p, len))
		fail_msg("%s went over the message plane's wire", what);
}

static void assert_keys_unseen(struct bus *b, const struct actor *a)
{
	assert_unseen(b, "a signing seed", a->sk.b, 32);
	assert_unseen(b, "a signing key", a->sk.b, sizeof(a->sk.b));
	assert_unseen(b, "a key-exchange key", a->ks.b, sizeof(a->ks.b));
}

static void an_encrypted_room_leaves_neither_words_nor_keys_on_the_wire(void **state)
{
	const struct unibus_policy policy = {.encrypt = true, .sign = true};
	const char *hello = "the eagle lands at midnight", *answer = "bring the long ladder";
	struct bus *b = *state;
	struct unibus_room_info info;
	struct shadow first, second;

	talk(b, "room.secret", &policy, hello, answer);
	unibus_room_get_info(b->bob.room, &info);
	shadow_fetch(&b->s, &b->bob_is, info.id, &first);
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(b->alice.room));
	libpeer_say(&b->alice, "and a second key");
	assert_true(libpeer_hears(&b->bob, "and a second key", NULL));
	shadow_fetch(&b->s, &b->bob_is, info.id, &second);
	assert_int_equal(2, second.room.epoch);

	assert_unseen(b, "a message", hello, strlen(hello));
	assert_unseen(b, "an answer", answer, strlen(answer));
	assert_unseen(b, "a message", "and a second key", strlen("and a second key"));
	assert_unseen(b, "the first epoch's key", first.keys[1].b, sizeof(first.keys[1].b));
	assert_unseen(b, "the second epoch's key", second.keys[2].b, sizeof(second.keys[2].b));
	assert_keys_unseen(b, &b->alice_is);
	assert_keys_unseen(b, &b->bob_is);

	/* The taps were in the way, and look into hexadecimal and base64, too: a public key is in
	 * the request headers, the subject inside a signed entry, a wire subject as it is. */
	assert_true(tap_taken(b->rest) > 0 && tap_taken(b->nats) >= 2);
	assert_true(tap_has_secret(b->rest, b->alice_is.sign.b, sizeof(b->alice_is.sign.b)));
	assert_true(tap_has_secret(
		b->rest, "\"subject\":\"room.secret\"", strlen("\"subject\":\"room.secret\"")));
	assert_true(tap_has(b->nats, "unibus.room.", strlen("unibus.room.")));
	end_talk(b);
	shadow_deinit(&first);
	shadow_deinit(&second);
}

/* The same words, the same taps: only the policy differs. */
static void a_plain_room_is_on_the_wire_as_it_is(void **state)
{
	const struct unibus_policy policy = {0};
	const char *hello = "the eagle lands at noon", *answer = "bring the short ladder";
	struct bus *b = *state;

	assert_false(either_has(b, hello) || either_has(b, answer));
	talk(b, "room.open", &policy, hello, answer);
	assert_true(tap_has(b->nats, hello, strlen(hello)));
	assert_true(tap_has(b->nats, answer, strlen(answer)));
	end_talk(b);
}

/* Signing alone hides nothing either: it is encryption that does. */
static void a_signed_room_is_on_the_wire_as_it_is(void **state)
{
	const struct unibus_policy policy = {.sign = true};
	const char *hello = "the eagle lands at dawn", *answer = "bring no ladder";
	struct bus *b = *state;

	talk(b, "room.signed", &policy, hello, answer);
	assert_true(tap_has(b->nats, hello, strlen(hello)));
	assert_keys_unseen(b, &b->alice_is);
	end_talk(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_encrypted_room_leaves_neither_words_nor_keys_on_the_wire),
		cmocka_unit_test(a_plain_room_is_on_the_wire_as_it_is),
		cmocka_unit_test(a_signed_room_is_on_the_wire_as_it_is),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
