#include "membershipd/domain/service_impl.h"

static void reach_set(struct md_service *s, bool caught_up)
{
	uint64_t rev;
	ub_err broken;

	pthread_rwlock_rdlock(&s->dir.lock);
	rev = s->dir.rev;
	broken = s->dir.broken;
	pthread_rwlock_unlock(&s->dir.lock);
	pthread_mutex_lock(&s->reach.lock);
	s->reach.rev = rev;
	s->reach.broken = broken;
	s->reach.caught_up = s->reach.caught_up || caught_up;
	pthread_cond_broadcast(&s->reach.moved);
	pthread_mutex_unlock(&s->reach.lock);
}

/* Owed first: whoever waits for a revision must find what it owes. */
static ub_err owe(struct md_service *s, const struct md_outbox *box)
{
	for (const struct md_letter *l = box->first; l; l = l->next) {
		ub_err e = UB_OK;

		if (l->ev.kind == MD_EVENT_REVOKED || l->ev.kind == MD_EVENT_NARROWED)
			e = md_barrier_owe(&s->barrier, l->ev.rev);
		if (e)
			return e;
	}
	return UB_OK;
}

static void on_batch(void *arg, const struct md_record *recs, size_t n, uint64_t rev)
{
	struct md_service *s = arg;
	UB_CLEANUP(md_outbox_deinit)
	struct md_outbox box = {.wanted = s->events.event && s->dir.live};
	ub_err e;

	md_directory_feed(&s->dir, recs, n, rev, &box);
	e = owe(s, &box);
	if (e)
		md_directory_break(&s->dir, e);
	pthread_mutex_lock(&s->queue.lock);
	md_outbox_append(&s->queue.box, &box);
	pthread_mutex_unlock(&s->queue.lock);
	reach_set(s, false);
	md_queue_tell(s);
}

static void on_caught_up(void *arg, uint64_t rev)
{
	struct md_service *s = arg;

	md_directory_caught_up(&s->dir, rev);
	reach_set(s, true);
}

static void on_lost(void *arg)
{
	struct md_service *s = arg;

	md_directory_lost(&s->dir);
}

void md_queue_tell(struct md_service *s)
{
	struct md_queue *q = &s->queue;

	pthread_mutex_lock(&q->lock);
	if (!q->telling && !(q->writing && pthread_equal(q->writer, pthread_self()))) {
		q->telling = true;
		for (struct md_letter *l = md_outbox_take(&q->box); l;
			l = md_outbox_take(&q->box)) {
			pthread_mutex_unlock(&q->lock);
			s->events.event(s->events.arg, &l->ev);
			free(l);
			pthread_mutex_lock(&q->lock);
		}
		q->telling = false;
	}
	pthread_mutex_unlock(&q->lock);
}

void md_follow_init(struct md_service *s)
{
	pthread_condattr_t attr;

	md_directory_init(&s->dir);
	ub_assert(!pthread_mutex_init(&s->queue.lock, NULL));
	ub_assert(!pthread_mutex_init(&s->reach.lock, NULL));
	ub_assert(!pthread_condattr_init(&attr));
	ub_assert(!pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	ub_assert(!pthread_cond_init(&s->reach.moved, &attr));
	pthread_condattr_destroy(&attr);
}

void md_follow_deinit(struct md_service *s)
{
	md_directory_deinit(&s->dir);
	md_outbox_deinit(&s->queue.box);
	pthread_mutex_destroy(&s->queue.lock);
	pthread_cond_destroy(&s->reach.moved);
	pthread_mutex_destroy(&s->reach.lock);
}

ub_err md_follow_start(struct md_service *s)
{
	const struct md_follower f = {
		.prefix = MD_DIRECTORY_PREFIX,
		.batch = on_batch,
		.caught_up = on_caught_up,
		.lost = on_lost,
		.arg = s,
	};
	ub_err e = md_store_follow(s->store, &f);

	if (e)
		return e;
	pthread_mutex_lock(&s->reach.lock);
	while (!s->reach.caught_up && !s->reach.broken)
		pthread_cond_wait(&s->reach.moved, &s->reach.lock);
	e = s->reach.broken;
	pthread_mutex_unlock(&s->reach.lock);
	return e;
}

ub_err md_reach_wait(struct md_service *s, uint64_t rev, unsigned timeout_ms)
{
	struct timespec until;
	bool reached;
	int late = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&s->reach.lock);
	while (s->reach.rev < rev && !s->reach.broken && !late)
		late = pthread_cond_timedwait(&s->reach.moved, &s->reach.lock, &until);
	reached = s->reach.rev >= rev && !s->reach.broken;
	pthread_mutex_unlock(&s->reach.lock);
	return reached ? UB_OK : UNIBUS_ERR_UNAVAILABLE;
}
