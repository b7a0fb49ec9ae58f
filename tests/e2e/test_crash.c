/* The real membershipd dies at every store call of every change, before the call and after it; the
 * next start finds the old state or the new one, whole, and the same request succeeds. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/harness/rawbus.h"
#include "tests/harness/sock.h"
#include "tests/harness/store_crash.h"
#include "tests/harness/world.h"

#define BODY_MAX (1024 * 1024)
#define CALLS_MAX 40 /* more store calls than any change makes */

struct request {
	const struct actor *by;
	const char *method;
	char target[128];
	struct ub_buf body;  /* empty: none */
	struct shadow after; /* of a change of a room */
};

struct change {
	const char *name;
	void (*make)(struct world *w, struct request *q);
	/* Beside what `after` says; may be NULL. */
	void (*check)(struct world *w, const struct request *q);
	int status, again; /* of the first time and of the repetition; `again` 0: the same */
};

static void request_deinit(struct request *q)
{
	ub_buf_deinit(&q->body);
	shadow_deinit(&q->after);
}

/* ---- the changes ---- */

static void of_user(struct world *w, struct request *q, enum world_who who, const char *role)
{
	q->by = &w->who[ROOT];
	q->method = "POST";
	(void)snprintf(q->target, sizeof(q->target), "/users");
	ub_buf_printf(&q->body, "{\"sign_pub\":\"%s\",\"handle\":\"%s\",\"role\":\"%s\"}",
		w->who[who].hex, w->who[who].handle, role);
}

static void make_user_add(struct world *w, struct request *q)
{
	of_user(w, q, NINA, "member");
}

static void make_admin_add(struct world *w, struct request *q)
{
	of_user(w, q, NINA, "admin");
}

static void make_user_again(struct world *w, struct request *q)
{
	of_user(w, q, MALLORY, "member");
}

static void make_revoke(struct world *w, struct request *q)
{
	q->by = &w->who[ROOT];
	q->method = "POST";
	(void)snprintf(q->target, sizeof(q->target), "/users/%s/revoke", w->who[BOB].hex);
}

static void make_keyrec(struct world *w, struct request *q)
{
	struct actor newer = w->who[BOB];

	actor_renew(&newer, true);
	q->by = &w->who[BOB];
	q->method = "PUT";
	(void)snprintf(q->target, sizeof(q->target), "/peers/%s", newer.idz);
	ub_buf_printf(&q->body, "{\"keyrec\":\"%s\"}", newer.rec_text);
}

static void of_create(struct world *w, struct request *q, struct ub_policy policy)
{
	q->by = &w->who[ALICE];
	q->method = "POST";
	(void)snprintf(q->target, sizeof(q->target), "/rooms");
	shadow_create(&q->after, q->by, "room.new", policy, &q->body);
}

static void make_create(struct world *w, struct request *q)
{
	of_create(w, q, (struct ub_policy){.encrypt = true, .sign = true});
}

static void make_create_plain(struct world *w, struct request *q)
{
	of_create(w, q, (struct ub_policy){0});
}

static void of_room(struct world *w, struct request *q, enum world_room room, const char *verb,
	const struct shadow_change *c)
{
	q->by = c->by;
	q->method = "POST";
	(void)snprintf(q->target, sizeof(q->target), "/rooms/%s/%s", w->rooms[room].idz, verb);
	shadow_change(&w->rooms[room], c, &q->body, &q->after);
}

static void make_invite(struct world *w, struct request *q)
{
	of_room(w, q, TEAM, "invite",
		&(struct shadow_change){.by = &w->who[ALICE],
			SHADOW_OPS(shadow_add(&w->who[ERIN], UB_ROLE_MEMBER))});
}

static void make_invite_epoch(struct world *w, struct request *q)
{
	of_room(w, q, WARD, "invite",
		&(struct shadow_change){.by = &w->who[ALICE],
			SHADOW_OPS(shadow_add(&w->who[ERIN], UB_ROLE_MEMBER),
				shadow_bare(UB_OP_EPOCH))});
}

