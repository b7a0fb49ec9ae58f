/* users_kit.h: registered peers: number n has the handle "p<n>", number 0 is the first admin.
 *
 * Threads: one. */
#ifndef MD_TEST_USERS_KIT_H
#define MD_TEST_USERS_KIT_H

#include "membershipd/domain/user.h"
#include "tests/unit/domain/domain_kit.h"

/* Registers peer number n as the host would. */
static inline ub_err kit_register(struct world *w, unsigned n, bool admin)
{
	char handle[16];
	struct md_user_add u = {.sign = w->p[n].sign, .admin = admin};
	uint64_t rev;
	bool created;

	snprintf(handle, sizeof(handle), "p%u", n);
	u.handle = ub_str(handle);
	return md_user_add(w->s, NULL, &u, &created, &rev);
}

/* All peers but the last registered, number 0 as admin; nothing told yet. */
static inline struct world *world_new(void)
{
	struct world *w = world_bare();
	struct md_service_config c = kit_config(w);

	world_open(w, &c);
	for (unsigned i = 0; i < KIT_PEERS - 1; i++)
		assert_int_equal(kit_register(w, i, i == 0), UB_OK);
	w->n_told = 0;
	return w;
}

static inline struct md_caller kit_caller(struct world *w, unsigned n)
{
	struct md_caller c;

	assert_int_equal(md_caller_find(w->s, &w->p[n].sign, &c), UB_OK);
	return c;
}

/* As it would be had the peer been found active a moment ago. */
static inline struct md_caller kit_stale_caller(struct world *w, unsigned n, bool admin)
{
	return (struct md_caller){.key = w->p[n].sign, .id = w->p[n].id, .admin = admin};
}

/* The latest event of that kind told, zero when there is none, and how many there were. */
static inline struct told kit_told(const struct world *w, enum md_event_kind kind, size_t *n)
{
	struct told found = {0};

	*n = 0;
	for (size_t i = 0; i < w->n_told; i++) {
		if (w->told[i].kind == kind) {
			found = w->told[i];
			++*n;
		}
	}
	return found;
}

#endif
