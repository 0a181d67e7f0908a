#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/must.h"
#include "store/search.h"
#include "store/search_fold.h"
#include "store_fixture.h"

#define ACCOUNT 77
#define OTHER   78

/* ---- a few letters, and what is found in them ---- */

static const struct search_doc letters[] = {
	{1,
		{"Subject: Meeting on Monday\nFrom: Ann Smith <ann@example.com>\nTo: bob@yizhan.test\n"
		 "X-Mailer: Gnus/5.13\n",
			0},
		{"", 0},
		{"Let us meet at the caf\xc3\xa9 Sm\xc3\xb8rrebr\xc3\xb8"
		 "d.\nBring the r\xc3\xa9sum\xc3\xa9.\n",
			0},
		false},
	{2,
		{"Subject: \xe4\xbc\x9a\xe8\xae\xae\xe9\x80\x9a\xe7\x9f\xa5\nFrom: \xe7\x8e\x8b\xe4\xba\x94 <wang@example.cn>\nTo: Bob <bob@yizhan.test>\nBcc: eve@example.org\n",
			0},
		{"Content-Type: application/pdf; name=\xe6\x8a\xa5\xe5\x91\x8a.pdf\n", 0},
		{"\xe4\xbb\x8a\xe5\xa4\xa9\xe4\xb8\x8b\xe5\x8d\x88\xe5\x9c\xa8\xe5\x8c\x97\xe4\xba\xac\xe5\xbc\x80\xe4\xbc\x9a\xe3\x80\x82\n",
			0},
		false},
	{3,
		{"From: tanaka@example.jp\nSubject: \xe3\x83\x90\xe3\x82\xb0\xe5\xa0\xb1\xe5\x91\x8a\nCc: a b@c.example\nList-Id: <dev.example.com>\n",
			0},
		{"", 0},
		{"\xe6\x9d\xb1\xe4\xba\xac\xe3\x81\xa7\xe4\xbc\x9a\xe8\xad\xb0\xe3\x80\x82\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4 \xed\x9a\x8c\xec\x9d\x98\xeb\xa1\x9d\xec\x9d\x84 \xeb\xb3\xb4\xeb\x82\xb4\xec\xa3\xbc\xec\x84\xb8\xec\x9a\x94\nmeetings\n",
			0},
		false},
};

