#include "membershipd/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/limits.h"
#include "support/log.h"

#define ENV MD_ENV_PREFIX

static const char *const STORES[] = {"sqlite", NULL};
static const char *const AUTHS[] = {"off", "soft", "enforce", NULL};
static const char *const LEVELS[] = {"debug", "info", "warn", "error", NULL};

#define FIELD(name) offsetof(struct md_options, name)

const struct opt_row md_option_rows[] = {
	{"bind", "ADDRESS", OPT_TEXT, FIELD(bind), ENV "BIND", "127.0.0.1", 0, 0, NULL,
		"address of the REST API"},
	{"port", "PORT", OPT_NUMBER, FIELD(port), ENV "PORT", "8470", 0, 65535, NULL,
		"its port; 0 takes any that is free"},
	{"nats-url", "URL,...", OPT_LIST, FIELD(nats_urls), ENV "NATS_URL", "nats://127.0.0.1:4250",
		0, 0, NULL, "nats-servers, tried in turn"},
	{"keys", "DIR", OPT_TEXT, FIELD(keys), ENV "KEYS", "./local_files/keys", 0, 0, NULL,
		"service keys that `init` made; none: no bus (only with --bus-auth off or soft)"},
	{"store", "KIND", OPT_CHOICE, FIELD(store), ENV "STORE", "sqlite", 0, 0, STORES,
		"where the control state lives"},
	{"db", "FILE", OPT_TEXT, FIELD(db), ENV "DB", "./local_files/unibus.db", 0, 0, NULL,
		"the SQLite file; `membershipd user add` makes it"},
	{"blob-dir", "DIR", OPT_TEXT, FIELD(blob_dir), ENV "BLOB_DIR", NULL, 0, 0, NULL,
		"folder of uploaded files, made when missing; without it: the SQLite file's name "
		"and .blobs"},
	{"bus-auth", "MODE", OPT_CHOICE, FIELD(bus_auth), ENV "BUS_AUTH", "enforce", 0, 0, AUTHS,
		"who may use REST and bus: off (anybody, loopback only), soft (judged and logged, "
		"let through), enforce"},
	{"tls-cert", "FILE", OPT_TEXT, FIELD(tls_cert), ENV "TLS_CERT", NULL, 0, 0, NULL,
		"certificate of the REST API (PEM)"},
	{"tls-key", "FILE", OPT_TEXT, FIELD(tls_key), ENV "TLS_KEY", NULL, 0, 0, NULL,
		"its private key (PEM, readable by us only)"},
	{"ca", "FILE", OPT_TEXT, FIELD(ca), ENV "CA", NULL, 0, 0, NULL,
		"certificate authority that nats-server must prove itself by (PEM)"},
	{"allow-cleartext-rooms", NULL, OPT_FLAG, FIELD(allow_cleartext_rooms),
		ENV "ALLOW_CLEARTEXT_ROOMS", NULL, 0, 0, NULL,
		"on a non-loopback bind: unencrypted rooms may be created"},
	{"session-ttl", "TIME", OPT_DURATION_MS, FIELD(session_ttl_ms), ENV "SESSION_TTL", "15m",
		2000, 86400000, NULL, "how long a login to the bus lasts, +-20 %"},
	{"max-room-members", "N", OPT_NUMBER, FIELD(members_max), ENV "MAX_ROOM_MEMBERS", NULL, 2,
		UB_ROOM_MEMBERS_MAX, NULL, "lowers the limit of 4000"},
	{"max-rooms-per-peer", "N", OPT_NUMBER, FIELD(joined_max), ENV "MAX_ROOMS_PER_PEER", NULL,
		1, UB_ROOMS_JOINED_MAX, NULL, "joined rooms; lowers the limit of 500"},
	{"max-rooms-owned", "N", OPT_NUMBER, FIELD(owned_max), ENV "MAX_ROOMS_OWNED", NULL, 1,
		UB_ROOMS_OWNED_MAX, NULL, "lowers the limit of 200"},
	{"max-blob-bytes", "N", OPT_NUMBER, FIELD(blob_max), ENV "MAX_BLOB_BYTES", NULL, 1,
		UB_BLOB_MAX, NULL, "one upload; lowers the limit of 16 MiB"},
	{"max-blob-bytes-per-user", "N", OPT_NUMBER, FIELD(blob_user_max),
		ENV "MAX_BLOB_BYTES_PER_USER", NULL, 1, UB_BLOB_USER_MAX, NULL,
		"all that one user has uploaded to open rooms; lowers the limit of 1 GiB"},
	{"max-blob-bytes-per-room", "N", OPT_NUMBER, FIELD(blob_room_max),
		ENV "MAX_BLOB_BYTES_PER_ROOM", NULL, 1, UB_BLOB_ROOM_MAX, NULL,
		"lowers the limit of 4 GiB"},
	{"history-replicas", "N", OPT_NUMBER, FIELD(history_replicas), ENV "HISTORY_REPLICAS", "1",
		1, 5, NULL, "on how many nats-servers the messages of persisted rooms are kept"},
	{"history-max-age", "TIME", OPT_DURATION_MS, FIELD(history_max_age_ms),
		ENV "HISTORY_MAX_AGE", NULL, 3600000, 366ULL * 86400000, NULL,
		"for how long, whatever a room's policy says; without it as long as there is room"},
	{"history-sender-messages", "N", OPT_NUMBER, FIELD(history_sender_messages),
		ENV "HISTORY_SENDER_MESSAGES", "100000", 1, 1000000000, NULL,
		"how many of one sender in one room; older ones of that sender go"},
	{"threads", "N", OPT_NUMBER, FIELD(threads), ENV "THREADS", "2", 1, 64, NULL,
		"event loops of the REST API"},
	{"log-level", "LEVEL", OPT_CHOICE, FIELD(log_level), ENV "LOG_LEVEL", "info", 0, 0, LEVELS,
		"debug, info, warn or error"},
	{"log-level-file", "FILE", OPT_TEXT, FIELD(log_level_file), ENV "LOG_LEVEL_FILE", NULL, 0,
		0, NULL, "a file with the level, read at start and on HUP; beats --log-level"},
	{"log-json", NULL, OPT_FLAG, FIELD(log_json), ENV "LOG_JSON", NULL, 0, 0, NULL,
		"log lines as JSON"},
	{"ready-fd", "FD", OPT_NUMBER, FIELD(ready_fd), NULL, NULL, 3, 1024, NULL,
		"descriptor that gets one line READY ... once requests are served"},
	{.name = NULL},
};

