#pragma once
/* PROXY protocol v1 and v2 (haproxy's proxy-protocol.txt): the receiving side, and its header for
 * the sending side. Only for peers that are known proxies: a header is believed. */

#include "net/stream.h"

#define PROXY_V1_MAX 107
#define PROXY_V2_MAX 4096 /* header with TLVs; more is refused */

struct proxy_header {
	/* LOCAL, UNKNOWN, and families that say nothing about an IP (a Unix socket of the proxy's
	 * machine is not one of ours): keep the socket's own addresses. */
	bool is_local;
	struct addr src, dst;
};
/** Pure: parse what has come so far. *used_r > 0: complete; 0 with return 0: more is needed.
 * ERR_SYNTAX as soon as it cannot become a header, ERR_LIMIT when it would be too long. */
int proxy_parse(struct span bytes, struct proxy_header *h_r, size_t *used_r, struct err *e);
/** Read the header and put its addresses into stream->peer/local. What came behind it in the same
 * segment (a TLS ClientHello, say) is read by the next filter or the stream itself. An error breaks
 * the stream: such a connection is dropped without a word. */
FIBER int proxy_read(struct stream *s, struct err *e);
/** Addresses of different families, or none: UNKNOWN in v1, LOCAL in v2. */
void proxy_put_v1(struct buf *b, const struct addr *src, const struct addr *dst);
void proxy_put_v2(struct buf *b, const struct addr *src, const struct addr *dst);
