#include <sodium.h>

#include "client/acks.h"
#include "client/chores.h"
#include "client/clock.h"
#include "client/link.h"
#include "client/message.h"
#include "client/rotation.h"
#include "client/store.h"
#include "core/b64url.h"
#include "core/key.h"
#include "core/ulid.h"

/* What the room is like at the moment of sending. */
struct moment {
	char subject[UB_SUBJECT_MAX + 1];
	bool plain;
	struct ub_policy policy;
	struct ub_frame_header h; /* epoch, room_seq, room_head, seq */
	struct ub_symkey key;     /* of the epoch */
	bool has_key;
	const struct ub_ulid *id; /* the frame's is given */
	bool worn;                /* this frame is the last that the key should be used for */
};

static void moment_wipe(struct moment *m)
{
	ub_symkey_wipe(&m->key);
}

static ub_err check_joined(unibus_client *c, const struct ub_croom *r)
{
	ub_err err;

	pthread_mutex_lock(&c->lock);
	err = ub_client_alive(c);
	if (err == UB_OK && (!r->joined || r->out))
		err = UNIBUS_ERR_NOT_JOINED;
	pthread_mutex_unlock(&c->lock);
	return err;
}

static ub_err moment_take(unibus_client *c, struct ub_croom *r, struct moment *ret)
{
	const struct ub_symkey *k;
	ub_err err = UB_OK;

	pthread_mutex_lock(&r->lock);
	if (r->state.closed)
		err = UNIBUS_ERR_ROOM_CLOSED;
	else if (ub_room_role(&r->state, &c->o->id->endpoint) < UB_ROLE_MEMBER)
		err = UNIBUS_ERR_NO_RIGHT;
	else
		err = ub_rotation_check(r);
	snprintf(ret->subject, sizeof(ret->subject), "%s", r->state.subject);
	ret->policy = r->state.policy;
	ret->plain = ub_policy_plain(&r->state.policy);
	ret->h.epoch = r->state.epoch;
	ret->h.room_seq = r->state.seq;
	memcpy(ret->h.room_head, r->state.head.b, sizeof(ret->h.room_head));
	k = ub_epoch_keys_find(&r->keys, r->state.epoch);
	ret->has_key = k != NULL || r->state.epoch == 0;
	if (k)
		ret->key = *k;
	if (err == UB_OK && ret->has_key && !ret->plain) {
		ret->h.seq = ++r->frame_seq;
		r->seen_dirty = true;
		ret->worn = ++r->senders.frames == UB_EPOCH_FRAMES_MAX;
	}
	pthread_mutex_unlock(&r->lock);
	return err;
}

/* With the key of the epoch, fetched when it is not held yet; a rotation may come in between. */
static ub_err moment_ready(unibus_client *c, struct ub_croom *r, struct moment *ret)
{
	ub_err err = check_joined(c, r);

	while (err == UB_OK) {
		UB_CLEANUP(ub_symkey_wipe) struct ub_symkey k = {0};

		err = moment_take(c, r, ret);
		if (err != UB_OK || ret->has_key)
			break;
		err = ub_croom_key(c, r, ret->h.epoch, &k);
	}
	return err;
}

void ub_publish_id(unibus_client *c, struct ub_ulid *ret)
{
	uint8_t random[10];

	randombytes_buf(random, sizeof(random));
	ub_ulid_make(ub_control_now_ms(c->ctl), random, ret);
}

static ub_err header_fill(
	unibus_client *c, const struct unibus_publish *p, struct ub_frame_header *h)
{
	ub_err err = UB_OK;

	h->kind = (uint8_t)(p->kind ? p->kind : UNIBUS_MESSAGE);
	h->sender = c->o->id->endpoint;
	h->session = ub_store_session(c);
	if (p->thread) {
		h->flags |= UB_FLAG_THREAD;
		err = ub_ref_decode(p->thread, &h->thread);
	}
	if (p->reply && err == UB_OK) {
		h->flags |= UB_FLAG_REPLY;
		err = ub_ref_decode(p->reply, &h->reply);
	}
	return err;
}

static ub_err seal(unibus_client *c, struct ub_croom *r, const struct unibus_publish *p,
	struct moment *m, struct ub_buf *out)
{
	UB_CLEANUP(ub_symkey_wipe) struct ub_symkey sender_key = {0};
	struct ub_frame_sealer s = {.room = r->id};
	struct ub_payload payload = {
		.media_type = ub_str(p->media_type ? p->media_type : ""),
		.body = {p->data, p->len},
	};
	uint8_t random[sizeof(s.nonce) + 10]; /* in one go: each is a call of the kernel */
	ub_err err;

	randombytes_buf(random, sizeof(random));
	err = header_fill(c, p, &m->h);
	if (err != UB_OK)
		return err;
	if (m->id)
		m->h.id = *m->id;
	else
		ub_ulid_make(ub_control_now_ms(c->ctl), random + sizeof(s.nonce), &m->h.id);
	if (m->policy.encrypt) {
		ub_frame_sender_key(&m->key, &r->id, m->h.epoch, &m->h.sender, &sender_key);
		s.sender_key = &sender_key;
		memcpy(s.nonce, random, sizeof(s.nonce));
	}
	/* A beacon says who saw what: always signed. */
	if (m->policy.sign || m->h.kind == UB_KIND_BEACON)
		s.sign_key = &c->o->id->keys->sign;
	return ub_frame_seal(&s, &m->h, &payload, out);
}

