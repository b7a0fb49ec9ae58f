#include "support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_CHUNK 4096

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static void waited_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGHUP);
}

ub_err process_signals_init(void)
{
	static const int waited[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa = {.sa_handler = SIG_DFL};
	sigset_t set;

	waited_signals(&set);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL))
		return UNIBUS_ERR_INTERNAL;
	/* An ignored signal is dropped when it is sent, even a blocked one. */
	for (size_t i = 0; i < UB_ARRAY_LEN(waited); i++) {
		if (sigaction(waited[i], &sa, NULL))
			return UNIBUS_ERR_INTERNAL;
	}
	sa.sa_handler = SIG_IGN;
	return sigaction(SIGPIPE, &sa, NULL) ? UNIBUS_ERR_INTERNAL : UB_OK;
}

static int64_t now_ms(void)
{
	struct timespec t;

	ub_assert(!clock_gettime(CLOCK_MONOTONIC, &t));
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum process_signal process_wait(int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	sigset_t set;

	waited_signals(&set);
	for (;;) {
		int64_t left = end - now_ms();
		struct timespec t = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
		int sig;

		if (timeout_ms < 0)
			sig = sigwaitinfo(&set, NULL);
		else if (left <= 0)
			sig = sigtimedwait(&set, NULL, &(struct timespec){0});
		else
			sig = sigtimedwait(&set, NULL, &t);
		if (sig > 0)
			return sig == SIGHUP ? PROCESS_RELOAD : PROCESS_STOP;
		if (timeout_ms >= 0 && left <= 0)
			return PROCESS_TIMEOUT;
	}
}

void process_stop(void)
{
	/* Sent to the process and blocked everywhere, it waits for process_wait. */
	ub_assert(!kill(getpid(), SIGTERM));
}

static ub_err write_all(int fd, const void *p, size_t len)
{
	const char *at = p;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return UNIBUS_ERR_IO;
		at += n;
		len -= (size_t)n;
	}
	return UB_OK;
}

static ub_err notify(const char *message)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	UB_CLEANUP(close_fd) int fd = -1;
	size_t len = path ? strlen(path) : 0;

	if (len == 0)
		return UB_OK;
	if (len >= sizeof(sa.sun_path) || (path[0] != '/' && path[0] != '@'))
		return UNIBUS_ERR_INVALID;
	memcpy(sa.sun_path, path, len);
	if (path[0] == '@') /* an abstract name: no file, its first byte is zero */
		sa.sun_path[0] = '\0';

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return UNIBUS_ERR_IO;
	socklen_t sa_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	size_t want = strlen(message);
	ssize_t n = sendto(fd, message, want, MSG_NOSIGNAL, (const struct sockaddr *)&sa, sa_len);
	return n == (ssize_t)want ? UB_OK : UNIBUS_ERR_IO;
}

ub_err process_ready(int fd, const char *line)
{
	UB_CLEANUP(close_fd) int owned = fd;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(READ_CHUNK);
	ub_err e;

	if (strpbrk(line, "\r\n"))
		return UNIBUS_ERR_INVALID;
	ub_buf_z(&b, "READY ");
	ub_buf_z(&b, line);
	ub_buf_u8(&b, '\n');
	e = ub_buf_err(&b);
	if (!e && owned >= 0)
		e = write_all(owned, b.p, b.len);
	if (e)
		return e;
	return notify("READY=1");
}

void process_notify_systemd(const char *message)
{
	/* Advice for systemd's status display and watchdog: it notices what does not arrive. */
	ub_err e = notify(message);
	(void)e;
}

static ub_err read_to_end(int fd, size_t max, struct ub_buf *to)
{
	char chunk[READ_CHUNK];
	ub_err e = UB_OK;

	while (!e) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			e = UNIBUS_ERR_IO;
		if (n <= 0)
			break;
		if ((size_t)n > max - to->len) {
			e = UNIBUS_ERR_TOO_LARGE;
		} else {
			ub_buf_put(to, chunk, (size_t)n);
			e = ub_buf_err(to);
		}
	}
	sodium_memzero(chunk, sizeof(chunk));
	return e;
}

/* Checked on the open descriptor, so that nobody swaps the file in between. O_NONBLOCK: a fifo in
 * its place does not hold us up. */
static ub_err read_path(const char *path, bool secret, size_t max, struct ub_buf *ret)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (secret ? O_NONBLOCK : 0);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf content = UB_BUF(max);
	UB_CLEANUP(close_fd) int fd = open(path, flags);
	struct stat st;
	ub_err e;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? UNIBUS_ERR_NOT_FOUND : UNIBUS_ERR_IO;
	if (fstat(fd, &st))
		return UNIBUS_ERR_IO;
	if (secret && (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) ||
			      (st.st_uid != geteuid() && st.st_uid != 0)))
		return UNIBUS_ERR_INSECURE_FILE;
	e = read_to_end(fd, max, &content);
	if (e)
		return e;
	ub_buf_put(ret, content.p, content.len);
	return ub_buf_err(ret);
}

ub_err process_read_secret(const char *path, size_t max, struct ub_buf *ret)
{
	return read_path(path, true, max, ret);
}

ub_err process_read_file(const char *path, size_t max, struct ub_buf *ret)
{
	return read_path(path, false, max, ret);
}

/* The folder's entry for a new file is durable only once the folder itself is. */
static ub_err sync_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct ub_str name = slash == path ? UB_STR("/")
			     : slash       ? (struct ub_str){path, (size_t)(slash - path)}
					   : UB_STR(".");
	UB_CLEANUP(ub_freep) char *folder = ub_str_dup(name);

	if (!folder)
		return UNIBUS_ERR_NOMEM;
	UB_CLEANUP(close_fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) ? UNIBUS_ERR_IO : UB_OK;
}

ub_err process_create_file(const char *path, unsigned mode, struct ub_str content)
{
	UB_CLEANUP(close_fd) int fd = -1;
	ub_err e;

	/* The wider mode, if any, comes last: nobody reads half a file. */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? UNIBUS_ERR_EXISTS : UNIBUS_ERR_IO;
	e = write_all(fd, content.p, content.len);
	if (!e && (fchmod(fd, (mode_t)mode) || fsync(fd)))
		e = UNIBUS_ERR_IO;
	if (!e)
		e = sync_folder_of(path);
	if (e)
		(void)unlink(path);
	return e;
}
