#include "membershipd/store/store_jetstream_impl.h"

#define STEP_MS 200
#define CHECK_MS 2000  /* how often the leader is asked how far it is */
#define LAG_MS 4000    /* how long what it has may take to come */
#define GRACE_MS 3000  /* an interruption shorter than this is nobody's business */
#define RESUME_MS 1000 /* one attempt to go on */

struct kv_follow {
	struct kv_store *s;
	struct md_follower f;
	char prefix[MD_KEY_MAX + 1];
	pthread_t thread;
	pthread_mutex_t mu; /* begun, err */
	pthread_cond_t changed;
	bool begun;
	ub_err err;
	/* Of the thread. */
	struct kv_feed feed;
	uint64_t told;          /* the sequence */
	bool lost;              /* and said so */
	uint64_t doubt_ms;      /* since when nothing is certain; 0: all is well */
	bool deaf;              /* the leader did not answer the last time */
	uint64_t check_ms;      /* when the leader is asked next */
	uint64_t lead, lead_ms; /* what the leader had; when it must have come */
	struct kv_patience pause;
};

/* Tells what is in the pile. False: no memory; the pile stays. */
static bool tell(struct kv_follow *w, bool markers)
{
	UB_CLEANUP(ub_freep) struct md_record *recs = NULL;
	struct kv_feed *feed = &w->feed;

	kv_pile_settle(&feed->pile, markers, KV_BY_REVISION);
	if (kv_pile_records(&feed->pile, &recs))
		return false;
	kv_seen(w->s, feed->at);
	ub_assert(!pthread_mutex_lock(&w->s->telling));
	w->f.batch(w->f.arg, recs, feed->pile.n, feed->at);
	ub_assert(!pthread_mutex_unlock(&w->s->telling));
	kv_pile_clear(&feed->pile);
	w->told = feed->at;
	return true;
}

static void tell_caught_up(struct kv_follow *w)
{
	ub_assert(!pthread_mutex_lock(&w->s->telling));
	w->f.caught_up(w->f.arg, w->told);
	ub_assert(!pthread_mutex_unlock(&w->s->telling));
}

static void tell_lost(struct kv_follow *w)
{
	w->lost = true;
	if (!w->f.lost)
		return;
	ub_assert(!pthread_mutex_lock(&w->s->telling));
	w->f.lost(w->f.arg);
	ub_assert(!pthread_mutex_unlock(&w->s->telling));
}

static void doubt(struct kv_follow *w)
{
	if (!w->doubt_ms)
		w->doubt_ms = kv_now_ms();
}

static void judge(struct kv_follow *w)
{
	if (w->doubt_ms && !w->lost && kv_now_ms() - w->doubt_ms >= GRACE_MS)
		tell_lost(w);
}

static void interrupt(struct kv_follow *w)
{
	kv_feed_pause(&w->feed);
	doubt(w);
}

/* One attempt to go on after an interruption. */
static void resume(struct kv_follow *w)
{
	struct kv_patience p = kv_patience(RESUME_MS);
	ub_err e = kv_feed_resume(&w->feed, &p);

	judge(w);
	if (e == UNIBUS_ERR_NOT_FOUND && !w->lost)
		tell_lost(w);
	if (!e) {
		w->deaf = false;
		w->check_ms = kv_now_ms() + CHECK_MS;
		w->lead = w->feed.goal;
		w->lead_ms = kv_now_ms() + LAG_MS;
		return;
	}
	w->pause.until_ms = UINT64_MAX;
	(void)kv_link_pause(w->s->link, &w->pause, "");
}

/* Compares with the leader: the server that feeds us may be cut off, and not know it. */
static void check(struct kv_follow *w)
{
	struct kv_patience p = kv_patience(0);
	struct kv_info info;
	ub_err e = kv_info(w->s, &p, &info);
	uint64_t now = kv_now_ms();

	w->check_ms = now + CHECK_MS;
	w->deaf = e != UB_OK;
	if (e)
		doubt(w);
	if (e == UNIBUS_ERR_NOT_FOUND)
		kv_feed_pause(&w->feed);
	if (!e && w->feed.at >= w->lead && info.status.revision > w->lead) {
		w->lead = info.status.revision;
		w->lead_ms = now + LAG_MS;
	}
}

/* All that there is has come: tells it. */
static void settle(struct kv_follow *w)
{
	if (w->feed.at > w->told && !tell(w, true)) {
		doubt(w);
		return;
	}
	w->pause.tries = 0;
	if (w->feed.at < w->lead || w->deaf)
		return;
	w->doubt_ms = 0;
	if (w->lost)
		tell_caught_up(w);
	w->lost = false;
}

