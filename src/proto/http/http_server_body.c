#include "proto/http/http_server_priv.h"

#include "run/loop.h"

void http_body_limit(struct http_exchange *x, uint64_t octets)
{
	x->body_max = octets;
}

uint64_t http_body_length(const struct http_exchange *x)
{
	return x->r.head.framing == HTTP_FRAMING_CHUNKED ? HTTP_LENGTH_UNKNOWN : x->r.head.length;
}

void http_body_let_go(struct http_exchange *x)
{
	stream_consume(x->sv->stream, x->held);
	x->held = 0;
}

static int too_large(struct http_exchange *x, struct err *e)
{
	err_set(e, ERR_LIMIT, "the body is larger than %llu octets",
		(unsigned long long)x->body_max);
	return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
}

/* The next piece that lies in the buffer already, and whether it was the last. */
static int take(struct http_exchange *x, struct span *piece_r, struct err *e)
{
	struct span in = stream_peek(x->sv->stream), rest = in;

	if (x->r.head.framing == HTTP_FRAMING_LENGTH) {
		uint64_t left = x->r.head.length - x->body_taken;

		*piece_r = span_sub(in, 0, in.len < left ? in.len : (size_t)left);
		x->held = piece_r->len;
		x->is_body_over = piece_r->len == left;
	} else {
		if (http_chunks_take(&x->chunks, &rest, piece_r, e) < 0) {
			x->is_body_broken = true;
			return -1;
		}
		x->held = in.len - rest.len;
		x->is_body_over = x->chunks.is_done;
	}
	x->body_taken += piece_r->len;
	return 0;
}

/* However slowly it comes, it comes to an end: so long for each piece, and a floor in all. */
static void set_deadline(struct http_exchange *x)
{
	const struct http_server_limits *l = &x->sv->opts->limits;
	int64_t allowance = 2 * l->body_ns +
		(int64_t)(x->body_taken / HTTP_SERVER_FLOOR) * CLOCK_SEC;
	int64_t next = loop_now_ns() + l->body_ns, last = x->body_start_ns + allowance;

	if (x->drop_until_ns && x->drop_until_ns < next)
		next = x->drop_until_ns;
	x->sv->stream->deadline_ns = next < last ? next : last;
}

static FIBER int next_piece(struct http_exchange *x, struct span *piece_r, struct err *e)
{
	struct stream *st = x->sv->stream;
	struct err why = {0};

	*piece_r = SPAN_NONE;
	http_body_let_go(x);
	if (x->is_body_broken)
		return err_set(e, ERR_SYNTAX, "the body is broken");
	if (!x->body_start_ns)
		x->body_start_ns = loop_now_ns();
	while (!x->is_body_over) {
		if (stream_peek(st).len && take(x, piece_r, e) < 0)
			return -1;
		if (piece_r->len || x->is_body_over)
			return 0;
		http_body_let_go(x);
		set_deadline(x);
		if (stream_fill(st, &why) < 0) {
			x->is_body_late = why.code == ERR_TIMEOUT;
			return err_copy(e, &why);
		}
	}
	return 0;
}

FIBER int http_body_read(struct http_exchange *x, struct span *piece_r, struct err *e)
{
	*piece_r = SPAN_NONE;
	if (x->r.head.framing == HTTP_FRAMING_LENGTH && x->r.head.length > x->body_max)
		return too_large(x, e);
	/* RFC 9110 section 10.1.1 */
	if (x->r.head.is_expecting && !x->is_continued && !x->is_body_over) {
		stream_put(x->sv->stream, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
		x->is_continued = true;
	}
	if (next_piece(x, piece_r, e) < 0)
		return -1;
	if (x->body_taken <= x->body_max)
		return 0;
	*piece_r = SPAN_NONE;
	return too_large(x, e);
}

FIBER int http_body_read_all(
	struct http_exchange *x, size_t max, struct span *body_r, struct err *e)
{
	struct buf *b = arena_buf(x->r.arena, max);
	struct span piece;

	http_body_limit(x, max);
	for (;;) {
		if (http_body_read(x, &piece, e) < 0)
			return -1;
		if (!piece.len)
			break;
		buf_span_put(b, piece);
	}
	*body_r = buf_span(b);
	return 0;
}

bool http_body_allows_more(const struct http_exchange *x)
{
	uint64_t left = x->r.head.length - x->body_taken;

	if (x->is_body_over)
		return true;
	/* A client that waits for 100 may send the body nevertheless, or not: nobody knows. */
	if (x->is_body_broken || (x->r.head.is_expecting && !x->is_continued))
		return false;
	return x->r.head.framing != HTTP_FRAMING_LENGTH ||
		left <= x->sv->opts->limits.unread_octets;
}

FIBER int http_body_drop(struct http_exchange *x, struct err *e)
{
	uint64_t taken = x->body_taken;
	struct span piece;

	x->drop_until_ns = loop_now_ns() + HTTP_SERVER_UNREAD_NS;
	http_body_let_go(x);
	while (!x->is_body_over) {
		if (x->body_taken - taken > x->sv->opts->limits.unread_octets)
			return err_set(e, ERR_LIMIT, "a body that nobody wants");
		if (next_piece(x, &piece, e) < 0)
			return -1;
	}
	http_body_let_go(x);
	return 0;
}
