#include "tests/vectors/gen.h"

struct sealing {
	struct ub_symkey k;
	struct ub_room_id room;
	uint32_t n;
	const struct kit_peer *to;
	struct ub_hash commit;
	struct ub_sealed blob;
};

static void put_sealing(json_t *list, const char *why, ub_err want, const struct sealing *s)
{
	json_t *o = json_object();

	gen_put(o, "why", json_string(why));
	gen_put(o, "key", gen_hex(s->k.b, 32));
	gen_put(o, "room", gen_hex(s->room.b, 32));
	gen_put(o, "n", gen_u64(s->n));
	gen_put(o, "endpoint", gen_hex(s->to->id.b, 32));
	gen_put(o, "kex_secret", gen_hex(s->to->ks.b, 32));
	gen_put(o, "kex", gen_hex(s->to->kex.b, 32));
	gen_put(o, "commit", gen_hex(s->commit.b, 32));
	gen_put(o, "sealed", gen_hex(s->blob.b, UB_SEALED_LEN));
	gen_put(o, "opens", json_string(unibus_err_word(want)));
	json_array_append_new(list, o);
}

static struct sealing sealing_of(const struct kit_peer *to, uint32_t n)
{
	struct sealing s = {.n = n, .to = to};

	memset(s.k.b, (int)n, 32);
	memset(s.room.b, 0xa5, 32);
	s.blob.to = to->id;
	ub_assert(!ub_epoch_seal(&s.k, &s.room, n, &to->kex, &s.blob));
	ub_epoch_commit(&s.k, &s.room, n, &s.commit);
	return s;
}

static json_t *sealings(const struct gen *g)
{
	json_t *list = json_array();
	const struct sealing good = sealing_of(&g->p[ANN], 7);
	struct sealing s = sealing_of(&g->p[BOB], 1);

	put_sealing(list, "good", UB_OK, &good);
	put_sealing(list, "good, epoch 1", UB_OK, &s);
	s = sealing_of(&g->p[BOB], UINT32_MAX);
	put_sealing(list, "good, the last epoch", UB_OK, &s);
	s = good;
	s.to = &g->p[BOB];
	put_sealing(list, "another reader", UNIBUS_ERR_NO_KEY_EPOCH, &s);
	s = good;
	s.n = 8;
	put_sealing(list, "another epoch", UNIBUS_ERR_NO_KEY_EPOCH, &s);
	s = good;
	s.room.b[0] ^= 1;
	put_sealing(list, "another room", UNIBUS_ERR_NO_KEY_EPOCH, &s);
	s = good;
	s.blob.b[100] ^= 1;
	put_sealing(list, "damaged", UNIBUS_ERR_NO_KEY_EPOCH, &s);
	s = good;
	s.commit.b[31] ^= 1;
	put_sealing(list, "another key than was signed", UNIBUS_ERR_BAD_COMMIT, &s);
	return list;
}

struct backlink {
	struct ub_symkey k, prev;
	struct ub_room_id room;
	uint32_t n;
	uint8_t nonce[24], b[UB_BACKLINK_LEN];
	struct ub_hash commit; /* of epoch n-1 */
};

static void put_link(json_t *list, const char *why, ub_err want, const struct backlink *l)
{
	json_t *o = json_object();

	gen_put(o, "why", json_string(why));
	gen_put(o, "key", gen_hex(l->k.b, 32));
	gen_put(o, "previous_key", gen_hex(l->prev.b, 32));
	gen_put(o, "room", gen_hex(l->room.b, 32));
	gen_put(o, "n", gen_u64(l->n));
	gen_put(o, "nonce", gen_hex(l->nonce, 24));
	gen_put(o, "previous_commit", gen_hex(l->commit.b, 32));
	gen_put(o, "link", gen_hex(l->b, UB_BACKLINK_LEN));
	gen_put(o, "opens", json_string(unibus_err_word(want)));
	json_array_append_new(list, o);
}

static struct backlink link_of(uint32_t n)
{
	struct backlink l = {.n = n};

	memset(l.k.b, (int)n, 32);
	memset(l.prev.b, 0x99, 32);
	memset(l.room.b, 0xa5, 32);
	memset(l.nonce, 0x24, 24);
	ub_backlink_make(&l.k, &l.prev, &l.room, n, l.nonce, l.b);
	ub_epoch_commit(&l.prev, &l.room, n - 1, &l.commit);
	return l;
}

static json_t *links(void)
{
	json_t *list = json_array();
	const struct backlink good = link_of(2);
	struct backlink l = link_of(UINT32_MAX);

	put_link(list, "good", UB_OK, &good);
	put_link(list, "good, the last epoch", UB_OK, &l);
	l = good;
	l.k.b[0] ^= 1;
	put_link(list, "another key", UNIBUS_ERR_NO_KEY_EPOCH, &l);
	l = good;
	l.n = 3;
	put_link(list, "another epoch", UNIBUS_ERR_NO_KEY_EPOCH, &l);
	l = good;
	l.room.b[31] ^= 1;
	put_link(list, "another room", UNIBUS_ERR_NO_KEY_EPOCH, &l);
	l = good;
	l.b[71] ^= 1;
	put_link(list, "damaged", UNIBUS_ERR_NO_KEY_EPOCH, &l);
	l = good;
	l.commit.b[0] ^= 1;
	put_link(list, "another key than was signed", UNIBUS_ERR_BAD_COMMIT, &l);
	l = link_of(1);
	put_link(list, "nothing is behind epoch 1", UNIBUS_ERR_NO_KEY_EPOCH, &l);
	return list;
}

static json_t *root(const struct gen *g)
{
	json_t *o = json_object(), *list = json_array();
	struct ub_sealed set[PEERS];
	struct ub_hash h;

	for (size_t i = 0; i < PEERS; i++) {
		json_t *row = json_object();

		set[i] = sealing_of(&g->p[i], 7).blob;
		gen_put(row, "endpoint", gen_hex(set[i].to.b, 32));
		gen_put(row, "sealed", gen_hex(set[i].b, UB_SEALED_LEN));
		json_array_append_new(list, row);
	}
	ub_sealed_root(set, PEERS, &h);
	gen_put(o, "list", list);
	gen_put(o, "root", gen_hex(h.b, 32));
	return o;
}

json_t *gen_epochkey(const struct gen *g)
{
	json_t *o = json_object();

	gen_put(o, "about",
		json_string(
			"Epoch keys, PROTOCOL.md section 4.4, bytes in hex. opens: ok, or the word "
			"of the error that opening with these values gives. root: of the list, "
			"which is not in order."));
	gen_put(o, "sealings", sealings(g));
	gen_put(o, "backlinks", links());
	gen_put(o, "root", root(g));
	return o;
}
