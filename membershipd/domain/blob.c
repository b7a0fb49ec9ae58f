#include "membershipd/domain/blob.h"

#include <sodium.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "core/key.h"
#include "membershipd/domain/blob_impl.h"

struct md_blob_upload {
	struct md_blob_upload *prev, *next; /* of those under way */
	struct md_service *s;
	struct md_caller by;
	struct md_blob_want want;
	struct md_blob_tmp *file;
	crypto_hash_sha256_state hash;
	uint64_t received;
	bool named; /* the file has its name */
};

void md_blob_name_of(
	const struct ub_room_id *room, const struct ub_hash *sha256, struct md_blob_name *ret)
{
	static const char tag[] = "unibus/blob-file/v1";
	uint8_t b[sizeof tag + sizeof room->b + sizeof sha256->b];
	struct ub_hash h;

	memcpy(b, tag, sizeof tag);
	memcpy(b + sizeof tag, room->b, sizeof room->b);
	memcpy(b + sizeof tag + sizeof room->b, sha256->b, sizeof sha256->b);
	ub_hash(b, sizeof b, &h);
	memcpy(ret->b, h.b, sizeof ret->b);
}

/* ---- shares ---- */

struct share { /* bytes promised to uploads under way */
	uint64_t user, room;
	size_t n_user;
};

/* Under the lock of the uploads. */
static struct share promised(const struct md_uploads *ups, const struct md_blob_upload *but)
{
	struct share sum = {0};

	for (const struct md_blob_upload *u = ups->first; u; u = u->next) {
		uint64_t bytes = md_dir_blob_charge(u->want.size);

		if (u == but)
			continue;
		if (ub_room_id_eq(&u->want.room, &but->want.room))
			sum.room += bytes;
		if (!ub_endpoint_eq(&u->by.id, &but->by.id))
			continue;
		sum.user += bytes;
		sum.n_user++;
	}
	return sum;
}

static ub_err promise(struct md_blob_upload *u, struct share *ret)
{
	struct md_uploads *ups = &u->s->uploads;
	ub_err e = UB_OK;

	pthread_mutex_lock(&ups->lock);
	*ret = promised(ups, u);
	if (ups->n >= UB_BLOB_UPLOADS_MAX || ret->n_user >= UB_BLOB_UPLOADS_USER_MAX) {
		e = UNIBUS_ERR_SLOW_DOWN;
	} else {
		u->next = ups->first;
		if (ups->first)
			ups->first->prev = u;
		ups->first = u;
		ups->n++;
	}
	pthread_mutex_unlock(&ups->lock);
	return e;
}

static struct share promised_now(const struct md_blob_upload *u)
{
	struct md_uploads *ups = &u->s->uploads;
	struct share sum;

	pthread_mutex_lock(&ups->lock);
	sum = promised(ups, u);
	pthread_mutex_unlock(&ups->lock);
	return sum;
}

static void withdraw(struct md_blob_upload *u)
{
	struct md_uploads *ups = &u->s->uploads;

	pthread_mutex_lock(&ups->lock);
	if (u->prev)
		u->prev->next = u->next;
	else if (ups->first == u)
		ups->first = u->next;
	else
		u = NULL; /* it was never taken in */
	if (u && u->next)
		u->next->prev = u->prev;
	ups->n -= u != NULL;
	pthread_mutex_unlock(&ups->lock);
}

/* ---- judging ---- */

struct basis {
	uint64_t rev; /* of the record that is there; 0: none */
	uint64_t size;
	struct ub_endpoint by; /* who is charged for it */
	bool anew;             /* what is there is brought again, for those who came since */
};

/* May the caller bring it, as things are now, with that much promised to others? */
static ub_err judge(const struct md_blob_upload *u, const struct share *others, struct basis *ret)
{
	struct md_service *s = u->s;
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	uint64_t bytes = md_dir_blob_charge(u->want.size);
	const struct md_dir_blob *b;
	struct md_link *l;
	ub_err e = md_room_enter(d, &u->want.room, &u->by.id, &l);

	*ret = (struct basis){.by = u->by.id, .size = u->want.size};
	if (e)
		return e;
	if (l->room->st.closed)
		return UNIBUS_ERR_ROOM_CLOSED;
	if (md_link_member(l)->role < UB_ROLE_MEMBER)
		return UNIBUS_ERR_DENIED;
	if (u->want.size > s->limits.blob_max)
		return UNIBUS_ERR_TOO_LARGE;
	b = md_dir_blob_find(d, l->room, &u->want.sha256);
	if (b) {
		*ret = (struct basis){b->rev, b->size, b->by->id, l->room->st.policy.since_join};
		return UB_OK;
	}
	if (l->user->blob_bytes + others->user + bytes > s->limits.blob_user_max ||
		l->room->blob_bytes + others->room + bytes > s->limits.blob_room_max)
		return UNIBUS_ERR_LIMIT;
	return UB_OK;
}

/* ---- bringing one ---- */

