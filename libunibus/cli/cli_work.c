/* Workers and requests. */
#include <inttypes.h>
#include <stdatomic.h>
#include <unistd.h>

#include "cli/exec.h"
#include "cli/listen.h"
#include "core/limits.h"
#include "support/process.h"

static const struct opt_row work_rows[] = {
	{.name = "exec",
		.value = "CMD",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, exec),
		.help = "what answers a request: run by sh -c, once for each"},
	{.name = "parallel",
		.value = "N",
		.type = OPT_NUMBER,
		.offset = offsetof(struct cli, parallel),
		.dflt = "1",
		.min = 1,
		.max = 64,
		.help = "how many at a time, 1 to 64"},
	{.name = "exec-timeout",
		.value = "TIME",
		.type = OPT_DURATION_MS,
		.offset = offsetof(struct cli, exec_timeout_ms),
		.dflt = "60s",
		.min = 1,
		.max = 86400000,
		.help = "how long one may take"},
	{.name = "name",
		.value = "NAME",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, name),
		.dflt = "work",
		.help = "what was executed is kept under it"},
	{.name = "messages",
		.type = OPT_FLAG,
		.offset = offsetof(struct cli, messages),
		.help = "answer others' messages, too"},
	{.name = "count",
		.value = "N",
		.type = OPT_NUMBER,
		.offset = offsetof(struct cli, count),
		.help = "end after N requests"},
	{.name = "for",
		.value = "TIME",
		.type = OPT_DURATION_MS,
		.offset = offsetof(struct cli, for_ms),
		.help = "end after this time"},
	CLI_ROW_CONNECT,
	{0},
};
static const struct opt_row request_rows[] = {
	{.name = "type",
		.value = "MEDIA_TYPE",
		.type = OPT_TEXT,
		.offset = offsetof(struct cli, type),
		.help = "what the body is (default: text)"},
	CLI_ROW_CONNECT,
	{0},
};

struct work {
	struct cli *c;
	atomic_uint_fast64_t done;
};

/* ---- one request ---- */

struct call_env {
	char ref[64], sender[64], handle[64];
};

static void set_env(struct call_env *e, const struct unibus_msg *m, struct exec_call *call)
{
	snprintf(e->ref, sizeof(e->ref), "UNIBUS_REF=%s", m->ref);
	snprintf(e->sender, sizeof(e->sender), "UNIBUS_SENDER=%s", m->sender);
	snprintf(e->handle, sizeof(e->handle), "UNIBUS_HANDLE=%s", m->handle);
	call->env[0] = e->ref;
	call->env[1] = e->sender;
	call->env[2] = e->handle;
}

/* Why there is no answer; "" when there is one. */
static void why_failed(const struct cli *c, ub_err err, const struct exec_result *r, char to[1200])
{
	to[0] = '\0';
	if (err)
		snprintf(to, 1200, "the command could not be run: %s", unibus_strerror(err));
	else if (r->timed_out)
		snprintf(to, 1200, "no answer within %" PRIu64 " ms\n%s", c->exec_timeout_ms,
			r->err_tail);
	else if (r->too_much)
		snprintf(to, 1200, "the answer is larger than %d bytes", UB_PAYLOAD_MAX);
	else if (r->signal)
		snprintf(to, 1200, "ended by signal %d\n%s", r->signal, r->err_tail);
	else if (r->exit_code)
		snprintf(to, 1200, "exit code %d\n%s", r->exit_code, r->err_tail);
	for (size_t n = strlen(to); n > 0 && to[n - 1] == '\n'; n--)
		to[n - 1] = '\0';
}

static void set_answer(struct exec_result *r, const char *failure, struct unibus_answer *a)
{
	size_t len = r->out.len;
	json_t *text;

	if (failure[0]) {
		a->failed = true;
		a->data = ub_str_dup(ub_str(failure));
		a->len = a->data ? strlen(a->data) : 0;
		return;
	}
	/* As the shell's $(...) does, once. */
	if (len > 0 && r->out.p[len - 1] == '\n')
		len--;
	text = json_stringn((const char *)r->out.p, len);
	if (!text && len > 0)
		a->media_type = "application/octet-stream";
	json_decref(text);
	a->data = ub_buf_take(&r->out);
	a->len = len;
}

