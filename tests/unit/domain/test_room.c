/* What a room's routes accept and answer; who may see it. test_room_void.c has revoked members,
 * test_room_set.c the sealed keys, test_room_limits.c the limits. */
#include "tests/unit/domain/rooms_kit.h"

/* Number 0 owns it; 1 is admin, 2 member, 3 reader, all joined; 4 is invited only. */
static struct world *world_with(struct ub_room *room, struct ub_policy policy)
{
	struct world *w = world_new();

	assert_int_equal(kit_create(w, 0, "team.ops", policy, room), UB_OK);
	assert_int_equal(kit_invite(w, room, 0, 1, UB_ROLE_ADMIN), UB_OK);
	assert_int_equal(kit_invite(w, room, 0, 2, UB_ROLE_MEMBER), UB_OK);
	assert_int_equal(kit_invite(w, room, 1, 3, UB_ROLE_READER), UB_OK);
	assert_int_equal(kit_invite(w, room, 1, 4, UB_ROLE_MEMBER), UB_OK);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(kit_join(w, room, i), UB_OK);
	w->n_told = 0;
	return w;
}

static void done(struct world *w, struct ub_room *room)
{
	ub_room_deinit(room);
	world_free(w);
}

static void assert_head(struct world *w, const struct ub_room *room)
{
	struct md_room_info i;

	assert_int_equal(kit_info(w, room, 0, &i), UB_OK);
	assert_int_equal(i.seq, room->seq);
	assert_memory_equal(&i.head, &room->head, 32);
	assert_int_equal(i.n_members, room->n_members);
}

static void the_creator_owns_the_room_and_is_in_it(void **state)
{
	struct world *w = world_new();
	struct kit_text t = kit_genesis(&w->p[1], "room.a", ENCRYPTED);
	struct md_room_change c = kit_change(&t);
	struct md_caller by = kit_caller(w, 1);
	struct md_room_result r;
	struct md_room_info i;
	size_t n;

	(void)state;
	assert_int_equal(md_room_create(w->s, &by, &c, &r), UB_OK);
	assert_int_equal(r.seq, 0);
	assert_true(ub_room_id_eq(&r.id, &t.after.id));
	assert_int_equal(r.wire.n_publish, 1);
	assert_int_equal(r.wire.n_subscribe, 1);
	assert_int_equal(r.taken.rev, md_service_revision(w->s));
	assert_int_equal(md_room_get(w->s, &by, &r.id, &i), UB_OK);
	assert_string_equal(i.subject, "room.a");
	assert_true(i.policy.encrypt && i.joined && !i.closed && !i.rotation_due && !i.removal_due);
	assert_int_equal(i.epoch, 1);
	assert_int_equal(i.role, UB_ROLE_OWNER);
	assert_int_equal(i.n_members, 1);
	assert_memory_equal(&i.head, &r.head, 32);
	assert_true(ub_endpoint_eq(&i.owner, &w->p[1].id));
	kit_told(w, MD_EVENT_GRANTED, &n);
	assert_int_equal(n, 1);
	kit_text_deinit(&t);
	world_free(w);
}

static void a_genesis_that_does_not_fit_is_refused(void **state)
{
	static const struct {
		const char *subject;
		struct ub_policy policy;
		unsigned by;
		ub_err want;
	} cases[] = {
		{"room.a", {.persist = true}, 0, UNIBUS_ERR_NOT_AVAILABLE},
		{"room.a", {.persist = true, .encrypt = true}, 0, UNIBUS_ERR_NOT_AVAILABLE},
		{"room.a", {0}, 1, UNIBUS_ERR_DENIED}, /* sent by another */
		{"room.a", {0}, 0, UB_OK},
		{"room.a", {.sign = true}, 0, UNIBUS_ERR_SUBJECT_TAKEN},
		{"Room.A", {0}, 0, UNIBUS_ERR_SUBJECT_TAKEN},
		{"room.b", {0}, 0, UB_OK},
	};
	struct world *w = world_new();

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct kit_text t = kit_genesis(&w->p[0], cases[i].subject, cases[i].policy);
		struct md_room_change c = kit_change(&t);
		struct md_caller by = kit_caller(w, cases[i].by);
		uint64_t rev = md_service_revision(w->s);
		struct md_room_result r;

		assert_int_equal(md_room_create(w->s, &by, &c, &r), cases[i].want);
		assert_int_equal(md_service_revision(w->s) == rev, cases[i].want != UB_OK);
		kit_text_deinit(&t);
	}
	world_free(w);
}

