/* store_jetstream_pile.h: messages gathered until they can be told together.
 *
 * Threads: one thread at a time. */
#ifndef MD_STORE_JETSTREAM_PILE_H
#define MD_STORE_JETSTREAM_PILE_H

#include "membershipd/store/store_jetstream_watch.h"

struct kv_piece {
	size_t key; /* where it begins in `keys` */
	natsMsg *msg;
	uint64_t seq;
	bool marker;
};
struct kv_pile {
	struct kv_piece *v;
	size_t n, cap;
	struct ub_buf keys; /* with a NUL each */
};
void kv_pile_deinit(struct kv_pile *p); /* zero is a valid empty pile */
void kv_pile_clear(struct kv_pile *p);

/* Takes item->msg in any case; keeps it when its key begins with the prefix. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err kv_pile_add(struct kv_pile *p, const char *prefix, struct kv_item *item);

enum kv_order {
	KV_BY_REVISION,
	KV_BY_KEY,
};
/* Leaves the last one of each key, without the markers unless they are wanted. */
void kv_pile_settle(struct kv_pile *p, bool markers, enum kv_order order);
/* What a settled pile holds, borrowed, in an owned array; NULL (n = 0 included) when there is
 * nothing or UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err kv_pile_records(const struct kv_pile *p, struct md_record **ret);

#endif
