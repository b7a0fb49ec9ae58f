/* /blobs: files of a room, streamed to disk and from it. */
#include <unistd.h>

#include "core/b64url.h"
#include "core/endpoint.h"
#include "core/num.h"
#include "membershipd/domain/blob.h"
#include "membershipd/http/api.h"
#include "support/log.h"

static const struct md_say says_put[] = {
	{UNIBUS_ERR_NOT_FOUND, "there is no such room"},
	{UNIBUS_ERR_DENIED, "only members of the room who may write there can upload to it"},
	{UNIBUS_ERR_ROOM_CLOSED, "the room is closed"},
	{UNIBUS_ERR_TOO_LARGE, "the blob is larger than this server takes"},
	{UNIBUS_ERR_LIMIT, "the storage that you, or this room, may use is used up"},
	{UNIBUS_ERR_SLOW_DOWN, "too many uploads at once; wait for one of yours to end"},
	{UNIBUS_ERR_NOT_AVAILABLE, "this server keeps no blobs"},
	{UNIBUS_ERR_BAD_SIGNATURE,
		"the body is not the one that was signed: its SHA-256 or length is another"},
	{UNIBUS_ERR_INVALID, "the body is not the one that X-Unibus-Body announced"},
	{0, NULL},
};

static const struct md_say says_get[] = {
	{UNIBUS_ERR_NOT_FOUND, "no room that you are in has such a blob"},
	{UNIBUS_ERR_NOT_AVAILABLE, "this server keeps no blobs"},
	{UNIBUS_ERR_UNAVAILABLE, "this node cannot give the blob right now; try again or ask "
				 "another node"},
	{0, NULL},
};

/* What the disk says is the operator's business, too. */
static void refuse(struct md_call *c, ub_err err, const struct md_say *says)
{
	if (err == UNIBUS_ERR_IO)
		log_error(
			"blob_storage", "path", c->row->path, "cause", unibus_err_word(err), NULL);
	md_fail(c, err, "%s", md_say(says, err));
}

/* ---- POST /blobs?room= ---- */

static ub_err take_piece(void *app, struct httpd_req *r, struct ub_bytes piece)
{
	struct md_call *c = httpd_ctx(r);
	ub_err err = md_blob_write(c->upload, piece);

	(void)app;
	if (err)
		refuse(c, err, says_put);
	return UB_OK;
}

void api_blob_head(struct md_call *c)
{
	struct md_blob_want want = {.sha256 = c->body_sha256, .size = httpd_length(c->req)};
	struct ub_str room = httpd_query(c->req, "room");
	ub_err err;

	if (!room.p || ub_room_id_decode(room, &want.room)) {
		md_fail(c, UNIBUS_ERR_INVALID,
			"room must be a room id (43 characters of base64url)");
		return;
	}
	if (!md_query_end(c))
		return;
	err = md_blob_begin(c->svc, &c->caller, &want, &c->upload);
	if (err)
		refuse(c, err, says_put);
	else
		httpd_stream(c->req, take_piece);
}

void api_blob_put(struct md_call *c)
{
	char hex[2 * sizeof(c->body_sha256.b) + 1];
	bool created;
	uint64_t rev;
	ub_err err = md_blob_finish(c->upload, &created, &rev);

	if (err == UNIBUS_ERR_INVALID && c->has_sig)
		err = UNIBUS_ERR_BAD_SIGNATURE;
	if (err) {
		refuse(c, err, says_put);
		return;
	}
	ub_hex_encode(c->body_sha256.b, sizeof(c->body_sha256.b), hex);
	md_ok_at(c, created ? 201 : 200, rev,
		json_pack("{ss,sI,so}", "hash", hex, "size", (json_int_t)httpd_length(c->req),
			"revision", md_json_revision(c, rev)));
}

/* ---- GET /blobs/{hash} ---- */

struct range {
	uint64_t first, last;
};

/* "bytes=FIRST-" or "bytes=FIRST-LAST": what resuming needs. */
static bool range_parse(const char *text, struct range *ret)
{
	static const char unit[] = "bytes=";
	struct ub_str s = ub_str(text), first, last;
	const char *dash;

	*ret = (struct range){0, UINT64_MAX};
	if (s.len < sizeof(unit) || memcmp(s.p, unit, sizeof(unit) - 1) != 0)
		return false;
	s.p += sizeof(unit) - 1;
	s.len -= sizeof(unit) - 1;
	dash = memchr(s.p, '-', s.len);
	if (!dash)
		return false;
	first = (struct ub_str){s.p, (size_t)(dash - s.p)};
	last = (struct ub_str){dash + 1, s.len - first.len - 1};
	if (ub_num_u64(first, 0, INT64_MAX, &ret->first))
		return false;
	return !last.len ||
	       (ub_num_u64(last, 0, INT64_MAX, &ret->last) == UB_OK && ret->last >= ret->first);
}

static void send_range(struct md_call *c, const struct md_blob_file *f, struct range r)
{
	struct httpd_file part = {.fd = f->fd};
	char text[80];

	if (r.first >= f->size) {
		(void)close(f->fd); /* only read from */
		snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)f->size);
		httpd_header(c->req, "Content-Range", text);
		httpd_fail_json(c->req, UNIBUS_ERR_INVALID, 416,
			"the range begins beyond the end of the blob", NULL);
		return;
	}
	if (r.last >= f->size)
		r.last = f->size - 1;
	part.from = r.first;
	part.len = r.last - r.first + 1;
	snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)r.first,
		(unsigned long long)r.last, (unsigned long long)f->size);
	httpd_header(c->req, "Content-Range", text);
	httpd_reply_file(c->req, 206, "application/octet-stream", &part);
}

static void send_file(struct md_call *c, const struct md_blob_file *f, const struct range *r)
{
	const struct httpd_file all = {.fd = f->fd, .len = f->size};

	/* Somebody's bytes: no browser may take them for a page of ours. */
	httpd_header(c->req, "Content-Disposition", "attachment");
	httpd_header(c->req, "Content-Security-Policy", "sandbox");
	httpd_header(c->req, "Accept-Ranges", "bytes");
	if (r)
		send_range(c, f, *r);
	else
		httpd_reply_file(c->req, 200, "application/octet-stream", &all);
}

void api_blob_get(struct md_call *c)
{
	struct md_blob_file f;
	struct ub_hash sha256;
	struct range r;
	ub_err err;

	if (ub_hex_decode(httpd_param(c->req, 0), sha256.b, sizeof(sha256.b))) {
		md_fail(c, UNIBUS_ERR_INVALID,
			"the path names no blob (64 lower-case hexadecimal digits)");
		return;
	}
	if (!md_query_end(c))
		return;
	if (c->range && !range_parse(c->range, &r)) {
		md_fail(c, UNIBUS_ERR_INVALID, "Range must be bytes=FIRST- or bytes=FIRST-LAST");
		return;
	}
	err = md_blob_open(c->svc, &c->caller, &sha256, &f);
	if (err)
		refuse(c, err, says_get);
	else
		send_file(c, &f, c->range ? &r : NULL);
}
