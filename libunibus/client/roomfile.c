#include "client/roomfile.h"

#include "core/b64url.h"
#include "core/num.h"

#define FIRST_LINE "unibus-room 1"

struct name {
	char z[64];
};

static struct name file_name(const struct ub_croom *r, const char *suffix)
{
	struct name n;

	snprintf(n.z, sizeof(n.z), "rooms/%s%s", r->id_text, suffix);
	return n;
}

/* The next line, without its end; false at the end of the text or when the line has none. */
static bool next_line(struct ub_str *text, struct ub_str *ret)
{
	const char *end = text->len > 0 ? memchr(text->p, '\n', text->len) : NULL;

	if (!end)
		return false;
	ret->p = text->p;
	ret->len = (size_t)(end - text->p);
	text->len -= ret->len + 1;
	text->p = end + 1;
	return true;
}

static bool split_entry(struct ub_str line, uint64_t *ret_seen, struct ub_str *ret)
{
	const char *space = line.len > 0 ? memchr(line.p, ' ', line.len) : NULL;

	if (!space)
		return false;
	*ret = (struct ub_str){space + 1, (size_t)(line.p + line.len - space - 1)};
	return ub_num_u64((struct ub_str){line.p, (size_t)(space - line.p)}, 0, UINT64_MAX,
		       ret_seen) == UB_OK;
}

static void put_end(const struct ub_croom *r, struct ub_buf *out)
{
	ub_buf_printf(out, "end %zu ", r->n_entries);
	ub_buf_b64url(out, r->state.head.b, sizeof(r->state.head.b));
	ub_buf_printf(out, " %u", r->state.epoch);
}

/* Does the last line say what the entries before it came to? */
static ub_err check_end(const struct ub_croom *r, struct ub_str line)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf want = UB_BUF(256);

	put_end(r, &want);
	if (ub_buf_err(&want) != UB_OK)
		return ub_buf_err(&want);
	return ub_str_eq(ub_buf_text(&want), line) ? UB_OK : UNIBUS_ERR_BAD_FILE;
}

/* Continues the room by the lines that it does not have yet; those that it has must be the same.
 * With room->lock held. */
static ub_err take_lines(struct ub_croom *r, struct ub_str text)
{
	struct ub_str line, entry;
	uint64_t seen;
	size_t n = 0;

	if (!next_line(&text, &line) || !ub_str_eqz(line, FIRST_LINE))
		return UNIBUS_ERR_BAD_FILE;
	while (next_line(&text, &line)) {
		ub_err err;

		if (line.len > 4 && memcmp(line.p, "end ", 4) == 0) {
			if (text.len > 0)
				return UNIBUS_ERR_BAD_FILE;
			return n == r->n_entries ? check_end(r, line) : UB_OK;
		}
		if (!split_entry(line, &seen, &entry))
			return UNIBUS_ERR_BAD_FILE;
		if (n < r->n_entries) {
			if (!ub_str_eq(entry, (struct ub_str){r->entries[n].z, r->entries[n].len}))
				return UNIBUS_ERR_FORK;
		} else {
			err = ub_croom_take(r, entry, seen);
			if (err != UB_OK)
				return err == UNIBUS_ERR_NOMEM ? err : UNIBUS_ERR_BAD_FILE;
		}
		n++;
	}
	return UNIBUS_ERR_BAD_FILE;
}

static ub_err load_seen(struct ub_statedir *d, const struct ub_croom *r, struct ub_senders *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf data = UB_BUF(UB_STATE_FILE_MAX);
	ub_err err = ub_statedir_read(d, file_name(r, ".seen").z, &data);

	if (err == UNIBUS_ERR_NOT_FOUND)
		return UB_OK;
	if (err != UB_OK)
		return err;
	return ub_senders_merge(ret, (struct ub_bytes){data.p, data.len});
}

ub_err ub_roomfile_load(struct ub_statedir *d, struct ub_croom *r)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_STATE_FILE_MAX);
	ub_err err = ub_statedir_read(d, file_name(r, ".log").z, &text);

	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&r->lock);
	err = take_lines(r, ub_buf_text(&text));
	/* The file's name says which room it is. */
	if (err == UB_OK && !ub_room_id_eq(&r->state.id, &r->id))
		err = UNIBUS_ERR_BAD_FILE;
	if (err == UB_OK)
		err = load_seen(d, r, &r->senders);
	pthread_mutex_unlock(&r->lock);
	return err;
}

static size_t count_lines(struct ub_str text)
{
	struct ub_str line;
	size_t n = 0;

	while (next_line(&text, &line))
		n++;
	return n;
}

static ub_err write_log(struct ub_statedir *d, struct ub_croom *r)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_STATE_FILE_MAX);

	pthread_mutex_lock(&r->lock);
	ub_buf_z(&out, FIRST_LINE "\n");
	for (size_t i = 0; i < r->n_entries; i++) {
		ub_buf_printf(&out, "%llu ", (unsigned long long)r->entries[i].seen_ms);
		ub_buf_put(&out, r->entries[i].z, r->entries[i].len);
		ub_buf_u8(&out, '\n');
	}
	put_end(r, &out);
	ub_buf_u8(&out, '\n');
	pthread_mutex_unlock(&r->lock);
	return ub_statedir_write(d, file_name(r, ".log").z, &out);
}

ub_err ub_roomfile_save(struct ub_statedir *d, struct ub_croom *r)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_STATE_FILE_MAX);
	UB_CLEANUP(ub_statedir_unlock) int lock = -1;
	size_t on_disk = 0, ours;
	ub_err err = ub_statedir_lock(d, &lock);

	if (err != UB_OK)
		return err;
	err = ub_statedir_read(d, file_name(r, ".log").z, &text);
	if (err == UB_OK) {
		on_disk = count_lines(ub_buf_text(&text));
		pthread_mutex_lock(&r->lock);
		err = take_lines(r, ub_buf_text(&text));
		pthread_mutex_unlock(&r->lock);
	} else if (err == UNIBUS_ERR_NOT_FOUND) {
		err = UB_OK;
	}
	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&r->lock);
	ours = r->n_entries + 2;
	pthread_mutex_unlock(&r->lock);
	return ours > on_disk ? write_log(d, r) : UB_OK;
}

ub_err ub_roomfile_save_seen(struct ub_statedir *d, struct ub_croom *r)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf mine = UB_BUF(UB_STATE_FILE_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_STATE_FILE_MAX);
	UB_CLEANUP(ub_senders_deinit) struct ub_senders all = {0};
	UB_CLEANUP(ub_statedir_unlock) int lock = -1;
	ub_err err = ub_statedir_lock(d, &lock);

	if (err == UB_OK)
		err = load_seen(d, r, &all);
	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&r->lock);
	ub_senders_save(&r->senders, &mine);
	r->seen_dirty = false;
	pthread_mutex_unlock(&r->lock);
	err = ub_buf_err(&mine);
	if (err == UB_OK)
		err = ub_senders_merge(&all, (struct ub_bytes){mine.p, mine.len});
	if (err != UB_OK)
		return err;
	ub_senders_save(&all, &out);
	return ub_statedir_write(d, file_name(r, ".seen").z, &out);
}
