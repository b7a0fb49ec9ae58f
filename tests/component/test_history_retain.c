/* What a room's policy no longer keeps is not there for readers at once, and removed by the sweep;
 * who may read is the domain's word. */
#include "tests/harness/logbus.h"

static struct logbus *B;

static int set_up(void **state)
{
	(void)state;
	B = logbus_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	logbus_free(B);
	return 0;
}

static struct ub_room room_with(const char *subject, struct ub_retain retain)
{
	struct ub_room room;

	assert_int_equal(kit_create(B->w, 1, subject,
				 (struct ub_policy){.persist = true, .retain = retain}, &room),
		UB_OK);
	return room;
}

static struct md_history_query query_in(const struct ub_room *room)
{
	struct md_history_query q = query_of(&room->id);

	q.retain = room->policy.retain;
	return q;
}

/* The pages of either direction hold exactly the frames [from, to]. */
static void assert_there(const struct ub_room *room, uint64_t from, uint64_t to)
{
	struct md_history_query q = query_in(room);
	struct got f, b;

	q.limit = GOT_MAX;
	f = after(B, q, 0);
	b = before(B, q, NEWEST);
	assert_int_equal(f.n, to - from + 1);
	assert_int_equal(b.n, f.n);
	for (size_t i = 0; i < f.n; i++) {
		assert_int_equal(f.no[i], from + i);
		assert_int_equal(b.no[i], from + i);
	}
	assert_false(b.span.more);
	q.limit = 3;
	b = before(B, q, NEWEST);
	assert_int_equal(b.n, f.n < 3 ? f.n : 3);
	assert_true(b.span.more == (f.n > 3));
}

/* How many messages lie in the stream, whatever the policy says. */
static size_t lying(const struct ub_room *room)
{
	struct md_history_query q = query_of(&room->id);

	q.limit = GOT_MAX;
	return after(B, q, 0).n;
}

static void sweep(uint64_t purged)
{
	uint64_t n = 0;

	assert_int_equal(md_history_sweep(B->h, B->w->s, &n), UB_OK);
	assert_int_equal(n, purged);
}

/* What earlier tests have left to be removed. */
static void sweep_first(void)
{
	uint64_t n;

	assert_int_equal(md_history_sweep(B->h, B->w->s, &n), UB_OK);
}

static void as_many_messages_as_the_policy_says(void **state)
{
	struct ub_room room = room_with("keep.messages", (struct ub_retain){.messages = 10});
	struct ub_room all = room_with("keep.all", (struct ub_retain){0});
	struct put p = {.room = &room.id, .who = 1}, o = {.room = &all.id, .who = 1};
	uint64_t from = B->sent + 1;

	(void)state;
	sweep_first();
	sweep(0);
	logbus_store(B, &p, 10);
	assert_there(&room, from, from + 9);
	sweep(0);
	logbus_store(B, &p, 1);
	assert_there(&room, from + 1, from + 10);
	logbus_store(B, &p, 200);
	assert_there(&room, from + 201, from + 210);
	assert_int_equal(lying(&room), 211);
	logbus_store(B, &o, 30);
	sweep(201);
	assert_int_equal(lying(&room), 10);
	assert_int_equal(lying(&all), 30);
	assert_there(&room, from + 201, from + 210);
	ub_room_deinit(&room);
	ub_room_deinit(&all);
}

static void as_many_bytes_as_the_policy_says(void **state)
{
	struct ub_room room = room_with("keep.bytes", (struct ub_retain){.bytes = 5000});
	struct put p = {.room = &room.id, .who = 1, .len = 892};
	uint64_t from = B->sent + 1;
	struct ub_buf f = frame_of(B, &p);
	size_t each = f.len;

	(void)state;
	sweep_first();
	ub_buf_deinit(&f);
	assert_true(each > 900 && 5 * each <= 5000 && 6 * each > 5000);
	from = B->sent + 1;
	logbus_store(B, &p, 5);
	assert_there(&room, from, from + 4);
	logbus_store(B, &p, 1);
	assert_there(&room, from + 1, from + 5);
	logbus_store(B, &p, 700);
	assert_there(&room, from + 701, from + 705);
	sweep(701);
	assert_int_equal(lying(&room), 5);
	assert_there(&room, from + 701, from + 705);
	/* One that is larger than what is kept leaves nothing. */
	p.len = 6000;
	logbus_store(B, &p, 1);
	assert_there(&room, 1, 0);
	p.len = 8;
	logbus_store(B, &p, 2);
	assert_there(&room, B->sent - 1, B->sent);
	ub_room_deinit(&room);
}

/* Messages that something else removed are not counted as there. */
static void bytes_are_counted_anew_when_others_remove(void **state)
{
	struct ub_room room = room_with("keep.both", (struct ub_retain){.bytes = 5000});
	struct put p = {.room = &room.id, .who = 1, .len = 892}, o = p;
	struct md_js_refusal no;
	json_t *v = NULL;
	char body[128], id[UB_ID_TEXT + 1], e[UB_ID_TEXT + 1], what[64];
	uint64_t from;
	unsigned shard = ub_wire_shard(&room.id, 4);

	(void)state;
	o.who = 2;
	logbus_store(B, &o, 3);
	logbus_store(B, &p, 2);
	assert_there(&room, B->sent - 4, B->sent);
	ub_room_id_encode(&room.id, id);
	ub_endpoint_encode(&B->w->p[2].id, e);
	snprintf(body, sizeof(body), "{\"filter\":\"unibus.log%u.%.22s.%.22s\"}", shard, id, e);
	snprintf(what, sizeof(what), "STREAM.PURGE.%s", md_log_name(shard).z);
	assert_int_equal(
		md_js_ask(B->js, &(struct md_js_ask){what, ub_str(body), 5000}, &v, &no), UB_OK);
	json_decref(v);
	from = B->sent - 1;
	logbus_store(B, &p, 3);
	assert_there(&room, from, B->sent);
	ub_room_deinit(&room);
}

