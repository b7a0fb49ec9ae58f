/* Between JSON and the domain's values; how calls are answered. */
#include <stdarg.h>

#include "core/b64url.h"
#include "core/endpoint.h"
#include "core/json.h"
#include "core/num.h"
#include "membershipd/http/api.h"
#include "support/log.h"

/* ---- answers ---- */

static void stamp(struct md_call *c, uint64_t rev)
{
	struct md_revision text;

	if (!c->has_caller)
		return;
	md_revision_text(c->svc, rev, &text);
	httpd_header(c->req, "X-Unibus-Revision", text.z);
}

void md_ok_at(struct md_call *c, unsigned status, uint64_t rev, json_t *body_owned)
{
	stamp(c, rev);
	httpd_reply_json(c->req, status, body_owned);
}

void md_ok(struct md_call *c, unsigned status, json_t *body_owned)
{
	md_ok_at(c, status, md_service_revision(c->svc), body_owned);
}

void md_retry_after(struct md_call *c, uint64_t wait_ms)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu",
		(unsigned long long)(wait_ms ? (wait_ms + 999) / 1000 : 1));
	httpd_header(c->req, "Retry-After", text);
}

void md_fail_json(struct md_call *c, ub_err err, const char *sentence, json_t *more_owned)
{
	/* An outcome without a status of its own was not meant to get here. */
	if (ub_err_status(err) == 500) {
		log_error("request failed", "path", c->row->path, "cause", unibus_err_word(err),
			NULL);
		err = UNIBUS_ERR_INTERNAL;
		sentence = NULL;
	}
	stamp(c, md_service_revision(c->svc));
	httpd_fail_json(c->req, err, 0, sentence, more_owned);
}

void md_fail(struct md_call *c, ub_err err, const char *fmt, ...)
{
	char sentence[512];
	va_list ap;

	if (!fmt) {
		md_fail_json(c, err, NULL, NULL);
		return;
	}
	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	md_fail_json(c, err, sentence, NULL);
}

const char *md_say(const struct md_say *says, ub_err err)
{
	for (; says->sentence; says++)
		if (says->err == err)
			return says->sentence;
	return unibus_strerror(err);
}

/* ---- what a request says ---- */

bool md_param_endpoint(struct md_call *c, unsigned i, struct ub_endpoint *ret)
{
	if (ub_endpoint_decode(httpd_param(c->req, i), ret) == UB_OK)
		return true;
	md_fail(c, UNIBUS_ERR_INVALID,
		"the path names no endpoint id (43 characters of base64url)");
	return false;
}

bool md_param_room(struct md_call *c, unsigned i, struct ub_room_id *ret)
{
	if (ub_room_id_decode(httpd_param(c->req, i), ret) == UB_OK)
		return true;
	md_fail(c, UNIBUS_ERR_INVALID, "the path names no room id (43 characters of base64url)");
	return false;
}

bool md_query_u64(struct md_call *c, const char *name, uint64_t max, uint64_t dflt, uint64_t *ret)
{
	struct ub_str s = httpd_query(c->req, name);

	*ret = dflt;
	if (!s.p || ub_num_u64(s, 0, max, ret) == UB_OK)
		return true;
	md_fail(c, UNIBUS_ERR_INVALID, "%s must be a number from 0 to %llu", name,
		(unsigned long long)max);
	return false;
}

bool md_query_limit(struct md_call *c, size_t *ret)
{
	struct ub_str s = httpd_query(c->req, "limit");
	uint64_t n = UB_LIST_MAX;

	if (s.p && ub_num_u64(s, 1, UB_LIST_MAX, &n)) {
		md_fail(c, UNIBUS_ERR_INVALID, "limit must be a number from 1 to %d", UB_LIST_MAX);
		return false;
	}
	*ret = (size_t)n;
	return true;
}

