/* The link against a server that we are: what it signs, whom it trusts, and that it comes back. */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/key.h"
#include "membershipd/nats/link.h"

#define WAIT_MS 10000
#define CONNS 16
#define ID "NDSQBDCB6MVCOGYE2XBK2JRQWBVV7Y5LTJX4WWHVGB3MWBIYVEZMXDVY"

/* A nats-server of a few lines. */
struct fake {
	int listener, stop[2];
	uint16_t port;
	pthread_t thread;
	const char *version, *nonce;
	int64_t clock_off_ms;
	_Atomic unsigned accepted, connects, drop; /* drop: close everything once */
	struct fake_conn {
		int fd;
		char in[8192];
		size_t n;
		unsigned inbox_sid;
	} conns[CONNS];
};

static void fake_send(struct fake_conn *c, const char *text)
{
	(void)send(c->fd, text, strlen(text), MSG_NOSIGNAL);
}

static void fake_pong(struct fake *f, struct fake_conn *c, const char *reply)
{
	struct timespec ts;
	struct tm tm;
	char when[64], json[512], msg[1024];
	int64_t ms;
	time_t s;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + f->clock_off_ms;
	s = (time_t)(ms / 1000);
	(void)gmtime_r(&s, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(json, sizeof(json),
		"{\"server\":{\"name\":\"fake\",\"id\":\"" ID
		"\",\"ver\":\"%s\",\"time\":\"%s.%03dZ\"},"
		"\"statsz\":{\"active_servers\":1}}",
		f->version, when, (int)(ms % 1000));
	(void)snprintf(msg, sizeof(msg), "MSG %s %u %zu\r\n%s\r\n", reply, c->inbox_sid,
		strlen(json), json);
	fake_send(c, msg);
}

static void fake_line(struct fake *f, struct fake_conn *c, char *line)
{
	char subject[128], word[128], msg[64];
	unsigned sid;

	if (strncmp(line, "CONNECT ", 8) == 0) {
		f->connects++;
	} else if (strcmp(line, "PING") == 0) {
		fake_send(c, "PONG\r\n");
	} else if (sscanf(line, "SUB _INBOX.%127s %u", word, &sid) == 2) {
		c->inbox_sid = sid;
	} else if (sscanf(line, "SUB questions %127s %u", word, &sid) == 2) {
		(void)snprintf(msg, sizeof(msg), "MSG questions %u reply 2\r\nhi\r\n", sid);
		fake_send(c, msg);
	} else if (sscanf(line, "PUB $SYS.REQ.SERVER.PING %127s 0", subject) == 1) {
		fake_pong(f, c, subject);
	}
}

static void fake_read(struct fake *f, struct fake_conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->n, sizeof(c->in) - c->n, 0);
	char *end;

	if (n <= 0) {
		(void)close(c->fd);
		*c = (struct fake_conn){.fd = -1};
		return;
	}
	c->n += (size_t)n;
	while ((end = memmem(c->in, c->n, "\r\n", 2))) {
		*end = '\0';
		fake_line(f, c, c->in);
		c->n -= (size_t)(end + 2 - c->in);
		memmove(c->in, end + 2, c->n);
	}
}

static void fake_accept(struct fake *f)
{
	char info[512];

	for (size_t i = 0; i < CONNS; i++) {
		if (f->conns[i].fd >= 0)
			continue;
		f->conns[i] = (struct fake_conn){.fd = accept(f->listener, NULL, NULL)};
		f->accepted++;
		(void)snprintf(info, sizeof(info),
			"INFO {\"server_id\":\"" ID
			"\",\"server_name\":\"fake\",\"version\":\"2.15.1\","
			"\"proto\":1,\"headers\":true,\"max_payload\":1048576,\"auth_required\":"
			"true%s%s%s}"
			"\r\n",
			f->nonce ? ",\"nonce\":\"" : "", f->nonce ? f->nonce : "",
			f->nonce ? "\"" : "");
		fake_send(&f->conns[i], info);
		return;
	}
}

