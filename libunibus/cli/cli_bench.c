/* How quick a room is: messages of this peer's own, through the bus and back. */
#include <pthread.h>
#include <time.h>

#include "cli/cli.h"
#include "core/limits.h"

#define MEDIA_TYPE "application/vnd.unibus.bench"
#define MAGIC 0x756e6962756e6368ULL
/* Sent and not back yet: enough to keep the bus busy, few enough to lose none. */
#define WINDOW 512
#define ALONE 200 /* messages sent one by one, for the round trip without a queue */

static const struct opt_row bench_rows[] = {
	{.name = "count",
		.value = "N",
		.type = OPT_NUMBER,
		.offset = offsetof(struct cli, count),
		.dflt = "10000",
		.min = 1,
		.max = 10000000,
		.help = "how many messages"},
	{.name = "size",
		.value = "BYTES",
		.type = OPT_NUMBER,
		.offset = offsetof(struct cli, size),
		.dflt = "128",
		.min = 32,
		.max = UB_PAYLOAD_MAX,
		.help = "of each"},
	CLI_ROW_CONNECT,
	{0},
};

struct stamp { /* the beginning of each message */
	uint64_t magic, run, n, sent_ns;
};

struct bench {
	struct cli *c;
	uint64_t run; /* other runs' messages are not ours */
	char *message;
	pthread_mutex_t lock; /* guards: */
	pthread_cond_t changed;
	uint64_t sent, back;
	uint64_t *took_ns; /* one a message */
};

struct rate {
	uint64_t messages, bytes, publish_ns, total_ns;
	uint64_t p50, p90, p99, max; /* ns */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void on_message(void *arg, const struct unibus_msg *m)
{
	struct bench *b = arg;
	struct stamp s;

	if (m->len < sizeof(s))
		return;
	memcpy(&s, m->data, sizeof(s));
	if (s.magic != MAGIC || s.run != b->run)
		return;
	pthread_mutex_lock(&b->lock);
	if (s.n < b->c->count + ALONE && b->took_ns[s.n] == 0) {
		b->took_ns[s.n] = now_ns() - s.sent_ns;
		b->back++;
		pthread_cond_broadcast(&b->changed);
	}
	pthread_mutex_unlock(&b->lock);
}

/* Until at most `open` are under way. UNIBUS_ERR_TIMEOUT when nothing came back for a while. */
static enum unibus_err wait_back(struct bench *b, uint64_t open)
{
	enum unibus_err err = UNIBUS_OK;
	struct timespec until;
	uint64_t had = UINT64_MAX;

	pthread_mutex_lock(&b->lock);
	while (b->sent - b->back > open && !err) {
		if (had != b->back) {
			had = b->back;
			clock_gettime(CLOCK_MONOTONIC, &until);
			until.tv_sec += (time_t)(b->c->timeout_ms / 1000) + 1;
		}
		if (pthread_cond_timedwait(&b->changed, &b->lock, &until) != 0 && had == b->back)
			err = UNIBUS_ERR_TIMEOUT;
	}
	pthread_mutex_unlock(&b->lock);
	return err;
}

static enum unibus_err send_one(struct bench *b)
{
	struct stamp s = {.magic = MAGIC, .run = b->run};
	struct unibus_room_info info;
	struct unibus_publish p = {.data = b->message, .len = b->c->size};

	unibus_room_get_info(b->c->room, &info);
	if (info.policy.encrypt || info.policy.sign || info.policy.persist)
		p.media_type = MEDIA_TYPE;
	pthread_mutex_lock(&b->lock);
	s.n = b->sent++;
	pthread_mutex_unlock(&b->lock);
	s.sent_ns = now_ns();
	memcpy(b->message, &s, sizeof(s));
	return unibus_publish(b->c->room, &p, NULL);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static void percentiles(uint64_t *took, size_t n, struct rate *r)
{
	qsort(took, n, sizeof(*took), by_size);
	r->p50 = took[n / 2];
	r->p90 = took[n * 9 / 10];
	r->p99 = took[n * 99 / 100];
	r->max = took[n - 1];
}

static enum unibus_err measure(struct bench *b, uint64_t n, uint64_t window, struct rate *ret)
{
	uint64_t began = now_ns(), first = b->sent;
	enum unibus_err err = UNIBUS_OK;

