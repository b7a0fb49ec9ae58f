#include <inttypes.h>

#include "core/b64url.h"
#include "core/endpoint.h"
#include "core/entry.h"
#include "core/json.h"
#include "core/key.h"
#include "core/signed_text.h"
#include "core/subject.h"

#define ROOM_ID_LABEL "unibus/room-id/v1"

/* What does not parse is a bad entry, whatever part of it did not. */
static ub_err form(ub_err e)
{
	return e == UNIBUS_ERR_INVALID ? UNIBUS_ERR_BAD_ENTRY : e;
}

/* ---- the members of each operation ---- */

static void read_retain(struct ub_obj *o, struct ub_op *op)
{
	struct ub_obj r;

	op->has_retain = ub_obj_has(o, "retain");
	if (!op->has_retain)
		return;
	r = ub_obj(ub_obj_object(o, "retain"));
	op->policy.retain.messages = ub_obj_u64(&r, "messages", 0, UB_JSON_INT_MAX);
	op->policy.retain.bytes = ub_obj_u64(&r, "bytes", 0, UB_JSON_INT_MAX);
	op->policy.retain.age_s = ub_obj_u64(&r, "age", 0, UB_JSON_INT_MAX);
	if (ub_obj_end(&r))
		o->err = UNIBUS_ERR_INVALID;
}

static void write_retain(const struct ub_retain *r, struct ub_buf *out)
{
	ub_buf_printf(out,
		",\"retain\":{\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"age\":%" PRIu64 "}",
		r->messages, r->bytes, r->age_s);
}

static void write_bool(struct ub_buf *out, const char *key, bool v)
{
	ub_buf_printf(out, "\"%s\":%s", key, v ? "true" : "false");
}

static void write_b64(struct ub_buf *out, const char *key, const void *p, size_t len)
{
	ub_buf_printf(out, ",\"%s\":\"", key);
	ub_buf_b64url(out, p, len);
	ub_buf_z(out, "\"");
}

static ub_err read_genesis(struct ub_obj *o, struct ub_op *op)
{
	struct ub_str subject = ub_obj_text(o, "subject", 1, UB_SUBJECT_MAX);
	struct ub_obj p = ub_obj(ub_obj_object(o, "policy"));
	struct ub_str history;

	op->policy.encrypt = ub_obj_bool(&p, "encrypt");
	op->policy.persist = ub_obj_bool(&p, "persist");
	op->policy.sign = ub_obj_bool(&p, "sign");
	history = ub_obj_text(&p, "history", 1, 16);
	read_retain(&p, op);
	ub_obj_b64url(o, "nonce", op->nonce, sizeof(op->nonce));
	if (o->err || ub_obj_end(&p) || ub_subject_check(subject))
		return UNIBUS_ERR_BAD_ENTRY;
	op->policy.since_join = ub_str_eqz(history, "since_join");
	if (!op->policy.since_join && !ub_str_eqz(history, "all"))
		return UNIBUS_ERR_BAD_ENTRY;
	memcpy(op->subject, subject.p, subject.len);
	return UB_OK;
}

static void write_genesis(const struct ub_op *op, struct ub_buf *out)
{
	const struct ub_policy *p = &op->policy;

	ub_buf_printf(out, ",\"subject\":\"%s\",\"policy\":{", op->subject);
	write_bool(out, "encrypt", p->encrypt);
	ub_buf_z(out, ",");
	write_bool(out, "persist", p->persist);
	ub_buf_z(out, ",");
	write_bool(out, "sign", p->sign);
	ub_buf_printf(out, ",\"history\":\"%s\"", p->since_join ? "since_join" : "all");
	if (p->retain.messages || p->retain.bytes || p->retain.age_s)
		write_retain(&p->retain, out);
	ub_buf_z(out, "}");
	write_b64(out, "nonce", op->nonce, sizeof(op->nonce));
}