static void without_clear_rooms_a_room_must_encrypt(void **state)
{
	struct world *w = world_bare();
	struct md_service_config c = kit_config(w);
	struct ub_room room;

	(void)state;
	c.refuse_cleartext = true;
	world_open(w, &c);
	assert_int_equal(kit_register(w, 0, true), UB_OK);
	assert_int_equal(kit_create(w, 0, "room.a", PLAIN, &room), UNIBUS_ERR_CLEARTEXT_REFUSED);
	assert_int_equal(kit_create(w, 0, "room.a", (struct ub_policy){.sign = true}, &room),
		UNIBUS_ERR_CLEARTEXT_REFUSED);
	assert_int_equal(kit_create(w, 0, "room.a", ENCRYPTED, &room), UB_OK);
	done(w, &room);
}

static void a_genesis_again_is_the_same_room(void **state)
{
	struct world *w = world_new();
	struct kit_text t = kit_genesis(&w->p[0], "room.a", ENCRYPTED);
	struct md_room_change c = kit_change(&t);
	struct md_caller by = kit_caller(w, 0);
	struct md_room_result r, again;
	uint64_t rev;

	(void)state;
	assert_int_equal(md_room_create(w->s, &by, &c, &r), UB_OK);
	rev = md_service_revision(w->s);
	assert_int_equal(md_room_create(w->s, &by, &c, &again), UB_OK);
	assert_int_equal(md_service_revision(w->s), rev);
	assert_true(ub_room_id_eq(&r.id, &again.id));
	assert_memory_equal(&r.head, &again.head, 32);
	assert_int_equal(again.wire.n_publish, 1);
	kit_text_deinit(&t);
	world_free(w);
}

