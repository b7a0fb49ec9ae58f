/* The REST server: the table handed to httpd, and what happens around each handler. */
#include "membershipd/http/api.h"

const char *md_bus_auth_name(enum md_bus_auth mode)
{
	static const char *const names[] = {"unset", "off", "soft", "enforce"};

	return (size_t)mode < UB_ARRAY_LEN(names) ? names[mode] : names[0];
}

/* Waiting takes a worker, so only half of them may. */
static bool wait_for_revision(struct md_call *c)
{
	const struct md_http_limits *l = &c->http->c.limits;
	ub_err err = UNIBUS_ERR_UNAVAILABLE;

	if (atomic_fetch_add(&c->http->waiting, 1) < (l->workers + 1) / 2)
		err = md_service_wait(c->svc, ub_str(c->min_revision), l->min_revision_ms);
	atomic_fetch_sub(&c->http->waiting, 1);
	if (!err)
		return true;
	md_fail(c, err, "this node has not seen revision %s yet; try again or ask another node",
		c->min_revision);
	return false;
}

static void dispatch(void *app, struct httpd_req *r)
{
	struct md_call *c = httpd_ctx(r);

	(void)app;
	if (c->wait && !wait_for_revision(c))
		return;
	/* On a worker time has passed, in which the caller may have been revoked. */
	if (c->later && !md_authorize(c))
		return;
	c->row->handler(c);
}

static void set_defaults(struct md_http_limits *l)
{
	if (!l->body_max || l->body_max > UB_BODY_MAX)
		l->body_max = UB_BODY_MAX;
	if (!l->entry_body_max || l->entry_body_max > UB_ENTRY_BODY_MAX)
		l->entry_body_max = UB_ENTRY_BODY_MAX;
	if (!l->blob_body_max || l->blob_body_max > UB_BLOB_MAX)
		l->blob_body_max = UB_BLOB_MAX;
	l->header_ms = l->header_ms ? l->header_ms : UB_HEADER_SECONDS_MAX * 1000;
	l->idle_s = l->idle_s ? l->idle_s : 60;
	l->workers = l->workers ? l->workers : 8;
	l->min_revision_ms = l->min_revision_ms ? l->min_revision_ms : 3000;
	l->ip_per_s = l->ip_per_s > 0 ? l->ip_per_s : 200;
	l->ip_burst = l->ip_burst > 0 ? l->ip_burst : 20000;
	l->key_per_s = l->key_per_s > 0 ? l->key_per_s : 150;
	l->key_burst = l->key_burst > 0 ? l->key_burst : 2000;
}

static size_t body_cap(const struct md_http_limits *l, const struct md_route *m)
{
	if (m->head)
		return l->blob_body_max;
	return m->body_max > UB_BODY_MAX ? l->entry_body_max : l->body_max;
}

static void fill_rows(struct md_http *h)
{
	const struct md_http_limits *l = &h->c.limits;

	for (size_t i = 0; i < md_routes_n; i++) {
		const struct md_route *m = &md_routes[i];
		size_t cap = body_cap(l, m);

		h->rows[i] = (struct httpd_route){
			.method = m->method,
			.path = m->path,
			.access = (int)m->access,
			.body_max = m->body_max < cap ? m->body_max : cap,
			.blocking = m->blocking,
			.handler = dispatch,
			.arg = (int)i,
		};
	}
}

static ub_err make_limits(struct md_http *h)
{
	const struct md_http_limits *l = &h->c.limits;
	struct md_rate ip = {l->ip_per_s, l->ip_burst, 65536};
	struct md_rate key = {l->key_per_s, l->key_burst, 65536};
	ub_err err = md_nonces_new(NULL, &h->nonces);

	if (!err)
		err = md_ratelimit_new(&ip, &h->per_ip);
	if (!err)
		err = md_ratelimit_new(&key, &h->per_key);
	return err;
}

ub_err md_http_start(const struct md_http_config *c, struct md_http **ret)
{
	UB_CLEANUP(md_http_freep) struct md_http *h = NULL;
	struct httpd_config hc;
	ub_err err;

	if (!c->svc || c->mode < MD_AUTH_OFF || c->mode > MD_AUTH_ENFORCE)
		return UNIBUS_ERR_INVALID;
	h = calloc(1, sizeof(*h));
	if (!h)
		return UNIBUS_ERR_NOMEM;
	h->c = *c;
	h->c.bind = h->c.tls_key = NULL;
	set_defaults(&h->c.limits);
	fill_rows(h);
	err = make_limits(h);
	if (err)
		return err;
	hc = (struct httpd_config){
		.bind = c->bind,
		.port = c->port,
		.tls_cert = c->tls_cert,
		.tls_key = c->tls_key,
		.routes = h->rows,
		.n_routes = md_routes_n,
		.hooks = {md_authn_admit, md_authn_head, md_authn_body, md_authn_end},
		.app = h,
		.ctx_size = sizeof(struct md_call),
		.threads = c->threads,
		.workers = h->c.limits.workers,
		.queue_max = h->c.limits.queue_max,
		.connections_max = h->c.limits.connections_max,
		.header_ms = h->c.limits.header_ms,
		.idle_ms = h->c.limits.idle_s * 1000,
	};
	err = httpd_start(&hc, &h->server);
	if (err)
		return err;
	*ret = UB_TAKE(h);
	return UB_OK;
}

uint16_t md_http_port(const struct md_http *h)
{
	return httpd_port(h->server);
}

ub_err md_http_reload_tls(struct md_http *h)
{
	return httpd_reload_tls(h->server);
}

void md_http_stop_accepting(struct md_http *h)
{
	httpd_stop_accepting(h->server);
}

void md_http_free(struct md_http *h)
{
	if (!h)
		return;
	httpd_free(h->server);
	md_nonces_free(h->nonces);
	md_ratelimit_free(h->per_ip);
	md_ratelimit_free(h->per_key);
	free(h);
}
