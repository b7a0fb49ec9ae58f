/* What is special about the store on servers: making and opening the bucket, what others may do to
 * it, TLS and keys. While servers die: test_store_jetstream_faults.c. */
#include "membershipd/store/store_jetstream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/key.h"
#include "core/nkey.h"
#include "membershipd/store/store_jetstream_wire.h"
#include "tests/harness/kv_cluster.h"
#include "tests/harness/store_fixture.h"

#define ID "0123456789abcdefghijkl"

static struct kv_cluster one;

static int set_up(void **state)
{
	(void)state;
	return kv_cluster_start(&one, 1, false);
}

static int tear_down(void **state)
{
	(void)state;
	kv_cluster_stop(&one);
	return 0;
}

static int wipe(void **state)
{
	(void)state;
	return kv_cluster_wipe(&one);
}

static struct md_store *open_store(const struct kv_cluster *c)
{
	struct md_jetstream_options o = kv_cluster_options(c);
	struct md_store *s = NULL;

	assert_int_equal(md_store_jetstream_open(&o, &s), UB_OK);
	return s;
}

static struct md_store *make_store(const struct kv_cluster *c)
{
	struct md_jetstream_options o = kv_cluster_options(c);

	assert_int_equal(md_store_jetstream_create(&o), UB_OK);
	return open_store(c);
}

static void expect_open(const struct md_jetstream_options *o, ub_err want)
{
	struct md_store *s = NULL, *before = s;
	ub_err e = md_store_jetstream_open(o, &s);

	assert_int_equal(e, want);
	assert_true(e == UB_OK || s == before);
	md_store_close(s);
}

static void a_bucket_is_made_once_and_never_by_opening(void **state)
{
	struct md_jetstream_options o = kv_cluster_options(&one);

	(void)state;
	for (int i = 0; i < 2; i++)
		expect_open(&o, UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(md_store_jetstream_create(&o), UB_OK);
	expect_open(&o, UB_OK);
	UB_CLEANUP(md_store_closep) struct md_store *s = open_store(&one);
	uint64_t a = put(s, "d.a", "1", 0);
	assert_int_equal(md_store_jetstream_create(&o), UNIBUS_ERR_EXISTS);
	assert_record(s, "d.a", "1", a);
}

static void a_bucket_wants_as_many_servers_as_replicas(void **state)
{
	static const unsigned bad[] = {0, 6, 77};
	struct md_jetstream_options o = kv_cluster_options(&one);

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++) {
		o.replicas = bad[i];
		assert_int_equal(md_store_jetstream_create(&o), UNIBUS_ERR_INVALID);
	}
	o.replicas = 3;
	assert_int_equal(md_store_jetstream_create(&o), UNIBUS_ERR_LIMIT);
	expect_open(&o, UNIBUS_ERR_NOT_FOUND);
	o.replicas = 1;
	assert_int_equal(md_store_jetstream_create(&o), UB_OK);
}

/* A stream of our name, one member of its configuration replaced. */
static void make_stream(const char *member, const char *json)
{
	UB_CLEANUP(ub_freep) char *ours = kv_config_text(ID, 1), *text = NULL;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf answer = UB_BUF(65536);
	UB_CLEANUP(json_decrefp) json_t *config = NULL;
	json_t *v;

	assert_int_equal(ub_json_parse(ub_str(ours), &config), UB_OK);
	if (member) {
		v = json_loads(json, JSON_DECODE_ANY, NULL);
		assert_int_equal(json_object_set_new(config, member, v), 0);
	}
	text = ub_json_text(config);
	assert_int_equal(kv_cluster_ask(&one, "$JS.API.STREAM.CREATE.KV_UNIBUS", text, &answer), 0);
	assert_null(strstr(ub_buf_cstr(&answer), "\"error\""));
}

