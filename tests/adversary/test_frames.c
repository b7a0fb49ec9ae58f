/* Frames that no honest library sends, put on the bus by a member with a connection of his own:
 * each is dropped under its name, counted once, and told; the honest one after it comes through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/subject.h"
#include "core/ulid.h"
#include "tests/harness/forge.h"
#include "tests/harness/libpeer.h"
#include "tests/harness/rawbus.h"

#define HOUR_MS (3600 * 1000)
#define COMMIT_AT_END (64 + 16 + 1) /* of a signed frame: signature, tag, the ciphertext's end */

/* Alice uses the library; Bob holds his keys himself. */
struct bus {
	struct stack s;
	struct actor root, alice_is, bob_is, eve_is;
	struct libpeer alice;
	struct rawbus bob;
	struct shadow room;
	struct ub_wire wire; /* where Bob may publish */
	uint64_t session, seq;
	unsigned texts;
};

static int set_up(void **state)
{
	struct bus *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(0, stack_start(&b->s, NULL));
	actor_of(&b->root, "root", &b->s.admin);
	actor_new(&b->alice_is, "alice");
	actor_new(&b->bob_is, "bob");
	actor_new(&b->eve_is, "eve");
	actor_register(&b->s, &b->root, &b->alice_is);
	actor_register(&b->s, &b->root, &b->bob_is);
	actor_publish(&b->s, &b->bob_is);
	libpeer_connect(&b->alice, &b->alice_is,
		&(struct libpeer_at){
			.http_port = b->s.http_port, .nats_port = b->s.nats_port, .dir = b->s.dir});
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bus *b = *state;

	libpeer_close(&b->alice);
	stack_stop(&b->s);
	free(b);
	return 0;
}

/* A room of Alice's with Bob in it and on the bus. */
static void meet(struct bus *b, const char *subject, const struct unibus_policy *policy)
{
	struct unibus_room_info info;
	char target[96];

	libpeer_forget(&b->alice);
	libpeer_create(&b->alice, subject, policy);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(b->alice.room, "bob", UNIBUS_MEMBER, NULL));
	unibus_room_get_info(b->alice.room, &info);
	(void)snprintf(target, sizeof(target), "/rooms/%s/join", info.id);
	ask_expect(ASK(&b->s, &b->bob_is.sk, "POST", target, NULL), 200, "");
	shadow_fetch(&b->s, &b->bob_is, info.id, &b->room);
	ub_wire_publish(&b->room.room.id, &b->bob_is.id, &b->wire);
	assert_int_equal(RAWBUS_IN, rawbus_enter(&b->bob, b->s.nats_port, &b->bob_is.sk));
	b->session = forge_session();
	b->seq = 0;
}

static void part(struct bus *b)
{
	rawbus_close(&b->bob);
	libpeer_room_close(&b->alice);
	shadow_deinit(&b->room);
}

static struct forge next(struct bus *b)
{
	return forge_honest(&b->room, &b->bob_is, b->session, ++b->seq);
}

static void put(struct bus *b, const struct ub_buf *frame)
{
	rawbus_publish(&b->bob, b->wire.z, NULL, (struct ub_bytes){frame->p, frame->len});
	assert_true(rawbus_quiet(&b->bob));
}

static void send_it(struct bus *b, const struct forge *f, const char *text)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf frame = {0};

	forge_make(f, text, &frame);
	put(b, &frame);
}

/* The twin of everything here: what an honest library would send is delivered. */
static void assert_open(struct bus *b)
{
	struct forge f = next(b);
	struct libpeer_said said;
	char text[32];

	(void)snprintf(text, sizeof(text), "honest %u", ++b->texts);
	send_it(b, &f, text);
	assert_true(libpeer_hears(&b->alice, text, &said));
	assert_string_equal(b->bob_is.idz, said.peer);
	assert_int_equal(f.key != NULL, said.encrypted);
	assert_int_equal(f.sign_key != NULL, said.verified);
}

struct drops {
	uint64_t n[8];
};

static const enum unibus_err VERDICTS[8] = {UNIBUS_ERR_NO_KEY_EPOCH, UNIBUS_ERR_NOT_A_MEMBER,
	UNIBUS_ERR_BAD_SIGNATURE, UNIBUS_ERR_BAD_COMMIT, UNIBUS_ERR_REPLAY, UNIBUS_ERR_OLD_EPOCH,
	UNIBUS_ERR_POLICY_VIOLATION, UNIBUS_ERR_CORRUPT};

