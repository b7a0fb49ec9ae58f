/* Sealed keys: which sets an entry may bring, who finds which key, what is swept away. */
#include "membershipd/domain/records.h"
#include "tests/unit/domain/rooms_kit.h"

/* Number 0 owns it, encrypted; nobody else. */
static struct world *world_with(struct ub_room *room, bool since_join)
{
	struct world *w = world_new();
	struct ub_policy p = {.encrypt = true, .since_join = since_join};

	assert_int_equal(kit_create(w, 0, "team.ops", p, room), UB_OK);
	return w;
}

static void done(struct world *w, struct ub_room *room)
{
	ub_room_deinit(room);
	world_free(w);
}

/* Peer n's key of an epoch opens to that epoch's K; or the error. */
static ub_err open_key(struct world *w, const struct ub_room *room, unsigned n, uint32_t epoch)
{
	struct md_caller by = kit_caller(w, n);
	struct ub_epoch_opener o = {
		.kex = w->p[n].kex, .sec = &w->p[n].ks, .self = w->p[n].id, .room = room->id};
	uint8_t sealed[UB_SEALED_LEN];
	struct ub_symkey k, want;
	ub_err e = md_room_key(w->s, &by, &room->id, epoch, &o.n, sealed);

	if (e)
		return e;
	assert_int_equal(o.n, epoch ? epoch : room->epoch);
	want = kit_epoch_key(&room->id, o.n);
	ub_epoch_commit(&want, &room->id, o.n, &o.commit);
	return ub_epoch_open(&o, sealed, &k);
}

static void everybody_finds_the_keys_sealed_to_him(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, false);

	(void)state;
	assert_int_equal(kit_invite(w, &room, 0, 1, UB_ROLE_MEMBER), UB_OK); /* at epoch 1 */
	assert_int_equal(kit_append(w, 0, MD_ROOM_REKEY, &room, OPS(op_epoch(2, true))), UB_OK);
	assert_int_equal(kit_invite(w, &room, 0, 2, UB_ROLE_MEMBER), UB_OK); /* at epoch 2 */
	for (uint32_t epoch = 0; epoch < 3; epoch++) {
		assert_int_equal(open_key(w, &room, 0, epoch), UB_OK);
		assert_int_equal(open_key(w, &room, 1, epoch), UB_OK);
		assert_int_equal(
			open_key(w, &room, 2, epoch), epoch == 1 ? UNIBUS_ERR_NO_KEY : UB_OK);
	}
	assert_int_equal(open_key(w, &room, 0, 3), UNIBUS_ERR_NO_KEY);
	assert_int_equal(open_key(w, &room, 3, 1), UNIBUS_ERR_DENIED);
	assert_int_equal(kit_append(w, 0, MD_ROOM_REKEY, &room, OPS(op_epoch(3, true))), UB_OK);
	assert_int_equal(open_key(w, &room, 2, 2), UB_OK);
	assert_int_equal(open_key(w, &room, 2, 3), UB_OK);
	done(w, &room);
}

static void a_clear_room_has_no_keys(void **state)
{
	struct world *w = world_new();
	struct ub_room room;

	(void)state;
	assert_int_equal(kit_create(w, 0, "team.ops", PLAIN, &room), UB_OK);
	assert_int_equal(open_key(w, &room, 0, 0), UNIBUS_ERR_NO_KEY);
	assert_int_equal(open_key(w, &room, 0, 1), UNIBUS_ERR_NO_KEY);
	assert_int_equal(kit_append(w, 0, MD_ROOM_POLICY, &room,
				 OPS(op_policy(true, false), op_epoch(1, false))),
		UB_OK);
	assert_int_equal(open_key(w, &room, 0, 1), UB_OK);
	done(w, &room);
}

enum spoil { FINE, NONE, ONE_LESS, TWICE, ANOTHER, BYTES };

/* Changes the set that came with an entry. */
static void spoil_set(struct kit_text *t, enum spoil how, const struct ub_endpoint *other)
{
	size_t last = t->n_sealed - 1;

	if (how == NONE)
		t->n_sealed = 0;
	else if (how == ONE_LESS)
		t->n_sealed--;
	else if (how == TWICE)
		t->sealed[last] = t->sealed[0];
	else if (how == ANOTHER)
		t->sealed[last].to = *other;
	else if (how == BYTES)
		t->sealed[last].b[9] ^= 1;
}

static void the_set_must_be_the_one_signed(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, true);

	(void)state;
	assert_int_equal(kit_append(w, 0, MD_ROOM_INVITE, &room,
				 OPS(op_add(&w->p[1], UB_ROLE_MEMBER), op_epoch(2, false))),
		UB_OK);
	for (enum spoil how = BYTES + 1; how-- > FINE;) {
		struct kit_text t = kit_make(&room, &w->p[0], OPS(op_epoch(3, false)));
		uint64_t rev = md_service_revision(w->s);
		struct md_room_result r;

		spoil_set(&t, how, &w->p[5].id);
		assert_int_equal(kit_send(w, 0, MD_ROOM_REKEY, &room, &t, &r),
			how == FINE ? UB_OK : UNIBUS_ERR_BAD_ROSTER);
		assert_int_equal(md_service_revision(w->s) == rev, how != FINE);
		kit_text_deinit(&t);
	}
	done(w, &room);
}

