/* Rooms as the caller sees them: creating, finding, joining, looking. */
#include "client/room.h"

#include "client/link.h"
#include "client/names.h"
#include "client/peers.h"
#include "client/room_change.h"
#include "client/roomlist.h"
#include "client/roomsync.h"
#include "client/store.h"
#include "client/words.h"
#include "core/num.h"

ub_err ub_room_enter(const unibus_room *room)
{
	return room ? ub_client_enter(room->c) : UNIBUS_ERR_INVALID;
}

ub_err ub_room_handle(unibus_client *c, struct ub_croom *r, unibus_room **ret)
{
	unibus_room *room = calloc(1, sizeof(*room));

	if (!room)
		return UNIBUS_ERR_NOMEM;
	room->c = c;
	room->r = r;
	*ret = room;
	return UB_OK;
}

void unibus_room_free(unibus_room *room)
{
	free(room);
}

void ub_policy_public(const struct ub_policy *from, struct unibus_policy *ret)
{
	*ret = (struct unibus_policy){
		.encrypt = from->encrypt,
		.persist = from->persist,
		.sign = from->sign,
		.history = from->since_join ? UNIBUS_HISTORY_SINCE_JOIN : UNIBUS_HISTORY_ALL,
		.retain_messages = from->retain.messages,
		.retain_bytes = from->retain.bytes,
		.retain_seconds = from->retain.age_s,
	};
}

static ub_err enter(unibus_client *c)
{
	ub_err err = ub_client_enter(c);

	return err == UB_OK ? ub_store_need(c) : err;
}

/* The subject and its room, held on to together: another room under this name is an alarm. */
static ub_err pin_subject(unibus_client *c, struct ub_croom *r)
{
	char subject[UB_SUBJECT_MAX + 1];
	ub_err err;

	pthread_mutex_lock(&r->lock);
	snprintf(subject, sizeof(subject), "%s", r->state.subject);
	pthread_mutex_unlock(&r->lock);
	err = ub_pins_put(ub_store_pins(c), UB_PIN_SUBJECTS, subject, r->id_text, false);
	if (err == UNIBUS_ERR_KEY_CHANGED)
		return ub_client_fail(c, err, "%s was another room before", subject);
	return err;
}

static bool policy_from(const struct unibus_policy *p, struct ub_policy *ret)
{
	if (p->history != UNIBUS_HISTORY_ALL && p->history != UNIBUS_HISTORY_SINCE_JOIN)
		return false;
	if (p->retain_messages > UB_JSON_INT_MAX || p->retain_bytes > UB_JSON_INT_MAX ||
		p->retain_seconds > UB_JSON_INT_MAX)
		return false;
	*ret = (struct ub_policy){
		.encrypt = p->encrypt,
		.persist = p->persist,
		.sign = p->sign,
		.since_join = p->history == UNIBUS_HISTORY_SINCE_JOIN,
		.retain = {p->retain_messages, p->retain_bytes, p->retain_seconds},
	};
	return true;
}

enum unibus_err unibus_room_create(unibus_client *c, const char *subject,
	const struct unibus_policy *policy, unibus_room **ret)
{
	struct ub_policy p;
	struct ub_croom *r = NULL;
	ub_err err = enter(c);

	if (err != UB_OK)
		return err;
	if (!subject || !policy || !ret || ub_subject_check(ub_str(subject)) != UB_OK ||
		!policy_from(policy, &p))
		return ub_client_fail(c, UNIBUS_ERR_INVALID,
			"a subject is words of A-Z a-z 0-9 _ - joined by dots, not one that the "
			"bus uses "
			"itself; a policy is plain, or encrypted or signed or both");
	err = ub_room_genesis(c, subject, &p, &r);
	if (err == UB_OK)
		err = pin_subject(c, r);
	return err == UB_OK ? ub_room_handle(c, r, ret) : err;
}