static struct drops count(struct bus *b)
{
	struct unibus_stats s;

	unibus_get_stats(b->alice.client, &s);
	return (struct drops){.n = {s.no_key_epoch, s.not_a_member, s.bad_signature, s.bad_commit,
				      s.replay, s.old_epoch, s.policy_violation, s.corrupt}};
}

/* Sends bytes and expects that they end under this name, once, and under no other. */
static void assert_dropped(
	struct bus *b, const char *name, const struct ub_buf *frame, enum unibus_err want)
{
	struct drops before = count(b), after;

	libpeer_forget(&b->alice);
	put(b, frame);
	if (!libpeer_told(&b->alice, UNIBUS_EVENT_BAD_FRAME, want, NULL))
		fail_msg("%s: not reported as %s", name, unibus_err_word(want));
	after = count(b);
	for (size_t i = 0; i < UB_ARRAY_LEN(VERDICTS); i++)
		if (after.n[i] - before.n[i] != (VERDICTS[i] == want))
			fail_msg("%s: counted as %s %d times", name, unibus_err_word(VERDICTS[i]),
				(int)(after.n[i] - before.n[i]));
	assert_int_equal(0, libpeer_msgs(&b->alice));
}

static void assert_forgery(
	struct bus *b, const char *name, const struct forge *f, enum unibus_err want)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf frame = {0};

	forge_make(f, "not to be read", &frame);
	assert_dropped(b, name, &frame, want);
	assert_false(libpeer_heard(&b->alice, "not to be read"));
	assert_open(b);
}

/* ---- twists ---- */

static void unsigned_(struct bus *b, struct forge *f)
{
	(void)b;
	f->sign_key = NULL;
}

static void clear(struct bus *b, struct forge *f)
{
	(void)b;
	f->key = NULL;
	f->h.epoch = 0;
}

static void clear_and_unsigned(struct bus *b, struct forge *f)
{
	clear(b, f);
	unsigned_(b, f);
}

static void of_alice(struct bus *b, struct forge *f)
{
	f->h.sender = b->alice_is.id;
}

static void signed_by_eve(struct bus *b, struct forge *f)
{
	f->sign_key = &b->eve_is.sk;
}

static void of_eve(struct bus *b, struct forge *f)
{
	f->h.sender = b->eve_is.id;
	f->sign_key = &b->eve_is.sk;
}

static void with_another_key(struct bus *b, struct forge *f)
{
	static const struct ub_symkey other = {{1, 2, 3}};

	(void)b;
	f->key = &other;
}

static void of_an_epoch_to_come(struct bus *b, struct forge *f)
{
	(void)b;
	f->h.epoch++;
}

static void of_an_entry_to_come(struct bus *b, struct forge *f)
{
	(void)b;
	f->h.room_seq += 1000;
}

static void signed_for_another_room(struct bus *b, struct forge *f)
{
	(void)b;
	f->room.b[31] ^= 1;
}

static void of_another_hour(struct bus *b, struct forge *f)
{
	uint8_t random[10] = {9};

	(void)b;
	ub_ulid_make(ub_ulid_ms(&f->h.id) - HOUR_MS, random, &f->h.id);
}

static void of_a_time_to_come(struct bus *b, struct forge *f)
{
	uint8_t random[10] = {8};

	(void)b;
	ub_ulid_make(ub_ulid_ms(&f->h.id) + HOUR_MS, random, &f->h.id);
}

static void with_the_number_before(struct bus *b, struct forge *f)
{
	(void)b;
	f->h.seq--;
}

static void of_before_bob_was_there(struct bus *b, struct forge *f)
{
	(void)b;
	f->h.room_seq = 0;
}

static void cut_short(struct bus *b, struct forge *f)
{
	(void)b;
	f->cut = 1;
}

static void flipped_in_the_text(struct bus *b, struct forge *f)
{
	(void)b;
	f->flip_from_end = COMMIT_AT_END;
}

static void flipped_in_the_signature(struct bus *b, struct forge *f)
{
	(void)b;
	f->flip_from_end = 64;
}

