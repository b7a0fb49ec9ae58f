#include "tests/harness/call.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/key.h"
#include "core/num.h"

static size_t take(char *p, size_t size, size_t n, void *arg)
{
	ub_buf_put(arg, p, size * n);
	return size * n;
}

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
	char line[256];

	(void)snprintf(line, sizeof(line), "%s: %s", name, value);
	return curl_slist_append(list, line);
}

static struct curl_slist *sign(const struct call *c)
{
	struct ub_reqsig rs = {.audience = c->stack->server};
	struct ub_request req = {.method = ub_str(c->method), .target = ub_str(c->target)};
	struct ub_reqsig_headers h;
	struct curl_slist *list = NULL;
	struct timespec ts;
	char hex[65];

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	rs.ts_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	randombytes_buf(rs.nonce, sizeof(rs.nonce));
	ub_sha256(c->body ? c->body : "", c->body ? strlen(c->body) : 0, req.body_sha256);
	ub_reqsig_sign(c->key, &req, &rs);
	ub_reqsig_format(&rs, &h);
	list = add_header(list, UB_HDR_PUB, h.pub);
	list = add_header(list, UB_HDR_TS, h.ts);
	list = add_header(list, UB_HDR_NONCE, h.nonce);
	list = add_header(list, UB_HDR_AUDIENCE, h.audience);
	if (c->announce) {
		ub_hex_encode(req.body_sha256, sizeof(req.body_sha256), hex);
		list = add_header(list, "X-Unibus-Body", hex);
	}
	return add_header(list, UB_HDR_SIG, h.sig);
}

int call_rest(const struct call *c, struct ub_buf *out)
{
	struct ub_buf spare = UB_BUF(4 * 1024 * 1024);
	struct curl_slist *headers = c->key ? sign(c) : NULL;
	CURL *curl = curl_easy_init();
	char url[2048], why[CURL_ERROR_SIZE] = "";
	long status = -1;

	(void)snprintf(url, sizeof(url), "%s%s", c->stack->http_url, c->target);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, c->method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, out ? out : &spare);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 20000L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (c->body || strcmp(c->method, "POST") == 0)
		curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, c->body ? c->body : "");
	if (c->stack->ca[0])
		curl_easy_setopt(curl, CURLOPT_CAINFO, c->stack->ca);
	if (curl_easy_perform(curl) == CURLE_OK)
		(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	else
		(void)fprintf(stderr, "harness: %s %s: %s\n", c->method, url, why);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	ub_buf_deinit(&spare);
	return (int)status;
}

static void hex_of(const struct ub_signkey *key, char hex[65])
{
	struct ub_pubkey pub;

	ub_signkey_pub(key, &pub);
	ub_hex_encode(pub.b, sizeof(pub.b), hex);
}

int call_user_add(const struct stack *s, const struct ub_signkey *key, const char *handle)
{
	char hex[65], body[256];

	hex_of(key, hex);
	(void)snprintf(body, sizeof(body), "{\"sign_pub\":\"%s\",\"handle\":\"%s\"}", hex, handle);
	return call_rest(&(struct call){.stack = s,
				 .key = &s->admin,
				 .method = "POST",
				 .target = "/users",
				 .body = body},
		NULL);
}

int call_user_revoke(const struct stack *s, const struct ub_signkey *key, struct ub_buf *out)
{
	char hex[65], target[128];

	hex_of(key, hex);
	(void)snprintf(target, sizeof(target), "/users/%s/revoke", hex);
	return call_rest(
		&(struct call){.stack = s, .key = &s->admin, .method = "POST", .target = target},
		out);
}
