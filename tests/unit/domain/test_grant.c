#include "core/subject.h"
#include "membershipd/domain/grant.h"
#include "tests/unit/domain/rooms_kit.h"

/* Number 0 owns a clear and an encrypted room; 1 is member of both, 2 reader, joined; 3 is
 * invited to both only. */
struct rooms {
	struct world *w;
	struct ub_room clear, framed;
};

static struct rooms rooms_new(void)
{
	struct rooms r = {.w = world_new()};
	struct ub_room *room[2] = {&r.clear, &r.framed};

	assert_int_equal(kit_create(r.w, 0, "team.ops", PLAIN, &r.clear), UB_OK);
	assert_int_equal(kit_create(r.w, 0, "team.secret", ENCRYPTED, &r.framed), UB_OK);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(kit_invite(r.w, room[i], 0, 1, UB_ROLE_MEMBER), UB_OK);
		assert_int_equal(kit_invite(r.w, room[i], 0, 2, UB_ROLE_READER), UB_OK);
		assert_int_equal(kit_invite(r.w, room[i], 0, 3, UB_ROLE_MEMBER), UB_OK);
		assert_int_equal(kit_join(r.w, room[i], 1), UB_OK);
		assert_int_equal(kit_join(r.w, room[i], 2), UB_OK);
	}
	return r;
}

static void rooms_end(struct rooms *r)
{
	ub_room_deinit(&r->clear);
	ub_room_deinit(&r->framed);
	world_free(r->w);
}

static bool has(const char *const *list, size_t n, const char *subject)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += !strcmp(list[i], subject);
	assert_true(found <= 1);
	return found;
}

/* What peer n may do, besides its notify subject: these and nothing else. */
static void assert_grant(struct rooms *r, unsigned n, bool clear, bool framed, bool writes)
{
	const struct kit_peer *p = &r->w->p[n];
	struct ub_wire notify, pub, sub;
	struct md_grant g;

	ub_wire_notify(&p->id, &notify);
	ub_wire_publish(&r->framed.id, &p->id, &pub);
	ub_wire_subscribe(&r->framed.id, &sub);
	assert_int_equal(md_grant_for(r->w->s, &p->sign, &g), UB_OK);
	assert_int_equal(g.perms.n_pub, writes ? (size_t)clear + framed : 0);
	assert_int_equal(g.perms.n_sub, 1 + (size_t)clear + framed);
	assert_true(has(g.perms.sub, g.perms.n_sub, notify.z));
	assert_int_equal(has(g.perms.pub, g.perms.n_pub, "team.ops"), clear && writes);
	assert_int_equal(has(g.perms.sub, g.perms.n_sub, "team.ops"), clear);
	assert_int_equal(has(g.perms.pub, g.perms.n_pub, pub.z), framed && writes);
	assert_int_equal(has(g.perms.sub, g.perms.n_sub, sub.z), framed);
	assert_int_equal(g.n_rooms, (size_t)clear + framed);
	assert_int_equal(md_grant_has_room(&g, &r->clear.id), clear);
	assert_int_equal(md_grant_has_room(&g, &r->framed.id), framed);
	assert_int_equal(g.rev, md_service_revision(r->w->s));
	md_grant_deinit(&g);
	md_grant_deinit(&g); /* nothing left */
}

static void a_peer_gets_what_it_joined_by_its_role(void **state)
{
	struct rooms r = rooms_new();

	(void)state;
	assert_grant(&r, 0, true, true, true);
	assert_grant(&r, 1, true, true, true);
	assert_grant(&r, 2, true, true, false);
	assert_grant(&r, 3, false, false, false); /* added, not joined */
	assert_grant(&r, 4, false, false, false);
	assert_int_equal(kit_join(r.w, &r.framed, 3), UB_OK);
	assert_grant(&r, 3, false, true, true);
	rooms_end(&r);
}

