/* Logins to a real nats-server, judged by a real membershipd: who gets in, what he may do there,
 * and how fast it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/endpoint.h"
#include "core/json.h"
#include "core/key.h"
#include "core/subject.h"
#include "tests/harness/peer.h"
#include "tests/harness/rawbus.h"
#include "tests/harness/stack.h"

#define WAIT_MS 10000

/* One bus for all tests; each has peers of its own. */
struct world {
	struct stack s;
	unsigned handles;
};

static int group_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	return w ? stack_start(&w->s, NULL) : -1;
}

static int group_teardown(void **state)
{
	struct world *w = *state;
	int rc = stack_stop(&w->s);

	free(w);
	return rc;
}

static void enrol(struct world *w, struct peer *p)
{
	char handle[16];

	(void)snprintf(handle, sizeof(handle), "peer%u", ++w->handles);
	assert_int_equal(201, peer_enrol(p, &w->s, handle));
}

/* ---- who gets in ---- */

struct login_case {
	const char *name;
	struct rawbus_login l;
	bool foreign_signer, stranger, in;
};

static void a_login_is_judged_by_its_proof(void **state)
{
	static const struct login_case CASES[] = {
		{.name = "nkey and signature over the server's nonce", .in = true},
		{.name = "no signature", .l.no_sig = true},
		{.name = "no nkey", .l.no_nkey = true},
		{.name = "neither", .l = {.no_nkey = true, .no_sig = true}},
		{.name = "an empty signature", .l.sig = ""},
		{.name = "a signature that is no base64", .l.sig = "%%%"},
		{.name = "a signature of zeroes",
			.l.sig = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
				 "AAA"
				 "AAAAAAAAAAAAAAAAAA"},
		{.name = "a signature over another nonce", .l.nonce = "AAAAAAAAAAAAAAA"},
		{.name = "somebody else's signature", .foreign_signer = true},
		{.name = "an unknown key", .stranger = true},
		{.name = "user and password beside no proof",
			.l = {.no_nkey = true,
				.no_sig = true,
				.more = ",\"user\":\"root\",\"pass\":\"x\""}},
		{.name = "a token beside no proof",
			.l = {.no_nkey = true, .no_sig = true, .more = ",\"auth_token\":\"x\""}},
	};
	struct world *w = *state;
	struct peer p, other;

	enrol(w, &p);
	peer_make(&other);
	for (size_t i = 0; i < UB_ARRAY_LEN(CASES); i++) {
		struct rawbus_login l = CASES[i].l;
		struct rawbus b;
		enum rawbus_outcome got;

		l.key = CASES[i].stranger ? &other.sign : &p.sign;
		l.with = CASES[i].foreign_signer ? &other.sign : NULL;
		assert_int_equal(0, rawbus_open(&b, w->s.nats_port));
		got = rawbus_login(&b, &l, WAIT_MS);
		if (got != (CASES[i].in ? RAWBUS_IN : RAWBUS_REFUSED))
			fail_msg("%s: %d %s", CASES[i].name, (int)got, b.err);
		if (!CASES[i].in)
			assert_non_null(strstr(b.err, "Authorization Violation"));
		rawbus_close(&b);
	}
}

static void a_nonce_of_another_connection_opens_nothing(void **state)
{
	struct world *w = *state;
	struct rawbus a, b;
	struct peer p;
	char nonce[128];

	enrol(w, &p);
	assert_int_equal(0, rawbus_open(&a, w->s.nats_port));
	(void)snprintf(nonce, sizeof(nonce), "%s", a.nonce);
	assert_int_equal(0, rawbus_open(&b, w->s.nats_port));
	assert_int_equal(RAWBUS_REFUSED,
		rawbus_login(&b, &(struct rawbus_login){.key = &p.sign, .nonce = nonce}, WAIT_MS));
	assert_int_equal(
		RAWBUS_IN, rawbus_login(&a, &(struct rawbus_login){.key = &p.sign}, WAIT_MS));
	rawbus_close(&a);
	rawbus_close(&b);
}

/* ---- what he may do ---- */

static void expect_publish(struct rawbus *b, const char *subject, bool allowed)
{
	rawbus_send(b, "PUB %s 2\r\nhi\r\n", subject);
	if (rawbus_quiet(b) != allowed)
		fail_msg("publishing to %s: %s", subject, allowed ? b->err : "allowed");
}

static void expect_subscribe(struct rawbus *b, const char *subject, bool allowed)
{
	static unsigned sid = 1;

	rawbus_send(b, "SUB %s %u\r\n", subject, ++sid);
	if (rawbus_quiet(b) != allowed)
		fail_msg("subscribing to %s: %s", subject, allowed ? b->err : "allowed");
	rawbus_send(b, "UNSUB %u\r\n", sid);
}

