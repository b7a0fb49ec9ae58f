/* A control plane that lies about keys and in what it does not have to sign. Each lie ends under
 * its name, nothing is sealed to whom it speaks for, and once it is over everything goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/b64url.h"
#include "core/key.h"
#include "core/num.h"
#include "tests/harness/lies.h"

/* ---- whose key it is ---- */

static json_t *peer_json(const struct actor *a, const char *handle, const char *record)
{
	json_t *v = json_pack("{ss,ss,ss,ss}", "endpoint", a->idz, "handle", handle, "status",
		"active", "keyrec", record);

	assert_non_null(v);
	return v;
}

/* Alice has a room of her own, alone in it. */
static void alone(struct stage *b)
{
	char subject[32];

	(void)snprintf(subject, sizeof(subject), "room.a%u", b->n);
	libpeer_create(&b->alice, subject, &(struct unibus_policy){.encrypt = true});
}

/* The invitation fails under this name and changes nothing; without the lie it succeeds. */
static void assert_not_invited(struct stage *b, struct lie *l, const char *who,
	const char *fingerprint, enum unibus_err want)
{
	char target[96];

	lie_about(l, b, "/peers");
	assert_int_equal(want, unibus_room_invite(b->alice.room, who, UNIBUS_MEMBER, fingerprint));
	lie_ends(b, l);
	assert_int_equal(0, stage_info(&b->alice).seq);
	assert_int_equal(1, stage_info(&b->alice).members);
	(void)snprintf(target, sizeof(target), "/rooms/%s/key", stage_info(&b->alice).id);
	ask_expect(ASK(&b->s, &b->ghost_is.sk, "GET", target, NULL), 403, "denied");
}

static void assert_invited(struct stage *b, const char *who, const char *fingerprint)
{
	assert_int_equal(
		UNIBUS_OK, unibus_room_invite(b->alice.room, who, UNIBUS_MEMBER, fingerprint));
	assert_int_equal(2, stage_info(&b->alice).members);
}

/* Bob's handle is pinned: Alice has invited him before. */
static void pin_bob(struct stage *b)
{
	assert_int_equal(UNIBUS_OK, unibus_trust(b->alice.client, "bob", NULL));
}

static void a_ghost_under_a_pinned_handle_is_not_invited(void **state)
{
	struct stage *b = *state;
	struct lie l = {.json = peer_json(&b->ghost_is, "bob", b->ghost_is.rec_text)};

	pin_bob(b);
	alone(b);
	assert_not_invited(b, &l, "bob", NULL, UNIBUS_ERR_KEY_CHANGED);
	assert_invited(b, "bob", NULL);
}

static void a_ghost_without_the_fingerprint_is_not_invited(void **state)
{
	struct stage *b = *state;
	struct lie l = {.json = peer_json(&b->ghost_is, "carl", b->ghost_is.rec_text)};
	char fingerprint[UB_FINGERPRINT_TEXT + 1];

	ub_fingerprint(&b->carl_is.id, fingerprint);
	alone(b);
	assert_not_invited(b, &l, "carl", fingerprint, UNIBUS_ERR_KEY_CHANGED);
	assert_invited(b, "carl", fingerprint);
}

/* Asked for an endpoint, the server shows another: no handle, no pin is needed to notice. */
static void a_ghost_in_an_endpoints_stead_is_not_invited(void **state)
{
	struct stage *b = *state;
	struct lie l = {.json = peer_json(&b->ghost_is, "carl", b->ghost_is.rec_text)};

	alone(b);
	assert_not_invited(b, &l, b->carl_is.idz, NULL, UNIBUS_ERR_KEY_CHANGED);
	assert_invited(b, b->carl_is.idz, NULL);
}

/* Bob's record with the operator's key-exchange key in it, and Bob's signature behind it. */
static void swap_kex(const struct stage *b, struct ub_buf *out)
{
	const char *text = b->bob_is.rec_text, *dot = strchr(text, '.');
	char payload[UB_KEYREC_MAX + 1] = "", mine[65], theirs[65];
	size_t n;
	char *at;

	assert_int_equal(UB_OK, ub_b64url_decode_var((struct ub_str){text, (size_t)(dot - text)},
					payload, sizeof(payload) - 1, &n));
	ub_hex_encode(b->bob_is.kex.b, sizeof(b->bob_is.kex.b), theirs);
	ub_hex_encode(b->ghost_is.kex.b, sizeof(b->ghost_is.kex.b), mine);
	at = strstr(payload, theirs);
	assert_non_null(at);
	memcpy(at, mine, 64);
	ub_buf_b64url(out, payload, n);
	ub_buf_z(out, dot);
	assert_non_null(ub_buf_cstr(out));
}

static void a_swapped_key_is_not_sealed_to(void **state)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf forged = UB_BUF(UB_KEYREC_MAX + 1);
	struct stage *b = *state;
	struct lie l = {0};

	pin_bob(b);
	alone(b);
	swap_kex(b, &forged);
	l.json = peer_json(&b->bob_is, "bob", ub_buf_cstr(&forged));
	assert_not_invited(b, &l, "bob", NULL, UNIBUS_ERR_KEY_CHANGED);
	assert_invited(b, "bob", NULL);
}

