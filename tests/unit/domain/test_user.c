#include "membershipd/domain/records.h"
#include "tests/unit/domain/users_kit.h"

static ub_err add(struct world *w, const struct md_caller *by, unsigned n, const char *handle,
	bool admin, bool *created)
{
	struct md_user_add u = {.sign = w->p[n].sign, .handle = ub_str(handle), .admin = admin};
	uint64_t rev;

	return md_user_add(w->s, by, &u, created, &rev);
}

static void assert_user(struct world *w, unsigned n, const char *handle, bool admin, bool active)
{
	struct md_user u;

	assert_int_equal(md_user_get(w->s, &w->p[n].id, &u), UB_OK);
	assert_string_equal(u.handle, handle);
	assert_int_equal(u.admin, admin);
	assert_int_equal(u.active, active);
	assert_true(ub_pubkey_eq(&u.sign, &w->p[n].sign));
	assert_int_equal(u.revoked_ms != 0, !active);
}

static void a_key_is_registered_once(void **state)
{
	struct world *w = world_new();
	struct md_caller admin = kit_caller(w, 0);
	bool created = false;
	uint64_t rev;

	(void)state;
	assert_int_equal(add(w, &admin, 7, "seven", false, &created), UB_OK);
	assert_true(created);
	assert_user(w, 7, "seven", false, true);
	rev = md_service_revision(w->s);
	assert_int_equal(add(w, &admin, 7, "seven", false, &created), UB_OK);
	assert_false(created);
	assert_int_equal(md_service_revision(w->s), rev); /* nothing written */
	assert_int_equal(w->n_told, 0);
	world_free(w);
}

static void a_registration_that_does_not_fit_changes_nothing(void **state)
{
	static const struct {
		unsigned key;
		const char *handle;
		bool admin;
		ub_err want;
	} cases[] = {
		{1, "other", false, UNIBUS_ERR_KEY_TAKEN},
		{1, "p1", true, UNIBUS_ERR_KEY_TAKEN},
		{1, "p1", false, UB_OK},
		{7, "p1", false, UNIBUS_ERR_HANDLE_TAKEN},
		{7, "", false, UNIBUS_ERR_INVALID},
		{7, "Seven", false, UNIBUS_ERR_INVALID},
		{7, ".seven", false, UNIBUS_ERR_INVALID},
		{7, "seven seven", false, UNIBUS_ERR_INVALID},
		{7, "s23456789012345678901234567890123", false, UNIBUS_ERR_INVALID},
	};
	struct world *w = world_new();
	struct md_caller admin = kit_caller(w, 0);
	uint64_t rev = md_service_revision(w->s);
	struct md_user u;
	bool created;

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		assert_int_equal(
			add(w, &admin, cases[i].key, cases[i].handle, cases[i].admin, &created),
			cases[i].want);
		assert_int_equal(md_service_revision(w->s), rev);
		assert_user(w, 1, "p1", false, true);
		assert_int_equal(md_user_get(w->s, &w->p[7].id, &u), UNIBUS_ERR_NOT_FOUND);
	}
	assert_int_equal(
		add(w, &admin, 7, "s2345678901234567890123456789012", false, &created), UB_OK);
	world_free(w);
}

static void a_key_that_is_none_is_refused(void **state)
{
	struct world *w = world_new();
	struct md_user_add u = {.handle = UB_STR("zero")}; /* of small order */
	uint64_t rev;
	bool created;

	(void)state;
	assert_int_equal(md_user_add(w->s, NULL, &u, &created, &rev), UNIBUS_ERR_INVALID);
	world_free(w);
}

static void only_an_admin_of_this_moment_changes_users(void **state)
{
	struct world *w = world_new();
	struct md_caller member = kit_caller(w, 1), claims = kit_stale_caller(w, 1, true);
	struct md_caller stranger = kit_stale_caller(w, 7, true), admin;
	struct md_taken t;
	bool created;

	(void)state;
	assert_int_equal(add(w, &member, 7, "x", false, &created), UNIBUS_ERR_DENIED);
	assert_int_equal(add(w, &claims, 7, "x", false, &created), UNIBUS_ERR_DENIED);
	assert_int_equal(add(w, &stranger, 7, "x", false, &created), UNIBUS_ERR_DENIED);
	assert_int_equal(md_user_revoke(w->s, &claims, &w->p[2].sign, &t), UNIBUS_ERR_DENIED);
	assert_user(w, 2, "p2", false, true);

	assert_int_equal(add(w, NULL, 7, "x", true, &created), UB_OK);
	admin = kit_caller(w, 7);
	assert_true(admin.admin);
	assert_int_equal(md_user_revoke(w->s, NULL, &w->p[7].sign, &t), UB_OK);
	assert_int_equal(md_user_revoke(w->s, &admin, &w->p[2].sign, &t), UNIBUS_ERR_DENIED);
	assert_user(w, 2, "p2", false, true);
	world_free(w);
}

