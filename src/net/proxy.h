#pragma once
/* PROXY protocol v1 and v2 (the receiving side), and its header for the sending side. */

#include "net/stream.h"

#define PROXY_V1_MAX 107
#define PROXY_V2_MAX 4096 /* header with TLVs; more is refused */

struct proxy_header {
	bool is_local; /* LOCAL or UNKNOWN: keep the socket's own addresses */
	struct addr src, dst;
};
/** Pure: parse what has come so far. *used_r > 0: complete; 0 with return 0: more is needed. */
int proxy_parse(struct span bytes, struct proxy_header *h_r, size_t *used_r, struct err *e);
/** Read the header and put its addresses into stream->peer/local. */
FIBER int proxy_read(struct stream *s, struct err *e);
void proxy_put_v1(struct buf *b, const struct addr *src, const struct addr *dst);
void proxy_put_v2(struct buf *b, const struct addr *src, const struct addr *dst);
