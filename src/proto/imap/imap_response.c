#include "proto/imap/imap_response.h"

#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/imap/imap_name_syntax.h"

/* ---- words ---- */

static bool is_atom_char(unsigned char c)
{
	return c > ' ' && c != 0x7f && !strchr("(){\"", c);
}

static struct imap_word bad(struct imap_words *w)
{
	w->rest = SPAN_NONE;
	return (struct imap_word){.kind = IMAP_WORD_BAD};
}

/* RFC 9051 section 9, quoted: only '"' and '\' are quoted, by '\'; servers quote others as well. */
static struct imap_word take_quoted(struct imap_words *w)
{
	struct span in = span_skip(w->rest, 1);
	bool is_escaped = false;
	size_t n = 0;

	while (n < in.len && in.ptr[n] != '"') {
		if (in.ptr[n] == '\\') {
			is_escaped = true;
			n++;
		}
		if (n < in.len && (in.ptr[n] == '\r' || in.ptr[n] == '\n'))
			return bad(w);
		n++;
	}
	if (n >= in.len)
		return bad(w);
	struct imap_word word = {.kind = IMAP_WORD_STRING, .text = span_sub(in, 0, n)};
	w->rest = span_skip(in, n + 1);
	if (!is_escaped)
		return word;
	char *to = arena_alloc(w->a, n + 1);
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		if (in.ptr[i] == '\\')
			i++;
		to[len++] = in.ptr[i];
	}
	word.text = span_of(to, len);
	return word;
}

static struct imap_word take_literal(struct imap_words *w)
{
	ptrdiff_t lf = span_find(w->rest, '\n');
	uint64_t size;
	size_t at;
	struct span line = span_sub(w->rest, 0, lf < 0 ? 0 : (size_t)lf);

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	struct span rest = span_skip(w->rest, (size_t)lf + 1);
	if (lf < 0 || !imap_response_literal(line, &size, &at) || at != 0 || size > rest.len)
		return bad(w);
	w->rest = span_skip(rest, (size_t)size);
	return (struct imap_word){
		.kind = IMAP_WORD_STRING, .text = span_sub(rest, 0, (size_t)size)};
}

/* An atom; "BODY[HEADER.FIELDS (A B)]<0>" is one. */
static struct imap_word take_atom(struct imap_words *w)
{
	struct span in = w->rest;
	bool is_in = false;
	size_t n = 0;

	for (; n < in.len; n++) {
		unsigned char c = (unsigned char)in.ptr[n];

		if (c == '\r' || c == '\n')
			break;
		if (c == '[')
			is_in = true;
		else if (c == ']')
			is_in = false;
		else if (!is_in && !is_atom_char(c))
			break;
	}
	if (!n || is_in)
		return bad(w);
	w->rest = span_skip(in, n);
	return (struct imap_word){.kind = IMAP_WORD_ATOM, .text = span_sub(in, 0, n)};
}

static struct imap_word take_paren(struct imap_words *w, bool is_open)
{
	if (is_open ? w->depth >= IMAP_RESPONSE_DEPTH_MAX : !w->depth)
		return bad(w);
	w->depth = is_open ? w->depth + 1 : w->depth - 1;
	w->rest = span_skip(w->rest, 1);
	return (struct imap_word){.kind = is_open ? IMAP_WORD_OPEN : IMAP_WORD_CLOSE};
}

struct imap_word imap_word_next(struct imap_words *w)
{
	struct imap_word word;
	bool has_blank = false;

	while (w->rest.len && w->rest.ptr[0] == ' ') {
		has_blank = true;
		w->rest = span_skip(w->rest, 1);
	}
	if (!w->rest.len)
		return (struct imap_word){.kind = IMAP_WORD_END};
	switch (w->rest.ptr[0]) {
	case '(': word = take_paren(w, true); break;
	case ')': word = take_paren(w, false); break;
	case '"': word = take_quoted(w); break;
	case '{': word = take_literal(w); break;
	case '~':
		word = w->rest.len > 1 && w->rest.ptr[1] == '{' ? take_literal(w) : take_atom(w);
		break;
	default: word = take_atom(w); break;
	}
	word.has_blank = has_blank;
	return word;
}

