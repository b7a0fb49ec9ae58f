/* A user in good standing who is not in the room, one who is but wants more, and two who lost what
 * they had: what the bus and the control plane refuse them, beside what they may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/key.h"
#include "core/subject.h"
#include "tests/harness/forge.h"
#include "tests/harness/libpeer.h"
#include "tests/harness/rawbus.h"

#define WAIT_MS 10000
#define SEALED_POLICY (&(struct unibus_policy){.encrypt = true, .sign = true})

/* Alice uses the library and owns the room; Bob is a member of it, Rita a reader, Eve is not in it:
 * they hold their keys themselves. Eve has a room of her own. */
struct bus {
	struct stack s;
	struct actor root, alice_is, bob_is, rita_is, eve_is;
	struct libpeer alice;
	struct shadow room, eves;
	char subject[32];
	unsigned n;
};

static void join(struct bus *b, const struct actor *a, const char *room)
{
	char target[96];

	(void)snprintf(target, sizeof(target), "/rooms/%s/join", room);
	ask_expect(ASK(&b->s, &a->sk, "POST", target, NULL), 200, "");
}

static void new_actor(struct bus *b, struct actor *a, const char *name)
{
	char handle[32];

	(void)snprintf(handle, sizeof(handle), "%s%u", name, b->n);
	actor_new(a, handle);
	actor_register(&b->s, &b->root, a);
	actor_publish(&b->s, a);
}

static void make_eves_room(struct bus *b)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(64 * 1024);
	char subject[32];

	(void)snprintf(subject, sizeof(subject), "room.eve%u", b->n);
	shadow_create(&b->eves, &b->eve_is, subject, (struct ub_policy){.encrypt = true}, &body);
	ask_expect(ASK(&b->s, &b->eve_is.sk, "POST", "/rooms", ub_buf_cstr(&body)), 201, "");
}

/* Everybody anew for each test: some lose what they have. */
static int set_up(void **state)
{
	struct bus *b = *state;
	struct unibus_room_info info;

	b->n++;
	new_actor(b, &b->bob_is, "bob");
	new_actor(b, &b->rita_is, "rita");
	new_actor(b, &b->eve_is, "eve");
	(void)snprintf(b->subject, sizeof(b->subject), "room.r%u", b->n);
	libpeer_forget(&b->alice);
	libpeer_create(&b->alice, b->subject, SEALED_POLICY);
	assert_int_equal(UNIBUS_OK,
		unibus_room_invite(b->alice.room, b->bob_is.handle, UNIBUS_MEMBER, NULL));
	assert_int_equal(UNIBUS_OK,
		unibus_room_invite(b->alice.room, b->rita_is.handle, UNIBUS_READER, NULL));
	unibus_room_get_info(b->alice.room, &info);
	join(b, &b->bob_is, info.id);
	join(b, &b->rita_is, info.id);
	shadow_fetch(&b->s, &b->bob_is, info.id, &b->room);
	make_eves_room(b);
	return 0;
}

static int tear_down(void **state)
{
	struct bus *b = *state;

	libpeer_room_close(&b->alice);
	shadow_deinit(&b->room);
	shadow_deinit(&b->eves);
	return 0;
}

static int start(void **state)
{
	struct bus *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(0, stack_start(&b->s, NULL));
	actor_of(&b->root, "root", &b->s.admin);
	actor_new(&b->alice_is, "alice");
	actor_register(&b->s, &b->root, &b->alice_is);
	libpeer_connect(&b->alice, &b->alice_is,
		&(struct libpeer_at){
			.http_port = b->s.http_port, .nats_port = b->s.nats_port, .dir = b->s.dir});
	*state = b;
	return 0;
}

static int stop(void **state)
{
	struct bus *b = *state;

	libpeer_close(&b->alice);
	stack_stop(&b->s);
	free(b);
	return 0;
}

/* ---- the broker ---- */

static void enter(struct bus *b, const struct actor *a, struct rawbus *ret)
{
	if (rawbus_enter(ret, b->s.nats_port, &a->sk) != RAWBUS_IN)
		fail_msg("%s was not let in: %s", a->handle, ret->err);
}

