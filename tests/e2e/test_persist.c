/* Persisted rooms through the real programs: stored by peers, echoed to them, read over REST. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/b64url.h"
#include "core/endpoint.h"
#include "core/frame.h"
#include "core/json.h"
#include "core/key.h"
#include "core/num.h"
#include "core/subject.h"
#include "tests/harness/peer.h"
#include "tests/harness/rawbus.h"
#include "tests/harness/stack.h"

#define WAIT_MS 10000
#define SHARDS 4

static struct fixture {
	struct stack s;
	unsigned names;
	uint64_t sent;
} F;

static int set_up(void **state)
{
	(void)state;
	return stack_start(&F.s, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	return stack_stop(&F.s);
}

static const char *name(const char *what)
{
	static char z[8][48];
	char *to = z[++F.names % 8];

	(void)snprintf(to, sizeof(z[0]), "%s%u", what, F.names);
	return to;
}

static void enrol(struct peer *p)
{
	assert_int_equal(peer_enrol(p, &F.s, name("p")), 201);
}

static void enter(struct rawbus *b, const struct peer *p)
{
	assert_int_equal(rawbus_enter(b, F.s.nats_port, &p->sign), RAWBUS_IN);
}

/* A room of alice's with bob in it. */
struct cast {
	struct peer alice, bob;
	struct ub_room room;
};

static void cast_make(struct cast *c, const struct ub_policy *policy)
{
	*c = (struct cast){.room = {.seq = 0}};
	enrol(&c->alice);
	enrol(&c->bob);
	assert_int_equal(peer_room_make(&c->alice, &F.s, name("kept.room"), policy, &c->room), 201);
	assert_int_equal(peer_room_invite(&c->alice, &F.s, &c->room, &c->bob, UB_ROLE_MEMBER), 200);
	assert_int_equal(peer_room_join(&c->bob, &F.s, &c->room), 200);
}

static void cast_end(struct cast *c)
{
	ub_room_deinit(&c->room);
}

/* Publishes a frame whose body is its number, to be kept. */
static void publish(struct rawbus *b, const struct peer *p, const struct ub_room *room,
	uint64_t room_seq, const char *msg_id)
{
	struct ub_buf f = UB_BUF(UB_FRAME_MAX);
	uint8_t body[8];
	struct ub_frame_header h = {.kind = UB_KIND_MESSAGE,
		.room_seq = room_seq,
		.sender = p->id,
		.session = 1,
		.seq = ++F.sent};
	struct ub_payload pay = {.body = {body, sizeof(body)}};
	struct ub_wire subject;
	char hdr[128];
	int n;

	ub_put_u64(body, F.sent);
	assert_int_equal(
		ub_frame_seal(&(struct ub_frame_sealer){.room = room->id}, &h, &pay, &f), UB_OK);
	ub_wire_publish_log(ub_wire_shard(&room->id, SHARDS), &room->id, &p->id, &subject);
	n = snprintf(hdr, sizeof(hdr), "NATS/1.0\r\nNats-Msg-Id: %s\r\n\r\n", msg_id);
	rawbus_send(b, "HPUB %s %d %zu\r\n%s", subject.z, n, (size_t)n + f.len, hdr);
	assert_true(send(b->fd, f.p, f.len, 0) == (ssize_t)f.len);
	rawbus_send(b, "\r\n");
	ub_buf_deinit(&f);
}

static void subscribe(struct rawbus *b, const struct ub_room *room)
{
	struct ub_wire subject;

	ub_wire_subscribe(&room->id, &subject);
	rawbus_send(b, "SUB %s 1\r\n", subject.z);
	assert_true(rawbus_quiet(b));
}

/* The next message that comes from the log; its sequence. */
static uint64_t next_live(struct rawbus *b)
{
	static struct rawbus_msg m;
	const char *at;

	do
		assert_true(rawbus_message(b, WAIT_MS, &m));
	while (strncmp(m.subject, "unibus.live", 11) != 0);
	at = strstr(m.data, "\r\nNats-Sequence: ");
	assert_non_null(at);
	return strtoull(at + strlen("\r\nNats-Sequence: "), NULL, 10);
}

struct page {
	int status;
	json_t *v; /* the answer */
	size_t n;
	char code[48];
};

static struct page get(const struct peer *p, const struct ub_room *room, const char *query)
{
	struct ub_buf out = UB_BUF(4 * 1024 * 1024);
	char id[UB_ID_TEXT + 1], target[256];
	struct page r = {0};
	const json_t *code;

