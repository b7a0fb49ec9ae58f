#include "tests/harness/stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/key.h"
#include "core/num.h"

#define ARGS_MAX 48

static int path_in(char to[PROC_PATH], const char *dir, const char *name)
{
	int n = snprintf(to, PROC_PATH, "%s/%s", dir, name);

	if (n > 0 && n < PROC_PATH)
		return 0;
	(void)fprintf(stderr, "harness: the path of %s is too long\n", name);
	return -1;
}

static int run(const char *const *argv)
{
	struct ub_buf out = UB_BUF(64 * 1024);
	int code = proc_run(argv, NULL, &out);

	if (code != 0)
		(void)fprintf(stderr, "harness: %s %s: exit code %d\n%s\n", argv[0], argv[1], code,
			ub_buf_cstr(&out));
	ub_buf_deinit(&out);
	return code ? -1 : 0;
}

static void append(const char *argv[ARGS_MAX], size_t *n, const char *const *more)
{
	for (; more && *more; more++) {
		ub_assert(*n + 1 < ARGS_MAX);
		argv[(*n)++] = *more;
	}
	argv[*n] = NULL;
}

void stack_key(struct ub_signkey *ret)
{
	uint8_t seed[32];

	randombytes_buf(seed, sizeof(seed));
	ub_signkey_from_seed(seed, ret);
}

/* A certificate authority and one certificate for 127.0.0.1 and localhost. */
static int make_certs(struct stack *s)
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

	if (path_in(s->ca, s->dir, "ca.pem") || path_in(s->cert, s->dir, "server.pem") ||
		path_in(s->key, s->dir, "server.key"))
		return -1;
	return run((const char *const[]){"sh", "-c", SCRIPT, "sh", s->dir, NULL});
}

static int init_bus(struct stack *s, const struct stack_options *o)
{
	const char *argv[ARGS_MAX] = {s->membershipd, "init", "--dir", s->bus};
	size_t n = 4;

	if (s->ca[0])
		append(argv, &n,
			(const char *const[]){"--tls-cert", s->cert, "--tls-key", s->key,
				"--tls-ca", s->ca, NULL});
	append(argv, &n, o->init_args);
	return run(argv);
}

static int set_up(struct stack *s, const struct stack_options *o)
{
	if (proc_dir_make(s->dir) < 0 || path_in(s->bus, s->dir, "bus") ||
		path_in(s->db, s->dir, "unibus.db"))
		return -1;
	if (o->membershipd)
		(void)snprintf(s->membershipd, sizeof(s->membershipd), "%s", o->membershipd);
	else
		proc_program("membershipd", s->membershipd);
	if (o->tls && make_certs(s) < 0)
		return -1;
	if (init_bus(s, o) < 0)
		return -1;
	stack_key(&s->admin);
	return stack_user_add(s, &s->admin, "root", true);
}

int stack_user_add(struct stack *s, const struct ub_signkey *key, const char *handle, bool admin)
{
	struct ub_pubkey pub;
	char hex[65], real[PROC_PATH];

	ub_signkey_pub(key, &pub);
	ub_hex_encode(pub.b, sizeof(pub.b), hex);
	proc_program("membershipd", real);
	return run((const char *const[]){real, "user", "add", "--db", s->db, "--sign-pub", hex,
		"--handle", handle, "--role", admin ? "admin" : "member", NULL});
}

