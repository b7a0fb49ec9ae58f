#include "tests/harness/world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/b64url.h"
#include "core/key.h"
#include "core/num.h"

#define BODY_MAX (1024 * 1024)
#define LOOK_MAX (8 * 1024 * 1024)

static const char *const names[WORLD_PEERS] = {
	"root", "alice", "bob", "carl", "dave", "erin", "mallory", "olga", "nina"};

static void create(struct world *w, enum world_room which, enum world_who by, const char *subject,
	struct ub_policy policy)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(BODY_MAX);

	shadow_create(&w->rooms[which], &w->who[by], subject, policy, &body);
	ask_expect(ASK(&w->s, &w->who[by].sk, "POST", "/rooms", ub_buf_cstr(&body)), 201, "");
}

static void join(struct world *w, enum world_room which, enum world_who who)
{
	char target[96];

	(void)snprintf(target, sizeof(target), "/rooms/%s/join", w->rooms[which].idz);
	ask_expect(ASK(&w->s, &w->who[who].sk, "POST", target, NULL), 200, "");
}

static void add(struct world *w, enum world_room which, enum world_who by, enum world_who who,
	enum ub_role role)
{
	struct shadow *s = &w->rooms[which];
	struct ub_op ops[2] = {shadow_add(&w->who[who], role), {.type = UB_OP_EPOCH}};
	bool epoch = s->room.policy.encrypt && s->room.policy.since_join;

	shadow_do(s, &w->s, "invite",
		&(struct shadow_change){.by = &w->who[by], .ops = ops, .n = epoch ? 2 : 1});
}

static void revoke(struct world *w, enum world_who who)
{
	char target[96];

	(void)snprintf(target, sizeof(target), "/users/%s/revoke", w->who[who].hex);
	ask_expect(ASK(&w->s, &w->who[ROOT].sk, "POST", target, NULL), 200, "");
}

static void populate(struct world *w)
{
	for (int i = ALICE; i < NINA; i++) {
		actor_register(&w->s, &w->who[ROOT], &w->who[i]);
		actor_publish(&w->s, &w->who[i]);
	}
	create(w, TEAM, ALICE, "room.team", (struct ub_policy){.encrypt = true, .sign = true});
	create(w, HALL, ALICE, "room.hall", (struct ub_policy){0});
	create(w, WARD, OLGA, "room.ward", (struct ub_policy){.encrypt = true, .since_join = true});
	add(w, TEAM, ALICE, BOB, UB_ROLE_MEMBER);
	add(w, TEAM, ALICE, CARL, UB_ROLE_MEMBER);
	add(w, TEAM, ALICE, DAVE, UB_ROLE_MEMBER);
	add(w, TEAM, ALICE, MALLORY, UB_ROLE_MEMBER);
	add(w, HALL, ALICE, BOB, UB_ROLE_MEMBER);
	add(w, WARD, OLGA, ALICE, UB_ROLE_ADMIN);
	add(w, WARD, OLGA, BOB, UB_ROLE_MEMBER);
	add(w, WARD, OLGA, CARL, UB_ROLE_MEMBER);
	join(w, TEAM, BOB);
	join(w, TEAM, CARL);
	join(w, TEAM, MALLORY);
	join(w, HALL, BOB);
	join(w, WARD, ALICE);
	join(w, WARD, BOB);
	revoke(w, MALLORY);
	revoke(w, OLGA);
}

void world_start(struct world *w, const struct stack_options *o)
{
	*w = (struct world){0};
	assert_int_equal(0, stack_start(&w->s, o));
	actor_of(&w->who[ROOT], names[ROOT], &w->s.admin);
	for (int i = ALICE; i < WORLD_PEERS; i++)
		actor_new(&w->who[i], names[i]);
	populate(w);
}

void world_stop(struct world *w)
{
	for (int i = 0; i < WORLD_ROOMS; i++)
		shadow_deinit(&w->rooms[i]);
	stack_stop(&w->s);
}

