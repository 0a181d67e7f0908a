#include "proto/mail/mail_word.h"

#include "proto/mail/mail_header.h"

/* RFC 5322 section 3.2.2: a comment, nested and with quoted pairs; its length (all, when open). */
static size_t comment_length(struct span s)
{
	size_t depth = 0, i;

	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '(')
			depth++;
		else if (s.ptr[i] == ')' && --depth == 0)
			return i + 1;
	}
	return s.len;
}

/* A quoted string, quotes and all; its length (all, when open). */
static size_t quoted_length(struct span s)
{
	size_t i;

	for (i = 1; i < s.len; i++) {
		if (s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			return i + 1;
	}
	return s.len;
}

static void put_unquoted(struct buf *b, struct span quoted)
{
	for (size_t i = 1; i < quoted.len && quoted.ptr[i] != '"'; i++) {
		if (quoted.ptr[i] == '\\' && i + 1 < quoted.len)
			i++;
		buf_char(b, quoted.ptr[i]);
	}
}

struct parts {
	struct buf phrase;   /* display name, or a bare address */
	struct buf address;  /* what stood in angle brackets */
	struct span comment; /* the last one: "a@b (Name)" was the old way */
	bool has_angle, is_in_angle;
};

static void put_one(struct parts *p, struct span *s)
{
	struct buf *b = p->is_in_angle ? &p->address : &p->phrase;
	char c = s->ptr[0];
	size_t n = 1;

	if (c == '(') {
		n = comment_length(*s);
		p->comment = n > 2 ? span_sub(*s, 1, n - 2) : SPAN_NONE;
	} else if (c == '"') {
		n = quoted_length(*s);
		if (p->is_in_angle || (n < s->len && s->ptr[n] == '@'))
			buf_span_put(b, span_sub(*s, 0, n)); /* a quoted local part stays quoted */
		else
			put_unquoted(b, span_sub(*s, 0, n));
	} else if (p->has_angle && !p->is_in_angle) {
		; /* what stands behind the address is no part of it */
	} else if (c == '<' && !p->has_angle) {
		p->has_angle = p->is_in_angle = true;
	} else if (c == '>') {
		p->is_in_angle = false;
	} else if (!p->is_in_angle || (c != ' ' && c != '\t')) {
		buf_char(b, c);
	}
	*s = span_skip(*s, n);
}

/* "group:" and the ";" of its end are skipped; a comma ends a mailbox. */
static void gather(struct span *s, struct parts *p)
{
	while (s->len) {
		char c = s->ptr[0];

		if ((c == ',' || c == ';') && !p->is_in_angle) {
			*s = span_skip(*s, 1);
			return;
		}
		if (c == ':' && !p->is_in_angle && !p->has_angle) {
			buf_clear(&p->phrase);
			*s = span_skip(*s, 1);
			continue;
		}
		put_one(p, s);
	}
}

bool mail_mailbox_next(struct arena *a, struct span *list, struct mail_mailbox *m_r)
{
	while (list->len) {
		struct parts p = {.comment = SPAN_NONE};
		struct span address, phrase;

		buf_init(&p.phrase, MAIL_WORD_TEXT_MAX);
		buf_init(&p.address, MAIL_WORD_TEXT_MAX);
		gather(list, &p);
		phrase = mail_unfold(a, buf_span(&p.phrase));
		if (p.has_angle) {
			address = mail_unfold(a, buf_span(&p.address));
			m_r->name = mail_word_decode(a, phrase);
		} else {
			address = phrase;
			m_r->name = mail_word_decode(a, p.comment);
		}
		m_r->address = mail_word_decode(a, address);
		buf_fini(&p.phrase);
		buf_fini(&p.address);
		if (m_r->address.len)
			return true;
	}
	return false;
}
