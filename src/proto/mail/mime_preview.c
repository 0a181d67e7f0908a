/* The first characters of a message's text (RFC 8970). */
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mime_imap.h"
#include "proto/mail/mime_text.h"

#define ENTITY_MAX 10 /* octets of a character reference, with '&' and ';' */

/* Decoded, in UTF-8. */
static void decode_body(const struct mime_part *part, struct span body, struct buf *out)
{
	struct mime_text *t = mime_text_new(part, true);

	mime_text_feed(t, span_sub(body, 0, MIME_PREVIEW_OCTETS), out);
	mime_text_end(t, out);
	mime_text_free(&t);
}

static const struct entity {
	const char *name;
	uint32_t code;
} entities[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''},
	{"nbsp", ' '}, {"zwnj", 0x200c}, {"copy", 0xa9}, {"reg", 0xae}, {"ndash", 0x2013},
	{"mdash", 0x2014}, {"lsquo", 0x2018}, {"rsquo", 0x2019}, {"ldquo", 0x201c},
	{"rdquo", 0x201d}, {"hellip", 0x2026}, {"bull", 0x2022}, {"euro", 0x20ac}};

static uint32_t number_of(struct span s)
{
	unsigned base = 10;
	uint32_t v = 0;

	if (s.len && (s.ptr[0] == 'x' || s.ptr[0] == 'X')) {
		base = 16;
		s = span_skip(s, 1);
	}
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = span_lower((unsigned char)s.ptr[i]);
		unsigned digit = c >= '0' && c <= '9' ? c - 48u
			: c >= 'a' && c <= 'f'        ? c - 'a' + 10u
						      : 99;

		if (digit >= base || v > 0x110000)
			return 0;
		v = v * base + digit;
	}
	return v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? 0 : v;
}

/* "&amp;" at the front: its length, and the character put; 0 when it is none. */
static size_t take_entity(struct span s, struct buf *out)
{
	ptrdiff_t end = span_find(span_sub(s, 0, ENTITY_MAX), ';');
	struct span name;
	uint32_t code = 0;
	char utf8[4];

	if (end < 2)
		return 0;
	name = span_sub(s, 1, (size_t)end - 1);
	if (name.ptr[0] == '#')
		code = number_of(span_skip(name, 1));
	for (size_t i = 0; !code && i < ARRAY_LEN(entities); i++)
		if (span_eq(name, span_str(entities[i].name)))
			code = entities[i].code;
	if (!code)
		return 0;
	buf_put(out, utf8, utf8_put(utf8, code));
	return (size_t)end + 1;
}

/* Elements whose content nobody reads. */
static bool is_hidden(struct span name)
{
	return span_eq_nocase(name, SPAN("style")) || span_eq_nocase(name, SPAN("script")) ||
		span_eq_nocase(name, SPAN("head")) || span_eq_nocase(name, SPAN("title"));
}

static size_t end_of_element(struct span s, struct span name)
{
	for (size_t i = 0; i + name.len + 2 < s.len; i++) {
		const char *at = memchr(s.ptr + i, '<', s.len - i);

		if (!at)
			break;
		i = (size_t)(at - s.ptr);
		if (i + 1 < s.len && s.ptr[i + 1] == '/' &&
			span_eq_nocase(span_sub(s, i + 2, name.len), name))
			return i;
	}
	return s.len;
}

/* A tag or comment at the front: its length, with the content of elements that are not text. */
static size_t tag_length(struct span s)
{
	struct span name;
	ptrdiff_t end;
	size_t n = 1;

	if (span_starts(s, SPAN("<!--"))) {
		end = span_find_span(s, SPAN("-->"));
		return end < 0 ? s.len : (size_t)end + 3;
	}
	while (n < s.len && ((s.ptr[n] | 32) >= 'a' && (s.ptr[n] | 32) <= 'z'))
		n++;
	name = span_sub(s, 1, n - 1);
	end = span_find(s, '>');
	if (end < 0)
		return s.len;
	n = (size_t)end + 1;
	if (is_hidden(name))
		n += end_of_element(span_skip(s, n), name);
	return n;
}

