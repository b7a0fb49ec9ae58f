#include "client/client.h"

#include <stdarg.h>
#include <unistd.h>

#include "client/clock.h"
#include "core/json.h"
#include "core/subject.h"

#define SESSION_TTL_MIN_MS 1000
#define SESSION_TTL_MAX_MS (366LL * 24 * 3600 * 1000)

ub_err ub_client_enter(const unibus_client *c)
{
	if (!c)
		return UNIBUS_ERR_INVALID;
	/* After fork() the threads are gone and the sockets are shared with the parent. */
	return c->pid == getpid() ? UB_OK : UNIBUS_ERR_FORKED_PROCESS;
}

ub_err ub_client_alive(const unibus_client *c)
{
	if (c->state == UNIBUS_REVOKED)
		return UNIBUS_ERR_REVOKED;
	if (c->state == UNIBUS_STOPPED || c->closing)
		return c->why == UNIBUS_ERR_UNKNOWN_KEY ? c->why : UNIBUS_ERR_CLOSED;
	return c->cancelled ? UNIBUS_ERR_CANCELLED : UB_OK;
}

ub_err ub_client_fail(unibus_client *c, ub_err err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	pthread_mutex_lock(&c->lock);
	vsnprintf(c->detail, sizeof(c->detail), fmt, args);
	pthread_mutex_unlock(&c->lock);
	va_end(args);
	return err;
}

void ub_client_set_state(unibus_client *c, enum unibus_state state, ub_err why)
{
	bool final, change;

	pthread_mutex_lock(&c->lock);
	final = c->state == UNIBUS_REVOKED || c->state == UNIBUS_STOPPED;
	change = !final && c->state != state;
	if (change) {
		c->state = state;
		c->why = why;
		/* Queued under the lock: callbacks come in the order of the changes. */
		ub_dispatch_state(c->dispatch, state, why);
	}
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

enum unibus_state unibus_client_state(unibus_client *c)
{
	enum unibus_state state;

	if (ub_client_enter(c) != UB_OK)
		return UNIBUS_STOPPED;
	pthread_mutex_lock(&c->lock);
	state = c->state;
	pthread_mutex_unlock(&c->lock);
	return state;
}

enum unibus_err unibus_wait_state(unibus_client *c, enum unibus_state state, unsigned timeout_ms)
{
	uint64_t until = ub_mono_ms() + timeout_ms;
	ub_err err = ub_client_enter(c);
	bool in_time = true;

	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&c->lock);
	while (c->state != state && (err = ub_client_alive(c)) == UB_OK && in_time)
		in_time = ub_cond_wait_until(&c->changed, &c->lock, until);
	if (c->state == state)
		err = UB_OK;
	else if (err == UB_OK)
		err = UNIBUS_ERR_TIMEOUT;
	pthread_mutex_unlock(&c->lock);
	return err;
}

void unibus_cancel(unibus_client *c, bool on)
{
	if (ub_client_enter(c) != UB_OK)
		return;
	pthread_mutex_lock(&c->lock);
	c->cancelled = on;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	ub_control_cancel(c->ctl, on);
}

int unibus_client_fd(unibus_client *c)
{
	return ub_client_enter(c) == UB_OK ? ub_dispatch_fd(c->dispatch) : -1;
}

size_t unibus_process(unibus_client *c, size_t max)
{
	return ub_client_enter(c) == UB_OK ? ub_dispatch_process(c->dispatch, max) : 0;
}

void unibus_client_detail(unibus_client *c, char *to, size_t len)
{
	if (!to || len == 0)
		return;
	to[0] = '\0';
	if (ub_client_enter(c) != UB_OK)
		return;
	pthread_mutex_lock(&c->lock);
	snprintf(to, len, "%s", c->detail);
	pthread_mutex_unlock(&c->lock);
}

const char *unibus_client_endpoint(const unibus_client *c)
{
	return c ? c->o->id->endpoint_text : "";
}

