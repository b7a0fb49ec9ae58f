#include "membershipd/store/store_jetstream_watch.h"

#include "core/b64url.h"
#include "core/key.h"
#include "core/num.h"

#define HEARTBEAT_MS 1000
#define SILENCE_MS 3000 /* of heartbeats and all */
#define ABANDONED_S 10  /* without us, the server removes the consumer */

struct kv_watch {
	struct kv_link *l;
	struct kv_conn *c;
	natsSubscription *sub;
	char name[KV_ID_LEN + 1]; /* the consumer's */
	char inbox[KV_ID_LEN + 12];
	uint64_t number; /* of the last delivery */
	uint64_t heard_ms;
};

static char *consumer_text(const struct kv_watch *w, const struct kv_watch_spec *spec)
{
	static const json_int_t NS = 1000000000;
	UB_CLEANUP(json_decrefp)
	json_t *c = json_pack("{s:s,s:s,s:s,s:s,s:i,s:b,s:I,s:I,s:i,s:b}", "name", w->name,
		"deliver_subject", w->inbox, "ack_policy", "none", "replay_policy", "instant",
		"max_deliver", 1, "flow_control", 1, "idle_heartbeat", NS / 1000 * HEARTBEAT_MS,
		"inactive_threshold", NS * ABANDONED_S, "num_replicas", 1, "mem_storage", 1);
	int bad = !c;

	if (!bad && spec->from > 0)
		bad = json_object_set_new(c, "deliver_policy", json_string("by_start_sequence")) ||
		      json_object_set_new(c, "opt_start_seq", json_integer((json_int_t)spec->from));
	else if (!bad)
		bad = json_object_set_new(c, "deliver_policy", json_string("last_per_subject"));
	/* Even one filter is a list here: "last of each subject" wants one. */
	if (!bad)
		bad = json_object_set_new(c, "filter_subjects",
			json_pack("[s*,s*]", spec->filters[0], spec->filters[1]));
	if (bad)
		return NULL;
	UB_CLEANUP(json_decrefp)
	json_t *o = json_pack(
		"{s:s,s:O,s:s}", "stream_name", KV_STREAM, "config", c, "action", "create");
	return o ? ub_json_text(o) : NULL;
}

static ub_err create_consumer(struct kv_watch *w, const struct kv_watch_spec *spec)
{
	UB_CLEANUP(ub_freep) char *body = consumer_text(w, spec);
	UB_CLEANUP(kv_answer_deinit) struct kv_answer a = {.code = KV_FINE};
	char what[96];
	ub_err e;

	if (!body)
		return UNIBUS_ERR_NOMEM;
	(void)snprintf(what, sizeof(what), "CONSUMER.CREATE." KV_STREAM ".%s", w->name);
	e = kv_api_once(w->l, w->c, what, body, &a);
	if (e == UNIBUS_ERR_NOMEM)
		return e;
	return e || a.code ? UNIBUS_ERR_UNAVAILABLE : UB_OK;
}

ub_err kv_watch_open(struct kv_link *l, struct kv_conn *c, const struct kv_watch_spec *spec,
	struct kv_watch **ret)
{
	UB_CLEANUP(kv_watch_closep) struct kv_watch *w = calloc(1, sizeof(*w));
	uint8_t random[16];
	ub_err e;

	if (!w)
		return UNIBUS_ERR_NOMEM;
	randombytes_buf(random, sizeof(random));
	ub_b64url_encode(random, sizeof(random), w->name);
	(void)snprintf(w->inbox, sizeof(w->inbox), "_INBOX.%s", w->name);
	w->l = l;
	w->c = c;
	if (natsConnection_SubscribeSync(&w->sub, c->nc, w->inbox) != NATS_OK)
		return UNIBUS_ERR_UNAVAILABLE;
	/* Flow control bounds what is under way; nothing may be dropped here. */
	if (natsSubscription_SetPendingLimits(w->sub, -1, -1) != NATS_OK)
		return UNIBUS_ERR_UNAVAILABLE;
	e = create_consumer(w, spec);
	if (e)
		return e;
	w->heard_ms = kv_now_ms();
	*ret = UB_TAKE(w);
	return UB_OK;
}

void kv_watch_close(struct kv_watch *w)
{
	char subject[128];

	if (!w)
		return;
	/* Nobody waits for the answer: the server would remove it by itself in a while. */
	(void)snprintf(
		subject, sizeof(subject), "$JS.API.CONSUMER.DELETE." KV_STREAM ".%s", w->name);
	if (w->sub)
		(void)natsConnection_PublishString(w->c->nc, subject, "");
	natsSubscription_Destroy(w->sub);
	free(w);
}

static const char *header(natsMsg *m, const char *name)
{
	const char *v = NULL;

	return natsMsgHeader_Get(m, name, &v) == NATS_OK ? v : NULL;
}

static bool header_number(natsMsg *m, const char *name, uint64_t *ret)
{
	const char *v = header(m, name);

	return v && !ub_num_u64(ub_str(v), 0, UINT64_MAX, ret);
}

/* Heartbeats and flow control: neither is delivered, so neither has a number. */
static ub_err control(struct kv_watch *w, natsMsg *m, struct kv_item *ret)
{
	const char *reply = natsMsg_GetReply(m), *stalled = header(m, "Nats-Consumer-Stalled");
	uint64_t last;

	if (reply || stalled)
		(void)natsConnection_PublishString(w->c->nc, reply ? reply : stalled, "");
	if (reply)
		return UNIBUS_ERR_TIMEOUT;
	if (!header_number(m, "Nats-Last-Consumer", &last) || last != w->number ||
		!header_number(m, "Nats-Last-Stream", &ret->scanned))
		return UNIBUS_ERR_UNAVAILABLE;
	ret->idle = true;
	return UB_OK;
}

static ub_err delivery(struct kv_watch *w, natsMsg *m, struct kv_item *ret)
{
	const char *reply = natsMsg_GetReply(m), *op = header(m, "KV-Operation");
	struct kv_place place;

	if (!reply || kv_place_parse(reply, &place) || place.number != w->number + 1)
		return UNIBUS_ERR_UNAVAILABLE;
	w->number = place.number;
	*ret = (struct kv_item){
		.seq = place.seq,
		.idle = place.pending == 0,
		.within = header(m, "Nats-Batch-Id") && !header(m, "Nats-Batch-Commit"),
		.marker = op && strcmp(op, "PUT") != 0,
	};
	return UB_OK;
}

ub_err kv_watch_next(struct kv_watch *w, unsigned wait_ms, struct kv_item *ret)
{
	struct kv_item item = {.seq = 0};
	natsMsg *m = NULL;
	natsStatus st = natsSubscription_NextMsg(&m, w->sub, wait_ms);
	const char *status;
	ub_err e;

	if (st == NATS_TIMEOUT)
		return kv_now_ms() - w->heard_ms > SILENCE_MS ? UNIBUS_ERR_UNAVAILABLE
							      : UNIBUS_ERR_TIMEOUT;
	if (st != NATS_OK)
		return UNIBUS_ERR_UNAVAILABLE;
	w->heard_ms = kv_now_ms();
	status = header(m, "Status");
	if (!status)
		e = delivery(w, m, &item);
	else
		e = strcmp(status, "100") ? UNIBUS_ERR_UNAVAILABLE : control(w, m, &item);
	if (!e && !status)
		item.msg = m;
	else
		natsMsg_Destroy(m);
	if (!e)
		*ret = item;
	return e;
}
