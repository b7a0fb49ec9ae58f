#include "core/b64url.h"
#include "core/key.h"
#include "membershipd/store/store_jetstream_impl.h"

#define OPEN_MS 120000
#define CALL_MS 10000
#define MISSING_TIMES 3  /* answers that there is no such stream, before it is believed */
#define REFUSED_MS 10000 /* servers may be missing while all are starting */

struct kv_store *kv_of(struct md_store *s)
{
	void *p = s;

	return p;
}

void kv_seen(struct kv_store *s, uint64_t rev)
{
	uint64_t old = atomic_load(&s->rev);

	while (old < rev && !atomic_compare_exchange_weak(&s->rev, &old, rev))
		;
}

void kv_know(struct kv_store *s, uint64_t rev)
{
	atomic_store(&s->known[rev % KV_KNOWN], rev);
}

bool kv_knows(struct kv_store *s, uint64_t rev)
{
	return atomic_load(&s->known[rev % KV_KNOWN]) == rev;
}

struct kv_patience kv_patience(unsigned ms)
{
	return (struct kv_patience){.until_ms = kv_now_ms() + ms};
}

/* STREAM.INFO of whatever bucket is there. */
static ub_err ask_info(struct kv_link *l, struct kv_patience *p, struct kv_info *ret)
{
	UB_CLEANUP(kv_answer_deinit) struct kv_answer a = {.code = KV_FINE};
	ub_err e = kv_api(l, "STREAM.INFO." KV_STREAM, "", p, &a);

	if (e)
		return e;
	if (a.code == KV_NO_STREAM)
		return UNIBUS_ERR_NOT_FOUND;
	return a.code || kv_info_parse(&a, ret) ? UNIBUS_ERR_UNAVAILABLE : UB_OK;
}

ub_err kv_info(struct kv_store *s, struct kv_patience *p, struct kv_info *ret)
{
	struct kv_info info;
	ub_err e = ask_info(s->link, p, &info);

	if (e)
		return e;
	if (strcmp(info.id, s->id) != 0)
		return UNIBUS_ERR_NOT_FOUND;
	*ret = info;
	return UB_OK;
}

static ub_err fetch(struct kv_store *s, const char *body, struct kv_patience *p,
	struct kv_stored *ret, struct ub_buf *value)
{
	UB_CLEANUP(kv_answer_deinit) struct kv_answer a = {.code = KV_FINE};
	struct kv_stored st;
	ub_err e = kv_api(s->link, "STREAM.MSG.GET." KV_STREAM, body, p, &a);

	if (!e && a.code == KV_NO_MESSAGE)
		return UNIBUS_ERR_NOT_FOUND;
	if (!e && a.code)
		return a.code == KV_NO_STREAM ? UNIBUS_ERR_UNAVAILABLE : UNIBUS_ERR_IO;
	if (!e)
		e = kv_stored_parse(&a, &st, value);
	if (e)
		return e == UNIBUS_ERR_INVALID ? UNIBUS_ERR_IO : e;
	kv_seen(s, st.seq);
	if (!st.marker)
		kv_know(s, st.seq);
	*ret = st;
	return UB_OK;
}

ub_err kv_last(struct kv_store *s, const char *key, struct kv_patience *p, struct kv_stored *ret,
	struct ub_buf *value)
{
	char body[sizeof(struct kv_subject) + 32];
	struct kv_subject subject;

	kv_subject_of(key, &subject);
	(void)snprintf(body, sizeof(body), "{\"last_by_subj\":\"%s\"}", subject.z);
	return fetch(s, body, p, ret, value);
}

ub_err kv_subject_at(struct kv_store *s, uint64_t seq, struct kv_patience *p, struct kv_stored *ret)
{
	char body[48];

	(void)snprintf(body, sizeof(body), "{\"seq\":%llu}", (unsigned long long)seq);
	return fetch(s, body, p, ret, NULL);
}

