#include <stdio.h>
#include <time.h>

#include "core/json.h"
#include "core/subject.h"
#include "membershipd/nats/history_impl.h"
#include "support/log.h"

static ub_err purge(const struct log *l, uint64_t below, uint64_t *inout_purged)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct md_js_refusal no;
	char what[64], body[160];
	const json_t *n;
	ub_err err;

	(void)snprintf(what, sizeof(what), "STREAM.PURGE.%s", l->stream.z);
	(void)snprintf(body, sizeof(body), "{\"filter\":\"%s\",\"seq\":%llu}", l->filter,
		(unsigned long long)below);
	err = md_js_ask(l->js,
		&(struct md_js_ask){.what = what, .body = ub_str(body), .timeout_ms = READ_MS}, &v,
		&no);
	if (err == UNIBUS_ERR_CONFLICT)
		log_warn("log_purge", "stream", l->stream.z, "error", no.text, NULL);
	if (err)
		return err;
	n = json_object_get(v, "purged");
	*inout_purged += json_is_integer(n) ? (uint64_t)json_integer_value(n) : 0;
	return UB_OK;
}

/* Removes what the room does not keep any longer. What is stored meanwhile lies beyond `newest`. */
static ub_err sweep_room(struct md_history *h, struct md_service *svc, const struct md_retained *r,
	uint64_t *inout_purged)
{
	struct log l = md_log_of(h, &r->room, ub_wire_shard(&r->room, md_service_log_shards(svc)));
	struct place first;
	uint64_t newest, floor;
	ub_err err = md_log_at(&l, 1, &first);

	if (err || !first.seq)
		return err;
	err = md_log_newest(&l, &newest);
	if (!err)
		err = md_floor_retain(h, &l, &r->retain, newest, &floor);
	if (!err && first.seq < floor)
		err = purge(&l, floor, inout_purged);
	return err;
}

static bool is_stopped(struct md_history *h)
{
	bool stop;

	(void)pthread_mutex_lock(&h->mu);
	stop = h->stop;
	(void)pthread_mutex_unlock(&h->mu);
	return stop;
}

/* How full the stream is; 0 when it cannot be said. */
static unsigned percent_full(struct md_history *h, const char *stream)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct md_js_refusal no;
	char what[64];
	const json_t *used, *max;

	(void)snprintf(what, sizeof(what), "STREAM.INFO.%s", stream);
	if (md_js_ask(h->js, &(struct md_js_ask){.what = what, .timeout_ms = READ_MS}, &v, &no))
		return 0;
	used = json_object_get(json_object_get(v, "state"), "bytes");
	max = json_object_get(json_object_get(v, "config"), "max_bytes");
	if (json_integer_value(max) <= 0)
		return 0;
	return (unsigned)(json_number_value(used) * 100 / json_number_value(max));
}

/* A full stream takes nothing more, and no sender hears why: somebody must look before that. */
static void watch_space(struct md_history *h, unsigned shards)
{
	for (unsigned k = 0; k < shards && k < SHARDS_MAX && !is_stopped(h); k++) {
		struct md_log_name name = md_log_name(k);
		unsigned full = percent_full(h, name.z);

		full -= full % 10;
		if (full != h->said[k] && full >= FULL_PERCENT)
			log_warn("log_nearly_full", "stream", name.z, "percent", log_num(full),
				"why",
				"what does not fit is not kept: give account LOG more "
				"storage, or see --history-max-age",
				NULL);
		h->said[k] = (uint8_t)(full < 100 ? full : 100);
	}
}

ub_err md_history_sweep(struct md_history *h, struct md_service *svc, uint64_t *ret_purged)
{
	UB_CLEANUP(ub_freep) struct md_retained *rooms = NULL;
	size_t n = 0;
	ub_err first, err;

	*ret_purged = 0;
	first = md_rooms_retained(svc, &rooms, &n);
	/* One room's trouble is not the next one's. */
	for (size_t i = 0; i < n && !is_stopped(h); i++) {
		err = sweep_room(h, svc, &rooms[i], ret_purged);
		first = first ? first : err;
	}
	watch_space(h, md_service_log_shards(svc));
	return first;
}

static bool wait_turn(struct md_history *h)
{
	struct timespec ts;
	bool stop;
	int rc = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(h->sweep_ms / 1000);
	ts.tv_nsec += (long)(h->sweep_ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	(void)pthread_mutex_lock(&h->mu);
	while (!h->stop && rc == 0)
		rc = pthread_cond_timedwait(&h->cond, &h->mu, &ts);
	stop = h->stop;
	(void)pthread_mutex_unlock(&h->mu);
	return !stop;
}

void *md_history_keep(void *arg)
{
	struct md_history *h = arg;
	uint64_t purged;

	while (wait_turn(h)) {
		ub_err err = md_history_sweep(h, h->svc, &purged);

		if (err && err != UNIBUS_ERR_CANCELLED)
			log_warn("log_sweep", "error", unibus_strerror(err), NULL);
		else if (purged)
			log_info("log_sweep", "purged", log_num(purged), NULL);
	}
	return NULL;
}
