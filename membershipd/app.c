#include "membershipd/app.h"

#include <stdio.h>
#include <string.h>

#include "core/key.h"
#include "membershipd/app_history.h"
#include "membershipd/cmd/cmd.h"
#include "membershipd/domain/blob.h"
#include "membershipd/domain/service.h"
#include "membershipd/http/http.h"
#include "membershipd/nats/authcallout.h"
#include "membershipd/nats/judge.h"
#include "membershipd/nats/keys.h"
#include "membershipd/nats/kicks.h"
#include "membershipd/nats/link.h"
#include "membershipd/store/blob_dir.h"
#include "support/log.h"
#include "support/process.h"

#define SAY_EVERY_MS 5000
#define WAIT_MS 200
#define TICK_MS 5000 /* systemd's watchdog and the link's state are looked at this often */
#define LEVEL_FILE_MAX 64
#define TIDY_MAX 1024 /* blobs of closed rooms removed in one tick: below a second of commits */

/* Everything that runs; NULL is not there. Freed in an order of its own: app_stop. */
struct app {
	const struct md_options *o;
	struct md_keys *keys;
	struct md_store *store;
	struct md_blob_dir *blobs;
	struct md_sessions *sessions;
	struct md_link *link;
	struct md_kicks *kicks;
	struct md_app_history history;
	struct md_service *svc;
	struct md_judge *judge;
	struct md_callout *callout;
	struct md_http *http;
};

static int refuse(const char *text)
{
	(void)fprintf(stderr, "membershipd: %s\n", text);
	return MD_EXIT_FAILED;
}

static int refuse_err(const char *what, const char *detail, ub_err err)
{
	(void)fprintf(stderr, "membershipd: %s %s: %s\n", what, detail, unibus_strerror(err));
	return MD_EXIT_FAILED;
}

static int refuse_listen(const char *at, ub_err err)
{
	const char *why = unibus_strerror(err);

	if (err == UNIBUS_ERR_CONFLICT)
		why = "another program listens there; end it or give another --port";
	else if (err == UNIBUS_ERR_NOT_FOUND)
		why = "this machine has no such address; see --bind";
	else if (err == UNIBUS_ERR_DENIED)
		why = "ports below 1024 need privileges; give another --port";
	(void)fprintf(stderr, "membershipd: cannot serve REST on %s: %s\n", at, why);
	return MD_EXIT_FAILED;
}

static bool beyond_loopback(const struct md_options *o)
{
	return !md_is_loopback(o->bind);
}

static bool refuses_cleartext(const struct md_options *o)
{
	return beyond_loopback(o) && !o->allow_cleartext_rooms;
}

static uint64_t session_max_ms(const struct md_options *o)
{
	return o->session_ttl_ms * 6 / 5 + 5000;
}

static void health(void *arg, struct md_health *ret)
{
	const struct app *a = arg;

	*ret = (struct md_health){
		.status = MD_HEALTH_OK,
		.store = md_store_name(a->store),
		.replicas = 1,
		.acl = md_options_has_bus(a->o) && a->o->bus_auth == MD_OPT_AUTH_ENFORCE,
		.require_encrypted = refuses_cleartext(a->o),
		.lease = md_service_vouches(a->svc),
	};
	if (!ret->lease)
		ret->status = MD_HEALTH_NO_LEASE;
	else if (a->link && md_link_state(a->link) != MD_LINK_UP)
		ret->status = MD_HEALTH_NO_NATS;
}

static int open_store(struct app *a, const struct md_app_hooks *hooks)
{
	ub_err err = md_store_sqlite_open(
		&(struct md_sqlite_options){.path = a->o->db, .exclusive = true}, &a->store);

	if (err == UNIBUS_ERR_LOCKED) {
		(void)fprintf(stderr,
			"membershipd: another process holds %s; only one membershipd can serve a "
			"database, stop the other one first\n",
			a->o->db);
		return MD_EXIT_FAILED;
	}
	if (err)
		return refuse_err("cannot open the database", a->o->db, err);
	if (hooks && hooks->wrap)
		a->store = hooks->wrap(hooks->arg, a->store);
	return MD_EXIT_OK;
}

static int load_keys(const struct md_options *o, struct md_keys **ret)
{
	const char *file;
	ub_err err = md_keys_load(o->keys, ret, &file);

	if (!err)
		return MD_EXIT_OK;
	(void)fprintf(stderr,
		"membershipd: the service key %s/%s cannot be used: %s; without it logins to the "
		"bus "
		"are not judged. `membershipd init` makes a new set (and the nats-server.conf that "
		"goes with it)\n",
		o->keys, file, unibus_strerror(err));
	return MD_EXIT_FAILED;
}

