#include "tests/vectors/gen.h"

/* crypto_box_seal takes its one-time keys from here. */
static void counted_bytes(void *const to, const size_t size)
{
	static uint64_t counter;
	uint8_t seed[32] = {'u', 'b'};

	ub_put_u64(seed + 24, counter++);
	randombytes_buf_deterministic(to, size, seed);
}

static uint32_t counted_number(void)
{
	uint32_t v;

	counted_bytes(&v, sizeof(v));
	return v;
}

static const char *counted_name(void)
{
	return "counted";
}

json_t *gen_hex(const void *p, size_t len)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(4096);

	ub_buf_hex(&b, p, len);
	return json_string(ub_buf_cstr(&b));
}

json_t *gen_u64(uint64_t v)
{
	return json_integer((json_int_t)v);
}

void gen_put(json_t *o, const char *key, json_t *v)
{
	ub_assert(json_object_set_new(o, key, v) == 0);
}

static struct kit_peer *peer_of(struct gen *g, const struct ub_pubkey *sign)
{
	for (size_t i = 0; i < PEERS; i++) {
		if (ub_pubkey_eq(&g->p[i].sign, sign))
			return &g->p[i];
	}
	ub_assert(0);
	return NULL;
}

/* Key n of a room: the same at every run. */
static struct ub_symkey key_of(const struct gen *g, uint32_t n)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(100);
	struct ub_symkey k;
	struct ub_hash h;

	ub_buf_printf(&b, "key %u of %s", n, g->name);
	ub_hash(b.p, b.len, &h);
	memcpy(k.b, h.b, 32);
	return k;
}

/* Fills commit, sealed root and back link of `ep`; what it was made from, for the file. */
static json_t *fill_epoch(const struct gen *g, const struct ub_room *after,
	const struct ub_room_id *id, struct ub_epoch_op *ep)
{
	json_t *o = json_object(), *blobs = json_object();
	struct ub_sealed *list = calloc(after->n_members, sizeof(*list));
	struct ub_symkey k = key_of(g, ep->n), prev = key_of(g, ep->n - 1);
	char text[UB_ID_TEXT + 1];
	struct ub_hash nonce;

	ub_hash(k.b, 32, &nonce);
	ub_epoch_commit(&k, id, ep->n, &ep->commit);
	gen_put(o, "n", gen_u64(ep->n));
	gen_put(o, "key", gen_hex(k.b, 32));
	for (size_t i = 0; i < after->n_members; i++) {
		list[i].to = after->members[i].id;
		ub_assert(!ub_epoch_seal(&k, id, ep->n, &after->members[i].kex, &list[i]));
		ub_endpoint_encode(&list[i].to, text);
		gen_put(blobs, text, gen_hex(list[i].b, sizeof(list[i].b)));
	}
	ub_sealed_root(list, after->n_members, &ep->sealed);
	gen_put(o, "sealed", blobs);
	gen_put(o, "root", gen_hex(ep->sealed.b, 32));
	gen_put(o, "backlink_nonce", ep->has_backlink ? gen_hex(nonce.b, 24) : json_null());
	if (ep->has_backlink)
		ub_backlink_make(&k, &prev, id, ep->n, nonce.b, ep->backlink);
	gen_put(o, "backlink",
		ep->has_backlink ? gen_hex(ep->backlink, UB_BACKLINK_LEN) : json_null());
	free(list);
	return o;
}

static void sign_keyrecs(struct gen *g, struct ub_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ub_buf b = UB_BUF(UB_KEYREC_MAX);

		if (ops[i].type != UB_OP_ADD && ops[i].type != UB_OP_KEY)
			continue;
		ub_keyrec_sign(&peer_of(g, &ops[i].keyrec.sign)->sk, &ops[i].keyrec, &b);
		ops[i].keyrec_text = ub_buf_take(&b);
		ub_assert(ops[i].keyrec_text);
	}
}

