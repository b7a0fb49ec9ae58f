/* The rules of apply that hold in every room; test_roomlog_epoch.c has those of encrypted ones. */
#include "tests/unit/core/room_judge.h"

enum who { OWNER, ADMIN, MEMBER, READER, OTHER_ADMIN, OUTSIDER, NEWCOMER, PEERS };

struct world {
	struct kit_peer p[PEERS];
	struct ub_room room; /* plain: owner, admin, member, reader, other admin */
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(ub_core_init(), UB_OK);
	for (uint32_t i = 0; i < PEERS; i++)
		w->p[i] = kit_peer(i);
	assert_int_equal(kit_apply(&w->room, &w->p[OWNER],
				 OPS(op_genesis((struct ub_policy){0}),
					 op_add(&w->p[OWNER], UB_ROLE_OWNER))),
		UB_OK);
	assert_int_equal(kit_apply(&w->room, &w->p[OWNER],
				 OPS(op_add(&w->p[ADMIN], UB_ROLE_ADMIN),
					 op_add(&w->p[MEMBER], UB_ROLE_MEMBER),
					 op_add(&w->p[READER], UB_ROLE_READER),
					 op_add(&w->p[OTHER_ADMIN], UB_ROLE_ADMIN))),
		UB_OK);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ub_room_deinit(&w->room);
	free(w);
	return 0;
}

/* The room's next entry, on a copy of the room. */
static void judge(struct world *w, enum who actor, ub_err want, struct ub_op *ops, size_t n)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	struct ub_entry e = kit_entry(&w->room, &w->p[actor], ops, n);
	struct ub_room copy = {0};

	assert_int_equal(ub_room_clone(&w->room, &copy), UB_OK);
	judge_ctx(&copy, &e, &lenient, want);
	ub_room_deinit(&copy);
}

/* The room's next entry, for good. */
static void go_on(struct world *w, enum who actor, struct ub_op *ops, size_t n)
{
	assert_int_equal(kit_apply(&w->room, &w->p[actor], ops, n), UB_OK);
}

static enum ub_role role(const struct world *w, enum who who)
{
	return ub_room_role(&w->room, &w->p[who].id);
}

static void an_entry_continues_the_chain_or_is_refused(void **state)
{
	struct world *w = *state;
	const struct ub_apply ctx = {0};
	struct ub_op op = op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER);
	const struct ub_entry good = kit_entry(&w->room, &w->p[OWNER], &op, 1);
	struct ub_entry e;

	e = good;
	e.seq++;
	judge_ctx(&w->room, &e, &ctx, UNIBUS_ERR_BAD_CHAIN);
	e = good;
	e.seq--;
	judge_ctx(&w->room, &e, &ctx, UNIBUS_ERR_BAD_CHAIN);
	e = good;
	e.prev.b[31] ^= 1;
	judge_ctx(&w->room, &e, &ctx, UNIBUS_ERR_BAD_CHAIN);
	e = good;
	e.room.b[0] ^= 1;
	judge_ctx(&w->room, &e, &ctx, UNIBUS_ERR_BAD_CHAIN);
	e = good;
	e.has_room = false;
	judge_ctx(&w->room, &e, &ctx, UNIBUS_ERR_BAD_CHAIN);
	e = good;
	e.n_ops = 0;
	judge_ctx(&w->room, &e, &ctx, UNIBUS_ERR_BAD_ENTRY);
	e = good;
	judge_ctx(&w->room, &e, &ctx, UB_OK);
	judge_ctx(&w->room, &e, &ctx, UNIBUS_ERR_BAD_CHAIN);
}

static void a_room_starts_with_a_genesis_entry_only(void **state)
{
	struct world *w = *state;
	const struct ub_apply ctx = {0};
	struct ub_op ops[] = {
		op_genesis((struct ub_policy){0}), op_add(&w->p[OWNER], UB_ROLE_OWNER)};
	struct ub_room fresh = {0};
	const struct ub_entry good = kit_entry(&fresh, &w->p[OWNER], ops, 2);
	struct ub_entry e = good;

	e.seq = 1;
	judge_ctx(&fresh, &e, &ctx, UNIBUS_ERR_BAD_CHAIN);
	e = good;
	e.has_room = true;
	judge_ctx(&fresh, &e, &ctx, UNIBUS_ERR_BAD_CHAIN);
	e = good;
	judge_ctx(&w->room, &e, &ctx, UNIBUS_ERR_BAD_CHAIN);
	judge_ctx(&fresh, &e, &ctx, UB_OK);
	ub_room_deinit(&fresh);
}