bool imap_words_skip_list(struct imap_words *w)
{
	unsigned depth = w->depth;
	struct imap_word word;

	while (depth && w->depth >= depth) {
		word = imap_word_next(w);
		if (word.kind == IMAP_WORD_END || word.kind == IMAP_WORD_BAD)
			return false;
	}
	return true;
}

bool imap_response_literal(struct span line, uint64_t *size_r, size_t *at_r)
{
	ptrdiff_t open;

	if (line.len < 3 || line.ptr[line.len - 1] != '}')
		return false;
	open = span_rfind(line, '{');
	if (open < 0 ||
		!span_u64(span_sub(line, (size_t)open + 1, line.len - (size_t)open - 2), size_r))
		return false;
	if (open > 0 && line.ptr[open - 1] == '~')
		open--;
	*at_r = (size_t)open;
	return true;
}

/* ---- one response ---- */

static const struct {
	const char *name;
	enum imap_said said;
} states[] = {{"OK", IMAP_SAID_OK}, {"NO", IMAP_SAID_NO}, {"BAD", IMAP_SAID_BAD},
	{"PREAUTH", IMAP_SAID_PREAUTH}, {"BYE", IMAP_SAID_BYE}};

static void parse_status(struct imap_response *r, struct span rest)
{
	struct span inside;
	ptrdiff_t end = span_find(rest, ']');

	rest = span_trim(rest);
	r->text = rest;
	end = span_find(rest, ']');
	if (!span_starts(rest, SPAN("[")) || end < 0)
		return;
	inside = span_sub(rest, 1, (size_t)end - 1);
	/* "[PERMANENTFLAGS (a [b)]" and "[BADCHARSET …]" hold no "]" in what we look at */
	span_cut(inside, ' ', &r->code, &r->args);
	r->text = span_trim(span_skip(rest, (size_t)end + 1));
}

int imap_response_parse(struct arena *a, struct span text, struct imap_response *r, struct err *e)
{
	struct span word, rest;
	uint64_t n;

	*r = (struct imap_response){0};
	if (!span_cut(text, ' ', &r->tag, &rest) && !span_eq(r->tag, SPAN("+")))
		return err_set(e, ERR_SYNTAX, "a response without words: " SPAN_FMT,
			SPAN_ARG(span_sub(text, 0, 60)));
	if (span_eq(r->tag, SPAN("+"))) {
		r->text = span_trim(rest);
		return 0;
	}
	span_cut(rest, ' ', &word, &rest);
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (span_eq_nocase(word, span_str(states[i].name))) {
			r->said = states[i].said;
			parse_status(r, rest);
			return 0;
		}
	}
	if (!span_eq(r->tag, SPAN("*")))
		return err_set(e, ERR_SYNTAX, "a reply that is none: " SPAN_FMT,
			SPAN_ARG(span_sub(text, 0, 60)));
	if (span_u64_max(word, UINT32_MAX, &n)) {
		r->has_number = true;
		r->number = (uint32_t)n;
		r->words = (struct imap_words){.a = a, .rest = rest};
		r->name = imap_word_next(&r->words).text;
	} else {
		r->name = span_trim(word);
		r->words = (struct imap_words){.a = a, .rest = rest};
	}
	return 0;
}

/* ---- FETCH ---- */

static int parse_flags(struct imap_words *w, struct span *flags_r, struct err *e)
{
	struct buf *b = arena_buf(w->a, IMAP_RESPONSE_LINE_MAX);
	struct imap_word word = imap_word_next(w);

	if (word.kind != IMAP_WORD_OPEN)
		return err_set(e, ERR_SYNTAX, "FLAGS without a list");
	while ((word = imap_word_next(w)).kind == IMAP_WORD_ATOM) {
		if (span_eq_nocase(word.text, SPAN("\\Recent")))
			continue;
		if (buf_len(b))
			buf_char(b, ' ');
		buf_span_put(b, word.text);
	}
	*flags_r = buf_span(b);
	return word.kind == IMAP_WORD_CLOSE ? 0 : err_set(e, ERR_SYNTAX, "flags that are none");
}