ub_err md_blob_begin(struct md_service *s, const struct md_caller *by,
	const struct md_blob_want *want, struct md_blob_upload **ret)
{
	UB_CLEANUP(md_blob_endp) struct md_blob_upload *u = NULL;
	struct share others;
	struct basis b;
	ub_err e;

	if (!s->blobs)
		return UNIBUS_ERR_NOT_AVAILABLE;
	u = calloc(1, sizeof *u);
	if (!u)
		return UNIBUS_ERR_NOMEM;
	u->s = s;
	u->by = *by;
	u->want = *want;
	crypto_hash_sha256_init(&u->hash);
	e = promise(u, &others);
	if (!e)
		e = judge(u, &others, &b);
	if (!e)
		e = md_blob_tmp_new(s->blobs, &u->file);
	if (e)
		return e;
	*ret = UB_TAKE(u);
	return UB_OK;
}

ub_err md_blob_write(struct md_blob_upload *u, struct ub_bytes piece)
{
	if (piece.len > u->want.size - u->received)
		return UNIBUS_ERR_INVALID;
	u->received += piece.len;
	crypto_hash_sha256_update(&u->hash, piece.p, piece.len);
	return md_blob_tmp_write(u->file, piece);
}

void md_blob_end(struct md_blob_upload *u)
{
	if (!u)
		return;
	withdraw(u);
	md_blob_tmp_free(u->file);
	free(u);
}

/* ---- finishing ---- */

static ub_err check_bytes(struct md_blob_upload *u)
{
	struct ub_hash got;

	crypto_hash_sha256_final(&u->hash, got.b);
	if (u->received != u->want.size || memcmp(got.b, u->want.sha256.b, sizeof got.b) != 0)
		return UNIBUS_ERR_INVALID;
	return UB_OK;
}

static ub_err commit(
	struct md_write *w, const struct md_blob_upload *u, const struct basis *b, uint64_t *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf value = UB_BUF(MD_RECORD_MAX);
	const struct md_rec_blob r = {b->by, b->size, md_service_now_ms(w->s)};
	struct md_key key;
	struct md_op op;
	ub_err e;

	md_key_blob(&u->want.room, &u->want.sha256, &key);
	md_rec_blob_put(&r, &value);
	e = ub_buf_err(&value);
	if (e)
		return e;
	op = md_op_put(&key, &value, b->rev);
	return md_write_commit(w, &op, 1, ret);
}

/* With mutations held off: between naming a file and its record, nobody else names or removes one
 * of that name. */
static ub_err finish_once(
	struct md_write *w, struct md_blob_upload *u, struct basis *b, uint64_t *ret_rev)
{
	struct share others = promised_now(u);
	struct md_blob_name name;
	ub_err e = md_write_may(w, &u->by, false);

	md_blob_name_of(&u->want.room, &u->want.sha256, &name);
	if (!e)
		e = judge(u, &others, b);
	if (!e && b->rev && !b->anew) {
		*ret_rev = b->rev;
		return UB_OK;
	}
	if (!e && !u->named) {
		e = md_blob_tmp_keep(u->file, &name);
		u->named = !e;
	}
	if (!e)
		e = commit(w, u, b, ret_rev);
	/* On a full disk nothing was recorded, and nobody may have to wait for the next start to
	 * have the file removed. After other errors a record may be there. */
	if (e == UNIBUS_ERR_IO && u->named && !b->rev)
		u->named = md_blob_dir_remove(w->s->blobs, &name) != UB_OK;
	return e;
}

ub_err md_blob_finish(struct md_blob_upload *u, bool *ret_created, uint64_t *ret_rev)
{
	struct basis b;
	ub_err e = check_bytes(u);

	if (!e)
		e = md_blob_tmp_sync(u->file);
	for (unsigned i = 0; !e && i < MD_TRIES; i++) {
		UB_CLEANUP(md_write_end) struct md_write w = md_write_begin(u->s);

		e = finish_once(&w, u, &b, ret_rev);
		if (!e)
			*ret_created = !b.rev;
		if (!e || !w.raced)
			return e;
		e = UB_OK;
	}
	return e ? e : UNIBUS_ERR_UNAVAILABLE;
}

/* ---- reading ---- */

/* In which room of the caller's it is for him. */
static ub_err find(struct md_service *s, const struct md_caller *by, const struct ub_hash *sha256,
	struct ub_room_id *ret)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = md_directory_read(&s->dir);
	const struct md_dir_user *u;

	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	u = md_dir_user_find(d, &by->id);
	for (size_t i = 0; u && i < u->n_links; i++) {
		const struct md_link *l = u->links[i];
		const struct md_dir_blob *b;

		if (l->room->st.closed || !md_link_counts(l))
			continue;
		b = md_dir_blob_find(d, l->room, sha256);
		if (!b || (l->room->st.policy.since_join && b->rev < l->added_rev))
			continue;
		*ret = l->room->st.id;
		return UB_OK;
	}
	return UNIBUS_ERR_NOT_FOUND;
}

ub_err md_blob_open(struct md_service *s, const struct md_caller *by, const struct ub_hash *sha256,
	struct md_blob_file *ret)
{
	struct ub_room_id room;
	struct md_blob_name name;
	ub_err e;

	if (!s->blobs)
		return UNIBUS_ERR_NOT_AVAILABLE;
	e = find(s, by, sha256, &room);
	if (e)
		return e;
	md_blob_name_of(&room, sha256, &name);
	e = md_blob_dir_find(s->blobs, &name, &ret->fd, &ret->size);
	/* There is a record of it: the room was closed just now, or another node has the file. */
	return e == UNIBUS_ERR_NOT_FOUND ? UNIBUS_ERR_UNAVAILABLE : e;
}
