#include "core/roomhist.h"
#include "core/endpoint.h"

/* Every operation names at most one peer; the actor and the former owner come on top. */
#define TOUCHED_MAX (UB_ENTRY_OPS_MAX + 2)

/* The first row of `e` above entry `seq`, or where it would be. */
static size_t row_after(const struct ub_roomhist *h, const struct ub_endpoint *e, uint64_t seq)
{
	size_t lo = 0, hi = h->n_roles;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = ub_endpoint_cmp(&h->roles[mid].id, e);

		if (c < 0 || (c == 0 && h->roles[mid].from_seq <= seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static enum ub_role role_at(const struct ub_roomhist *h, uint64_t seq, const struct ub_endpoint *e)
{
	size_t i = row_after(h, e, seq);

	if (i == 0 || !ub_endpoint_eq(&h->roles[i - 1].id, e))
		return UB_ROLE_NONE;
	return h->roles[i - 1].role;
}

static void note_role(
	struct ub_roomhist *h, const struct ub_room *room, const struct ub_endpoint *e)
{
	struct ub_hist_role row = {.id = *e, .from_seq = room->seq, .role = ub_room_role(room, e)};
	size_t i = row_after(h, e, room->seq);

	if (role_at(h, room->seq, e) == row.role)
		return;
	memmove(h->roles + i + 1, h->roles + i, (h->n_roles - i) * sizeof(*h->roles));
	h->roles[i] = row;
	h->n_roles++;
}

static const struct ub_hist_role *last_owner(const struct ub_roomhist *h)
{
	for (size_t i = 0; i < h->n_roles; i++) {
		bool newest = i + 1 == h->n_roles ||
			      !ub_endpoint_eq(&h->roles[i].id, &h->roles[i + 1].id);

		if (newest && h->roles[i].role == UB_ROLE_OWNER)
			return &h->roles[i];
	}
	return NULL;
}

/* Whose role may have changed with the entry. */
static size_t touched_by(
	const struct ub_roomhist *h, const struct ub_entry *e, struct ub_endpoint to[TOUCHED_MAX])
{
	const struct ub_hist_role *owner = NULL;
	size_t n = 0;

	ub_endpoint_of(&e->actor, &to[n++]);
	for (size_t i = 0; i < e->n_ops; i++) {
		const struct ub_op *op = &e->ops[i];

		if (op->type == UB_OP_ADD)
			ub_endpoint_of(&op->keyrec.sign, &to[n++]);
		else if (op->type == UB_OP_REMOVE || op->type == UB_OP_ROLE)
			to[n++] = op->endpoint;
		else if (op->type == UB_OP_TAKEOVER && !owner)
			owner = last_owner(h);
	}
	if (owner)
		to[n++] = owner->id;
	return n;
}

static ub_err reserve(void **p, size_t *cap, size_t need, size_t size)
{
	size_t to = *cap ? *cap : 16;
	void *q;

	if (need <= *cap)
		return UB_OK;
	while (to < need)
		to *= 2;
	q = reallocarray(*p, to, size);
	if (!q)
		return UNIBUS_ERR_NOMEM;
	*p = q;
	*cap = to;
	return UB_OK;
}

ub_err ub_roomhist_push(struct ub_roomhist *h, const struct ub_room *room, const struct ub_entry *e,
	uint64_t seen_ms)
{
	struct ub_hist_state st = {.head = room->head,
		.epoch = room->epoch,
		.epoch_seq = room->epoch_seq,
		.commit = room->commit,
		.policy = room->policy,
		.seen_ms = seen_ms};
	struct ub_endpoint touched[TOUCHED_MAX];
	void *states = h->states, *roles = h->roles;
	size_t n;
	ub_err err;

	ub_assert(e->seq == h->n_states && room->seq == e->seq && e->n_ops <= UB_ENTRY_OPS_MAX);
	err = reserve(&states, &h->cap_states, h->n_states + 1, sizeof(*h->states));
	h->states = states;
	if (err)
		return err;
	n = touched_by(h, e, touched);
	err = reserve(&roles, &h->cap_roles, h->n_roles + n, sizeof(*h->roles));
	h->roles = roles;
	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		note_role(h, room, &touched[i]);
	for (size_t i = 0; i < e->n_ops; i++) {
		if (e->ops[i].type != UB_OP_EPOCH || !e->ops[i].epoch.has_backlink)
			continue;
		st.has_backlink = true;
		memcpy(st.backlink, e->ops[i].epoch.backlink, sizeof(st.backlink));
	}
	h->states[h->n_states++] = st;
	return UB_OK;
}

const struct ub_hist_state *ub_roomhist_at(const struct ub_roomhist *h, uint64_t seq)
{
	return seq < h->n_states ? &h->states[seq] : NULL;
}

enum ub_role ub_roomhist_role(
	const struct ub_roomhist *h, uint64_t seq, const struct ub_endpoint *e)
{
	return seq < h->n_states ? role_at(h, seq, e) : UB_ROLE_NONE;
}

const struct ub_hist_state *ub_roomhist_epoch(const struct ub_roomhist *h, uint32_t n)
{
	size_t lo = 0, hi = h->n_states;

	if (n == 0)
		return NULL; /* no key, no commitment */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (h->states[mid].epoch < n)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < h->n_states && h->states[lo].epoch == n ? &h->states[lo] : NULL;
}

void ub_roomhist_deinit(struct ub_roomhist *h)
{
	free(h->states);
	free(h->roles);
	*h = (struct ub_roomhist){0};
}
