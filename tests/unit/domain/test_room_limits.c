/* How many members, rooms and changes: each limit holds, and is one more than what is allowed. */
#include "tests/unit/domain/rooms_kit.h"

static struct world *world_limited(struct md_limits limits)
{
	struct world *w = world_bare();
	struct md_service_config c = kit_config(w);

	c.limits = limits;
	world_open(w, &c);
	for (unsigned i = 0; i < KIT_PEERS - 1; i++)
		assert_int_equal(kit_register(w, i, i == 0), UB_OK);
	return w;
}

static void free_rooms(struct ub_room *room, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ub_room_deinit(&room[i]);
}

static void a_room_has_so_many_members(void **state)
{
	struct world *w = world_limited((struct md_limits){.members_max = 3});
	struct ub_room room;

	(void)state;
	assert_int_equal(kit_create(w, 0, "room.a", PLAIN, &room), UB_OK);
	assert_int_equal(kit_invite(w, &room, 0, 1, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(kit_invite(w, &room, 0, 2, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(kit_invite(w, &room, 0, 3, UB_ROLE_MEMBER), UNIBUS_ERR_LIMIT);
	assert_int_equal(kit_remove(w, &room, 0, 2), UB_OK);
	assert_int_equal(kit_invite(w, &room, 0, 3, UB_ROLE_MEMBER), UB_OK);
	free_rooms(&room, 1);
	world_free(w);
}

static void a_peer_joins_so_many_rooms(void **state)
{
	struct world *w = world_limited((struct md_limits){.joined_max = 2});
	struct ub_room room[4];

	(void)state;
	assert_int_equal(kit_create(w, 0, "room.0", PLAIN, &room[0]), UB_OK);
	assert_int_equal(kit_create(w, 0, "room.1", PLAIN, &room[1]), UB_OK);
	assert_int_equal(kit_create(w, 0, "room.2", PLAIN, &room[3]), UNIBUS_ERR_LIMIT);
	assert_int_equal(kit_create(w, 1, "room.2", PLAIN, &room[2]), UB_OK);
	for (size_t i = 0; i < 3; i++) /* being added is no joining: nobody is locked out by it */
		assert_int_equal(kit_invite(w, &room[i], i == 2, 2, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(kit_join(w, &room[0], 2), UB_OK);
	assert_int_equal(kit_join(w, &room[1], 2), UB_OK);
	assert_int_equal(kit_join(w, &room[2], 2), UNIBUS_ERR_LIMIT);
	assert_int_equal(kit_join(w, &room[1], 2), UB_OK); /* joined already */
	/* A closed room counts no more, nor one that was left. */
	assert_int_equal(
		kit_append(w, 0, MD_ROOM_CLOSE, &room[0], OPS(op_bare(UB_OP_CLOSE))), UB_OK);
	assert_int_equal(kit_join(w, &room[2], 2), UB_OK);
	assert_int_equal(kit_create(w, 0, "room.3", PLAIN, &room[3]), UB_OK);
	free_rooms(room, 4);
	world_free(w);
}

static void a_peer_owns_so_many_rooms(void **state)
{
	struct world *w = world_limited((struct md_limits){.owned_max = 1});
	struct ub_room room[4];

	(void)state;
	assert_int_equal(kit_create(w, 0, "room.0", PLAIN, &room[0]), UB_OK);
	assert_int_equal(kit_create(w, 0, "room.1", PLAIN, &room[1]), UNIBUS_ERR_LIMIT);
	assert_int_equal(kit_create(w, 1, "room.1", PLAIN, &room[1]), UB_OK);
	assert_int_equal(kit_invite(w, &room[1], 1, 0, UB_ROLE_ADMIN), UB_OK);
	assert_int_equal(
		kit_append(w, 1, MD_ROOM_ROLE, &room[1], OPS(op_role(&w->p[0], UB_ROLE_OWNER))),
		UNIBUS_ERR_LIMIT); /* not even by gift */
	assert_int_equal(kit_revoke(w, 1), UB_OK);
	assert_int_equal(kit_append(w, 0, MD_ROOM_REMOVE, &room[1], OPS(op_bare(UB_OP_TAKEOVER))),
		UNIBUS_ERR_LIMIT);
	assert_int_equal(
		kit_append(w, 0, MD_ROOM_CLOSE, &room[0], OPS(op_bare(UB_OP_CLOSE))), UB_OK);
	assert_int_equal(
		kit_append(w, 0, MD_ROOM_REMOVE, &room[1], OPS(op_bare(UB_OP_TAKEOVER))), UB_OK);
	free_rooms(room, 2);
	world_free(w);
}

static void a_subject_stays_with_its_closed_room(void **state)
{
	struct world *w = world_new();
	struct ub_room room, again;

	(void)state;
	assert_int_equal(kit_create(w, 0, "room.a", PLAIN, &room), UB_OK);
	assert_int_equal(kit_append(w, 0, MD_ROOM_CLOSE, &room, OPS(op_bare(UB_OP_CLOSE))), UB_OK);
	assert_int_equal(kit_create(w, 1, "room.a", PLAIN, &again), UNIBUS_ERR_SUBJECT_TAKEN);
	free_rooms(&room, 1);
	world_free(w);
}

static void adds_and_removes_have_a_rate_for_each_actor(void **state)
{
	struct world *w = world_limited((struct md_limits){.changes_per_minute = 6});
	struct ub_room room;

	(void)state;
	assert_int_equal(kit_create(w, 0, "room.a", PLAIN, &room), UB_OK); /* adds himself */
	assert_int_equal(kit_invite(w, &room, 0, 1, UB_ROLE_ADMIN), UB_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kit_invite(w, &room, 0, 2, UB_ROLE_MEMBER), UB_OK);
		assert_int_equal(kit_remove(w, &room, 0, 2), UB_OK);
	}
	assert_int_equal(kit_invite(w, &room, 0, 2, UB_ROLE_MEMBER), UNIBUS_ERR_SLOW_DOWN);
	assert_int_equal(
		kit_append(w, 0, MD_ROOM_ROLE, &room, OPS(op_role(&w->p[1], UB_ROLE_MEMBER))),
		UB_OK); /* neither */
	assert_int_equal(
		kit_append(w, 0, MD_ROOM_ROLE, &room, OPS(op_role(&w->p[1], UB_ROLE_ADMIN))),
		UB_OK);
	assert_int_equal(kit_invite(w, &room, 1, 2, UB_ROLE_MEMBER), UB_OK); /* another actor */
	w->boot += 9999;
	assert_int_equal(kit_remove(w, &room, 0, 2), UNIBUS_ERR_SLOW_DOWN);
	w->boot += 1;
	assert_int_equal(kit_remove(w, &room, 0, 2), UB_OK);
	free_rooms(&room, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_room_has_so_many_members),
		cmocka_unit_test(a_peer_joins_so_many_rooms),
		cmocka_unit_test(a_peer_owns_so_many_rooms),
		cmocka_unit_test(a_subject_stays_with_its_closed_room),
		cmocka_unit_test(adds_and_removes_have_a_rate_for_each_actor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
