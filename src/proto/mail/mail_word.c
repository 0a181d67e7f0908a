#include "proto/mail/mail_word.h"

#include <iconv.h>
#include <string.h>

#include "base/enc.h"
#include "base/utf8.h"
#include "proto/mail/mail_header.h"

#define CHARSET_MAX    40
#define WORD_OUT       75 /* RFC 2047 section 2: an encoded word has at most 75 characters */
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

/* windows-1252 0x80..0x9f; 0 where it has nothing */
static const uint16_t cp1252[32] = {0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d,
	0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178};

static void put_latin(struct buf *b, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		uint32_t code = c >= 0x80 && c < 0xa0 && cp1252[c - 0x80] ? cp1252[c - 0x80] : c;
		char out[4];

		buf_put(b, out, utf8_put(out, code));
	}
}

static bool put_iconv(struct buf *b, struct span charset, struct span text)
{
	char name[CHARSET_MAX + 1];
	char *in = (char *)(uintptr_t)text.ptr;
	size_t in_left = text.len;
	iconv_t cd;

	memcpy(name, charset.ptr, charset.len);
	name[charset.len] = '\0';
	cd = iconv_open("UTF-8", name);
	if (cd == (iconv_t)-1)
		return false;
	while (in_left) {
		size_t room = in_left * 4 + 16, out_left = room;
		char *at = buf_reserve(b, room), *out = at;
		size_t rc;

		if (!at)
			break;
		rc = iconv(cd, &in, &in_left, &out, &out_left);
		buf_added(b, room - out_left);
		if (rc != (size_t)-1 || in_left == 0)
			continue;
		buf_str(b, "\xef\xbf\xbd"); /* U+FFFD for an octet that means nothing */
		in++;
		in_left--;
	}
	iconv_close(cd);
	return true;
}

/* Octets in `charset` to UTF-8. */
static bool put_charset(struct buf *b, struct span charset, struct span text)
{
	ptrdiff_t star = span_find(charset, '*'); /* RFC 2231 section 5: a language may follow */

	if (star >= 0)
		charset = span_sub(charset, 0, (size_t)star);
	if (charset.len == 0 || charset.len > CHARSET_MAX)
		return false;
	for (size_t i = 0; i < charset.len; i++) {
		unsigned char c = span_lower((unsigned char)charset.ptr[i]);

		/* no '/': iconv takes "//" as options */
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !strchr("-_.:+", c))
			return false;
	}
	if (span_eq_nocase(charset, SPAN("utf-8")) || span_eq_nocase(charset, SPAN("utf8")) ||
		span_eq_nocase(charset, SPAN("us-ascii"))) {
		buf_span_put(b, text);
		return true;
	}
	if (span_eq_nocase(charset, SPAN("iso-8859-1")) ||
		span_eq_nocase(charset, SPAN("windows-1252"))) {
		put_latin(b, text);
		return true;
	}
	return put_iconv(b, charset, text);
}

/* encoded-word = "=?" charset "?" encoding "?" encoded-text "?=" at the front of `s`: its length,
 * and what it means appended; 0 when there is none. */
static size_t take_encoded(struct span s, struct buf *b)
{
	struct span charset, coding, text, rest = span_skip(s, 2);
	struct buf octets;
	ptrdiff_t end;
	bool ok = true;
	size_t before = buf_len(b);

	if (!span_starts(s, SPAN("=?")) || !span_cut(rest, '?', &charset, &rest) ||
		!span_cut(rest, '?', &coding, &rest) || coding.len != 1)
		return 0;
	end = span_find_span(rest, SPAN("?="));
	if (end < 0)
		return 0;
	text = span_sub(rest, 0, (size_t)end);
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '?' || text.ptr[i] == '\r' || text.ptr[i] == '\n')
			return 0;
	buf_init(&octets, text.len + 4);
	if (span_lower((unsigned char)coding.ptr[0]) == 'q')
		decode_q(&octets, text);
	else if (span_lower((unsigned char)coding.ptr[0]) == 'b')
		ok = decode_b(&octets, text);
	else
		ok = false;
	ok = ok && put_charset(b, charset, buf_span(&octets));
	buf_fini(&octets);
	if (!ok) {
		buf_truncate(b, before);
		return 0;
	}
	return (size_t)(text.ptr - s.ptr) + text.len + 2;
}

/* One line of valid UTF-8 without controls, in `a`. */
static struct span clean(struct arena *a, struct span text)
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

static void cut_out(struct buf *b, size_t from, size_t to)
{
	char *mem = b->mem + b->from;

	if (from == to)
		return;
	memmove(mem + from, mem + to, buf_len(b) - to);
	buf_truncate(b, buf_len(b) - (to - from));
}

struct span mail_word_decode(struct arena *a, struct span value)
{
	struct span s = mail_unfold(a, value), out;
	struct buf b;
	size_t blank_from = 0;
	bool was_encoded = false;

	buf_init(&b, MAIL_WORD_TEXT_MAX);
	while (s.len && buf_ok(&b)) {
		size_t word_from = buf_len(&b), n = 0;

		if (s.ptr[0] == '=')
			n = take_encoded(s, &b);
		if (n) {
			/* RFC 2047 section 6.2: blanks between encoded words are not shown */
			if (was_encoded)
				cut_out(&b, blank_from, word_from);
			was_encoded = true;
			blank_from = buf_len(&b);
		} else {
			if (s.ptr[0] != ' ' && s.ptr[0] != '\t')
				was_encoded = false;
			buf_char(&b, s.ptr[0]);
			n = 1;
		}
		s = span_skip(s, n);
	}
	out = clean(a, buf_span(&b));
	buf_fini(&b);
	return out;
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
