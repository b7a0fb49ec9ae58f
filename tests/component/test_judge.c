/* One login, sealed question to sealed answer: every check has a case that only it refuses. */
#include "core/b64url.h"
#include "core/json.h"
#include "core/jwt.h"
#include "membershipd/nats/judge.h"
#include "tests/unit/domain/rooms_kit.h"

#define NONCE "abcdefghijklmno"
#define CID 77
#define TTL_MS (900 * 1000)

/* A server of ours, the judge, and what is put into a question. */
struct court {
	struct world *w;
	struct md_keys *keys;
	struct md_sessions *sessions;
	struct md_judge *judge;
	struct ub_signkey server, throwaway;
	struct ub_kexsec server_box;
	char server_nkey[UB_NKEY_TEXT + 1], server_xkey[UB_NKEY_TEXT + 1],
		user_nkey[UB_NKEY_TEXT + 1];
};

static void nkey_of(const struct ub_signkey *k, enum ub_nkey_type type, char to[UB_NKEY_TEXT + 1])
{
	struct ub_pubkey pub;

	ub_signkey_pub(k, &pub);
	ub_nkey_encode(type, pub.b, to);
}

static struct court *court_of(struct world *w, bool enforce)
{
	struct court *c = calloc(1, sizeof(*c));
	struct ub_kexpub pub;

	assert_non_null(c);
	c->w = w;
	assert_int_equal(md_keys_make(&c->keys), UB_OK);
	assert_int_equal(md_sessions_new(0, &c->sessions), UB_OK);
	assert_int_equal(md_judge_new(&(struct md_judge_config){.svc = c->w->s,
					      .keys = c->keys,
					      .sessions = c->sessions,
					      .env = {kit_now, kit_boot, kit_random, c->w},
					      .session_ttl_ms = TTL_MS,
					      .enforce = enforce},
				 &c->judge),
		UB_OK);
	ub_signkey_from_seed((const uint8_t *)"a server's seed of 32 bytes.....", &c->server);
	ub_signkey_from_seed((const uint8_t *)"a throw-away seed of 32 bytes...", &c->throwaway);
	memset(c->server_box.b, 9, sizeof(c->server_box.b));
	ub_kexsec_pub(&c->server_box, &pub);
	ub_nkey_encode(UB_NKEY_CURVE, pub.b, c->server_xkey);
	nkey_of(&c->server, UB_NKEY_SERVER, c->server_nkey);
	nkey_of(&c->throwaway, UB_NKEY_USER, c->user_nkey);
	return c;
}

static struct court *court_new(bool enforce)
{
	return court_of(world_new(), enforce);
}

static void court_free(struct court *c)
{
	md_judge_free(c->judge);
	md_sessions_free(c->sessions);
	md_keys_free(c->keys);
	world_free(c->w);
	free(c);
}

/* What differs from an honest question by peer 1; zero is honest. */
struct lie {
	unsigned peer;              /* whose nkey, + 1; 0: peer 1 */
	unsigned signer;            /* who signs the nonce, + 1 */
	const char *signed_nonce;   /* what is signed */
	const char *nonce;          /* what the server says; "": absent */
	bool no_nkey, no_sig;       /* absent */
	const char *sig, *nkey;     /* these texts instead */
	const char *kind, *type;    /* of the connection */
	const char *host;           /* where it comes from */
	const char *aud, *sub, *id; /* of the token */
	int64_t exp_off;            /* s, on top of now + 5 */
	const char *token_type;     /* nats.type */
	bool foreign_token;         /* signed by another server's key than it names */
	bool plain;                 /* not sealed */
	bool no_xkey, foreign_xkey; /* header absent; of another server */
	size_t flip;                /* this byte of the box, + 1 */
	uint64_t cid;
};

