/* What only the SQLite engine promises: files, locks, damage, failing disks. */
#include "membershipd/store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/harness/disk_fault.h"
#include "tests/harness/proc.h"
#include "tests/harness/store_fixture.h"

struct fixture {
	char dir[PROC_PATH];
	char db[PROC_PATH + 16], wal[PROC_PATH + 16];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(proc_dir_make(f->dir), 0);
	(void)snprintf(f->db, sizeof(f->db), "%s/unibus.db", f->dir);
	(void)snprintf(f->wal, sizeof(f->wal), "%s/unibus.db-wal", f->dir);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	proc_dir_remove(f->dir);
	free(f);
	return 0;
}

static ub_err try_open(const char *path, bool create, bool exclusive, struct md_store **ret)
{
	return md_store_sqlite_open(
		&(struct md_sqlite_options){.path = path, .create = create, .exclusive = exclusive},
		ret);
}

static struct md_store *must_open(const char *path)
{
	struct md_store *s = NULL;

	assert_int_equal(try_open(path, true, true, &s), UB_OK);
	return s;
}

static void refuse(const char *path, bool create, ub_err want)
{
	struct md_store *s = NULL;

	assert_int_equal(try_open(path, create, true, &s), want);
	assert_null(s);
}

static size_t read_file(const char *path, uint8_t *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, to, size);
	assert_true(n >= 0 && (size_t)n < size);
	assert_int_equal(close(fd), 0);
	return (size_t)n;
}

static void write_file(const char *path, const void *p, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, len), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

static void sql(const char *path, const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(chmod(path, 0600), 0);
}

