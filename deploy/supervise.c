#include "deploy/supervise.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_MS 60000
#define STOP_MS 15000
#define TCP_EVERY_MS 25
#define CHILD_READY_FD 3
#define INTERRUPTED 130 /* the exit code of what a signal ended before it was done */

enum outcome {
	GO_ON = 0,
	SIGNALLED,
	DIED, /* has been said */
};

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fprintf(stderr, "supervise: ");
	(void)vfprintf(stderr, fmt, ap);
	(void)fprintf(stderr, "\n");
	va_end(ap);
}

static long now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A background job of a script starts with INT ignored, one under nohup with HUP: the default
 * first, then all of them through one descriptor. */
static int take_signals(void)
{
	static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(SIGNALS) / sizeof(SIGNALS[0]); i++) {
		(void)signal(SIGNALS[i], SIG_DFL);
		(void)sigaddset(&set, SIGNALS[i]);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int open_log(const struct plan *p, const struct child *c)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s.log", p->logs, c->name);
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

__attribute__((noreturn)) static void become(
	const struct plan *p, const struct child *c, int ready, pid_t parent)
{
	sigset_t none;
	int log = p->logs ? open_log(p, c) : -1, in = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	/* Ctrl-C goes to the supervisor only, which keeps the order. */
	(void)setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		_exit(126);
	if (in >= 0)
		(void)dup2(in, 0);
	if (log >= 0 && (dup2(log, 1) < 0 || dup2(log, 2) < 0))
		_exit(126);
	if (ready >= 0 && ready != CHILD_READY_FD && dup2(ready, CHILD_READY_FD) < 0)
		_exit(126);
	if (ready == CHILD_READY_FD)
		(void)fcntl(ready, F_SETFD, 0);
	(void)execvp(c->argv[0], c->argv);
	(void)dprintf(2, "supervise: cannot run %s: %s\n", c->argv[0], strerror(errno));
	_exit(127);
}

static bool start(const struct plan *p, struct child *c)
{
	int pipefd[2] = {-1, -1};
	pid_t parent = getpid();

	if (c->ready == READY_FD && pipe2(pipefd, O_CLOEXEC) < 0) {
		say("pipe: %s", strerror(errno));
		return false;
	}
	c->pid = fork();
	if (c->pid == 0)
		become(p, c, pipefd[1], parent);
	if (pipefd[1] >= 0)
		(void)close(pipefd[1]);
	c->ready_fd = pipefd[0];
	c->pidfd = c->pid > 0 ? pidfd_open(c->pid, 0) : -1;
	if (c->pidfd < 0) {
		say("cannot start %s: %s", c->name, strerror(errno));
		return false;
	}
	(void)fcntl(c->pidfd, F_SETFD, FD_CLOEXEC);
	return true;
}

static int reap(struct child *c)
{
	int status = 0;

	(void)waitpid(c->pid, &status, 0);
	(void)close(c->pidfd);
	c->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void show_end_of_log(const struct plan *p, const struct child *c)
{
	char path[4096], buf[2048];
	ssize_t n = 0;
	int fd;

	if (!p->logs)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s.log", p->logs, c->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (lseek(fd, -(off_t)sizeof(buf), SEEK_END) < 0)
		(void)lseek(fd, 0, SEEK_SET);
	n = read(fd, buf, sizeof(buf));
	(void)close(fd);
	say("the end of %s:", path);
	if (n > 0)
		(void)fwrite(buf, 1, (size_t)n, stderr);
}

static void say_end(const struct plan *p, const struct child *c, int code)
{
	if (code > 128)
		say("%s was ended by signal %d", c->name, code - 128);
	else
		say("%s ended with exit code %d", c->name, code);
	show_end_of_log(p, c);
}

/* Waits for a signal, a death, or a line on `fd` (may be -1), at most `ms` (negative: for ever).
 * A task's end is reported through *task_code and is not a death. */
static enum outcome wait_any(struct plan *p, int sigfd, int fd, int ms, int *task_code)
{
	struct pollfd fds[CHILDREN_MAX + 2] = {
		{.fd = sigfd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	for (size_t i = 0; i < p->n; i++)
		fds[i + 2] = (struct pollfd){
			.fd = p->v[i].pid > 0 ? p->v[i].pidfd : -1, .events = POLLIN};
	if (poll(fds, (nfds_t)(p->n + 2), ms) <= 0)
		return GO_ON;
	if (fds[0].revents)
		return SIGNALLED;
	for (size_t i = 0; i < p->n; i++) {
		int code;

		if (!fds[i + 2].revents)
			continue;
		code = reap(&p->v[i]);
		if (p->v[i].ready == READY_EXIT) {
			*task_code = code;
			return GO_ON;
		}
		say_end(p, &p->v[i], code);
		return DIED;
	}
	return GO_ON;
}

static bool accepts(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return yes;
}

/* One look whether the child is ready. A line on its descriptor: the descriptor is done with. */
static bool is_ready(struct child *c)
{
	struct pollfd p = {.fd = c->ready_fd, .events = POLLIN};
	char buf[512];

	if (c->ready == READY_TCP)
		return accepts(c->port);
	if (c->ready != READY_FD || poll(&p, 1, 0) <= 0 || read(c->ready_fd, buf, sizeof(buf)) <= 0)
		return false;
	(void)close(c->ready_fd);
	c->ready_fd = -1;
	return true;
}

/* Waits until the child that was just started is ready; tasks: until they have ended. */
static enum outcome wait_ready(struct plan *p, struct child *c, int sigfd, int *task_code)
{
	long end = now_ms() + READY_MS;
	enum outcome o = GO_ON;

	*task_code = -1;
	while (!o && *task_code < 0 && !is_ready(c)) {
		int fd = c->ready == READY_FD ? c->ready_fd : -1;

		if (now_ms() >= end) {
			say("%s was not ready after %d s", c->name, READY_MS / 1000);
			show_end_of_log(p, c);
			return DIED;
		}
		o = wait_any(p, sigfd, fd, TCP_EVERY_MS, task_code);
	}
	return o;
}

static void stop_one(struct child *c)
{
	struct pollfd p = {.fd = c->pidfd, .events = POLLIN};

	if (c->pid <= 0)
		return;
	(void)kill(c->pid, SIGTERM);
	if (poll(&p, 1, STOP_MS) <= 0) {
		say("%s did not end in %d s and is killed", c->name, STOP_MS / 1000);
		(void)kill(c->pid, SIGKILL);
	}
	(void)reap(c);
}

static int run(struct plan *p, int sigfd)
{
	enum outcome o = GO_ON;
	int task_code = 0;

	for (size_t i = 0; i < p->n && !o; i++) {
		if (!start(p, &p->v[i]))
			return 1;
		o = wait_ready(p, &p->v[i], sigfd, &task_code);
		if (p->v[i].ready == READY_EXIT && task_code > 0) {
			say_end(p, &p->v[i], task_code);
			return task_code;
		}
	}
	if (o)
		return o == DIED ? 1 : INTERRUPTED;
	if (p->n > 0 && p->v[p->n - 1].ready == READY_EXIT)
		return 0;
	if (p->say) {
		(void)printf("%s\n", p->say);
		(void)fflush(stdout);
	}
	while (!o)
		o = wait_any(p, sigfd, -1, -1, &task_code);
	return o == DIED;
}

int supervise(struct plan *p)
{
	int sigfd = take_signals(), code;

	if (sigfd < 0) {
		say("signals: %s", strerror(errno));
		return 1;
	}
	code = run(p, sigfd);
	for (size_t i = p->n; i > 0; i--)
		stop_one(&p->v[i - 1]);
	(void)close(sigfd);
	return code;
}
