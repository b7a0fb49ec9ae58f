#include "cli/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long a command that is told to end may take before it is made to. */
#define GRACE_MS 2000

struct child {
	pid_t pid;
	int fd;           /* readable when it has ended */
	int in, out, err; /* our ends; -1: closed */
	size_t sent;      /* of the input */
	bool ended;
	uint64_t kill_at; /* 0: not told to end yet */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

struct pipes {
	int in[2], out[2], err[2];
};

static void pipes_close(struct pipes *p)
{
	for (size_t i = 0; i < 2; i++) {
		close_end(&p->in[i]);
		close_end(&p->out[i]);
		close_end(&p->err[i]);
	}
}

static ub_err pipes_open(struct pipes *p)
{
	*p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
	return pipe2(p->in, O_CLOEXEC) || pipe2(p->out, O_CLOEXEC) || pipe2(p->err, O_CLOEXEC)
		       ? UNIBUS_ERR_IO
		       : UB_OK;
}

/* Our environment and the call's, which comes first: the first of a name counts. */
static char **environment(const struct exec_call *c)
{
	size_t ours = 0, more = 0, n = 0;
	char **env;

	while (environ[ours])
		ours++;
	while (c->env[more])
		more++;
	env = calloc(ours + more + 1, sizeof(*env));
	for (size_t i = 0; env && i < more; i++)
		env[n++] = (char *)(uintptr_t)c->env[i];
	for (size_t i = 0; env && i < ours; i++)
		if (strncmp(environ[i], "UNIBUS_REF=", 11) != 0 &&
			strncmp(environ[i], "UNIBUS_SENDER=", 14) != 0 &&
			strncmp(environ[i], "UNIBUS_HANDLE=", 14) != 0)
			env[n++] = environ[i];
	return env;
}

static int spawn_with(const struct exec_call *c, struct pipes *p, posix_spawn_file_actions_t *files,
	posix_spawnattr_t *attr, pid_t *ret)
{
	UB_CLEANUP(ub_freep) char **env = environment(c);
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)c->command, NULL};
	sigset_t none, all;
	int rc = env ? 0 : ENOMEM;

	sigemptyset(&none);
	sigfillset(&all);
	/* We block signals and ignore some: the command begins as if from a shell. */
	if (!rc)
		rc = posix_spawnattr_setsigmask(attr, &none);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(attr, &all);
	if (!rc)
		rc = posix_spawnattr_setflags(attr,
			POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(files, p->in[0], 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(files, p->out[1], 1);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(files, p->err[1], 2);
	return rc ? rc : posix_spawn(ret, "/bin/sh", files, attr, argv, env);
}

static ub_err start(const struct exec_call *c, struct child *ret)
{
	UB_CLEANUP(pipes_close) struct pipes p;
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	ub_err err = pipes_open(&p);
	int rc;

	if (err != UB_OK)
		return err;
	if (posix_spawn_file_actions_init(&files) != 0)
		return UNIBUS_ERR_NOMEM;
	if (posix_spawnattr_init(&attr) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return UNIBUS_ERR_NOMEM;
	}
	rc = spawn_with(c, &p, &files, &attr, &ret->pid);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	if (rc)
		return rc == ENOMEM ? UNIBUS_ERR_NOMEM : UNIBUS_ERR_IO;
	ret->in = p.in[1];
	ret->out = p.out[0];
	ret->err = p.err[0];
	p.in[1] = p.out[0] = p.err[0] = -1;
	ret->fd = pidfd_open(ret->pid, 0); /* without it, it is looked for once a second */
	fcntl(ret->in, F_SETFL, O_NONBLOCK);
	fcntl(ret->out, F_SETFL, O_NONBLOCK);
	fcntl(ret->err, F_SETFL, O_NONBLOCK);
	return UB_OK;
}

static void close_all(struct child *ch)
{
	close_end(&ch->fd);
	close_end(&ch->in);
	close_end(&ch->out);
	close_end(&ch->err);
}

static void feed(struct child *ch, struct ub_bytes in)
{
	ssize_t n = 0;

	if (ch->sent < in.len)
		n = write(ch->in, in.p + ch->sent, in.len - ch->sent);
	if (n > 0)
		ch->sent += (size_t)n;
	/* A command need not read what it is given. */
	if (ch->sent == in.len || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_end(&ch->in);
}

static void take_out(struct child *ch, size_t max, struct exec_result *r)
{
	char part[4096];
	ssize_t n;

	while ((n = read(ch->out, part, sizeof(part))) > 0) {
		size_t room = max - r->out.len;

		ub_buf_put(&r->out, part, (size_t)n < room ? (size_t)n : room);
		if ((size_t)n > room)
			r->too_much = true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_end(&ch->out);
}

static void take_err(struct child *ch, struct exec_result *r)
{
	const size_t max = sizeof(r->err_tail) - 1;
	char part[512];
	ssize_t n;

	while ((n = read(ch->err, part, sizeof(part))) > 0) {
		size_t had = strlen(r->err_tail), got = 0;

		for (ssize_t i = 0; i < n; i++) /* a NUL would end it */
			if (part[i] != '\0')
				part[got++] = part[i];
		if (had + got > max) {
			size_t cut = had + got - max;

			memmove(r->err_tail, r->err_tail + cut, had - cut);
			had -= cut;
		}
		memcpy(r->err_tail + had, part, got);
		r->err_tail[had + got] = '\0';
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_end(&ch->err);
}

/* Its number is kept until it is reaped, so what is left of its group can be ended safely. */
static void look_for_end(struct child *ch, struct exec_result *r)
{
	siginfo_t info = {0};
	int status;

	if (waitid(P_PID, (id_t)ch->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		info.si_pid != ch->pid)
		return;
	kill(-ch->pid, SIGKILL);
	while (waitpid(ch->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	ch->ended = true;
	r->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Tells it to end, and makes it when it does not. The moment to look again. */
static uint64_t end_it(struct child *ch)
{
	if (ch->kill_at == 0) {
		ch->kill_at = now_ms() + GRACE_MS;
		kill(-ch->pid, SIGTERM);
	} else if (now_ms() >= ch->kill_at) {
		kill(-ch->pid, SIGKILL);
	}
	return ch->kill_at;
}

static void wait_until(const struct child *ch, uint64_t at)
{
	struct pollfd p[] = {
		{.fd = ch->fd, .events = POLLIN},
		{.fd = ch->in, .events = POLLOUT},
		{.fd = ch->out, .events = POLLIN},
		{.fd = ch->err, .events = POLLIN},
	};
	uint64_t now = now_ms(), ms = at > now ? at - now : 0;

	(void)poll(p, UB_ARRAY_LEN(p), ms < 1000 ? (int)ms : 1000);
}

void exec_result_deinit(struct exec_result *r)
{
	ub_buf_deinit(&r->out);
}

ub_err exec_run(const struct exec_call *c, struct exec_result *ret)
{
	uint64_t began = now_ms(), look_at;
	struct child ch = {.fd = -1, .in = -1, .out = -1, .err = -1};
	ub_err err;

	*ret = (struct exec_result){.out = UB_BUF(c->out_max + 1)};
	err = start(c, &ch);
	if (err != UB_OK)
		return err;
	look_at = began + c->timeout_ms;
	while (!ch.ended) {
		wait_until(&ch, look_at);
		if (ch.in >= 0)
			feed(&ch, c->in);
		if (ch.out >= 0)
			take_out(&ch, c->out_max, ret);
		if (ch.err >= 0)
			take_err(&ch, ret);
		ret->timed_out = ret->timed_out || now_ms() - began >= c->timeout_ms;
		if (ret->timed_out || ret->too_much)
			look_at = end_it(&ch);
		look_for_end(&ch, ret);
	}
	/* What it wrote last. */
	if (ch.out >= 0)
		take_out(&ch, c->out_max, ret);
	if (ch.err >= 0)
		take_err(&ch, ret);
	close_all(&ch);
	ret->ms = now_ms() - began;
	return ub_buf_err(&ret->out);
}