static void a_stream_that_breaks_the_contract_is_refused(void **state)
{
	static const struct {
		const char *member, *json;
		ub_err want;
	} cases[] = {
		{NULL, NULL, UB_OK},
		{"metadata", "{}", UNIBUS_ERR_NOT_FOUND},
		{"metadata", "{\"unibus_store\":\"short\"}", UNIBUS_ERR_NOT_FOUND},
		{"metadata", "{\"other\":\"" ID "\"}", UNIBUS_ERR_NOT_FOUND},
		{"allow_direct", "true", UNIBUS_ERR_CONFLICT},
		{"allow_atomic", "false", UNIBUS_ERR_CONFLICT},
		{"max_msgs_per_subject", "2", UNIBUS_ERR_CONFLICT},
		{"max_age", "3600000000000", UNIBUS_ERR_CONFLICT},
		{"subjects", "[\"$KV.UNIBUS.>\",\"$KV.OTHER.>\"]", UNIBUS_ERR_CONFLICT},
		{"subjects", "[\"$KV.UNIBUS.*\"]", UNIBUS_ERR_CONFLICT},
		{"storage", "\"memory\"", UNIBUS_ERR_CONFLICT},
		{"discard", "\"old\"", UNIBUS_ERR_CONFLICT},
		{"retention", "\"interest\"", UNIBUS_ERR_CONFLICT},
		{"description", "\"harmless\"", UB_OK},
	};
	struct md_jetstream_options o = kv_cluster_options(&one);

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		assert_int_equal(kv_cluster_wipe(&one), 0);
		make_stream(cases[i].member, cases[i].json);
		expect_open(&o, cases[i].want);
	}
}

static char *write_seed(const struct kv_cluster *c, const char *name, const char *text, mode_t mode)
{
	char path[PROC_PATH + 32];

	(void)snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	char *copy = strdup(path);
	assert_non_null(copy);
	return copy;
}

static void count_waits(void *arg, const char *what)
{
	_Atomic int *n = arg;

	assert_non_null(strstr(what, "nats-server"));
	atomic_fetch_add(n, 1);
}

static void bad_options_are_named(void **state)
{
	struct md_jetstream_options good = kv_cluster_options(&one);
	static const char *const http[] = {"http://127.0.0.1:1"},
				 *const tls[] = {"tls://127.0.0.1:1"},
				 *const user[] = {"nats://u:p@127.0.0.1:1"}, *const none[] = {NULL};
	UB_CLEANUP(ub_freep) char *open = write_seed(&one, "open.seed", "SUAB\n", 0644);
	UB_CLEANUP(ub_freep) char *bad = write_seed(&one, "bad.seed", "SUAB\n", 0600);
	UB_CLEANUP(ub_freep) char *empty = write_seed(&one, "empty.seed", "", 0600);
	struct {
		const char *const *urls;
		size_t n;
		const char *ca, *seed;
		ub_err want;
	} cases[] = {
		{good.urls, 0, NULL, good.seed_file, UNIBUS_ERR_INVALID},
		{NULL, 1, NULL, good.seed_file, UNIBUS_ERR_INVALID},
		{none, 1, NULL, good.seed_file, UNIBUS_ERR_INVALID},
		{http, 1, NULL, good.seed_file, UNIBUS_ERR_INVALID},
		{tls, 1, NULL, good.seed_file, UNIBUS_ERR_INVALID},
		{user, 1, NULL, good.seed_file, UNIBUS_ERR_INVALID},
		{good.urls, 1, NULL, NULL, UNIBUS_ERR_INVALID},
		{good.urls, 1, "/nowhere/ca.pem", good.seed_file, UNIBUS_ERR_TLS},
		{good.urls, 1, NULL, "/nowhere/ctrl.seed", UNIBUS_ERR_BAD_FILE},
		{good.urls, 1, NULL, open, UNIBUS_ERR_INSECURE_FILE},
		{good.urls, 1, NULL, bad, UNIBUS_ERR_BAD_FILE},
		{good.urls, 1, NULL, empty, UNIBUS_ERR_BAD_FILE},
		{good.urls, 1, NULL, good.seed_file, UB_OK},
	};

	(void)state;
	assert_int_equal(md_store_jetstream_create(&good), UB_OK);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct md_jetstream_options o = good;

		o.urls = cases[i].urls;
		o.n_urls = cases[i].n;
		o.ca = cases[i].ca;
		o.seed_file = cases[i].seed;
		expect_open(&o, cases[i].want);
	}
}

