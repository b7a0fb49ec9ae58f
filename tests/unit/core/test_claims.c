/* The auth callout's request and answer, and the box around them. */
#include "tests/unit/core/vectors.h"

#include "core/claims.h"
#include "core/json.h"
#include "core/jwt.h"
#include "core/key.h"
#include "core/limits.h"

#define FILE_NAME "tests/vectors/claims.json"

static ub_err open_request(const json_t *v, struct ub_auth_request *ret)
{
	return ub_auth_request_open(
		ub_str(vec_text(v, "token")), vec_text(v, "issuer"), vec_u64(v, "now"), ret);
}

static void check_request(const json_t *v)
{
	const json_t *e = json_object_get(v, "expect");
	struct ub_auth_request r = {.cid = 0};
	uint8_t raw[64];

	assert_int_equal(open_request(v, &r), UB_OK);
	assert_string_equal(r.server_id, vec_text(e, "server_id"));
	vec_hex(e, "server_key", raw, 32);
	assert_memory_equal(r.server_key.b, raw, 32);
	assert_string_equal(r.server_name, vec_text(e, "server_name"));
	assert_string_equal(r.user_nkey, vec_text(e, "user_nkey"));
	assert_true(r.cid == vec_u64(e, "cid"));
	assert_string_equal(r.host, vec_text(e, "host"));
	assert_string_equal(r.conn_type, vec_text(e, "conn_type"));
	assert_string_equal(r.conn_kind, vec_text(e, "conn_kind"));
	assert_int_equal(r.has_nkey, vec_hex(e, "nkey", raw, 32));
	if (r.has_nkey)
		assert_memory_equal(r.nkey.b, raw, 32);
	assert_int_equal(r.has_sig, vec_hex(e, "sig", raw, 64));
	if (r.has_sig)
		assert_memory_equal(r.sig.b, raw, 64);
	assert_int_equal(r.has_nonce, vec_text(e, "nonce") != NULL);
	assert_string_equal(r.nonce, r.has_nonce ? vec_text(e, "nonce") : "");
	assert_true(r.exp_s == vec_u64(e, "exp"));
}

static void each_request_reads_as_expected(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(doc, "requests"), i, v) {
		print_message("%s\n", vec_text(v, "name"));
		check_request(v);
	}
	assert_true(i >= 20);
}

static void the_captured_login_verifies(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	const json_t *v = json_array_get(json_object_get(doc, "requests"), 0);
	struct ub_auth_request r;

	(void)state;
	assert_int_equal(open_request(v, &r), UB_OK);
	assert_int_equal(ub_login_verify(&r.nkey, ub_str(r.nonce), &r.sig), UB_OK);
	r.nonce[0] ^= 1;
	assert_int_equal(
		ub_login_verify(&r.nkey, ub_str(r.nonce), &r.sig), UNIBUS_ERR_BAD_SIGNATURE);
}

static void each_bad_request_is_refused_by_name(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(doc, "bad_requests"), i, v) {
		struct ub_auth_request r = {.cid = 77}, untouched = r;

		print_message("%s\n", vec_text(v, "name"));
		assert_string_equal(unibus_err_word(open_request(v, &r)), vec_text(v, "error"));
		assert_memory_equal(&r, &untouched, sizeof(r));
	}
	assert_true(i >= 50);
}

/* What an answer is made of, from a row of the vectors. */
struct answer_kit {
	struct ub_auth_request req;
	struct ub_signkey issuer;
	struct ub_permissions perms;
	const char *pub[8], *sub[8];
	struct ub_auth_answer a;
};

static size_t load_list(const json_t *v, const char *key, const char **to)
{
	const json_t *list = json_object_get(v, key), *s;
	size_t i;

	assert_true(json_array_size(list) <= 8);
	json_array_foreach (list, i, s)
		to[i] = json_string_value(s);
	return i;
}

static void kit_load(const json_t *v, struct answer_kit *k)
{
	uint8_t seed[32];

	*k = (struct answer_kit){.req = {.cid = 1}};
	vec_hex(v, "issuer_seed", seed, 32);
	ub_signkey_from_seed(seed, &k->issuer);
	(void)snprintf(k->req.server_id, sizeof(k->req.server_id), "%s", vec_text(v, "server_id"));
	(void)snprintf(k->req.user_nkey, sizeof(k->req.user_nkey), "%s", vec_text(v, "user_nkey"));
	k->perms = (struct ub_permissions){.pub = k->pub, .sub = k->sub};
	k->perms.n_pub = load_list(v, "pub", k->pub);
	k->perms.n_sub = load_list(v, "sub", k->sub);
	k->a = (struct ub_auth_answer){.req = &k->req,
		.issuer = &k->issuer,
		.account = vec_text(v, "account"),
		.perms = &k->perms,
		.now_s = vec_u64(v, "now"),
		.user_exp_s = vec_u64(v, "user_exp"),
		.envelope_exp_s = vec_u64(v, "envelope_exp")};
}

