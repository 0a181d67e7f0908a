#include "proto/imap/imap_syntax_priv.h"

#include <string.h>

#include "base/utf8.h"

void imap_lex_init(struct imap_lex *l, struct arena *a, struct span in,
	const struct imap_dialect *d, struct err *e)
{
	*l = (struct imap_lex){.a = a, .in = in, .d = d, .e = e};
}

int imap_lex_expected(struct imap_lex *l, const char *what)
{
	return err_set(l->e, ERR_SYNTAX, "Expected %s at octet %zu", what, l->at + 1);
}

int imap_lex_too_many(struct imap_lex *l, const char *what, uint64_t max)
{
	return err_set(
		l->e, ERR_LIMIT, "Too many %s (at most %llu)", what, (unsigned long long)max);
}

bool imap_lex_at_end(const struct imap_lex *l)
{
	return l->at >= l->in.len;
}

int imap_lex_peek(const struct imap_lex *l)
{
	return imap_lex_at_end(l) ? -1 : (unsigned char)l->in.ptr[l->at];
}

bool imap_lex_try(struct imap_lex *l, char c)
{
	if (imap_lex_peek(l) != (unsigned char)c)
		return false;
	l->at++;
	return true;
}

int imap_lex_char(struct imap_lex *l, char c, const char *what)
{
	return imap_lex_try(l, c) ? 0 : imap_lex_expected(l, what);
}

/* One blank is the grammar (RFC 9051 section 9, note 3); several come from hands and from some
 * programs, and cannot mean anything else. */
static bool blanks(struct imap_lex *l)
{
	size_t from = l->at;

	while (imap_lex_try(l, ' '))
		;
	return l->at > from;
}

int imap_lex_space(struct imap_lex *l)
{
	return blanks(l) ? 0 : imap_lex_expected(l, "a blank and another argument");
}

bool imap_lex_more(struct imap_lex *l)
{
	size_t from = l->at;

	if (blanks(l) && !imap_lex_at_end(l) && imap_lex_peek(l) != ')')
		return true;
	/* blanks before ")" and at the end mean nothing */
	if (!imap_lex_at_end(l) && imap_lex_peek(l) != ')')
		l->at = from;
	return false;
}

int imap_lex_end(struct imap_lex *l)
{
	blanks(l);
	return imap_lex_at_end(l) ? 0 : imap_lex_expected(l, "the end of the command");
}

int imap_lex_deeper(struct imap_lex *l)
{
	if (++l->depth <= IMAP_DEPTH_MAX)
		return 0;
	return err_set(l->e, ERR_LIMIT, "Nested too deeply (at most %d levels)", IMAP_DEPTH_MAX);
}

int imap_lex_open(struct imap_lex *l, const char *what)
{
	if (imap_lex_char(l, '(', what) < 0)
		return -1;
	blanks(l);
	return imap_lex_deeper(l);
}

int imap_lex_close(struct imap_lex *l)
{
	blanks(l);
	l->depth--;
	return imap_lex_char(l, ')', "\")\"");
}

void *imap_lex_room(struct imap_lex *l, void *items, size_t count, size_t size)
{
	void *more;

	if (count != 0 && (count < 4 || (count & (count - 1))))
		return items;
	more = arena_alloc_array(l->a, size, count ? 2 * count : 4);
	if (count)
		memcpy(more, items, count * size);
	return more;
}

/* ATOM-CHAR = any CHAR except atom-specials (RFC 9051 section 9) */
static bool is_atom_char(unsigned char c)
{
	return c > ' ' && c < 0x7f && !strchr("(){%*\"\\]", c);
}

bool imap_is_atom(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_atom_char((unsigned char)s.ptr[i]))
			return false;
	return s.len > 0;
}

bool imap_is_keyword(struct span s)
{
	return s.len <= IMAP_KEYWORD_MAX && imap_is_atom(s);
}

int imap_lex_atom(struct imap_lex *l, const char *what, struct span *s_r)
{
	size_t n = 0;

	while (l->at + n < l->in.len && is_atom_char((unsigned char)l->in.ptr[l->at + n]))
		n++;
	if (n == 0)
		return imap_lex_expected(l, what);
	if (n > IMAP_WORD_MAX)
		return err_set(l->e, ERR_LIMIT, "%s longer than %d octets", what, IMAP_WORD_MAX);
	*s_r = span_sub(l->in, l->at, n);
	l->at += n;
	return 0;
}

static bool is_word_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c && strchr(".-_=\\", c));
}

struct span imap_lex_word_ahead(const struct imap_lex *l)
{
	size_t n = 0;

	while (l->at + n < l->in.len && is_word_char((unsigned char)l->in.ptr[l->at + n]))
		n++;
	return span_sub(l->in, l->at, n);
}