static void no_older_than_the_policy_says(void **state)
{
	struct ub_room room = room_with("keep.age", (struct ub_retain){.age_s = 2});
	struct put p = {.room = &room.id, .who = 1};
	struct md_history_query q = query_in(&room);

	(void)state;
	sweep_first();
	logbus_store(B, &p, 5);
	assert_there(&room, B->sent - 4, B->sent);
	while (after(B, q, 0).n > 0)
		;
	assert_int_equal(lying(&room), 5);
	assert_int_equal(before(B, q, NEWEST).n, 0);
	sweep(5);
	assert_int_equal(lying(&room), 0);
	logbus_store(B, &p, 1);
	assert_there(&room, B->sent, B->sent);
	ub_room_deinit(&room);
}

/* ---- who may read ---- */

static struct md_span page_of(unsigned who, const struct ub_room *room, ub_err want, struct got *g)
{
	struct md_caller by = kit_caller(B->w, who);
	struct md_page page = {.limit = 100};
	struct md_span span = {0};

	*g = (struct got){.n = 0};
	assert_int_equal(
		md_room_messages(B->w->s, &by, &room->id, &page, on_frame, g, &span), want);
	return span;
}

static void members_read_and_nobody_else(void **state)
{
	struct ub_room room = room_with("read.members", (struct ub_retain){0});
	struct got g;

	(void)state;
	assert_int_equal(kit_invite(B->w, &room, 1, 2, UB_ROLE_READER), UB_OK);
	logbus_store(B, &(struct put){.room = &room.id, .who = 1}, 3);
	page_of(1, &room, UB_OK, &g);
	assert_int_equal(g.n, 3);
	page_of(2, &room, UB_OK, &g);
	assert_int_equal(g.n, 3);
	page_of(3, &room, UNIBUS_ERR_DENIED, &g);
	assert_int_equal(g.n, 0);
	assert_int_equal(kit_remove(B->w, &room, 1, 2), UB_OK);
	page_of(2, &room, UNIBUS_ERR_DENIED, &g);
	assert_int_equal(g.n, 0);
	assert_int_equal(kit_invite(B->w, &room, 1, 2, UB_ROLE_READER), UB_OK);
	page_of(2, &room, UB_OK, &g);
	assert_int_equal(g.n, 3);
	ub_room_deinit(&room);
}

static void a_room_that_keeps_nothing_has_no_messages(void **state)
{
	struct ub_room room;
	struct got g;

	(void)state;
	assert_int_equal(
		kit_create(B->w, 1, "read.nothing", (struct ub_policy){.sign = true}, &room),
		UB_OK);
	page_of(1, &room, UNIBUS_ERR_CONFLICT, &g);
	room.id.b[0] ^= 1;
	page_of(1, &room, UNIBUS_ERR_NOT_FOUND, &g);
	ub_room_deinit(&room);
}

/* Under since_join a member sees what was sent by those who knew of his latest add. */
static void a_member_sees_since_his_latest_add(void **state)
{
	const struct ub_policy policy = {.persist = true, .since_join = true};
	struct ub_room room;
	struct put p = {.room = &room.id, .who = 1};
	struct got g;

	(void)state;
	assert_int_equal(kit_create(B->w, 1, "read.since", policy, &room), UB_OK);
	logbus_store(B, &p, 4);
	assert_int_equal(kit_invite(B->w, &room, 1, 2, UB_ROLE_MEMBER), UB_OK);
	logbus_store(B, &p, 2); /* by one who has not heard of it yet */
	p.room_seq = room.seq;
	logbus_store(B, &p, 3);
	page_of(1, &room, UB_OK, &g);
	assert_int_equal(g.n, 9);
	page_of(2, &room, UB_OK, &g);
	assert_int_equal(g.n, 3);
	assert_int_equal(g.no[0], B->sent - 2);
	assert_int_equal(kit_remove(B->w, &room, 1, 2), UB_OK);
	p.room_seq = room.seq;
	logbus_store(B, &p, 5);
	assert_int_equal(kit_invite(B->w, &room, 1, 2, UB_ROLE_MEMBER), UB_OK);
	page_of(2, &room, UB_OK, &g);
	assert_int_equal(g.n, 0);
	p.room_seq = room.seq;
	logbus_store(B, &p, 1);
	page_of(2, &room, UB_OK, &g);
	assert_int_equal(g.n, 1);
	page_of(1, &room, UB_OK, &g);
	assert_int_equal(g.n, 15);
	ub_room_deinit(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_messages_as_the_policy_says),
		cmocka_unit_test(as_many_bytes_as_the_policy_says),
		cmocka_unit_test(bytes_are_counted_anew_when_others_remove),
		cmocka_unit_test(no_older_than_the_policy_says),
		cmocka_unit_test(members_read_and_nobody_else),
		cmocka_unit_test(a_room_that_keeps_nothing_has_no_messages),
		cmocka_unit_test(a_member_sees_since_his_latest_add),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
