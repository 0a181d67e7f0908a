#pragma once
/* The gzip coding of what we say (RFC 1952), piece by piece. Pure; not thread-safe.
 *
 *	struct gzip *g = gzip_new(pad);
 *	gzip_put(g, octets, out);      again and again
 *	gzip_end(g, out);
 *	gzip_free(&g);
 *
 * `pad`: so many octets of nothing stand in its header (a comment), at most GZIP_PAD_MAX. A random number of them
 * keeps who sees only lengths from telling one octet more or less of what was packed. */

#include "base/buf.h"

#define GZIP_LEVEL   6
#define GZIP_PAD_MAX 127

struct gzip;

struct gzip *gzip_new(size_t pad);
void gzip_free(struct gzip **g);
/** Takes all of it; what is packed already stands at the end of `out`, which tells when it overflows. */
void gzip_put(struct gzip *g, struct span octets, struct buf *out);
/** Everything that was put can be unpacked from what `out` has got. */
void gzip_flush(struct gzip *g, struct buf *out);
void gzip_end(struct gzip *g, struct buf *out);
