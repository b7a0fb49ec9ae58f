#include "client/request.h"
#include "client/clock.h"
#include "client/message.h"
#include "core/limits.h"

struct wait { /* guarded by the client's lock */
	unibus_client *c;
	unibus_ref ref;
	bool done;
	ub_err err;
	struct unibus_response got;
};

static ub_err copy_response(const struct unibus_msg *m, struct unibus_response *ret)
{
	bool failed = strcmp(m->media_type, UB_MEDIA_FAILED) == 0;

	ret->data = malloc(m->len + 1);
	if (!ret->data)
		return UNIBUS_ERR_NOMEM;
	if (m->len > 0)
		memcpy(ret->data, m->data, m->len);
	ret->data[m->len] = '\0';
	ret->len = m->len;
	ret->failed = failed;
	snprintf(ret->sender, sizeof(ret->sender), "%s", m->sender);
	snprintf(ret->media_type, sizeof(ret->media_type), "%s", failed ? "" : m->media_type);
	snprintf(ret->ref, sizeof(ret->ref), "%s", m->reply);
	return UB_OK;
}

static void on_message(void *arg, const struct unibus_msg *m)
{
	struct wait *w = arg;

	if (m->kind != UNIBUS_RESPONSE || strcmp(m->reply, w->ref) != 0)
		return;
	pthread_mutex_lock(&w->c->lock);
	if (!w->done) {
		w->err = copy_response(m, &w->got);
		w->done = true;
		pthread_cond_broadcast(&w->c->changed);
	}
	pthread_mutex_unlock(&w->c->lock);
}

static ub_err wait_for(struct wait *w, uint64_t until)
{
	bool in_time = true;
	ub_err err = UB_OK;

	pthread_mutex_lock(&w->c->lock);
	while (!w->done && in_time && (err = ub_client_alive(w->c)) == UB_OK)
		in_time = ub_cond_wait_until(&w->c->changed, &w->c->lock, until);
	if (w->done)
		err = w->err;
	else if (err == UB_OK)
		err = UNIBUS_ERR_TIMEOUT;
	pthread_mutex_unlock(&w->c->lock);
	return err;
}

static bool is_plain(unibus_room *room)
{
	bool plain;

	pthread_mutex_lock(&room->r->lock);
	plain = ub_policy_plain(&room->r->state.policy);
	pthread_mutex_unlock(&room->r->lock);
	return plain;
}

ub_err ub_request_check(unibus_room *room)
{
	if (is_plain(room))
		return ub_client_fail(
			room->c, UNIBUS_ERR_INVALID, "a plain room has no frames, so no requests");
	if (!room->c->link)
		return ub_client_fail(
			room->c, UNIBUS_ERR_INVALID, "a control-only client has no messages");
	return UB_OK;
}

/* Listens first, then asks: the answer may be quick. */
static ub_err ask(unibus_room *room, const struct unibus_publish *p, struct wait *w, uint64_t until)
{
	struct unibus_publish request = *p;
	unibus_sub *sub = NULL;
	struct ub_ulid id;
	struct ub_ref ref;
	ub_err err;

	request.kind = UNIBUS_REQUEST;
	ub_publish_id(room->c, &id);
	ub_frame_ref(&room->r->id, &room->c->o->id->endpoint, &id, &ref);
	ub_ref_encode(&ref, w->ref);
	err = ub_subscribe_inner(
		room, &(struct unibus_subscription){.fn = on_message, .arg = w}, &sub);
	if (err != UB_OK)
		return err;
	err = ub_publish_as(room, &request, &id, NULL);
	if (err == UB_OK)
		err = wait_for(w, until);
	unibus_unsubscribe(sub);
	return err;
}

enum unibus_err unibus_request(unibus_room *room, const struct unibus_publish *p,
	unsigned timeout_ms, struct unibus_response *ret)
{
	uint64_t until = ub_mono_ms() + timeout_ms;
	struct wait w = {0};
	ub_err err = ub_room_enter(room);

	if (err != UB_OK)
		return err;
	if (!p || !ret || (p->kind && p->kind != UNIBUS_REQUEST))
		return UNIBUS_ERR_INVALID;
	if (ub_dispatch_here(room->c->dispatch))
		return ub_client_fail(room->c, UNIBUS_ERR_INVALID,
			"a request inside a callback would wait for itself");
	err = ub_request_check(room);
	if (err != UB_OK)
		return err;
	w.c = room->c;
	err = ask(room, p, &w, until);
	if (err == UB_OK)
		*ret = w.got;
	else
		free(w.got.data);
	return err == UB_OK || err != UNIBUS_ERR_TIMEOUT
		       ? err
		       : ub_client_fail(room->c, err, "nobody answered in time");
}

void unibus_response_free(struct unibus_response *r)
{
	if (!r)
		return;
	free(r->data);
	*r = (struct unibus_response){0};
}