/* Verifies a token by the issuer and takes jti out, which no vector can name. */
static json_t *claims_of(struct ub_str token, const struct answer_kit *k)
{
	struct ub_pubkey iss, pub;
	json_t *v = NULL;

	assert_int_equal(ub_jwt_verify(token, UB_NKEY_ACCOUNT, &iss, &v), UB_OK);
	ub_signkey_pub(&k->issuer, &pub);
	assert_memory_equal(iss.b, pub.b, 32);
	assert_int_equal(json_object_del(v, "jti"), 0);
	return v;
}

/* An empty or absent list means everything to the server, so none may ever leave. */
static void assert_explicit(const json_t *user)
{
	static const char *const sides[] = {"pub", "sub"};
	const json_t *nats = json_object_get(user, "nats");

	for (size_t s = 0; s < UB_ARRAY_LEN(sides); s++) {
		const json_t *side = json_object_get(nats, sides[s]);
		const json_t *allow = json_object_get(side, "allow");
		const json_t *deny = json_object_get(side, "deny");

		assert_int_equal(json_object_size(side), 1);
		assert_true(json_array_size(allow ? allow : deny) > 0);
		if (deny)
			assert_string_equal(json_string_value(json_array_get(deny, 0)), ">");
	}
	assert_null(json_object_get(nats, "resp"));
	assert_null(json_object_get(nats, "issuer_account"));
	assert_null(json_object_get(user, "name"));
}

static void check_answer(const json_t *v)
{
	UB_CLEANUP(json_decrefp) json_t *envelope = NULL;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_JWT_MAX);
	const char *error = vec_text(v, "error");
	struct answer_kit k;
	json_t *nats;

	kit_load(v, &k);
	assert_int_equal(
		error ? ub_auth_refuse(&k.a, error, &out) : ub_auth_grant(&k.a, &out), UB_OK);
	envelope = claims_of(ub_buf_text(&out), &k);
	nats = json_object_get(envelope, "nats");
	if (!error) {
		UB_CLEANUP(json_decrefp) json_t *user = NULL;

		user = claims_of(ub_str(vec_text(nats, "jwt")), &k);
		assert_explicit(user);
		assert_true(json_equal(user, json_object_get(v, "user")));
		assert_int_equal(json_object_del(nats, "jwt"), 0);
	}
	assert_true(json_equal(envelope, json_object_get(v, "envelope")));
}

static void each_answer_says_what_the_vector_says(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(doc, "answers"), i, v) {
		print_message("%s\n", vec_text(v, "name"));
		check_answer(v);
	}
	assert_int_equal(i, 5);
}

static void too_many_subjects_are_refused(void **state)
{
	static const char subject[] = "unibus.room.ABCDEFGHIJKLMNOPQRSTUV.ABCDEFGHIJKLMNOPQRSTUV";
	static const char frame[] = "\"pub\":{\"allow\":[]},\"sub\":{\"allow\":[]}";
	size_t each = strlen(subject) + strlen("\"\",");
	size_t fits = (UB_PERMISSIONS_BYTES_MAX - (strlen(frame) - 2)) / each;
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	UB_CLEANUP(ub_freep) const char **list = calloc(fits + 1, sizeof(*list));
	struct answer_kit k;

	(void)state;
	assert_non_null(list);
	for (size_t i = 0; i < fits + 1; i++)
		list[i] = subject;
	kit_load(json_array_get(json_object_get(doc, "answers"), 0), &k);
	k.perms.pub = k.perms.sub = list;
	for (size_t over = 0; over < 2; over++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_JWT_MAX);

		k.perms.n_pub = fits / 2;
		k.perms.n_sub = fits - fits / 2 + over;
		assert_int_equal(ub_auth_grant(&k.a, &out), over ? UNIBUS_ERR_TOO_LARGE : UB_OK);
		if (over)
			assert_int_equal(out.len, 0);
		/* With its box it must fit a NATS message. */
		assert_true(out.len + 44 <= UB_BUS_PAYLOAD_MAX);
	}
}