/* A tag within a line of text leaves no blank behind. */
static bool is_inline(struct span tag)
{
	static const char *const names[] = {"b", "i", "u", "a", "em", "strong", "span", "font",
		"small", "big", "code", "tt", "sub", "sup", "abbr", "s", "wbr"};
	size_t from = tag.len > 1 && tag.ptr[1] == '/' ? 2 : 1, n = from;

	while (n < tag.len && ((tag.ptr[n] | 32) >= 'a' && (tag.ptr[n] | 32) <= 'z'))
		n++;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_eq_nocase(span_sub(tag, from, n - from), span_str(names[i])))
			return true;
	return false;
}

void mime_text_of_html(struct span s, struct buf *out)
{
	while (s.len) {
		size_t n = 0;

		if (s.ptr[0] == '<' && s.len > 1 &&
			(strchr("/!?", s.ptr[1]) ||
				((s.ptr[1] | 32) >= 'a' && (s.ptr[1] | 32) <= 'z'))) {
			n = tag_length(s);
			if (!is_inline(span_sub(s, 0, n)))
				buf_char(out, ' ');
		} else if (s.ptr[0] == '&') {
			n = take_entity(s, out);
		}
		if (!n) {
			buf_char(out, s.ptr[0]);
			n = 1;
		}
		s = span_skip(s, n);
	}
}

/* Without the lines that quote. */
static void strip_quotes(struct span s, struct buf *out)
{
	while (s.len) {
		struct span line;

		span_cut(s, '\n', &line, &s);
		if (span_eq(span_trim(line), SPAN("--")))
			return; /* a signature follows */
		if (line.len && line.ptr[0] == '>')
			continue;
		buf_span_put(out, line);
		buf_char(out, '\n');
	}
}

/* Runs of blanks and controls become one blank; at most `max` characters, the last one whole. */
static struct span one_line(struct arena *a, struct span s, size_t max)
{
	char *out = arena_alloc(a, max * 4 + 1);
	size_t n = 0, count = 0;
	bool is_blank = false;

	while (s.len && count < max) {
		size_t len = utf8_length_at(s);
		bool is_nbsp = len == 2 && memcmp(s.ptr, "\xc2\xa0", 2) == 0;

		if (len == 0 ||
			(len == 1 && ((unsigned char)s.ptr[0] <= ' ' || s.ptr[0] == 0x7f)) ||
			is_nbsp) {
			is_blank = count > 0;
			s = span_skip(s, len ? len : 1);
			continue;
		}
		if (is_blank && count + 1 < max) {
			out[n++] = ' ';
			count++;
		}
		is_blank = false;
		memcpy(out + n, s.ptr, len);
		n += len;
		count++;
		s = span_skip(s, len);
	}
	return span_of(out, n);
}

struct span mime_preview_of(struct arena *a, const struct mime_part *part, struct span body)
{
	struct buf text, plain;
	struct span line;

	buf_init(&text, MIME_PREVIEW_OCTETS * 4 + 64);
	buf_init(&plain, MIME_PREVIEW_OCTETS * 4 + 64);
	decode_body(part, body, &text);
	if (span_eq(part->type.subtype, SPAN("html")))
		mime_text_of_html(buf_span(&text), &plain);
	else
		strip_quotes(buf_span(&text), &plain);
	line = one_line(a, buf_span(&plain), MIME_PREVIEW_CHARACTERS);
	if (!line.len && !span_eq(part->type.subtype, SPAN("html")))
		line = one_line(a, buf_span(&text), MIME_PREVIEW_CHARACTERS);
	buf_fini(&text);
	buf_fini(&plain);
	return line;
}

struct span mime_preview(struct arena *a, const struct mime_tree *t, struct span message)
{
	const struct mime_part *p = mime_text_part(t);

	if (!p || p->end_offset > message.len)
		return SPAN("");
	return mime_preview_of(a, p,
		span_sub(
			message, (size_t)p->body_offset, (size_t)(p->end_offset - p->body_offset)));
}
