/* http.h: the control plane's REST API over one md_service: start it, move it, stop it.
 *
 * Requests are served by the threads of md_http_start: `threads` event loops for what is answered
 * from memory, and a small pool for what waits (mutations, the store, the barrier).
 *
 * Threads: any; md_http_free once, after which nothing of it runs. */
#ifndef MD_HTTP_H
#define MD_HTTP_H

#include "core/base.h"
#include "membershipd/domain/service.h"

enum md_bus_auth {
	MD_AUTH_OFF = 1, /* nobody is asked; X-Unibus-Pub names the caller. Loopback only: the
			    program sees to that */
	MD_AUTH_SOFT,    /* verified and logged, a failure let through as in off */
	MD_AUTH_ENFORCE, /* both planes closed to anyone who is not an active user */
};
/* "off", "soft", "enforce". */
const char *md_bus_auth_name(enum md_bus_auth mode);

enum md_health_status {
	MD_HEALTH_STARTING = 0,
	MD_HEALTH_NO_LEASE,
	MD_HEALTH_NO_NATS,
	MD_HEALTH_OK, /* the only one that is 200 */
};
struct md_health {
	enum md_health_status status;
	const char *store; /* "sqlite", "kv", "memory"; static text */
	unsigned replicas;
	bool acl;               /* the auth callout is answered: membership decides on the bus */
	bool at_rest;           /* values are sealed on disk */
	bool require_encrypted; /* rooms without encryption are refused */
	bool lease;             /* authorizations are vouched for right now */
};

struct md_http_limits {              /* zero: the default in brackets */
	size_t body_max;             /* UB_BODY_MAX */
	size_t entry_body_max;       /* UB_ENTRY_BODY_MAX: room changes with their sealed keys */
	size_t blob_body_max;        /* UB_BLOB_MAX: uploads, which are not held in memory */
	unsigned connections_max;    /* UB_HTTP_CONNECTIONS_MAX */
	unsigned header_ms;          /* UB_HEADER_SECONDS_MAX: until the headers are complete */
	unsigned idle_s;             /* 60: between requests, and for a reply to be read */
	unsigned workers;            /* 8: threads for what waits */
	unsigned queue_max;          /* 256: requests waiting for a worker; past it 503 */
	double ip_per_s, ip_burst;   /* 200, 20000: per address, before authentication */
	double key_per_s, key_burst; /* 150, 2000: per key, after the signature verified */
	unsigned min_revision_ms;    /* 3000: waiting for X-Unibus-Min-Revision */
};

struct md_http_config {
	const char *bind;               /* IPv4 or IPv6 address */
	uint16_t port;                  /* 0: any, see md_http_port */
	const char *tls_cert, *tls_key; /* PEM files; both or neither (NULL: plain HTTP) */
	enum md_bus_auth mode;
	struct md_service *svc; /* borrowed, outlives the server */
	unsigned threads;       /* event loops; 0: 2 */
	struct md_http_limits limits;
	uint64_t session_ttl_ms; /* of logins on the bus, announced to clients; 0: there is none */
	void (*health)(void *arg, struct md_health *ret); /* any thread, must not block */
	void *health_arg;
};

struct md_http;

/* Listens and serves when it returns. UNIBUS_ERR_INVALID (address, half of a certificate pair, a
 * certificate that does not load), UNIBUS_ERR_INSECURE_FILE (the key file is readable by others),
 * UNIBUS_ERR_CONFLICT (the port is taken), UNIBUS_ERR_DENIED (a
 * privileged one), UNIBUS_ERR_IO, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_http_start(const struct md_http_config *c, struct md_http **ret);
uint16_t md_http_port(const struct md_http *h);
/* Reads the certificate files again; new connections get the new ones. On any error (as for
 * md_http_start) the old ones stay. Plain HTTP: UB_OK. */
UB_MUST_CHECK
ub_err md_http_reload_tls(struct md_http *h);
/* No new connections; requests already read are still answered. Idempotent. */
void md_http_stop_accepting(struct md_http *h);
/* Answers what is under way (the barrier's timeout bounds it), closes, frees. NULL is nothing. */
void md_http_free(struct md_http *h);
UB_DEFINE_CLEANUP(struct md_http *, md_http_free)

#endif
