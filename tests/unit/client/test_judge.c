/* What a frame of the history may be, by its room's log and by what was there before it. */
#include "client/judge.h"
#include "tests/unit/client/log_kit.h"

#define S UB_FLAG_SIGNED
#define SE (UB_FLAG_SIGNED | UB_FLAG_ENCRYPTED)
#define GRACE UB_EPOCH_GRACE_MS

enum who { OWNER, BOB, STRANGER };

/* Bob comes in by entry 1 and is out by entry 2. The keys of the entries are made up: 1, 1, 2, 3;
 * the policy asks for signatures from entry 1 on. */
static struct ub_croom *room_of(struct log *l, struct peer *bob)
{
	struct ub_op remove = {.type = UB_OP_REMOVE};
	struct ub_entry e = {.ops = &remove, .n_ops = 1};
	struct ub_croom *r;

	peer_make(bob, 2);
	log_start(l);
	log_invite(l, 2);
	remove.endpoint = bob->id;
	log_add(l, &e);
	log_invite(l, 3);
	r = croom(l);
	take(r, l, 0, l->n);
	for (size_t i = 0; i < 4; i++) {
		r->hist.states[i].epoch = i < 2 ? 1 : (uint32_t)i;
		r->hist.states[i].policy = (struct ub_policy){.encrypt = true, .sign = i > 0};
	}
	return r;
}

static void a_frame_of_the_history_is_judged_by_its_own_time(void **state)
{
	static const struct {
		uint64_t room_seq;
		enum who who;
		uint8_t kind, flags;
		uint32_t epoch;
		struct ub_past past;
		uint64_t time_ms;
		ub_err want;
	} rows[] = {
		{1, BOB, UB_KIND_MESSAGE, SE, 1, {0}, 5, UB_OK},
		{1, OWNER, UB_KIND_MESSAGE, SE, 1, {0}, 5, UB_OK},
		{1, STRANGER, UB_KIND_MESSAGE, SE, 1, {0}, 5, UNIBUS_ERR_NOT_A_MEMBER},
		{0, BOB, UB_KIND_MESSAGE, SE, 1, {0}, 5, UNIBUS_ERR_NOT_A_MEMBER},
		{2, BOB, UB_KIND_MESSAGE, SE, 2, {0}, 5, UNIBUS_ERR_NOT_A_MEMBER},
		{4, OWNER, UB_KIND_MESSAGE, SE, 3, {0}, 5, UNIBUS_ERR_CORRUPT}, /* no such entry */
		{1, OWNER, UB_KIND_MESSAGE, SE, 2, {0}, 5, UNIBUS_ERR_CORRUPT}, /* no such key */
		{1, OWNER, UB_KIND_MESSAGE, S, 1, {0}, 5, UNIBUS_ERR_POLICY_VIOLATION},
		{1, OWNER, UB_KIND_MESSAGE, UB_FLAG_ENCRYPTED, 1, {0}, 5,
			UNIBUS_ERR_POLICY_VIOLATION},
		{0, OWNER, UB_KIND_MESSAGE, UB_FLAG_ENCRYPTED, 1, {0}, 5, UB_OK},
		{1, OWNER, UB_KIND_TYPING, SE, 1, {0}, 5, UNIBUS_ERR_POLICY_VIOLATION},
		{1, OWNER, UB_KIND_RESPONSE, SE, 1, {0}, 5, UB_OK},
		/* Epochs fall back by one, for a while. */
		{1, OWNER, UB_KIND_MESSAGE, SE, 1, {.epoch = 2, .epoch_ms = 100}, 100 + GRACE,
			UB_OK},
		{1, OWNER, UB_KIND_MESSAGE, SE, 1, {.epoch = 2, .epoch_ms = 100}, 101 + GRACE,
			UNIBUS_ERR_OLD_EPOCH},
		{1, OWNER, UB_KIND_MESSAGE, SE, 1, {.epoch = 3, .epoch_ms = 100}, 101,
			UNIBUS_ERR_OLD_EPOCH},
		{2, OWNER, UB_KIND_MESSAGE, SE, 2, {.epoch = 2, .epoch_ms = 100}, 101 + GRACE,
			UB_OK},
		{3, OWNER, UB_KIND_MESSAGE, SE, 3, {.epoch = 2, .epoch_ms = 100}, 101, UB_OK},
		/* Policies, too. */
		{0, OWNER, UB_KIND_MESSAGE, UB_FLAG_ENCRYPTED, 1, {.sign = true, .sign_ms = 100},
			100 + GRACE, UB_OK},
		{0, OWNER, UB_KIND_MESSAGE, UB_FLAG_ENCRYPTED, 1, {.sign = true, .sign_ms = 100},
			101 + GRACE, UNIBUS_ERR_POLICY_VIOLATION},
		{0, OWNER, UB_KIND_MESSAGE, SE, 1, {.sign = true, .sign_ms = 100}, 101 + GRACE,
			UB_OK},
	};
	struct log l;
	struct peer bob, stranger;
	struct ub_croom *r = room_of(&l, &bob);

	(void)state;
	peer_make(&stranger, 9);
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		const struct peer *who[] = {&l.owner, &bob, &stranger};
		struct ub_past past = rows[i].past;
		struct ub_judge j = {.r = r, .past = &past, .time_ms = rows[i].time_ms};

		j.f.h.kind = rows[i].kind;
		j.f.h.flags = rows[i].flags;
		j.f.h.epoch = rows[i].epoch;
		j.f.h.room_seq = rows[i].room_seq;
		j.f.h.sender = who[rows[i].who]->id;
		if (ub_judge_past(&j) != rows[i].want)
			print_error("row %zu\n", i);
		assert_int_equal(rows[i].want, ub_judge_past(&j));
		assert_int_equal(rows[i].room_seq == 4, j.ahead);
		if (rows[i].want == UB_OK)
			assert_memory_equal(who[rows[i].who]->rec.sign.b, j.sign_pub.b, 32);
	}
	croom_end(r);
	log_end(&l);
}

static void the_first_frame_of_a_key_or_a_policy_counts(void **state)
{
	struct ub_past past = {0};
	struct ub_judge j = {.signs = false};

	(void)state;
	j.f.h.epoch = 1;
	ub_past_note(&past, &j, 10);
	j.f.h.epoch = 2;
	j.signs = true;
	ub_past_note(&past, &j, 20);
	ub_past_note(&past, &j, 30);
	j.f.h.epoch = 1;
	ub_past_note(&past, &j, 40);
	assert_int_equal(2, past.epoch);
	assert_int_equal(20, past.epoch_ms);
	assert_true(past.sign);
	assert_int_equal(20, past.sign_ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frame_of_the_history_is_judged_by_its_own_time),
		TEST(the_first_frame_of_a_key_or_a_policy_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
