/* crc16.h: CRC-16/XMODEM (polynomial 0x1021, start 0), the check sum of nkeys.
 *
 * Threads: pure. */
#ifndef UB_CRC16_H
#define UB_CRC16_H

#include "core/base.h"

uint16_t ub_crc16(const void *p, size_t len);

#endif
