/* The HTTP shell: TLS, and certificates that change. */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "tests/component/httpd_app.h"
#include "tests/harness/cert.h"

struct files {
	char dir[64], cert[96], key[96], cert2[96], key2[96];
};

static void files_make(struct files *f)
{
	snprintf(f->dir, sizeof(f->dir), "/tmp/unibus-httpd-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->cert, sizeof(f->cert), "%s/a.pem", f->dir);
	snprintf(f->key, sizeof(f->key), "%s/a.key", f->dir);
	snprintf(f->cert2, sizeof(f->cert2), "%s/b.pem", f->dir);
	snprintf(f->key2, sizeof(f->key2), "%s/b.key", f->dir);
	cert_make("first", f->cert, f->key);
	cert_make("second", f->cert2, f->key2);
}

static void files_remove(struct files *f)
{
	unlink(f->cert);
	unlink(f->key);
	unlink(f->cert2);
	unlink(f->key2);
	rmdir(f->dir);
}

static size_t discard(char *p, size_t size, size_t n, void *arg)
{
	(void)p, (void)arg;
	return size * n;
}

/* A request that trusts `ca` alone; the status, 0 when there was no connection. */
static long tls_get(uint16_t port, const char *ca, long version)
{
	CURL *curl = curl_easy_init();
	char url[64];
	long status = 0;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u/echo", port);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, version);
	curl_easy_setopt(curl, CURLOPT_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	return status;
}

static void tls_is_1_2_or_newer(void **state)
{
	struct files files;
	struct app app;
	struct httpd_config c;
	struct httpd *h;

	(void)state;
	files_make(&files);
	app_init(&app);
	c = config(&app);
	c.header_ms = 10000;
	c.tls_cert = files.cert;
	c.tls_key = files.key;
	assert_int_equal(httpd_start(&c, &h), UB_OK);
	assert_int_equal(tls_get(httpd_port(h), files.cert, CURL_SSLVERSION_TLSv1_3), 200);
	assert_int_equal(tls_get(httpd_port(h), files.cert,
				 CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2),
		200);
	assert_int_equal(tls_get(httpd_port(h), files.cert,
				 CURL_SSLVERSION_TLSv1_0 | CURL_SSLVERSION_MAX_TLSv1_1),
		0);
	assert_int_equal(tls_get(httpd_port(h), files.cert2, CURL_SSLVERSION_TLSv1_2), 0);
	httpd_free(h);
	files_remove(&files);
}

static void a_new_certificate_serves_new_connections(void **state)
{
	struct files files;
	struct app app;
	struct httpd_config c;
	struct httpd *h;

	(void)state;
	files_make(&files);
	app_init(&app);
	c = config(&app);
	c.header_ms = 10000;
	c.tls_cert = files.cert;
	c.tls_key = files.key;
	assert_int_equal(httpd_start(&c, &h), UB_OK);
	/* Half of a new pair: the key is not the certificate's. The old one goes on. */
	assert_int_equal(rename(files.key2, files.key), 0);
	assert_int_equal(httpd_reload_tls(h), UNIBUS_ERR_INVALID);
	assert_int_equal(tls_get(httpd_port(h), files.cert, CURL_SSLVERSION_TLSv1_2), 200);
	assert_int_equal(rename(files.cert2, files.cert), 0);
	assert_int_equal(httpd_reload_tls(h), UB_OK);
	assert_int_equal(tls_get(httpd_port(h), files.cert, CURL_SSLVERSION_TLSv1_2), 200);
	assert_int_equal(chmod(files.key, 0644), 0);
	assert_int_equal(httpd_reload_tls(h), UNIBUS_ERR_INSECURE_FILE);
	assert_int_equal(tls_get(httpd_port(h), files.cert, CURL_SSLVERSION_TLSv1_2), 200);
	httpd_free(h);
	files_remove(&files);
}

static void certificates_that_do_not_load_are_named(void **state)
{
	struct files files;
	struct app app;
	struct httpd_config c;
	struct httpd *h = NULL;

	(void)state;
	files_make(&files);
	app_init(&app);
	c = config(&app);
	c.tls_cert = files.cert;
	assert_int_equal(httpd_start(&c, &h), UNIBUS_ERR_INVALID);
	c.tls_key = files.key2;
	assert_int_equal(httpd_start(&c, &h), UNIBUS_ERR_INVALID);
	c.tls_key = files.cert;
	assert_int_equal(httpd_start(&c, &h), UNIBUS_ERR_INVALID);
	c.tls_key = "/nowhere/key.pem";
	assert_int_equal(httpd_start(&c, &h), UNIBUS_ERR_NOT_FOUND);
	c.tls_key = files.key;
	assert_int_equal(chmod(files.key, 0640), 0);
	assert_int_equal(httpd_start(&c, &h), UNIBUS_ERR_INSECURE_FILE);
	assert_null(h);
	assert_int_equal(chmod(files.key, 0600), 0);
	assert_int_equal(httpd_start(&c, &h), UB_OK);
	httpd_free(h);
	files_remove(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_is_1_2_or_newer),
		cmocka_unit_test(a_new_certificate_serves_new_connections),
		cmocka_unit_test(certificates_that_do_not_load_are_named),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
