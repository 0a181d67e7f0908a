#include "proto/smtp/smtp_syntax.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/smtp/smtp_syntax_priv.h"

static bool is_let_dig(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 5322 section 3.2.3 */
static bool is_atext(unsigned char c)
{
	return is_let_dig(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Octets of one character above ASCII at `i`, where RFC 6531 section 3.3 lets one stand; else 0. */
static size_t take_utf8(struct span s, size_t i, bool is_utf8)
{
	if (!is_utf8 || i >= s.len || !((unsigned char)s.ptr[i] & 0x80))
		return 0;
	return utf8_length_at(span_skip(s, i));
}

/* Dot-string = Atom *("." Atom) */
static size_t take_dot_string(struct span s, bool is_utf8)
{
	size_t i = 0, atom = 0, n;

	while (i < s.len) {
		if (is_atext((unsigned char)s.ptr[i])) {
			i++;
			atom++;
		} else if ((n = take_utf8(s, i, is_utf8)) > 0) {
			i += n;
			atom += n;
		} else if (s.ptr[i] == '.' && atom > 0) {
			i++;
			atom = 0;
		} else {
			break;
		}
	}
	return atom ? i : 0; /* not empty, and no dot at the end */
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE */
static size_t take_quoted_string(struct span s, bool is_utf8)
{
	size_t i = 1, n;

	while (i < s.len) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '"')
			return i + 1;
		if (c == '\\') { /* quoted-pairSMTP = %d92 %d32-126 */
			if (i + 1 >= s.len || s.ptr[i + 1] < ' ' || s.ptr[i + 1] > '~')
				return 0;
			i += 2;
		} else if (c >= ' ' && c <= '~') { /* qtextSMTP */
			i++;
		} else if ((n = take_utf8(s, i, is_utf8)) > 0) {
			i += n;
		} else {
			return 0;
		}
	}
	return 0;
}

/* sub-domain = Let-dig [Ldh-str], or a U-label (RFC 6531 section 3.3) */
static size_t take_label(struct span s, bool is_utf8)
{
	size_t i = 0, n;
	bool is_ascii = true;

	while (i < s.len) {
		if (is_let_dig((unsigned char)s.ptr[i]) || (s.ptr[i] == '-' && i > 0)) {
			i++;
		} else if ((n = take_utf8(s, i, is_utf8)) > 0) {
			i += n;
			is_ascii = false;
		} else {
			break;
		}
	}
	if (i == 0 || s.ptr[i - 1] == '-' || (is_ascii && i > SMTP_LABEL_MAX))
		return 0;
	return i;
}

/* IPv4-address-literal = Snum 3("."  Snum) */
static bool is_ipv4(struct span s)
{
	struct span part, rest = s;
	uint64_t v;

	for (int i = 0; i < 4; i++) {
		bool has_dot = span_cut(rest, '.', &part, &rest);

		if (has_dot != (i < 3) || part.len > 3 || !span_u64_max(part, 255, &v))
			return false;
	}
	return true;
}

static bool is_ipv6(struct span s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (s.len == 0 || s.len >= sizeof(text) || memchr(s.ptr, 0, s.len))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	return inet_pton(AF_INET6, text, &addr) == 1;
}

/* RFC 5321 section 4.1.3: what stands between the brackets. A General-address-literal needs a tag
 * that a standard has registered, and none but IPv6 ever was: it is refused. */
static bool is_literal(struct span s)
{
	if (span_starts_nocase(s, SPAN("IPv6:")))
		return is_ipv6(span_skip(s, 5));
	return is_ipv4(s);
}

size_t smtp_domain_take(struct span s, bool is_utf8)
{
	size_t i = 0, n;

	if (s.len && s.ptr[0] == '[') {
		ptrdiff_t end = span_find(s, ']');

		if (end < 0 || end >= SMTP_DOMAIN_MAX ||
			!is_literal(span_sub(s, 1, (size_t)end - 1)))
			return 0;
		return (size_t)end + 1;
	}
	for (;;) {
		n = take_label(span_skip(s, i), is_utf8);
		if (n == 0)
			return 0;
		i += n;
		if (i >= s.len || s.ptr[i] != '.')
			break;
		i++;
	}
	return i <= SMTP_DOMAIN_MAX ? i : 0; /* RFC 5321 section 4.5.3.1.2 */
}

bool smtp_domain_is_valid(struct span text, bool is_utf8_allowed)
{
	return text.len > 0 && smtp_domain_take(text, is_utf8_allowed) == text.len;
}

size_t smtp_mailbox_take(struct span s, bool is_utf8, struct smtp_address *a_r)
{
	size_t local, domain;

	memset(a_r, 0, sizeof(*a_r));
	if (s.len && s.ptr[0] == '"')
		local = take_quoted_string(s, is_utf8);
	else
		local = take_dot_string(s, is_utf8);
	if (local == 0 || local > SMTP_LOCAL_PART_MAX)
		return 0;
	a_r->local = span_sub(s, 0, local);
	if (local >= s.len || s.ptr[local] != '@') {
		/* RFC 5321 section 4.1.1.3: "<Postmaster>" is the one path without a domain. */
		if (!span_eq_nocase(a_r->local, SPAN("postmaster")))
			return 0;
		a_r->whole = a_r->local;
		a_r->domain = span_sub(s, local, 0);
		return local;
	}
	domain = smtp_domain_take(span_skip(s, local + 1), is_utf8);
	/* RFC 5321 section 4.5.3.1.3, less the two angle brackets */
	if (domain == 0 || local + 1 + domain > SMTP_PATH_MAX - 2)
		return 0;
	a_r->domain = span_sub(s, local + 1, domain);
	a_r->whole = span_sub(s, 0, local + 1 + domain);
	a_r->is_utf8 = !span_is_ascii(a_r->whole);
	return a_r->whole.len;
}

int smtp_address_trouble(struct span text, bool is_utf8, bool is_sender, struct err *e)
{
	const char *who = is_sender ? "sender" : "recipient";

	/* RFC 6531 section 3.5 */
	if (!is_utf8 && !span_is_ascii(text) && utf8_is_valid(text)) {
		err_set(e, ERR_SYNTAX, "Address is not ASCII and SMTPUTF8 was not asked for");
		err_smtp(e, 553, 5, 6, 7);
	} else {
		err_set(e, ERR_SYNTAX, "Bad %s address syntax", who);
		err_smtp(e, 501, 5, 1, is_sender ? 7 : 3);
	}
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

int smtp_address_parse(
	struct span text, bool is_utf8_allowed, struct smtp_address *a_r, struct err *e)
{
	size_t n = smtp_mailbox_take(text, is_utf8_allowed, a_r);

	if (n > 0 && n == text.len)
		return 0;
	memset(a_r, 0, sizeof(*a_r));
	return smtp_address_trouble(text, is_utf8_allowed, false, e);
}

struct span smtp_local_unquote(struct arena *a, struct span local)
{
	char *out;
	size_t n = 0;

	if (local.len < 2 || local.ptr[0] != '"' || local.ptr[local.len - 1] != '"')
		return arena_span(a, local);
	out = arena_alloc(a, local.len);
	for (size_t i = 1; i + 1 < local.len; i++) {
		if (local.ptr[i] == '\\' && i + 2 < local.len)
			i++;
		out[n++] = local.ptr[i];
	}
	return span_of(out, n);
}
