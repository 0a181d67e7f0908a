/* Which destinations a row is for, and which replies a pattern fits. */

#include <string.h>

#include "base/must.h"
#include "services/shape/shape_priv.h"

/* ---- words ---- */

static const char *const action_words[] = {
#define X(id, word, help) word,
	SHAPE_ACTIONS(X)
#undef X
};

const char *shape_action_str(enum shape_action a)
{
	MUST(a < SHAPE_ACTION_COUNT);
	return action_words[a];
}

bool shape_action_parse(struct span word, enum shape_action *a_r)
{
	for (unsigned i = 0; i < SHAPE_ACTION_COUNT; i++) {
		if (span_eq(word, span_str(action_words[i]))) {
			*a_r = (enum shape_action)i;
			return true;
		}
	}
	return false;
}

/* ---- destinations ------------------------------------------------------------------------------- */

#define RANK_STAR   1u
#define RANK_MX     0x1000u
#define RANK_BELOW  0x10000u
#define RANK_ITSELF 0x100000u

/* "host.example" or, with a leading dot, itself and all below. */
static bool is_host_below(struct span host, struct span name)
{
	if (name.len == 0 || name.ptr[0] != '.')
		return span_eq_nocase(host, name);
	return span_ends_nocase(host, name) || span_eq_nocase(host, span_skip(name, 1));
}

/* The hosts of a site's key: "mx:a.example,b.example|…". */
static bool has_host(struct span key, struct span name)
{
	ptrdiff_t end = span_find(key, '|');

	if (!span_starts(key, SPAN("mx:")))
		return false;
	key = span_sub(key, 3, (end < 0 ? key.len : (size_t)end) - 3);
	while (key.len) {
		ptrdiff_t comma = span_find(key, ',');
		struct span host = comma < 0 ? key : span_sub(key, 0, (size_t)comma);

		if (is_host_below(host, name))
			return true;
		key = comma < 0 ? SPAN_NONE : span_skip(key, (size_t)comma + 1);
	}
	return false;
}

/* Without what stands behind '|'. */
static struct span base_of(struct span destination)
{
	ptrdiff_t end = span_find(destination, '|');

	return end < 0 ? destination : span_sub(destination, 0, (size_t)end);
}

unsigned shape_match_rank(struct span match, struct span destination, struct span key)
{
	struct span base = base_of(destination);

	if (span_eq(match, SPAN("*")))
		return RANK_STAR;
	if (span_starts(match, SPAN("mx:")))
		return has_host(key, span_skip(match, 3)) ? RANK_MX + (unsigned)match.len : 0;
	if (span_starts(match, SPAN(".")))
		return span_ends_nocase(base, match) ? RANK_BELOW + (unsigned)match.len : 0;
	return span_eq_nocase(base, match) ? RANK_ITSELF : 0;
}

int shape_match_check(struct span match, struct err *e)
{
	bool is_word = match.len > 0 && match.len <= SHAPE_MATCH_MAX;

	for (size_t i = 0; i < match.len; i++)
		is_word = is_word && (unsigned char)match.ptr[i] > ' ' && match.ptr[i] != 0x7f &&
			match.ptr[i] != '|' && (match.ptr[i] != '*' || match.len == 1);
	if (is_word && !span_eq(match, SPAN("mx:")) && !span_eq(match, SPAN(".")) &&
		!span_eq(match, SPAN("mx:.")))
		return 0;
	return err_set(e, ERR_SYNTAX,
		"'" SPAN_FMT
		"' is no match; it is a domain, .domain for all below it, mx:.domain for "
		"whose hosts lie there, a fixed next hop ([host.example]:25), or *",
		SPAN_ARG(span_sub(match, 0, 80)));
}

/* ---- replies ------------------------------------------------------------------------------------ */

struct pattern {
	struct span code;     /* "421", "4xx"; "" any */
	struct span enhanced; /* "4.7.x"; "" any */
	size_t count;
	struct span pieces[SHAPE_PIECES_MAX];
};

static bool is_digit_or_x(char c)
{
	return (c >= '0' && c <= '9') || c == 'x' || c == 'X';
}

