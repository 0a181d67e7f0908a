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
		buf_fini(&once);
		buf_fini(&twice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_made_comparable),
		cmocka_unit_test(casemap_is_that_of_libunistring),
		cmocka_unit_test(folding_twice_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