static void make_join(struct world *w, struct request *q)
{
	q->by = &w->who[DAVE];
	q->method = "POST";
	(void)snprintf(q->target, sizeof(q->target), "/rooms/%s/join", w->rooms[TEAM].idz);
	shadow_copy(&w->rooms[TEAM], &q->after);
}

static void make_remove(struct world *w, struct request *q)
{
	of_room(w, q, TEAM, "remove",
		&(struct shadow_change){.by = &w->who[ALICE],
			SHADOW_OPS(shadow_remove(&w->who[CARL]), shadow_bare(UB_OP_EPOCH))});
}

static void make_leave(struct world *w, struct request *q)
{
	of_room(w, q, TEAM, "leave",
		&(struct shadow_change){.by = &w->who[BOB], SHADOW_OPS(shadow_bare(UB_OP_LEAVE))});
}

static void make_role(struct world *w, struct request *q)
{
	of_room(w, q, TEAM, "role",
		&(struct shadow_change){.by = &w->who[ALICE],
			SHADOW_OPS(shadow_role(&w->who[BOB], UB_ROLE_READER))});
}

static void make_rekey(struct world *w, struct request *q)
{
	of_room(w, q, TEAM, "rekey",
		&(struct shadow_change){
			.by = &w->who[ALICE], SHADOW_OPS(shadow_bare(UB_OP_EPOCH))});
}

static void make_key(struct world *w, struct request *q)
{
	struct actor newer = w->who[BOB];

	/* The same key-exchange key: the world can still open what is sealed to him. */
	actor_renew(&newer, false);
	of_room(w, q, TEAM, "rekey",
		&(struct shadow_change){.by = &w->who[BOB], SHADOW_OPS(shadow_key(&newer))});
}

static void make_tighten(struct world *w, struct request *q)
{
	of_room(w, q, HALL, "policy",
		&(struct shadow_change){.by = &w->who[ALICE],
			SHADOW_OPS(shadow_policy(true, true), shadow_bare(UB_OP_EPOCH))});
}

static void make_close(struct world *w, struct request *q)
{
	of_room(w, q, TEAM, "close",
		&(struct shadow_change){
			.by = &w->who[ALICE], SHADOW_OPS(shadow_bare(UB_OP_CLOSE))});
}

static void make_upload(struct world *w, struct request *q)
{
	q->by = &w->who[BOB];
	q->method = "POST";
	(void)snprintf(q->target, sizeof(q->target), "/blobs?room=%s", w->rooms[TEAM].idz);
	ub_buf_z(&q->body, WORLD_BLOB);
}

static void check_upload(struct world *w, const struct request *q)
{
	char target[96];

	(void)q;
	world_blob_target(target);
	ask_expect(ASK(&w->s, &w->who[CARL].sk, "GET", target, NULL), 200, "");
	ask_expect(ASK(&w->s, &w->who[ERIN].sk, "GET", target, NULL), 404, "not_found");
}

static void make_takeover(struct world *w, struct request *q)
{
	of_room(w, q, WARD, "remove",
		&(struct shadow_change){.by = &w->who[ALICE],
			SHADOW_OPS(shadow_bare(UB_OP_TAKEOVER), shadow_bare(UB_OP_EPOCH))});
}

/* ---- what is true afterwards ---- */

/* The number of administrators that the store keeps is the true one: all but the last can go. */
static void check_admins(struct world *w, const struct request *q)
{
	UB_CLEANUP(json_decrefp)
	json_t *v = ask_want(ASK(&w->s, &w->who[ROOT].sk, "GET", "/users", NULL), 200, "");
	char target[128];
	json_t *u;
	size_t i;

	(void)q;
	json_array_foreach (json_object_get(v, "users"), i, u) {
		const char *hex = json_string_value(json_object_get(u, "sign_pub"));

		if (strcmp(json_string_value(json_object_get(u, "role")), "admin") != 0 ||
			strcmp(json_string_value(json_object_get(u, "status")), "active") != 0 ||
			strcmp(hex, w->who[ROOT].hex) == 0)
			continue;
		(void)snprintf(target, sizeof(target), "/users/%s/revoke", hex);
		ask_expect(ASK(&w->s, &w->who[ROOT].sk, "POST", target, NULL), 200, "");
	}
	(void)snprintf(target, sizeof(target), "/users/%s/revoke", w->who[ROOT].hex);
	ask_expect(ASK(&w->s, &w->who[ROOT].sk, "POST", target, NULL), 409, "last_admin");
}

