/* Signed GET /rooms/{id} beside a bare libmicrohttpd "hello" that verifies one Ed25519 signature:
 * the same threads, the same kept connections, the same client. Requests are signed beforehand. */
#include <microhttpd.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/harness/rest.h"

#define THREADS 2
#define CLIENTS 4
#define EACH 1500 /* requests of a client in a slice */
#define SLICES 9

struct client {
	uint16_t port;
	char **requests; /* EACH of them */
	pthread_t thread;
};

static void *run_client(void *arg)
{
	struct client *c = arg;
	int fd = raw_connect(c->port);

	for (size_t i = 0; i < EACH; i++) {
		char answer[8192];
		size_t len = 0;

		raw_sendz(fd, c->requests[i]);
		/* One answer is one packet here; its end is known by the closing brace or newline.
		 */
		do {
			ssize_t n = read(fd, answer + len, sizeof(answer) - len);

			if (n <= 0)
				abort();
			len += (size_t)n;
		} while (answer[len - 1] != '}' && answer[len - 1] != '\n');
		if (memcmp(answer, "HTTP/1.1 200", 12) != 0)
			abort();
	}
	close(fd);
	return NULL;
}

/* Requests a second. */
static double slice(uint16_t port, char *requests[CLIENTS][EACH])
{
	struct client c[CLIENTS];
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (size_t i = 0; i < CLIENTS; i++) {
		c[i] = (struct client){.port = port, .requests = requests[i]};
		if (pthread_create(&c[i].thread, NULL, run_client, &c[i]))
			abort();
	}
	for (size_t i = 0; i < CLIENTS; i++)
		pthread_join(c[i].thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return CLIENTS * EACH /
	       ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
}

struct bare {
	uint8_t pk[32], sk[64], sig[64];
	char text[8];
	bool verify;
	struct MHD_Response *hello;
};

static enum MHD_Result on_hello(void *cls, struct MHD_Connection *con, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_len,
	void **con_cls)
{
	struct bare *b = cls;

	(void)url, (void)method, (void)version, (void)upload, (void)upload_len;
	if (!*con_cls) { /* as every handler, it answers once the request is complete */
		*con_cls = b;
		return MHD_YES;
	}
	if (b->verify &&
		crypto_sign_verify_detached(b->sig, (const uint8_t *)"hello", 5, b->pk) != 0)
		return MHD_NO;
	return MHD_queue_response(con, 200, b->hello);
}

static struct MHD_Daemon *bare_start(struct bare *b, uint16_t *port)
{
	struct MHD_Daemon *d;

	crypto_sign_keypair(b->pk, b->sk);
	crypto_sign_detached(b->sig, NULL, (const uint8_t *)"hello", 5, b->sk);
	b->hello = MHD_create_response_from_buffer(6, b->text, MHD_RESPMEM_PERSISTENT);
	d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_hello, b,
		MHD_OPTION_THREAD_POOL_SIZE, THREADS, MHD_OPTION_END);
	if (!d)
		abort();
	*port = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port;
	return d;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double v[SLICES])
{
	qsort(v, SLICES, sizeof(*v), by_value);
	return v[SLICES / 2];
}

static char *signed_requests[CLIENTS][EACH], *plain_requests[CLIENTS][EACH];

static void make_requests(struct rest *t)
{
	struct rest_call c = {.method = "GET", .target = rest_room(&t->room, ""), .by = OWNER};

	for (size_t i = 0; i < CLIENTS; i++) {
		for (size_t k = 0; k < EACH; k++) {
			free(signed_requests[i][k]);
			c.by = i % 2 ? OWNER : MEMBER;
			signed_requests[i][k] = rest_text(t, &c);
			plain_requests[i][k] = (char *)(uintptr_t) "GET /hello HTTP/1.1\r\nHost: "
								   "127.0.0.1\r\n\r\n";
		}
	}
}

int main(void)
{
	struct rest_options o = {
		.limits = {.key_per_s = 1e9, .key_burst = 1e9, .ip_per_s = 1e9, .ip_burst = 1e9}};
	double ours[SLICES], bare[SLICES], hello[SLICES], ratio;
	struct rest *t = rest_new(&o);
	struct bare b = {.text = "hello\n"};
	uint16_t port;
	struct MHD_Daemon *d = bare_start(&b, &port);

	bench_machine();
	for (size_t i = 0; i < SLICES; i++) {
		/* A nonce is remembered for two minutes; the share of a key is 20,000. */
		atomic_fetch_add(&t->now, 130000);
		atomic_fetch_add(&t->boot, 130000);
		make_requests(t);
		ours[i] = slice(t->port, signed_requests);
		b.verify = true;
		bare[i] = slice(port, plain_requests);
		b.verify = false;
		hello[i] = slice(port, plain_requests);
	}
	ratio = median(ours) / median(bare);
	printf("signed GET /rooms/{id}: %.0f/s; bare hello + one verification: %.0f/s; bare hello: "
	       "%.0f/s\n",
		median(ours), median(bare), median(hello));
	bench_report("signed GET /rooms/{id} over bare hello + one verification", ratio, "x",
		">= 0.70", ratio >= 0.7);
	MHD_stop_daemon(d);
	MHD_destroy_response(b.hello);
	for (size_t i = 0; i < CLIENTS; i++)
		for (size_t k = 0; k < EACH; k++)
			free(signed_requests[i][k]);
	rest_free(t);
	return bench_write() ? 0 : 1;
}
