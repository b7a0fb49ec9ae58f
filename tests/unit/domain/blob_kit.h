/* blob_kit.h: a folder for the blobs of a service, and blobs brought by peers of the kit.
 *
 * Threads: one. */
#ifndef MD_TEST_BLOB_KIT_H
#define MD_TEST_BLOB_KIT_H

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "membershipd/domain/blob.h"
#include "membershipd/store/blob_dir.h"
#include "tests/unit/domain/rooms_kit.h"

struct kit_blobs {
	char path[64];
	struct md_blob_dir *dir;
};

static inline void kit_blobs_open(struct kit_blobs *k)
{
	snprintf(k->path, sizeof(k->path), "/tmp/unibus-test-XXXXXX");
	assert_non_null(mkdtemp(k->path));
	assert_int_equal(md_blob_dir_open(k->path, &k->dir), UB_OK);
}

/* Calls fn, which may be NULL, with every file in it; how many there are, the mark left out. */
static inline size_t kit_blobs_each(const struct kit_blobs *k, void (*fn)(const char *path))
{
	DIR *at = opendir(k->path);
	const struct dirent *ent;
	char path[512];
	size_t n = 0;

	assert_non_null(at);
	while ((ent = readdir(at))) {
		snprintf(path, sizeof(path), "%s/%s", k->path, ent->d_name);
		if (ent->d_name[0] == '.' || strcmp(ent->d_name, "owner") == 0)
			continue;
		n++;
		if (fn)
			fn(path);
	}
	closedir(at);
	return n;
}

static inline size_t kit_blobs_count(const struct kit_blobs *k)
{
	return kit_blobs_each(k, NULL);
}

static inline void kit_unlink(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

static inline void kit_blobs_close(struct kit_blobs *k)
{
	char mark[80];

	(void)kit_blobs_each(k, kit_unlink);
	snprintf(mark, sizeof(mark), "%s/owner", k->path);
	(void)unlink(mark); /* never claimed, perhaps */
	assert_int_equal(rmdir(k->path), 0);
	md_blob_dir_close(k->dir);
}

static inline struct md_blob_want kit_want(const struct ub_room *room, const char *text)
{
	struct md_blob_want want = {.room = room->id, .size = strlen(text)};

	ub_sha256(text, strlen(text), want.sha256.b);
	return want;
}

static inline struct ub_bytes kit_bytes(const char *text)
{
	return (struct ub_bytes){(const uint8_t *)text, strlen(text)};
}

static inline ub_err kit_blob_begin(struct world *w, unsigned n, const struct ub_room *room,
	const char *text, struct md_blob_upload **ret)
{
	const struct md_caller by = kit_stale_caller(w, n, false);
	const struct md_blob_want want = kit_want(room, text);

	return md_blob_begin(w->s, &by, &want, ret);
}

/* Peer n brings the text to the room. */
static inline ub_err kit_blob_put(struct world *w, unsigned n, const struct ub_room *room,
	const char *text, bool *ret_created)
{
	struct md_blob_upload *u = NULL;
	uint64_t rev;
	ub_err e = kit_blob_begin(w, n, room, text, &u);

	if (!e)
		e = md_blob_write(u, kit_bytes(text));
	if (!e)
		e = md_blob_finish(u, ret_created, &rev);
	md_blob_end(u);
	return e;
}

/* What peer n gets for the hash of that text; when it is given it is the text. */
static inline ub_err kit_blob_get(struct world *w, unsigned n, const char *text)
{
	const struct md_caller by = kit_stale_caller(w, n, false);
	const struct ub_room nowhere = {0};
	const struct md_blob_want want = kit_want(&nowhere, text);
	struct md_blob_file f;
	char got[256] = "";
	ub_err e = md_blob_open(w->s, &by, &want.sha256, &f);

	if (e)
		return e;
	assert_int_equal(f.size, strlen(text));
	assert_int_equal(read(f.fd, got, sizeof(got) - 1), (ssize_t)f.size);
	assert_string_equal(got, text);
	close(f.fd);
	return UB_OK;
}

#endif
