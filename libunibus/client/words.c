#include "client/words.h"

#include "client/names.h"
#include "core/endpoint.h"

#define PEER_WORDS (UB_HANDLE_MAX + 1)

void ub_peer_words(unibus_client *c, const struct ub_endpoint *id, char *to, size_t len)
{
	char handle[UB_HANDLE_MAX + 1], text[UB_ID_TEXT + 1];

	ub_names_get(c, id, handle);
	ub_endpoint_encode(id, text);
	if (handle[0])
		snprintf(to, len, "%s", handle);
	else
		snprintf(to, len, "%.8s...", text);
}

static void policy_words(const struct ub_policy *p, struct ub_buf *out)
{
	ub_buf_z(out, p->encrypt ? "encrypted" : "not encrypted");
	if (p->sign)
		ub_buf_z(out, ", signed");
	if (p->persist)
		ub_buf_z(out, ", kept");
}

static void op_words(unibus_client *c, const struct ub_op *op, struct ub_buf *out)
{
	char who[PEER_WORDS];
	struct ub_endpoint id = op->endpoint;

	if (op->type == UB_OP_ADD)
		ub_endpoint_of(&op->keyrec.sign, &id);
	ub_peer_words(c, &id, who, sizeof(who));
	switch (op->type) {
	case UB_OP_GENESIS:
		ub_buf_printf(out, "created %s (", op->subject);
		policy_words(&op->policy, out);
		ub_buf_z(out, ")");
		break;
	case UB_OP_ADD:
		ub_buf_printf(out, "added %s as %s", who, ub_role_name(op->role));
		break;
	case UB_OP_REMOVE:
		ub_buf_printf(out, "removed %s", who);
		break;
	case UB_OP_LEAVE:
		ub_buf_z(out, "left");
		break;
	case UB_OP_ROLE:
		ub_buf_printf(out, "made %s %s", who, ub_role_name(op->role));
		break;
	case UB_OP_KEY:
		ub_buf_z(out, "renewed the own key record");
		break;
	case UB_OP_POLICY:
		ub_buf_z(out, "made the room ");
		policy_words(&op->policy, out);
		break;
	case UB_OP_EPOCH:
		ub_buf_printf(out, "changed the room's key (epoch %u)", op->epoch.n);
		break;
	case UB_OP_TAKEOVER:
		ub_buf_z(out, "took the room over from a revoked owner");
		break;
	case UB_OP_CLOSE:
		ub_buf_z(out, "closed the room");
		break;
	}
}

void ub_entry_words(unibus_client *c, const struct ub_entry *e, char *to, size_t len)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(16384);
	struct ub_endpoint actor;
	char who[PEER_WORDS];
	const char *z;

	ub_endpoint_of(&e->actor, &actor);
	ub_peer_words(c, &actor, who, sizeof(who));
	ub_buf_z(&out, who);
	for (size_t i = 0; i < e->n_ops; i++) {
		/* Of a genesis entry the rest goes without saying. */
		if (i > 0 && e->ops[0].type == UB_OP_GENESIS)
			break;
		ub_buf_z(&out, i == 0 ? " " : ", ");
		op_words(c, &e->ops[i], &out);
	}
	z = ub_buf_cstr(&out);
	snprintf(to, len, "%s", z ? z : "(an entry too long for words)");
}
