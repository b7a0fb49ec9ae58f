#include "membershipd/store/blob_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/b64url.h"

#define MARK "owner"
#define OWNER_MAX 64
#define TMP_PREFIX "tmp."
#define NAME_TEXT UB_B64URL_LEN(32)

struct md_blob_dir {
	int fd;
};

struct md_blob_tmp {
	struct md_blob_dir *d;
	int fd;
	bool kept;
	char name[sizeof(TMP_PREFIX) + UB_B64URL_LEN(16)];
};

struct file_name {
	char z[NAME_TEXT + 1];
};

static struct file_name text_of(const struct md_blob_name *name)
{
	struct file_name n;

	ub_b64url_encode(name->b, sizeof(name->b), n.z);
	return n;
}

static ub_err from_errno(void)
{
	return errno == ENOMEM ? UNIBUS_ERR_NOMEM : UNIBUS_ERR_IO;
}

static void close_quietly(int fd)
{
	if (fd >= 0)
		(void)close(fd); /* what had to be durable was synced */
}

static ub_err check_private(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return from_errno();
	return st.st_mode & (S_IRWXG | S_IRWXO) ? UNIBUS_ERR_INSECURE_FILE : UB_OK;
}

ub_err md_blob_dir_open(const char *path, struct md_blob_dir **ret)
{
	UB_CLEANUP(md_blob_dir_closep) struct md_blob_dir *d = calloc(1, sizeof(*d));
	ub_err e;

	if (!d)
		return UNIBUS_ERR_NOMEM;
	d->fd = -1;
	if (mkdir(path, 0700) && errno != EEXIST)
		return from_errno();
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0)
		return errno == ENOTDIR ? UNIBUS_ERR_BAD_FILE : from_errno();
	e = check_private(d->fd);
	if (e)
		return e;
	*ret = UB_TAKE(d);
	return UB_OK;
}

void md_blob_dir_close(struct md_blob_dir *d)
{
	if (!d)
		return;
	close_quietly(d->fd);
	free(d);
}

/* ---- whose it is ---- */