bool imap_lex_try_word(struct imap_lex *l, const char *word)
{
	struct span s = imap_lex_word_ahead(l);

	if (!span_eq_nocase(s, span_str(word)))
		return false;
	l->at += s.len;
	return true;
}

/* literal = "{" number64 ["+"] "}", literal8 with "~" before it (RFC 9051 section 9, RFC 7888) */
static size_t literal_head(struct span s, struct imap_literal *lit_r)
{
	size_t i = 0, digits = 0;
	uint64_t n = 0;

	*lit_r = (struct imap_literal){.is_sync = true};
	if (i < s.len && s.ptr[i] == '~') {
		lit_r->is_binary = true;
		i++;
	}
	if (i >= s.len || s.ptr[i++] != '{')
		return 0;
	for (; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++, digits++) {
		uint64_t d = (uint64_t)(s.ptr[i] - '0');

		n = n > (UINT64_MAX - d) / 10 ? UINT64_MAX : n * 10 + d;
	}
	if (i < s.len && s.ptr[i] == '+') {
		lit_r->is_sync = false;
		i++;
	}
	if (digits == 0 || i >= s.len || s.ptr[i++] != '}')
		return 0;
	lit_r->size = n;
	return i;
}

bool imap_literal_at_end(struct span line, struct imap_literal *lit_r)
{
	ptrdiff_t at;
	size_t from;

	if (line.len < 3 || line.ptr[line.len - 1] != '}')
		return false;
	at = span_rfind(line, '{');
	if (at < 0)
		return false;
	from = (size_t)at;
	if (from > 0 && line.ptr[from - 1] == '~')
		from--;
	/* A literal is an argument of its own: what stands inside an atom or a string is none. */
	if (from > 0 && line.ptr[from - 1] != ' ' && line.ptr[from - 1] != '(')
		return false;
	if (literal_head(span_skip(line, from), lit_r) != line.len - from)
		return false;
	lit_r->at = from;
	return true;
}

bool imap_lex_try_literal_head(struct imap_lex *l, struct imap_literal *lit_r)
{
	size_t n = literal_head(span_skip(l->in, l->at), lit_r);

	if (n == 0)
		return false;
	lit_r->at = l->at;
	l->at += n;
	return true;
}

