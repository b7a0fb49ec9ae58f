#include "client/control.h"

#include "client/clock.h"
#include "client/control_sign.h"
#include "core/num.h"

struct ub_control {
	struct ub_signer signer;
	unsigned timeout_ms;
	void (*on_revoked)(void *arg);
	void *arg;
	struct ub_node nodes[UB_URLS_MAX];
	size_t n_nodes;
	size_t preferred;   /* guarded by signer.lock: the node that answered last */
	uint64_t failovers; /* likewise: calls that others than it answered */
};

ub_err ub_control_new(const struct ub_control_config *c, struct ub_control **ret)
{
	struct ub_control *ctl = calloc(1, sizeof(*ctl));
	ub_err err = ctl ? UB_OK : UNIBUS_ERR_NOMEM;

	if (err == UB_OK)
		err = ub_http_new(c->ca_file, &ctl->signer.http);
	if (err == UB_OK && pthread_mutex_init(&ctl->signer.lock, NULL) != 0) {
		ub_http_free(ctl->signer.http);
		err = UNIBUS_ERR_NOMEM;
	}
	if (err != UB_OK) {
		free(ctl);
		return err;
	}
	ctl->signer.id = c->id;
	ctl->timeout_ms = c->timeout_ms;
	ctl->on_revoked = c->on_revoked;
	ctl->arg = c->arg;
	for (size_t i = 0; i < c->urls->n; i++)
		ctl->nodes[i].url = c->urls->z[i];
	ctl->n_nodes = c->urls->n;
	*ret = ctl;
	return UB_OK;
}

void ub_control_free(struct ub_control *ctl)
{
	if (!ctl)
		return;
	ub_http_free(ctl->signer.http);
	pthread_mutex_destroy(&ctl->signer.lock);
	free(ctl);
}

void ub_control_cancel(struct ub_control *ctl, bool on)
{
	ub_http_cancel(ctl->signer.http, on);
}

uint64_t ub_control_now_ms(struct ub_control *ctl)
{
	return ub_signer_now_ms(&ctl->signer);
}

void ub_control_stats(struct ub_control *ctl, struct ub_control_stats *ret)
{
	pthread_mutex_lock(&ctl->signer.lock);
	ret->requests = ctl->signer.requests;
	ret->failovers = ctl->failovers;
	pthread_mutex_unlock(&ctl->signer.lock);
}

static bool call_ok(const struct ub_call *call)
{
	size_t method = strlen(call->method), target = strlen(call->target);

	if (method == 0 || method > 8 ||
		strspn(call->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != method)
		return false;
	if (call->target[0] != '/' || target > UB_TARGET_MAX)
		return false;
	if (call->body.len > (call->blob ? UB_BLOB_MAX : UB_ENTRY_BODY_MAX))
		return false;
	for (size_t i = 0; i < target; i++)
		if (call->target[i] <= ' ' || call->target[i] > '~' || call->target[i] == '#')
			return false;
	return true;
}

static bool is_transport(ub_err err)
{
	return err == UNIBUS_ERR_NETWORK || err == UNIBUS_ERR_TIMEOUT || err == UNIBUS_ERR_TLS;
}

ub_err ub_control_call(struct ub_control *ctl, const struct ub_call *call, struct unibus_reply *ret)
{
	uint64_t deadline = ub_mono_ms() + ctl->timeout_ms;
	ub_err err = UNIBUS_ERR_NETWORK;
	size_t first;

	if (!call_ok(call))
		return UNIBUS_ERR_INVALID;
	pthread_mutex_lock(&ctl->signer.lock);
	first = ctl->preferred;
	pthread_mutex_unlock(&ctl->signer.lock);
	for (size_t i = 0; i < ctl->n_nodes; i++) {
		size_t at = (first + i) % ctl->n_nodes;
		uint64_t now = ub_mono_ms();

		if (i > 0 && now >= deadline)
			return UNIBUS_ERR_TIMEOUT;
		/* A node that hangs must leave time for the others. */
		err = ub_node_call(&ctl->signer, &ctl->nodes[at], call,
			now + (deadline - now) / (ctl->n_nodes - i), ret);
		pthread_mutex_lock(&ctl->signer.lock);
		if (err == UB_OK) {
			ctl->preferred = at;
			ctl->failovers += i > 0;
		}
		pthread_mutex_unlock(&ctl->signer.lock);
		if (!is_transport(err) || (call->stream && call->stream->started))
			break;
	}
	if (err == UB_OK && unibus_reply_error(ret) == UNIBUS_ERR_REVOKED)
		ctl->on_revoked(ctl->arg);
	return err;
}

static bool revision_split(struct ub_str text, struct ub_str *store, uint64_t *n)
{
	const char *colon = text.len > 0 ? memchr(text.p, ':', text.len) : NULL;

	if (!colon || text.len >= UB_REVISION_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return false;
	*store = (struct ub_str){text.p, (size_t)(colon - text.p)};
	return ub_num_u64((struct ub_str){colon + 1, text.len - store->len - 1}, 0, UINT64_MAX,
		       n) == UB_OK;
}

void ub_control_note_revision(struct ub_control *ctl, struct ub_str text)
{
	struct ub_str store, had_store;
	uint64_t n, had;

	if (!revision_split(text, &store, &n))
		return;
	pthread_mutex_lock(&ctl->signer.lock);
	/* Another store id, as after a restore, starts anew. */
	if (!revision_split(ub_str(ctl->signer.revision), &had_store, &had) ||
		!ub_str_eq(store, had_store) || n > had)
		snprintf(ctl->signer.revision, sizeof(ctl->signer.revision), "%.*s", (int)text.len,
			text.p);
	pthread_mutex_unlock(&ctl->signer.lock);
}
