/* Stored frames over a real nats-server: kept once, echoed, read in pages either way. */
#include <unistd.h>

#include "membershipd/nats/link_internal.h"
#include "tests/harness/logbus.h"
#include "tests/harness/rawbus.h"

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

/* Numbers from, from + 1 ... */
static void assert_run(const struct got *g, size_t n, uint64_t from)
{
	assert_int_equal(g->n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(g->no[i], from + i);
		assert_true(i == 0 || g->seq[i] > g->seq[i - 1]);
	}
}

/* ---- keeping ---- */

static void publish_msg(const struct put *p, const char *msg_id, const char *reply)
{
	struct ub_buf f = frame_of(B, p);
	struct plane *bus = &B->link->planes[MD_PLANE_BUS];
	struct ub_wire subject;
	natsMsg *m = NULL;

	subject_of(p, B, &subject);
	assert_int_equal(
		natsMsg_Create(&m, subject.z, reply, (const char *)f.p, (int)f.len), NATS_OK);
	if (msg_id[0])
		assert_int_equal(natsMsgHeader_Set(m, "Nats-Msg-Id", msg_id), NATS_OK);
	assert_int_equal(natsConnection_PublishMsg(bus->nc, m), NATS_OK);
	natsMsg_Destroy(m);
	ub_buf_deinit(&f);
}

static void a_frame_is_kept_once_however_often_it_is_sent(void **state)
{
	struct ub_room_id room = room_of(0, 1);
	struct put p = {.room = &room, .who = 1};
	uint64_t at = logbus_seen(B, &B->echoes);
	struct got g;

	(void)state;
	publish_msg(&p, "one", NULL);
	publish_msg(&p, "one", NULL);
	publish_msg(&p, "two", NULL);
	logbus_wait(B, &B->echoes, at + 2);
	g = after(B, query_of(&room), 0);
	assert_int_equal(g.n, 2);
	assert_int_equal(g.no[0] + 2, g.no[1]);
	assert_int_equal(logbus_seen(B, &B->echoes), at + 2);
	assert_int_equal(g.seq[1], logbus_seen(B, &B->last_seq));
	assert_memory_equal(g.sender[0].b, B->w->p[1].id.b, 32);
}

static void no_acknowledgment_goes_to_a_reply_subject(void **state)
{
	struct ub_room_id room = room_of(0, 2);
	struct put p = {.room = &room, .who = 1};
	uint64_t at = logbus_seen(B, &B->echoes);

	(void)state;
	publish_msg(&p, "r1", "ack");
	publish_msg(&p, "r2", "ack");
	logbus_wait(B, &B->echoes, at + 2);
	/* Acknowledgments would have come before this. */
	assert_int_equal(
		md_link_publish(B->link, MD_PLANE_BUS, "ack", NULL, (struct ub_bytes){NULL, 0}),
		UB_OK);
	logbus_wait(B, &B->acks, 1);
	assert_int_equal(logbus_seen(B, &B->acks), 1);
}

static void what_another_sender_claims_is_not_there(void **state)
{
	struct ub_room_id room = room_of(0, 3);
	struct got g;

	(void)state;
	logbus_store(B, &(struct put){.room = &room, .who = 1}, 1);
	logbus_store(B, &(struct put){.room = &room, .who = 1, .sender = 2 + 1}, 1);
	logbus_store(B, &(struct put){.room = &room, .who = 2}, 1);
	g = after(B, query_of(&room), 0);
	assert_int_equal(g.n, 2);
	assert_memory_equal(g.sender[0].b, B->w->p[1].id.b, 32);
	assert_memory_equal(g.sender[1].b, B->w->p[2].id.b, 32);
	assert_int_equal(g.span.last, logbus_seen(B, &B->last_seq));
}

static void send_raw(struct rawbus *r, const struct put *p, const char *hdr, size_t hdr_len)
{
	struct ub_buf f = frame_of(B, p), out = UB_BUF(4096);
	struct ub_wire subject;
	size_t at = 0;

	subject_of(p, B, &subject);
	ub_buf_printf(&out, "HPUB %s %zu %zu\r\n", subject.z, hdr_len, hdr_len + f.len);
	ub_buf_put(&out, hdr, hdr_len);
	ub_buf_put(&out, f.p, f.len);
	ub_buf_z(&out, "\r\n");
	while (at < out.len) {
		ssize_t n = write(r->fd, out.p + at, out.len - at);

		assert_true(n > 0);
		at += (size_t)n;
	}
	ub_buf_deinit(&f);
	ub_buf_deinit(&out);
}