static void a_closed_room_takes_nothing(void **state)
{
	struct world *w = *state;

	judge(w, OWNER, UB_OK, OPS(op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER)));
	judge(w, OWNER, UNIBUS_ERR_ROOM_CLOSED,
		OPS(op_bare(UB_OP_CLOSE), op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER)));
	judge(w, OWNER, UB_OK, OPS(op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER), op_bare(UB_OP_CLOSE)));
	go_on(w, OWNER, OPS(op_bare(UB_OP_CLOSE)));
	assert_true(w->room.closed);
	judge(w, OWNER, UNIBUS_ERR_ROOM_CLOSED, OPS(op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER)));
	judge(w, READER, UNIBUS_ERR_ROOM_CLOSED, OPS(op_bare(UB_OP_LEAVE)));
	judge(w, OUTSIDER, UNIBUS_ERR_ROOM_CLOSED, OPS(op_bare(UB_OP_LEAVE)));
}

static void judge_genesis(struct world *w, ub_err want, struct ub_op *ops, size_t n)
{
	const struct ub_apply ctx = {0};
	struct ub_room fresh = {0};
	struct ub_entry e = kit_entry(&fresh, &w->p[OWNER], ops, n);

	judge_ctx(&fresh, &e, &ctx, want);
	ub_room_deinit(&fresh);
}

static void the_genesis_entry_has_one_shape(void **state)
{
	struct world *w = *state;
	const struct ub_policy plain = {.since_join = true}, secret = {.encrypt = true};
	const struct ub_op gen = op_genesis(plain), sgen = op_genesis(secret);
	const struct ub_op own = op_add(&w->p[OWNER], UB_ROLE_OWNER);
	const struct ub_op admin = op_add(&w->p[OWNER], UB_ROLE_ADMIN);
	const struct ub_op other = op_add(&w->p[MEMBER], UB_ROLE_MEMBER);
	const struct ub_op not_own = op_add(&w->p[MEMBER], UB_ROLE_OWNER);
	const ub_err bad = UNIBUS_ERR_BAD_ENTRY;

	judge_genesis(w, UB_OK, OPS(gen, own));
	judge_genesis(w, bad, OPS(gen));
	judge_genesis(w, bad, OPS(own));
	judge_genesis(w, bad, OPS(own, gen));
	judge_genesis(w, bad, OPS(gen, admin));
	judge_genesis(w, bad, OPS(gen, not_own));
	judge_genesis(w, bad, OPS(gen, own, other));
	judge_genesis(w, bad, OPS(gen, gen, own));
	judge_genesis(w, bad, OPS(gen, op_epoch(1, false), own));
	judge_genesis(w, UNIBUS_ERR_BAD_EPOCH, OPS(gen, own, op_epoch(1, false)));

	judge_genesis(w, UB_OK, OPS(sgen, own, op_epoch(1, false)));
	judge_genesis(w, UNIBUS_ERR_NEEDS_EPOCH, OPS(sgen, own));
	judge_genesis(w, UNIBUS_ERR_BAD_EPOCH, OPS(sgen, own, op_epoch(2, false)));
	judge_genesis(w, UNIBUS_ERR_BAD_EPOCH, OPS(sgen, own, op_epoch(1, true)));
	judge_genesis(w, bad, OPS(sgen, op_epoch(1, false), own));
	judge_genesis(w, bad, OPS(sgen, own, op_epoch(1, false), op_epoch(2, true)));
	judge_genesis(w, bad, OPS(sgen, own, other, op_epoch(1, false)));
	/* and nowhere else */
	judge(w, OWNER, bad, OPS(gen));
	judge(w, OWNER, bad, OPS(op_add(&w->p[NEWCOMER], UB_ROLE_OWNER)));
	judge(w, OWNER, UB_OK, OPS(op_add(&w->p[NEWCOMER], UB_ROLE_ADMIN)));
}

