#include <unibus/blob.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "client/http.h"
#include "client/message.h"
#include "core/blob.h"
#include "core/json.h"
#include "core/key.h"

struct put {
	unibus_room *room;
	const struct unibus_blob_source *src;
	int fd; /* -1: src->read */
	struct ub_blob_ref ref;
	struct ub_buf stored;
	bool plain;
};

static void put_deinit(struct put *p)
{
	if (p->fd >= 0)
		close(p->fd);
	ub_blob_ref_wipe(&p->ref);
	ub_buf_deinit(&p->stored);
}

/* ---- what it is ---- */

static const char *last_component(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

static ub_err check_ref(const struct put *p, const char *text)
{
	struct ub_ref ref;

	if (!text)
		return UB_OK;
	return p->plain ? UNIBUS_ERR_INVALID : ub_ref_decode(text, &ref);
}

static ub_err describe(struct put *p)
{
	const struct unibus_blob_source *src = p->src;
	struct ub_str name = ub_str(src->name ? src->name : last_component(src->file));
	struct ub_str type = ub_str(src->media_type ? src->media_type : "application/octet-stream");
	ub_err err = src->file || src->read ? UB_OK : UNIBUS_ERR_INVALID;

	if (err == UB_OK)
		err = ub_blob_name_check(name);
	if (err == UB_OK)
		err = ub_blob_type_check(type);
	if (err == UB_OK)
		err = check_ref(p, src->thread);
	if (err == UB_OK)
		err = check_ref(p, src->reply);
	if (err != UB_OK)
		return err;
	memcpy(p->ref.name, name.p, name.len);
	memcpy(p->ref.type, type.p, type.len);
	return UB_OK;
}

static struct ub_policy policy_now(const struct put *p)
{
	struct ub_policy policy;

	pthread_mutex_lock(&p->room->r->lock);
	policy = p->room->r->state.policy;
	pthread_mutex_unlock(&p->room->r->lock);
	return policy;
}

/* ---- reading and sealing ---- */

static ub_err read_some(struct put *p, uint8_t *to, size_t len, size_t *ret)
{
	ssize_t n;
	ub_err err;

	if (p->fd < 0) {
		err = p->src->read(p->src->read_arg, to, len, ret);
		return err == UB_OK && *ret > len ? UNIBUS_ERR_INVALID : err;
	}
	do
		n = read(p->fd, to, len);
	while (n < 0 && errno == EINTR);
	*ret = n > 0 ? (size_t)n : 0;
	return n < 0 ? UNIBUS_ERR_IO : UB_OK;
}

struct chunk {
	uint8_t b[UB_BLOB_CHUNK];
	size_t len;
};

/* A whole chunk, or what is left. */
static ub_err read_chunk(struct put *p, struct chunk *c)
{
	size_t n = 1;
	ub_err err = UB_OK;

	c->len = 0;
	while (err == UB_OK && n > 0 && c->len < sizeof(c->b)) {
		err = read_some(p, c->b + c->len, sizeof(c->b) - c->len, &n);
		if (err == UB_OK)
			c->len += n;
	}
	return err;
}

static void take_chunk(struct put *p, struct ub_blob_stream *s, const struct chunk *c, bool last)
{
	uint8_t sealed[UB_BLOB_CHUNK + UB_BLOB_OVER];

	if (!p->ref.sealed) {
		ub_buf_put(&p->stored, c->b, c->len);
		return;
	}
	ub_blob_seal_chunk(s, (struct ub_bytes){c->b, c->len}, last, sealed);
	ub_buf_put(&p->stored, sealed, c->len + UB_BLOB_OVER);
}

/* A chunk is sealed once it is known whether another one follows. */
static ub_err read_all(struct put *p, struct ub_blob_stream *s)
{
	UB_CLEANUP(ub_freep) struct chunk *two = calloc(2, sizeof(*two));
	struct chunk *now = two, *next = two ? two + 1 : NULL;
	ub_err err = two ? read_chunk(p, now) : UNIBUS_ERR_NOMEM;
	bool last = false;

	while (err == UB_OK && !last) {
		struct chunk *done = now;

		err = read_chunk(p, next);
		last = next->len == 0;
		if (err == UB_OK)
			take_chunk(p, s, now, last);
		if (err == UB_OK)
			err = ub_buf_err(&p->stored);
		now = next;
		next = done;
	}
	if (two)
		sodium_memzero(two, 2 * sizeof(*two));
	return err;
}

static ub_err gather(struct put *p)
{
	UB_CLEANUP(ub_blob_stream_wipe) struct ub_blob_stream s = {.ended = false};
	uint8_t header[UB_BLOB_HEADER];

	p->stored = UB_BUF(UB_BLOB_MAX);
	if (p->ref.sealed) {
		randombytes_buf(p->ref.key.b, sizeof(p->ref.key.b));
		randombytes_buf(header, sizeof(header));
		ub_blob_stream_init(&s, &p->ref.key, &p->room->r->id, header);
		ub_buf_put(&p->stored, header, sizeof(header));
	}
	return read_all(p, &s);
}

static ub_err open_source(struct put *p)
{
	if (!p->src->file)
		return UB_OK;
	p->fd = open(p->src->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (p->fd >= 0)
		return UB_OK;
	return errno == ENOENT ? UNIBUS_ERR_NOT_FOUND : UNIBUS_ERR_IO;
}

/* ---- sending ---- */

static ub_err tell(void *arg, uint64_t sent, uint64_t received)
{
	const struct put *p = arg;

	(void)received;
	if (!p->src->progress || p->src->progress(p->src->progress_arg, sent, p->stored.len))
		return UB_OK;
	return UNIBUS_ERR_CANCELLED;
}

static ub_err upload(struct put *p)
{
	UB_CLEANUP(unibus_reply_free) struct unibus_reply reply = {0};
	unibus_client *c = p->room->c;
	struct ub_http_stream stream = {.progress = tell, .arg = p, .idle_ms = c->o->timeout_ms};
	char target[64 + UB_ID_TEXT], sentence[UB_DETAIL_MAX];
	struct ub_call call = {.method = "POST",
		.target = target,
		.body = {(const char *)p->stored.p, p->stored.len},
		.blob = true,
		.stream = &stream};
	ub_err err;

	if (!call.body.p)
		call.body.p = "";
	snprintf(target, sizeof(target), "/blobs?room=%s", p->room->r->id_text);
	err = ub_control_call(c->ctl, &call, &reply);
	if (err != UB_OK)
		return ub_client_fail(c, err, "%s", unibus_strerror(err));
	err = unibus_reply_error(&reply);
	if (err == UB_OK)
		return UB_OK;
	ub_reply_sentence(&reply, sentence, sizeof(sentence));
	return ub_client_fail(c, err, "%s", sentence);
}

static ub_err publish(struct put *p, unibus_ref ref)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_PAYLOAD_MAX);
	struct unibus_publish msg = {.media_type = p->plain ? NULL : UNIBUS_BLOB_TYPE,
		.thread = p->src->thread,
		.reply = p->src->reply};
	ub_err err;

	ub_blob_ref_put(&p->ref, &text);
	err = ub_buf_err(&text);
	if (err != UB_OK)
		return err;
	msg.data = text.p;
	msg.len = text.len;
	return unibus_publish(p->room, &msg, ref);
}