static ub_err kv_get(
	struct md_store *store, const char *key, struct ub_buf *value, uint64_t *ret_rev)
{
	struct kv_store *s = kv_of(store);
	struct kv_patience p = kv_patience(s->call_ms);
	struct kv_stored st;
	ub_err e = kv_last(s, key, &p, &st, value);

	if (e)
		return e;
	if (st.marker)
		return UNIBUS_ERR_NOT_FOUND;
	*ret_rev = st.seq;
	return UB_OK;
}

static ub_err kv_each(struct md_store *store, const char *prefix,
	ub_err (*fn)(void *arg, const struct md_record *r), void *arg)
{
	struct kv_store *s = kv_of(store);
	struct kv_patience p = kv_patience(s->call_ms);
	UB_CLEANUP(kv_feed_deinit) struct kv_feed feed = {.s = s, .prefix = prefix};
	UB_CLEANUP(ub_freep) struct md_record *recs = NULL;
	ub_err e = kv_feed_begin(&feed, false, &p);

	if (e)
		return e;
	kv_feed_pause(&feed);
	kv_pile_settle(&feed.pile, false, KV_BY_KEY);
	e = kv_pile_records(&feed.pile, &recs);
	for (size_t i = 0; i < feed.pile.n && !e; i++)
		e = fn(arg, &recs[i]);
	return e;
}

static uint64_t kv_revision(struct md_store *s)
{
	return atomic_load(&kv_of(s)->rev);
}

static void kv_free(struct kv_store *s)
{
	ub_assert(!pthread_mutex_destroy(&s->telling) && !pthread_mutex_destroy(&s->mu));
	kv_link_free(s->link);
	free(s);
}

static void kv_close(struct md_store *store)
{
	struct kv_store *s = kv_of(store);

	kv_link_stop(s->link);
	for (size_t i = 0; i < s->n_follows; i++)
		kv_follow_end(s->follows[i]);
	kv_free(s);
}

static const struct md_store_ops kv_ops = {
	.name = "kv",
	.get = kv_get,
	.commit = kv_commit,
	.follow = kv_follow,
	.each = kv_each,
	.revision = kv_revision,
	.close = kv_close,
};

static struct kv_patience opening(const struct md_jetstream_options *o)
{
	struct kv_patience p = kv_patience(o->open_ms ? o->open_ms : OPEN_MS);

	p.strict = true;
	p.waiting = o->waiting;
	p.arg = o->arg;
	return p;
}

/* A cluster that is just starting may not know all its streams yet. */
static ub_err find_bucket(struct kv_link *l, struct kv_patience *p, struct kv_info *ret)
{
	unsigned missing = 0;
	ub_err e;

	do {
		e = ask_info(l, p, ret);
		missing = e == UNIBUS_ERR_NOT_FOUND ? missing + 1 : 0;
	} while (e && (e == UNIBUS_ERR_UNAVAILABLE || e == UNIBUS_ERR_NOT_FOUND) &&
		 missing < MISSING_TIMES && kv_link_pause(l, p, "the bucket"));
	if (e)
		return e;
	if (!ret->id[0])
		return UNIBUS_ERR_NOT_FOUND;
	return ret->fits ? UB_OK : UNIBUS_ERR_CONFLICT;
}

ub_err md_store_jetstream_open(const struct md_jetstream_options *o, struct md_store **ret)
{
	UB_CLEANUP(kv_link_freep) struct kv_link *link = NULL;
	struct kv_patience p = opening(o);
	struct kv_info info;
	ub_err e = kv_link_new(o, &link);

	if (!e)
		e = find_bucket(link, &p, &info);
	if (e)
		return e;
	struct kv_store *s = calloc(1, sizeof(*s));
	void *opaque = s;
	if (!s)
		return UNIBUS_ERR_NOMEM;
	s->base.ops = &kv_ops;
	s->link = UB_TAKE(link);
	memcpy(s->id, info.id, sizeof(s->id));
	s->open_ms = o->open_ms ? o->open_ms : OPEN_MS;
	s->call_ms = o->call_ms ? o->call_ms : CALL_MS;
	atomic_store(&s->rev, info.status.revision);
	ub_assert(!pthread_mutex_init(&s->telling, NULL) && !pthread_mutex_init(&s->mu, NULL));
	*ret = opaque;
	return UB_OK;
}