static void the_genesis_entry_makes_the_first_state(void **state)
{
	struct world *w = *state;
	struct ub_policy policy = {.persist = true, .sign = true, .retain = {1, 2, 3}};
	struct ub_op gen = op_genesis(policy);
	struct ub_room room = {0};
	struct ub_room_id id;

	assert_int_equal(
		kit_apply(&room, &w->p[OWNER], OPS(gen, op_add(&w->p[OWNER], UB_ROLE_OWNER))),
		UB_OK);
	ub_room_id_of(&w->p[OWNER].sign, &gen, &id);
	assert_true(ub_room_id_eq(&id, &room.id));
	assert_string_equal(room.subject, "team.ops");
	assert_true(room.started && !room.closed && !room.rotation_due);
	assert_true(room.policy.persist && room.policy.sign && !room.policy.encrypt);
	assert_int_equal(room.policy.retain.age_s, 3);
	assert_int_equal(room.epoch, 0);
	assert_int_equal(room.n_members, 1);
	assert_true(ub_endpoint_eq(&room.owner, &w->p[OWNER].id));
	assert_int_equal(room.members[0].role, UB_ROLE_OWNER);
	assert_int_equal(room.members[0].keyrec_seq, 5);
	assert_int_equal(room.members[0].keyrec_expires_ms, KIT_EXPIRES);
	ub_room_deinit(&room);
}

/* What each role may do, each operation in an entry of its own. */
static void each_role_has_its_rights_and_no_more(void **state)
{
	struct world *w = *state;
	const enum who actors[] = {OUTSIDER, READER, MEMBER, ADMIN, OWNER};
	const struct {
		const char *what;
		struct ub_op op; /* `key` becomes the actor's own */
		const char *may; /* a character for each of actors */
	} rows[] = {
		{"add", op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER), "---yy"},
		{"add an admin", op_add(&w->p[NEWCOMER], UB_ROLE_ADMIN), "---yy"},
		{"remove an admin", op_remove(&w->p[OTHER_ADMIN]), "---yy"},
		{"remove the owner", op_remove(&w->p[OWNER]), "-----"},
		{"leave", op_bare(UB_OP_LEAVE), "-yyy-"},
		{"role up to admin", op_role(&w->p[MEMBER], UB_ROLE_ADMIN), "---yy"},
		{"role of an admin", op_role(&w->p[OTHER_ADMIN], UB_ROLE_READER), "---yy"},
		{"role of the owner", op_role(&w->p[OWNER], UB_ROLE_ADMIN), "-----"},
		{"give ownership", op_role(&w->p[OTHER_ADMIN], UB_ROLE_OWNER), "----y"},
		{"key", op_bare(UB_OP_KEY), "-yyyy"},
		{"another's key", op_key(&w->p[OTHER_ADMIN], 9), "-----"},
		{"policy", op_policy(false, true), "---yy"},
		{"takeover", op_bare(UB_OP_TAKEOVER), "---y-"},
		{"close", op_bare(UB_OP_CLOSE), "----y"},
	};

	for (size_t r = 0; r < UB_ARRAY_LEN(rows); r++) {
		for (size_t a = 0; a < UB_ARRAY_LEN(actors); a++) {
			bool may = rows[r].may[a] == 'y';
			struct ub_op op = rows[r].op;

			if (op.type == UB_OP_KEY && op.keyrec.seq == 0)
				op = op_key(&w->p[actors[a]], 6);
			print_message("%s by %zu\n", rows[r].what, a);
			judge(w, actors[a], may ? UB_OK : UNIBUS_ERR_NO_RIGHT, &op, 1);
		}
	}
}

static void rights_are_those_before_the_entry(void **state)
{
	struct world *w = *state;

	/* A member made admin by somebody else may only from the next entry on. */
	judge(w, MEMBER, UNIBUS_ERR_NO_RIGHT, OPS(op_add(&w->p[NEWCOMER], UB_ROLE_READER)));
	go_on(w, ADMIN, OPS(op_role(&w->p[MEMBER], UB_ROLE_ADMIN)));
	judge(w, MEMBER, UB_OK, OPS(op_add(&w->p[NEWCOMER], UB_ROLE_READER)));
	/* An admin who lowers himself still finishes his entry. */
	judge(w, ADMIN, UB_OK,
		OPS(op_role(&w->p[ADMIN], UB_ROLE_READER),
			op_add(&w->p[NEWCOMER], UB_ROLE_READER)));
	/* One bad operation refuses the whole entry. */
	judge(w, ADMIN, UNIBUS_ERR_NO_RIGHT,
		OPS(op_add(&w->p[NEWCOMER], UB_ROLE_READER), op_bare(UB_OP_CLOSE)));
}

