/* room_judge.h: applies an entry and asserts the verdict: the named error and the unchanged room.
 *
 * Threads: one. */
#ifndef UB_TEST_ROOM_JUDGE_H
#define UB_TEST_ROOM_JUDGE_H

#include "tests/unit/core/room_kit.h"

/* Applies to the room; an error must leave it bit by bit as it was. */
static inline void judge_ctx(
	struct ub_room *room, const struct ub_entry *e, const struct ub_apply *ctx, ub_err want)
{
	const size_t size = room->n_members * sizeof(*room->members);
	struct ub_member *members = malloc(size + 1);
	struct ub_room snap;
	ub_err got;

	memcpy(&snap, room, sizeof(snap));
	if (size)
		memcpy(members, room->members, size);
	got = ub_room_apply(room, e, ctx);

	if (got != want)
		fail_msg("%s instead of %s", unibus_err_word(got), unibus_err_word(want));
	if (want) {
		assert_memory_equal(&snap, room, sizeof(snap));
		assert_true(size == 0 || memcmp(members, room->members, size) == 0);
	} else {
		assert_int_equal(room->seq, e->seq);
		assert_memory_equal(&room->head, &e->hash, 32);
	}
	free(members);
}

#endif
