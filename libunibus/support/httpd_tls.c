/* Certificates that can be replaced while connections are being made: each handshake asks. */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "core/buf.h"
#include "support/httpd_impl.h"
#include "support/process.h"

#define PEM_MAX (256 * 1024)
#define CHAIN_MAX 16
/* A handshake ends within the reaper's time; what it was given must live as long. */
#define RETIRE_MS 60000

const char httpd_tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE";

/* A certificate with its key: what one handshake is given. */
struct pair {
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned n;
	gnutls_privkey_t key;
	uint64_t retired_ms;
	struct pair *next;
};

struct httpd_tls {
	pthread_mutex_t lock;
	char *cert, *key; /* paths */
	struct pair *now, *retired;
};

static void pair_free(struct pair *p)
{
	for (unsigned i = 0; i < p->n; i++)
		gnutls_pcert_deinit(&p->chain[i]);
	if (p->key)
		gnutls_privkey_deinit(p->key);
	free(p);
}
UB_DEFINE_CLEANUP(struct pair *, pair_free)

static gnutls_datum_t datum(const struct ub_buf *b)
{
	return (gnutls_datum_t){b->p, (unsigned)b->len};
}

/* The key must be the certificate's: a mix-up would otherwise show at the first client. */
static bool fits(struct pair *p)
{
	unsigned char a[64], b[64];
	size_t na = sizeof(a), nb = sizeof(b);
	gnutls_pubkey_t pub;
	bool ok;

	if (gnutls_pubkey_init(&pub))
		return false;
	ok = !gnutls_pubkey_import_privkey(pub, p->key, 0, 0) &&
	     !gnutls_pubkey_get_key_id(pub, GNUTLS_KEYID_USE_SHA256, a, &na) &&
	     !gnutls_pubkey_get_key_id(p->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, b, &nb) &&
	     na == nb && memcmp(a, b, na) == 0;
	gnutls_pubkey_deinit(pub);
	return ok;
}

static ub_err pair_load(const char *cert_path, const char *key_path, struct pair **ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf cert = UB_BUF(PEM_MAX), key = UB_BUF(PEM_MAX);
	UB_CLEANUP(pair_freep) struct pair *p = calloc(1, sizeof(*p));
	gnutls_datum_t dc, dk;
	unsigned n = CHAIN_MAX;
	ub_err err;

	if (!p)
		return UNIBUS_ERR_NOMEM;
	err = process_read_file(cert_path, PEM_MAX, &cert);
	if (!err)
		err = process_read_secret(key_path, PEM_MAX, &key);
	if (err)
		return err;
	dc = datum(&cert);
	dk = datum(&key);
	if (gnutls_pcert_list_import_x509_raw(p->chain, &n, &dc, GNUTLS_X509_FMT_PEM, 0))
		return UNIBUS_ERR_INVALID;
	p->n = n;
	if (!n || gnutls_privkey_init(&p->key))
		return UNIBUS_ERR_INVALID;
	if (gnutls_privkey_import_x509_raw(p->key, &dk, GNUTLS_X509_FMT_PEM, NULL, 0) || !fits(p))
		return UNIBUS_ERR_INVALID;
	*ret = UB_TAKE(p);
	return UB_OK;
}

ub_err httpd_tls_new(const char *cert, const char *key, struct httpd_tls **ret)
{
	UB_CLEANUP(pair_freep) struct pair *p = NULL;
	struct httpd_tls *t;
	ub_err err;

	if (!cert || !key)
		return UNIBUS_ERR_INVALID;
	err = pair_load(cert, key, &p);
	if (err)
		return err;
	t = calloc(1, sizeof(*t));
	if (!t)
		return UNIBUS_ERR_NOMEM;
	pthread_mutex_init(&t->lock, NULL);
	t->now = UB_TAKE(p);
	t->cert = ub_str_dup(ub_str(cert));
	t->key = ub_str_dup(ub_str(key));
	if (!t->cert || !t->key) {
		httpd_tls_free(t);
		return UNIBUS_ERR_NOMEM;
	}
	*ret = t;
	return UB_OK;
}

static void drop_retired(struct httpd_tls *t, uint64_t before_ms)
{
	struct pair **at = &t->retired;

	while (*at) {
		struct pair *p = *at;

		if (p->retired_ms >= before_ms) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		pair_free(p);
	}
}

ub_err httpd_tls_reload(struct httpd_tls *t)
{
	uint64_t now = httpd_now_ms();
	struct pair *fresh;
	ub_err err = pair_load(t->cert, t->key, &fresh);

	if (err)
		return err;
	pthread_mutex_lock(&t->lock);
	t->now->retired_ms = now;
	t->now->next = t->retired;
	t->retired = t->now;
	t->now = fresh;
	drop_retired(t, now > RETIRE_MS ? now - RETIRE_MS : 0);
	pthread_mutex_unlock(&t->lock);
	return UB_OK;
}

void httpd_tls_free(struct httpd_tls *t)
{
	if (!t)
		return;
	drop_retired(t, UINT64_MAX);
	if (t->now)
		pair_free(t->now);
	free(t->cert);
	free(t->key);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* libmicrohttpd makes its connection the session's user pointer before the handshake. */
static int choose(gnutls_session_t session, const gnutls_datum_t *ca, int n_ca,
	const gnutls_pk_algorithm_t *algos, int n_algos, gnutls_pcert_st **chain, unsigned *n,
	gnutls_privkey_t *key)
{
	struct MHD_Connection *con = gnutls_session_get_ptr(session);
	struct httpd_conn *c = con ? httpd_conn_of(con) : NULL;
	struct httpd_tls *t;

	(void)ca, (void)n_ca, (void)algos, (void)n_algos;
	if (!c)
		return -1;
	t = c->h->tls;
	pthread_mutex_lock(&t->lock);
	*chain = t->now->chain;
	*n = t->now->n;
	*key = t->now->key;
	pthread_mutex_unlock(&t->lock);
	return 0;
}

httpd_fn *httpd_tls_chooser(void)
{
	return (httpd_fn *)choose;
}