static void strangers_are_denied_and_nothing_is_not_found(void **state)
{
	struct ub_room room, none;
	struct world *w = world_with(&room, PLAIN);
	struct md_caller stranger = kit_caller(w, 5);
	struct md_room_info i;
	struct ub_room st;
	uint8_t key[UB_SEALED_LEN];
	uint32_t n;

	(void)state;
	none = room;
	none.id.b[0] ^= 1;
	assert_int_equal(kit_info(w, &room, 4, &i), UB_OK);
	assert_int_equal(kit_info(w, &room, 5, &i), UNIBUS_ERR_DENIED);
	assert_int_equal(kit_info(w, &none, 4, &i), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(kit_join(w, &room, 5), UNIBUS_ERR_DENIED);
	assert_int_equal(kit_join(w, &none, 5), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(md_room_state(w->s, &stranger, &room.id, &st), UNIBUS_ERR_DENIED);
	assert_int_equal(md_room_state(w->s, &stranger, &none.id, &st), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(md_room_key(w->s, &stranger, &room.id, 0, &n, key), UNIBUS_ERR_DENIED);
	assert_int_equal(
		md_room_log(w->s, &stranger, &room.id, 0, 9, NULL, NULL), UNIBUS_ERR_DENIED);
	assert_int_equal(kit_append(w, 5, MD_ROOM_LEAVE, &room, OPS(op_bare(UB_OP_LEAVE))),
		UNIBUS_ERR_DENIED);
	assert_false(md_room_joined(w->s, &room.id, &w->p[5].id));
	assert_false(md_room_joined(w->s, &none.id, &w->p[0].id));
	assert_true(md_room_joined(w->s, &room.id, &w->p[0].id));
	assert_false(md_room_joined(w->s, &room.id, &w->p[4].id));
	assert_head(w, &room);
	done(w, &room);
}

static void joining_starts_what_adding_does_not(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);
	struct md_caller by = kit_caller(w, 4);
	struct md_room_result r;
	struct told told;
	uint64_t rev;
	size_t n;

	(void)state;
	assert_int_equal(md_room_join(w->s, &by, &room.id, &r), UB_OK);
	assert_string_equal(r.wire.publish[0].z, "team.ops");
	assert_string_equal(r.wire.subscribe[0].z, "team.ops");
	assert_int_equal(r.seq, room.seq);
	told = kit_told(w, MD_EVENT_GRANTED, &n);
	assert_int_equal(n, 1);
	assert_int_equal(told.rev, r.taken.rev);
	assert_true(told.n_who == 1 && ub_endpoint_eq(&told.who[0], &w->p[4].id));
	rev = md_service_revision(w->s);
	assert_int_equal(md_room_join(w->s, &by, &room.id, &r), UB_OK); /* again */
	assert_int_equal(r.taken.rev, rev);
	assert_int_equal(md_service_revision(w->s), rev);
	done(w, &room);
}

static void a_route_takes_only_its_own_operations(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);
	const struct {
		enum md_room_verb verb;
		unsigned by;
		struct ub_op op[2];
		size_t n;
		ub_err want;
	} cases[] = {
		{MD_ROOM_REMOVE, 0, {op_add(&w->p[5], 1)}, 1, UNIBUS_ERR_INVALID},
		{MD_ROOM_INVITE, 0, {op_remove(&w->p[2])}, 1, UNIBUS_ERR_INVALID},
		{MD_ROOM_INVITE, 0, {op_add(&w->p[5], 1), op_remove(&w->p[2])}, 2,
			UNIBUS_ERR_INVALID},
		{MD_ROOM_LEAVE, 0, {op_bare(UB_OP_CLOSE)}, 1, UNIBUS_ERR_INVALID},
		{MD_ROOM_POLICY, 0, {op_bare(UB_OP_CLOSE)}, 1, UNIBUS_ERR_INVALID},
		{MD_ROOM_REKEY, 0, {op_role(&w->p[2], 1)}, 1, UNIBUS_ERR_INVALID},
		{MD_ROOM_CLOSE, 0, {op_bare(UB_OP_LEAVE)}, 1, UNIBUS_ERR_INVALID},
		{MD_ROOM_ROLE, 0, {op_key(&w->p[0], 6)}, 1, UNIBUS_ERR_INVALID},
		/* each route's own, refused by the room's rules only */
		{MD_ROOM_INVITE, 2, {op_add(&w->p[5], 1)}, 1, UNIBUS_ERR_NO_RIGHT},
		{MD_ROOM_INVITE, 0, {op_add(&w->p[2], 1)}, 1, UNIBUS_ERR_CONFLICT},
		{MD_ROOM_REMOVE, 2, {op_remove(&w->p[3])}, 1, UNIBUS_ERR_NO_RIGHT},
		{MD_ROOM_REMOVE, 1, {op_bare(UB_OP_TAKEOVER)}, 1, UNIBUS_ERR_NO_RIGHT},
		{MD_ROOM_ROLE, 2, {op_role(&w->p[3], 2)}, 1, UNIBUS_ERR_NO_RIGHT},
		{MD_ROOM_CLOSE, 1, {op_bare(UB_OP_CLOSE)}, 1, UNIBUS_ERR_NO_RIGHT},
		{MD_ROOM_LEAVE, 0, {op_bare(UB_OP_LEAVE)}, 1, UNIBUS_ERR_NO_RIGHT},
		{MD_ROOM_REKEY, 0, {op_key(&w->p[0], 5)}, 1, UNIBUS_ERR_CONFLICT},
		/* and accepted */
		{MD_ROOM_REKEY, 0, {op_key(&w->p[0], 6)}, 1, UB_OK},
		{MD_ROOM_INVITE, 1, {op_add(&w->p[5], 1)}, 1, UB_OK},
		{MD_ROOM_ROLE, 1, {op_role(&w->p[5], 2)}, 1, UB_OK},
		{MD_ROOM_REMOVE, 1, {op_remove(&w->p[5])}, 1, UB_OK},
		{MD_ROOM_POLICY, 1, {op_policy(false, true)}, 1, UB_OK},
		{MD_ROOM_LEAVE, 3, {op_bare(UB_OP_LEAVE)}, 1, UB_OK},
		{MD_ROOM_CLOSE, 0, {op_bare(UB_OP_CLOSE)}, 1, UB_OK},
		{MD_ROOM_ROLE, 0, {op_role(&w->p[2], 1)}, 1, UNIBUS_ERR_ROOM_CLOSED},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		ub_err got =
			kit_append(w, cases[i].by, cases[i].verb, &room, cases[i].op, cases[i].n);

		if (got != cases[i].want)
			fail_msg("case %zu: %s", i, unibus_err_word(got));
		assert_head(w, &room);
	}
	assert_int_equal(kit_join(w, &room, 4), UNIBUS_ERR_ROOM_CLOSED);
	done(w, &room);
}

static void an_entry_of_another_room_or_author_is_refused(void **state)
{
	struct ub_room room, other;
	struct world *w = world_with(&room, PLAIN);
	struct kit_text t;
	struct md_room_result r;

	(void)state;
	assert_int_equal(kit_create(w, 0, "other", PLAIN, &other), UB_OK);
	t = kit_make(&room, &w->p[1], OPS(op_add(&w->p[5], UB_ROLE_MEMBER)));
	assert_int_equal(kit_send(w, 1, MD_ROOM_INVITE, &other, &t, &r), UNIBUS_ERR_INVALID);
	assert_int_equal(kit_send(w, 0, MD_ROOM_INVITE, &room, &t, &r), UNIBUS_ERR_DENIED);
	assert_head(w, &room);
	t.text.p[t.text.len - 1] ^= 4; /* another signature */
	assert_true(kit_send(w, 1, MD_ROOM_INVITE, &room, &t, &r) != UB_OK);
	t.text.p[t.text.len - 1] ^= 4;
	assert_int_equal(kit_send(w, 1, MD_ROOM_INVITE, &room, &t, &r), UB_OK);
	kit_text_deinit(&t);
	ub_room_deinit(&other);
	done(w, &room);
}

static void of_two_entries_for_one_place_the_second_rebases(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);
	struct kit_text a = kit_make(&room, &w->p[0], OPS(op_add(&w->p[5], UB_ROLE_MEMBER)));
	struct kit_text b = kit_make(&room, &w->p[1], OPS(op_add(&w->p[6], UB_ROLE_MEMBER)));
	struct md_room_result r;
	uint64_t rev;

	(void)state;
	assert_int_equal(kit_send(w, 0, MD_ROOM_INVITE, &room, &a, &r), UB_OK);
	assert_int_equal(r.seq, room.seq + 1);
	kit_follow(&room, &a);
	assert_int_equal(kit_send(w, 1, MD_ROOM_INVITE, &room, &b, &r), UNIBUS_ERR_STALE_HEAD);
	assert_int_equal(r.seq, room.seq);
	assert_memory_equal(&r.head, &room.head, 32);
	assert_int_equal(kit_invite(w, &room, 1, 6, UB_ROLE_MEMBER), UB_OK);
	/* The first again finds itself, long after. */
	rev = md_service_revision(w->s);
	assert_int_equal(kit_send(w, 0, MD_ROOM_INVITE, &room, &a, &r), UB_OK);
	assert_int_equal(r.seq, room.seq - 1);
	assert_int_equal(md_service_revision(w->s), rev);
	assert_head(w, &room);
	kit_text_deinit(&a);
	kit_text_deinit(&b);
	done(w, &room);
}