/* A peer writes any bytes for headers: the server lives, its own words are the ones that count,
 * and everybody else's frames are there. */
static void hostile_headers_harm_nobody(void **state)
{
	static const struct {
		const char *hdr;
		size_t len;
	} ROWS[] = {
		{"X", 1},
		{"XY", 2},
		{"\r\n", 2},
		{"NATS", 4},
		{"NATS/1.0", 8},
		{"NATS/1.0\r\n", 10},
		{"NATS/1.0\r\nfoo", 13},
		{"NATS/1.0\r\nfoo\r\n\r\n", 17},
		{"NATS/1.0\r\n\0\r\n\r\n", 15},
		{"NATS/1.0\r\n folded: x\r\n\r\n", 25},
		{"NATS/1.0 204 EOB\r\n\r\n", 20},
		{"NATS/1.0 404\r\n\r\n", 16},
		{"NATS/1.0 503\r\n\r\n", 16},
		{"NATS/1.0\r\nStatus: 204\r\n\r\n", 25},
		{"NATS/1.0\r\nNats-Sequence: 1\r\nNats-Sequence: 9\r\n\r\n", 48},
		{"NATS/1.0\r\nNats-Sequence: 1\r\n\r\nX: y\r\n\r\n", 38},
		{"NATS/1.0\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 1\r\n\r\n", 57},
		{"NATS/1.0\r\nNats-Rollup: sub\r\n\r\n", 30},
		{"NATS/1.0\r\nNats-Rollup: all\r\n\r\n", 30},
		{"NATS/1.0\r\nNats-TTL: 1s\r\n\r\n", 26},
		{"NATS/1.0\r\nNats-Expected-Last-Sequence: 0\r\n\r\n", 44},
	};
	struct ub_room_id room = room_of(0, 4);
	struct put evil = {.room = &room, .who = 1}, good = {.room = &room, .who = 2};
	struct rawbus r;
	struct got g;
	size_t seen = 0;

	(void)state;
	assert_int_equal(rawbus_enter(&r, B->s.nats_port, &B->keys->user[MD_PLANE_BUS]), RAWBUS_IN);
	for (size_t i = 0; i < UB_ARRAY_LEN(ROWS); i++) {
		send_raw(&r, &evil, ROWS[i].hdr, ROWS[i].len);
		assert_true(rawbus_quiet(&r));
		(void)logbus_store(B, &good, 1);
	}
	rawbus_close(&r);
	assert_true(proc_alive(&B->s.nats));
	g = after(B, query_of(&room), 0);
	for (size_t i = 0; i < g.n; i++) {
		/* What is there is at its own place and its own sender's. */
		assert_true(i == 0 || g.seq[i] > g.seq[i - 1]);
		seen += memcmp(g.sender[i].b, B->w->p[2].id.b, 32) == 0;
	}
	assert_int_equal(seen, UB_ARRAY_LEN(ROWS));
	assert_int_equal(g.span.last, logbus_seen(B, &B->last_seq));
	assert_false(g.span.more);
	g = before(B, query_of(&room), NEWEST);
	assert_true(g.n >= UB_ARRAY_LEN(ROWS));
	assert_int_equal(g.seq[g.n - 1], logbus_seen(B, &B->last_seq));
}

/* Another's name in the headers is not the broker's word. */
static void a_forged_subject_is_not_believed(void **state)
{
	struct ub_room_id room = room_of(0, 5);
	struct put p = {.room = &room, .who = 1, .sender = 2 + 1};
	struct ub_wire victim;
	struct rawbus r;
	char hdr[256];
	struct got g;
	int n;

	(void)state;
	subject_of(&(struct put){.room = &room, .who = 2}, B, &victim);
	assert_int_equal(rawbus_enter(&r, B->s.nats_port, &B->keys->user[MD_PLANE_BUS]), RAWBUS_IN);
	n = snprintf(hdr, sizeof(hdr), "NATS/1.0\r\nNats-Subject: %s\r\n\r\n", victim.z);
	send_raw(&r, &p, hdr, (size_t)n);
	n = snprintf(
		hdr, sizeof(hdr), "NATS/1.0\r\nNats-Subject: %s\r\n\r\nX: y\r\n\r\n", victim.z);
	send_raw(&r, &p, hdr, (size_t)n);
	assert_true(rawbus_quiet(&r));
	rawbus_close(&r);
	logbus_store(B, &(struct put){.room = &room, .who = 2}, 1);
	g = after(B, query_of(&room), 0);
	assert_run(&g, 1, B->sent);
}

