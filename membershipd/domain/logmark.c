#include "membershipd/domain/logmark.h"

#include <stdio.h>

#include "core/json.h"
#include "membershipd/domain/service_impl.h"

static void key_of(unsigned shard, struct md_key *ret)
{
	(void)snprintf(ret->z, sizeof(ret->z), "x.log.%u", shard);
}

static ub_err decode(const struct ub_buf *b, struct md_logmark *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_obj o;
	struct ub_str created;

	if (ub_json_parse(ub_buf_text(b), &v))
		return UNIBUS_ERR_BAD_FILE;
	o = ub_obj(v);
	(void)ub_obj_u64(&o, "v", 1, 1);
	created = ub_obj_text(&o, "created", 1, MD_LOGMARK_TEXT - 1);
	if (ub_obj_end(&o))
		return UNIBUS_ERR_BAD_FILE;
	(void)snprintf(ret->created, sizeof(ret->created), "%s", created.p);
	return UB_OK;
}

ub_err md_logmark_get(struct md_service *s, unsigned shard, struct md_logmark *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_RECORD_MAX);
	struct md_key key;
	uint64_t rev;
	ub_err e;

	key_of(shard, &key);
	e = md_store_get(s->store, key.z, &b, &rev);
	return e ? e : decode(&b, ret);
}

static ub_err put(struct md_write *w, unsigned shard, const struct md_logmark *m)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_RECORD_MAX);
	UB_CLEANUP(json_decrefp)
	json_t *v = json_pack("{si,ss}", "v", 1, "created", m->created);
	UB_CLEANUP(ub_freep) char *text = v ? ub_json_text(v) : NULL;
	struct md_key key;
	struct md_op op;
	uint64_t rev;

	if (!text)
		return UNIBUS_ERR_NOMEM;
	ub_buf_z(&b, text);
	if (ub_buf_err(&b))
		return ub_buf_err(&b);
	key_of(shard, &key);
	op = md_op_put(&key, &b, 0);
	return md_write_commit(w, &op, 1, &rev);
}

ub_err md_logmark_put(struct md_service *s, unsigned shard, const struct md_logmark *m)
{
	UB_CLEANUP(md_write_end) struct md_write w = md_write_begin(s);
	struct md_logmark there;
	ub_err e = put(&w, shard, m);

	if (!w.raced)
		return e;
	e = md_logmark_get(s, shard, &there);
	return !e && strcmp(there.created, m->created) != 0 ? UNIBUS_ERR_CONFLICT : e;
}