static void flipped_in_the_magic(struct bus *b, struct forge *f)
{
	(void)b;
	f->flip = 1;
}

static void of_another_version(struct bus *b, struct forge *f)
{
	(void)b;
	f->flip = 3;
}

struct twist {
	const char *name;
	void (*twist)(struct bus *b, struct forge *f);
	enum unibus_err want;
};

static void assert_twists(struct bus *b, const struct twist *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct forge f = next(b);

		t[i].twist(b, &f);
		assert_forgery(b, t[i].name, &f, t[i].want);
	}
}

static void a_forged_frame_is_dropped_under_its_name(void **state)
{
	static const struct twist TWISTS[] = {
		{"unsigned", unsigned_, UNIBUS_ERR_POLICY_VIOLATION},
		{"clear", clear, UNIBUS_ERR_POLICY_VIOLATION},
		{"clear and unsigned", clear_and_unsigned, UNIBUS_ERR_POLICY_VIOLATION},
		{"in Alice's name", of_alice, UNIBUS_ERR_NOT_A_MEMBER},
		{"in Eve's name", of_eve, UNIBUS_ERR_NOT_A_MEMBER},
		{"signed by Eve", signed_by_eve, UNIBUS_ERR_BAD_SIGNATURE},
		{"sealed with another key", with_another_key, UNIBUS_ERR_BAD_COMMIT},
		{"of an epoch to come", of_an_epoch_to_come, UNIBUS_ERR_CORRUPT},
		{"of an entry to come", of_an_entry_to_come, UNIBUS_ERR_CORRUPT},
		{"made for another room", signed_for_another_room, UNIBUS_ERR_BAD_SIGNATURE},
		{"of another hour", of_another_hour, UNIBUS_ERR_REPLAY},
		{"of a time to come", of_a_time_to_come, UNIBUS_ERR_REPLAY},
		{"of an entry before Bob came", of_before_bob_was_there, UNIBUS_ERR_NOT_A_MEMBER},
		{"cut short", cut_short, UNIBUS_ERR_CORRUPT},
		{"a bit flipped in the text", flipped_in_the_text, UNIBUS_ERR_BAD_SIGNATURE},
		{"a bit flipped in the signature", flipped_in_the_signature,
			UNIBUS_ERR_BAD_SIGNATURE},
		{"a bit flipped in the magic", flipped_in_the_magic, UNIBUS_ERR_CORRUPT},
		{"of another version", of_another_version, UNIBUS_ERR_CORRUPT},
	};
	struct bus *b = *state;

	meet(b, "room.forged", &(struct unibus_policy){.encrypt = true, .sign = true});
	assert_open(b);
	assert_twists(b, TWISTS, UB_ARRAY_LEN(TWISTS));
	part(b);
}

static void flipped_in_an_unsigned_text(struct bus *b, struct forge *f)
{
	(void)b;
	f->flip_from_end = 16 + 1;
}

static void flipped_in_the_tag(struct bus *b, struct forge *f)
{
	(void)b;
	f->flip_from_end = 1;
}

/* Header, nonce, then the commitment. */
static void flipped_in_the_commitment(struct bus *b, struct forge *f)
{
	(void)b;
	f->flip = UB_FRAME_HEADER_MAX - 32 + 24 + 1;
}

static void flipped_in_the_nonce(struct bus *b, struct forge *f)
{
	(void)b;
	f->flip = UB_FRAME_HEADER_MAX - 32 + 1;
}

static void without_signatures_the_cipher_notices(void **state)
{
	static const struct twist TWISTS[] = {
		{"a bit flipped in the text", flipped_in_an_unsigned_text, UNIBUS_ERR_CORRUPT},
		{"a bit flipped in the tag", flipped_in_the_tag, UNIBUS_ERR_CORRUPT},
		{"a bit flipped in the commitment", flipped_in_the_commitment,
			UNIBUS_ERR_BAD_COMMIT},
		{"a bit flipped in the nonce", flipped_in_the_nonce, UNIBUS_ERR_BAD_COMMIT},
		{"made for another room", signed_for_another_room, UNIBUS_ERR_BAD_COMMIT},
		{"sealed with another key", with_another_key, UNIBUS_ERR_BAD_COMMIT},
		{"clear", clear, UNIBUS_ERR_POLICY_VIOLATION},
	};
	struct bus *b = *state;

	meet(b, "room.sealed", &(struct unibus_policy){.encrypt = true});
	assert_open(b);
	assert_twists(b, TWISTS, UB_ARRAY_LEN(TWISTS));
	part(b);
}