	ub_room_id_encode(&room->id, id);
	(void)snprintf(target, sizeof(target), "/rooms/%s/messages%s", id, query);
	r.status = call_rest(&(struct call){.stack = &F.s,
				     .key = p ? &p->sign : NULL,
				     .method = "GET",
				     .target = target},
		&out);
	assert_int_equal(ub_json_parse(ub_buf_text(&out), &r.v), UB_OK);
	ub_buf_deinit(&out);
	r.n = json_array_size(json_object_get(r.v, "messages"));
	code = json_object_get(r.v, "code");
	(void)snprintf(r.code, sizeof(r.code), "%s", code ? json_string_value(code) : "");
	return r;
}

static json_int_t number(const struct page *p, const char *key)
{
	const json_t *v = json_object_get(p->v, key);

	assert_true(json_is_integer(v));
	return json_integer_value(v);
}

/* Checks the shape of message i; gives the number in its frame. */
static uint64_t message(const struct page *p, size_t i, const struct peer *sender)
{
	struct ub_obj o = ub_obj(json_array_get(json_object_get(p->v, "messages"), i));
	struct ub_str text;
	uint8_t bytes[512];
	struct ub_frame f;
	char id[UB_ID_TEXT + 1];

	assert_true(ub_obj_u64(&o, "seq", 1, UB_JSON_INT_MAX) > 0);
	assert_true(ub_obj_u64(&o, "time", 1, UB_JSON_INT_MAX) > 0);
	ub_endpoint_encode(&sender->id, id);
	assert_true(ub_str_eqz(ub_obj_text(&o, "sender", 1, 64), id));
	text = ub_obj_text(&o, "frame", 1, 600);
	assert_int_equal(ub_obj_end(&o), UB_OK);
	assert_int_equal(ub_b64url_decode(text, bytes, text.len * 3 / 4), UB_OK);
	assert_int_equal(ub_frame_parse((struct ub_bytes){bytes, text.len * 3 / 4}, &f), UB_OK);
	return ub_get_u64(f.body.p + 1);
}

static void expect(const struct peer *p, const struct ub_room *room, const char *query, int status,
	const char *code)
{
	struct page r = get(p, room, query);

	assert_int_equal(r.status, status);
	assert_string_equal(r.code, code);
	json_decref(r.v);
}

static void expect_n(const struct peer *p, const struct ub_room *room, size_t n)
{
	struct page r = get(p, room, "");

	assert_int_equal(r.status, 200);
	assert_int_equal(r.n, n);
	json_decref(r.v);
}

static const struct ub_policy PERSIST = {.persist = true};

static void what_a_member_publishes_is_kept_and_echoed_once(void **state)
{
	struct cast c;
	struct rawbus a, b;
	uint64_t first, last;
	struct page r;

	(void)state;
	cast_make(&c, &PERSIST);
	enter(&a, &c.alice);
	enter(&b, &c.bob);
	subscribe(&a, &c.room);
	subscribe(&b, &c.room);
	publish(&a, &c.alice, &c.room, 1, "m1");
	publish(&a, &c.alice, &c.room, 1, "m1");
	first = next_live(&a);
	assert_int_equal(next_live(&b), first);
	publish(&b, &c.bob, &c.room, 1, "m2");
	last = next_live(&a);
	assert_true(last > first);
	assert_int_equal(next_live(&b), last);
	r = get(&c.bob, &c.room, "?after=0");
	assert_int_equal(r.status, 200);
	assert_int_equal(r.n, 2);
	assert_int_equal(message(&r, 0, &c.alice), F.sent - 2);
	assert_int_equal(message(&r, 1, &c.bob), F.sent);
	assert_int_equal(number(&r, "first"), 1);
	assert_int_equal(number(&r, "last"), last);
	assert_false(json_is_true(json_object_get(r.v, "more")));
	json_decref(r.v);
	r = get(&c.alice, &c.room, "?limit=1");
	assert_int_equal(r.n, 1);
	assert_int_equal(message(&r, 0, &c.bob), F.sent);
	assert_true(json_is_true(json_object_get(r.v, "more")));
	json_decref(r.v);
	rawbus_close(&a);
	rawbus_close(&b);
	cast_end(&c);
}