/* Our own message can be edited before it came back. */
static void note_sent(struct ub_croom *r, const struct moment *m, const struct ub_ref *id)
{
	pthread_mutex_lock(&r->lock);
	if (ub_kind_kept(m->h.kind))
		ub_targets_note(&r->targets, id, &m->h.sender);
	if (m->h.flags & UB_FLAG_SIGNED)
		ub_beacon_sent(&r->beacon, ub_mono_ms(), ub_jitter(UB_BEACON_EVERY_MS / 10));
	pthread_mutex_unlock(&r->lock);
}

/* Where it goes: into the log, or past it. */
static ub_err address(
	unibus_client *c, struct ub_croom *r, const struct moment *m, struct ub_outgoing *out)
{
	const struct ub_endpoint *me = &c->o->id->endpoint;
	uint8_t random[16];
	unsigned shards;

	if (!m->policy.persist || !ub_kind_kept(m->h.kind)) {
		ub_wire_publish(&r->id, me, &out->wire);
		return UB_OK;
	}
	pthread_mutex_lock(&c->lock);
	shards = c->log_shards;
	pthread_mutex_unlock(&c->lock);
	if (shards == 0)
		return UNIBUS_ERR_NOT_AVAILABLE;
	ub_wire_publish_log(ub_wire_shard(&r->id, shards), &r->id, me, &out->wire);
	randombytes_buf(random, sizeof(random));
	ub_b64url_encode(random, sizeof(random), out->msg_id);
	return UB_OK;
}

/* With an ack it is sent once it can be sent again: what this try fails of is mended there. */
static ub_err send_frame(unibus_client *c, struct ub_croom *r, const struct ub_outgoing *out,
	struct ub_ack *ack, uint32_t epoch)
{
	ub_err err;

	if (!ack)
		return ub_link_publish(c, r, out);
	ack->out = *out;
	ub_buf_put(&ack->frame, out->data.p, out->data.len);
	err = ub_buf_err(&ack->frame);
	if (err != UB_OK)
		return err;
	ack->out.data = (struct ub_bytes){ack->frame.p, ack->frame.len};
	ub_ack_sent(ack, epoch);
	/* Whether it was sent shows by its echo, and only by that: a try that failed is made up for
	 * by the next. */
	return ub_link_publish(c, r, out) == UNIBUS_ERR_TOO_LARGE ? UNIBUS_ERR_INTERNAL : UB_OK;
}

static ub_err publish_frame(
	unibus_client *c, struct ub_croom *r, const struct ub_publication *what, struct moment *m)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf frame = UB_BUF(UB_FRAME_MAX);
	struct ub_outgoing out = {.msg_id = ""};
	struct ub_ref id;
	ub_err err = seal(c, r, what->p, m, &frame);

	if (err == UB_OK)
		err = address(c, r, m, &out);
	if (err != UB_OK)
		return err;
	ub_frame_ref(&r->id, &m->h.sender, &m->h.id, &id);
	if (what->ack)
		ub_ref_encode(&id, what->ack->ack.ref);
	out.data = (struct ub_bytes){frame.p, frame.len};
	err = send_frame(c, r, &out, what->ack, m->h.epoch);
	if (err != UB_OK)
		return err;
	if (what->ref)
		ub_ref_encode(&id, what->ref);
	note_sent(r, m, &id);
	if (m->worn)
		ub_chores_wake(c, ub_mono_ms());
	return UB_OK;
}

static ub_err publish_plain(unibus_client *c, struct ub_croom *r, const struct ub_publication *what,
	const struct moment *m)
{
	const struct unibus_publish *p = what->p;
	struct ub_outgoing out = {.msg_id = "", .data = {p->data, p->len}};

	if ((p->kind && p->kind != UNIBUS_MESSAGE) || p->thread || p->reply ||
		(p->media_type && *p->media_type))
		return UNIBUS_ERR_INVALID;
	if (what->ref)
		what->ref[0] = '\0';
	snprintf(out.wire.z, sizeof(out.wire.z), "%s", m->subject);
	return ub_link_publish(c, r, &out);
}

static ub_err check_input(const struct unibus_publish *p)
{
	/* Beacons are the library's own. */
	if (!p || (!p->data && p->len > 0) || (int)p->kind < 0 || p->kind >= UNIBUS_BEACON)
		return UNIBUS_ERR_INVALID;
	return p->len <= UB_PAYLOAD_MAX ? UB_OK : UNIBUS_ERR_TOO_LARGE;
}

