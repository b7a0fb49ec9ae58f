#include "membershipd/nats/bootstrap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/limits.h"
#include "membershipd/domain/logmark.h"
#include "support/log.h"

#define ASK_MS 5000
#define DUPLICATES_NS (120LL * 1000 * 1000 * 1000)
#define MESSAGE_MAX (72 * 1024) /* what BUS lets a peer send: a frame and its headers */

/* A look at one stream, and what is found there. */
struct look {
	struct md_js *js;
	struct md_service *svc;
	const struct md_log_config *c;
	struct md_log_fault *why;
	unsigned shard;
	struct md_log_name name;
	uint64_t max_bytes;
	char subject[32], live[32];
};

struct md_log_name md_log_name(unsigned shard)
{
	struct md_log_name n;

	(void)snprintf(n.z, sizeof(n.z), "UNIBUS_LOG_%u", shard);
	return n;
}

UB_PRINTF(3, 4) static ub_err fault(struct look *l, ub_err err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(l->why->text, sizeof(l->why->text), fmt, ap);
	va_end(ap);
	return err;
}

static ub_err ask(struct look *l, const char *verb, const json_t *body, json_t **ret)
{
	UB_CLEANUP(ub_freep) char *text = body ? ub_json_text(body) : NULL;
	struct md_js_refusal no;
	char what[96];
	ub_err err;

	if (body && !text)
		return UNIBUS_ERR_NOMEM;
	(void)snprintf(what, sizeof(what), "%s%s", verb, verb[0] == 'S' ? l->name.z : "");
	err = md_js_ask(l->js, &(struct md_js_ask){what, ub_str(text), ASK_MS}, ret, &no);
	if (err == UNIBUS_ERR_CONFLICT)
		return fault(l, err,
			"nats-server refuses %s for the room history: %s. Look at the limits of "
			"account LOG in nats-server.conf",
			what, no.text);
	if (err == UNIBUS_ERR_INVALID)
		return fault(
			l, err, "nats-server answers %s in a way that is not understood", what);
	return err;
}

/* What the account may hold, shared out among the streams and their copies. */
static ub_err quota(struct look *l)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	const json_t *max;
	ub_err err = ask(l, "INFO", NULL, &v);

	if (err)
		return err;
	max = json_object_get(json_object_get(v, "limits"), "max_storage");
	if (!json_is_integer(max) || json_integer_value(max) <= 0)
		return fault(l, UNIBUS_ERR_CONFLICT,
			"account LOG has no limit on its storage, so room history could fill the "
			"disk that the control state needs; set jetstream { max_store } for LOG as "
			"`membershipd init` does");
	l->max_bytes =
		(uint64_t)json_integer_value(max) / md_service_log_shards(l->svc) / l->c->replicas;
	return UB_OK;
}

/* All that a stream is made with. The acknowledgment is the sender's own frame coming back: a
 * PubAck would go to any reply subject that the publisher names. When the stream is full new
 * frames are refused, rather than frames lost that were acknowledged. */
static json_t *wanted(const struct look *l)
{
	return json_pack("{ss,s[s],ss,ss,ss,si,sb,sb,sb,sb,sb,sI,sI,sI,sI,sI,si,s{ss,ss}}", "name",
		l->name.z, "subjects", l->subject, "retention", "limits", "storage", "file",
		"discard", "new", "num_replicas", (int)l->c->replicas, "no_ack", 1, "deny_delete",
		1, "deny_purge", 0, "allow_rollup_hdrs", 0, "allow_direct", 1, "max_bytes",
		(json_int_t)l->max_bytes, "max_age", (json_int_t)(l->c->max_age_ms * 1000000),
		"max_msgs_per_subject", (json_int_t)l->c->messages_per_sender, "max_msg_size",
		(json_int_t)MESSAGE_MAX, "duplicate_window", (json_int_t)DUPLICATES_NS, "max_msgs",
		-1, "republish", "src", l->subject, "dest", l->live);
}

/* Ours to change, as the options say. */
static bool is_size(const char *key)
{
	static const char *const KEYS[] = {
		"max_bytes", "max_age", "max_msgs_per_subject", "max_msg_size", "num_replicas"};

	for (size_t i = 0; i < UB_ARRAY_LEN(KEYS); i++)
		if (strcmp(KEYS[i], key) == 0)
			return true;
	return false;
}

/* An operator's own business. */
static bool is_free(const char *key)
{
	static const char *const KEYS[] = {
		"metadata", "description", "placement", "compression", "max_consumers"};

	for (size_t i = 0; i < UB_ARRAY_LEN(KEYS); i++)
		if (strcmp(KEYS[i], key) == 0)
			return true;
	return false;
}

/* Says the same as if it were not there. */
static bool is_nothing(const json_t *v)
{
	return json_is_null(v) || json_is_false(v) ||
	       (json_is_integer(v) && json_integer_value(v) == 0) ||
	       (json_is_string(v) && json_string_length(v) == 0) ||
	       (json_is_object(v) && json_object_size(v) == 0) ||
	       (json_is_array(v) && json_array_size(v) == 0);
}

