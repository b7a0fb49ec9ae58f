#include "tests/harness/kv_cluster.h"

#include <arpa/inet.h>
#include <nats/nats.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/key.h"
#include "core/nkey.h"

#define PASSWORD "harness"

static int complain(const char *what)
{
	(void)fprintf(stderr, "harness: %s\n", what);
	return -1;
}

static int path_in(char to[PROC_PATH], const struct kv_cluster *c, const char *name)
{
	int n = snprintf(to, PROC_PATH, "%s/%s", c->dir, name);

	return n > 0 && n < PROC_PATH ? 0 : complain("a path is too long");
}

/* Free at this moment: all are held until all are chosen. */
static int choose_ports(struct kv_cluster *c)
{
	int fd[2 * KV_CLUSTER_MAX], rc = 0;

	for (size_t i = 0; i < 2 * KV_CLUSTER_MAX; i++) {
		struct sockaddr_in a = {.sin_family = AF_INET};
		socklen_t len = sizeof(a);
		void *p = &a;

		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd[i] < 0 || bind(fd[i], p, len) < 0 || getsockname(fd[i], p, &len) < 0)
			rc = complain("no free port");
		if (i < KV_CLUSTER_MAX)
			c->port[i] = ntohs(a.sin_port);
		else
			c->route[i - KV_CLUSTER_MAX] = ntohs(a.sin_port);
	}
	for (size_t i = 0; i < 2 * KV_CLUSTER_MAX; i++)
		(void)close(fd[i]);
	return rc;
}

static int write_file(const struct kv_cluster *c, const char *name, const char *text)
{
	char path[PROC_PATH];
	FILE *f = path_in(path, c, name) ? NULL : fopen(path, "wxe");

	if (!f)
		return complain("cannot write a file");
	int bad = fputs(text, f) < 0;
	bad |= fclose(f) != 0;
	return bad ? complain("cannot write a file") : 0;
}

static int make_user(struct kv_cluster *c, char nkey[UB_NKEY_TEXT + 1])
{
	char text[UB_NKEY_SEED_TEXT + 2];
	struct ub_signkey key;
	struct ub_pubkey pub;
	uint8_t seed[32];
	mode_t old = umask(077);

	randombytes_buf(seed, sizeof(seed));
	ub_signkey_from_seed(seed, &key);
	ub_signkey_pub(&key, &pub);
	ub_nkey_encode(UB_NKEY_USER, pub.b, nkey);
	ub_nkey_seed_encode(UB_NKEY_USER, seed, text);
	text[UB_NKEY_SEED_TEXT] = '\n';
	text[UB_NKEY_SEED_TEXT + 1] = '\0';
	int rc = path_in(c->seed_file, c, "ctrl.seed") ? -1 : write_file(c, "ctrl.seed", text);
	(void)umask(old);
	return rc;
}

static int make_certs(struct kv_cluster *c)
{
	static const char SCRIPT[] =
		"cd \"$1\" && umask 077 &&"
		"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
		"-keyout ca.key -out ca.pem -subj /CN=unibus-test-ca 2>/dev/null &&"
		"openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
		"-keyout server.key -out server.csr -subj /CN=127.0.0.1 2>/dev/null &&"
		"printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\\n' >san &&"
		"openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
		"-extfile san -out server.pem 2>/dev/null";

	if (proc_run((const char *const[]){"sh", "-c", SCRIPT, "sh", c->dir, NULL}, NULL, NULL))
		return complain("cannot make certificates");
	return path_in(c->ca, c, "ca.pem");
}

static int write_config(struct kv_cluster *c, size_t i, const char *nkey)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(8192);
	char name[32];

	ub_buf_printf(&b,
		"server_name: n%zu\nlisten: \"127.0.0.1:%u\"\nping_interval: \"5s\"\n"
		"jetstream { store_dir: \"%s/js%zu\", sync_interval: always, strict: true,\n"
		"\tcipher: chacha, key: $KV_DISK_KEY,\n"
		"\tmax_memory_store: 64MB, max_file_store: 512MB }\n"
		"accounts {\n"
		"\tCTRL { jetstream: enabled, users: [ { nkey: %s },\n"
		"\t\t{ user: harness, password: \"" PASSWORD "\" } ] }\n"
		"\tSYS { users: [ { user: sys, password: \"" PASSWORD "\" } ] }\n"
		"}\nsystem_account: SYS\n",
		i, c->port[i], c->dir, i, nkey);
	if (c->tls)
		ub_buf_printf(&b,
			"tls { cert_file: \"%s/server.pem\", key_file: \"%s/server.key\" }\n",
			c->dir, c->dir);
	if (c->n > 1) {
		ub_buf_printf(&b, "cluster { name: kv, listen: \"127.0.0.1:%u\", routes: [\n",
			c->route[i]);
		for (size_t k = 0; k < c->n; k++)
			ub_buf_printf(&b, "\t\"nats://127.0.0.1:%u\"\n", c->route[k]);
		ub_buf_z(&b, "] }\n");
	}
	(void)snprintf(name, sizeof(name), "n%zu.conf", i);
	return ub_buf_cstr(&b) ? write_file(c, name, ub_buf_cstr(&b)) : complain("no memory");
}

