#include "client/worklog.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "client/file.h"
#include "client/hash.h"
#include "core/buf.h"
#include "core/cursor.h"
#include "core/key.h"

#define CHECK_LEN 8
#define HEAD_LEN (8 + 8 + 8 + CHECK_LEN)
#define RECORD_LEN (16 + 8 + 8 + CHECK_LEN)

static const char magic[8] = "UBWORK1";

struct done {
	UT_hash_handle hh;
	struct ub_workitem item;
};

struct ub_worklog {
	char *path;
	size_t kept;
	int lock, fd; /* -1: none */
	size_t bytes; /* of the file that are good */
	struct done *head;
	uint64_t floor_ms, position;
};

static void put_check(struct ub_buf *out, size_t from)
{
	struct ub_hash h = {{0}};

	if (ub_buf_err(out) == UB_OK)
		ub_hash(out->p + from, out->len - from, &h);
	ub_buf_put(out, h.b, CHECK_LEN);
}

/* Is the last part of these bytes the check of the first? */
static bool check_fits(const uint8_t *p, size_t len)
{
	struct ub_hash h;

	ub_hash(p, len - CHECK_LEN, &h);
	return memcmp(h.b, p + len - CHECK_LEN, CHECK_LEN) == 0;
}

static void put_head(const struct ub_worklog *l, struct ub_buf *out)
{
	ub_buf_put(out, magic, sizeof(magic));
	ub_buf_u64(out, l->floor_ms);
	ub_buf_u64(out, l->position);
	put_check(out, 0);
}

static void put_record(const struct ub_workitem *item, struct ub_buf *out)
{
	size_t from = out->len;

	ub_buf_put(out, item->ref.b, sizeof(item->ref.b));
	ub_buf_u64(out, item->ts_ms);
	ub_buf_u64(out, item->position);
	put_check(out, from);
}

/* ---- in memory ---- */

static void forget_all(struct ub_worklog *l)
{
	struct done *at, *next;

	HASH_ITER (hh, l->head, at, next) {
		HASH_DEL(l->head, at);
		free(at);
	}
}

static struct done *find(const struct ub_worklog *l, const struct ub_ref *ref)
{
	struct done *at;

	HASH_FIND(hh, l->head, ref->b, sizeof(ref->b), at);
	return at;
}

static void forget(struct ub_worklog *l, struct done *at)
{
	HASH_DEL(l->head, at);
	free(at);
}

static ub_err remember(struct ub_worklog *l, const struct ub_workitem *item)
{
	struct done *at;

	if (find(l, &item->ref))
		return UB_OK;
	at = malloc(sizeof(*at));
	if (!at)
		return UNIBUS_ERR_NOMEM;
	at->item = *item;
	HASH_ADD(hh, l->head, item.ref.b, sizeof(at->item.ref.b), at);
	if (!at->hh.tbl) {
		free(at);
		return UNIBUS_ERR_NOMEM;
	}
	return UB_OK;
}

static void advance(struct ub_worklog *l, uint64_t position)
{
	if (position > l->position)
		l->position = position;
}

bool ub_worklog_has(const struct ub_worklog *l, const struct ub_workitem *item)
{
	return item->ts_ms <= l->floor_ms || find(l, &item->ref) != NULL;
}

uint64_t ub_worklog_position(const struct ub_worklog *l)
{
	return l->position;
}

/* ---- the file ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static ub_err write_all(int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return UNIBUS_ERR_IO;
		p += n;
		len -= (size_t)n;
	}
	return fdatasync(fd) == 0 ? UB_OK : UNIBUS_ERR_IO;
}

static ub_err open_end(struct ub_worklog *l, size_t bytes)
{
	close_fd(&l->fd);
	l->fd = open(l->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	l->bytes = bytes;
	if (l->fd < 0)
		return UNIBUS_ERR_IO;
	return ftruncate(l->fd, (off_t)bytes) == 0 && fdatasync(l->fd) == 0 ? UB_OK : UNIBUS_ERR_IO;
}

static ub_err write_anew(struct ub_worklog *l)
{
	UB_CLEANUP(ub_buf_deinit)
	struct ub_buf b = UB_BUF(HEAD_LEN + RECORD_LEN * (HASH_COUNT(l->head) + 1));
	struct done *at, *next;
	ub_err err;

	put_head(l, &b);
	HASH_ITER (hh, l->head, at, next)
		put_record(&at->item, &b);
	err = ub_buf_err(&b);
	if (err == UB_OK)
		err = ub_file_replace(l->path, b.p, b.len);
	return err == UB_OK ? open_end(l, b.len) : err;
}

static int by_time(const struct done *a, const struct done *b)
{
	return (a->item.ts_ms > b->item.ts_ms) - (a->item.ts_ms < b->item.ts_ms);
}

/* Keeps the newest. They are the newest by their senders' clocks, which the floor is in, too. */
static ub_err compact(struct ub_worklog *l)
{
	HASH_SORT(l->head, by_time);
	while (HASH_COUNT(l->head) > l->kept) {
		if (l->head->item.ts_ms > l->floor_ms)
			l->floor_ms = l->head->item.ts_ms;
		forget(l, l->head);
	}
	return write_anew(l);
}

