/* Who a field names. The grammar is the strict part of RFC 5322 section 3.4 that all readers take for
 * the same: what they are known to disagree about (groups, routes, quoted local parts, blanks and
 * comments within an address, "a@b <c@d>") is refused, so that nobody is shown another author than
 * the one that was checked. */

#include <string.h>

#include "base/enc.h"
#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_address.h"
#include "services/submission/submission_priv.h"

struct reader {
	struct arena *a;
	const char *field;
	struct span qualify, rest;
	struct buf *text, *shown; /* of the whole field; of this mailbox */
	struct submission_names *names;
	struct err *e;
};

static int refuse(const struct reader *r, const char *why)
{
	err_set(r->e, ERR_SYNTAX, "%s: %s", r->field, why);
	return err_smtp(r->e, 550, 5, 6, 0);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 5322 section 3.2.3, RFC 6532 section 3.2; what is no UTF-8 was refused before. */
static bool is_atext(char c)
{
	unsigned char u = (unsigned char)c;

	return u > ' ' && u != 0x7f && !strchr("()<>@,;:\\\".[]", c);
}

static void take(struct reader *r, size_t n, bool is_shown)
{
	buf_span_put(r->text, span_sub(r->rest, 0, n));
	if (is_shown)
		buf_span_put(r->shown, span_sub(r->rest, 0, n));
	r->rest = span_skip(r->rest, n);
}

static void take_blanks(struct reader *r)
{
	size_t n = 0;

	while (n < r->rest.len && is_blank(r->rest.ptr[n]))
		n++;
	if (n && buf_len(r->shown))
		buf_char(r->shown, ' ');
	take(r, n, false);
}

/* "…" of a display name; it may not be a local part. */
static int take_quoted(struct reader *r)
{
	size_t n = 1;

	for (; n < r->rest.len && r->rest.ptr[n] != '"'; n++) {
		if (r->rest.ptr[n] == '\\' && n + 1 < r->rest.len)
			n++;
		buf_char(r->shown, r->rest.ptr[n]);
	}
	if (n >= r->rest.len)
		return refuse(r, "a quoted string is not closed");
	take(r, n + 1, false);
	if (r->rest.len && (r->rest.ptr[0] == '@' || r->rest.ptr[0] == '.'))
		return refuse(r, "an address must not have quotes");
	return 0;
}

/* A comment that nobody can take for more than that. */
static int take_comment(struct reader *r)
{
	ptrdiff_t end = span_find(r->rest, ')');
	struct span inside = span_sub(r->rest, 1, end > 0 ? (size_t)end - 1 : 0);

	if (end < 0)
		return refuse(r, "a comment is not closed");
	for (size_t i = 0; i < inside.len; i++) {
		if (strchr("(<>@\\\"", inside.ptr[i]))
			return refuse(r, "a comment with brackets, quotes or an address");
	}
	buf_char(r->shown, ' ');
	buf_span_put(r->shown, inside);
	buf_char(r->shown, ' ');
	take(r, (size_t)end + 1, false);
	return 0;
}

static bool is_dot_atom(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '.' ? i == 0 || i + 1 == s.len || s.ptr[i - 1] == '.'
				    : !is_atext(s.ptr[i]))
			return false;
	}
	return s.len > 0;
}

static bool is_domain(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = span_lower((unsigned char)s.ptr[i]);

		if (c != '.' && c != '-' && c < 0x80 && !(c >= 'a' && c <= 'z') &&
			!(c >= '0' && c <= '9'))
			return false;
	}
	return is_dot_atom(s);
}

static size_t spec_length(struct span s)
{
	size_t n = 0;

	while (n < s.len && (is_atext(s.ptr[n]) || s.ptr[n] == '.' || s.ptr[n] == '@'))
		n++;
	return n;
}