static ub_err read_keyrec(struct ub_obj *o, struct ub_op *op)
{
	struct ub_str text = ub_obj_text(o, "keyrec", 1, UB_KEYREC_MAX);

	if (o->err)
		return UNIBUS_ERR_BAD_ENTRY;
	op->keyrec_text = ub_str_dup(text);
	if (!op->keyrec_text)
		return UNIBUS_ERR_NOMEM;
	return form(ub_keyrec_open(text, &op->keyrec));
}

static void write_keyrec(const struct ub_op *op, struct ub_buf *out)
{
	ub_buf_printf(out, ",\"keyrec\":\"%s\"", op->keyrec_text);
}

static ub_err read_role_name(struct ub_obj *o, struct ub_op *op)
{
	struct ub_str role = ub_obj_text(o, "role", 1, 16);

	return o->err ? UNIBUS_ERR_BAD_ENTRY : form(ub_role_parse(role, &op->role));
}

static void write_role_name(const struct ub_op *op, struct ub_buf *out)
{
	ub_buf_printf(out, ",\"role\":\"%s\"", ub_role_name(op->role));
}

static ub_err read_add(struct ub_obj *o, struct ub_op *op)
{
	ub_err e = read_role_name(o, op);

	return e ? e : read_keyrec(o, op);
}

static void write_add(const struct ub_op *op, struct ub_buf *out)
{
	write_keyrec(op, out);
	write_role_name(op, out);
}

static ub_err read_endpoint(struct ub_obj *o, struct ub_op *op)
{
	ub_obj_b64url(o, "endpoint", op->endpoint.b, sizeof(op->endpoint.b));
	return form(o->err);
}

static void write_endpoint(const struct ub_op *op, struct ub_buf *out)
{
	write_b64(out, "endpoint", op->endpoint.b, sizeof(op->endpoint.b));
}

static ub_err read_role(struct ub_obj *o, struct ub_op *op)
{
	ub_err e = read_endpoint(o, op);

	return e ? e : read_role_name(o, op);
}

static void write_role(const struct ub_op *op, struct ub_buf *out)
{
	write_endpoint(op, out);
	write_role_name(op, out);
}

static ub_err read_policy(struct ub_obj *o, struct ub_op *op)
{
	op->policy.encrypt = ub_obj_bool(o, "encrypt");
	op->policy.sign = ub_obj_bool(o, "sign");
	read_retain(o, op);
	return form(o->err);
}

static void write_policy(const struct ub_op *op, struct ub_buf *out)
{
	ub_buf_z(out, ",");
	write_bool(out, "encrypt", op->policy.encrypt);
	ub_buf_z(out, ",");
	write_bool(out, "sign", op->policy.sign);
	if (op->has_retain)
		write_retain(&op->policy.retain, out);
}

static ub_err read_epoch(struct ub_obj *o, struct ub_op *op)
{
	struct ub_epoch_op *ep = &op->epoch;

	ep->n = (uint32_t)ub_obj_u64(o, "n", 1, UINT32_MAX);
	ub_obj_b64url(o, "roster", ep->roster.b, sizeof(ep->roster.b));
	ub_obj_b64url(o, "commit", ep->commit.b, sizeof(ep->commit.b));
	ub_obj_b64url(o, "sealed", ep->sealed.b, sizeof(ep->sealed.b));
	ep->has_backlink = ub_obj_has(o, "backlink");
	if (ep->has_backlink)
		ub_obj_b64url(o, "backlink", ep->backlink, sizeof(ep->backlink));
	return form(o->err);
}

static void write_epoch(const struct ub_op *op, struct ub_buf *out)
{
	const struct ub_epoch_op *ep = &op->epoch;

	ub_buf_printf(out, ",\"n\":%" PRIu32, ep->n);
	write_b64(out, "roster", ep->roster.b, sizeof(ep->roster.b));
	write_b64(out, "commit", ep->commit.b, sizeof(ep->commit.b));
	write_b64(out, "sealed", ep->sealed.b, sizeof(ep->sealed.b));
	if (ep->has_backlink)
		write_b64(out, "backlink", ep->backlink, sizeof(ep->backlink));
}

