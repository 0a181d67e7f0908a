#include "proto/trust/dkim_canon.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void put(struct dkim_sink sink, struct span s)
{
	if (s.len)
		sink.put(sink.arg, s);
}

/* ---- header ---- */

static struct span without_line_end(struct span s)
{
	return s.len >= 2 && s.ptr[s.len - 2] == '\r' && s.ptr[s.len - 1] == '\n'
		? span_sub(s, 0, s.len - 2)
		: s;
}

/* Section 3.4.2: unfolded, runs of blanks are one SP, none at the ends. */
struct relaxed {
	struct dkim_sink sink;
	bool is_begun, has_blank;
};

static void relax_value(struct relaxed *r, struct span s)
{
	size_t i = 0;

	while (i < s.len) {
		size_t from = i;

		if (is_blank(s.ptr[i])) {
			r->has_blank = true;
			i++;
			continue;
		}
		if (s.ptr[i] == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n') {
			i += 2; /* the blank behind it stays */
			continue;
		}
		do {
			i++;
		} while (i < s.len && !is_blank(s.ptr[i]) && s.ptr[i] != '\r');
		if (r->has_blank && r->is_begun)
			put(r->sink, SPAN(" "));
		r->has_blank = false;
		r->is_begun = true;
		put(r->sink, span_sub(s, from, i - from));
	}
}

static void relax_name(struct dkim_sink sink, struct span name)
{
	while (name.len && is_blank(name.ptr[name.len - 1]))
		name.len--;
	for (size_t i = 0; i < name.len; i++) {
		char c = (char)span_lower((unsigned char)name.ptr[i]);

		put(sink, span_of(&c, 1));
	}
	put(sink, SPAN(":"));
}

void dkim_canon_field(struct dkim_sink sink, enum dkim_canon c, struct span field)
{
	struct dkim_own all = {field, field.len, field.len};

	dkim_canon_own(sink, c, &all);
	put(sink, SPAN("\r\n"));
}

void dkim_canon_own(struct dkim_sink sink, enum dkim_canon c, const struct dkim_own *own)
{
	struct span field = without_line_end(own->field);
	struct relaxed r = {.sink = sink};
	size_t colon;

	if (c == DKIM_SIMPLE) {
		put(sink, span_sub(field, 0, own->from));
		put(sink, span_skip(field, own->to));
		return;
	}
	colon = (size_t)(span_find(field, ':') + 1);
	relax_name(sink, span_sub(field, 0, colon ? colon - 1 : 0));
	relax_value(&r, span_sub(field, colon, own->from > colon ? own->from - colon : 0));
	relax_value(&r, span_skip(field, own->to));
}

/* ---- body ---- */

void dkim_body_init(struct dkim_body *b, enum dkim_canon c, struct dkim_sink sink)
{
	*b = (struct dkim_body){.sink = sink, .canon = c};
}

static void put_body(struct dkim_body *b, struct span s)
{
	b->put += s.len;
	put(b->sink, s);
}

/* What was held back, now that something stands behind it. */
static void put_held(struct dkim_body *b)
{
	static const char many[] =
		"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";

	while (b->line_ends) {
		uint64_t n = b->line_ends < (sizeof(many) - 1) / 2 ? b->line_ends
								   : (sizeof(many) - 1) / 2;

		put_body(b, span_of(many, (size_t)n * 2));
		b->line_ends -= n;
	}
	if (b->has_blank)
		put_body(b, SPAN(" "));
	b->has_blank = false;
}

/* How many octets from the front are canonical as they stand. */
static size_t clean(const struct dkim_body *b, struct span s)
{
	size_t i = 0;

	if (b->canon == DKIM_SIMPLE) {
		const char *cr = memchr(s.ptr, '\r', s.len);

		return cr ? (size_t)(cr - s.ptr) : s.len;
	}
	for (; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '\r' || c == '\t')
			break;
		/* one SP between two words stays what it is */
		if (c == ' ' &&
			(i + 1 == s.len || s.ptr[i + 1] == ' ' || s.ptr[i + 1] == '\t' ||
				s.ptr[i + 1] == '\r'))
			break;
	}
	return i;
}

static size_t step(struct dkim_body *b, struct span s)
{
	size_t n;

	if (b->has_cr) {
		b->has_cr = false;
		if (s.ptr[0] == '\n') {
			b->has_blank = false; /* at the end of a line: no part of it */
			b->line_ends++;
			return 1;
		}
		put_held(b);
		put_body(b, SPAN("\r"));
		return 0;
	}
	if (s.ptr[0] == '\r') {
		b->has_cr = true;
		return 1;
	}
	if (b->canon == DKIM_RELAXED && is_blank(s.ptr[0])) {
		n = clean(b, s);
		if (n == 0) {
			b->has_blank = true;
			return 1;
		}
		if (b->has_blank) /* one SP in front of it already */
			return 1;
	} else {
		n = clean(b, s);
	}
	put_held(b);
	put_body(b, span_sub(s, 0, n));
	return n;
}

void dkim_body_feed(struct dkim_body *b, struct span octets)
{
	while (octets.len)
		octets = span_skip(octets, step(b, octets));
}

void dkim_body_end(struct dkim_body *b)
{
	if (b->has_cr) {
		b->has_cr = false;
		put_held(b);
		put_body(b, SPAN("\r"));
	}
	/* Blanks behind the last CRLF are a line without an end: of blanks alone, thus empty. A last
	 * line without CRLF gets one; empty lines at the end are one line end, the one of the last line
	 * that is not. Of an empty body "simple" is CRLF, "relaxed" nothing (sections 3.4.3, 3.4.4). */
	if (b->put || b->canon == DKIM_SIMPLE)
		put_body(b, SPAN("\r\n"));
	b->line_ends = 0;
	b->has_blank = false;
}