static json_t *connect_opts(const struct court *c, const struct lie *l)
{
	const struct kit_peer *p = &c->w->p[l->peer ? l->peer - 1 : 1];
	const struct kit_peer *by = l->signer ? &c->w->p[l->signer - 1] : p;
	const char *text = l->signed_nonce ? l->signed_nonce : NONCE;
	char nkey[UB_NKEY_TEXT + 1], sig[UB_B64URL_LEN(64) + 1];
	json_t *o = json_object();
	uint8_t raw[64];

	crypto_sign_detached(raw, NULL, (const uint8_t *)text, strlen(text), by->sk.b);
	ub_b64url_encode(raw, sizeof(raw), sig);
	ub_nkey_encode(UB_NKEY_USER, p->sign.b, nkey);
	if (!l->no_nkey)
		json_object_set_new(o, "nkey", json_string(l->nkey ? l->nkey : nkey));
	if (!l->no_sig)
		json_object_set_new(o, "sig", json_string(l->sig ? l->sig : sig));
	return o;
}

static void ask_token(const struct court *c, const struct lie *l, struct ub_buf *out)
{
	const char *nonce = l->nonce ? l->nonce : NONCE;
	json_t *info = json_pack("{ss,sI,ss,ss}", "host", l->host ? l->host : "192.0.2.7", "id",
		(json_int_t)(l->cid ? l->cid : CID), "kind", l->kind ? l->kind : "Client", "type",
		l->type ? l->type : "nats");
	UB_CLEANUP(json_decrefp)
	json_t *claims = json_pack("{ss,ss,sI,s{ss,si,s{ss,ss},ss,so,so}}", "aud",
		l->aud ? l->aud : "nats-authorization-request", "sub",
		l->sub ? l->sub : c->keys->issuer_nkey, "exp",
		(json_int_t)(c->w->now / 1000) + 5 + l->exp_off, "nats", "type",
		l->token_type ? l->token_type : "authorization_request", "version", 2, "server_id",
		"name", "n1", "id", l->id ? l->id : c->server_nkey, "user_nkey", c->user_nkey,
		"client_info", info, "connect_opts", connect_opts(c, l));

	if (nonce[0])
		json_object_set_new(info, "nonce", json_string(nonce));
	assert_int_equal(
		ub_jwt_sign(&c->server, UB_NKEY_SERVER, claims, c->w->now / 1000, out), UB_OK);
	if (l->foreign_token)
		out->p[out->len - 10] = out->p[out->len - 10] == 'A' ? 'B' : 'A';
}

static struct ub_xbox_key shared_key(const struct court *c)
{
	struct ub_xbox_key k;
	struct ub_kexpub ours;

	ub_kexsec_pub(&c->keys->xkey, &ours);
	assert_int_equal(ub_xbox_key(&c->server_box, &ours, &k), UB_OK);
	return k;
}

static enum md_verdict ask(struct court *c, const struct lie *l, struct md_answer *a)
{
	static const uint8_t nonce[24] = {1};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf token = UB_BUF(65536), box = UB_BUF(65536);
	struct ub_xbox_key k = shared_key(c);
	const char *xkey = l->foreign_xkey ? c->keys->xkey_nkey : c->server_xkey;

	ask_token(c, l, &token);
	if (l->plain)
		ub_buf_put(&box, token.p, token.len);
	else
		ub_xbox_seal(&k, (struct ub_bytes){token.p, token.len}, nonce, &box);
	if (l->flip)
		box.p[l->flip - 1] ^= 1;
	return md_judge(
		c->judge, &(struct md_question){{box.p, box.len}, l->no_xkey ? NULL : xkey}, a);
}

/* The answer as the server reads it: envelope, and the user token in it (NULL: refused). */
static void read_answer(
	const struct court *c, const struct md_answer *a, json_t **envelope, json_t **user)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf token = UB_BUF(1024 * 1024);
	struct ub_xbox_key k = shared_key(c);
	struct ub_pubkey iss, issuer;
	const char *jwt;

	ub_signkey_pub(&c->keys->issuer, &issuer);
	assert_int_equal(ub_xbox_open(&k, (struct ub_bytes){a->box.p, a->box.len}, &token), UB_OK);
	assert_int_equal(
		ub_jwt_verify(ub_buf_text(&token), UB_NKEY_ACCOUNT, &iss, envelope), UB_OK);
	assert_true(ub_pubkey_eq(&iss, &issuer));
	jwt = json_string_value(json_object_get(json_object_get(*envelope, "nats"), "jwt"));
	*user = NULL;
	if (!jwt)
		return;
	assert_int_equal(ub_jwt_verify(ub_str(jwt), UB_NKEY_ACCOUNT, &iss, user), UB_OK);
	assert_true(ub_pubkey_eq(&iss, &issuer));
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static enum md_holds holds(const struct court *c, unsigned peer, uint64_t cid)
{
	struct md_conn conn = md_conn_of(c->server_nkey, cid);
	const struct md_loss all = {0};

	return md_sessions_holds(c->sessions, &conn, &c->w->p[peer].id, &all);
}

