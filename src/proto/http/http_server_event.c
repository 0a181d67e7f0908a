#include "proto/http/http_server_priv.h"

#include "run/loop.h"

/* Server-sent events (the HTML standard, section 9.2). */

#define TAKE_NS   CLOCK_SEC
#define HEARD_MAX (64 * 1024) /* octets that are forgotten */

struct span http_events_last_id(const struct http_exchange *x)
{
	return http_field(x, "Last-Event-ID");
}

FIBER int http_events_begin(struct http_exchange *x, unsigned retry_ms, struct err *e)
{
	struct buf *b = arena_buf(x->r.arena, 64);

	http_set(x, "Cache-Control", SPAN("no-store"));
	http_set(x, "X-Accel-Buffering", SPAN("no")); /* a proxy is not to wait for more */
	if (http_reply_begin(x, 200, "text/event-stream", HTTP_LENGTH_UNKNOWN, e) < 0)
		return -1;
	if (retry_ms)
		buf_printf(b, "retry: %u\n\n", retry_ms);
	else
		buf_str(b, ":\n\n");
	x->spoken_ns = loop_now_ns();
	return http_reply_write(x, buf_span(b), e) < 0 ? -1 : http_reply_flush(x, e);
}

/* HEAD asks for no events: the stream is over as soon as it has begun. */
static int check_wanted(const struct http_exchange *x, struct err *e)
{
	return x->is_without_body ? err_set(e, ERR_EOF, "the header alone was asked for") : 0;
}

/* Up to the first line end of the three that readers know. */
static struct span take_line(struct span *rest)
{
	struct span line;
	size_t i = 0;

	while (i < rest->len && rest->ptr[i] != '\r' && rest->ptr[i] != '\n')
		i++;
	line = span_sub(*rest, 0, i);
	if (i + 1 < rest->len && rest->ptr[i] == '\r' && rest->ptr[i + 1] == '\n')
		i++;
	*rest = span_skip(*rest, i + 1);
	return line;
}

FIBER int http_events_send(struct http_exchange *x, const struct http_event *event, struct err *e)
{
	struct span rest = event->data;
	struct buf b;
	int rc;

	if (check_wanted(x, e) < 0)
		return -1;
	if (span_has_line_break(event->id) || span_has_line_break(event->name))
		return err_set(e, ERR_SYNTAX, "an event's name or id with a line break");
	buf_init(&b, STREAM_OUT_MAX);
	if (event->name.len)
		buf_printf(&b, "event: " SPAN_FMT "\n", SPAN_ARG(event->name));
	if (event->id.len)
		buf_printf(&b, "id: " SPAN_FMT "\n", SPAN_ARG(event->id));
	do {
		struct span line = take_line(&rest);

		buf_str(&b, "data: ");
		buf_span_put(&b, line);
		buf_char(&b, '\n');
	} while (rest.len);
	buf_char(&b, '\n');
	rc = buf_ok(&b) ? http_reply_write(x, buf_span(&b), e)
			: err_set(e, ERR_LIMIT, "an event is too large");
	buf_fini(&b);
	if (rc < 0)
		return -1;
	x->spoken_ns = loop_now_ns();
	return http_reply_flush(x, e);
}

/* Whoever reads events says nothing more: what comes is the end, or is forgotten, and the connection with it once the
 * stream is over. */
static FIBER int take_input(struct http_exchange *x, struct err *e)
{
	struct stream *st = x->sv->stream;
	struct err why = {0};

	stream_set_timeout(st, TAKE_NS); /* under TLS it may be no data yet */
	if (!stream_peek(st).len && stream_fill(st, &why) < 0)
		return why.code == ERR_TIMEOUT ? 0 : err_copy(e, &why);
	x->heard += stream_peek(st).len;
	x->sv->is_closing = true;
	stream_consume(st, stream_peek(st).len);
	return x->heard > HEARD_MAX ? err_set(e, ERR_LIMIT, "too much is said to an event stream")
				    : 0;
}

static FIBER int wait_once(struct http_exchange *x, struct stream_bell *news, int64_t until_ns,
	bool *is_news_r, struct err *e)
{
	struct http_conn *conn = x->sv->conn;
	int rc;

	*is_news_r = false;
	if (http_server_is_draining(x->sv))
		return err_set(e, ERR_CANCELLED, "we stop");
	x->sv->stream->deadline_ns = until_ns;
	conn->is_idle = true;
	rc = stream_wait(x->sv->stream, news, is_news_r, e);
	conn->is_idle = false;
	if (rc < 0)
		return -1;
	return *is_news_r ? 0 : take_input(x, e);
}

FIBER int http_events_wait(
	struct http_exchange *x, struct stream_bell *news, int64_t deadline_ns, struct err *e)
{
	const struct http_server_limits *l = &x->sv->opts->limits;
	struct err why = {0};
	bool is_news;

	if (check_wanted(x, e) < 0)
		return -1;
	for (;;) {
		int64_t next = x->spoken_ns + l->event_ns;

		if (wait_once(x, news, next < deadline_ns ? next : deadline_ns, &is_news, &why) <
				0 &&
			why.code != ERR_TIMEOUT)
			return err_copy(e, &why);
		err_clear(&why);
		if (is_news || loop_now_ns() >= deadline_ns)
			return 0;
		if (loop_now_ns() < next)
			continue;
		/* A comment: proxies and the client see that we live, and we that they do. */
		if (http_reply_write(x, SPAN(":\n\n"), e) < 0 || http_reply_flush(x, e) < 0)
			return -1;
		x->spoken_ns = loop_now_ns();
	}
}