bool md_query_end(struct md_call *c)
{
	struct ub_str unknown;

	if (httpd_query_end(c->req, &unknown))
		return true;
	md_fail(c, UNIBUS_ERR_INVALID, "this path has no parameter \"%.*s\"", (int)unknown.len,
		unknown.p);
	return false;
}

bool md_body_json(struct md_call *c, json_t **ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	ub_err err = ub_json_parse(httpd_body(c->req), &v);

	if (err) {
		md_fail(c, err, "%s",
			err == UNIBUS_ERR_INVALID
				? "the body is not JSON as this server takes it: one object, no "
				  "repeated keys, whole numbers, UTF-8"
				: unibus_strerror(err));
		return false;
	}
	if (!json_is_object(v)) {
		md_fail(c, UNIBUS_ERR_INVALID, "the body must be a JSON object");
		return false;
	}
	*ret = UB_TAKE(v);
	return true;
}

bool md_body_none(struct md_call *c)
{
	UB_CLEANUP(json_decrefp) json_t *body = NULL;

	if (!httpd_body(c->req).len)
		return true;
	if (!md_body_json(c, &body))
		return false;
	if (json_object_size(body)) {
		md_fail(c, UNIBUS_ERR_INVALID, "this path takes no members in its body");
		return false;
	}
	return true;
}

/* ---- values ---- */

json_t *md_json_endpoint(const struct ub_endpoint *e)
{
	char z[UB_ID_TEXT + 1];

	ub_endpoint_encode(e, z);
	return json_stringn_nocheck(z, UB_ID_TEXT);
}

json_t *md_json_room_id(const struct ub_room_id *r)
{
	char z[UB_ID_TEXT + 1];

	ub_room_id_encode(r, z);
	return json_stringn_nocheck(z, UB_ID_TEXT);
}

json_t *md_json_hash(const struct ub_hash *h)
{
	char z[UB_B64URL_LEN(sizeof(h->b)) + 1];

	ub_b64url_encode(h->b, sizeof(h->b), z);
	return json_string_nocheck(z);
}

json_t *md_json_pubkey(const struct ub_pubkey *k)
{
	char z[2 * sizeof(k->b) + 1];

	ub_hex_encode(k->b, sizeof(k->b), z);
	return json_string_nocheck(z);
}

json_t *md_json_policy(const struct ub_policy *p)
{
	return json_pack("{sb,sb,sb,ss,s{sI,sI,sI}}", "encrypt", p->encrypt, "persist", p->persist,
		"sign", p->sign, "history", p->since_join ? "since_join" : "all", "retain",
		"messages", (json_int_t)p->retain.messages, "bytes", (json_int_t)p->retain.bytes,
		"age", (json_int_t)p->retain.age_s);
}

void md_json_set(json_t **to, const char *key, json_t *value_owned)
{
	if (!json_object_set_new(*to, key, value_owned))
		return;
	json_decref(*to);
	*to = NULL;
}

void md_json_push(json_t **to, json_t *value_owned)
{
	if (!json_array_append_new(*to, value_owned))
		return;
	json_decref(*to);
	*to = NULL;
}

static json_t *subjects(const struct ub_wire *w, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		md_json_push(&list, json_string_nocheck(w[i].z));
	return list;
}

json_t *md_json_wire(const struct md_wire *w)
{
	return json_pack("{so,so}", "publish", subjects(w->publish, w->n_publish), "subscribe",
		subjects(w->subscribe, w->n_subscribe));
}

json_t *md_json_revision(const struct md_call *c, uint64_t rev)
{
	struct md_revision text;

	md_revision_text(c->svc, rev, &text);
	return json_string_nocheck(text.z);
}

void md_json_taken(json_t **to, const struct md_taken *t)
{
	json_t *names = json_array();

	for (size_t i = 0; i < t->n_unconfirmed; i++)
		md_json_push(&names, json_string(t->unconfirmed[i]));
	md_json_set(to, "kicked", json_integer((json_int_t)t->kicked));
	md_json_set(to, "unconfirmed", names);
	md_json_set(to, "ms", json_integer((json_int_t)t->ms));
}
