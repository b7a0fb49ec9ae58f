#include "membershipd/domain/peer.h"
#include "tests/unit/domain/users_kit.h"

static struct ub_buf record(const struct kit_peer *p, uint64_t seq, uint64_t expires_ms)
{
	struct ub_keyrec r = kit_keyrec(p, seq);
	struct ub_buf b = UB_BUF(UB_KEYREC_MAX);

	r.expires_ms = expires_ms;
	ub_keyrec_sign(&p->sk, &r, &b);
	assert_int_equal(ub_buf_err(&b), UB_OK);
	return b;
}

static ub_err put(struct world *w, unsigned by, const struct ub_buf *b)
{
	struct md_caller c = kit_stale_caller(w, by, false);
	uint64_t rev;

	return md_peer_put(w->s, &c, ub_buf_text(b), &rev);
}

static void assert_stored(struct world *w, unsigned n, const struct ub_buf *want)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf got = UB_BUF(UB_KEYREC_MAX);
	ub_err e = md_peer_get(w->s, &w->p[n].id, &got);

	assert_int_equal(e, want ? UB_OK : UNIBUS_ERR_NOT_FOUND);
	if (want)
		assert_true(ub_str_eq(ub_buf_text(&got), ub_buf_text(want)));
}

static void a_higher_seq_replaces_a_lower_one(void **state)
{
	struct world *w = world_new();
	struct ub_buf a = record(&w->p[1], 3, KIT_EXPIRES), b = record(&w->p[1], 4, KIT_EXPIRES);
	struct ub_buf also_b = record(&w->p[1], 4, KIT_EXPIRES + 1);
	uint64_t rev;

	(void)state;
	assert_stored(w, 1, NULL);
	assert_int_equal(put(w, 1, &a), UB_OK);
	rev = md_service_revision(w->s);
	assert_int_equal(put(w, 1, &a), UB_OK); /* the same again writes nothing */
	assert_int_equal(md_service_revision(w->s), rev);
	assert_int_equal(put(w, 1, &b), UB_OK);
	assert_stored(w, 1, &b);
	assert_int_equal(put(w, 1, &a), UNIBUS_ERR_CONFLICT);
	assert_int_equal(put(w, 1, &also_b), UNIBUS_ERR_CONFLICT);
	assert_stored(w, 1, &b);
	assert_stored(w, 2, NULL);
	ub_buf_deinit(&a);
	ub_buf_deinit(&b);
	ub_buf_deinit(&also_b);
	world_free(w);
}

static void only_ones_own_good_record_is_stored(void **state)
{
	struct world *w = world_new();
	struct ub_buf good = record(&w->p[1], 1, KIT_NOW + 1), late = record(&w->p[1], 1, KIT_NOW);
	struct ub_buf bad = record(&w->p[1], 1, KIT_NOW + 1), none = UB_BUF(16);
	size_t last = bad.len - 3;

	(void)state;
	bad.p[last] = bad.p[last] == 'A' ? 'B' : 'A';
	assert_int_equal(put(w, 1, &none), UNIBUS_ERR_INVALID);
	assert_int_equal(put(w, 1, &bad), UNIBUS_ERR_BAD_SIGNATURE);
	assert_int_equal(put(w, 2, &good), UNIBUS_ERR_INVALID);
	assert_int_equal(put(w, 1, &late), UNIBUS_ERR_EXPIRED);
	assert_stored(w, 1, NULL);
	assert_int_equal(put(w, 1, &good), UB_OK);
	assert_stored(w, 1, &good);
	ub_buf_deinit(&good);
	ub_buf_deinit(&late);
	ub_buf_deinit(&bad);
	world_free(w);
}

static void somebody_revoked_meanwhile_stores_nothing(void **state)
{
	struct world *w = world_new();
	struct ub_buf a = record(&w->p[1], 3, KIT_EXPIRES);
	struct md_taken t;

	(void)state;
	assert_int_equal(md_user_revoke(w->s, NULL, &w->p[1].sign, &t), UB_OK);
	assert_int_equal(put(w, 1, &a), UNIBUS_ERR_DENIED);
	assert_stored(w, 1, NULL);
	ub_buf_deinit(&a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_higher_seq_replaces_a_lower_one),
		cmocka_unit_test(only_ones_own_good_record_is_stored),
		cmocka_unit_test(somebody_revoked_meanwhile_stores_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