/* "(12345)" */
static int parse_modseq(struct imap_words *w, uint64_t *modseq_r, struct err *e)
{
	struct imap_word open = imap_word_next(w), n = imap_word_next(w), end = imap_word_next(w);

	if (open.kind != IMAP_WORD_OPEN || n.kind != IMAP_WORD_ATOM ||
		end.kind != IMAP_WORD_CLOSE || !span_u64(n.text, modseq_r))
		return err_set(e, ERR_SYNTAX, "MODSEQ without its number");
	return 0;
}

static int parse_labels(struct imap_words *w, struct imap_fetched *f, struct err *e)
{
	struct imap_word word = imap_word_next(w);

	if (word.kind != IMAP_WORD_OPEN)
		return err_set(e, ERR_SYNTAX, "labels without a list");
	f->has_labels = true;
	while ((word = imap_word_next(w)).kind == IMAP_WORD_ATOM || word.kind == IMAP_WORD_STRING)
		f->labels += !span_eq_nocase(word.text, SPAN("\\Important")) &&
			!span_eq_nocase(word.text, SPAN("\\Starred")) &&
			!span_eq_nocase(word.text, SPAN("\\Muted"));
	return word.kind == IMAP_WORD_CLOSE ? 0 : err_set(e, ERR_SYNTAX, "labels that are none");
}

static int parse_item(struct imap_words *w, struct span name, struct imap_fetched *f, struct err *e)
{
	struct imap_word value;
	uint64_t n;

	if (span_eq_nocase(name, SPAN("FLAGS"))) {
		f->has_flags = true;
		return parse_flags(w, &f->flags, e);
	}
	if (span_eq_nocase(name, SPAN("MODSEQ")))
		return parse_modseq(w, &f->modseq, e);
	if (span_eq_nocase(name, SPAN("X-GM-LABELS")))
		return parse_labels(w, f, e);
	value = imap_word_next(w);
	if (value.kind == IMAP_WORD_OPEN)
		return imap_words_skip_list(w) ? 0
					       : err_set(e, ERR_SYNTAX, "a list that does not end");
	if (value.kind != IMAP_WORD_ATOM && value.kind != IMAP_WORD_STRING)
		return err_set(e, ERR_SYNTAX, SPAN_FMT " without a value", SPAN_ARG(name));
	if (span_eq_nocase(name, SPAN("UID"))) {
		if (!span_u64_max(value.text, UINT32_MAX, &n) || !n)
			return err_set(e, ERR_SYNTAX, "a UID that is none");
		f->uid = (uint32_t)n;
	} else if (span_eq_nocase(name, SPAN("INTERNALDATE"))) {
		struct imap_date_time date;

		f->has_date = imap_date_time_parse(value.text, &date);
		f->date_sec = f->has_date ? date.unix_sec : 0;
	} else if (span_eq_nocase(name, SPAN("RFC822.SIZE"))) {
		span_u64(value.text, &f->size);
	} else if (span_eq_nocase(name, SPAN("BODY[]"))) {
		f->has_body = true;
		f->body = value.kind == IMAP_WORD_STRING ? value.text : SPAN_NONE; /* NIL */
	}
	return 0;
}

int imap_fetched_parse(struct imap_words *w, struct imap_fetched *f, struct err *e)
{
	struct imap_word word = imap_word_next(w);

	*f = (struct imap_fetched){0};
	if (word.kind != IMAP_WORD_OPEN)
		return err_set(e, ERR_SYNTAX, "FETCH without a list");
	while ((word = imap_word_next(w)).kind == IMAP_WORD_ATOM)
		if (parse_item(w, word.text, f, e) < 0)
			return -1;
	return word.kind == IMAP_WORD_CLOSE ? 0 : err_set(e, ERR_SYNTAX, "FETCH that does not end");
}

/* ---- LIST, NAMESPACE ---- */

