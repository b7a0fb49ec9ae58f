#include "client/statedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/clock.h"
#include "client/file.h"
#include "core/limits.h"
#include "core/num.h"

#define PATH_BYTES_MAX 4096
#define LOCK_PAUSE_MS 5

struct ub_statedir {
	char *dir;
	unsigned timeout_ms;
};

static ub_err path_of(const char *dir, const char *name, char **ret)
{
	struct ub_buf b = UB_BUF(PATH_BYTES_MAX);

	ub_buf_z(&b, dir);
	ub_buf_u8(&b, '/');
	ub_buf_z(&b, name);
	*ret = ub_buf_take(&b);
	return *ret ? UB_OK : UNIBUS_ERR_NOMEM;
}

ub_err ub_statedir_default(const char *endpoint, char **ret)
{
	struct ub_buf b = UB_BUF(PATH_BYTES_MAX);
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (xdg && xdg[0] == '/') {
		ub_buf_z(&b, xdg);
	} else if (home && home[0] == '/') {
		ub_buf_z(&b, home);
		ub_buf_z(&b, "/.local/state");
	} else {
		return UNIBUS_ERR_INVALID;
	}
	ub_buf_z(&b, "/unibus/");
	ub_buf_z(&b, endpoint);
	*ret = ub_buf_take(&b);
	return *ret ? UB_OK : UNIBUS_ERR_NOMEM;
}

/* Whoever can write there could pin keys for us. */
static ub_err check_rights(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) != 0)
		return UNIBUS_ERR_IO;
	return (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 ? UB_OK : UNIBUS_ERR_INSECURE_FILE;
}

ub_err ub_statedir_open(const char *dir, unsigned timeout_ms, struct ub_statedir **ret)
{
	UB_CLEANUP(ub_freep) char *rooms = NULL;
	struct ub_statedir *d;
	ub_err err = path_of(dir, "rooms", &rooms);

	if (err == UB_OK)
		err = ub_dir_make(rooms);
	if (err == UB_OK)
		err = check_rights(dir);
	if (err == UB_OK)
		err = check_rights(rooms);
	if (err != UB_OK)
		return err;
	d = calloc(1, sizeof(*d));
	if (!d)
		return UNIBUS_ERR_NOMEM;
	d->dir = ub_str_dup(ub_str(dir));
	d->timeout_ms = timeout_ms;
	if (!d->dir) {
		free(d);
		return UNIBUS_ERR_NOMEM;
	}
	*ret = d;
	return UB_OK;
}

void ub_statedir_close(struct ub_statedir *d)
{
	if (!d)
		return;
	free(d->dir);
	free(d);
}

void ub_statedir_unlock(int *lock)
{
	if (*lock >= 0)
		close(*lock);
	*lock = -1;
}

ub_err ub_statedir_lock(struct ub_statedir *d, int *ret_lock)
{
	UB_CLEANUP(ub_freep) char *path = NULL;
	UB_CLEANUP(ub_statedir_unlock) int fd = -1;
	uint64_t until = ub_mono_ms() + d->timeout_ms;
	ub_err err = path_of(d->dir, "lock", &path);

	if (err != UB_OK)
		return err;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return UNIBUS_ERR_IO;
	/* File locks have no timed wait and nothing to be woken by; sections are milliseconds. */
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};

		if (errno != EWOULDBLOCK && errno != EINTR)
			return UNIBUS_ERR_IO;
		if (ub_mono_ms() >= until)
			return UNIBUS_ERR_LOCKED;
		nanosleep(&pause, NULL);
	}
	*ret_lock = fd;
	fd = -1;
	return UB_OK;
}

ub_err ub_statedir_path(const struct ub_statedir *d, const char *name, char **ret)
{
	return path_of(d->dir, name, ret);
}

ub_err ub_statedir_read(struct ub_statedir *d, const char *name, struct ub_buf *out)
{
	UB_CLEANUP(ub_freep) char *path = NULL;
	ub_err err = path_of(d->dir, name, &path);

	return err == UB_OK ? ub_file_read(path, false, out) : err;
}

ub_err ub_statedir_write(struct ub_statedir *d, const char *name, const struct ub_buf *data)
{
	UB_CLEANUP(ub_freep) char *path = NULL;
	ub_err err = ub_buf_err(data);

	if (err == UB_OK)
		err = path_of(d->dir, name, &path);
	return err == UB_OK ? ub_file_replace(path, data->p, data->len) : err;
}

ub_err ub_statedir_hold(struct ub_statedir *d, const char *folder, const char *name, int *ret_fd)
{
	UB_CLEANUP(ub_freep) char *dir = NULL, *path = NULL;
	UB_CLEANUP(ub_statedir_unlock) int fd = -1;
	ub_err err = path_of(d->dir, folder, &dir);

	if (err == UB_OK)
		err = ub_dir_make(dir);
	if (err == UB_OK)
		err = path_of(dir, name, &path);
	if (err != UB_OK)
		return err;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return UNIBUS_ERR_IO;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? UNIBUS_ERR_LOCKED : UNIBUS_ERR_IO;
	*ret_fd = fd;
	fd = -1;
	return UB_OK;
}

static void dir_close(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

ub_err ub_statedir_each(struct ub_statedir *d, const char *folder, const char *suffix,
	ub_err (*fn)(void *arg, struct ub_str stem), void *arg)
{
	UB_CLEANUP(ub_freep) char *path = NULL;
	UB_CLEANUP(dir_close) DIR *dir = NULL;
	size_t cut = strlen(suffix);
	struct dirent *e;
	ub_err err = path_of(d->dir, folder, &path);

	if (err != UB_OK)
		return err;
	dir = opendir(path);
	if (!dir)
		return UNIBUS_ERR_IO;
	while (err == UB_OK) {
		size_t len;

		errno = 0;
		e = readdir(dir);
		if (!e)
			return errno == 0 ? UB_OK : UNIBUS_ERR_IO;
		len = strlen(e->d_name);
		if (len > cut && strcmp(e->d_name + len - cut, suffix) == 0)
			err = fn(arg, (struct ub_str){e->d_name, len - cut});
	}
	return err;
}

static ub_err session_last(struct ub_statedir *d, uint64_t *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(32);
	struct ub_str s;
	ub_err err = ub_statedir_read(d, "session", &text);

	if (err == UNIBUS_ERR_NOT_FOUND) {
		*ret = 0;
		return UB_OK;
	}
	if (err != UB_OK)
		return err;
	s = ub_buf_text(&text);
	if (s.len == 0 || s.p[s.len - 1] != '\n')
		return UNIBUS_ERR_BAD_FILE;
	s.len--;
	return ub_num_u64(s, 1, UINT64_MAX - 1, ret) == UB_OK ? UB_OK : UNIBUS_ERR_BAD_FILE;
}

ub_err ub_statedir_session(struct ub_statedir *d, uint64_t now_ms, uint64_t *ret)
{
	UB_CLEANUP(ub_statedir_unlock) int lock = -1;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(32);
	uint64_t last = 0, session = now_ms << 20 | randombytes_uniform(1U << 20);
	ub_err err = ub_statedir_lock(d, &lock);

	if (err == UB_OK)
		err = session_last(d, &last);
	if (err != UB_OK)
		return err;
	if (session <= last)
		session = last + 1;
	ub_buf_printf(&text, "%llu\n", (unsigned long long)session);
	err = ub_statedir_write(d, "session", &text);
	if (err == UB_OK)
		*ret = session;
	return err;
}
