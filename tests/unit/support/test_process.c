#include "support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
	char path[64];
	char file[80];
};

static int folder_make(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->path, sizeof(f->path), "%s", "/tmp/ub-process-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	(void)snprintf(f->file, sizeof(f->file), "%s/file", f->path);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int folder_remove(void **state)
{
	struct folder *f = *state;

	assert_int_equal(nftw(f->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(f);
	return 0;
}

/* Runs fn in a child, which tells its findings by its exit status. `say` is what fn writes to. */
struct child {
	pid_t pid;
	int rd;
};

static struct child child_start(int (*fn)(int say))
{
	int fds[2];
	struct child c;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0)
		_exit(fn(fds[1]));
	assert_int_equal(close(fds[1]), 0);
	c.rd = fds[0];
	return c;
}

static void child_says(const struct child *c, char want)
{
	char got = 0;

	assert_int_equal(read(c->rd, &got, 1), 1);
	assert_int_equal(got, want);
}

static void child_end(struct child *c, int want_status)
{
	int st;

	assert_int_equal(waitpid(c->pid, &st, 0), c->pid);
	assert_true(WIFEXITED(st));
	assert_int_equal(WEXITSTATUS(st), want_status);
	assert_int_equal(close(c->rd), 0);
}

/* Says r when signals are held, then one letter a wakeup: s(top), h(up); ends at the stop. */
static int wait_for_signals(int say)
{
	if (process_signals_init() || write(say, "r", 1) != 1)
		return 1;
	for (;;) {
		enum process_signal s = process_wait(-1);

		if (s == PROCESS_TIMEOUT)
			return 2;
		if (write(say, s == PROCESS_STOP ? "s" : "h", 1) != 1)
			return 3;
		if (s == PROCESS_STOP)
			return 0;
	}
}

static int start_ignoring(int say)
{
	if (signal(SIGINT, SIG_IGN) == SIG_ERR || signal(SIGTERM, SIG_IGN) == SIG_ERR)
		return 4;
	return wait_for_signals(say);
}

static void each_signal_wakes_the_waiter(void **state)
{
	static const struct {
		int (*fn)(int say);
		int sig;
	} cases[] = {
		{wait_for_signals, SIGINT},
		{wait_for_signals, SIGTERM},
		{start_ignoring, SIGINT},
		{start_ignoring, SIGTERM},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct child c = child_start(cases[i].fn);

		child_says(&c, 'r');
		assert_int_equal(kill(c.pid, SIGHUP), 0);
		child_says(&c, 'h');
		assert_int_equal(kill(c.pid, SIGHUP), 0);
		child_says(&c, 'h');
		assert_int_equal(kill(c.pid, cases[i].sig), 0);
		child_says(&c, 's');
		child_end(&c, 0);
	}
}

static void *stop_from_here(void *arg)
{
	(void)arg;
	process_stop();
	return NULL;
}

static int stop_by_thread(int say)
{
	pthread_t t;

	(void)say;
	if (process_signals_init())
		return 1;
	if (process_wait(0) != PROCESS_TIMEOUT || process_wait(20) != PROCESS_TIMEOUT)
		return 2;
	if (pthread_create(&t, NULL, stop_from_here, NULL))
		return 3;
	if (process_wait(-1) != PROCESS_STOP)
		return 4;
	if (pthread_join(t, NULL))
		return 5;
	process_stop();
	if (process_wait(0) != PROCESS_STOP)
		return 6;
	return process_wait(0) == PROCESS_TIMEOUT ? 0 : 7;
}

static void a_thread_can_stop_the_waiter_and_time_can_run_out(void **state)
{
	struct child c = child_start(stop_by_thread);

	(void)state;
	child_end(&c, 0);
}

static int write_to_nobody(int say)
{
	int fds[2];

	(void)say;
	if (process_signals_init() || pipe(fds) || close(fds[0]))
		return 1;
	return write(fds[1], "x", 1) < 0 && errno == EPIPE ? 0 : 2;
}

static void a_broken_pipe_is_an_error_not_a_death(void **state)
{
	struct child c = child_start(write_to_nobody);

	(void)state;
	child_end(&c, 0);
}

static void readiness_is_one_line_and_then_the_end(void **state)
{
	char got[64];
	int fds[2];

	(void)state;
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(process_ready(fds[1], "http=127.0.0.1:1 nats=x"), UB_OK);
	assert_int_equal(read(fds[0], got, sizeof(got)), 30);
	assert_memory_equal(got, "READY http=127.0.0.1:1 nats=x\n", 30);
	assert_int_equal(read(fds[0], got, sizeof(got)), 0);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(process_ready(-1, "http=127.0.0.1:1"), UB_OK);
}

static void readiness_refuses_a_second_line_and_closes(void **state)
{
	static const char *const lines[] = {"a=1\nREADY b=2", "a=1\r"};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(lines); i++) {
		char got;
		int fds[2];

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		assert_int_equal(process_ready(fds[1], lines[i]), UNIBUS_ERR_INVALID);
		assert_int_equal(read(fds[0], &got, 1), 0);
		assert_int_equal(close(fds[0]), 0);
	}
}

static int notify_socket(const char *name, size_t name_len)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(sa.sun_path, name, name_len);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name_len);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, len), 0);
	return fd;
}

