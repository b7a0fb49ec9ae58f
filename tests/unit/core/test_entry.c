/* Entries as text: one form, signed by the actor; each member of each operation wrong in turn. */
#include "core/buf.h"
#include "core/signed_text.h"
#include "tests/unit/core/room_kit.h"

#define B32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define B16 "AAAAAAAAAAAAAAAAAAAAAA"
#define B24 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define B72 B24 B24 B24

struct world {
	struct kit_peer actor;
	char hex[65];
	char *keyrec;
	struct ub_buf text;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct ub_buf b = UB_BUF(UB_KEYREC_MAX);
	struct ub_keyrec r;

	assert_int_equal(ub_core_init(), UB_OK);
	w->actor = kit_peer(1);
	ub_hex_encode(w->actor.sign.b, 32, w->hex);
	r = kit_keyrec(&w->actor, 3);
	ub_keyrec_sign(&w->actor.sk, &r, &b);
	w->keyrec = ub_buf_take(&b);
	assert_non_null(w->keyrec);
	w->text = UB_BUF(2 * UB_ENTRY_MAX);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	free(w->keyrec);
	ub_buf_deinit(&w->text);
	free(w);
	return 0;
}

/* Signs `payload` after replacing @A by the actor and @K by his key record. */
static struct ub_str signed_payload(struct world *w, const char *payload)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(4 * UB_ENTRY_MAX);

	for (const char *p = payload; *p; p++) {
		if (p[0] == '@' && p[1] == 'A')
			ub_buf_z(&b, w->hex);
		else if (p[0] == '@' && p[1] == 'K')
			ub_buf_z(&b, w->keyrec);
		else
			ub_buf_u8(&b, (uint8_t)*p);
		p += *p == '@';
	}
	ub_buf_reset(&w->text);
	ub_signed_text_make(UB_TAG_ROOM, &w->actor.sk, ub_buf_text(&b), &w->text);
	assert_int_equal(ub_buf_err(&w->text), UB_OK);
	return ub_buf_text(&w->text);
}

/* Another character of the alphabet. */
static void flip(char *c)
{
	*c = *c == 'A' ? 'B' : 'A';
}

/* Opens; an error must leave the result alone. */
static void judge_text(struct ub_str text, ub_err want)
{
	struct ub_entry e, untouched;
	ub_err got;

	memset(&e, 0x5c, sizeof(e));
	memcpy(&untouched, &e, sizeof(e));
	got = ub_entry_open(text, &e);
	if (got != want)
		fail_msg("%s instead of %s", unibus_err_word(got), unibus_err_word(want));
	if (got)
		assert_memory_equal(&e, &untouched, sizeof(e));
	else
		ub_entry_deinit(&e);
}

/* The payload with the first `from` in it replaced by `to`. */
static void judge_changed(struct world *w, const char *payload, const char *from, const char *to)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(2 * UB_ENTRY_MAX);
	const char *at = strstr(payload, from);

	assert_non_null(at);
	ub_buf_put(&b, payload, (size_t)(at - payload));
	ub_buf_z(&b, to);
	ub_buf_z(&b, at + strlen(from));
	print_message("%s -> %s\n", from, to);
	judge_text(signed_payload(w, ub_buf_cstr(&b)), UNIBUS_ERR_BAD_ENTRY);
}

#define HEAD \
	"{\"v\":1,\"room\":\"" B32 "\",\"seq\":4,\"prev\":\"" B32 \
	"\",\"actor\":\"@A\",\"ts\":9,\"ops\":["
#define ENTRY(op) HEAD op "]}"
#define GENESIS_OP \
	"{\"op\":\"genesis\",\"subject\":\"team.ops\",\"policy\":{\"encrypt\":true,\"persist\":" \
	"false," \
	"\"sign\":true,\"history\":\"all\",\"retain\":{\"messages\":1,\"bytes\":2,\"age\":3}}," \
	"\"nonce\":\"" B16 "\"}"
