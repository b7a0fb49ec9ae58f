/* roomkeys.h: the epoch keys of a room, in guarded memory, fetched when needed.
 *
 * Threads: under the room's lock, except ub_croom_key. */
#ifndef UB_CLIENT_ROOMKEYS_H
#define UB_CLIENT_ROOMKEYS_H

#include "client/client.h"
#include "core/base.h"

struct ub_epoch_keys {
	struct ub_epoch_key *k; /* sodium_malloc; unordered */
	size_t n, cap;
};
void ub_epoch_keys_deinit(struct ub_epoch_keys *keys);
/* NULL when it is not held. Borrowed: valid under the lock. */
const struct ub_symkey *ub_epoch_keys_find(const struct ub_epoch_keys *keys, uint32_t n);
UB_MUST_CHECK
ub_err ub_epoch_keys_add(struct ub_epoch_keys *keys, uint32_t n, const struct ub_symkey *k);

/* The key of epoch n: held, or fetched sealed, or found by walking back links. The room's lock must
 * not be held; the caller wipes *ret. UNIBUS_ERR_NO_KEY_EPOCH, UNIBUS_ERR_BAD_COMMIT (the server
 * gave another key than the log commits to), and what a call can fail of. */
UB_MUST_CHECK
ub_err ub_croom_key(unibus_client *c, struct ub_croom *r, uint32_t n, struct ub_symkey *ret);

#endif
