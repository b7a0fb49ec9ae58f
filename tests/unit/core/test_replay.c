/* The replay window: in order, out of order, twice, at its edges, across sessions, on disk. */
#include "tests/unit/core/vectors.h"

#include "core/replay.h"
#include "core/ulid.h"

#define NOW 1785500000000
#define W UB_REPLAY_WINDOW

static ub_err check(const struct ub_replay *r, uint64_t session, uint64_t seq)
{
	static const uint8_t random[10];
	struct ub_ulid id;

	ub_ulid_make(NOW, random, &id);
	return ub_replay_check(r, session, seq, &id, NOW);
}

/* What a receiver does: judge, then note. */
static ub_err take(struct ub_replay *r, uint64_t session, uint64_t seq, uint64_t *ret_gap)
{
	ub_err err = check(r, session, seq);

	if (!err)
		ub_replay_note(r, session, seq, ret_gap);
	return err;
}

struct step {
	uint64_t session, seq;
	ub_err err;
	uint64_t gap;     /* when taken */
	uint64_t missing; /* of that session, afterwards */
};

static const struct ub_replay_session *find(const struct ub_replay *r, uint64_t session)
{
	for (size_t i = 0; i < UB_REPLAY_SESSIONS; i++) {
		if (r->s[i].session == session)
			return &r->s[i];
	}
	fail_msg("the session is not kept");
	abort();
}

static void run(struct ub_replay *r, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		const struct ub_replay_session *kept;
		struct ub_replay before = *r;
		uint64_t gap = 0;

		print_message("session %llu seq %llu\n", (unsigned long long)s->session,
			(unsigned long long)s->seq);
		assert_int_equal(take(r, s->session, s->seq, &gap), s->err);
		if (s->err) {
			assert_memory_equal(r, &before, sizeof(before));
			continue;
		}
		assert_true(gap == s->gap);
		kept = find(r, s->session);
		assert_true(kept->missing == s->missing);
		assert_int_equal(check(r, s->session, s->seq), UNIBUS_ERR_REPLAY);
	}
}
#define RUN(r, steps) run(r, steps, UB_ARRAY_LEN(steps))
#define NO UNIBUS_ERR_REPLAY

static void in_order_reordered_and_twice(void **state)
{
	static const struct step steps[] = {
		{5, 1, UB_OK, 0, 0},
		{5, 2, UB_OK, 0, 0},
		{5, 2, NO, 0, 0},
		{5, 1, NO, 0, 0},
		{5, 6, UB_OK, 3, 0},
		{5, 4, UB_OK, 0, 0},
		{5, 3, UB_OK, 0, 0},
		{5, 4, NO, 0, 0},
		{5, 5, UB_OK, 0, 0},
		{5, 5, NO, 0, 0},
		{5, 0, NO, 0, 0},
		{5, 7, UB_OK, 0, 0},
	};
	struct ub_replay r = {0};

	(void)state;
	RUN(&r, steps);
}

static void the_window_has_two_edges(void **state)
{
	static const struct step steps[] = {
		{5, W, UB_OK, W - 1, 0},
		{5, 1, UB_OK, 0, 0},                 /* the oldest in the window */
		{5, W + 2, UB_OK, 1, 1},             /* 1 was seen, 2 is lost */
		{5, 1, NO, 0, 0},                    /* below the window */
		{5, 2, NO, 0, 0},                    /* the last one below */
		{5, 3, UB_OK, 0, 1},                 /* the first one inside */
		{5, 3, NO, 0, 0},                    /* twice */
		{5, 2 * W + 2, UB_OK, W - 1, W - 2}, /* of 1 to W + 2, four were seen */
		{5, W + 2, NO, 0, 0},
		{5, W + 3, UB_OK, 0, W - 2},
	};
	struct ub_replay r = {0};

	(void)state;
	RUN(&r, steps);
}

static void a_jump_beyond_the_window_counts_all_that_is_missing(void **state)
{
	static const struct step steps[] = {
		{5, 1, UB_OK, 0, 0},
		{5, 10 * W, UB_OK, 10 * W - 2, 9 * W - 1},
		{5, 9 * W, NO, 0, 0},
		{5, 9 * W + 1, UB_OK, 0, 9 * W - 1},
		{5, UINT64_MAX, UB_OK, UINT64_MAX - 10 * W - 1, UINT64_MAX - W - 3},
		{5, UINT64_MAX - W, NO, 0, 0},
		{5, UINT64_MAX - W + 1, UB_OK, 0, UINT64_MAX - W - 3},
		{5, 0, NO, 0, 0},
	};
	struct ub_replay r = {0};

	(void)state;
	RUN(&r, steps);
}

