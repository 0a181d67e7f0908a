#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_word.h"

static const struct {
	const char *name, *in, *out;
} words[] = {
	{"plain", " hello there", "hello there"},
	{"folded", " hello\r\n there", "hello there"},
	/* the examples of RFC 2047 section 8 */
	{"one", "=?ISO-8859-1?Q?a?=", "a"},
	{"word and text", "=?ISO-8859-1?Q?a?= b", "a b"},
	{"two join", "=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
	{"two join over blanks", "=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"},
	{"two join over a fold", "=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"},
	{"blank within", "=?ISO-8859-1?Q?a_b?=", "a b"},
	{"blank between", "=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
	{"names", "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
		"Keith Moore <moore@cs.utk.edu>"},
	{"latin-1", "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld Jørn Simonsen"},
	{"base64", "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"},
	{"utf-8", "=?utf-8?b?6am/56uZ?=", "驿站"},
	{"utf-8 without padding", "=?utf-8?b?6am/56uZLg?=", "驿站."},
	{"language of RFC 2231", "=?US-ASCII*EN?Q?Keith?=", "Keith"},
	{"windows-1252", "=?windows-1252?Q?=93x=94=80?=", "“x”€"},
	{"gb2312 through iconv", "=?GB2312?B?xOO6ww==?=", "你好"},
	{"koi8-r through iconv", "=?KOI8-R?Q?=F0=D2=C9=D7=C5=D4?=", "Привет"},
	{"text between words", "=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"},
	{"broken escape stays", "=?utf-8?q?a=zz?=", "a=zz"},
	{"unknown coding stays", "=?utf-8?x?abc?=", "=?utf-8?x?abc?="},
	{"unknown charset stays", "=?nonesuch-9?q?abc?=", "=?nonesuch-9?q?abc?="},
	{"iconv options are no charset",
		"=?utf-16//TRANSLIT?q?abc?=", "=?utf-16//TRANSLIT?q?abc?="},
	{"not closed stays", "=?utf-8?q?abc", "=?utf-8?q?abc"},
	{"bad base64 stays", "=?utf-8?b?***?=", "=?utf-8?b?***?="},
	{"raw utf-8", "驿站", "驿站"},
	{"raw latin-1 is replaced", "\xfc", "�"},
	{"decoded controls are blanks", "=?utf-8?q?a=0D=0AX:_b=1B?=", "a  X: b"},
	{"decoded NUL is a blank", "=?utf-8?q?a=00b?=", "a b"},
	{"broken utf-8 within", "=?utf-8?q?=E9=A9?=", "�"},
	{"a character in two words", "=?utf-8?q?=E9=A9?=\r\n =?UTF-8?b?vw==?= x", "驿 x"},
	{"a character in two charsets", "=?utf-8?q?=E9=A9?= =?koi8-r?q?=F0?=", "�П"},
	{"shift states in two words",
		"=?iso-2022-jp?b?GyRCMVg=?= =?iso-2022-jp?b?MVgbKEI=?=", "駅駅"},
	{"blanks behind the last word", "=?utf-8?q?a?=  b ", "a  b"},
};

static void word_table(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct span got = mail_word_decode(a, span_str(words[i].in));

		if (!span_eq(got, span_str(words[i].out)))
			fail_msg("%s: '" SPAN_FMT "'", words[i].name, SPAN_ARG(got));
	}
	arena_free(&a);
}

/* RFC 8621 section 4.1.2.2: what only looks like one stays (RFC 2047 sections 2 and 5) */
static const struct {
	const char *name, *in, *out;
} strict[] = {
	{"a word", " =?utf-8?q?a?= b", "a b"},
	{"words in a row", " =?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"},
	{"behind text", " x=?utf-8?q?a?=", "x=?utf-8?q?a?="},
	{"in front of text", " =?utf-8?q?a?=x", "=?utf-8?q?a?=x"},
	{"nothing between two", " =?utf-8?q?a?==?utf-8?q?b?=", "=?utf-8?q?a?==?utf-8?q?b?="},
	{"a blank within", " =?utf-8?q?a b?=", "=?utf-8?q?a b?="},
	{"in quotes", " \"=?utf-8?q?a?=\"", "\"=?utf-8?q?a?=\""},
	{"a good one behind a bad one", " (=?utf-8?q?a?=) =?utf-8?q?b?=", "(=?utf-8?q?a?=) b"},
	{"controls within are dropped", " =?utf-8?q?a=00=07b?=", "ab"},
	{"a fold with a tab", " a\r\n\tb", "a\tb"},
};

static void text_table(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(strict); i++) {
		struct span got = mail_word_text(a, span_str(strict[i].in));

		if (!span_eq(got, span_str(strict[i].out)))
			fail_msg("%s: '" SPAN_FMT "'", strict[i].name, SPAN_ARG(got));
	}
	assert_true(span_eq(mail_word_text(a, SPAN(" a\0b")), SPAN("ab")));
	arena_free(&a);
}