/* A listing of its own: the position of one is shared by all who have the descriptor. */
static ub_err list(const struct md_blob_dir *d, DIR **ret)
{
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *at;

	if (fd < 0)
		return from_errno();
	at = fdopendir(fd);
	if (!at) {
		close_quietly(fd);
		return from_errno();
	}
	*ret = at;
	return UB_OK;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Calls fn for every name but the dots. */
static ub_err walk(struct md_blob_dir *d,
	ub_err (*fn)(struct md_blob_dir *d, void *arg, const char *name), void *arg)
{
	const struct dirent *ent;
	DIR *at = NULL;
	ub_err e = list(d, &at);

	if (e)
		return e;
	for (errno = 0; !e && (ent = readdir(at)); errno = 0)
		e = is_dots(ent->d_name) ? UB_OK : fn(d, arg, ent->d_name);
	if (!e && errno)
		e = from_errno();
	(void)closedir(at); /* only read from */
	return e;
}

static bool is_tmp(const char *name)
{
	return strncmp(name, TMP_PREFIX, sizeof(TMP_PREFIX) - 1) == 0;
}

static ub_err remove_file(struct md_blob_dir *d, const char *name)
{
	return unlinkat(d->fd, name, 0) && errno != ENOENT ? from_errno() : UB_OK;
}

static ub_err remove_tmp(struct md_blob_dir *d, void *arg, const char *name)
{
	(void)arg;
	return is_tmp(name) ? remove_file(d, name) : UB_OK;
}

static ub_err note_file(struct md_blob_dir *d, void *arg, const char *name)
{
	(void)d;
	*(bool *)arg = *(bool *)arg || !is_tmp(name);
	return UB_OK;
}

/* UNIBUS_ERR_NOT_FOUND without a mark. */
static ub_err check_mark(struct md_blob_dir *d, const char *owner)
{
	char text[OWNER_MAX + 2];
	int fd = openat(d->fd, MARK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? UNIBUS_ERR_NOT_FOUND : from_errno();
	n = read(fd, text, sizeof(text));
	close_quietly(fd);
	if (n < 0)
		return from_errno();
	if ((size_t)n != strlen(owner) || memcmp(text, owner, (size_t)n) != 0)
		return UNIBUS_ERR_BAD_FILE;
	return UB_OK;
}

static ub_err rename_durably(struct md_blob_dir *d, const char *from, const char *to)
{
	if (renameat(d->fd, from, d->fd, to) || fsync(d->fd))
		return from_errno();
	return UB_OK;
}

static ub_err make_mark(struct md_blob_dir *d, const char *owner)
{
	UB_CLEANUP(md_blob_tmp_freep) struct md_blob_tmp *t = NULL;
	bool any = false;
	ub_err e = walk(d, note_file, &any);

	if (!e && !any)
		e = walk(d, remove_tmp, NULL);
	if (!e && any)
		e = UNIBUS_ERR_BAD_FILE; /* somebody's, who did not say so */
	if (!e)
		e = md_blob_tmp_new(d, &t);
	if (!e)
		e = md_blob_tmp_write(t, (struct ub_bytes){(const uint8_t *)owner, strlen(owner)});
	if (!e)
		e = md_blob_tmp_sync(t);
	if (!e)
		e = rename_durably(d, t->name, MARK);
	if (!e)
		t->kept = true;
	return e;
}

ub_err md_blob_dir_claim(struct md_blob_dir *d, const char *owner)
{
	ub_err e;

	ub_assert(*owner && strlen(owner) <= OWNER_MAX);
	e = check_mark(d, owner);
	if (e == UNIBUS_ERR_NOT_FOUND)
		return make_mark(d, owner);
	return e ? e : walk(d, remove_tmp, NULL);
}

/* ---- writing ---- */

ub_err md_blob_tmp_new(struct md_blob_dir *d, struct md_blob_tmp **ret)
{
	UB_CLEANUP(ub_freep) struct md_blob_tmp *t = calloc(1, sizeof(*t));
	uint8_t mark[16];

	if (!t)
		return UNIBUS_ERR_NOMEM;
	t->d = d;
	/* So few are given at once, or not at all. */
	if (getrandom(mark, sizeof(mark), 0) != (ssize_t)sizeof(mark))
		return UNIBUS_ERR_IO;
	memcpy(t->name, TMP_PREFIX, sizeof(TMP_PREFIX));
	ub_b64url_encode(mark, sizeof(mark), t->name + sizeof(TMP_PREFIX) - 1);
	t->fd = openat(d->fd, t->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->fd < 0)
		return from_errno();
	*ret = UB_TAKE(t);
	return UB_OK;
}

ub_err md_blob_tmp_write(struct md_blob_tmp *t, struct ub_bytes piece)
{
	for (size_t at = 0; at < piece.len;) {
		ssize_t n = write(t->fd, piece.p + at, piece.len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return from_errno();
		at += (size_t)n;
	}
	return UB_OK;
}

ub_err md_blob_tmp_sync(struct md_blob_tmp *t)
{
	return fsync(t->fd) ? from_errno() : UB_OK;
}

ub_err md_blob_tmp_keep(struct md_blob_tmp *t, const struct md_blob_name *name)
{
	struct file_name to = text_of(name);
	ub_err e = rename_durably(t->d, t->name, to.z);

	if (!e)
		t->kept = true;
	return e;
}

void md_blob_tmp_free(struct md_blob_tmp *t)
{
	if (!t)
		return;
	close_quietly(t->fd);
	if (!t->kept)
		(void)unlinkat(t->d->fd, t->name, 0); /* what stays is removed at the next claim */
	free(t);
}

/* ---- what is there ---- */

ub_err md_blob_dir_find(
	struct md_blob_dir *d, const struct md_blob_name *name, int *ret_fd, uint64_t *ret_size)
{
	struct file_name from = text_of(name);
	struct stat st;
	int fd = openat(d->fd, from.z, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? UNIBUS_ERR_NOT_FOUND : from_errno();
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close_quietly(fd);
		return UNIBUS_ERR_IO;
	}
	*ret_fd = fd;
	*ret_size = (uint64_t)st.st_size;
	return UB_OK;
}

ub_err md_blob_dir_remove(struct md_blob_dir *d, const struct md_blob_name *name)
{
	struct file_name n = text_of(name);

	return remove_file(d, n.z);
}

struct each {
	ub_err (*fn)(void *arg, const struct md_blob_name *name);
	void *arg;
};

static ub_err each_name(struct md_blob_dir *d, void *arg, const char *name)
{
	const struct each *e = arg;
	struct md_blob_name n;

	(void)d;
	/* What has no name of ours is not ours to judge. */
	if (ub_b64url_decode(ub_str(name), n.b, sizeof(n.b)))
		return UB_OK;
	return e->fn(e->arg, &n);
}

ub_err md_blob_dir_each(
	struct md_blob_dir *d, ub_err (*fn)(void *arg, const struct md_blob_name *name), void *arg)
{
	struct each e = {fn, arg};

	return walk(d, each_name, &e);
}
