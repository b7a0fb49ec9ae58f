#include "tests/unit/domain/users_kit.h"

#define LONG_MS 20000 /* never reached: what is waited for comes first */

/* A world whose sink owes its answers, and a service beside it that changes things unheard: its
 * own calls owe nothing and return at once. */
struct pair {
	struct world *w;
	struct md_service *hand;
};

static struct pair pair_new(void)
{
	struct pair p = {.w = world_new()};
	struct md_service_config c = kit_config(p.w);

	c.events = (struct md_events){0};
	assert_int_equal(md_service_new(&c, &p.hand), UB_OK);
	p.w->silent = true;
	return p;
}

static void pair_free(struct pair *p)
{
	md_service_free(p->hand);
	world_free(p->w);
}

static struct md_taken revoke(struct pair *p, unsigned n)
{
	struct md_taken t;

	assert_int_equal(md_user_revoke(p->hand, NULL, &p->w->p[n].sign, &t), UB_OK);
	return t;
}

static void without_a_bus_nothing_is_owed(void **state)
{
	struct pair p = pair_new();
	struct md_taken t = revoke(&p, 1);

	(void)state;
	assert_int_equal(t.rev, md_service_revision(p.hand));
	assert_int_equal(t.kicked, 0);
	assert_int_equal(t.n_unconfirmed, 0);
	pair_free(&p);
}

static void what_is_not_answered_in_time_is_said(void **state)
{
	struct pair p = pair_new();
	struct md_taken t = revoke(&p, 1);

	(void)state;
	p.w->boot += 70;
	md_barrier_wait(p.w->s, 500, 1, &t);
	assert_int_equal(t.n_unconfirmed, 1);
	assert_string_equal(t.unconfirmed[0], "bus");
	assert_int_equal(t.ms, 70);

	md_barrier_done(p.w->s, t.rev, 2, NULL, 0);
	md_barrier_wait(p.w->s, 500, LONG_MS, &t);
	assert_int_equal(t.n_unconfirmed, 0);
	assert_int_equal(t.kicked, 2);
	assert_int_equal(t.ms, 70);
	pair_free(&p);
}

static void servers_that_did_not_answer_are_named(void **state)
{
	static const char *const names[] = {"n1",
		"a-name-that-is-much-longer-than-anybody-would-ever-give-to-a-server-of-his", "n3"};
	const char *many[20];
	struct pair p = pair_new();
	struct md_taken t = revoke(&p, 1);

	(void)state;
	md_barrier_done(p.w->s, t.rev, 3, names, 3);
	md_barrier_wait(p.w->s, 0, LONG_MS, &t);
	assert_int_equal(t.kicked, 3);
	assert_int_equal(t.n_unconfirmed, 3);
	assert_string_equal(t.unconfirmed[0], "n1");
	assert_int_equal(strlen(t.unconfirmed[1]), sizeof(t.unconfirmed[1]) - 1);
	assert_string_equal(t.unconfirmed[2], "n3");

	for (size_t i = 0; i < UB_ARRAY_LEN(many); i++)
		many[i] = "n";
	t = revoke(&p, 2);
	md_barrier_done(p.w->s, t.rev, 0, many, UB_ARRAY_LEN(many));
	md_barrier_wait(p.w->s, 0, LONG_MS, &t);
	assert_int_equal(t.n_unconfirmed, MD_UNCONFIRMED_MAX);
	pair_free(&p);
}

static void an_earlier_debt_holds_a_later_change(void **state)
{
	struct pair p = pair_new();
	struct md_taken first = revoke(&p, 1), second = revoke(&p, 2), third = revoke(&p, 3);

	(void)state;
	md_barrier_done(p.w->s, second.rev, 5, NULL, 0);
	md_barrier_wait(p.w->s, 0, 1, &second);
	assert_int_equal(second.kicked, 5);
	assert_int_equal(second.n_unconfirmed, 1);
	md_barrier_done(p.w->s, first.rev, 1, NULL, 0);
	md_barrier_wait(p.w->s, 0, LONG_MS, &second); /* the third is not waited for */
	assert_int_equal(second.kicked, 5);
	assert_int_equal(second.n_unconfirmed, 0);
	md_barrier_done(p.w->s, third.rev, 1, NULL, 0);
	pair_free(&p);
}