/* ---- reading ---- */

static void an_empty_room_says_so(void **state)
{
	struct ub_room_id room = room_of(1, 1);
	struct got g = after(B, query_of(&room), 0);

	(void)state;
	assert_int_equal(g.n, 0);
	assert_int_equal(g.span.first, 1);
	assert_int_equal(g.span.last, 0);
	assert_false(g.span.more);
	g = before(B, query_of(&room), NEWEST);
	assert_int_equal(g.n, 0);
	assert_int_equal(g.span.last + 1, g.span.first);
	assert_false(g.span.more);
	g = before(B, query_of(&room), 0);
	assert_int_equal(g.n, 0);
	assert_int_equal(g.span.first, 1);
	assert_int_equal(g.span.last, 0);
	g = after(B, query_of(&room), NEWEST - 1);
	assert_int_equal(g.n, 0);
	assert_int_equal(g.span.last, NEWEST - 1);
}

static void every_edge_of_a_page(void **state)
{
	struct ub_room_id room = room_of(1, 2);
	struct md_history_query q = query_of(&room);
	uint64_t from, first, last;
	struct got g;

	(void)state;
	first = logbus_store(B, &(struct put){.room = &room, .who = 1}, 1);
	from = B->sent;
	last = logbus_store(B, &(struct put){.room = &room, .who = 2}, 9);
	g = after(B, q, 0);
	assert_run(&g, 10, from);
	assert_int_equal(g.span.last, last);
	assert_false(g.span.more);
	g = after(B, q, first);
	assert_run(&g, 9, from + 1);
	g = after(B, q, last - 1);
	assert_run(&g, 1, from + 9);
	g = after(B, q, last);
	assert_run(&g, 0, 0);
	assert_int_equal(g.span.last, last);
	g = before(B, q, last + 1);
	assert_run(&g, 10, from);
	assert_false(g.span.more);
	g = before(B, q, last);
	assert_run(&g, 9, from);
	assert_int_equal(g.span.last, last - 1);
	g = before(B, q, first + 1);
	assert_run(&g, 1, from);
	g = before(B, q, first);
	assert_run(&g, 0, 0);
	q.limit = 10;
	g = after(B, q, 0);
	assert_run(&g, 10, from);
	assert_false(g.span.more);
	g = before(B, q, NEWEST);
	assert_run(&g, 10, from);
	assert_false(g.span.more);
	q.limit = 9;
	g = after(B, q, 0);
	assert_run(&g, 9, from);
	assert_true(g.span.more);
	g = before(B, q, NEWEST);
	assert_run(&g, 9, from + 1);
	assert_true(g.span.more);
	assert_int_equal(g.span.first, g.seq[0]);
}

/* Three rooms of one shard, woven together: each one's pages hold its own frames only, all of
 * them, once, in order, either way. */
static void rooms_of_a_shard_never_mix(void **state)
{
	struct ub_room_id rooms[3] = {room_of(2, 1), room_of(2, 2), room_of(6, 1)};
	static const size_t LIMITS[] = {1, 7, 50, 1000};
	uint64_t no[3][400];
	size_t n[3] = {0};

	(void)state;
	for (size_t i = 0; i < 400; i++) {
		size_t r = i % 7 == 0 ? 1 : i % 11 == 0 ? 2 : 0;

		logbus_store(B, &(struct put){.room = &rooms[r], .who = (unsigned)(i % 3)}, 1);
		no[r][n[r]++] = B->sent;
	}
	for (size_t r = 0; r < 3; r++) {
		for (size_t k = 0; k < UB_ARRAY_LEN(LIMITS); k++) {
			struct md_history_query q = query_of(&rooms[r]);
			size_t at = 0, left = n[r];
			struct got g = {.span = {1, 0, true}};

			q.limit = LIMITS[k];
			while (g.span.more) {
				g = after(B, q, g.span.last);
				for (size_t i = 0; i < g.n; i++)
					assert_int_equal(g.no[i], no[r][at++]);
			}
			assert_int_equal(at, n[r]);
			g.span = (struct md_span){NEWEST, 0, true};
			while (g.span.more) {
				g = before(B, q, g.span.first);
				assert_true(g.n <= left && g.n > 0);
				left -= g.n;
				for (size_t i = 0; i < g.n; i++)
					assert_int_equal(g.no[i], no[r][left + i]);
			}
			assert_int_equal(left, 0);
		}
	}
}

