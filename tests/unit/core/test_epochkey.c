/* Keys of epochs: what is committed to, sealed and linked back opens for its reader and no other.
 */
#include "core/epochkey.h"
#include "tests/unit/core/room_kit.h"

struct world {
	struct kit_peer to, other;
	struct ub_symkey k, prev;
	struct ub_room_id room;
	struct ub_sealed sealed;
	struct ub_epoch_opener opener;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(ub_core_init(), UB_OK);
	w->to = kit_peer(1);
	w->other = kit_peer(2);
	memset(w->k.b, 0x11, 32);
	memset(w->prev.b, 0x22, 32);
	memset(w->room.b, 0x33, 32);
	w->sealed.to = w->to.id;
	assert_int_equal(ub_epoch_seal(&w->k, &w->room, 7, &w->to.kex, &w->sealed), UB_OK);
	w->opener = (struct ub_epoch_opener){
		.kex = w->to.kex, .sec = &w->to.ks, .self = w->to.id, .room = w->room, .n = 7};
	ub_epoch_commit(&w->k, &w->room, 7, &w->opener.commit);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

/* Opens; an error must leave the result alone. */
static void judge(const struct world *w, const struct ub_epoch_opener *o, ub_err want)
{
	struct ub_symkey got = {{0xee}}, untouched = {{0xee}};

	assert_int_equal(ub_epoch_open(o, w->sealed.b, &got), want);
	assert_memory_equal(&got, want ? &untouched : &w->k, sizeof(got));
}

static void a_sealed_key_opens_for_its_reader(void **state)
{
	struct world *w = *state;

	judge(w, &w->opener, UB_OK);
}

static void it_opens_for_nobody_else_and_nowhere_else(void **state)
{
	struct world *w = *state;
	struct ub_epoch_opener o;

	o = w->opener;
	o.self = w->other.id;
	judge(w, &o, UNIBUS_ERR_NO_KEY_EPOCH);
	o = w->opener;
	o.room.b[0] ^= 1;
	judge(w, &o, UNIBUS_ERR_NO_KEY_EPOCH);
	o = w->opener;
	o.n = 8;
	judge(w, &o, UNIBUS_ERR_NO_KEY_EPOCH);
	o = w->opener;
	o.sec = &w->other.ks;
	judge(w, &o, UNIBUS_ERR_NO_KEY_EPOCH);
	o = w->opener;
	o.kex = w->other.kex;
	judge(w, &o, UNIBUS_ERR_NO_KEY_EPOCH);
	o = w->opener;
	o.commit.b[31] ^= 1;
	judge(w, &o, UNIBUS_ERR_BAD_COMMIT);
}

static void a_changed_byte_anywhere_does_not_open(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < UB_SEALED_LEN; i++) {
		w->sealed.b[i] ^= 1;
		judge(w, &w->opener, UNIBUS_ERR_NO_KEY_EPOCH);
		w->sealed.b[i] ^= 1;
	}
	judge(w, &w->opener, UB_OK);
}

static void nothing_is_sealed_to_a_key_of_low_order(void **state)
{
	struct world *w = *state;
	const struct ub_kexpub bad[] = {{{0}}, {{1}}};
	struct ub_sealed s = {.to = w->to.id}, untouched = s;

	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++) {
		assert_int_equal(
			ub_epoch_seal(&w->k, &w->room, 7, &bad[i], &s), UNIBUS_ERR_INVALID);
		assert_memory_equal(&s, &untouched, sizeof(s));
	}
	assert_int_equal(ub_epoch_seal(&w->k, &w->room, 7, &w->to.kex, &s), UB_OK);
}

static void two_sealings_of_one_key_differ(void **state)
{
	struct world *w = *state;
	struct ub_sealed again = {.to = w->to.id};

	assert_int_equal(ub_epoch_seal(&w->k, &w->room, 7, &w->to.kex, &again), UB_OK);
	assert_memory_not_equal(again.b, w->sealed.b, 32);
}

static void a_commitment_is_to_key_room_and_epoch(void **state)
{
	struct world *w = *state;
	struct ub_room_id room = w->room;
	struct ub_hash c;

	ub_epoch_commit(&w->k, &w->room, 7, &c);
	assert_memory_equal(&c, &w->opener.commit, 32);
	ub_epoch_commit(&w->prev, &w->room, 7, &c);
	assert_memory_not_equal(&c, &w->opener.commit, 32);
	ub_epoch_commit(&w->k, &w->room, 8, &c);
	assert_memory_not_equal(&c, &w->opener.commit, 32);
	room.b[31] ^= 1;
	ub_epoch_commit(&w->k, &room, 7, &c);
	assert_memory_not_equal(&c, &w->opener.commit, 32);
}

