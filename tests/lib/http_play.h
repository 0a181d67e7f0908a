#pragma once
/* For tests and fuzzers of the HTTP server: a connection over a stream in memory, on simulated time,
 * with a handler whose first path segment says what it does. */

#include <string.h>

#include "base/must.h"
#include "net/net.h"
#include "run/fiber.h"
#include "proto/http/http_server.h"

#define HTTP_PLAY_WALL_SEC 1795415400 /* Mon, 23 Nov 2026 06:30:00 GMT */
#define HTTP_PLAY_BIG      200000     /* octets of /big */

struct http_play {
	struct http_server_opts opts;
	struct span in;    /* what the client says */
	size_t step;       /* in pieces of so many octets; 0: at once */
	int64_t pause_ns;  /* between pieces */
	bool stays;        /* the client does not close when it has said all */
	int64_t cancel_ns; /* > 0: then the fiber is cancelled where its owner may */
	bool drains;       /* the server is told to stop while it is asked the first time */
	struct addr peer;
	void *ctx; /* of another handler than http_play_handle */
	/* results */
	struct buf out;   /* what the server said */
	struct buf notes; /* what the handler saw */
	unsigned asked;
	bool is_draining;
	bool is_cut; /* the server did not hear the client to the end */
	int64_t took_ns;
	int rc;
	struct err e;
	struct http_conn conn;
	struct stream *client, *server;
	struct fiber *fiber;
	struct stream_bell news;
};

static inline char http_play_octet(uint64_t at)
{
	return (char)('a' + at % 23);
}

static inline FIBER int http_play_read(
	void *arg, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e)
{
	n = n < 1000 ? n : 1000;
	for (size_t i = 0; i < n; i++)
		((char *)p)[i] = http_play_octet(offset + i);
	*got_r = n;
	return 0;
}

static inline FIBER int http_play_echo(struct http_exchange *x, struct err *e)
{
	struct buf *b = arena_buf(http_request(x)->arena, 1 << 20);
	struct span piece;

	do {
		if (http_body_read(x, &piece, e) < 0)
			return -1;
		buf_span_put(b, piece);
	} while (piece.len);
	return http_reply(x, 200, "text/plain", buf_span(b), e);
}

static inline FIBER int http_play_events(
	struct http_play *p, struct http_exchange *x, struct err *e)
{
	struct http_event event = {.id = SPAN("7"), .name = SPAN("news"), .data = SPAN("one\ntwo")};

	if (http_events_begin(x, 2000, e) < 0 || http_events_send(x, &event, e) < 0)
		return -1;
	for (;;)
		if (http_events_wait(x, &p->news, CLOCK_NEVER, e) < 0)
			return -1;
}

static inline FIBER int http_play_stream(struct http_exchange *x, uint64_t length, struct err *e)
{
	if (http_reply_begin(x, 200, "text/plain", length, e) < 0 ||
		http_reply_write(x, SPAN("one"), e) < 0 || http_reply_flush(x, e) < 0 ||
		http_reply_write(x, SPAN_NONE, e) < 0 || http_reply_write(x, SPAN("two"), e) < 0)
		return -1;
	return http_reply_end(x, e);
}

static inline FIBER int http_play_more(
	struct http_play *p, struct http_exchange *x, struct span what, struct err *e)
{
	struct http_source big = {.read = http_play_read, .size = HTTP_PLAY_BIG};
	struct span body;

	if (span_eq(what, SPAN("small")))
		return http_body_read_all(x, 10, &body, e) < 0
			? -1
			: http_reply(x, 200, "text/plain", body, e);
	if (span_eq(what, SPAN("big"))) {
		http_set_etag(x, SPAN("big"), false);
		return http_reply_source(x, "text/plain", &big, e);
	}
	if (span_eq(what, SPAN("file"))) {
		http_set_etag(x, SPAN("v1"), false);
		http_set_modified(x, HTTP_PLAY_WALL_SEC - 86400);
		return http_reply(x, 200, "text/plain", SPAN("0123456789"), e);
	}
	if (span_eq(what, SPAN("packed"))) {
		http_set(x, "Content-Encoding", SPAN("br"));
		http_set(x, "Content-Disposition", SPAN("attachment"));
		http_set_etag(x, SPAN("v1-br"), false);
		return http_reply(x, 200, "text/plain", SPAN("0123456789"), e);
	}
	if (span_eq(what, SPAN("inject"))) {
		http_set(x, "Location", SPAN("/x\r\nSet-Cookie: a=b"));
		return http_reply(x, 200, "text/plain", SPAN("never seen"), e);
	}
	if (span_eq(what, SPAN("half"))) {
		if (http_reply_begin(x, 200, "text/plain", 10, e) < 0 ||
			http_reply_write(x, SPAN("012"), e) < 0)
			return -1;
		return err_set(e, ERR_IO, "the rest is not there");
	}
	if (span_eq(what, SPAN("busy")))
		return err_set(e, ERR_BUSY, "secret inner words");
	if (span_eq(what, SPAN("mute")))
		return 0;
	if (span_eq(what, SPAN("moved")))
		return http_reply_redirect(x, 303, SPAN("/hello?a=1&b=2"), e);
	return http_reply_error(x, 404, "nothing < here", e);
}

