/* The folder of uploaded files: whole or not there, private, one owner's. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "membershipd/store/blob_dir.h"
#include "tests/harness/proc.h"

struct fixture {
	char top[PROC_PATH], path[PROC_PATH + 16];
	struct md_blob_dir *d;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(proc_dir_make(f->top), 0);
	snprintf(f->path, sizeof(f->path), "%s/blobs", f->top);
	assert_int_equal(md_blob_dir_open(f->path, &f->d), UB_OK);
	assert_int_equal(md_blob_dir_claim(f->d, "store-one"), UB_OK);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	md_blob_dir_close(f->d);
	proc_dir_remove(f->top);
	free(f);
	return 0;
}

static struct md_blob_name name_of(uint8_t n)
{
	struct md_blob_name name;

	memset(name.b, n, sizeof(name.b));
	return name;
}

static struct ub_bytes bytes(const char *z)
{
	return (struct ub_bytes){(const uint8_t *)z, strlen(z)};
}

static void keep(struct fixture *f, uint8_t n, const char *text)
{
	struct md_blob_name name = name_of(n);
	struct md_blob_tmp *t;

	assert_int_equal(md_blob_tmp_new(f->d, &t), UB_OK);
	assert_int_equal(md_blob_tmp_write(t, bytes(text)), UB_OK);
	assert_int_equal(md_blob_tmp_sync(t), UB_OK);
	assert_int_equal(md_blob_tmp_keep(t, &name), UB_OK);
	md_blob_tmp_free(t);
}

/* That file has that text; NULL: there is none. */
static void assert_file(struct fixture *f, uint8_t n, const char *text)
{
	struct md_blob_name name = name_of(n);
	char got[64] = "";
	uint64_t size;
	int fd;
	ub_err e = md_blob_dir_find(f->d, &name, &fd, &size);

	assert_int_equal(e, text ? UB_OK : UNIBUS_ERR_NOT_FOUND);
	if (e)
		return;
	assert_int_equal(size, strlen(text));
	assert_int_equal(read(fd, got, sizeof(got) - 1), (ssize_t)size);
	assert_string_equal(got, text);
	close(fd);
}

static size_t files(struct fixture *f, const char *glob)
{
	const char *const argv[] = {"find", f->path, "-type", "f", "-name", glob, NULL};
	struct ub_buf out = UB_BUF(65536);
	size_t n = 0;

	assert_int_equal(proc_run(argv, NULL, &out), 0);
	for (size_t i = 0; i < out.len; i++)
		n += out.p[i] == '\n';
	ub_buf_deinit(&out);
	return n;
}

static void what_is_kept_is_found_and_what_is_not_is_gone(void **state)
{
	struct fixture *f = *state;
	struct md_blob_tmp *t;

	assert_file(f, 1, NULL);
	keep(f, 1, "hello");
	assert_file(f, 1, "hello");
	assert_file(f, 2, NULL);
	assert_int_equal(md_blob_tmp_new(f->d, &t), UB_OK);
	assert_int_equal(md_blob_tmp_write(t, bytes("half")), UB_OK);
	assert_int_equal(files(f, "tmp.*"), 1);
	md_blob_tmp_free(t);
	assert_int_equal(files(f, "tmp.*"), 0);
	assert_int_equal(files(f, "*"), 2); /* the mark and the file */
}

static void keeping_replaces_and_removing_twice_is_fine(void **state)
{
	struct fixture *f = *state;
	struct md_blob_name name = name_of(1);

	keep(f, 1, "hello");
	keep(f, 1, "other");
	assert_file(f, 1, "other");
	assert_int_equal(md_blob_dir_remove(f->d, &name), UB_OK);
	assert_int_equal(md_blob_dir_remove(f->d, &name), UB_OK);
	assert_file(f, 1, NULL);
}

static void an_empty_file_is_a_file(void **state)
{
	struct fixture *f = *state;

	keep(f, 1, "");
	assert_file(f, 1, "");
}

static void nobody_else_may_read_any_of_it(void **state)
{
	struct fixture *f = *state;
	const char *const argv[] = {"find", f->path, "-perm", "/077", NULL};
	struct ub_buf out = UB_BUF(65536);
	mode_t old = umask(0);

	keep(f, 1, "hello");
	umask(old);
	assert_int_equal(proc_run(argv, NULL, &out), 0);
	assert_int_equal(out.len, 0);
	ub_buf_deinit(&out);
}

static void a_folder_that_others_may_enter_is_refused(void **state)
{
	struct fixture *f = *state;
	struct md_blob_dir *d = NULL;
	char path[PROC_PATH + 32];
	int fd;

	assert_int_equal(chmod(f->path, 0750), 0);
	assert_int_equal(md_blob_dir_open(f->path, &d), UNIBUS_ERR_INSECURE_FILE);
	assert_int_equal(chmod(f->path, 0700), 0);
	assert_int_equal(md_blob_dir_open(f->path, &d), UB_OK);
	md_blob_dir_close(d);
	d = NULL;
	snprintf(path, sizeof(path), "%s/missing/blobs", f->top);
	assert_int_equal(md_blob_dir_open(path, &d), UNIBUS_ERR_IO);
	snprintf(path, sizeof(path), "%s/file", f->top);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(md_blob_dir_open(path, &d), UNIBUS_ERR_BAD_FILE);
	assert_null(d);
}

