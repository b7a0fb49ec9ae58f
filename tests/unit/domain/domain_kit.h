/* domain_kit.h: a service over the memory store with a scripted clock, and what it told the bus.
 *
 * Threads: the sink may be called from any; the rest is for the test's own thread. */
#ifndef MD_TEST_DOMAIN_KIT_H
#define MD_TEST_DOMAIN_KIT_H

#include <pthread.h>

#include "membershipd/domain/barrier.h"
#include "tests/unit/core/room_kit.h"

#define KIT_PEERS 8
#define KIT_TOLD_MAX 512
#define KIT_NOW 1000000 /* before KIT_EXPIRES */

struct told { /* an event as it came */
	enum md_event_kind kind;
	uint64_t rev, seq;
	struct ub_room_id room;
	struct ub_endpoint who[KIT_PEERS + 1];
	size_t n_who;
};

struct world {
	struct md_store *store;
	struct md_service *s;
	struct kit_peer p[KIT_PEERS];
	uint64_t now, boot; /* the clocks; set before threads start */
	uint8_t random;
	bool silent; /* the sink owes its answers */
	pthread_mutex_t lock;
	struct told told[KIT_TOLD_MAX];
	size_t n_told;
};

static inline uint64_t kit_now(void *arg)
{
	return ((struct world *)arg)->now;
}

static inline uint64_t kit_boot(void *arg)
{
	return ((struct world *)arg)->boot;
}

static inline void kit_random(void *arg, void *to, size_t len)
{
	memset(to, ++((struct world *)arg)->random, len);
}

static inline void kit_sink(void *arg, const struct md_event *ev)
{
	struct world *w = arg;
	struct told *t;

	pthread_mutex_lock(&w->lock);
	assert_true(w->n_told < KIT_TOLD_MAX && ev->n_who > 0 && ev->n_who <= KIT_PEERS + 1);
	t = &w->told[w->n_told++];
	*t = (struct told){ev->kind, ev->rev, ev->seq, ev->room, .n_who = ev->n_who};
	memcpy(t->who, ev->who, ev->n_who * sizeof(*t->who));
	pthread_mutex_unlock(&w->lock);
	if (!w->silent && (ev->kind == MD_EVENT_REVOKED || ev->kind == MD_EVENT_NARROWED))
		md_barrier_done(w->s, ev->rev, (unsigned)ev->n_who, NULL, 0);
}

static inline struct md_service_config kit_config(struct world *w)
{
	return (struct md_service_config){
		.store = w->store,
		.env = {kit_now, kit_boot, kit_random, w},
		.events = {kit_sink, w},
	};
}

/* A service of that configuration; its store and peers are there already or made now. */
static inline void world_open(struct world *w, const struct md_service_config *c)
{
	assert_int_equal(md_service_new(c, &w->s), UB_OK);
}

static inline struct world *world_bare(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(ub_core_init(), UB_OK);
	assert_int_equal(md_store_mem_open(&w->store), UB_OK);
	pthread_mutex_init(&w->lock, NULL);
	w->now = KIT_NOW;
	w->boot = 500;
	for (uint32_t i = 0; i < KIT_PEERS; i++)
		w->p[i] = kit_peer(i);
	return w;
}

static inline void world_free(struct world *w)
{
	md_service_free(w->s);
	md_store_close(w->store);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

#endif