static inline FIBER int http_play_handle(void *ctx, struct http_exchange *x, struct err *e)
{
	struct http_play *p = ctx;
	const struct http_request *r = http_request(x);
	const struct http_head *h = &r->head;
	struct span what = h->segment_count ? h->segments[0] : SPAN("*");
	struct buf client;

	buf_init(&client, ADDR_TEXT_MAX);
	addr_put_ip(&client, &r->client);
	p->asked++;
	__atomic_store_n(&p->is_draining, p->drains, __ATOMIC_RELAXED);
	MUST(h->method < HTTP_METHOD_COUNT && h->path.len && h->status == 0);
	buf_printf(&p->notes, "%s " SPAN_FMT " by " SPAN_FMT "%s;", http_method_str(h->method),
		SPAN_ARG(h->path), SPAN_ARG(buf_span(&client)), r->is_https ? " https" : "");
	buf_fini(&client);
	if (!http_allow(
		    x, span_eq(what, SPAN("get")) ? HTTP_BIT(HTTP_GET) | HTTP_BIT(HTTP_HEAD) : ~0u))
		return h->method == HTTP_OPTIONS ? http_reply_options(x, e)
						 : http_reply_error(x, 405, NULL, e);
	if (span_eq(what, SPAN("hello")) || span_eq(what, SPAN("get")))
		return http_reply(x, 200, "text/plain", SPAN("hello\n"), e);
	if (span_eq(what, SPAN("echo")))
		return http_play_echo(x, e);
	if (span_eq(what, SPAN("events")))
		return http_play_events(p, x, e);
	if (span_eq(what, SPAN("stream")))
		return http_play_stream(x, HTTP_LENGTH_UNKNOWN, e);
	if (span_eq(what, SPAN("six")))
		return http_play_stream(x, 6, e);
	return http_play_more(p, x, what, e);
}

static inline FIBER int http_play_serve(void *arg)
{
	struct http_play *p = arg;

	p->fiber = fiber_self();
	if (p->peer.len)
		p->server->peer = p->peer;
	p->rc = http_server_run(p->server, &p->opts, &p->conn, p->ctx ? p->ctx : p, &p->e);
	p->fiber = NULL;
	stream_free(&p->server);
	return 0;
}

static inline FIBER int http_play_listen(void *arg)
{
	struct http_play *p = arg;
	struct err e = {0};

	while (stream_fill(p->client, &e) == 0) {
		buf_span_put(&p->out, stream_peek(p->client));
		stream_consume(p->client, buf_len(&p->client->in));
	}
	return 0;
}

static inline FIBER int http_play_stop(void *arg)
{
	struct http_play *p = arg;

	fiber_sleep(p->cancel_ns, NULL);
	if (p->fiber && p->conn.is_idle)
		fiber_cancel(p->fiber);
	return 0;
}

static inline FIBER int http_play_main(void *arg)
{
	struct http_play *p = arg;
	struct fiber_group g;
	struct err e = {0};
	int64_t start = loop_now_ns();
	size_t step = p->step ? p->step : p->in.len;

	stream_pair(&p->client, &p->server, 0);
	fiber_group_init(&g);
	fiber_start(&g, "server", http_play_serve, p, &e);
	fiber_start(&g, "listen", http_play_listen, p, &e);
	if (p->cancel_ns)
		fiber_start(&g, "stop", http_play_stop, p, &e);
	for (size_t at = 0; at < p->in.len; at += step) {
		struct span piece = span_sub(p->in, at, step);

		if (stream_write(p->client, &piece, 1, &e) < 0) {
			p->is_cut = true;
			break;
		}
		if (p->pause_ns)
			fiber_sleep(p->pause_ns, &e);
		else if (p->step)
			fiber_yield(&e);
	}
	if (!p->stays)
		stream_shutdown(p->client, &e);
	fiber_group_join(&g);
	stream_free(&p->client);
	p->took_ns = loop_now_ns() - start;
	return 0;
}

static inline void http_play_init(struct http_play *p, struct span in)
{
	memset(p, 0, sizeof(*p));
	p->in = in;
	http_server_limits_default(&p->opts.limits);
	p->opts.handle = http_play_handle;
	p->opts.is_draining = &p->is_draining;
	buf_init(&p->out, 64 << 20);
	buf_init(&p->notes, 64 << 20);
}

static inline void http_play_run(struct http_play *p)
{
	struct loop_opts opts = {.name = "play", .slice_warn_ns = 60 * CLOCK_SEC};
	struct loop *l = loop_new_sim(&opts, HTTP_PLAY_WALL_SEC * CLOCK_SEC);
	struct err e = {0};

	MUST(loop_run(l, http_play_main, p, &e) == 0);
	loop_free(&l);
}

static inline void http_play_fini(struct http_play *p)
{
	buf_fini(&p->out);
	buf_fini(&p->notes);
}
