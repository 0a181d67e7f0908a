#include "store/search_fold.h"

#include "base/must.h"
#include "base/utf8.h"

#include "store/search_fold.inc" /* tools/unicode-fold */

#define NOT_UTF8  0xfffd
#define ASCII_RUN 256 /* folded in one go */

/* Hangul syllables (The Unicode Standard, section 3.12) */
enum {
	HANGUL_S = 0xac00,
	HANGUL_L = 0x1100,
	HANGUL_V = 0x1161,
	HANGUL_T = 0x11a7,
	HANGUL_VS = 21,
	HANGUL_TS = 28,
	HANGUL_ALL = 11172
};

/* The code points of a pool's entry; how many. */
static size_t pool_codes(const uint8_t *entry, uint32_t *out)
{
	struct span s = span_of(entry + 1, entry[0]);
	size_t n = 0;

	while (s.len)
		MUST(utf8_take(&s, &out[n++]));
	return n;
}

static uint16_t casemap_of(uint32_t code)
{
	return casemap_value[casemap_block[code / FOLD_BLOCK] * FOLD_BLOCK + code % FOLD_BLOCK];
}

static size_t hangul_codes(uint32_t syllable, uint32_t *out)
{
	uint32_t s = syllable - HANGUL_S;

	out[0] = HANGUL_L + s / (HANGUL_VS * HANGUL_TS);
	out[1] = HANGUL_V + s % (HANGUL_VS * HANGUL_TS) / HANGUL_TS;
	if (s % HANGUL_TS == 0)
		return 2;
	out[2] = HANGUL_T + s % HANGUL_TS;
	return 3;
}

/* RFC 5051 section 2: the titlecase mapping, then decompositions until there are none. */
size_t search_casemap_code(uint32_t code, uint32_t out[SEARCH_CASEMAP_CODES])
{
	uint16_t value;

	MUST(code < 0x110000);
	if (code - HANGUL_S < HANGUL_ALL)
		return hangul_codes(code, out);
	value = casemap_of(code);
	if (value)
		return pool_codes(casemap_pool + value, out);
	out[0] = code;
	return 1;
}

size_t search_fold_code(uint32_t code, uint32_t out[SEARCH_FOLD_CODES], enum search_class *class_r)
{
	uint16_t value;

	MUST(code < 0x110000);
	value = fold_value[fold_block[code / FOLD_BLOCK] * FOLD_BLOCK + code % FOLD_BLOCK];
	if (value <= SEARCH_MARK) {
		*class_r = (enum search_class)value;
		out[0] = code;
		return 1;
	}
	*class_r = SEARCH_WORD;
	return pool_codes(fold_pool + value, out);
}

static uint32_t take(struct span *s)
{
	uint32_t code;

	if (utf8_take(s, &code))
		return code;
	*s = span_skip(*s, 1);
	return NOT_UTF8;
}

static void put_code(struct buf *out, uint32_t code)
{
	char octets[4];

	buf_put(out, octets, utf8_put(octets, code));
}

/* ASCII at the front, in capitals; how much it was. */
static size_t casemap_ascii(struct buf *out, struct span text)
{
	size_t n = 0;
	char *to;

	while (n < text.len && (unsigned char)text.ptr[n] < 0x80)
		n++;
	to = n ? buf_reserve(out, n) : NULL;
	if (!to)
		return n;
	for (size_t i = 0; i < n; i++) {
		char c = text.ptr[i];

		to[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
	}
	buf_added(out, n);
	return n;
}

void search_casemap(struct buf *out, struct span text)
{
	while (text.len) {
		uint32_t codes[SEARCH_CASEMAP_CODES];
		size_t n = casemap_ascii(out, text);

		text = span_skip(text, n);
		if (!text.len)
			return;
		n = search_casemap_code(take(&text), codes);
		for (size_t i = 0; i < n; i++)
			put_code(out, codes[i]);
	}
}

/* What has been folded up to here. */
struct folding {
	struct buf *out;
	enum search_class last;
	bool is_first;
};

/* As search_casemap_code and search_fold_code have it (test_search_fold.c): 0 is a separator. */
static char fold_ascii_code(char c)
{
	char small = (char)(c | 0x20);

	if (small >= 'a' && small <= 'z')
		return small;
	return c >= '0' && c <= '9' ? c : '\0';
}

/* ASCII at the front, as far as there surely is room for it; how much it was. */
static size_t fold_ascii(struct folding *f, struct span text)
{
	size_t n = 0;
	char *to, *end;

	if (buf_room(f->out) < (size_t)ASCII_RUN * 2)
		return 0;
	to = end = buf_reserve(f->out, (size_t)ASCII_RUN * 2);
	for (; to && n < text.len && n < ASCII_RUN && (unsigned char)text.ptr[n] < 0x80; n++) {
		char c = fold_ascii_code(text.ptr[n]);

		if (!c) {
			f->last = SEARCH_SEP;
			continue;
		}
		if (f->last != SEARCH_WORD && !f->is_first)
			*end++ = ' ';
		f->is_first = false;
		f->last = SEARCH_WORD;
		*end++ = c;
	}
	if (to)
		buf_added(f->out, (size_t)(end - to));
	return n;
}

static void fold_code(struct folding *f, uint32_t mapped)
{
	uint32_t codes[SEARCH_FOLD_CODES];
	enum search_class class;
	size_t count = search_fold_code(mapped, codes, &class);

	/* a selector parts characters that are words: see search_token.c */
	if (class == SEARCH_MARK)
		class = f->last == SEARCH_CJK ? SEARCH_SEP : SEARCH_MARK;
	if (class == SEARCH_MARK)
		return;
	if (class != SEARCH_SEP) {
		if (class != f->last && !f->is_first)
			buf_char(f->out, ' ');
		f->is_first = false;
		for (size_t k = 0; k < count; k++)
			put_code(f->out, codes[k]);
	}
	f->last = class;
}

void search_fold(struct buf *out, struct span text)
{
	struct folding f = {out, SEARCH_SEP, true};

	while (text.len) {
		uint32_t mapped[SEARCH_CASEMAP_CODES];
		size_t n = (unsigned char)text.ptr[0] < 0x80 ? fold_ascii(&f, text) : 0;

		if (n) {
			text = span_skip(text, n);
			continue;
		}
		n = search_casemap_code(take(&text), mapped);
		for (size_t i = 0; i < n; i++)
			fold_code(&f, mapped[i]);
	}
}

bool search_next_word(struct span *folded, struct span *word_r)
{
	span_cut(*folded, ' ', word_r, folded);
	return word_r->len > 0;
}
