#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include "base/must.h"
#include "base/utf8.h"
#include "store/search_fold.h"

static const struct {
	const char *behaviour, *text, *casemap, *fold;
} texts[] = {
	{"letters have no case", "Straße OK", "STRAßE OK", "strasse ok"},
	{"accents stand alone in casemap, and fall in fold", "Café", "CAFE\xcc\x81", "cafe"},
	{"one that was typed as two is the same", "Cafe\xcc\x81", "CAFE\xcc\x81", "cafe"},
	{"RFC 5051 section 2: 01C4 becomes 0044 007A 030C", "\xc7\x84", "Dz\xcc\x8c", "dz"},
	{"wide letters are narrow", "ＡＢｃ１", "ABC1", "abc1"},
	{"narrow kana is wide", "ｶﾞｷﾞ", "カ\xe3\x82\x99キ\xe3\x82\x99",
		"カ\xe3\x82\x99キ\xe3\x82\x99"},
	{"Hangul is its letters", "한", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab",
		"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"},
	{"a ligature is spelt for people only", "ﬁle", "fiLE", "file"},
	{"Greek", "ΣΊΣΥΦΟς", "ΣΙ\xcc\x81ΣΥΦΟΣ", "σισυφοσ"},
	{"Cyrillic", "Ёлка", "Е\xcc\x88ЛКА", "елка"},
	{"letters of the north", "Ærøskøbing Łódź",
		"ÆRØSKØBING ŁO\xcc\x81"
		"DZ\xcc\x81",
		"aeroskobing lodz"},
	{"scripts part words", "iPhone手机", "IPHONE手机", "iphone 手机"},
	{"punctuation parts words", " a-b..c ", " A-B..C ", "a b c"},
	{"what is no UTF-8 is told so",
		"a\xff"
		"b",
		"A\xef\xbf\xbd"
		"B",
		"a b"},
	{"nothing", "", "", ""},
};

static void texts_are_made_comparable(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct buf b;

		buf_init(&b, 1000);
		search_casemap(&b, span_str(texts[i].text));
		if (strcmp(buf_cstr(&b), texts[i].casemap))
			fail_msg("%s: casemap '%s'", texts[i].behaviour, buf_cstr(&b));
		buf_clear(&b);
		search_fold(&b, span_str(texts[i].text));
		if (strcmp(buf_cstr(&b), texts[i].fold))
			fail_msg("%s: fold '%s'", texts[i].behaviour, buf_cstr(&b));
		buf_fini(&b);
	}
}

/* RFC 5051 by another's tables: the titlecase mapping, then decompositions. */
static void casemap_is_that_of_libunistring(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x110000; c++) {
		uint32_t ours[SEARCH_CASEMAP_CODES], title, theirs[64];
		size_t n, got = ARRAY_LEN(theirs);

		if ((c >= 0xd800 && c <= 0xdfff) || uc_is_general_category(c, UC_UNASSIGNED))
			continue;
		title = uc_totitle(c);
		assert_non_null(u32_normalize(UNINORM_NFKD, &title, 1, theirs, &got));
		n = search_casemap_code(c, ours);
		if (n != got || memcmp(ours, theirs, n * sizeof(*ours)))
			fail_msg("U+%04X: %zu codes, not %zu", c, n, got);
	}
}

/* Each character for itself, whatever stands before it: search_match.c looks for folded words in texts as they
 * stand. */
static void check_each(struct span folded)
{
	while (folded.len) {
		struct span one = span_sub(folded, 0, utf8_length_at(folded));
		struct buf text, again;

		assert_true(one.len > 0);
		folded = span_skip(folded, one.len);
		if (span_eq(one, SPAN(" ")))
			continue;
		buf_init(&text, 1000);
		buf_init(&again, 1000);
		buf_char(&text, '-');
		buf_span_put(&text, one);
		search_fold(&again, buf_span(&text));
		if (!span_eq(buf_span(&again), one))
			fail_msg("'" SPAN_FMT "' becomes '%s'", SPAN_ARG(one), buf_cstr(&again));
		buf_fini(&text);
		buf_fini(&again);
	}
}