static void systemd_is_told_at_a_path_or_an_abstract_name(void **state)
{
	struct folder *f = *state;
	char abstract[100], got[64];

	(void)snprintf(abstract, sizeof(abstract), "@%s", f->file);
	for (int i = 0; i < 2; i++) {
		char name[100] = "";
		const char *env = i ? abstract : f->file;
		int fd;

		memcpy(name, env, strlen(env));
		if (i)
			name[0] = '\0';
		fd = notify_socket(name, strlen(env));
		assert_int_equal(setenv("NOTIFY_SOCKET", env, 1), 0);
		assert_int_equal(process_ready(-1, "a=1"), UB_OK);
		assert_int_equal(recv(fd, got, sizeof(got), 0), 7);
		assert_memory_equal(got, "READY=1", 7);
		process_notify_systemd("STOPPING=1");
		assert_int_equal(recv(fd, got, sizeof(got), 0), 10);
		assert_memory_equal(got, "STOPPING=1", 10);
		assert_int_equal(close(fd), 0);
		assert_int_equal(process_ready(-1, "a=1"), UNIBUS_ERR_IO);
	}
	assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
	assert_int_equal(process_ready(-1, "a=1"), UNIBUS_ERR_INVALID);
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	assert_int_equal(process_ready(-1, "a=1"), UB_OK);
}

static void secrets_are_read_only_from_private_files(void **state)
{
	static const struct {
		mode_t mode;
		ub_err secret, plain;
	} cases[] = {
		{0600, UB_OK, UB_OK},
		{0400, UB_OK, UB_OK},
		{0700, UB_OK, UB_OK},
		{0640, UNIBUS_ERR_INSECURE_FILE, UB_OK},
		{0620, UNIBUS_ERR_INSECURE_FILE, UB_OK},
		{0604, UNIBUS_ERR_INSECURE_FILE, UB_OK},
		{0602, UNIBUS_ERR_INSECURE_FILE, UB_OK},
		{0644, UNIBUS_ERR_INSECURE_FILE, UB_OK},
	};
	struct folder *f = *state;

	assert_int_equal(process_create_file(f->file, 0600, UB_STR("secret")), UB_OK);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf a = UB_BUF(64), b = UB_BUF(64);

		ub_buf_z(&a, "<");
		assert_int_equal(chmod(f->file, cases[i].mode), 0);
		assert_int_equal(process_read_secret(f->file, 64, &a), cases[i].secret);
		assert_string_equal(ub_buf_cstr(&a), cases[i].secret ? "<" : "<secret");
		assert_int_equal(process_read_file(f->file, 64, &b), cases[i].plain);
		assert_string_equal(ub_buf_cstr(&b), "secret");
		ub_buf_deinit(&b);
	}
}

static void secrets_belong_to_us_or_root(void **state)
{
	struct folder *f = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(64);

	if (geteuid() != 0)
		skip(); /* only root can give a file away */
	assert_int_equal(process_create_file(f->file, 0600, UB_STR("secret")), UB_OK);
	assert_int_equal(chown(f->file, 65534, (gid_t)-1), 0);
	assert_int_equal(process_read_secret(f->file, 64, &b), UNIBUS_ERR_INSECURE_FILE);
	assert_int_equal(b.len, 0);
	assert_int_equal(chown(f->file, 0, (gid_t)-1), 0);
	assert_int_equal(process_read_secret(f->file, 64, &b), UB_OK);
	assert_int_equal(b.len, 6);
}

static void secrets_are_regular_files(void **state)
{
	struct folder *f = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(64);

	assert_int_equal(process_read_secret(f->path, 64, &b), UNIBUS_ERR_INSECURE_FILE);
	assert_int_equal(process_read_file(f->path, 64, &b), UNIBUS_ERR_IO);
	assert_int_equal(mkfifo(f->file, 0600), 0);
	assert_int_equal(process_read_secret(f->file, 64, &b), UNIBUS_ERR_INSECURE_FILE);
	assert_int_equal(b.len, 0);
}

