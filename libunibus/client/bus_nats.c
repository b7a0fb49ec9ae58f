/* The bus over nats.c, from 3.4.1 on. */
#include <nats/nats.h>
#include <pthread.h>

#include "client/bus.h"
#include "client/options.h"
#include "client/url.h"
#include "core/key.h"
#include "core/limits.h"

/* A dead server is noticed after PING_MS * (PINGS_OUT + 1). */
#define PING_MS 10000
#define PINGS_OUT 2
/* A server that takes nothing: nats.c would wait for ever, holding up all connections. */
#define WRITE_MS 5000
/* nats.c before 3.8 sends an empty signature for one that begins with a zero byte: 1 in 256. */
#define SIGNATURE_TRIES 4

struct bus_sub {
	struct bus_sub *next;
	struct bus *bus;
	natsSubscription *ns;
	void *arg;
	char subject[128 + 1];
	bool denied; /* guarded by the bus' lock */
};

struct bus {
	struct bus_config c;
	natsConnection *nc;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct bus_sub *subs;
	size_t live; /* subscriptions whose nats.c thread has not finished */
	bool closed, ended, told, expired, bad_nonce, zero_signature;
};

/* Called whenever one of nats.c's threads is through with us. */
static void check_ended(struct bus *b)
{
	bool tell;

	pthread_mutex_lock(&b->lock);
	tell = b->closed && b->live == 0 && !b->told;
	b->told |= tell;
	pthread_mutex_unlock(&b->lock);
	if (!tell)
		return;
	b->c.on_ended(b->c.arg);
	pthread_mutex_lock(&b->lock);
	b->ended = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

static natsStatus sign(
	char **error, unsigned char **signature, int *len, const char *nonce, void *arg)
{
	struct bus *b = arg;
	struct ub_sig sig;

	/* No nonce: the server does not ask for proof; anything but a nonce: it asks for more. */
	b->bad_nonce = ub_login_sign(&b->c.id->keys->sign, ub_str(nonce), &sig) != UB_OK;
	if (b->bad_nonce) {
		*error = ub_str_dup(UB_STR("the server's nonce must not be signed"));
		return NATS_ERR;
	}
	b->zero_signature = sig.b[0] == 0;
	*signature = malloc(sizeof(sig.b));
	if (!*signature)
		return NATS_NO_MEMORY;
	memcpy(*signature, sig.b, sizeof(sig.b));
	*len = sizeof(sig.b);
	return NATS_OK;
}

static void mark_denied(struct bus *b, const char *text)
{
	pthread_mutex_lock(&b->lock);
	for (struct bus_sub *s = b->subs; s; s = s->next)
		if (strstr(text, s->subject))
			s->denied = true;
	pthread_mutex_unlock(&b->lock);
}

/* The subject in: Permissions Violation for Subscription to "SUBJECT" */
static void report_denied(struct bus *b, const char *text)
{
	const char *quote = strchr(text, '"');
	const char *end = quote ? strchr(quote + 1, '"') : NULL;
	char subject[128 + 1];

	if (!strstr(text, "Subscription"))
		return;
	mark_denied(b, text);
	if (end)
		snprintf(subject, sizeof(subject), "%.*s", (int)(end - quote - 1), quote + 1);
	else
		snprintf(subject, sizeof(subject), "%s", quote ? quote + 1 : "");
	b->c.on_denied(b->c.arg, subject);
}

static void on_error(natsConnection *nc, natsSubscription *ns, natsStatus status, void *arg)
{
	struct bus *b = arg;
	const char *text = nats_GetLastError(NULL);

	(void)ns;
	if (!text || !*text)
		(void)natsConnection_GetLastError(nc, &text); /* gives the text in any case */
	if (status == NATS_SLOW_CONSUMER) {
		b->c.on_overrun(b->c.arg);
	} else if (text && strstr(text, "Expired")) {
		pthread_mutex_lock(&b->lock);
		b->expired = true;
		pthread_mutex_unlock(&b->lock);
	} else if (status == NATS_NOT_PERMITTED && text) {
		report_denied(b, text);
	}
}

static void on_closed(natsConnection *nc, void *arg)
{
	struct bus *b = arg;
	const char *text = NULL;
	ub_err why = UNIBUS_ERR_DISCONNECTED;

	if (natsConnection_GetLastError(nc, &text) == NATS_STALE_CONNECTION)
		why = UNIBUS_ERR_NETWORK;
	pthread_mutex_lock(&b->lock);
	if (b->expired)
		why = UNIBUS_ERR_EXPIRED;
	pthread_mutex_unlock(&b->lock);
	b->c.on_closed(b->c.arg, why);
	pthread_mutex_lock(&b->lock);
	b->closed = true;
	pthread_mutex_unlock(&b->lock);
	check_ended(b);
}

static void on_message(natsConnection *nc, natsSubscription *ns, natsMsg *m, void *arg)
{
	struct bus_sub *s = arg;
	struct bus_msg msg;

	(void)nc;
	(void)ns;
	if (!m)
		return;
	msg = (struct bus_msg){
		.subject = natsMsg_GetSubject(m),
		.data = {(const uint8_t *)natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)},
		.impl = m,
	};
	s->bus->c.on_message(s->arg, &msg);
}

