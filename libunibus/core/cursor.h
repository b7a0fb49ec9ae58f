/* cursor.h: a reader of binary input with a latched error.
 *
 * Reads past the end give zeros (or NULL) and latch UNIBUS_ERR_INVALID; check once at the end
 * with ub_cursor_end, which also refuses bytes left over.
 *
 * Threads: one thread at a time. */
#ifndef UB_CURSOR_H
#define UB_CURSOR_H

#include "core/base.h"

struct ub_cursor {
	const uint8_t *p;
	size_t len, pos;
	bool bad;
};
struct ub_cursor ub_cursor(const void *p, size_t len);
uint8_t ub_cursor_u8(struct ub_cursor *c);
uint32_t ub_cursor_u32(struct ub_cursor *c); /* big-endian */
uint64_t ub_cursor_u64(struct ub_cursor *c); /* big-endian */
void ub_cursor_copy(struct ub_cursor *c, void *to, size_t len);
const uint8_t *ub_cursor_skip(struct ub_cursor *c, size_t len); /* borrowed; NULL past the end */
size_t ub_cursor_left(const struct ub_cursor *c);
UB_MUST_CHECK
ub_err ub_cursor_end(const struct ub_cursor *c);

#endif
