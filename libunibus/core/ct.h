/* ct.h: what codecs that see secrets use instead of branches and tables.
 *
 * Threads: pure. */
#ifndef UB_CT_H
#define UB_CT_H

#include "core/base.h"

/* All ones when lo <= c <= hi, else 0. Arguments below 2^31. */
static inline unsigned ub_ct_in_range(unsigned c, unsigned lo, unsigned hi)
{
	return (((c - lo) | (hi - c)) >> 31) - 1u;
}

#endif
