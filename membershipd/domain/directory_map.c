/* Where users and rooms are, and what they grow by. */
#include "membershipd/domain/directory.h"
#include "membershipd/domain/directory_blob.h"

struct md_dir_user *md_dir_user_find(const struct md_directory *d, const struct ub_endpoint *id)
{
	struct md_dir_user *u;

	HASH_FIND(hh, d->users, id->b, sizeof id->b, u);
	return u;
}

ub_err md_dir_user_make(
	struct md_directory *d, const struct ub_endpoint *id, struct md_dir_user **ret)
{
	UB_CLEANUP(ub_freep) struct md_dir_user *made = NULL;
	struct md_dir_user *u = md_dir_user_find(d, id);

	if (u) {
		*ret = u;
		return UB_OK;
	}
	made = calloc(1, sizeof *made);
	if (!made)
		return UNIBUS_ERR_NOMEM;
	made->id = *id;
	HASH_ADD(hh, d->users, id, sizeof made->id, made);
	if (!made->hh.tbl)
		return UNIBUS_ERR_NOMEM;
	*ret = UB_TAKE(made);
	return UB_OK;
}

struct md_dir_room *md_dir_room_find(const struct md_directory *d, const struct ub_room_id *id)
{
	struct md_dir_room *r;

	HASH_FIND(hh, d->rooms, id->b, sizeof id->b, r);
	return r;
}

ub_err md_dir_room_make(
	struct md_directory *d, const struct ub_room_id *id, struct md_dir_room **ret)
{
	UB_CLEANUP(ub_freep) struct md_dir_room *made = calloc(1, sizeof *made);

	if (!made)
		return UNIBUS_ERR_NOMEM;
	made->st.id = *id;
	HASH_ADD(hh, d->rooms, st.id, sizeof made->st.id, made);
	if (!made->hh.tbl)
		return UNIBUS_ERR_NOMEM;
	*ret = UB_TAKE(made);
	return UB_OK;
}

ub_err md_dir_blob_make(
	struct md_dir_room *room, const struct md_blob_mark *mark, struct md_dir_blob **ret)
{
	UB_CLEANUP(ub_freep) struct md_dir_blob *made = calloc(1, sizeof *made);

	if (!made)
		return UNIBUS_ERR_NOMEM;
	made->mark = *mark;
	HASH_ADD(hh, room->blobs, mark, sizeof made->mark, made);
	if (!made->hh.tbl)
		return UNIBUS_ERR_NOMEM;
	*ret = UB_TAKE(made);
	return UB_OK;
}

ub_err md_dir_epoch_push(struct md_dir_room *room, uint64_t seq)
{
	uint64_t *grown = realloc(room->epochs, (room->n_epochs + 1) * sizeof *grown);

	if (!grown)
		return UNIBUS_ERR_NOMEM;
	room->epochs = grown;
	room->epochs[room->n_epochs++] = seq;
	return UB_OK;
}