#define GENESIS "{\"v\":1,\"seq\":0,\"actor\":\"@A\",\"ts\":9,\"ops\":[" GENESIS_OP "]}"
#define LEAVE ENTRY("{\"op\":\"leave\"}")

struct change {
	const char *from, *to;
};

static void judge_all(struct world *w, const char *payload, const struct change *changes, size_t n)
{
	judge_text(signed_payload(w, payload), UB_OK);
	for (size_t i = 0; i < n; i++)
		judge_changed(w, payload, changes[i].from, changes[i].to);
}
#define JUDGE_ALL(w, payload, ...) \
	judge_all(w, payload, (const struct change[]){__VA_ARGS__}, \
		UB_ARRAY_LEN(((const struct change[]){__VA_ARGS__})))

static void the_head_of_an_entry_has_one_form(void **state)
{
	JUDGE_ALL(*state, LEAVE, {"\"v\":1", "\"v\":2"}, {"\"v\":1,", ""},
		{"\"v\":1", "\"v\":\"1\""}, {"\"v\":1", "\"v\":1,\"v\":1"},
		{"\"room\":\"" B32 "\",", ""}, {"\"room\":\"A", "\"room\":\""},
		{B32, B24 "AAAAAAAAAAB"}, {B32, B32 "="}, {"\"seq\":4", "\"seq\":-1"},
		{"\"seq\":4", "\"seq\":9007199254740993"}, {"\"seq\":4", "\"seq\":4.0"},
		{"\"seq\":4", "\"seq\":0"}, {"\"seq\":4,", ""}, {"\"seq\":4", "\"seq\":true"},
		{"\"prev\":\"" B32 "\",", ""}, {"\"prev\":\"A", "\"prev\":\""}, {"@A", ""},
		{"\"actor\":\"@A\",", ""}, {"\"@A\"", "7"}, {"@A", "@A00"}, {"\"ts\":9,", ""},
		{"\"ts\":9", "\"ts\":-9"}, {"\"ts\":9", "\"ts\":\"9\""}, {"{\"op\":\"leave\"}", ""},
		{"[{\"op\":\"leave\"}]", "{}"}, {",\"ops\":[{\"op\":\"leave\"}]", ""},
		{"\"v\":1", "\"v\":1,\"x\":1"},
		{"}]}", "}]} "
			"{}"},
		{"{\"v\"", "[{\"v\""}, {"]}", "]"});
}

static void a_genesis_entry_has_neither_room_nor_prev(void **state)
{
	JUDGE_ALL(*state, GENESIS, {"\"seq\":0", "\"seq\":0,\"room\":\"" B32 "\""},
		{"\"seq\":0", "\"seq\":0,\"prev\":\"" B32 "\""}, {"\"seq\":0", "\"seq\":1"});
}

static void an_actor_is_a_point_that_signs(void **state)
{
	struct world *w = *state;
	const char *const zeros =
		"0000000000000000000000000000000000000000000000000000000000000000";
	struct kit_peer other = kit_peer(2);
	char hex[65];

	judge_changed(w, LEAVE, "@A", zeros);
	judge_text(signed_payload(w, LEAVE), UB_OK);
	ub_hex_encode(other.sign.b, 32, w->hex);
	judge_text(signed_payload(w, LEAVE), UNIBUS_ERR_BAD_SIGNATURE);
	ub_hex_encode(w->actor.sign.b, 32, hex);
	for (char *p = hex; *p; p++)
		*p = (char)(*p >= 'a' ? *p - 32 : *p);
	judge_changed(w, LEAVE, "@A", hex);
}

