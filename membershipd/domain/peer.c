#include "membershipd/domain/peer.h"

#include "core/endpoint.h"
#include "core/key.h"
#include "core/keyrec.h"
#include "membershipd/domain/service_impl.h"

struct stored {
	struct ub_buf text; /* empty: none */
	uint64_t rev;
};

static void stored_deinit(struct stored *st)
{
	ub_buf_deinit(&st->text);
}

static ub_err stored_read(struct md_service *s, const struct md_key *key, struct stored *to)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	ub_err e = md_store_get(s->store, key->z, &b, &to->rev);

	to->text.max = UB_KEYREC_MAX;
	return e ? e : md_rec_keyrec_get((struct ub_bytes){b.p, b.len}, &to->text);
}

/* May the new record follow the stored one? UNIBUS_ERR_CONFLICT. */
static ub_err follows(const struct ub_keyrec *now, const struct stored *was)
{
	struct ub_keyrec old;
	ub_err e = ub_keyrec_open(ub_buf_text(&was->text), &old);

	if (e)
		return e == UNIBUS_ERR_NOMEM ? e : UNIBUS_ERR_BAD_FILE;
	return now->seq > old.seq ? UB_OK : UNIBUS_ERR_CONFLICT;
}

static ub_err put_once(struct md_write *w, const struct md_caller *by, struct ub_str text,
	const struct ub_keyrec *rec, uint64_t *ret_rev)
{
	UB_CLEANUP(stored_deinit) struct stored was = {0};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(2 * UB_KEYREC_MAX);
	struct md_key key;
	struct md_op op;
	ub_err e = md_write_may(w, by, false);

	if (e)
		return e;
	md_key_keyrec(&by->id, &key);
	e = stored_read(w->s, &key, &was);
	if (e && e != UNIBUS_ERR_NOT_FOUND)
		return e;
	if (!e && ub_str_eq(ub_buf_text(&was.text), text)) {
		*ret_rev = was.rev;
		return UB_OK;
	}
	if (!e)
		e = follows(rec, &was);
	else
		e = UB_OK;
	if (e)
		return e;
	md_rec_keyrec_put(text, &b);
	e = ub_buf_err(&b);
	if (e)
		return e;
	op = md_op_put(&key, &b, was.rev);
	return md_write_commit(w, &op, 1, ret_rev);
}

ub_err md_peer_put(
	struct md_service *s, const struct md_caller *by, struct ub_str text, uint64_t *ret_rev)
{
	struct ub_keyrec rec;
	ub_err e = ub_keyrec_open(text, &rec);

	if (e)
		return e;
	if (!ub_pubkey_eq(&rec.sign, &by->key))
		return UNIBUS_ERR_INVALID;
	if (rec.expires_ms <= md_service_now_ms(s))
		return UNIBUS_ERR_EXPIRED;
	for (unsigned i = 0; i < MD_TRIES; i++) {
		UB_CLEANUP(md_write_end) struct md_write w = md_write_begin(s);

		e = put_once(&w, by, text, &rec, ret_rev);
		if (!w.raced)
			return e;
	}
	return UNIBUS_ERR_UNAVAILABLE;
}

ub_err md_peer_get(struct md_service *s, const struct ub_endpoint *id, struct ub_buf *ret)
{
	UB_CLEANUP(stored_deinit) struct stored st = {0};
	struct md_key key;
	ub_err e;

	md_key_keyrec(id, &key);
	e = stored_read(s, &key, &st);
	if (e)
		return e;
	ub_buf_str(ret, ub_buf_text(&st.text));
	return ub_buf_err(ret);
}
