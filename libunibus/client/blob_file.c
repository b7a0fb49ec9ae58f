#include "client/blob_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/num.h"

#define PATH_LONGEST 8192
#define SEALED (UB_BLOB_CHUNK + UB_BLOB_OVER)

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* "<target>.<16 hex digits><suffix>", to be freed. */
static char *beside(const char *target, const struct ub_hash *hash, const char *suffix)
{
	struct ub_buf b = UB_BUF(PATH_LONGEST);

	ub_buf_z(&b, target);
	ub_buf_u8(&b, '.');
	ub_buf_hex(&b, hash->b, 8);
	ub_buf_z(&b, suffix);
	return ub_buf_take(&b);
}

/* The number of bytes; fewer only at the end of the file. */
static ub_err read_full(int fd, uint8_t *to, size_t len, size_t *ret)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = read(fd, to + at, len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return UNIBUS_ERR_IO;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	*ret = at;
	return UB_OK;
}

static ub_err write_full(int fd, struct ub_bytes p)
{
	while (p.len > 0) {
		ssize_t n = write(fd, p.p, p.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return UNIBUS_ERR_IO;
		p.p += n;
		p.len -= (size_t)n;
	}
	return UB_OK;
}

/* ---- the part ---- */

ub_err ub_part_reset(struct ub_part *p)
{
	if (ftruncate(p->fd, 0) || lseek(p->fd, 0, SEEK_SET) != 0)
		return UNIBUS_ERR_IO;
	p->have = 0;
	crypto_hash_sha256_init(&p->hash);
	return UB_OK;
}

static ub_err lock_part(struct ub_part *p)
{
	struct stat st;

	p->fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (p->fd < 0)
		return errno == ELOOP ? UNIBUS_ERR_BAD_FILE : UNIBUS_ERR_IO;
	if (flock(p->fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? UNIBUS_ERR_LOCKED : UNIBUS_ERR_IO;
	if (fstat(p->fd, &st))
		return UNIBUS_ERR_IO;
	if (!S_ISREG(st.st_mode))
		return UNIBUS_ERR_BAD_FILE;
	/* Whoever had it locked may have finished and removed it meanwhile. */
	return st.st_nlink ? UB_OK : UNIBUS_ERR_LOCKED;
}

static ub_err take_in(struct ub_part *p)
{
	uint8_t piece[16384];
	size_t n = 0;
	ub_err err = UB_OK;

	crypto_hash_sha256_init(&p->hash);
	do {
		err = read_full(p->fd, piece, sizeof(piece), &n);
		if (err != UB_OK)
			return err;
		crypto_hash_sha256_update(&p->hash, piece, n);
		p->have += n;
	} while (n > 0 && p->have <= p->size);
	return p->have > p->size ? ub_part_reset(p) : UB_OK;
}

ub_err ub_part_open(const char *target, const struct ub_blob_ref *ref, struct ub_part *ret)
{
	struct ub_part p = {.fd = -1, .size = ref->size};
	struct stat st;
	ub_err err = UNIBUS_ERR_NOMEM;

	if (!lstat(target, &st))
		return UNIBUS_ERR_EXISTS;
	p.path = beside(target, &ref->sha256, ".part");
	p.target = ub_str_dup(ub_str(target));
	if (p.path && p.target)
		err = lock_part(&p);
	if (err == UB_OK)
		err = take_in(&p);
	if (err != UB_OK) {
		ub_part_close(&p);
		return err;
	}
	*ret = p;
	return UB_OK;
}

void ub_part_close(struct ub_part *p)
{
	fd_close(&p->fd);
	free(p->path);
	free(p->target);
	*p = (struct ub_part){.fd = -1};
}

void ub_part_drop(struct ub_part *p)
{
	if (p->path)
		(void)unlink(p->path); /* what stays is found wrong again the next time */
}

ub_err ub_part_add(struct ub_part *p, struct ub_bytes piece)
{
	ub_err err;

	if (piece.len > p->size - p->have)
		return UNIBUS_ERR_CORRUPT;
	err = write_full(p->fd, piece);
	if (err != UB_OK)
		return err;
	crypto_hash_sha256_update(&p->hash, piece.p, piece.len);
	p->have += piece.len;
	return UB_OK;
}

/* ---- the file ---- */

/* link() refuses a name that exists, which rename() would replace. */
static ub_err put_there(const char *from, const char *target)
{
	if (link(from, target))
		return errno == EEXIST ? UNIBUS_ERR_EXISTS : UNIBUS_ERR_IO;
	return UB_OK;
}

static ub_err open_chunks(struct ub_part *p, struct ub_blob_stream *s, int to)
{
	UB_CLEANUP(ub_freep) uint8_t *sealed = malloc(SEALED);
	UB_CLEANUP(ub_freep) uint8_t *content = malloc(UB_BLOB_CHUNK);
	uint64_t left = p->size - UB_BLOB_HEADER;
	ub_err err = sealed && content ? UB_OK : UNIBUS_ERR_NOMEM;

	while (err == UB_OK && left > 0) {
		size_t n = left < SEALED ? (size_t)left : SEALED, got = 0;

		left -= n;
		err = read_full(p->fd, sealed, n, &got);
		if (err == UB_OK && got != n)
			err = UNIBUS_ERR_IO;
		if (err == UB_OK)
			err = ub_blob_open_chunk(s, (struct ub_bytes){sealed, n}, !left, content);
		if (err == UB_OK)
			err = write_full(to, (struct ub_bytes){content, n - UB_BLOB_OVER});
	}
	if (content)
		sodium_memzero(content, UB_BLOB_CHUNK);
	return err;
}

static ub_err open_sealed(struct ub_part *p, const struct ub_blob_ref *ref,
	const struct ub_room_id *room, const char *temp)
{
	UB_CLEANUP(ub_blob_stream_wipe) struct ub_blob_stream s;
	UB_CLEANUP(fd_close) int to = -1;
	uint8_t header[UB_BLOB_HEADER];
	size_t n = 0;
	ub_err err = lseek(p->fd, 0, SEEK_SET) == 0 ? UB_OK : UNIBUS_ERR_IO;

	if (err == UB_OK)
		err = read_full(p->fd, header, sizeof(header), &n);
	if (err == UB_OK && n != sizeof(header))
		err = UNIBUS_ERR_CORRUPT;
	ub_blob_stream_init(&s, &ref->key, room, header);
	if (err != UB_OK)
		return err;
	to = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return UNIBUS_ERR_IO;
	err = open_chunks(p, &s, to);
	return err == UB_OK && fsync(to) ? UNIBUS_ERR_IO : err;
}

static ub_err finish_sealed(
	struct ub_part *p, const struct ub_blob_ref *ref, const struct ub_room_id *room)
{
	/* The part is locked, so this name is ours alone. */
	UB_CLEANUP(ub_freep) char *temp = beside(p->target, &ref->sha256, ".open");
	ub_err err = temp ? open_sealed(p, ref, room, temp) : UNIBUS_ERR_NOMEM;

	if (err == UB_OK)
		err = put_there(temp, p->target);
	if (temp)
		(void)unlink(temp); /* not there when it was not made */
	return err;
}

bool ub_part_whole(const struct ub_part *p, const struct ub_blob_ref *ref)
{
	crypto_hash_sha256_state hash = p->hash;
	struct ub_hash got;

	crypto_hash_sha256_final(&hash, got.b);
	return p->have == ref->size && memcmp(got.b, ref->sha256.b, sizeof(got.b)) == 0;
}

ub_err ub_part_finish(
	struct ub_part *p, const struct ub_blob_ref *ref, const struct ub_room_id *room)
{
	ub_err err;

	if (ref->sealed)
		err = finish_sealed(p, ref, room);
	else
		err = fsync(p->fd) ? UNIBUS_ERR_IO : put_there(p->path, p->target);
	if (err == UB_OK || err == UNIBUS_ERR_CORRUPT)
		ub_part_drop(p);
	return err;
}