/* A named refusal of just this, and the connection lives on. */
static void assert_violation(struct rawbus *c, const char *what, const char *subject)
{
	char want[512];

	(void)snprintf(
		want, sizeof(want), "-ERR 'Permissions Violation for %s to \"%s\"", what, subject);
	assert_false(rawbus_quiet(c));
	if (strncmp(c->err, want, strlen(want)) != 0)
		fail_msg("%s to %s: %s", what, subject, c->err[0] ? c->err : "allowed");
	assert_true(rawbus_quiet(c));
}

static void no_subscribe(struct rawbus *c, const char *subject)
{
	rawbus_send(c, "SUB %s 9\r\n", subject);
	assert_violation(c, "Subscription", subject);
}

static void no_publish(struct rawbus *c, const char *subject)
{
	rawbus_publish(c, subject, NULL, (struct ub_bytes){(const uint8_t *)"x", 1});
	assert_violation(c, "Publish", subject);
}

static void may_subscribe(struct rawbus *c, const char *subject)
{
	rawbus_send(c, "SUB %s 1\r\n", subject);
	if (!rawbus_quiet(c))
		fail_msg("subscribing to %s: %s", subject, c->err);
}

static void may_publish(struct rawbus *c, const char *subject)
{
	rawbus_publish(c, subject, NULL, (struct ub_bytes){(const uint8_t *)"x", 1});
	if (!rawbus_quiet(c))
		fail_msg("publishing to %s: %s", subject, c->err);
}

/* "unibus.<kind>.<R>.<E>", with wildcards where told. */
static void wire_text(const char *kind, const char *room, const char *sender, char to[256])
{
	(void)snprintf(to, 256, "unibus.%s.%.22s.%.22s", kind, room, sender);
}

static void a_stranger_to_the_room_is_kept_off_its_subjects(void **state)
{
	static const char *const KINDS[] = {"room", "log0", "log1", "live0", "live1", "*"};
	struct bus *b = *state;
	struct rawbus eve;
	char subject[256];

	enter(b, &b->eve_is, &eve);
	for (size_t i = 0; i < UB_ARRAY_LEN(KINDS); i++) {
		const char *const who[] = {b->bob_is.idz, b->eve_is.idz, b->alice_is.idz, "*", ">"};

		for (size_t k = 0; k < UB_ARRAY_LEN(who); k++) {
			wire_text(KINDS[i], b->room.idz, who[k], subject);
			no_subscribe(&eve, subject);
			if (strpbrk(subject, "*>"))
				continue;
			no_publish(&eve, subject);
		}
	}
	no_subscribe(&eve, b->subject);
	no_publish(&eve, b->subject);

	wire_text("*", b->eves.idz, "*", subject);
	may_subscribe(&eve, subject);
	wire_text("room", b->eves.idz, b->eve_is.idz, subject);
	may_publish(&eve, subject);
	rawbus_close(&eve);
}

static void nobody_gets_at_what_is_the_servers(void **state)
{
	static const char *const SUBS[] = {">", "*", "*.>", "unibus.>", "unibus.*", "unibus.*.>",
		"unibus.*.*.*", "unibus.*.*.>", "unibus.room.>", "unibus.log0.>", "unibus.live0.>",
		"unibus.notify.>", "unibus.notify.*", "room.>", "_INBOX.>", "_INBOX.*", "_R_.>",
		"$JS.API.>", "$JS.>", "$JS.EVENT.>", "$SYS.>", "$SYS.REQ.USER.AUTH",
		"$SYS.ACCOUNT.>", "$KV.>", "$KV.UNIBUS.>", "$O.>", "$NRG.>"};
	static const char *const PUBS[] = {"$JS.API.INFO", "$JS.API.STREAM.NAMES",
		"$JS.API.STREAM.CREATE.EVE", "$JS.API.STREAM.DELETE.LOG0",
		"$JS.API.STREAM.MSG.GET.LOG0", "$JS.API.CONSUMER.CREATE.LOG0",
		"$JS.API.DIRECT.GET.LOG0", "$JS.ACK.LOG0.x.1.1.1.1.0", "$JS.FC.x",
		"$KV.UNIBUS.d.admins", "$O.x.C.y", "$SYS.REQ.USER.AUTH", "$SYS.REQ.USER.INFO",
		"$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.BUS.CONNZ",
		"$SYS.REQ.SERVER.x.KICK", "$NRG.x", "_INBOX.x", "_R_.x", "unibus.notify", "unibus",
		"unibus.live0.x.y"};
	struct bus *b = *state;
	struct ub_wire own, other;
	struct rawbus eve;

	enter(b, &b->eve_is, &eve);
	for (size_t i = 0; i < UB_ARRAY_LEN(SUBS); i++)
		no_subscribe(&eve, SUBS[i]);
	for (size_t i = 0; i < UB_ARRAY_LEN(PUBS); i++)
		no_publish(&eve, PUBS[i]);
	ub_wire_notify(&b->bob_is.id, &other);
	no_subscribe(&eve, other.z);
	no_publish(&eve, other.z);
	ub_wire_notify(&b->eve_is.id, &own);
	no_publish(&eve, own.z);
	may_subscribe(&eve, own.z);
	rawbus_close(&eve);
}

