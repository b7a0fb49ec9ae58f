/* buf.h: a growing byte buffer with a maximum and a latched error, for building output.
 *
 * Every put does nothing once `err` is set; check it once at the end with ub_buf_err. The contents
 * are wiped when the buffer grows and when it is freed, so secrets may pass through.
 *
 * Threads: one thread at a time. */
#ifndef UB_BUF_H
#define UB_BUF_H

#include <stdarg.h>

#include "core/base.h"

struct ub_buf {
	uint8_t *p;
	size_t len, cap, max;
	ub_err err; /* latched: UNIBUS_ERR_NOMEM, UNIBUS_ERR_TOO_LARGE, or what ub_buf_fail says */
};
#define UB_BUF(maximum) ((struct ub_buf){.max = (maximum)})

void ub_buf_deinit(struct ub_buf *b); /* wipes and frees; zero is a valid empty buffer */
void ub_buf_reset(struct ub_buf *b);  /* empties, keeps the memory, clears the error */
/* Latches `err`, unless one is latched already: for whoever cannot make what was to be put. */
void ub_buf_fail(struct ub_buf *b, ub_err err);
void ub_buf_put(struct ub_buf *b, const void *p, size_t len);
void ub_buf_u8(struct ub_buf *b, uint8_t v);
void ub_buf_u32(struct ub_buf *b, uint32_t v);  /* big-endian */
void ub_buf_u64(struct ub_buf *b, uint64_t v);  /* big-endian */
void ub_buf_z(struct ub_buf *b, const char *z); /* text without its NUL */
void ub_buf_str(struct ub_buf *b, struct ub_str s);
void ub_buf_hex(struct ub_buf *b, const void *p, size_t len);    /* lower case */
void ub_buf_b64url(struct ub_buf *b, const void *p, size_t len); /* no padding */
void ub_buf_printf(struct ub_buf *b, const char *fmt, ...) UB_PRINTF(2, 3);

/* The latched error. */
UB_MUST_CHECK
ub_err ub_buf_err(const struct ub_buf *b);
struct ub_str ub_buf_text(const struct ub_buf *b); /* borrowed */
/* Terminates with NUL (not counted in len) and returns the text, borrowed; NULL on error. */
const char *ub_buf_cstr(struct ub_buf *b);
/* Gives the NUL-terminated memory away, to be freed; NULL when an error is latched. */
char *ub_buf_take(struct ub_buf *b);

#endif