/* What a frame cannot carry must not use up a number. */
static ub_err check_refs(const struct unibus_publish *p)
{
	struct ub_ref ref;
	size_t media = p->media_type ? strlen(p->media_type) : 0;
	bool targets = p->kind == UNIBUS_REACT || p->kind == UNIBUS_EDIT ||
		       p->kind == UNIBUS_REDACT || p->kind == UNIBUS_RESPONSE ||
		       p->kind == UNIBUS_RECEIPT;

	if (p->thread && ub_ref_decode(p->thread, &ref) != UB_OK)
		return UNIBUS_ERR_INVALID;
	if (p->reply && ub_ref_decode(p->reply, &ref) != UB_OK)
		return UNIBUS_ERR_INVALID;
	if (targets && !p->reply)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < media; i++)
		if (p->media_type[i] < 0x20 || p->media_type[i] > 0x7e)
			return UNIBUS_ERR_INVALID;
	return media <= UB_MEDIA_TYPE_MAX ? UB_OK : UNIBUS_ERR_INVALID;
}

/* Nobody would heed it. */
static ub_err check_target(unibus_client *c, struct ub_croom *r, const struct unibus_publish *p)
{
	const struct ub_endpoint *me = &c->o->id->endpoint;
	struct ub_frame_header h = {.kind = (uint8_t)p->kind};
	enum ub_permit permit;
	ub_err err;

	if (p->kind != UNIBUS_EDIT && p->kind != UNIBUS_REDACT)
		return UB_OK;
	err = ub_ref_decode(p->reply, &h.reply);
	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&r->lock);
	permit = ub_targets_judge(&r->targets, &h, me, ub_room_role(&r->state, me));
	pthread_mutex_unlock(&r->lock);
	return permit == UB_PERMIT_NO ? UNIBUS_ERR_NO_RIGHT : UB_OK;
}

ub_err ub_publish(unibus_client *c, struct ub_croom *r, const struct ub_publication *what)
{
	UB_CLEANUP(moment_wipe) struct moment m = {.id = what->id};
	ub_err err;

	pthread_mutex_lock(&r->pub_lock);
	err = moment_ready(c, r, &m);
	if (err == UB_OK)
		err = m.plain ? publish_plain(c, r, what, &m) : publish_frame(c, r, what, &m);
	pthread_mutex_unlock(&r->pub_lock);
	return err;
}

ub_err ub_publish_check(unibus_room *room, const struct unibus_publish *p)
{
	ub_err err = check_input(p);

	if (err == UB_OK)
		err = check_refs(p);
	if (err == UB_OK && !room->c->link)
		err = UNIBUS_ERR_INVALID;
	if (err == UB_OK)
		err = check_target(room->c, room->r, p);
	if (err != UB_OK)
		return ub_client_fail(room->c, err, "%s", unibus_strerror(err));
	ub_beacon_check(room->c, room->r);
	return UB_OK;
}

ub_err ub_publish_as(
	unibus_room *room, const struct unibus_publish *p, const struct ub_ulid *id, char *ref)
{
	struct ub_publication what = {.p = p, .id = id, .ref = ref};
	ub_err err = ub_room_enter(room);

	if (err == UB_OK)
		err = ub_publish_check(room, p);
	if (err != UB_OK)
		return err;
	err = ub_publish(room->c, room->r, &what);
	return err == UB_OK ? UB_OK : ub_client_fail(room->c, err, "%s", unibus_strerror(err));
}

enum unibus_err unibus_publish(unibus_room *room, const struct unibus_publish *p, unibus_ref ref)
{
	return ub_publish_as(room, p, NULL, ref);
}

enum unibus_err unibus_publish_text(unibus_room *room, const char *text)
{
	struct unibus_publish p = {.data = text, .len = text ? strlen(text) : 0};

	return text ? unibus_publish(room, &p, NULL) : UNIBUS_ERR_INVALID;
}

enum unibus_err unibus_flush(unibus_client *c, unsigned timeout_ms)
{
	ub_err err = ub_client_enter(c);

	if (err == UB_OK && !c->link)
		err = UNIBUS_ERR_INVALID;
	if (err == UB_OK)
		err = ub_link_flush(c, timeout_ms);
	if (err != UB_OK && c)
		return ub_client_fail(c, err, "%s", unibus_strerror(err));
	return err;
}

static ub_err about(unibus_room *room, enum unibus_kind kind, const char *target, const char *text)
{
	struct unibus_publish p = {
		.kind = kind, .reply = target, .data = text, .len = text ? strlen(text) : 0};

	return target && text ? unibus_publish(room, &p, NULL) : UNIBUS_ERR_INVALID;
}

enum unibus_err unibus_react(unibus_room *room, const char *target, const char *reaction)
{
	return about(room, UNIBUS_REACT, target, reaction);
}

enum unibus_err unibus_edit(unibus_room *room, const char *target, const char *text)
{
	return about(room, UNIBUS_EDIT, target, text);
}

enum unibus_err unibus_redact(unibus_room *room, const char *target)
{
	return about(room, UNIBUS_REDACT, target, "");
}

enum unibus_err unibus_typing(unibus_room *room)
{
	return unibus_publish(room, &(struct unibus_publish){.kind = UNIBUS_TYPING}, NULL);
}