static int literal(struct imap_lex *l, bool is_binary, struct span *s_r)
{
	size_t from = l->at;
	struct imap_literal lit;
	struct span rest;

	if (!imap_lex_try_literal_head(l, &lit))
		return imap_lex_expected(l, "a literal");
	if (lit.is_binary && !is_binary) {
		l->at = from;
		return imap_lex_expected(l, "a string that is not a binary literal");
	}
	if (lit.size > IMAP_STRING_MAX)
		return err_set(l->e, ERR_LIMIT, "A string longer than %d octets", IMAP_STRING_MAX);
	rest = span_skip(l->in, l->at);
	l->is_cut = rest.len == 0;
	if (!span_starts(rest, SPAN("\r\n")) || rest.len - 2 < lit.size)
		return imap_lex_expected(l, "the octets of a literal");
	*s_r = span_sub(rest, 2, (size_t)lit.size);
	if (s_r->ptr == NULL)
		*s_r = SPAN("");
	/* CHAR8 is %x01-ff: only literal8 has NUL (RFC 9051 section 9) */
	if (!lit.is_binary && span_find(*s_r, '\0') >= 0) {
		l->at = from;
		return imap_lex_expected(l, "a literal without NUL");
	}
	l->at += 2 + (size_t)lit.size;
	return 0;
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE; UTF-8 in it is of RFC 9051 and RFC 6855, and comes from others
 * too */
static int quoted(struct imap_lex *l, struct span *s_r)
{
	size_t from = l->at + 1, n = from, escapes = 0, k = 0;
	char *text;

	for (; n < l->in.len && l->in.ptr[n] != '"'; n++) {
		unsigned char c = (unsigned char)l->in.ptr[n];

		if (c == '\\' && n + 1 < l->in.len &&
			(l->in.ptr[n + 1] == '"' || l->in.ptr[n + 1] == '\\')) {
			n++;
			escapes++;
		} else if (c == '\\' || c == '\r' || c == '\n' || c == '\0') {
			l->at = n;
			return imap_lex_expected(l, "a character that a quoted string may hold");
		}
	}
	if (n >= l->in.len) {
		l->at = n;
		return imap_lex_expected(l, "the end of a quoted string");
	}
	if (n - from > IMAP_STRING_MAX)
		return err_set(l->e, ERR_LIMIT, "A string longer than %d octets", IMAP_STRING_MAX);
	*s_r = span_of(l->in.ptr + from, n - from);
	if (!span_is_ascii(*s_r) && !utf8_is_valid(*s_r)) {
		l->at = from;
		return imap_lex_expected(l, "UTF-8 in a quoted string");
	}
	l->at = n + 1;
	if (escapes == 0)
		return 0;
	text = arena_alloc(l->a, n - from);
	for (size_t i = from; i < n; i++) {
		i += l->in.ptr[i] == '\\';
		text[k++] = l->in.ptr[i];
	}
	*s_r = span_of(text, k);
	return 0;
}

static int string(struct imap_lex *l, const char *what, bool is_binary, struct span *s_r)
{
	int c = imap_lex_peek(l);

	if (c == '"')
		return quoted(l, s_r);
	if (c == '{' || (c == '~' && is_binary))
		return literal(l, is_binary, s_r);
	return imap_lex_expected(l, what);
}

int imap_lex_string(struct imap_lex *l, const char *what, struct span *s_r)
{
	return string(l, what, false, s_r);
}

int imap_lex_nstring(struct imap_lex *l, const char *what, bool is_binary, struct span *s_r)
{
	if (imap_lex_try_word(l, "NIL")) {
		*s_r = SPAN_NONE;
		return 0;
	}
	return string(l, what, is_binary, s_r);
}

/* astring = 1*ASTRING-CHAR / string; `also` are other characters that may stand bare */
static int bare_or_string(struct imap_lex *l, const char *what, const char *also, struct span *s_r)
{
	size_t n = 0;
	int c = imap_lex_peek(l);

	if (c == '"' || c == '{')
		return string(l, what, false, s_r);
	for (; l->at + n < l->in.len; n++) {
		unsigned char ch = (unsigned char)l->in.ptr[l->at + n];

		/* 8-bit octets stand bare in names that some programs send */
		if (!is_atom_char(ch) && ch < 0x80 && !(ch && strchr(also, ch)))
			break;
	}
	if (n == 0)
		return imap_lex_expected(l, what);
	if (n > IMAP_STRING_MAX)
		return err_set(l->e, ERR_LIMIT, "A string longer than %d octets", IMAP_STRING_MAX);
	*s_r = span_sub(l->in, l->at, n);
	if (!span_is_ascii(*s_r) && !utf8_is_valid(*s_r))
		return imap_lex_expected(l, what);
	l->at += n;
	return 0;
}

int imap_lex_astring(struct imap_lex *l, const char *what, struct span *s_r)
{
	return bare_or_string(l, what, "]", s_r);
}

int imap_lex_list_mailbox(struct imap_lex *l, struct span *s_r)
{
	return bare_or_string(l, "a mailbox name or pattern", "]%*", s_r);
}

int imap_lex_name(struct imap_lex *l, struct span *name_r)
{
	struct span wire;

	if (imap_lex_astring(l, "a mailbox name", &wire) < 0)
		return -1;
	*name_r = imap_name_decode(l->a, wire, l->d->is_utf8);
	return 0;
}

int imap_lex_number(struct imap_lex *l, const char *what, uint64_t min, uint64_t max, uint64_t *n_r)
{
	size_t n = 0;

	while (l->at + n < l->in.len && l->in.ptr[l->at + n] >= '0' && l->in.ptr[l->at + n] <= '9')
		n++;
	if (!span_u64_max(span_sub(l->in, l->at, n), max, n_r) || *n_r < min)
		return imap_lex_expected(l, what);
	l->at += n;
	return 0;
}

int imap_lex_set(struct imap_lex *l, bool is_saved_allowed, struct imap_set *set_r)
{
	size_t n = 0;
	int rc;

	while (l->at + n < l->in.len && strchr("0123456789:,*$", l->in.ptr[l->at + n]) &&
		l->in.ptr[l->at + n])
		n++;
	if (n == 0)
		return imap_lex_expected(l, "a sequence set");
	rc = imap_set_parse(l->a, span_sub(l->in, l->at, n), is_saved_allowed, set_r, l->e);
	if (rc < 0)
		return rc;
	l->at += n;
	return 0;
}

/* partial-range = partial-range-first / partial-range-last (RFC 9394 section 4) */
int imap_lex_partial(struct imap_lex *l, struct imap_partial *p_r)
{
	static const char what[] = "a range of PARTIAL (1:100 or -1:-100)";
	uint64_t low, high;
	bool is_from_end = imap_lex_try(l, '-');

	if (imap_lex_number(l, what, 1, UINT32_MAX, &low) < 0 || imap_lex_char(l, ':', what) < 0)
		return -1;
	if (is_from_end && imap_lex_char(l, '-', what) < 0)
		return -1;
	if (imap_lex_number(l, what, 1, UINT32_MAX, &high) < 0)
		return -1;
	*p_r = (struct imap_partial){.is_from_end = is_from_end,
		.low = (uint32_t)(low < high ? low : high),
		.high = (uint32_t)(low < high ? high : low)};
	return 0;
}