/* Which room is meant: an id says so itself, a subject is pinned or listed. */
static ub_err room_named(unibus_client *c, const char *name, struct ub_room_id *ret)
{
	UB_CLEANUP(ub_freep) char *pinned = NULL;
	struct ub_room_hint hint;
	ub_err err;

	if (strlen(name) == UB_ID_TEXT && ub_room_id_decode(ub_str(name), ret) == UB_OK)
		return UB_OK;
	if (ub_subject_check(ub_str(name)) != UB_OK)
		return ub_client_fail(c, UNIBUS_ERR_INVALID,
			"\"%.60s\" is neither a subject nor a room id", name);
	err = ub_pins_get(ub_store_pins(c), UB_PIN_SUBJECTS, name, &pinned);
	if (err == UB_OK)
		return ub_room_id_decode(ub_str(pinned), ret);
	if (err != UNIBUS_ERR_NOT_FOUND)
		return err;
	err = ub_rooms_find_subject(c, name, &hint);
	if (err == UNIBUS_ERR_NOT_FOUND)
		return ub_client_fail(c, err, "you are in no room \"%s\"; ask to be invited", name);
	if (err == UB_OK)
		*ret = hint.id;
	return err;
}

static ub_err check_subject(unibus_client *c, struct ub_croom *r, const char *name)
{
	bool same;

	if (strlen(name) == UB_ID_TEXT && strcmp(name, r->id_text) == 0)
		return UB_OK;
	pthread_mutex_lock(&r->lock);
	same = strcmp(r->state.subject, name) == 0;
	pthread_mutex_unlock(&r->lock);
	return same ? UB_OK
		    : ub_client_fail(c, UNIBUS_ERR_NOT_FOUND,
			      "the server named a room whose signed log has another subject");
}

/* A subscription from before this peer was removed and added again is to work when we return. */
static ub_err revive(unibus_client *c, struct ub_croom *r)
{
	bool subscribed;

	pthread_mutex_lock(&c->lock);
	subscribed = r->subs && r->joined;
	pthread_mutex_unlock(&c->lock);
	return subscribed ? ub_link_attach(c, r) : UB_OK;
}

static ub_err room_get_ready(unibus_client *c, struct ub_croom *r, const char *name)
{
	struct ub_room_hint hint;
	ub_err err = ub_croom_ask(c, r, &hint);

	if (err == UB_OK)
		err = ub_croom_sync(c, r);
	if (err == UB_OK)
		err = check_subject(c, r, name);
	if (err == UB_OK)
		err = pin_subject(c, r);
	if (err == UB_OK && !hint.closed)
		err = ub_croom_join(c, r);
	if (err == UB_OK)
		err = revive(c, r);
	if (err == UB_OK)
		err = ub_names_fetch(c, r, NULL, NULL);
	return err;
}

enum unibus_err unibus_room_open(unibus_client *c, const char *name, unibus_room **ret)
{
	struct ub_room_id id;
	struct ub_croom *r = NULL;
	ub_err err = enter(c);

	if (err != UB_OK)
		return err;
	if (!name || !ret)
		return UNIBUS_ERR_INVALID;
	err = room_named(c, name, &id);
	if (err == UB_OK)
		err = ub_rooms_get(c->rooms, &id, &r);
	if (err == UB_OK)
		err = room_get_ready(c, r, name);
	return err == UB_OK ? ub_room_handle(c, r, ret) : err;
}

enum unibus_err unibus_room_sync(unibus_room *room)
{
	struct ub_room_hint hint;
	ub_err err = ub_room_enter(room);

	if (err == UB_OK)
		err = ub_croom_ask(room->c, room->r, &hint);
	if (err == UB_OK)
		err = ub_croom_sync(room->c, room->r);
	return err;
}

