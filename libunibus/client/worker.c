#include "client/clock.h"
#include "client/message.h"
#include "client/request.h"
#include "client/store.h"
#include "client/worklog.h"

#define WAITING_MAX 1024
#define PARALLEL_MAX 64
#define NAME_MAX_LEN 64
/* An answer may have been long in the making: it outlives a restart of the message servers. */
#define ANSWER_TRIES_MS (5 * 60 * 1000)
#define ANSWER_PAUSE_MS 1000

struct job {
	struct job *next;
	struct ub_workitem item;
	struct unibus_msg m; /* points to what follows */
	unibus_ref ref, thread, reply;
	char id[64], sender[UB_ID_TEXT + 1], handle[UB_HANDLE_MAX + 1];
	char media[UB_MEDIA_TYPE_MAX + 1];
	char data[]; /* with a NUL behind it */
};

struct unibus_worker {
	unibus_room *room;
	struct unibus_work w;
	unibus_sub *sub;
	pthread_t threads[PARALLEL_MAX];
	unsigned n_threads;

	pthread_mutex_t lock; /* guards: */
	pthread_cond_t changed;
	struct ub_worklog *log;
	struct job *head, **tail;
	size_t waiting;
	bool stopping;
};

/* ---- taking requests in: on the dispatcher ---- */

static const char *keep(char *to, size_t size, const char *z)
{
	if (!z)
		return NULL;
	snprintf(to, size, "%s", z);
	return to;
}

static struct job *job_new(const struct unibus_msg *m)
{
	struct job *j = malloc(sizeof(*j) + m->len + 1);

	if (!j)
		return NULL;
	*j = (struct job){.m = *m, .item = {.ts_ms = m->ts_ms, .position = m->position}};
	j->m.ref = keep(j->ref, sizeof(j->ref), m->ref);
	j->m.thread = keep(j->thread, sizeof(j->thread), m->thread);
	j->m.reply = keep(j->reply, sizeof(j->reply), m->reply);
	j->m.id = keep(j->id, sizeof(j->id), m->id);
	j->m.sender = keep(j->sender, sizeof(j->sender), m->sender);
	j->m.handle = keep(j->handle, sizeof(j->handle), m->handle);
	j->m.media_type = keep(j->media, sizeof(j->media), m->media_type);
	if (m->len > 0)
		memcpy(j->data, m->data, m->len);
	j->data[m->len] = '\0';
	j->m.data = j->data;
	return j;
}

static bool is_for(const struct unibus_worker *w, const struct unibus_msg *m)
{
	const char *me = w->room->c->o->id->endpoint_text;

	if (!m->ref)
		return false;
	/* Others' messages only, and the answers are no messages: two workers do not keep each
	 * other busy. */
	return m->kind == UNIBUS_REQUEST ||
	       (m->kind == UNIBUS_MESSAGE && w->w.messages && strcmp(m->sender, me) != 0);
}

static void tell(struct unibus_worker *w, const char *sender, ub_err err)
{
	struct ub_room_event ev = {.kind = UNIBUS_EVENT_UNANSWERED, .err = err};
	struct ub_endpoint id;

	if (ub_endpoint_decode(ub_str(sender), &id) == UB_OK)
		ev.peer = &id;
	ub_croom_event(w->room->c, w->room->r, &ev, "a request could not be answered: %s",
		unibus_strerror(err));
}

static void take_in(void *arg, const struct unibus_msg *m)
{
	struct unibus_worker *w = arg;
	struct job *j;

	if (!is_for(w, m))
		return;
	j = job_new(m);
	if (!j || ub_ref_decode(m->ref, &j->item.ref) != UB_OK) {
		tell(w, m->sender, UNIBUS_ERR_NOMEM);
		free(j);
		return;
	}
	pthread_mutex_lock(&w->lock);
	while (w->waiting == WAITING_MAX && !w->stopping)
		pthread_cond_wait(&w->changed, &w->lock);
	if (!w->stopping) {
		*w->tail = j;
		w->tail = &j->next;
		w->waiting++;
		pthread_cond_broadcast(&w->changed);
		j = NULL;
	}
	pthread_mutex_unlock(&w->lock);
	free(j);
}