static int make_link(const struct md_options *o, const struct md_keys *keys, struct md_link **ret)
{
	ub_err err = md_link_new(&(struct md_link_config){.urls = o->nats_urls.v,
					 .n_urls = o->nats_urls.n,
					 .ca = o->ca,
					 .keys = keys},
		ret);

	return err ? refuse_err("cannot prepare the connection to nats-server with --ca",
			     o->ca ? o->ca : "(none)", err)
		   : MD_EXIT_OK;
}

static int make_bus(struct app *a)
{
	ub_err err;
	int rc = load_keys(a->o, &a->keys);

	if (!rc)
		rc = make_link(a->o, a->keys, &a->link);
	if (rc)
		return rc;
	err = md_app_history_make(&a->history, a->link);
	if (!err)
		err = md_sessions_new(0, &a->sessions);
	if (!err)
		err = md_kicks_new(&(struct md_kicks_config){.link = a->link,
					   .sessions = a->sessions,
					   .session_max_ms = session_max_ms(a->o),
					   .own = a->keys->user_nkey[MD_PLANE_BUS]},
			&a->kicks);
	return err ? refuse_err("cannot start", "the bus side", err) : MD_EXIT_OK;
}

static int make_service(struct app *a)
{
	const struct md_options *o = a->o;
	struct md_service_config c = {
		.store = a->store,
		.history = a->history.h ? md_history_port(a->history.h) : NULL,
		.env = md_env_real(),
		.limits = {.members_max = o->members_max,
			.joined_max = o->joined_max,
			.owned_max = o->owned_max,
			.blob_max = o->blob_max,
			.blob_user_max = o->blob_user_max,
			.blob_room_max = o->blob_room_max},
		.refuse_cleartext = refuses_cleartext(o),
	};
	ub_err err;

	if (a->kicks)
		c.events = md_kicks_events(a->kicks);
	err = md_service_new(&c, &a->svc);
	return err ? refuse_err("cannot read the state in", o->db, err) : MD_EXIT_OK;
}

static int refuse_blobs(const char *dir, ub_err err)
{
	if (err == UNIBUS_ERR_BAD_FILE)
		(void)fprintf(stderr,
			"membershipd: %s does not hold the uploaded files of this database, but "
			"something else; give its own folder with --blob-dir\n",
			dir);
	else if (err == UNIBUS_ERR_INSECURE_FILE)
		(void)fprintf(stderr,
			"membershipd: %s holds uploaded files and is accessible to others; run: "
			"chmod 700 %s\n",
			dir, dir);
	else
		return refuse_err("cannot keep uploaded files in", dir, err);
	return MD_EXIT_FAILED;
}

static int make_blobs(struct app *a)
{
	UB_CLEANUP(ub_freep) char *dir = md_options_blob_dir(a->o);
	ub_err err = dir ? md_blob_dir_open(dir, &a->blobs) : UNIBUS_ERR_NOMEM;

	if (!err)
		err = md_blob_attach(a->svc, a->blobs);
	return err ? refuse_blobs(dir ? dir : "(none)", err) : MD_EXIT_OK;
}

/* Logins are answered from here on: the directory is caught up. */
static int start_bus(struct app *a)
{
	ub_err err = md_kicks_start(a->kicks, a->svc);

	if (!err)
		err = md_judge_new(&(struct md_judge_config){.svc = a->svc,
					   .keys = a->keys,
					   .sessions = a->sessions,
					   .env = md_env_real(),
					   .session_ttl_ms = a->o->session_ttl_ms,
					   .enforce = a->o->bus_auth == MD_OPT_AUTH_ENFORCE},
			&a->judge);
	if (!err)
		err = md_callout_start(&(struct md_callout_config){.link = a->link,
					       .judge = a->judge,
					       .kicks = a->kicks,
					       .svc = a->svc},
			&a->callout);
	if (!err)
		err = md_link_start(a->link);
	return err ? refuse_err("cannot start", "the bus side", err) : MD_EXIT_OK;
}

static int start_http(struct app *a)
{
	static const enum md_bus_auth MODES[] = {
		[MD_OPT_AUTH_OFF] = MD_AUTH_OFF,
		[MD_OPT_AUTH_SOFT] = MD_AUTH_SOFT,
		[MD_OPT_AUTH_ENFORCE] = MD_AUTH_ENFORCE,
	};
	const struct md_options *o = a->o;
	char at[128];
	ub_err err = md_http_start(&(struct md_http_config){.bind = o->bind,
					   .port = (uint16_t)o->port,
					   .tls_cert = o->tls_cert,
					   .tls_key = o->tls_key,
					   .mode = MODES[o->bus_auth],
					   .svc = a->svc,
					   .threads = (unsigned)o->threads,
					   .session_ttl_ms = a->link ? o->session_ttl_ms : 0,
					   .health = health,
					   .health_arg = a},
		&a->http);

	(void)snprintf(at, sizeof(at), "%s port %s", o->bind, log_num(o->port));
	return err ? refuse_listen(at, err) : MD_EXIT_OK;
}

