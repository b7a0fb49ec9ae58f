#include "membershipd/domain/records.h"
#include "tests/unit/domain/users_kit.h"

static struct md_service *open_another(struct world *w)
{
	struct md_service_config c = kit_config(w);
	struct md_service *s;

	c.events = (struct md_events){0};
	assert_int_equal(md_service_new(&c, &s), UB_OK);
	return s;
}

/* Writes a record behind the service's back. */
static void put(struct md_store *store, const char *key, const char *value)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf old = UB_BUF(MD_VALUE_MAX);
	struct md_op op = {MD_PUT, key, {(const uint8_t *)value, strlen(value)}, 0};
	uint64_t rev;

	if (md_store_get(store, key, &old, &op.expect))
		op.expect = 0;
	assert_int_equal(md_store_commit(store, &op, 1, &rev), UB_OK);
}

static void a_new_store_gets_a_name_that_stays(void **state)
{
	struct world *w = world_bare();
	struct md_service_config c = kit_config(w);
	struct md_revision a, b;
	struct md_service *other;

	(void)state;
	c.log_shards = 7;
	world_open(w, &c);
	other = open_another(w);
	assert_int_equal(md_service_log_shards(w->s), 7);
	assert_int_equal(md_service_log_shards(other), 7); /* fixed, whatever is asked later */
	md_revision_text(w->s, 12, &a);
	md_revision_text(other, 12, &b);
	assert_string_equal(a.z, b.z);
	assert_string_equal(strchr(a.z, ':'), ":12");
	assert_string_not_equal(md_service_id(w->s)->z, md_service_id(other)->z);
	assert_true(md_service_vouches(w->s));
	assert_int_equal(md_service_now_ms(w->s), KIT_NOW);
	md_service_free(other);
	world_free(w);
}

static void shards_are_four_unless_asked(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_int_equal(md_service_log_shards(w->s), 4);
	world_free(w);
}

static void a_state_without_its_name_is_refused(void **state)
{
	struct world *w = world_bare();
	struct md_service_config c = kit_config(w);

	(void)state;
	put(w->store, "d.admins", "{\"v\":1,\"active\":0}");
	assert_int_equal(md_service_new(&c, &w->s), UNIBUS_ERR_BAD_FILE);
	md_store_close(w->store);
	free(w);
}

/* ---- records that make no sense ---- */

#define META "{\"v\":1,\"store\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"log_shards\":4}"
#define HEX64 "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
#define USER(v, sign, handle, role, status, extra) \
	"{\"v\":" v ",\"sign\":\"" sign "\",\"handle\":\"" handle "\",\"role\":\"" role \
	"\",\"status\":\"" status "\",\"created\":1,\"revoked\":0" extra "}"
#define ROOM "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const struct bad_record {
	const char *key; /* "U": of the user whose key is HEX64 */
	const char *value;
	bool good;
} RECORDS[] = {
	{"U", USER("1", HEX64, "x", "member", "active", ""), true},
	{"U", USER("2", HEX64, "x", "member", "active", ""), false},
	{"U", USER("1", HEX64, "X", "member", "active", ""), false},
	{"U", USER("1", HEX64, "", "member", "active", ""), false},
	{"U", USER("1", HEX64, "x", "owner", "active", ""), false},
	{"U", USER("1", HEX64, "x", "member", "gone", ""), false},
	{"U", USER("1", HEX64, "x", "member", "active", ",\"more\":1"), false},
	{"U", USER("1", "00", "x", "member", "active", ""), false}, {"U", "{}", false},
	{"U", "", false},
	{"d.user." ROOM, USER("1", HEX64, "x", "member", "active", ""), false}, /* another's */
	{"d.user.x", USER("1", HEX64, "x", "member", "active", ""), false}, {"d.meta", META, true},
	{"d.meta", "{\"v\":1,\"store\":\"AAAA\",\"log_shards\":4}", false},
	{"d.meta", "{\"v\":1,\"store\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"log_shards\":0}", false},
	{"d.admins", "{\"v\":1,\"active\":3}", true},
	{"d.admins", "{\"v\":1,\"active\":-3}", false},
	{"d.admins.x", "{\"v\":1,\"active\":3}", false}, {"d.entry." ROOM ".0", "what", false},
	{"d.entry." ROOM ".00", "what", false},
	{"d.join." ROOM "." ROOM, "{\"v\":1,\"add\":0}", false}, /* of a room there is not */
	{"d.join." ROOM, "{\"v\":1,\"add\":0}", false},
	{"d.new.thing", "{}", false}, /* a later version's, which we would not respect */
	{"d.node.AAAA", "{}", true}, {"d.handle.AAAA", "{}", true}, /* read when asked for */
};

static const char *key_of(const struct bad_record *r, struct md_key *key)
{
	struct ub_endpoint id;
	struct ub_pubkey sign;

	if (strcmp(r->key, "U") != 0)
		return r->key;
	assert_int_equal(ub_hex_decode(UB_STR(HEX64), sign.b, sizeof(sign.b)), UB_OK);
	ub_endpoint_of(&sign, &id);
	md_key_user(&id, key);
	return key->z;
}

static void a_record_that_makes_no_sense_stops_the_start(void **state)
{
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(RECORDS); i++) {
		struct world *w = world_bare();
		struct md_service_config c = kit_config(w);
		struct md_key key;
		const char *z = key_of(&RECORDS[i], &key);
		ub_err e;

		put(w->store, "d.meta", META);
		put(w->store, z, RECORDS[i].value);
		e = md_service_new(&c, &w->s);
		if (e != (RECORDS[i].good ? UB_OK : UNIBUS_ERR_BAD_FILE))
			fail_msg("record %zu (%s): %s", i, z, unibus_err_word(e));
		world_free(w);
	}
}