static void who_is_gone_does_nothing_more(void **state)
{
	struct world *w = *state;
	struct ub_op add = op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER);

	judge(w, ADMIN, UNIBUS_ERR_NO_RIGHT, OPS(op_bare(UB_OP_LEAVE), add));
	judge(w, ADMIN, UB_OK, OPS(add, op_bare(UB_OP_LEAVE)));
	judge(w, ADMIN, UNIBUS_ERR_NO_RIGHT, OPS(op_remove(&w->p[ADMIN]), add));
	judge(w, ADMIN, UB_OK, OPS(add, op_remove(&w->p[ADMIN])));
}

static void the_owner_hands_over_and_becomes_admin(void **state)
{
	struct world *w = *state;

	judge(w, OWNER, UNIBUS_ERR_NO_RIGHT, OPS(op_bare(UB_OP_LEAVE)));
	judge(w, OWNER, UNIBUS_ERR_NO_RIGHT, OPS(op_role(&w->p[OWNER], UB_ROLE_OWNER)));
	judge(w, OWNER, UNIBUS_ERR_NOT_FOUND, OPS(op_role(&w->p[OUTSIDER], UB_ROLE_OWNER)));
	judge(w, OWNER, UNIBUS_ERR_NO_RIGHT,
		OPS(op_role(&w->p[MEMBER], UB_ROLE_OWNER), op_role(&w->p[ADMIN], UB_ROLE_OWNER)));
	judge(w, OWNER, UNIBUS_ERR_NO_RIGHT,
		OPS(op_role(&w->p[MEMBER], UB_ROLE_OWNER), op_remove(&w->p[MEMBER])));
	judge(w, OWNER, UB_OK, OPS(op_role(&w->p[MEMBER], UB_ROLE_OWNER), op_bare(UB_OP_LEAVE)));

	go_on(w, OWNER, OPS(op_role(&w->p[MEMBER], UB_ROLE_OWNER)));
	assert_int_equal(role(w, OWNER), UB_ROLE_ADMIN);
	assert_int_equal(role(w, MEMBER), UB_ROLE_OWNER);
	assert_true(ub_endpoint_eq(&w->room.owner, &w->p[MEMBER].id));
	judge(w, OWNER, UNIBUS_ERR_NO_RIGHT, OPS(op_bare(UB_OP_CLOSE)));
	judge(w, MEMBER, UB_OK, OPS(op_bare(UB_OP_CLOSE)));
	judge(w, OWNER, UB_OK, OPS(op_bare(UB_OP_LEAVE)));
}

static void an_admin_takes_over_from_a_revoked_owner(void **state)
{
	struct world *w = *state;
	const struct ub_apply active = {0}, revoked = {.owner_revoked = true};
	struct ub_op op = op_bare(UB_OP_TAKEOVER);
	struct ub_entry e = kit_entry(&w->room, &w->p[ADMIN], &op, 1);

	judge(w, ADMIN, UNIBUS_ERR_NO_RIGHT, OPS(op, op)); /* not from himself */
	/* nor is it his to give away before it is his */
	judge(w, ADMIN, UNIBUS_ERR_NO_RIGHT, OPS(op, op_role(&w->p[MEMBER], UB_ROLE_OWNER)));
	judge_ctx(&w->room, &e, &active, UNIBUS_ERR_NO_RIGHT);
	judge_ctx(&w->room, &e, &revoked, UB_OK);
	assert_int_equal(role(w, ADMIN), UB_ROLE_OWNER);
	assert_int_equal(role(w, OWNER), UB_ROLE_NONE);
	assert_true(ub_endpoint_eq(&w->room.owner, &w->p[ADMIN].id));
	assert_false(w->room.rotation_due);
}

