/* gen.h: what the generators of vectors share: a room that grows, and what is refused beside it.
 *
 * Threads: one. */
#ifndef UB_TEST_GEN_H
#define UB_TEST_GEN_H

#include "core/json.h"
#include "core/signed_text.h"
#include "tests/unit/core/room_kit.h"

enum who { ANN, BOB, CARL, DORA, ED, ZOE, PEERS };

struct gen {
	struct kit_peer p[PEERS];
	struct kit_peer renewed; /* dora with her second key-exchange key */
	struct ub_room room;
	const char *name; /* of the room's story */
	uint64_t n_entries;
	json_t *entries, *refused; /* of this room */
	json_t *rooms;
};

/* Makes libsodium's random bytes the same at every run. Before anything else. */
void gen_init(struct gen *g);

json_t *gen_hex(const void *p, size_t len);
json_t *gen_u64(uint64_t v);
void gen_put(json_t *o, const char *key, json_t *v);
/* Writes `o` to the file; steals it. */
void gen_write(const char *folder, const char *file, json_t *o);
json_t *gen_peers(const struct gen *g);

void gen_begin(struct gen *g, const char *name);
void gen_end(struct gen *g);
/* The room's next entry: written down with the state after it. */
void gen_accept(struct gen *g, enum who actor, struct ub_op *ops, size_t n);
/* The room's next entry as it must not be: asserts that it is refused so. */
void gen_refuse(
	struct gen *g, const char *why, ub_err want, enum who actor, struct ub_op *ops, size_t n);
void gen_refuse_ctx(struct gen *g, const char *why, ub_err want, enum who actor, struct ub_op *op,
	const struct ub_apply *ctx);
void gen_refuse_text(
	struct gen *g, const char *why, ub_err want, const char *text, const struct ub_apply *ctx);
/* Text of the room's next entry, to be freed; *ret_epoch what its epoch was made from, or NULL. */
char *gen_text(struct gen *g, enum who actor, struct ub_op *ops, size_t n, json_t **ret_epoch);

/* epochkey.json */
json_t *gen_epochkey(const struct gen *g);
/* blob.json */
json_t *gen_blob(void);

#endif