const char *unibus_client_handle(unibus_client *c)
{
	return c ? c->handle : "";
}

void unibus_get_stats(unibus_client *c, struct unibus_stats *ret)
{
	struct ub_control_stats rest;

	if (!ret || ub_client_enter(c) != UB_OK)
		return;
	ub_control_stats(c->ctl, &rest);
	pthread_mutex_lock(&c->lock);
	*ret = c->stats;
	pthread_mutex_unlock(&c->lock);
	ret->requests = rest.requests;
	ret->failovers += rest.failovers;
}

enum unibus_err unibus_call(unibus_client *c, const char *method, const char *target,
	const char *body, struct unibus_reply *ret)
{
	struct ub_call call = {.method = method, .target = target, .body = ub_str(body)};
	ub_err err = ub_client_enter(c);

	if (err == UB_OK && (!method || !target || !ret))
		err = UNIBUS_ERR_INVALID;
	if (err == UB_OK)
		err = ub_control_call(c->ctl, &call, ret);
	if (err != UB_OK && err != UNIBUS_ERR_FORKED_PROCESS && c)
		return ub_client_fail(c, err, "%s", unibus_strerror(err));
	return err;
}

ub_err ub_client_json(
	unibus_client *c, const char *method, const char *target, struct ub_str body, json_t **ret)
{
	UB_CLEANUP(unibus_reply_free) struct unibus_reply reply = {0};
	struct ub_call call = {.method = method, .target = target, .body = body};
	char sentence[UB_DETAIL_MAX];
	json_t *v = NULL;
	ub_err err = ub_control_call(c->ctl, &call, &reply);

	if (err != UB_OK)
		return ub_client_fail(c, err, "%s", unibus_strerror(err));
	err = unibus_reply_error(&reply);
	if (err != UB_OK) {
		ub_reply_sentence(&reply, sentence, sizeof(sentence));
		return ub_client_fail(c, err, "%s", sentence);
	}
	err = ub_json_parse_foreign((struct ub_str){reply.body, reply.len}, &v);
	if (err == UB_OK && !json_is_object(v)) {
		json_decref(v);
		err = UNIBUS_ERR_INVALID;
	}
	if (err == UNIBUS_ERR_INVALID)
		return ub_client_fail(c, UNIBUS_ERR_INTERNAL,
			"the control plane answered something that is no JSON object");
	if (err == UB_OK)
		*ret = v;
	return err;
}

static void take_server(unibus_client *c, const json_t *v)
{
	json_t *shards = json_object_get(v, "log_shards");
	json_int_t n = json_is_integer(shards) ? json_integer_value(shards) : 0;
	const char *handle = json_string_value(json_object_get(v, "handle"));
	json_int_t ttl = json_integer_value(json_object_get(v, "session_ttl_ms"));

	pthread_mutex_lock(&c->lock);
	/* Once: the text is handed out without a lock. */
	if (handle && !c->handle[0] && ub_handle_check(ub_str(handle)) == UB_OK)
		snprintf(c->handle, sizeof(c->handle), "%s", handle);
	/* Sessions last a fifth longer or shorter than announced. */
	if (ttl >= SESSION_TTL_MIN_MS && ttl <= SESSION_TTL_MAX_MS)
		c->session_ms = (uint64_t)ttl / 5 * 4;
	if (n > 0 && n <= UB_SHARDS_MAX)
		c->log_shards = (unsigned)n;
	pthread_mutex_unlock(&c->lock);
}

ub_err ub_client_ask(unibus_client *c)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	ub_err err = ub_client_json(c, "GET", "/server", (struct ub_str){0}, &v);

	if (err == UB_OK)
		take_server(c, v);
	else if (err == UNIBUS_ERR_UNKNOWN_KEY)
		ub_client_set_state(c, UNIBUS_STOPPED, err);
	else if (err == UNIBUS_ERR_REVOKED)
		ub_client_set_state(c, UNIBUS_REVOKED, err);
	return err;
}
