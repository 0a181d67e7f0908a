#include "net/deflate.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/must.h"

#define DEFLATE_WINDOW   (-15) /* raw, 32 KiB: what RFC 1951 allows a peer to refer to */
#define DEFLATE_MEMORY   8
#define DEFLATE_TAKE_MAX (1024 * 1024) /* inflated at once */

struct deflate_filter {
	struct filter filter;
	z_stream in, out;
	bool has_out; /* `out` is alive */
	bool is_writing;
	bool is_more;    /* the last inflate filled its room: more may come of what it has */
	bool is_ended;   /* the peer's deflate stream is over, or what is below */
	bool is_broken;  /* it was none */
	struct buf wire; /* compressed, not inflated */
};

static int deflate_bad(struct deflate_filter *d, struct err *e)
{
	d->is_broken = true;
	err_set(e, ERR_PROTO, "what came is not a deflate stream: %s",
		d->in.msg ? d->in.msg : "broken");
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

/* Inflate what is there into p; what came of it, or -1. */
static ssize_t deflate_take(struct deflate_filter *d, void *p, size_t n, struct err *e)
{
	struct span wire = buf_span(&d->wire);
	size_t got;
	int rc;

	n = n < DEFLATE_TAKE_MAX ? n : DEFLATE_TAKE_MAX;
	d->in.next_in = (Bytef *)(uintptr_t)wire.ptr;
	d->in.avail_in = (uInt)wire.len;
	d->in.next_out = p;
	d->in.avail_out = (uInt)n;
	rc = inflate(&d->in, Z_SYNC_FLUSH);
	MUST(rc != Z_MEM_ERROR && rc != Z_STREAM_ERROR);
	buf_consume(&d->wire, wire.len - d->in.avail_in);
	got = n - d->in.avail_out;
	d->is_more = d->in.avail_out == 0;
	if (rc == Z_STREAM_END)
		d->is_ended = true;
	else if (rc != Z_OK && rc != Z_BUF_ERROR)
		return got ? (ssize_t)got : deflate_bad(d, e);
	return (ssize_t)got;
}

static bool deflate_has_buffered(const struct deflate_filter *d)
{
	return d->is_more || d->is_ended || d->is_broken || buf_len(&d->wire);
}

/* Nothing is to be said now: the next thing begins a compressor of its own. */
static void deflate_rest(struct deflate_filter *d)
{
	if (d->has_out && !d->is_writing) {
		deflateEnd(&d->out);
		d->has_out = false;
	}
	buf_fini(&d->wire);
}

static FIBER int deflate_wait(struct filter *f, int64_t deadline_ns, struct err *e)
{
	struct deflate_filter *d = (struct deflate_filter *)f;

	if (deflate_has_buffered(d))
		return 0;
	deflate_rest(d);
	return filter_wait(f->below, deadline_ns, e);
}

/* Compressed octets from below: 1, 0 at the end, or -1. */
static FIBER int deflate_pull(struct deflate_filter *d, int64_t deadline_ns, struct err *e)
{
	struct filter *below = d->filter.below;
	ssize_t got;

	if (!filter_has_input(below) && filter_wait(below, deadline_ns, e) < 0)
		return -1;
	got = below->ops->read(
		below, buf_reserve(&d->wire, DEFLATE_IN_BYTES), DEFLATE_IN_BYTES, deadline_ns, e);
	if (got <= 0)
		return (int)got;
	buf_added(&d->wire, (size_t)got);
	return 1;
}

static FIBER ssize_t deflate_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	struct deflate_filter *d = (struct deflate_filter *)f;

	while (!d->is_ended) {
		ssize_t got = d->is_broken ? deflate_bad(d, e) : 0;
		int rc;

		if (got == 0 && (d->is_more || buf_len(&d->wire)))
			got = deflate_take(d, p, n, e);
		if (got != 0)
			return got;
		if (d->is_ended || buf_len(&d->wire))
			continue;
		rc = deflate_pull(d, deadline_ns, e);
		if (rc < 0)
			return -1;
		if (rc == 0)
			d->is_ended = true;
	}
	return 0;
}

static FIBER int deflate_send(
	struct deflate_filter *d, struct buf *packed, int64_t deadline_ns, struct err *e)
{
	struct filter *below = d->filter.below;
	struct span bytes = buf_span(packed);

	if (bytes.len == 0)
		return 0;
	if (below->ops->write(below, &bytes, 1, deadline_ns, e) < 0)
		return -1;
	buf_clear(packed);
	return 0;
}

/* All of `s` into the compressor, what comes out to the wire; at the end so that the peer can read all. */
static FIBER int deflate_put(struct deflate_filter *d, struct buf *packed, struct span s,
	bool is_last, int64_t deadline_ns, struct err *e)
{
	MUST(s.len <= UINT_MAX);
	d->out.next_in = (Bytef *)(uintptr_t)s.ptr;
	d->out.avail_in = (uInt)s.len;
	for (;;) {
		int rc;

		if (buf_len(packed) >= DEFLATE_OUT_BYTES &&
			deflate_send(d, packed, deadline_ns, e) < 0)
			return -1;
		d->out.next_out = (Bytef *)buf_reserve(packed, DEFLATE_OUT_BYTES);
		d->out.avail_out = DEFLATE_OUT_BYTES;
		rc = deflate(&d->out, is_last ? Z_SYNC_FLUSH : Z_NO_FLUSH);
		MUST(rc == Z_OK || rc == Z_BUF_ERROR);
		buf_added(packed, DEFLATE_OUT_BYTES - d->out.avail_out);
		if (d->out.avail_out)
			return is_last ? deflate_send(d, packed, deadline_ns, e) : 0;
	}
}

static FIBER int deflate_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	struct deflate_filter *d = (struct deflate_filter *)f;
	struct buf packed;
	int rc = 0;

	if (!d->has_out) {
		memset(&d->out, 0, sizeof(d->out));
		rc = deflateInit2(&d->out, DEFLATE_LEVEL, Z_DEFLATED, DEFLATE_WINDOW,
			DEFLATE_MEMORY, Z_DEFAULT_STRATEGY);
		MUST(rc == Z_OK);
		d->has_out = true;
	}
	d->is_writing = true;
	buf_init(&packed, 2 * DEFLATE_OUT_BYTES);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = deflate_put(d, &packed, parts[i], i + 1 == count, deadline_ns, e);
	buf_fini(&packed);
	d->is_writing = false;
	return rc;
}

static bool deflate_has_input(struct filter *f)
{
	return deflate_has_buffered((struct deflate_filter *)f) || filter_has_input(f->below);
}

static bool deflate_poll(struct filter *f)
{
	return deflate_has_buffered((struct deflate_filter *)f) || filter_poll(f->below);
}

static void deflate_free(struct filter *f)
{
	struct deflate_filter *d = (struct deflate_filter *)f;

	MUST(!d->is_writing);
	deflate_rest(d);
	inflateEnd(&d->in);
	free(d);
}

static const struct filter_ops deflate_ops = {
	.name = "deflate",
	.read = deflate_read,
	.write = deflate_write,
	.free = deflate_free,
	.wait = deflate_wait,
	.has_input = deflate_has_input,
	.poll = deflate_poll,
};

void deflate_push(struct stream *s)
{
	struct deflate_filter *d = NEW(struct deflate_filter);

	d->filter.ops = &deflate_ops;
	buf_init(&d->wire, 2 * DEFLATE_IN_BYTES);
	MUST(inflateInit2(&d->in, DEFLATE_WINDOW) == Z_OK);
	stream_push(s, &d->filter);
}
