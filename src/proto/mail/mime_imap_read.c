/* An ENVELOPE that mime_imap_put.c has written, read again. Linear, without recursion. */
#include "proto/mail/mime_imap_put.h"

struct reader {
	struct arena *a;
	struct span rest;
	bool is_bad;
};

static void skip(struct reader *r, size_t n)
{
	r->rest = span_skip(r->rest, n);
}

static bool take(struct reader *r, char c)
{
	if (!r->rest.len || r->rest.ptr[0] != c)
		return false;
	skip(r, 1);
	return true;
}

static void need(struct reader *r, char c)
{
	if (!take(r, c))
		r->is_bad = true;
}

/* {12}CRLF and as many octets */
static struct span take_literal(struct reader *r)
{
	struct span digits, s;
	uint64_t n;

	skip(r, 1);
	if (!span_cut(r->rest, '}', &digits, &r->rest) || !span_u64_max(digits, r->rest.len, &n) ||
		!span_starts(r->rest, SPAN("\r\n")) || r->rest.len - 2 < n) {
		r->is_bad = true;
		return SPAN_NONE;
	}
	s = span_sub(r->rest, 2, (size_t)n);
	skip(r, 2 + (size_t)n);
	return s;
}

static struct span unescaped(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\' && i + 1 < s.len)
			i++;
		out[n++] = s.ptr[i];
	}
	return span_of(out, n);
}

static struct span take_quoted(struct reader *r)
{
	bool has_escape = false;
	struct span s;
	size_t n = 1;

	while (n < r->rest.len && r->rest.ptr[n] != '"') {
		if (r->rest.ptr[n] == '\\') {
			has_escape = true;
			n++;
		}
		n++;
	}
	if (n >= r->rest.len) {
		r->is_bad = true;
		return SPAN_NONE;
	}
	s = span_sub(r->rest, 1, n - 1);
	skip(r, n + 1);
	return has_escape ? unescaped(r->a, s) : s;
}

/* ptr NULL: NIL */
static struct span take_nstring(struct reader *r)
{
	if (span_starts(r->rest, SPAN("NIL"))) {
		skip(r, 3);
		return SPAN_NONE;
	}
	if (r->rest.len && r->rest.ptr[0] == '"')
		return take_quoted(r);
	if (r->rest.len && r->rest.ptr[0] == '{')
		return take_literal(r);
	r->is_bad = true;
	return SPAN_NONE;
}

static struct span or_empty(struct span s)
{
	return s.ptr ? s : SPAN("");
}

/* (name route local domain); NIL as domain: a group begins, or with NIL as local ends */
static void take_address(struct reader *r, struct mime_address *m)
{
	struct span name, route, local, domain;

	need(r, '(');
	name = take_nstring(r);
	need(r, ' ');
	route = take_nstring(r);
	need(r, ' ');
	local = take_nstring(r);
	need(r, ' ');
	domain = take_nstring(r);
	need(r, ')');
	m->kind = domain.ptr ? MIME_MAILBOX : local.ptr ? MIME_GROUP_START : MIME_GROUP_END;
	m->name = or_empty(m->kind == MIME_GROUP_START ? local : name);
	m->route = or_empty(route);
	m->local = or_empty(m->kind == MIME_GROUP_START ? SPAN_NONE : local);
	m->domain = or_empty(domain);
}

static void take_addresses(struct reader *r, struct mime_address_list *list)
{
	struct reader ahead = *r;
	struct mime_address m;
	size_t room = 0;

	*list = (struct mime_address_list){0};
	need(r, ' ');
	if (span_starts(r->rest, SPAN("NIL"))) {
		skip(r, 3);
		return;
	}
	need(r, '(');
	for (ahead = *r; !ahead.is_bad && ahead.rest.len && ahead.rest.ptr[0] == '('; room++)
		take_address(&ahead, &m);
	list->items = ARENA_ARRAY(r->a, struct mime_address, room + 1);
	while (!r->is_bad && list->count < room) {
		take_address(r, &list->items[list->count]);
		list->mailboxes += list->items[list->count++].kind == MIME_MAILBOX;
	}
	need(r, ')');
}

static struct span take_text(struct reader *r)
{
	need(r, ' ');
	return take_nstring(r);
}

bool mime_imap_read_envelope(struct arena *a, struct span text, struct mime_envelope *env_r)
{
	struct reader r = {a, text, false};

	need(&r, '(');
	env_r->date = take_nstring(&r);
	env_r->subject = take_text(&r);
	take_addresses(&r, &env_r->from);
	take_addresses(&r, &env_r->sender);
	take_addresses(&r, &env_r->reply_to);
	take_addresses(&r, &env_r->to);
	take_addresses(&r, &env_r->cc);
	take_addresses(&r, &env_r->bcc);
	env_r->in_reply_to = take_text(&r);
	env_r->message_id = take_text(&r);
	need(&r, ')');
	return !r.is_bad && !r.rest.len;
}
