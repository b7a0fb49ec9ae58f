/* num.h: decimal and hexadecimal text, one spelling only.
 *
 * Threads: pure. */
#ifndef UB_NUM_H
#define UB_NUM_H

#include "core/base.h"

/* Decimal digits only, no sign, no leading zero except "0" itself, min <= value <= max.
 * UNIBUS_ERR_INVALID otherwise. */
UB_MUST_CHECK
ub_err ub_num_u64(struct ub_str s, uint64_t min, uint64_t max, uint64_t *ret);

/* A span of time as people write it: "90", "90s", "15m", "12h", "7d", "250ms"; a bare number is
 * seconds. Result in milliseconds, at most 366 days. */
UB_MUST_CHECK
ub_err ub_num_duration_ms(struct ub_str s, uint64_t *ret);

/* Exactly 2 * len lower-case hexadecimal digits. */
UB_MUST_CHECK
ub_err ub_hex_decode(struct ub_str s, void *to, size_t len);
/* Writes 2 * len digits and a NUL; `to` has 2 * len + 1 bytes. */
void ub_hex_encode(const void *p, size_t len, char *to);

/* Big-endian stores and loads. */
void ub_put_u32(uint8_t to[4], uint32_t v);
void ub_put_u64(uint8_t to[8], uint64_t v);
uint32_t ub_get_u32(const uint8_t p[4]);
uint64_t ub_get_u64(const uint8_t p[8]);

#endif