static void what_ends_a_membership_ends_the_grant(void **state)
{
	struct rooms r = rooms_new();

	(void)state;
	assert_int_equal(kit_remove(r.w, &r.framed, 0, 1), UB_OK);
	assert_grant(&r, 1, true, false, true);
	assert_int_equal(
		kit_append(r.w, 1, MD_ROOM_LEAVE, &r.clear, OPS(op_bare(UB_OP_LEAVE))), UB_OK);
	assert_grant(&r, 1, false, false, true);
	assert_int_equal(
		kit_append(r.w, 0, MD_ROOM_CLOSE, &r.clear, OPS(op_bare(UB_OP_CLOSE))), UB_OK);
	assert_grant(&r, 0, false, true, true);
	assert_grant(&r, 2, false, true, false);
	/* Added again he is not there until he joins again. */
	assert_int_equal(kit_invite(r.w, &r.framed, 0, 1, UB_ROLE_MEMBER), UB_OK);
	assert_grant(&r, 1, false, false, true);
	assert_int_equal(kit_join(r.w, &r.framed, 1), UB_OK);
	assert_grant(&r, 1, false, true, true);
	rooms_end(&r);
}

static void strangers_and_the_revoked_get_nothing(void **state)
{
	struct rooms r = rooms_new();
	struct md_grant g;

	(void)state;
	assert_int_equal(md_grant_for(r.w->s, &r.w->p[7].sign, &g), UNIBUS_ERR_UNKNOWN_KEY);
	assert_int_equal(kit_revoke(r.w, 1), UB_OK);
	assert_int_equal(md_grant_for(r.w->s, &r.w->p[1].sign, &g), UNIBUS_ERR_REVOKED);
	assert_int_equal(kit_register(r.w, 1, false), UB_OK);
	assert_grant(&r, 1, false, false, true); /* anew: in no room */
	rooms_end(&r);
}

static void a_grant_is_stale_once_something_was_lost(void **state)
{
	struct rooms r = rooms_new();
	uint64_t rev = md_service_revision(r.w->s);

	(void)state;
	assert_true(md_grant_stale(r.w->s, &r.w->p[7].id, rev)); /* nobody's */
	assert_int_equal(kit_join(r.w, &r.framed, 3), UB_OK);    /* gains make nothing stale */
	for (unsigned i = 0; i < 5; i++)
		assert_false(md_grant_stale(r.w->s, &r.w->p[i].id, rev));
	assert_int_equal(kit_remove(r.w, &r.framed, 0, 1), UB_OK);
	assert_true(md_grant_stale(r.w->s, &r.w->p[1].id, rev));
	assert_false(md_grant_stale(r.w->s, &r.w->p[1].id, md_service_revision(r.w->s)));
	assert_false(md_grant_stale(r.w->s, &r.w->p[2].id, rev));
	assert_int_equal(kit_revoke(r.w, 2), UB_OK);
	assert_true(md_grant_stale(r.w->s, &r.w->p[2].id, rev));
	assert_true(md_grant_stale(r.w->s, &r.w->p[2].id, md_service_revision(r.w->s)));
	assert_int_equal(kit_register(r.w, 2, false), UB_OK);
	assert_true(md_grant_stale(r.w->s, &r.w->p[2].id, rev));
	assert_false(md_grant_stale(r.w->s, &r.w->p[2].id, md_service_revision(r.w->s)));
	rooms_end(&r);
}

static void a_kept_room_would_have_its_log_subject(void **state)
{
	struct ub_room room = {.policy = {.persist = true}, .id = {{9}}};
	struct kit_peer p = kit_peer(1);
	struct ub_member m = {.id = p.id, .role = UB_ROLE_MEMBER};
	struct ub_wire log;
	struct md_wire w;

	(void)state;
	room.members = &m;
	room.n_members = 1;
	ub_wire_publish_log(ub_wire_shard(&room.id, 4), &room.id, &p.id, &log);
	md_wire_of(&room, &p.id, 4, &w);
	assert_int_equal(w.n_publish, 2);
	assert_string_equal(w.publish[1].z, log.z);
	m.role = UB_ROLE_READER;
	md_wire_of(&room, &p.id, 4, &w);
	assert_true(w.n_publish == 0 && w.n_subscribe == 1);
	room.closed = true;
	md_wire_of(&room, &p.id, 4, &w);
	assert_true(w.n_publish == 0 && w.n_subscribe == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_gets_what_it_joined_by_its_role),
		cmocka_unit_test(what_ends_a_membership_ends_the_grant),
		cmocka_unit_test(strangers_and_the_revoked_get_nothing),
		cmocka_unit_test(a_grant_is_stale_once_something_was_lost),
		cmocka_unit_test(a_kept_room_would_have_its_log_subject),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
