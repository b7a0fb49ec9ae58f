/* Writes roomlog.json, epochkey.json and blob.json: make vectors. Nothing in it is random, so a
 * second run changes nothing; tests/oracle reads the files with another implementation. */
#include "tests/vectors/gen.h"

/* A good entry's payload with `from` replaced by `to`, signed again. */
static void refuse_changed(struct gen *g, const char *from, const char *to, ub_err want)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf payload = UB_BUF(UB_ENTRY_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_ENTRY_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf why = UB_BUF(200);
	struct ub_signed_text st = {0};
	struct ub_op op = op_remove(&g->p[ED]);
	json_t *epoch;
	char *good = gen_text(g, ANN, &op, 1, &epoch), *at;

	ub_assert(!ub_signed_text_split(ub_str(good), UB_ENTRY_MAX, &st));
	at = strstr(st.payload, from);
	ub_assert(at);
	ub_buf_put(&payload, st.payload, (size_t)(at - st.payload));
	ub_buf_z(&payload, to);
	ub_buf_z(&payload, at + strlen(from));
	ub_signed_text_make(UB_TAG_ROOM, &g->p[ANN].sk, ub_buf_text(&payload), &text);
	ub_buf_printf(&why, "%s instead of %s", to, from);
	gen_refuse_text(g, ub_buf_cstr(&why), want, ub_buf_cstr(&text), &lenient);
	ub_signed_text_deinit(&st);
	free(good);
}

static void refuse_forms(struct gen *g)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	struct ub_op op = op_remove(&g->p[ED]);
	json_t *epoch;
	char *good = gen_text(g, ANN, &op, 1, &epoch), *dot = strchr(good, '.');

	refuse_changed(g, "\"v\":1", "\"v\":2", UNIBUS_ERR_BAD_ENTRY);
	refuse_changed(g, "\"v\":1", "\"v\":1,\"v\":1", UNIBUS_ERR_BAD_ENTRY);
	refuse_changed(g, "\"v\":1", "\"v\":1,\"extra\":1", UNIBUS_ERR_BAD_ENTRY);
	refuse_changed(g, "\"v\":1", "\"v\":1.0", UNIBUS_ERR_BAD_ENTRY);
	refuse_changed(g, "\"seq\":", "\"seq\":1", UNIBUS_ERR_BAD_CHAIN);
	refuse_changed(g, "\"prev\":\"", "\"prev\":\"A", UNIBUS_ERR_BAD_ENTRY);
	refuse_changed(g, "\"ts\":", "\"ts\":-", UNIBUS_ERR_BAD_ENTRY);
	refuse_changed(g, "remove\"", "remove\",\"role\":\"reader\"", UNIBUS_ERR_BAD_ENTRY);
	refuse_changed(g, "\"op\":\"remove\"", "\"op\":\"expel\"", UNIBUS_ERR_BAD_ENTRY);
	refuse_changed(g, "\"endpoint\"", "\"peer\"", UNIBUS_ERR_BAD_ENTRY);
	dot[10] = dot[10] == 'A' ? 'B' : 'A';
	gen_refuse_text(g, "another signature", UNIBUS_ERR_BAD_SIGNATURE, good, &lenient);
	*dot = '_';
	gen_refuse_text(g, "no dot", UNIBUS_ERR_BAD_ENTRY, good, &lenient);
	free(good);
}

