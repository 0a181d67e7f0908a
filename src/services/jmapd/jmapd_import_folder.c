/* Which folder an entry of a zip is of. Pure. */

#include "base/utf8.h"
#include "services/jmapd/jmapd_mailbox.h"
#include "services/jmapd/jmapd_move_priv.h"

#define DEPTH_MAX 16 /* what lies deeper lies there */

struct path {
	struct arena *a;
	struct span levels[DEPTH_MAX];
	size_t count;
};

/* A name that a mailbox may have; "" none. */
static struct span clean(struct arena *a, struct span s)
{
	bool is_utf8 = utf8_is_valid(s);
	size_t n = 0, w;
	char *p;

	s = span_trim(s);
	while (is_utf8 && n < s.len && (w = utf8_length_at(span_skip(s, n))) > 0 &&
		n + w <= JMAP_MAILBOX_NAME_MAX)
		n += w;
	if (!is_utf8)
		n = s.len < JMAP_MAILBOX_NAME_MAX ? s.len : JMAP_MAILBOX_NAME_MAX;
	p = arena_alloc(a, n + 1);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		p[i] = c < 0x20 || c == 0x7f || c == '*' || c == '%' || (c >= 0x80 && !is_utf8)
			? '_'
			: s.ptr[i];
	}
	s = span_trim(span_of(p, n));
	return span_eq(s, SPAN(".")) || span_eq(s, SPAN("..")) ? SPAN("") : s;
}

static void add(struct path *p, struct span level)
{
	level = clean(p->a, level);
	if (level.len && p->count < DEPTH_MAX)
		p->levels[p->count++] = level;
}

static struct span without(struct span s, struct span end)
{
	return span_ends_nocase(s, end) && s.len > end.len ? span_sub(s, 0, s.len - end.len) : s;
}

/* ".Work.2026" of a Maildir++ is Work/2026 */
static void add_dotted(struct path *p, struct span s)
{
	struct span one;

	s = span_skip(s, 1);
	while (s.len) {
		span_cut(s, '.', &one, &s);
		add(p, one);
	}
}

enum import_kind jmap_import_kind(struct span name)
{
	if (span_ends_nocase(name, SPAN(".mbox")) || span_ends_nocase(name, SPAN("/mbox")))
		return IMPORT_MBOX;
	return span_ends_nocase(name, SPAN(".eml")) || span_find_span(name, SPAN("cur/")) >= 0 ||
			span_find_span(name, SPAN("new/")) >= 0
		? IMPORT_LETTER
		: IMPORT_NOTHING;
}

struct span jmap_import_folder(struct arena *a, struct span name)
{
	struct path p = {.a = a};
	struct span rest = name, one, last = SPAN("");
	struct buf *b = arena_buf(a, ZIP_NAME_MAX + DEPTH_MAX);

	while (span_find(rest, '/') >= 0) {
		span_cut(rest, '/', &one, &rest);
		if (last.len)
			add(&p, last);
		last = one;
	}
	/* `last` is the directory that it lies in, `rest` the file */
	if (span_eq(last, SPAN("cur")) || span_eq(last, SPAN("new"))) {
		size_t before = p.count;
		struct span upper = before ? p.levels[before - 1] : SPAN("");

		if (upper.len > 1 && upper.ptr[0] == '.') {
			p.count--;
			add_dotted(&p, upper);
		}
	} else if (last.len) {
		add(&p, span_eq_nocase(rest, SPAN("mbox")) ? without(last, SPAN(".mbox")) : last);
	}
	if (span_ends_nocase(rest, SPAN(".mbox")))
		add(&p, without(rest, SPAN(".mbox")));
	for (size_t i = 0; i < p.count; i++) {
		if (i)
			buf_char(b, '/');
		buf_span_put(b, p.levels[i]);
	}
	return buf_ok(b) ? buf_span(b) : SPAN("");
}

struct span jmap_import_common(struct span x, struct span y)
{
	size_t n = 0, end = 0;

	while (n < x.len && n < y.len && x.ptr[n] == y.ptr[n]) {
		n++;
		if ((n == x.len || x.ptr[n] == '/') && (n == y.len || y.ptr[n] == '/'))
			end = n;
	}
	return span_sub(x, 0, end);
}
