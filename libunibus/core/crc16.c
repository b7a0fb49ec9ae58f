#include "core/crc16.h"

uint16_t ub_crc16(const void *p, size_t len)
{
	const uint8_t *in = p;
	unsigned crc = 0;

	/* Bit by bit and without a table: nkeys are short, and some of them are seeds. */
	for (size_t i = 0; i < len; i++) {
		crc ^= (unsigned)in[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = ((crc << 1) ^ (0x1021u & (0u - (crc >> 15)))) & 0xffff;
	}
	return (uint16_t)crc;
}