/* ---- answering: on the worker's threads ---- */

/* The next one that was not executed before, noted on disk as executed; *ret_err when it could not
 * be noted. NULL: it is time to end. Noting them in the order in which they came makes the log's
 * position one up to which all are done. */
static struct job *take_out(struct unibus_worker *w, ub_err *ret_err)
{
	struct job *j = NULL;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->head && !w->stopping)
			pthread_cond_wait(&w->changed, &w->lock);
		if (w->stopping)
			break;
		j = w->head;
		w->head = j->next;
		if (!w->head)
			w->tail = &w->head;
		w->waiting--;
		pthread_cond_broadcast(&w->changed);
		if (!ub_worklog_has(w->log, &j->item)) {
			*ret_err = ub_worklog_add(w->log, &j->item);
			break;
		}
		free(j);
		j = NULL;
	}
	pthread_mutex_unlock(&w->lock);
	return j;
}

static ub_err send_answer(
	struct unibus_worker *w, const struct job *j, const struct unibus_answer *a)
{
	struct unibus_publish p = {
		.kind = UNIBUS_RESPONSE,
		.media_type = a->failed ? UB_MEDIA_FAILED : a->media_type,
		.data = a->data,
		.len = a->data ? a->len : 0,
		.thread = j->m.thread,
		.reply = j->ref,
	};

	if (j->m.kind == UNIBUS_MESSAGE && !p.thread)
		p.thread = j->ref;
	return unibus_publish(w->room, &p, NULL);
}

/* Waits a moment; false when it is no use any more. */
static bool may_try_again(struct unibus_worker *w, uint64_t until)
{
	bool again;

	pthread_mutex_lock(&w->lock);
	if (!w->stopping)
		(void)ub_cond_wait_until(&w->changed, &w->lock, ub_mono_ms() + ANSWER_PAUSE_MS);
	again = !w->stopping && ub_mono_ms() < until;
	pthread_mutex_unlock(&w->lock);
	return again;
}

/* What is said instead of an answer that no frame can carry. */
static const char *substitute(ub_err err)
{
	if (err == UNIBUS_ERR_TOO_LARGE)
		return "the answer is larger than 64 KiB";
	return err == UNIBUS_ERR_INVALID ? "the answer's media type is malformed" : NULL;
}

static void answer(struct unibus_worker *w, const struct job *j, struct unibus_answer *a)
{
	uint64_t until = ub_mono_ms() + ANSWER_TRIES_MS;
	ub_err err = send_answer(w, j, a);
	const char *instead = substitute(err);

	if (instead) {
		free(a->data);
		a->data = ub_str_dup(ub_str(instead));
		a->len = strlen(instead);
		a->failed = true;
		err = send_answer(w, j, a);
	}
	while ((err == UNIBUS_ERR_NETWORK || err == UNIBUS_ERR_TIMEOUT) && may_try_again(w, until))
		err = send_answer(w, j, a);
	if (err != UB_OK)
		tell(w, j->sender, err);
}

static void *worker_main(void *arg)
{
	struct unibus_worker *w = arg;
	ub_err err = UB_OK;
	struct job *j;

	while ((j = take_out(w, &err)) != NULL) {
		struct unibus_answer a = {0};

		if (err == UB_OK) {
			w->w.fn(w->w.arg, &j->m, &a);
			answer(w, j, &a);
		} else {
			tell(w, j->sender, err);
		}
		free(a.data);
		free(j);
		err = UB_OK;
	}
	return NULL;
}

/* ---- its life ---- */

static bool name_ok(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	return n >= 1 && n <= NAME_MAX_LEN &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
		       n;
}

