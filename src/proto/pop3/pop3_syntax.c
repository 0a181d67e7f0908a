#include "proto/pop3/pop3_syntax.h"

#include <string.h>

#include "base/must.h"

static const struct {
	const char *name;
	enum pop3_args args;
} verbs[POP3_VERB_COUNT] = {
#define X(id, name, args) [POP3_##id] = {name, args},
	POP3_VERBS(X)
#undef X
};

static const char *const codes[POP3_CODE_COUNT] = {
#define X(id, text) [POP3_CODE_##id] = text,
	POP3_CODES(X)
#undef X
};

const char *pop3_verb_str(enum pop3_verb v)
{
	return verbs[v].name;
}

const char *pop3_code_str(enum pop3_code c)
{
	return codes[c];
}

static enum pop3_verb verb_of(struct span word)
{
	for (int v = POP3_UNKNOWN + 1; v < POP3_VERB_COUNT; v++) {
		if (span_eq_nocase(word, span_str(verbs[v].name)))
			return (enum pop3_verb)v;
	}
	return POP3_UNKNOWN;
}

/* Zeros in front are a client's matter (RFC 1939 says nothing of them). */
static bool number(struct span text, uint32_t *n_r)
{
	uint64_t n;

	if (!span_u64_max(text, POP3_NUMBER_MAX, &n))
		return false;
	*n_r = (uint32_t)n;
	return true;
}

static int bad(struct err *e, const char *why)
{
	return err_set(e, ERR_SYNTAX, "%s", why);
}

static int parse_words(struct span rest, struct pop3_command *c, struct err *e)
{
	c->text = span_word(&rest);
	rest = span_trim(rest);
	if (rest.len)
		c->second = rest;
	return span_find(rest, ' ') < 0 ? 0 : bad(e, "too many arguments");
}

static int parse_args(enum pop3_args args, struct span rest, struct pop3_command *c, struct err *e)
{
	struct span given = span_trim(rest), first = span_word(&rest);

	rest = span_trim(rest);
	switch (args) {
	case POP3_ARGS_NONE: return given.len ? bad(e, "this command takes no arguments") : 0;
	case POP3_ARGS_MAYBE_NUMBER:
		if (!given.len)
			return 0;
		/* fall through */
	case POP3_ARGS_NUMBER:
		c->has_number = number(first, &c->number);
		return c->has_number && !rest.len ? 0 : bad(e, "the number of a message is needed");
	case POP3_ARGS_NUMBER_LINES:
		c->has_number = number(first, &c->number);
		return c->has_number && number(rest, &c->lines)
			? 0
			: bad(e, "the number of a message and a number of lines are needed");
	case POP3_ARGS_MAYBE_WORDS: return parse_words(given, c, e);
	case POP3_ARGS_TEXT: break;
	}
	return c->text.len ? 0 : bad(e, "an argument is needed");
}

int pop3_command_parse(struct span line, struct pop3_command *c_r, struct err *e)
{
	struct span rest = line;

	*c_r = (struct pop3_command){.verb = POP3_UNKNOWN};
	if (span_has_line_break(line))
		return bad(e, "NUL, CR or LF within a line");
	/* RFC 1939 section 3: one blank parts verb and argument; a password may begin or end with more */
	if (!span_cut(line, ' ', &rest, &c_r->text)) {
		rest = line;
		c_r->text = SPAN_NONE;
	}
	c_r->verb = verb_of(rest);
	if (c_r->verb == POP3_UNKNOWN)
		return bad(e, "unknown command");
	rest = c_r->text;
	if (verbs[c_r->verb].args != POP3_ARGS_TEXT)
		c_r->text = SPAN_NONE;
	return parse_args(verbs[c_r->verb].args, rest, c_r, e);
}

/* ---- a message on its way out ---- */

bool pop3_stuff_next(struct pop3_stuff *f, struct span *octets, struct span *piece_r)
{
	const char *end;

	if (!octets->len)
		return false;
	if (!f->is_within && octets->ptr[0] == '.' && !f->is_stuffed) {
		f->is_stuffed = true;
		*piece_r = SPAN(".");
		return true;
	}
	f->is_stuffed = false;
	/* Up to where the next dot is due: seldom, so that most is given in one piece. */
	end = memmem(octets->ptr, octets->len, "\n.", 2);
	*piece_r = span_sub(*octets, 0, end ? (size_t)(end - octets->ptr) + 1 : octets->len);
	*octets = span_skip(*octets, piece_r->len);
	f->is_within = piece_r->ptr[piece_r->len - 1] != '\n';
	f->has_cr = piece_r->ptr[piece_r->len - 1] == '\r';
	return true;
}

struct span pop3_stuff_end(const struct pop3_stuff *f)
{
	if (!f->is_within)
		return SPAN(".\r\n");
	return f->has_cr ? SPAN("\n.\r\n") : SPAN("\r\n.\r\n");
}

size_t pop3_top_take(struct pop3_top *t, struct span octets)
{
	size_t at = 0;

	while (at < octets.len && !t->is_done) {
		struct span rest = span_skip(octets, at);
		ptrdiff_t lf = span_find(rest, '\n');
		size_t n = lf < 0 ? rest.len : (size_t)lf;
		/* an empty line: nothing, or a CR alone, before the LF */
		bool is_cr = !t->is_begun && n == 1 && rest.ptr[0] == '\r';
		bool is_empty = lf >= 0 &&
			((!t->is_begun && (n == 0 || is_cr)) || (t->has_cr && n == 0));

		at += lf < 0 ? n : n + 1;
		if (lf < 0) {
			t->has_cr = is_cr;
			t->is_begun = true;
			break;
		}
		t->is_begun = t->has_cr = false;
		if (t->is_body)
			t->lines--;
		else
			t->is_body = is_empty;
		t->is_done = t->is_body && t->lines == 0;
	}
	return at;
}