static bool is_code(struct span s)
{
	return s.len == 3 && (s.ptr[0] == '4' || s.ptr[0] == '5') && is_digit_or_x(s.ptr[1]) &&
		is_digit_or_x(s.ptr[2]);
}

static bool is_enhanced(struct span s)
{
	unsigned dots = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '.')
			dots++;
		else if (!is_digit_or_x(s.ptr[i]))
			return false;
	}
	return dots == 2 && s.ptr[0] != '.' && s.ptr[s.len - 1] != '.';
}

static struct span word_of(struct span s)
{
	ptrdiff_t space = span_find(s, ' ');

	return space < 0 ? s : span_sub(s, 0, (size_t)space);
}

static struct span behind(struct span s, struct span word)
{
	s = span_skip(s, word.len);
	while (s.len && s.ptr[0] == ' ')
		s = span_skip(s, 1);
	return s;
}

static bool cut(struct span text, struct pattern *p)
{
	*p = (struct pattern){0};
	if (is_code(word_of(text))) {
		p->code = word_of(text);
		text = behind(text, p->code);
	}
	if (is_enhanced(word_of(text))) {
		p->enhanced = word_of(text);
		text = behind(text, p->enhanced);
	}
	while (text.len) {
		ptrdiff_t star = span_find(text, '*');
		struct span piece = star < 0 ? text : span_sub(text, 0, (size_t)star);

		if (piece.len) {
			if (p->count == SHAPE_PIECES_MAX)
				return false;
			p->pieces[p->count++] = piece;
		}
		text = star < 0 ? SPAN_NONE : span_skip(text, (size_t)star + 1);
	}
	return p->code.len || p->enhanced.len || p->count;
}

int shape_pattern_check(struct span pattern, struct err *e)
{
	struct pattern p;

	if (pattern.len <= SHAPE_PATTERN_MAX && !span_has_line_break(pattern) &&
		span_find(pattern, 0) < 0 && cut(pattern, &p))
		return 0;
	return err_set(e, ERR_SYNTAX,
		"'" SPAN_FMT
		"' is no pattern; it is a code (421, 4xx), an enhanced code (4.7.x), or "
		"text with * between at most %d pieces, up to %d octets",
		SPAN_ARG(span_sub(pattern, 0, 80)), SHAPE_PIECES_MAX, SHAPE_PATTERN_MAX);
}

/* 'x' stands for any digits up to the next dot. */
static bool fits_digits(struct span pattern, struct span digits)
{
	size_t i = 0, k = 0;

	while (i < pattern.len && k < digits.len) {
		if ((pattern.ptr[i] | 0x20) == 'x') {
			if (digits.ptr[k] < '0' || digits.ptr[k] > '9')
				return false;
			k++;
			if (i + 1 == pattern.len || pattern.ptr[i + 1] == '.') {
				while (k < digits.len && digits.ptr[k] != '.')
					k++;
			}
		} else if (pattern.ptr[i] != digits.ptr[k++]) {
			return false;
		}
		i++;
	}
	return i == pattern.len && k == digits.len;
}

/* Where a piece ends in the text, or -1. A piece is short, so this is linear in the text. */
static ptrdiff_t end_of(struct span text, struct span piece)
{
	for (size_t i = 0; i + piece.len <= text.len; i++) {
		if (span_eq_nocase(span_sub(text, i, piece.len), piece))
			return (ptrdiff_t)(i + piece.len);
	}
	return -1;
}

bool shape_pattern_fits(struct span pattern, unsigned code, struct span enhanced, struct span text)
{
	struct pattern p;
	char digits[3] = {(char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10),
		(char)('0' + code % 10)};

	if (!cut(pattern, &p))
		return false;
	if (p.code.len && !fits_digits(p.code, span_of(digits, 3)))
		return false;
	if (p.enhanced.len && !fits_digits(p.enhanced, enhanced))
		return false;
	/* The leftmost place of each piece leaves most for the next: no going back. */
	for (size_t i = 0; i < p.count; i++) {
		ptrdiff_t end = end_of(text, p.pieces[i]);

		if (end < 0)
			return false;
		text = span_skip(text, (size_t)end);
	}
	return true;
}
