#include "net/trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A stretch of what is written, counted in octets from the start of the stream. */
struct trace_span {
	uint64_t from, to; /* to: UINT64_MAX while it is open */
	const char *note;  /* shown once; NULL: unseen */
	bool is_shown;
};

struct trace_filter {
	struct filter filter;
	struct trace_opts opts;
	struct buf line[2]; /* by direction: begun, not ended */
	bool is_cut[2];
	uint64_t written; /* octets of the stream that have passed */
	struct trace_span spans[TRACE_SPANS_MAX];
	size_t span_count;
	bool is_paused, is_masked;
};

static void trace_emit(struct trace_filter *t, enum trace_dir dir)
{
	struct buf *b = &t->line[dir];
	struct span text = buf_span(b);

	if (text.len && text.ptr[text.len - 1] == '\r')
		text.len--;
	t->opts.line(t->opts.arg, dir, loop_now_ns(), text, t->is_cut[dir]);
	buf_clear(b);
	t->is_cut[dir] = false;
}

static void trace_take(struct trace_filter *t, enum trace_dir dir, struct span s)
{
	while (s.len) {
		ptrdiff_t lf = span_find(s, '\n');
		struct span head = lf < 0 ? s : span_sub(s, 0, (size_t)lf);
		size_t room = buf_room(&t->line[dir]);

		if (head.len > room)
			t->is_cut[dir] = true;
		buf_span_put(&t->line[dir], span_sub(head, 0, room));
		if (lf >= 0)
			trace_emit(t, dir);
		s = span_skip(s, head.len + (lf >= 0));
	}
}

/* What has been begun and will get no line end. */
static void trace_finish(struct trace_filter *t, enum trace_dir dir)
{
	if (buf_len(&t->line[dir]) || t->is_cut[dir])
		trace_emit(t, dir);
}

static void trace_hide(struct trace_filter *t, struct trace_span *sp, struct span s)
{
	if (sp->note && !sp->is_shown)
		trace_finish(t, TRACE_OUT);
	if (t->opts.hidden)
		t->opts.hidden(t->opts.arg, loop_now_ns(), sp->note, s);
	else if (sp->note && !sp->is_shown)
		t->opts.line(t->opts.arg, TRACE_OUT, loop_now_ns(), span_str(sp->note), false);
	sp->is_shown = true;
}

static void trace_pop_span(struct trace_filter *t)
{
	t->span_count--;
	memmove(t->spans, t->spans + 1, t->span_count * sizeof(t->spans[0]));
}

static void trace_written(struct trace_filter *t, struct span s)
{
	while (s.len) {
		struct trace_span *sp = t->span_count ? &t->spans[0] : NULL;
		uint64_t n = s.len;

		if (sp && sp->to <= t->written) {
			trace_pop_span(t);
			continue;
		}
		if (sp && sp->from <= t->written) {
			if (sp->to - t->written < n)
				n = sp->to - t->written;
			trace_hide(t, sp, span_sub(s, 0, n));
		} else {
			if (sp && sp->from - t->written < n)
				n = sp->from - t->written;
			trace_take(t, TRACE_OUT, span_sub(s, 0, n));
		}
		t->written += n;
		s = span_skip(s, n);
	}
}

static FIBER ssize_t trace_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	struct trace_filter *t = (struct trace_filter *)f;
	ssize_t got = f->below->ops->read(f->below, p, n, deadline_ns, e);

	if (got > 0 && !t->is_paused)
		trace_take(t, TRACE_IN, span_of(p, got));
	return got;
}

static FIBER int trace_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	struct trace_filter *t = (struct trace_filter *)f;

	for (size_t i = 0; i < count; i++)
		trace_written(t, parts[i]);
	return f->below->ops->write(f->below, parts, count, deadline_ns, e);
}

static void trace_free(struct filter *f)
{
	struct trace_filter *t = (struct trace_filter *)f;

	trace_finish(t, TRACE_IN);
	trace_finish(t, TRACE_OUT);
	buf_fini(&t->line[TRACE_IN]);
	buf_fini(&t->line[TRACE_OUT]);
	free(t);
}

static const struct filter_ops trace_ops = {
	.name = "trace",
	.read = trace_read,
	.write = trace_write,
	.free = trace_free,
	.is_sticky = true,
};

static struct trace_filter *trace_of(const struct stream *s)
{
	for (struct filter *f = s->top; f; f = f->below)
		if (f->ops == &trace_ops)
			return (struct trace_filter *)f;
	return NULL;
}

void trace_push(struct stream *s, const struct trace_opts *opts)
{
	struct trace_filter *t = NEW(struct trace_filter);
	size_t max = opts->line_max ? opts->line_max : TRACE_LINE_MAX;

	t->filter.ops = &trace_ops;
	t->opts = *opts;
	/* Positions are those of the stream; what waits to be sent will pass here. */
	t->written = s->bytes_out;
	buf_init(&t->line[TRACE_IN], max);
	buf_init(&t->line[TRACE_OUT], max);
	stream_push(s, &t->filter);
}

/* Where the next octet said will stand. */
static uint64_t trace_here(const struct stream *s)
{
	return s->bytes_out + buf_len(&s->out);
}

static void trace_open_span(struct trace_filter *t, uint64_t from, const char *note)
{
	struct trace_span *last = t->span_count ? &t->spans[t->span_count - 1] : NULL;

	if (last && last->to == UINT64_MAX)
		return;
	/* Too many switches wait: the last stretch grows, hiding more than was asked. */
	if (t->span_count == TRACE_SPANS_MAX)
		last->to = UINT64_MAX;
	else
		t->spans[t->span_count++] = (struct trace_span){
			.from = from, .to = UINT64_MAX, .note = note};
}

/* Masked, paused or both: hidden until both are off. */
static void trace_switch(struct stream *s, struct trace_filter *t, const char *note)
{
	if (t->is_masked || t->is_paused)
		trace_open_span(t, trace_here(s), note);
	else if (t->span_count && t->spans[t->span_count - 1].to == UINT64_MAX)
		t->spans[t->span_count - 1].to = trace_here(s);
}

void trace_mask(struct stream *s, const char *note)
{
	struct trace_filter *t = trace_of(s);

	if (!t)
		return;
	t->is_masked = note != NULL;
	trace_switch(s, t, note);
}

void trace_pause(struct stream *s, bool is_paused)
{
	struct trace_filter *t = trace_of(s);

	if (!t)
		return;
	t->is_paused = is_paused;
	trace_switch(s, t, NULL);
}

void trace_note(struct stream *s, const char *fmt, ...)
{
	struct trace_filter *t = trace_of(s);
	struct buf b;
	va_list ap;

	if (!t)
		return;
	buf_init(&b, TRACE_LINE_MAX);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	t->opts.line(t->opts.arg, TRACE_NOTE, loop_now_ns(), buf_span(&b), false);
	buf_fini(&b);
}