static ub_err open_log(unibus_room *room, const char *name, struct ub_worklog **ret)
{
	UB_CLEANUP(ub_freep) char *path = NULL;
	char file[NAME_MAX_LEN + UB_ID_TEXT + 32];
	ub_err err;

	snprintf(file, sizeof(file), "rooms/%s.%s.work", room->r->id_text, name);
	err = ub_statedir_path(ub_store_dir(room->c), file, &path);
	if (err == UB_OK)
		err = ub_worklog_open(path, UB_WORKLOG_KEPT, ret);
	if (err == UNIBUS_ERR_LOCKED)
		return ub_client_fail(room->c, err, "a worker named %s is at work already", name);
	return err == UB_OK ? UB_OK
			    : ub_client_fail(room->c, err, "%s: %s", file, unibus_strerror(err));
}

static void worker_free(unibus_worker *w)
{
	while (w->head) {
		struct job *j = w->head;

		w->head = j->next;
		free(j);
	}
	ub_worklog_close(w->log);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static ub_err worker_new(unibus_room *room, const struct unibus_work *work, unibus_worker **ret)
{
	unibus_worker *w = calloc(1, sizeof(*w));
	ub_err err;

	if (!w)
		return UNIBUS_ERR_NOMEM;
	if (ub_cond_init(&w->changed) != UB_OK) {
		free(w);
		return UNIBUS_ERR_NOMEM;
	}
	pthread_mutex_init(&w->lock, NULL);
	w->room = room;
	w->w = *work;
	w->w.name = NULL; /* the caller's memory */
	w->tail = &w->head;
	err = open_log(room, work->name, &w->log);
	if (err != UB_OK) {
		worker_free(w);
		return err;
	}
	*ret = w;
	return UB_OK;
}

static ub_err start_threads(unibus_worker *w)
{
	unsigned n = w->w.parallel ? w->w.parallel : 1;

	for (; w->n_threads < n; w->n_threads++)
		if (pthread_create(&w->threads[w->n_threads], NULL, worker_main, w) != 0)
			return UNIBUS_ERR_NOMEM;
	return UB_OK;
}

static ub_err check(unibus_room *room, const struct unibus_work *work, unibus_worker **ret)
{
	struct unibus_room_info info;
	ub_err err = ub_room_enter(room);

	if (err != UB_OK)
		return err;
	if (!work || !ret || !work->fn || !name_ok(work->name) || work->parallel > PARALLEL_MAX)
		return UNIBUS_ERR_INVALID;
	err = ub_request_check(room);
	if (err != UB_OK)
		return err;
	unibus_room_get_info(room, &info);
	return info.role == UNIBUS_READER
		       ? ub_client_fail(room->c, UNIBUS_ERR_NO_RIGHT, "a reader could not answer")
		       : UB_OK;
}

/* What came while nobody of this name was at work is answered, too, where it was kept. */
static ub_err listen(unibus_worker *w)
{
	struct unibus_subscription s = {.fn = take_in, .arg = w};
	struct unibus_room_info info;

	unibus_room_get_info(w->room, &info);
	s.after = ub_worklog_position(w->log);
	if (info.policy.persist && s.after > 0)
		s.start = UNIBUS_AFTER;
	return ub_subscribe_inner(w->room, &s, &w->sub);
}

enum unibus_err unibus_worker_start(
	unibus_room *room, const struct unibus_work *work, unibus_worker **ret)
{
	unibus_worker *w = NULL;
	ub_err err = check(room, work, ret);

	if (err == UB_OK)
		err = worker_new(room, work, &w);
	if (err != UB_OK)
		return err;
	err = start_threads(w);
	if (err == UB_OK)
		err = listen(w);
	if (err != UB_OK) {
		unibus_worker_stop(w);
		return err;
	}
	*ret = w;
	return UB_OK;
}

void unibus_worker_stop(unibus_worker *w)
{
	if (!w || ub_room_enter(w->room) != UB_OK)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (w->sub)
		unibus_unsubscribe(w->sub);
	for (unsigned i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	worker_free(w);
}
