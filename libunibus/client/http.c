#include "client/http.h"

#include <curl/curl.h>
#include <pthread.h>

#include "client/clock.h"

/* Long enough for a slow start elsewhere, short enough to try the next node within a timeout. */
#define CONNECT_TIMEOUT_MS 3000

struct exchange {
	struct exchange *next;
	CURL *easy;
	CURLM *multi;
	CURLcode code;
};

struct ub_http {
	char *ca_file;
	pthread_mutex_t lock;
	struct exchange *idle, *running;
	bool cancelled;
};

static void exchange_free(struct exchange *x)
{
	if (x->multi && x->easy)
		curl_multi_remove_handle(x->multi, x->easy);
	curl_easy_cleanup(x->easy);
	if (x->multi)
		curl_multi_cleanup(x->multi);
	free(x);
}

UB_DEFINE_CLEANUP(struct exchange *, exchange_free)
UB_DEFINE_CLEANUP(struct curl_slist *, curl_slist_free_all)

ub_err ub_http_new(const char *ca_file, struct ub_http **ret)
{
	struct ub_http *h = calloc(1, sizeof(*h));

	if (!h)
		return UNIBUS_ERR_NOMEM;
	if (ca_file) {
		h->ca_file = ub_str_dup(ub_str(ca_file));
		if (!h->ca_file) {
			free(h);
			return UNIBUS_ERR_NOMEM;
		}
	}
	if (pthread_mutex_init(&h->lock, NULL) != 0) {
		free(h->ca_file);
		free(h);
		return UNIBUS_ERR_NOMEM;
	}
	*ret = h;
	return UB_OK;
}

void ub_http_free(struct ub_http *h)
{
	if (!h)
		return;
	ub_assert(!h->running);
	while (h->idle) {
		struct exchange *x = h->idle;

		h->idle = x->next;
		exchange_free(x);
	}
	pthread_mutex_destroy(&h->lock);
	free(h->ca_file);
	free(h);
}

void ub_http_cancel(struct ub_http *h, bool on)
{
	pthread_mutex_lock(&h->lock);
	h->cancelled = on;
	if (on)
		for (struct exchange *x = h->running; x; x = x->next)
			curl_multi_wakeup(x->multi);
	pthread_mutex_unlock(&h->lock);
}

static bool is_cancelled(struct ub_http *h)
{
	bool on;

	pthread_mutex_lock(&h->lock);
	on = h->cancelled;
	pthread_mutex_unlock(&h->lock);
	return on;
}

static ub_err exchange_new(struct exchange **ret)
{
	UB_CLEANUP(exchange_freep) struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return UNIBUS_ERR_NOMEM;
	x->easy = curl_easy_init();
	x->multi = curl_multi_init();
	if (!x->easy || !x->multi)
		return UNIBUS_ERR_NOMEM;
	*ret = UB_TAKE(x);
	return UB_OK;
}

static ub_err exchange_begin(struct ub_http *h, struct exchange **ret)
{
	struct exchange *x = NULL;
	ub_err err = UB_OK;

	pthread_mutex_lock(&h->lock);
	if (h->idle) {
		x = h->idle;
		h->idle = x->next;
	}
	pthread_mutex_unlock(&h->lock);
	if (!x)
		err = exchange_new(&x);
	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&h->lock);
	x->next = h->running;
	h->running = x;
	pthread_mutex_unlock(&h->lock);
	*ret = x;
	return UB_OK;
}

static void exchange_end(struct ub_http *h, struct exchange *x)
{
	curl_multi_remove_handle(x->multi, x->easy);
	curl_easy_reset(x->easy);
	pthread_mutex_lock(&h->lock);
	for (struct exchange **p = &h->running; *p; p = &(*p)->next) {
		if (*p == x) {
			*p = x->next;
			break;
		}
	}
	x->next = h->idle;
	h->idle = x;
	pthread_mutex_unlock(&h->lock);
}

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
	struct ub_buf *body = arg;

	ub_buf_put(body, p, size * n);
	return ub_buf_err(body) == UB_OK ? size * n : 0;
}

