/* link.h: membershipd's connections to the nats-servers: one nkey user in each account.
 *
 * A thread of ours keeps every plane in use connected, for ever, one server of the list at a time;
 * nats.c's own reconnecting is off, so that a login refused, a signature that nats.c 3.4.1 cannot
 * spell, or a dead server are all the same case: try again, next in the list. Subscriptions are
 * declared once and made anew on each connection. While a plane is down, publishing to it fails at
 * once: nothing is held back to be sent when it has become wrong.
 *
 * The servers' versions and clocks are read on each connection to SYS and every few seconds: a
 * server below 2.12.12 or 2.14.0 to 2.14.2 (deny bypasses, CONNZ crash), or one whose clock is more
 * than a second off, makes the link unfit until it is gone.
 *
 * Threads: any; md_link_free once, not from a handler. Handlers run on nats.c's threads, one at a
 * time for each listener. */
#ifndef MD_LINK_H
#define MD_LINK_H

#include "core/base.h"
#include "membershipd/nats/keys.h"

struct md_link;

struct md_link_config {
	const char *const *urls;
	size_t n_urls;
	const char *ca;             /* PEM file: TLS, and nothing else; NULL: none */
	const struct md_keys *keys; /* borrowed, outlives the link */
};
/* Connects nothing yet. UNIBUS_ERR_NOMEM; UNIBUS_ERR_TLS when the CA file cannot be used. */
UB_MUST_CHECK
ub_err md_link_new(const struct md_link_config *c, struct md_link **ret);

struct md_message {
	const char *subject, *reply; /* reply: "" when there is none */
	struct ub_bytes data;
	bool no_responders; /* the answer of the server itself: nobody listens there */
	void *raw;          /* for md_message_header */
};
/* NULL when absent; borrowed. */
const char *md_message_header(const struct md_message *m, const char *name);

struct md_listen {
	enum md_plane plane;
	const char *subject, *queue; /* copied; queue NULL: none */
	void (*fn)(void *arg, const struct md_message *m);
	void *arg;
};
struct md_listener;
/* Declares a subscription; from now on it is there whenever the plane is connected. The plane is
 * in use from then on. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_link_listen(struct md_link *l, const struct md_listen *spec, struct md_listener **ret);
/* Handles what the server has already sent, then stops: waits for it, at most timeout_ms.
 * Idempotent. */
void md_link_quiet(struct md_listener *s, unsigned timeout_ms);

/* Declares that a plane is used for publishing. */
void md_link_use(struct md_link *l, enum md_plane p);

/* Starts the thread. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err md_link_start(struct md_link *l);
/* Ends everything; no handler runs afterwards. NULL is nothing. */
void md_link_free(struct md_link *l);
UB_DEFINE_CLEANUP(struct md_link *, md_link_free)

enum md_link_state {
	MD_LINK_DOWN = 0, /* a plane in use is not connected, or the servers are not known yet */
	MD_LINK_UP,
	MD_LINK_UNFIT, /* see md_link_why */
};
enum md_link_state md_link_state(struct md_link *l);
/* Waits until the state is not DOWN, at most timeout_ms; gives it. */
enum md_link_state md_link_wait(struct md_link *l, unsigned timeout_ms);
/* Why it is down or unfit, a sentence for a person. */
struct md_link_why {
	char text[256];
};
void md_link_why(struct md_link *l, struct md_link_why *ret);

/* UNIBUS_ERR_UNAVAILABLE: the plane is down. UNIBUS_ERR_TOO_LARGE. `reply` may be NULL. */
UB_MUST_CHECK
ub_err md_link_publish(struct md_link *l, enum md_plane p, const char *subject, const char *reply,
	struct ub_bytes data);

/* The version of the NATS client library in use, and whether its TLS has races (before 3.11). */
const char *md_link_library(void);
bool md_link_tls_races(void);

#define MD_SERVERS_MAX 16
struct md_server {
	char id[UB_NKEY_TEXT + 1];
	char name[64];
};
/* The servers that answer, as far as known: at most MD_SERVERS_MAX. */
size_t md_link_servers(struct md_link *l, struct md_server to[MD_SERVERS_MAX]);

#endif