bool md_options_has_bus(const struct md_options *o)
{
	return strcmp(o->keys, "none") != 0;
}

const char *md_option_auth_name(int bus_auth)
{
	return AUTHS[bus_auth];
}

ub_err md_options_parse(const struct opt_args *a, struct md_options *ret)
{
	size_t n;

	*ret = (struct md_options){.bind = NULL};
	return options_parse(md_option_rows, a, ret, NULL, 0, &n);
}

char *md_options_blob_dir(const struct md_options *o)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(PATH_MAX);

	ub_buf_z(&b, o->blob_dir ? o->blob_dir : o->db);
	if (!o->blob_dir)
		ub_buf_z(&b, ".blobs");
	return ub_buf_take(&b);
}

void md_options_deinit(struct md_options *o)
{
	opt_list_deinit(&o->nats_urls);
}

UB_PRINTF(2, 3) static bool refuse(struct md_refusal *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	return false;
}

bool md_is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	/* As an address: "127.example" is a name, of any host. */
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return strcmp(host, "localhost") == 0;
}

/* What TLS and a bind beyond this host need. */
static bool check_reach(const struct md_options *o, struct md_refusal *r)
{
	bool tls = o->tls_cert || o->tls_key;

	if (!md_is_loopback(o->bind) && o->bus_auth != MD_OPT_AUTH_ENFORCE)
		return refuse(r,
			"--bind %s is reachable from other hosts, but --bus-auth %s authenticates "
			"nobody; use --bus-auth enforce or bind to 127.0.0.1",
			o->bind, AUTHS[o->bus_auth]);
	if ((o->tls_cert != NULL) != (o->tls_key != NULL))
		return refuse(r,
			"%s is given without %s, so TLS would silently stay off; give both or none",
			o->tls_cert ? "--tls-cert" : "--tls-key",
			o->tls_cert ? "--tls-key" : "--tls-cert");
	if (tls && o->bus_auth != MD_OPT_AUTH_ENFORCE)
		return refuse(r,
			"TLS is on but --bus-auth %s authenticates nobody, which looks safe and is "
			"not; use --bus-auth enforce or leave TLS off",
			AUTHS[o->bus_auth]);
	return true;
}