static void revoking_flips_the_status_and_kicks(void **state)
{
	struct world *w = world_new();
	struct md_caller admin = kit_caller(w, 0), c;
	struct told told;
	struct md_taken t;
	size_t n;

	(void)state;
	w->now += 5;
	assert_int_equal(md_user_revoke(w->s, &admin, &w->p[1].sign, &t), UB_OK);
	assert_int_equal(t.rev, md_service_revision(w->s));
	assert_int_equal(t.kicked, 1);
	assert_int_equal(t.n_unconfirmed, 0);
	assert_user(w, 1, "p1", false, false);
	told = kit_told(w, MD_EVENT_REVOKED, &n);
	assert_int_equal(n, 1);
	assert_int_equal(told.rev, t.rev);
	assert_true(ub_endpoint_eq(&told.who[0], &w->p[1].id));
	assert_int_equal(md_caller_find(w->s, &w->p[1].sign, &c), UNIBUS_ERR_REVOKED);
	assert_int_equal(md_caller_find(w->s, &w->p[7].sign, &c), UNIBUS_ERR_UNKNOWN_KEY);
	assert_int_equal(md_caller_find(w->s, &w->p[2].sign, &c), UB_OK);
	assert_int_equal(md_user_revoke(w->s, &admin, &w->p[7].sign, &t), UNIBUS_ERR_NOT_FOUND);
	world_free(w);
}

static void revoking_again_kicks_again_and_keeps_the_date(void **state)
{
	struct world *w = world_new();
	struct md_user first, again;
	struct md_taken t, t2;
	size_t n;

	(void)state;
	assert_int_equal(md_user_revoke(w->s, NULL, &w->p[1].sign, &t), UB_OK);
	assert_int_equal(md_user_get(w->s, &w->p[1].id, &first), UB_OK);
	w->now += 1000;
	assert_int_equal(md_user_revoke(w->s, NULL, &w->p[1].sign, &t2), UB_OK);
	assert_int_equal(md_user_get(w->s, &w->p[1].id, &again), UB_OK);
	assert_true(t2.rev > t.rev);
	assert_int_equal(t2.kicked, 1);
	assert_int_equal(again.revoked_ms, first.revoked_ms);
	kit_told(w, MD_EVENT_REVOKED, &n);
	assert_int_equal(n, 2);
	world_free(w);
}

static void the_last_admin_stays(void **state)
{
	struct world *w = world_new();
	struct md_caller admin = kit_caller(w, 0);
	struct md_taken t;
	bool created;

	(void)state;
	assert_int_equal(md_user_revoke(w->s, &admin, &w->p[0].sign, &t), UNIBUS_ERR_LAST_ADMIN);
	assert_user(w, 0, "p0", true, true);
	assert_int_equal(add(w, &admin, 7, "second", true, &created), UB_OK);
	assert_int_equal(md_user_revoke(w->s, &admin, &w->p[0].sign, &t), UB_OK);
	admin = kit_caller(w, 7);
	assert_int_equal(md_user_revoke(w->s, &admin, &w->p[7].sign, &t), UNIBUS_ERR_LAST_ADMIN);
	assert_int_equal(md_user_revoke(w->s, &admin, &w->p[0].sign, &t), UB_OK); /* again */
	world_free(w);
}