static void nobody_else_reads_or_writes_there(void **state)
{
	struct cast c;
	struct peer carl;
	struct rawbus b;
	struct ub_room none;

	(void)state;
	cast_make(&c, &PERSIST);
	enrol(&carl);
	expect(&carl, &c.room, "", 403, "denied");
	expect(NULL, &c.room, "", 401, "missing_headers");
	expect_n(&c.bob, &c.room, 0);
	enter(&b, &c.bob);
	publish(&b, &c.alice, &c.room, 1, "x1"); /* on alice's subject */
	assert_false(rawbus_quiet(&b));
	assert_non_null(strstr(b.err, "Permissions Violation"));
	rawbus_close(&b);
	enter(&b, &carl);
	publish(&b, &carl, &c.room, 1, "x2");
	assert_false(rawbus_quiet(&b));
	rawbus_close(&b);
	expect_n(&c.bob, &c.room, 0);
	assert_int_equal(peer_room_remove(&c.alice, &F.s, &c.room, &c.bob, NULL), 200);
	expect(&c.bob, &c.room, "", 403, "denied");
	expect_n(&c.alice, &c.room, 0);
	none = c.room;
	none.id.b[5] ^= 1;
	expect(&c.alice, &none, "", 404, "not_found");
	cast_end(&c);
}

static void malformed_questions_are_refused(void **state)
{
	static const char *const BAD[] = {"?after=0&before=9", "?after=-1", "?after=", "?after=x",
		"?before=01", "?before=9007199254740993", "?limit=0", "?limit=1001", "?limit=x",
		"?from=1", "?after=1&after=2"};
	struct cast c, plain;

	(void)state;
	cast_make(&c, &PERSIST);
	for (size_t i = 0; i < UB_ARRAY_LEN(BAD); i++)
		expect(&c.alice, &c.room, BAD[i], 400, "invalid");
	expect(&c.alice, &c.room, "?after=0&limit=1000", 200, "");
	expect(&c.alice, &c.room, "?before=9007199254740992", 200, "");
	cast_make(&plain, &(struct ub_policy){.sign = true});
	expect(&plain.alice, &plain.room, "", 409, "conflict");
	cast_end(&plain);
	cast_end(&c);
}

static void the_policy_says_who_sees_what(void **state)
{
	struct cast c, few;
	struct rawbus a;
	struct peer dora;

	(void)state;
	cast_make(&c, &(struct ub_policy){.persist = true, .since_join = true});
	cast_make(&few, &(struct ub_policy){.persist = true, .retain = {.messages = 3}});
	enrol(&dora);
	enter(&a, &c.alice);
	subscribe(&a, &c.room);
	publish(&a, &c.alice, &c.room, 0, "s0");
	publish(&a, &c.alice, &c.room, 1, "s1");
	(void)next_live(&a);
	(void)next_live(&a);
	expect_n(&c.alice, &c.room, 2);
	expect_n(&c.bob, &c.room, 1);
	assert_int_equal(peer_room_invite(&c.alice, &F.s, &c.room, &dora, UB_ROLE_READER), 200);
	expect_n(&dora, &c.room, 0);
	publish(&a, &c.alice, &c.room, 2, "s2");
	(void)next_live(&a);
	expect_n(&dora, &c.room, 1);
	expect_n(&c.bob, &c.room, 2);
	rawbus_close(&a);
	enter(&a, &few.alice);
	subscribe(&a, &few.room);
	for (int i = 0; i < 5; i++) {
		publish(&a, &few.alice, &few.room, 1, name("f"));
		(void)next_live(&a);
	}
	expect_n(&few.bob, &few.room, 3);
	rawbus_close(&a);
	cast_end(&c);
	cast_end(&few);
}

static void everything_is_there_after_restarts(void **state)
{
	struct cast c;
	struct rawbus a;
	uint64_t last;

	(void)state;
	cast_make(&c, &PERSIST);
	enter(&a, &c.alice);
	subscribe(&a, &c.room);
	publish(&a, &c.alice, &c.room, 1, "r1");
	last = next_live(&a);
	rawbus_close(&a);
	proc_kill(&F.s.md);
	assert_int_equal(stack_md_start(&F.s), 0);
	expect_n(&c.bob, &c.room, 1);
	proc_stop(&F.s.md);
	proc_kill(&F.s.nats);
	assert_int_equal(stack_nats_start(&F.s), 0);
	assert_int_equal(stack_md_start(&F.s), 0);
	expect_n(&c.bob, &c.room, 1);
	enter(&a, &c.alice);
	subscribe(&a, &c.room);
	publish(&a, &c.alice, &c.room, 1, "r2");
	assert_true(next_live(&a) > last);
	expect_n(&c.bob, &c.room, 2);
	rawbus_close(&a);
	cast_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_member_publishes_is_kept_and_echoed_once),
		cmocka_unit_test(nobody_else_reads_or_writes_there),
		cmocka_unit_test(malformed_questions_are_refused),
		cmocka_unit_test(the_policy_says_who_sees_what),
		cmocka_unit_test(everything_is_there_after_restarts),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
