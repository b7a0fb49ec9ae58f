#include "membershipd/store/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/* A table in the order of revisions with an index by key: the first load of a follower reads the
 * file from front to back, and a write appends. */
#define CREATE_RECORDS \
	"CREATE TABLE records (rev INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, " \
	"value BLOB NOT NULL) STRICT"
/* One row. The last revision outlives the record that had it. */
#define CREATE_META \
	"CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), rev INTEGER NOT NULL) STRICT"
#define APPLICATION_ID 1970170210 /* "unib" */
#define FORMAT_VERSION 1
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* Far above anything real, and far enough below the largest integer for any commit. */
#define REV_MAX (INT64_C(1) << 62)

struct names {
	char db[PATH_MAX];
	char wal[PATH_MAX + 8];  /* SQLite's write-ahead log */
	char temp[PATH_MAX + 8]; /* a new database until it is complete */
	char folder[PATH_MAX];
	bool had_wal; /* before we opened it */
};

/* With a slash in it, SQLite takes no name for a URI or for a database in memory. */
static ub_err name_all(const char *path, struct names *to)
{
	int n = snprintf(to->db, sizeof(to->db), "%s%s", path[0] == '/' ? "" : "./", path);

	if (n < 0 || (size_t)n >= sizeof(to->db))
		return UNIBUS_ERR_IO;
	(void)snprintf(to->wal, sizeof(to->wal), "%s-wal", to->db);
	(void)snprintf(to->temp, sizeof(to->temp), "%s.XXXXXX", to->db);
	memcpy(to->folder, to->db, sizeof(to->folder));
	strrchr(to->folder, '/')[1] = '\0';
	return UB_OK;
}

ub_err sq_err(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return UB_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return UNIBUS_ERR_LOCKED;
	case SQLITE_NOMEM:
		return UNIBUS_ERR_NOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_MISMATCH:
	case SQLITE_SCHEMA:
	case SQLITE_ERROR: /* a constant statement that the file's schema contradicts */
		return UNIBUS_ERR_BAD_FILE;
	case SQLITE_IOERR:
		return rc == SQLITE_IOERR_NOMEM ? UNIBUS_ERR_NOMEM : UNIBUS_ERR_IO;
	default:
		return UNIBUS_ERR_IO;
	}
}

void sq_close(sqlite3 *db)
{
	ub_assert(sqlite3_close(db) == SQLITE_OK);
}

static void finalize(sqlite3_stmt **st)
{
	(void)sqlite3_finalize(*st); /* repeats the error of the last step */
}

static ub_err run(sqlite3 *db, const char *sql)
{
	return sq_err(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static ub_err ask(sqlite3 *db, const char *sql, int64_t *ret)
{
	UB_CLEANUP(finalize) sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_DONE)
		return UNIBUS_ERR_BAD_FILE;
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	return sq_err(rc);
}

/* For statements that answer with one word. */
static ub_err expect(sqlite3 *db, const char *sql, const char *word)
{
	UB_CLEANUP(finalize) sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? UNIBUS_ERR_BAD_FILE : sq_err(rc);
	const void *got = sqlite3_column_text(st, 0);
	return got && !strcmp(got, word) ? UB_OK : UNIBUS_ERR_BAD_FILE;
}

/* Looked at by name: a descriptor of our own, once closed, would drop the locks that SQLite holds
 * on the same file in this process. */
static ub_err file_check(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? UNIBUS_ERR_NOT_FOUND : UNIBUS_ERR_IO;
	if (!S_ISREG(st.st_mode))
		return UNIBUS_ERR_BAD_FILE;
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) || (st.st_uid != geteuid() && st.st_uid != 0))
		return UNIBUS_ERR_INSECURE_FILE;
	return UB_OK;
}

static ub_err sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return UNIBUS_ERR_IO;
	ub_err e = fsync(fd) ? UNIBUS_ERR_IO : UB_OK;
	(void)close(fd);
	return e;
}

static ub_err connect_to(const char *path, bool exclusive, sqlite3 **ret)
{
	UB_CLEANUP(sq_closep) sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
			SQLITE_OPEN_EXRESCODE,
		NULL);
	ub_err e = sq_err(rc);

	if (!e && exclusive)
		e = run(db, "PRAGMA locking_mode = EXCLUSIVE");
	if (!e)
		*ret = UB_TAKE(db);
	return e;
}