static int start(struct app *a, const struct md_app_hooks *hooks)
{
	int rc = open_store(a, hooks);

	if (!rc && md_options_has_bus(a->o))
		rc = make_bus(a);
	if (!rc)
		rc = make_service(a);
	if (!rc)
		rc = make_blobs(a);
	if (!rc && md_options_has_bus(a->o))
		rc = start_bus(a);
	if (!rc)
		rc = start_http(a);
	if (!rc)
		log_info("listening", "bind", a->o->bind, "port", log_num(md_http_port(a->http)),
			NULL);
	return rc;
}

/* Logins first, so that other nodes get the questions; then requests, which may still need the
 * bus; then what carried them out. */
static void stop(struct app *a)
{
	process_notify_systemd("STOPPING=1");
	if (a->http)
		md_http_stop_accepting(a->http);
	if (a->callout)
		md_callout_stop(a->callout);
	md_app_history_cancel(&a->history);
	md_http_free(a->http);
	md_app_history_stop(&a->history);
	if (a->kicks)
		md_kicks_stop(a->kicks);
	md_service_free(a->svc);
	md_link_free(a->link);
	md_app_history_deinit(&a->history);
	md_callout_free(a->callout);
	md_judge_free(a->judge);
	md_kicks_free(a->kicks);
	md_sessions_free(a->sessions);
	md_keys_free(a->keys);
	md_store_close(a->store);
	md_blob_dir_close(a->blobs);
}

static void set_level(const struct md_options *o)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(LEVEL_FILE_MAX);
	enum log_level level = (enum log_level)o->log_level;
	struct ub_str s;
	ub_err err;

	if (o->log_level_file) {
		err = process_read_file(o->log_level_file, LEVEL_FILE_MAX, &text);
		s = ub_buf_text(&text);
		while (s.len > 0 && (s.p[s.len - 1] == '\n' || s.p[s.len - 1] == ' '))
			s.len--;
		if (!err)
			err = log_level_parse(s, &level);
		if (err)
			log_warn("log_level", "file", o->log_level_file, "error",
				unibus_strerror(err), NULL);
	}
	log_set_level(level);
}

static void reload(struct app *a)
{
	ub_err err = md_http_reload_tls(a->http);

	set_level(a->o);
	log_info("reloaded", "tls", err ? unibus_strerror(err) : "ok", NULL);
}

/* The address as it stands in a URL. */
static void http_address(const struct app *a, char *to, size_t size)
{
	bool v6 = strchr(a->o->bind, ':') != NULL;

	(void)snprintf(to, size, "%s%s%s:%u", v6 ? "[" : "", a->o->bind, v6 ? "]" : "",
		md_http_port(a->http));
}

static void say_serving(const struct app *a)
{
	char http[128], line[256];

	http_address(a, http, sizeof(http));
	log_info("serving", "http", http, "tls", a->o->tls_cert ? "on" : "off", "server",
		md_service_id(a->svc)->z, "bus_auth", md_option_auth_name(a->o->bus_auth), NULL);
	(void)snprintf(line, sizeof(line), "http=%s server=%s", http, md_service_id(a->svc)->z);
	if (process_ready(a->o->ready_fd ? (int)a->o->ready_fd : -1, line))
		log_warn("ready", "error", "nobody took the message", NULL);
}

/* A moment of waiting for something named; false when a signal ends it. */
static bool wait_moment(
	struct app *a, int ms, uint64_t *inout_waited, const char *what, const char *why)
{
	enum process_signal sig = process_wait(ms);

	if (sig == PROCESS_STOP)
		return false;
	if (sig == PROCESS_RELOAD)
		reload(a);
	*inout_waited += WAIT_MS;
	if (*inout_waited % SAY_EVERY_MS == 0)
		log_info(what, "why", why, NULL);
	return true;
}

/* Waits for the bus with the REST API up: /healthz says no_nats meanwhile. Gives false when a
 * signal came first or the servers are unfit; *ret_rc is the exit code then. */
static bool wait_bus(struct app *a, int *ret_rc)
{
	uint64_t waited = 0;
	struct md_link_why why;
	enum md_link_state state;

	*ret_rc = MD_EXIT_OK;
	while ((state = md_link_wait(a->link, WAIT_MS)) == MD_LINK_DOWN) {
		md_link_why(a->link, &why);
		if (!wait_moment(a, 0, &waited, "waiting_for_bus", why.text))
			return false;
	}
	if (state == MD_LINK_UP)
		return true;
	md_link_why(a->link, &why);
	*ret_rc = refuse(why.text);
	return false;
}

