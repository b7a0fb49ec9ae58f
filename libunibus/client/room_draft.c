/* Making an entry: what it needs beside its operations, and the keys that travel beside it. */
#include <sodium.h>

#include "client/room_change.h"
#include "core/b64url.h"

static const struct ub_apply ctx = {.owner_revoked = true};

struct ub_op *ub_entry_op(struct ub_entry *e, enum ub_op_type type)
{
	struct ub_op *op;

	if (!e->ops)
		e->ops = calloc(UB_ENTRY_OPS_MAX, sizeof(*e->ops));
	if (!e->ops || e->n_ops == UB_ENTRY_OPS_MAX)
		return NULL;
	op = &e->ops[e->n_ops++];
	op->type = type;
	return op;
}

void ub_draft_deinit(struct ub_draft *d)
{
	ub_buf_deinit(&d->text);
	ub_buf_deinit(&d->body);
	sodium_free(d->key);
}

static bool has_op(const struct ub_entry *e, enum ub_op_type type)
{
	for (size_t i = 0; i < e->n_ops; i++)
		if (e->ops[i].type == type)
			return true;
	return false;
}

static bool needs_epoch(
	const struct ub_draft_input *in, const struct ub_entry *e, const struct ub_room *after)
{
	if (!after->policy.encrypt)
		return false;
	return in->rotate || !in->now->policy.encrypt || has_op(e, UB_OP_REMOVE) ||
	       has_op(e, UB_OP_TAKEOVER) || (after->policy.since_join && has_op(e, UB_OP_ADD));
}

struct sealed_set {
	struct ub_sealed *list;
	size_t n;
};

static void sealed_deinit(struct sealed_set *s)
{
	free(s->list);
}

static ub_err seal_to(const struct ub_room *room, const struct ub_member *m,
	const struct ub_symkey *k, uint32_t n, struct sealed_set *set)
{
	struct ub_sealed *s = &set->list[set->n];
	ub_err err;

	s->to = m->id;
	err = ub_epoch_seal(k, &room->id, n, &m->kex, s);
	if (err == UB_OK)
		set->n++;
	return err;
}

/* The next epoch for the roster after the entry: its operation and everybody's sealed key. */
static ub_err bring_epoch(const struct ub_draft_input *in, const struct ub_room *after,
	struct ub_entry *e, struct ub_draft *d, struct sealed_set *set)
{
	struct ub_op *op = ub_entry_op(e, UB_OP_EPOCH);
	struct ub_epoch_op *ep;
	uint8_t nonce[24];
	ub_err err = UB_OK;

	d->key = sodium_malloc(sizeof(*d->key));
	set->list = calloc(after->n_members, sizeof(*set->list));
	if (!op || !d->key || !set->list)
		return UNIBUS_ERR_NOMEM;
	randombytes_buf(d->key->b, sizeof(d->key->b));
	ep = &op->epoch;
	ep->n = d->epoch = after->epoch + 1;
	ub_room_roster_hash(after, &ep->roster);
	ub_epoch_commit(d->key, &after->id, ep->n, &ep->commit);
	for (size_t i = 0; err == UB_OK && i < after->n_members; i++)
		err = seal_to(after, &after->members[i], d->key, ep->n, set);
	if (err != UB_OK)
		return err;
	ub_sealed_root(set->list, set->n, &ep->sealed);
	ep->has_backlink = !after->policy.since_join && ep->n > 1;
	if (!ep->has_backlink)
		return UB_OK;
	if (!in->current)
		return UNIBUS_ERR_NO_KEY_EPOCH;
	randombytes_buf(nonce, sizeof(nonce));
	ub_backlink_make(d->key, in->current, &after->id, ep->n, nonce, ep->backlink);
	return UB_OK;
}

/* Who is added without a new epoch gets the current key. */
static ub_err seal_added(const struct ub_draft_input *in, const struct ub_room *after,
	const struct ub_entry *e, struct sealed_set *set)
{
	ub_err err = UB_OK;

	if (!after->policy.encrypt || !has_op(e, UB_OP_ADD))
		return UB_OK;
	if (!in->current)
		return UNIBUS_ERR_NO_KEY_EPOCH;
	set->list = calloc(e->n_ops, sizeof(*set->list));
	if (!set->list)
		return UNIBUS_ERR_NOMEM;
	for (size_t i = 0; err == UB_OK && i < e->n_ops; i++) {
		const struct ub_member *m;
		struct ub_endpoint id;

		if (e->ops[i].type != UB_OP_ADD)
			continue;
		ub_endpoint_of(&e->ops[i].keyrec.sign, &id);
		m = ub_room_member(after, &id);
		if (m)
			err = seal_to(after, m, in->current, after->epoch, set);
	}
	return err;
}

static void put_body(const struct ub_draft *d, const struct sealed_set *set, struct ub_buf *out)
{
	ub_buf_z(out, "{\"entry\":\"");
	ub_buf_str(out, ub_buf_text(&d->text));
	ub_buf_z(out, "\",\"sealed\":{");
	for (size_t i = 0; i < set->n; i++) {
		char to[UB_ID_TEXT + 1];

		ub_endpoint_encode(&set->list[i].to, to);
		ub_buf_printf(out, "%s\"%s\":\"", i == 0 ? "" : ",", to);
		ub_buf_b64url(out, set->list[i].b, sizeof(set->list[i].b));
		ub_buf_z(out, "\"");
	}
	ub_buf_z(out, "}}");
}

/* As the server will: what it would refuse is not sent. */
static ub_err judge(const struct ub_draft_input *in, const struct ub_draft *d)
{
	UB_CLEANUP(ub_entry_deinit) struct ub_entry e = {0};
	UB_CLEANUP(ub_room_deinit) struct ub_room room = {0};
	ub_err err = ub_entry_open(ub_buf_text(&d->text), &e);

	if (err == UB_OK)
		err = ub_room_clone(in->now, &room);
	return err == UB_OK ? ub_room_apply(&room, &e, &ctx) : err;
}

static ub_err finish(const struct ub_draft_input *in, const struct ub_entry *e,
	const struct sealed_set *set, struct ub_draft *d)
{
	ub_err err;

	ub_entry_sign(&in->c->o->id->keys->sign, e, &d->text);
	err = ub_buf_err(&d->text);
	if (err == UB_OK)
		err = judge(in, d);
	if (err != UB_OK)
		return err;
	put_body(d, set, &d->body);
	return ub_buf_err(&d->body);
}

ub_err ub_draft_make(const struct ub_draft_input *in, struct ub_entry *e, struct ub_draft *ret)
{
	UB_CLEANUP(ub_draft_deinit)
	struct ub_draft d = {.text = UB_BUF(UB_ENTRY_MAX), .body = UB_BUF(UB_ENTRY_BODY_MAX)};
	UB_CLEANUP(ub_room_deinit) struct ub_room after = {0};
	UB_CLEANUP(sealed_deinit) struct sealed_set set = {0};
	/* A mere rotation has no operation before its epoch, and apply wants at least one. */
	ub_err err = e->n_ops == 0 ? ub_room_clone(in->now, &after)
				   : ub_room_preview(in->now, e, &ctx, &after);

	if (err == UB_OK)
		err = needs_epoch(in, e, &after) ? bring_epoch(in, &after, e, &d, &set)
						 : seal_added(in, &after, e, &set);
	if (err == UB_OK)
		err = finish(in, e, &set, &d);
	if (err != UB_OK)
		return err;
	d.room = after.id;
	d.seq = e->seq;
	*ret = d;
	d = (struct ub_draft){0};
	return UB_OK;
}