/* A queue subscription is a subscription, too. */
static void a_queue_group_opens_nothing(void **state)
{
	struct bus *b = *state;
	struct rawbus eve, bob;
	char subject[256];

	wire_text("*", b->room.idz, "*", subject);
	enter(b, &b->eve_is, &eve);
	rawbus_send(&eve, "SUB %s workers 1\r\n", subject);
	assert_false(rawbus_quiet(&eve));
	assert_non_null(strstr(eve.err, "Permissions Violation for Subscription"));
	enter(b, &b->bob_is, &bob);
	rawbus_send(&bob, "SUB %s workers 1\r\n", subject);
	assert_true(rawbus_quiet(&bob));
	rawbus_close(&eve);
	rawbus_close(&bob);
}

static void a_member_speaks_under_no_name_but_his_own(void **state)
{
	struct bus *b = *state;
	struct rawbus bob, rita;
	char subject[256];

	enter(b, &b->bob_is, &bob);
	wire_text("room", b->room.idz, b->alice_is.idz, subject);
	no_publish(&bob, subject);
	wire_text("room", b->room.idz, b->rita_is.idz, subject);
	no_publish(&bob, subject);
	/* The room keeps nothing, so nothing may be published to be kept. */
	wire_text("log0", b->room.idz, b->bob_is.idz, subject);
	no_publish(&bob, subject);
	wire_text("live0", b->room.idz, b->bob_is.idz, subject);
	no_publish(&bob, subject);
	no_publish(&bob, b->subject);
	wire_text("room", b->room.idz, b->bob_is.idz, subject);
	may_publish(&bob, subject);

	enter(b, &b->rita_is, &rita);
	wire_text("room", b->room.idz, b->rita_is.idz, subject);
	no_publish(&rita, subject);
	wire_text("*", b->room.idz, "*", subject);
	may_subscribe(&rita, subject);
	rawbus_close(&bob);
	rawbus_close(&rita);
}

/* A reply subject is a wish: nothing on the bus fulfils it, so nobody's inbox can be written to
 * through somebody else. */
static void a_reply_subject_makes_nobody_answer(void **state)
{
	struct bus *b = *state;
	struct ub_wire notify;
	struct rawbus bob, rita;
	struct rawbus_msg m;
	char wire[256];

	ub_wire_notify(&b->rita_is.id, &notify);
	enter(b, &b->rita_is, &rita);
	may_subscribe(&rita, notify.z);
	enter(b, &b->bob_is, &bob);
	wire_text("room", b->room.idz, b->bob_is.idz, wire);
	rawbus_publish(&bob, wire, notify.z, (struct ub_bytes){(const uint8_t *)"x", 1});
	rawbus_publish(
		&bob, wire, "$JS.API.STREAM.NAMES", (struct ub_bytes){(const uint8_t *)"x", 1});
	rawbus_publish(
		&bob, wire, "$SYS.REQ.USER.AUTH", (struct ub_bytes){(const uint8_t *)"x", 1});
	assert_true(rawbus_quiet(&bob));
	/* A request that nobody serves is answered by the server itself: only to subscriptions that
	 * the asker has, and he has none there. */
	wire_text("room", b->room.idz, b->bob_is.idz, wire);
	rawbus_publish(&bob, wire, notify.z, (struct ub_bytes){NULL, 0});
	assert_true(rawbus_quiet(&bob));

	/* The first thing on Rita's notify subject is what the control plane says next. */
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(b->alice.room));
	assert_true(rawbus_message(&rita, WAIT_MS, &m));
	assert_string_equal(notify.z, m.subject);
	assert_non_null(strstr(m.data, "\"type\":\"room\""));
	rawbus_close(&bob);
	rawbus_close(&rita);
}