struct again {
	struct bus *b;
	const struct ub_buf *frame;
	uint64_t before;
};

static bool told_of_replay(struct libpeer *p, void *arg)
{
	struct again *a = arg;
	struct unibus_stats s;

	put(a->b, a->frame);
	unibus_get_stats(p->client, &s);
	return libpeer_events(p, UNIBUS_EVENT_BAD_FRAME) > 0 && s.replay > a->before;
}

static void a_frame_is_taken_once(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf frame = {0};
	struct bus *b = *state;
	struct again again;
	struct forge f;

	meet(b, "room.replay", &(struct unibus_policy){.encrypt = true, .sign = true});
	f = next(b);
	forge_make(&f, "once", &frame);
	put(b, &frame);
	assert_true(libpeer_hears(&b->alice, "once", NULL));
	libpeer_forget(&b->alice);
	/* As long as two connections overlap, the same frame twice is no attack and not told. */
	again = (struct again){b, &frame, count(b).n[4]};
	assert_true(libpeer_until(&b->alice, told_of_replay, &again));
	assert_int_equal(0, libpeer_msgs(&b->alice));
	assert_int_equal(0, libpeer_events(&b->alice, UNIBUS_EVENT_EQUIVOCATION));
	assert_open(b);
	part(b);
}

static void two_frames_under_one_number_are_an_alarm(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf frame = {0};
	struct bus *b = *state;
	struct libpeer_said said;
	struct forge f;

	meet(b, "room.twice", &(struct unibus_policy){.encrypt = true, .sign = true});
	assert_open(b);
	f = next(b);
	with_the_number_before(b, &f);
	forge_make(&f, "another story", &frame);
	assert_dropped(b, "another frame under the number before", &frame, UNIBUS_ERR_REPLAY);
	assert_true(libpeer_told(&b->alice, UNIBUS_EVENT_EQUIVOCATION, UNIBUS_OK, &said));
	assert_string_equal(b->bob_is.idz, said.peer);
	assert_open(b);
	part(b);
}

/* Out of order is not replay: within the window each number is taken once. */
static void frames_in_another_order_are_all_taken(void **state)
{
	struct bus *b = *state;
	struct forge first, second;

	meet(b, "room.order", &(struct unibus_policy){.encrypt = true, .sign = true});
	first = next(b);
	second = next(b);
	send_it(b, &second, "second");
	send_it(b, &first, "first");
	assert_true(libpeer_hears(&b->alice, "second", NULL));
	assert_true(libpeer_hears(&b->alice, "first", NULL));
	assert_open(b);
	part(b);
}

static void garbage_is_dropped(void **state)
{
	static const char *const TEXTS[] = {"", "U", "UB", "UB\x01", "hello", "{\"text\":\"hi\"}"};
	struct bus *b = *state;

	meet(b, "room.garbage", &(struct unibus_policy){.encrypt = true});
	for (size_t i = 0; i < UB_ARRAY_LEN(TEXTS); i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf frame = UB_BUF(64);

		ub_buf_z(&frame, TEXTS[i]);
		assert_dropped(b, TEXTS[i], &frame, UNIBUS_ERR_CORRUPT);
		assert_open(b);
	}
	part(b);
}

/* An epoch that ended two keys ago is no excuse for a key that others may hold. */
static void an_old_epoch_is_refused(void **state)
{
	struct bus *b = *state;
	struct shadow old;
	struct forge f;

	meet(b, "room.rekeyed", &(struct unibus_policy){.encrypt = true, .sign = true});
	assert_open(b);
	shadow_copy(&b->room, &old);
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(b->alice.room));
	/* One epoch back is taken for half a minute: Bob may not have heard yet. */
	assert_open(b);
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(b->alice.room));
	shadow_deinit(&b->room);
	shadow_fetch(&b->s, &b->bob_is, old.idz, &b->room);
	assert_int_equal(3, b->room.room.epoch);
	f = forge_honest(&old, &b->bob_is, b->session, ++b->seq);
	assert_forgery(b, "of the epoch before the last", &f, UNIBUS_ERR_OLD_EPOCH);
	shadow_deinit(&old);
	part(b);
}