struct box_kit {
	struct ub_xbox_key key;
	uint8_t *box;
	size_t len;
};

static void box_kit_deinit(struct box_kit *k)
{
	free(k->box);
}

static void box_load(const json_t *v, struct box_kit *k)
{
	struct ub_kexsec mine;
	struct ub_kexpub theirs;

	vec_hex(v, "mine", mine.b, 32);
	vec_hex(v, "theirs", theirs.b, 32);
	assert_int_equal(ub_xbox_key(&mine, &theirs, &k->key), UB_OK);
	k->box = vec_bytes(v, "box", &k->len);
}

static void each_box_seals_and_opens(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(doc, "boxes"), i, v) {
		UB_CLEANUP(box_kit_deinit) struct box_kit k = {.len = 0};
		UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);
		UB_CLEANUP(ub_freep) uint8_t *msg = NULL;
		uint8_t nonce[24];
		size_t len;

		print_message("%s\n", vec_text(v, "name"));
		box_load(v, &k);
		vec_hex(v, "nonce", nonce, 24);
		msg = vec_bytes(v, "message", &len);
		ub_buf_z(&out, "before");
		ub_xbox_seal(&k.key, (struct ub_bytes){msg, len}, nonce, &out);
		assert_int_equal(out.len, 6 + k.len);
		assert_memory_equal(out.p + 6, k.box, k.len);
		ub_buf_reset(&out);
		assert_int_equal(
			ub_xbox_open(&k.key, (struct ub_bytes){k.box, k.len}, &out), UB_OK);
		assert_int_equal(out.len, len);
		assert_memory_equal(out.p, msg, len);
	}
	assert_int_equal(i, 3);
}

static void a_touched_box_does_not_open(void **state)
{
	UB_CLEANUP(json_decrefp) json_t *doc = vec_load(FILE_NAME);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(4096);
	UB_CLEANUP(box_kit_deinit) struct box_kit good = {.len = 0};
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(doc, "bad_boxes"), i, v) {
		UB_CLEANUP(box_kit_deinit) struct box_kit k = {.len = 0};

		print_message("%s\n", vec_text(v, "name"));
		box_load(v, &k);
		assert_int_equal(ub_xbox_open(&k.key, (struct ub_bytes){k.box, k.len}, &out),
			UNIBUS_ERR_INVALID);
		assert_int_equal(out.len, 0);
	}
	assert_true(i >= 11);
	box_load(json_array_get(json_object_get(doc, "boxes"), 0), &good);
	for (size_t bit = 0; bit < good.len * 8; bit++) {
		good.box[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_equal(
			ub_xbox_open(&good.key, (struct ub_bytes){good.box, good.len}, &out),
			UNIBUS_ERR_INVALID);
		good.box[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	for (size_t len = 0; len < good.len; len++)
		assert_int_equal(ub_xbox_open(&good.key, (struct ub_bytes){good.box, len}, &out),
			UNIBUS_ERR_INVALID);
	assert_int_equal(
		ub_xbox_open(&good.key, (struct ub_bytes){good.box, good.len}, &out), UB_OK);
}

static void a_low_order_server_key_is_refused(void **state)
{
	static const struct ub_kexpub low[] = {{{0}}, {{1}}};
	static const struct ub_kexsec mine = {{9}};
	struct ub_xbox_key key = {{7}}, untouched = key;
	struct ub_kexpub good;

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(low); i++)
		assert_int_equal(ub_xbox_key(&mine, &low[i], &key), UNIBUS_ERR_INVALID);
	assert_memory_equal(&key, &untouched, sizeof(key));
	ub_kexsec_pub(&mine, &good);
	assert_int_equal(ub_xbox_key(&mine, &good, &key), UB_OK);
}

static int setup(void **state)
{
	(void)state;
	return ub_core_init() ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_request_reads_as_expected),
		cmocka_unit_test(the_captured_login_verifies),
		cmocka_unit_test(each_bad_request_is_refused_by_name),
		cmocka_unit_test(each_answer_says_what_the_vector_says),
		cmocka_unit_test(too_many_subjects_are_refused),
		cmocka_unit_test(each_box_seals_and_opens),
		cmocka_unit_test(a_touched_box_does_not_open),
		cmocka_unit_test(a_low_order_server_key_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