/* A change of the stream that may be sent twice, until it is answered. */
static ub_err change(struct kv_link *l, const char *what, const char *config, struct kv_patience *p)
{
	uint64_t refused_ms = 0;

	for (;;) {
		UB_CLEANUP(kv_answer_deinit) struct kv_answer a = {.code = KV_FINE};
		ub_err e = kv_api(l, what, config, p, &a);

		if (e)
			return e;
		if (a.code == KV_FINE)
			return UB_OK;
		if (a.code == KV_NAME_TAKEN)
			return UNIBUS_ERR_EXISTS;
		refused_ms = refused_ms ? refused_ms : kv_now_ms();
		if (a.code != KV_NO_PEERS || kv_now_ms() - refused_ms >= REFUSED_MS ||
			!kv_link_pause(l, p, "enough servers for the bucket"))
			return UNIBUS_ERR_LIMIT;
	}
}

static bool replicas_ok(const struct md_jetstream_options *o)
{
	return o->replicas >= 1 && o->replicas <= MD_JETSTREAM_REPLICAS_MAX;
}

ub_err md_store_jetstream_create(const struct md_jetstream_options *o)
{
	UB_CLEANUP(kv_link_freep) struct kv_link *link = NULL;
	UB_CLEANUP(ub_freep) char *config = NULL;
	struct kv_patience p = opening(o);
	char id[KV_ID_LEN + 1];
	uint8_t random[16];
	ub_err e = replicas_ok(o) ? kv_link_new(o, &link) : UNIBUS_ERR_INVALID;

	if (e)
		return e;
	/* Another id is another configuration: an answer that got lost is told from a bucket of
	 * somebody else. */
	randombytes_buf(random, sizeof(random));
	ub_b64url_encode(random, sizeof(random), id);
	config = kv_config_text(id, o->replicas);
	if (!config)
		return UNIBUS_ERR_NOMEM;
	return change(link, "STREAM.CREATE." KV_STREAM, config, &p);
}

ub_err md_store_jetstream_scale(const struct md_jetstream_options *o)
{
	UB_CLEANUP(kv_link_freep) struct kv_link *link = NULL;
	UB_CLEANUP(kv_answer_deinit) struct kv_answer a = {.code = KV_FINE};
	UB_CLEANUP(ub_freep) char *config = NULL;
	struct kv_patience p = opening(o);
	struct kv_info info;
	ub_err e = replicas_ok(o) ? kv_link_new(o, &link) : UNIBUS_ERR_INVALID;

	if (!e)
		e = find_bucket(link, &p, &info);
	if (!e)
		e = kv_api(link, "STREAM.INFO." KV_STREAM, "", &p, &a);
	if (e)
		return e;
	config = a.code ? NULL : kv_config_scaled(&a, o->replicas);
	if (!config)
		return a.code ? UNIBUS_ERR_UNAVAILABLE : UNIBUS_ERR_NOMEM;
	return change(link, "STREAM.UPDATE." KV_STREAM, config, &p);
}

ub_err md_store_jetstream_status(struct md_store *store, struct md_jetstream_status *ret)
{
	struct kv_store *s = kv_of(store);
	struct kv_patience p = kv_patience(s->call_ms);
	struct kv_info info;
	ub_err e;

	ub_assert(s->base.ops == &kv_ops);
	e = kv_info(s, &p, &info);
	if (e)
		return e == UNIBUS_ERR_NOMEM ? e : UNIBUS_ERR_UNAVAILABLE;
	*ret = info.status;
	return UB_OK;
}
