#pragma once
/* A strict reader of envelope and body (RFC 9051 section 9), for tests: what does not follow the
 * grammar is refused. */

#include <string.h>

#include "base/span.h"

struct imap_text {
	struct span rest;
	unsigned depth;
};

static inline bool it_char(struct imap_text *t, char c)
{
	if (!t->rest.len || t->rest.ptr[0] != c)
		return false;
	t->rest = span_skip(t->rest, 1);
	return true;
}

static inline bool it_word(struct imap_text *t, struct span word)
{
	if (!span_starts(t->rest, word))
		return false;
	t->rest = span_skip(t->rest, word.len);
	return true;
}

static inline bool it_number(struct imap_text *t, uint64_t *n_r)
{
	size_t n = 0;

	while (n < t->rest.len && t->rest.ptr[n] >= '0' && t->rest.ptr[n] <= '9')
		n++;
	if (!n || (n > 1 && t->rest.ptr[0] == '0') || !span_u64(span_sub(t->rest, 0, n), n_r))
		return false;
	t->rest = span_skip(t->rest, n);
	return true;
}

static inline bool it_quoted(struct imap_text *t)
{
	while (t->rest.len && t->rest.ptr[0] != '"') {
		unsigned char c = (unsigned char)t->rest.ptr[0];

		if (!c || c >= 0x80 || c == '\r' || c == '\n')
			return false;
		if (c == '\\') {
			t->rest = span_skip(t->rest, 1);
			if (!t->rest.len || !strchr("\"\\", t->rest.ptr[0]))
				return false;
		}
		t->rest = span_skip(t->rest, 1);
	}
	return it_char(t, '"');
}

static inline bool it_string(struct imap_text *t)
{
	uint64_t n = 0;

	if (it_char(t, '"'))
		return it_quoted(t);
	if (!it_char(t, '{') || !it_number(t, &n) || !it_word(t, SPAN("}\r\n")) ||
		n > t->rest.len || memchr(t->rest.ptr, 0, (size_t)n))
		return false;
	t->rest = span_skip(t->rest, (size_t)n);
	return true;
}

static inline bool it_nstring(struct imap_text *t)
{
	return it_word(t, SPAN("NIL")) || it_string(t);
}

static inline bool it_address(struct imap_text *t)
{
	return it_char(t, '(') && it_nstring(t) && it_char(t, ' ') && it_nstring(t) &&
		it_char(t, ' ') && it_nstring(t) && it_char(t, ' ') && it_nstring(t) &&
		it_char(t, ')');
}

static inline bool it_addresses(struct imap_text *t)
{
	if (it_word(t, SPAN("NIL")))
		return true;
	if (!it_char(t, '(') || !it_address(t))
		return false;
	while (t->rest.len && t->rest.ptr[0] == '(')
		if (!it_address(t))
			return false;
	return it_char(t, ')');
}

static inline bool it_envelope(struct imap_text *t)
{
	if (!it_char(t, '(') || !it_nstring(t) || !it_char(t, ' ') || !it_nstring(t))
		return false;
	for (int i = 0; i < 6; i++)
		if (!it_char(t, ' ') || !it_addresses(t))
			return false;
	return it_char(t, ' ') && it_nstring(t) && it_char(t, ' ') && it_nstring(t) &&
		it_char(t, ')');
}

static inline bool it_params(struct imap_text *t)
{
	if (it_word(t, SPAN("NIL")))
		return true;
	if (!it_char(t, '('))
		return false;
	do {
		if (!it_string(t) || !it_char(t, ' ') || !it_string(t))
			return false;
	} while (it_char(t, ' '));
	return it_char(t, ')');
}

static inline bool it_disposition(struct imap_text *t)
{
	return it_word(t, SPAN("NIL")) ||
		(it_char(t, '(') && it_string(t) && it_char(t, ' ') && it_params(t) &&
			it_char(t, ')'));
}

static inline bool it_language(struct imap_text *t)
{
	if (!it_char(t, '('))
		return it_nstring(t);
	do {
		if (!it_string(t))
			return false;
	} while (it_char(t, ' '));
	return it_char(t, ')');
}

static inline bool it_extension(struct imap_text *t)
{
	return it_char(t, ' ') && it_disposition(t) && it_char(t, ' ') && it_language(t) &&
		it_char(t, ' ') && it_nstring(t);
}

static inline bool it_body(struct imap_text *t, bool is_extended);

static inline bool it_multipart(struct imap_text *t, bool is_extended)
{
	while (t->rest.len && t->rest.ptr[0] == '(')
		if (!it_body(t, is_extended))
			return false;
	if (!it_char(t, ' ') || !it_string(t))
		return false;
	return !is_extended || (it_char(t, ' ') && it_params(t) && it_extension(t));
}

static inline bool it_single(struct imap_text *t, bool is_extended)
{
	bool is_text = span_starts_nocase(t->rest, SPAN("\"text\" "));
	bool is_message = span_starts_nocase(t->rest, SPAN("\"message\" \"rfc822\" ")) ||
		span_starts_nocase(t->rest, SPAN("\"message\" \"global\" "));
	uint64_t n;

	if (!it_string(t) || !it_char(t, ' ') || !it_string(t) || !it_char(t, ' ') ||
		!it_params(t) || !it_char(t, ' ') || !it_nstring(t) || !it_char(t, ' ') ||
		!it_nstring(t) || !it_char(t, ' ') || !it_string(t) || !it_char(t, ' ') ||
		!it_number(t, &n))
		return false;
	if (is_message &&
		(!it_char(t, ' ') || !it_envelope(t) || !it_char(t, ' ') ||
			!it_body(t, is_extended)))
		return false;
	if ((is_message || is_text) && (!it_char(t, ' ') || !it_number(t, &n)))
		return false;
	return !is_extended || (it_char(t, ' ') && it_nstring(t) && it_extension(t));
}

static inline bool it_body(struct imap_text *t, bool is_extended)
{
	if (!it_char(t, '(') || ++t->depth > 1000)
		return false;
	if (!(t->rest.len && t->rest.ptr[0] == '(' ? it_multipart(t, is_extended)
						   : it_single(t, is_extended)))
		return false;
	t->depth--;
	return it_char(t, ')');
}

static inline bool imap_text_is_envelope(struct span s)
{
	struct imap_text t = {s, 0};

	return it_envelope(&t) && !t.rest.len;
}

static inline bool imap_text_is_body(struct span s, bool is_extended)
{
	struct imap_text t = {s, 0};

	return it_body(&t, is_extended) && !t.rest.len;
}