static ub_err read_head(struct ub_worklog *l, const struct ub_buf *b)
{
	struct ub_cursor c = ub_cursor(b->p, b->len);
	char head[sizeof(magic)];

	ub_cursor_copy(&c, head, sizeof(head));
	l->floor_ms = ub_cursor_u64(&c);
	l->position = ub_cursor_u64(&c);
	if (b->len < HEAD_LEN || memcmp(head, magic, sizeof(head)) != 0 ||
		!check_fits(b->p, HEAD_LEN))
		return UNIBUS_ERR_BAD_FILE;
	return UB_OK;
}

static ub_err read_records(struct ub_worklog *l, const struct ub_buf *b, size_t *ret_good)
{
	size_t at = HEAD_LEN;

	for (; b->len - at >= RECORD_LEN; at += RECORD_LEN) {
		struct ub_cursor c = ub_cursor(b->p + at, RECORD_LEN);
		struct ub_workitem item;
		ub_err err;

		/* A crash can leave the last one's place without its bytes. */
		if (!check_fits(b->p + at, RECORD_LEN)) {
			if (b->len - at - RECORD_LEN >= RECORD_LEN)
				return UNIBUS_ERR_BAD_FILE;
			break;
		}
		ub_cursor_copy(&c, item.ref.b, sizeof(item.ref.b));
		item.ts_ms = ub_cursor_u64(&c);
		item.position = ub_cursor_u64(&c);
		err = remember(l, &item);
		if (err != UB_OK)
			return err;
		advance(l, item.position);
	}
	*ret_good = at;
	return UB_OK;
}

static ub_err load(struct ub_worklog *l)
{
	UB_CLEANUP(ub_buf_deinit)
	struct ub_buf b = UB_BUF(HEAD_LEN + RECORD_LEN * (2 * l->kept + 2));
	size_t good = 0;
	ub_err err = ub_file_read(l->path, false, &b);

	if (err == UNIBUS_ERR_NOT_FOUND)
		return write_anew(l);
	if (err == UB_OK)
		err = read_head(l, &b);
	if (err == UB_OK)
		err = read_records(l, &b, &good);
	return err == UB_OK ? open_end(l, good) : err;
}

static ub_err take_lock(struct ub_worklog *l)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf path = UB_BUF(4096);
	const char *z;

	ub_buf_z(&path, l->path);
	ub_buf_z(&path, ".lock");
	z = ub_buf_cstr(&path);
	if (!z)
		return ub_buf_err(&path);
	l->lock = open(z, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (l->lock < 0)
		return UNIBUS_ERR_IO;
	if (flock(l->lock, LOCK_EX | LOCK_NB) == 0)
		return UB_OK;
	return errno == EWOULDBLOCK ? UNIBUS_ERR_LOCKED : UNIBUS_ERR_IO;
}

ub_err ub_worklog_open(const char *path, size_t kept, struct ub_worklog **ret)
{
	struct ub_worklog *l = calloc(1, sizeof(*l));
	ub_err err;

	if (!l)
		return UNIBUS_ERR_NOMEM;
	l->lock = l->fd = -1;
	l->kept = kept;
	l->path = ub_str_dup(ub_str(path));
	err = l->path ? take_lock(l) : UNIBUS_ERR_NOMEM;
	if (err == UB_OK)
		err = load(l);
	if (err != UB_OK) {
		ub_worklog_close(l);
		return err;
	}
	*ret = l;
	return UB_OK;
}

void ub_worklog_close(struct ub_worklog *l)
{
	if (!l)
		return;
	forget_all(l);
	close_fd(&l->fd);
	close_fd(&l->lock);
	free(l->path);
	free(l);
}

/* What was written of a record that failed must not stay in front of the next. */
static void mend(struct ub_worklog *l)
{
	if (l->fd >= 0 && ftruncate(l->fd, (off_t)l->bytes) != 0)
		close_fd(&l->fd);
}

static ub_err append(struct ub_worklog *l, const struct ub_workitem *item)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(RECORD_LEN);
	ub_err err;

	if (l->fd < 0)
		return UNIBUS_ERR_IO;
	put_record(item, &b);
	err = ub_buf_err(&b);
	if (err == UB_OK)
		err = write_all(l->fd, b.p, b.len);
	if (err != UB_OK)
		mend(l);
	else
		l->bytes += b.len;
	return err;
}

ub_err ub_worklog_add(struct ub_worklog *l, const struct ub_workitem *item)
{
	ub_err err = UB_OK;

	if (l->bytes >= HEAD_LEN + 2 * l->kept * RECORD_LEN)
		err = compact(l);
	if (err == UB_OK)
		err = remember(l, item);
	if (err != UB_OK)
		return err;
	err = append(l, item);
	if (err != UB_OK)
		forget(l, find(l, &item->ref));
	else
		advance(l, item->position);
	return err;
}