/* The room has become stricter: naming an entry from before does not help. */
static void a_policy_of_old_is_no_excuse(void **state)
{
	const struct unibus_policy strict = {.encrypt = true, .sign = true};
	struct bus *b = *state;
	struct shadow old;
	struct forge f;

	meet(b, "room.stricter", &(struct unibus_policy){.encrypt = true});
	assert_open(b);
	shadow_copy(&b->room, &old);
	assert_int_equal(UNIBUS_OK, unibus_room_tighten(b->alice.room, &strict));
	shadow_deinit(&b->room);
	shadow_fetch(&b->s, &b->bob_is, old.idz, &b->room);
	assert_true(b->room.room.policy.sign);
	f = forge_honest(&old, &b->bob_is, b->session, ++b->seq);
	assert_forgery(
		b, "unsigned, of an entry before the change", &f, UNIBUS_ERR_POLICY_VIOLATION);
	shadow_deinit(&old);
	part(b);
}

/* The log is fetched for such a frame once a second: Bob goes on until it is. */
static bool hidden_entry_is_told(struct libpeer *alice, void *arg)
{
	struct bus *b = arg;
	struct forge f = next(b);

	f.h.room_seq += 1;
	send_it(b, &f, "not to be read");
	return libpeer_events(alice, UNIBUS_EVENT_ROLLBACK) > 0;
}

/* Bob goes by an entry that the server does not show: he lies, or it hides something. */
static void an_entry_that_the_server_hides_is_an_alarm(void **state)
{
	struct bus *b = *state;
	struct libpeer_said said;
	struct forge f;

	meet(b, "room.hidden", &(struct unibus_policy){.encrypt = true, .sign = true});
	assert_open(b);
	f = next(b);
	f.h.room_seq += 1;
	f.sign_key = &b->eve_is.sk;
	assert_forgery(b, "signed by nobody in the room", &f, UNIBUS_ERR_CORRUPT);
	assert_int_equal(0, libpeer_events(&b->alice, UNIBUS_EVENT_ROLLBACK));
	assert_true(libpeer_until(&b->alice, hidden_entry_is_told, b));
	assert_true(libpeer_told(&b->alice, UNIBUS_EVENT_ROLLBACK, UNIBUS_ERR_ROLLBACK, &said));
	assert_string_equal(b->bob_is.idz, said.peer);
	assert_false(libpeer_heard(&b->alice, "not to be read"));
	assert_open(b);
	part(b);
}

/* Bob was shown another history, and says so with a good signature. */
static void another_head_is_an_alarm_that_names_the_sender(void **state)
{
	struct bus *b = *state;
	struct libpeer_said said;
	struct forge f;

	meet(b, "room.forked", &(struct unibus_policy){.encrypt = true, .sign = true});
	assert_open(b);
	assert_int_equal(0, libpeer_events(&b->alice, UNIBUS_EVENT_FORK));
	f = next(b);
	f.h.room_head[0] ^= 1;
	send_it(b, &f, "from the other side");
	assert_true(libpeer_told(&b->alice, UNIBUS_EVENT_FORK, UNIBUS_ERR_FORK, &said));
	assert_string_equal(b->bob_is.idz, said.peer);
	assert_true(libpeer_hears(&b->alice, "from the other side", NULL));
	part(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forged_frame_is_dropped_under_its_name),
		cmocka_unit_test(without_signatures_the_cipher_notices),
		cmocka_unit_test(a_frame_is_taken_once),
		cmocka_unit_test(two_frames_under_one_number_are_an_alarm),
		cmocka_unit_test(frames_in_another_order_are_all_taken),
		cmocka_unit_test(garbage_is_dropped),
		cmocka_unit_test(an_old_epoch_is_refused),
		cmocka_unit_test(a_policy_of_old_is_no_excuse),
		cmocka_unit_test(an_entry_that_the_server_hides_is_an_alarm),
		cmocka_unit_test(another_head_is_an_alarm_that_names_the_sender),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
