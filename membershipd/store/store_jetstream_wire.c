#include "membershipd/store/store_jetstream_wire.h"

#include "core/b64url.h"
#include "core/num.h"

#define SCHEMA_MARK "unibus_store" /* the metadata that says whose bucket it is */
#define HEADERS_MAX 4096
#define ACK_TOKENS_OLD 9  /* $JS ACK stream consumer tries seq number time pending */
#define ACK_TOKENS_NEW 11 /* $JS ACK domain account stream ... pending, and maybe more */
#define ACK_TOKENS_MAX 12

void kv_subject_of(const char *key, struct kv_subject *ret)
{
	size_t n = sizeof(KV_SUBJECT_PREFIX) - 1;
	bool at_start = true;

	memcpy(ret->z, KV_SUBJECT_PREFIX, n);
	for (;; key++) {
		bool end = *key == '.' || *key == '\0';

		if (end && at_start)
			ret->z[n++] = '=';
		ret->z[n++] = *key;
		at_start = end;
		if (!*key)
			return;
	}
}

ub_err kv_key_of(const char *subject, char ret[MD_KEY_MAX + 1])
{
	char key[MD_KEY_MAX + 1];
	struct kv_subject again;
	size_t n = 0;

	if (strncmp(subject, KV_SUBJECT_PREFIX, sizeof(KV_SUBJECT_PREFIX) - 1) != 0)
		return UNIBUS_ERR_INVALID;
	for (const char *p = subject + sizeof(KV_SUBJECT_PREFIX) - 1; *p; p++) {
		if (*p == '=')
			continue;
		if (n == MD_KEY_MAX)
			return UNIBUS_ERR_INVALID;
		key[n++] = *p;
	}
	key[n] = '\0';
	if (!md_key_ok(key))
		return UNIBUS_ERR_INVALID;
	/* One spelling only. */
	kv_subject_of(key, &again);
	if (strcmp(again.z, subject) != 0)
		return UNIBUS_ERR_INVALID;
	memcpy(ret, key, n + 1);
	return UB_OK;
}

void kv_filter_of(const char *prefix, struct kv_subject *ret)
{
	char tokens[MD_KEY_MAX + 1];
	const char *dot = strrchr(prefix, '.');
	size_t n = dot ? (size_t)(dot - prefix) : 0, at = sizeof(KV_SUBJECT_PREFIX) - 1;

	memcpy(ret->z, KV_SUBJECT_PREFIX, at);
	if (dot) {
		memcpy(tokens, prefix, n);
		tokens[n] = '\0';
		kv_subject_of(tokens, ret);
		at = strlen(ret->z);
		ret->z[at++] = '.';
	}
	ret->z[at++] = '>';
	ret->z[at] = '\0';
}

bool kv_filter_takes(const struct kv_subject *filter, const char *subject)
{
	size_t n = strlen(filter->z) - 1; /* all but the '>' */

	return strncmp(subject, filter->z, n) == 0 && subject[n];
}

ub_err kv_place_parse(const char *reply, struct kv_place *ret)
{
	struct ub_str tok[ACK_TOKENS_MAX];
	struct kv_place place;
	size_t n = 0;

	for (const char *p = reply; p;) {
		const char *dot = strchr(p, '.');

		if (n == ACK_TOKENS_MAX)
			return UNIBUS_ERR_INVALID;
		tok[n++] = (struct ub_str){p, dot ? (size_t)(dot - p) : strlen(p)};
		p = dot ? dot + 1 : NULL;
	}
	if (n < ACK_TOKENS_OLD || n == ACK_TOKENS_OLD + 1 || !ub_str_eqz(tok[0], "$JS") ||
		!ub_str_eqz(tok[1], "ACK"))
		return UNIBUS_ERR_INVALID;
	size_t at = n >= ACK_TOKENS_NEW ? 4 : 2; /* the stream's name */
	if (!ub_str_eqz(tok[at], KV_STREAM) || ub_num_u64(tok[at + 3], 1, UINT64_MAX, &place.seq) ||
		ub_num_u64(tok[at + 4], 1, UINT64_MAX, &place.number) ||
		ub_num_u64(tok[at + 6], 0, UINT64_MAX, &place.pending))
		return UNIBUS_ERR_INVALID;
	*ret = place;
	return UB_OK;
}

void kv_answer_deinit(struct kv_answer *a)
{
	json_decref(a->json);
	a->json = NULL;
}

