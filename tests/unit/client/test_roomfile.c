/* Verified logs and replay windows on disk: damage is an error that stays, and several processes
 * write without losing each other's. */
#include "core/ulid.h"
#include "tests/unit/client/log_kit.h"

static void a_saved_log_is_verified_when_it_is_loaded(void **state)
{
	struct ub_statedir *d = open_dir();
	struct ub_croom *r, *again;
	struct log l;

	(void)state;
	log_start(&l);
	log_invite(&l, 2);
	r = croom(&l);
	again = croom(&l);
	take(r, &l, 0, 2);
	assert_int_equal(UB_OK, ub_roomfile_save(d, r));
	assert_int_equal(UB_OK, ub_roomfile_load(d, again));
	assert_int_equal(2, again->n_entries);
	assert_int_equal(1, again->state.seq);
	assert_memory_equal(l.room.head.b, again->state.head.b, 32);
	assert_int_equal(NOW_MS + 1, again->entries[1].seen_ms);
	/* What is in it already is not taken twice. */
	assert_int_equal(UNIBUS_ERR_BAD_CHAIN, ub_croom_take(again, ub_str(l.entries[1]), NOW_MS));
	assert_int_equal(2, again->n_entries);
	croom_end(r);
	croom_end(again);
	log_end(&l);
	ub_statedir_close(d);
}

static void the_longer_of_two_processes_logs_wins(void **state)
{
	struct ub_statedir *d = open_dir();
	struct ub_croom *a, *b;
	struct log l;

	(void)state;
	log_start(&l);
	log_invite(&l, 2);
	log_invite(&l, 3);
	a = croom(&l);
	b = croom(&l);
	take(a, &l, 0, 3);
	take(b, &l, 0, 1);
	assert_int_equal(UB_OK, ub_roomfile_save(d, a));
	/* b is behind: it takes the others' entries over instead of cutting them off. */
	assert_int_equal(UB_OK, ub_roomfile_save(d, b));
	assert_int_equal(3, b->n_entries);
	log_invite(&l, 4);
	take(b, &l, 3, 4);
	assert_int_equal(UB_OK, ub_roomfile_save(d, b));
	assert_int_equal(UB_OK, ub_roomfile_save(d, a));
	assert_int_equal(4, a->n_entries);
	croom_end(a);
	croom_end(b);
	log_end(&l);
	ub_statedir_close(d);
}

static void two_histories_of_one_room_are_a_fork(void **state)
{
	struct ub_statedir *d = open_dir();
	struct ub_croom *a, *b;
	struct log l, m;

	(void)state;
	log_start(&l);
	log_start(&m);
	assert_memory_equal(l.room.id.b, m.room.id.b, 32);
	log_invite(&l, 2);
	log_invite(&m, 3);
	a = croom(&l);
	b = croom(&m);
	take(a, &l, 0, 2);
	take(b, &m, 0, 2);
	assert_int_equal(UB_OK, ub_roomfile_save(d, a));
	assert_int_equal(UNIBUS_ERR_FORK, ub_roomfile_save(d, b));
	assert_int_equal(2, b->n_entries);
	assert_int_equal(UB_OK, ub_roomfile_save(d, a));
	croom_end(a);
	croom_end(b);
	log_end(&l);
	log_end(&m);
	ub_statedir_close(d);
}

struct damage {
	const char *name;
	void (*fn)(char *text, size_t *len);
};

static void cut_end(char *text, size_t *len)
{
	char *end = strstr(text, "\nend ");

	*len = (size_t)(end - text) + 1;
}

static void cut_half(char *text, size_t *len)
{
	(void)text;
	*len /= 2;
}

static void cut_newline(char *text, size_t *len)
{
	(void)text;
	*len -= 1;
}

static void flip_entry(char *text, size_t *len)
{
	(void)len;
	strchr(strchr(text, '\n') + 1, ' ')[40] ^= 1;
}

static void flip_end(char *text, size_t *len)
{
	(void)len;
	strstr(text, "\nend ")[5] ^= 1;
}

static void drop_last_entry(char *text, size_t *len)
{
	char *end = strstr(text, "\nend ");
	char *last = end;

	while (last[-1] != '\n')
		last--;
	memmove(last, end + 1, *len - (size_t)(end + 1 - text));
	*len -= (size_t)(end + 1 - last);
}

static void other_version(char *text, size_t *len)
{
	(void)len;
	text[strlen("unibus-room ")] = '2';
}

static void bad_time(char *text, size_t *len)
{
	(void)len;
	strchr(text, '\n')[1] = 'x';
}

static void more_after_end(char *text, size_t *len)
{
	memcpy(text + *len, "x\n", 2);
	*len += 2;
}

static void nothing(char *text, size_t *len)
{
	(void)text;
	*len = 0;
}