/* local@domain at the front, without a blank; a domain where it is missing and may be. */
static int take_spec(struct reader *r, size_t n, struct submission_mailbox *m)
{
	struct span spec = span_sub(r->rest, 0, n), local, domain;
	bool has_domain = span_cut(spec, '@', &local, &domain);

	if (!is_dot_atom(local) || (has_domain && !is_domain(domain)))
		return refuse(r, "this is no address that all readers understand (name@domain)");
	/* RFC 2047 section 5: never within an address; some readers show there what it says */
	if (span_find_span(spec, SPAN("=?")) >= 0)
		return refuse(r, "an address must not have an encoded word");
	if (!has_domain && !r->qualify.len)
		return refuse(r, "an address needs a domain");
	take(r, n, false);
	if (!has_domain) {
		buf_char(r->text, '@');
		buf_span_put(r->text, r->qualify);
		r->names->is_changed = true;
		domain = r->qualify;
	}
	if (local.len + 1 + domain.len > SUBMISSION_ADDRESS_MAX)
		return refuse(r, "an address is too long");
	m->address = span_str(
		arena_printf(r->a, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(local), SPAN_ARG(domain)));
	return 0;
}

/* <local@domain> */
static int take_angle(struct reader *r, struct submission_mailbox *m)
{
	size_t n = spec_length(span_skip(r->rest, 1));

	take(r, 1, false);
	if (n >= r->rest.len || r->rest.ptr[n] != '>')
		return refuse(r, "between < and > stands more than an address");
	if (take_spec(r, n, m) < 0)
		return -1;
	take(r, 1, false);
	return 0;
}

/* A word: of a display name, or the address itself. `is_only`: nothing that is seen stands before. */
static int take_word(struct reader *r, bool is_only, struct submission_mailbox *m)
{
	size_t n = spec_length(r->rest), after;

	if (n == 0)
		return refuse(r, "a character that has no place there, or a group");
	after = n;
	while (after < r->rest.len && is_blank(r->rest.ptr[after]))
		after++;
	/* "root (Cron)" is an address, "Alice (Work) <…>" begins with a name */
	bool is_last = after == r->rest.len || r->rest.ptr[after] == ',' ||
		(r->rest.ptr[after] == '(' && span_find(r->rest, '<') < 0);

	if (is_last && is_only)
		return take_spec(r, n, m);
	if (span_find(span_sub(r->rest, 0, n), '@') >= 0)
		return refuse(r, "an address with a name must stand between < and >");
	take(r, n, true);
	return 0;
}

/* Up to a comma or the end. */
static int take_mailbox(struct reader *r, struct submission_mailbox *m)
{
	bool has_words = false;

	buf_clear(r->shown);
	for (;;) {
		char c;
		int rc;

		take_blanks(r);
		if (!r->rest.len || r->rest.ptr[0] == ',')
			break;
		c = r->rest.ptr[0];
		if (c == '(')
			rc = take_comment(r);
		else if (m->address.len)
			rc = refuse(r, "words behind an address");
		else if (c == '<')
			rc = take_angle(r, m);
		else if (c == '"')
			rc = take_quoted(r);
		else
			rc = take_word(r, !has_words, m);
		if (rc < 0)
			return -1;
		has_words |= c != '(';
	}
	if (!m->address.len)
		return refuse(r, "no address");
	m->shown = arena_span(r->a, span_trim(buf_span(r->shown)));
	return 0;
}

/* What other parts of this program read there must be the same. */
static int check_twice(const struct reader *r)
{
	const struct submission_names *names = r->names;
	struct mime_address_list list;

	mime_address_parse(r->a, names->text, SUBMISSION_AUTHORS_MAX + 1, &list);
	if (list.count != names->count || list.mailboxes != names->count)
		return refuse(r, "readers would not agree how many addresses these are");
	for (size_t i = 0; i < names->count; i++) {
		if (!span_eq(mime_address_spec(r->a, &list.items[i]), names->items[i].address))
			return refuse(r, "readers would not agree about an address");
	}
	return 0;
}

static int take_all(struct reader *r)
{
	for (;;) {
		if (r->names->count == SUBMISSION_AUTHORS_MAX)
			return refuse(r, "too many addresses");
		if (take_mailbox(r, &r->names->items[r->names->count]) < 0)
			return -1;
		r->names->count++;
		if (!r->rest.len)
			return 0;
		take(r, 1, false);
	}
}

