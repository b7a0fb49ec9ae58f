/* The vectors of the room log and of epoch keys, and that our own hand writes them the same. */
#include "core/buf.h"
#include "tests/unit/core/room_judge.h"
#include "tests/unit/core/vectors.h"

#define ROOMLOG "tests/vectors/roomlog.json"
#define EPOCHKEY "tests/vectors/epochkey.json"

static const struct ub_apply LENIENT = {.owner_revoked = true};

static int set_up(void **state)
{
	assert_int_equal(ub_core_init(), UB_OK);
	*state = vec_load(ROOMLOG);
	return 0;
}

static int tear_down(void **state)
{
	json_decref(*state);
	return 0;
}

static void endpoint_of(const char *text, struct ub_endpoint *ret)
{
	assert_int_equal(ub_endpoint_decode(ub_str(text), ret), UB_OK);
}

static void equal_hex(const json_t *o, const char *key, const void *is, size_t len)
{
	uint8_t want[256];

	assert_true(len <= sizeof(want) && vec_hex(o, key, want, len));
	assert_memory_equal(is, want, len);
}

static void equal_bool(const json_t *o, const char *key, bool is)
{
	assert_int_equal(is, json_is_true(json_object_get(o, key)));
}

/* The peer whose member `key` is that hex. */
static const json_t *peer_by(const json_t *all, const char *key, const void *p, size_t len)
{
	const json_t *list = json_object_get(all, "peers");
	uint8_t is[32];

	assert_int_equal(len, sizeof(is));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *peer = json_array_get(list, i);

		if (vec_hex(peer, key, is, len) && !memcmp(is, p, len))
			return peer;
	}
	fail_msg("no peer with that %s", key);
	return NULL;
}

static void signkey_of(const json_t *all, const struct ub_pubkey *pub, struct ub_signkey *ret)
{
	uint8_t seed[32];

	assert_true(vec_hex(peer_by(all, "sign", pub->b, 32), "seed", seed, 32));
	ub_signkey_from_seed(seed, ret);
}

static void the_keys_belong_together(void **state)
{
	const json_t *list = json_object_get(*state, "peers");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *peer = json_array_get(list, i);
		uint8_t seed[32];
		struct ub_signkey sk;
		struct ub_kexsec ks;
		struct ub_kexpub kex;
		struct ub_endpoint id, want;
		struct ub_pubkey pub;

		assert_true(
			vec_hex(peer, "seed", seed, 32) && vec_hex(peer, "kex_secret", ks.b, 32));
		ub_signkey_from_seed(seed, &sk);
		ub_signkey_pub(&sk, &pub);
		ub_kexsec_pub(&ks, &kex);
		ub_endpoint_of(&pub, &id);
		endpoint_of(vec_text(peer, "endpoint"), &want);
		equal_hex(peer, "sign", pub.b, 32);
		equal_hex(peer, "kex", kex.b, 32);
		assert_true(ub_endpoint_eq(&id, &want));
	}
}

static void check_state(const json_t *after, const struct ub_room *r)
{
	const json_t *members = json_object_get(after, "members");
	struct ub_endpoint id;
	struct ub_hash roster;

	assert_int_equal(r->seq, vec_u64(after, "seq"));
	equal_hex(after, "head", r->head.b, 32);
	equal_bool(after, "closed", r->closed);
	equal_bool(after, "rotation_due", r->rotation_due);
	equal_bool(after, "encrypt", r->policy.encrypt);
	equal_bool(after, "sign", r->policy.sign);
	assert_int_equal(r->policy.retain.messages, vec_u64(after, "retain_messages"));
	assert_int_equal(r->epoch, vec_u64(after, "epoch"));
	assert_int_equal(r->epoch_seq, vec_u64(after, "epoch_seq"));
	equal_hex(after, "commit", r->commit.b, 32);
	endpoint_of(vec_text(after, "owner"), &id);
	assert_true(ub_endpoint_eq(&id, &r->owner));
	ub_room_roster_hash(r, &roster);
	equal_hex(after, "roster", roster.b, 32);
	assert_int_equal(r->n_members, json_array_size(members));
	for (size_t i = 0; i < r->n_members; i++) {
		const json_t *m = json_array_get(members, i);

		endpoint_of(vec_text(m, "endpoint"), &id);
		assert_true(ub_endpoint_eq(&id, &r->members[i].id));
		assert_string_equal(ub_role_name(r->members[i].role), vec_text(m, "role"));
		equal_hex(m, "kex", r->members[i].kex.b, 32);
		assert_int_equal(r->members[i].added_seq, vec_u64(m, "added_seq"));
		assert_int_equal(r->members[i].keyrec_seq, vec_u64(m, "keyrec_seq"));
	}
}

