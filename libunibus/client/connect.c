/* The life of a client: unibus_connect and unibus_close. */
#include <unistd.h>

#include "client/client.h"
#include "client/clock.h"
#include "client/runtime.h"

static void revoked(void *arg)
{
	ub_client_set_state(arg, UNIBUS_REVOKED, UNIBUS_ERR_REVOKED);
}

static void no_message(unibus_client *c, struct ub_croom *room, const struct bus_msg *msg)
{
	(void)c;
	(void)room;
	(void)msg;
}

static void client_free(unibus_client *c)
{
	if (c->dispatch)
		ub_dispatch_stop(c->dispatch);
	ub_dispatch_free(c->dispatch);
	ub_control_free(c->ctl);
	unibus_options_free(c->o);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->store_lock);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

UB_DEFINE_CLEANUP(unibus_client *, client_free)

static ub_err client_new(const unibus_options *o, unibus_client **ret)
{
	UB_CLEANUP(client_freep) unibus_client *c = NULL;
	struct ub_control_config control = {.on_revoked = revoked};
	struct ub_dispatch_config dispatch = {.bus = &bus_nats, .on_message = no_message};
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
	c = raw;
	c->pid = getpid();
	c->state = UNIBUS_CONNECTING;
	err = ub_options_copy(o, &c->o);
	if (err != UB_OK)
		return err;
	control.id = c->o->id;
	control.urls = &c->o->ctrl;
	control.ca_file = c->o->ca_file;
	control.timeout_ms = c->o->timeout_ms;
	control.arg = c;
	err = ub_control_new(&control, &c->ctl);
	dispatch.client = c;
	dispatch.o = c->o;
	if (err == UB_OK)
		err = ub_dispatch_new(&dispatch, &c->dispatch);
	if (err != UB_OK)
		return err;
	*ret = UB_TAKE(c);
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
		err = ub_client_ask(c);
	if (err == UB_OK && !o->control_only)
		err = UNIBUS_ERR_NOT_AVAILABLE;
	if (err != UB_OK) {
		if (c)
			unibus_client_detail(c, o->detail, sizeof(o->detail));
		if (!o->detail[0])
			snprintf(o->detail, sizeof(o->detail), "%s", unibus_strerror(err));
		return err;
	}
	ub_client_set_state(c, UNIBUS_CONNECTED, UB_OK);
	*ret = UB_TAKE(c);
	return UB_OK;
}

void unibus_close(unibus_client *c)
{
	if (ub_client_enter(c) != UB_OK)
		return;
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	ub_control_cancel(c->ctl, true);
	client_free(c);
}
