/* What the server says of a room without a signature: believed only as a reason to look. */
#include "client/link.h"
#include "client/roomsync.h"
#include "client/rotation.h"
#include "core/json.h"
#include "core/num.h"

static void parse_policy(json_t *v, struct ub_policy *ret)
{
	ret->encrypt = json_is_true(json_object_get(v, "encrypt"));
	ret->persist = json_is_true(json_object_get(v, "persist"));
	ret->sign = json_is_true(json_object_get(v, "sign"));
	ret->since_join =
		ub_str_eqz(ub_str(json_string_value(json_object_get(v, "history"))), "since_join");
}

ub_err ub_room_hint_parse(json_t *v, struct ub_room_hint *ret)
{
	struct ub_obj o = ub_obj(v);
	struct ub_str id = ub_obj_text(&o, "room_id", UB_ID_TEXT, UB_ID_TEXT);
	struct ub_str subject = ub_obj_text(&o, "subject", 1, UB_SUBJECT_MAX);
	struct ub_str role = ub_obj_text(&o, "role", 1, 16);

	*ret = (struct ub_room_hint){
		.seq = ub_obj_u64(&o, "seq", 0, UB_JSON_INT_MAX),
		.epoch = (uint32_t)ub_obj_u64(&o, "epoch", 0, UINT32_MAX),
		.joined = ub_obj_bool(&o, "joined"),
		.closed = ub_obj_bool(&o, "closed"),
		.rotation_due = ub_obj_bool(&o, "rotation_due"),
		.removal_due = ub_obj_bool(&o, "removal_due"),
		.members = ub_obj_u64(&o, "members", 0, UB_JSON_INT_MAX),
	};
	parse_policy(ub_obj_object(&o, "policy"), &ret->policy);
	if (o.err != UB_OK || ub_room_id_decode(id, &ret->id) != UB_OK ||
		ub_subject_check(subject) != UB_OK)
		return UNIBUS_ERR_INVALID;
	snprintf(ret->subject, sizeof(ret->subject), "%.*s", (int)subject.len, subject.p);
	if (ub_role_parse(role, &ret->role) != UB_OK)
		ret->role = UB_ROLE_NONE;
	return UB_OK;
}

uint64_t ub_client_stamp(unibus_client *c)
{
	uint64_t stamp;

	pthread_mutex_lock(&c->lock);
	stamp = c->stamp;
	pthread_mutex_unlock(&c->lock);
	return stamp;
}

void ub_croom_hint(unibus_client *c, struct ub_croom *r, const struct ub_room_hint *hint)
{
	pthread_mutex_lock(&r->lock);
	r->hint_rotation = hint->rotation_due;
	r->hint_removal = hint->removal_due;
	pthread_mutex_unlock(&r->lock);
	pthread_mutex_lock(&c->lock);
	if (r->stamp <= hint->stamp) {
		r->joined = hint->joined && !hint->closed;
		if (hint->joined)
			r->out = false;
	}
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	ub_rotation_note(c, r);
}

ub_err ub_croom_ask(unibus_client *c, struct ub_croom *r, struct ub_room_hint *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	uint64_t stamp = ub_client_stamp(c);
	char target[64];
	ub_err err;

	snprintf(target, sizeof(target), "/rooms/%s", r->id_text);
	err = ub_client_json(c, "GET", target, (struct ub_str){0}, &v);
	if (err == UNIBUS_ERR_DENIED || err == UNIBUS_ERR_NOT_FOUND)
		ub_croom_out(c, r, "the server says that this peer is no longer in the room");
	if (err != UB_OK)
		return err;
	if (ub_room_hint_parse(v, ret) != UB_OK || !ub_room_id_eq(&ret->id, &r->id))
		return ub_client_fail(c, UNIBUS_ERR_INTERNAL, "the server's answer is no room");
	ret->stamp = stamp;
	ub_croom_hint(c, r, ret);
	return UB_OK;
}

uint64_t ub_revision_number(struct ub_str text)
{
	const char *colon = text.len > 0 ? memchr(text.p, ':', text.len) : NULL;
	struct ub_str digits;
	uint64_t n = 0;

	if (!colon)
		return 0;
	digits = (struct ub_str){colon + 1, (size_t)(text.p + text.len - colon - 1)};
	return ub_num_u64(digits, 0, UINT64_MAX, &n) == UB_OK ? n : 0;
}

void ub_croom_joined(unibus_client *c, struct ub_croom *r, uint64_t rev)
{
	bool news;

	pthread_mutex_lock(&c->lock);
	r->joined = true;
	r->out = false;
	r->stamp = ++c->stamp;
	/* The server tells all sessions of a grant, and may have been quicker with it. */
	news = rev == 0 || rev > r->grant_rev;
	if (news)
		r->grant_rev = rev;
	pthread_mutex_unlock(&c->lock);
	if (news && c->link)
		ub_link_renew(c, r);
}

ub_err ub_croom_join(unibus_client *c, struct ub_croom *r)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_str revision;
	char target[80];
	bool joined;
	ub_err err;

	pthread_mutex_lock(&c->lock);
	joined = r->joined;
	pthread_mutex_unlock(&c->lock);
	if (joined)
		return UB_OK;
	snprintf(target, sizeof(target), "/rooms/%s/join", r->id_text);
	err = ub_client_json(c, "POST", target, (struct ub_str){0}, &v);
	if (err != UB_OK)
		return err;
	revision = ub_str(json_string_value(json_object_get(v, "revision")));
	ub_control_note_revision(c->ctl, revision);
	ub_croom_joined(c, r, ub_revision_number(revision));
	return UB_OK;
}

void ub_croom_changed(unibus_client *c, struct ub_croom *r)
{
	enum ub_role role;

	pthread_mutex_lock(&r->lock);
	role = ub_room_role(&r->state, &c->o->id->endpoint);
	pthread_mutex_unlock(&r->lock);
	if (role == UB_ROLE_NONE)
		ub_croom_out(c, r, "this peer left the room");
	ub_croom_derive(c, r);
	ub_rotation_note(c, r);
}
