#include "core/endpoint.h"
#include "membershipd/domain/room_impl.h"

const struct ub_epoch_op *md_room_epoch_of(const struct ub_entry *e)
{
	for (size_t i = 0; i < e->n_ops; i++) {
		if (e->ops[i].type == UB_OP_EPOCH)
			return &e->ops[i].epoch;
	}
	return NULL;
}

static int by_endpoint(const void *a, const void *b)
{
	const struct ub_sealed *x = a, *y = b;

	return ub_endpoint_cmp(&x->to, &y->to);
}

static bool has_key_for(const struct md_room_change *c, const struct ub_pubkey *sign)
{
	struct ub_sealed want;

	ub_endpoint_of(sign, &want.to);
	return bsearch(&want, c->sealed, c->n_sealed, sizeof want, by_endpoint);
}

/* Added are distinct peers: as many keys as adds, and one for each, is one each. */
static ub_err check_added_keys(const struct ub_entry *e, struct md_room_change *c)
{
	size_t n_adds = 0;

	for (size_t i = 0; i < e->n_ops; i++)
		n_adds += e->ops[i].type == UB_OP_ADD;
	if (c->n_sealed != n_adds)
		return UNIBUS_ERR_BAD_ROSTER;
	if (n_adds)
		qsort(c->sealed, c->n_sealed, sizeof *c->sealed, by_endpoint);
	for (size_t i = 0; i < e->n_ops; i++) {
		if (e->ops[i].type == UB_OP_ADD && !has_key_for(c, &e->ops[i].keyrec.sign))
			return UNIBUS_ERR_BAD_ROSTER;
	}
	return UB_OK;
}

ub_err md_room_set_check(
	const struct ub_room *after, const struct ub_entry *e, struct md_room_change *c)
{
	const struct ub_epoch_op *epoch = md_room_epoch_of(e);

	if (epoch)
		return ub_room_sealed_check(after, epoch, c->sealed, c->n_sealed);
	if (after->policy.encrypt)
		return check_added_keys(e, c);
	return c->n_sealed ? UNIBUS_ERR_BAD_ROSTER : UB_OK;
}

ub_err md_room_charge(struct md_service *s, const struct ub_endpoint *who, const struct ub_entry *e)
{
	const struct ub_bytes name = {who->b, sizeof who->b};
	const double most = s->limits.changes_per_minute;
	double cost = 0;
	uint64_t wait;

	for (size_t i = 0; i < e->n_ops; i++) {
		enum ub_op_type t = e->ops[i].type;

		cost += t == UB_OP_ADD || t == UB_OP_REMOVE || t == UB_OP_TAKEOVER;
	}
	if (cost <= 0)
		return UB_OK;
	return md_ratelimit_take(
		s->changes, name, cost < most ? cost : most, s->env.boot_ms(s->env.arg), &wait);
}
