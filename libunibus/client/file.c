#include "client/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static ub_err open_checked(const char *path, bool secret, size_t max, int *ret)
{
	UB_CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? UNIBUS_ERR_NOT_FOUND : UNIBUS_ERR_IO;
	if (fstat(fd, &st) != 0)
		return UNIBUS_ERR_IO;
	if (!S_ISREG(st.st_mode))
		return UNIBUS_ERR_BAD_FILE;
	if (secret && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return UNIBUS_ERR_INSECURE_FILE;
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return UNIBUS_ERR_BAD_FILE;
	*ret = fd;
	fd = -1;
	return UB_OK;
}

ub_err ub_file_read(const char *path, bool secret, struct ub_buf *out)
{
	UB_CLEANUP(fd_close) int fd = -1;
	uint8_t piece[4096];
	ssize_t n;
	ub_err err = open_checked(path, secret, out->max, &fd);

	if (err != UB_OK)
		return err;
	for (;;) {
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		ub_buf_put(out, piece, (size_t)n);
	}
	sodium_memzero(piece, sizeof(piece));
	if (n < 0)
		return UNIBUS_ERR_IO;
	err = ub_buf_err(out);
	return err == UNIBUS_ERR_TOO_LARGE ? UNIBUS_ERR_BAD_FILE : err;
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
	return fsync(fd) == 0 ? UB_OK : UNIBUS_ERR_IO;
}

/* A new name is on disk only when its folder is. */
static ub_err sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct ub_str dir = slash ? (struct ub_str){path, (size_t)(slash - path)} : UB_STR(".");
	UB_CLEANUP(ub_freep) char *z = ub_str_dup(dir.len > 0 ? dir : UB_STR("/"));
	UB_CLEANUP(fd_close) int fd = -1;

	if (!z)
		return UNIBUS_ERR_NOMEM;
	fd = open(z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return UNIBUS_ERR_IO;
	return UB_OK;
}

/* "<path>.<16 hex digits>": beside the file, so that a rename stays on one file system. */
static char *temp_name(const char *path)
{
	struct ub_buf b = UB_BUF(8192);
	uint8_t r[8];

	randombytes_buf(r, sizeof(r));
	ub_buf_z(&b, path);
	ub_buf_u8(&b, '.');
	ub_buf_hex(&b, r, sizeof(r));
	return ub_buf_take(&b);
}

static ub_err write_temp(const char *temp, const void *p, size_t len)
{
	UB_CLEANUP(fd_close) int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ub_err err;

	if (fd < 0)
		return UNIBUS_ERR_IO;
	err = write_all(fd, p, len);
	if (err != UB_OK)
		unlink(temp);
	return err;
}

ub_err ub_file_create(const char *path, const void *p, size_t len)
{
	UB_CLEANUP(ub_freep) char *temp = temp_name(path);
	ub_err err;

	if (!temp)
		return UNIBUS_ERR_NOMEM;
	err = write_temp(temp, p, len);
	if (err != UB_OK)
		return err;
	/* link() refuses an existing name, which rename() would replace. */
	if (link(temp, path) != 0)
		err = errno == EEXIST ? UNIBUS_ERR_EXISTS : UNIBUS_ERR_IO;
	unlink(temp);
	return err == UB_OK ? sync_folder(path) : err;
}

ub_err ub_file_replace(const char *path, const void *p, size_t len)
{
	UB_CLEANUP(ub_freep) char *temp = temp_name(path);
	ub_err err;

	if (!temp)
		return UNIBUS_ERR_NOMEM;
	err = write_temp(temp, p, len);
	if (err != UB_OK)
		return err;
	if (rename(temp, path) != 0) {
		unlink(temp);
		return UNIBUS_ERR_IO;
	}
	return sync_folder(path);
}

ub_err ub_dir_make(const char *path)
{
	UB_CLEANUP(ub_freep) char *z = ub_str_dup(ub_str(path));
	struct stat st;

	if (!z)
		return UNIBUS_ERR_NOMEM;
	for (char *p = z + 1; z[0] != '\0' && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(z, 0700) != 0 && errno != EEXIST)
			return UNIBUS_ERR_IO;
		*p = '/';
	}
	if (mkdir(z, 0700) != 0 && errno != EEXIST)
		return UNIBUS_ERR_IO;
	if (stat(z, &st) != 0 || !S_ISDIR(st.st_mode))
		return UNIBUS_ERR_IO;
	return UB_OK;
}
