#include "core/endpoint.h"
#include "core/key.h"
#include "core/subject.h"
#include "membershipd/domain/history.h"
#include "membershipd/domain/room_impl.h"

struct creation {
	const struct md_caller *by;
	struct md_room_change *c;
	struct ub_entry entry;
	struct ub_room room; /* as it will be */
	struct md_set set;
	bool written; /* the set */
};

static void creation_deinit(struct creation *cr)
{
	ub_entry_deinit(&cr->entry);
	ub_room_deinit(&cr->room);
}

/* All that can be said without looking at what else there is. */
static ub_err judge(struct md_service *s, struct creation *cr)
{
	const struct ub_apply ctx = {
		.now_ms = md_service_now_ms(s), .members_max = s->limits.members_max};
	const struct ub_op *genesis;
	ub_err e = ub_entry_open(cr->c->entry, &cr->entry);

	if (e)
		return e;
	if (cr->entry.has_room || !cr->entry.n_ops || cr->entry.ops[0].type != UB_OP_GENESIS)
		return UNIBUS_ERR_INVALID;
	if (!ub_pubkey_eq(&cr->entry.actor, &cr->by->key))
		return UNIBUS_ERR_DENIED;
	genesis = &cr->entry.ops[0];
	if (ub_subject_check(ub_str(genesis->subject)))
		return UNIBUS_ERR_INVALID;
	if (genesis->policy.persist && !s->history)
		return UNIBUS_ERR_NOT_AVAILABLE;
	if (genesis->policy.persist && !s->history->ready(s->history->arg))
		return UNIBUS_ERR_UNAVAILABLE;
	if (s->refuse_cleartext && !genesis->policy.encrypt)
		return UNIBUS_ERR_CLEARTEXT_REFUSED;
	e = ub_room_apply(&cr->room, &cr->entry, &ctx);
	if (!e)
		e = md_room_set_check(&cr->room, &cr->entry, cr->c);
	cr->set = (struct md_set){cr->room.id, 0, cr->entry.hash};
	return e;
}

static ub_err check_limits(struct md_service *s, const struct creation *cr)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_user *u = md_dir_user_find(d, &cr->by->id);

	if (!u)
		return UNIBUS_ERR_DENIED;
	return md_dir_user_owned(u) >= s->limits.owned_max ||
			       md_dir_user_joined(u) >= s->limits.joined_max
		       ? UNIBUS_ERR_LIMIT
		       : UB_OK;
}

/* Free, or UNIBUS_ERR_SUBJECT_TAKEN. */
static ub_err check_subject(struct md_service *s, const char *subject)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	struct md_key key;
	uint64_t rev;
	ub_err e;

	md_key_subject(ub_str(subject), &key);
	e = md_store_get(s->store, key.z, &b, &rev);

	if (e == UNIBUS_ERR_NOT_FOUND)
		return UB_OK;
	return e ? e : UNIBUS_ERR_SUBJECT_TAKEN;
}

static ub_err commit(struct md_write *w, const struct creation *cr, uint64_t *ret_rev)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf claim = UB_BUF(MD_RECORD_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf join = UB_BUF(MD_RECORD_MAX);
	const struct ub_str text = cr->c->entry;
	struct md_key subject_key, entry_key, join_key;
	struct md_op ops[3];
	ub_err e;

	md_key_subject(ub_str(cr->room.subject), &subject_key);
	md_key_entry(&cr->room.id, 0, &entry_key);
	md_key_join(&cr->room.id, &cr->by->id, &join_key);
	md_rec_subject_put(&cr->room.id, &claim);
	md_rec_join_put(0, &join);
	e = ub_buf_err(&claim);
	if (!e)
		e = ub_buf_err(&join);
	if (e)
		return e;
	ops[0] = md_op_put(&subject_key, &claim, 0);
	ops[1] = (struct md_op){
		.kind = MD_PUT, .key = entry_key.z, .value = {(const uint8_t *)text.p, text.len}};
	ops[2] = md_op_put(&join_key, &join, 0);
	return md_write_commit(w, ops, UB_ARRAY_LEN(ops), ret_rev);
}

static ub_err create_once(struct md_write *w, struct creation *cr, uint64_t *ret_rev)
{
	struct md_service *s = w->s;
	ub_err e = md_write_may(w, cr->by, false);

	if (!e)
		e = md_room_find_entry(s, &cr->room.id, 0, cr->c->entry, ret_rev);
	if (e != UNIBUS_ERR_NOT_FOUND)
		return e; /* the same again, or the store's error */
	e = check_limits(s, cr);
	if (!e)
		e = check_subject(s, cr->room.subject);
	if (!e)
		e = md_room_charge(s, &cr->by->id, &cr->entry);
	if (!e && cr->c->n_sealed && !cr->written) {
		e = md_set_write(s, &cr->set, cr->c->sealed, cr->c->n_sealed);
		cr->written = !e;
	}
	return e ? e : commit(w, cr, ret_rev);
}

static ub_err create(struct md_service *s, struct creation *cr, uint64_t *ret_rev)
{
	for (unsigned i = 0; i < MD_TRIES; i++) {
		UB_CLEANUP(md_write_end) struct md_write w = md_write_begin(s);
		ub_err e = create_once(&w, cr, ret_rev);

		if (w.raced)
			continue;
		if (e == UNIBUS_ERR_SUBJECT_TAKEN && cr->written)
			md_set_discard(s, &cr->set);
		return e;
	}
	return UNIBUS_ERR_UNAVAILABLE;
}

ub_err md_room_create(struct md_service *s, const struct md_caller *by, struct md_room_change *c,
	struct md_room_result *ret)
{
	UB_CLEANUP(creation_deinit) struct creation cr = {.by = by, .c = c};
	struct md_room_result r = {0};
	ub_err e = judge(s, &cr);

	if (!e)
		e = create(s, &cr, &r.taken.rev);
	if (e)
		return e;
	r.id = cr.room.id;
	r.seq = 0;
	r.head = cr.entry.hash;
	md_room_wire_now(s, &r.id, &by->id, &r.wire);
	*ret = r;
	return UB_OK;
}