static void a_genesis_op_has_one_form(void **state)
{
	JUDGE_ALL(*state, GENESIS, {"\"subject\":\"team.ops\",", ""}, {"team.ops", ""},
		{"team.ops", "team..ops"}, {"team.ops", "unibus.x"}, {"team.ops", "a.*"},
		{"\"team.ops\"", "1"}, {"\"encrypt\":true,", ""}, {"true", "1"},
		{"\"persist\":false,", ""}, {"false", "null"}, {"\"sign\":true,", ""},
		{"\"history\":\"all\",", ""}, {"\"all\"", "\"ALL\""}, {"\"all\"", "0"},
		{"\"messages\":1,", ""}, {"\"bytes\":2,", ""}, {",\"age\":3", ""},
		{"\"age\":3", "\"age\":-3"}, {"\"age\":3", "\"age\":3,\"x\":1"},
		{"{\"messages\":1,\"bytes\":2,\"age\":3}", "null"},
		{"\"encrypt\":true", "\"encrypt\":true,\"x\":1"}, {",\"nonce\":\"" B16 "\"", ""},
		{B16, B32}, {B16 "\"", "AAAAAAAAAAAAAAAAAAAAAB\""}, {"genesis", "Genesis"},
		{"genesis\",", "genesis\",\"x\":1,"});
}

static void add_and_key_have_one_form(void **state)
{
	struct world *w = *state;

	JUDGE_ALL(w, ENTRY("{\"op\":\"add\",\"keyrec\":\"@K\",\"role\":\"reader\"}"),
		{"\"keyrec\":\"@K\",", ""}, {"@K", ""}, {"@K", "@K="}, {"@K", "AA.AA"},
		{"\"@K\"", "1"}, {",\"role\":\"reader\"", ""}, {"reader", "none"},
		{"reader", "Reader"}, {"\"reader\"", "1"},
		{"\"role\"", "\"endpoint\":\"" B32 "\",\"role\""});
	JUDGE_ALL(w, ENTRY("{\"op\":\"key\",\"keyrec\":\"@K\"}"), {",\"keyrec\":\"@K\"", ""},
		{"@K", "@K@K@K@K"}, {"@K\"", "@K\",\"role\":\"reader\""});
	/* a key record that somebody else signed */
	flip(w->keyrec + strlen(w->keyrec) - 20);
	judge_text(signed_payload(w, ENTRY("{\"op\":\"key\",\"keyrec\":\"@K\"}")),
		UNIBUS_ERR_BAD_SIGNATURE);
}

static void remove_role_and_policy_have_one_form(void **state)
{
	struct world *w = *state;

	JUDGE_ALL(w, ENTRY("{\"op\":\"remove\",\"endpoint\":\"" B32 "\"}"),
		{",\"endpoint\":\"" B32 "\"}", "}"}, {"\"endpoint\":\"A", "\"endpoint\":\""},
		{"\"endpoint\"", "\"peer\""}, {"remove\"", "remove\",\"role\":\"reader\""});
	JUDGE_ALL(w, ENTRY("{\"op\":\"role\",\"endpoint\":\"" B32 "\",\"role\":\"owner\"}"),
		{",\"endpoint\":\"" B32 "\"", ""}, {"\"endpoint\":\"A", "\"endpoint\":\""},
		{",\"role\":\"owner\"", ""}, {"owner", "king"},
		{"owner\"", "owner\",\"keyrec\":\"@K\""});
	JUDGE_ALL(w, ENTRY("{\"op\":\"policy\",\"encrypt\":true,\"sign\":false}"),
		{"\"encrypt\":true,", ""}, {",\"sign\":false", ""}, {"true", "1"},
		{"false", "\"false\""}, {"false", "false,\"persist\":true"},
		{"false", "false,\"retain\":null"},
		{"false", "false,\"retain\":{\"messages\":1,\"bytes\":1}"},
		{"false", "false,\"history\":\"all\""});
	judge_text(signed_payload(w,
			   ENTRY("{\"op\":\"policy\",\"encrypt\":true,\"sign\":false,\"retain\":{"
				 "\"messages\":0,\"bytes\":0,\"age\":0}}")),
		UB_OK);
}

#define EPOCH_OP \
	"{\"op\":\"epoch\",\"n\":2,\"roster\":\"" B32 "\",\"commit\":\"" B32 \
	"\",\"sealed\":\"" B32 "\",\"backlink\":\"" B72 "\"}"

