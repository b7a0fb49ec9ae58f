#include "membershipd/domain/user.h"

#include "core/endpoint.h"
#include "core/key.h"
#include "core/subject.h"
#include "membershipd/domain/service_impl.h"

static void user_of(const struct md_dir_user *u, struct md_user *ret)
{
	*ret = (struct md_user){
		.sign = u->sign,
		.id = u->id,
		.admin = u->admin,
		.active = u->active,
		.created_ms = u->created_ms,
		.revoked_ms = u->revoked_ms,
	};
	memcpy(ret->handle, u->handle, sizeof ret->handle);
}

/* What a change of a user is decided on. */
struct basis {
	bool known;
	struct md_user user;
	uint64_t user_rev, admins_rev;
	size_t n_admins;
};

static void basis_read(struct md_service *s, const struct ub_endpoint *id, struct basis *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_user *u = md_dir_user_find(d, id);

	*ret = (struct basis){.admins_rev = d->admins_rev, .n_admins = d->n_admins};
	if (!u || !u->known)
		return;
	ret->known = true;
	ret->user_rev = u->rev;
	user_of(u, &ret->user);
}

/* The user's record, last, with d.admins at the revision of the decision: so of two admins who
 * revoke each other one finds it moved. `claim` is the handle's, or NULL. */
static ub_err put_user(struct md_write *w, const struct basis *was, const struct md_user *now,
	const struct md_op *claim, uint64_t *ret_rev)
{
	static const struct md_key admins_key = {MD_KEY_ADMINS};
	UB_CLEANUP(ub_buf_deinit) struct ub_buf admins = UB_BUF(MD_RECORD_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf user = UB_BUF(MD_RECORD_MAX);
	struct md_rec_user rec = {
		.sign = now->sign,
		.admin = now->admin,
		.active = now->active,
		.created_ms = now->created_ms,
		.revoked_ms = now->revoked_ms,
	};
	bool was_admin = was->known && was->user.active && was->user.admin;
	struct md_op ops[3];
	struct md_key key;
	size_t n = 0;
	ub_err e;

	memcpy(rec.handle, now->handle, sizeof rec.handle);
	md_rec_admins_put(was->n_admins - was_admin + (now->active && now->admin), &admins);
	md_rec_user_put(&rec, &user);
	e = ub_buf_err(&admins);
	if (!e)
		e = ub_buf_err(&user);
	if (e)
		return e;
	if (claim)
		ops[n++] = *claim;
	md_key_user(&now->id, &key);
	ops[n++] = md_op_put(&admins_key, &admins, was->admins_rev);
	ops[n++] = md_op_put(&key, &user, was->user_rev);
	return md_write_commit(w, ops, n, ret_rev);
}

/* A handle stays with the key that had it first. UB_OK: this key's; UNIBUS_ERR_NOT_FOUND: free. */
static ub_err claim_check(
	struct md_service *s, const struct md_key *key, const struct ub_endpoint *id)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	struct ub_endpoint holder;
	uint64_t rev;
	ub_err e = md_store_get(s->store, key->z, &b, &rev);

	if (!e)
		e = md_rec_handle_get((struct ub_bytes){b.p, b.len}, &holder);
	if (e)
		return e;
	return ub_endpoint_eq(&holder, id) ? UB_OK : UNIBUS_ERR_HANDLE_TAKEN;
}

static ub_err add_claimed(
	struct md_write *w, const struct basis *was, const struct md_user *now, uint64_t *ret_rev)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_RECORD_MAX);
	struct md_key key;
	struct md_op claim;
	ub_err e;

	md_key_handle(ub_str(now->handle), &key);
	e = claim_check(w->s, &key, &now->id);
	if (!e)
		return put_user(w, was, now, NULL, ret_rev);
	if (e != UNIBUS_ERR_NOT_FOUND)
		return e;
	md_rec_handle_put(&now->id, &b);
	e = ub_buf_err(&b);
	if (e)
		return e;
	claim = md_op_put(&key, &b, 0);
	return put_user(w, was, now, &claim, ret_rev);
}

static ub_err add_once(struct md_write *w, const struct md_caller *by, const struct md_user *now,
	bool *ret_created, uint64_t *ret_rev)
{
	struct basis was;
	ub_err e = md_write_may(w, by, true);

	if (e)
		return e;
	basis_read(w->s, &now->id, &was);
	if (was.known && was.user.active) {
		if (was.user.admin != now->admin || strcmp(was.user.handle, now->handle) != 0)
			return UNIBUS_ERR_KEY_TAKEN;
		*ret_created = false;
		*ret_rev = was.user_rev;
		return UB_OK;
	}
	e = add_claimed(w, &was, now, ret_rev);
	if (!e)
		*ret_created = true;
	return e;
}

