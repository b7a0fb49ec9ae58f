/* Who serves here and whether it does. */
#include "membershipd/http/api.h"

void api_healthz(struct md_call *c)
{
	static const char *const words[] = {
		[MD_HEALTH_STARTING] = "starting",
		[MD_HEALTH_NO_LEASE] = "no_lease",
		[MD_HEALTH_NO_NATS] = "no_nats",
		[MD_HEALTH_OK] = "ok",
	};
	const struct md_http_config *cfg = &c->http->c;
	struct md_health h = {.status = MD_HEALTH_STARTING};

	if (!md_query_end(c))
		return;
	if (cfg->health)
		cfg->health(cfg->health_arg, &h);
	if (h.status != MD_HEALTH_OK)
		md_retry_after(c, 1000);
	md_ok(c, h.status == MD_HEALTH_OK ? 200 : 503,
		json_pack("{ss,ss,ss,si,ss,sb,sb,sb,sb,sb}", "status", words[h.status], "version",
			UNIBUS_VERSION, "store", h.store ? h.store : "unknown", "replicas",
			(int)h.replicas, "bus_auth", md_bus_auth_name(cfg->mode), "tls",
			cfg->tls_cert != NULL, "acl", h.acl, "at_rest", h.at_rest,
			"require_encrypted", h.require_encrypted, "lease", h.lease));
}

/* Unsigned it gives what a first signature needs; signed it tells a client whether its key is
 * still good. */
void api_server(struct md_call *c)
{
	json_t *v;

	if (!md_query_end(c))
		return;
	v = json_pack("{ss,sI,ss,si}", "server_id", md_service_id(c->svc)->z, "time",
		(json_int_t)md_service_now_ms(c->svc), "version", UNIBUS_VERSION, "log_shards",
		(int)md_service_log_shards(c->svc));
	if (c->http->c.session_ttl_ms)
		md_json_set(
			&v, "session_ttl_ms", json_integer((json_int_t)c->http->c.session_ttl_ms));
	if (c->has_caller) {
		md_json_set(&v, "handle", json_string(c->caller.handle));
		md_json_set(&v, "role", json_string(c->caller.admin ? "admin" : "member"));
		md_json_set(&v, "endpoint", md_json_endpoint(&c->caller.id));
	}
	md_ok(c, 200, v);
}
