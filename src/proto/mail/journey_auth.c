#include <string.h>

#include "base/must.h"
#include "proto/mail/journey_priv.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_lex.h"

/* Comments become blanks; quoted strings stay. */
static struct span without_comments(struct arena *a, struct span value)
{
	struct mime_lex l = {.rest = mail_unfold(a, value)};
	char *out = arena_alloc(a, l.rest.len + 1);
	size_t n = 0;

	while (l.rest.len) {
		size_t len = l.rest.ptr[0] == '"' ? mime_quoted_length(l.rest) : 1;

		if (l.rest.ptr[0] == '(') {
			mime_skip_comment(&l);
			out[n++] = ' ';
			continue;
		}
		memcpy(out + n, l.rest.ptr, len);
		n += len;
		l.rest = span_skip(l.rest, len);
	}
	return span_of(out, n);
}

static struct span unquoted(struct span s)
{
	s = span_trim(s);
	if (s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '<') &&
		s.ptr[s.len - 1] == (s.ptr[0] == '"' ? '"' : '>'))
		return span_sub(s, 1, s.len - 2);
	return s;
}

/* Up to the next `c` outside quotes. */
static struct span take_until(struct span *s, char c)
{
	size_t i = 0;

	while (i < s->len && s->ptr[i] != c)
		i += s->ptr[i] == '"' ? mime_quoted_length(span_skip(*s, i)) : 1;
	i = i < s->len ? i : s->len;
	struct span head = span_sub(*s, 0, i);

	*s = span_skip(*s, i + 1);
	return head;
}

/* The properties that name what a method looked at (RFC 8601 section 2.7), best first. */
static int rank(struct span name)
{
	static const char *const names[] = {"header.from", "header.d", "header.i", "smtp.mailfrom",
		"smtp.mail", "smtp.auth", "smtp.helo", "policy.iprev"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_eq_nocase(name, span_str(names[i])))
			return (int)(ARRAY_LEN(names) - i);
	return 0;
}

static void read_verdict(struct span words, struct journey_verdict *v)
{
	int best = -1;

	for (struct span rest = words, word; rest.len;) {
		struct span name, value;

		word = span_trim(take_until(&rest, ' '));
		if (!span_cut(word, '=', &name, &value))
			continue;
		value = unquoted(value);
		if (!v->method.len) {
			ptrdiff_t version = span_find(name, '/'); /* "dkim/1" */

			v->method = version < 0 ? name : span_sub(name, 0, (size_t)version);
			v->result = value;
		} else if (span_eq_nocase(name, SPAN("reason"))) {
			v->reason = value;
		} else if (span_find(name, '.') > 0 && rank(name) > best) {
			best = rank(name);
			v->detail = value;
		}
	}
}

void journey_auth_parse(struct arena *a, struct span value, struct journey_auth *auth_r)
{
	struct span rest = without_comments(a, value), head;
	struct journey_verdict *items = ARENA_ARRAY(a, struct journey_verdict, JOURNEY_LIST_MAX);

	memset(auth_r, 0, sizeof(*auth_r));
	auth_r->items = items;
	head = take_until(&rest, ';');
	if (span_find(head, '=') >= 0) { /* Exchange forgets the server's name */
		read_verdict(head, &items[0]);
		auth_r->count = items[0].method.len > 0;
	} else {
		auth_r->server = span_word(&head);
	}
	while (rest.len && auth_r->count < JOURNEY_LIST_MAX) {
		struct journey_verdict v = {0};

		read_verdict(span_trim(take_until(&rest, ';')), &v);
		if (v.method.len)
			items[auth_r->count++] = v;
	}
}

void journey_spf_parse(struct arena *a, struct span value, struct journey_auth *auth_r)
{
	struct span rest = without_comments(a, value), word;
	struct journey_verdict *v = ARENA_NEW(a, struct journey_verdict);

	memset(auth_r, 0, sizeof(*auth_r));
	auth_r->is_spf = true;
	auth_r->items = v;
	rest = span_trim(rest);
	v->method = SPAN("spf");
	v->result = span_word(&rest);
	auth_r->count = v->result.len > 0;
	while (rest.len) {
		struct span name;

		word = span_trim(take_until(&rest, ';'));
		for (struct span more = word; more.len;) {
			struct span one = span_trim(take_until(&more, ' ')), text;

			if (!span_cut(one, '=', &name, &text))
				continue;
			if (span_eq_nocase(name, SPAN("envelope-from")))
				v->detail = unquoted(text);
			else if (span_eq_nocase(name, SPAN("receiver")))
				auth_r->server = unquoted(text);
		}
	}
}

void journey_signature_parse(struct arena *a, struct span value, struct journey_signature *s_r)
{
	struct span rest = mail_unfold(a, value);

	memset(s_r, 0, sizeof(*s_r));
	while (rest.len) { /* tag-list, RFC 6376 section 3.2 */
		struct span tag, name, text;

		span_cut(rest, ';', &tag, &rest);
		span_cut(tag, '=', &name, &text);
		name = span_trim(name);
		text = span_trim(text);
		if (span_eq(name, SPAN("d")))
			s_r->domain = text;
		else if (span_eq(name, SPAN("s")))
			s_r->selector = text;
		else if (span_eq(name, SPAN("a")))
			s_r->algorithm = text;
	}
}