static void a_ninth_session_raises_the_floor(void **state)
{
	static const struct step first[] = {
		{10, 1, UB_OK, 0, 0},
		{30, 1, UB_OK, 0, 0},
		{20, 1, UB_OK, 0, 0}, /* not in order of age */
		{40, 1, UB_OK, 0, 0},
		{50, 1, UB_OK, 0, 0},
		{60, 1, UB_OK, 0, 0},
		{70, 1, UB_OK, 0, 0},
		{80, 1, UB_OK, 0, 0},
		{5, 1, NO, 0, 0},     /* older than the eight that are kept */
		{10, 2, UB_OK, 0, 0}, /* the oldest still goes on */
		{85, 3, UB_OK, 2, 0}, /* the ninth pushes 10 out */
		{10, 3, NO, 0, 0},    /* at the floor */
		{9, 1, NO, 0, 0},     /* below it */
		{11, 1, NO, 0, 0},    /* above it, but older than all eight */
		{20, 2, UB_OK, 0, 0},
		{75, 1, UB_OK, 0, 0}, /* between others: pushes 20 out */
		{20, 3, NO, 0, 0},
		{30, 2, UB_OK, 0, 0},
		{0, 1, NO, 0, 0},
		{UINT64_MAX, 1, UB_OK, 0, 0},
	};
	struct ub_replay r = {0};

	(void)state;
	RUN(&r, first);
	assert_true(r.floor == 30);
}

static void check_alone_changes_nothing_and_note_of_a_replay_neither(void **state)
{
	struct ub_replay r = {.floor = 4}, before;
	uint64_t gap = 9;

	(void)state;
	before = r;
	assert_int_equal(check(&r, 5, 1), UB_OK);
	assert_int_equal(check(&r, 5, 1), UB_OK);
	ub_replay_note(&r, 4, 1, &gap);
	assert_true(gap == 0);
	assert_memory_equal(&r, &before, sizeof(r));
}

static void the_time_in_the_id_is_within_five_minutes(void **state)
{
	static const struct {
		uint64_t id_ms, now_ms;
		ub_err err;
	} rows[] = {
		{NOW, NOW, UB_OK},
		{NOW - UB_FRAME_AGE_MAX_MS, NOW, UB_OK},
		{NOW - UB_FRAME_AGE_MAX_MS - 1, NOW, UNIBUS_ERR_REPLAY},
		{NOW + UB_FRAME_AGE_MAX_MS, NOW, UB_OK},
		{NOW + UB_FRAME_AGE_MAX_MS + 1, NOW, UNIBUS_ERR_REPLAY},
		{0, NOW, UNIBUS_ERR_REPLAY},
		{(1ULL << 48) - 1, NOW, UNIBUS_ERR_REPLAY},
		{0, 0, UB_OK},
		{NOW, 0, UNIBUS_ERR_REPLAY},
		{0, UINT64_MAX, UNIBUS_ERR_REPLAY},
	};
	static const uint8_t random[10];
	struct ub_replay r = {0};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		struct ub_ulid id;

		ub_ulid_make(rows[i].id_ms, random, &id);
		assert_int_equal(ub_replay_check(&r, 5, 1, &id, rows[i].now_ms), rows[i].err);
	}
}

/* Every seq once, in an order mixed within the window, none refused; then all of them refused. */
static void any_order_within_the_window_is_taken_once(void **state)
{
	struct ub_replay r = {0};
	uint64_t gap;

	(void)state;
	for (uint64_t block = 0; block < 8; block++) {
		for (uint64_t i = 0; i < 512; i++)
			assert_int_equal(
				take(&r, 5, block * 512 + 1 + (i * 197 + 13) % 512, &gap), UB_OK);
	}
	for (uint64_t seq = 0; seq <= 8 * 512; seq++)
		assert_int_equal(check(&r, 5, seq), UNIBUS_ERR_REPLAY);
	assert_true(r.s[0].missing == 0);
	assert_int_equal(check(&r, 5, 8 * 512 + 1), UB_OK);
}

static struct ub_replay sample(void)
{
	struct ub_replay r = {0};
	uint64_t gap;

	for (uint64_t session = 10; session < 20; session++) {
		ub_replay_note(&r, session, 1, &gap);
		ub_replay_note(&r, session, session * 300, &gap);
		ub_replay_note(&r, session, session * 300 - 7, &gap);
	}
	return r;
}