static void a_missing_file_is_made_only_when_asked_for(void **state)
{
	struct fixture *f = *state;
	char below[PROC_PATH + 32];
	struct stat st;

	refuse(f->db, false, UNIBUS_ERR_NOT_FOUND);
	assert_int_equal(access(f->db, F_OK), -1);
	mode_t old = umask(0);
	md_store_close(must_open(f->db));
	(void)umask(old);
	assert_int_equal(stat(f->db, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	(void)snprintf(below, sizeof(below), "%s/none/unibus.db", f->dir);
	refuse(below, true, UNIBUS_ERR_IO);

	struct md_store *s = NULL;
	assert_int_equal(try_open(f->db, false, true, &s), UB_OK);
	(void)put(s, "d.a", "1", 0);
	assert_int_equal(stat(f->wal, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	md_store_close(s);
}

static void making_and_closing_leaves_one_file(void **state)
{
	struct fixture *f = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(1000);
	struct md_store *s = must_open(f->db);

	(void)put(s, "d.a", "1", 0);
	md_store_close(s);
	assert_int_equal(proc_run((const char *[]){"ls", f->dir, NULL}, NULL, &out), 0);
	assert_string_equal(ub_buf_cstr(&out), "unibus.db\n");
}

static void a_file_that_others_can_reach_is_refused(void **state)
{
	static const struct {
		mode_t mode;
		ub_err err;
	} cases[] = {
		{0640, UNIBUS_ERR_INSECURE_FILE},
		{0620, UNIBUS_ERR_INSECURE_FILE},
		{0604, UNIBUS_ERR_INSECURE_FILE},
		{0602, UNIBUS_ERR_INSECURE_FILE},
		{0666, UNIBUS_ERR_INSECURE_FILE},
		{0600, UB_OK},
	};
	struct fixture *f = *state;
	struct md_store *s = must_open(f->db);

	(void)put(s, "d.a", "1", 0);
	md_store_close(s);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		s = NULL;
		assert_int_equal(chmod(f->db, cases[i].mode), 0);
		assert_int_equal(try_open(f->db, true, true, &s), cases[i].err);
		md_store_close(s);
	}
	write_file(f->wal, "", 0);
	assert_int_equal(chmod(f->wal, 0644), 0);
	refuse(f->db, true, UNIBUS_ERR_INSECURE_FILE);
	assert_int_equal(chmod(f->wal, 0600), 0);
	md_store_close(must_open(f->db));
}

static void a_file_of_another_user_is_refused(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip(); /* only root can give a file away */
	md_store_close(must_open(f->db));
	assert_int_equal(chown(f->db, 65534, (gid_t)-1), 0);
	refuse(f->db, true, UNIBUS_ERR_INSECURE_FILE);
	assert_int_equal(chown(f->db, 0, (gid_t)-1), 0);
	md_store_close(must_open(f->db));
}

static void names_are_only_names(void **state)
{
	static const char *const names[] = {
		":memory:", "file:a.db?mode=memory", "file:a.db", "a b%20c.db", "-"};
	struct fixture *f = *state;
	char old[PROC_PATH];

	assert_non_null(getcwd(old, sizeof(old)));
	assert_int_equal(chdir(f->dir), 0);
	for (size_t i = 0; i < UB_ARRAY_LEN(names); i++) {
		struct md_store *s = must_open(names[i]);
		uint64_t rev = put(s, "d.a", "1", 0);

		md_store_close(s);
		assert_int_equal(access(names[i], F_OK), 0);
		s = must_open(names[i]);
		assert_record(s, "d.a", "1", rev);
		md_store_close(s);
	}
	assert_int_equal(chdir(old), 0);
	refuse("", true, UNIBUS_ERR_BAD_FILE);
	refuse(f->dir, true, UNIBUS_ERR_BAD_FILE);
}

/* Each makes a file that is not our database. */
static void make_empty(const struct fixture *f)
{
	write_file(f->db, "", 0);
}

static void make_text(const struct fixture *f)
{
	char text[5000];

	memset(text, 'x', sizeof(text));
	write_file(f->db, text, sizeof(text));
}

static void make_foreign(const struct fixture *f)
{
	sql(f->db, "CREATE TABLE records (key TEXT, value BLOB); CREATE TABLE meta (rev INTEGER)");
}

static void make_foreign_with_wal(const struct fixture *f)
{
	sql(f->db, "PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
}

static void copy_file(const char *from, const char *to)
{
	static uint8_t bytes[100000];
	size_t n = read_file(from, bytes, sizeof(bytes));

	write_file(to, bytes, n);
}

/* As its owner left it when killed: the log holds what the file does not. */
static void make_foreign_with_full_wal(const struct fixture *f)
{
	char side[PROC_PATH + 16], side_wal[PROC_PATH + 16];
	sqlite3 *db = NULL;

	(void)snprintf(side, sizeof(side), "%s/side.db", f->dir);
	(void)snprintf(side_wal, sizeof(side_wal), "%s/side.db-wal", f->dir);
	sql(side, "PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
	assert_int_equal(sqlite3_open(side, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "INSERT INTO t VALUES (1)", NULL, NULL, NULL), SQLITE_OK);
	copy_file(side, f->db);
	copy_file(side_wal, f->wal);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(unlink(side), 0);
}

static void make_then(const struct fixture *f, const char *text)
{
	struct md_store *s = must_open(f->db);

	(void)put(s, "d.a", "1", 0);
	(void)put(s, "d.b", "1", 0);
	md_store_close(s);
	sql(f->db, text);
}

static void make_newer(const struct fixture *f)
{
	make_then(f, "PRAGMA user_version = 2");
}

static void make_other_application(const struct fixture *f)
{
	make_then(f, "PRAGMA application_id = 1");
}

static void make_more_tables(const struct fixture *f)
{
	make_then(f, "CREATE TABLE more (x)");
}

static void make_trigger(const struct fixture *f)
{
	make_then(f, "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END");
}

static void make_no_meta(const struct fixture *f)
{
	make_then(f, "DELETE FROM meta");
}

static void make_old_meta(const struct fixture *f)
{
	make_then(f, "UPDATE meta SET rev = 1");
}

static void make_huge_meta(const struct fixture *f)
{
	make_then(f, "UPDATE meta SET rev = 9223372036854775807");
}

static void make_negative_revision(const struct fixture *f)
{
	make_then(f, "UPDATE records SET rev = -1 WHERE rev = 1");
}

static void make_half(const struct fixture *f)
{
	make_then(f, "SELECT 1");
	assert_int_equal(truncate(f->db, 4096 * 2), 0);
}

static void overwrite(const struct fixture *f, off_t from, size_t len)
{
	char junk[4096];
	int fd = open(f->db, O_WRONLY | O_CLOEXEC);

	memset(junk, 0xa5, sizeof(junk));
	assert_true(fd >= 0 && len <= sizeof(junk));
	assert_int_equal(pwrite(fd, junk, len, from), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

static void make_bad_head(const struct fixture *f)
{
	make_then(f, "SELECT 1");
	overwrite(f, 0, 16);
}

static void make_bad_page(const struct fixture *f)
{
	make_then(f, "SELECT 1");
	overwrite(f, 4096, 4096);
}

static void make_bad_index(const struct fixture *f)
{
	make_then(f, "SELECT 1");
	overwrite(f, 8192, 200);
}

static void a_damaged_or_foreign_file_is_refused_and_left_alone(void **state)
{
	static void (*const makers[])(const struct fixture *f) = {make_empty, make_text,
		make_foreign, make_foreign_with_wal, make_foreign_with_full_wal, make_newer,
		make_other_application, make_more_tables, make_trigger, make_no_meta, make_old_meta,
		make_huge_meta, make_negative_revision, make_half, make_bad_head, make_bad_page,
		make_bad_index};
	static uint8_t before[2][100000], after[100000];
	struct fixture *f = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(makers); i++) {
		makers[i](f);
		bool wal = !access(f->wal, F_OK);
		size_t n = read_file(f->db, before[0], sizeof(before[0]));
		size_t n_wal = wal ? read_file(f->wal, before[1], sizeof(before[1])) : 0;

		refuse(f->db, true, UNIBUS_ERR_BAD_FILE);
		refuse(f->db, false, UNIBUS_ERR_BAD_FILE);
		assert_int_equal(read_file(f->db, after, sizeof(after)), n);
		assert_memory_equal(before[0], after, n);
		assert_int_equal(access(f->wal, F_OK), wal ? 0 : -1);
		if (wal) {
			assert_int_equal(read_file(f->wal, after, sizeof(after)), n_wal);
			assert_memory_equal(before[1], after, n_wal);
			assert_int_equal(unlink(f->wal), 0);
		}
		assert_int_equal(unlink(f->db), 0);
	}
	make_then(f, "SELECT 1");
	md_store_close(must_open(f->db));
}

static void a_log_without_its_database_is_not_played_into_a_new_one(void **state)
{
	struct fixture *f = *state;

	write_file(f->wal, "x", 1);
	refuse(f->db, true, UNIBUS_ERR_BAD_FILE);
	assert_int_equal(access(f->db, F_OK), -1);
	assert_int_equal(unlink(f->wal), 0);
	md_store_close(must_open(f->db));
}

static void a_link_is_not_followed(void **state)
{
	struct fixture *f = *state;
	char link[PROC_PATH + 32];

	(void)snprintf(link, sizeof(link), "%s/link.db", f->dir);
	md_store_close(must_open(f->db));
	assert_int_equal(symlink(f->db, link), 0);
	refuse(link, true, UNIBUS_ERR_BAD_FILE);
	md_store_close(must_open(f->db));
}

/* What another process gets: "open", or the outcome's word. */
static void other_process(const struct fixture *f, const char *how, const char *want)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(1000);
	const char *argv[] = {"/proc/self/exe", how, f->db, NULL};
	char self[PROC_PATH];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	argv[0] = self;
	assert_int_equal(proc_run(argv, NULL, &out), 0);
	assert_string_equal(ub_buf_cstr(&out), want);
}

static int open_for_a_test(const char *how, const char *path)
{
	struct md_store *s = NULL;
	ub_err e = try_open(path, false, !strcmp(how, "open-exclusive"), &s);

	printf("%s", e ? unibus_err_word(e) : "open");
	md_store_close(s);
	return 0;
}

static void an_exclusive_store_keeps_all_others_out(void **state)
{
	struct fixture *f = *state;
	struct md_store *s = must_open(f->db), *second = NULL;

	/* From the start, not only from the first write on. */
	for (int i = 0; i < 3; i++) {
		other_process(f, "open-exclusive", "locked");
		other_process(f, "open-shared", "locked");
		assert_int_equal(try_open(f->db, true, true, &second), UNIBUS_ERR_LOCKED);
		assert_int_equal(try_open(f->db, true, false, &second), UNIBUS_ERR_LOCKED);
		assert_null(second);
		char key[16];
		(void)snprintf(key, sizeof(key), "k%d", i);
		(void)put(s, key, "v", 0);
	}
	md_store_close(s);
	other_process(f, "open-exclusive", "open");
	other_process(f, "open-shared", "open");
}

static void a_shared_store_keeps_only_exclusive_ones_out(void **state)
{
	struct fixture *f = *state;
	struct md_store *a = NULL, *b = NULL;

	assert_int_equal(try_open(f->db, true, false, &a), UB_OK);
	other_process(f, "open-exclusive", "locked");
	other_process(f, "open-shared", "open");
	assert_int_equal(try_open(f->db, true, false, &b), UB_OK);
	/* Both count on from what the file says. */
	uint64_t r1 = put(a, "d.a", "1", 0), r2 = put(b, "d.b", "2", 0);
	uint64_t r3 = put(a, "d.b", "3", r2);
	assert_int_equal(r2, r1 + 1);
	assert_int_equal(r3, r2 + 1);
	assert_record(b, "d.b", "3", r3);
	md_store_close(a);
	md_store_close(b);
	other_process(f, "open-exclusive", "open");
}

static void a_full_disk_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct notes *t = notes_new();
	struct md_store *s = must_open(f->db);
	struct md_follower follower = notes_follower(t, "");
	uint64_t a = put(s, "d.a", "1", 0), rev = 77;
	UB_CLEANUP(ub_freep) char *before = dump(s);

	assert_int_equal(md_store_follow(s, &follower), UB_OK);
	for (int written = 0; written < 3; written++) {
		const struct md_op ops[] = {put_op("d.a", "2", a), put_op("d.b", "3", 0)};

		disk_fault_arm(DISK_FULL, written);
		assert_int_equal(md_store_commit(s, ops, 2, &rev), UNIBUS_ERR_IO);
		disk_fault_arm(DISK_OK, 0);
		UB_CLEANUP(ub_freep) char *after = dump(s);
		assert_string_equal(after, before);
	}
	assert_int_equal(rev, 77);
	assert_int_equal(t->lost, 0);
	assert_int_equal(put(s, "d.a", "2", a), a + 1); /* room again */
	assert_int_equal(t->n, 2);
	md_store_close(s);
	notes_free(t);
	s = must_open(f->db);
	assert_record(s, "d.a", "2", a + 1);
	assert_absent(s, "d.b");
	md_store_close(s);
}

static void a_disk_that_fails_to_sync_leaves_the_outcome_open(void **state)
{
	struct fixture *f = *state;
	struct notes *t = notes_new();
	struct md_store *s = must_open(f->db);
	struct md_follower follower = notes_follower(t, "");
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(100);
	uint64_t a = put(s, "d.a", "1", 0), rev = 77;
	struct md_op op = put_op("d.a", "2", a);

	assert_int_equal(md_store_follow(s, &follower), UB_OK);
	disk_fault_arm(DISK_NO_SYNC, 0);
	assert_int_equal(md_store_commit(s, &op, 1, &rev), UNIBUS_ERR_OUTCOME_UNKNOWN);
	disk_fault_arm(DISK_OK, 0);
	assert_int_equal(t->lost, 1);
	assert_int_equal(t->n, 1);

	struct md_follower late = notes_follower(t, "");
	assert_int_equal(md_store_commit(s, &op, 1, &rev), UNIBUS_ERR_IO);
	assert_int_equal(md_store_get(s, "d.a", &b, &rev), UNIBUS_ERR_IO);
	assert_int_equal(md_store_each(s, "", NULL, NULL), UNIBUS_ERR_IO);
	assert_int_equal(md_store_follow(s, &late), UNIBUS_ERR_IO);
	assert_int_equal(t->lost, 1);
	assert_int_equal(rev, 77);
	md_store_close(s);
	notes_free(t);

	/* It was written, only not known to be: here it comes to light, whole. */
	s = must_open(f->db);
	assert_record(s, "d.a", "2", a + 1);
	md_store_close(s);
}

static void a_disk_full_while_making_it_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(1000);

	disk_fault_arm(DISK_FULL, 0);
	refuse(f->db, true, UNIBUS_ERR_IO);
	disk_fault_arm(DISK_NO_SYNC, 0);
	refuse(f->db, true, UNIBUS_ERR_IO);
	disk_fault_arm(DISK_OK, 0);
	assert_int_equal(proc_run((const char *[]){"ls", f->dir, NULL}, NULL, &out), 0);
	assert_int_equal(out.len, 0);
	md_store_close(must_open(f->db));
}

int main(int argc, char **argv)
{
#define IN_FOLDER(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_missing_file_is_made_only_when_asked_for),
		IN_FOLDER(making_and_closing_leaves_one_file),
		IN_FOLDER(a_file_that_others_can_reach_is_refused),
		IN_FOLDER(a_file_of_another_user_is_refused),
		IN_FOLDER(names_are_only_names),
		IN_FOLDER(a_damaged_or_foreign_file_is_refused_and_left_alone),
		IN_FOLDER(a_log_without_its_database_is_not_played_into_a_new_one),
		IN_FOLDER(a_link_is_not_followed),
		IN_FOLDER(an_exclusive_store_keeps_all_others_out),
		IN_FOLDER(a_shared_store_keeps_only_exclusive_ones_out),
		IN_FOLDER(a_full_disk_changes_nothing),
		IN_FOLDER(a_disk_that_fails_to_sync_leaves_the_outcome_open),
		IN_FOLDER(a_disk_full_while_making_it_leaves_nothing),
	};

	if (argc == 3)
		return open_for_a_test(argv[1], argv[2]);
	disk_fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