/* A frame of the largest size passes; one byte too many for the bus ends the connection. */
static void what_is_too_large_ends_only_the_connection_it_came_on(void **state)
{
	struct bus *b = *state;
	uint8_t *large = calloc(1, UB_FRAME_MAX);
	struct rawbus bob, rita;
	char wire[256];

	assert_non_null(large);
	wire_text("room", b->room.idz, b->bob_is.idz, wire);
	enter(b, &b->bob_is, &bob);
	enter(b, &b->rita_is, &rita);
	rawbus_publish(&bob, wire, NULL, (struct ub_bytes){large, UB_FRAME_MAX});
	assert_true(rawbus_quiet(&bob));
	rawbus_send(&bob, "PUB %s %d\r\n", wire, 72 * 1024 + 1);
	assert_true(rawbus_wait_closed(&bob, WAIT_MS));
	assert_true(rawbus_quiet(&rita));
	rawbus_close(&bob);
	enter(b, &b->bob_is, &bob);
	rawbus_close(&bob);
	rawbus_close(&rita);
	free(large);
}

/* ---- REST ---- */

static void a_stranger_reads_and_changes_nothing_of_the_room(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(64 * 1024);
	static const char *const READS[] = {"", "/members", "/log", "/key", "/key?epoch=1"};
	struct bus *b = *state;
	struct shadow same;
	char target[160];

	for (size_t i = 0; i < UB_ARRAY_LEN(READS); i++) {
		(void)snprintf(target, sizeof(target), "/rooms/%s%s", b->room.idz, READS[i]);
		ask_expect(ASK(&b->s, &b->eve_is.sk, "GET", target, NULL), 403, "denied");
		ask_expect(ASK(&b->s, &b->bob_is.sk, "GET", target, NULL), 200, "");
	}
	(void)snprintf(target, sizeof(target), "/rooms/%s/join", b->room.idz);
	ask_expect(ASK(&b->s, &b->eve_is.sk, "POST", target, NULL), 403, "denied");
	ask_expect(ASK(&b->s, &b->bob_is.sk, "POST", target, NULL), 200, "");
	(void)snprintf(target, sizeof(target), "/members/%s/rooms", b->bob_is.idz);
	ask_expect(ASK(&b->s, &b->eve_is.sk, "GET", target, NULL), 403, "denied");
	ask_expect(ASK(&b->s, &b->bob_is.sk, "GET", target, NULL), 200, "");

	/* An entry that adds herself, perfectly formed and signed by her. */
	shadow_change(&b->room,
		&(struct shadow_change){.by = &b->eve_is,
			.wrong = true,
			SHADOW_OPS(shadow_add(&b->eve_is, UB_ROLE_MEMBER))},
		&body, &same);
	(void)snprintf(target, sizeof(target), "/rooms/%s/invite", b->room.idz);
	ask_expect(ASK(&b->s, &b->eve_is.sk, "POST", target, ub_buf_cstr(&body)), 403, "denied");
	/* Bob may not either: he is no admin. Nor may he send what Eve has signed. */
	ask_expect(ASK(&b->s, &b->bob_is.sk, "POST", target, ub_buf_cstr(&body)), 403, "denied");
	shadow_deinit(&same);
	ub_buf_reset(&body);
	shadow_change(&b->room,
		&(struct shadow_change){.by = &b->bob_is,
			.wrong = true,
			SHADOW_OPS(shadow_add(&b->eve_is, UB_ROLE_MEMBER))},
		&body, &same);
	ask_expect(ASK(&b->s, &b->bob_is.sk, "POST", target, ub_buf_cstr(&body)), 403, "no_right");
	shadow_deinit(&same);
	shadow_fetch(&b->s, &b->bob_is, b->room.idz, &same);
	assert_memory_equal(b->room.room.head.b, same.room.head.b, sizeof(same.room.head.b));
	shadow_deinit(&same);
}