static void a_damaged_log_is_an_error_and_stays(void **state)
{
	static const struct damage cases[] = {
		{"the end is missing", cut_end},
		{"half of it is missing", cut_half},
		{"the last newline is missing", cut_newline},
		{"an entry is changed", flip_entry},
		{"the end is changed", flip_end},
		{"the last entry is missing", drop_last_entry},
		{"another version", other_version},
		{"no time", bad_time},
		{"something after the end", more_after_end},
		{"empty", nothing},
	};
	struct ub_statedir *d = open_dir();
	char good[16384], bad[16400], after[16400], name[128];
	struct ub_croom *r;
	struct log l;
	size_t n;

	(void)state;
	log_start(&l);
	log_invite(&l, 2);
	r = croom(&l);
	take(r, &l, 0, 2);
	assert_int_equal(UB_OK, ub_roomfile_save(d, r));
	file_of(r, ".log", name);
	n = get_file(name, good, sizeof(good));
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct ub_croom *fresh = croom(&l);
		size_t len = n;

		memcpy(bad, good, n + 1);
		cases[i].fn(bad, &len);
		put_file(name, bad, len);
		if (ub_roomfile_load(d, fresh) != UNIBUS_ERR_BAD_FILE)
			fail_msg("%s", cases[i].name);
		assert_int_equal(len, get_file(name, after, sizeof(after)));
		assert_memory_equal(bad, after, len);
		croom_end(fresh);
	}
	put_file(name, good, n);
	croom_end(r);
	r = croom(&l);
	assert_int_equal(UB_OK, ub_roomfile_load(d, r));
	croom_end(r);
	log_end(&l);
	ub_statedir_close(d);
}

static void a_log_under_another_rooms_name_is_an_error(void **state)
{
	struct ub_statedir *d = open_dir();
	struct ub_croom *r, *other;
	char good[16384], name[128];
	struct log l;
	size_t n;

	(void)state;
	log_start(&l);
	r = croom(&l);
	take(r, &l, 0, 1);
	assert_int_equal(UB_OK, ub_roomfile_save(d, r));
	file_of(r, ".log", name);
	n = get_file(name, good, sizeof(good));
	other = croom(&l);
	other->id.b[0] ^= 1;
	ub_room_id_encode(&other->id, other->id_text);
	file_of(other, ".log", name);
	put_file(name, good, n);
	assert_int_equal(UNIBUS_ERR_BAD_FILE, ub_roomfile_load(d, other));
	croom_end(r);
	croom_end(other);
	log_end(&l);
	ub_statedir_close(d);
}

/* ---- who was heard ---- */

static struct ub_frame frame_of(
	const struct peer *p, uint64_t session, uint64_t seq, const char *bytes)
{
	struct ub_frame f = {.h = {.session = session, .seq = seq, .sender = p->id}};

	f.whole = (struct ub_bytes){(const uint8_t *)bytes, strlen(bytes)};
	return f;
}

static ub_err check(const struct ub_senders *s, const struct ub_frame *f)
{
	static const struct ub_replay never = {0};
	const struct ub_sender *at = ub_senders_find(s, &f->h.sender);
	uint8_t random[10] = {0};
	struct ub_ulid id;

	ub_ulid_make(NOW_MS, random, &id);
	return ub_replay_check(at ? &at->replay : &never, f->h.session, f->h.seq, &id, NOW_MS);
}

static struct ub_sender *hear(struct ub_senders *s, const struct ub_frame *f)
{
	struct ub_sender *at = NULL;

	assert_int_equal(UB_OK, ub_senders_get(s, &f->h.sender, &at));
	ub_sender_note(at, f, 1);
	return at;
}

static void one_number_with_other_bytes_is_noticed(void **state)
{
	struct ub_senders s = {0};
	struct ub_frame a, b, far;
	struct ub_sender *at;
	struct peer p;

	(void)state;
	peer_make(&p, 1);
	a = frame_of(&p, 7, 1, "one");
	b = frame_of(&p, 7, 1, "another");
	at = hear(&s, &a);
	assert_int_equal(UB_SEEN_SAME, ub_sender_seen(at, &a));
	assert_int_equal(UB_SEEN_OTHER, ub_sender_seen(at, &b));
	/* Out of the window nobody remembers which it was. */
	far = frame_of(&p, 7, 1 + UB_REPLAY_WINDOW, "far");
	hear(&s, &far);
	assert_int_equal(UB_SEEN_UNKNOWN, ub_sender_seen(at, &b));
	ub_senders_deinit(&s);
}

static void what_arrives_late_is_not_missing(void **state)
{
	static const uint64_t order[] = {1, 2, 5, 4, 9, 3};
	struct ub_senders s = {0};
	struct ub_sender *at = NULL;
	struct peer p;

	(void)state;
	peer_make(&p, 1);
	for (size_t i = 0; i < UB_ARRAY_LEN(order); i++) {
		struct ub_frame f = frame_of(&p, 7, order[i], "x");

		at = hear(&s, &f);
	}
	/* 6, 7, 8 */
	assert_int_equal(3, at->missing);
	assert_int_equal(0, ub_sender_missing(at, at->missing_at - 1));
	assert_int_equal(3, ub_sender_missing(at, at->missing_at));
	assert_int_equal(0, ub_sender_missing(at, UINT64_MAX));
	ub_senders_deinit(&s);
}

