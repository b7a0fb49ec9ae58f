#include "client/store.h"

#include "client/clock.h"
#include "client/roomcache.h"

struct ub_state {
	struct ub_statedir *dir;
	struct ub_pins *pins;
	uint64_t session;
};

static void state_free(struct ub_state *s)
{
	if (!s)
		return;
	ub_pins_free(s->pins);
	ub_statedir_close(s->dir);
	free(s);
}

static ub_err open_dir(unibus_client *c, struct ub_state *s)
{
	UB_CLEANUP(ub_freep) char *dflt = NULL;
	const char *dir = c->o->state_dir;
	ub_err err = UB_OK;

	if (!dir) {
		err = ub_statedir_default(c->o->id->endpoint_text, &dflt);
		if (err != UB_OK)
			return ub_client_fail(c, err, "no state directory: set UNIBUS_STATE_DIR");
		dir = dflt;
	}
	err = ub_statedir_open(dir, c->o->timeout_ms, &s->dir);
	if (err == UB_OK)
		err = ub_statedir_session(s->dir, ub_wall_ms(), &s->session);
	if (err == UB_OK)
		err = ub_pins_open(s->dir, &s->pins);
	if (err != UB_OK)
		return ub_client_fail(c, err, "state directory %s: %s", dir, unibus_strerror(err));
	return UB_OK;
}

static ub_err store_open(unibus_client *c)
{
	ub_err err;

	c->store = calloc(1, sizeof(*c->store));
	if (!c->store)
		return UNIBUS_ERR_NOMEM;
	err = open_dir(c, c->store);
	if (err == UB_OK)
		err = ub_rooms_load(c, &c->rooms);
	if (err != UB_OK) {
		state_free(c->store);
		c->store = NULL;
	}
	return err;
}

ub_err ub_store_need(unibus_client *c)
{
	ub_err err = UB_OK;

	pthread_mutex_lock(&c->store_lock);
	if (!c->rooms)
		err = store_open(c);
	pthread_mutex_unlock(&c->store_lock);
	return err;
}

void ub_store_free(unibus_client *c)
{
	ub_rooms_free(c->rooms);
	state_free(c->store);
	c->rooms = NULL;
	c->store = NULL;
}

struct ub_statedir *ub_store_dir(unibus_client *c)
{
	return c->store->dir;
}

struct ub_pins *ub_store_pins(unibus_client *c)
{
	return c->store ? c->store->pins : NULL;
}

uint64_t ub_store_session(unibus_client *c)
{
	return c->store->session;
}
