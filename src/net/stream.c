#include "net/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

/* Parts that stream_write hands down together with what was buffered, without a second write. */
#define STREAM_JOIN_PARTS 15

struct stream *stream_new(struct filter *bottom)
{
	struct stream *s = NEW(struct stream);

	s->top = bottom;
	s->deadline_ns = CLOCK_NEVER;
	s->want = STREAM_IN_BYTES;
	buf_init(&s->in, STREAM_IN_MAX);
	buf_init(&s->out, STREAM_OUT_MAX);
	return s;
}

void stream_free(struct stream **s_p)
{
	struct stream *s = *s_p;

	if (!s)
		return;
	*s_p = NULL;
	while (s->top) {
		struct filter *f = s->top;

		s->top = f->below;
		f->ops->free(f);
	}
	buf_fini(&s->in);
	buf_fini(&s->out);
	free(s->why);
	free(s);
}

/* Where a new filter's `below` will come from: the first that is not sticky. */
static struct filter **stream_seat(struct stream *s)
{
	struct filter **at = &s->top;

	while ((*at)->ops->is_sticky && (*at)->below)
		at = &(*at)->below;
	return at;
}

struct filter *stream_base(const struct stream *s)
{
	struct filter *f = s->top;

	while (f->ops->is_sticky && f->below)
		f = f->below;
	return f;
}

void stream_push(struct stream *s, struct filter *f)
{
	struct filter **at = f->ops->is_sticky ? &s->top : stream_seat(s);

	f->below = *at;
	*at = f;
}

size_t stream_drop_input(struct stream *s)
{
	size_t n = buf_len(&s->in);

	buf_clear(&s->in);
	s->scanned = 0;
	return n;
}

void stream_set_timeout(struct stream *s, int64_t ns)
{
	s->deadline_ns = loop_now_ns() + ns;
}

void stream_consume(struct stream *s, size_t n)
{
	buf_consume(&s->in, n);
	s->scanned = s->scanned > n ? s->scanned - n : 0;
}

int stream_fail(struct stream *s, const struct err *cause, struct err *e)
{
	if (!s->is_broken) {
		s->is_broken = true;
		s->why = NEW(struct err);
		*s->why = *cause;
		buf_clear(&s->out);
	}
	return err_copy(e, s->why);
}

static int stream_check(struct stream *s, struct err *e)
{
	struct err full = {0};

	if (s->is_broken)
		return err_copy(e, s->why);
	if (buf_ok(&s->out))
		return 0;
	err_set(&full, ERR_LIMIT, "more than %d octets wait to be sent", STREAM_OUT_MAX);
	return stream_fail(s, &full, e);
}

static FIBER int stream_send(
	struct stream *s, const struct span *parts, size_t count, struct err *e)
{
	struct err cause = {0};
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += parts[i].len;
	if (total == 0)
		return 0;
	/* Counted before the write may yield: a position in the stream is bytes_out + what waits. */
	s->bytes_out += total;
	if (s->top->ops->write(s->top, parts, count, s->deadline_ns, &cause) < 0)
		return stream_fail(s, &cause, e);
	return 0;
}

FIBER int stream_flush(struct stream *s, struct err *e)
{
	struct buf said;
	struct span all;
	int rc;

	if (stream_check(s, e) < 0)
		return -1;
	if (buf_len(&s->out) == 0)
		return 0;
	/* The write may yield, and another fiber may put more meanwhile: it goes to a fresh
	 * buffer. */
	said = s->out;
	buf_init(&s->out, STREAM_OUT_MAX);
	all = buf_span(&said);
	rc = stream_send(s, &all, 1, e);
	if (rc == 0 && !s->out.mem && said.cap <= STREAM_OUT_FLUSH) {
		buf_clear(&said);
		s->out = said;
	} else {
		buf_fini(&said);
	}
	return rc;
}

FIBER int stream_write(struct stream *s, const struct span *parts, size_t count, struct err *e)
{
	struct span joined[STREAM_JOIN_PARTS + 1];
	struct buf said;
	int rc;

	if (stream_check(s, e) < 0)
		return -1;
	if (buf_len(&s->out) == 0)
		return stream_send(s, parts, count, e);
	if (count > STREAM_JOIN_PARTS) {
		if (stream_flush(s, e) < 0)
			return -1;
		return stream_send(s, parts, count, e);
	}
	said = s->out;
	buf_init(&s->out, STREAM_OUT_MAX);
	joined[0] = buf_span(&said);
	memcpy(joined + 1, parts, count * sizeof(parts[0]));
	rc = stream_send(s, joined, count + 1, e);
	buf_fini(&said);
	return rc;
}

FIBER int stream_shutdown(struct stream *s, struct err *e)
{
	struct filter *f = s->top;
	struct err cause = {0};

	if (stream_flush(s, e) < 0)
		return -1;
	while (f && !f->ops->shutdown)
		f = f->below;
	if (f && f->ops->shutdown(f, s->deadline_ns, &cause) < 0)
		return stream_fail(s, &cause, e);
	return 0;
}

void stream_put(struct stream *s, struct span bytes)
{
	if (!s->is_broken)
		buf_span_put(&s->out, bytes);
}

void stream_printf(struct stream *s, const char *fmt, ...)
{
	va_list ap;

	if (s->is_broken)
		return;
	va_start(ap, fmt);
	buf_vprintf(&s->out, fmt, ap);
	va_end(ap);
}

FIBER int filter_wait(struct filter *f, int64_t deadline_ns, struct err *e)
{
	while (f && !f->ops->wait)
		f = f->below;
	return f ? f->ops->wait(f, deadline_ns, e) : 0;
}

bool filter_has_input(struct filter *f)
{
	while (f && !f->ops->has_input)
		f = f->below;
	return !f || f->ops->has_input(f);
}