/* Even one that Bob himself has signed waits for a person. */
static void a_changed_key_waits_for_a_person(void **state)
{
	struct stage *b = *state;
	struct lie l = {0};
	struct actor newer = b->bob_is;

	pin_bob(b);
	alone(b);
	actor_renew(&newer, true);
	l.json = peer_json(&b->bob_is, "bob", newer.rec_text);
	assert_not_invited(b, &l, "bob", NULL, UNIBUS_ERR_KEY_CHANGED);
	assert_invited(b, "bob", NULL);
}

/* Bob is given the name that the lie says, Carl is given Bob's. */
static bool relabel(struct lie *l, json_t *answer)
{
	json_t *m;
	size_t i;

	json_array_foreach (json_object_get(answer, "members"), i, m) {
		const char *id = json_string_value(json_object_get(m, "endpoint"));
		const char *name = strcmp(id, l->b->bob_is.idz) == 0    ? l->text
				   : strcmp(id, l->b->carl_is.idz) == 0 ? "bob"
									: NULL;

		if (name)
			(void)json_object_set_new(m, "handle", json_string(name));
	}
	return true;
}

struct named {
	const char *endpoint;
	char handle[UB_HANDLE_MAX + 1];
	bool found;
};

static bool find_name(void *arg, const struct unibus_member *m)
{
	struct named *n = arg;

	if (strcmp(m->endpoint, n->endpoint) != 0)
		return true;
	n->found = true;
	(void)snprintf(n->handle, sizeof(n->handle), "%s", m->handle);
	return false;
}

/* Carl's words under Bob's name; Bob's under Carl's, or under one that nobody has. */
static void a_pinned_handle_stays_with_its_key(void **state)
{
	static const char *const NAMES[] = {"carl", "the-treasurer"};
	struct stage *b = *state;

	pin_bob(b);
	stage_gather(b);
	for (size_t i = 0; i < UB_ARRAY_LEN(NAMES); i++) {
		struct named bob = {.endpoint = b->bob_is.idz};
		struct named carl = {.endpoint = b->carl_is.idz};
		struct lie l = {.twist = relabel, .text = NAMES[i]};

		libpeer_room_close(&b->alice);
		lie_about_room(&l, b, b->room.idz, "/members");
		libpeer_room(&b->alice, b->subject);
		lie_ends(b, &l);
		assert_int_equal(UNIBUS_OK, unibus_room_members(b->alice.room, find_name, &bob));
		assert_int_equal(UNIBUS_OK, unibus_room_members(b->alice.room, find_name, &carl));
		assert_true(bob.found && carl.found);
		assert_string_equal("bob", bob.handle);
		assert_string_not_equal("bob", carl.handle);
	}
	assert_true(
		libpeer_told(&b->alice, UNIBUS_EVENT_KEY_CHANGED, UNIBUS_ERR_KEY_CHANGED, NULL));
}

/* ---- keys ---- */

/* Until the library asks for the key again. */
static bool can_say(struct libpeer *p, void *arg)
{
	return unibus_publish_text(p->room, arg) == UNIBUS_OK;
}

/* Alice cannot send with the key that she is shown, sends nothing, and can once it is the true one.
 */
static void assert_no_key(struct stage *b, struct lie *l, enum unibus_err want)
{
	struct unibus_stats before, after;
	enum unibus_err err;

	libpeer_room(&b->bob, b->subject);
	lie_about_room(l, b, b->room.idz, "/key");
	libpeer_room(&b->alice, b->subject);
	unibus_get_stats(b->alice.client, &before);
	err = unibus_publish_text(b->alice.room, "the secret");
	if (err != want)
		fail_msg("%s instead of %s", unibus_err_word(err), unibus_err_word(want));
	unibus_get_stats(b->alice.client, &after);
	assert_int_equal(before.sent, after.sent);
	lie_ends(b, l);
	assert_true(libpeer_until(&b->alice, can_say, (void *)(uintptr_t) "the truth"));
	assert_true(libpeer_hears(&b->bob, "the truth", NULL));
	assert_false(libpeer_heard(&b->bob, "the secret"));
}

static json_t *sealed_json(const struct ub_sealed *s)
{
	char text[UB_B64URL_LEN(UB_SEALED_LEN) + 1];
	json_t *v;

	ub_b64url_encode(s->b, sizeof(s->b), text);
	v = json_pack("{si,ss}", "epoch", 1, "sealed", text);
	assert_non_null(v);
	return v;
}

/* Sealed to her as it should be, for the right room and epoch: but the server knows it. */
static void a_key_of_the_servers_own_is_not_used(void **state)
{
	struct stage *b = *state;
	const struct ub_symkey servers = {{7, 7, 7}};
	struct ub_sealed s = {.to = b->alice_is.id};
	struct lie l = {0};

	assert_int_equal(UB_OK, ub_epoch_seal(&servers, &b->room.room.id, 1, &b->alice_is.kex, &s));
	l.json = sealed_json(&s);
	assert_no_key(b, &l, UNIBUS_ERR_BAD_COMMIT);
}

