#include "membershipd/store/store_jetstream_dial.h"

#include <arpa/inet.h>

#include "core/key.h"
#include "core/nkey.h"
#include "support/process.h"

#define CONNECT_TIMEOUT_MS 2000
#define PING_EVERY_MS 5000
#define PINGS_OUT 2
#define URL_MAX 288
#define SEED_FILE_MAX 200

struct kv_dial {
	char (*urls)[URL_MAX]; /* nats://... whatever they were */
	size_t n_urls;
	char *ca; /* NULL: no TLS */
	char nkey[UB_NKEY_TEXT + 1];
	struct ub_signkey *key; /* sodium_malloc */
};

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

/* "nats://host:port" of any of the spellings allowed; nats.c before 3.13 knows no tls://. */
static bool plain_url(const char *url, char to[URL_MAX])
{
	const char *at = strstr(url, "://");
	bool known = !strncmp(url, "nats://", 7) || !strncmp(url, "tls://", 6);
	int n;

	if (!at || !known || !at[3] || strpbrk(at + 3, "/@ \t\r\n"))
		return false;
	n = snprintf(to, URL_MAX, "nats://%s", at + 3);
	return n > 0 && n < URL_MAX;
}

/* Host names are compared with the certificate. An address is not: the authority is our own, and
 * the library can match names only. */
static natsStatus set_host(natsOptions *o, const char *plain)
{
	char host[URL_MAX];
	struct in_addr v4;
	const char *at = plain + sizeof("nats://") - 1, *colon = strrchr(at, ':');
	size_t len = colon ? (size_t)(colon - at) : strlen(at);

	if (*at == '[')
		return NATS_OK;
	memcpy(host, at, len);
	host[len] = '\0';
	return inet_pton(AF_INET, host, &v4) == 1 ? NATS_OK
						  : natsOptions_SetExpectedHostname(o, host);
}

static natsStatus set_server(natsOptions *o, const struct kv_dial *d, size_t at)
{
	natsStatus st = natsOptions_SetURL(o, d->urls[at]);

	if (st != NATS_OK || !d->ca)
		return st;
	st = natsOptions_SetSecure(o, true);
	if (st == NATS_OK)
		st = natsOptions_LoadCATrustedCertificates(o, d->ca);
	return st == NATS_OK ? set_host(o, d->urls[at]) : st;
}

static natsStatus make_options(const struct kv_dial *d, size_t at, natsOptions **ret)
{
	natsOptions *o = NULL;
	natsStatus st = natsOptions_Create(&o);

	if (st == NATS_OK)
		st = set_server(o, d, at);
	if (st == NATS_OK)
		st = natsOptions_SetNKey(o, d->nkey, sign_nonce, d->key);
	if (st == NATS_OK)
		st = natsOptions_SetName(o, "membershipd store");
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

natsStatus kv_dial_connect(const struct kv_dial *d, size_t at, natsConnection **ret)
{
	natsOptions *o = NULL;
	natsStatus st = make_options(d, at, &o);

	if (st == NATS_OK)
		st = natsConnection_Connect(ret, o);
	natsOptions_Destroy(o);
	return st;
}

size_t kv_dial_count(const struct kv_dial *d)
{
	return d->n_urls;
}

static ub_err read_seed(const char *path, struct kv_dial *d)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(SEED_FILE_MAX + 1);
	struct ub_pubkey pub;
	uint8_t seed[32];
	ub_err e = process_read_secret(path, SEED_FILE_MAX, &text);

	if (e == UNIBUS_ERR_NOT_FOUND || e == UNIBUS_ERR_TOO_LARGE)
		return UNIBUS_ERR_BAD_FILE;
	if (e)
		return e;
	struct ub_str s = ub_buf_text(&text);
	if (s.len > 0 && s.p[s.len - 1] == '\n')
		s.len--;
	if (ub_nkey_seed_decode(s, UB_NKEY_USER, seed))
		return UNIBUS_ERR_BAD_FILE;
	d->key = sodium_malloc(sizeof(*d->key));
	if (d->key) {
		ub_signkey_from_seed(seed, d->key);
		ub_signkey_pub(d->key, &pub);
		ub_nkey_encode(UB_NKEY_USER, pub.b, d->nkey);
	}
	sodium_memzero(seed, sizeof(seed));
	return d->key ? UB_OK : UNIBUS_ERR_NOMEM;
}

static ub_err copy_urls(const struct md_jetstream_options *o, struct kv_dial *d)
{
	d->urls = calloc(o->n_urls, sizeof(*d->urls));
	if (!d->urls)
		return UNIBUS_ERR_NOMEM;
	for (; d->n_urls < o->n_urls; d->n_urls++) {
		const char *url = o->urls[d->n_urls];

		/* Asked for by the address, TLS is never left out. */
		if (!url || (!o->ca && !strncmp(url, "tls://", 6)) ||
			!plain_url(url, d->urls[d->n_urls]))
			return UNIBUS_ERR_INVALID;
	}
	return UB_OK;
}

ub_err kv_dial_new(const struct md_jetstream_options *o, struct kv_dial **ret)
{
	UB_CLEANUP(kv_dial_freep) struct kv_dial *d = calloc(1, sizeof(*d));
	natsOptions *probe = NULL;
	natsStatus st;
	ub_err e;

	if (!d)
		return UNIBUS_ERR_NOMEM;
	if (!o->urls || o->n_urls == 0 || !o->seed_file)
		return UNIBUS_ERR_INVALID;
	e = ub_core_init();
	if (!e)
		e = copy_urls(o, d);
	if (!e)
		e = read_seed(o->seed_file, d);
	if (e)
		return e;
	d->ca = o->ca ? strdup(o->ca) : NULL;
	if (o->ca && !d->ca)
		return UNIBUS_ERR_NOMEM;
	st = make_options(d, 0, &probe);
	natsOptions_Destroy(probe);
	if (st != NATS_OK)
		return st == NATS_NO_MEMORY ? UNIBUS_ERR_NOMEM : UNIBUS_ERR_TLS;
	*ret = UB_TAKE(d);
	return UB_OK;
}

void kv_dial_free(struct kv_dial *d)
{
	if (!d)
		return;
	free(d->urls);
	free(d->ca);
	sodium_free(d->key);
	free(d);
}