static const struct {
	const char *behaviour;
	struct search_needle needle;
	unsigned found; /* a bit a letter */
} asked[] = {
#define NEEDLE(field, text)                                                                        \
	{                                                                                          \
		field, SEARCH_SUBSTRING, {"", 0},                                                  \
		{                                                                                  \
			text, sizeof(text) - 1                                                     \
		}                                                                                  \
	}
#define WORDS(field, text)                                                                         \
	{                                                                                          \
		field, SEARCH_WORDS, {"", 0},                                                      \
		{                                                                                  \
			text, sizeof(text) - 1                                                     \
		}                                                                                  \
	}
#define HEADER(name, text)                                                                         \
	{                                                                                          \
		SEARCH_HEADER, SEARCH_SUBSTRING, {name, sizeof(name) - 1},                         \
		{                                                                                  \
			text, sizeof(text) - 1                                                     \
		}                                                                                  \
	}
	{"a word, without case", NEEDLE(SEARCH_TEXT, "MEETING"), 1 | 4},
	{"a word of the subject", NEEDLE(SEARCH_SUBJECT, "meeting"), 1},
	{"a word of the body", NEEDLE(SEARCH_BODY, "meeting"), 4},
	{"a part of a word", NEEDLE(SEARCH_TEXT, "eetin"), 1 | 4},
	{"two letters", NEEDLE(SEARCH_SUBJECT, "nd"), 1},
	{"one letter", NEEDLE(SEARCH_SUBJECT, "g"), 1},
	{"words in a row", NEEDLE(SEARCH_TEXT, "meet at the"), 1},
	{"words that are not in a row", NEEDLE(SEARCH_TEXT, "meet the at"), 0},
	{"a name and its value", NEEDLE(SEARCH_TEXT, "subject: meeting"), 1},
	{"the end of a name", NEEDLE(SEARCH_TEXT, "ailer: gnus"), 1},
	{"an address", NEEDLE(SEARCH_FROM, "ann@example.com"), 1},
	{"a part of an address", NEEDLE(SEARCH_TO, "@yizhan"), 1 | 2},
	{"Bcc", NEEDLE(SEARCH_BCC, "eve"), 2},
	{"Cc, blanks in a row", NEEDLE(SEARCH_CC, "A  B@"), 4},
	{"an accent is one (RFC 5051)", NEEDLE(SEARCH_BODY, "caf\xc3\xa9"), 1},
	{"what has none is a part of it", NEEDLE(SEARCH_BODY, "cafe"), 1},
	{"but not where it stands between", NEEDLE(SEARCH_BODY, "resume"), 0},
	{"for people it is", WORDS(SEARCH_BODY, "resume"), 1},
	{"for people, letters that are no accents", WORDS(SEARCH_BODY, "smorrebrod"), 1},
	{"for people, the beginning of a word", WORDS(SEARCH_BODY, "smo caf"), 1},
	{"for people, not the middle", WORDS(SEARCH_BODY, "orre"), 0},
	{"one Chinese character", NEEDLE(SEARCH_TEXT, "\xe4\xbc\x9a"), 2 | 4},
	{"two of them", NEEDLE(SEARCH_BODY, "\xe5\x8c\x97\xe4\xba\xac"), 2},
	{"two that are no neighbours", NEEDLE(SEARCH_BODY, "\xe5\x8c\x97\xe5\xbc\x80"), 0},
	{"four of them", NEEDLE(SEARCH_SUBJECT, "\xe4\xbc\x9a\xe8\xae\xae\xe9\x80\x9a\xe7\x9f\xa5"),
		2},
	{"for people, too", WORDS(SEARCH_SUBJECT, "\xe8\xae\xae\xe9\x80\x9a"), 2},
	{"a name in Chinese", NEEDLE(SEARCH_FROM, "\xe7\x8e\x8b"), 2},
	{"an attachment's name", NEEDLE(SEARCH_BODY, "\xe6\x8a\xa5\xe5\x91\x8a.PDF"), 2},
	{"Japanese, with its marks", NEEDLE(SEARCH_SUBJECT, "\xe3\x83\x90\xe3\x82\xb0"), 4},
	{"the same in narrow letters",
		NEEDLE(SEARCH_SUBJECT, "\xef\xbe\x8a\xef\xbe\x9e\xef\xbd\xb8\xef\xbe\x9e"), 4},
	{"one Korean syllable", NEEDLE(SEARCH_BODY, "\xed\x9a\x8c"), 4},
	{"two of them", NEEDLE(SEARCH_BODY, "\xed\x95\x9c\xea\xb5\xad"), 4},
	{"a field that is there", HEADER("X-Mailer", ""), 1},
	{"one that is nowhere", HEADER("X-Nothing", ""), 0},
	{"a field's value", HEADER("list-id", "dev.example"), 4},
	{"another field's value", HEADER("X-Mailer", "dev.example"), 0},
	{"a field with a key of its own", HEADER("SUBJECT", "monday"), 1},
	{"nothing is in all of them", NEEDLE(SEARCH_TEXT, ""), 7},
	{"what is in none", NEEDLE(SEARCH_TEXT, "zeppelin"), 0},
	{"a field's end is no part of the next", NEEDLE(SEARCH_TEXT, "mondayfrom"), 0},
};

static struct search_doc filled(const struct search_doc *d)
{
	struct search_doc x = *d;

	x.header.len = strlen(x.header.ptr);
	x.parts.len = strlen(x.parts.ptr);
	x.body.len = strlen(x.body.ptr);
	return x;
}

static void put_letters(struct fixture *f, uint64_t account)
{
	struct search_doc docs[ARRAY_LEN(letters)];
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		docs[ARRAY_LEN(letters) - 1 - i] = filled(&letters[i]); /* in any order */
	if (search_put(f->s, account, docs, ARRAY_LEN(docs), 0, ARRAY_LEN(docs), &e) < 0)
		fail_msg("%s", e.text);
}

