/* Watching: what passes, line by line, as the caller's events. */

#include "libyz/libyz_priv.h"

#include "net/trace.h"

#define TRACE_TEXT_MAX (16 * 1024) /* of an event of our own */
#define TRACE_LINE     (16 * 1024) /* of a line of the conversation; longer ones are cut */

static void trace_tell(struct yz_session *s, struct yz_trace_event *ev, struct span text)
{
	struct buf b;

	if (!s->trace)
		return;
	buf_init(&b, text.len + 1);
	buf_span_put(&b, text);
	ev->text = buf_cstr(&b);
	ev->len = text.len;
	ev->is_encrypted = session_has_tls(s);
	s->trace(s->trace_arg, ev);
	buf_fini(&b);
}

void trace_event(
	struct yz_session *s, enum yz_trace_kind kind, enum yz_dir dir, const char *fmt, ...)
{
	struct yz_trace_event ev = {.kind = kind, .dir = dir, .time_ns = clock_mono_ns()};
	struct buf b;
	va_list ap;

	if (!s->trace)
		return;
	buf_init(&b, TRACE_TEXT_MAX);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	trace_tell(s, &ev, buf_span(&b));
	buf_fini(&b);
}

/* A reply that refuses, or is none. */
static bool is_unexpected(struct span line)
{
	return line.len < 3 || line.ptr[0] < '2' || line.ptr[0] > '3';
}

static void on_line(void *arg, enum trace_dir dir, int64_t mono_ns, struct span text, bool is_cut)
{
	struct yz_session *s = arg;
	struct yz_trace_event ev = {.kind = YZ_TRACE_LINE, .time_ns = mono_ns};

	if (dir == TRACE_NOTE)
		return; /* TLS is told by tls.c, with more */
	ev.dir = dir == TRACE_IN ? YZ_DIR_IN : YZ_DIR_OUT;
	ev.is_unexpected = dir == TRACE_IN && is_unexpected(text);
	trace_tell(s, &ev, text);
}

static void on_hidden(void *arg, int64_t mono_ns, const char *note, struct span octets)
{
	struct yz_session *s = arg;
	struct yz_trace_event ev = {.dir = YZ_DIR_OUT, .time_ns = mono_ns};

	if (note) {
		bool shows = s->trace_flags & YZ_TRACE_SECRETS;

		ev.kind = YZ_TRACE_LINE;
		ev.is_masked = !shows;
		while (octets.len &&
			(octets.ptr[octets.len - 1] == '\n' || octets.ptr[octets.len - 1] == '\r'))
			octets.len--;
		trace_tell(s, &ev, shows ? octets : span_str(note));
		return;
	}
	ev.kind = YZ_TRACE_DATA;
	ev.octets = octets.len;
	trace_tell(s, &ev, s->trace_flags & YZ_TRACE_BODY ? octets : SPAN(""));
}

void trace_attach(struct yz_session *s)
{
	struct trace_opts o = {
		.line = on_line, .hidden = on_hidden, .arg = s, .line_max = TRACE_LINE};

	if (!s->trace || s->is_traced || !s->stream)
		return;
	trace_push(s->stream, &o);
	s->is_traced = true;
}

void yz_set_trace(struct yz_session *s, yz_trace_fn *fn, void *arg, unsigned flags)
{
	s->trace = fn;
	s->trace_arg = arg;
	s->trace_flags = flags;
	trace_attach(s);
}