static void answers_nobody_asked_for_change_nothing(void **state)
{
	struct pair p = pair_new();
	struct md_taken t = revoke(&p, 1);

	(void)state;
	md_barrier_done(p.w->s, t.rev, 1, NULL, 0);
	md_barrier_done(p.w->s, t.rev, 9, NULL, 0);
	md_barrier_done(p.w->s, t.rev + 1000, 9, NULL, 0);
	md_barrier_wait(p.w->s, 0, LONG_MS, &t);
	assert_int_equal(t.kicked, 1);
	pair_free(&p);
}

static void many_settled_ones_are_forgotten_but_no_debt(void **state)
{
	struct pair p = pair_new();
	struct md_taken owed = revoke(&p, 1), t;

	(void)state;
	for (int i = 0; i < 400; i++) {
		t = revoke(&p, 2);
		md_barrier_done(p.w->s, t.rev, 1, NULL, 0);
		p.w->n_told = 0;
	}
	md_barrier_wait(p.w->s, 0, 1, &t);
	assert_int_equal(t.n_unconfirmed, 1);
	md_barrier_done(p.w->s, owed.rev, 4, NULL, 0);
	md_barrier_wait(p.w->s, 0, LONG_MS, &t);
	assert_int_equal(t.n_unconfirmed, 0);
	assert_int_equal(t.kicked, 1);
	t = revoke(&p, 3); /* the list goes on after its end was pruned */
	md_barrier_done(p.w->s, t.rev, 2, NULL, 0);
	md_barrier_wait(p.w->s, 0, LONG_MS, &t);
	assert_int_equal(t.kicked, 2);
	pair_free(&p);
}

struct waiter {
	struct world *w;
	struct md_taken t;
	ub_err got;
};

static void *revoking(void *arg)
{
	struct waiter *x = arg;

	x->got = md_user_revoke(x->w->s, NULL, &x->w->p[1].sign, &x->t);
	return NULL;
}

/* The sink of this one hands the revision to the test's own thread. */
struct hand_over {
	pthread_mutex_t lock;
	pthread_cond_t come;
	uint64_t rev;
};

static void handing_over(void *arg, const struct md_event *ev)
{
	struct hand_over *h = arg;

	if (ev->kind != MD_EVENT_REVOKED)
		return;
	pthread_mutex_lock(&h->lock);
	h->rev = ev->rev;
	pthread_cond_signal(&h->come);
	pthread_mutex_unlock(&h->lock);
}

static void a_revoke_returns_when_its_kick_is_answered(void **state)
{
	struct hand_over h = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
	struct world *w = world_bare();
	struct md_service_config c = kit_config(w);
	static const char *const names[] = {"n2"};
	struct waiter x = {.w = w};
	pthread_t t;

	(void)state;
	c.events = (struct md_events){handing_over, &h};
	world_open(w, &c);
	assert_int_equal(kit_register(w, 0, true), UB_OK);
	assert_int_equal(kit_register(w, 1, false), UB_OK);
	assert_int_equal(pthread_create(&t, NULL, revoking, &x), 0);
	pthread_mutex_lock(&h.lock);
	while (!h.rev)
		pthread_cond_wait(&h.come, &h.lock);
	pthread_mutex_unlock(&h.lock);
	/* The change stands already, and holds up nobody else, while it waits. */
	assert_int_equal(kit_register(w, 2, false), UB_OK);
	md_barrier_done(w->s, h.rev, 1, names, 1);
	pthread_join(t, NULL);
	assert_int_equal(x.got, UB_OK);
	assert_int_equal(x.t.rev, h.rev);
	assert_int_equal(x.t.kicked, 1);
	assert_int_equal(x.t.n_unconfirmed, 1);
	assert_string_equal(x.t.unconfirmed[0], "n2");
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_bus_nothing_is_owed),
		cmocka_unit_test(what_is_not_answered_in_time_is_said),
		cmocka_unit_test(servers_that_did_not_answer_are_named),
		cmocka_unit_test(an_earlier_debt_holds_a_later_change),
		cmocka_unit_test(answers_nobody_asked_for_change_nothing),
		cmocka_unit_test(many_settled_ones_are_forgotten_but_no_debt),
		cmocka_unit_test(a_revoke_returns_when_its_kick_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