/* What the index and the texts say: a bit a letter. */
static unsigned ask(struct fixture *f, uint64_t account, const struct search_needle *needle)
{
	struct search_verdict v[ARRAY_LEN(letters)] = {0};
	struct search_hits hits;
	unsigned found = 0;
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i] = (struct search_verdict){.n = i + 1, .asked = 1};
	if (search_find_blocking(f->s, account, needle, &hits, &e) < 0 ||
		search_verify_blocking(
			f->s, &(struct search_look){account, needle, 1, v, ARRAY_LEN(v)}, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		bool is_sure = search_set_has(&hits.sure, i + 1);

		assert_true(v[i].is_kept);
		assert_false(is_sure && search_set_has(&hits.maybe, i + 1));
		if (is_sure)
			assert_int_equal(v[i].found, 1);
		if (v[i].found && !is_sure)
			assert_true(search_set_has(&hits.maybe, i + 1));
		if (v[i].found)
			found |= 1U << i;
	}
	search_hits_fini(&hits);
	return found;
}

static void needles_are_found(void **state)
{
	struct fixture *f = *state;

	put_letters(f, ACCOUNT);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		unsigned found = ask(f, ACCOUNT, &asked[i].needle);

		if (found != asked[i].found)
			fail_msg("%s: found %x", asked[i].behaviour, found);
	}
}

/* ---- the file's life ---- */

static uint64_t marker(struct fixture *f, uint64_t account)
{
	uint64_t upto = 99;
	struct err e = {0};

	if (search_marker(f->s, account, &upto, &e) < 0)
		fail_msg("%s", e.text);
	return upto;
}

static uint64_t count_hits(struct fixture *f, uint64_t account, const char *word)
{
	struct search_needle needle = {SEARCH_TEXT, SEARCH_SUBSTRING, {"", 0}, span_str(word)};
	struct search_hits hits;
	struct err e = {0};
	uint64_t n;

	if (search_find_blocking(f->s, account, &needle, &hits, &e) < 0)
		fail_msg("%s", e.text);
	n = hits.sure.count + hits.maybe.count;
	search_hits_fini(&hits);
	return n;
}

static void accounts_do_not_meet(void **state)
{
	struct fixture *f = *state;
	struct search_stats stats;
	const uint64_t gone[] = {1, 2, 5000};

	put_letters(f, ACCOUNT);
	put_letters(f, OTHER);
	assert_int_equal(search_remove(f->s, ACCOUNT, gone, ARRAY_LEN(gone), NULL), 0);
	assert_int_equal(count_hits(f, ACCOUNT, "meeting"), 1);
	assert_int_equal(count_hits(f, OTHER, "meeting"), 2);
	assert_int_equal(search_stats(f->s, &stats, NULL), 0);
	assert_int_equal(stats.documents, 4);
	assert_int_equal(search_drop_account(f->s, OTHER, NULL), 0);
	assert_int_equal(count_hits(f, OTHER, "meeting"), 0);
	assert_int_equal(marker(f, OTHER), 0);
	assert_int_equal(count_hits(f, ACCOUNT, "meeting"), 1);
	assert_int_equal(search_stats(f->s, &stats, NULL), 0);
	assert_int_equal(stats.documents, 1);
	/* its number is nobody else's */
	put_letters(f, OTHER);
	assert_int_equal(count_hits(f, OTHER, "meeting"), 2);
}

static void a_document_that_comes_again_takes_its_place(void **state)
{
	struct fixture *f = *state;
	struct search_doc doc = {
		.n = 2, .header = SPAN("Subject: airship\n"), .body = SPAN("zeppelin\n")};
	struct search_stats stats;
	struct err e = {0};

	put_letters(f, ACCOUNT);
	assert_int_equal(search_put(f->s, ACCOUNT, &doc, 1, 3, 3, &e), 0);
	assert_int_equal(search_stats(f->s, &stats, NULL), 0);
	assert_int_equal(stats.documents, 3);
	assert_int_equal(count_hits(f, ACCOUNT, "zeppelin"), 1);
	assert_int_equal(count_hits(f, ACCOUNT, "wang"), 0);
}