bool filter_poll(struct filter *f)
{
	while (f && !f->ops->poll && !f->ops->has_input)
		f = f->below;
	if (!f)
		return true;
	return f->ops->poll ? f->ops->poll(f) : f->ops->has_input(f);
}

bool stream_has_input(const struct stream *s)
{
	return buf_len(&s->in) || s->is_eof || s->is_broken || filter_poll(s->top);
}

/* Before a wait: thousands of connections that wait share the buffers of the few that do not. */
static void stream_rest(struct stream *s)
{
	buf_fini(&s->in);
	if (buf_len(&s->out) == 0)
		buf_fini(&s->out);
}

/* One read into `in`. With nothing buffered and nothing to be had, memory is taken only when
 * something has come. */
static FIBER ssize_t stream_read_some(struct stream *s, struct err *cause)
{
	size_t n;
	ssize_t got;

	if (buf_len(&s->in) == 0 && !filter_has_input(s->top)) {
		stream_rest(s);
		if (filter_wait(s->top, s->deadline_ns, cause) < 0)
			return -1;
	}
	n = s->want < buf_room(&s->in) ? s->want : buf_room(&s->in);
	got = s->top->ops->read(s->top, buf_reserve(&s->in, n), n, s->deadline_ns, cause);
	/* A full read means that more is there: ask for more the next time, and for less again once
	 * the peer only chats. */
	if (got > 0 && (size_t)got == n)
		s->want = s->want < STREAM_IN_BULK ? s->want * 2 : s->want;
	else if (got > 0 && (size_t)got < STREAM_IN_BYTES / 4)
		s->want = STREAM_IN_BYTES;
	return got;
}

/* A passed deadline leaves the stream as it was: "421 timeout" can still be said. */
static int stream_lost(struct stream *s, const struct err *cause, struct err *e)
{
	if (cause->code == ERR_TIMEOUT || cause->code == ERR_CANCELLED)
		return err_copy(e, cause);
	return stream_fail(s, cause, e);
}

FIBER int stream_fill(struct stream *s, struct err *e)
{
	struct err cause = {0};
	ssize_t got;

	if (stream_flush(s, e) < 0)
		return -1;
	if (s->is_eof) {
		err_set(e, ERR_EOF, "the peer has closed the connection");
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	}
	if (buf_room(&s->in) == 0)
		return err_set(e, ERR_LIMIT, "%d octets wait to be read", STREAM_IN_MAX);
	got = stream_read_some(s, &cause);
	if (got > 0) {
		buf_added(&s->in, (size_t)got);
		s->bytes_in += (uint64_t)got;
		/* Input that is always ready never parks: others get their turn here. */
		return fiber_self() ? fiber_breathe(e) : 0;
	}
	if (got == 0) {
		s->is_eof = true;
		err_set(e, ERR_EOF, "the peer has closed the connection");
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	}
	return stream_lost(s, &cause, e);
}

void stream_bell_ring(struct stream_bell *b)
{
	b->is_rung = true;
	if (b->waiter)
		fiber_wake(b->waiter);
}

FIBER int stream_wait(struct stream *s, struct stream_bell *b, bool *is_rung_r, struct err *e)
{
	struct err cause = {0};

	if (stream_flush(s, e) < 0)
		return -1;
	/* A filter that was woken by the bell takes it for input: the system is asked. */
	while (!b->is_rung && buf_len(&s->in) == 0 && !s->is_eof &&
		!(filter_has_input(s->top) && filter_poll(s->top))) {
		int rc;

		stream_rest(s);
		b->waiter = fiber_self();
		rc = filter_wait(s->top, s->deadline_ns, &cause);
		b->waiter = NULL;
		if (rc < 0 && !b->is_rung)
			return stream_lost(s, &cause, e);
	}
	*is_rung_r = b->is_rung;
	b->is_rung = false;
	return 0;
}

/* Replies may not pile up without limit while a peer pipelines and does not read. */
static FIBER int stream_relieve(struct stream *s, struct err *e)
{
	return buf_len(&s->out) > STREAM_OUT_FLUSH ? stream_flush(s, e) : 0;
}

FIBER int stream_read_line(
	struct stream *s, size_t max, struct span *line_r, bool *is_crlf_r, struct err *e)
{
	if (stream_relieve(s, e) < 0)
		return -1;
	for (;;) {
		struct span in = span_sub(stream_peek(s), 0, max);
		struct span fresh = span_skip(in, s->scanned);
		ptrdiff_t lf = span_find(fresh, '\n');
		size_t len;

		if (lf >= 0) {
			len = s->scanned + (size_t)lf;
			stream_consume(s, len + 1);
			s->scanned = 0;
			if (is_crlf_r)
				*is_crlf_r = len > 0 && in.ptr[len - 1] == '\r';
			if (len > 0 && in.ptr[len - 1] == '\r')
				len--;
			*line_r = span_sub(in, 0, len);
			return 0;
		}
		if (in.len > s->scanned)
			s->scanned = in.len;
		if (in.len >= max)
			return err_set(e, ERR_LIMIT, "a line is longer than %zu octets", max);
		if (stream_fill(s, e) < 0)
			return -1;
	}
}

FIBER int stream_read_full(struct stream *s, void *p, size_t n, struct err *e)
{
	char *to = p;

	if (stream_relieve(s, e) < 0)
		return -1;
	for (;;) {
		struct span in = span_sub(stream_peek(s), 0, n);

		if (in.len)
			memcpy(to, in.ptr, in.len);
		stream_consume(s, in.len);
		to += in.len;
		n -= in.len;
		if (n == 0)
			return 0;
		if (stream_fill(s, e) < 0)
			return -1;
	}
}