static void who_is_in_is_not_added_and_who_is_not_is_not_found(void **state)
{
	struct world *w = *state;

	judge(w, ADMIN, UNIBUS_ERR_CONFLICT, OPS(op_add(&w->p[MEMBER], UB_ROLE_MEMBER)));
	judge(w, ADMIN, UB_OK, OPS(op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER)));
	judge(w, ADMIN, UNIBUS_ERR_CONFLICT,
		OPS(op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER),
			op_add(&w->p[NEWCOMER], UB_ROLE_READER)));
	judge(w, ADMIN, UNIBUS_ERR_NOT_FOUND, OPS(op_remove(&w->p[NEWCOMER])));
	judge(w, ADMIN, UB_OK, OPS(op_remove(&w->p[MEMBER])));
	judge(w, ADMIN, UNIBUS_ERR_NOT_FOUND, OPS(op_role(&w->p[NEWCOMER], UB_ROLE_READER)));
	judge(w, ADMIN, UB_OK, OPS(op_role(&w->p[MEMBER], UB_ROLE_READER)));
	judge(w, ADMIN, UNIBUS_ERR_BAD_ENTRY, OPS(op_role(&w->p[MEMBER], UB_ROLE_NONE)));
	judge(w, ADMIN, UNIBUS_ERR_BAD_ENTRY, OPS(op_add(&w->p[NEWCOMER], UB_ROLE_NONE)));
	/* out and in again counts anew */
	go_on(w, ADMIN, OPS(op_remove(&w->p[MEMBER]), op_add(&w->p[MEMBER], UB_ROLE_READER)));
	assert_int_equal(role(w, MEMBER), UB_ROLE_READER);
	assert_int_equal(ub_room_member(&w->room, &w->p[MEMBER].id)->added_seq, 2);
	assert_int_equal(ub_room_member(&w->room, &w->p[READER].id)->added_seq, 1);
}

static void members_are_sorted_and_counted(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->room.n_members, 5);
	for (size_t i = 1; i < w->room.n_members; i++)
		assert_true(
			ub_endpoint_cmp(&w->room.members[i - 1].id, &w->room.members[i].id) < 0);
	for (unsigned i = 0; i < 5; i++)
		assert_true(
			ub_endpoint_eq(&ub_room_member(&w->room, &w->p[i].id)->id, &w->p[i].id));
	assert_null(ub_room_member(&w->room, &w->p[OUTSIDER].id));
	assert_int_equal(role(w, OUTSIDER), UB_ROLE_NONE);
}

static void a_room_holds_so_many_members(void **state)
{
	struct world *w = *state;
	const struct ub_apply five = {.members_max = 5}, six = {.members_max = 6};
	struct ub_op ops[] = {op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER)};
	struct ub_op swap[] = {op_remove(&w->p[READER]), ops[0]};
	struct ub_entry e = kit_entry(&w->room, &w->p[OWNER], swap, 2);
	struct ub_room copy = {0};

	assert_int_equal(ub_room_clone(&w->room, &copy), UB_OK);
	judge_ctx(&copy, &e, &five, UB_OK);
	ub_room_deinit(&copy);
	e = kit_entry(&w->room, &w->p[OWNER], ops, 1);
	judge_ctx(&w->room, &e, &five, UNIBUS_ERR_LIMIT);
	judge_ctx(&w->room, &e, &six, UB_OK);
}

static void four_thousand_is_the_most_whatever_the_server_allows(void **state)
{
	struct world *w = *state;
	const struct ub_apply more = {.members_max = UB_ROOM_MEMBERS_MAX + 100};
	struct ub_op ops[UB_ENTRY_OPS_MAX];
	struct ub_entry e;
	uint32_t next = 100;

	while (w->room.n_members < UB_ROOM_MEMBERS_MAX) {
		size_t n = UB_ROOM_MEMBERS_MAX - w->room.n_members;

		n = n < UB_ENTRY_OPS_MAX ? n : UB_ENTRY_OPS_MAX;
		for (size_t i = 0; i < n; i++) {
			/* apply does not ask whether the key is a point */
			struct kit_peer p = w->p[NEWCOMER];

			ub_put_u32(p.sign.b, next++);
			ops[i] = op_add(&p, UB_ROLE_READER);
		}
		e = kit_entry(&w->room, &w->p[OWNER], ops, n);
		assert_int_equal(ub_room_apply(&w->room, &e, &more), UB_OK);
	}
	ops[0] = op_add(&w->p[NEWCOMER], UB_ROLE_READER);
	e = kit_entry(&w->room, &w->p[OWNER], ops, 1);
	judge_ctx(&w->room, &e, &more, UNIBUS_ERR_LIMIT);
}