static void a_key_that_no_server_knows_is_denied(void **state)
{
	struct md_jetstream_options o = kv_cluster_options(&one);
	char seed[UB_NKEY_SEED_TEXT + 1];
	uint8_t random[32];

	(void)state;
	assert_int_equal(md_store_jetstream_create(&o), UB_OK);
	randombytes_buf(random, sizeof(random));
	ub_nkey_seed_encode(UB_NKEY_USER, random, seed);
	UB_CLEANUP(ub_freep) char *stranger = write_seed(&one, "stranger.seed", seed, 0600);
	const char *right = o.seed_file;
	o.seed_file = stranger;
	expect_open(&o, UNIBUS_ERR_DENIED);
	o.seed_file = right;
	expect_open(&o, UB_OK);
}

static void waiting_for_a_server_is_told_and_ends(void **state)
{
	static const char *const nobody[] = {"nats://127.0.0.1:1"};
	struct md_jetstream_options o = kv_cluster_options(&one);
	_Atomic int waits = 0;

	(void)state;
	o.urls = nobody;
	o.open_ms = 3500;
	o.waiting = count_waits;
	o.arg = &waits;
	expect_open(&o, UNIBUS_ERR_UNAVAILABLE);
	assert_int_equal(atomic_load(&waits), 1);
}

static void an_address_that_is_dead_is_passed_over(void **state)
{
	const char *const urls[] = {"nats://127.0.0.1:1", one.urls[0]};
	struct md_jetstream_options o = kv_cluster_options(&one);

	(void)state;
	o.urls = urls;
	o.n_urls = 2;
	assert_int_equal(md_store_jetstream_create(&o), UB_OK);
	for (int i = 0; i < 4; i++)
		expect_open(&o, UB_OK);
}

static void two_stores_on_one_bucket_are_one(void **state)
{
	UB_CLEANUP(md_store_closep) struct md_store *a = make_store(&one);
	UB_CLEANUP(md_store_closep) struct md_store *b = open_store(&one);
	struct notes *t = notes_new();
	struct md_follower f = notes_follower(t, "d.");
	uint64_t first = put(a, "d.a", "1", 0), rev = 77;

	(void)state;
	assert_record(b, "d.a", "1", first);
	assert_int_equal(md_store_follow(b, &f), UB_OK);
	const struct md_op ops[] = {put_op("d.a", "2", first), put_op("d.b", "3", 0)};
	assert_int_equal(md_store_commit(a, ops, 2, &rev), UB_OK);
	notes_wait(t, rev);
	assert_int_equal(t->n, 3);
	assert_int_equal(t->v[1].batch, t->v[2].batch);
	assert_int_equal(md_store_revision(b), rev);
	/* Neither has seen what the other deletes, and both go by it. */
	uint64_t gone = del(a, "d.b", rev);
	const struct md_op on_marker = put_op("d.b", "4", gone);
	assert_int_equal(md_store_commit(b, &on_marker, 1, &rev), UNIBUS_ERR_CONFLICT);
	assert_int_equal(md_store_commit(a, &on_marker, 1, &rev), UNIBUS_ERR_CONFLICT);
	assert_int_equal(put(b, "d.b", "4", 0), gone + 1);
	assert_int_equal(md_store_commit(a, ops, 2, &rev), UNIBUS_ERR_CONFLICT);
	assert_true(md_store_revision(a) >= gone + 1);
	md_store_close(UB_TAKE(b));
	notes_free(t);
}

static void what_others_write_is_read_as_far_as_it_can_be(void **state)
{
	UB_CLEANUP(md_store_closep) struct md_store *s = make_store(&one);
	struct notes *t = notes_new();
	struct md_follower f = notes_follower(t, "");
	uint64_t a = put(s, "d.a", "1", 0);

	(void)state;
	assert_int_equal(md_store_follow(s, &f), UB_OK);
	/* A plain put, without a batch or an expectation; then subjects that are no keys of ours.
	 */
	assert_int_equal(kv_cluster_ask(&one, "$KV.UNIBUS.d.a", "other", NULL), 0);
	assert_int_equal(kv_cluster_ask(&one, "$KV.UNIBUS.d/a", "x", NULL), 0);
	assert_int_equal(kv_cluster_ask(&one, "$KV.UNIBUS.d=", "x", NULL), 0);
	notes_wait(t, a + 3);
	assert_record(s, "d.a", "other", a + 1);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->v[1].rev, a + 1);
	assert_int_equal(put(s, "d.a", "mine", a + 1), a + 4);
	UB_CLEANUP(ub_freep) char *all = dump(s);
	assert_non_null(strstr(all, "d.a=mine@5\nrevision 5\n"));
	md_store_close(UB_TAKE(s));
	notes_free(t);
}

