#include "proto/mail/mime_imap_put.h"

#include "proto/mail/mime_imap.h"

/* ---- strings ---- */

/* quoted (RFC 9051 section 9): TEXT-CHAR is any 7-bit character but CR, LF and NUL. */
static bool is_quotable(struct span s)
{
	if (s.len > MIME_IMAP_QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c >= 0x80 || c == '\r' || c == '\n' || !c)
			return false;
	}
	return true;
}

static void put_quoted(struct buf *b, struct span s)
{
	size_t from = 0;

	buf_char(b, '"');
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '"' || s.ptr[i] == '\\') {
			buf_span_put(b, span_sub(s, from, i - from));
			buf_char(b, '\\');
			from = i;
		}
	buf_span_put(b, span_skip(s, from));
	buf_char(b, '"');
}

void mime_imap_put_string(struct buf *b, struct span s)
{
	size_t from = 0;

	if (is_quotable(s)) {
		put_quoted(b, s);
		return;
	}
	buf_printf(b, "{%zu}\r\n", s.len);
	/* CHAR8 is any octet but NUL */
	for (size_t i = 0; i < s.len; i++)
		if (!s.ptr[i]) {
			buf_span_put(b, span_sub(s, from, i - from));
			buf_char(b, '?');
			from = i + 1;
		}
	buf_span_put(b, span_skip(s, from));
}

void mime_imap_put_nstring(struct buf *b, struct span s)
{
	if (s.ptr)
		mime_imap_put_string(b, s);
	else
		buf_str(b, "NIL");
}

static struct span nil_when_empty(struct span s)
{
	return s.len ? s : SPAN_NONE;
}

/* ---- envelope ---- */

static void put_address(struct buf *b, const struct mime_address *m)
{
	buf_char(b, '(');
	switch (m->kind) {
	case MIME_MAILBOX:
		mime_imap_put_nstring(b, nil_when_empty(m->name));
		buf_char(b, ' ');
		mime_imap_put_nstring(b, nil_when_empty(m->route));
		buf_char(b, ' ');
		/* NIL here would be read as the syntax of groups (RFC 9051 section 7.5.2) */
		mime_imap_put_string(b, m->local);
		buf_char(b, ' ');
		mime_imap_put_string(b, m->domain);
		break;
	case MIME_GROUP_START:
		buf_str(b, "NIL NIL ");
		mime_imap_put_string(b, m->name);
		buf_str(b, " NIL");
		break;
	case MIME_GROUP_END: buf_str(b, "NIL NIL NIL NIL"); break;
	}
	buf_char(b, ')');
}

static void put_addresses(struct buf *b, const struct mime_address_list *list)
{
	buf_char(b, ' ');
	if (!list->count) {
		buf_str(b, "NIL");
		return;
	}
	buf_char(b, '(');
	for (size_t i = 0; i < list->count; i++)
		put_address(b, &list->items[i]);
	buf_char(b, ')');
}

void mime_imap_put_envelope_of(struct buf *b, const struct mime_envelope *e)
{
	buf_char(b, '(');
	mime_imap_put_nstring(b, e->date);
	buf_char(b, ' ');
	mime_imap_put_nstring(b, e->subject);
	put_addresses(b, &e->from);
	put_addresses(b, &e->sender);
	put_addresses(b, &e->reply_to);
	put_addresses(b, &e->to);
	put_addresses(b, &e->cc);
	put_addresses(b, &e->bcc);
	buf_char(b, ' ');
	mime_imap_put_nstring(b, e->in_reply_to);
	buf_char(b, ' ');
	mime_imap_put_nstring(b, e->message_id);
	buf_char(b, ')');
}

void mime_imap_put_envelope(struct buf *b, struct arena *a, const struct mime_part *part)
{
	struct mime_envelope e;

	mime_envelope(a, part, &e);
	mime_imap_put_envelope_of(b, &e);
}

/* ---- body ---- */

/* body-fld-param. A text without a charset has the one that RFC 2045 section 5.2 gives it. */
static void put_params(
	struct buf *b, const struct mime_raw_param *params, size_t count, bool is_text)
{
	bool is_first = true;

