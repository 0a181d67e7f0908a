#include "store/search_token.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/utf8.h"
#include "store/search_fold.h"
#include "store/search_match.h"

#define CODE_BITS 21
#define QUERY_MAX (256 * 1024)

/* Where a token is from. */
enum place {
	PLACE_SUBJECT,
	PLACE_FROM,
	PLACE_TO,
	PLACE_CC,
	PLACE_BCC,
	PLACE_HEADER,
	PLACE_BODY,
	PLACES
};

static const char place_gram[PLACES] = {'s', 'f', 't', 'c', 'k', 'h', 'b'};
static const char place_word[PLACES] = {'S', 'F', 'T', 'C', 'K', 'H', 'B'};

static enum place place_of(struct span name)
{
	static const struct {
		struct span name;
		enum place place;
	} known[] = {
		{{"subject", 7}, PLACE_SUBJECT},
		{{"from", 4}, PLACE_FROM},
		{{"to", 2}, PLACE_TO},
		{{"cc", 2}, PLACE_CC},
		{{"bcc", 3}, PLACE_BCC},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (span_eq_nocase(name, known[i].name))
			return known[i].place;
	return PLACE_HEADER;
}

/* ---- runs: what both documents and needles are read with ---- */

/* A run is letters of one word, or characters that are words, in a row. */
struct run_reader {
	/* `code` is the next of its run; `is_joined` tells that it follows the one before. */
	void (*on_code)(void *arg, enum search_class class, uint32_t code, bool is_joined);
	void (*on_mapped)(void *arg, uint32_t mapped); /* what the word is as casemap has it */
	void (*on_end)(void *arg, enum search_class class);
	void *arg;
	enum search_class class; /* of the run, SEARCH_SEP without one */
};

static void run_end(struct run_reader *r)
{
	if (r->class != SEARCH_SEP)
		r->on_end(r->arg, r->class);
	r->class = SEARCH_SEP;
}

static void run_put(struct run_reader *r, uint32_t mapped)
{
	uint32_t codes[SEARCH_FOLD_CODES];
	enum search_class class;
	size_t n = search_fold_code(mapped, codes, &class);
	bool is_joined;

	if (class == SEARCH_MARK) {
		/* Within a word a mark is nothing but a part of the word as casemap has it. A selector
		 * between characters that are words parts them: two of them in a row are two in a row. */
		if (r->class == SEARCH_WORD)
			r->on_mapped(r->arg, mapped);
		else
			run_end(r);
		return;
	}
	is_joined = class == r->class;
	if (!is_joined)
		run_end(r);
	if (class == SEARCH_SEP)
		return;
	r->class = class;
	r->on_mapped(r->arg, mapped);
	for (size_t i = 0; i < n; i++)
		r->on_code(r->arg, class, codes[i], is_joined || i);
}

/* Read a text; a run that is under way stays open. */
static void run_read(struct run_reader *r, struct span text)
{
	while (text.len) {
		uint32_t mapped[SEARCH_CASEMAP_CODES], code;
		size_t n;

		if (!utf8_take(&text, &code)) {
			text = span_skip(text, 1);
			code = 0xfffd;
		}
		if (code < 0x80) {
			run_put(r, code >= 'a' && code <= 'z' ? code - 32 : code);
			continue;
		}
		n = search_casemap_code(code, mapped);
		for (size_t i = 0; i < n; i++)
			run_put(r, mapped[i]);
	}
}

/* ---- the tokens of a document ---- */

struct maker {
	struct run_reader run;
	struct buf *out;
	enum place place;
	uint64_t *seen; /* open addressing, a power of two; of this place */
	size_t size, count, total;
	uint32_t last, last2; /* of the run, 0 none */
	struct buf word;      /* as casemap has it */
	size_t word_codes;    /* more than _MAX: it is no token */
	bool is_full;
};

static size_t slot_of(const struct maker *m, uint64_t key)
{
	size_t i = (size_t)(key * 0x9e3779b97f4a7c15ULL >> 20) & (m->size - 1);

	while (m->seen[i] && m->seen[i] != key)
		i = (i + 1) & (m->size - 1);
	return i;
}

static void seen_grow(struct maker *m)
{
	uint64_t *old = m->seen;
	size_t old_size = m->size;

	m->size *= 2;
	m->seen = mem_alloc(m->size * sizeof(uint64_t));
	for (size_t i = 0; i < old_size; i++)
		if (old[i])
			m->seen[slot_of(m, old[i])] = old[i];
	free(old);
}

/* Is it new here? */
static bool see(struct maker *m, uint64_t key)
{
	size_t i = slot_of(m, key);

	if (m->seen[i] || m->is_full)
		return false;
	if (m->total == SEARCH_TOKENS_MAX) {
		m->is_full = true;
		return false;
	}
	m->seen[i] = key;
	m->total++;
	if (++m->count * 2 > m->size)
		seen_grow(m);
	return true;
}

static void put_code(struct buf *out, uint32_t code)
{
	char octets[4];

	buf_put(out, octets, utf8_put(octets, code));
}

static void put_gram(struct maker *m, const uint32_t *codes, size_t n)
{
	uint64_t key = 0;

	for (size_t i = 0; i < n; i++)
		key = key << CODE_BITS | codes[i];
	if (!see(m, key))
		return;
	buf_char(m->out, place_gram[m->place]);
	for (size_t i = 0; i < n; i++)
		put_code(m->out, codes[i]);
	buf_char(m->out, ' ');
}

static void maker_code(void *arg, enum search_class class, uint32_t code, bool is_joined)
{
	struct maker *m = arg;

	if (!is_joined)
		m->last = m->last2 = 0;
	if (class == SEARCH_CJK)
		put_gram(m, (uint32_t[]){code}, 1);
	if (m->last)
		put_gram(m, (uint32_t[]){m->last, code}, 2);
	if (m->last2 && class == SEARCH_WORD)
		put_gram(m, (uint32_t[]){m->last2, m->last, code}, 3);
	m->last2 = m->last;
	m->last = code;
}

static void maker_mapped(void *arg, uint32_t mapped)
{
	struct maker *m = arg;

	if (m->run.class == SEARCH_WORD && ++m->word_codes <= SEARCH_WORD_MAX)
		put_code(&m->word, mapped);
}

static uint64_t word_key(struct span word)
{
	uint64_t key = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < word.len; i++)
		key = (key ^ (unsigned char)word.ptr[i]) * 0x100000001b3ULL;
	return key | 1ULL << 63; /* no gram has that bit */
}

