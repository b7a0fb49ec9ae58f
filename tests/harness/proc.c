#include "tests/harness/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int complain(const char *what, const char *name)
{
	(void)fprintf(stderr, "harness: %s: %s: %s\n", name, what, strerror(errno));
	return -1;
}

static long now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int left_ms(long end)
{
	long left = end - now_ms();

	return left > 0 ? (int)left : 0;
}

UB_NORETURN static void child(const struct proc_spec *s, int out, int ready, pid_t parent)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(126);
	/* Above every number used below, so that no dup2 closes what the next one needs. */
	out = fcntl(out, F_DUPFD, 10);
	if (ready >= 0)
		ready = fcntl(ready, F_DUPFD, 10);
	if (dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(126);
	if (ready >= 0 && dup2(ready, PROC_READY_FD) < 0)
		_exit(126);
	if (close_range(ready >= 0 ? PROC_READY_FD + 1 : 3, ~0U, 0) < 0)
		_exit(126);
	for (const char *const *e = s->env; e && *e; e++) {
		UB_CLEANUP(ub_freep) char *kv = strdup(*e);
		char *eq = kv ? strchr(kv, '=') : NULL;

		if (!eq)
			_exit(126);
		*eq = '\0';
		if (setenv(kv, eq + 1, 1) < 0)
			_exit(126);
	}
	/* execvp takes char *const[] and changes nothing in it. */
	(void)execvp(s->argv[0], (char *const *)(uintptr_t)s->argv);
	(void)dprintf(2, "harness: cannot run %s: %s\n", s->argv[0], strerror(errno));
	_exit(127);
}

int proc_start(const struct proc_spec *s, struct proc *ret)
{
	struct proc p = PROC_NONE;
	int pipefd[2] = {-1, -1}, out;
	pid_t parent = getpid();

	(void)snprintf(p.name, sizeof(p.name), "%s", s->name);
	(void)snprintf(p.log, sizeof(p.log), "%s", s->log);
	out = open(s->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (out < 0)
		return complain(s->log, s->name);
	if (s->ready && pipe2(pipefd, O_CLOEXEC) < 0) {
		(void)close(out);
		return complain("pipe", s->name);
	}
	p.pid = fork();
	if (p.pid == 0)
		child(s, out, pipefd[1], parent);
	(void)close(out);
	if (s->ready)
		(void)close(pipefd[1]);
	p.ready_fd = pipefd[0];
	if (p.pid < 0)
		return complain("fork", s->name);
	p.pidfd = pidfd_open(p.pid, 0);
	if (p.pidfd < 0) {
		proc_kill(&p);
		return complain("pidfd_open", s->name);
	}
	*ret = p;
	return 0;
}

static void forget(struct proc *p)
{
	if (p->pidfd >= 0)
		(void)close(p->pidfd);
	if (p->ready_fd >= 0)
		(void)close(p->ready_fd);
	p->pid = 0;
	p->pidfd = p->ready_fd = -1;
}

void proc_show_log(const struct proc *p)
{
	FILE *f = fopen(p->log, "re");
	char line[512];

	(void)fprintf(stderr, "--- log of %s\n", p->name);
	while (f && fgets(line, sizeof(line), f))
		(void)fputs(line, stderr);
	if (f)
		(void)fclose(f);
	(void)fprintf(stderr, "--- end of log\n");
}

int proc_wait_ready(struct proc *p, int timeout_ms, char *line, size_t size)
{
	char buf[256];
	size_t n = 0;
	long end = now_ms() + timeout_ms;

	while (n == 0 || buf[n - 1] != '\n') {
		struct pollfd fd = {.fd = p->ready_fd, .events = POLLIN};
		ssize_t got;

		if (n + 1 >= sizeof(buf) || poll(&fd, 1, left_ms(end)) <= 0) {
			errno = ETIMEDOUT;
			(void)complain("did not become ready", p->name);
			proc_show_log(p);
			return -1;
		}
		got = read(p->ready_fd, buf + n, sizeof(buf) - 1 - n);
		if (got <= 0) {
			(void)fprintf(stderr, "harness: %s ended before it was ready\n", p->name);
			proc_show_log(p);
			return -1;
		}
		n += (size_t)got;
	}
	buf[n - 1] = '\0';
	(void)close(p->ready_fd);
	p->ready_fd = -1;
	if (line)
		(void)snprintf(line, size, "%s", buf);
	return 0;
}

bool proc_alive(struct proc *p)
{
	struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};

	return p->pid > 0 && poll(&fd, 1, 0) == 0;
}

int proc_signal(struct proc *p, int sig)
{
	if (p->pid <= 0 || kill(p->pid, sig) < 0)
		return complain("kill", p->name);
	return 0;
}