static void a_folder_belongs_to_the_one_who_claimed_it_first(void **state)
{
	struct fixture *f = *state;

	keep(f, 1, "hello");
	assert_int_equal(md_blob_dir_claim(f->d, "store-two"), UNIBUS_ERR_BAD_FILE);
	assert_int_equal(md_blob_dir_claim(f->d, "store-on"), UNIBUS_ERR_BAD_FILE);
	assert_int_equal(md_blob_dir_claim(f->d, "store-one-more"), UNIBUS_ERR_BAD_FILE);
	assert_file(f, 1, "hello");
	assert_int_equal(md_blob_dir_claim(f->d, "store-one"), UB_OK);
	assert_file(f, 1, "hello");
}

static void a_folder_with_something_in_it_is_claimed_by_nobody(void **state)
{
	struct fixture *f = *state;
	struct md_blob_dir *d;
	char path[PROC_PATH + 32], file[PROC_PATH + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/other", f->top);
	snprintf(file, sizeof(file), "%s/letters.txt", path);
	assert_int_equal(md_blob_dir_open(path, &d), UB_OK);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(md_blob_dir_claim(d, "store-one"), UNIBUS_ERR_BAD_FILE);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(md_blob_dir_claim(d, "store-one"), UB_OK);
	md_blob_dir_close(d);
}

/* Dies in the middle of writing. */
static void write_and_die(struct fixture *f)
{
	struct md_blob_tmp *t;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (md_blob_tmp_new(f->d, &t) || md_blob_tmp_write(t, bytes("half a file")))
			_exit(1);
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void what_a_crash_left_is_removed_by_the_next_claim(void **state)
{
	struct fixture *f = *state;

	keep(f, 1, "hello");
	write_and_die(f);
	assert_int_equal(files(f, "tmp.*"), 1);
	assert_int_equal(md_blob_dir_claim(f->d, "store-two"), UNIBUS_ERR_BAD_FILE);
	assert_int_equal(files(f, "tmp.*"), 1); /* a stranger removes nothing */
	assert_int_equal(md_blob_dir_claim(f->d, "store-one"), UB_OK);
	assert_int_equal(files(f, "tmp.*"), 0);
	assert_file(f, 1, "hello");
}

struct seen {
	size_t n;
	bool which[256];
	ub_err stop;
};

static ub_err see(void *arg, const struct md_blob_name *name)
{
	struct seen *s = arg;

	s->n++;
	s->which[name->b[0]] = true;
	return s->stop;
}

static void each_names_the_files_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct seen s = {0}, first = {.stop = UNIBUS_ERR_LIMIT};
	char path[PROC_PATH + 64];
	struct md_blob_tmp *t;
	int fd;

	keep(f, 1, "a");
	keep(f, 200, "b");
	assert_int_equal(md_blob_tmp_new(f->d, &t), UB_OK);
	snprintf(path, sizeof(path), "%s/notes.txt", f->path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(md_blob_dir_each(f->d, see, &s), UB_OK);
	assert_int_equal(s.n, 2);
	assert_true(s.which[1] && s.which[200]);
	assert_int_equal(md_blob_dir_each(f->d, see, &first), UNIBUS_ERR_LIMIT);
	assert_int_equal(first.n, 1);
	md_blob_tmp_free(t);
}

static void a_full_disk_is_an_error_and_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct rlimit was, tight = {.rlim_cur = 8};
	struct md_blob_tmp *t;
	ub_err e;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	tight.rlim_max = was.rlim_max;
	assert_int_equal(md_blob_tmp_new(f->d, &t), UB_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	e = md_blob_tmp_write(t, bytes("sixteen bytes it"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(e, UNIBUS_ERR_IO);
	md_blob_tmp_free(t);
	assert_int_equal(files(f, "tmp.*"), 0);
}

static void a_folder_that_is_taken_away_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct md_blob_name name = name_of(1);
	struct md_blob_tmp *t;

	assert_int_equal(md_blob_tmp_new(f->d, &t), UB_OK);
	proc_dir_remove(f->path);
	assert_int_equal(md_blob_tmp_keep(t, &name), UNIBUS_ERR_IO);
	md_blob_tmp_free(t);
	assert_int_equal(md_blob_tmp_new(f->d, &t), UNIBUS_ERR_IO);
	assert_file(f, 1, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
		T(what_is_kept_is_found_and_what_is_not_is_gone),
		T(keeping_replaces_and_removing_twice_is_fine),
		T(an_empty_file_is_a_file),
		T(nobody_else_may_read_any_of_it),
		T(a_folder_that_others_may_enter_is_refused),
		T(a_folder_belongs_to_the_one_who_claimed_it_first),
		T(a_folder_with_something_in_it_is_claimed_by_nobody),
		T(what_a_crash_left_is_removed_by_the_next_claim),
		T(each_names_the_files_and_nothing_else),
		T(a_full_disk_is_an_error_and_leaves_nothing),
		T(a_folder_that_is_taken_away_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
