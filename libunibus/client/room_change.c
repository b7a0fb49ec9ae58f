#include "client/room_change.h"

#include <sodium.h>

#include "client/clock.h"
#include "client/peers.h"
#include "client/roomfile.h"
#include "client/roomsync.h"
#include "client/store.h"
#include "core/json.h"
#include "core/key.h"

#define REBASES_MAX 16
#define RESEND_PAUSE_MS 250

static bool outcome_open(ub_err err)
{
	return err == UNIBUS_ERR_OUTCOME_UNKNOWN || err == UNIBUS_ERR_UNAVAILABLE ||
	       err == UNIBUS_ERR_TIMEOUT || err == UNIBUS_ERR_NETWORK;
}

/* Waits a little, or until the client ends. */
static void pause_for(unibus_client *c, uint64_t ms)
{
	uint64_t until = ub_mono_ms() + ms;

	pthread_mutex_lock(&c->lock);
	while (ub_client_alive(c) == UB_OK && ub_cond_wait_until(&c->changed, &c->lock, until))
		continue;
	pthread_mutex_unlock(&c->lock);
}

/* The same entry sent again finds its own effect, so an unknown outcome is asked for so. */
static ub_err submit(
	unibus_client *c, const char *target, const struct ub_draft *d, uint64_t *ret_rev)
{
	uint64_t until = ub_mono_ms() + c->o->timeout_ms;

	for (;;) {
		UB_CLEANUP(json_decrefp) json_t *v = NULL;
		ub_err err = ub_client_json(c, "POST", target, ub_buf_text(&d->body), &v);

		struct ub_str rev = ub_str(json_string_value(json_object_get(v, "revision")));

		if (err == UB_OK) {
			ub_control_note_revision(c->ctl, rev);
			*ret_rev = ub_revision_number(rev);
		}
		if (!outcome_open(err) || ub_mono_ms() >= until)
			return err;
		pause_for(c, RESEND_PAUSE_MS + ub_jitter(RESEND_PAUSE_MS));
	}
}

/* Whoever reads it from the log before its answer comes does not tell us what we did. */
static void note_own(struct ub_croom *r, const struct ub_draft *d)
{
	pthread_mutex_lock(&r->lock);
	ub_hash(d->text.p, d->text.len, &r->own_entry);
	pthread_mutex_unlock(&r->lock);
}

/* The server took it: so do we. */
static ub_err accept(unibus_client *c, struct ub_croom *r, const struct ub_draft *d)
{
	ub_err err = UB_OK;

	pthread_mutex_lock(&r->sync_lock);
	pthread_mutex_lock(&r->lock);
	if (r->n_entries == d->seq)
		err = ub_croom_take(r, ub_buf_text(&d->text), ub_wall_ms());
	if (err == UB_OK && d->key)
		err = ub_epoch_keys_add(&r->keys, d->epoch, d->key);
	pthread_mutex_unlock(&r->lock);
	if (err == UB_OK)
		err = ub_roomfile_save(ub_store_dir(c), r);
	pthread_mutex_unlock(&r->sync_lock);
	return err;
}

/* An earlier attempt got through after all? */
static bool is_ours(struct ub_croom *r, const struct ub_draft *d)
{
	bool ours;

	pthread_mutex_lock(&r->lock);
	ours = d->seq < r->n_entries &&
	       ub_str_eq(ub_buf_text(&d->text),
		       (struct ub_str){r->entries[d->seq].z, r->entries[d->seq].len});
	pthread_mutex_unlock(&r->lock);
	return ours;
}

static void begin_entry(unibus_client *c, const struct ub_room *now, struct ub_entry *e)
{
	e->has_room = true;
	e->room = now->id;
	e->seq = now->seq + 1;
	e->prev = now->head;
	e->actor = c->o->id->sign_pub;
	e->ts_ms = ub_control_now_ms(c->ctl);
}

static ub_err explain(unibus_client *c, ub_err err)
{
	return ub_client_fail(c, err, "%s", unibus_strerror(err));
}

/* Makes the entry for the room as it is now; *ret_done: there is nothing to do. */
static ub_err draft(unibus_client *c, struct ub_croom *r, const struct ub_change *change,
	struct ub_draft *ret, bool *ret_done)
{
	UB_CLEANUP(ub_room_deinit) struct ub_room now = {0};
	UB_CLEANUP(ub_entry_deinit) struct ub_entry e = {0};
	UB_CLEANUP(ub_symkey_wipe) struct ub_symkey current = {0};
	struct ub_draft_input in = {.c = c, .now = &now, .rotate = change->rotate};
	ub_err err;