int proc_wait(struct proc *p, int timeout_ms, int *ret_code)
{
	struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};
	int status;

	if (p->pid <= 0 || poll(&fd, 1, timeout_ms) <= 0) {
		errno = ETIMEDOUT;
		return complain("wait", p->name);
	}
	if (waitpid(p->pid, &status, 0) < 0)
		return complain("waitpid", p->name);
	*ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	forget(p);
	return 0;
}

void proc_kill(struct proc *p)
{
	if (p->pid <= 0)
		return;
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
	forget(p);
}

int proc_stop(struct proc *p)
{
	int code = 128 + SIGKILL;

	if (p->pid <= 0)
		return 0;
	(void)kill(p->pid, SIGCONT);
	(void)kill(p->pid, SIGTERM);
	if (proc_wait(p, 10000, &code) < 0)
		proc_kill(p);
	return code;
}

static int read_all(const char *path, struct ub_buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return complain("open", path);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		ub_buf_put(out, buf, (size_t)n);
	(void)close(fd);
	return 0;
}

int proc_run(const char *const *argv, const char *const *env, struct ub_buf *out)
{
	char path[] = "/tmp/unibus-run-XXXXXX";
	struct proc p = PROC_NONE;
	int fd = mkostemp(path, O_CLOEXEC), code = -1;

	if (fd < 0)
		return complain("mkostemp", argv[0]);
	(void)close(fd);
	if (!proc_start(&(struct proc_spec){.name = argv[0], .argv = argv, .env = env, .log = path},
		    &p) &&
		proc_wait(&p, 60000, &code) < 0)
		proc_kill(&p);
	if (out && read_all(path, out) < 0)
		code = -1;
	(void)unlink(path);
	return code;
}

int proc_dir_make(char path[PROC_PATH])
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(path, PROC_PATH, "%s/unibus-test-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(path) ? 0 : complain("mkdtemp", path);
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

void proc_dir_remove(const char *path)
{
	if (path[0])
		(void)nftw(path, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static bool log_holds(const char *path, const char *text)
{
	struct ub_buf b = UB_BUF(64 * 1024 * 1024);
	bool found = read_all(path, &b) == 0 && ub_buf_cstr(&b) && strstr(ub_buf_cstr(&b), text);

	ub_buf_deinit(&b);
	return found;
}

int proc_wait_log(struct proc *p, const char *text, int timeout_ms)
{
	long end = now_ms() + timeout_ms;
	int fd = inotify_init1(IN_CLOEXEC), rc = 0;

	if (fd < 0 || inotify_add_watch(fd, p->log, IN_MODIFY) < 0) {
		if (fd >= 0)
			(void)close(fd);
		return complain("inotify", p->log);
	}
	while (!log_holds(p->log, text)) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		char buf[4096];

		if (poll(&pfd, 1, left_ms(end)) <= 0 || read(fd, buf, sizeof(buf)) <= 0) {
			errno = ETIMEDOUT;
			rc = complain(text, p->name);
			proc_show_log(p);
			break;
		}
	}
	(void)close(fd);
	return rc;
}

static bool find_file(const char *dir, const char *suffix, char ret[PROC_PATH])
{
	DIR *d = opendir(dir);
	bool found = false;

	for (struct dirent *e; d && !found && (e = readdir(d));) {
		size_t n = strlen(e->d_name), m = strlen(suffix);
		struct stat st;

		if (n < m || strcmp(e->d_name + n - m, suffix) != 0)
			continue;
		(void)snprintf(ret, PROC_PATH, "%s/%s", dir, e->d_name);
		found = stat(ret, &st) == 0 && st.st_size > 0;
	}
	if (d)
		(void)closedir(d);
	return found;
}

int proc_wait_file(const char *dir, const char *suffix, int timeout_ms, char ret[PROC_PATH])
{
	long end = now_ms() + timeout_ms;
	int fd = inotify_init1(IN_CLOEXEC), rc = 0;

	if (fd < 0 || inotify_add_watch(fd, dir, IN_CLOSE_WRITE | IN_MOVED_TO) < 0) {
		if (fd >= 0)
			(void)close(fd);
		return complain("inotify", dir);
	}
	while (!find_file(dir, suffix, ret)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char buf[4096];

		if (poll(&p, 1, left_ms(end)) <= 0 || read(fd, buf, sizeof(buf)) <= 0) {
			errno = ETIMEDOUT;
			rc = complain("no such file appeared", suffix);
			break;
		}
	}
	(void)close(fd);
	return rc;
}

void proc_program(const char *name, char ret[PROC_PATH])
{
	const char *build = getenv("UNIBUS_BUILD");

	if (strcmp(name, "nats-server") == 0) {
		bool local = access("build/tools/nats-server", X_OK) == 0;

		(void)snprintf(ret, PROC_PATH, "%s", local ? "build/tools/nats-server" : name);
		return;
	}
	(void)snprintf(ret, PROC_PATH, "%s/%s", build ? build : "build/release", name);
}
