#include "client/names.h"

#include "client/hash.h"
#include "client/roomcache.h"
#include "client/store.h"
#include "core/endpoint.h"
#include "core/json.h"

struct name {
	UT_hash_handle hh;
	struct ub_endpoint id;
	char handle[UB_HANDLE_MAX + 1];
	bool refused; /* told that the server's handle for it contradicts a pin */
};

struct ub_names {
	pthread_mutex_t lock;
	struct name *head;
};

ub_err ub_names_new(struct ub_names **ret)
{
	struct ub_names *n = calloc(1, sizeof(*n));

	if (!n)
		return UNIBUS_ERR_NOMEM;
	pthread_mutex_init(&n->lock, NULL);
	*ret = n;
	return UB_OK;
}

void ub_names_free(struct ub_names *n)
{
	struct name *at, *next;

	if (!n)
		return;
	HASH_ITER (hh, n->head, at, next) {
		HASH_DEL(n->head, at);
		free(at);
	}
	pthread_mutex_destroy(&n->lock);
	free(n);
}

void ub_names_get(unibus_client *c, const struct ub_endpoint *id, char to[UB_HANDLE_MAX + 1])
{
	char text[UB_ID_TEXT + 1];
	struct name *at;

	to[0] = '\0';
	pthread_mutex_lock(&c->names->lock);
	HASH_FIND(hh, c->names->head, id->b, sizeof(id->b), at);
	if (at)
		snprintf(to, UB_HANDLE_MAX + 1, "%s", at->handle);
	pthread_mutex_unlock(&c->names->lock);
	if (!to[0] && ub_store_pins(c)) {
		ub_endpoint_encode(id, text);
		ub_pins_handle_of(ub_store_pins(c), text, to, UB_HANDLE_MAX + 1);
	}
}

/* Under the lock; NULL when out of memory: a name is then not shown. */
static struct name *name_get(struct ub_names *n, const struct ub_endpoint *id)
{
	struct name *at;

	HASH_FIND(hh, n->head, id->b, sizeof(id->b), at);
	if (at)
		return at;
	at = calloc(1, sizeof(*at));
	if (!at)
		return NULL;
	at->id = *id;
	HASH_ADD(hh, n->head, id.b, sizeof(at->id.b), at);
	if (!at->hh.tbl) {
		free(at);
		return NULL;
	}
	return at;
}

static bool contradicts_pin(unibus_client *c, const char *handle, const char *endpoint)
{
	UB_CLEANUP(ub_freep) char *pinned = NULL;

	return ub_pins_get(ub_store_pins(c), UB_PIN_HANDLES, handle, &pinned) == UB_OK &&
	       strcmp(pinned, endpoint) != 0;
}

/* A name that is pinned to this key stays its name, whatever the server calls it by now; `text` is
 * what the server said. */
static void prefer_pin(unibus_client *c, const char *endpoint, char text[UB_HANDLE_MAX + 1])
{
	UB_CLEANUP(ub_freep) char *owner = NULL;
	char pinned[UB_HANDLE_MAX + 1] = "";

	if (ub_pins_get(ub_store_pins(c), UB_PIN_HANDLES, text, &owner) == UB_OK)
		return;
	ub_pins_handle_of(ub_store_pins(c), endpoint, pinned, sizeof(pinned));
	if (pinned[0])
		memcpy(text, pinned, sizeof(pinned));
}

static void tell_contradiction(unibus_client *c, const char *handle, const char *endpoint)
{
	char detail[UB_DETAIL_MAX];
	struct unibus_event ev = {.kind = UNIBUS_EVENT_KEY_CHANGED,
		.err = UNIBUS_ERR_KEY_CHANGED,
		.peer = endpoint,
		.detail = detail};

	snprintf(detail, sizeof(detail),
		"the server gives the handle %s to another key than the one pinned here", handle);
	ub_dispatch_event(c->dispatch, &ev);
}

void ub_names_put(unibus_client *c, const struct ub_endpoint *id, struct ub_str handle)
{
	char text[UB_HANDLE_MAX + 1], endpoint[UB_ID_TEXT + 1];
	struct name *at;
	bool bad, tell = false;

	if (ub_handle_check(handle) != UB_OK)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)handle.len, handle.p);
	ub_endpoint_encode(id, endpoint);
	prefer_pin(c, endpoint, text);
	bad = contradicts_pin(c, text, endpoint);
	pthread_mutex_lock(&c->names->lock);
	at = name_get(c->names, id);
	if (at && bad) {
		tell = !at->refused;
		at->refused = true;
		at->handle[0] = '\0';
	} else if (at) {
		memcpy(at->handle, text, sizeof(at->handle));
		at->refused = false;
	}
	pthread_mutex_unlock(&c->names->lock);
	if (tell)
		tell_contradiction(c, text, endpoint);
}

struct page {
	unibus_client *c;
	void (*fn)(void *arg, const struct ub_endpoint *revoked);
	void *arg;
};

static void take_member(const struct page *p, json_t *item)
{
	const char *handle = json_string_value(json_object_get(item, "handle"));
	const char *status = json_string_value(json_object_get(item, "status"));
	struct ub_endpoint id;

	if (ub_endpoint_decode(ub_str(json_string_value(json_object_get(item, "endpoint"))), &id) !=
		UB_OK)
		return;
	if (handle)
		ub_names_put(p->c, &id, ub_str(handle));
	if (p->fn && status && strcmp(status, "revoked") == 0)
		p->fn(p->arg, &id);
}

ub_err ub_names_fetch(unibus_client *c, struct ub_croom *r,
	void (*fn)(void *arg, const struct ub_endpoint *revoked), void *arg)
{
	struct page page = {.c = c, .fn = fn, .arg = arg};
	char target[192], after[UB_ID_TEXT + 1] = "";

	/* Bounded by the most members that a room can have, whatever the server says. */
	for (size_t n = 0; n <= UB_ROOM_MEMBERS_MAX;) {
		UB_CLEANUP(json_decrefp) json_t *v = NULL;
		json_t *list, *item;
		const char *next;
		size_t i;
		ub_err err;

		snprintf(target, sizeof(target), "/rooms/%s/members?limit=%d%s%s", r->id_text,
			UB_LIST_MAX, after[0] ? "&after=" : "", after);
		err = ub_client_json(c, "GET", target, (struct ub_str){0}, &v);
		if (err != UB_OK)
			return err;
		list = json_object_get(v, "members");
		json_array_foreach (list, i, item)
			take_member(&page, item);
		n += json_array_size(list);
		next = json_string_value(json_object_get(v, "next"));
		if (!next || json_array_size(list) == 0 || strlen(next) != UB_ID_TEXT)
			break;
		snprintf(after, sizeof(after), "%s", next);
	}
	return UB_OK;
}
