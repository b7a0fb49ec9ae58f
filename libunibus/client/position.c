#include "client/position.h"

#include <unistd.h>

#include "client/clock.h"
#include "core/cursor.h"
#include "core/key.h"
#include "core/num.h"

#define NAME_MAX_LEN 64
#define RECORD 64
#define SIGNED_PART 32
#define SYNC_MS 1000

static const char magic[8] = "UBPOS1";

bool ub_position_name_ok(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	if (n == 0 || n > NAME_MAX_LEN)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
	       n;
}

static void put_record(const struct ub_position *p, uint8_t to[RECORD])
{
	struct ub_hash h;

	memcpy(to, magic, sizeof(magic));
	ub_put_u64(to + 8, p->count);
	ub_put_u64(to + 16, p->had);
	ub_put_u64(to + 24, p->delivering);
	ub_hash(to, SIGNED_PART, &h);
	memcpy(to + SIGNED_PART, h.b, sizeof(h.b));
}

static bool get_record(const uint8_t from[RECORD], struct ub_position *ret)
{
	struct ub_hash h;

	ub_hash(from, SIGNED_PART, &h);
	if (memcmp(from, magic, sizeof(magic)) != 0 ||
		memcmp(from + SIGNED_PART, h.b, sizeof(h.b)) != 0)
		return false;
	ret->count = ub_get_u64(from + 8);
	ret->had = ub_get_u64(from + 16);
	ret->delivering = ub_get_u64(from + 24);
	return true;
}

static ub_err load(struct ub_position *p)
{
	uint8_t both[2 * RECORD] = {0};
	ssize_t n = pread(p->fd, both, sizeof(both), 0);
	struct ub_position at = {.fd = p->fd};
	bool found = false;

	if (n < 0)
		return UNIBUS_ERR_IO;
	for (size_t i = 0; i < 2; i++) {
		if ((size_t)n < (i + 1) * RECORD || !get_record(both + i * RECORD, &at))
			continue;
		if (!found || at.count > p->count)
			*p = at;
		found = true;
	}
	/* The first record ever can be torn, and then nothing was had. */
	return found || n < 2 * RECORD ? UB_OK : UNIBUS_ERR_BAD_FILE;
}

ub_err ub_position_open(
	struct ub_statedir *d, const char *room, const char *name, struct ub_position *ret)
{
	char path[160];
	struct ub_position p = {.fd = -1};
	ub_err err;

	snprintf(path, sizeof(path), "%s.%s", room, name);
	err = ub_statedir_hold(d, "positions", path, &p.fd);
	if (err != UB_OK)
		return err;
	err = load(&p);
	if (err != UB_OK) {
		ub_position_close(&p);
		return err;
	}
	*ret = p;
	return UB_OK;
}

void ub_position_close(struct ub_position *p)
{
	if (p->fd < 0)
		return;
	/* What it fails of was there before, too: then messages come again. */
	(void)fdatasync(p->fd);
	close(p->fd);
	p->fd = -1;
}

ub_err ub_position_write(struct ub_position *p, uint64_t had, uint64_t delivering)
{
	uint8_t record[RECORD];
	uint64_t now;

	if (p->had == had && p->delivering == delivering)
		return UB_OK;
	p->count++;
	p->had = had;
	p->delivering = delivering;
	put_record(p, record);
	if (pwrite(p->fd, record, sizeof(record), (off_t)(p->count % 2) * RECORD) !=
		(ssize_t)sizeof(record))
		return UNIBUS_ERR_IO;
	now = ub_mono_ms();
	if (now - p->synced_ms < SYNC_MS)
		return UB_OK;
	p->synced_ms = now;
	return fdatasync(p->fd) == 0 ? UB_OK : UNIBUS_ERR_IO;
}