static void a_page_is_at_most_a_mebibyte(void **state)
{
	struct ub_room_id room = room_of(3, 1);
	struct md_history_query q = query_of(&room);
	struct got g = {.span = {1, 0, true}};
	uint64_t from = B->sent + 1;
	size_t n = 0;

	(void)state;
	q.limit = 1000;
	logbus_store(B, &(struct put){.room = &room, .who = 1, .len = UB_PAYLOAD_MAX}, 40);
	while (g.span.more) {
		g = after(B, q, g.span.last);
		assert_run(&g, g.n, from + n);
		assert_true(g.n > 0 && g.bytes <= 1024 * 1024);
		n += g.n;
	}
	assert_int_equal(n, 40);
	g.span = (struct md_span){NEWEST, 0, true};
	while (g.span.more) {
		g = before(B, q, g.span.first);
		assert_true(g.n > 0 && g.bytes <= 1024 * 1024);
		n -= g.n;
		assert_run(&g, g.n, from + n);
	}
	assert_int_equal(n, 0);
}

static void frames_from_before_the_reader_came_are_not_there(void **state)
{
	struct ub_room_id room = room_of(3, 2);
	struct md_history_query q = query_of(&room);
	uint64_t from = B->sent + 1;
	struct got g;

	(void)state;
	q.limit = 20;
	logbus_store(B, &(struct put){.room = &room, .who = 1, .room_seq = 3}, 700);
	logbus_store(B, &(struct put){.room = &room, .who = 1, .room_seq = 4}, 10);
	logbus_store(B, &(struct put){.room = &room, .who = 2, .room_seq = 3}, 1); /* late */
	logbus_store(B, &(struct put){.room = &room, .who = 1, .room_seq = 5}, 10);
	q.min_room_seq = 3;
	g = after(B, q, 0);
	assert_run(&g, 20, from);
	q.min_room_seq = 4;
	for (int twice = 0; twice < 2; twice++) {
		g = after(B, q, 0);
		assert_int_equal(g.n, 20);
		assert_int_equal(g.no[0], from + 700);
		assert_int_equal(g.no[9], from + 709);
		assert_int_equal(g.no[10], from + 711);
		assert_int_equal(g.span.last, logbus_seen(B, &B->last_seq));
		g = before(B, q, NEWEST);
		assert_int_equal(g.n, 20);
		assert_int_equal(g.no[0], from + 700);
		assert_false(g.span.more);
	}
	q.min_room_seq = 6;
	g = after(B, q, 0);
	assert_int_equal(g.n, 0);
	assert_false(g.span.more);
	g = before(B, q, NEWEST);
	assert_int_equal(g.n, 0);
	logbus_store(B, &(struct put){.room = &room, .who = 1, .room_seq = 6}, 1);
	g = after(B, q, 0);
	assert_run(&g, 1, B->sent);
	g = before(B, q, NEWEST);
	assert_run(&g, 1, B->sent);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void a_room_of_5000_is_read_quickly(void **state)
{
	struct ub_room_id room = room_of(1, 9), other = room_of(5, 9);
	struct md_history_query q = query_of(&room);
	struct got g = {.span = {1, 0, true}};
	uint64_t start, page = 0, all;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		logbus_store(B, &(struct put){.room = &room, .who = 1, .len = 200}, 1000);
		logbus_store(B, &(struct put){.room = &other, .who = 1, .len = 200}, 300);
	}
	start = now_ms();
	while (g.span.more) {
		g = after(B, q, g.span.last);
		n += g.n;
	}
	all = now_ms() - start;
	assert_int_equal(n, 5000);
	assert_true(all < 10000);
	g.span = (struct md_span){NEWEST, 0, true};
	while (g.span.more) {
		uint64_t t = now_ms();

		g = before(B, q, g.span.first);
		n -= g.n;
		page = now_ms() - t > page ? now_ms() - t : page;
	}
	assert_int_equal(n, 0);
	assert_true(page < 2000);
	print_message("5,000 frames forward in %u ms, slowest page backward %u ms\n", (unsigned)all,
		(unsigned)page);
}

/* ---- no more room ---- */