static void an_active_user_gets_exactly_his_rights(void **state)
{
	struct court *c = court_new(true);
	UB_CLEANUP(json_decrefp) json_t *env = NULL, *user = NULL;
	UB_CLEANUP(md_answer_deinit) struct md_answer a;
	const struct ub_room_id room = {{1}};
	const struct md_loss lost = {&room, UINT64_MAX};
	json_t *nats, *sub;
	json_int_t now_s = (json_int_t)(c->w->now / 1000);

	(void)state;
	assert_int_equal(ask(c, &(struct lie){0}, &a), MD_VERDICT_GRANTED);
	read_answer(c, &a, &env, &user);
	assert_string_equal(text(env, "aud"), c->server_nkey);
	assert_string_equal(text(env, "sub"), c->user_nkey);
	assert_in_range(number(env, "exp"), now_s + 1, now_s + 2);
	assert_non_null(user);
	assert_string_equal(text(user, "aud"), "BUS");
	assert_string_equal(text(user, "sub"), c->user_nkey);
	assert_null(json_object_get(user, "name"));
	assert_in_range(number(user, "exp"), now_s + TTL_MS / 1000 * 8 / 10,
		now_s + TTL_MS / 1000 * 12 / 10 + 1);
	nats = json_object_get(user, "nats");
	assert_null(json_object_get(nats, "resp"));
	assert_null(json_object_get(nats, "issuer_account"));
	/* In no room: publishes nothing, and reads his own notes only. */
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(json_object_get(nats, "pub"), "deny"), 0)),
		">");
	sub = json_object_get(json_object_get(nats, "sub"), "allow");
	assert_int_equal(json_array_size(sub), 1);
	assert_memory_equal(json_string_value(json_array_get(sub, 0)), "unibus.notify.", 14);
	assert_int_equal(holds(c, 1, CID), MD_HOLDS);
	assert_int_equal(holds(c, 2, CID), MD_HOLDS_UNKNOWN);
	assert_int_equal(
		md_sessions_holds(c->sessions, &a.conn, &c->w->p[1].id, &lost), MD_HOLDS_NOT);
	court_free(c);
}

struct judged {
	const char *name;
	struct lie lie;
	enum md_verdict verdict;
};