/* Encrypted, everything kept and shown to who comes later. */
static void story_of_a_secret_room(struct gen *g)
{
	const struct ub_policy policy = {
		.encrypt = true, .persist = true, .sign = true, .retain = {1000, 0, 86400}};
	struct ub_op retain = op_policy(true, true), wrong;
	struct ub_op dora = op_key(&g->renewed, 6);

	retain.has_retain = true;
	retain.policy.retain.messages = 50;
	gen_begin(g, "secret, history all");
	gen_refuse(g, "encrypted without a first key", UNIBUS_ERR_NEEDS_EPOCH, ANN,
		OPS(op_genesis(policy), op_add(&g->p[ANN], UB_ROLE_OWNER)));
	gen_accept(g, ANN,
		OPS(op_genesis(policy), op_add(&g->p[ANN], UB_ROLE_OWNER), op_epoch(1, false)));
	gen_accept(g, ANN,
		OPS(op_add(&g->p[BOB], UB_ROLE_ADMIN), op_add(&g->p[CARL], UB_ROLE_MEMBER),
			op_add(&g->p[DORA], UB_ROLE_READER), op_add(&g->p[ED], UB_ROLE_MEMBER)));
	gen_refuse(g, "remove without a new key", UNIBUS_ERR_NEEDS_EPOCH, BOB,
		OPS(op_remove(&g->p[CARL])));
	gen_refuse(g, "a back link missing", UNIBUS_ERR_BAD_EPOCH, BOB,
		OPS(op_remove(&g->p[CARL]), op_epoch(2, false)));
	gen_refuse(g, "an epoch left out", UNIBUS_ERR_BAD_EPOCH, BOB,
		OPS(op_remove(&g->p[CARL]), op_epoch(3, true)));
	wrong = op_epoch(2, true);
	ub_room_roster_hash(&g->room, &wrong.epoch.roster);
	gen_refuse(g, "the roster before the entry", UNIBUS_ERR_BAD_ROSTER, BOB,
		OPS(op_remove(&g->p[CARL]), wrong));
	gen_refuse(g, "an operation after the epoch", UNIBUS_ERR_BAD_ENTRY, BOB,
		OPS(wrong, op_role(&g->p[CARL], UB_ROLE_READER)));
	gen_refuse(g, "encrypt off", UNIBUS_ERR_BAD_ENTRY, ANN, OPS(op_policy(false, true)));
	gen_refuse(g, "a member's epoch while none is due", UNIBUS_ERR_NO_RIGHT, ED,
		OPS(op_epoch(2, true)));
	gen_refuse(g, "who leaves makes the next key", UNIBUS_ERR_NO_RIGHT, BOB,
		OPS(op_bare(UB_OP_LEAVE), op_epoch(2, true)));
	gen_accept(g, BOB, OPS(op_remove(&g->p[CARL]), op_epoch(2, true)));
	gen_refuse(g, "another's key record", UNIBUS_ERR_NO_RIGHT, ED, OPS(op_key(&g->p[DORA], 7)));
	gen_refuse(g, "a key record that is not newer", UNIBUS_ERR_CONFLICT, DORA,
		OPS(op_key(&g->p[DORA], 5)));
	gen_accept(g, DORA, &dora, 1);
	gen_refuse(g, "a reader's epoch", UNIBUS_ERR_NO_RIGHT, DORA, OPS(op_epoch(3, true)));
	gen_accept(g, ED, OPS(op_epoch(3, true)));
	gen_accept(g, ANN, OPS(op_role(&g->p[BOB], UB_ROLE_OWNER)));
	gen_accept(g, BOB, &retain, 1);
	gen_accept(g, DORA, OPS(op_bare(UB_OP_LEAVE)));
	gen_accept(g, ANN, OPS(op_bare(UB_OP_TAKEOVER), op_epoch(4, true)));
	gen_accept(g, ANN, OPS(op_bare(UB_OP_CLOSE)));
	gen_refuse(g, "anything after close", UNIBUS_ERR_ROOM_CLOSED, ANN,
		OPS(op_add(&g->p[ZOE], UB_ROLE_MEMBER)));
	gen_end(g);
}

/* Encrypted, who comes later sees nothing older. */
static void story_of_a_forgetful_room(struct gen *g)
{
	const struct ub_policy policy = {.encrypt = true, .since_join = true};

	gen_begin(g, "secret, history since_join");
	gen_accept(g, ANN,
		OPS(op_genesis(policy), op_add(&g->p[ANN], UB_ROLE_OWNER), op_epoch(1, false)));
	gen_refuse(g, "add without a new key", UNIBUS_ERR_NEEDS_EPOCH, ANN,
		OPS(op_add(&g->p[BOB], UB_ROLE_ADMIN)));
	gen_refuse(g, "a back link where none belongs", UNIBUS_ERR_BAD_EPOCH, ANN,
		OPS(op_add(&g->p[BOB], UB_ROLE_ADMIN), op_epoch(2, true)));
	gen_accept(g, ANN, OPS(op_add(&g->p[BOB], UB_ROLE_ADMIN), op_epoch(2, false)));
	gen_accept(g, BOB, OPS(op_add(&g->p[CARL], UB_ROLE_MEMBER), op_epoch(3, false)));
	gen_accept(g, BOB, OPS(op_remove(&g->p[CARL]), op_epoch(4, false)));
	gen_end(g);
}