static void say(const struct cli *c, const struct unibus_msg *m, const struct unibus_answer *a,
	const struct exec_result *r)
{
	if (c->json) {
		cli_put_json(json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:I}", "ref", m->ref, "kind",
			cli_kind_name(m->kind), "sender", m->sender, "handle", m->handle, "failed",
			a->failed, "exit_code", r->exit_code, "ms", (json_int_t)r->ms));
		return;
	}
	fprintf(stderr, "%s %s: %s (%" PRIu64 " ms)\n", m->ref,
		m->handle[0] ? m->handle : m->sender, a->failed ? "failed" : "answered", r->ms);
}

static void on_request(void *arg, const struct unibus_msg *m, struct unibus_answer *a)
{
	struct work *w = arg;
	struct exec_result r = {0};
	struct call_env env;
	struct exec_call call = {
		.command = w->c->exec,
		.in = {m->data, m->len},
		.timeout_ms = w->c->exec_timeout_ms,
		.out_max = UB_PAYLOAD_MAX,
	};
	char failure[1200];
	ub_err err;

	set_env(&env, m, &call);
	err = exec_run(&call, &r);
	why_failed(w->c, err, &r, failure);
	set_answer(&r, failure, a);
	say(w->c, m, a, &r);
	exec_result_deinit(&r);
	if (atomic_fetch_add(&w->done, 1) + 1 == w->c->count)
		process_stop();
}

static int cmd_work(struct cli *c)
{
	struct work w = {.c = c};
	struct unibus_work work = {.fn = on_request,
		.arg = &w,
		.name = c->name,
		.parallel = (unsigned)c->parallel,
		.messages = c->messages};
	unibus_worker *worker = NULL;
	enum unibus_err err;
	int rc;

	if (!c->exec) {
		fputs("unibus work: --exec CMD is needed\n", stderr);
		return CLI_USAGE;
	}
	if (process_signals_init())
		return cli_fail_text("could not set up signals");
	c->on_state = cli_on_state_end;
	c->on_event = cli_on_event_end;
	rc = cli_open_room(c);
	if (rc)
		return rc;
	err = unibus_worker_start(c->room, &work, &worker);
	if (err)
		return cli_fail(c, c->args[0], err);
	fprintf(stderr, "working in %s; Ctrl-C ends\n", c->args[0]);
	process_wait(c->for_ms ? (int)c->for_ms : -1);
	unibus_worker_stop(worker);
	err = unibus_flush(c->client, (unsigned)c->timeout_ms);
	rc = cli_listen_end(c);
	if (!rc && err)
		rc = cli_fail(c, "the last answers may not have been sent", err);
	if (!rc && atomic_load(&w.done) < c->count)
		rc = cli_fail_text("%" PRIuFAST64 " of %" PRIu64 " requests came",
			atomic_load(&w.done), c->count);
	return rc;
}

/* ---- asking ---- */

static int show_response(struct cli *c, const struct unibus_response *r)
{
	if (c->json) {
		json_t *v = json_pack("{s:s, s:s, s:s, s:b}", "ref", r->ref, "sender", r->sender,
			"media_type", r->media_type, "failed", r->failed);

		cli_set_body(v, r->data, r->len);
		cli_put_json(v);
	} else if (r->failed) {
		fputs("unibus: the request failed: ", stderr);
		cli_put_safe_to(stderr, r->data, r->len);
		fputc('\n', stderr);
	} else if (!isatty(STDOUT_FILENO) || r->media_type[0]) {
		/* As it is, for whatever reads it. */
		fwrite(r->data, 1, r->len, stdout);
		if (!r->media_type[0])
			putchar('\n');
	} else {
		cli_put_safe(r->data, r->len);
		putchar('\n');
	}
	return r->failed ? CLI_FAILED : CLI_OK;
}

static int cmd_request(struct cli *c)
{
	UB_CLEANUP(ub_freep) char *text = NULL;
	struct unibus_publish p = {.media_type = c->type};
	struct unibus_response r = {0};
	enum unibus_err err;
	int rc;

	text = cli_message_text(c, &p.len);
	if (!text)
		return cli_fail_text("the request is larger than %d bytes", UB_PAYLOAD_MAX);
	p.data = text;
	rc = cli_open_room(c);
	if (rc)
		return rc;
	err = unibus_request(c->room, &p, (unsigned)c->timeout_ms, &r);
	if (err)
		return cli_fail(c, "no answer", err);
	rc = show_response(c, &r);
	unibus_response_free(&r);
	return rc;
}

const struct cli_command cli_work_commands[] = {
	{NULL, "request", "ROOM TEXT...|-", "ask, and print the first answer", request_rows, 2, 64,
		cmd_request},
	{NULL, "work", "ROOM", "answer requests, each by a command of yours", work_rows, 1, 1,
		cmd_work},
	{0},
};