int submission_names_parse(struct arena *a, const char *field, struct span value,
	struct span qualify, struct submission_names *names_r, struct err *e)
{
	struct reader r = {.a = a,
		.field = field,
		.qualify = qualify,
		.rest = mail_unfold(a, value),
		.names = names_r,
		.e = e};

	*names_r = (struct submission_names){0};
	names_r->items = ARENA_ARRAY(a, struct submission_mailbox, SUBMISSION_AUTHORS_MAX);
	r.text = arena_buf(a, SUBMISSION_SHOWN_MAX * 2);
	r.shown = arena_buf(a, SUBMISSION_SHOWN_MAX * 2);
	if (take_all(&r) < 0)
		return -1;
	if (!buf_ok(r.text) || !buf_ok(r.shown))
		return refuse(&r, "too long");
	names_r->text = buf_span(r.text);
	return check_twice(&r);
}

/* ---- what is shown beside it --------------------------------------------------------------------- */

/* Part of an address, or of what looks like one. */
static bool is_glue(char c)
{
	return is_atext(c) || c == '.' || c == '@';
}

/* Does this address stand around the '@' at `at`, alone? */
static bool is_there(struct span text, size_t at, struct span address)
{
	size_t local = (size_t)span_find(address, '@'), end = at - local + address.len;

	return at >= local && span_eq_nocase(span_sub(text, at - local, address.len), address) &&
		(at == local || !is_glue(text.ptr[at - local - 1])) &&
		(end >= text.len || !is_glue(text.ptr[end]));
}

bool submission_is_shown_well(struct span decoded, struct span address)
{
	struct span rest = decoded;
	uint32_t code;

	for (size_t i = 0; i < decoded.len; i++) {
		if (strchr("<>", decoded.ptr[i]) || (unsigned char)decoded.ptr[i] < ' ' ||
			(decoded.ptr[i] == '@' && !is_there(decoded, i, address)))
			return false;
	}
	while (rest.len) {
		/* U+FFFD: what could not be read; the other signs for "at"; what ends or turns a line */
		if (!utf8_take(&rest, &code) || code == 0xfffd || code == 0xff20 ||
			code == 0xfe6b || (code >= 0x7f && code < 0xa0) ||
			(code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
			return false;
	}
	return span_find_span(decoded, SPAN("=?")) < 0; /* nor a word that could not be decoded */
}

/* The octets that the text of an encoded word stands for. */
static bool is_text_safe(struct span coding, struct span text)
{
	struct buf b;
	bool is_safe = true;

	if (span_eq_nocase(coding, SPAN("q"))) {
		for (size_t i = 0; i + 2 < text.len; i++) {
			if (text.ptr[i] == '=' &&
				(text.ptr[i + 1] == '0' || text.ptr[i + 1] == '1') &&
				!span_eq_nocase(span_sub(text, i, 3), SPAN("=1B")) &&
				!span_eq_nocase(span_sub(text, i, 3), SPAN("=09")))
				return false;
		}
		return true;
	}
	buf_init(&b, text.len + 4);
	if (enc_get_base64(&b, text))
		is_safe = !span_has_line_break(buf_span(&b));
	buf_fini(&b);
	return is_safe;
}

bool submission_are_words_safe(struct span raw)
{
	ptrdiff_t at;

	while ((at = span_find_span(raw, SPAN("=?"))) >= 0) {
		struct span rest = span_skip(raw, (size_t)at + 2), charset, coding, text;
		ptrdiff_t end;

		raw = rest;
		if (!span_cut(rest, '?', &charset, &rest) || !span_cut(rest, '?', &coding, &rest))
			continue;
		end = span_find_span(rest, SPAN("?="));
		text = span_sub(rest, 0, end < 0 ? rest.len : (size_t)end);
		if (!is_text_safe(coding, text))
			return false;
	}
	return true;
}
