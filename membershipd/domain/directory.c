#include "membershipd/domain/directory.h"

#include <sodium.h>

#include "core/endpoint.h"
#include "core/entry.h"
#include "membershipd/domain/directory_blob.h"
#include "membershipd/domain/records.h"

/* A record as it reads, so that the lock is held for putting it in place only. */
struct item {
	struct md_key_parts key;
	bool deleted;
	uint64_t rev;
	union {
		struct md_rec_user user;
		struct ub_entry entry;
		uint64_t join; /* the add it belongs to */
		struct md_rec_blob blob;
	} u;
};

void md_directory_init(struct md_directory *d)
{
	pthread_rwlockattr_t attr;

	*d = (struct md_directory){0};
	randombytes_buf(d->secret, sizeof d->secret);
	ub_assert(!pthread_rwlockattr_init(&attr));
	/* However many read: a revocation goes first. */
	ub_assert(!pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
	ub_assert(!pthread_rwlock_init(&d->lock, &attr));
	pthread_rwlockattr_destroy(&attr);
}

void md_directory_deinit(struct md_directory *d)
{
	struct md_dir_user *u, *next_u;
	struct md_dir_room *r, *next_r;

	HASH_ITER (hh, d->rooms, r, next_r) {
		HASH_DEL(d->rooms, r);
		for (size_t i = 0; i < r->st.n_members; i++)
			free(r->links[i]);
		free(r->links);
		free(r->epochs);
		md_dir_free_blobs(r);
		ub_room_deinit(&r->st);
		free(r);
	}
	HASH_ITER (hh, d->users, u, next_u) {
		HASH_DEL(d->users, u);
		free(u->links);
		free(u);
	}
	free(d->by_handle);
	pthread_rwlock_destroy(&d->lock);
}

static void item_deinit(struct item *it)
{
	if (it->key.kind == MD_KIND_ENTRY && !it->deleted)
		ub_entry_deinit(&it->u.entry);
}

static ub_err read_user(const struct md_record *r, struct item *it)
{
	struct ub_endpoint id;
	ub_err e = md_rec_user_get(r->value, &it->u.user);

	if (e)
		return e;
	ub_endpoint_of(&it->u.user.sign, &id);
	return ub_endpoint_eq(&id, &it->key.id) ? UB_OK : UNIBUS_ERR_BAD_FILE;
}

static ub_err read_entry(const struct md_record *r, struct item *it)
{
	ub_err e = ub_entry_open(
		(struct ub_str){(const char *)r->value.p, r->value.len}, &it->u.entry);

	if (e)
		return e == UNIBUS_ERR_NOMEM ? e : UNIBUS_ERR_BAD_FILE;
	return it->u.entry.seq == it->key.seq ? UB_OK : UNIBUS_ERR_BAD_FILE;
}

static ub_err read_value(const struct md_record *r, struct item *it)
{
	struct md_rec_meta meta;
	size_t n;

	switch (it->key.kind) {
	case MD_KIND_META:
		return md_rec_meta_get(r->value, &meta);
	case MD_KIND_ADMINS:
		return md_rec_admins_get(r->value, &n);
	case MD_KIND_USER:
		return read_user(r, it);
	case MD_KIND_ENTRY:
		return read_entry(r, it);
	case MD_KIND_JOIN:
		return md_rec_join_get(r->value, &it->u.join);
	case MD_KIND_BLOB:
		return md_rec_blob_get(r->value, &it->u.blob);
	case MD_KIND_OTHER:
		return UB_OK;
	case MD_KIND_SEALED:
	default:
		return UNIBUS_ERR_BAD_FILE; /* not under the directory's prefix */
	}
}

/* What is deleted must be of a kind that is ever deleted. */
static bool may_go(enum md_key_kind kind)
{
	return kind == MD_KIND_JOIN || kind == MD_KIND_BLOB || kind == MD_KIND_OTHER;
}

static ub_err read_item(const struct md_record *r, struct item *ret)
{
	struct item it = {.deleted = r->deleted, .rev = r->rev};
	ub_err e = md_key_parse(r->key, &it.key);

	if (!e && r->deleted && !may_go(it.key.kind))
		e = UNIBUS_ERR_BAD_FILE;
	if (!e && !r->deleted)
		e = read_value(r, &it);
	if (!e)
		*ret = it;
	return e;
}

static ub_err put_entry(struct md_directory *d, const struct item *it, struct md_outbox *out)
{
	struct ub_room_id id = it->u.entry.room;

	if (!it->u.entry.has_room) {
		if (!it->u.entry.n_ops || it->u.entry.ops[0].type != UB_OP_GENESIS)
			return UNIBUS_ERR_BAD_FILE;
		ub_room_id_of(&it->u.entry.actor, &it->u.entry.ops[0], &id);
	}
	if (!ub_room_id_eq(&id, &it->key.room))
		return UNIBUS_ERR_BAD_FILE;
	return md_dir_put_entry(d, it->rev, &it->u.entry, out);
}

static ub_err put_join(struct md_directory *d, const struct item *it, struct md_outbox *out)
{
	struct md_dir_room *room = md_dir_room_find(d, &it->key.room);

	if (!room)
		return it->deleted ? UB_OK : UNIBUS_ERR_BAD_FILE;
	md_dir_put_join(room, it->rev, &it->key.id, it->deleted ? NULL : &it->u.join, out);
	return UB_OK;
}

static ub_err put_blob(struct md_directory *d, const struct item *it)
{
	struct md_dir_room *room = md_dir_room_find(d, &it->key.room);

	if (!room)
		return it->deleted ? UB_OK : UNIBUS_ERR_BAD_FILE;
	if (!it->deleted)
		return md_dir_put_blob(d, room, it->rev, &it->key.blob, &it->u.blob);
	md_dir_drop_blob(d, room, &it->key.blob);
	return UB_OK;
}

static ub_err put_item(struct md_directory *d, const struct item *it, struct md_outbox *out)
{
	if (it->rev <= d->seen)
		return UB_OK;
	d->seen = it->rev;
	switch (it->key.kind) {
	case MD_KIND_ADMINS:
		d->admins_rev = it->rev;
		return UB_OK;
	case MD_KIND_USER:
		return md_dir_put_user(d, it->rev, &it->key.id, &it->u.user, out);
	case MD_KIND_ENTRY:
		return put_entry(d, it, out);
	case MD_KIND_JOIN:
		return put_join(d, it, out);
	case MD_KIND_BLOB:
		return put_blob(d, it);
	case MD_KIND_META:
	case MD_KIND_OTHER:
	case MD_KIND_SEALED:
	default:
		return UB_OK;
	}
}

/* A commit is seen whole or not at all: read everything first, then put it in under one lock. */
static ub_err feed_whole(
	struct md_directory *d, const struct md_record *recs, size_t n, struct md_outbox *out)
{
	UB_CLEANUP(ub_freep) struct item *items = calloc(n ? n : 1, sizeof *items);
	size_t n_read = 0;
	ub_err e = items ? UB_OK : UNIBUS_ERR_NOMEM;

	while (!e && n_read < n) {
		e = read_item(&recs[n_read], &items[n_read]);
		if (!e)
			n_read++;
	}
	pthread_rwlock_wrlock(&d->lock);
	for (size_t i = 0; !e && i < n_read; i++)
		e = put_item(d, &items[i], out);
	if (!e)
		e = out->err;
	if (e)
		d->broken = e;
	pthread_rwlock_unlock(&d->lock);
	for (size_t i = 0; i < n_read; i++)
		item_deinit(&items[i]);
	return e;
}

void md_directory_feed(struct md_directory *d, const struct md_record *recs, size_t n, uint64_t rev,
	struct md_outbox *out)
{
	bool live = d->live; /* written by this same thread of callbacks only */
	size_t step = live ? n : 1;

	if (d->broken)
		return;
	/* Nobody reads while the first records come: no need to hold them all at once. */
	for (size_t i = 0; i < n; i += step) {
		if (feed_whole(d, recs + i, step, out))
			return;
	}
	pthread_rwlock_wrlock(&d->lock);
	if (rev > d->rev)
		d->rev = rev;
	pthread_rwlock_unlock(&d->lock);
}

void md_directory_caught_up(struct md_directory *d, uint64_t rev)
{
	pthread_rwlock_wrlock(&d->lock);
	if (!d->broken && !d->live)
		d->broken = md_dir_handles_build(d);
	if (rev > d->rev)
		d->rev = rev;
	d->live = d->current = true;
	pthread_rwlock_unlock(&d->lock);
}

void md_directory_lost(struct md_directory *d)
{
	pthread_rwlock_wrlock(&d->lock);
	d->current = false;
	pthread_rwlock_unlock(&d->lock);
}

void md_directory_break(struct md_directory *d, ub_err why)
{
	pthread_rwlock_wrlock(&d->lock);
	d->broken = why;
	pthread_rwlock_unlock(&d->lock);
}

const struct md_directory *md_directory_read(struct md_directory *d)
{
	pthread_rwlock_rdlock(&d->lock);
	return d;
}

void md_directory_done(const struct md_directory *const *d)
{
	union { /* the reader's view is const, its lock is not */
		const struct md_directory *in;
		struct md_directory *out;
	} u = {*d};

	pthread_rwlock_unlock(&u.out->lock);
}

bool md_directory_vouches(const struct md_directory *d)
{
	return d->live && d->current && !d->broken;
}

struct md_link *md_dir_link(const struct md_dir_room *room, const struct ub_endpoint *id)
{
	const struct ub_member *m = ub_room_member(&room->st, id);

	return m ? room->links[m - room->st.members] : NULL;
}

bool md_link_counts(const struct md_link *l)
{
	return l->user->known && l->user->active && l->added_rev > l->user->rev;
}

bool md_link_joined(const struct md_link *l)
{
	return l->join_rev && !l->room->st.closed && md_link_counts(l);
}

const struct ub_member *md_link_member(const struct md_link *l)
{
	const struct ub_member *m = ub_room_member(&l->room->st, &l->user->id);

	ub_assert(m);
	return m;
}

size_t md_dir_user_joined(const struct md_dir_user *u)
{
	size_t n = 0;

	for (size_t i = 0; i < u->n_links; i++)
		n += md_link_joined(u->links[i]);
	return n;
}

size_t md_dir_user_owned(const struct md_dir_user *u)
{
	size_t n = 0;

	for (size_t i = 0; i < u->n_links; i++) {
		const struct ub_room *st = &u->links[i]->room->st;

		n += !st->closed && ub_endpoint_eq(&st->owner, &u->id) &&
		     md_link_counts(u->links[i]);
	}
	return n;
}