static void the_sealed_root_covers_all_in_any_order(void **state)
{
	struct world *w = *state;
	struct ub_sealed list[2] = {w->sealed, {.to = w->other.id, .b = {9}}};
	struct ub_sealed swapped[2] = {list[1], list[0]};
	struct ub_hash root, again, empty, none;
	uint8_t bytes[2 * 64];

	ub_sealed_root(list, 2, &root);
	assert_true(ub_endpoint_cmp(&list[0].to, &list[1].to) < 0);
	for (size_t i = 0; i < 2; i++) {
		memcpy(bytes + i * 64, list[i].to.b, 32);
		ub_hash(list[i].b, UB_SEALED_LEN, &again);
		memcpy(bytes + i * 64 + 32, again.b, 32);
	}
	ub_hash(bytes, sizeof(bytes), &again);
	assert_memory_equal(&again, &root, 32);
	ub_sealed_root(swapped, 2, &again);
	assert_memory_equal(&again, &root, 32);
	ub_sealed_root(list, 1, &again);
	assert_memory_not_equal(&again, &root, 32);
	list[1].b[5] ^= 1;
	ub_sealed_root(list, 2, &again);
	assert_memory_not_equal(&again, &root, 32);
	ub_sealed_root(NULL, 0, &empty);
	ub_hash("", 0, &none);
	assert_memory_equal(&empty, &none, 32);
}

struct link {
	uint8_t b[UB_BACKLINK_LEN];
	struct ub_hash commit; /* of epoch 6 */
};

static struct link link_of(const struct world *w)
{
	const uint8_t nonce[24] = {4, 5, 6};
	struct link l;

	ub_backlink_make(&w->k, &w->prev, &w->room, 7, nonce, l.b);
	ub_epoch_commit(&w->prev, &w->room, 6, &l.commit);
	return l;
}

static void judge_link(const struct world *w, const struct ub_room_id *room, uint32_t n,
	const struct link *l, ub_err want)
{
	struct ub_symkey got = {{0xee}}, untouched = {{0xee}};

	assert_int_equal(ub_backlink_open(&w->k, room, n, l->b, &l->commit, &got), want);
	assert_memory_equal(&got, want ? &untouched : &w->prev, sizeof(got));
}

static void a_back_link_opens_with_the_newer_key(void **state)
{
	struct world *w = *state;
	struct ub_room_id room = w->room;
	struct link l = link_of(w);

	judge_link(w, &w->room, 7, &l, UB_OK);
	judge_link(w, &w->room, 8, &l, UNIBUS_ERR_NO_KEY_EPOCH);
	judge_link(w, &w->room, 1, &l, UNIBUS_ERR_NO_KEY_EPOCH);
	judge_link(w, &w->room, 0, &l, UNIBUS_ERR_NO_KEY_EPOCH);
	room.b[9] ^= 1;
	judge_link(w, &room, 7, &l, UNIBUS_ERR_NO_KEY_EPOCH);
	w->k.b[0] ^= 1;
	judge_link(w, &w->room, 7, &l, UNIBUS_ERR_NO_KEY_EPOCH);
}

static void a_changed_back_link_does_not_open(void **state)
{
	struct world *w = *state;
	struct link l = link_of(w);

	for (size_t i = 0; i < UB_BACKLINK_LEN; i++) {
		l.b[i] ^= 0x80;
		judge_link(w, &w->room, 7, &l, UNIBUS_ERR_NO_KEY_EPOCH);
		l.b[i] ^= 0x80;
	}
	l.commit.b[0] ^= 1;
	judge_link(w, &w->room, 7, &l, UNIBUS_ERR_BAD_COMMIT);
	l.commit.b[0] ^= 1;
	judge_link(w, &w->room, 7, &l, UB_OK);
}

static void a_back_link_to_another_key_than_was_signed_is_refused(void **state)
{
	struct world *w = *state;
	struct link l = link_of(w);
	const uint8_t nonce[24] = {1};
	struct ub_symkey lie = {{0x77}};

	ub_backlink_make(&w->k, &lie, &w->room, 7, nonce, l.b);
	judge_link(w, &w->room, 7, &l, UNIBUS_ERR_BAD_COMMIT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_sealed_key_opens_for_its_reader),
		T(it_opens_for_nobody_else_and_nowhere_else),
		T(a_changed_byte_anywhere_does_not_open),
		T(nothing_is_sealed_to_a_key_of_low_order),
		T(two_sealings_of_one_key_differ),
		T(a_commitment_is_to_key_room_and_epoch),
		T(the_sealed_root_covers_all_in_any_order),
		T(a_back_link_opens_with_the_newer_key),
		T(a_changed_back_link_does_not_open),
		T(a_back_link_to_another_key_than_was_signed_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
