/* What a request says of itself. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "support/httpd_impl.h"

void *httpd_ctx(struct httpd_req *r)
{
	return r->ctx;
}

const struct httpd_route *httpd_route(const struct httpd_req *r)
{
	return r->route;
}

struct ub_str httpd_method(const struct httpd_req *r)
{
	return ub_str(r->method);
}

struct ub_str httpd_target(const struct httpd_req *r)
{
	return (struct ub_str){r->target, r->target_len};
}

struct ub_str httpd_param(const struct httpd_req *r, unsigned i)
{
	ub_assert(i < HTTPD_PARAMS_MAX);
	return r->params[i];
}

struct ub_str httpd_body(const struct httpd_req *r)
{
	return ub_buf_text(&r->body);
}

size_t httpd_length(const struct httpd_req *r)
{
	return r->length;
}

void httpd_peer(const struct httpd_req *r, char to[64])
{
	const struct sockaddr_storage *ss = &r->conn->addr;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	to[0] = 0;
	if (ss->ss_family == AF_INET) {
		memcpy(&in, ss, sizeof(in));
		(void)inet_ntop(AF_INET, &in.sin_addr, to, 64); /* 64 is room enough */
	} else if (ss->ss_family == AF_INET6) {
		memcpy(&in6, ss, sizeof(in6));
		(void)inet_ntop(AF_INET6, &in6.sin6_addr, to, 64);
	}
}

struct each {
	void (*fn)(void *arg, struct ub_str name, struct ub_str value);
	void *arg;
};

static enum MHD_Result one(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len,
	const char *value, size_t value_len)
{
	struct each *e = cls;

	(void)kind;
	e->fn(e->arg, (struct ub_str){key, key_len},
		(struct ub_str){value ? value : "", value ? value_len : 0});
	return MHD_YES;
}

void httpd_headers(const struct httpd_req *r,
	void (*fn)(void *arg, struct ub_str name, struct ub_str value), void *arg)
{
	struct each e = {fn, arg};

	(void)MHD_get_connection_values_n(r->con, MHD_HEADER_KIND, one, &e); /* a count */
}

struct ub_str httpd_query(struct httpd_req *r, const char *name)
{
	for (size_t i = 0; i < r->n_args; i++) {
		if (!ub_str_eqz(r->args[i].name, name))
			continue;
		r->args[i].taken = true;
		return r->args[i].value;
	}
	return (struct ub_str){0};
}

bool httpd_query_end(const struct httpd_req *r, struct ub_str *ret_unknown)
{
	for (size_t i = 0; i < r->n_args; i++) {
		if (r->args[i].taken)
			continue;
		*ret_unknown = r->args[i].name;
		return false;
	}
	return true;
}

void httpd_stream(struct httpd_req *r, httpd_sink *sink)
{
	r->sink = sink;
}

void httpd_defer(struct httpd_req *r)
{
	r->deferred = true;
}