/* The genesis entry of a room that no client would make. */
static void wrong_room(const struct actor *by, const char *subject, struct ub_buf *body)
{
	struct ub_op ops[2] = {{.type = UB_OP_GENESIS}, shadow_add(by, UB_ROLE_OWNER)};
	struct shadow none = {0}, ret;

	(void)snprintf(ops[0].subject, sizeof(ops[0].subject), "%s", subject);
	randombytes_buf(ops[0].nonce, sizeof(ops[0].nonce));
	shadow_change(&none, &(struct shadow_change){.by = by, .ops = ops, .n = 2, .wrong = true},
		body, &ret);
	shadow_deinit(&ret);
}

static void a_subject_belongs_to_one_room_and_is_literal(void **state)
{
	static const char *const SUBJECTS[] = {">", "*", "room.*", "room.>", "room", "unibus.room",
		"unibus.notify.x", "_INBOX.x", "$JS.API.INFO", "$SYS.x", "room..x", ".room",
		"room.", "room x", "room\\tx", "ROOM.\xc3\xa9"};
	struct bus *b = *state;
	struct rawbus eve;
	char upper[32];

	/* One subject in two spellings would be two rooms to the bus, one to people. */
	(void)snprintf(upper, sizeof(upper), "Room.R%u", b->n);
	for (int i = 0; i < 2; i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(64 * 1024);

		wrong_room(&b->eve_is, i ? upper : b->subject, &body);
		ask_expect(ASK(&b->s, &b->eve_is.sk, "POST", "/rooms", ub_buf_cstr(&body)), 409,
			"subject_taken");
	}
	for (size_t i = 0; i < UB_ARRAY_LEN(SUBJECTS); i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(64 * 1024);
		struct answer a;

		wrong_room(&b->eve_is, SUBJECTS[i], &body);
		ask(ASK(&b->s, &b->eve_is.sk, "POST", "/rooms", ub_buf_cstr(&body)), &a);
		/* A single token is a subject like any other. */
		if (a.status != (strcmp(SUBJECTS[i], "room") == 0 ? 201 : 400))
			fail_msg("subject %s: %d %s", SUBJECTS[i], a.status, a.code);
		answer_deinit(&a);
	}
	enter(b, &b->eve_is, &eve);
	no_subscribe(&eve, b->subject);
	no_subscribe(&eve, "room.>");
	may_subscribe(&eve, "room");
	rawbus_close(&eve);
}

/* ---- lost rights ---- */

/* The newest frame on a raw member's subscription. */
static void capture(struct rawbus *c, struct ub_buf *ret)
{
	struct rawbus_msg m;

	assert_true(rawbus_message(c, WAIT_MS, &m));
	*ret = UB_BUF(UB_FRAME_MAX);
	ub_buf_put(ret, m.data, m.len);
}

static void who_was_removed_reads_nothing_new(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf before = {0};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf after = {0};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf plain = UB_BUF(UB_FRAME_MAX);
	UB_CLEANUP(json_decrefp) json_t *key = NULL;
	struct bus *b = *state;
	struct rawbus bob, rita;
	struct shadow now;
	struct ub_symkey stolen;
	char wire[256], target[96];

	wire_text("*", b->room.idz, "*", wire);
	enter(b, &b->bob_is, &bob);
	enter(b, &b->rita_is, &rita);
	may_subscribe(&bob, wire);
	may_subscribe(&rita, wire);
	libpeer_say(&b->alice, "while Bob is here");
	capture(&bob, &before);
	assert_int_equal(UB_OK, forge_open((struct ub_bytes){before.p, before.len},
					&b->room.room.id, &b->room.keys[1], &plain));

	assert_int_equal(UNIBUS_OK, unibus_room_remove(b->alice.room, b->bob_is.handle));
	assert_true(rawbus_wait_closed(&bob, WAIT_MS));
	rawbus_close(&bob);
	enter(b, &b->bob_is, &bob);
	no_subscribe(&bob, wire);
	/* Rita's connection held the room, too, and has not lost it. */
	libpeer_say(&b->alice, "Bob is gone");
	capture(&rita, &after); /* "while Bob is here" */
	ub_buf_deinit(&after);
	capture(&rita, &after);

	/* With all that Bob has and a copy of the frame from elsewhere. */
	assert_int_equal(
		UNIBUS_ERR_BAD_COMMIT, forge_open((struct ub_bytes){after.p, after.len},
					       &b->room.room.id, &b->room.keys[1], &plain));
	(void)snprintf(target, sizeof(target), "/rooms/%s/key", b->room.idz);
	ask_expect(ASK(&b->s, &b->bob_is.sk, "GET", target, NULL), 403, "denied");
	/* Rita's sealed key is of no use to him, and of use to her. */
	shadow_fetch(&b->s, &b->rita_is, b->room.idz, &now);
	assert_int_equal(2, now.room.epoch);
	key = ask_want(ASK(&b->s, &b->rita_is.sk, "GET", target, NULL), 200, "");
	assert_int_equal(UNIBUS_ERR_NO_KEY_EPOCH,
		shadow_open_key(&now, &b->bob_is, json_string_value(json_object_get(key, "sealed")),
			&stolen));
	assert_int_equal(UB_OK, forge_open((struct ub_bytes){after.p, after.len}, &b->room.room.id,
					&now.keys[2], &plain));
	shadow_deinit(&now);
	rawbus_close(&bob);
	rawbus_close(&rita);
}