static const struct judged CASES[] = {
	{"honest", {0}, MD_VERDICT_GRANTED},
	{"over a websocket", {.type = "websocket"}, MD_VERDICT_GRANTED},
	{"from an IPv6 address", {.host = "2001:db8::1"}, MD_VERDICT_GRANTED},
	/* refused: the client's part */
	{"no nkey", {.no_nkey = true}, MD_VERDICT_REFUSED_PROOF},
	{"no signature", {.no_sig = true}, MD_VERDICT_REFUSED_PROOF},
	{"no nonce", {.nonce = ""}, MD_VERDICT_REFUSED_PROOF},
	{"neither of them", {.no_nkey = true, .no_sig = true, .nonce = ""},
		MD_VERDICT_REFUSED_PROOF},
	{"a nonce that is no nonce",
		{.nonce = "GET /users?x=1&y", .signed_nonce = "GET /users?x=1&y"},
		MD_VERDICT_REFUSED_PROOF},
	{"a nonce that is too short", {.nonce = "abcdefghij", .signed_nonce = "abcdefghij"},
		MD_VERDICT_REFUSED_PROOF},
	{"the shortest nonce", {.nonce = "abcdefghijk", .signed_nonce = "abcdefghijk"},
		MD_VERDICT_GRANTED},
	{"another nonce signed", {.signed_nonce = "ABCDEFGHIJKLMNO"}, MD_VERDICT_REFUSED_PROOF},
	{"signed by another user", {.signer = 3}, MD_VERDICT_REFUSED_PROOF},
	{"an empty signature", {.sig = ""}, MD_VERDICT_REFUSED_PROOF},
	{"half a signature", {.sig = "AAAA"}, MD_VERDICT_REFUSED_PROOF},
	{"an nkey of another type",
		{.nkey = "ABJHLOVMPA4CI6R5KLNGOB4GSLNIY7IOUPAJC4YFNDLQVIOBYQGUWVLA"},
		MD_VERDICT_REFUSED_PROOF},
	{"an unknown key", {.peer = KIT_PEERS}, MD_VERDICT_REFUSED_UNKNOWN},
	{"a revoked key", {.peer = 5}, MD_VERDICT_REFUSED_REVOKED},
	{"a revoked key, badly signed", {.peer = 5, .signer = 2}, MD_VERDICT_REFUSED_PROOF},
	{"over MQTT", {.type = "mqtt"}, MD_VERDICT_REFUSED_CONNECTION},
	{"a leaf node", {.kind = "Leafnode"}, MD_VERDICT_REFUSED_CONNECTION},
	{"a connection without a type", {.type = ""}, MD_VERDICT_REFUSED_CONNECTION},
	/* silent: not a question of a server of ours */
	{"not sealed", {.plain = true}, MD_VERDICT_SILENT_MALFORMED},
	{"no xkey named", {.no_xkey = true}, MD_VERDICT_SILENT_MALFORMED},
	{"another's xkey named", {.foreign_xkey = true}, MD_VERDICT_SILENT_MALFORMED},
	{"another version of the box", {.flip = 4}, MD_VERDICT_SILENT_MALFORMED},
	{"a bit flipped in the box", {.flip = 60}, MD_VERDICT_SILENT_MALFORMED},
	{"a signature that is not the server's", {.foreign_token = true},
		MD_VERDICT_SILENT_MALFORMED},
	{"for another issuer", {.sub = "ABJHLOVMPA4CI6R5KLNGOB4GSLNIY7IOUPAJC4YFNDLQVIOBYQGUWVLA"},
		MD_VERDICT_SILENT_MALFORMED},
	{"another audience", {.aud = "somebody"}, MD_VERDICT_SILENT_MALFORMED},
	{"another server's id", {.id = "NDSQBDCB6MVCOGYE2XBK2JRQWBVV7Y5LTJX4WWHVGB3MWBIYVEZMXDVY"},
		MD_VERDICT_SILENT_MALFORMED},
	{"another type of token", {.token_type = "user"}, MD_VERDICT_SILENT_MALFORMED},
	{"expired", {.exp_off = -5}, MD_VERDICT_SILENT_EXPIRED},
	{"about to expire", {.exp_off = -4}, MD_VERDICT_GRANTED},
};

static void check_case(struct court *c, const struct judged *j)
{
	UB_CLEANUP(json_decrefp) json_t *env = NULL, *user = NULL;
	UB_CLEANUP(md_answer_deinit) struct md_answer a;
	enum md_verdict v = ask(c, &j->lie, &a);
	bool silent = v >= MD_VERDICT_SILENT_MALFORMED;

	if (v != j->verdict)
		fail_msg("%s: %s instead of %s", j->name, md_verdict_name(v),
			md_verdict_name(j->verdict));
	assert_int_equal(a.box.len == 0, silent);
	if (!silent) {
		read_answer(c, &a, &env, &user);
		assert_int_equal(user != NULL, v == MD_VERDICT_GRANTED);
	}
	assert_int_equal(md_sessions_count(c->sessions), v == MD_VERDICT_GRANTED);
}

static void each_check_refuses_what_only_it_sees(void **state)
{
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(CASES); i++) {
		struct court *c = court_new(true);
		struct md_taken taken;

		assert_int_equal(md_user_revoke(c->w->s, NULL, &c->w->p[4].sign, &taken), UB_OK);
		check_case(c, &CASES[i]);
		court_free(c);
	}
}