static void the_added_and_nobody_else_get_the_current_key(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, false);

	(void)state;
	for (enum spoil how = ANOTHER + 1; how-- > FINE;) {
		struct kit_text t = kit_make(&room, &w->p[0],
			OPS(op_add(&w->p[1], UB_ROLE_MEMBER), op_add(&w->p[2], UB_ROLE_READER)));
		struct md_room_result r;

		spoil_set(&t, how, &w->p[5].id);
		assert_int_equal(kit_send(w, 0, MD_ROOM_INVITE, &room, &t, &r),
			how == FINE ? UB_OK : UNIBUS_ERR_BAD_ROSTER);
		if (how == FINE)
			kit_follow(&room, &t);
		kit_text_deinit(&t);
	}
	assert_int_equal(open_key(w, &room, 1, 1), UB_OK);
	assert_int_equal(open_key(w, &room, 2, 1), UB_OK);
	done(w, &room);
}

static void an_entry_that_needs_no_keys_brings_none(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, false);
	struct kit_text t;
	struct md_room_result r;

	(void)state;
	assert_int_equal(kit_invite(w, &room, 0, 1, UB_ROLE_MEMBER), UB_OK);
	t = kit_make(&room, &w->p[0], OPS(op_role(&w->p[1], UB_ROLE_READER)));
	free(t.sealed);
	t.sealed = calloc(1, sizeof(*t.sealed));
	t.sealed[0].to = w->p[1].id;
	t.n_sealed = 1;
	assert_int_equal(kit_send(w, 0, MD_ROOM_ROLE, &room, &t, &r), UNIBUS_ERR_BAD_ROSTER);
	t.n_sealed = 0;
	assert_int_equal(kit_send(w, 0, MD_ROOM_ROLE, &room, &t, &r), UB_OK);
	kit_text_deinit(&t);
	done(w, &room);
}

/* ---- what lost ---- */

static ub_err count_one(void *arg, const struct md_record *r)
{
	(void)r;
	++*(size_t *)arg;
	return UB_OK;
}

static size_t n_sets(struct world *w)
{
	size_t n = 0;

	assert_int_equal(md_store_each(w->store, MD_KEY_SEALED, count_one, &n), UB_OK);
	return n;
}

/* As a crash between a set and its entry leaves it. */
static void leave_set(struct world *w, const struct ub_room *room, uint64_t seq)
{
	struct md_set set = {.room = room->id, .seq = seq, .entry = {{77}}};
	struct md_op op = {.kind = MD_PUT, .value = {(const uint8_t *)"{}", 2}};
	struct md_key key;
	uint64_t rev;

	md_key_sealed(&set, 0, &key);
	op.key = key.z;
	assert_int_equal(md_store_commit(w->store, &op, 1, &rev), UB_OK);
}

static void a_set_whose_place_another_entry_took_is_swept(void **state)
{
	struct ub_room room, none = {.id = {{1}}};
	struct world *w = world_with(&room, false);
	size_t removed = 9;

	(void)state;
	assert_int_equal(kit_append(w, 0, MD_ROOM_REKEY, &room, OPS(op_epoch(2, true))), UB_OK);
	assert_int_equal(n_sets(w), 2);
	leave_set(w, &room, 1);            /* lost */
	leave_set(w, &room, room.seq + 1); /* may still come */
	leave_set(w, &none, 0);            /* so may this */
	assert_int_equal(md_room_sweep(w->s, &removed), UB_OK);
	assert_int_equal(removed, 1);
	assert_int_equal(n_sets(w), 4);
	assert_int_equal(open_key(w, &room, 0, 1), UB_OK);
	assert_int_equal(open_key(w, &room, 0, 2), UB_OK);
	assert_int_equal(md_room_sweep(w->s, &removed), UB_OK);
	assert_int_equal(removed, 0);
	done(w, &room);
}

static void a_refused_entry_leaves_no_set(void **state)
{
	struct ub_room room, other;
	struct world *w = world_with(&room, false);
	size_t n = n_sets(w);

	(void)state;
	assert_int_equal(kit_append(w, 0, MD_ROOM_REKEY, &room, OPS(op_epoch(5, true))),
		UNIBUS_ERR_BAD_EPOCH);
	assert_int_equal(kit_create(w, 1, "team.ops", ENCRYPTED, &other), UNIBUS_ERR_SUBJECT_TAKEN);
	assert_int_equal(n_sets(w), n);
	done(w, &room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_finds_the_keys_sealed_to_him),
		cmocka_unit_test(a_clear_room_has_no_keys),
		cmocka_unit_test(the_set_must_be_the_one_signed),
		cmocka_unit_test(the_added_and_nobody_else_get_the_current_key),
		cmocka_unit_test(an_entry_that_needs_no_keys_brings_none),
		cmocka_unit_test(a_set_whose_place_another_entry_took_is_swept),
		cmocka_unit_test(a_refused_entry_leaves_no_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
