#include "store/search_match.h"

#include <stdlib.h>
#include <string.h> /* memmem */

#include "base/mem.h"
#include "base/must.h"
#include "base/utf8.h"
#include "store/search_fold.h"

#define MATCHES_MAX 255
/* casemap and fold make at most 11 octets of one: what a text has room for, and a little more */
#define FORM_MAX ((size_t)SEARCH_TEXT_MAX * 11 + 4096)

/* In which form a text is compared: of one text each is made at most once. */
enum form {
	FORM_CASEMAP,
	FORM_FOLD,
	FORM_PLAIN, /* as it stands, with small ASCII letters */
	FORMS
};

struct word {
	struct span text;
	bool is_anywhere; /* characters that are words; else at the beginning of a word */
};

struct matcher_needle {
	struct search_needle as_asked;
	struct span casemap; /* SUBSTRING */
	struct word *words;  /* WORDS */
	size_t word_count;
	bool is_impossible; /* longer than any */
};

struct search_matcher {
	struct arena *a;
	struct matcher_needle needles[SEARCH_NEEDLES_MAX];
	size_t count;
	struct buf text[FORMS]; /* header, parts and body, in that order */
	size_t header_end[FORMS], parts_end[FORMS];
	bool is_made[FORMS];
	bool is_counted;  /* each occurrence; else that there is one is enough */
	struct buf value; /* of one field, in its form */
};

bool search_next_field(struct span *header, struct span *name_r, struct span *value_r)
{
	struct span line;

	if (!header->len)
		return false;
	span_cut(*header, '\n', &line, header);
	if (!span_cut(line, ':', name_r, value_r)) {
		*value_r = line;
		*name_r = SPAN_NONE;
	}
	*value_r = span_trim(*value_r);
	return true;
}

/* ---- needles ---- */

/* Blanks in a row are one: where a field was folded is nobody's business. */
static void put_compressed(struct buf *out, struct span text)
{
	bool is_blank = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == ' ' || c == '\t') {
			if (!is_blank)
				buf_char(out, ' ');
			is_blank = true;
			continue;
		}
		is_blank = false;
		buf_char(out, c);
	}
}

static void put_without_cr(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] != '\r' || i + 1 == text.len || text.ptr[i + 1] != '\n')
			buf_char(out, text.ptr[i]);
}

static bool is_header_field(enum search_field field)
{
	return field != SEARCH_TEXT && field != SEARCH_BODY;
}

static void needle_words(struct arena *a, struct matcher_needle *n)
{
	struct buf *folded = arena_buf(a, FORM_MAX);
	struct span rest, word;
	size_t max = 1;

	search_fold(folded, n->as_asked.text);
	rest = buf_span(folded);
	for (size_t i = 0; i < rest.len; i++)
		max += rest.ptr[i] == ' ';
	n->words = ARENA_ARRAY(a, struct word, max);
	while (search_next_word(&rest, &word)) {
		struct span s = word;
		uint32_t code, codes[SEARCH_FOLD_CODES];
		enum search_class class = SEARCH_WORD;

		if (utf8_take(&s, &code))
			search_fold_code(code, codes, &class);
		n->words[n->word_count++] = (struct word){word, class == SEARCH_CJK};
	}
}

static void needle_prepare(
	struct arena *a, struct matcher_needle *n, const struct search_needle *from)
{
	struct buf *plain = arena_buf(a, FORM_MAX), *mapped = arena_buf(a, FORM_MAX);

	n->as_asked = *from;
	n->as_asked.name = arena_span(a, from->name);
	n->as_asked.text = arena_span(a, from->text);
	n->is_impossible = from->text.len > SEARCH_TEXT_MAX;
	if (n->is_impossible)
		return;
	if (from->how == SEARCH_WORDS) {
		needle_words(a, n);
		return;
	}
	if (is_header_field(from->field))
		put_compressed(plain, from->text);
	else
		put_without_cr(plain, from->text);
	search_casemap(mapped, buf_span(plain));
	n->casemap = buf_span(mapped);
}

struct search_matcher *search_matcher_new(const struct search_needle *needles, size_t count)
{
	struct search_matcher *m = NEW(struct search_matcher);

