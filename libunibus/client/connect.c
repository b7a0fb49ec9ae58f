/* The life of a client: unibus_connect and unibus_close. */
#include <unistd.h>

#include "client/acks.h"
#include "client/chores.h"
#include "client/client.h"
#include "client/clock.h"
#include "client/keeper.h"
#include "client/link.h"
#include "client/message.h"
#include "client/names.h"
#include "client/peers.h"
#include "client/runtime.h"
#include "client/store.h"

static void revoked(void *arg)
{
	ub_client_set_state(arg, UNIBUS_REVOKED, UNIBUS_ERR_REVOKED);
}

/* In this order: nobody waits for the dispatcher any more, then nobody feeds it. */
static void stop_threads(unibus_client *c)
{
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (c->ctl)
		ub_control_cancel(c->ctl, true);
	if (c->dispatch)
		ub_dispatch_stop(c->dispatch);
	ub_link_stop(c);
	ub_chores_stop(c);
	ub_keeper_stop(c);
}

static void client_free(unibus_client *c)
{
	stop_threads(c);
	ub_acks_end(c);
	ub_dispatch_free(c->dispatch);
	ub_link_free(c->link);
	ub_chores_free(c->chores);
	ub_keeper_free(c->keeper);
	while (c->dead_subs) {
		struct unibus_sub *sub = c->dead_subs;

		c->dead_subs = sub->next_dead;
		ub_sub_unref(c, sub);
	}
	ub_store_free(c);
	ub_names_free(c->names);
	free(c->self);
	ub_control_free(c->ctl);
	unibus_options_free(c->o);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->self_lock);
	pthread_mutex_destroy(&c->store_lock);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

UB_DEFINE_CLEANUP(unibus_client *, client_free)

static ub_err make_parts(unibus_client *c)
{
	struct ub_control_config control = {.id = c->o->id,
		.urls = &c->o->ctrl,
		.ca_file = c->o->ca_file,
		.timeout_ms = c->o->timeout_ms,
		.on_revoked = revoked,
		.arg = c};
	struct ub_dispatch_config dispatch = {
		.client = c, .o = c->o, .bus = &bus_nats, .on_message = ub_receive};
	ub_err err = ub_control_new(&control, &c->ctl);

	if (err == UB_OK)
		err = ub_names_new(&c->names);
	if (err == UB_OK)
		err = ub_dispatch_new(&dispatch, &c->dispatch);
	return err;
}

static ub_err client_new(const unibus_options *o, unibus_client **ret)
{
	UB_CLEANUP(client_freep) unibus_client *c = NULL;
	unibus_client *raw = calloc(1, sizeof(*raw));
	ub_err err;

	if (!raw)
		return UNIBUS_ERR_NOMEM;
	if (ub_cond_init(&raw->changed) != UB_OK) {
		free(raw);
		return UNIBUS_ERR_NOMEM;
	}
	pthread_mutex_init(&raw->lock, NULL);
	pthread_mutex_init(&raw->store_lock, NULL);
	pthread_mutex_init(&raw->self_lock, NULL);
	c = raw;
	c->pid = getpid();

	c->state = UNIBUS_CONNECTING;
	err = ub_options_copy(o, &c->o);
	if (err == UB_OK)
		err = make_parts(c);
	if (err != UB_OK)
		return err;
	*ret = UB_TAKE(c);
	return UB_OK;
}

/* So that others can invite this peer from the first moment that it is seen, by REST alone too. */
static ub_err publish_self(unibus_client *c)
{
	char text[UB_KEYREC_MAX + 1];
	struct ub_keyrec self;
	ub_err err = ub_store_need(c);

	return err == UB_OK ? ub_peer_self(c, &self, text) : err;
}

static ub_err connect_bus(unibus_client *c, uint64_t deadline)
{
	ub_err err = ub_chores_start(c);

	if (err == UB_OK)
		err = ub_keeper_start(c);
	if (err == UB_OK)
		err = ub_link_start(c, &bus_nats);
	if (err != UB_OK)
		return err;
	err = ub_link_wait_first(c, deadline);
	return err == UB_OK ? UB_OK
			    : ub_client_fail(c, err, "message servers: %s", unibus_strerror(err));
}

static ub_err connect_planes(unibus_client *c)
{
	uint64_t deadline = ub_mono_ms() + c->o->timeout_ms;
	ub_err err = ub_client_ask(c);

	if (err == UB_OK)
		err = publish_self(c);
	if (err != UB_OK)
		return err;
	if (!c->o->control_only)
		return connect_bus(c, deadline);
	ub_client_set_state(c, UNIBUS_CONNECTED, UB_OK);
	return UB_OK;
}

enum unibus_err unibus_connect(unibus_options *o, unibus_client **ret)
{
	UB_CLEANUP(client_freep) unibus_client *c = NULL;
	ub_err err;

	if (!o || !ret)
		return UNIBUS_ERR_INVALID;
	o->detail[0] = '\0';
	err = ub_options_check(o);
	if (err != UB_OK)
		return err;
	err = ub_runtime_open();
	if (err == UB_OK)
		err = client_new(o, &c);
	if (err == UB_OK)
		err = connect_planes(c);
	if (err == UB_OK) {
		*ret = UB_TAKE(c);
		return UB_OK;
	}
	if (c)
		unibus_client_detail(c, o->detail, sizeof(o->detail));
	if (!o->detail[0])
		snprintf(o->detail, sizeof(o->detail), "%s", unibus_strerror(err));
	return err;
}

void unibus_close(unibus_client *c)
{
	if (ub_client_enter(c) == UB_OK)
		client_free(c);
}

void unibus_connected_server(unibus_client *c, char *to, size_t len)
{
	if (!to || len == 0)
		return;
	to[0] = '\0';
	if (ub_client_enter(c) == UB_OK && c->link)
		ub_link_server(c, to, len);
}