static void a_key_is_replaced_by_a_newer_one_only(void **state)
{
	struct world *w = *state;
	struct kit_peer fresh = kit_peer(50);
	struct ub_op op = op_key(&w->p[MEMBER], 6);
	const struct ub_member *m;

	judge(w, MEMBER, UNIBUS_ERR_CONFLICT, OPS(op_key(&w->p[MEMBER], 4)));
	judge(w, MEMBER, UNIBUS_ERR_CONFLICT, OPS(op_key(&w->p[MEMBER], 5)));
	judge(w, MEMBER, UNIBUS_ERR_CONFLICT,
		OPS(op_key(&w->p[MEMBER], 6), op_key(&w->p[MEMBER], 6)));
	op.keyrec.kex = fresh.kex;
	op.keyrec.expires_ms = KIT_EXPIRES + 1;
	go_on(w, MEMBER, &op, 1);
	m = ub_room_member(&w->room, &w->p[MEMBER].id);
	assert_memory_equal(&m->kex, &fresh.kex, 32);
	assert_int_equal(m->keyrec_seq, 6);
	assert_int_equal(m->keyrec_expires_ms, KIT_EXPIRES + 1);
	assert_int_equal(m->role, UB_ROLE_MEMBER);
	assert_int_equal(m->added_seq, 1);
	assert_false(w->room.rotation_due); /* nothing to rotate in a clear room */
}

static void an_expired_key_record_is_refused_by_who_has_a_clock(void **state)
{
	struct world *w = *state;
	const struct ub_apply before = {.now_ms = KIT_EXPIRES - 1};
	const struct ub_apply at = {.now_ms = KIT_EXPIRES}, none = {0};
	struct ub_op add = op_add(&w->p[NEWCOMER], UB_ROLE_MEMBER), key = op_key(&w->p[ADMIN], 6);
	struct ub_op gen[] = {
		op_genesis((struct ub_policy){0}), op_add(&w->p[OWNER], UB_ROLE_OWNER)};
	struct ub_room fresh = {0};
	struct ub_entry e;

	e = kit_entry(&w->room, &w->p[ADMIN], &add, 1);
	judge_ctx(&w->room, &e, &at, UNIBUS_ERR_EXPIRED);
	judge_ctx(&w->room, &e, &before, UB_OK);
	e = kit_entry(&w->room, &w->p[ADMIN], &key, 1);
	judge_ctx(&w->room, &e, &at, UNIBUS_ERR_EXPIRED);
	judge_ctx(&w->room, &e, &none, UB_OK);
	e = kit_entry(&fresh, &w->p[OWNER], gen, 2);
	judge_ctx(&fresh, &e, &at, UNIBUS_ERR_EXPIRED);
	judge_ctx(&fresh, &e, &before, UB_OK);
	ub_room_deinit(&fresh);
}

static void retention_changes_only_when_named(void **state)
{
	struct world *w = *state;
	struct ub_op op = op_policy(false, false);

	op.has_retain = true;
	op.policy.retain.messages = 9;
	go_on(w, ADMIN, &op, 1);
	assert_int_equal(w->room.policy.retain.messages, 9);
	go_on(w, ADMIN, OPS(op_policy(false, true)));
	assert_int_equal(w->room.policy.retain.messages, 9);
	assert_true(w->room.policy.sign);
	op = op_policy(false, true);
	op.has_retain = true;
	go_on(w, ADMIN, &op, 1);
	assert_int_equal(w->room.policy.retain.messages, 0);
}

static void signing_is_never_turned_off_again(void **state)
{
	struct world *w = *state;

	judge(w, ADMIN, UB_OK, OPS(op_policy(false, false)));
	judge(w, ADMIN, UNIBUS_ERR_BAD_ENTRY, OPS(op_policy(false, true), op_policy(false, false)));
	go_on(w, ADMIN, OPS(op_policy(false, true)));
	judge(w, ADMIN, UNIBUS_ERR_BAD_ENTRY, OPS(op_policy(false, false)));
	judge(w, ADMIN, UB_OK, OPS(op_policy(false, true)));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_entry_continues_the_chain_or_is_refused),
		T(a_room_starts_with_a_genesis_entry_only),
		T(a_closed_room_takes_nothing),
		T(the_genesis_entry_has_one_shape),
		T(the_genesis_entry_makes_the_first_state),
		T(each_role_has_its_rights_and_no_more),
		T(rights_are_those_before_the_entry),
		T(who_is_gone_does_nothing_more),
		T(the_owner_hands_over_and_becomes_admin),
		T(an_admin_takes_over_from_a_revoked_owner),
		T(who_is_in_is_not_added_and_who_is_not_is_not_found),
		T(members_are_sorted_and_counted),
		T(a_room_holds_so_many_members),
		T(four_thousand_is_the_most_whatever_the_server_allows),
		T(a_key_is_replaced_by_a_newer_one_only),
		T(an_expired_key_record_is_refused_by_who_has_a_clock),
		T(retention_changes_only_when_named),
		T(signing_is_never_turned_off_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
