#include "client/keeper.h"

#include "client/acks.h"
#include "client/clock.h"
#include "client/kept.h"

#define HOUR_MS 3600000

struct ub_keeper {
	pthread_t thread;
};

struct todo {
	bool end;
	struct unibus_sub *page;
	struct ub_croom *chase;
};

/* Under the client's lock. */
static struct todo wait_todo(unibus_client *c)
{
	for (;;) {
		uint64_t now = ub_mono_ms(), until = now + HOUR_MS;
		struct todo t = {.end = c->closing || c->state == UNIBUS_REVOKED ||
					c->state == UNIBUS_STOPPED};

		if (!t.end)
			t.chase = ub_acks_due(c, now, &until);
		if (!t.end && !t.chase)
			t.page = ub_kept_due(c, now, &until);
		if (t.end || t.chase || t.page)
			return t;
		(void)ub_cond_wait_until(&c->changed, &c->lock, until); /* a loop */
	}
}

static void *keeper_main(void *arg)
{
	unibus_client *c = arg;

	for (;;) {
		struct todo t;

		pthread_mutex_lock(&c->lock);
		t = wait_todo(c);
		pthread_mutex_unlock(&c->lock);
		if (t.end)
			return NULL;
		if (t.chase)
			ub_acks_chase(c, t.chase);
		else
			ub_kept_fetch(c, t.page);
	}
}

ub_err ub_keeper_start(unibus_client *c)
{
	struct ub_keeper *k = calloc(1, sizeof(*k));

	if (!k)
		return UNIBUS_ERR_NOMEM;
	if (pthread_create(&k->thread, NULL, keeper_main, c) != 0) {
		free(k);
		return UNIBUS_ERR_NOMEM;
	}
	c->keeper = k;
	return UB_OK;
}

void ub_keeper_stop(unibus_client *c)
{
	if (c->keeper)
		pthread_join(c->keeper->thread, NULL);
}

void ub_keeper_free(struct ub_keeper *k)
{
	free(k);
}