static void nobody_reaches_what_is_not_his(void **state)
{
	static const char *const FOREIGN_PUB[] = {
		"room.somewhere",
		"unibus.notify.AAAAAAAAAAAAAAAAAAAAAA",
		"unibus.room.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA",
		"unibus.log0.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA",
		"unibus.live0.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA",
		"_INBOX.abc",
		"_R_.abc",
		"$JS.API.INFO",
		"$JS.API.STREAM.CREATE.X",
		"$KV.UNIBUS.d.admins",
		"$SYS.REQ.SERVER.PING",
		"$SYS.REQ.USER.INFO",
		"$SYS.REQ.USER.AUTH",
	};
	static const char *const FOREIGN_SUB[] = {
		">",
		"*",
		"unibus.>",
		"unibus.notify.*",
		"unibus.notify.>",
		"unibus.*.*.*",
		"room.>",
		"_INBOX.>",
		"$JS.>",
		"$SYS.>",
		"$SYS.REQ.USER.AUTH",
		"$SYS.ACCOUNT.BUS.DISCONNECT",
	};
	struct world *w = *state;
	struct ub_wire notify;
	struct rawbus b;
	struct peer p;

	enrol(w, &p);
	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, w->s.nats_port, &p.sign));
	for (size_t i = 0; i < UB_ARRAY_LEN(FOREIGN_PUB); i++)
		expect_publish(&b, FOREIGN_PUB[i], false);
	for (size_t i = 0; i < UB_ARRAY_LEN(FOREIGN_SUB); i++)
		expect_subscribe(&b, FOREIGN_SUB[i], false);
	ub_wire_notify(&p.id, &notify);
	expect_subscribe(&b, notify.z, true);
	expect_publish(&b, notify.z, false);
	rawbus_close(&b);
}

static void a_room_is_open_to_those_who_joined_as_their_role_says(void **state)
{
	struct world *w = *state;
	struct peer owner, member, reader, invited;
	struct ub_room room = {.seq = 0};
	struct ub_wire own, other, sub;
	struct rawbus b;

	enrol(w, &owner);
	enrol(w, &member);
	enrol(w, &reader);
	enrol(w, &invited);
	assert_int_equal(201, peer_room_create(&owner, &w->s, "room.roles", true, &room));
	assert_int_equal(200, peer_room_invite(&owner, &w->s, &room, &member, UB_ROLE_MEMBER));
	assert_int_equal(200, peer_room_invite(&owner, &w->s, &room, &reader, UB_ROLE_READER));
	assert_int_equal(200, peer_room_invite(&owner, &w->s, &room, &invited, UB_ROLE_MEMBER));
	assert_int_equal(200, peer_room_join(&member, &w->s, &room));
	assert_int_equal(200, peer_room_join(&reader, &w->s, &room));
	ub_wire_subscribe(&room.id, &sub);

	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, w->s.nats_port, &member.sign));
	ub_wire_publish(&room.id, &member.id, &own);
	ub_wire_publish(&room.id, &owner.id, &other);
	expect_subscribe(&b, sub.z, true);
	expect_publish(&b, own.z, true);
	expect_publish(&b, other.z, false); /* in somebody else's name */
	expect_publish(&b, "room.roles", false);
	rawbus_close(&b);

	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, w->s.nats_port, &reader.sign));
	ub_wire_publish(&room.id, &reader.id, &own);
	expect_subscribe(&b, sub.z, true);
	expect_publish(&b, own.z, false);
	rawbus_close(&b);

	/* Added, but not joined: nothing. */
	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, w->s.nats_port, &invited.sign));
	ub_wire_publish(&room.id, &invited.id, &own);
	expect_subscribe(&b, sub.z, false);
	expect_publish(&b, own.z, false);
	rawbus_close(&b);
	ub_room_deinit(&room);
}

static void a_plain_room_carries_bare_payloads(void **state)
{
	struct world *w = *state;
	struct peer owner, member;
	struct ub_room room = {.seq = 0};
	struct rawbus a, b;
	struct rawbus_msg m;

	enrol(w, &owner);
	enrol(w, &member);
	assert_int_equal(201, peer_room_create(&owner, &w->s, "room.plain", false, &room));
	assert_int_equal(200, peer_room_invite(&owner, &w->s, &room, &member, UB_ROLE_MEMBER));
	assert_int_equal(200, peer_room_join(&member, &w->s, &room));
	assert_int_equal(RAWBUS_IN, rawbus_enter(&a, w->s.nats_port, &owner.sign));
	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, w->s.nats_port, &member.sign));
	rawbus_send(&b, "SUB room.plain 1\r\n");
	assert_true(rawbus_quiet(&b));
	expect_publish(&a, "room.plain", true);
	assert_true(rawbus_message(&b, WAIT_MS, &m));
	assert_string_equal("room.plain", m.subject);
	assert_string_equal("hi", m.data);
	rawbus_close(&a);
	rawbus_close(&b);
	ub_room_deinit(&room);
}