/* "nats://host:port" or "tls://host:port"; no user and password in there. */
static bool check_url(const struct md_options *o, const char *url, struct md_refusal *r)
{
	char host[256];
	bool tls = strncmp(url, "tls://", 6) == 0;
	const char *at = tls ? url + 6 : url + 7, *end;

	if (!tls && strncmp(url, "nats://", 7) != 0)
		return refuse(r, "--nats-url %s does not begin with nats:// or tls://", url);
	end = *at == '[' ? strchr(at, ']') : NULL;
	if (strpbrk(at, "@/?#") || (end && end[1] && end[1] != ':'))
		return refuse(r,
			"--nats-url %s names more than host and port; credentials come from --keys",
			url);
	end = end ? end : strrchr(at, ':');
	at += *at == '[';
	if (!end)
		end = at + strlen(at);
	if (end == at || (size_t)(end - at) >= sizeof(host))
		return refuse(r, "--nats-url %s has no host", url);
	memcpy(host, at, (size_t)(end - at));
	host[end - at] = '\0';
	if (tls && !o->ca)
		return refuse(r,
			"--nats-url %s asks for TLS, but without --ca nobody's certificate could "
			"be "
			"told from another's; give --ca FILE",
			url);
	if (!o->ca && !md_is_loopback(host))
		return refuse(r,
			"--nats-url %s is on another host and would be spoken to without TLS; give "
			"--ca FILE",
			url);
	return true;
}

/* A file that only we may read. */
static bool check_private(const char *option, const char *path, struct md_refusal *r)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return refuse(r, "--%s %s cannot be read: %s", option, path, strerror(errno));
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return refuse(r,
			"--%s %s holds secrets and is accessible to others (mode %03o); run: chmod "
			"%s %s",
			option, path, st.st_mode & 0777, S_ISDIR(st.st_mode) ? "700" : "600", path);
	return true;
}

static bool check_readable(const char *option, const char *path, struct md_refusal *r)
{
	if (path && access(path, R_OK) < 0)
		return refuse(r, "--%s %s cannot be read: %s", option, path, strerror(errno));
	return true;
}

static bool check_files(const struct md_options *o, struct md_refusal *r)
{
	if (!check_readable("tls-cert", o->tls_cert, r) || !check_readable("ca", o->ca, r))
		return false;
	if (o->tls_key && !check_private("tls-key", o->tls_key, r))
		return false;
	if (!md_options_has_bus(o) && o->bus_auth == MD_OPT_AUTH_ENFORCE)
		return refuse(r,
			"--bus-auth enforce needs the callout keys, but --keys is none, so logins "
			"to the bus would not be judged; run `membershipd init --dir DIR` and give "
			"--keys DIR/keys");
	if (md_options_has_bus(o) && access(o->keys, F_OK) < 0)
		return refuse(r,
			"--keys %s is not there, so logins to the bus could not be judged; run "
			"`membershipd init --dir DIR` and give --keys DIR/keys",
			o->keys);
	if (md_options_has_bus(o) && !check_private("keys", o->keys, r))
		return false;
	if (access(o->db, F_OK) < 0)
		return refuse(r,
			"there is no database %s (%s), and an empty one would let nobody in; make "
			"it "
			"with the first admin: membershipd user add --db %s --sign-pub HEX "
			"--handle "
			"NAME --role admin",
			o->db, strerror(errno), o->db);
	return check_private("db", o->db, r);
}

bool md_options_check(const struct md_options *o, struct md_refusal *ret)
{
	if (!check_reach(o, ret))
		return false;
	for (size_t i = 0; i < o->nats_urls.n; i++)
		if (!check_url(o, o->nats_urls.v[i], ret))
			return false;
	return check_files(o, ret);
}