static void without_enforcement_refusals_let_through_and_nothing_else_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(CASES); i++) {
		struct court *c = court_new(false);
		UB_CLEANUP(json_decrefp) json_t *env = NULL, *user = NULL;
		UB_CLEANUP(md_answer_deinit) struct md_answer a;
		struct md_taken taken;
		enum md_verdict v, want = CASES[i].verdict;

		assert_int_equal(md_user_revoke(c->w->s, NULL, &c->w->p[4].sign, &taken), UB_OK);
		if (want > MD_VERDICT_LET_THROUGH && want < MD_VERDICT_SILENT_MALFORMED)
			want = MD_VERDICT_LET_THROUGH;
		v = ask(c, &CASES[i].lie, &a);
		if (v != want)
			fail_msg("%s: %s instead of %s", CASES[i].name, md_verdict_name(v),
				md_verdict_name(want));
		if (v == MD_VERDICT_LET_THROUGH) {
			read_answer(c, &a, &env, &user);
			assert_string_equal(text(user, "aud"), "BUS");
		}
		court_free(c);
	}
}

static enum md_verdict verdict_of(struct court *c, const struct lie *l)
{
	UB_CLEANUP(md_answer_deinit) struct md_answer a;

	return ask(c, l, &a);
}

/* How many times that question is answered before silence. */
static unsigned answers_until_silence(struct court *c, const struct lie *l)
{
	unsigned n = 0;

	while (verdict_of(c, l) < MD_VERDICT_SILENT_MALFORMED && n < 1000)
		n++;
	return n;
}

static void a_host_pays_for_what_does_not_verify(void **state)
{
	static const struct lie BAD[] = {{.signer = 3}, {.type = "mqtt"}};
	const struct lie good = {0}, elsewhere = {.host = "198.51.100.1"};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(BAD); i++) {
		struct court *c = court_new(true);

		/* Its own hundred, and what was kept for those who share the address. */
		assert_in_range(answers_until_silence(c, &BAD[i]), 400, 600);
		assert_int_equal(verdict_of(c, &BAD[i]), MD_VERDICT_SILENT_LIMIT);
		assert_int_equal(verdict_of(c, &good), MD_VERDICT_SILENT_LIMIT);
		assert_int_equal(verdict_of(c, &elsewhere), MD_VERDICT_GRANTED);
		c->w->boot += 1000;
		/* A verified user is judged out of the share long before the host is forgiven. */
		assert_int_equal(verdict_of(c, &good), MD_VERDICT_GRANTED);
		c->w->boot += 60000;
		assert_int_not_equal(verdict_of(c, &BAD[i]), MD_VERDICT_SILENT_LIMIT);
		court_free(c);
	}
}

static void a_host_pays_for_strangers_too(void **state)
{
	struct court *c = court_new(true);
	const struct lie stranger = {.peer = KIT_PEERS}, bad = {.signer = 3};

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(verdict_of(c, &stranger), MD_VERDICT_REFUSED_UNKNOWN);
	/* A hundred of them came out of the reserve already. */
	assert_in_range(answers_until_silence(c, &bad), 250, 320);
	court_free(c);
}

static void a_key_pays_for_what_does_verify(void **state)
{
	struct court *c = court_new(true);
	enum md_verdict v;
	unsigned n = 0;

	(void)state;
	while ((v = verdict_of(c, &(struct lie){.cid = n + 1})) == MD_VERDICT_GRANTED && n < 10000)
		n++;
	assert_int_equal(v, MD_VERDICT_SILENT_LIMIT);
	assert_in_range(n, 200, 400);
	/* Somebody else from the same address is not touched by it, nor can he use that key up. */
	assert_int_equal(verdict_of(c, &(struct lie){.peer = 4}), MD_VERDICT_GRANTED);
	c->w->boot += 1000;
	assert_int_equal(verdict_of(c, &(struct lie){0}), MD_VERDICT_GRANTED);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(verdict_of(c, &(struct lie){.peer = 6, .signer = 2}),
			MD_VERDICT_REFUSED_PROOF);
	assert_int_equal(verdict_of(c, &(struct lie){.peer = 6}), MD_VERDICT_GRANTED);
	court_free(c);
}