void unibus_room_get_info(unibus_room *room, struct unibus_room_info *ret)
{
	struct ub_croom *r;

	if (!ret)
		return;
	*ret = (struct unibus_room_info){0};
	if (ub_room_enter(room) != UB_OK)
		return;
	r = room->r;
	memcpy(ret->id, r->id_text, sizeof(r->id_text));
	pthread_mutex_lock(&r->lock);
	snprintf(ret->subject, sizeof(ret->subject), "%s", r->state.subject);
	ub_policy_public(&r->state.policy, &ret->policy);
	ret->role = (enum unibus_role)ub_room_role(&r->state, &room->c->o->id->endpoint);
	ret->epoch = r->state.epoch;
	ret->seq = r->state.seq;
	ret->members = r->state.n_members;
	ret->closed = r->state.closed;
	ret->rotation_due = r->due_since != 0;
	pthread_mutex_unlock(&r->lock);
	pthread_mutex_lock(&room->c->lock);
	ret->joined = r->joined;
	if (r->out)
		ret->role = 0;
	pthread_mutex_unlock(&room->c->lock);
}

enum unibus_err unibus_room_members(
	unibus_room *room, bool (*fn)(void *arg, const struct unibus_member *member), void *arg)
{
	UB_CLEANUP(ub_room_deinit) struct ub_room copy = {0};
	ub_err err = ub_room_enter(room);

	if (err == UB_OK && !fn)
		err = UNIBUS_ERR_INVALID;
	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&room->r->lock);
	err = ub_room_clone(&room->r->state, &copy);
	pthread_mutex_unlock(&room->r->lock);
	for (size_t i = 0; err == UB_OK && i < copy.n_members; i++) {
		const struct ub_member *m = &copy.members[i];
		struct unibus_member out = {
			.role = (enum unibus_role)m->role, .added_seq = m->added_seq};

		ub_endpoint_encode(&m->id, out.endpoint);
		ub_names_get(room->c, &m->id, out.handle);
		ub_fingerprint(&m->id, out.fingerprint);
		ub_hex_encode(m->sign.b, sizeof(m->sign.b), out.sign_pub);
		if (!fn(arg, &out))
			break;
	}
	return err;
}

static ub_err log_line(unibus_room *room, uint64_t seq, char **ret_text, bool *ret_end)
{
	struct ub_croom *r = room->r;

	pthread_mutex_lock(&r->lock);
	*ret_end = seq >= r->n_entries;
	if (!*ret_end)
		*ret_text = ub_str_dup((struct ub_str){r->entries[seq].z, r->entries[seq].len});
	pthread_mutex_unlock(&r->lock);
	return *ret_end || *ret_text ? UB_OK : UNIBUS_ERR_NOMEM;
}

enum unibus_err unibus_room_log(unibus_room *room, uint64_t from,
	bool (*fn)(void *arg, const struct unibus_log_line *line), void *arg)
{
	ub_err err = ub_room_enter(room);

	if (err == UB_OK && !fn)
		err = UNIBUS_ERR_INVALID;
	for (uint64_t seq = from; err == UB_OK; seq++) {
		UB_CLEANUP(ub_freep) char *text = NULL;
		UB_CLEANUP(ub_entry_deinit) struct ub_entry e = {0};
		struct unibus_log_line line = {.seq = seq};
		struct ub_endpoint actor;
		char words[1024];
		bool end = false;

		err = log_line(room, seq, &text, &end);
		if (err != UB_OK || end)
			break;
		err = ub_entry_open(ub_str(text), &e);
		if (err != UB_OK)
			break;
		ub_endpoint_of(&e.actor, &actor);
		ub_endpoint_encode(&actor, line.actor);
		ub_entry_words(room->c, &e, words, sizeof(words));
		line.ts_ms = e.ts_ms;
		line.text = words;
		line.entry = text;
		if (!fn(arg, &line))
			break;
	}
	return err;
}

enum unibus_err unibus_trust(unibus_client *c, const char *peer, const char *fingerprint)
{
	struct ub_peer p;
	ub_err err = enter(c);

	if (err == UB_OK && !peer)
		err = UNIBUS_ERR_INVALID;
	return err == UB_OK ? ub_peer_find(c, peer, fingerprint, true, &p) : err;
}
