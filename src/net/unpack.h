#pragma once
/* Raw DEFLATE (RFC 1951) as zips have it, piece by piece, and their check sums. Pure; not thread-safe. */

#include "base/err.h"

struct unpack;

struct unpack *unpack_new(void);
void unpack_free(struct unpack **u);
/** Take from `*in` what makes at most `cap` octets at `out`. *is_end_r: the stream is over. ERR_SYNTAX: it is broken, or
 * wants more than `in` has and that is empty. */
int unpack_some(struct unpack *u, struct span *in, char *out, size_t cap, size_t *got_r,
	bool *is_end_r, struct err *e);
/** CRC-32 of zip; begin with 0. */
uint32_t unpack_crc(uint32_t crc, struct span octets);
