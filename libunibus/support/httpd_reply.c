/* Replies. Built on any thread; queued by the event loop. */
#include <unistd.h>

#include "core/json.h"
#include "support/httpd_impl.h"

bool httpd_replied(const struct httpd_req *r)
{
	return r->replied;
}

void httpd_header(struct httpd_req *r, const char *name, const char *value)
{
	struct httpd_reply_header *h;

	ub_assert(r->n_headers < HTTPD_REPLY_HEADERS_MAX && !r->replied);
	h = &r->headers[r->n_headers++];
	snprintf(h->name, sizeof(h->name), "%s", name);
	snprintf(h->value, sizeof(h->value), "%s", value);
}

/* False leaves the response unusable: the connection is then closed without an answer. */
static bool add_headers(const struct httpd_req *r, struct MHD_Response *resp, const char *type)
{
	bool ok = MHD_add_response_header(resp, "Content-Type", type) == MHD_YES &&
		  MHD_add_response_header(resp, "Cache-Control", "no-store") == MHD_YES &&
		  MHD_add_response_header(resp, "X-Content-Type-Options", "nosniff") == MHD_YES;

	for (size_t i = 0; ok && i < r->n_headers; i++)
		ok = MHD_add_response_header(resp, r->headers[i].name, r->headers[i].value) ==
		     MHD_YES;
	if (ok && r->close)
		ok = MHD_add_response_header(resp, "Connection", "close") == MHD_YES;
	return ok;
}

void httpd_reply_file(
	struct httpd_req *r, unsigned status, const char *type, const struct httpd_file *file)
{
	struct MHD_Response *resp;

	if (!file->len) {
		(void)close(file->fd); /* only read from */
		httpd_reply(r, status, type, NULL, 0);
		return;
	}
	ub_assert(!r->replied);
	r->replied = true;
	r->status = status;
	r->reply_len = file->len;
	resp = MHD_create_response_from_fd_at_offset64(file->len, file->fd, file->from);
	if (!resp) {
		(void)close(file->fd); /* only read from */
		return;
	}
	if (add_headers(r, resp, type))
		r->response = resp;
	else
		MHD_destroy_response(resp);
}

void httpd_reply(
	struct httpd_req *r, unsigned status, const char *type, char *body_owned, size_t len)
{
	struct MHD_Response *resp;

	ub_assert(!r->replied);
	r->replied = true;
	r->status = status;
	r->reply_len = len;
	if (!body_owned && len)
		return;
	resp = MHD_create_response_from_buffer(
		len, body_owned, body_owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (!resp) {
		free(body_owned);
		return;
	}
	if (add_headers(r, resp, type))
		r->response = resp;
	else
		MHD_destroy_response(resp);
}

void httpd_reply_json(struct httpd_req *r, unsigned status, json_t *body_owned)
{
	UB_CLEANUP(json_decrefp) json_t *body = body_owned;
	char *text = body ? ub_json_text(body) : NULL;

	/* A length without a text: out of memory, no answer is better than half of one. */
	httpd_reply(r, status, "application/json", text, text ? strlen(text) : 1);
}

void httpd_fail_json(
	struct httpd_req *r, ub_err err, unsigned status, const char *sentence, json_t *more_owned)
{
	UB_CLEANUP(json_decrefp) json_t *more = more_owned;
	UB_CLEANUP(json_decrefp) json_t *body = NULL;
	bool set = false;

	if (!status)
		status = (unsigned)ub_err_status(err);
	for (size_t i = 0; i < r->n_headers; i++)
		set = set || strcmp(r->headers[i].name, "Retry-After") == 0;
	if ((status == 429 || status == 503) && !set)
		httpd_header(r, "Retry-After", "1");
	body = json_pack("{ss,ss}", "error", sentence ? sentence : unibus_strerror(err), "code",
		unibus_err_word(err));
	if (body && more && json_object_update(body, more)) {
		json_decref(body);
		body = NULL;
	}
	httpd_reply_json(r, status, UB_TAKE(body));
}

void httpd_fail(struct httpd_req *r, ub_err err, const char *sentence)
{
	httpd_fail_json(r, err, 0, sentence, NULL);
}
