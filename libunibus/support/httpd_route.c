/* Which row a request is for. */
#include "support/httpd_impl.h"

struct segments {
	struct ub_str rest;
};

/* The next "/segment"; false at the end. */
static bool next_segment(struct segments *s, struct ub_str *ret)
{
	const char *end;

	if (!s->rest.len || s->rest.p[0] != '/')
		return false;
	ret->p = s->rest.p + 1;
	end = memchr(ret->p, '/', s->rest.len - 1);
	ret->len = end ? (size_t)(end - ret->p) : s->rest.len - 1;
	s->rest.p = ret->p + ret->len;
	s->rest.len -= ret->len + 1;
	return true;
}

static bool is_param(struct ub_str s)
{
	return s.len > 2 && s.p[0] == '{' && s.p[s.len - 1] == '}';
}

static bool match(const char *pattern, struct ub_str path, struct ub_str params[HTTPD_PARAMS_MAX])
{
	struct segments ps = {ub_str(pattern)}, xs = {path};
	struct ub_str p, x;
	size_t n = 0;

	while (next_segment(&ps, &p)) {
		if (!next_segment(&xs, &x))
			return false;
		if (is_param(p)) {
			if (!x.len)
				return false;
			params[n++] = x;
		} else if (!ub_str_eq(p, x)) {
			return false;
		}
	}
	return !xs.rest.len;
}

/* "GET, POST": what the path would take. */
static void allow(struct httpd_req *r, const char *method)
{
	struct httpd_reply_header *h = NULL;
	size_t used;

	for (size_t i = 0; i < r->n_headers; i++)
		if (strcmp(r->headers[i].name, "Allow") == 0)
			h = &r->headers[i];
	if (!h) {
		httpd_header(r, "Allow", method);
		return;
	}
	used = strlen(h->value);
	snprintf(h->value + used, sizeof(h->value) - used, ", %s", method);
}

void httpd_find_route(struct httpd_req *r)
{
	const struct httpd_config *c = &r->h->c;
	struct ub_str path = {r->target, r->path_len};
	bool path_known = false;

	for (size_t i = 0; i < c->n_routes; i++) {
		if (!match(c->routes[i].path, path, r->params))
			continue;
		path_known = true;
		if (strcmp(c->routes[i].method, r->method) == 0) {
			r->route = &c->routes[i];
			r->n_headers = 0; /* Allow of rows before this one */
			return;
		}
		allow(r, c->routes[i].method);
	}
	if (path_known)
		httpd_fail(r, UNIBUS_ERR_METHOD_NOT_ALLOWED, NULL);
	else
		httpd_fail(r, UNIBUS_ERR_NOT_FOUND, "there is nothing at this path");
}

bool httpd_routes_ok(const struct httpd_route *routes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct httpd_route *row = &routes[i];
		struct segments s = {ub_str(row->path)};
		struct ub_str seg;
		size_t params = 0;

		while (next_segment(&s, &seg))
			params += is_param(seg);
		if (!row->access || !row->handler || !row->method || s.rest.len ||
			params > HTTPD_PARAMS_MAX)
			return false;
	}
	return n > 0;
}