static ub_err prepare(struct put *p)
{
	struct ub_policy policy = policy_now(p);
	ub_err err;

	p->plain = ub_policy_plain(&policy);
	p->ref.sealed = policy.encrypt;
	err = describe(p);
	if (err == UB_OK)
		err = open_source(p);
	if (err == UB_OK)
		err = gather(p);
	if (err != UB_OK)
		return ub_client_fail(p->room->c, err, "%s", unibus_strerror(err));
	p->ref.size = p->stored.len;
	ub_sha256(p->stored.p ? p->stored.p : (const uint8_t *)"", p->stored.len, p->ref.sha256.b);
	return UB_OK;
}

enum unibus_err unibus_blob_put(
	unibus_room *room, const struct unibus_blob_source *source, unibus_ref ref)
{
	UB_CLEANUP(put_deinit) struct put p = {.room = room, .src = source, .fd = -1};
	ub_err err = ub_room_enter(room);

	if (err != UB_OK)
		return err;
	if (!source || !room->c->link)
		return ub_client_fail(
			room->c, UNIBUS_ERR_INVALID, "%s", unibus_strerror(UNIBUS_ERR_INVALID));
	err = prepare(&p);
	if (err == UB_OK)
		err = upload(&p);
	if (err != UB_OK)
		return err;
	/* Its key would be missing where everything has one. */
	if (!p.ref.sealed && policy_now(&p).encrypt)
		return ub_client_fail(room->c, UNIBUS_ERR_CONFLICT,
			"the room was switched to encryption meanwhile; send the file again");
	return publish(&p, ref);
}