static void who_left_may_say_so_again(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);
	struct kit_text t = kit_make(&room, &w->p[2], OPS(op_bare(UB_OP_LEAVE)));
	struct md_room_result r;
	size_t n;

	(void)state;
	assert_int_equal(kit_send(w, 2, MD_ROOM_LEAVE, &room, &t, &r), UB_OK);
	assert_int_equal(r.taken.kicked, 1);
	assert_int_equal(r.wire.n_subscribe, 0);
	assert_int_equal(kit_send(w, 2, MD_ROOM_LEAVE, &room, &t, &r), UB_OK);
	kit_told(w, MD_EVENT_NARROWED, &n);
	assert_int_equal(n, 1);
	kit_text_deinit(&t);
	done(w, &room);
}

static void only_registered_peers_can_be_added(void **state)
{
	struct ub_room room;
	struct world *w = world_with(&room, PLAIN);

	(void)state;
	assert_int_equal(kit_invite(w, &room, 0, 7, UB_ROLE_MEMBER), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(kit_revoke(w, 5), UB_OK);
	assert_int_equal(kit_invite(w, &room, 0, 5, UB_ROLE_MEMBER), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(kit_register(w, 7, false), UB_OK);
	assert_int_equal(kit_invite(w, &room, 0, 7, UB_ROLE_MEMBER), UB_OK);
	w->now = KIT_EXPIRES;
	assert_int_equal(kit_invite(w, &room, 0, 6, UB_ROLE_MEMBER), UNIBUS_ERR_EXPIRED);
	w->now = KIT_EXPIRES - 1;
	assert_int_equal(kit_invite(w, &room, 0, 6, UB_ROLE_MEMBER), UB_OK);
	done(w, &room);
}

/* ---- reading ---- */

struct entries {
	uint64_t from;
	size_t n;
	struct ub_hash last;
	bool stop;
};

static ub_err take_entry(void *arg, uint64_t seq, struct ub_str entry)
{
	struct entries *e = arg;

	assert_int_equal(seq, e->from + e->n);
	ub_hash(entry.p, entry.len, &e->last);
	e->n++;
	return e->stop ? UNIBUS_ERR_CANCELLED : UB_OK;
}

static void the_log_is_read_as_it_was_signed(void **state)
{
	static const struct {
		uint64_t from;
		size_t max, want;
	} cases[] = {{0, 100, 5}, {0, 2, 2}, {3, 100, 2}, {4, 1, 1}, {5, 9, 0}, {0, 0, 0}};
	struct ub_room room;
	struct world *w = world_with(&room, ENCRYPTED);
	struct md_caller by = kit_caller(w, 4);

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct entries e = {.from = cases[i].from};

		assert_int_equal(md_room_log(w->s, &by, &room.id, cases[i].from, cases[i].max,
					 take_entry, &e),
			UB_OK);
		assert_int_equal(e.n, cases[i].want);
		if (e.n && e.from + e.n == room.seq + 1)
			assert_memory_equal(&e.last, &room.head, 32);
	}
	{
		struct entries e = {.stop = true};

		assert_int_equal(md_room_log(w->s, &by, &room.id, 0, 9, take_entry, &e),
			UNIBUS_ERR_CANCELLED);
		assert_int_equal(e.n, 1);
	}
	done(w, &room);
}

static void rooms_of_a_peer_come_in_order_to_him_and_admins(void **state)
{
	struct world *w = world_new();
	struct md_room_info to[8];
	struct md_caller self = kit_caller(w, 1), admin = kit_caller(w, 0),
			 other = kit_caller(w, 2);
	struct ub_room room[4];
	size_t n;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char subject[] = "room.0";

		subject[5] = (char)('0' + i);
		assert_int_equal(kit_create(w, 2, subject, PLAIN, &room[i]), UB_OK);
		if (i < 3)
			assert_int_equal(kit_invite(w, &room[i], 2, 1, UB_ROLE_READER), UB_OK);
	}
	assert_int_equal(md_room_of(w->s, &other, &w->p[1].id, NULL, to, 8, &n), UNIBUS_ERR_DENIED);
	assert_int_equal(md_room_of(w->s, &admin, &w->p[1].id, NULL, to, 8, &n), UB_OK);
	assert_int_equal(n, 3);
	assert_int_equal(md_room_of(w->s, &self, &w->p[1].id, NULL, to, 8, &n), UB_OK);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(to[i].role, UB_ROLE_READER);
		assert_false(to[i].joined);
		assert_true(!i || memcmp(to[i - 1].id.b, to[i].id.b, 32) < 0);
	}
	assert_int_equal(md_room_of(w->s, &self, &w->p[1].id, &to[0].id, to, 1, &n), UB_OK);
	assert_int_equal(n, 1);
	assert_int_equal(md_room_of(w->s, &admin, &w->p[7].id, NULL, to, 8, &n), UB_OK);
	assert_int_equal(n, 0);
	for (size_t i = 0; i < 4; i++)
		ub_room_deinit(&room[i]);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_creator_owns_the_room_and_is_in_it),
		cmocka_unit_test(a_genesis_that_does_not_fit_is_refused),
		cmocka_unit_test(without_clear_rooms_a_room_must_encrypt),
		cmocka_unit_test(a_genesis_again_is_the_same_room),
		cmocka_unit_test(strangers_are_denied_and_nothing_is_not_found),
		cmocka_unit_test(joining_starts_what_adding_does_not),
		cmocka_unit_test(a_route_takes_only_its_own_operations),
		cmocka_unit_test(an_entry_of_another_room_or_author_is_refused),
		cmocka_unit_test(of_two_entries_for_one_place_the_second_rebases),
		cmocka_unit_test(who_left_may_say_so_again),
		cmocka_unit_test(only_registered_peers_can_be_added),
		cmocka_unit_test(the_log_is_read_as_it_was_signed),
		cmocka_unit_test(rooms_of_a_peer_come_in_order_to_him_and_admins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
