/* BODY out of BODYSTRUCTURE: one is kept, the other follows from it. */
#include "proto/mail/mime_imap_put.h"

struct cutting {
	struct buf *out;
	struct span rest;
	bool is_bad;
	unsigned depth; /* of bodies that are open */
	bool is_multipart[MIME_IMAP_DEPTH_MAX];
};

static bool is_next(const struct cutting *c, char ch)
{
	return c->rest.len && c->rest.ptr[0] == ch;
}

/* Take n octets, and put them unless they are to be left out. */
static void take(struct cutting *c, size_t n, bool is_kept)
{
	if (n > c->rest.len) {
		c->is_bad = true;
		n = c->rest.len;
	}
	if (is_kept)
		buf_span_put(c->out, span_sub(c->rest, 0, n));
	c->rest = span_skip(c->rest, n);
}

static void take_char(struct cutting *c, char ch)
{
	if (!is_next(c, ch)) {
		c->is_bad = true;
		return;
	}
	take(c, 1, true);
}

static size_t string_length(struct span s)
{
	size_t n = 1, octets = 0;

	if (s.ptr[0] == '"') {
		while (n < s.len && s.ptr[n] != '"')
			n += s.ptr[n] == '\\' ? 2 : 1;
		return n + 1;
	}
	while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9' && octets < SIZE_MAX / 20)
		octets = octets * 10 + (size_t)(s.ptr[n++] - '0');
	return octets > s.len ? s.len + 1 : n + 3 + octets; /* "}", CR, LF */
}

static size_t atom_length(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] != ' ' && s.ptr[n] != '(' && s.ptr[n] != ')')
		n++;
	return n;
}

/* A string, NIL, a number, or a list with all that is in it; 0: none of them. */
static size_t item_length(struct span s)
{
	size_t at = 0, open = 0;

	do {
		struct span rest = span_skip(s, at);
		size_t n;

		if (!rest.len)
			return 0;
		if (rest.ptr[0] == '(' || rest.ptr[0] == ')' || rest.ptr[0] == ' ')
			n = 1;
		else if (rest.ptr[0] == '"' || rest.ptr[0] == '{')
			n = string_length(rest);
		else
			n = atom_length(rest);
		if (rest.ptr[0] == '(')
			open++;
		else if (rest.ptr[0] == ')' && !open--)
			return 0;
		else if (rest.ptr[0] == ' ' && !open)
			return 0;
		if (n > rest.len)
			return 0;
		at += n;
	} while (open);
	return at;
}

static struct span take_item(struct cutting *c, bool is_kept)
{
	size_t n = item_length(c->rest);
	struct span item = span_sub(c->rest, 0, n);

	if (!n)
		c->is_bad = true;
	take(c, n, is_kept);
	return item;
}

/* The extension data, and the bracket that ends the body. */
static void end_body(struct cutting *c)
{
	while (!c->is_bad && is_next(c, ' ')) {
		take(c, 1, false);
		take_item(c, false);
	}
	take_char(c, ')');
}

/* A single part, up to a body within it (true) or its end. */
static bool single(struct cutting *c)
{
	struct span type = take_item(c, true), subtype;

	take_char(c, ' ');
	subtype = take_item(c, true);
	for (int i = 0; i < 5 && !c->is_bad; i++) { /* body-fields */
		take_char(c, ' ');
		take_item(c, true);
	}
	if (span_eq(type, SPAN("\"message\"")) &&
		(span_eq(subtype, SPAN("\"rfc822\"")) || span_eq(subtype, SPAN("\"global\"")))) {
		take_char(c, ' ');
		take_item(c, true); /* its envelope */
		take_char(c, ' ');
		return true;
	}
	if (span_eq(type, SPAN("\"text\""))) {
		take_char(c, ' ');
		take_item(c, true);
	}
	end_body(c);
	return false;
}

/* A body has ended: on in the one around it. True when another one begins. */
static bool go_on(struct cutting *c)
{
	while (c->depth && !c->is_bad) {
		bool is_multipart = c->is_multipart[c->depth - 1];

		if (is_multipart && is_next(c, '('))
			return true;
		take_char(c, ' ');
		take_item(c, true); /* subtype, or lines */
		end_body(c);
		c->depth--;
	}
	return false;
}

bool mime_imap_put_body_of(struct buf *b, struct span structure)
{
	struct cutting c = {.out = b, .rest = structure};
	bool is_more = true;

	while (is_more && !c.is_bad) {
		bool is_multipart;

		take_char(&c, '(');
		is_multipart = is_next(&c, '(');
		if (is_multipart || single(&c)) {
			if (c.depth == MIME_IMAP_DEPTH_MAX)
				return false;
			c.is_multipart[c.depth++] = is_multipart;
		} else {
			is_more = go_on(&c);
		}
	}
	return !c.is_bad && !c.rest.len && buf_ok(b);
}