static ub_err foreign(struct look *l, const char *key, const json_t *have, const json_t *want)
{
	UB_CLEANUP(ub_freep) char *is = have ? ub_json_text(have) : NULL;
	UB_CLEANUP(ub_freep) char *be = want ? ub_json_text(want) : NULL;

	return fault(l, UNIBUS_ERR_CONFLICT,
		"stream %s in account LOG has %s = %.60s, which is not ours (%.60s): somebody "
		"changed it, and who may read or write the history would no longer be what "
		"membershipd says. Set it back, or remove the stream and its history",
		l->name.z, key, is ? is : "nothing", be ? be : "nothing");
}

/* Compares; *ret_sizes: only sizes differ. */
static ub_err compare(struct look *l, const json_t *have, const json_t *want, bool *ret_sizes)
{
	const char *key;
	json_t *v;

	*ret_sizes = false;
	json_object_foreach ((json_t *)(uintptr_t)want, key, v) {
		const json_t *is = json_object_get(have, key);

		if ((is && json_equal(is, v)) || (!is && is_nothing(v)))
			continue;
		if (!is_size(key))
			return foreign(l, key, is, v);
		*ret_sizes = true;
	}
	json_object_foreach ((json_t *)(uintptr_t)have, key, v) {
		if (!json_object_get(want, key) && !is_free(key) && !is_nothing(v))
			return foreign(l, key, v, NULL);
	}
	return UB_OK;
}

static ub_err resize(struct look *l, const json_t *have, const json_t *want)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	UB_CLEANUP(json_decrefp) json_t *to = json_deep_copy(have);
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)want, key, value)
		if (!to || (is_size(key) && json_object_set(to, key, value)))
			return UNIBUS_ERR_NOMEM;
	log_info("log_resized", "stream", l->name.z, "max_bytes", log_num(l->max_bytes), NULL);
	return ask(l, "STREAM.UPDATE.", to, &v);
}

static ub_err created_of(struct look *l, const json_t *v, struct md_logmark *ret)
{
	const json_t *text = json_object_get(v, "created");

	if (!json_is_string(text) || json_string_length(text) == 0 ||
		json_string_length(text) >= sizeof(ret->created))
		return fault(l, UNIBUS_ERR_INVALID,
			"nats-server does not say when stream %s was made", l->name.z);
	(void)snprintf(ret->created, sizeof(ret->created), "%s", json_string_value(text));
	return UB_OK;
}

static ub_err gone(struct look *l, bool replaced)
{
	return fault(l, UNIBUS_ERR_NOT_FOUND,
		"stream %s, which keeps room history, %s. A wrong encryption key or storage folder "
		"of nats-server looks like this: put it right. To give the history up, stop "
		"membershipd and remove the stream and the record x.log.%u of the control state",
		l->name.z, replaced ? "was replaced by another one" : "is gone", l->shard);
}

/* The stream there is (v) or the one just made, against the mark. */
static ub_err settle(struct look *l, const json_t *v, bool marked, const struct md_logmark *mark)
{
	struct md_logmark now;
	ub_err err = created_of(l, v, &now);

	if (err)
		return err;
	if (!marked)
		err = md_logmark_put(l->svc, l->shard, &now);
	else if (strcmp(now.created, mark->created) != 0)
		err = UNIBUS_ERR_CONFLICT;
	return err == UNIBUS_ERR_CONFLICT ? gone(l, true) : err;
}

static ub_err check(struct look *l, const json_t *want)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct md_logmark mark;
	bool marked, sizes;
	ub_err err = md_logmark_get(l->svc, l->shard, &mark);

	marked = !err;
	if (err && err != UNIBUS_ERR_NOT_FOUND)
		return err;
	err = ask(l, "STREAM.INFO.", NULL, &v);
	if (err == UNIBUS_ERR_NOT_FOUND) {
		if (marked)
			return gone(l, false);
		err = ask(l, "STREAM.CREATE.", want, &v);
		if (!err)
			log_info("log_created", "stream", l->name.z, NULL);
	}
	if (err)
		return err;
	err = settle(l, v, marked, &mark);
	if (!err)
		err = compare(l, json_object_get(v, "config"), want, &sizes);
	if (!err && sizes)
		err = resize(l, json_object_get(v, "config"), want);
	return err;
}

ub_err md_log_bootstrap(struct md_js *js, struct md_service *svc, const struct md_log_config *c,
	struct md_log_fault *why)
{
	struct look l = {.js = js, .svc = svc, .c = c, .why = why};
	ub_err err;

	*why = (struct md_log_fault){""};
	err = quota(&l);
	for (; !err && l.shard < md_service_log_shards(svc); l.shard++) {
		UB_CLEANUP(json_decrefp) json_t *want = NULL;

		l.name = md_log_name(l.shard);
		(void)snprintf(l.subject, sizeof(l.subject), "unibus.log%u.>", l.shard);
		(void)snprintf(l.live, sizeof(l.live), "unibus.live%u.>", l.shard);
		want = wanted(&l);
		err = want ? check(&l, want) : UNIBUS_ERR_NOMEM;
	}
	if (err && !why->text[0])
		(void)fault(&l, err, "the streams of room history cannot be looked at: %s",
			unibus_strerror(err));
	return err;
}
