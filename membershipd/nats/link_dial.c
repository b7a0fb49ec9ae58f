#include "membershipd/nats/link_dial.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/key.h"

#define CONNECT_TIMEOUT_MS 2000
#define PING_EVERY_MS 10000
#define PINGS_OUT 2
#define HOST_MAX 256

/* natsSignatureHandler: nats.c frees *sig. The nonce is missing when the server wants no nkeys, and
 * anything but a nonce when the server is not what it says: nothing else is ever signed. */
static natsStatus sign_nonce(
	char **error, unsigned char **sig, int *len, const char *nonce, void *arg)
{
	const struct ub_signkey *key = arg;
	unsigned char *out;
	struct ub_sig s;

	(void)error;
	if (!nonce || ub_login_sign(key, ub_str(nonce), &s))
		return NATS_NOT_PERMITTED;
	out = malloc(sizeof(s.b));
	if (!out)
		return NATS_NO_MEMORY;
	memcpy(out, s.b, sizeof(s.b));
	*sig = out;
	*len = (int)sizeof(s.b);
	return NATS_OK;
}

/* Host names are compared with the certificate. An address is not: the authority is our own, and
 * the library can match names only. */
static natsStatus set_host(natsOptions *opts, const char *url)
{
	char host[HOST_MAX];
	struct in_addr v4;
	const char *at = strstr(url, "://"), *colon;
	size_t len;

	at = at ? at + 3 : url;
	if (*at == '[')
		return NATS_OK;
	colon = strrchr(at, ':');
	len = colon ? (size_t)(colon - at) : strlen(at);
	if (len >= sizeof(host))
		return NATS_INVALID_ARG;
	memcpy(host, at, len);
	host[len] = '\0';
	return inet_pton(AF_INET, host, &v4) == 1 ? NATS_OK
						  : natsOptions_SetExpectedHostname(opts, host);
}

static natsStatus set_tls(natsOptions *opts, const char *ca, const char *url)
{
	natsStatus st = natsOptions_SetSecure(opts, true);

	if (st == NATS_OK)
		st = natsOptions_LoadCATrustedCertificates(opts, ca);
	return st == NATS_OK ? set_host(opts, url) : st;
}

/* nats.c before 3.13 knows no tls://. */
static natsStatus set_url(natsOptions *opts, const char *url)
{
	char plain[HOST_MAX + 32];

	if (strncmp(url, "tls://", 6) != 0)
		return natsOptions_SetURL(opts, url);
	(void)snprintf(plain, sizeof(plain), "nats://%s", url + 6);
	return natsOptions_SetURL(opts, plain);
}

/* natsSignatureHandler's closure has no const. */
static void *closure(const struct ub_signkey *key)
{
	return (void *)(uintptr_t)key;
}

static natsStatus make_options(
	const struct dial *d, size_t at, enum md_plane plane, natsOptions **ret)
{
	natsOptions *o = NULL;
	natsStatus st = natsOptions_Create(&o);

	if (st == NATS_OK)
		st = set_url(o, d->urls[at]);
	if (st == NATS_OK && d->ca)
		st = set_tls(o, d->ca, d->urls[at]);
	if (st == NATS_OK)
		st = natsOptions_SetNKey(
			o, d->keys->user_nkey[plane], sign_nonce, closure(&d->keys->user[plane]));
	if (st == NATS_OK)
		st = natsOptions_SetName(o, "membershipd");
	if (st == NATS_OK)
		st = natsOptions_SetTimeout(o, CONNECT_TIMEOUT_MS);
	if (st == NATS_OK)
		st = natsOptions_SetAllowReconnect(o, false);
	if (st == NATS_OK)
		st = natsOptions_SetPingInterval(o, PING_EVERY_MS);
	if (st == NATS_OK)
		st = natsOptions_SetMaxPingsOut(o, PINGS_OUT);
	if (st == NATS_OK)
		st = natsOptions_SetIgnoreDiscoveredServers(o, true);
	if (st == NATS_OK)
		st = natsOptions_SetSendAsap(o, true);
	if (st == NATS_OK)
		*ret = o;
	else
		natsOptions_Destroy(o);
	return st;
}

natsStatus dial_connect(const struct dial *d, size_t at, enum md_plane plane, natsConnection **ret)
{
	natsOptions *o = NULL;
	natsStatus st = make_options(d, at, plane, &o);

	if (st == NATS_OK)
		st = natsConnection_Connect(ret, o);
	natsOptions_Destroy(o);
	return st;
}

ub_err dial_init(struct dial *d, const struct md_link_config *c)
{
	natsOptions *probe = NULL;
	natsStatus st = NATS_OK;

	*d = (struct dial){.keys = c->keys};
	d->urls = calloc(c->n_urls, sizeof(*d->urls));
	d->ca = c->ca ? strdup(c->ca) : NULL;
	for (size_t i = 0; d->urls && i < c->n_urls; i++) {
		d->urls[i] = strdup(c->urls[i]);
		if (!d->urls[i])
			break;
		d->n_urls++;
	}
	if (d->n_urls < c->n_urls || (c->ca && !d->ca)) {
		dial_deinit(d);
		return UNIBUS_ERR_NOMEM;
	}
	st = make_options(d, 0, MD_PLANE_SYS, &probe);
	natsOptions_Destroy(probe);
	if (st == NATS_OK)
		return UB_OK;
	dial_deinit(d);
	return st == NATS_NO_MEMORY ? UNIBUS_ERR_NOMEM : UNIBUS_ERR_TLS;
}

void dial_deinit(struct dial *d)
{
	for (size_t i = 0; i < d->n_urls; i++)
		free(d->urls[i]);
	free(d->urls);
	free(d->ca);
	*d = (struct dial){.urls = NULL};
}

const char *md_link_library(void)
{
	return nats_GetVersion();
}

bool md_link_tls_races(void)
{
	return nats_GetVersionNumber() < 0x030b00;
}