/* ---- how it ends ---- */

static uint64_t member_u64(struct ub_buf *out, const char *key)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;

	assert_int_equal(UB_OK, ub_json_parse(ub_buf_text(out), &v));
	return (uint64_t)json_integer_value(json_object_get(v, key));
}

static void revoking_closes_every_connection_before_the_answer(void **state)
{
	struct world *w = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);
	struct rawbus b[3], again, bystander;
	struct peer p, other;

	enrol(w, &p);
	enrol(w, &other);
	for (size_t i = 0; i < UB_ARRAY_LEN(b); i++)
		assert_int_equal(RAWBUS_IN, rawbus_enter(&b[i], w->s.nats_port, &p.sign));
	assert_int_equal(RAWBUS_IN, rawbus_enter(&bystander, w->s.nats_port, &other.sign));
	assert_int_equal(200, call_user_revoke(&w->s, &p.sign, &out));
	for (size_t i = 0; i < UB_ARRAY_LEN(b); i++)
		assert_true(rawbus_is_closed(&b[i]));
	assert_int_equal(3, member_u64(&out, "kicked"));
	assert_null(strstr(ub_buf_cstr(&out), "n1"));
	assert_int_equal(RAWBUS_REFUSED, rawbus_enter(&again, w->s.nats_port, &p.sign));
	assert_true(rawbus_quiet(&bystander));
	for (size_t i = 0; i < UB_ARRAY_LEN(b); i++)
		rawbus_close(&b[i]);
	rawbus_close(&again);
	rawbus_close(&bystander);

	/* Repeating it is fine and kicks nobody; a key added anew gets in again. */
	ub_buf_reset(&out);
	assert_int_equal(200, call_user_revoke(&w->s, &p.sign, &out));
	assert_int_equal(0, member_u64(&out, "kicked"));
	assert_int_equal(201, call_user_add(&w->s, &p.sign, "reborn"));
	assert_int_equal(RAWBUS_IN, rawbus_enter(&again, w->s.nats_port, &p.sign));
	rawbus_close(&again);
}

#define RACERS 4
#define RACER_CONNS 40 /* all of them stay below what a key may do at once */

/* Logs in again and again, until it is refused. */
struct racer {
	pthread_t thread;
	uint16_t port;
	const struct ub_signkey *key;
	_Atomic unsigned *in;
	struct rawbus b[RACER_CONNS];
	unsigned n;
	bool refused;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	while (!r->refused && r->n < RACER_CONNS) {
		r->refused = rawbus_enter(&r->b[r->n++], r->port, r->key) != RAWBUS_IN;
		++*r->in;
	}
	return NULL;
}

static void a_login_that_races_a_revocation_does_not_outlive_it(void **state)
{
	struct world *w = *state;
	struct racer *r = calloc(RACERS, sizeof(*r));
	_Atomic unsigned in = 0;
	struct peer p;

	assert_non_null(r);
	enrol(w, &p);
	for (size_t i = 0; i < RACERS; i++) {
		r[i].port = w->s.nats_port;
		r[i].key = &p.sign;
		r[i].in = &in;
		assert_int_equal(0, pthread_create(&r[i].thread, NULL, race, &r[i]));
	}
	while (in < RACERS)
		(void)sched_yield();
	assert_int_equal(200, call_user_revoke(&w->s, &p.sign, NULL));
	for (size_t i = 0; i < RACERS; i++)
		(void)pthread_join(r[i].thread, NULL);
	for (size_t i = 0; i < RACERS; i++) {
		for (unsigned k = 0; k < r[i].n; k++) {
			if (!rawbus_wait_closed(&r[i].b[k], 2000))
				fail_msg("connection %u of racer %zu lives on", k, i);
			rawbus_close(&r[i].b[k]);
		}
	}
	free(r);
}

static void a_connection_let_in_by_an_earlier_membershipd_is_found(void **state)
{
	struct world *w = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);
	struct rawbus b;
	struct peer p;

	enrol(w, &p);
	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, w->s.nats_port, &p.sign));
	proc_kill(&w->s.md);
	assert_int_equal(0, stack_md_start(&w->s));
	assert_true(rawbus_quiet(&b));
	assert_int_equal(200, call_user_revoke(&w->s, &p.sign, &out));
	assert_true(rawbus_is_closed(&b));
	assert_int_equal(1, member_u64(&out, "kicked"));
	rawbus_close(&b);
}