/* The true key, as it was sealed to Bob. */
static void a_key_sealed_to_somebody_else_is_not_used(void **state)
{
	struct stage *b = *state;
	struct ub_sealed s = {.to = b->bob_is.id};
	struct lie l = {0};

	assert_int_equal(
		UB_OK, ub_epoch_seal(&b->room.keys[1], &b->room.room.id, 1, &b->bob_is.kex, &s));
	l.json = sealed_json(&s);
	assert_no_key(b, &l, UNIBUS_ERR_NO_KEY_EPOCH);
}

static void a_key_that_is_withheld_is_named(void **state)
{
	struct lie l = {.status = 403,
		.json = json_pack("{ss,ss}", "error", "there is none", "code", "no_key")};

	assert_no_key(*state, &l, UNIBUS_ERR_NO_KEY_EPOCH);
}

/* ---- what is not signed ---- */

/* Looser, lower, elsewhere: all that an answer about a room says beside the log. */
static bool loosen(struct lie *l, json_t *answer)
{
	UB_CLEANUP(json_decrefp)
	json_t *lies = json_pack("{s{sb,sb,sb,ss},si,s{s[s],s[s]},si}", "policy", "encrypt", 0,
		"persist", 0, "sign", 0, "history", "all", "epoch", 0, "wire", "publish",
		"room.elsewhere", "subscribe", "room.elsewhere", "members", 99);

	(void)l;
	assert_non_null(lies);
	if (!json_object_get(answer, "policy"))
		return false;
	return json_object_update(answer, lies) == 0;
}

static void a_looser_policy_in_an_answer_changes_nothing(void **state)
{
	struct stage *b = *state;
	struct lie l = {.twist = loosen};
	struct libpeer_said said;
	struct unibus_room_info info;

	lie_about_room(&l, b, b->room.idz, "");
	stage_gather(b);
	assert_int_equal(UNIBUS_OK, unibus_room_sync(b->alice.room));
	info = stage_info(&b->alice);
	assert_true(info.policy.encrypt && info.policy.sign);
	assert_int_equal(1, info.epoch);
	assert_int_equal(4, info.members);
	libpeer_say(&b->alice, "sealed and signed");
	assert_true(libpeer_hears(&b->bob, "sealed and signed", &said));
	assert_true(said.encrypted && said.verified);
	lie_ends(b, &l);
}

static bool add_ghost(struct lie *l, json_t *answer)
{
	const struct actor *g = &l->b->ghost_is;
	json_t *m = json_pack("{ss,ss,ss,ss,ss,si,sb}", "endpoint", g->idz, "sign_pub", g->hex,
		"handle", "ghost", "role", "owner", "status", "active", "added_seq", 1, "joined",
		1);

	assert_non_null(m);
	return json_array_append_new(json_object_get(answer, "members"), m) == 0;
}

static void a_ghost_in_the_list_of_members_is_none(void **state)
{
	struct stage *b = *state;
	struct named ghost = {.endpoint = b->ghost_is.idz}, bob = {.endpoint = b->bob_is.idz};
	struct lie l = {.twist = add_ghost};
	char target[96];

	lie_about_room(&l, b, b->room.idz, "/members");
	stage_gather(b);
	assert_int_equal(UNIBUS_OK, unibus_room_members(b->alice.room, find_name, &ghost));
	assert_int_equal(UNIBUS_OK, unibus_room_members(b->alice.room, find_name, &bob));
	assert_false(ghost.found);
	assert_true(bob.found);
	lie_ends(b, &l);

	/* Olga makes Alice an admin, and she a new key: sealed to whom the log says. */
	shadow_do(&b->room, &b->s, "role",
		&(struct shadow_change){
			.by = &b->olga_is, SHADOW_OPS(shadow_role(&b->alice_is, UB_ROLE_ADMIN))});
	l = (struct lie){.twist = add_ghost};
	lie_about_room(&l, b, b->room.idz, "/members");
	assert_int_equal(UNIBUS_OK, unibus_room_sync(b->alice.room));
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(b->alice.room));
	liar_set(b->l, NULL, NULL);
	(void)snprintf(target, sizeof(target), "/rooms/%s/key", b->room.idz);
	ask_expect(ASK(&b->s, &b->ghost_is.sk, "GET", target, NULL), 403, "denied");
	ask_expect(ASK(&b->s, &b->bob_is.sk, "GET", target, NULL), 200, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_ghost_under_a_pinned_handle_is_not_invited),
		TEST(a_ghost_without_the_fingerprint_is_not_invited),
		TEST(a_ghost_in_an_endpoints_stead_is_not_invited),
		TEST(a_swapped_key_is_not_sealed_to),
		TEST(a_changed_key_waits_for_a_person),
		TEST(a_pinned_handle_stays_with_its_key),
		TEST(a_key_of_the_servers_own_is_not_used),
		TEST(a_key_sealed_to_somebody_else_is_not_used),
		TEST(a_key_that_is_withheld_is_named),
		TEST(a_looser_policy_in_an_answer_changes_nothing),
		TEST(a_ghost_in_the_list_of_members_is_none),
	};

	return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