static void an_epoch_has_one_form(void **state)
{
	struct world *w = *state;

	JUDGE_ALL(w, ENTRY(EPOCH_OP), {"\"n\":2,", ""}, {"\"n\":2", "\"n\":0"},
		{"\"n\":2", "\"n\":4294967296"}, {"\"n\":2", "\"n\":\"2\""},
		{"\"roster\":\"" B32 "\",", ""}, {"\"roster\":\"A", "\"roster\":\""},
		{"\"commit\":\"" B32 "\",", ""}, {"\"commit\":\"A", "\"commit\":\""},
		{"\"sealed\":\"" B32 "\",", ""}, {"\"sealed\":\"A", "\"sealed\":\""},
		{"\"backlink\":\"A", "\"backlink\":\""}, {"\"" B72 "\"", "null"},
		{"\"n\":2", "\"n\":2,\"x\":[]"});
	judge_changed(w, ENTRY(EPOCH_OP), "\"backlink\"", "\"back\"");
	judge_text(signed_payload(w, ENTRY("{\"op\":\"epoch\",\"n\":4294967295,\"roster\":\"" B32
					   "\",\"commit\":\"" B32 "\",\"sealed\":\"" B32 "\"}")),
		UB_OK);
}

static void operations_without_members_have_none(void **state)
{
	JUDGE_ALL(*state, LEAVE, {"leave\"", "leave\",\"x\":1"}, {"leave", "left"},
		{"\"leave\"", "1"}, {"\"op\":\"leave\"", ""}, {"{\"op\":\"leave\"}", "\"leave\""},
		{"leave", ""});
	JUDGE_ALL(*state, ENTRY("{\"op\":\"takeover\"}"),
		{"takeover\"", "takeover\",\"endpoint\":\"" B32 "\""});
	JUDGE_ALL(*state, ENTRY("{\"op\":\"close\"}"), {"close\"", "close\",\"op\":\"close\""});
}

static struct ub_str leaves(struct world *w, int n)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(UB_ENTRY_MAX);

	ub_buf_z(&b, HEAD);
	for (int i = 0; i < n; i++)
		ub_buf_printf(&b, "%s{\"op\":\"leave\"}", i ? "," : "");
	ub_buf_z(&b, "]}");
	return signed_payload(w, ub_buf_cstr(&b));
}

static void an_entry_is_bounded(void **state)
{
	struct world *w = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf big = UB_BUF(2 * UB_ENTRY_MAX);

	judge_text(leaves(w, UB_ENTRY_OPS_MAX), UB_OK);
	judge_text(leaves(w, UB_ENTRY_OPS_MAX + 1), UNIBUS_ERR_BAD_ENTRY);
	/* white space counts */
	for (size_t i = 0; i < UB_ENTRY_MAX; i++)
		ub_buf_u8(&big, ' ');
	ub_buf_z(&big, LEAVE);
	judge_text(signed_payload(w, ub_buf_cstr(&big)), UNIBUS_ERR_TOO_LARGE);
	judge_text(signed_payload(w, ub_buf_cstr(&big) + UB_ENTRY_MAX / 2), UB_OK);
}

static void a_text_is_two_parts_and_verifies(void **state)
{
	struct world *w = *state;
	struct ub_str text = signed_payload(w, LEAVE);
	char *changed = ub_str_dup(text);
	struct ub_str all = {changed, text.len};

	judge_text(all, UB_OK);
	judge_text((struct ub_str){changed, text.len - 1}, UNIBUS_ERR_BAD_ENTRY);
	judge_text((struct ub_str){NULL, 0}, UNIBUS_ERR_BAD_ENTRY);
	flip(changed + text.len - 20);
	judge_text(all, UNIBUS_ERR_BAD_SIGNATURE);
	*strchr(changed, '.') = '_';
	judge_text(all, UNIBUS_ERR_BAD_ENTRY);
	free(changed);
}