static unsigned use_of(struct span flag)
{
	static const struct {
		const char *name;
		unsigned use;
	} uses[] = {{"\\All", IMAP_USE_ALL}, {"\\Archive", IMAP_USE_ARCHIVE},
		{"\\Drafts", IMAP_USE_DRAFTS}, {"\\Flagged", IMAP_USE_FLAGGED},
		{"\\Junk", IMAP_USE_JUNK}, {"\\Spam", IMAP_USE_JUNK}, {"\\Sent", IMAP_USE_SENT},
		{"\\Trash", IMAP_USE_TRASH}, {"\\Important", IMAP_USE_IMPORTANT},
		{"\\AllMail", IMAP_USE_ALL},
		{"\\Starred", IMAP_USE_FLAGGED}}; /* the last two: of Gmail's XLIST */

	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		if (span_eq_nocase(flag, span_str(uses[i].name)))
			return uses[i].use;
	return 0;
}

static struct span decode_name(struct arena *a, struct span wire, bool is_utf8)
{
	struct buf *b = arena_buf(a, wire.len * 4 + 16);

	if (is_utf8 || !imap_utf7_decode(b, wire))
		return wire;
	return buf_span(b);
}

int imap_listed_parse(struct imap_words *w, bool is_utf8, struct imap_listed *l, struct err *e)
{
	struct imap_word word = imap_word_next(w);

	*l = (struct imap_listed){0};
	if (word.kind != IMAP_WORD_OPEN)
		return err_set(e, ERR_SYNTAX, "LIST without its attributes");
	while ((word = imap_word_next(w)).kind == IMAP_WORD_ATOM) {
		l->use |= use_of(word.text);
		l->is_noselect = l->is_noselect || span_eq_nocase(word.text, SPAN("\\Noselect")) ||
			span_eq_nocase(word.text, SPAN("\\NonExistent"));
	}
	if (word.kind != IMAP_WORD_CLOSE)
		return err_set(e, ERR_SYNTAX, "LIST's attributes do not end");
	word = imap_word_next(w);
	if (word.kind == IMAP_WORD_STRING && word.text.len == 1)
		l->separator = word.text.ptr[0];
	else if (word.kind != IMAP_WORD_ATOM || !span_eq_nocase(word.text, SPAN("NIL")))
		return err_set(e, ERR_SYNTAX, "LIST without a separator");
	word = imap_word_next(w);
	if (word.kind != IMAP_WORD_ATOM && word.kind != IMAP_WORD_STRING)
		return err_set(e, ERR_SYNTAX, "LIST without a name");
	l->wire = word.text;
	l->name = decode_name(w->a, word.text, is_utf8);
	if (!l->wire.len || span_has_line_break(l->wire) || !utf8_is_valid(l->name))
		return err_set(e, ERR_SYNTAX, "a mailbox's name that is none");
	return 0;
}

/* One namespace, "(prefix separator …)", its parenthesis taken. */
static bool take_space(struct imap_words *w, struct span *prefix_r)
{
	struct imap_word word = imap_word_next(w);

	if (word.kind != IMAP_WORD_STRING)
		return false;
	*prefix_r = word.text;
	return imap_words_skip_list(w);
}

bool imap_namespaces_parse(struct imap_words *w, struct imap_namespaces *n)
{
	struct imap_word word;
	struct span prefix;

	*n = (struct imap_namespaces){0};
	for (int kind = 0; kind < 3; kind++) {
		word = imap_word_next(w);
		if (word.kind == IMAP_WORD_ATOM && span_eq_nocase(word.text, SPAN("NIL")))
			continue;
		if (word.kind != IMAP_WORD_OPEN)
			return false;
		for (int i = 0; (word = imap_word_next(w)).kind == IMAP_WORD_OPEN; i++) {
			if (!take_space(w, &prefix))
				return false;
			if (kind == 0 && i == 0)
				n->personal = prefix;
			else if (kind > 0 && prefix.len && n->foreign_count < IMAP_FOREIGN_MAX)
				n->foreign[n->foreign_count++] = prefix;
		}
		if (word.kind != IMAP_WORD_CLOSE)
			return false;
	}
	return true;
}