static void put_word(struct maker *m, char place, struct span word)
{
	buf_char(m->out, place);
	buf_span_put(m->out, word);
	buf_char(m->out, ' ');
}

static void maker_end(void *arg, enum search_class class)
{
	struct maker *m = arg;

	m->last = m->last2 = 0;
	if (class != SEARCH_WORD)
		return;
	if (m->word_codes <= SEARCH_WORD_MAX && see(m, word_key(buf_span(&m->word))))
		put_word(m, place_word[m->place], buf_span(&m->word));
	buf_clear(&m->word);
	m->word_codes = 0;
}

static void maker_read(struct maker *m, struct span text)
{
	run_read(&m->run, text);
	run_end(&m->run);
}

static void maker_place(struct maker *m, enum place place)
{
	m->place = place;
	memset(m->seen, 0, m->size * sizeof(uint64_t));
	m->count = 0;
}

/* Names of fields are words of the header, whatever place their values have. */
static void maker_header(struct maker *m, enum place place, struct span header)
{
	struct span name, value;

	maker_place(m, place);
	while (search_next_field(&header, &name, &value)) {
		if (place_of(name) == place)
			maker_read(m, value);
		if (place == PLACE_HEADER)
			maker_read(m, name);
	}
}

bool search_tokens(struct buf *out, const struct search_doc *doc)
{
	struct maker m = {.out = out, .size = 4096};

	m.run = (struct run_reader){maker_code, maker_mapped, maker_end, &m, SEARCH_SEP};
	m.seen = mem_alloc(m.size * sizeof(uint64_t));
	buf_init(&m.word, (size_t)SEARCH_WORD_MAX * 4);
	for (enum place place = PLACE_SUBJECT; place <= PLACE_HEADER; place++)
		maker_header(&m, place, doc->header);
	maker_place(&m, PLACE_BODY);
	maker_read(&m, doc->parts);
	maker_read(&m, doc->body);
	if (m.is_full || doc->is_cut || !buf_ok(out))
		buf_str(out, "! ");
	buf_fini(&m.word);
	free(m.seen);
	return !m.is_full;
}

/* ---- the tokens of a needle ---- */