static void removing_notifies_and_closes_what_held_the_room_only(void **state)
{
	struct world *w = *state;
	struct peer owner, member;
	struct ub_room room = {.seq = 0};
	struct ub_wire notify;
	struct rawbus before, with, after;
	struct rawbus_msg m;

	enrol(w, &owner);
	enrol(w, &member);
	assert_int_equal(201, peer_room_create(&owner, &w->s, "room.removal", true, &room));
	assert_int_equal(200, peer_room_invite(&owner, &w->s, &room, &member, UB_ROLE_MEMBER));
	/* Logged in before joining: this connection does not hold the room. */
	assert_int_equal(RAWBUS_IN, rawbus_enter(&before, w->s.nats_port, &member.sign));
	ub_wire_notify(&member.id, &notify);
	rawbus_send(&before, "SUB %s 1\r\n", notify.z);
	assert_true(rawbus_quiet(&before));
	assert_int_equal(200, peer_room_join(&member, &w->s, &room));
	assert_true(rawbus_message(&before, WAIT_MS, &m));
	assert_non_null(strstr(m.data, "\"type\":\"grant\""));
	assert_int_equal(RAWBUS_IN, rawbus_enter(&with, w->s.nats_port, &member.sign));

	assert_int_equal(200, peer_room_remove(&owner, &w->s, &room, &member, NULL));
	assert_true(rawbus_message(&before, WAIT_MS, &m));
	assert_string_equal(notify.z, m.subject);
	assert_non_null(strstr(m.data, "\"type\":\"room\""));
	assert_true(rawbus_is_closed(&with));
	assert_true(rawbus_quiet(&before));
	assert_int_equal(RAWBUS_IN, rawbus_enter(&after, w->s.nats_port, &member.sign));
	ub_wire_subscribe(&room.id, &notify);
	expect_subscribe(&after, notify.z, false);
	rawbus_close(&before);
	rawbus_close(&with);
	rawbus_close(&after);
	ub_room_deinit(&room);
}

static void a_restarted_nats_server_is_found_again(void **state)
{
	struct world *w = *state;
	enum rawbus_outcome got = RAWBUS_SILENT;
	struct rawbus b;
	struct peer p;

	enrol(w, &p);
	(void)proc_stop(&w->s.nats);
	assert_int_equal(0, stack_nats_start(&w->s));
	/* A question asked before membershipd was back has no answer: peers ask again. */
	for (unsigned i = 0; i < 3 && got != RAWBUS_IN; i++) {
		got = rawbus_enter(&b, w->s.nats_port, &p.sign);
		if (got != RAWBUS_IN)
			rawbus_close(&b);
	}
	assert_int_equal(RAWBUS_IN, got);
	assert_int_equal(200, call_user_revoke(&w->s, &p.sign, NULL));
	assert_true(rawbus_is_closed(&b));
	rawbus_close(&b);
}

static void without_membershipd_logins_get_no_answer(void **state)
{
	struct world *w = *state;
	struct rawbus b;
	struct peer p;

	enrol(w, &p);
	assert_int_equal(0, proc_stop(&w->s.md));
	/* The server's own time-out is 5 s: until then, silence. */
	assert_int_equal(0, rawbus_open(&b, w->s.nats_port));
	assert_int_equal(
		RAWBUS_SILENT, rawbus_login(&b, &(struct rawbus_login){.key = &p.sign}, 2500));
	rawbus_close(&b);
	assert_int_equal(0, stack_md_start(&w->s));
	assert_int_equal(RAWBUS_IN, rawbus_enter(&b, w->s.nats_port, &p.sign));
	rawbus_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_login_is_judged_by_its_proof),
		cmocka_unit_test(a_nonce_of_another_connection_opens_nothing),
		cmocka_unit_test(nobody_reaches_what_is_not_his),
		cmocka_unit_test(a_room_is_open_to_those_who_joined_as_their_role_says),
		cmocka_unit_test(a_plain_room_carries_bare_payloads),
		cmocka_unit_test(revoking_closes_every_connection_before_the_answer),
		cmocka_unit_test(a_login_that_races_a_revocation_does_not_outlive_it),
		cmocka_unit_test(a_connection_let_in_by_an_earlier_membershipd_is_found),
		cmocka_unit_test(removing_notifies_and_closes_what_held_the_room_only),
		cmocka_unit_test(a_restarted_nats_server_is_found_again),
		cmocka_unit_test(without_membershipd_logins_get_no_answer),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