static void a_signature_for_another_purpose_is_worth_nothing(void **state)
{
	struct world *w = *state;
	struct ub_signed_text st = {0};

	assert_int_equal(ub_signed_text_split(signed_payload(w, LEAVE), UB_ENTRY_MAX, &st), UB_OK);
	ub_buf_reset(&w->text);
	ub_signed_text_make(
		UB_TAG_KEYREC, &w->actor.sk, (struct ub_str){st.payload, st.len}, &w->text);
	judge_text(ub_buf_text(&w->text), UNIBUS_ERR_BAD_SIGNATURE);
	ub_signed_text_deinit(&st);
}

static struct ub_entry reopened(struct world *w, const struct ub_entry *e)
{
	struct ub_entry back = {0};

	ub_buf_reset(&w->text);
	ub_entry_sign(&w->actor.sk, e, &w->text);
	assert_int_equal(ub_buf_err(&w->text), UB_OK);
	assert_int_equal(ub_entry_open(ub_buf_text(&w->text), &back), UB_OK);
	return back;
}

static void what_is_signed_opens_as_it_was(void **state)
{
	struct world *w = *state;
	struct ub_op add = op_add(&w->actor, UB_ROLE_ADMIN), epoch = op_epoch(9, true);
	struct ub_op policy = op_policy(true, false);
	struct ub_entry e = {.has_room = true, .seq = 12, .ts_ms = 34}, back;
	struct ub_hash hash;

	add.keyrec_text = w->keyrec;
	policy.has_retain = true;
	policy.policy.retain = (struct ub_retain){1, 2, 3};
	memset(epoch.epoch.backlink, 7, sizeof(epoch.epoch.backlink));
	memset(e.room.b, 8, sizeof(e.room.b));
	memset(e.prev.b, 9, sizeof(e.prev.b));
	e.ops = (struct ub_op[]){add, op_remove(&w->actor), op_bare(UB_OP_LEAVE),
		op_role(&w->actor, UB_ROLE_OWNER), policy, op_policy(false, true),
		op_bare(UB_OP_TAKEOVER), op_bare(UB_OP_CLOSE), epoch};
	e.n_ops = 9;
	back = reopened(w, &e);
	assert_true(back.has_room);
	assert_memory_equal(&back.room, &e.room, 32);
	assert_memory_equal(&back.prev, &e.prev, 32);
	assert_memory_equal(&back.actor, &w->actor.sign, 32);
	assert_int_equal(back.seq, 12);
	assert_int_equal(back.ts_ms, 34);
	assert_int_equal(back.n_ops, 9);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(back.ops[i].type, e.ops[i].type);
	assert_string_equal(back.ops[0].keyrec_text, w->keyrec);
	assert_memory_equal(&back.ops[0].keyrec.kex, &w->actor.kex, 32);
	assert_int_equal(back.ops[0].keyrec.seq, 3);
	assert_int_equal(back.ops[0].role, UB_ROLE_ADMIN);
	assert_memory_equal(&back.ops[1].endpoint, &w->actor.id, 32);
	assert_int_equal(back.ops[3].role, UB_ROLE_OWNER);
	assert_true(back.ops[4].policy.encrypt && !back.ops[4].policy.sign);
	assert_true(back.ops[4].has_retain && back.ops[4].policy.retain.age_s == 3);
	assert_false(back.ops[5].has_retain);
	assert_memory_equal(&back.ops[8].epoch, &epoch.epoch, sizeof(epoch.epoch));
	ub_hash(w->text.p, w->text.len, &hash);
	assert_memory_equal(&back.hash, &hash, 32);
	ub_entry_deinit(&back);
}