static void a_second_login_on_a_connection_replaces_the_first(void **state)
{
	struct court *c = court_new(true);

	(void)state;
	assert_int_equal(verdict_of(c, &(struct lie){0}), MD_VERDICT_GRANTED);
	assert_int_equal(verdict_of(c, &(struct lie){.peer = 4}), MD_VERDICT_GRANTED);
	assert_int_equal(holds(c, 3, CID), MD_HOLDS);
	assert_int_equal(holds(c, 1, CID), MD_HOLDS_UNKNOWN);
	assert_int_equal(md_sessions_count(c->sessions), 1);
	/* And a refused one ends it: the server closes that connection. */
	assert_int_equal(
		verdict_of(c, &(struct lie){.peer = KIT_PEERS}), MD_VERDICT_REFUSED_UNKNOWN);
	assert_int_equal(md_sessions_count(c->sessions), 0);
	court_free(c);
}

static void many_servers_keys_do_not_disturb_each_other(void **state)
{
	struct court *c = court_new(true);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		struct ub_kexpub pub;

		memset(c->server_box.b, (int)(i % 50) + 1, sizeof(c->server_box.b));
		ub_kexsec_pub(&c->server_box, &pub);
		ub_nkey_encode(UB_NKEY_CURVE, pub.b, c->server_xkey);
		assert_int_equal(verdict_of(c, &(struct lie){.cid = i + 1}), MD_VERDICT_GRANTED);
	}
	court_free(c);
}

/* A store that can say that it does not vouch for being current any more. */
struct lossy {
	struct md_store_base base;
	struct md_store *inner;
	struct md_follower follower;
};

static ub_err lossy_get(struct md_store *s, const char *key, struct ub_buf *value, uint64_t *rev)
{
	return md_store_get(((struct lossy *)s)->inner, key, value, rev);
}

static ub_err lossy_commit(struct md_store *s, const struct md_op *ops, size_t n, uint64_t *rev)
{
	return md_store_commit(((struct lossy *)s)->inner, ops, n, rev);
}

static ub_err lossy_follow(struct md_store *s, const struct md_follower *f)
{
	((struct lossy *)s)->follower = *f;
	return md_store_follow(((struct lossy *)s)->inner, f);
}

static ub_err lossy_each(struct md_store *s, const char *prefix,
	ub_err (*fn)(void *arg, const struct md_record *r), void *arg)
{
	return md_store_each(((struct lossy *)s)->inner, prefix, fn, arg);
}

static uint64_t lossy_revision(struct md_store *s)
{
	return md_store_revision(((struct lossy *)s)->inner);
}

static void lossy_close(struct md_store *s)
{
	md_store_close(((struct lossy *)s)->inner);
	free(s);
}

static const struct md_store_ops LOSSY = {
	.name = "lossy",
	.get = lossy_get,
	.commit = lossy_commit,
	.follow = lossy_follow,
	.each = lossy_each,
	.revision = lossy_revision,
	.close = lossy_close,
};

static void without_a_voucher_nobody_is_answered(void **state)
{
	struct lossy *l = calloc(1, sizeof(*l));
	struct world *w = world_bare();
	struct md_service_config config;
	struct court *c;

	(void)state;
	assert_non_null(l);
	*l = (struct lossy){.base.ops = &LOSSY, .inner = w->store};
	w->store = (struct md_store *)l;
	config = kit_config(w);
	world_open(w, &config);
	assert_int_equal(kit_register(w, 1, true), UB_OK);
	c = court_of(w, true);
	assert_int_equal(verdict_of(c, &(struct lie){0}), MD_VERDICT_GRANTED);
	l->follower.lost(l->follower.arg);
	assert_int_equal(verdict_of(c, &(struct lie){.cid = 2}), MD_VERDICT_SILENT_UNDECIDED);
	/* Not even a stranger gets an answer: it might be a key that was added meanwhile. */
	assert_int_equal(verdict_of(c, &(struct lie){.peer = 4}), MD_VERDICT_SILENT_UNDECIDED);
	court_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_active_user_gets_exactly_his_rights),
		cmocka_unit_test(each_check_refuses_what_only_it_sees),
		cmocka_unit_test(without_enforcement_refusals_let_through_and_nothing_else_does),
		cmocka_unit_test(a_host_pays_for_what_does_not_verify),
		cmocka_unit_test(a_host_pays_for_strangers_too),
		cmocka_unit_test(a_key_pays_for_what_does_verify),
		cmocka_unit_test(a_second_login_on_a_connection_replaces_the_first),
		cmocka_unit_test(without_a_voucher_nobody_is_answered),
		cmocka_unit_test(many_servers_keys_do_not_disturb_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