struct gram {
	uint32_t codes[3];
	uint8_t count;
};

/* A piece of a needle: what every document with it has in one place. */
struct piece {
	struct run_reader run;
	struct gram grams[SEARCH_GRAMS_MAX];
	size_t count;
	uint32_t codes[3]; /* the last of the run */
	size_t length;     /* of the run */
	size_t runs;
	enum search_class class; /* of the last run */
	struct buf word;         /* of the only run, as casemap has it */
	size_t word_codes;
};

static void piece_put(struct piece *p, const uint32_t *codes, size_t count)
{
	struct gram g = {.count = (uint8_t)count};

	memcpy(g.codes, codes, count * sizeof(*codes));
	for (size_t i = 0; i < p->count; i++)
		if (p->grams[i].count == count &&
			!memcmp(p->grams[i].codes, g.codes, sizeof(g.codes)))
			return;
	if (p->count < SEARCH_GRAMS_MAX)
		p->grams[p->count++] = g;
}

static void piece_code(void *arg, enum search_class class, uint32_t code, bool is_joined)
{
	struct piece *p = arg;
	size_t whole = class == SEARCH_CJK ? 2 : 3;

	if (!is_joined) {
		p->length = 0;
		p->runs++;
		p->class = class;
	}
	if (p->length >= whole)
		memmove(p->codes, p->codes + 1, (whole - 1) * sizeof(*p->codes));
	p->codes[p->length >= whole ? whole - 1 : p->length] = code;
	if (++p->length >= whole)
		piece_put(p, p->codes, whole);
}

static void piece_mapped(void *arg, uint32_t mapped)
{
	struct piece *p = arg;

	if (++p->word_codes <= SEARCH_WORD_MAX)
		put_code(&p->word, mapped);
}

static void piece_end(void *arg, enum search_class class)
{
	struct piece *p = arg;

	/* a single letter is nearly everywhere, and no token */
	if (class == SEARCH_CJK && p->length == 1)
		piece_put(p, p->codes, 1);
	else if (class == SEARCH_WORD && p->length == 2)
		piece_put(p, p->codes, 2);
}

static void piece_read(struct piece *p, struct span text)
{
	*p = (struct piece){.runs = 0};
	p->run = (struct run_reader){piece_code, piece_mapped, piece_end, p, SEARCH_SEP};
	buf_init(&p->word, (size_t)SEARCH_WORD_MAX * 4);
	run_read(&p->run, text);
	run_end(&p->run);
}

/* Nothing but letters of one word (or characters in a row)? Then what casemap made of the needle is what
 * it made of the run. */
static bool piece_is_whole(const struct piece *p, struct span needle)
{
	struct buf mapped;
	bool is_whole;

	if (p->runs != 1 || p->word_codes > SEARCH_WORD_MAX)
		return false;
	buf_init(&mapped, (size_t)SEARCH_NEEDLE_MAX * 11);
	search_casemap(&mapped, needle);
	is_whole = buf_ok(&mapped) && span_eq(buf_span(&mapped), buf_span(&p->word));
	buf_fini(&mapped);
	return is_whole;
}

static void put_and(struct buf *b, const struct piece *p, enum place place)
{
	buf_char(b, '(');
	for (size_t i = 0; i < p->count; i++) {
		buf_str(b, i ? " AND \"" : "\"");
		buf_char(b, place_gram[place]);
		for (size_t k = 0; k < p->grams[i].count; k++)
			put_code(b, p->grams[i].codes[k]);
		buf_char(b, '"');
	}
	buf_char(b, ')');
}

/* Where a needle of that field may stand: a bit a place. */
static unsigned places_of(const struct search_needle *needle)
{
	switch (needle->field) {
	case SEARCH_TEXT: return (1U << PLACES) - 1;
	case SEARCH_BODY: return 1U << PLACE_BODY;
	case SEARCH_HEADER: return 1U << place_of(needle->name);
	case SEARCH_SUBJECT: return 1U << PLACE_SUBJECT;
	case SEARCH_FROM: return 1U << PLACE_FROM;
	case SEARCH_TO: return 1U << PLACE_TO;
	case SEARCH_CC: return 1U << PLACE_CC;
	default: return 1U << PLACE_BCC;
	}
}

