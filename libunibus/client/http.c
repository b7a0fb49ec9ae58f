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

	/* Of the request under way. */
	struct ub_buf *body;
	struct ub_http_stream *stream;
	ub_err err;        /* what the stream's functions said */
	curl_off_t moved;  /* bytes, both ways */
	uint64_t moved_at; /* ub_mono_ms, when that changed */
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
	struct exchange *x = arg;
	struct ub_bytes piece = {(const uint8_t *)p, size * n};
	long status = 0;

	if (x->stream && x->stream->take) {
		curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
		if (status == 200 || status == 206) {
			x->stream->started = true;
			x->err = x->stream->take(x->stream->arg, (int)status, piece);
			return x->err == UB_OK ? piece.len : 0;
		}
	}
	ub_buf_put(x->body, p, size * n);
	return ub_buf_err(x->body) == UB_OK ? piece.len : 0;
}

static int note_progress(
	void *arg, curl_off_t all_down, curl_off_t down, curl_off_t all_up, curl_off_t up)
{
	struct exchange *x = arg;

	(void)all_down, (void)all_up;
	if (x->err != UB_OK)
		return 1;
	if (up + down == x->moved)
		return 0;
	x->moved = up + down;
	x->moved_at = ub_mono_ms();
	if (x->stream->progress)
		x->err = x->stream->progress(x->stream->arg, (uint64_t)up, (uint64_t)down);
	return x->err == UB_OK ? 0 : 1;
}

static ub_err headers_list(const struct ub_http_request *req, struct curl_slist **ret)
{
	UB_CLEANUP(curl_slist_free_allp) struct curl_slist *list = NULL;

	bool upload = req->stream && req->body.p;

	/* libcurl would wait for "100 Continue" before larger bodies. Before the largest it is
	 * worth it: who refuses one closes, and the refusal may be lost while the body is still
	 * sent. */
	list = curl_slist_append(NULL, upload ? "Expect: 100-continue" : "Expect:");
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
	struct exchange *x, const struct ub_http_request *req, struct curl_slist *headers)
{
	CURL *e = x->easy;

	curl_easy_setopt(e, CURLOPT_URL, req->url);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
	if (x->stream) {
		curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, note_progress);
		curl_easy_setopt(e, CURLOPT_XFERINFODATA, x);
	}
	if (req->body.p || strcmp(req->method, "GET") != 0) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.len);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body.p ? req->body.p : "");
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, req->method);
}

/* What moves is given time. */
static uint64_t until(const struct exchange *x, uint64_t deadline)
{
	uint64_t moved = x->moved_at ? x->moved_at + x->stream->idle_ms : 0;

	return moved > deadline ? moved : deadline;
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
		if (now >= until(x, deadline))
			return UNIBUS_ERR_TIMEOUT;
		if (curl_multi_perform(x->multi, &active) != CURLM_OK)
			return UNIBUS_ERR_NETWORK;
		while ((msg = curl_multi_info_read(x->multi, &left)) != NULL) {
			if (msg->msg == CURLMSG_DONE) {
				x->code = msg->data.result;
				return UB_OK;
			}
		}
		now = until(x, deadline) - now;
		if (curl_multi_poll(x->multi, NULL, 0, (int)now, NULL) != CURLM_OK)
			return UNIBUS_ERR_NETWORK;
	}
}

static ub_err outcome(const struct exchange *x)
{
	CURLcode code = x->code;

	if (x->err != UB_OK)
		return x->err;
	if (ub_buf_err(x->body) != UB_OK)
		return ub_buf_err(x->body);
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
	x->body = &answer->body;
	x->stream = req->stream;
	x->err = UB_OK;
	x->moved = 0;
	x->moved_at = 0;
	set_request(x, req, headers);
	if (curl_multi_add_handle(x->multi, x->easy) != CURLM_OK)
		err = UNIBUS_ERR_NOMEM;
	if (err == UB_OK)
		err = run(h, x, req->deadline);
	if (err == UB_OK)
		err = outcome(x);
	if (err == UB_OK) {
		curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
		answer->status = (int)status;
	}
	exchange_end(h, x);
	return err;
}
