/* log_kit.h: a room's log as its owner writes it.
 *
 * Threads: one. */
#ifndef UB_TEST_LOG_KIT_H
#define UB_TEST_LOG_KIT_H

#include "client/roomfile.h"
#include "tests/unit/client/state_kit.h"

struct log {
	struct peer owner;
	struct ub_room room;
	char *entries[8];
	size_t n;
};

static inline void log_add(struct log *l, struct ub_entry *e)
{
	static const struct ub_apply ctx = {.owner_revoked = true};
	struct ub_buf text = UB_BUF(UB_ENTRY_MAX);
	struct ub_entry opened = {0};

	e->actor = l->owner.rec.sign;
	e->ts_ms = NOW_MS;
	if (l->room.started) {
		e->has_room = true;
		e->room = l->room.id;
		e->seq = l->room.seq + 1;
		e->prev = l->room.head;
	}
	ub_entry_sign(&l->owner.sign, e, &text);
	l->entries[l->n] = ub_buf_take(&text);
	assert_non_null(l->entries[l->n]);
	assert_int_equal(UB_OK, ub_entry_open(ub_str(l->entries[l->n]), &opened));
	assert_int_equal(UB_OK, ub_room_apply(&l->room, &opened, &ctx));
	ub_entry_deinit(&opened);
	l->n++;
}

static inline void log_start(struct log *l)
{
	struct ub_op ops[2] = {{.type = UB_OP_GENESIS, .subject = "room.x", .policy.sign = true},
		{.type = UB_OP_ADD, .role = UB_ROLE_OWNER}};
	struct ub_entry e = {.ops = ops, .n_ops = 2};

	*l = (struct log){0};
	peer_make(&l->owner, 1);
	ops[1].keyrec = l->owner.rec;
	ops[1].keyrec_text = l->owner.keyrec;
	log_add(l, &e);
}

static inline void log_invite(struct log *l, uint8_t n)
{
	struct peer who;
	struct ub_op op = {.type = UB_OP_ADD, .role = UB_ROLE_MEMBER};
	struct ub_entry e = {.ops = &op, .n_ops = 1};

	peer_make(&who, n);
	op.keyrec = who.rec;
	op.keyrec_text = who.keyrec;
	log_add(l, &e);
}

static inline void log_end(struct log *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->entries[i]);
	ub_room_deinit(&l->room);
}

static inline struct ub_croom *croom(const struct log *l)
{
	struct ub_croom *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->id = l->room.id;
	ub_room_id_encode(&r->id, r->id_text);
	assert_int_equal(0, pthread_mutex_init(&r->lock, NULL));
	return r;
}

static inline void croom_end(struct ub_croom *r)
{
	for (size_t i = 0; i < r->n_entries; i++)
		free(r->entries[i].z);
	free(r->entries);
	ub_room_deinit(&r->state);
	ub_roomhist_deinit(&r->hist);
	ub_senders_deinit(&r->senders);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

static inline void take(struct ub_croom *r, const struct log *l, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(UB_OK, ub_croom_take(r, ub_str(l->entries[i]), NOW_MS + i));
}

static inline void file_of(const struct ub_croom *r, const char *suffix, char to[128])
{
	(void)snprintf(to, 128, "rooms/%s%s", r->id_text, suffix);
}

#endif