static void a_handle_stays_with_its_key(void **state)
{
	struct world *w = world_new();
	struct md_taken t;
	struct md_user u;
	bool created;

	(void)state;
	assert_int_equal(md_user_revoke(w->s, NULL, &w->p[1].sign, &t), UB_OK);
	assert_int_equal(add(w, NULL, 7, "p1", false, &created), UNIBUS_ERR_HANDLE_TAKEN);
	assert_int_equal(md_user_get(w->s, &w->p[7].id, &u), UNIBUS_ERR_NOT_FOUND);
	/* Under another name; the old one stays his all the same. */
	assert_int_equal(add(w, NULL, 1, "one", true, &created), UB_OK);
	assert_true(created);
	assert_user(w, 1, "one", true, true);
	assert_int_equal(add(w, NULL, 7, "p1", false, &created), UNIBUS_ERR_HANDLE_TAKEN);
	assert_int_equal(md_user_by_handle(w->s, UB_STR("p1"), &u), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(md_user_by_handle(w->s, UB_STR("one"), &u), UB_OK);
	assert_true(ub_endpoint_eq(&u.id, &w->p[1].id));
	assert_int_equal(md_user_revoke(w->s, NULL, &w->p[1].sign, &t), UB_OK);
	assert_int_equal(add(w, NULL, 1, "p1", false, &created), UB_OK);
	world_free(w);
}

static void users_are_listed_by_handle(void **state)
{
	struct world *w = world_new();
	struct md_user u[KIT_PEERS];
	struct md_taken t;
	size_t n;

	(void)state;
	assert_int_equal(md_user_revoke(w->s, NULL, &w->p[3].sign, &t), UB_OK);
	assert_int_equal(md_user_list(w->s, UB_STR(""), u, KIT_PEERS, &n), UB_OK);
	assert_int_equal(n, KIT_PEERS - 1);
	for (size_t i = 0; i + 1 < n; i++)
		assert_true(strcmp(u[i].handle, u[i + 1].handle) < 0);
	assert_false(u[3].active);
	assert_int_equal(md_user_list(w->s, UB_STR("p2"), u, 2, &n), UB_OK);
	assert_int_equal(n, 2);
	assert_string_equal(u[0].handle, "p3");
	assert_int_equal(md_user_list(w->s, UB_STR("p2x"), u, 1, &n), UB_OK);
	assert_string_equal(u[0].handle, "p3");
	assert_int_equal(md_user_list(w->s, UB_STR("p6"), u, 2, &n), UB_OK);
	assert_int_equal(n, 0);
	assert_int_equal(md_user_list(w->s, UB_STR("p"), u, 0, &n), UB_OK);
	assert_int_equal(n, 0);
	world_free(w);
}

static void another_service_reads_the_same_users(void **state)
{
	struct world *w = world_new();
	struct md_service_config c = kit_config(w);
	struct md_user a[KIT_PEERS], b[KIT_PEERS];
	struct md_service *other;
	struct md_taken t;
	size_t n, m;
	bool created;

	(void)state;
	assert_int_equal(md_user_revoke(w->s, NULL, &w->p[3].sign, &t), UB_OK);
	assert_int_equal(md_user_revoke(w->s, NULL, &w->p[4].sign, &t), UB_OK);
	assert_int_equal(add(w, NULL, 4, "four", true, &created), UB_OK);
	c.events = (struct md_events){0};
	assert_int_equal(md_service_new(&c, &other), UB_OK);
	assert_int_equal(md_service_revision(other), md_service_revision(w->s));
	assert_int_equal(md_user_list(w->s, UB_STR(""), a, KIT_PEERS, &n), UB_OK);
	assert_int_equal(md_user_list(other, UB_STR(""), b, KIT_PEERS, &m), UB_OK);
	assert_int_equal(n, m);
	for (size_t i = 0; i < n; i++) {
		assert_true(ub_pubkey_eq(&a[i].sign, &b[i].sign));
		assert_true(ub_endpoint_eq(&a[i].id, &b[i].id));
		assert_string_equal(a[i].handle, b[i].handle);
		assert_true(a[i].admin == b[i].admin && a[i].active == b[i].active);
		assert_int_equal(a[i].created_ms, b[i].created_ms);
		assert_int_equal(a[i].revoked_ms, b[i].revoked_ms);
	}
	md_service_free(other);
	world_free(w);
}

/* ---- two admins ---- */

struct duel {
	struct md_service *s;
	struct md_caller by;
	struct ub_pubkey target;
	pthread_barrier_t *start;
	ub_err got;
};

static void *shoot(void *arg)
{
	struct duel *d = arg;
	struct md_taken t;

	pthread_barrier_wait(d->start);
	d->got = md_user_revoke(d->s, &d->by, &d->target, &t);
	return NULL;
}

static void of_two_admins_revoking_each_other_one_wins(void **state)
{
	struct world *w = world_new();
	struct md_service_config c = kit_config(w);
	struct md_service *other;
	pthread_barrier_t start;

	(void)state;
	c.events = (struct md_events){0};
	assert_int_equal(md_service_new(&c, &other), UB_OK);
	pthread_barrier_init(&start, NULL, 2);
	for (int round = 0; round < 50; round++) {
		struct duel d[2] = {{.s = w->s, .target = w->p[7].sign, .start = &start},
			{.s = other, .target = w->p[0].sign, .start = &start}};
		pthread_t t[2];

		assert_int_equal(kit_register(w, 0, true), UB_OK);
		assert_int_equal(kit_register(w, 7, true), UB_OK);
		w->n_told = 0;
		d[0].by = kit_caller(w, 0);
		d[1].by = kit_caller(w, 7);
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&t[i], NULL, shoot, &d[i]), 0);
		for (size_t i = 0; i < 2; i++)
			pthread_join(t[i], NULL);
		assert_true((d[0].got == UB_OK) != (d[1].got == UB_OK));
		assert_int_equal(d[d[0].got == UB_OK].got, UNIBUS_ERR_DENIED);
	}
	pthread_barrier_destroy(&start);
	md_service_free(other);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_registered_once),
		cmocka_unit_test(a_registration_that_does_not_fit_changes_nothing),
		cmocka_unit_test(a_key_that_is_none_is_refused),
		cmocka_unit_test(only_an_admin_of_this_moment_changes_users),
		cmocka_unit_test(revoking_flips_the_status_and_kicks),
		cmocka_unit_test(revoking_again_kicks_again_and_keeps_the_date),
		cmocka_unit_test(the_last_admin_stays),
		cmocka_unit_test(a_handle_stays_with_its_key),
		cmocka_unit_test(users_are_listed_by_handle),
		cmocka_unit_test(another_service_reads_the_same_users),
		cmocka_unit_test(of_two_admins_revoking_each_other_one_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
