#include "membershipd/domain/barrier.h"

#include "membershipd/domain/service_impl.h"

#define KEPT_MAX 256 /* settled ones: longer than anybody waits to read them */

void md_barrier_init(struct md_barrier *b)
{
	pthread_condattr_t attr;

	ub_assert(!pthread_mutex_init(&b->lock, NULL));
	ub_assert(!pthread_condattr_init(&attr));
	ub_assert(!pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	ub_assert(!pthread_cond_init(&b->settled, &attr));
	pthread_condattr_destroy(&attr);
}

void md_barrier_deinit(struct md_barrier *b)
{
	while (b->first) {
		struct md_owed *o = b->first;

		b->first = o->next;
		free(o);
	}
	pthread_cond_destroy(&b->settled);
	pthread_mutex_destroy(&b->lock);
}

/* Forgets the oldest settled ones beyond what is kept; what is owed is never forgotten. */
static void prune(struct md_barrier *b)
{
	struct md_owed **at = &b->first, *last = NULL;

	while (*at && b->n > KEPT_MAX) {
		struct md_owed *o = *at;

		if (o->owed) {
			last = o;
			at = &o->next;
			continue;
		}
		*at = o->next;
		if (b->last == o)
			b->last = last;
		free(o);
		b->n--;
	}
}

ub_err md_barrier_owe(struct md_barrier *b, uint64_t rev)
{
	struct md_owed *o;
	ub_err e = UB_OK;

	pthread_mutex_lock(&b->lock);
	o = b->last && b->last->taken.rev == rev ? b->last : NULL;
	if (!o) {
		o = calloc(1, sizeof *o);
		if (o) {
			o->taken.rev = rev;
			if (b->last)
				b->last->next = o;
			else
				b->first = o;
			b->last = o;
			b->n++;
		}
	}
	if (o) {
		o->owed++;
		prune(b);
	} else {
		e = UNIBUS_ERR_NOMEM;
	}
	pthread_mutex_unlock(&b->lock);
	return e;
}

static void add_unconfirmed(struct md_taken *t, const char *name)
{
	if (t->n_unconfirmed < MD_UNCONFIRMED_MAX) {
		char *to = t->unconfirmed[t->n_unconfirmed++];

		snprintf(to, sizeof t->unconfirmed[0], "%s", name);
	}
}

void md_barrier_done(struct md_service *s, uint64_t rev, unsigned kicked,
	const char *const *unconfirmed, size_t n)
{
	struct md_barrier *b = &s->barrier;
	struct md_owed *o;

	pthread_mutex_lock(&b->lock);
	for (o = b->first; o && o->taken.rev != rev; o = o->next)
		;
	if (o && o->owed) {
		o->taken.kicked += kicked;
		for (size_t i = 0; i < n; i++)
			add_unconfirmed(&o->taken, unconfirmed[i]);
		o->settled_ms = s->env.boot_ms(s->env.arg);
		if (!--o->owed)
			pthread_cond_broadcast(&b->settled);
	}
	pthread_mutex_unlock(&b->lock);
}

static bool owed_up_to(const struct md_barrier *b, uint64_t rev)
{
	for (const struct md_owed *o = b->first; o && o->taken.rev <= rev; o = o->next) {
		if (o->owed)
			return true;
	}
	return false;
}

static void read_settled(const struct md_barrier *b, uint64_t since_boot_ms, struct md_taken *inout)
{
	for (const struct md_owed *o = b->first; o; o = o->next) {
		if (o->taken.rev != inout->rev)
			continue;
		*inout = o->taken;
		if (o->settled_ms > since_boot_ms)
			inout->ms = o->settled_ms - since_boot_ms;
	}
}

void md_barrier_wait(
	struct md_service *s, uint64_t since_boot_ms, unsigned timeout_ms, struct md_taken *inout)
{
	struct md_barrier *b = &s->barrier;
	struct timespec until;
	int late = 0;

	*inout = (struct md_taken){.rev = inout->rev};
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&b->lock);
	while (owed_up_to(b, inout->rev) && !late)
		late = pthread_cond_timedwait(&b->settled, &b->lock, &until);
	read_settled(b, since_boot_ms, inout);
	if (owed_up_to(b, inout->rev)) {
		inout->ms = s->env.boot_ms(s->env.arg) - since_boot_ms;
		add_unconfirmed(inout, "bus");
	}
	pthread_mutex_unlock(&b->lock);
}