static void put_piece(struct buf *b, const struct piece *p, unsigned places)
{
	const char *sep = "";

	if (!p->count)
		return;
	buf_str(b, buf_len(b) ? " AND (" : "(");
	for (int i = 0; i < PLACES; i++) {
		if (!(places & 1U << i))
			continue;
		buf_str(b, sep);
		put_and(b, p, (enum place)i);
		sep = " OR ";
	}
	buf_char(b, ')');
}

static void put_words(struct buf *b, struct span word, unsigned places)
{
	for (int i = 0; i < PLACES; i++) {
		if (!(places & 1U << i))
			continue;
		buf_str(b, buf_len(b) ? " OR \"" : "\"");
		buf_char(b, place_word[i]);
		buf_span_put(b, word);
		buf_char(b, '"');
	}
}

/* What is sure, of a needle that is one piece. */
static void look_for_sure(struct arena *a, const struct search_needle *needle,
	const struct piece *p, struct search_query *query_r)
{
	unsigned places = places_of(needle);
	struct buf *b;

	if (!piece_is_whole(p, needle->text) ||
		(places & 1U << PLACE_HEADER && needle->field != SEARCH_TEXT))
		return;
	b = arena_buf(a, QUERY_MAX);
	if (p->class == SEARCH_WORD) {
		put_words(b, buf_span(&p->word), places);
	} else if (p->length <= 2) {
		put_piece(b, p, places);
		query_r->is_exact = true;
	}
	if (buf_ok(b))
		query_r->sure = buf_span(b);
}

/* A field's name and its value are in two places, so a needle may be in both at its colons. */
static bool is_cut_at(const struct search_needle *needle, char c)
{
	return c == '\n' || c == '\r' || (c == ':' && needle->field == SEARCH_TEXT);
}

static size_t piece_length(const struct search_needle *needle, struct span text)
{
	size_t n = 0;

	while (n < text.len && !is_cut_at(needle, text.ptr[n]))
		n++;
	return n;
}

static void query_substring(struct arena *a, struct buf *b, const struct search_needle *needle,
	struct search_query *query_r)
{
	struct span text = needle->text;

	while (text.len) {
		size_t n = piece_length(needle, text);
		struct piece p;

		piece_read(&p, span_sub(text, 0, n));
		put_piece(b, &p, places_of(needle));
		if (n == needle->text.len)
			look_for_sure(a, needle, &p, query_r);
		buf_fini(&p.word);
		text = span_skip(text, n < text.len ? n + 1 : n);
	}
}

/* Each word, wherever in the field it is. */
static void query_words(struct arena *a, struct buf *b, const struct search_needle *needle,
	struct search_query *query_r)
{
	struct buf *folded = arena_buf(a, QUERY_MAX);
	struct span rest, word;

	search_fold(folded, needle->text);
	rest = buf_span(folded);
	while (buf_ok(folded) && search_next_word(&rest, &word)) {
		struct search_needle one = *needle;
		struct piece p;

		one.text = word;
		piece_read(&p, word);
		put_piece(b, &p, places_of(needle));
		if (word.len == buf_len(folded))
			look_for_sure(a, &one, &p, query_r);
		buf_fini(&p.word);
	}
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The words of a field's name stand in the header as a whole. */
static void put_name(struct buf *b, const struct search_needle *needle)
{
	struct span rest = needle->name;

	if (needle->field != SEARCH_HEADER || place_of(needle->name) != PLACE_HEADER)
		return;
	while (rest.len) {
		size_t n = 0;

		while (n < rest.len && is_alnum(rest.ptr[n]))
			n++;
		if (n && n <= SEARCH_WORD_MAX &&
			(n == rest.len || (unsigned char)rest.ptr[n] < 0x80)) {
			buf_str(b, buf_len(b) ? " AND \"" : "\"");
			buf_char(b, place_word[PLACE_HEADER]);
			search_casemap(b, span_sub(rest, 0, n));
			buf_char(b, '"');
		}
		rest = span_skip(rest, n ? n : 1);
	}
}

void search_query(struct arena *a, const struct search_needle *needle, struct search_query *query_r)
{
	struct buf *b = arena_buf(a, QUERY_MAX);

	*query_r = (struct search_query){.is_exact = false};
	if (needle->how == SEARCH_WORDS)
		query_words(a, b, needle, query_r);
	else
		query_substring(a, b, needle, query_r);
	put_name(b, needle);
	if (buf_ok(b))
		query_r->maybe = buf_span(b);
}
