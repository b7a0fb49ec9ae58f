#include "tests/harness/logbus.h"

#include <time.h>

#include "membershipd/nats/link.h"

#define WINDOW 256 /* frames on their way at once */

static void on_bus(void *arg, const struct md_message *m)
{
	struct logbus *b = arg;
	const char *seq;

	if (strncmp(m->subject, "unibus.live", 11) == 0) {
		seq = md_message_header(m, "Nats-Sequence");
		pthread_mutex_lock(&b->lock);
		b->echoes++;
		if (seq)
			b->last_seq = strtoull(seq, NULL, 10);
		pthread_cond_broadcast(&b->heard);
		pthread_mutex_unlock(&b->lock);
	}
}

static void on_ack(void *arg, const struct md_message *m)
{
	struct logbus *b = arg;

	(void)m;
	pthread_mutex_lock(&b->lock);
	b->acks++;
	pthread_cond_broadcast(&b->heard);
	pthread_mutex_unlock(&b->lock);
}

static void bus_listen(
	struct logbus *b, const char *subject, void (*fn)(void *arg, const struct md_message *m))
{
	struct md_listener *l;

	assert_int_equal(
		md_link_listen(b->link,
			&(struct md_listen){
				.plane = MD_PLANE_BUS, .subject = subject, .fn = fn, .arg = b},
			&l),
		UB_OK);
}

/* What a membershipd has between the bus and its service. */
static void bus_connect(struct logbus *b)
{
	const char *const urls[] = {b->s.nats_url};

	assert_int_equal(
		md_link_new(&(struct md_link_config){.urls = urls, .n_urls = 1, .keys = b->keys},
			&b->link),
		UB_OK);
	assert_int_equal(md_js_new(b->link, MD_PLANE_LOG, &b->js), UB_OK);
	bus_listen(b, "unibus.*.*.*", on_bus);
	bus_listen(b, "ack", on_ack);
	assert_int_equal(
		md_history_new(
			&(struct md_history_config){.js = b->js, .sweep_ms = 3600000}, &b->h),
		UB_OK);
	assert_int_equal(md_link_start(b->link), UB_OK);
	assert_int_equal(md_link_wait(b->link, 20000), MD_LINK_UP);
}

static void bus_disconnect(struct logbus *b)
{
	md_history_stop(b->h);
	md_js_stop(b->js);
	md_link_free(b->link);
	md_history_free(b->h);
	md_js_free(b->js);
}

void logbus_service(struct logbus *b)
{
	struct md_service_config c;

	b->w = world_bare();
	c = kit_config(b->w);
	c.history = md_history_port(b->h);
	world_open(b->w, &c);
	for (unsigned i = 0; i < KIT_PEERS - 1; i++)
		assert_int_equal(kit_register(b->w, i, i == 0), UB_OK);
}

/* nats-server, link and service; no streams. */
struct logbus *logbus_bare(void)
{
	struct logbus *b = calloc(1, sizeof(*b));
	char keys[PROC_PATH + 8];
	const char *file;

	assert_non_null(b);
	assert_int_equal(stack_start(&b->s, &(struct stack_options){.no_start = true}), 0);
	assert_int_equal(stack_nats_start(&b->s), 0);
	snprintf(keys, sizeof(keys), "%s/keys", b->s.bus);
	assert_int_equal(md_keys_load(keys, &b->keys, &file), UB_OK);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->heard, NULL);
	bus_connect(b);
	logbus_service(b);
	return b;
}

ub_err logbus_bootstrap(struct logbus *b, const struct md_log_config *c, struct md_log_fault *why)
{
	ub_err err;

	/* JetStream takes a moment after the server's port is open. */
	for (int i = 0; i < 20; i++) {
		err = md_log_bootstrap(b->js, b->w->s, c, why);
		if (err != UNIBUS_ERR_UNAVAILABLE)
			break;
	}
	return err;
}

struct logbus *logbus_new(void)
{
	struct logbus *b = logbus_bare();
	struct md_log_fault why;

	assert_int_equal(logbus_bootstrap(b, &LOGBUS_CONFIG, &why), UB_OK);
	assert_int_equal(md_history_open(b->h, b->w->s), UB_OK);
	return b;
}

