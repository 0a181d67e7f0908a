#include "net/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/must.h"

#define GZIP_WINDOW (15 + 16) /* 32 KiB; with gzip's head and foot */
#define GZIP_MEMORY 8
#define GZIP_STEP   (4 * 1024) /* octets that are made at once */

struct gzip {
	z_stream z;
	gz_header head;
	char pad[GZIP_PAD_MAX + 1];
};

struct gzip *gzip_new(size_t pad)
{
	struct gzip *g = NEW(struct gzip);

	MUST(pad <= GZIP_PAD_MAX);
	MUST(deflateInit2(&g->z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
		     Z_DEFAULT_STRATEGY) == Z_OK);
	memset(g->pad, ' ', pad);
	g->head.os = UCHAR_MAX; /* unknown: nobody is told */
	if (pad)
		g->head.comment = (Bytef *)g->pad;
	MUST(deflateSetHeader(&g->z, &g->head) == Z_OK);
	return g;
}

void gzip_free(struct gzip **g)
{
	if (*g)
		deflateEnd(&(*g)->z);
	free(*g);
	*g = NULL;
}

static void work(struct gzip *g, struct span octets, int flush, struct buf *out)
{
	int rc = Z_OK;

	MUST(octets.len <= UINT_MAX);
	g->z.next_in = (Bytef *)(uintptr_t)octets.ptr;
	g->z.avail_in = (uInt)octets.len;
	do {
		char *mem = buf_reserve(out, GZIP_STEP);

		if (!mem)
			return;
		g->z.next_out = (Bytef *)mem;
		g->z.avail_out = GZIP_STEP;
		rc = deflate(&g->z, flush);
		MUST(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
		buf_added(out, GZIP_STEP - g->z.avail_out);
	} while (g->z.avail_out == 0 && rc != Z_STREAM_END);
}

void gzip_put(struct gzip *g, struct span octets, struct buf *out)
{
	if (octets.len)
		work(g, octets, Z_NO_FLUSH, out);
}

void gzip_flush(struct gzip *g, struct buf *out)
{
	work(g, SPAN_NONE, Z_SYNC_FLUSH, out);
}

void gzip_end(struct gzip *g, struct buf *out)
{
	work(g, SPAN_NONE, Z_FINISH, out);
}
