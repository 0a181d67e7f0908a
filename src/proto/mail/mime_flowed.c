#include "proto/mail/mime_flowed.h"

#include "base/utf8.h"

#define NOT_DASHES 9

static void put_marks(unsigned depth, struct buf *out)
{
	for (unsigned i = 0; i < depth; i++)
		buf_char(out, '>');
	if (depth)
		buf_char(out, ' ');
}

/* The first octet of a line's text: does it go on with the paragraph before? RFC 3676 section 4.5:
 * not when the depth differs. */
static void begin_line(struct mime_flowed *f, struct buf *out)
{
	f->is_in_text = true;
	f->dashes = 0;
	if (f->is_open && f->line_depth == f->depth)
		return;
	if (f->is_open)
		buf_char(out, '\n'); /* the paragraph before ended without a fixed line */
	f->is_open = false;
	f->depth = f->line_depth;
	put_marks(f->depth, out);
}

static void put_text(struct mime_flowed *f, char c, struct buf *out)
{
	static const char dashes[] = "-- ";

	if (f->has_blank)
		buf_char(out, ' ');
	f->has_blank = false;
	if (f->dashes < 3 && c == dashes[f->dashes])
		f->dashes++;
	else
		f->dashes = NOT_DASHES;
	if (c == ' ')
		f->has_blank = true; /* the last blank of a line is a mark */
	else
		buf_char(out, c);
}

static void end_line(struct mime_flowed *f, struct buf *out)
{
	if (!f->is_in_text)
		begin_line(f, out);
	/* RFC 3676 section 4.3: the signature separator is never flowed */
	if (f->has_blank && f->dashes != 3) {
		if (!f->is_delsp)
			buf_char(out, ' ');
		f->is_open = true;
	} else {
		if (f->has_blank)
			buf_char(out, ' ');
		buf_char(out, '\n');
		f->is_open = false;
	}
	f->has_blank = f->is_in_text = f->is_stuffed = false;
	f->line_depth = 0;
}

void mime_flowed_feed(struct mime_flowed *f, struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		char c = in.ptr[i];

		f->is_begun = true;
		if (f->has_cr && c != '\n') { /* a bare CR is text */
			f->has_cr = false;
			if (!f->is_in_text)
				begin_line(f, out);
			put_text(f, '\r', out);
		}
		if (c == '\r') {
			f->has_cr = true;
		} else if (c == '\n') {
			f->has_cr = false;
			end_line(f, out);
		} else if (!f->is_in_text && !f->is_stuffed && c == '>' &&
			f->line_depth < MIME_FLOWED_DEPTH) {
			f->line_depth++;
		} else if (!f->is_in_text && !f->is_stuffed && c == ' ') {
			f->is_stuffed = true; /* RFC 3676 section 4.4 */
		} else {
			if (!f->is_in_text)
				begin_line(f, out);
			put_text(f, c, out);
		}
	}
}

void mime_flowed_end(struct mime_flowed *f, struct buf *out)
{
	if (f->is_in_text || f->line_depth || f->is_stuffed)
		end_line(f, out);
	if (f->is_open)
		buf_char(out, '\n');
	f->is_open = f->has_cr = false;
}

/* Where to break `s` so that a blank ends the first piece: all of it when there is no place. */
static size_t break_at(struct span s, size_t width)
{
	size_t columns = 0, at = 0, last = 0;

	while (at < s.len) {
		size_t n = utf8_length_at(span_skip(s, at));

		n = n ? n : 1;
		if (s.ptr[at] == ' ') {
			/* a break only between words: not before a blank */
			if (at + 1 < s.len && s.ptr[at + 1] != ' ')
				last = at + 1;
		}
		at += n;
		columns += n > 2 ? 2 : 1; /* what takes three octets is mostly wide */
		if (columns > width && last)
			return last;
	}
	return s.len;
}

static void put_line(struct buf *b, unsigned depth, struct span s)
{
	for (unsigned i = 0; i < depth; i++)
		buf_char(b, '>');
	/* RFC 3676 section 4.4: quoted lines, and what looks like a mark, are stuffed */
	if (depth || (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '>')) ||
		span_starts(s, SPAN("From ")))
		buf_char(b, ' ');
	buf_span_put(b, s);
	buf_str(b, "\r\n");
}

static void put_paragraph(struct buf *b, struct span line)
{
	unsigned depth = 0;

	while (line.len && line.ptr[0] == '>' && depth < MIME_FLOWED_DEPTH) {
		depth++;
		line = span_skip(line, 1);
	}
	if (depth && line.len && line.ptr[0] == ' ')
		line = span_skip(line, 1);
	if (span_eq(line, SPAN("-- "))) {
		put_line(b, depth, line);
		return;
	}
	while (line.len && line.ptr[line.len - 1] == ' ')
		line.len--; /* a fixed line must not end with a blank */
	do {
		size_t n = break_at(line, MIME_FLOWED_WIDTH - depth % MIME_FLOWED_WIDTH / 2 - 1);

		/* "-- " as a flowed line would be read as a signature's */
		if (n < line.len && span_eq(span_sub(line, 0, n), SPAN("-- ")))
			n = line.len;
		put_line(b, depth, span_sub(line, 0, n));
		line = span_skip(line, n);
	} while (line.len);
}

void mime_flowed_put(struct buf *b, struct span text)
{
	while (text.len) {
		struct span line;

		span_cut(text, '\n', &line, &text);
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		put_paragraph(b, line);
	}
}