static void look_at(struct world *w, enum world_who by, const char *target, struct ub_buf *ret)
{
	struct answer a;
	char *text;

	ask(ASK(&w->s, &w->who[by].sk, "GET", target, NULL), &a);
	assert_true(a.status > 0);
	ub_buf_printf(ret, "%s %s: %d", names[by], target, a.status);
	text = a.status == 200 ? json_dumps(a.json, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
	ub_buf_printf(ret, " %s\n", text ? text : a.code);
	free(text);
	answer_deinit(&a);
}

static void look_at_room(struct world *w, enum world_who by, const char *idz, struct ub_buf *ret)
{
	static const char *const parts[] = {"", "/key", "/members", "/log"};
	char target[128];

	for (size_t i = 0; i < UB_ARRAY_LEN(parts); i++) {
		/* What all see alike is looked at once. */
		if (i >= 2 && by != ALICE)
			continue;
		(void)snprintf(target, sizeof(target), "/rooms/%s%s", idz, parts[i]);
		look_at(w, by, target, ret);
	}
}

void world_blob_target(char to[96])
{
	uint8_t h[32];

	ub_sha256(WORLD_BLOB, strlen(WORLD_BLOB), h);
	(void)snprintf(to, 96, "/blobs/");
	ub_hex_encode(h, sizeof(h), to + strlen(to));
}

void world_look(struct world *w, struct ub_buf *ret)
{
	char target[96];

	*ret = UB_BUF(LOOK_MAX);
	look_at(w, ROOT, "/users", ret);
	for (enum world_who i = ROOT; i < WORLD_PEERS; i++) {
		(void)snprintf(target, sizeof(target), "/members/%s/rooms", w->who[i].idz);
		look_at(w, i, target, ret);
		(void)snprintf(target, sizeof(target), "/peers/%s", w->who[i].idz);
		look_at(w, ROOT, target, ret);
		world_blob_target(target);
		look_at(w, i, target, ret);
		for (int k = 0; k < WORLD_ROOMS; k++)
			look_at_room(w, i, w->rooms[k].idz, ret);
	}
	assert_int_equal(UB_OK, ub_buf_err(ret));
}

/* Is the peer an active user, in the server's own words? */
static bool active(struct world *w, enum world_who who)
{
	struct answer a;
	bool ok;

	ask(ASK(&w->s, &w->who[who].sk, "GET", "/server", NULL), &a);
	ok = a.status == 200;
	assert_true(ok || a.status == 401);
	answer_deinit(&a);
	return ok;
}

static void assert_key(struct world *w, const struct actor *a, const struct shadow *want)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_symkey k;
	char target[96];

	(void)snprintf(target, sizeof(target), "/rooms/%s/key", want->idz);
	v = ask_want(ASK(&w->s, &a->sk, "GET", target, NULL), 200, "");
	assert_int_equal(want->room.epoch, json_integer_value(json_object_get(v, "epoch")));
	assert_int_equal(UB_OK,
		shadow_open_key(want, a, json_string_value(json_object_get(v, "sealed")), &k));
	assert_memory_equal(want->keys[want->room.epoch].b, k.b, sizeof(k.b));
}

static void assert_sees(struct world *w, const struct actor *a, const struct shadow *want)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	char target[96], head[UB_B64URL_LEN(32) + 1];

	(void)snprintf(target, sizeof(target), "/rooms/%s", want->idz);
	v = ask_want(ASK(&w->s, &a->sk, "GET", target, NULL), 200, "");
	ub_b64url_encode(want->room.head.b, sizeof(want->room.head.b), head);
	assert_int_equal(want->room.seq, json_integer_value(json_object_get(v, "seq")));
	assert_string_equal(head, json_string_value(json_object_get(v, "head")));
	assert_int_equal(want->room.epoch, json_integer_value(json_object_get(v, "epoch")));
	assert_int_equal(want->room.n_members, json_integer_value(json_object_get(v, "members")));
	assert_string_equal(ub_role_name(ub_room_role(&want->room, &a->id)),
		json_string_value(json_object_get(v, "role")));
	assert_int_equal(want->room.closed, json_is_true(json_object_get(v, "closed")));
	if (want->room.epoch)
		assert_key(w, a, want);
}

void world_assert_room(struct world *w, const struct shadow *want)
{
	char target[96];

	(void)snprintf(target, sizeof(target), "/rooms/%s", want->idz);
	for (enum world_who i = ROOT; i < WORLD_PEERS; i++) {
		const struct actor *a = &w->who[i];

		if (i == MALLORY || i == OLGA || !active(w, i))
			continue;
		if (ub_room_member(&want->room, &a->id))
			assert_sees(w, a, want);
		else
			ask_expect(ASK(&w->s, &a->sk, "GET", target, NULL), 403, "denied");
	}
}

bool world_joined(struct world *w, enum world_who who, const struct shadow *room)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	char target[96];

	(void)snprintf(target, sizeof(target), "/rooms/%s", room->idz);
	v = ask_want(ASK(&w->s, &w->who[who].sk, "GET", target, NULL), 200, "");
	return json_is_true(json_object_get(v, "joined"));
}