	pthread_mutex_lock(&r->lock);
	err = ub_room_clone(&r->state, &now);
	pthread_mutex_unlock(&r->lock);
	if (err != UB_OK)
		return err;
	begin_entry(c, &now, &e);
	err = change->build ? change->build(change->arg, &now, &e) : UB_OK;
	if (err != UB_OK)
		return err;
	if (e.n_ops == 0 && !change->rotate) {
		*ret_done = true;
		return UB_OK;
	}
	if (now.epoch > 0) {
		err = ub_croom_key(c, r, now.epoch, &current);
		/* Only what needs the old key fails without it. */
		if (err == UB_OK)
			in.current = &current;
		else if (err != UNIBUS_ERR_NO_KEY_EPOCH && err != UNIBUS_ERR_BAD_COMMIT)
			return err;
	}
	err = ub_draft_make(&in, &e, ret);
	return err == UB_OK ? UB_OK : explain(c, err);
}

/* One entry at one head. UNIBUS_ERR_STALE_HEAD: the log was read again, try anew. */
static ub_err change_once(unibus_client *c, struct ub_croom *r, const struct ub_change *change)
{
	UB_CLEANUP(ub_draft_deinit) struct ub_draft d = {0};
	char target[96];
	uint64_t rev = 0;
	bool done = false;
	ub_err synced, err = draft(c, r, change, &d, &done);

	if (err != UB_OK || done)
		return err;
	note_own(r, &d);
	snprintf(target, sizeof(target), "/rooms/%s/%s", r->id_text, change->verb);
	err = submit(c, target, &d, &rev);
	if (err == UB_OK)
		return accept(c, r, &d);
	if (err != UNIBUS_ERR_STALE_HEAD && err != UNIBUS_ERR_BAD_CHAIN)
		return err;
	synced = ub_croom_sync(c, r);
	if (synced != UB_OK)
		return synced;
	if (is_ours(r, &d))
		return accept(c, r, &d);
	return UNIBUS_ERR_STALE_HEAD;
}

ub_err ub_room_change(unibus_client *c, struct ub_croom *r, const struct ub_change *change)
{
	ub_err err = UNIBUS_ERR_STALE_HEAD;

	/* Not sync_lock: what we do may take our own rights away, and then the log is to be read
	 * while the server's answer still waits for our sessions to end. */
	pthread_mutex_lock(&r->change_lock);
	for (unsigned i = 0; i < REBASES_MAX && err == UNIBUS_ERR_STALE_HEAD; i++)
		err = change_once(c, r, change);
	pthread_mutex_unlock(&r->change_lock);
	if (err == UB_OK)
		ub_croom_changed(c, r);
	return err;
}

/* ---- the first entry ---- */

static ub_err genesis_ops(
	unibus_client *c, const char *subject, const struct ub_policy *policy, struct ub_entry *e)
{
	char text[UB_KEYREC_MAX + 1];
	struct ub_keyrec self;
	struct ub_op *genesis, *add;
	ub_err err = ub_peer_self(c, &self, text);

	if (err != UB_OK)
		return err;
	e->actor = c->o->id->sign_pub;
	e->ts_ms = ub_control_now_ms(c->ctl);
	genesis = ub_entry_op(e, UB_OP_GENESIS);
	add = ub_entry_op(e, UB_OP_ADD);
	if (!genesis || !add)
		return UNIBUS_ERR_NOMEM;
	snprintf(genesis->subject, sizeof(genesis->subject), "%s", subject);
	genesis->policy = *policy;
	randombytes_buf(genesis->nonce, sizeof(genesis->nonce));
	add->role = UB_ROLE_OWNER;
	add->keyrec = self;
	add->keyrec_text = ub_str_dup(ub_str(text));
	return add->keyrec_text ? UB_OK : UNIBUS_ERR_NOMEM;
}

ub_err ub_room_genesis(unibus_client *c, const char *subject, const struct ub_policy *policy,
	struct ub_croom **ret)
{
	UB_CLEANUP(ub_entry_deinit) struct ub_entry e = {0};
	UB_CLEANUP(ub_draft_deinit) struct ub_draft d = {0};
	struct ub_room none = {0};
	struct ub_draft_input in = {.c = c, .now = &none};
	struct ub_croom *r = NULL;
	uint64_t rev = 0;
	ub_err err = genesis_ops(c, subject, policy, &e);

	if (err != UB_OK)
		return err;
	err = ub_draft_make(&in, &e, &d);
	if (err != UB_OK)
		return explain(c, err);
	err = submit(c, "/rooms", &d, &rev);
	if (err == UB_OK)
		err = ub_rooms_get(c->rooms, &d.room, &r);
	if (err != UB_OK)
		return err;
	err = accept(c, r, &d);
	if (err != UB_OK)
		return err;
	ub_croom_derive(c, r);
	ub_croom_joined(c, r, rev);
	*ret = r;
	return UB_OK;
}