static int read_ports(struct stack *s, const char *path)
{
	struct ub_buf text = UB_BUF(4096);
	FILE *f = fopen(path, "re");
	const char *at;
	char buf[1024];
	size_t n;
	int rc = -1;
	uint64_t port;

	while (f && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		ub_buf_put(&text, buf, n);
	if (f)
		(void)fclose(f);
	at = ub_buf_cstr(&text) ? strstr(ub_buf_cstr(&text), "127.0.0.1:") : NULL;
	if (at) {
		at += strlen("127.0.0.1:");
		if (!ub_num_u64((struct ub_str){at, strspn(at, "0123456789")}, 1, 65535, &port)) {
			s->nats_port = (uint16_t)port;
			rc = 0;
		}
	}
	if (rc < 0)
		(void)fprintf(stderr, "harness: no port in %s\n", path);
	ub_buf_deinit(&text);
	return rc;
}

int stack_nats_start(struct stack *s)
{
	char program[PROC_PATH], conf[PROC_PATH], log[PROC_PATH], ports[PROC_PATH], file[PROC_PATH];
	char port[8];

	proc_program("nats-server", program);
	(void)snprintf(port, sizeof(port), "%d", s->nats_port ? s->nats_port : -1);
	if (path_in(conf, s->bus, "nats-server.conf") || path_in(log, s->dir, "nats.log") ||
		path_in(ports, s->dir, "ports-XXXXXX") || !mkdtemp(ports))
		return -1;
	if (proc_start(&(struct proc_spec){.name = "nats-server",
			       .argv = (const char *const[]){program, "-c", conf, "-p", port,
				       "--ports_file_dir", ports, NULL},
			       .log = log},
		    &s->nats) < 0)
		return -1;
	if (proc_wait_file(ports, ".ports", 20000, file) < 0) {
		proc_show_log(&s->nats);
		return -1;
	}
	if (read_ports(s, file) < 0)
		return -1;
	(void)snprintf(s->nats_url, sizeof(s->nats_url), "%s://127.0.0.1:%u",
		s->ca[0] ? "tls" : "nats", s->nats_port);
	return 0;
}

/* "READY http=127.0.0.1:PORT server=ID" */
static int read_ready(struct stack *s, const char *line)
{
	unsigned port;
	char id[UB_SERVER_ID_TEXT + 1];

	if (sscanf(line, "READY http=127.0.0.1:%5u server=%22s", &port, id) != 2 ||
		ub_server_id_parse(ub_str(id), &s->server)) {
		(void)fprintf(stderr, "harness: unexpected line: %s\n", line);
		return -1;
	}
	s->http_port = (uint16_t)port;
	(void)snprintf(s->http_url, sizeof(s->http_url), "%s://127.0.0.1:%u",
		s->ca[0] ? "https" : "http", port);
	return 0;
}

int stack_md_launch(struct stack *s)
{
	char log[PROC_PATH], keys[PROC_PATH], port[8];
	const char *argv[ARGS_MAX] = {s->membershipd, "serve", "--bind", "127.0.0.1", "--port",
		port, "--nats-url", s->nats_url, "--keys", keys, "--db", s->db, "--ready-fd", "3"};
	size_t n = 14;

	(void)snprintf(port, sizeof(port), "%u", s->http_port);
	if (path_in(keys, s->bus, "keys") || path_in(log, s->dir, "membershipd.log"))
		return -1;
	if (s->ca[0])
		append(argv, &n,
			(const char *const[]){"--bus-auth", "enforce", "--tls-cert", s->cert,
				"--tls-key", s->key, "--ca", s->ca, NULL});
	append(argv, &n, s->md_args);
	return proc_start(
		&(struct proc_spec){.name = "membershipd", .argv = argv, .log = log, .ready = true},
		&s->md);
}

int stack_md_wait(struct stack *s)
{
	char line[256];

	return proc_wait_ready(&s->md, 20000, line, sizeof(line)) < 0 ? -1 : read_ready(s, line);
}

int stack_md_start(struct stack *s)
{
	return stack_md_launch(s) < 0 ? -1 : stack_md_wait(s);
}

int stack_start(struct stack *s, const struct stack_options *o)
{
	static const struct stack_options none;

	*s = (struct stack){.nats = PROC_NONE, .md = PROC_NONE};
	o = o ? o : &none;
	s->md_args = o->md_args;
	if (ub_core_init() || set_up(s, o) < 0 ||
		(!o->no_start && (stack_nats_start(s) < 0 || stack_md_start(s) < 0))) {
		(void)stack_stop(s);
		return -1;
	}
	return 0;
}

int stack_stop(struct stack *s)
{
	int code = proc_stop(&s->md);

	if (code != 0) {
		(void)fprintf(stderr, "harness: membershipd ended with %d\n", code);
		proc_show_log(&s->md);
	}
	(void)proc_stop(&s->nats);
	proc_dir_remove(s->dir);
	ub_signkey_wipe(&s->admin);
	return code == 0 ? 0 : -1;
}