static void a_gap_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};

	put_letters(f, ACCOUNT);
	assert_int_equal(search_put(f->s, ACCOUNT, NULL, 0, 4, 9, &e), -1);
	assert_int_equal(e.code, ERR_STATE);
	assert_int_equal(marker(f, ACCOUNT), 3);
	assert_int_equal(search_put(f->s, ACCOUNT, NULL, 0, 3, 9, &e), 0);
	assert_int_equal(marker(f, ACCOUNT), 9);
	fixture_reopen(f);
	assert_int_equal(marker(f, ACCOUNT), 9);
	assert_int_equal(search_rebuild(f->s, &e), 0);
	assert_int_equal(marker(f, ACCOUNT), 0);
	assert_int_equal(count_hits(f, ACCOUNT, "meeting"), 0);
}

static void a_long_one_is_cut_and_always_asked(void **state)
{
	struct fixture *f = *state;
	struct search_needle needle = {
		SEARCH_TEXT, SEARCH_SUBSTRING, {"", 0}, SPAN("nothing like it")};
	struct search_verdict v = {.n = 1, .asked = 1};
	char *text = malloc(SEARCH_TEXT_MAX + 10);
	struct search_doc doc = {.n = 1, .body = {text, SEARCH_TEXT_MAX + 10}};
	struct search_hits hits;
	struct err e = {0};

	memset(text, 'x', SEARCH_TEXT_MAX + 10);
	if (search_put(f->s, ACCOUNT, &doc, 1, 0, 1, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(search_find_blocking(f->s, ACCOUNT, &needle, &hits, &e), 0);
	assert_int_equal(hits.sure.count, 0);
	assert_true(search_set_has(&hits.maybe, 1));
	search_hits_fini(&hits);
	assert_int_equal(
		search_verify_blocking(f->s, &(struct search_look){ACCOUNT, &needle, 1, &v, 1}, &e),
		0);
	assert_true(v.is_kept && v.is_cut && !v.found);
	assert_int_equal(search_remove(f->s, ACCOUNT, &v.n, 1, &e), 0);
	assert_int_equal(count_hits(f, ACCOUNT, "nothing like it"), 0);
	free(text);
}

/* Damage of any page: the search goes on with a new file, and the old one is kept for who wonders. */
static void damage(struct fixture *f, off_t from)
{
	char *path = arena_printf(f->a, "%s/search.db", f->dir);
	int fd;

	store_close(&f->s);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (off_t at = from; at < lseek(fd, 0, SEEK_END); at += 64)
		assert_int_equal(pwrite(fd, "\xff\x00\xff\x7f", 4, at), 4);
	close(fd);
	fixture_reopen(f);
}

static void a_damaged_file_is_begun_anew(void **state)
{
	struct fixture *f = *state;
	const off_t from[] = {0, 4096 * 4};
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		put_letters(f, ACCOUNT);
		damage(f, from[i]);
		for (int tries = 0; tries < 3 && marker(f, ACCOUNT); tries++) {
			struct search_hits hits;

			(void)search_find_blocking(f->s, ACCOUNT, &asked[0].needle, &hits, &e);
			search_hits_fini(&hits);
		}
		assert_int_equal(marker(f, ACCOUNT), 0);
		assert_int_equal(
			access(arena_printf(f->a, "%s/search.db.damaged", f->dir), F_OK), 0);
	}
	put_letters(f, ACCOUNT);
	assert_int_equal(ask(f, ACCOUNT, &asked[0].needle), asked[0].found);
}

/* ---- random texts: nothing is missed, and nothing is sure that is not so ---- */

#define RANDOM_DOCS    150
#define RANDOM_NEEDLES 600

static uint64_t random_state = 0x9e3779b97f4a7c15ULL;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

/* Few different characters, so that needles are found; of all kinds, so that rules meet. */
static struct span random_text(struct arena *a, size_t characters)
{
	static const char *const alphabet[] = {"a", "b", "C", "d", "1", " ", " ", "-", ":",
		"\xc3\xa9", "e", "\xcc\x81", "\xc3\x9f", "s", "S", "\xe4\xbc\x9a", "\xe8\xae\xae",
		"\xe3\x81\x8c", "\xe3\x81\x8b", "\xe3\x82\x99", "\xed\x95\x9c", "\xea\xb5\xad",
		"\xef\xac\x81", "f", "i", "\xf0\x9f\x8e\x89", "\xef\xb8\x8f", "\xc7\x84",
		"\xe2\x80\x8d", "\xef\xbc\xa1", "\xff"};
	struct buf *b = arena_buf(a, 100000);

	while (characters--)
		buf_str(b, alphabet[random_below(ARRAY_LEN(alphabet))]);
	return buf_span(b);
}

static struct search_doc random_doc(struct arena *a, uint64_t n)
{
	struct buf *h = arena_buf(a, 100000);
	static const char *const names[] = {"Subject", "From", "To", "Cc", "Bcc", "X-Ab", "C1"};
	struct search_doc doc = {.n = n};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (random_below(4))
			buf_printf(h, "%s: " SPAN_FMT "\n", names[i],
				SPAN_ARG(random_text(a, random_below(12))));
	doc.header = buf_span(h);
	doc.parts = random_text(a, random_below(6));
	doc.body = random_text(a, random_below(60));
	return doc;
}

/* A piece of a text, or anything. */
static struct search_needle random_needle(struct arena *a, const struct search_doc *docs)
{
	static const char *const names[] = {"Subject", "X-Ab", "c1", "nope"};
	struct search_needle n = {(enum search_field)random_below(SEARCH_FIELDS),
		random_below(3) ? SEARCH_SUBSTRING : SEARCH_WORDS, {"", 0}, {"", 0}};
	const struct search_doc *d = &docs[random_below(RANDOM_DOCS)];
	struct span from = random_below(2) ? d->body : d->header;

	n.name = span_str(names[random_below(ARRAY_LEN(names))]);
	n.text = random_text(a, random_below(4));
	if (random_below(4) && from.len)
		n.text = span_sub(from, random_below(from.len), random_below(12));
	return n;
}

static void check_needle(
	struct fixture *f, const struct search_needle *n, const struct search_doc *docs)
{
	struct search_verdict *v = ARENA_ARRAY(f->a, struct search_verdict, RANDOM_DOCS);
	struct search_hits hits;
	struct err e = {0};

	for (size_t i = 0; i < RANDOM_DOCS; i++)
		v[i] = (struct search_verdict){.n = docs[i].n, .asked = 1};
	if (search_find_blocking(f->s, ACCOUNT, n, &hits, &e) < 0 ||
		search_verify_blocking(
			f->s, &(struct search_look){ACCOUNT, n, 1, v, RANDOM_DOCS}, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < RANDOM_DOCS; i++) {
		bool is_there = search_match(n, 1, &docs[i], NULL);
		bool is_sure = search_set_has(&hits.sure, docs[i].n);

		if (is_there != (v[i].found == 1) || (is_sure && !is_there) ||
			(is_there && !is_sure && !search_set_has(&hits.maybe, docs[i].n)))
			fail_msg("field %d how %d '" SPAN_FMT "' in '" SPAN_FMT "' '" SPAN_FMT
				 "': there %d sure %d verified %u",
				n->field, n->how, SPAN_ARG(n->text), SPAN_ARG(docs[i].header),
				SPAN_ARG(docs[i].body), is_there, is_sure, v[i].found);
	}
	search_hits_fini(&hits);
}

static void nothing_is_missed(void **state)
{
	struct fixture *f = *state;
	struct search_doc *docs = ARENA_ARRAY(f->a, struct search_doc, RANDOM_DOCS);
	struct err e = {0};

	for (size_t i = 0; i < RANDOM_DOCS; i++)
		docs[i] = random_doc(f->a, i * 1000 + 1);
	if (search_put(f->s, ACCOUNT, docs, RANDOM_DOCS, 0, RANDOM_DOCS * 1000, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < RANDOM_NEEDLES; i++) {
		struct search_needle n = random_needle(f->a, docs);

		check_needle(f, &n, docs);
	}
}

/* ---- the short way says what the folded way says ---- */

#define SHORT_TEXTS   400
#define SHORT_NEEDLES 40

static struct span short_text(struct arena *a, bool is_ascii, size_t characters)
{
	static const char *const alphabet[] = {"a", "b", "A", "B", "s", "e", "1", " ", " ", "\n",
		"-", "_", "'", "^", "`", ".", "\t", "\x7f",
		/* from here on not ASCII: accents in one and in two, full-width */
		"\xc3\xa9", "\xcc\x81", "\xc3\x89", "\xc3\x9f", "\xc2\xaa", "\xef\xbc\xa1",
		"\xef\xbd\x82", "\xef\xbc\x91", "\xe3\x80\x80", "\xef\xac\x81",
		/* Han, one of them twice (F900 is 8C48), Kangxi radicals, kana, half of it narrow */
		"\xe4\xbc\x9a", "\xe8\xae\xae", "\xe8\xb1\x88", "\xef\xa4\x80", "\xe2\xbc\x80",
		"\xe4\xb8\x80", "\xe3\x81\x8b", "\xe3\x81\x8c", "\xe3\x82\x99", "\xe3\x82\xab",
		"\xef\xbd\xb6", "\xef\xbe\x9e", "\xed\x95\x9c", "\xd0\x95", "\xd0\xb5",
		/* pictures, selectors and joiners, what parts words, and octets that are no UTF-8 */
		"\xf0\x9f\x8e\x89", "\xf0\x9f\x87\xa9", "\xef\xb8\x8f", "\xe2\x80\x8d",
		"\xe2\x80\x94", "\xc2\xa0", "\xe3\x80\x82", "\xe3\x88\xb1", "\xff", "\xe4",
		"\xe4\xbc", "\x9a"};
	const size_t ascii = 18;
	struct buf *b = arena_buf(a, 4096);

	while (characters--)
		buf_str(b, alphabet[random_below(is_ascii ? ascii : ARRAY_LEN(alphabet))]);
	return buf_span(b);
}

/* A piece of the text, of what it is folded to, or anything. */
static struct span short_needle(struct arena *a, const struct search_doc *d)
{
	struct span from = random_below(4) ? d->body : d->header;

	switch (random_below(4)) {
	case 0: return short_text(a, random_below(2), 1 + random_below(3));
	case 1: {
		struct buf *folded = arena_buf(a, 65536);

		search_fold(folded, from);
		from = buf_span(folded);
		break;
	}
	}
	return from.len ? span_sub(from, random_below(from.len), 1 + random_below(9)) : from;
}

static unsigned compare_ways(const struct search_needle *n, const struct search_doc *d)
{
	unsigned matches;
	uint32_t in_short = search_match(n, 1, d, NULL), folded = search_match(n, 1, d, &matches);

	if (in_short != folded || (n->text.len && (matches != 0) != (folded != 0)))
		fail_msg("field %d '" SPAN_FMT "' in '" SPAN_FMT "' '" SPAN_FMT "' '" SPAN_FMT
			 "': in short %u, folded %u with %u",
			n->field, SPAN_ARG(n->text), SPAN_ARG(d->header), SPAN_ARG(d->parts),
			SPAN_ARG(d->body), in_short, folded, matches);
	return folded;
}

static void the_short_way_is_the_folded_one(void **state)
{
	unsigned found = 0;

	(void)state;
	for (size_t i = 0; i < SHORT_TEXTS; i++) {
		struct arena *a = arena_new();
		bool is_ascii = random_below(3) == 0;
		struct search_doc d = {.n = 1,
			.header = short_text(a, is_ascii || random_below(2), random_below(9)),
			.parts = short_text(a, is_ascii, random_below(4)),
			.body = short_text(a, is_ascii, random_below(40))};

		for (size_t k = 0; k < SHORT_NEEDLES; k++) {
			struct search_needle n = {random_below(2) ? SEARCH_TEXT : SEARCH_BODY,
				SEARCH_WORDS, {"", 0}, short_needle(a, &d)};

			found += compare_ways(&n, &d);
		}
		arena_free(&a);
	}
	assert_in_range(
		found, SHORT_TEXTS * SHORT_NEEDLES / 5, SHORT_TEXTS * SHORT_NEEDLES * 4 / 5);
}

/* ---- from a fiber ---- */

/* More than one thread takes at once. */
static void verify_many(struct fixture *f, const struct search_needle *needle, bool is_counted)
{
	struct search_verdict *once = ARENA_ARRAY(f->a, struct search_verdict, RANDOM_DOCS);
	struct search_verdict *both = ARENA_ARRAY(f->a, struct search_verdict, RANDOM_DOCS);
	struct search_look look = {ACCOUNT, needle, 1, once, RANDOM_DOCS, is_counted};
	struct err e = {0};

	for (size_t i = 0; i < RANDOM_DOCS; i++)
		once[i] = both[i] = (struct search_verdict){.n = i + 1, .asked = 1};
	if (search_verify_blocking(f->s, &look, &e) < 0)
		fail_msg("%s", e.text);
	look.list = both;
	if (search_verify(f->s, &look, NULL, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < RANDOM_DOCS; i++) {
		assert_true(both[i].is_kept && once[i].is_kept);
		assert_int_equal(both[i].found, once[i].found);
		assert_int_equal(both[i].matches, once[i].matches);
		assert_true(is_counted || !once[i].matches);
	}
}

static int verify_on_a_fiber(void *arg)
{
	struct fixture *f = arg;
	struct search_doc *docs = ARENA_ARRAY(f->a, struct search_doc, RANDOM_DOCS);
	struct err e = {0};

	for (size_t i = 0; i < RANDOM_DOCS; i++)
		docs[i] = random_doc(f->a, i + 1);
	if (search_put(f->s, ACCOUNT, docs, RANDOM_DOCS, 0, RANDOM_DOCS, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < 40; i++) {
		struct search_needle n = random_needle(f->a, docs);

		verify_many(f, &n, i % 2);
	}
	return 0;
}

static void both_threads_say_what_one_says(void **state)
{
	struct fixture *f = *state;

	fixture_run(f, verify_on_a_fiber, f);
}

static int search_on_a_fiber(void *arg)
{
	struct fixture *f = arg;
	struct search_wait wait = {.deadline_ns = loop_now_ns() - 1};
	struct search_verdict v = {.n = 3, .asked = 1};
	struct search_hits hits;
	struct err e = {0};

	assert_int_equal(search_find(f->s, ACCOUNT, &asked[0].needle, NULL, &hits, &e), 0);
	assert_int_equal(hits.upto, 3);
	assert_true(search_set_has(&hits.sure, 1));
	search_hits_fini(&hits);
	assert_int_equal(
		search_verify(
			f->s, &(struct search_look){ACCOUNT, &asked[0].needle, 1, &v, 1}, NULL, &e),
		0);
	assert_int_equal(v.found, 1);
	assert_int_equal(search_find(f->s, ACCOUNT, &asked[0].needle, &wait, &hits, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	search_hits_fini(&hits);
	return 0;
}

static void a_fiber_may_wait_only_so_long(void **state)
{
	struct fixture *f = *state;

	put_letters(f, ACCOUNT);
	fixture_run(f, search_on_a_fiber, f);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(needles_are_found),
		CASE(accounts_do_not_meet),
		CASE(a_document_that_comes_again_takes_its_place),
		CASE(a_gap_is_refused),
		CASE(a_long_one_is_cut_and_always_asked),
		CASE(a_damaged_file_is_begun_anew),
		CASE(nothing_is_missed),
		CASE(the_short_way_is_the_folded_one),
		CASE(both_threads_say_what_one_says),
		CASE(a_fiber_may_wait_only_so_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