static bool number_of(const json_t *o, const char *key, uint64_t *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

/* Missing is `absent`: the server leaves zero values out. */
static uint64_t number_or(const json_t *o, const char *key, uint64_t absent)
{
	uint64_t v;

	return number_of(o, key, &v) ? v : absent;
}

ub_err kv_answer_parse(struct ub_str text, struct kv_answer *ret)
{
	static const char WRONG[] = "wrong last sequence: ";
	struct kv_answer a = {.code = KV_FINE};
	ub_err e = ub_json_parse_foreign(text, &a.json);

	if (e)
		return e;
	const json_t *error = json_object_get(a.json, "error");
	uint64_t code = number_or(error, "err_code", 0), status = number_or(error, "code", 0);
	bool fine = json_is_object(a.json) && (!error || (status > 0 && status < 1000)) &&
		    code < 100000 && (code > 0 || status != 0 || !error);

	if (!fine) {
		kv_answer_deinit(&a);
		return UNIBUS_ERR_INVALID;
	}
	a.status = (unsigned)status;
	/* An error without a number of its own is still an error. */
	a.code = error && !code ? (unsigned)status : (unsigned)code;
	if (a.code == KV_WRONG_SEQUENCE) {
		const char *why = json_string_value(json_object_get(error, "description"));

		if (why && !strncmp(why, WRONG, sizeof(WRONG) - 1))
			(void)!ub_num_u64(ub_str(why + sizeof(WRONG) - 1), 0, UINT64_MAX, &a.wrong);
	}
	*ret = a;
	return UB_OK;
}

ub_err kv_ack_parse(const struct kv_answer *a, const char *batch, size_t count, uint64_t *ret_seq)
{
	const char *stream = json_string_value(json_object_get(a->json, "stream"));
	const char *name = json_string_value(json_object_get(a->json, "batch"));
	uint64_t seq = number_or(a->json, "seq", 0);

	if (!stream || strcmp(stream, KV_STREAM) != 0 || !name || strcmp(name, batch) != 0 ||
		number_or(a->json, "count", 0) != count || seq < count)
		return UNIBUS_ERR_INVALID;
	*ret_seq = seq;
	return UB_OK;
}

static bool text_is(const json_t *o, const char *key, const char *want)
{
	const char *z = json_string_value(json_object_get(o, key));

	return z && !strcmp(z, want);
}

static bool config_fits(const json_t *c)
{
	const json_t *subjects = json_object_get(c, "subjects");
	const char *subject = json_string_value(json_array_get(subjects, 0));

	return text_is(c, "name", KV_STREAM) && json_array_size(subjects) == 1 && subject &&
	       !strcmp(subject, KV_SUBJECT_PREFIX ">") && text_is(c, "retention", "limits") &&
	       text_is(c, "storage", "file") && text_is(c, "discard", "new") &&
	       number_or(c, "max_msgs_per_subject", 0) == 1 && number_or(c, "max_age", 0) == 0 &&
	       !json_is_true(json_object_get(c, "allow_direct")) &&
	       json_is_true(json_object_get(c, "allow_atomic")) &&
	       !json_is_true(json_object_get(c, "sealed")) && !json_object_get(c, "mirror") &&
	       !json_object_get(c, "sources") && !json_object_get(c, "subject_transform");
}

static void copy_text(char *to, size_t size, const json_t *o, const char *key)
{
	const char *z = json_string_value(json_object_get(o, key));

	(void)snprintf(to, size, "%s", z ? z : "");
}

static void status_of(const json_t *json, struct md_jetstream_status *to)
{
	const json_t *cluster = json_object_get(json, "cluster");
	const json_t *peers = json_object_get(cluster, "replicas");
	const json_t *peer;
	size_t i;

	copy_text(to->leader, sizeof(to->leader), cluster, "leader");
	json_array_foreach (peers, i, peer) {
		if (to->n_followers == UB_ARRAY_LEN(to->followers))
			return;
		struct md_jetstream_follower *f = &to->followers[to->n_followers++];
		copy_text(f->name, sizeof(f->name), peer, "name");
		f->current = json_is_true(json_object_get(peer, "current"));
		f->offline = json_is_true(json_object_get(peer, "offline"));
		f->lag = number_or(peer, "lag", 0);
	}
}

ub_err kv_info_parse(const struct kv_answer *a, struct kv_info *ret)
{
	const json_t *config = json_object_get(a->json, "config");
	const json_t *state = json_object_get(a->json, "state");
	const char *id = json_string_value(
		json_object_get(json_object_get(config, "metadata"), SCHEMA_MARK));
	struct kv_info info = {.fits = config_fits(config)};
	uint64_t replicas = number_or(config, "num_replicas", 0);

	if (!number_of(state, "last_seq", &info.status.revision) || replicas < 1 ||
		replicas > MD_JETSTREAM_REPLICAS_MAX)
		return UNIBUS_ERR_INVALID;
	info.status.replicas = (unsigned)replicas;
	if (id && strlen(id) == KV_ID_LEN)
		memcpy(info.id, id, KV_ID_LEN);
	status_of(a->json, &info.status);
	*ret = info;
	return UB_OK;
}

/* The value of a header in "NATS/1.0\r\nName: value\r\n...". */
static struct ub_str header_of(const char *headers, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = strstr(headers, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncmp(line, name, n) != 0 || line[n] != ':')
			continue;
		const char *v = line + n + 1, *end = strstr(v, "\r\n");

		while (*v == ' ')
			v++;
		return (struct ub_str){v, end && end > v ? (size_t)(end - v) : 0};
	}
	return (struct ub_str){NULL, 0};
}