static void files_have_a_largest_size(void **state)
{
	struct folder *f = *state;
	char big[10000];

	memset(big, 'x', sizeof(big));
	assert_int_equal(
		process_create_file(f->file, 0600, (struct ub_str){big, sizeof(big)}), UB_OK);
	for (int i = 0; i < 2; i++) {
		UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(sizeof(big)), small = UB_BUF(10);
		ub_err (*fn)(const char *, size_t, struct ub_buf *) =
			i ? process_read_secret : process_read_file;

		assert_int_equal(fn(f->file, sizeof(big) - 1, &b), UNIBUS_ERR_TOO_LARGE);
		assert_int_equal(b.len, 0);
		assert_int_equal(fn(f->file, sizeof(big), &b), UB_OK);
		assert_int_equal(b.len, sizeof(big));
		assert_int_equal(fn(f->file, sizeof(big), &small), UNIBUS_ERR_TOO_LARGE);
		assert_int_equal(small.len, 0);
		ub_buf_deinit(&small);
	}
}

static void a_missing_file_is_not_found(void **state)
{
	struct folder *f = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(64);
	char below[128];

	assert_int_equal(process_read_file(f->file, 64, &b), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(process_read_secret(f->file, 64, &b), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(process_create_file(f->file, 0600, UB_STR("x")), UB_OK);
	(void)snprintf(below, sizeof(below), "%s/below", f->file);
	assert_int_equal(process_read_secret(below, 64, &b), UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(b.len, 0);
	assert_int_equal(process_read_secret(f->file, 64, &b), UB_OK);
	assert_int_equal(b.len, 1);
}

static void a_new_file_has_exactly_its_mode(void **state)
{
	static const unsigned modes[] = {0600, 0400, 0644, 0640};
	struct folder *f = *state;
	mode_t old = umask(0077);

	for (size_t i = 0; i < UB_ARRAY_LEN(modes); i++) {
		struct stat st;

		assert_int_equal(process_create_file(f->file, modes[i], UB_STR("x")), UB_OK);
		assert_int_equal(stat(f->file, &st), 0);
		assert_int_equal(st.st_mode & 07777, modes[i]);
		assert_int_equal(st.st_size, 1);
		assert_int_equal(unlink(f->file), 0);
	}
	(void)umask(old);
}

static void an_existing_file_is_left_alone(void **state)
{
	struct folder *f = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(64);
	char missing[128], link[128];

	assert_int_equal(process_create_file(f->file, 0600, UB_STR("old")), UB_OK);
	assert_int_equal(process_create_file(f->file, 0600, UB_STR("new")), UNIBUS_ERR_EXISTS);
	assert_int_equal(process_read_secret(f->file, 64, &b), UB_OK);
	assert_string_equal(ub_buf_cstr(&b), "old");

	(void)snprintf(missing, sizeof(missing), "%s/no/file", f->path);
	assert_int_equal(process_create_file(missing, 0600, UB_STR("x")), UNIBUS_ERR_IO);
	(void)snprintf(link, sizeof(link), "%s/link", f->path);
	(void)snprintf(missing, sizeof(missing), "%s/target", f->path);
	assert_int_equal(symlink(missing, link), 0);
	assert_int_equal(process_create_file(link, 0600, UB_STR("x")), UNIBUS_ERR_EXISTS);
	assert_int_equal(access(missing, F_OK), -1);
}

/* The child limits the size of its files, so that the second half of the content does not fit. */
static int create_too_large(int say)
{
	struct rlimit none = {.rlim_cur = 100, .rlim_max = 100};
	char big[200] = "", path[128];

	(void)say;
	(void)snprintf(path, sizeof(path), "%s", getenv("UT_PATH"));
	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &none))
		return 1;
	if (process_create_file(path, 0600, (struct ub_str){big, sizeof(big)}) != UNIBUS_ERR_IO)
		return 2;
	if (!access(path, F_OK))
		return 3;
	return process_create_file(path, 0600, (struct ub_str){big, 100}) ? 4 : 0;
}

static void a_file_that_cannot_be_written_leaves_nothing(void **state)
{
	struct folder *f = *state;

	assert_int_equal(setenv("UT_PATH", f->file, 1), 0);
	struct child c = child_start(create_too_large);
	child_end(&c, 0);
}

int main(void)
{
#define IN_FOLDER(t) cmocka_unit_test_setup_teardown(t, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_signal_wakes_the_waiter),
		cmocka_unit_test(a_thread_can_stop_the_waiter_and_time_can_run_out),
		cmocka_unit_test(a_broken_pipe_is_an_error_not_a_death),
		cmocka_unit_test(readiness_is_one_line_and_then_the_end),
		cmocka_unit_test(readiness_refuses_a_second_line_and_closes),
		IN_FOLDER(systemd_is_told_at_a_path_or_an_abstract_name),
		IN_FOLDER(secrets_are_read_only_from_private_files),
		IN_FOLDER(secrets_belong_to_us_or_root),
		IN_FOLDER(secrets_are_regular_files),
		IN_FOLDER(files_have_a_largest_size),
		IN_FOLDER(a_missing_file_is_not_found),
		IN_FOLDER(a_new_file_has_exactly_its_mode),
		IN_FOLDER(an_existing_file_is_left_alone),
		IN_FOLDER(a_file_that_cannot_be_written_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