static void check_user_add(struct world *w, const struct request *q)
{
	ask_expect(ASK(&w->s, &w->who[NINA].sk, "GET", "/server", NULL), 200, "");
	check_admins(w, q);
}

/* His membership of old counts no more. */
static void check_user_again(struct world *w, const struct request *q)
{
	char target[96];

	(void)snprintf(target, sizeof(target), "/rooms/%s", w->rooms[TEAM].idz);
	ask_expect(ASK(&w->s, &w->who[MALLORY].sk, "GET", target, NULL), 403, "denied");
	check_admins(w, q);
}

static void check_revoke(struct world *w, const struct request *q)
{
	char body[192];

	(void)q;
	ask_expect(ASK(&w->s, &w->who[BOB].sk, "GET", "/server", NULL), 401, "revoked");
	(void)snprintf(
		body, sizeof(body), "{\"sign_pub\":\"%s\",\"handle\":\"bob\"}", w->who[NINA].hex);
	ask_expect(ASK(&w->s, &w->who[ROOT].sk, "POST", "/users", body), 409, "handle_taken");
	world_assert_room(w, &w->rooms[TEAM]);
	check_admins(w, q);
}

static void check_join(struct world *w, const struct request *q)
{
	assert_true(world_joined(w, DAVE, &q->after));
}

static void check_created(struct world *w, const struct request *q)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(BODY_MAX);
	struct shadow other = {0};

	assert_true(world_joined(w, ALICE, &q->after));
	shadow_create(&other, &w->who[BOB], "room.new", (struct ub_policy){0}, &body);
	ask_expect(ASK(&w->s, &w->who[BOB].sk, "POST", "/rooms", ub_buf_cstr(&body)), 409,
		"subject_taken");
	shadow_deinit(&other);
}

static const struct change CHANGES[] = {
	{"user add", make_user_add, check_user_add, 201, 200},
	{"user add, an administrator", make_admin_add, check_user_add, 201, 200},
	{"user add of a revoked key", make_user_again, check_user_again, 201, 200},
	{"user revoke", make_revoke, check_revoke, 200, 0},
	{"key record put", make_keyrec, NULL, 200, 0},
	{"room create, encrypted", make_create, check_created, 201, 0},
	{"room create, plain", make_create_plain, check_created, 201, 0},
	{"invite", make_invite, NULL, 200, 0},
	{"invite with an epoch", make_invite_epoch, NULL, 200, 0},
	{"join", make_join, check_join, 200, 0},
	{"remove with an epoch", make_remove, NULL, 200, 0},
	{"leave", make_leave, NULL, 200, 0},
	{"role", make_role, NULL, 200, 0},
	{"rekey", make_rekey, NULL, 200, 0},
	{"key", make_key, NULL, 200, 0},
	{"policy with an epoch", make_tighten, NULL, 200, 0},
	{"close", make_close, NULL, 200, 0},
	{"takeover with an epoch", make_takeover, NULL, 200, 0},
	{"upload", make_upload, check_upload, 201, 200},
};

/* ---- the crashing server ---- */

struct bench {
	struct world w;
	char fifos[PROC_PATH], base[PROC_PATH]; /* base: the database as it is to be each time */
};

static void path_in(const char *dir, const char *name, char to[PROC_PATH])
{
	assert_true(snprintf(to, PROC_PATH, "%s/%s", dir, name) < PROC_PATH);
}

static void run_sh(const char *script, const char *a, const char *b)
{
	assert_int_equal(0,
		proc_run((const char *const[]){"sh", "-c", script, "sh", a, b, NULL}, NULL, NULL));
}

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	char path[PROC_PATH];

	assert_non_null(b);
	world_start(&b->w, NULL);
	proc_stop(&b->w.s.md);
	proc_program("crashd", b->w.s.membershipd);
	path_in(b->w.s.dir, "base", b->base);
	path_in(b->w.s.dir, "fifos", b->fifos);
	run_sh("mkdir -m 700 \"$2\" && cp -rp \"$1\"* \"$2\"", b->w.s.db, b->base);
	assert_int_equal(0, mkdir(b->fifos, 0700));
	path_in(b->fifos, "arm", path);
	assert_int_equal(0, mkfifo(path, 0600));
	path_in(b->fifos, "armed", path);
	assert_int_equal(0, mkfifo(path, 0600));
	assert_int_equal(0, setenv("UNIBUS_CRASH_DIR", b->fifos, 1));
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	world_stop(&b->w);
	free(b);
	return 0;
}

