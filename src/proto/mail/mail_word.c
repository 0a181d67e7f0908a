#include "proto/mail/mail_word.h"

#include <string.h>

#include "base/enc.h"
#include "base/utf8.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_charset.h"

#define WORD_IN_MAX    2000 /* octets of one that is read: many are longer than they may be */
#define WORD_OUT       75   /* RFC 2047 section 2: an encoded word has at most 75 characters */
#define PLAIN_LINE_MAX 900

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)span_lower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "Q" (RFC 2047 section 4.2); broken escapes stay as they are, as every reader does */
static void decode_q(struct buf *b, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '=' && i + 2 < text.len && hex_value(text.ptr[i + 1]) >= 0 &&
			hex_value(text.ptr[i + 2]) >= 0) {
			c = (char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2]));
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		buf_char(b, c);
	}
}

/* "B", tolerant: padding may be missing */
static bool decode_b(struct buf *b, struct span text)
{
	struct buf padded;
	bool ok;

	buf_init(&padded, text.len + 4);
	buf_span_put(&padded, text);
	while (buf_len(&padded) % 4)
		buf_char(&padded, '=');
	ok = enc_get_base64(b, buf_span(&padded));
	buf_fini(&padded);
	return ok;
}

/* Adjacent encoded words of one charset are one text: senders cut through characters, though RFC
 * 2047 section 5 forbids it. */
struct run {
	bool is_strict; /* RFC 8621 section 4.1.2.2: see mail_word_text() */
	struct span charset;
	struct mime_charset *stream; /* NULL: no word before */
};

static void run_end(struct run *r, struct buf *out)
{
	if (r->stream)
		mime_charset_end(r->stream, out);
	mime_charset_free(&r->stream);
}

/* The octets of a word join the run, or begin one. False: nobody knows the charset. */
static bool run_add(struct run *r, struct span charset, struct span octets, struct buf *out)
{
	if (!r->stream || !span_eq_nocase(charset, r->charset)) {
		struct mime_charset *fresh = mime_charset_new(charset);

		if (mime_charset_defects(fresh)) {
			mime_charset_free(&fresh);
			return false;
		}
		run_end(r, out);
		r->stream = fresh;
		r->charset = charset;
	}
	mime_charset_feed(r->stream, octets, out);
	return true;
}

static void drop_controls(struct buf *b, size_t from)
{
	size_t n = from;

	for (size_t i = from; i < buf_len(b); i++) {
		unsigned char c = (unsigned char)b->mem[b->from + i];

		if (c >= ' ' && c != 0x7f)
			b->mem[b->from + n++] = (char)c;
	}
	buf_truncate(b, n);
}

/* RFC 2047 sections 2 and 5: no blank within, and blanks or the end behind it. `s` begins with the
 * word, `text` lies within it. */
static bool is_in_place(struct span text, struct span s)
{
	struct span behind = span_skip(s, (size_t)(text.ptr - s.ptr) + text.len + 2);

	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == ' ' || text.ptr[i] == '\t')
			return false;
	return !behind.len || behind.ptr[0] == ' ' || behind.ptr[0] == '\t';
}

/* encoded-word = "=?" charset "?" encoding "?" encoded-text "?=" at the front of `s`: its length,
 * and what it means appended; 0 when there is none. */
static size_t take_encoded(struct span s, struct run *r, struct buf *out)
{
	struct span charset, coding, text, rest = span_sub(s, 2, WORD_IN_MAX);
	size_t before = buf_len(out);
	struct buf octets;
	ptrdiff_t end;
	bool ok;

	if (!span_starts(s, SPAN("=?")) || !span_cut(rest, '?', &charset, &rest) ||
		!span_cut(rest, '?', &coding, &rest) || coding.len != 1)
		return 0;
	end = span_find_span(rest, SPAN("?="));
	if (end < 0)
		return 0;
	text = span_sub(rest, 0, (size_t)end);
	if (span_find(text, '?') >= 0 || (r->is_strict && !is_in_place(text, s)))
		return 0;
	buf_init(&octets, text.len + 4);
	ok = span_lower((unsigned char)coding.ptr[0]) == 'q';
	if (ok)
		decode_q(&octets, text);
	else if (span_lower((unsigned char)coding.ptr[0]) == 'b')
		ok = decode_b(&octets, text);
	ok = ok && run_add(r, charset, buf_span(&octets), out);
	buf_fini(&octets);
	if (ok && r->is_strict)
		drop_controls(out, before);
	return ok ? (size_t)(text.ptr - s.ptr) + text.len + 2 : 0;
}