	for (size_t i = 0; i < count; i++) {
		buf_char(b, is_first ? '(' : ' ');
		is_first = false;
		mime_imap_put_string(b, params[i].name);
		buf_char(b, ' ');
		mime_imap_put_string(b, params[i].value);
		if (span_eq_nocase(params[i].name, SPAN("charset")) ||
			span_starts_nocase(params[i].name, SPAN("charset*")))
			is_text = false;
	}
	if (is_text) {
		buf_char(b, is_first ? '(' : ' ');
		is_first = false;
		buf_str(b, "\"charset\" \"us-ascii\"");
	}
	buf_str(b, is_first ? "NIL" : ")");
}

/* body-fields */
static void put_fields(struct buf *b, const struct mime_body *body)
{
	mime_imap_put_string(b, body->type);
	buf_char(b, ' ');
	mime_imap_put_string(b, body->subtype);
	buf_char(b, ' ');
	put_params(b, body->params, body->param_count, span_eq(body->type, SPAN("text")));
	buf_char(b, ' ');
	mime_imap_put_nstring(b, body->id);
	buf_char(b, ' ');
	mime_imap_put_nstring(b, body->description);
	buf_char(b, ' ');
	mime_imap_put_string(b, body->encoding);
	buf_char(b, ' ');
	buf_u64(b, body->octets);
}

static void put_languages(struct buf *b, const struct mime_body *body)
{
	if (!body->language_count) {
		buf_str(b, "NIL");
		return;
	}
	for (size_t i = 0; i < body->language_count; i++) {
		buf_char(b, i ? ' ' : '(');
		mime_imap_put_string(b, body->languages[i]);
	}
	buf_char(b, ')');
}

/* body-fld-dsp body-fld-lang body-fld-loc */
static void put_extension(struct buf *b, const struct mime_body *body)
{
	buf_char(b, ' ');
	if (body->disposition.ptr) {
		buf_char(b, '(');
		mime_imap_put_string(b, body->disposition);
		buf_char(b, ' ');
		put_params(b, body->disposition_params, body->disposition_param_count, false);
		buf_char(b, ')');
	} else {
		buf_str(b, "NIL");
	}
	buf_char(b, ' ');
	put_languages(b, body);
	buf_char(b, ' ');
	mime_imap_put_nstring(b, body->location);
}

static void put_single_extension(struct buf *b, const struct mime_body *body)
{
	buf_char(b, ' ');
	mime_imap_put_nstring(b, body->md5);
	put_extension(b, body);
}

static bool has_parts(const struct mime_part *p)
{
	return p->kind != MIME_LEAF && p->first;
}

/* Up to the parts within; for a leaf all of it. */
static void put_front(struct buf *b, struct arena *a, const struct mime_part *p, bool is_extended)
{
	struct mime_body body;

	buf_char(b, '(');
	if (p->kind == MIME_MULTIPART && p->first)
		return;
	mime_body(a, p, &body);
	if (p->kind == MIME_MESSAGE && !p->first) {
		body.type = SPAN("application"); /* nothing was read of what is in it */
		body.subtype = SPAN("octet-stream");
	}
	put_fields(b, &body);
	if (has_parts(p)) {
		buf_char(b, ' ');
		mime_imap_put_envelope(b, a, p->first);
		buf_char(b, ' ');
		return;
	}
	if (span_eq(body.type, SPAN("text"))) {
		buf_char(b, ' ');
		buf_u64(b, body.lines);
	}
	if (is_extended)
		put_single_extension(b, &body);
	buf_char(b, ')');
}

/* Behind the parts within. */
static void put_back(struct buf *b, struct arena *a, const struct mime_part *p, bool is_extended)
{
	struct mime_body body;

	mime_body(a, p, &body);
	buf_char(b, ' ');
	if (p->kind == MIME_MESSAGE) {
		buf_u64(b, body.lines);
		if (is_extended)
			put_single_extension(b, &body);
	} else {
		mime_imap_put_string(b, body.subtype);
		if (is_extended) {
			buf_char(b, ' ');
			put_params(b, body.params, body.param_count, false);
			put_extension(b, &body);
		}
	}
	buf_char(b, ')');
}

void mime_imap_put_body(
	struct buf *b, struct arena *a, const struct mime_part *part, bool is_extended)
{
	const struct mime_part *p = part;

	for (;;) {
		put_front(b, a, p, is_extended);
		if (has_parts(p)) {
			p = p->first;
			continue;
		}
		while (p != part && (p->parent->kind == MIME_MESSAGE || !p->next)) {
			p = p->parent;
			put_back(b, a, p, is_extended);
		}
		if (p == part)
			return;
		p = p->next;
	}
}