static void start(struct bench *b)
{
	assert_int_equal(0, stack_md_start(&b->w.s));
}

static void restore(struct bench *b)
{
	proc_kill(&b->w.s.md);
	run_sh("rm -rf \"$1\"* && cp -rp \"$2\"/* \"${1%/*}\"", b->w.s.db, b->base);
	start(b);
}

static void arm(struct bench *b, const char *plan)
{
	char path[PROC_PATH], line[16];
	int fd;

	path_in(b->fifos, "arm", path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal((ssize_t)strlen(plan), write(fd, plan, strlen(plan)));
	(void)close(fd);
	path_in(b->fifos, "armed", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, line, sizeof(line)) > 0);
	(void)close(fd);
}

static int send_it(struct bench *b, const struct request *q)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(BODY_MAX);
	struct call c = {.stack = &b->w.s,
		.key = &q->by->sk,
		.method = q->method,
		.target = q->target,
		.announce = strncmp(q->target, "/blobs", 6) == 0};
	struct answer a;
	int status;

	ub_buf_put(&body, q->body.p, q->body.len);
	if (q->body.len)
		c.body = ub_buf_cstr(&body);
	ask(&c, &a);
	status = a.status;
	if (status >= 300)
		print_error("%s %s: %s\n", q->method, q->target, ub_buf_cstr(&a.body));
	answer_deinit(&a);
	return status;
}

static bool same(const struct ub_buf *a, const struct ub_buf *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

struct seen {
	unsigned crashes, old, new;
};

/* The process is dead: what does the next one find, and does the request go through there? */
static void judge(struct bench *b, const struct change *ch, const struct request *q,
	const struct ub_buf *before, struct seen *seen)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf found = {0};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf after = {0};
	int code, want;
	bool old;

	assert_int_equal(0, proc_wait(&b->w.s.md, 10000, &code));
	assert_int_equal(STORE_CRASH_STATUS, code);
	start(b);
	world_look(&b->w, &found);
	old = same(before, &found);
	want = old || !ch->again ? ch->status : ch->again;
	assert_int_equal(want, send_it(b, q));
	world_look(&b->w, &after);
	if (!old && !same(&found, &after))
		fail_msg("%s: neither old nor new:\n%s\nnew:\n%s", ch->name, ub_buf_cstr(&found),
			ub_buf_cstr(&after));
	assert_false(same(before, &after));
	seen->crashes++;
	seen->old += old;
	seen->new += !old;
}

static void assert_new(struct bench *b, const struct change *ch, const struct request *q)
{
	if (q->after.room.started)
		world_assert_room(&b->w, &q->after);
	if (ch->check)
		ch->check(&b->w, q);
}

/* One try; false when the change came through without a crash. */
static bool crash_at(struct bench *b, const struct change *ch, const struct request *q,
	const char *plan, struct seen *seen)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf before = {0};
	int status;

	restore(b);
	world_look(&b->w, &before);
	arm(b, plan);
	status = send_it(b, q);
	if (status < 0) {
		judge(b, ch, q, &before, seen);
	} else {
		arm(b, "never:get");
		assert_int_equal(ch->status, status);
		assert_int_equal(ch->again ? ch->again : ch->status, send_it(b, q));
	}
	assert_new(b, ch, q);
	return status < 0;
}

