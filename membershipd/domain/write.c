#include "core/key.h"
#include "membershipd/domain/service_impl.h"

struct md_write md_write_begin(struct md_service *s)
{
	pthread_mutex_lock(&s->write);
	pthread_mutex_lock(&s->queue.lock);
	s->queue.writing = true;
	s->queue.writer = pthread_self();
	pthread_mutex_unlock(&s->queue.lock);
	return (struct md_write){.s = s, .since_ms = s->env.boot_ms(s->env.arg)};
}

void md_write_end(struct md_write *w)
{
	struct md_service *s = w->s;

	pthread_mutex_lock(&s->queue.lock);
	s->queue.writing = false;
	pthread_mutex_unlock(&s->queue.lock);
	pthread_mutex_unlock(&s->write);
	md_queue_tell(s);
}

ub_err md_write_may(const struct md_write *w, const struct md_caller *by, bool admin)
{
	UB_CLEANUP(md_directory_done)
	const struct md_directory *d = md_directory_read(&w->s->dir);
	const struct md_dir_user *u;

	if (!md_directory_vouches(d))
		return UNIBUS_ERR_UNAVAILABLE;
	if (!by)
		return UB_OK;
	u = md_dir_user_find(d, &by->id);
	if (!u || !u->known || !u->active || !ub_pubkey_eq(&u->sign, &by->key))
		return UNIBUS_ERR_DENIED;
	return admin && !u->admin ? UNIBUS_ERR_DENIED : UB_OK;
}

ub_err md_write_commit(struct md_write *w, const struct md_op *ops, size_t n, uint64_t *ret_rev)
{
	struct md_service *s = w->s;
	uint64_t rev = 0;
	ub_err e;

	w->since_ms = s->env.boot_ms(s->env.arg);
	e = md_store_commit(s->store, ops, n, &rev);
	if (e == UNIBUS_ERR_CONFLICT) {
		w->raced = true;
		/* Decided anew on what overtook us, or not at all. */
		e = md_reach_wait(s, md_store_revision(s->store), MD_REACH_MS);
		if (e)
			w->raced = false;
		return UNIBUS_ERR_UNAVAILABLE;
	}
	if (e)
		return e;
	/* It stands, but nobody can say yet that it is seen. */
	if (md_reach_wait(s, rev, MD_REACH_MS))
		return UNIBUS_ERR_OUTCOME_UNKNOWN;
	*ret_rev = rev;
	return UB_OK;
}

struct md_op md_op_put(const struct md_key *key, const struct ub_buf *b, uint64_t expect)
{
	return (struct md_op){
		.kind = MD_PUT,
		.key = key->z,
		.value = {b->p, b->len},
		.expect = expect,
	};
}
