/* race_kit.h: a store in front of the memory store that lets something happen just before, or to,
 * a commit; and a second service behind it that makes it happen.
 *
 * Threads: one. */
#ifndef MD_TEST_RACE_KIT_H
#define MD_TEST_RACE_KIT_H

#include "tests/unit/domain/rooms_kit.h"

struct race_store {
	struct md_store_base base;
	struct md_store *inner;
	void (*before)(void *arg); /* the next commits, `times` of them */
	void *arg;
	unsigned times;
	bool unknown;             /* the next commit happens, but nobody learns it */
	ub_err fail;              /* the next commit fails so */
	struct md_follower front; /* of whoever follows through this store */
};

static inline struct race_store *race_of(struct md_store *s)
{
	return (struct race_store *)(void *)s;
}

static inline ub_err race_get(
	struct md_store *s, const char *key, struct ub_buf *value, uint64_t *ret_rev)
{
	return md_store_get(race_of(s)->inner, key, value, ret_rev);
}

static inline ub_err race_commit(
	struct md_store *s, const struct md_op *ops, size_t n, uint64_t *ret_rev)
{
	struct race_store *r = race_of(s);
	ub_err e = r->fail;

	if (r->before && r->times) {
		r->times--;
		r->before(r->arg);
	}
	r->fail = UB_OK;
	if (e)
		return e;
	e = md_store_commit(r->inner, ops, n, ret_rev);
	if (!e && r->unknown)
		e = UNIBUS_ERR_OUTCOME_UNKNOWN;
	r->unknown = false;
	return e;
}

static inline ub_err race_follow(struct md_store *s, const struct md_follower *f)
{
	race_of(s)->front = *f;
	return md_store_follow(race_of(s)->inner, f);
}

static inline ub_err race_each(struct md_store *s, const char *prefix,
	ub_err (*fn)(void *arg, const struct md_record *r), void *arg)
{
	return md_store_each(race_of(s)->inner, prefix, fn, arg);
}

static inline uint64_t race_revision(struct md_store *s)
{
	return md_store_revision(race_of(s)->inner);
}

static inline void race_close(struct md_store *s)
{
	md_store_close(race_of(s)->inner);
	free(s);
}

/* w->s works on the store in front, which it owns; *hand directly on the one behind, unheard. */
static inline struct world *race_world(struct race_store **ret, struct world *hand)
{
	static const struct md_store_ops ops = {
		"race", race_get, race_commit, race_follow, race_each, race_revision, race_close};
	struct world *w = world_bare();
	struct race_store *r = calloc(1, sizeof(*r));
	struct md_service_config c;

	assert_non_null(r);
	r->base.ops = &ops;
	r->inner = w->store;
	w->store = (struct md_store *)(void *)r;
	c = kit_config(w);
	world_open(w, &c);
	c.store = r->inner;
	c.events = (struct md_events){0};
	*hand = *w;
	assert_int_equal(md_service_new(&c, &hand->s), UB_OK);
	for (unsigned i = 0; i < KIT_PEERS - 1; i++)
		assert_int_equal(kit_register(w, i, i == 0), UB_OK);
	w->n_told = 0;
	*ret = r;
	return w;
}

static inline void race_free(struct world *w, struct world *hand)
{
	md_service_free(hand->s);
	world_free(w);
}

#endif