static void a_record_that_makes_no_sense_ends_all_trust(void **state)
{
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(RECORDS); i++) {
		struct world *w = world_new();
		struct md_key key;
		struct md_caller c;
		struct md_taken t;
		const char *z = key_of(&RECORDS[i], &key);
		bool good = RECORDS[i].good;

		put(w->store, z, RECORDS[i].value);
		assert_int_equal(md_service_vouches(w->s), good);
		assert_int_equal(md_caller_find(w->s, &w->p[0].sign, &c),
			good ? UB_OK : UNIBUS_ERR_UNAVAILABLE);
		assert_int_equal(md_user_revoke(w->s, NULL, &w->p[1].sign, &t),
			good ? UB_OK : UNIBUS_ERR_UNAVAILABLE);
		world_free(w);
	}
}

static void a_user_record_must_not_be_deleted(void **state)
{
	struct world *w = world_new();
	UB_CLEANUP(ub_buf_deinit) struct ub_buf old = UB_BUF(MD_VALUE_MAX);
	struct md_op op = {.kind = MD_DELETE};
	struct md_key key;
	uint64_t rev;

	(void)state;
	md_key_user(&w->p[1].id, &key);
	op.key = key.z;
	assert_int_equal(md_store_get(w->store, key.z, &old, &op.expect), UB_OK);
	assert_int_equal(md_store_commit(w->store, &op, 1, &rev), UB_OK);
	assert_false(md_service_vouches(w->s));
	world_free(w);
}

/* ---- waiting for a revision ---- */

static void a_revision_is_named_one_way(void **state)
{
	struct world *w = world_new();
	char own[64], later[64], other[64];
	struct md_revision r;
	const struct {
		const char *text;
		ub_err want;
	} cases[] = {
		{own, UB_OK}, {later, UNIBUS_ERR_UNAVAILABLE},
		{other, UB_OK}, /* a store restored since: nothing to wait for */
		{"", UNIBUS_ERR_INVALID}, {"5", UNIBUS_ERR_INVALID}, {":5", UNIBUS_ERR_INVALID},
		{"AAAA:5", UNIBUS_ERR_INVALID}, {"AAAAAAAAAAAAAAAAAAAAAA:", UNIBUS_ERR_INVALID},
		{"AAAAAAAAAAAAAAAAAAAAAA:05", UNIBUS_ERR_INVALID},
		{"AAAAAAAAAAAAAAAAAAAAAA:5 ", UNIBUS_ERR_INVALID},
		{"AAAAAAAAAAAAAAAAAAAAAA:-5", UNIBUS_ERR_INVALID},
		{"AAAAAAAAAAAAAAAAAAAAAB:5", UNIBUS_ERR_INVALID}, /* unused bits */
	};

	(void)state;
	md_revision_text(w->s, md_service_revision(w->s), &r);
	snprintf(own, sizeof(own), "%s", r.z);
	md_revision_text(w->s, md_service_revision(w->s) + 1, &r);
	snprintf(later, sizeof(later), "%s", r.z);
	snprintf(other, sizeof(other), "AAAAAAAAAAAAAAAAAAAAAA:999999");
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++)
		assert_int_equal(md_service_wait(w->s, ub_str(cases[i].text), 1), cases[i].want);
	world_free(w);
}

struct waiting {
	struct world *w;
	struct md_revision until;
	ub_err got;
};

static void *wait_for_it(void *arg)
{
	struct waiting *x = arg;

	x->got = md_service_wait(x->w->s, ub_str(x->until.z), 20000);
	return NULL;
}

static void a_wait_ends_when_the_revision_comes(void **state)
{
	struct world *w = world_new();
	struct waiting x = {.w = w};
	pthread_t t;

	(void)state;
	md_revision_text(w->s, md_service_revision(w->s) + 1, &x.until);
	assert_int_equal(pthread_create(&t, NULL, wait_for_it, &x), 0);
	assert_int_equal(kit_register(w, 7, false), UB_OK);
	pthread_join(t, NULL);
	assert_int_equal(x.got, UB_OK);
	world_free(w);
}

static void a_start_tells_no_events(void **state)
{
	struct world *w = world_new();
	struct md_service_config c = kit_config(w);
	struct md_service *other;
	struct md_taken t;

	(void)state;
	assert_int_equal(md_user_revoke(w->s, NULL, &w->p[1].sign, &t), UB_OK);
	w->n_told = 0;
	assert_int_equal(md_service_new(&c, &other), UB_OK);
	assert_int_equal(w->n_told, 0);
	md_service_free(other);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_store_gets_a_name_that_stays),
		cmocka_unit_test(shards_are_four_unless_asked),
		cmocka_unit_test(a_state_without_its_name_is_refused),
		cmocka_unit_test(a_record_that_makes_no_sense_stops_the_start),
		cmocka_unit_test(a_record_that_makes_no_sense_ends_all_trust),
		cmocka_unit_test(a_user_record_must_not_be_deleted),
		cmocka_unit_test(a_revision_is_named_one_way),
		cmocka_unit_test(a_wait_ends_when_the_revision_comes),
		cmocka_unit_test(a_start_tells_no_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
