#include "tests/harness/shadow.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/b64url.h"
#include "core/key.h"
#include "tests/harness/sock.h"

#define BODY_MAX (1024 * 1024)

static const struct ub_apply lenient = {.owner_revoked = true};

void shadow_deinit(struct shadow *s)
{
	ub_room_deinit(&s->room);
	*s = (struct shadow){0};
}

void shadow_copy(const struct shadow *from, struct shadow *ret)
{
	struct shadow s = *from;

	assert_int_equal(UB_OK, ub_room_clone(&from->room, &s.room));
	*ret = s;
}

struct ub_op shadow_add(const struct actor *a, enum ub_role role)
{
	return (struct ub_op){.type = UB_OP_ADD,
		.keyrec = a->rec,
		/* Entries only read it here; nothing of ours frees an op. */
		.keyrec_text = (char *)(uintptr_t)a->rec_text,
		.role = role};
}

struct ub_op shadow_key(const struct actor *a)
{
	struct ub_op op = shadow_add(a, UB_ROLE_NONE);

	op.type = UB_OP_KEY;
	return op;
}

struct ub_op shadow_remove(const struct actor *a)
{
	return (struct ub_op){.type = UB_OP_REMOVE, .endpoint = a->id};
}

struct ub_op shadow_role(const struct actor *a, enum ub_role role)
{
	return (struct ub_op){.type = UB_OP_ROLE, .endpoint = a->id, .role = role};
}

struct ub_op shadow_policy(bool encrypt, bool sign)
{
	return (struct ub_op){.type = UB_OP_POLICY, .policy = {.encrypt = encrypt, .sign = sign}};
}

struct ub_op shadow_bare(enum ub_op_type type)
{
	return (struct ub_op){.type = type};
}

static struct ub_entry next_entry(const struct ub_room *room, const struct shadow_change *c)
{
	struct ub_entry e = {.actor = c->by->sign,
		.ts_ms = c->ts_ms ? c->ts_ms : sock_wall_ms(),
		.ops = c->ops,
		.n_ops = c->n,
		.has_room = room->started};

	if (room->started) {
		e.room = room->id;
		e.prev = room->head;
		e.seq = room->seq + 1;
	}
	return e;
}

/* Who gets a key beside the entry: with an epoch everybody in `after`, else who is new in it. */
static size_t seal(const struct ub_room *before, const struct ub_room *after, bool epoch,
	const struct ub_symkey *k, struct ub_sealed *to)
{
	size_t n = 0;

	for (size_t i = 0; i < after->n_members; i++) {
		const struct ub_member *m = &after->members[i];

		if (!epoch && ub_room_member(before, &m->id))
			continue;
		to[n].to = m->id;
		assert_int_equal(UB_OK, ub_epoch_seal(k, &after->id, after->epoch + (epoch ? 1 : 0),
						&m->kex, &to[n]));
		n++;
	}
	return n;
}

/* The epoch op, from the room as it is after the ops before it. */
static void fill_epoch(const struct shadow *s, const struct ub_room *after, struct ub_sealed *list,
	size_t n, struct shadow *ret, struct ub_epoch_op *op)
{
	const struct ub_symkey *k = &ret->keys[after->epoch + 1];
	uint8_t nonce[24];

	op->n = after->epoch + 1;
	ub_room_roster_hash(after, &op->roster);
	ub_epoch_commit(k, &after->id, op->n, &op->commit);
	ub_sealed_root(list, n, &op->sealed);
	op->has_backlink = !after->policy.since_join && op->n > 1;
	randombytes_buf(nonce, sizeof(nonce));
	if (op->has_backlink)
		ub_backlink_make(k, &s->keys[after->epoch], &after->id, op->n, nonce, op->backlink);
}

static void put_body(const struct actor *by, const struct ub_entry *e, const struct ub_sealed *list,
	size_t n, struct ub_buf *text, struct ub_buf *body)
{
	ub_entry_sign(&by->sk, e, text);
	ub_buf_printf(body, "{\"entry\":\"%s\"", ub_buf_cstr(text));
	for (size_t i = 0; i < n; i++) {
		char idz[UB_ID_TEXT + 1];

		ub_endpoint_encode(&list[i].to, idz);
		ub_buf_printf(body, "%s\"%s\":\"", i ? "," : ",\"sealed\":{", idz);
		ub_buf_b64url(body, list[i].b, sizeof(list[i].b));
		ub_buf_z(body, "\"");
	}
	ub_buf_z(body, n ? "}}" : "}");
	assert_int_equal(UB_OK, ub_buf_err(body));
}

void shadow_follow(struct shadow *s, const char *entry)
{
	struct ub_entry e = {0};

	assert_int_equal(UB_OK, ub_entry_open(ub_str(entry), &e));
	assert_int_equal(UB_OK, ub_room_apply(&s->room, &e, &lenient));
	ub_entry_deinit(&e);
	ub_room_id_encode(&s->room.id, s->idz);
}