static void written_words_read_back(void **state)
{
	static const char *const texts[] = {"plain", "驿站", "ü", "=?already?=",
		"a very long text: 驿站 (yìzhàn) is the relay station of the old Chinese post road, "
		"where a courier changes horses 驿站驿站驿站驿站驿站驿站驿站驿站驿站驿站驿站驿站"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t column = 0; column < 90; column += 9) {
			struct arena *a = arena_new();
			struct buf b;
			struct span rest, line;
			bool has_more;

			buf_init(&b, 4096);
			mail_word_put(&b, span_str(texts[i]), column);
			assert_true(span_is_ascii(buf_span(&b)));
			assert_true(span_eq(mail_word_decode(a, buf_span(&b)), span_str(texts[i])));
			rest = buf_span(&b);
			do { /* RFC 2047 section 2: lines of at most 76 */
				has_more = span_cut(rest, '\n', &line, &rest);
				assert_true(line.len <= 77);
			} while (has_more);
			buf_fini(&b);
			arena_free(&a);
		}
	}
}

static void decoding_is_bounded(void **state)
{
	struct arena *a = arena_new();
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < 20000; i++)
		buf_str(&b, "=?iso-8859-1?q?=E9=E9=E9=E9=E9=E9?= ");
	assert_true(mail_word_decode(a, buf_span(&b)).len <= MAIL_WORD_TEXT_MAX);
	buf_fini(&b);
	arena_free(&a);
}

static const struct {
	const char *name, *in, *out;
} lists[] = {
	{"bare", "a@b", "[|a@b]"},
	{"angle", "Alice <a@b>", "[Alice|a@b]"},
	{"quoted name", "\"Smith, Alice\" <a@b>, c@d", "[Smith, Alice|a@b][|c@d]"},
	{"encoded name", "=?utf-8?b?6am/56uZ?= <a@b>", "[驿站|a@b]"},
	{"comment is the name", "a@b (Alice)", "[Alice|a@b]"},
	{"comment within", "Alice (work) <a@b>", "[Alice|a@b]"},
	{"nested comment with a comma", "a@b ((x), y)", "[(x), y|a@b]"},
	{"quoted local part", "\"a b\"@c", "[|\"a b\"@c]"},
	{"address in the name", "\"a@x\" <b@y>", "[a@x|b@y]"},
	{"group", "Friends: a@b, c@d;, e@f", "[|a@b][|c@d][|e@f]"},
	{"empty group", "undisclosed-recipients:;", ""},
	{"folded", "Alice\r\n <a@b>,\r\n c@d", "[Alice|a@b][|c@d]"},
	{"two angles", "<a@b> <c@d>", "[|a@b]"},
	{"open angle", "Alice <a@b", "[Alice|a@b]"},
	{"open quote", "\"Alice <a@b>", "[|Alice <a@b>]"},
	{"open comment", "a@b (x", "[|a@b]"},
	{"only commas", ",,;,", ""},
	{"nothing", "", ""},
	{"quoted pair", "\"A \\\"B\\\"\" <a@b>", "[A \"B\"|a@b]"},
	{"backslash at the end", "\"a\\", "[|a\\]"},
};

static void mailbox_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct arena *a = arena_new();
		struct mail_mailbox m;
		struct span list = span_str(lists[i].in);
		struct buf b;

		buf_init(&b, 4096);
		while (mail_mailbox_next(a, &list, &m))
			buf_printf(&b, "[" SPAN_FMT "|" SPAN_FMT "]", SPAN_ARG(m.name),
				SPAN_ARG(m.address));
		if (strcmp(buf_cstr(&b), lists[i].out) != 0)
			fail_msg("%s: %s", lists[i].name, buf_cstr(&b));
		buf_fini(&b);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(word_table),
		cmocka_unit_test(text_table),
		cmocka_unit_test(written_words_read_back),
		cmocka_unit_test(decoding_is_bounded),
		cmocka_unit_test(mailbox_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