static ub_err fill_new(const char *path)
{
	UB_CLEANUP(sq_closep) sqlite3 *db = NULL;
	ub_err e = connect_to(path, true, &db);

	if (e)
		return e;
	/* Nobody knows the file yet: no journal has to outlive a crash. */
	return run(db,
		"PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL; BEGIN IMMEDIATE;"
		"PRAGMA application_id = " TEXT_OF(
			APPLICATION_ID) ";"
					"PRAGMA user_version = " TEXT_OF(
						FORMAT_VERSION) ";" CREATE_RECORDS ";" CREATE_META
								";"
								"INSERT INTO meta (one, rev) "
								"VALUES (1, 0); COMMIT");
}

/* Complete under another name first: a crash leaves no half-made database under this one, which
 * would be taken for a damaged one for ever. */
static ub_err create(struct names *names)
{
	ub_err e;
	int fd;

	if (!access(names->wal, F_OK)) /* SQLite would play it into the new database */
		return UNIBUS_ERR_BAD_FILE;
	fd = mkostemp(names->temp, O_CLOEXEC); /* O_EXCL, 0600 */
	if (fd < 0)
		return UNIBUS_ERR_IO;
	(void)close(fd);
	e = fill_new(names->temp);
	if (!e && link(names->temp, names->db) && errno != EEXIST)
		e = UNIBUS_ERR_IO;
	(void)unlink(names->temp);
	return e ? e : sync_folder(names->folder);
}

/* Reads only: what is not ours stays as it is. */
static ub_err identify(sqlite3 *db)
{
	int64_t id = 0, version = 0, ours = 0, all = 0;
	ub_err e = ask(db, "PRAGMA application_id", &id);

	if (!e && id != APPLICATION_ID)
		return UNIBUS_ERR_BAD_FILE;
	if (!e)
		e = ask(db, "PRAGMA user_version", &version);
	if (!e && version != FORMAT_VERSION)
		return UNIBUS_ERR_BAD_FILE;
	if (!e)
		e = ask(db,
			"SELECT count(*) FROM sqlite_schema WHERE sql IN ('" CREATE_RECORDS
			"', '" CREATE_META "')",
			&ours);
	if (!e)
		e = ask(db, "SELECT count(*) FROM sqlite_schema", &all);
	if (!e && (ours != 2 || all != 3)) /* the third is the index of `key` */
		return UNIBUS_ERR_BAD_FILE;
	return e;
}

static ub_err configure(sqlite3 *db)
{
	ub_err e = expect(db, "PRAGMA journal_mode = WAL", "wal");

	if (e)
		return e;
	return run(db, "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
		       "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;"
		       "PRAGMA cache_size = -32768; PRAGMA journal_size_limit = 67108864");
}

static ub_err verify(sqlite3 *db, uint64_t *ret_rev)
{
	int64_t last = -1, max = -1, min = -1;
	ub_err e = expect(db, "PRAGMA quick_check(1)", "ok");

	if (!e)
		e = ask(db, "SELECT rev FROM meta", &last);
	if (!e)
		e = ask(db, "SELECT coalesce(max(rev), 0) FROM records", &max);
	if (!e)
		e = ask(db, "SELECT coalesce(min(rev), 1) FROM records", &min);
	if (e)
		return e;
	if (last < max || min < 1 || last > REV_MAX)
		return UNIBUS_ERR_BAD_FILE;
	*ret_rev = (uint64_t)last;
	return UB_OK;
}

/* The files as the folder shows them, before SQLite touches them. */
static ub_err prepare(const struct md_sqlite_options *o, struct names *names)
{
	ub_err e = name_all(o->path, names);

	if (e)
		return e;
	e = file_check(names->db);
	if (e == UNIBUS_ERR_NOT_FOUND && o->create) {
		e = create(names);
		if (!e)
			e = file_check(names->db);
	}
	if (e)
		return e;
	e = file_check(names->wal);
	names->had_wal = e != UNIBUS_ERR_NOT_FOUND;
	return names->had_wal ? e : UB_OK;
}

ub_err sq_open(const struct md_sqlite_options *o, sqlite3 **ret, uint64_t *ret_rev)
{
	UB_CLEANUP(sq_closep) sqlite3 *db = NULL;
	struct names names;
	uint64_t rev = 0;
	ub_err e = prepare(o, &names);

	if (!e)
		e = connect_to(names.db, o->exclusive, &db);
	/* Until it is known to be ours, closing it must not play its log either. */
	if (!e && names.had_wal)
		e = sq_err(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL));
	if (!e)
		e = identify(db);
	if (!e)
		e = configure(db);
	if (!e)
		e = verify(db, &rev);
	if (!e)
		e = sq_err(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL));
	/* Another process that shares the file may be writing just now; an exclusive one is alone.
	 */
	if (!e && !o->exclusive)
		e = sq_err(sqlite3_busy_timeout(db, 5000));
	if (e)
		return e;
	*ret = UB_TAKE(db);
	*ret_rev = rev;
	return UB_OK;
}