static ub_err headers_list(const struct ub_http_request *req, struct curl_slist **ret)
{
	UB_CLEANUP(curl_slist_free_allp) struct curl_slist *list = NULL;

	/* libcurl would wait for "100 Continue" before larger bodies. */
	list = curl_slist_append(NULL, "Expect:");
	for (size_t i = 0; list && i < UB_HTTP_HEADERS_MAX && req->headers[i]; i++) {
		struct curl_slist *longer = curl_slist_append(list, req->headers[i]);

		if (!longer)
			return UNIBUS_ERR_NOMEM;
		list = longer;
	}
	if (!list)
		return UNIBUS_ERR_NOMEM;
	*ret = UB_TAKE(list);
	return UB_OK;
}

static void set_security(struct ub_http *h, CURL *e)
{
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* A proxy from the environment would see what the CA was given to protect. */
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	if (h->ca_file) {
		curl_easy_setopt(e, CURLOPT_CAINFO, h->ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
}

static void set_request(
	CURL *e, const struct ub_http_request *req, struct curl_slist *headers, struct ub_buf *body)
{
	curl_easy_setopt(e, CURLOPT_URL, req->url);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, body);
	if (req->body.p || strcmp(req->method, "GET") != 0) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.len);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body.p ? req->body.p : "");
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, req->method);
}

/* Drives the exchange until it is over, the deadline is reached or it is cancelled. */
static ub_err run(struct ub_http *h, struct exchange *x, uint64_t deadline)
{
	for (;;) {
		uint64_t now = ub_mono_ms();
		int active = 0, left = 0;
		CURLMsg *msg;

		if (is_cancelled(h))
			return UNIBUS_ERR_CANCELLED;
		if (now >= deadline)
			return UNIBUS_ERR_TIMEOUT;
		if (curl_multi_perform(x->multi, &active) != CURLM_OK)
			return UNIBUS_ERR_NETWORK;
		while ((msg = curl_multi_info_read(x->multi, &left)) != NULL) {
			if (msg->msg == CURLMSG_DONE) {
				x->code = msg->data.result;
				return UB_OK;
			}
		}
		if (curl_multi_poll(x->multi, NULL, 0, (int)(deadline - now), NULL) != CURLM_OK)
			return UNIBUS_ERR_NETWORK;
	}
}

static ub_err outcome(CURLcode code, const struct ub_buf *body)
{
	if (ub_buf_err(body) != UB_OK)
		return ub_buf_err(body);
	/* An if chain: CURLcode has a hundred members of which four matter. */
	if (code == CURLE_OK)
		return UB_OK;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return UNIBUS_ERR_TIMEOUT;
	if (code == CURLE_OUT_OF_MEMORY)
		return UNIBUS_ERR_NOMEM;
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
		code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM)
		return UNIBUS_ERR_TLS;
	return UNIBUS_ERR_NETWORK;
}

ub_err ub_http_do(
	struct ub_http *h, const struct ub_http_request *req, struct ub_http_answer *answer)
{
	UB_CLEANUP(curl_slist_free_allp) struct curl_slist *headers = NULL;
	struct exchange *x = NULL;
	long status = 0;
	ub_err err = headers_list(req, &headers);

	if (err == UB_OK)
		err = exchange_begin(h, &x);
	if (err != UB_OK)
		return err;
	set_security(h, x->easy);
	set_request(x->easy, req, headers, &answer->body);
	if (curl_multi_add_handle(x->multi, x->easy) != CURLM_OK)
		err = UNIBUS_ERR_NOMEM;
	if (err == UB_OK)
		err = run(h, x, req->deadline);
	if (err == UB_OK)
		err = outcome(x->code, &answer->body);
	if (err == UB_OK) {
		curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
		answer->status = (int)status;
	}
	exchange_end(h, x);
	return err;
}