static void numbers_from_before_we_listened_are_not_missing(void **state)
{
	struct ub_senders s = {0};
	struct ub_frame f;
	struct ub_sender *at;
	struct peer p;

	(void)state;
	peer_make(&p, 1);
	f = frame_of(&p, NOW_MS << 20, 100, "x");
	assert_int_equal(UB_OK, ub_senders_get(&s, &p.id, &at));
	ub_sender_note(at, &f, NOW_MS + 1);
	assert_int_equal(0, at->missing);
	/* The twin: a session that began when we had long been listening. */
	f = frame_of(&p, (NOW_MS + 600000) << 20, 100, "x");
	ub_sender_note(at, &f, NOW_MS + 1);
	assert_int_equal(99, at->missing);
	ub_senders_deinit(&s);
}

static void windows_are_saved_and_merged(void **state)
{
	struct ub_statedir *d = open_dir();
	struct ub_croom *a, *b, *c;
	struct ub_frame one, two, three, third;
	struct peer p, q;
	struct log l;

	(void)state;
	peer_make(&p, 1);
	peer_make(&q, 2);
	log_start(&l);
	a = croom(&l);
	b = croom(&l);
	c = croom(&l);
	take(a, &l, 0, 1);
	assert_int_equal(UB_OK, ub_roomfile_save(d, a));
	one = frame_of(&p, 7, 1, "1");
	two = frame_of(&p, 7, 2, "2");
	three = frame_of(&p, 8, 1, "3");
	third = frame_of(&q, 9, 1, "4");
	hear(&a->senders, &one);
	hear(&a->senders, &three);
	hear(&b->senders, &two);
	hear(&b->senders, &third);
	assert_int_equal(UB_OK, ub_roomfile_save_seen(d, a));
	assert_int_equal(UB_OK, ub_roomfile_save_seen(d, b));
	/* What the other process heard, this one may still hear. */
	assert_int_equal(UB_OK, check(&b->senders, &one));
	assert_int_equal(UB_OK, ub_roomfile_load(d, c));
	assert_int_equal(UNIBUS_ERR_REPLAY, check(&c->senders, &one));
	assert_int_equal(UNIBUS_ERR_REPLAY, check(&c->senders, &two));
	assert_int_equal(UNIBUS_ERR_REPLAY, check(&c->senders, &three));
	assert_int_equal(UNIBUS_ERR_REPLAY, check(&c->senders, &third));
	two.h.seq = 3;
	assert_int_equal(UB_OK, check(&c->senders, &two));
	croom_end(a);
	croom_end(b);
	croom_end(c);
	log_end(&l);
	ub_statedir_close(d);
}

static void damaged_windows_are_an_error(void **state)
{
	struct ub_statedir *d = open_dir();
	struct ub_frame one;
	struct ub_croom *r, *fresh;
	char good[4096], bad[4096], name[128];
	struct peer p;
	struct log l;
	size_t n;

	(void)state;
	peer_make(&p, 1);
	log_start(&l);
	r = croom(&l);
	take(r, &l, 0, 1);
	assert_int_equal(UB_OK, ub_roomfile_save(d, r));
	one = frame_of(&p, 7, 1, "1");
	hear(&r->senders, &one);
	assert_int_equal(UB_OK, ub_roomfile_save_seen(d, r));
	file_of(r, ".seen", name);
	n = get_file(name, good, sizeof(good));
	for (size_t len = 0; len < n; len++) {
		put_file(name, good, len);
		fresh = croom(&l);
		assert_int_equal(UNIBUS_ERR_BAD_FILE, ub_roomfile_load(d, fresh));
		croom_end(fresh);
	}
	memcpy(bad, good, n);
	bad[n] = 0;
	put_file(name, bad, n + 1);
	fresh = croom(&l);
	assert_int_equal(UNIBUS_ERR_BAD_FILE, ub_roomfile_load(d, fresh));
	croom_end(fresh);
	bad[0] ^= 1;
	put_file(name, bad, n);
	fresh = croom(&l);
	assert_int_equal(UNIBUS_ERR_BAD_FILE, ub_roomfile_load(d, fresh));
	croom_end(fresh);
	put_file(name, good, n);
	fresh = croom(&l);
	assert_int_equal(UB_OK, ub_roomfile_load(d, fresh));
	croom_end(fresh);
	croom_end(r);
	log_end(&l);
	ub_statedir_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_saved_log_is_verified_when_it_is_loaded),
		TEST(the_longer_of_two_processes_logs_wins),
		TEST(two_histories_of_one_room_are_a_fork),
		TEST(a_damaged_log_is_an_error_and_stays),
		TEST(a_log_under_another_rooms_name_is_an_error),
		TEST(one_number_with_other_bytes_is_noticed),
		TEST(what_arrives_late_is_not_missing),
		TEST(numbers_from_before_we_listened_are_not_missing),
		TEST(windows_are_saved_and_merged),
		TEST(damaged_windows_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