static void a_genesis_entry_opens_as_it_was(void **state)
{
	struct world *w = *state;
	struct ub_op gen = op_genesis(
		(struct ub_policy){.persist = true, .since_join = true, .retain = {.bytes = 5}});
	struct ub_entry e = {.ops = &gen, .n_ops = 1}, back = reopened(w, &e);

	assert_false(back.has_room);
	assert_string_equal(back.ops[0].subject, "team.ops");
	assert_memory_equal(back.ops[0].nonce, gen.nonce, 16);
	assert_true(back.ops[0].policy.since_join && back.ops[0].policy.persist);
	assert_false(back.ops[0].policy.encrypt || back.ops[0].policy.sign);
	assert_int_equal(back.ops[0].policy.retain.bytes, 5);
	ub_entry_deinit(&back);
}

static void an_entry_too_large_is_not_signed(void **state)
{
	struct world *w = *state;
	struct ub_op ops[UB_ENTRY_OPS_MAX];
	struct ub_entry e = {.ops = ops, .n_ops = UB_ENTRY_OPS_MAX};
	char *huge = calloc(1, 8192);

	memset(huge, 'A', 8191);
	for (size_t i = 0; i < UB_ENTRY_OPS_MAX; i++) {
		ops[i] = op_key(&w->actor, 1);
		ops[i].keyrec_text = huge;
	}
	ub_buf_reset(&w->text);
	ub_entry_sign(&w->actor.sk, &e, &w->text);
	assert_int_equal(ub_buf_err(&w->text), UNIBUS_ERR_TOO_LARGE);
	free(huge);
}

static void a_room_id_hangs_on_each_of_its_parts(void **state)
{
	struct world *w = *state;
	struct kit_peer other = kit_peer(2);
	const struct ub_op base = op_genesis((struct ub_policy){0});
	struct ub_op ops[6] = {base, base, base, base, base, base};
	struct ub_room_id ids[7];

	ops[0].nonce[15] ^= 1;
	ops[1].policy.encrypt = true;
	ops[2].policy.persist = true;
	ops[3].policy.sign = true;
	ops[4].policy.since_join = true;
	ops[5].subject[0] = 'x';
	for (size_t i = 0; i < 6; i++)
		ub_room_id_of(&w->actor.sign, &ops[i], &ids[i]);
	ub_room_id_of(&other.sign, &base, &ids[6]);
	for (size_t i = 0; i < 7; i++) {
		for (size_t j = 0; j < i; j++)
			assert_false(ub_room_id_eq(&ids[i], &ids[j]));
	}
	/* retention may change later and is no part of it */
	ops[0] = base;
	ops[0].policy.retain.bytes = 1;
	ub_room_id_of(&w->actor.sign, &base, &ids[0]);
	ub_room_id_of(&w->actor.sign, &ops[0], &ids[1]);
	assert_true(ub_room_id_eq(&ids[0], &ids[1]));
}

static void policy_bits_are_those_of_the_protocol(void **state)
{
	(void)state;
	assert_int_equal(ub_policy_bits(&(struct ub_policy){.encrypt = true}), 1);
	assert_int_equal(ub_policy_bits(&(struct ub_policy){.persist = true}), 2);
	assert_int_equal(ub_policy_bits(&(struct ub_policy){.sign = true}), 4);
	assert_true(ub_policy_plain(&(struct ub_policy){.since_join = true}));
	assert_false(ub_policy_plain(&(struct ub_policy){.sign = true}));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_head_of_an_entry_has_one_form),
		T(a_genesis_entry_has_neither_room_nor_prev),
		T(an_actor_is_a_point_that_signs),
		T(a_genesis_op_has_one_form),
		T(add_and_key_have_one_form),
		T(remove_role_and_policy_have_one_form),
		T(an_epoch_has_one_form),
		T(operations_without_members_have_none),
		T(an_entry_is_bounded),
		T(a_text_is_two_parts_and_verifies),
		T(a_signature_for_another_purpose_is_worth_nothing),
		T(what_is_signed_opens_as_it_was),
		T(a_genesis_entry_opens_as_it_was),
		T(an_entry_too_large_is_not_signed),
		T(a_room_id_hangs_on_each_of_its_parts),
		T(policy_bits_are_those_of_the_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