/* The text of the room's next entry, to be freed; *ret_epoch as fill_epoch, or NULL. */
char *gen_text(struct gen *g, enum who actor, struct ub_op *ops, size_t n, json_t **ret_epoch)
{
	struct ub_buf text = UB_BUF(UB_ENTRY_MAX);
	const struct ub_apply lenient = {.owner_revoked = true};
	struct ub_entry e = kit_entry(&g->room, &g->p[actor], ops, n);
	struct ub_op *last = &ops[n - 1];
	struct ub_room after = {0};

	*ret_epoch = NULL;
	e.ts_ms = 1700000000000 + 1000 * e.seq;
	sign_keyrecs(g, ops, n);
	if (last->type == UB_OP_EPOCH) {
		e.n_ops--;
		if (ub_room_preview(&g->room, &e, &lenient, &after))
			ub_assert(!ub_room_clone(&g->room, &after));
		*ret_epoch = fill_epoch(g, &after, &after.id, &last->epoch);
		e.n_ops++;
	}
	ub_entry_sign(&g->p[actor].sk, &e, &text);
	for (size_t i = 0; i < n; i++)
		free(UB_TAKE(ops[i].keyrec_text));
	ub_room_deinit(&after);
	return ub_buf_take(&text);
}

static json_t *members_json(const struct ub_room *r)
{
	json_t *list = json_array();
	char id[UB_ID_TEXT + 1];

	for (size_t i = 0; i < r->n_members; i++) {
		const struct ub_member *m = &r->members[i];
		json_t *o = json_object();

		ub_endpoint_encode(&m->id, id);
		gen_put(o, "endpoint", json_string(id));
		gen_put(o, "role", json_string(ub_role_name(m->role)));
		gen_put(o, "kex", gen_hex(m->kex.b, 32));
		gen_put(o, "added_seq", gen_u64(m->added_seq));
		gen_put(o, "keyrec_seq", gen_u64(m->keyrec_seq));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *state_json(const struct ub_room *r)
{
	json_t *o = json_object();
	struct ub_hash roster;
	char owner[UB_ID_TEXT + 1];

	ub_room_roster_hash(r, &roster);
	ub_endpoint_encode(&r->owner, owner);
	gen_put(o, "seq", gen_u64(r->seq));
	gen_put(o, "head", gen_hex(r->head.b, 32));
	gen_put(o, "closed", json_boolean(r->closed));
	gen_put(o, "rotation_due", json_boolean(r->rotation_due));
	gen_put(o, "encrypt", json_boolean(r->policy.encrypt));
	gen_put(o, "sign", json_boolean(r->policy.sign));
	gen_put(o, "retain_messages", gen_u64(r->policy.retain.messages));
	gen_put(o, "epoch", gen_u64(r->epoch));
	gen_put(o, "epoch_seq", gen_u64(r->epoch_seq));
	gen_put(o, "commit", gen_hex(r->commit.b, 32));
	gen_put(o, "owner", json_string(owner));
	gen_put(o, "roster", gen_hex(roster.b, 32));
	gen_put(o, "members", members_json(r));
	return o;
}

void gen_accept(struct gen *g, enum who actor, struct ub_op *ops, size_t n)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	json_t *o = json_object(), *epoch;
	char *text = gen_text(g, actor, ops, n, &epoch);
	struct ub_entry e = {0};

	ub_assert(!ub_entry_open(ub_str(text), &e));
	ub_assert(!ub_room_apply(&g->room, &e, &lenient));
	gen_put(o, "text", json_string(text));
	gen_put(o, "epoch", epoch ? epoch : json_null());
	gen_put(o, "after", state_json(&g->room));
	json_array_append_new(g->entries, o);
	g->n_entries++;
	ub_entry_deinit(&e);
	free(text);
}

void gen_refuse_text(
	struct gen *g, const char *why, ub_err want, const char *text, const struct ub_apply *ctx)
{
	json_t *o = json_object();
	struct ub_entry e = {0};
	ub_err err = ub_entry_open(ub_str(text), &e);

	if (!err)
		err = ub_room_apply(&g->room, &e, ctx);
	if (err != want)
		fprintf(stderr, "%s: %s\n", why, unibus_err_word(err));
	ub_assert(err == want);
	gen_put(o, "why", json_string(why));
	gen_put(o, "after_entries", gen_u64(g->n_entries));
	gen_put(o, "owner_revoked", json_boolean(ctx->owner_revoked));
	gen_put(o, "now_ms", gen_u64(ctx->now_ms));
	gen_put(o, "members_max", gen_u64(ctx->members_max));
	gen_put(o, "text", json_string(text));
	gen_put(o, "error", json_string(unibus_err_word(err)));
	json_array_append_new(g->refused, o);
	ub_entry_deinit(&e);
}

void gen_refuse_ctx(struct gen *g, const char *why, ub_err want, enum who actor, struct ub_op *op,
	const struct ub_apply *ctx)
{
	json_t *epoch;
	char *text = gen_text(g, actor, op, 1, &epoch);

	gen_refuse_text(g, why, want, text, ctx);
	json_decref(epoch);
	free(text);
}

void gen_refuse(
	struct gen *g, const char *why, ub_err want, enum who actor, struct ub_op *ops, size_t n)
{
	const struct ub_apply lenient = {.owner_revoked = true};
	json_t *epoch;
	char *text = gen_text(g, actor, ops, n, &epoch);

	gen_refuse_text(g, why, want, text, &lenient);
	json_decref(epoch);
	free(text);
}

void gen_begin(struct gen *g, const char *name)
{
	g->name = name;
	g->n_entries = 0;
	g->entries = json_array();
	g->refused = json_array();
}

void gen_end(struct gen *g)
{
	json_t *o = json_object();
	char id[UB_ID_TEXT + 1];

	ub_room_id_encode(&g->room.id, id);
	gen_put(o, "name", json_string(g->name));
	gen_put(o, "room_id", json_string(id));
	gen_put(o, "subject", json_string(g->room.subject));
	gen_put(o, "entries", g->entries);
	gen_put(o, "refused", g->refused);
	json_array_append_new(g->rooms, o);
	ub_room_deinit(&g->room);
}

json_t *gen_peers(const struct gen *g)
{
	const char *const names[] = {"ann", "bob", "carl", "dora", "ed", "zoe", "dora, renewed"};
	json_t *list = json_array();

	for (size_t i = 0; i <= PEERS; i++) {
		const struct kit_peer *p = i < PEERS ? &g->p[i] : &g->renewed;
		json_t *o = json_object();
		char id[UB_ID_TEXT + 1];

		ub_endpoint_encode(&p->id, id);
		gen_put(o, "name", json_string(names[i]));
		gen_put(o, "seed", gen_hex(p->sk.b, 32));
		gen_put(o, "sign", gen_hex(p->sign.b, 32));
		gen_put(o, "kex_secret", gen_hex(p->ks.b, 32));
		gen_put(o, "kex", gen_hex(p->kex.b, 32));
		gen_put(o, "endpoint", json_string(id));
		json_array_append_new(list, o);
	}
	return list;
}

void gen_init(struct gen *g)
{
	static struct randombytes_implementation counted = {.implementation_name = counted_name,
		.random = counted_number,
		.buf = counted_bytes};

	ub_assert(!randombytes_set_implementation(&counted));
	ub_assert(!ub_core_init());
	for (uint32_t i = 0; i < PEERS; i++)
		g->p[i] = kit_peer(i);
	g->renewed = g->p[DORA];
	memset(g->renewed.ks.b, 0x61, 32);
	ub_kexsec_pub(&g->renewed.ks, &g->renewed.kex);
	g->rooms = json_array();
}

void gen_write(const char *folder, const char *file, json_t *o)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf path = UB_BUF(4096);

	ub_buf_printf(&path, "%s/%s", folder, file);
	ub_assert(!json_dump_file(o, ub_buf_cstr(&path), JSON_INDENT(1)));
	json_decref(o);
}