static void bus_purge(const char *stream)
{
	struct md_js_refusal no;
	char what[64];
	json_t *v;

	snprintf(what, sizeof(what), "STREAM.PURGE.%s", stream);
	assert_int_equal(
		md_js_ask(B->js, &(struct md_js_ask){what, {NULL, 0}, 5000}, &v, &no), UB_OK);
	json_decref(v);
}

static void set_max_bytes(const char *stream, json_int_t max)
{
	struct md_js_refusal no;
	char what[64], *text;
	json_t *v, *config;

	snprintf(what, sizeof(what), "STREAM.INFO.%s", stream);
	assert_int_equal(
		md_js_ask(B->js, &(struct md_js_ask){what, {NULL, 0}, 5000}, &v, &no), UB_OK);
	config = json_object_get(v, "config");
	json_object_set_new(config, "max_bytes", json_integer(max));
	text = json_dumps(config, 0);
	json_decref(v);
	snprintf(what, sizeof(what), "STREAM.UPDATE.%s", stream);
	assert_int_equal(
		md_js_ask(B->js, &(struct md_js_ask){what, ub_str(text), 5000}, &v, &no), UB_OK);
	json_decref(v);
	free(text);
}

static bool echoed(uint64_t n)
{
	struct timespec end;
	int rc = 0;
	bool there;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 1;
	pthread_mutex_lock(&B->lock);
	while (B->echoes < n && rc == 0)
		rc = pthread_cond_timedwait(&B->heard, &B->lock, &end);
	there = B->echoes >= n;
	pthread_mutex_unlock(&B->lock);
	return there;
}

/* What was acknowledged stays; what does not fit is not acknowledged. */
static void a_full_stream_keeps_what_it_acknowledged(void **state)
{
	struct ub_room_id room = room_of(7, 1);
	struct put p = {.room = &room, .who = 1, .len = 30000};
	uint64_t from = B->sent + 1, n = 0, at;
	struct got g;

	(void)state;
	bus_purge("UNIBUS_LOG_3");
	set_max_bytes("UNIBUS_LOG_3", 200000);
	do {
		at = logbus_seen(B, &B->echoes);
		publish_msg(&p, "", NULL);
	} while (echoed(at + 1) && ++n < 100);
	assert_true(n >= 3 && n < 10);
	g = after(B, query_of(&room), 0);
	assert_run(&g, n, from);
	set_max_bytes("UNIBUS_LOG_3", 20000000);
	logbus_store(B, &p, 1);
	g = after(B, query_of(&room), 0);
	assert_int_equal(g.n, n + 1);
	assert_int_equal(g.no[0], from);
}

/* ---- the server goes and comes ---- */

static void history_outlives_the_server(void **state)
{
	struct ub_room_id room = room_of(3, 3);
	struct md_history_query q = query_of(&room);
	uint64_t from = B->sent + 1, last;
	struct got g;

	(void)state;
	last = logbus_store(B, &(struct put){.room = &room, .who = 1}, 5);
	proc_kill(&B->s.nats);
	while (md_link_state(B->link) == MD_LINK_UP)
		(void)md_link_wait(B->link, 10);
	assert_int_equal(ask_page(B, &q, &g), UNIBUS_ERR_UNAVAILABLE);
	assert_int_equal(stack_nats_start(&B->s), 0);
	assert_int_equal(md_link_wait(B->link, 20000), MD_LINK_UP);
	while (ask_page(B, &q, &g) == UNIBUS_ERR_UNAVAILABLE)
		;
	assert_run(&g, 5, from);
	assert_true(logbus_store(B, &(struct put){.room = &room, .who = 1}, 1) > last);
	g = before(B, q, NEWEST);
	assert_run(&g, 6, from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_kept_once_however_often_it_is_sent),
		cmocka_unit_test(no_acknowledgment_goes_to_a_reply_subject),
		cmocka_unit_test(what_another_sender_claims_is_not_there),
		cmocka_unit_test(hostile_headers_harm_nobody),
		cmocka_unit_test(a_forged_subject_is_not_believed),
		cmocka_unit_test(an_empty_room_says_so),
		cmocka_unit_test(every_edge_of_a_page),
		cmocka_unit_test(rooms_of_a_shard_never_mix),
		cmocka_unit_test(a_page_is_at_most_a_mebibyte),
		cmocka_unit_test(frames_from_before_the_reader_came_are_not_there),
		cmocka_unit_test(a_room_of_5000_is_read_quickly),
		cmocka_unit_test(a_full_stream_keeps_what_it_acknowledged),
		cmocka_unit_test(history_outlives_the_server),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