void logbus_free(struct logbus *b)
{
	bus_disconnect(b);
	world_free(b->w);
	md_keys_free(b->keys);
	stack_stop(&b->s);
	pthread_cond_destroy(&b->heard);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

uint64_t logbus_seen(struct logbus *b, const uint64_t *count)
{
	uint64_t n;

	pthread_mutex_lock(&b->lock);
	n = *count;
	pthread_mutex_unlock(&b->lock);
	return n;
}

void logbus_wait(struct logbus *b, const uint64_t *count, uint64_t n)
{
	struct timespec end;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 30;
	pthread_mutex_lock(&b->lock);
	while (*count < n && rc == 0)
		rc = pthread_cond_timedwait(&b->heard, &b->lock, &end);
	pthread_mutex_unlock(&b->lock);
	assert_int_equal(rc, 0);
}

struct ub_room_id room_of(uint8_t first, uint8_t rest)
{
	struct ub_room_id r;

	memset(r.b, rest, sizeof(r.b));
	r.b[0] = first;
	return r;
}

/* A frame whose body begins with its number. */
struct ub_buf frame_of(struct logbus *b, const struct put *p)
{
	static uint8_t body[UB_PAYLOAD_MAX];
	struct ub_buf out = UB_BUF(UB_FRAME_MAX);
	struct ub_frame_header h = {.kind = UB_KIND_MESSAGE,
		.room_seq = p->room_seq,
		.sender = b->w->p[p->sender ? p->sender - 1 : p->who].id,
		.session = 1,
		.seq = ++b->sent};
	struct ub_payload pay = {.body = {body, p->len > 8 ? p->len : 8}};

	ub_put_u64(body, b->sent);
	assert_int_equal(
		ub_frame_seal(&(struct ub_frame_sealer){.room = *p->room}, &h, &pay, &out), UB_OK);
	return out;
}

void subject_of(const struct put *p, struct logbus *b, struct ub_wire *ret)
{
	ub_wire_publish_log(ub_wire_shard(p->room, 4), p->room, &b->w->p[p->who].id, ret);
}

/* Publishes without waiting; gives the frame's number. */
static uint64_t bus_put(struct logbus *b, const struct put *p)
{
	struct ub_buf f = frame_of(b, p);
	struct ub_wire subject;

	subject_of(p, b, &subject);
	assert_int_equal(md_link_publish(b->link, MD_PLANE_BUS, subject.z, NULL,
				 (struct ub_bytes){f.p, f.len}),
		UB_OK);
	ub_buf_deinit(&f);
	return b->sent;
}

/* Publishes and waits until all is stored; gives the stream's sequence. */
uint64_t logbus_store(struct logbus *b, const struct put *p, size_t n)
{
	uint64_t at = logbus_seen(b, &b->echoes);

	for (size_t i = 0; i < n; i++) {
		bus_put(b, p);
		if (i >= WINDOW)
			logbus_wait(b, &b->echoes, at + i - WINDOW);
	}
	logbus_wait(b, &b->echoes, at + n);
	return logbus_seen(b, &b->last_seq);
}

ub_err on_frame(void *arg, const struct md_frame *f)
{
	struct got *g = arg;
	struct ub_frame fr;

	assert_true(g->n < GOT_MAX);
	assert_int_equal(ub_frame_parse(f->bytes, &fr), UB_OK);
	g->no[g->n] = ub_get_u64(fr.body.p + 1);
	g->seq[g->n] = f->seq;
	g->sender[g->n++] = f->sender;
	g->bytes += f->bytes.len;
	return UB_OK;
}

ub_err ask_page(struct logbus *b, const struct md_history_query *q, struct got *ret)
{
	const struct md_history_port *port = md_history_port(b->h);

	*ret = (struct got){.n = 0};
	return port->read(port->arg, q, on_frame, ret, &ret->span);
}

struct md_history_query query_of(const struct ub_room_id *room)
{
	return (struct md_history_query){
		.room = *room, .shard = ub_wire_shard(room, 4), .limit = 100};
}

struct got after(struct logbus *b, struct md_history_query q, uint64_t from)
{
	struct got g;

	q.backward = false;
	q.from = from;
	assert_int_equal(ask_page(b, &q, &g), UB_OK);
	return g;
}

struct got before(struct logbus *b, struct md_history_query q, uint64_t from)
{
	struct got g;

	q.backward = true;
	q.from = from;
	assert_int_equal(ask_page(b, &q, &g), UB_OK);
	return g;
}
