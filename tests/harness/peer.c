#include "tests/harness/peer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/endpoint.h"
#include "core/key.h"

#define YEAR_MS (366ULL * 24 * 3600 * 1000)

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void peer_make(struct peer *p)
{
	stack_key(&p->sign);
	ub_signkey_pub(&p->sign, &p->pub);
	randombytes_buf(p->kex.b, sizeof(p->kex.b));
	ub_kexsec_pub(&p->kex, &p->kex_pub);
	ub_endpoint_of(&p->pub, &p->id);
}

int peer_enrol(struct peer *p, const struct stack *s, const char *handle)
{
	peer_make(p);
	return call_user_add(s, &p->sign, handle);
}

static char *keyrec_text(const struct peer *p, struct ub_keyrec *ret)
{
	struct ub_buf b = UB_BUF(UB_KEYREC_MAX);

	*ret = (struct ub_keyrec){.sign = p->pub,
		.kex = p->kex_pub,
		.seq = 1,
		.created_ms = now_ms(),
		.expires_ms = now_ms() + YEAR_MS};
	ub_keyrec_sign(&p->sign, ret, &b);
	return ub_buf_take(&b);
}

/* Signs the entry, posts it, and applies it to the room when it was taken. */
static int post(const struct peer *p, const struct stack *s, struct ub_room *room,
	const char *target, struct ub_entry *e, struct ub_buf *out)
{
	struct ub_buf text = UB_BUF(UB_ENTRY_MAX), body = UB_BUF(UB_ENTRY_BODY_MAX);
	struct ub_entry opened;
	int status;

	e->actor = p->pub;
	e->ts_ms = now_ms();
	ub_entry_sign(&p->sign, e, &text);
	ub_buf_z(&body, "{\"entry\":\"");
	ub_buf_str(&body, ub_buf_text(&text));
	ub_buf_z(&body, "\",\"sealed\":{}}");
	status = call_rest(&(struct call){.stack = s,
				   .key = &p->sign,
				   .method = "POST",
				   .target = target,
				   .body = ub_buf_cstr(&body)},
		out);
	if (status / 100 == 2 && !ub_entry_open(ub_buf_text(&text), &opened)) {
		if (ub_room_apply(room, &opened, &(struct ub_apply){.owner_revoked = true}))
			status = -1;
		ub_entry_deinit(&opened);
	}
	ub_buf_deinit(&text);
	ub_buf_deinit(&body);
	return status;
}

int peer_room_create(const struct peer *p, const struct stack *s, const char *subject, bool sign,
	struct ub_room *room)
{
	return peer_room_make(p, s, subject, &(struct ub_policy){.sign = sign}, room);
}

int peer_room_make(const struct peer *p, const struct stack *s, const char *subject,
	const struct ub_policy *policy, struct ub_room *room)
{
	struct ub_op ops[2] = {
		{.type = UB_OP_GENESIS, .policy = *policy},
		{.type = UB_OP_ADD, .role = UB_ROLE_OWNER},
	};
	struct ub_entry e = {.ops = ops, .n_ops = 2};
	struct ub_buf out = UB_BUF(64 * 1024);
	int status;

	(void)snprintf(ops[0].subject, sizeof(ops[0].subject), "%s", subject);
	randombytes_buf(ops[0].nonce, sizeof(ops[0].nonce));
	ops[1].keyrec_text = keyrec_text(p, &ops[1].keyrec);
	status = post(p, s, room, "/rooms", &e, &out);
	if (status != 201)
		(void)fprintf(stderr, "harness: POST /rooms: %d %s\n", status, ub_buf_cstr(&out));
	free(ops[1].keyrec_text);
	ub_buf_deinit(&out);
	return status;
}

int peer_room_op(const struct peer *p, const struct stack *s, struct ub_room *room,
	const char *route, const struct ub_op *op, struct ub_buf *out)
{
	struct ub_op copy = *op;
	struct ub_entry e = {.has_room = true,
		.room = room->id,
		.seq = room->seq + 1,
		.prev = room->head,
		.ops = &copy,
		.n_ops = 1};
	char id[UB_ID_TEXT + 1], target[128];

	ub_room_id_encode(&room->id, id);
	(void)snprintf(target, sizeof(target), "/rooms/%s/%s", id, route);
	return post(p, s, room, target, &e, out);
}

int peer_room_invite(const struct peer *p, const struct stack *s, struct ub_room *room,
	const struct peer *who, enum ub_role role)
{
	struct ub_op op = {.type = UB_OP_ADD, .role = role};
	int status;

	op.keyrec_text = keyrec_text(who, &op.keyrec);
	status = peer_room_op(p, s, room, "invite", &op, NULL);
	free(op.keyrec_text);
	return status;
}

int peer_room_remove(const struct peer *p, const struct stack *s, struct ub_room *room,
	const struct peer *who, struct ub_buf *out)
{
	return peer_room_op(p, s, room, "remove",
		&(struct ub_op){.type = UB_OP_REMOVE, .endpoint = who->id}, out);
}

int peer_room_join(const struct peer *p, const struct stack *s, const struct ub_room *room)
{
	char id[UB_ID_TEXT + 1], target[128];

	ub_room_id_encode(&room->id, id);
	(void)snprintf(target, sizeof(target), "/rooms/%s/join", id);
	return call_rest(
		&(struct call){.stack = s, .key = &p->sign, .method = "POST", .target = target},
		NULL);
}