static bool decode(const json_t *o, const char *key, struct ub_buf *to)
{
	struct ub_str s = ub_str(json_string_value(json_object_get(o, key)));

	if (s.len == 0)
		return true;
	if (s.len % 4 != 0)
		return false;
	size_t len = s.len / 4 * 3 - (s.p[s.len - 1] == '=') - (s.p[s.len - 2] == '=');
	UB_CLEANUP(ub_freep) uint8_t *bytes = malloc(len);

	if (!bytes) {
		ub_buf_fail(to, UNIBUS_ERR_NOMEM);
		return true;
	}
	if (ub_b64_decode(s, bytes, len))
		return false;
	ub_buf_put(to, bytes, len);
	return true;
}

static ub_err headers_parse(const char *z, struct kv_stored *to)
{
	struct ub_str op = header_of(z, "KV-Operation"), batch = header_of(z, "Nats-Batch-Id");
	struct ub_str number = header_of(z, "Nats-Batch-Sequence");
	struct ub_str expected = header_of(z, "Nats-Expected-Last-Subject-Sequence");

	to->marker = ub_str_eqz(op, "DEL") || ub_str_eqz(op, "PURGE");
	if (op.p && !to->marker && !ub_str_eqz(op, "PUT"))
		return UNIBUS_ERR_INVALID;
	to->has_expected = expected.p && !ub_num_u64(expected, 0, UINT64_MAX, &to->expected);
	if (batch.len > KV_ID_LEN && batch.p[KV_ID_LEN] == '.' &&
		!ub_num_u64(number, 1, MD_COMMIT_OPS_MAX, &to->number))
		memcpy(to->commit, batch.p, KV_ID_LEN);
	return UB_OK;
}

ub_err kv_stored_parse(const struct kv_answer *a, struct kv_stored *ret, struct ub_buf *value)
{
	const json_t *m = json_object_get(a->json, "message");
	const char *subject = json_string_value(json_object_get(m, "subject"));
	UB_CLEANUP(ub_buf_deinit) struct ub_buf headers = UB_BUF(HEADERS_MAX);
	struct kv_stored s = {.seq = number_or(m, "seq", 0)};

	if (!subject || strlen(subject) >= sizeof(s.subject) || s.seq == 0 ||
		!decode(m, "hdrs", &headers))
		return UNIBUS_ERR_INVALID;
	(void)snprintf(s.subject, sizeof(s.subject), "%s", subject);
	const char *z = ub_buf_cstr(&headers);
	ub_err e = z ? headers_parse(z, &s) : ub_buf_err(&headers);

	if (e)
		return e;
	if (value) {
		if (!decode(m, "data", value))
			return UNIBUS_ERR_INVALID;
		e = ub_buf_err(value);
	}
	if (!e)
		*ret = s;
	return e;
}

char *kv_config_text(const char *id, unsigned replicas)
{
	UB_CLEANUP(json_decrefp)
	json_t *c =
		json_pack("{s:s,s:[s],s:s,s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:b,s:b,s:b,s:{s:s}}",
			"name", KV_STREAM, "subjects", KV_SUBJECT_PREFIX ">", "retention", "limits",
			"storage", "file", "discard", "new", "max_msgs_per_subject", 1,
			"max_consumers", -1, "max_msgs", -1, "max_bytes", -1, "max_age", 0,
			"max_msg_size", -1, "num_replicas", (int)replicas, "deny_delete", 1,
			"allow_direct", 0, "allow_atomic", 1, "metadata", SCHEMA_MARK, id);

	return c ? ub_json_text(c) : NULL;
}

char *kv_config_scaled(const struct kv_answer *info, unsigned replicas)
{
	json_t *c = json_object_get(info->json, "config");

	if (json_object_set_new(c, "num_replicas", json_integer((json_int_t)replicas)))
		return NULL;
	return ub_json_text(c);
}