ub_err md_user_add(struct md_service *s, const struct md_caller *by, const struct md_user_add *u,
	bool *ret_created, uint64_t *ret_rev)
{
	struct md_user now = {
		.sign = u->sign,
		.admin = u->admin,
		.active = true,
		.created_ms = md_service_now_ms(s),
	};

	if (ub_pubkey_check(&u->sign) || ub_handle_check(u->handle))
		return UNIBUS_ERR_INVALID;
	ub_endpoint_of(&now.sign, &now.id);
	memcpy(now.handle, u->handle.p, u->handle.len);
	for (unsigned i = 0; i < MD_TRIES; i++) {
		UB_CLEANUP(md_write_end) struct md_write w = md_write_begin(s);
		ub_err e = add_once(&w, by, &now, ret_created, ret_rev);

		if (!w.raced)
			return e;
	}
	return UNIBUS_ERR_UNAVAILABLE;
}

static ub_err revoke_once(struct md_write *w, const struct md_caller *by,
	const struct ub_endpoint *id, uint64_t *ret_rev)
{
	struct md_user now;
	struct basis was;
	ub_err e = md_write_may(w, by, true);

	if (e)
		return e;
	basis_read(w->s, id, &was);
	if (!was.known)
		return UNIBUS_ERR_NOT_FOUND;
	now = was.user;
	if (now.active) {
		if (now.admin && was.n_admins == 1)
			return UNIBUS_ERR_LAST_ADMIN;
		now.active = false;
		now.revoked_ms = md_service_now_ms(w->s);
	}
	/* Revoked before: the record is written again, so that every node kicks again. */
	return put_user(w, &was, &now, NULL, ret_rev);
}

static ub_err revoke(struct md_service *s, const struct md_caller *by, const struct ub_endpoint *id,
	uint64_t *ret_rev, uint64_t *ret_since_ms)
{
	for (unsigned i = 0; i < MD_TRIES; i++) {
		UB_CLEANUP(md_write_end) struct md_write w = md_write_begin(s);
		ub_err e = revoke_once(&w, by, id, ret_rev);

		*ret_since_ms = w.since_ms;
		if (!w.raced)
			return e;
	}
	return UNIBUS_ERR_UNAVAILABLE;
}

ub_err md_user_revoke(struct md_service *s, const struct md_caller *by, const struct ub_pubkey *key,
	struct md_taken *ret)
{
	struct md_taken taken = {0};
	struct ub_endpoint id;
	uint64_t since_ms;
	ub_err e;

	ub_endpoint_of(key, &id);
	e = revoke(s, by, &id, &taken.rev, &since_ms);
	if (e)
		return e;
	md_barrier_wait(s, since_ms, MD_BARRIER_MS, &taken);
	*ret = taken;
	return UB_OK;
}

ub_err md_user_get(struct md_service *s, const struct ub_endpoint *id, struct md_user *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_user *u;

	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	u = md_dir_user_find(d, id);
	if (!u || !u->known)
		return UNIBUS_ERR_NOT_FOUND;
	user_of(u, ret);
	return UB_OK;
}

ub_err md_user_by_handle(struct md_service *s, struct ub_str handle, struct md_user *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	size_t at;

	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	at = md_dir_handle_place(d, handle);
	if (at == d->n_handles || !ub_str_eqz(handle, d->by_handle[at]->handle))
		return UNIBUS_ERR_NOT_FOUND;
	user_of(d->by_handle[at], ret);
	return UB_OK;
}

ub_err md_user_list(
	struct md_service *s, struct ub_str after, struct md_user *to, size_t max, size_t *ret_n)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	size_t at, n = 0;

	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	at = md_dir_handle_place(d, after);
	if (at < d->n_handles && ub_str_eqz(after, d->by_handle[at]->handle))
		at++;
	while (at < d->n_handles && n < max)
		user_of(d->by_handle[at++], &to[n++]);
	*ret_n = n;
	return UB_OK;
}

ub_err md_caller_find(struct md_service *s, const struct ub_pubkey *key, struct md_caller *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_user *u;
	struct ub_endpoint id;

	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	ub_endpoint_of(key, &id);
	u = md_dir_user_find(d, &id);
	if (!u || !u->known || !ub_pubkey_eq(&u->sign, key))
		return UNIBUS_ERR_UNKNOWN_KEY;
	if (!u->active)
		return UNIBUS_ERR_REVOKED;
	*ret = (struct md_caller){.key = u->sign, .id = u->id, .admin = u->admin};
	memcpy(ret->handle, u->handle, sizeof ret->handle);
	return UB_OK;
}