static void go_on(struct kv_follow *w)
{
	ub_err e = kv_feed_step(&w->feed, STEP_MS);

	if (e && e != UNIBUS_ERR_TIMEOUT) {
		interrupt(w);
		return;
	}
	if (kv_now_ms() >= w->check_ms)
		check(w);
	if ((!e || w->doubt_ms) && kv_feed_whole(&w->feed))
		settle(w);
	if (w->feed.watch && w->feed.at < w->lead && kv_now_ms() >= w->lead_ms)
		interrupt(w);
}

static void report(struct kv_follow *w, ub_err err)
{
	ub_assert(!pthread_mutex_lock(&w->mu));
	w->begun = true;
	w->err = err;
	ub_assert(!pthread_cond_broadcast(&w->changed));
	ub_assert(!pthread_mutex_unlock(&w->mu));
}

static ub_err begin(struct kv_follow *w)
{
	struct kv_patience p = kv_patience(w->s->open_ms);
	ub_err e = kv_feed_begin(&w->feed, true, &p);

	if (e)
		return e;
	w->check_ms = kv_now_ms() + CHECK_MS;
	w->lead = w->told = w->feed.at;
	kv_pile_settle(&w->feed.pile, false, KV_BY_REVISION);
	if (w->feed.pile.n > 0 && !tell(w, false))
		return UNIBUS_ERR_NOMEM;
	tell_caught_up(w);
	return UB_OK;
}

static void *follow_thread(void *arg)
{
	struct kv_follow *w = arg;
	ub_err e = begin(w);

	report(w, e);
	while (!e && !kv_link_stopped(w->s->link)) {
		if (w->feed.watch)
			go_on(w);
		else
			resume(w);
		judge(w);
	}
	kv_feed_deinit(&w->feed);
	return NULL;
}

static void follow_free(struct kv_follow *w)
{
	ub_assert(!pthread_cond_destroy(&w->changed));
	ub_assert(!pthread_mutex_destroy(&w->mu));
	free(w);
}

void kv_follow_end(struct kv_follow *w)
{
	ub_assert(!pthread_join(w->thread, NULL));
	follow_free(w);
}

static struct kv_follow *follow_new(struct kv_store *s, const struct md_follower *f)
{
	struct kv_follow *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->s = s;
	w->f = *f;
	(void)snprintf(w->prefix, sizeof(w->prefix), "%s", f->prefix);
	w->f.prefix = w->prefix;
	w->feed.s = s;
	w->feed.prefix = w->prefix;
	ub_assert(!pthread_mutex_init(&w->mu, NULL));
	ub_assert(!pthread_cond_init(&w->changed, NULL));
	return w;
}

/* A place among the followers. */
static bool reserve(struct kv_store *s, struct kv_follow *w)
{
	bool room;

	ub_assert(!pthread_mutex_lock(&s->mu));
	room = s->n_follows < MD_FOLLOWERS_MAX;
	if (room)
		s->follows[s->n_follows++] = w;
	ub_assert(!pthread_mutex_unlock(&s->mu));
	return room;
}

static void cancel(struct kv_store *s, const struct kv_follow *w)
{
	size_t i = 0;

	ub_assert(!pthread_mutex_lock(&s->mu));
	while (s->follows[i] != w)
		i++;
	s->follows[i] = s->follows[--s->n_follows];
	ub_assert(!pthread_mutex_unlock(&s->mu));
}

ub_err kv_follow(struct md_store *store, const struct md_follower *f)
{
	struct kv_store *s = kv_of(store);
	struct kv_follow *w = follow_new(s, f);
	ub_err e;

	if (!w)
		return UNIBUS_ERR_NOMEM;
	if (!reserve(s, w)) {
		follow_free(w);
		return UNIBUS_ERR_LIMIT;
	}
	if (pthread_create(&w->thread, NULL, follow_thread, w)) {
		cancel(s, w);
		follow_free(w);
		return UNIBUS_ERR_NOMEM;
	}
	ub_assert(!pthread_mutex_lock(&w->mu));
	while (!w->begun)
		ub_assert(!pthread_cond_wait(&w->changed, &w->mu));
	e = w->err;
	ub_assert(!pthread_mutex_unlock(&w->mu));
	if (e) {
		cancel(s, w);
		kv_follow_end(w);
	}
	return e;
}