static void refuse_rights(struct gen *g)
{
	const struct ub_apply active = {0}, late = {.now_ms = KIT_EXPIRES};
	const struct ub_apply full = {.members_max = 5};
	struct ub_op add = op_add(&g->p[ZOE], UB_ROLE_READER), take = op_bare(UB_OP_TAKEOVER);

	gen_refuse(g, "a member adds", UNIBUS_ERR_NO_RIGHT, CARL, &add, 1);
	gen_refuse(g, "a reader sets roles", UNIBUS_ERR_NO_RIGHT, DORA,
		OPS(op_role(&g->p[DORA], UB_ROLE_ADMIN)));
	gen_refuse(g, "an outsider leaves", UNIBUS_ERR_NO_RIGHT, ZOE, OPS(op_bare(UB_OP_LEAVE)));
	gen_refuse(g, "an admin removes the owner", UNIBUS_ERR_NO_RIGHT, BOB,
		OPS(op_remove(&g->p[ANN])));
	gen_refuse(g, "an admin gives ownership", UNIBUS_ERR_NO_RIGHT, BOB,
		OPS(op_role(&g->p[CARL], UB_ROLE_OWNER)));
	gen_refuse(g, "an admin closes", UNIBUS_ERR_NO_RIGHT, BOB, OPS(op_bare(UB_OP_CLOSE)));
	gen_refuse(g, "the owner leaves", UNIBUS_ERR_NO_RIGHT, ANN, OPS(op_bare(UB_OP_LEAVE)));
	gen_refuse(g, "a second owner", UNIBUS_ERR_BAD_ENTRY, ANN,
		OPS(op_add(&g->p[ZOE], UB_ROLE_OWNER)));
	gen_refuse(g, "in the room already", UNIBUS_ERR_CONFLICT, BOB,
		OPS(op_add(&g->p[CARL], UB_ROLE_READER)));
	gen_refuse(g, "not in the room", UNIBUS_ERR_NOT_FOUND, BOB, OPS(op_remove(&g->p[ZOE])));
	gen_refuse(g, "a clear room's epoch", UNIBUS_ERR_BAD_EPOCH, ANN, OPS(op_epoch(1, false)));
	gen_refuse(g, "encrypt on without a key", UNIBUS_ERR_NEEDS_EPOCH, ANN,
		OPS(op_policy(true, false)));
	gen_refuse_ctx(
		g, "takeover from an active owner", UNIBUS_ERR_NO_RIGHT, BOB, &take, &active);
	gen_refuse_ctx(g, "an expired key record", UNIBUS_ERR_EXPIRED, BOB, &add, &late);
	gen_refuse_ctx(g, "one member too many", UNIBUS_ERR_LIMIT, BOB, &add, &full);
}

/* Clear at first, later signed, then encrypted. */
static void story_of_a_plain_room(struct gen *g)
{
	const struct ub_policy policy = {0};

	gen_begin(g, "plain");
	gen_refuse(g, "somebody else as owner", UNIBUS_ERR_BAD_ENTRY, ANN,
		OPS(op_genesis(policy), op_add(&g->p[BOB], UB_ROLE_OWNER)));
	gen_refuse(g, "a key for a clear room", UNIBUS_ERR_BAD_EPOCH, ANN,
		OPS(op_genesis(policy), op_add(&g->p[ANN], UB_ROLE_OWNER), op_epoch(1, false)));
	gen_accept(g, ANN, OPS(op_genesis(policy), op_add(&g->p[ANN], UB_ROLE_OWNER)));
	gen_accept(g, ANN,
		OPS(op_add(&g->p[BOB], UB_ROLE_ADMIN), op_add(&g->p[CARL], UB_ROLE_MEMBER),
			op_add(&g->p[DORA], UB_ROLE_READER), op_add(&g->p[ED], UB_ROLE_MEMBER)));
	refuse_forms(g);
	refuse_rights(g);
	gen_accept(g, BOB, OPS(op_policy(false, true)));
	gen_refuse(g, "sign off", UNIBUS_ERR_BAD_ENTRY, BOB, OPS(op_policy(false, false)));
	gen_accept(g, BOB, OPS(op_policy(true, true), op_epoch(1, false)));
	gen_end(g);
}

int main(int argc, char **argv)
{
	struct gen g = {0};
	json_t *o = json_object();

	if (argc != 2) {
		fprintf(stderr, "usage: gen_room FOLDER\n");
		return 2;
	}
	gen_init(&g);
	story_of_a_secret_room(&g);
	story_of_a_forgetful_room(&g);
	story_of_a_plain_room(&g);
	gen_put(o, "about",
		json_string(
			"Room logs, PROTOCOL.md section 4. Bytes in hex, ids and entries as on the "
			"wire. after: the state after the entry. epoch: what its epoch op was made "
			"from, sealed by endpoint. refused: judged by the state after so many "
			"entries; owner_revoked, now_ms (0: no clock) and members_max (0: 4000) "
			"are what the judge knows besides."));
	gen_put(o, "peers", gen_peers(&g));
	gen_put(o, "rooms", g.rooms);
	gen_write(argv[1], "roomlog.json", o);
	gen_write(argv[1], "epochkey.json", gen_epochkey(&g));
	gen_write(argv[1], "blob.json", gen_blob());
	return 0;
}