/* One line of valid UTF-8 without controls, in `a`; `keeps_tabs`: but for them, and without NUL. */
static struct span clean(struct arena *a, struct span text, bool keeps_tabs)
{
	char *out = arena_alloc(a, text.len * 3 + 1);
	size_t n = 0;

	while (text.len) {
		size_t len = utf8_length_at(text);
		unsigned char c = (unsigned char)text.ptr[0];

		if (len == 0) {
			memcpy(out + n, "\xef\xbf\xbd", 3);
			n += 3;
			len = 1;
		} else if (keeps_tabs && (c == '\t' || !c)) {
			if (c)
				out[n++] = '\t';
		} else if (c < ' ' || c == 0x7f) {
			out[n++] = ' ';
		} else {
			memcpy(out + n, text.ptr, len);
			n += len;
		}
		text = span_skip(text, len);
	}
	return span_trim(span_of(out, n));
}

static struct span decode(struct arena *a, struct span value, bool is_strict)
{
	struct span s = mail_unfold(a, value), blanks = SPAN_NONE, out;
	struct run run = {.is_strict = is_strict};
	bool is_behind_text = false;
	struct buf b;

	buf_init(&b, MAIL_WORD_TEXT_MAX);
	while (s.len && buf_ok(&b)) {
		size_t n = s.ptr[0] == '=' && !is_behind_text ? take_encoded(s, &run, &b) : 0;

		is_behind_text = is_strict && s.ptr[0] != ' ' && s.ptr[0] != '\t';
		if (n) {
			/* RFC 2047 section 6.2: blanks between encoded words are not shown */
			blanks = SPAN_NONE;
		} else if (run.stream && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
			blanks = span_of(blanks.len ? blanks.ptr : s.ptr, blanks.len + 1);
			n = 1;
		} else {
			run_end(&run, &b);
			buf_span_put(&b, blanks);
			blanks = SPAN_NONE;
			buf_char(&b, s.ptr[0]);
			n = 1;
		}
		s = span_skip(s, n);
	}
	run_end(&run, &b);
	out = clean(a, buf_span(&b), is_strict);
	buf_fini(&b);
	return out;
}

struct span mail_word_decode(struct arena *a, struct span value)
{
	return decode(a, value, false);
}

struct span mail_word_text(struct arena *a, struct span value)
{
	return decode(a, value, true);
}

void mail_word_put(struct buf *b, struct span text, size_t column)
{
	if (span_is_ascii(text) && !span_has_line_break(text) &&
		span_find_span(text, SPAN("=?")) < 0 && text.len + column <= PLAIN_LINE_MAX) {
		buf_span_put(b, text);
		return;
	}
	if (column > WORD_OUT / 2) {
		buf_str(b, "\r\n ");
		column = 1;
	}
	while (text.len) {
		/* what base64 may take of a line of 76 beside "=?UTF-8?B?" and "?=" */
		size_t octets = (WORD_OUT + 1 - column - 12) / 4 * 3, n = 0, len;

		while (n < text.len) {
			len = utf8_length_at(span_skip(text, n));
			len = len ? len : 1;
			if (n + len > octets)
				break;
			n += len;
		}
		buf_str(b, "=?UTF-8?B?");
		enc_put_base64(b, span_sub(text, 0, n));
		buf_str(b, "?=");
		text = span_skip(text, n);
		if (text.len)
			buf_str(b, "\r\n ");
		column = 1;
	}
}