static void *fake_run(void *arg)
{
	struct fake *f = arg;

	for (;;) {
		struct pollfd p[CONNS + 2] = {{.fd = f->listener, .events = POLLIN},
			{.fd = f->stop[0], .events = POLLIN}};

		for (size_t i = 0; i < CONNS; i++)
			p[i + 2] = (struct pollfd){.fd = f->conns[i].fd, .events = POLLIN};
		(void)poll(p, CONNS + 2, 20);
		if (p[1].revents)
			return NULL;
		if (p[0].revents)
			fake_accept(f);
		for (size_t i = 0; i < CONNS; i++)
			if (p[i + 2].revents && f->conns[i].fd >= 0)
				fake_read(f, &f->conns[i]);
		if (!atomic_exchange(&f->drop, 0))
			continue;
		for (size_t i = 0; i < CONNS; i++) {
			if (f->conns[i].fd >= 0)
				(void)close(f->conns[i].fd);
			f->conns[i].fd = -1;
		}
	}
}

static void fake_start(struct fake *f, const char *version, const char *nonce, int64_t off)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	memset(f, 0, sizeof(*f));
	f->version = version;
	f->nonce = nonce;
	f->clock_off_ms = off;
	for (size_t i = 0; i < CONNS; i++)
		f->conns[i].fd = -1;
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(0, bind(f->listener, (const struct sockaddr *)&at, len));
	assert_int_equal(0, listen(f->listener, 16));
	assert_int_equal(0, getsockname(f->listener, (struct sockaddr *)&at, &len));
	f->port = ntohs(at.sin_port);
	assert_int_equal(0, pipe(f->stop));
	assert_int_equal(0, pthread_create(&f->thread, NULL, fake_run, f));
}

static void fake_stop(struct fake *f)
{
	assert_int_equal(1, write(f->stop[1], "x", 1));
	(void)pthread_join(f->thread, NULL);
	for (size_t i = 0; i < CONNS; i++)
		if (f->conns[i].fd >= 0)
			(void)close(f->conns[i].fd);
	(void)close(f->listener);
	(void)close(f->stop[0]);
	(void)close(f->stop[1]);
}

#define GOOD_NONCE "abcdefghijklmno"

static struct md_link *link_to(const struct fake *f, const struct md_keys *keys)
{
	static char url[64];
	struct md_link *l;

	(void)snprintf(url, sizeof(url), "nats://127.0.0.1:%u", f->port);
	assert_int_equal(UB_OK,
		md_link_new(
			&(struct md_link_config){
				.urls = (const char *const[]){url}, .n_urls = 1, .keys = keys},
			&l));
	return l;
}

static void a_server_is_trusted_by_its_version_and_its_clock(void **state)
{
	static const struct {
		const char *version;
		int64_t off_ms;
		enum md_link_state state;
		const char *why;
	} CASES[] = {
		{"2.15.1", 0, MD_LINK_UP, ""},
		{"2.14.1", 0, MD_LINK_UNFIT, "runs version 2.14.1"},
		{"2.12.11", 0, MD_LINK_UNFIT, "runs version 2.12.11"},
		{"2.15.1", 5000, MD_LINK_UNFIT, "clock"},
		{"2.15.1", -5000, MD_LINK_UNFIT, "clock"},
	};
	struct md_keys *keys;

	(void)state;
	assert_int_equal(UB_OK, md_keys_make(&keys));
	for (size_t i = 0; i < UB_ARRAY_LEN(CASES); i++) {
		struct fake f;
		struct md_link *l;
		struct md_link_why why;

		fake_start(&f, CASES[i].version, GOOD_NONCE, CASES[i].off_ms);
		l = link_to(&f, keys);
		assert_int_equal(UB_OK, md_link_start(l));
		assert_int_equal(CASES[i].state, md_link_wait(l, WAIT_MS));
		md_link_why(l, &why);
		assert_non_null(strstr(why.text, CASES[i].why));
		md_link_free(l);
		fake_stop(&f);
	}
	md_keys_free(keys);
}

static void nothing_but_a_nonce_is_signed(void **state)
{
	static const char *const NONCES[] = {
		NULL,
		"",
		"tooshort00",
		"unibus/request/v1 GET /users",
		"aaaaaaaaaaaaaaa.aaa",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	};
	struct md_keys *keys;

	(void)state;
	assert_int_equal(UB_OK, md_keys_make(&keys));
	for (size_t i = 0; i < UB_ARRAY_LEN(NONCES); i++) {
		struct fake f;
		struct md_link *l;

		fake_start(&f, "2.15.1", NONCES[i], 0);
		l = link_to(&f, keys);
		assert_int_equal(UB_OK, md_link_start(l));
		/* It tries again and again, and never gives a signature away. */
		while (f.accepted < 3)
			assert_int_equal(MD_LINK_DOWN, md_link_wait(l, 20));
		assert_int_equal(0, f.connects);
		md_link_free(l);
		fake_stop(&f);
	}
	md_keys_free(keys);
}

