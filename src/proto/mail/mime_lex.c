#include "proto/mail/mime_lex.h"

#include <string.h>

bool mime_is_token(char c)
{
	unsigned char u = (unsigned char)c;

	return u > ' ' && u != 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

bool mime_is_atext(char c)
{
	unsigned char u = (unsigned char)c;

	return u > ' ' && u != 0x7f && !strchr("()<>@,;:\\\".[]", c);
}

void mime_skip_comment(struct mime_lex *l)
{
	struct span s = l->rest;
	size_t depth = 0, i;

	for (i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '\\') {
			i++;
		} else if (c == '(') {
			depth++;
		} else if (c == ')' && --depth == 0) {
			l->comment = span_sub(s, 1, i - 1);
			l->rest = span_skip(s, i + 1);
			return;
		}
	}
	l->defects |= mime_bit(MIME_COMMENT_OPEN);
	l->comment = span_skip(s, 1);
	l->rest = SPAN_NONE;
}

void mime_skip_cfws(struct mime_lex *l)
{
	while (l->rest.len) {
		if (mime_is_blank(l->rest.ptr[0]))
			l->rest = span_skip(l->rest, 1);
		else if (l->rest.ptr[0] == '(')
			mime_skip_comment(l);
		else
			return;
	}
}

size_t mime_quoted_length(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			return i + 1;
	}
	return s.len;
}

struct span mime_take_quoted(struct arena *a, struct mime_lex *l)
{
	struct span s = l->rest;
	size_t whole = mime_quoted_length(s), n = 0, i;
	char *out = arena_alloc(a, whole + 1);
	bool is_closed = false;

	for (i = 1; i < whole; i++) {
		char c = s.ptr[i];

		if (c == '"') {
			is_closed = true;
			break;
		}
		if (c == '\\' && i + 1 < whole)
			c = s.ptr[++i];
		if (c != '\r' && c != '\n')
			out[n++] = c;
	}
	if (!is_closed)
		l->defects |= mime_bit(MIME_QUOTE_OPEN);
	l->rest = span_skip(s, whole);
	return span_of(out, n);
}

struct span mime_lower(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		out[i] = (char)span_lower((unsigned char)s.ptr[i]);
	return span_of(out, s.len);
}