/* NULL: the operation has no members but "op". */
static const struct op_row {
	enum ub_op_type type;
	const char *name;
	ub_err (*read)(struct ub_obj *o, struct ub_op *op);
	void (*write)(const struct ub_op *op, struct ub_buf *out);
} OPS[] = {
	{UB_OP_GENESIS, "genesis", read_genesis, write_genesis},
	{UB_OP_ADD, "add", read_add, write_add},
	{UB_OP_REMOVE, "remove", read_endpoint, write_endpoint},
	{UB_OP_LEAVE, "leave", NULL, NULL},
	{UB_OP_ROLE, "role", read_role, write_role},
	{UB_OP_KEY, "key", read_keyrec, write_keyrec},
	{UB_OP_POLICY, "policy", read_policy, write_policy},
	{UB_OP_EPOCH, "epoch", read_epoch, write_epoch},
	{UB_OP_TAKEOVER, "takeover", NULL, NULL},
	{UB_OP_CLOSE, "close", NULL, NULL},
};

/* ---- entries ---- */

static ub_err read_op(json_t *v, struct ub_op *op)
{
	struct ub_obj o = ub_obj(v);
	struct ub_str name = ub_obj_text(&o, "op", 1, 16);
	const struct op_row *row = NULL;
	ub_err e;

	if (o.err)
		return UNIBUS_ERR_BAD_ENTRY;
	for (size_t i = 0; i < UB_ARRAY_LEN(OPS) && !row; i++) {
		if (ub_str_eqz(name, OPS[i].name))
			row = &OPS[i];
	}
	if (!row)
		return UNIBUS_ERR_BAD_ENTRY;
	op->type = row->type;
	e = row->read ? row->read(&o, op) : UB_OK;
	return e ? e : form(ub_obj_end(&o));
}

static ub_err read_ops(json_t *list, struct ub_entry *e)
{
	size_t n = json_array_size(list);

	if (n == 0)
		return UNIBUS_ERR_BAD_ENTRY;
	e->ops = calloc(n, sizeof(*e->ops));
	if (!e->ops)
		return UNIBUS_ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		ub_err err;

		e->n_ops = i + 1; /* so that what a half-read operation owns is freed */
		err = read_op(json_array_get(list, i), &e->ops[i]);
		if (err)
			return err;
	}
	return UB_OK;
}

/* All but the operations. */
static ub_err read_head(json_t *v, struct ub_entry *e, json_t **ops)
{
	struct ub_obj o = ub_obj(v);

	(void)ub_obj_u64(&o, "v", 1, 1); /* another version is a latched error */
	e->seq = ub_obj_u64(&o, "seq", 0, UB_JSON_INT_MAX);
	e->has_room = e->seq > 0;
	if (e->has_room) {
		ub_obj_b64url(&o, "room", e->room.b, sizeof(e->room.b));
		ub_obj_b64url(&o, "prev", e->prev.b, sizeof(e->prev.b));
	}
	ub_obj_hex(&o, "actor", e->actor.b, sizeof(e->actor.b));
	e->ts_ms = ub_obj_u64(&o, "ts", 0, UB_JSON_INT_MAX);
	*ops = ub_obj_array(&o, "ops", UB_ENTRY_OPS_MAX);
	return form(ub_obj_end(&o));
}