void shadow_change(const struct shadow *s, const struct shadow_change *c, struct ub_buf *body,
	struct shadow *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_ENTRY_MAX + 1);
	struct ub_entry e = next_entry(&s->room, c);
	struct ub_op *last = &c->ops[c->n - 1];
	bool epoch = last->type == UB_OP_EPOCH;
	struct ub_room after = {0};
	struct ub_sealed list[32];
	size_t n = 0;

	shadow_copy(s, ret);
	e.n_ops -= epoch ? 1 : 0;
	if (c->wrong && ub_room_preview(&s->room, &e, &lenient, &after) != UB_OK)
		assert_int_equal(UB_OK, ub_room_clone(&s->room, &after));
	else if (!c->wrong && e.n_ops)
		assert_int_equal(UB_OK, ub_room_preview(&s->room, &e, &lenient, &after));
	else if (!c->wrong)
		assert_int_equal(UB_OK, ub_room_clone(&s->room, &after));
	assert_true(after.n_members <= UB_ARRAY_LEN(list) && after.epoch + 1 < SHADOW_EPOCHS);
	if (epoch)
		randombytes_buf(ret->keys[after.epoch + 1].b, sizeof(ret->keys[0].b));
	if (epoch || after.epoch)
		n = seal(&s->room, &after, epoch, &ret->keys[after.epoch + (epoch ? 1 : 0)], list);
	if (epoch)
		fill_epoch(s, &after, list, n, ret, &last->epoch);
	if (epoch && c->epoch)
		last->epoch = *c->epoch;
	e.n_ops = c->n;
	put_body(c->by, &e, list, n, &text, body);
	if (!c->wrong)
		shadow_follow(ret, ub_buf_cstr(&text));
	ub_room_deinit(&after);
}

void shadow_create(struct shadow *s, const struct actor *by, const char *subject,
	struct ub_policy policy, struct ub_buf *body)
{
	struct ub_op ops[3] = {{.type = UB_OP_GENESIS, .policy = policy},
		shadow_add(by, UB_ROLE_OWNER), {.type = UB_OP_EPOCH}};
	struct shadow_change c = {.by = by, .ops = ops, .n = policy.encrypt ? 3 : 2};
	struct shadow made;

	(void)snprintf(ops[0].subject, sizeof(ops[0].subject), "%s", subject);
	randombytes_buf(ops[0].nonce, sizeof(ops[0].nonce));
	shadow_change(s, &c, body, &made);
	*s = made;
}

void shadow_do(
	struct shadow *s, const struct stack *st, const char *verb, const struct shadow_change *c)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(BODY_MAX);
	struct shadow after;
	char target[96];

	shadow_change(s, c, &body, &after);
	(void)snprintf(target, sizeof(target), "/rooms/%s/%s", s->idz, verb);
	ask_expect(ASK(st, &c->by->sk, "POST", target, ub_buf_cstr(&body)), 200, "");
	shadow_deinit(s);
	*s = after;
}

ub_err shadow_open_key(
	const struct shadow *s, const struct actor *by, const char *sealed, struct ub_symkey *ret)
{
	const struct ub_epoch_opener o = {.kex = by->kex,
		.sec = &by->ks,
		.self = by->id,
		.room = s->room.id,
		.n = s->room.epoch,
		.commit = s->room.commit};
	uint8_t b[UB_SEALED_LEN];

	assert_int_equal(UB_OK, ub_b64url_decode(ub_str(sealed), b, sizeof(b)));
	return ub_epoch_open(&o, b, ret);
}

static void fetch_key(const struct stack *st, const struct actor *by, struct shadow *s)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	char target[96];

	if (!s->room.epoch)
		return;
	(void)snprintf(target, sizeof(target), "/rooms/%s/key", s->idz);
	v = ask_want(ASK(st, &by->sk, "GET", target, NULL), 200, "");
	assert_true(s->room.epoch < SHADOW_EPOCHS);
	assert_int_equal(
		UB_OK, shadow_open_key(s, by, json_string_value(json_object_get(v, "sealed")),
			       &s->keys[s->room.epoch]));
}

void shadow_fetch(
	const struct stack *st, const struct actor *by, const char *room_id, struct shadow *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct shadow s = {0};
	char target[96];
	json_t *item;
	size_t i;

	(void)snprintf(target, sizeof(target), "/rooms/%s/log", room_id);
	v = ask_want(ASK(st, &by->sk, "GET", target, NULL), 200, "");
	assert_true(json_is_null(json_object_get(v, "next")));
	json_array_foreach (json_object_get(v, "entries"), i, item)
		shadow_follow(&s, json_string_value(json_object_get(item, "entry")));
	fetch_key(st, by, &s);
	*ret = s;
}