static void folding_twice_changes_nothing(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x110000; c++) {
		struct buf once, twice;
		char octets[4];

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		buf_init(&once, 1000);
		buf_init(&twice, 1000);
		search_fold(&once, span_of(octets, utf8_put(octets, c)));
		search_fold(&twice, buf_span(&once));
		if (!span_eq(buf_span(&once), buf_span(&twice)))
			fail_msg("U+%04X: '%s' and '%s'", c, buf_cstr(&once), buf_cstr(&twice));
		check_each(buf_span(&once));
		buf_fini(&once);
		buf_fini(&twice);
	}
}

/* One code point after the other, by the two functions that the tables are asked with. */
static void fold_slowly(struct buf *out, struct span text)
{
	enum search_class last = SEARCH_SEP;

	while (text.len) {
		uint32_t code, mapped[SEARCH_CASEMAP_CODES], codes[SEARCH_FOLD_CODES];
		size_t n;

		if (!utf8_take(&text, &code)) {
			text = span_skip(text, 1);
			code = 0xfffd;
		}
		n = search_casemap_code(code, mapped);
		for (size_t i = 0; i < n; i++) {
			enum search_class class;
			size_t count = search_fold_code(mapped[i], codes, &class);
			char octets[4];

			if (class == SEARCH_MARK && last != SEARCH_CJK)
				continue;
			if (class == SEARCH_MARK || class == SEARCH_SEP) {
				last = SEARCH_SEP;
				continue;
			}
			if (class != last && buf_len(out))
				buf_char(out, ' ');
			for (size_t k = 0; k < count; k++)
				buf_put(out, octets, utf8_put(octets, codes[k]));
			last = class;
		}
	}
}

static void fold_both(struct span text, size_t room)
{
	struct buf quick, slow;

	buf_init(&quick, room);
	buf_init(&slow, room);
	search_fold(&quick, text);
	fold_slowly(&slow, text);
	assert_int_equal(buf_ok(&quick), buf_ok(&slow));
	if (buf_ok(&slow) && !span_eq(buf_span(&quick), buf_span(&slow)))
		fail_msg("'" SPAN_FMT "': '%s' and '%s'", SPAN_ARG(text), buf_cstr(&quick),
			buf_cstr(&slow));
	buf_fini(&quick);
	buf_fini(&slow);
}

static void what_is_folded_quickly_is_as_the_tables_say(void **state)
{
	static const char *const between[] = {
		"", "a", "\xcc\x81", "\xe4\xbc\x9a", "\xc3\xa9", " ", "\xef\xb8\x8f", "\xff"};
	char text[2000];

	(void)state;
	for (int c = 0; c < 0x80; c++)
		for (size_t i = 0; i < ARRAY_LEN(between); i++)
			for (size_t k = 0; k < ARRAY_LEN(between); k++) {
				struct buf b;

				buf_init(&b, 100);
				buf_str(&b, between[i]);
				buf_char(&b, (char)c);
				buf_str(&b, between[k]);
				fold_both(buf_span(&b), 100);
				fold_both(buf_span(&b), 1000);
				buf_fini(&b);
			}
	for (uint32_t c = 0x3000; c < 0xac00; c++) { /* Han, and what is around it */
		struct buf b;
		char octets[4];
		size_t n = utf8_put(octets, c);

		buf_init(&b, 100);
		buf_put(&b, octets, n);
		buf_printf(&b, "%.*sx%.*s\xef\xb8\x8f", (int)n, octets, (int)n, octets);
		buf_put(&b, octets, n);
		buf_put(&b, octets, c % n); /* cut */
		fold_both(buf_span(&b), 1000);
		buf_fini(&b);
	}
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 37 % 127);
	for (size_t n = 0; n < sizeof(text); n += 53)
		for (size_t room = 500; room < 5000; room += 499)
			fold_both(span_of(text, n), room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_made_comparable),
		cmocka_unit_test(casemap_is_that_of_libunistring),
		cmocka_unit_test(folding_twice_changes_nothing),
		cmocka_unit_test(what_is_folded_quickly_is_as_the_tables_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