ub_err ub_entry_open(struct ub_str text, struct ub_entry *ret)
{
	UB_CLEANUP(ub_signed_text_deinit) struct ub_signed_text st = {0};
	UB_CLEANUP(ub_entry_deinit) struct ub_entry e = {0};
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	json_t *ops = NULL;
	ub_err err;

	err = ub_signed_text_split(text, UB_ENTRY_MAX, &st);
	if (err)
		return form(err);
	err = ub_json_parse((struct ub_str){st.payload, st.len}, &v);
	if (err)
		return form(err);
	err = read_head(v, &e, &ops);
	if (err)
		return err;
	/* Nothing is made of the operations before they are known to be the actor's. */
	if (ub_pubkey_check(&e.actor))
		return UNIBUS_ERR_BAD_ENTRY;
	err = ub_signed_text_verify(UB_TAG_ROOM, &e.actor, &st);
	if (err)
		return err;
	err = read_ops(ops, &e);
	if (err)
		return err;
	ub_hash(text.p, text.len, &e.hash);
	*ret = e;
	e = (struct ub_entry){0};
	return UB_OK;
}

void ub_entry_deinit(struct ub_entry *e)
{
	for (size_t i = 0; i < e->n_ops; i++)
		free(e->ops[i].keyrec_text);
	free(e->ops);
	*e = (struct ub_entry){0};
}

static const struct op_row *row_of(enum ub_op_type type)
{
	for (size_t i = 0; i < UB_ARRAY_LEN(OPS); i++) {
		if (OPS[i].type == type)
			return &OPS[i];
	}
	return NULL;
}

static void write_op(const struct ub_op *op, struct ub_buf *out)
{
	const struct op_row *row = row_of(op->type);

	ub_assert(row);
	ub_buf_printf(out, "{\"op\":\"%s\"", row->name);
	if (row->write)
		row->write(op, out);
	ub_buf_z(out, "}");
}

void ub_entry_sign(const struct ub_signkey *k, const struct ub_entry *e, struct ub_buf *out)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf payload = UB_BUF(UB_ENTRY_MAX);
	struct ub_pubkey actor;
	ub_err err;

	ub_signkey_pub(k, &actor);
	ub_buf_z(&payload, "{\"v\":1");
	if (e->has_room)
		write_b64(&payload, "room", e->room.b, sizeof(e->room.b));
	ub_buf_printf(&payload, ",\"seq\":%" PRIu64, e->seq);
	if (e->has_room)
		write_b64(&payload, "prev", e->prev.b, sizeof(e->prev.b));
	ub_buf_z(&payload, ",\"actor\":\"");
	ub_buf_hex(&payload, actor.b, sizeof(actor.b));
	ub_buf_printf(&payload, "\",\"ts\":%" PRIu64 ",\"ops\":[", e->ts_ms);
	for (size_t i = 0; i < e->n_ops; i++) {
		if (i)
			ub_buf_z(&payload, ",");
		write_op(&e->ops[i], &payload);
	}
	ub_buf_z(&payload, "]}");
	err = ub_buf_err(&payload);
	if (err)
		ub_buf_fail(out, err);
	else
		ub_signed_text_make(UB_TAG_ROOM, k, ub_buf_text(&payload), out);
}

/* ---- what a genesis op says about its room ---- */

uint8_t ub_policy_bits(const struct ub_policy *p)
{
	return (uint8_t)((p->encrypt ? 1 : 0) | (p->persist ? 2 : 0) | (p->sign ? 4 : 0));
}

bool ub_policy_plain(const struct ub_policy *p)
{
	return ub_policy_bits(p) == 0;
}

void ub_room_id_of(
	const struct ub_pubkey *actor, const struct ub_op *genesis, struct ub_room_id *ret)
{
	const uint8_t policy[2] = {
		ub_policy_bits(&genesis->policy), genesis->policy.since_join ? 1 : 0};
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, sizeof(ret->b));
	crypto_generichash_update(&st, (const uint8_t *)ROOM_ID_LABEL, sizeof(ROOM_ID_LABEL));
	crypto_generichash_update(&st, actor->b, sizeof(actor->b));
	crypto_generichash_update(&st, genesis->nonce, sizeof(genesis->nonce));
	crypto_generichash_update(&st, policy, sizeof(policy));
	crypto_generichash_update(&st, (const uint8_t *)genesis->subject, strlen(genesis->subject));
	crypto_generichash_final(&st, ret->b, sizeof(ret->b));
}