int kv_cluster_start_one(struct kv_cluster *c, size_t i)
{
	char program[PROC_PATH], conf[PROC_PATH], log[PROC_PATH], ports[PROC_PATH], file[PROC_PATH];
	char name[32], conf_name[32], log_name[32], key[64];

	(void)snprintf(name, sizeof(name), "n%zu", i);
	(void)snprintf(conf_name, sizeof(conf_name), "n%zu.conf", i);
	(void)snprintf(log_name, sizeof(log_name), "n%zu.log", i);
	(void)snprintf(key, sizeof(key), "KV_DISK_KEY=\"%s\"", c->disk_key);
	proc_program("nats-server", program);
	if (path_in(conf, c, conf_name) || path_in(log, c, log_name) ||
		path_in(ports, c, "ports-XXXXXX") || !mkdtemp(ports))
		return -1;
	if (proc_start(&(struct proc_spec){.name = name,
			       .argv = (const char *const[]){program, "-c", conf,
				       "--ports_file_dir", ports, NULL},
			       .env = (const char *const[]){key, NULL},
			       .log = log},
		    &c->server[i]))
		return -1;
	if (!proc_wait_file(ports, ".ports", 20000, file))
		return 0;
	proc_show_log(&c->server[i]);
	return -1;
}

static int set_up(struct kv_cluster *c)
{
	char nkey[UB_NKEY_TEXT + 1];

	if (ub_core_init() || proc_dir_make(c->dir) || choose_ports(c) || make_user(c, nkey) ||
		(c->tls && make_certs(c)))
		return -1;
	for (size_t i = 0; i < c->n; i++) {
		(void)snprintf(c->url_text[i], sizeof(c->url_text[i]), "%s://127.0.0.1:%u",
			c->tls ? "tls" : "nats", c->port[i]);
		c->urls[i] = c->url_text[i];
		if (write_config(c, i, nkey) || kv_cluster_start_one(c, i))
			return -1;
	}
	return 0;
}

int kv_cluster_start(struct kv_cluster *c, size_t n, bool tls)
{
	*c = (struct kv_cluster){.n = n, .tls = tls, .disk_key = "a key of these tests"};
	for (size_t i = 0; i < KV_CLUSTER_MAX; i++)
		c->server[i] = PROC_NONE;
	if (!set_up(c))
		return 0;
	kv_cluster_stop(c);
	return -1;
}

void kv_cluster_stop(struct kv_cluster *c)
{
	for (size_t i = 0; i < c->n; i++)
		proc_kill(&c->server[i]);
	proc_dir_remove(c->dir);
}

size_t kv_cluster_find(const struct kv_cluster *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->server[i].name, name))
			return i;
	return c->n;
}

struct md_jetstream_options kv_cluster_options(const struct kv_cluster *c)
{
	return (struct md_jetstream_options){
		.urls = c->urls,
		.n_urls = c->n,
		.ca = c->tls ? c->ca : NULL,
		.seed_file = c->seed_file,
		.replicas = (unsigned)c->n,
		.open_ms = 30000,
	};
}

static natsStatus ask(const struct kv_cluster *c, size_t i, const char *subject, const char *body,
	struct ub_buf *out)
{
	natsConnection *nc = NULL;
	natsMsg *reply = NULL;
	char url[96];
	natsStatus st;

	(void)snprintf(url, sizeof(url), "nats://harness:" PASSWORD "@127.0.0.1:%u", c->port[i]);
	st = natsConnection_ConnectTo(&nc, url);
	if (st == NATS_OK)
		st = natsConnection_RequestString(&reply, nc, subject, body, 2000);
	if (st == NATS_OK && out)
		ub_buf_put(out, natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply));
	natsMsg_Destroy(reply);
	natsConnection_Destroy(nc);
	return st;
}

int kv_cluster_await(bool (*cond)(void *arg), void *arg, int timeout_ms)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	long end = ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + timeout_ms;
	while (!cond(arg)) {
		(void)poll(NULL, 0, 10);
		(void)clock_gettime(CLOCK_MONOTONIC, &ts);
		if (ts.tv_sec * 1000 + ts.tv_nsec / 1000000 > end)
			return complain("waited in vain");
	}
	return 0;
}

struct question {
	struct kv_cluster *c;
	size_t next;
	const char *subject, *body;
	struct ub_buf *out;
};

static bool answered(void *arg)
{
	struct question *q = arg;
	size_t i = q->next++ % q->c->n;

	return proc_alive(&q->c->server[i]) && ask(q->c, i, q->subject, q->body, q->out) == NATS_OK;
}

int kv_cluster_ask(struct kv_cluster *c, const char *subject, const char *body, struct ub_buf *out)
{
	struct question q = {c, 0, subject, body, out};

	return kv_cluster_await(answered, &q, 10000);
}

int kv_cluster_wipe(struct kv_cluster *c)
{
	return kv_cluster_ask(c, "$JS.API.STREAM.DELETE.KV_UNIBUS", "", NULL);
}