	for (uint64_t i = 0; i < n && !err; i++) {
		err = send_one(b);
		if (!err)
			err = wait_back(b, window - 1);
	}
	ret->publish_ns = now_ns() - began;
	if (!err)
		err = wait_back(b, 0);
	ret->total_ns = now_ns() - began;
	ret->messages = n;
	ret->bytes = n * b->c->size;
	if (!err)
		percentiles(b->took_ns + first, n, ret);
	return err;
}

static double per_second(uint64_t n, uint64_t ns)
{
	return ns ? (double)n * 1e9 / (double)ns : 0;
}

static json_t *rate_json(const struct rate *r)
{
	return json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:{s:f, s:f, s:f, s:f}}", "messages",
		(json_int_t)r->messages, "bytes", (json_int_t)r->bytes, "seconds",
		(double)r->total_ns / 1e9, "published_per_second",
		per_second(r->messages, r->publish_ns), "received_per_second",
		per_second(r->messages, r->total_ns), "bytes_per_second",
		per_second(r->bytes, r->total_ns), "round_trip_us", "p50", (double)r->p50 / 1e3,
		"p90", (double)r->p90 / 1e3, "p99", (double)r->p99 / 1e3, "max",
		(double)r->max / 1e3);
}

static void show_rate(const char *what, const struct rate *r)
{
	printf("%-12s %8.0f messages/s, %6.2f MB/s; round trip p50 %.0f, p90 %.0f, p99 %.0f, "
	       "max %.0f us\n",
		what, per_second(r->messages, r->total_ns), per_second(r->bytes, r->total_ns) / 1e6,
		(double)r->p50 / 1e3, (double)r->p90 / 1e3, (double)r->p99 / 1e3,
		(double)r->max / 1e3);
}

static int run_bench(struct bench *b)
{
	struct cli *c = b->c;
	struct rate alone = {0}, busy = {0};
	unibus_sub *sub = NULL;
	enum unibus_err err = unibus_subscribe(c->room, on_message, b, &sub);

	if (err)
		return cli_fail(c, c->args[0], err);
	err = measure(b, ALONE, 1, &alone);
	if (!err)
		err = measure(b, c->count, WINDOW, &busy);
	unibus_unsubscribe(sub);
	if (err)
		return cli_fail(c, "not all messages came back", err);
	if (c->json) {
		cli_put_json(json_pack("{s:I, s:o, s:o}", "size", (json_int_t)c->size, "one_by_one",
			rate_json(&alone), "pipelined", rate_json(&busy)));
		return CLI_OK;
	}
	printf("%llu messages of %llu bytes, back over the bus\n", (unsigned long long)c->count,
		(unsigned long long)c->size);
	show_rate("one by one", &alone);
	show_rate("pipelined", &busy);
	return CLI_OK;
}

static int cmd_bench(struct cli *c)
{
	struct bench b = {.c = c};
	pthread_condattr_t attr;
	int rc = cli_open_room(c);

	if (rc)
		return rc;
	b.run = now_ns();
	b.message = calloc(1, c->size);
	b.took_ns = calloc(c->count + ALONE, sizeof(*b.took_ns));
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&b.lock, NULL);
	pthread_cond_init(&b.changed, &attr);
	pthread_condattr_destroy(&attr);
	rc = b.message && b.took_ns ? run_bench(&b)
				    : cli_fail_text("%s", unibus_strerror(UNIBUS_ERR_NOMEM));
	pthread_cond_destroy(&b.changed);
	pthread_mutex_destroy(&b.lock);
	free(b.took_ns);
	free(b.message);
	return rc;
}

const struct cli_command cli_bench_commands[] = {
	{NULL, "bench", "ROOM", "how quick messages go through a room and back", bench_rows, 1, 1,
		cmd_bench},
	{0},
};