/* Opens what was sealed for each member, and the back link. */
static void check_epoch(const json_t *all, const json_t *epoch, const struct ub_room *r,
	const struct ub_epoch_op *op, struct ub_symkey *inout_key)
{
	json_t *sealed = json_object_get(epoch, "sealed"), *v;
	struct ub_hash commit_prev;
	struct ub_sealed list[8];
	struct ub_symkey key, got;
	const char *to;
	uint8_t nonce[24], link[UB_BACKLINK_LEN];
	size_t n = 0;

	assert_true(vec_hex(epoch, "key", key.b, 32));
	json_object_foreach (sealed, to, v) {
		struct ub_epoch_opener o = {.room = r->id, .n = op->n, .commit = op->commit};
		struct ub_kexsec sec;

		assert_true(n < UB_ARRAY_LEN(list));
		endpoint_of(to, &o.self);
		o.kex = ub_room_member(r, &o.self)->kex;
		o.sec = &sec;
		assert_true(vec_hex(peer_by(all, "kex", o.kex.b, 32), "kex_secret", sec.b, 32));
		list[n].to = o.self;
		assert_true(vec_hex(sealed, to, list[n].b, UB_SEALED_LEN));
		assert_int_equal(ub_epoch_open(&o, list[n++].b, &got), UB_OK);
		assert_memory_equal(&got, &key, 32);
	}
	assert_int_equal(ub_room_sealed_check(r, op, list, n), UB_OK);
	equal_hex(epoch, "root", op->sealed.b, 32);
	assert_int_equal(vec_hex(epoch, "backlink_nonce", nonce, 24), op->has_backlink);
	if (op->has_backlink) {
		ub_epoch_commit(inout_key, &r->id, op->n - 1, &commit_prev);
		assert_int_equal(
			ub_backlink_open(&key, &r->id, op->n, op->backlink, &commit_prev, &got),
			UB_OK);
		assert_memory_equal(&got, inout_key, 32);
		ub_backlink_make(&key, inout_key, &r->id, op->n, nonce, link);
		assert_memory_equal(link, op->backlink, sizeof(link));
		equal_hex(epoch, "backlink", link, sizeof(link));
	}
	*inout_key = key;
}

static void check_entry(
	const json_t *all, const json_t *row, struct ub_room *r, struct ub_symkey *inout_key)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf again = UB_BUF(UB_ENTRY_MAX);
	const json_t *epoch = json_object_get(row, "epoch");
	const char *text = vec_text(row, "text");
	struct ub_signkey sk;
	struct ub_entry e;

	assert_int_equal(ub_entry_open(ub_str(text), &e), UB_OK);
	signkey_of(all, &e.actor, &sk);
	ub_entry_sign(&sk, &e, &again);
	assert_string_equal(ub_buf_cstr(&again), text);
	assert_int_equal(ub_room_apply(r, &e, &LENIENT), UB_OK);
	check_state(json_object_get(row, "after"), r);
	assert_int_equal(e.ops[e.n_ops - 1].type == UB_OP_EPOCH, json_is_object(epoch));
	if (json_is_object(epoch))
		check_epoch(all, epoch, r, &e.ops[e.n_ops - 1].epoch, inout_key);
	ub_entry_deinit(&e);
}

static void every_story_is_told_to_its_end(void **state)
{
	const json_t *rooms = json_object_get(*state, "rooms");

	assert_int_equal(json_array_size(rooms), 3);
	for (size_t i = 0; i < json_array_size(rooms); i++) {
		const json_t *story = json_array_get(rooms, i);
		const json_t *entries = json_object_get(story, "entries");
		char id[UB_ID_TEXT + 1];
		struct ub_symkey key = {{0}};
		struct ub_room r = {0};

		assert_true(json_array_size(entries) > 2);
		for (size_t k = 0; k < json_array_size(entries); k++)
			check_entry(*state, json_array_get(entries, k), &r, &key);
		ub_room_id_encode(&r.id, id);
		assert_string_equal(id, vec_text(story, "room_id"));
		assert_string_equal(r.subject, vec_text(story, "subject"));
		ub_room_deinit(&r);
	}
}

static struct ub_room room_after(const json_t *story, size_t n)
{
	const json_t *entries = json_object_get(story, "entries");
	struct ub_room r = {0};

	for (size_t k = 0; k < n; k++) {
		struct ub_entry e;

		assert_int_equal(
			ub_entry_open(ub_str(vec_text(json_array_get(entries, k), "text")), &e),
			UB_OK);
		assert_int_equal(ub_room_apply(&r, &e, &LENIENT), UB_OK);
		ub_entry_deinit(&e);
	}
	return r;
}

