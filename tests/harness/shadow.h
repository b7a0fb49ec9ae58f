/* shadow.h: a room as a test knows it: its state by ub_room_apply, the keys of its epochs, and the
 * requests that change it, made by hand.
 *
 * Failures fail the running test.
 *
 * Threads: one. */
#ifndef HARNESS_SHADOW_H
#define HARNESS_SHADOW_H

#include "core/roomlog.h"
#include "tests/harness/actor.h"

#define SHADOW_EPOCHS 8

struct shadow {
	struct ub_room room;
	struct ub_symkey keys[SHADOW_EPOCHS]; /* index: epoch */
	char idz[UB_ID_TEXT + 1];
};
void shadow_deinit(struct shadow *s);
void shadow_copy(const struct shadow *from, struct shadow *ret);

/* Operations, as they go into shadow_change. */
struct ub_op shadow_add(const struct actor *a, enum ub_role role);
struct ub_op shadow_remove(const struct actor *a);
struct ub_op shadow_role(const struct actor *a, enum ub_role role);
struct ub_op shadow_key(const struct actor *a);
struct ub_op shadow_policy(bool encrypt, bool sign);
struct ub_op shadow_bare(enum ub_op_type type); /* leave, takeover, close; epoch, see below */

struct shadow_change {
	const struct actor *by;
	struct ub_op *ops; /* an epoch op at the end is filled in */
	size_t n;
	bool wrong;                      /* do not judge it: a change that no honest client makes */
	uint64_t ts_ms;                  /* 0: now */
	const struct ub_epoch_op *epoch; /* when wrong: this one instead; NULL: the true one */
};
#define SHADOW_OPS(...) \
	.ops = (struct ub_op[]){__VA_ARGS__}, \
	.n = sizeof((struct ub_op[]){__VA_ARGS__}) / sizeof(struct ub_op)

/* The first entry: `s` is zero before. Appends {"entry":..,"sealed":..} to *body. */
void shadow_create(struct shadow *s, const struct actor *by, const char *subject,
	struct ub_policy policy, struct ub_buf *body);
/* Any other. `s` stays; *ret is the room afterwards (as `s` when wrong). */
void shadow_change(const struct shadow *s, const struct shadow_change *c, struct ub_buf *body,
	struct shadow *ret);
/* The same, sent to /rooms/{id}/VERB and taken; `s` moves on. */
void shadow_do(
	struct shadow *s, const struct stack *st, const char *verb, const struct shadow_change *c);
/* Follows one entry that somebody else made. */
void shadow_follow(struct shadow *s, const char *entry);
/* The room as the server's log says it, read by `by` from GET log; the current key from GET key. */
void shadow_fetch(
	const struct stack *st, const struct actor *by, const char *room_id, struct shadow *ret);
/* The key that GET key answers to `by`, opened and compared with the commitment. */
ub_err shadow_open_key(
	const struct shadow *s, const struct actor *by, const char *sealed, struct ub_symkey *ret);

#endif