static void what_was_saved_loads_the_same(void **state)
{
	struct ub_replay rows[] = {{0}, {.floor = 7}, sample()};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);
		struct ub_replay back = {.floor = 99};
		struct ub_cursor c;

		ub_replay_save(&rows[i], &out);
		ub_buf_z(&out, "rest");
		assert_int_equal(ub_buf_err(&out), UB_OK);
		c = ub_cursor(out.p, out.len);
		assert_int_equal(ub_replay_load(&c, &back), UB_OK);
		assert_memory_equal(&back, &rows[i], sizeof(back));
		assert_int_equal(ub_cursor_left(&c), 4);
	}
}

static ub_err load(const uint8_t *p, size_t len)
{
	struct ub_replay ret = {.floor = 77}, untouched = ret;
	struct ub_cursor c = ub_cursor(p, len);
	ub_err err = ub_replay_load(&c, &ret);

	if (err)
		assert_memory_equal(&ret, &untouched, sizeof(ret));
	return err;
}

static void a_cut_file_does_not_load(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);
	struct ub_replay r = sample();

	(void)state;
	ub_replay_save(&r, &out);
	for (size_t len = 0; len < out.len; len++)
		assert_int_equal(load(out.p, len), UNIBUS_ERR_INVALID);
	assert_int_equal(load(out.p, out.len), UB_OK);
}

/* Offsets in the saved form: floor, count, then per session: session, highest, missing, bits. */
#define AT_COUNT 8
#define AT_S(i) (9 + (size_t)(i) * (24 + W / 8))

static void a_file_that_no_receiver_wrote_does_not_load(void **state)
{
	/* One session with seqs 1 and 3 seen. */
	static const struct {
		const char *name;
		size_t at;
		uint8_t byte;
		ub_err err;
	} rows[] = {
		{"unchanged", AT_COUNT, 2, UB_OK},
		{"nine sessions", AT_COUNT, 9, UNIBUS_ERR_INVALID},
		{"255 sessions", AT_COUNT, 255, UNIBUS_ERR_INVALID},
		{"floor below the oldest", 7, 4, UB_OK},
		{"floor at the oldest", 7, 5, UNIBUS_ERR_INVALID},
		{"floor above all", 0, 1, UNIBUS_ERR_INVALID},
		{"sessions in the other order", AT_S(0) + 7, 4, UNIBUS_ERR_INVALID},
		{"a session twice", AT_S(0) + 7, 5, UNIBUS_ERR_INVALID},
		{"session 0", AT_S(1) + 7, 0, UNIBUS_ERR_INVALID},
		{"highest 0", AT_S(0) + 15, 0, UNIBUS_ERR_INVALID},
		{"highest not seen", AT_S(0) + 15, 4, UNIBUS_ERR_INVALID},
		{"highest below one that was seen", AT_S(0) + 15, 1, UNIBUS_ERR_INVALID},
		{"more missing than there can be", AT_S(0) + 23, 1, UNIBUS_ERR_INVALID},
		{"bit of seq 0", AT_S(0) + 24 + 7, 0x0b, UNIBUS_ERR_INVALID},
		{"bit of seq 2", AT_S(0) + 24 + 7, 0x0e, UB_OK},
		{"bit of seq 4", AT_S(0) + 24 + 7, 0x1a, UNIBUS_ERR_INVALID},
		{"bit of seq 1023", AT_S(1) - 8, 0x80, UNIBUS_ERR_INVALID},
	};
	struct ub_replay r = {0};
	uint64_t gap;

	(void)state;
	ub_replay_note(&r, 6, 1, &gap);
	ub_replay_note(&r, 6, 3, &gap);
	ub_replay_note(&r, 5, 1, &gap);
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);

		print_message("%s\n", rows[i].name);
		ub_replay_save(&r, &out);
		assert_int_equal(out.len, AT_S(2));
		out.p[rows[i].at] = rows[i].byte;
		assert_int_equal(load(out.p, out.len), rows[i].err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_reordered_and_twice),
		cmocka_unit_test(the_window_has_two_edges),
		cmocka_unit_test(a_jump_beyond_the_window_counts_all_that_is_missing),
		cmocka_unit_test(a_ninth_session_raises_the_floor),
		cmocka_unit_test(check_alone_changes_nothing_and_note_of_a_replay_neither),
		cmocka_unit_test(the_time_in_the_id_is_within_five_minutes),
		cmocka_unit_test(any_order_within_the_window_is_taken_once),
		cmocka_unit_test(what_was_saved_loads_the_same),
		cmocka_unit_test(a_cut_file_does_not_load),
		cmocka_unit_test(a_file_that_no_receiver_wrote_does_not_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