static void on_question(void *arg, const struct md_message *m)
{
	if (strcmp(m->subject, "questions") == 0 && strcmp(m->reply, "reply") == 0 &&
		m->data.len == 2 && !m->no_responders && !md_message_header(m, "Nats-Server-Xkey"))
		++*(_Atomic unsigned *)arg;
}

/* Until the counter is there; a deadline of its own: what never comes is a failure, no hang. */
static void reach(struct md_link *l, const _Atomic unsigned *counter, unsigned want)
{
	struct timespec now, end;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += WAIT_MS / 1000;
	while (*counter < want) {
		(void)md_link_wait(l, 1);
		(void)sched_yield();
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		assert_true(now.tv_sec < end.tv_sec);
	}
}

static void a_lost_connection_is_made_again_with_its_subscriptions(void **state)
{
	_Atomic unsigned got = 0;
	struct md_keys *keys;
	struct md_link *l;
	struct md_listener *s;
	struct fake f;
	struct md_server servers[MD_SERVERS_MAX];
	const struct ub_bytes nothing = {NULL, 0};

	(void)state;
	assert_int_equal(UB_OK, md_keys_make(&keys));
	fake_start(&f, "2.15.1", GOOD_NONCE, 0);
	l = link_to(&f, keys);
	assert_int_equal(UB_OK, md_link_listen(l,
					&(struct md_listen){.plane = MD_PLANE_CTRL,
						.subject = "questions",
						.queue = "group",
						.fn = on_question,
						.arg = &got},
					&s));
	assert_int_equal(UNIBUS_ERR_UNAVAILABLE,
		md_link_publish(l, MD_PLANE_CTRL, "answers", NULL, nothing));
	assert_int_equal(UB_OK, md_link_start(l));
	assert_int_equal(MD_LINK_UP, md_link_wait(l, WAIT_MS));
	assert_int_equal(1, md_link_servers(l, servers));
	assert_string_equal("fake", servers[0].name);
	assert_int_equal(UB_OK, md_link_publish(l, MD_PLANE_CTRL, "answers", NULL, nothing));
	assert_int_equal(
		UNIBUS_ERR_UNAVAILABLE, md_link_publish(l, MD_PLANE_LOG, "answers", NULL, nothing));
	for (unsigned round = 1; round <= 3; round++) {
		unsigned before = f.accepted;

		/* Else the connection goes before its subscription has had its message. */
		reach(l, &got, round);
		f.drop = 1;
		reach(l, &f.accepted, before + 2);
		assert_int_equal(MD_LINK_UP, md_link_wait(l, WAIT_MS));
	}
	/* Both planes log in each time: 2 * 4 signatures were given. */
	assert_int_equal(8, f.connects);
	/* Each new subscription got its message. */
	reach(l, &got, 4);
	md_link_quiet(s, 1000);
	md_link_quiet(s, 1000);
	md_link_free(l);
	fake_stop(&f);
	md_keys_free(keys);
}

static void a_ca_that_is_none_is_refused_at_once(void **state)
{
	static const char *const URLS[] = {"tls://127.0.0.1:1"};
	struct md_link *l = NULL;
	struct md_keys *keys;

	(void)state;
	assert_int_equal(UB_OK, md_keys_make(&keys));
	assert_int_equal(UNIBUS_ERR_TLS,
		md_link_new(
			&(struct md_link_config){
				.urls = URLS, .n_urls = 1, .ca = "/dev/null", .keys = keys},
			&l));
	assert_null(l);
	md_keys_free(keys);
}

static int setup(void **state)
{
	(void)state;
	return ub_core_init() ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_is_trusted_by_its_version_and_its_clock),
		cmocka_unit_test(nothing_but_a_nonce_is_signed),
		cmocka_unit_test(a_lost_connection_is_made_again_with_its_subscriptions),
		cmocka_unit_test(a_ca_that_is_none_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