static void check_refusal(const json_t *story, const json_t *row)
{
	const struct ub_apply ctx = {.now_ms = vec_u64(row, "now_ms"),
		.owner_revoked = json_is_true(json_object_get(row, "owner_revoked")),
		.members_max = (size_t)vec_u64(row, "members_max")};
	struct ub_room r = room_after(story, (size_t)vec_u64(row, "after_entries"));
	const ub_err want = unibus_err_from_word(vec_text(row, "error"));
	struct ub_entry e;
	ub_err err = ub_entry_open(ub_str(vec_text(row, "text")), &e);

	print_message("%s\n", vec_text(row, "why"));
	if (err) {
		assert_int_equal(err, want);
	} else {
		judge_ctx(&r, &e, &ctx, want);
		ub_entry_deinit(&e);
	}
	ub_room_deinit(&r);
}

static void what_breaks_a_rule_is_refused_by_name(void **state)
{
	const json_t *rooms = json_object_get(*state, "rooms");
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(rooms); i++) {
		const json_t *story = json_array_get(rooms, i);
		const json_t *refused = json_object_get(story, "refused");

		for (size_t k = 0; k < json_array_size(refused); k++, n++)
			check_refusal(story, json_array_get(refused, k));
	}
	assert_true(n > 40);
}

static void check_sealing(const json_t *row)
{
	const ub_err want = unibus_err_from_word(vec_text(row, "opens"));
	struct ub_epoch_opener o = {.n = (uint32_t)vec_u64(row, "n")};
	uint8_t sealed[UB_SEALED_LEN];
	struct ub_symkey key, got;
	struct ub_kexsec sec;
	struct ub_hash commit;

	assert_true(vec_hex(row, "key", key.b, 32) && vec_hex(row, "room", o.room.b, 32) &&
		    vec_hex(row, "endpoint", o.self.b, 32) &&
		    vec_hex(row, "kex_secret", sec.b, 32) && vec_hex(row, "kex", o.kex.b, 32) &&
		    vec_hex(row, "commit", o.commit.b, 32) &&
		    vec_hex(row, "sealed", sealed, sizeof(sealed)));
	o.sec = &sec;
	assert_int_equal(ub_epoch_open(&o, sealed, &got), want);
	if (want)
		return;
	assert_memory_equal(&got, &key, 32);
	ub_epoch_commit(&key, &o.room, o.n, &commit);
	assert_memory_equal(&commit, &o.commit, 32);
}

static void check_link(const json_t *row)
{
	const ub_err want = unibus_err_from_word(vec_text(row, "opens"));
	uint32_t n = (uint32_t)vec_u64(row, "n");
	uint8_t nonce[24], link[UB_BACKLINK_LEN], made[UB_BACKLINK_LEN];
	struct ub_symkey key, prev, got;
	struct ub_room_id room;
	struct ub_hash commit;

	assert_true(vec_hex(row, "key", key.b, 32) && vec_hex(row, "previous_key", prev.b, 32) &&
		    vec_hex(row, "room", room.b, 32) && vec_hex(row, "nonce", nonce, 24) &&
		    vec_hex(row, "previous_commit", commit.b, 32) &&
		    vec_hex(row, "link", link, sizeof(link)));
	assert_int_equal(ub_backlink_open(&key, &room, n, link, &commit, &got), want);
	if (want)
		return;
	assert_memory_equal(&got, &prev, 32);
	ub_backlink_make(&key, &prev, &room, n, nonce, made);
	assert_memory_equal(made, link, sizeof(made));
}

static void epoch_keys_open_as_they_must(void **state)
{
	json_t *v = vec_load(EPOCHKEY);
	const json_t *sealings = json_object_get(v, "sealings");
	const json_t *links = json_object_get(v, "backlinks"), *root = json_object_get(v, "root");
	const json_t *list = json_object_get(root, "list");
	struct ub_sealed set[8];
	struct ub_hash h;

	(void)state;
	assert_true(json_array_size(sealings) > 5 && json_array_size(links) > 5);
	for (size_t i = 0; i < json_array_size(sealings); i++)
		check_sealing(json_array_get(sealings, i));
	for (size_t i = 0; i < json_array_size(links); i++)
		check_link(json_array_get(links, i));
	assert_true(json_array_size(list) > 2 && json_array_size(list) <= UB_ARRAY_LEN(set));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i);

		assert_true(vec_hex(row, "endpoint", set[i].to.b, 32) &&
			    vec_hex(row, "sealed", set[i].b, UB_SEALED_LEN));
	}
	ub_sealed_root(set, json_array_size(list), &h);
	equal_hex(root, "root", h.b, 32);
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_keys_belong_together),
		cmocka_unit_test(every_story_is_told_to_its_end),
		cmocka_unit_test(what_breaks_a_rule_is_refused_by_name),
		cmocka_unit_test(epoch_keys_open_as_they_must),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