/* The same for the streams that keep room history. */
static bool wait_history(struct app *a, int *ret_rc)
{
	uint64_t waited = 0;
	struct md_refusal why;
	ub_err err;

	*ret_rc = MD_EXIT_OK;
	while ((err = md_app_history_open(&a->history, a->svc, a->o, &why)) ==
		UNIBUS_ERR_UNAVAILABLE) {
		if (!wait_moment(a, WAIT_MS, &waited, "waiting_for_history", why.text))
			return false;
	}
	if (!err)
		return true;
	*ret_rc = refuse(why.text);
	return false;
}

static void watch_link(struct app *a, enum md_link_state *state)
{
	enum md_link_state now = a->link ? md_link_state(a->link) : MD_LINK_UP;
	struct md_link_why why = {"the bus is there again"};

	if (now == *state)
		return;
	*state = now;
	if (now != MD_LINK_UP)
		md_link_why(a->link, &why);
	log_line(now == MD_LINK_UNFIT ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "bus_state", "why",
		why.text, NULL);
}

static void tidy(struct app *a)
{
	size_t n = 0;
	ub_err err = md_blob_tidy(a->svc, TIDY_MAX, &n);

	if (err)
		log_warn("blobs_not_removed", "why", unibus_strerror(err), NULL);
	else if (n)
		log_info("blobs_removed", "count", log_num(n), NULL);
}

static int serve(struct app *a)
{
	enum md_link_state state = MD_LINK_UP;
	int rc;

	if (a->link && (!wait_bus(a, &rc) || !wait_history(a, &rc)))
		return rc;
	say_serving(a);
	for (;;) {
		switch (process_wait(TICK_MS)) {
		case PROCESS_STOP:
			log_info("stopping", NULL);
			return MD_EXIT_OK;
		case PROCESS_RELOAD:
			reload(a);
			break;
		case PROCESS_TIMEOUT:
			watch_link(a, &state);
			tidy(a);
			process_notify_systemd("WATCHDOG=1");
			break;
		}
	}
}

int md_app_run(const struct md_options *o, const struct md_app_hooks *hooks)
{
	struct app a = {.o = o};
	struct md_refusal why;
	int rc;

	if (!md_options_check(o, &why))
		return refuse(why.text);
	if (ub_core_init() || process_signals_init())
		return refuse("cannot set the process up");
	log_set_json(o->log_json);
	set_level(o);
	if (o->ca && md_link_tls_races())
		log_warn("nats_client_old", "why",
			"the NATS client library is older than 3.11, whose TLS has races", NULL);
	rc = start(&a, hooks);
	if (!rc)
		rc = serve(&a);
	stop(&a);
	return rc;
}

static void warn_env(void *arg, const char *name)
{
	size_t *n = arg;

	(void)fprintf(stderr,
		"membershipd: %s is set in the environment, but there is no such option\n", name);
	(*n)++;
}

static size_t unknown_env(void)
{
	size_t n = 0;

	options_unknown_env(
		&(const struct opt_row *){md_option_rows}, 1, MD_ENV_PREFIX, warn_env, &n);
	return n;
}

static int parse_failed(ub_err err, const char *about)
{
	if (err != UNIBUS_ERR_CANCELLED)
		return MD_EXIT_USAGE;
	(void)printf("%s\n\noptions:\n", about);
	options_help(md_option_rows);
	return MD_EXIT_OK;
}

int md_cmd_serve(const struct opt_args *args)
{
	UB_CLEANUP(md_options_deinit) struct md_options o;
	ub_err err = md_options_parse(args, &o);

	if (err)
		return parse_failed(err,
			"usage: membershipd [serve] [options]\n\n"
			"Serves the REST API and answers logins to the bus until TERM or INT. HUP\n"
			"reads the certificate and the log level again.");
	(void)unknown_env();
	return md_app_run(&o, NULL);
}

int md_cmd_check_config(const struct opt_args *args)
{
	UB_CLEANUP(md_options_deinit) struct md_options o;
	UB_CLEANUP(md_keys_freep) struct md_keys *keys = NULL;
	UB_CLEANUP(md_link_freep) struct md_link *link = NULL;
	struct md_refusal why;
	ub_err err = md_options_parse(args, &o);
	int rc;

	if (err)
		return parse_failed(err,
			"usage: membershipd check-config [options of serve]\n\n"
			"Says whether serve would start with these options and this environment.");
	if (unknown_env() > 0)
		return MD_EXIT_FAILED;
	if (ub_core_init())
		return refuse("cannot set the process up");
	if (!md_options_check(&o, &why))
		return refuse(why.text);
	rc = md_options_has_bus(&o) ? load_keys(&o, &keys) : MD_EXIT_OK;
	if (!rc && keys)
		rc = make_link(&o, keys, &link);
	if (!rc)
		(void)printf("membershipd: the configuration is good\n");
	return rc;
}