	MUST(count <= SEARCH_NEEDLES_MAX);
	m->a = arena_new();
	m->count = count;
	for (size_t i = 0; i < count; i++)
		needle_prepare(m->a, &m->needles[i], &needles[i]);
	for (int i = 0; i < FORMS; i++)
		buf_init(&m->text[i], FORM_MAX);
	buf_init(&m->value, FORM_MAX);
	return m;
}

void search_matcher_free(struct search_matcher **m)
{
	struct search_matcher *x = *m;

	if (!x)
		return;
	for (int i = 0; i < FORMS; i++)
		buf_fini(&x->text[i]);
	buf_fini(&x->value);
	arena_free(&x->a);
	free(x);
	*m = NULL;
}

bool search_matcher_wants_body(const struct search_matcher *m, uint32_t asked)
{
	for (size_t i = 0; i < m->count; i++)
		if (asked >> i & 1 && !is_header_field(m->needles[i].as_asked.field))
			return true;
	return false;
}

/* ---- texts ---- */

static void put_small(struct buf *out, struct span text)
{
	char *to = text.len ? buf_reserve(out, text.len) : NULL;

	if (!to)
		return;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		to[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	buf_added(out, text.len);
}

static void put_form(struct buf *out, enum form form, struct span text)
{
	if (form == FORM_CASEMAP) {
		search_casemap(out, text);
		buf_char(out, '\0'); /* no needle goes from one text into the next */
		return;
	}
	/* every word has a blank in front: a word begins where " word" is */
	buf_char(out, ' ');
	if (form == FORM_FOLD)
		search_fold(out, text);
	else
		put_small(out, text);
	buf_char(out, '\n');
}

static struct span form_of(struct search_matcher *m, const struct search_doc *doc, enum form form,
	enum search_field field)
{
	struct buf *b = &m->text[form];

	if (!m->is_made[form]) {
		m->is_made[form] = true;
		buf_clear(b);
		put_form(b, form, doc->header);
		m->header_end[form] = buf_len(b);
		put_form(b, form, doc->parts);
		m->parts_end[form] = buf_len(b);
		put_form(b, form, doc->body);
	}
	return field == SEARCH_BODY ? span_skip(buf_span(b), m->header_end[form]) : buf_span(b);
}

static unsigned count_in(struct span text, struct span what)
{
	unsigned n = 0;

	while (n < MATCHES_MAX && text.len >= what.len) {
		const char *at = memmem(text.ptr, text.len, what.ptr, what.len);

		if (!at)
			break;
		n++;
		text = span_skip(text, (size_t)(at - text.ptr) + what.len);
	}
	return n;
}

/* How often a word is there; in relevancy an occurrence is one, whatever the word. */
static unsigned count_word(struct search_matcher *m, struct span text, const struct word *w)
{
	unsigned n;

	if (w->is_anywhere)
		return count_in(text, w->text);
	buf_clear(&m->value);
	buf_char(&m->value, ' ');
	buf_span_put(&m->value, w->text);
	n = count_in(text, buf_span(&m->value));
	return n;
}

/* Of ASCII all that is no letter or digit parts words (test_search_fold.c). What another character does is
 * not looked into here. */
static bool is_ascii_sep(char c)
{
	return (unsigned char)c < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9');
}

static bool has_plainly(struct span text, const struct word *w)
{
	const char *at;

	while ((at = memmem(text.ptr, text.len, w->text.ptr, w->text.len))) {
		if (w->is_anywhere || (at > text.ptr && is_ascii_sep(at[-1])))
			return true;
		text = span_skip(text, (size_t)(at - text.ptr) + 1);
	}
	return false;
}

/* Is it there? The word is folded, and folded characters are not changed by folding (test_search_fold.c), so where the
 * text as it stands has the word, the folded text has it. Of ASCII, folding changes nothing but case and
 * separators: there the word is nowhere else. So most texts need not be folded. */
static bool has_word(struct search_matcher *m, const struct search_doc *doc,
	enum search_field field, const struct word *w)
{
	struct span text = form_of(m, doc, FORM_PLAIN, field);

	if (has_plainly(text, w))
		return true;
	return !span_is_ascii(text) && count_word(m, form_of(m, doc, FORM_FOLD, field), w);
}

static unsigned match_text(
	struct search_matcher *m, const struct search_doc *doc, const struct matcher_needle *n)
{
	unsigned all = 0;

	if (!n->as_asked.text.len)
		return 1;
	if (n->as_asked.how == SEARCH_SUBSTRING)
		return count_in(form_of(m, doc, FORM_CASEMAP, n->as_asked.field), n->casemap);
	for (size_t i = 0; i < n->word_count; i++) {
		enum search_field field = n->as_asked.field;
		unsigned found = m->is_counted
			? count_word(m, form_of(m, doc, FORM_FOLD, field), &n->words[i])
			: has_word(m, doc, field, &n->words[i]);

		if (!found)
			return 0;
		all += found;
	}
	return all;
}

/* ---- fields ---- */

static bool is_field(const struct search_needle *needle, struct span name)
{
	static const struct span names[SEARCH_FIELDS] = {
		[SEARCH_SUBJECT] = {"subject", 7},
		[SEARCH_FROM] = {"from", 4},
		[SEARCH_TO] = {"to", 2},
		[SEARCH_CC] = {"cc", 2},
		[SEARCH_BCC] = {"bcc", 3},
	};

	return span_eq_nocase(
		name, needle->field == SEARCH_HEADER ? needle->name : names[needle->field]);
}

static unsigned match_value(
	struct search_matcher *m, struct span value, const struct matcher_needle *n)
{
	struct buf plain;
	unsigned found;

	buf_init(&plain, FORM_MAX);
	put_compressed(&plain, value);
	buf_clear(&m->value);
	search_casemap(&m->value, buf_span(&plain));
	found = count_in(buf_span(&m->value), n->casemap);
	buf_fini(&plain);
	return found;
}

static unsigned match_word_values(struct search_matcher *m, struct span header,
	const struct matcher_needle *n, const struct word *w)
{
	struct span name, value;
	struct buf folded;
	unsigned found = 0;

	buf_init(&folded, FORM_MAX);
	while (search_next_field(&header, &name, &value)) {
		if (!is_field(&n->as_asked, name))
			continue;
		buf_clear(&folded);
		put_form(&folded, FORM_FOLD, value);
		found += count_word(m, buf_span(&folded), w);
	}
	buf_fini(&folded);
	return found;
}

static bool has_field(struct span header, const struct search_needle *needle)
{
	struct span name, value;

	while (search_next_field(&header, &name, &value))
		if (is_field(needle, name))
			return true;
	return false;
}

/* RFC 9051 section 6.4.4: with a string of no octets, all that have the field. */
static unsigned match_field(
	struct search_matcher *m, const struct search_doc *doc, const struct matcher_needle *n)
{
	struct span header = doc->header, name, value;
	unsigned all = 0;

	if (!n->as_asked.text.len)
		return has_field(header, &n->as_asked);
	if (n->as_asked.how == SEARCH_WORDS) {
		for (size_t i = 0; i < n->word_count; i++) {
			unsigned found = match_word_values(m, header, n, &n->words[i]);

			if (!found)
				return 0;
			all += found;
		}
		return all;
	}
	while (search_next_field(&header, &name, &value))
		if (is_field(&n->as_asked, name))
			all += match_value(m, value, n);
	return all;
}

uint32_t search_matcher_run(
	struct search_matcher *m, const struct search_doc *doc, uint32_t asked, unsigned *matches_r)
{
	uint32_t found = 0;
	unsigned all = 0;

	memset(m->is_made, 0, sizeof(m->is_made));
	m->is_counted = matches_r != NULL;
	for (size_t i = 0; i < m->count; i++) {
		const struct matcher_needle *n = &m->needles[i];
		unsigned here;

		if (!(asked >> i & 1) || n->is_impossible)
			continue;
		here = is_header_field(n->as_asked.field) ? match_field(m, doc, n)
							  : match_text(m, doc, n);
		if (here)
			found |= 1U << i;
		all += here;
	}
	if (matches_r)
		*matches_r = all;
	return found;
}

uint32_t search_match(const struct search_needle *needles, size_t needle_count,
	const struct search_doc *doc, unsigned *matches_r)
{
	struct search_matcher *m = search_matcher_new(needles, needle_count);
	uint32_t found = search_matcher_run(m, doc, UINT32_MAX, matches_r);

	search_matcher_free(&m);
	return found;
}