static void every_change_is_old_or_new_after_a_crash(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(CHANGES); i++) {
		UB_CLEANUP(request_deinit) struct request q = {.body = UB_BUF(BODY_MAX)};
		const struct change *ch = &CHANGES[i];
		struct seen seen = {0};
		unsigned k;
		char plan[32];

		ch->make(&b->w, &q);
		for (int after = 0; after < 2; after++) {
			for (k = 1; k < CALLS_MAX; k++) {
				(void)snprintf(
					plan, sizeof(plan), "%s:%u", after ? "after" : "before", k);
				if (!crash_at(b, ch, &q, plan, &seen))
					break;
			}
			assert_in_range(k, 2, CALLS_MAX - 1);
		}
		print_message("%s: %u crashes, %u found the old state, %u the new one\n", ch->name,
			seen.crashes, seen.old, seen.new);
		assert_true(seen.old > 0 && seen.new > 0);
	}
}

/* ---- between the commit and the kick ---- */

static void revoke_bob(struct bench *b, struct answer *ret)
{
	char target[128];

	(void)snprintf(target, sizeof(target), "/users/%s/revoke", b->w.who[BOB].hex);
	ask(ASK(&b->w.s, &b->w.who[ROOT].sk, "POST", target, NULL), ret);
}

/* Nobody could close the connection of who lost something; the next start does, and leaves alone
 * whoever lost nothing. */
static void what_was_committed_but_not_carried_out_is_at_the_next_start(void **state)
{
	static void (*const LOSSES[])(struct world * w, struct request * q) = {
		make_revoke, make_leave, make_role};
	struct bench *b = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(LOSSES); i++) {
		UB_CLEANUP(request_deinit) struct request q = {.body = UB_BUF(BODY_MAX)};
		struct rawbus bob, carl;
		int code;

		restore(b);
		assert_int_equal(
			RAWBUS_IN, rawbus_enter(&bob, b->w.s.nats_port, &b->w.who[BOB].sk));
		assert_int_equal(
			RAWBUS_IN, rawbus_enter(&carl, b->w.s.nats_port, &b->w.who[CARL].sk));
		LOSSES[i](&b->w, &q);
		arm(b, "after:commit:1");
		assert_int_equal(-1, send_it(b, &q));
		assert_int_equal(0, proc_wait(&b->w.s.md, 10000, &code));
		assert_int_equal(STORE_CRASH_STATUS, code);
		assert_true(rawbus_quiet(&bob));

		start(b);
		assert_true(rawbus_wait_closed(&bob, 10000));
		assert_true(rawbus_quiet(&carl));
		rawbus_close(&bob);
		rawbus_close(&carl);
	}
}

static void a_peer_whose_revocation_was_committed_but_not_carried_out_is_shut_out(void **state)
{
	struct bench *b = *state;
	struct answer a;
	struct rawbus bob, other;
	int code;

	restore(b);
	assert_int_equal(RAWBUS_IN, rawbus_enter(&bob, b->w.s.nats_port, &b->w.who[BOB].sk));
	arm(b, "after:commit:1");
	revoke_bob(b, &a);
	assert_int_equal(-1, a.status);
	answer_deinit(&a);
	assert_int_equal(0, proc_wait(&b->w.s.md, 10000, &code));
	assert_int_equal(STORE_CRASH_STATUS, code);
	assert_true(rawbus_quiet(&bob)); /* nobody could close it */

	start(b);
	assert_true(rawbus_wait_closed(&bob, 10000));
	assert_int_equal(RAWBUS_REFUSED, rawbus_enter(&other, b->w.s.nats_port, &b->w.who[BOB].sk));
	rawbus_close(&other);
	ask_expect(ASK(&b->w.s, &b->w.who[BOB].sk, "GET", "/server", NULL), 401, "revoked");
	/* Somebody else can, so it is not the bus that is down. */
	assert_int_equal(RAWBUS_IN, rawbus_enter(&other, b->w.s.nats_port, &b->w.who[CARL].sk));

	revoke_bob(b, &a);
	assert_int_equal(200, a.status);
	assert_int_equal(0, json_array_size(json_object_get(a.json, "unconfirmed")));
	assert_true(rawbus_quiet(&other));
	answer_deinit(&a);
	rawbus_close(&other);
	rawbus_close(&bob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_change_is_old_or_new_after_a_crash),
		cmocka_unit_test(what_was_committed_but_not_carried_out_is_at_the_next_start),
		cmocka_unit_test(
			a_peer_whose_revocation_was_committed_but_not_carried_out_is_shut_out),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
