#include "proto/http/http_server_priv.h"

#include "run/loop.h"
#include "net/gzip.h"

/* Answers that are made anew, packed on their way out. */

#define PACKED_MAX                                                                                 \
	(8 * HTTP_SERVER_PACK) /* a piece, and what the coder may have held back before it */

void http_may_pack(struct http_exchange *x)
{
	x->may_pack = true;
}

static void free_gzip(void *arg)
{
	gzip_free(arg);
}

void http_pack_begin(struct http_exchange *x)
{
	struct span accept = http_field_list(x, "Accept-Encoding");

	if (!x->may_pack || x->length != HTTP_LENGTH_UNKNOWN || x->etag.len || x->modified_sec >= 0)
		return;
	http_add(x, "Vary", SPAN("Accept-Encoding"));
	if (!accept.ptr || !http_accept_coding(accept, SPAN("gzip")))
		return;
	/* whoever likes it better as it is gets it so; equally good is packed */
	if (http_accept_coding(accept, SPAN("identity")) > http_accept_coding(accept, SPAN("gzip")))
		return;
	http_set(x, "Content-Encoding", SPAN("gzip"));
	if (x->is_without_body)
		return;
	x->gzip = gzip_new(loop_random() % (GZIP_PAD_MAX + 1));
	arena_defer(x->r.arena, free_gzip, &x->gzip);
	x->packed = arena_buf(x->r.arena, PACKED_MAX);
}

/* Small pieces wait for others: a chunk of its own for ten octets is a waste. */
static FIBER int pass_on(struct http_exchange *x, size_t least, http_pack_out *write, struct err *e)
{
	int rc;

	if (!buf_ok(x->packed))
		return err_set(e, ERR_LIMIT, "what was packed became larger than it was");
	if (buf_len(x->packed) <= least)
		return 0;
	rc = write(x, buf_span(x->packed), e);
	buf_clear(x->packed);
	return rc;
}

FIBER int http_pack_write(
	struct http_exchange *x, struct span octets, http_pack_out *write, struct err *e)
{
	while (octets.len) {
		struct span piece = span_sub(octets, 0, HTTP_SERVER_PACK);

		gzip_put(x->gzip, piece, x->packed);
		if (pass_on(x, HTTP_SERVER_PACK, write, e) < 0 || fiber_breathe(e) < 0)
			return -1;
		octets = span_skip(octets, piece.len);
	}
	return 0;
}

FIBER int http_pack_flush(struct http_exchange *x, http_pack_out *write, struct err *e)
{
	gzip_flush(x->gzip, x->packed);
	return pass_on(x, 0, write, e);
}

FIBER int http_pack_end(struct http_exchange *x, http_pack_out *write, struct err *e)
{
	gzip_end(x->gzip, x->packed);
	gzip_free(&x->gzip);
	return pass_on(x, 0, write, e);
}
