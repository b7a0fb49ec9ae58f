#include "client/history.h"

#include "core/b64url.h"
#include "core/endpoint.h"
#include "core/json.h"

void ub_page_deinit(struct ub_page *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->m[i].p);
	free(p->m);
	*p = (struct ub_page){0};
}

static ub_err take_frame(struct ub_str text, struct ub_stored *ret)
{
	size_t max = text.len / 4 * 3 + 2;

	ret->p = malloc(max);
	if (!ret->p)
		return UNIBUS_ERR_NOMEM;
	if (ub_b64url_decode_var(text, ret->p, max, &ret->len) == UB_OK && ret->len <= UB_FRAME_MAX)
		return UB_OK;
	free(UB_TAKE(ret->p));
	return UNIBUS_ERR_INTERNAL;
}

static ub_err take_item(json_t *item, uint64_t above, uint64_t last, struct ub_stored *ret)
{
	struct ub_obj o = ub_obj(item);
	struct ub_str sender, frame;

	if (above >= last)
		return UNIBUS_ERR_INTERNAL;
	ret->seq = ub_obj_u64(&o, "seq", above + 1, last);
	ret->time_ms = ub_obj_u64(&o, "time", 0, UB_JSON_INT_MAX);
	sender = ub_obj_text(&o, "sender", UB_ID_TEXT, UB_ID_TEXT);
	frame = ub_obj_text(&o, "frame", 1, UB_B64URL_LEN(UB_FRAME_MAX));
	if (o.err != UB_OK || ub_endpoint_decode(sender, &ret->sender) != UB_OK)
		return UNIBUS_ERR_INTERNAL;
	return take_frame(frame, ret);
}

static bool fits(const struct ub_page *p, const struct ub_page_ask *ask)
{
	if (p->last + 1 < p->first)
		return false;
	if (ask->backward)
		return ask->from == 0 || p->last < ask->from;
	/* No page may lead back, nor ask for itself again. */
	return p->first > ask->from && p->last >= ask->from && !(p->more && p->last == ask->from);
}

ub_err ub_page_parse(json_t *v, const struct ub_page_ask *ask, struct ub_page *ret)
{
	UB_CLEANUP(ub_page_deinit) struct ub_page p = {0};
	struct ub_obj o = ub_obj(v);
	json_t *list = ub_obj_array(&o, "messages", ask->limit), *item;
	uint64_t above;
	size_t i;

	p.first = ub_obj_u64(&o, "first", 0, UB_JSON_INT_MAX);
	p.last = ub_obj_u64(&o, "last", 0, UB_JSON_INT_MAX);
	p.more = ub_obj_bool(&o, "more");
	if (o.err != UB_OK || !fits(&p, ask))
		return UNIBUS_ERR_INTERNAL;
	p.m = calloc(json_array_size(list) + 1, sizeof(*p.m));
	if (!p.m)
		return UNIBUS_ERR_NOMEM;
	above = p.first > 0 ? p.first - 1 : 0;
	json_array_foreach (list, i, item) {
		ub_err err = take_item(item, above, p.last, &p.m[i]);

		if (err != UB_OK)
			return err;
		p.n++;
		above = p.m[i].seq;
	}
	*ret = p;
	p = (struct ub_page){0};
	return UB_OK;
}

ub_err ub_history_page(
	unibus_client *c, struct ub_croom *r, const struct ub_page_ask *ask, struct ub_page *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	char target[160], from[32] = "";
	ub_err err;

	if (!ask->backward || ask->from > 0)
		snprintf(from, sizeof(from), "&%s=%llu", ask->backward ? "before" : "after",
			(unsigned long long)ask->from);
	snprintf(target, sizeof(target), "/rooms/%s/messages?limit=%u%s", r->id_text, ask->limit,
		from);
	err = ub_client_json(c, "GET", target, (struct ub_str){0}, &v);
	if (err == UB_OK)
		err = ub_page_parse(v, ask, ret);
	if (err == UNIBUS_ERR_INTERNAL)
		return ub_client_fail(c, err, "the server's answer is no page of messages");
	return err;
}

ub_err ub_history_end(unibus_client *c, struct ub_croom *r, uint64_t *ret)
{
	UB_CLEANUP(ub_page_deinit) struct ub_page p = {0};
	ub_err err = ub_history_page(c, r, &(struct ub_page_ask){.backward = true, .limit = 1}, &p);

	if (err == UB_OK)
		*ret = p.last;
	return err;
}

ub_err ub_history_before(unibus_client *c, struct ub_croom *r, uint64_t n, uint64_t *ret)
{
	struct ub_page_ask ask = {.backward = true};
	uint64_t at = 0;
	bool more = true;
	ub_err err = UB_OK;

	while (err == UB_OK && n > 0 && more) {
		UB_CLEANUP(ub_page_deinit) struct ub_page p = {0};

		ask.limit = n < UB_PAGE_MAX ? (unsigned)n : UB_PAGE_MAX;
		err = ub_history_page(c, r, &ask, &p);
		if (err != UB_OK)
			break;
		n -= p.n;
		more = p.more && p.first > 0;
		ask.from = p.first;
		at = n == 0 ? p.m[0].seq - 1 : 0;
	}
	if (err == UB_OK)
		*ret = at;
	return err;
}
