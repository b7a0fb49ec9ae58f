#include "client/url.h"

#include <curl/curl.h>

#include "client/options.h"
#include "core/buf.h"
#include "core/limits.h"

UB_DEFINE_CLEANUP(CURLU *, curl_url_cleanup)

static void curl_text_free(char **p)
{
	curl_free(*p);
}

static bool scheme_in(const char *scheme, const char *const allowed[2])
{
	return strcmp(scheme, allowed[0]) == 0 || strcmp(scheme, allowed[1]) == 0;
}

static bool has_part(CURLU *u, CURLUPart part)
{
	UB_CLEANUP(curl_text_free) char *text = NULL;

	return curl_url_get(u, part, &text, 0) == CURLUE_OK;
}

/* What a server address has no use for is refused rather than dropped. */
static bool has_extras(CURLU *u)
{
	UB_CLEANUP(curl_text_free) char *path = NULL;

	if (curl_url_get(u, CURLUPART_PATH, &path, 0) != CURLUE_OK || strcmp(path, "/") != 0)
		return true;
	return has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD) ||
	       has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT);
}

static ub_err url_text(CURLU *u, const char *const schemes[2], char **ret)
{
	UB_CLEANUP(curl_text_free) char *scheme = NULL;
	UB_CLEANUP(curl_text_free) char *host = NULL;
	UB_CLEANUP(curl_text_free) char *port = NULL;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_URL_MAX);

	if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
		!scheme_in(scheme, schemes) || has_extras(u))
		return UNIBUS_ERR_INVALID;
	ub_buf_z(&out, scheme);
	ub_buf_z(&out, "://");
	ub_buf_z(&out, host);
	if (curl_url_get(u, CURLUPART_PORT, &port, 0) == CURLUE_OK) {
		ub_buf_z(&out, ":");
		ub_buf_z(&out, port);
	}
	if (ub_buf_err(&out) != UB_OK)
		return ub_buf_err(&out);
	*ret = ub_buf_take(&out);
	return *ret ? UB_OK : UNIBUS_ERR_NOMEM;
}

static ub_err url_parse(struct ub_str url, const char *const schemes[2], char **ret)
{
	UB_CLEANUP(ub_freep) char *z = NULL;
	UB_CLEANUP(curl_url_cleanupp) CURLU *u = NULL;

	if (url.len == 0 || url.len > UB_URL_MAX || memchr(url.p, '\0', url.len))
		return UNIBUS_ERR_INVALID;
	z = ub_str_dup(url);
	u = curl_url();
	if (!z || !u)
		return UNIBUS_ERR_NOMEM;
	if (curl_url_set(u, CURLUPART_URL, z, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		return UNIBUS_ERR_INVALID;
	return url_text(u, schemes, ret);
}

ub_err ub_url_ctrl(struct ub_str url, char **ret)
{
	static const char *const schemes[2] = {"http", "https"};

	return url_parse(url, schemes, ret);
}

ub_err ub_url_nats(struct ub_str url, char **ret)
{
	static const char *const schemes[2] = {"nats", "tls"};

	return url_parse(url, schemes, ret);
}

bool ub_url_secure(const char *url)
{
	return strncmp(url, "https://", 8) == 0 || strncmp(url, "tls://", 6) == 0;
}