/* Bob uses the library here, and a connection of his own beside it. */
static void a_revoked_peer_is_off_both_planes_before_the_answer(void **state)
{
	struct bus *b = *state;
	const struct libpeer_at at = {.http_port = b->s.http_port,
		.nats_port = b->s.nats_port,
		.dir = b->s.dir,
		.timeout_ms = 3000};
	struct libpeer bob, again;
	struct rawbus raw, rita;
	struct answer a;
	char target[128];

	libpeer_connect(&bob, &b->bob_is, &at);
	libpeer_room(&bob, b->subject);
	libpeer_say(&bob, "still here");
	assert_true(libpeer_hears(&b->alice, "still here", NULL));
	enter(b, &b->bob_is, &raw);
	enter(b, &b->rita_is, &rita);

	(void)snprintf(target, sizeof(target), "/users/%s/revoke", b->bob_is.hex);
	ask(ASK(&b->s, &b->s.admin, "POST", target, NULL), &a);
	assert_true(rawbus_is_closed(&raw)); /* it does not wait */
	assert_int_equal(200, a.status);
	/* At least the one that does not go by itself when it is told. */
	assert_in_range(json_integer_value(json_object_get(a.json, "kicked")), 1, 4);
	assert_int_equal(0, json_array_size(json_object_get(a.json, "unconfirmed")));
	print_message("revoked and off the bus in %d ms\n",
		(int)json_integer_value(json_object_get(a.json, "ms")));
	answer_deinit(&a);

	ask_expect(ASK(&b->s, &b->bob_is.sk, "GET", "/server", NULL), 401, "revoked");
	ask_expect(ASK(&b->s, &b->rita_is.sk, "GET", "/server", NULL), 200, "");
	rawbus_close(&raw);
	assert_int_equal(RAWBUS_REFUSED, rawbus_enter(&raw, b->s.nats_port, &b->bob_is.sk));
	assert_true(rawbus_quiet(&rita));

	assert_true(libpeer_state(&bob, UNIBUS_REVOKED));
	assert_int_equal(UNIBUS_ERR_REVOKED, unibus_publish_text(bob.room, "let me in"));
	assert_int_equal(
		UNIBUS_ERR_REVOKED, unibus_wait_state(bob.client, UNIBUS_CONNECTED, WAIT_MS));
	libpeer_close(&bob);
	assert_int_equal(UNIBUS_ERR_REVOKED, libpeer_try(&again, &b->bob_is, &at));
	assert_false(libpeer_heard(&b->alice, "let me in"));
	rawbus_close(&raw);
	rawbus_close(&rita);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_stranger_to_the_room_is_kept_off_its_subjects),
		TEST(nobody_gets_at_what_is_the_servers),
		TEST(a_queue_group_opens_nothing),
		TEST(a_member_speaks_under_no_name_but_his_own),
		TEST(a_reply_subject_makes_nobody_answer),
		TEST(what_is_too_large_ends_only_the_connection_it_came_on),
		TEST(a_stranger_reads_and_changes_nothing_of_the_room),
		TEST(a_subject_belongs_to_one_room_and_is_literal),
		TEST(who_was_removed_reads_nothing_new),
		TEST(a_revoked_peer_is_off_both_planes_before_the_answer),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
