#include <unibus/blob.h>

#include "client/blob_file.h"
#include "client/http.h"
#include "client/room.h"
#include "core/num.h"

struct get {
	unibus_room *room;
	const struct unibus_blob_target *target;
	struct ub_blob_ref ref;
	struct ub_part part;
	uint64_t from; /* where the answer under way begins */
};

static void get_deinit(struct get *g)
{
	ub_part_close(&g->part);
	ub_blob_ref_wipe(&g->ref);
}

/* ---- the message ---- */

enum unibus_err unibus_blob_parse(const void *data, size_t len, struct unibus_blob_info *ret)
{
	UB_CLEANUP(ub_blob_ref_wipe) struct ub_blob_ref r = {0};
	uint64_t size;
	ub_err err;

	if (!data || !ret)
		return UNIBUS_ERR_INVALID;
	err = ub_blob_ref_get((struct ub_str){data, len}, &r);
	size = r.size;
	if (err == UB_OK && r.sealed)
		err = ub_blob_content_len(r.size, &size);
	if (err != UB_OK)
		return err;
	*ret = (struct unibus_blob_info){.size = size, .stored = r.size, .encrypted = r.sealed};
	ub_hex_encode(r.sha256.b, sizeof(r.sha256.b), ret->hash);
	memcpy(ret->name, r.name, sizeof(r.name));
	memcpy(ret->media_type, r.type, sizeof(r.type));
	return UB_OK;
}

/* ---- fetching ---- */

static ub_err take(void *arg, int status, struct ub_bytes piece)
{
	struct get *g = arg;
	ub_err err = UB_OK;

	/* Asked to go on, it began anew. */
	if (status == 200 && g->from > 0) {
		g->from = 0;
		err = ub_part_reset(&g->part);
	}
	return err == UB_OK ? ub_part_add(&g->part, piece) : err;
}

static ub_err tell(void *arg, uint64_t sent, uint64_t received)
{
	const struct get *g = arg;

	(void)sent, (void)received;
	if (!g->target->progress ||
		g->target->progress(g->target->progress_arg, g->part.have, g->part.size))
		return UB_OK;
	return UNIBUS_ERR_CANCELLED;
}

/* One answer, or as much of it as came. */
static ub_err fetch_some(struct get *g)
{
	UB_CLEANUP(unibus_reply_free) struct unibus_reply reply = {0};
	unibus_client *c = g->room->c;
	struct ub_http_stream stream = {
		.take = take, .progress = tell, .arg = g, .idle_ms = c->o->timeout_ms};
	char target[128] = "/blobs/", range[48], sentence[UB_DETAIL_MAX];
	struct ub_call call = {.method = "GET", .target = target, .stream = &stream};
	ub_err err;

	ub_hex_encode(g->ref.sha256.b, sizeof(g->ref.sha256.b), target + strlen(target));
	g->from = g->part.have;
	if (g->from > 0) {
		snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)g->from);
		call.range = range;
	}
	err = ub_control_call(c->ctl, &call, &reply);
	if (err != UB_OK)
		return ub_client_fail(c, err, "%s", unibus_strerror(err));
	/* It has less than the message says, so it is another one. */
	if (reply.status == 416)
		err = UNIBUS_ERR_CORRUPT;
	else
		err = unibus_reply_error(&reply);
	if (err == UB_OK)
		return UB_OK;
	ub_reply_sentence(&reply, sentence, sizeof(sentence));
	return ub_client_fail(c, err, "%s", sentence);
}

static bool may_go_on(ub_err err)
{
	return err == UNIBUS_ERR_NETWORK || err == UNIBUS_ERR_TIMEOUT;
}

/* Goes on where the line broke, as long as every attempt brings something. */
static ub_err fetch(struct get *g)
{
	ub_err err = UB_OK;

	while (err == UB_OK && g->part.have < g->part.size) {
		uint64_t had = g->part.have;

		err = fetch_some(g);
		if (g->part.have > had && may_go_on(err))
			err = UB_OK;
		else if (err == UB_OK && g->part.have < g->part.size)
			err = UNIBUS_ERR_CORRUPT; /* whole, and too short */
	}
	return err;
}

static ub_err get(struct get *g)
{
	ub_err err = ub_part_open(g->target->file, &g->ref, &g->part);
	bool resumed = g->part.have > 0;

	if (err == UB_OK)
		err = fetch(g);
	/* What was there before may have been the wrong half. */
	if (err == UB_OK && resumed && !ub_part_whole(&g->part, &g->ref)) {
		err = ub_part_reset(&g->part);
		if (err == UB_OK)
			err = fetch(g);
	}
	if (err == UB_OK && !ub_part_whole(&g->part, &g->ref))
		err = UNIBUS_ERR_CORRUPT;
	if (err == UNIBUS_ERR_CORRUPT)
		ub_part_drop(&g->part);
	return err == UB_OK ? ub_part_finish(&g->part, &g->ref, &g->room->r->id) : err;
}

/* The sentences of what only happens here; those of the server are kept. */
static ub_err said(struct get *g, ub_err err)
{
	const char *text = unibus_strerror(err);

	if (err == UNIBUS_ERR_CORRUPT)
		text = "what the server has is not the file that the message names";
	else if (err == UNIBUS_ERR_EXISTS)
		text = "there is a file of that name already";
	else if (err == UNIBUS_ERR_LOCKED)
		text = "another program is fetching the same file to the same place";
	else if (err != UNIBUS_ERR_IO && err != UNIBUS_ERR_BAD_FILE && err != UNIBUS_ERR_NOMEM)
		return err;
	return ub_client_fail(g->room->c, err, "%s", text);
}

enum unibus_err unibus_blob_get(
	unibus_room *room, const void *data, size_t len, const struct unibus_blob_target *target)
{
	UB_CLEANUP(get_deinit) struct get g = {.room = room, .target = target, .part = {.fd = -1}};
	ub_err err = ub_room_enter(room);

	if (err != UB_OK)
		return err;
	if (!data || !target || !target->file || !*target->file)
		return ub_client_fail(
			room->c, UNIBUS_ERR_INVALID, "%s", unibus_strerror(UNIBUS_ERR_INVALID));
	err = ub_blob_ref_get((struct ub_str){data, len}, &g.ref);
	if (err != UB_OK)
		return ub_client_fail(room->c, err, "the message names no file");
	err = get(&g);
	return err == UB_OK ? UB_OK : said(&g, err);
}