static void on_complete(void *arg)
{
	struct bus_sub *s = arg;
	struct bus *b = s->bus;

	pthread_mutex_lock(&b->lock);
	b->live--;
	pthread_mutex_unlock(&b->lock);
	check_ended(b);
}

static void nats_free(struct bus *b)
{
	while (b->subs) {
		struct bus_sub *s = b->subs;

		b->subs = s->next;
		natsSubscription_Destroy(s->ns);
		free(s);
	}
	natsConnection_Destroy(b->nc);
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

UB_DEFINE_CLEANUP(natsOptions *, natsOptions_Destroy)

static void host_of(const char *url, char *to, size_t len)
{
	const char *host = strstr(url, "://") + 3;
	size_t n;

	if (*host == '[') {
		host++;
		n = strcspn(host, "]");
	} else {
		n = strcspn(host, ":");
	}
	snprintf(to, len, "%.*s", (int)n, host);
}

static natsStatus set_tls(natsOptions *o, const struct bus_config *c)
{
	char host[UB_URL_MAX + 1];
	natsStatus s = natsOptions_SetSecure(o, true);

	host_of(c->url, host, sizeof(host));
	if (s == NATS_OK)
		s = natsOptions_SetExpectedHostname(o, host);
	if (s == NATS_OK && c->ca_file)
		s = natsOptions_LoadCATrustedCertificates(o, c->ca_file);
	return s;
}

static natsStatus set_callbacks(natsOptions *o, struct bus *b)
{
	natsStatus s = natsOptions_SetNKey(o, b->c.id->nkey_text, sign, b);

	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(o, on_error, b);
	if (s == NATS_OK)
		s = natsOptions_SetClosedCB(o, on_closed, b);
	return s;
}

static natsStatus make_options(struct bus *b, natsOptions **ret)
{
	UB_CLEANUP(natsOptions_Destroyp) natsOptions *o = NULL;
	natsStatus s = natsOptions_Create(&o);

	if (s == NATS_OK)
		s = natsOptions_SetURL(o, b->c.url);
	if (s == NATS_OK)
		s = natsOptions_SetName(o, "unibus");
	if (s == NATS_OK)
		s = natsOptions_SetTimeout(o, b->c.timeout_ms);
	if (s == NATS_OK)
		s = natsOptions_SetAllowReconnect(o, false);
	if (s == NATS_OK)
		s = natsOptions_SetWriteDeadline(o, WRITE_MS);
	if (s == NATS_OK)
		s = natsOptions_SetPingInterval(o, PING_MS);
	if (s == NATS_OK)
		s = natsOptions_SetMaxPingsOut(o, PINGS_OUT);
	if (s == NATS_OK)
		s = set_callbacks(o, b);
	if (s == NATS_OK && ub_url_secure(b->c.url))
		s = set_tls(o, &b->c);
	if (s == NATS_OK)
		*ret = UB_TAKE(o);
	return s;
}

static ub_err from_status(natsStatus s)
{
	/* An if chain: natsStatus has dozens of members of which these matter. */
	if (s == NATS_OK)
		return UB_OK;
	if (s == NATS_NO_MEMORY)
		return UNIBUS_ERR_NOMEM;
	if (s == NATS_CONNECTION_AUTH_FAILED || s == NATS_NOT_PERMITTED)
		return UNIBUS_ERR_DENIED;
	if (s == NATS_SSL_ERROR || s == NATS_SECURE_CONNECTION_REQUIRED ||
		s == NATS_SECURE_CONNECTION_WANTED)
		return UNIBUS_ERR_TLS;
	if (s == NATS_TIMEOUT)
		return UNIBUS_ERR_TIMEOUT;
	if (s == NATS_MAX_PAYLOAD)
		return UNIBUS_ERR_TOO_LARGE;
	return UNIBUS_ERR_NETWORK;
}

static ub_err connect_tries(struct bus *b)
{
	UB_CLEANUP(natsOptions_Destroyp) natsOptions *o = NULL;
	natsStatus s = make_options(b, &o);

	/* A CA file that cannot be read fails here, with nats.c's own status. */
	if (s != NATS_OK)
		return s == NATS_NO_MEMORY ? UNIBUS_ERR_NOMEM : UNIBUS_ERR_TLS;
	for (unsigned i = 0; i < SIGNATURE_TRIES; i++) {
		b->zero_signature = b->bad_nonce = false;
		s = natsConnection_Connect(&b->nc, o);
		if (s == NATS_OK || !b->zero_signature)
			break;
	}
	if (s != NATS_OK && b->bad_nonce)
		return UNIBUS_ERR_INVALID;
	return from_status(s);
}

static ub_err nats_connect(const struct bus_config *c, struct bus **ret)
{
	struct bus *b = calloc(1, sizeof(*b));
	ub_err err;

	if (!b)
		return UNIBUS_ERR_NOMEM;
	b->c = *c;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	err = connect_tries(b);
	if (err != UB_OK) {
		nats_free(b);
		return err;
	}
	*ret = b;
	return UB_OK;
}

static ub_err nats_publish(struct bus *b, const char *subject, struct ub_bytes data)
{
	ub_err err;

	if (data.len > UB_BUS_PAYLOAD_MAX)
		return UNIBUS_ERR_TOO_LARGE;
	err = from_status(natsConnection_Publish(b->nc, subject, data.p, (int)data.len));
	return err == UNIBUS_ERR_TIMEOUT ? UNIBUS_ERR_NETWORK : err;
}

UB_DEFINE_CLEANUP(natsMsg *, natsMsg_Destroy)

static ub_err nats_publish_kept(
	struct bus *b, const char *subject, const char *msg_id, struct ub_bytes data)
{
	UB_CLEANUP(natsMsg_Destroyp) natsMsg *m = NULL;
	natsStatus s;

	if (data.len > UB_BUS_PAYLOAD_MAX)
		return UNIBUS_ERR_TOO_LARGE;
	s = natsMsg_Create(&m, subject, NULL, (const char *)data.p, (int)data.len);
	if (s == NATS_OK)
		s = natsMsgHeader_Set(m, "Nats-Msg-Id", msg_id);
	if (s == NATS_OK)
		s = natsConnection_PublishMsg(b->nc, m);
	return from_status(s);
}

static ub_err nats_subscribe(struct bus *b, const char *subject, void *arg, struct bus_sub **ret)
{
	struct bus_sub *s = calloc(1, sizeof(*s));
	natsStatus status;

	if (!s)
		return UNIBUS_ERR_NOMEM;
	s->bus = b;
	s->arg = arg;
	snprintf(s->subject, sizeof(s->subject), "%s", subject);
	pthread_mutex_lock(&b->lock);
	s->next = b->subs;
	b->subs = s;
	b->live++;
	pthread_mutex_unlock(&b->lock);
	status = natsConnection_Subscribe(&s->ns, b->nc, subject, on_message, s);
	/* Fails when the connection has closed in between: its thread then ends without having
	 * delivered anything, and nobody tells. */
	if (status == NATS_OK)
		status = natsSubscription_SetOnCompleteCB(s->ns, on_complete, s);
	if (status != NATS_OK) {
		on_complete(s);
		return from_status(status) == UNIBUS_ERR_NOMEM ? UNIBUS_ERR_NOMEM
							       : UNIBUS_ERR_NETWORK;
	}
	*ret = s;
	return UB_OK;
}

static void nats_unsubscribe(struct bus_sub *s)
{
	/* Fails only when the connection is closed, which ends the subscription too. */
	(void)natsSubscription_Unsubscribe(s->ns);
}

static ub_err nats_flush(struct bus *b, unsigned timeout_ms)
{
	const char *text = NULL;
	natsStatus s = natsConnection_FlushTimeout(b->nc, timeout_ms);

	if (s != NATS_OK)
		return s == NATS_TIMEOUT ? UNIBUS_ERR_TIMEOUT : UNIBUS_ERR_NETWORK;
	/* The refusal came before the answer to the flush, but its callback may still wait. */
	if (natsConnection_GetLastError(b->nc, &text) == NATS_NOT_PERMITTED && text &&
		strstr(text, "Subscription"))
		mark_denied(b, text);
	return UB_OK;
}

static bool nats_denied(const struct bus_sub *s)
{
	bool denied;

	pthread_mutex_lock(&s->bus->lock);
	denied = s->denied;
	pthread_mutex_unlock(&s->bus->lock);
	return denied;
}

static void nats_server(struct bus *b, char *to, size_t len)
{
	if (natsConnection_GetConnectedUrl(b->nc, to, len) != NATS_OK)
		to[0] = '\0';
}

static void nats_server_id(struct bus *b, char *to, size_t len)
{
	if (natsConnection_GetConnectedServerId(b->nc, to, len) != NATS_OK)
		to[0] = '\0';
}

static void nats_drain(struct bus *b, unsigned timeout_ms)
{
	if (natsConnection_DrainTimeout(b->nc, timeout_ms) != NATS_OK)
		natsConnection_Close(b->nc);
}

static void nats_close(struct bus *b)
{
	natsConnection_Close(b->nc);
}

static void nats_wait_ended(struct bus *b)
{
	pthread_mutex_lock(&b->lock);
	while (!b->ended)
		pthread_cond_wait(&b->changed, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

static const char *nats_header(const struct bus_msg *msg, const char *name)
{
	const char **values = NULL, *value = NULL;
	int n = 0;

	if (natsMsgHeader_Values(msg->impl, name, &values, &n) == NATS_OK && n == 1)
		value = values[0];
	free(values);
	return value;
}

static void nats_msg_free(struct bus_msg *msg)
{
	natsMsg_Destroy(msg->impl);
}

const struct bus_ops bus_nats = {
	.connect = nats_connect,
	.publish = nats_publish,
	.publish_kept = nats_publish_kept,
	.subscribe = nats_subscribe,
	.unsubscribe = nats_unsubscribe,
	.flush = nats_flush,
	.denied = nats_denied,
	.server = nats_server,
	.server_id = nats_server_id,
	.drain = nats_drain,
	.close = nats_close,
	.wait_ended = nats_wait_ended,
	.free = nats_free,
	.header = nats_header,
	.msg_free = nats_msg_free,
};