static void servers_without_their_key_show_no_bucket(void **state)
{
	struct md_jetstream_options o = kv_cluster_options(&one);
	const char *right = one.disk_key;
	uint64_t a;

	(void)state;
	{
		UB_CLEANUP(md_store_closep) struct md_store *s = make_store(&one);
		a = put(s, "d.a", "1", 0);
	}
	one.disk_key = "another key";
	proc_stop(&one.server[0]);
	assert_int_equal(kv_cluster_start_one(&one, 0), 0);
	expect_open(&o, UNIBUS_ERR_NOT_FOUND);
	one.disk_key = right;
	proc_stop(&one.server[0]);
	assert_int_equal(kv_cluster_start_one(&one, 0), 0);
	UB_CLEANUP(md_store_closep) struct md_store *s = open_store(&one);
	assert_record(s, "d.a", "1", a);
}

static void tls_is_used_when_it_is_asked_for_and_only_with_the_right_authority(void **state)
{
	struct kv_cluster sealed, other;

	(void)state;
	assert_int_equal(kv_cluster_start(&sealed, 1, true), 0);
	assert_int_equal(kv_cluster_start(&other, 1, true), 0);
	struct md_jetstream_options o = kv_cluster_options(&sealed);
	UB_CLEANUP(md_store_closep) struct md_store *s = make_store(&sealed);
	uint64_t a = put(s, "d.a", "1", 0);
	assert_record(s, "d.a", "1", a);
	o.ca = other.ca;
	expect_open(&o, UNIBUS_ERR_TLS);
	char url[64];
	(void)snprintf(url, sizeof(url), "tls://localhost:%u", sealed.port[0]);
	const char *const urls[] = {"tls://localhost:1", url};
	o.ca = sealed.ca;
	o.urls = urls;
	o.n_urls = 2;
	expect_open(&o, UB_OK);
	/* A server without TLS, though it was asked for, and the other way round. */
	o = kv_cluster_options(&one);
	o.ca = sealed.ca;
	expect_open(&o, UNIBUS_ERR_TLS);
	char plain[64];
	(void)snprintf(plain, sizeof(plain), "nats://127.0.0.1:%u", sealed.port[0]);
	const char *const plain_urls[] = {plain};
	o = kv_cluster_options(&sealed);
	o.urls = plain_urls;
	expect_open(&o, UB_OK);
	o.ca = NULL;
	expect_open(&o, UNIBUS_ERR_TLS);
	kv_cluster_stop(&other);
	md_store_close(UB_TAKE(s));
	kv_cluster_stop(&sealed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_bucket_is_made_once_and_never_by_opening, wipe),
		cmocka_unit_test_setup(a_bucket_wants_as_many_servers_as_replicas, wipe),
		cmocka_unit_test_setup(a_stream_that_breaks_the_contract_is_refused, wipe),
		cmocka_unit_test_setup(bad_options_are_named, wipe),
		cmocka_unit_test_setup(a_key_that_no_server_knows_is_denied, wipe),
		cmocka_unit_test_setup(waiting_for_a_server_is_told_and_ends, wipe),
		cmocka_unit_test_setup(an_address_that_is_dead_is_passed_over, wipe),
		cmocka_unit_test_setup(two_stores_on_one_bucket_are_one, wipe),
		cmocka_unit_test_setup(what_others_write_is_read_as_far_as_it_can_be, wipe),
		cmocka_unit_test_setup(servers_without_their_key_show_no_bucket, wipe),
		cmocka_unit_test(
			tls_is_used_when_it_is_asked_for_and_only_with_the_right_authority),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
