/* Notify messages: hints, read again by REST. Runs on the bus' threads. */
#include "client/chores.h"
#include "client/kept.h"
#include "client/link.h"
#include "client/roomsync.h"
#include "core/json.h"

struct notify {
	struct ub_str type, room, revision;
	uint64_t seq;
	bool narrows;
};

/* A grant of another session of this peer; one of our own is known by its revision. */
static void on_grant(unibus_client *c, struct ub_croom *r, const struct notify *n)
{
	uint64_t rev = ub_revision_number(n->revision);
	bool news;

	pthread_mutex_lock(&c->lock);
	news = rev == 0 || rev > r->grant_rev;
	if (news)
		r->grant_rev = rev;
	pthread_mutex_unlock(&c->lock);
	if (!news)
		return;
	ub_link_renew(c, r);
	ub_chores_list(c);
}

static void on_room(unibus_client *c, struct ub_croom *r, const struct notify *n)
{
	bool known, ahead, in;

	pthread_mutex_lock(&c->lock);
	in = r->joined && !r->out;
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_lock(&r->lock);
	known = r->state.started;
	ahead = n->seq > r->state.seq;
	pthread_mutex_unlock(&r->lock);
	if (n->narrows)
		ub_link_move(c, r, known && ahead);
	if (known && ahead)
		ub_chores_sync(c, r);
	/* Unknown, or no longer ours: perhaps an invitation. Nothing newer: something else about
	 * it, as a member's revocation. */
	if (!known || !in || !ahead)
		ub_chores_list(c);
}

void ub_notify(unibus_client *c, struct ub_bytes text)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct notify n = {0};
	struct ub_room_id id;
	struct ub_croom *r = NULL;

	if (ub_json_parse_foreign((struct ub_str){(const char *)text.p, text.len}, &v) != UB_OK)
		return;
	n.type = ub_str(json_string_value(json_object_get(v, "type")));
	n.room = ub_str(json_string_value(json_object_get(v, "room")));
	n.revision = ub_str(json_string_value(json_object_get(v, "revision")));
	if (json_is_integer(json_object_get(v, "seq")))
		n.seq = (uint64_t)json_integer_value(json_object_get(v, "seq"));
	n.narrows = json_is_true(json_object_get(v, "narrows"));
	ub_control_note_revision(c->ctl, n.revision);
	if (ub_str_eqz(n.type, "revoked")) {
		ub_chores_ask(c);
		return;
	}
	if (ub_room_id_decode(n.room, &id) != UB_OK || ub_rooms_get(c->rooms, &id, &r) != UB_OK)
		return;
	if (ub_str_eqz(n.type, "grant"))
		on_grant(c, r, &n);
	else if (ub_str_eqz(n.type, "room"))
		on_room(c, r, &n);
	else if (ub_str_eqz(n.type, "tail"))
		ub_kept_lag_room(c, r, 0);
}
